//! The player: one item at a time, told what to do by a session.

use super::video::VideoElement;
use streamshare_playsync::PlayerKind;
use streamshare_protocol::MediaTime;
use web_sys::Node;
use yew::Callback;

/// What a player is doing with what it was told to load.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    /// Whether there is something to show.
    pub(crate) ready: bool,
    /// Where it is.
    pub(crate) position: MediaTime,
    /// How fast it plays while it plays: 1 is the film's own pace.
    pub(crate) rate: f64,
    /// Media ready ahead of that without a gap.
    pub(crate) buffer: MediaTime,
    /// The item's length, once known.
    pub(crate) duration: Option<MediaTime>,
    /// Whether it stands because it was told to.
    pub(crate) paused: bool,
    /// Whether a seek is under way.
    pub(crate) seeking: bool,
    /// Whether it came to the end.
    pub(crate) ended: bool,
    /// Whether it wants a gesture of the person first (autoplay policy).
    pub(crate) blocked: bool,
    /// Whether it should advance and does not.
    pub(crate) stalled: bool,
    /// Whether it plays the sound of a video without its picture.
    pub(crate) sound_only: bool,
    /// Why it cannot go on, for people.
    pub(crate) failure: Option<String>,
}

/// A player. Commands are taken at any time; those that come too early are remembered.
pub(crate) trait PlayerPort {
    /// What a view puts on the page.
    fn node(&self) -> Node;
    /// Loads an address; `is_sound` where no picture is to be expected.
    fn load(&self, url: &str, is_sound: bool);
    /// Forgets what was loaded.
    fn unload(&self);
    /// Starts.
    fn play(&self);
    /// Stands.
    fn pause(&self);
    /// Goes to a place.
    fn seek(&self, to: MediaTime);
    /// Plays this many seconds of film in a second, until another item is loaded.
    fn set_rate(&self, rate: f64);
    /// Whether it advances, or tries to.
    fn is_playing(&self) -> bool;
    /// What it is doing.
    fn sample(&self) -> Sample;
    /// Sets the volume, from 0 to 1, and whether there is sound at all.
    fn set_sound(&self, volume: f64, muted: bool);
}

/// What kind of engine the page runs in, as far as its name tells: Chromium's says "Chrome", and that of WebKit
/// (WebKitGTK and Safari) "AppleWebKit" without it.
pub(crate) fn kind() -> PlayerKind {
    let name = web_sys::window().and_then(|window| window.navigator().user_agent().ok()).unwrap_or_default();
    match (name.contains("Chrome/"), name.contains("AppleWebKit/")) {
        (true, _) => PlayerKind::Chromium,
        (false, true) => PlayerKind::WebKit,
        (false, false) => PlayerKind::Unknown,
    }
}

/// The page's player; `on_change` hears of every change between samples.
pub(crate) fn create(on_change: Callback<()>) -> Option<Box<dyn PlayerPort>> {
    Some(Box::new(VideoElement::new(on_change)?))
}
