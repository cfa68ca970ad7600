//! The `<video>` element as a player.
//!
//! WebKitGTK shaped this (measured on 2.50): after a seek `readyState` sticks at 2 although playback goes on, and the
//! promise of `play()` may never resolve. So nothing here waits for either; what counts is whether `currentTime` moves.

use super::player::{PlayerPort, Sample};
use crate::clock::mono_ms;
use gloo_events::EventListener;
use js_sys::Reflect;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use streamshare_protocol::MediaTime;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlMediaElement, HtmlVideoElement, MediaError, Node};
use yew::Callback;

#[wasm_bindgen]
extern "C" {
    type PlayPromise;
    #[wasm_bindgen(method, js_name = catch)]
    fn on_refusal(this: &PlayPromise, handler: &JsValue);
}

/// Milliseconds without a step of `currentTime` after which a player that should play has stalled. The element steps it
/// at least every 250 ms (HTML, "timeupdate"), and WebKitGTK needs up to 400 ms after a seek.
const STALL_MS: f64 = 700.0;
/// Milliseconds after which known metadata count as readiness: an engine may load no frame before it plays.
const METADATA_ONLY_MS: f64 = 1_000.0;
/// Seconds that a buffered range may start after the position and still count as reaching it.
const RANGE_SLACK_S: f64 = 0.1;
/// Seconds of playback after which a missing picture is not only late.
const PICTURE_DUE_S: f64 = 0.5;

const EVENTS: [&str; 14] = [
    "loadedmetadata",
    "loadeddata",
    "durationchange",
    "canplay",
    "play",
    "playing",
    "waiting",
    "seeking",
    "seeked",
    "pause",
    "ended",
    "error",
    "timeupdate",
    "progress",
];

#[derive(Default)]
struct State {
    loaded: Cell<bool>,
    is_sound: Cell<bool>,
    ready: Cell<bool>,
    metadata_at_ms: Cell<Option<f64>>,
    /// A seek that came before the metadata.
    seek_later: Cell<Option<MediaTime>>,
    wants_to_play: Cell<bool>,
    blocked: Cell<bool>,
    failure: RefCell<Option<String>>,
    /// The last step of the position: where and when.
    step: Cell<(f64, f64)>,
}

pub(super) struct VideoElement {
    video: HtmlVideoElement,
    state: Rc<State>,
    on_refusal: JsValue,
    _listeners: Vec<EventListener>,
}

impl VideoElement {
    pub(super) fn new(on_change: Callback<()>) -> Option<Self> {
        let document = web_sys::window()?.document()?;
        let video: HtmlVideoElement = document.create_element("video").ok()?.dyn_into().ok()?;
        // No `crossorigin`: the engine's server is another origin, and only pixels that nobody reads are wanted of it.
        // `metadata` before any `src`: with `auto`, WebKitGTK writes the whole file to its disk cache at once.
        for (name, value) in [
            ("preload", "metadata"),
            ("playsinline", ""),
            ("disableremoteplayback", ""),
            ("class", "video"),
            ("data-testid", "video"),
        ] {
            video.set_attribute(name, value).ok()?;
        }
        // What all of them do by themselves, old ones under another name: voices stay as they are while the speed changes.
        for name in ["preservesPitch", "webkitPreservesPitch"] {
            Reflect::set(&video, &name.into(), &JsValue::TRUE).ok()?;
        }
        let state = Rc::new(State::default());
        let listeners = EVENTS
            .into_iter()
            .map(|event| {
                let (video, state, on_change) = (video.clone(), Rc::clone(&state), on_change.clone());
                EventListener::new(&video.clone(), event, move |_| {
                    state.take_note(event, &video);
                    on_change.emit(());
                })
            })
            .collect();
        let noted = Rc::clone(&state);
        let on_refusal = Closure::<dyn FnMut(JsValue)>::new(move |error: JsValue| {
            let name = Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string());
            if name.as_deref() == Some("NotAllowedError") {
                noted.blocked.set(true);
                on_change.emit(());
            }
        });
        // Left to the page's garbage collector: a promise of play() may be refused after this player is gone.
        let on_refusal = on_refusal.into_js_value();
        Some(Self { video, state, on_refusal, _listeners: listeners })
    }
}

impl State {
    fn take_note(&self, event: &str, video: &HtmlVideoElement) {
        if !self.loaded.get() {
            return;
        }
        match event {
            "loadedmetadata" => {
                self.metadata_at_ms.set(Some(mono_ms()));
                if let Some(to) = self.seek_later.take() {
                    video.set_current_time(to.seconds());
                }
            }
            "playing" => self.blocked.set(false),
            "error" => {
                *self.failure.borrow_mut() = Some(explain(video.error().as_ref()));
            }
            _ => (),
        }
    }

    fn reset(&self, loaded: bool, is_sound: bool) {
        self.loaded.set(loaded);
        self.is_sound.set(is_sound);
        self.ready.set(false);
        self.metadata_at_ms.set(None);
        self.seek_later.set(None);
        self.wants_to_play.set(false);
        self.blocked.set(false);
        self.step.set((0.0, mono_ms()));
        *self.failure.borrow_mut() = None;
    }

