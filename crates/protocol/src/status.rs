//! Whether, where and how a room plays.

use crate::MediaTime;
use serde::Serialize;

/// Whether a room plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum PlaybackState {
    /// Playback advances.
    #[serde(rename = "PLAYING")]
    Playing,
    /// Playback stands.
    #[serde(rename = "PAUSED")]
    Paused,
}

/// What a room does when a member's player waits for data. An addition of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StallPolicy {
    /// It waits for a while.
    #[default]
    Wait,
    /// It goes on; whoever stalled catches up.
    NeverWait,
}

/// Where a room is in the head of its playlist.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The place at the message's `dispatchedAt`, on the sender's clock.
    pub current_time: MediaTime,
    /// Whether it plays.
    pub state: PlaybackState,
}

impl Status {
    /// The start of an item that nobody has started.
    pub const IDLE: Self = Self { current_time: MediaTime::ZERO, state: PlaybackState::Paused };
}
