//! Where captions are shown: a text track of the player's own (HTML, "Text tracks"), filled by script. It is rendered by the browser and
//! needs no address, so nothing of another origin.

use gloo_events::EventListener;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use streamshare_media::{Cue, Place};
use wasm_bindgen::JsCast;
use web_sys::{AutoKeyword, HtmlVideoElement, Node, TextTrack, TextTrackKind, TextTrackList, TextTrackMode, VttCue};

/// The line for cues at the top, counted from there.
const TOP_LINE: f64 = 0.0;
/// How high the player's controls are, in pixels, with some air.
const CONTROLS_PX: f64 = 84.0;
/// A line's height as a part of the picture's smaller side: letters are 5 % of it (WebVTT, "Applying CSS properties"), and a
/// line is higher than its letters by this at least.
const LINE_SHARE: f64 = 0.05 * 1.15;
/// Seconds around the position in which cues are kept where they belong.
const NEAR_S: f64 = 120.0;

/// A player's captions. A track cannot be taken off a player again, so there is one for all.
pub(crate) struct CaptionTrack {
    shown: Rc<Shown>,
    _listeners: [Option<EventListener>; 2],
}

struct Shown {
    video: HtmlVideoElement,
    track: TextTrack,
    cues: RefCell<Vec<Line>>,
    /// Whether cues at the bottom stand above the player's controls. No browser knows of controls that are not its own.
    lifted: Cell<bool>,
    /// Seconds by which cues are shown later than they say; earlier where it is negative.
    delay_s: Cell<f64>,
    /// How many rows at the bottom are left to the controls.
    clear: Cell<Option<f64>>,
}

struct Line {
    cue: VttCue,
    /// As it says.
    start_s: f64,
    end_s: f64,
    /// How many lines it has; none where it stands at the top.
    rows: Option<f64>,
}

impl CaptionTrack {
    /// None shown yet; nothing where the node is no player.
    pub(crate) fn new(player: &Node) -> Option<Self> {
        let video: HtmlVideoElement = player.dyn_ref::<HtmlVideoElement>()?.clone();
        let track = video.add_text_track(TextTrackKind::Subtitles);
        track.set_mode(TextTrackMode::Hidden);
        let others = video.text_tracks().map(|tracks| {
            let ours = track.clone();
            EventListener::new(&tracks.clone(), "addtrack", move |_| switch_off_others(&tracks, &ours))
        });
        let (cues, lifted, delay_s, clear) = (RefCell::default(), Cell::new(true), Cell::default(), Cell::default());
        let shown = Rc::new(Shown { video, track, cues, lifted, delay_s, clear });
        let placed = Rc::clone(&shown);
        let changes = EventListener::new(&shown.track, "cuechange", move |_| placed.place());
        Some(Self { shown, _listeners: [others, Some(changes)] })
    }

    /// Shows these, too.
    pub(crate) fn add(&self, cues: &[Cue]) {
        for cue in cues {
            let (start_s, end_s) = (cue.start.as_secs_f64(), cue.end.as_secs_f64());
            let (from, until) = self.shown.times(start_s, end_s);
            let Ok(shown) = VttCue::new(from, until, &cue.text) else { continue };
            let rows = if cue.place == Place::Top {
                shown.set_line_f64(TOP_LINE);
                None
            } else {
                Some(cue.text.lines().fold(0.0, |rows, _| rows + 1.0))
            };
            self.shown.track.add_cue(&shown);
            self.shown.cues.borrow_mut().push(Line { cue: shown, start_s, end_s, rows });
        }
        self.shown.track.set_mode(TextTrackMode::Showing);
        self.shown.place();
    }

    /// Makes room for the player's controls at the bottom, or takes it again.
    pub(crate) fn lift(&self, lifted: bool) {
        if self.shown.lifted.replace(lifted) != lifted {
            self.shown.place();
        }
    }

    /// Shows cues so many seconds later than they say, or earlier where it is negative; those that are added, too.
    pub(crate) fn shift(&self, delay_s: f64) {
        self.shown.delay_s.set(delay_s);
        if self.shown.cues.borrow().is_empty() {
            return;
        }
        // Off meanwhile: else each change makes the player look for what it shows.
        self.shown.track.set_mode(TextTrackMode::Disabled);
        for line in &*self.shown.cues.borrow() {
            let (from, until) = self.shown.times(line.start_s, line.end_s);
            line.cue.set_start_time(from);
            line.cue.set_end_time(until);
        }
        self.shown.track.set_mode(TextTrackMode::Showing);
        self.shown.place();
    }

    /// Shows nothing any more.
    pub(crate) fn clear(&self) {
        // A track that is off has no list of cues to take them from.
        self.shown.track.set_mode(TextTrackMode::Hidden);
        for line in self.shown.cues.take() {
            // It is in the track: that was made above.
            let _ = self.shown.track.remove_cue(&line.cue);
        }
    }
}

impl Shown {
    /// From when until when a cue is shown, in seconds; for no time where that was before the film.
    fn times(&self, start_s: f64, end_s: f64) -> (f64, f64) {
        let delay_s = self.delay_s.get();
        ((start_s + delay_s).max(0.0), (end_s + delay_s).max(0.0))
    }

    /// Puts the cues around the position where they belong. Not all of them: there may be thousands, and each costs.
    fn place(&self) {
        let now_s = self.video.current_time() - self.delay_s.get();
        let side = f64::from(self.video.client_height().min(self.video.client_width()));
        let rows = (CONTROLS_PX / (side * LINE_SHARE)).ceil();
        let clear = Some(rows).filter(|rows| self.lifted.get() && rows.is_finite());
        for line in &*self.cues.borrow() {
            let Some(rows) = line.rows.filter(|_| line.end_s > now_s - NEAR_S && line.start_s < now_s + NEAR_S) else {
                continue;
            };
            match clear {
                // The line of its first row, counted from the bottom.
                Some(clear) => line.cue.set_line_f64(-clear - rows),
                None => line.cue.set_line_auto_keyword(AutoKeyword::Auto),
            }
        }
        // Chromium leaves a cue that it shows already where it is, until it has to show it anew.
        if self.clear.replace(clear) != clear && self.track.mode() == TextTrackMode::Showing {
            self.track.set_mode(TextTrackMode::Hidden);
            self.track.set_mode(TextTrackMode::Showing);
        }
    }
}

/// Some players (WebKitGTK) find the film's own tracks and may show them: then everything would stand there twice.
fn switch_off_others(tracks: &TextTrackList, ours: &TextTrack) {
    for track in (0..tracks.length()).filter_map(|index| tracks.get(index)).filter(|track| track != ours) {
        track.set_mode(TextTrackMode::Disabled);
    }
}