    fn has_metadata(&self) -> bool {
        self.metadata_at_ms.get().is_some()
    }
}

impl PlayerPort for VideoElement {
    fn node(&self) -> Node {
        self.video.clone().into()
    }

    fn load(&self, url: &str, is_sound: bool) {
        self.state.reset(true, is_sound);
        self.video.set_src(url);
    }

    fn unload(&self) {
        self.state.reset(false, false);
        let _ = self.video.pause();
        // Without the attribute, load() drops the connection and the last picture.
        if self.video.has_attribute("src") {
            let _ = self.video.remove_attribute("src");
            self.video.load();
        }
    }

    fn play(&self) {
        self.state.wants_to_play.set(true);
        self.state.step.set((self.video.current_time(), mono_ms()));
        if let Ok(promise) = self.video.play() {
            // Never awaited, only its refusal is heard.
            promise.unchecked_into::<PlayPromise>().on_refusal(&self.on_refusal);
        }
    }

    fn pause(&self) {
        self.state.wants_to_play.set(false);
        self.state.blocked.set(false);
        let _ = self.video.pause();
    }

    fn seek(&self, to: MediaTime) {
        if self.state.has_metadata() {
            self.video.set_current_time(to.seconds());
        } else {
            self.state.seek_later.set(Some(to));
        }
        self.state.step.set((to.seconds(), mono_ms()));
    }

    fn set_rate(&self, rate: f64) {
        // Loading puts it back to the default of 1 (HTML, "media element load algorithm").
        self.video.set_playback_rate(rate);
    }

    fn is_playing(&self) -> bool {
        self.state.loaded.get() && !self.video.paused()
    }

    fn sample(&self) -> Sample {
        let state = &self.state;
        if !state.loaded.get() {
            return Sample { paused: true, rate: self.video.playback_rate(), ..Sample::default() };
        }
        let now_ms = mono_ms();
        let current = self.video.current_time();
        let later = state.seek_later.get();
        let shows = self.video.ready_state() >= HtmlMediaElement::HAVE_CURRENT_DATA;
        let waited = state.metadata_at_ms.get().is_some_and(|at| now_ms - at >= METADATA_ONLY_MS);
        state.ready.set(state.ready.get() || shows || waited);
        let (last, last_at_ms) = state.step.get();
        // The element's own number, compared with itself: any difference is a step.
        #[allow(clippy::float_cmp, reason = "whether the same number is read twice")]
        if last != current {
            state.step.set((current, now_ms));
        }
        let (paused, ended) = (self.video.paused(), self.video.ended());
        let stalled =
            state.wants_to_play.get() && !paused && !ended && now_ms - last_at_ms.max(state.step.get().1) > STALL_MS;
        let no_picture = self.video.video_width() == 0 && current > PICTURE_DUE_S && !paused;
        Sample {
            ready: state.ready.get(),
            position: later.unwrap_or(MediaTime::saturating(current)),
            rate: self.video.playback_rate(),
            buffer: MediaTime::saturating(buffered_after(&self.video, current)),
            duration: Some(self.video.duration()).filter(|s| s.is_finite() && *s > 0.0).map(MediaTime::saturating),
            paused,
            seeking: self.video.seeking() || later.is_some(),
            ended,
            blocked: state.blocked.get(),
            stalled,
            sound_only: no_picture && !state.is_sound.get(),
            failure: state.failure.borrow().clone(),
        }
    }

    fn set_sound(&self, volume: f64, muted: bool) {
        self.video.set_volume(volume.clamp(0.0, 1.0));
        self.video.set_muted(muted);
    }
}

impl Drop for VideoElement {
    fn drop(&mut self) {
        self.unload();
    }
}

/// Seconds of media ready ahead of a position without a gap.
fn buffered_after(video: &HtmlVideoElement, position: f64) -> f64 {
    let ranges = video.buffered();
    let around = (0..ranges.length()).filter_map(|index| Some((ranges.start(index).ok()?, ranges.end(index).ok()?)));
    around
        .filter(|(start, end)| *start <= position + RANGE_SLACK_S && *end >= position)
        .map(|(_, end)| end - position)
        .fold(0.0, f64::max)
}

/// The element's error for people (HTML, "MediaError").
fn explain(error: Option<&MediaError>) -> String {
    let text = match error.map(MediaError::code) {
        Some(MediaError::MEDIA_ERR_NETWORK) => "The video stopped arriving.",
        Some(MediaError::MEDIA_ERR_DECODE) => {
            "The player stumbled over this video: it is damaged, or a codec is missing."
        }
        Some(MediaError::MEDIA_ERR_SRC_NOT_SUPPORTED) => {
            "This player cannot show this video: it lacks a codec for it, or the file is not a video."
        }
        _ => "The player stopped.",
    };
    if let Some(error) = error {
        web_sys::console::warn_1(&format!("media error {}: {}", error.code(), error.message()).into());
    }
    text.to_owned()
}
