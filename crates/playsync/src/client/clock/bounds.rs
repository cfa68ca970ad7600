//! What questions and answers tell of the difference between two clocks, though each was under way for some unknown time.
//!
//! A question proves that the relay's clock is at most so much ahead, for it took some time to get there; its answer
//! proves that it is at least so much ahead, for it took some time to get back. Delays only ever make such a bound
//! weaker, so the tightest of each direction is kept (Marzullo 1984; Paxson, "On Calibrating Measurements of Packet
//! Transit Times", 1998), and the two need not be of one exchange: with `n` exchanges, the middle is off by the n-th
//! part of what queues vary by, while that of the one quickest exchange is off by the square root of it.
//!
//! As the clocks do not run alike, the bounds are lines: of all slopes, the one that leaves the widest gap between the
//! upper and the lower bounds is the likeliest where queues are exponentially distributed (Moon, Skelly and Towsley,
//! "Estimation and Removal of Clock Skew from Network Delay Measurements", 1999), less what makes it unlikely beforehand.

use super::ms;
use crate::MonoTime;

/// What two crystals differ by, as a standard deviation: RFC 5905 takes 15 ppm for disciplined clocks, which a page's is
/// not; cheap ones reach 100. The narrower this is, the less do queues pass for a slope in the first minute.
const DRIFT_SIGMA: f64 = 50e-6;
/// What they differ by at the most: an operating system slews its clock by 500 ppm (`adjtimex`), and the crystal's own.
const DRIFT_MAX: f64 = 700e-6;
/// How little they run straight: crystals that warm up, clocks that are disciplined. A bound counts as wider by this as it
/// ages.
const DRIFT_ERROR_MIN: f64 = 20e-6;
/// How far off the slope may be while little was seen.
const DRIFT_ERROR_MAX: f64 = 100e-6;
/// How old the tightest bounds are at the most, about: older ones have become too wide.
const BOUND_AGE_MS: f64 = 15_000.0;
/// Steps of the search for the slope: a third of the range falls away with each, which leaves some parts in 10^9.
const SEARCH_STEPS: u32 = 32;
/// So many of the latest exchanges are compared with those before to see whether a clock was set or runs away.
pub(super) const LATEST: usize = 4;
/// What is taken to be queued one way before anything was seen, as a share of the whole trip, and how many exchanges that
/// counts as much as.
const QUEUE_SHARE: f64 = 0.1;
const QUEUE_SHARE_COUNTS: f64 = 2.0;
/// What a page's own timing is off by, in milliseconds: no way is steadier than that.
const QUEUE_MS_MIN: f64 = 0.2;
/// The two groups are apart when they differ in both directions by this share of what is usually queued, and by so many
/// milliseconds: timers of a page are no better.
const APART_QUEUES: f64 = 0.75;
const APART_MS: f64 = 2.0;

/// A question that was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) sent: MonoTime,
    pub(super) heard: MonoTime,
    /// What the relay's clock showed in between, in milliseconds.
    pub(super) relay_ms: f64,
}

impl Exchange {
    pub(super) fn trip_ms(&self) -> f64 {
        ms(self.heard) - ms(self.sent)
    }

    /// The most that the relay's clock can be ahead, reckoned to another moment at a slope.
    fn upper_ms(&self, at_ms: f64, drift: f64) -> f64 {
        self.relay_ms - ms(self.sent) - drift * (ms(self.sent) - at_ms)
    }

    /// The least that it can be.
    fn lower_ms(&self, at_ms: f64, drift: f64) -> f64 {
        self.relay_ms - ms(self.heard) - drift * (ms(self.heard) - at_ms)
    }
}

/// What many exchanges tell together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    at: MonoTime,
    /// Within what the relay's clock is ahead then, in milliseconds.
    lower_ms: f64,
    upper_ms: f64,
    /// By how much faster than ours it runs, as a share.
    pub(super) drift: f64,
    /// What the drift may be off by.
    drift_error: f64,
    /// How far the middle is likely to be off because no message came without a queue, and as the tightest bounds are of
    /// some time ago, in milliseconds.
    noise_ms: f64,
}

impl Fit {
    /// What exchanges tell, in the order in which they were answered, reckoned to a moment; nothing where there are none.
    pub(super) fn of(exchanges: &[Exchange], at: MonoTime) -> Option<Self> {
        let first = exchanges.first()?;
        let (queue_ms, count) = (queue_ms(exchanges), count(exchanges));
        // The logarithm of the likelihood, less that of what is known beforehand, in milliseconds of the gap.
        let unlikely = queue_ms / (2.0 * count * DRIFT_SIGMA * DRIFT_SIGMA);
        let score = |drift: f64| {
            let (lower_ms, upper_ms) = bounds(exchanges, ms(at), drift);
            upper_ms - lower_ms - unlikely * drift * drift
        };
        let (mut low, mut high) = (-DRIFT_MAX, DRIFT_MAX);
        for _ in 0..SEARCH_STEPS {
            let third = (high - low) / 3.0;
            if score(low + third) < score(high - third) {
                low += third;
            } else {
                high -= third;
            }
        }
        let drift = f64::midpoint(low, high);
        // Of so many, evenly between none and twice the mean, the least is off by this on average.
        let queue_error_ms = 2.0 * queue_ms / (count + 1.0);
        let span_ms = (ms(at) - ms(first.sent)).max(1.0);
        // Each half of the span has its own least, and they are half of it apart.
        let drift_error = (4.0 * queue_error_ms / span_ms).clamp(DRIFT_ERROR_MIN, DRIFT_ERROR_MAX);
        let (lower_ms, upper_ms) = aged_bounds(exchanges, ms(at), (drift, drift_error));
        let noise_ms = queue_error_ms + drift_error * BOUND_AGE_MS.min(span_ms / 2.0);
        Some(Self { at, lower_ms, upper_ms, drift, drift_error, noise_ms })
    }

