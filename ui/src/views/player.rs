//! The stage: the picture, what is said over it, and the controls.

use super::captions::{Notes, Timing};
use super::controls::Controls;
use super::icons::{Icon, icon};
use super::keys::{self, Shortcut};
use super::message::{Said, message};
use super::resting::use_resting;
use crate::app::Wish;
use crate::ports::shell::Kind;
use crate::session::{Media, Snapshot};
use gloo_events::{EventListener, EventListenerOptions};
use gloo_timers::callback::Timeout;
use std::cell::RefCell;
use std::rc::Rc;
use streamshare_ipc::{Ready, TorrentState};
use streamshare_playsync::Action;
use streamshare_protocol::{Invitation, MediaTime, PlaybackState};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent, Node};
use yew::prelude::*;

/// Milliseconds within which a second click makes a double click; systems allow more, but a click that waits longer
/// feels broken.
const DOUBLE_CLICK_MS: u32 = 220;

#[derive(Clone, Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) kind: Kind,
    pub(crate) invitation: Invitation,
    pub(crate) snapshot: Snapshot,
    /// Nobody is there to get the rest of the film from.
    pub(crate) forsaken: bool,
    /// What its torrent does, once that is known.
    pub(crate) torrent: Option<TorrentState>,
    /// What is there of the file that plays.
    pub(crate) ready: Option<Ready>,
    /// When it plays on, in words.
    pub(crate) wait: Option<String>,
    /// What stopped its torrent, for people.
    pub(crate) broken: Option<String>,
    pub(crate) node: Node,
    pub(crate) sound: (f64, bool),
    pub(crate) on_gesture: Callback<()>,
    pub(crate) on_action: Callback<Action>,
    pub(crate) on_wish: Callback<Wish>,
}

#[component]
pub(crate) fn Player(props: &Props) -> Html {
    let stage = use_node_ref();
    let (resting, hears) = use_resting(&stage);
    use_shortcuts(props, &stage);
    use_keys_after_clicks();
    let room = &props.snapshot.room;
    let playing = room.state == PlaybackState::Playing;
    let shows_video = matches!(props.snapshot.media, Media::Opened { .. }) && props.snapshot.player.ready;
    let sample = &props.snapshot.player;
    let on_fullscreen = {
        let stage = stage.clone();
        Callback::from(move |()| toggle_fullscreen(&stage))
    };
    let on_click = use_single_click({
        let (on_action, ready) = (props.on_action.clone(), shows_video && !room.playlist.is_empty());
        let by_touch = hears.by_touch.clone();
        Callback::from(move |()| {
            // A tap only shows the controls: it shall not stop everyone's film.
            if ready && !by_touch.get() {
                on_action.emit(if playing { Action::Pause } else { Action::Play });
            }
        })
    });
    let bare = playing && resting && shows_video;
    use_effect_with(bare, {
        let on_wish = props.on_wish.clone();
        move |bare| on_wish.emit(Wish::Controls(!bare))
    });
    html! {
        <section ref={stage} class={classes!("player", bare.then_some("resting"))} aria-label="Player"
            onpointermove={hears.moves.clone()} onpointerdown={hears.moves.clone()} onfocusin={hears.focus.clone()}
            onkeydown={hears.keys.clone()}>
            <div class={classes!("picture", (!shows_video).then_some("dark"))} onclick={on_click}
                ondblclick={on_fullscreen.reform(|_| ())}>
                { Html::VRef(props.node.clone()) }
            </div>
            { message(&Said {
                snapshot: &props.snapshot, forsaken: props.forsaken, torrent: props.torrent, wait: props.wait.as_deref(),
                broken: props.broken.as_deref(),
            }, props.kind, &props.invitation, &props.on_wish, &props.on_action) }
            <Notes notes={props.snapshot.captions.notes.clone()} />
            <Timing chosen={props.snapshot.captions.chosen} delay_ms={props.snapshot.captions.delay_ms} />
            if room.needs_gesture {
                <button type="button" class="gesture" data-testid="gesture" onclick={props.on_gesture.reform(|_| ())}>
                    { icon(Icon::Play) }<span>{ "Watch along" }</span>
                </button>
            }
            <Controls
                room={room.clone()}
                ready={props.ready.clone()}
                buffered_to={MediaTime::saturating(sample.position.seconds() + sample.buffer.seconds())}
                sound={props.sound}
                captions={props.snapshot.captions.clone()}
                fullscreen={fullscreen_element().is_some()}
                on_action={props.on_action.clone()}
                on_wish={props.on_wish.clone()}
                {on_fullscreen}
            />
        </section>
    }
}

