//! A viewer's computer: its two clocks, and when it gets round to what is due.

use crate::Rng;
use streamshare_playsync::{MonoTime, Now};
use streamshare_protocol::UnixMs;

/// Unix time at which every simulation begins, in milliseconds.
const EPOCH_MS: f64 = 1.7e12;
const DAY_MS: f64 = 86_400_000.0;
/// A wall clock that is slewed to and fro by a second a minute, and back in the next.
const WOBBLE_PERIOD_US: f64 = 120e6;
const WOBBLE_MS: f64 = 1000.0;
/// What a browser's timer is late by at most on an idle machine.
const TIMER_LATE_US: f64 = 4000.0;

/// How a computer's clocks are wrong.
#[derive(Clone, Debug)]
pub struct ClockSpec {
    /// How much too fast both clocks run, in millionths.
    pub skew_ppm: f64,
    /// How far the wall clock is ahead, in milliseconds.
    pub wall_off_ms: f64,
    /// Whether the wall clock is slewed by a second a minute.
    pub wall_wobbles: bool,
    /// By how many seconds a minute the monotonic clock itself is slewed to and fro; 0 on a sane machine.
    pub mono_wobble_s: f64,
    /// Whether the monotonic clock counts the time of a suspension (it does on Windows, not on Linux).
    pub counts_suspension: bool,
}

impl ClockSpec {
    /// A clock with an offset of days and a skew of up to 200 ppm.
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            skew_ppm: rng.around(200.0),
            wall_off_ms: rng.around(3.0 * DAY_MS),
            wall_wobbles: false,
            mono_wobble_s: 0.0,
            counts_suspension: rng.percent(50),
        }
    }
}

/// A viewer's computer.
#[derive(Debug)]
pub struct Device {
    spec: ClockSpec,
    rng: Rng,
    mono_start_us: f64,
    wall_step_ms: f64,
    /// Time slept so far that the monotonic clock did not count.
    slept_us: u64,
    /// Nothing is handled before this moment: the main thread is busy, or the machine sleeps.
    away_until_us: u64,
    /// Since when its page is hidden.
    hidden_us: Option<u64>,
}

impl Device {
    /// A computer whose monotonic clock started at some other time.
    #[must_use]
    pub fn new(spec: ClockSpec, mut rng: Rng) -> Self {
        let mono_start_us = rng.between(1e6, 1e12);
        Self { spec, rng, mono_start_us, wall_step_ms: 0.0, slept_us: 0, away_until_us: 0, hidden_us: None }
    }

    /// What the clocks show at a moment of true time.
    #[must_use]
    pub fn now(&self, t_us: u64) -> Now {
        let wall = EPOCH_MS + self.spec.wall_off_ms + self.wall_step_ms + ms(t_us) * (1.0 + self.spec.skew_ppm * 1e-6);
        let wobble = if self.spec.wall_wobbles { triangle(t_us) * WOBBLE_MS } else { 0.0 };
        Now { mono: MonoTime::from_us(self.mono_us(t_us)), unix: UnixMs::saturating(wall + wobble) }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and years fit")]
    fn mono_us(&self, t_us: u64) -> u64 {
        let ran_us = ms(t_us.saturating_sub(self.slept_us)) * 1000.0;
        let wobble_us = triangle(t_us) * self.spec.mono_wobble_s * 1e6;
        (self.mono_start_us + ran_us * (1.0 + self.spec.skew_ppm * 1e-6) + wobble_us) as u64
    }

    /// The first moment at which the monotonic clock shows this, or right now.
    #[must_use]
    pub fn when(&self, mono: MonoTime, t_us: u64) -> u64 {
        /// Clocks are off by a few percent at worst, so that each look is as many times nearer.
        const LOOKS_MAX: usize = 8;
        let mut at_us = t_us;
        for _ in 0..LOOKS_MAX {
            let shown_us = self.mono_us(at_us);
            at_us = (at_us + mono.us().saturating_sub(shown_us)).saturating_sub(shown_us.saturating_sub(mono.us()));
        }
        // Never before, not by the microsecond that was rounded off.
        at_us.max(t_us) + 1
    }

    /// When a timer that is due at `due_us` really fires.
    pub fn timer(&mut self, due_us: u64) -> u64 {
        /// A hidden tab's timers are aligned to whole seconds, and to minutes when it was hidden for five of them and is silent
        /// (Chromium, "intensive wake up throttling").
        const HIDDEN_US: u64 = 1_000_000;
        const LONG_HIDDEN_US: u64 = 60_000_000;
        const LONG_AFTER_US: u64 = 300_000_000;
        let aligned_us = match self.hidden_us {
            None => due_us,
            Some(since) if due_us - since < LONG_AFTER_US => due_us.next_multiple_of(HIDDEN_US),
            Some(_) => due_us.next_multiple_of(LONG_HIDDEN_US),
        };
        self.alarm(aligned_us)
    }

    /// The page is hidden, or shown again.
    pub fn hide(&mut self, hidden: bool, t_us: u64) {
        self.hidden_us = hidden.then_some(t_us);
    }

    /// When a worker's timer that is due at `due_us` really fires: whether the page is hidden makes no difference to it.
    pub fn alarm(&mut self, due_us: u64) -> u64 {
        due_us + whole(self.rng.between(0.0, TIMER_LATE_US))
    }

    /// When what reaches it at a moment is handled; later than that while it is away.
    #[must_use]
    pub fn handles_at(&self, t_us: u64) -> u64 {
        t_us.max(self.away_until_us)
    }

    /// The main thread is busy until then.
    pub fn busy(&mut self, until_us: u64) {
        self.away_until_us = self.away_until_us.max(until_us);
    }

    /// The machine sleeps from now until then.
    pub fn suspend(&mut self, t_us: u64, until_us: u64) {
        self.busy(until_us);
        if !self.spec.counts_suspension {
            self.slept_us += until_us - t_us;
        }
    }

    /// Somebody sets the wall clock.
    pub fn step_wall(&mut self, by_ms: f64) {
        self.wall_step_ms += by_ms;
    }
}

/// To and fro between 0 and 1.
fn triangle(t_us: u64) -> f64 {
    let phase = (ms(t_us) * 1000.0 / WOBBLE_PERIOD_US).fract() * 2.0;
    if phase < 1.0 { phase } else { 2.0 - phase }
}

/// Microseconds as milliseconds.
#[allow(clippy::cast_precision_loss, reason = "a simulation lasts minutes")]
pub(crate) fn ms(us: u64) -> f64 {
    us as f64 / 1000.0
}

/// Microseconds as seconds.
pub(crate) fn seconds(us: u64) -> f64 {
    ms(us) / 1000.0
}

/// A span that was computed, as microseconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "spans are positive and short")]
pub(crate) fn whole(us: f64) -> u64 {
    us.max(0.0) as u64
}

/// Seconds as microseconds.
pub(crate) fn us(seconds: f64) -> u64 {
    whole(seconds * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_asked_when_it_shows_something() {
        for seed in 0..100 {
            let mut rng = Rng::new(seed, 0);
            let spec = ClockSpec { mono_wobble_s: 1.0, ..ClockSpec::random(&mut rng) };
            let device = Device::new(spec, rng);
            let now = us(30.0);
            let wanted = MonoTime::from_us(device.now(now).mono.us() + 700_000);
            let shown = device.now(device.when(wanted, now)).mono.us();
            assert!(shown.abs_diff(wanted.us()) < 300, "{shown} is not {wanted:?}");
        }
    }
}
