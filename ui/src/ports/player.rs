//! The player: one item at a time, told what to do by a session.

use super::video::VideoElement;
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
    /// What it is doing.
    fn sample(&self) -> Sample;
    /// Sets the volume, from 0 to 1, and whether there is sound at all.
    fn set_sound(&self, volume: f64, muted: bool);
}

/// The page's player; `on_change` hears of every change between samples.
pub(crate) fn create(on_change: Callback<()>) -> Option<Box<dyn PlayerPort>> {
    Some(Box::new(VideoElement::new(on_change)?))
}