/// Tells a click from the first half of a double click: the room shall not stop and go on whenever someone fills the
/// screen.
#[hook]
fn use_single_click(on_single: Callback<()>) -> Callback<MouseEvent> {
    let timer = use_mut_ref(|| None::<Timeout>);
    Callback::from(move |event: MouseEvent| {
        let on_single = on_single.clone();
        let waits = event.detail() <= 1;
        *timer.borrow_mut() = waits.then(|| Timeout::new(DOUBLE_CLICK_MS, move || on_single.emit(())));
    })
}

/// A button that was clicked with the pointer keeps the focus, and would take the keys that are meant for the player: the
/// space bar would do again what was clicked. Who uses the keyboard, or a dialog, keeps the focus.
#[hook]
fn use_keys_after_clicks() {
    use_effect_with((), |()| {
        let listener = web_sys::window().map(|window| {
            EventListener::new(&window, "click", |event| {
                let by_pointer = event.dyn_ref::<MouseEvent>().is_some_and(|event| event.detail() > 0);
                let active =
                    web_sys::window().and_then(|window| window.document()).and_then(|page| page.active_element());
                if let Some(active) =
                    active.filter(|_| by_pointer).and_then(|active| active.dyn_into::<HtmlElement>().ok())
                    && keys::lets_go(&active)
                {
                    // Where it keeps the focus, its keys are its own as before.
                    let _ = active.blur();
                }
            })
        });
        move || drop(listener)
    });
}

/// Hears keys on the whole page while the room is shown.
#[hook]
fn use_shortcuts(props: &Props, stage: &NodeRef) {
    let latest: Rc<RefCell<Props>> = use_mut_ref(|| props.clone());
    latest.replace(props.clone());
    let stage = stage.clone();
    use_effect_with((), move |()| {
        let listener = web_sys::window().map(|window| {
            let options = EventListenerOptions::enable_prevent_default();
            EventListener::new_with_options(&window, "keydown", options, move |event| {
                let Some(event) = event.dyn_ref::<KeyboardEvent>() else { return };
                if let Some(shortcut) = keys::shortcut(&event.key(), keys::focus(event)) {
                    event.prevent_default();
                    obey(shortcut, &latest.borrow(), &stage);
                }
            })
        });
        move || drop(listener)
    });
}

fn obey(shortcut: Shortcut, props: &Props, stage: &NodeRef) {
    let room = &props.snapshot.room;
    let (volume, muted) = props.sound;
    let has_item = !room.playlist.is_empty();
    match shortcut {
        Shortcut::Toggle if has_item => props.on_action.emit(match room.state {
            PlaybackState::Playing => Action::Pause,
            PlaybackState::Paused => Action::Play,
        }),
        Shortcut::Seek(by_s) if has_item => {
            props.on_action.emit(Action::Seek(keys::step(room.position, by_s, room.duration)))
        }
        Shortcut::Toggle | Shortcut::Seek(_) => (),
        Shortcut::Volume(by) => props.on_wish.emit(Wish::Sound { volume: (volume + by).clamp(0.0, 1.0), muted: false }),
        Shortcut::Mute => props.on_wish.emit(Wish::Sound { volume, muted: !muted }),
        Shortcut::Fullscreen => toggle_fullscreen(stage),
        Shortcut::Delay(by_ms) => props.on_wish.emit(Wish::CaptionDelay(Some(by_ms))),
    }
}

fn fullscreen_element() -> Option<Element> {
    web_sys::window()?.document()?.fullscreen_element()
}

fn toggle_fullscreen(stage: &NodeRef) {
    let document = web_sys::window().and_then(|window| window.document());
    if let Some(document) = document.filter(|document| document.fullscreen_element().is_some()) {
        document.exit_fullscreen();
    } else if let Some(stage) = stage.cast::<Element>() {
        // Refused outside a gesture and where the person forbade it: then nothing happens.
        let _ = stage.request_fullscreen();
    }
}
