//! The most or the least of late.

use std::time::{Duration, Instant};

/// How long what was measured counts: for so long, and until as much has passed again. Longer than there is between two looks at the latency
/// without a queue, and than most pauses of a busy machine are apart.
const REMEMBERED: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub(super) struct Lately {
    of: fn(f64, f64) -> f64,
    none: f64,
    late: f64,
    before: f64,
    since: Option<Instant>,
}

impl Lately {
    /// Nothing so far is 0.
    pub(super) fn most() -> Self {
        Self { of: f64::max, none: 0.0, late: 0.0, before: 0.0, since: None }
    }

    /// Nothing so far is infinite.
    pub(super) fn least() -> Self {
        Self { of: f64::min, none: f64::INFINITY, late: f64::INFINITY, before: f64::INFINITY, since: None }
    }

    pub(super) fn see(&mut self, value: f64, now: Instant) {
        self.pass(now);
        self.late = (self.of)(self.late, value);
    }

    /// Forgets what is too long ago.
    pub(super) fn pass(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now - since > REMEMBERED) {
            (self.before, self.late, self.since) = (self.late, self.none, Some(now));
        }
    }

    /// Forgets all but this.
    pub(super) fn set(&mut self, value: f64, now: Instant) {
        (self.before, self.late, self.since) = (self.none, value, Some(now));
    }

    pub(super) fn get(&self) -> f64 {
        (self.of)(self.late, self.before)
    }
}
