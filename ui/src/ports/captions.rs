//! Where captions are shown: a text track of the player's own (HTML, "Text tracks"), filled by script. It is rendered by the browser and
//! needs no address, so nothing of another origin.

use gloo_events::EventListener;
use std::cell::RefCell;
use streamshare_media::{Cue, Place};
use wasm_bindgen::JsCast;
use web_sys::{HtmlVideoElement, Node, TextTrack, TextTrackKind, TextTrackList, TextTrackMode, VttCue};

/// The line for cues at the top, counted from there.
const TOP_LINE: f64 = 0.0;

/// A player's captions. A track cannot be taken off a player again, so there is one for all.
pub(crate) struct CaptionTrack {
    track: TextTrack,
    cues: RefCell<Vec<VttCue>>,
    _listener: Option<EventListener>,
}

impl CaptionTrack {
    /// None shown yet; nothing where the node is no player.
    pub(crate) fn new(player: &Node) -> Option<Self> {
        let video: &HtmlVideoElement = player.dyn_ref()?;
        let track = video.add_text_track(TextTrackKind::Subtitles);
        track.set_mode(TextTrackMode::Hidden);
        let listener = video.text_tracks().map(|tracks| {
            let ours = track.clone();
            EventListener::new(&tracks.clone(), "addtrack", move |_| switch_off_others(&tracks, &ours))
        });
        Some(Self { track, cues: RefCell::default(), _listener: listener })
    }

    /// Shows these, too.
    pub(crate) fn add(&self, cues: &[Cue]) {
        for cue in cues {
            let Ok(shown) = VttCue::new(cue.start.as_secs_f64(), cue.end.as_secs_f64(), &cue.text) else { continue };
            if cue.place == Place::Top {
                shown.set_line_f64(TOP_LINE);
            }
            self.track.add_cue(&shown);
            self.cues.borrow_mut().push(shown);
        }
        self.track.set_mode(TextTrackMode::Showing);
    }

    /// Shows nothing any more.
    pub(crate) fn clear(&self) {
        // A track that is off has no list of cues to take them from.
        self.track.set_mode(TextTrackMode::Hidden);
        for cue in self.cues.take() {
            // It is in the track: that was made above.
            let _ = self.track.remove_cue(&cue);
        }
    }
}

/// Some players (WebKitGTK) find the film's own tracks and may show them: then everything would stand there twice.
fn switch_off_others(tracks: &TextTrackList, ours: &TextTrack) {
    for track in (0..tracks.length()).filter_map(|index| tracks.get(index)).filter(|track| track != ours) {
        track.set_mode(TextTrackMode::Disabled);
    }
}
