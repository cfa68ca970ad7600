//! The relay's clock as this client reads it.

use crate::MonoTime;
use std::time::Duration;
use streamshare_protocol::{ActionId, UnixMs};

/// Quick pings after the connection stands: enough that one of them meets no queue.
const QUICK_PINGS: u32 = 5;
const QUICK_PING_EVERY: Duration = Duration::from_millis(200);
/// Later pings: a crystal is off by less than 100 ppm, so a sample ages by 1 ms in this time.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How much worse a sample counts as it ages: 50 ppm, a usual crystal (notes of RFC 5905, section 11.2.1: dispersion).
const AGEING: f64 = 50e-6;
/// Pings without an answer that are remembered.
const OUTSTANDING_MAX: usize = 8;

/// One reading of the relay's clock.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// The relay's clock minus ours, in milliseconds.
    offset_ms: f64,
    /// How far that may be off, in milliseconds, when it was taken.
    error_ms: f64,
    taken: MonoTime,
}

impl Sample {
    fn error_ms_at(&self, now: MonoTime) -> f64 {
        self.error_ms + AGEING * now.since(self.taken).as_secs_f64() * 1000.0
    }
}

/// Keeps the best reading: the one with the least error, counting its age.
#[derive(Debug, Default)]
pub(super) struct RelayClock {
    best: Option<Sample>,
    outstanding: Vec<(ActionId, MonoTime)>,
    quick_left: u32,
    next_ping: Option<MonoTime>,
}

impl RelayClock {
    /// A connection stands: whatever was measured over the former one may belong to another relay or another path.
    pub(super) fn handle_link_up(&mut self, now: MonoTime) {
        self.outstanding.clear();
        self.quick_left = QUICK_PINGS;
        self.next_ping = Some(now);
    }

    pub(super) fn handle_link_down(&mut self) {
        self.next_ping = None;
    }

    /// A reading without a question: all that is known is that the message was under way for some time.
    pub(super) fn handle_one_way(&mut self, relay: UnixMs, now: MonoTime) {
        /// What such a reading may be off by: the way of a slow mobile connection.
        const ONE_WAY_ERROR_MS: f64 = 1000.0;
        self.take(Sample { offset_ms: relay.ms() - ms(now), error_ms: ONE_WAY_ERROR_MS, taken: now });
    }

    pub(super) fn handle_pong(&mut self, id: ActionId, relay: UnixMs, now: MonoTime) {
        let Some(at) = self.outstanding.iter().position(|(asked, _)| *asked == id) else { return };
        let (_, sent) = self.outstanding.remove(at);
        let half_ms = now.since(sent).as_secs_f64() * 1000.0 / 2.0;
        self.take(Sample { offset_ms: relay.ms() + half_ms - ms(now), error_ms: half_ms, taken: now });
    }

    /// Whether a ping is due; the caller sends it with this id.
    pub(super) fn poll_ping(&mut self, id: ActionId, now: MonoTime) -> bool {
        if self.next_ping.is_none_or(|due| due > now) {
            return false;
        }
        self.quick_left = self.quick_left.saturating_sub(1);
        self.next_ping = Some(now + if self.quick_left > 0 { QUICK_PING_EVERY } else { PING_EVERY });
        if self.outstanding.len() == OUTSTANDING_MAX {
            self.outstanding.remove(0);
        }
        self.outstanding.push((id, now));
        true
    }

    /// The relay's clock now, in milliseconds since the Unix epoch; before the first reading, a clock of its own.
    pub(super) fn relay_ms(&self, now: MonoTime) -> f64 {
        ms(now) + self.best.map_or(0.0, |sample| sample.offset_ms)
    }

    /// Forgets all readings: the relay is another one, with another clock.
    pub(super) fn forget(&mut self) {
        self.best = None;
    }

    fn take(&mut self, sample: Sample) {
        let worse = |best: Sample| best.error_ms_at(sample.taken) >= sample.error_ms;
        if self.best.is_none_or(worse) {
            self.best = Some(sample);
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a monotonic clock stays below 2^53 microseconds for 285 years")]
fn ms(time: MonoTime) -> f64 {
    time.us() as f64 / 1000.0
}
