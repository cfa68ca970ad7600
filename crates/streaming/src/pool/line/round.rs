//! From a moment until a block comes that was asked for later: a round trip.

use std::time::Instant;

/// What comes in less than so many seconds tells nothing of how much comes in a second: a socket is read in portions of some blocks.
const SPAN_MIN: f64 = 0.005;

/// What came in a round trip.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    pub(super) began: Instant,
    /// The window when it began.
    pub(super) blocks: f64,
    /// When that was asked for which had come last then, and which came last.
    sent_before: Instant,
    sent: Instant,
    /// The least time that a block took, in seconds, and that of all together.
    pub(super) least: f64,
    sum: f64,
    pub(super) count: u32,
    /// As much was asked for as fits the window, all the time.
    pub(super) is_full: bool,
}

impl Round {
    pub(super) fn new(now: Instant, sent: Instant, blocks: f64) -> Self {
        Self { began: now, blocks, sent_before: sent, sent, least: f64::INFINITY, sum: 0.0, count: 0, is_full: true }
    }

    /// A block came, after so many seconds.
    pub(super) fn block(&mut self, sent: Instant, took: f64, is_full: bool) {
        self.is_full &= is_full;
        self.least = self.least.min(took);
        self.sum += took;
        self.sent = sent;
        self.count += 1;
    }

    /// Blocks a second. What comes at once after a pause comes no faster than it was asked for.
    pub(super) fn rate(&self, now: Instant) -> f64 {
        let span = (now - self.began).max(self.sent.saturating_duration_since(self.sent_before));
        f64::from(self.count) / span.as_secs_f64().max(SPAN_MIN)
    }

    /// How much longer blocks take than the soonest, on average, in seconds.
    pub(super) fn spread(&self) -> f64 {
        self.sum / f64::from(self.count) - self.least
    }
}