    /// How far the relay's clock is ahead, in milliseconds, as far as can be told.
    pub(super) fn offset_ms(&self, now: MonoTime) -> f64 {
        f64::midpoint(self.lower_ms, self.upper_ms) + self.drift * self.age_ms(now)
    }

    /// How far that may be off at the most: the ways there and back may differ by as much as they take.
    pub(super) fn uncertainty_ms(&self, now: MonoTime) -> f64 {
        (self.upper_ms - self.lower_ms).max(0.0) / 2.0 + self.drift_error * self.age_ms(now)
    }

    /// How far it is likely to be off beside that difference: what further exchanges may show.
    pub(super) fn noise_ms(&self, now: MonoTime) -> f64 {
        self.noise_ms + self.drift_error * self.age_ms(now)
    }

    /// Whether no clock can have run so evenly.
    pub(super) fn is_impossible(&self) -> bool {
        self.upper_ms < self.lower_ms
    }

    /// By how many milliseconds an exchange is outside of what this allows: 0 within.
    pub(super) fn outside_ms(&self, exchange: &Exchange) -> f64 {
        let (at_ms, slack_ms) = (ms(self.at), self.drift_error * self.age_ms(exchange.heard));
        let above_ms = exchange.lower_ms(at_ms, self.drift) - self.upper_ms;
        let below_ms = self.lower_ms - exchange.upper_ms(at_ms, self.drift);
        (above_ms.max(below_ms) - slack_ms).max(0.0)
    }

    /// How much longer than the quickest an answer was under way, in milliseconds.
    pub(super) fn queued_down_ms(&self, exchange: &Exchange) -> f64 {
        (self.lower_ms - exchange.lower_ms(ms(self.at), self.drift)).max(0.0)
    }

    fn age_ms(&self, now: MonoTime) -> f64 {
        ms(now) - ms(self.at)
    }
}

/// By how many milliseconds the relay's clock seems to have been set against ours between the [`LATEST`] exchanges and
/// those before, where it does. A way that became longer or shorter moves one bound; a clock moves both.
pub(super) fn step_ms(exchanges: &[Exchange], drift: f64) -> Option<f64> {
    let (former, latest) = exchanges.split_at(exchanges.len().checked_sub(LATEST)?);
    let at_ms = ms(former.last()?.heard);
    let ((former_lower_ms, former_upper_ms), (lower_ms, upper_ms)) =
        (bounds(former, at_ms, drift), bounds(latest, at_ms, drift));
    let (by_lower_ms, by_upper_ms) = (lower_ms - former_lower_ms, upper_ms - former_upper_ms);
    let same_way = by_lower_ms.signum() == by_upper_ms.signum();
    let step_ms = if same_way { by_lower_ms.abs().min(by_upper_ms.abs()) } else { 0.0 };
    (step_ms > APART_MS.max(APART_QUEUES * queue_ms(exchanges))).then_some(step_ms)
}

/// How long a message waits in queues one way, on average, in milliseconds.
fn queue_ms(exchanges: &[Exchange]) -> f64 {
    let least_ms = exchanges.iter().map(Exchange::trip_ms).fold(f64::INFINITY, f64::min);
    let queues_ms: f64 = exchanges.iter().map(|exchange| (exchange.trip_ms() - least_ms) / 2.0).sum();
    let before_ms = QUEUE_SHARE_COUNTS * QUEUE_SHARE * least_ms;
    QUEUE_MS_MIN.max((queues_ms + before_ms) / (count(exchanges) + QUEUE_SHARE_COUNTS))
}

/// The tightest bounds, lower and upper, reckoned to a moment at a slope.
fn bounds(exchanges: &[Exchange], at_ms: f64, drift: f64) -> (f64, f64) {
    exchanges.iter().fold((f64::NEG_INFINITY, f64::INFINITY), |(lower_ms, upper_ms), exchange| {
        (lower_ms.max(exchange.lower_ms(at_ms, drift)), upper_ms.min(exchange.upper_ms(at_ms, drift)))
    })
}

/// The same where the slope may be off, so that a bound is the weaker the older it is.
fn aged_bounds(exchanges: &[Exchange], at_ms: f64, (drift, error): (f64, f64)) -> (f64, f64) {
    exchanges.iter().fold((f64::NEG_INFINITY, f64::INFINITY), |(lower_ms, upper_ms), exchange| {
        let wider_ms = error * (at_ms - ms(exchange.heard));
        (
            lower_ms.max(exchange.lower_ms(at_ms, drift) - wider_ms),
            upper_ms.min(exchange.upper_ms(at_ms, drift) + wider_ms),
        )
    })
}

#[allow(clippy::cast_precision_loss, reason = "some dozens")]
fn count(exchanges: &[Exchange]) -> f64 {
    exchanges.len() as f64
}
