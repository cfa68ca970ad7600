//! A course of playback: one place at one moment, from which follows where it is at any other.

use streamshare_protocol::{MediaTime, PlaybackState, Speed, Status};

/// A place in an item at a moment of some clock, in milliseconds, and whether and how fast it moves from there on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Anchor {
    pub(crate) position: MediaTime,
    pub(crate) at_ms: f64,
    pub(crate) state: PlaybackState,
    pub(crate) speed: Speed,
}

impl Anchor {
    /// The start of an item that nobody has started.
    pub(crate) fn idle(at_ms: f64, speed: Speed) -> Self {
        Self { position: MediaTime::ZERO, at_ms, state: PlaybackState::Paused, speed }
    }

    /// Where it is at another moment of the same clock; before its own moment it stands.
    pub(crate) fn position(&self, now_ms: f64) -> MediaTime {
        match self.state {
            PlaybackState::Playing => {
                let moved_ms = (now_ms - self.at_ms).max(0.0) * self.speed.factor();
                MediaTime::saturating(self.position.seconds() + moved_ms / 1000.0)
            }
            PlaybackState::Paused => self.position,
        }
    }

    /// When it is at a place, in milliseconds; before its own moment where that lies behind.
    pub(crate) fn reaches_ms(&self, place: MediaTime) -> f64 {
        self.at_ms + (place.seconds() - self.position.seconds()) * 1000.0 / self.speed.factor()
    }

    /// The same course, told from another moment, or from its own where that lies ahead.
    pub(crate) fn moved_to(&self, now_ms: f64) -> Self {
        let starts_later = self.state == PlaybackState::Playing && self.at_ms > now_ms;
        Self { position: self.position(now_ms), at_ms: if starts_later { self.at_ms } else { now_ms }, ..*self }
    }

    pub(crate) fn status(&self, now_ms: f64) -> Status {
        Status { current_time: self.position(now_ms), state: self.state }
    }
}
