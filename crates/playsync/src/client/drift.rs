//! How far a playing player is off, and which speed brings it back.

use crate::MonoTime;
use std::collections::VecDeque;
use std::time::Duration;

/// Samples of which the middle one counts: a single reading may be off by whatever held up the page meanwhile.
const SAMPLES: usize = 7;
const SAMPLES_MIN: usize = 5;
/// Far off, fewer tell as much: an error this large, in milliseconds, is no reading's.
const FAR_SAMPLES_MIN: usize = 3;
/// In a hidden page timers come once a second: there, so many over so long have to do.
const SLOW_SAMPLES_MIN: usize = 3;
const SLOW_SPAN: Duration = Duration::from_millis(1500);
const SAMPLE_AGE_MAX: Duration = Duration::from_secs(8);
/// From this error on a correction begins, in milliseconds, on top of what the clock's own noise can make of it. Less than
/// half of what two players may be apart: each of them may be off by that.
const BEGIN_MS: f64 = 3.0;
/// The same just after a start or a seek, which leave some milliseconds: to be gone before anybody listens.
const BEGIN_FIRST_MS: f64 = 2.0;
/// How often the clock's noise, and the readings' own scatter, the error has to be. Chasing noise is worse than doing
/// nothing.
const BEGIN_NOISES: f64 = 2.0;
const BEGIN_SIGMAS: f64 = 2.0;
/// Below this it ends.
const END_MS: f64 = 1.0;
/// The time constant of a correction: an error shrinks to a third within this.
const CONVERGE_MS: f64 = 1200.0;
/// Limits of a correction: 5 % are not heard, a little more for what is heard anyway: an echo. Just after a start or a
/// seek, where nobody has listened yet and the others are there already, still more, for a second or two.
const GAIN_MAX: f64 = 0.05;
const GAIN_FAR_MAX: f64 = 0.08;
const GAIN_FIRST_MAX: f64 = 0.12;
const FAR_MS: f64 = 60.0;
/// The same just after a start or a seek: what is heard as an echo.
const FIRST_FAR_MS: f64 = 40.0;
const FIRST_MS_MAX: f64 = 350.0;
/// Chromium does nothing for less than this, and 0.0014 more than was said beyond it.
const GAIN_MIN: f64 = 0.0025;
/// Changes of the speed smaller than this, and than this share of what is in force, are left out.
const GAIN_STEP: f64 = 0.004;
const GAIN_STEP_SHARE: f64 = 0.2;

/// What is learned of a player that keeps a shared speed badly: from how long an observation on, at the most, and from
/// which distance to the film's own pace on, to which no player adds anything.
const TRIM_AFTER: Duration = Duration::from_secs(2);
const TRIM_MAX: f64 = 0.004;
const TRIM_SPEED_OFF_MIN: f64 = 0.005;

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: MonoTime,
    /// The error at that time, as it would be had nothing been corrected since the last reset, in milliseconds.
    bare_ms: f64,
}

/// The error of a playing player: positive where it is behind.
#[derive(Debug, Default)]
pub(super) struct Drift {
    samples: VecDeque<Sample>,
    /// What corrections have made up for since the last reset, in milliseconds, and until when that is counted.
    made_up_ms: f64,
    counted: MonoTime,
    /// The correction in force: this much faster than the room.
    gain: f64,
    speed: f64,
    /// Whether the error was small since the last reset.
    was_near: bool,
    /// Since when nothing is corrected, and the error then.
    calm: Option<(MonoTime, f64)>,
    /// How much faster than the room's speed this player has to be told to play to keep that speed, as a share.
    trim: f64,
}

impl Drift {
    /// Forgets what was measured, and what is being corrected.
    pub(super) fn reset(&mut self) {
        *self = Self { trim: self.trim, speed: self.speed, ..Self::default() };
    }

    /// An error was measured, in milliseconds, in a room that plays at `speed`.
    pub(super) fn handle_error(&mut self, error_ms: f64, speed: f64, now: MonoTime) {
        self.count(now);
        if (self.speed - speed).abs() > f64::EPSILON {
            (self.speed, self.trim, self.calm) = (speed, 0.0, None);
        }
        self.samples.retain(|sample| now.since(sample.at) < SAMPLE_AGE_MAX);
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, bare_ms: error_ms + self.made_up_ms });
    }

    /// The error now, in milliseconds, once there are enough readings.
    pub(super) fn error_ms(&self) -> Option<f64> {
        let span = self.samples.back()?.at.since(self.samples.front()?.at);
        let error_ms = median(self.samples.iter().map(|sample| sample.bare_ms)) - self.made_up_ms;
        let slow = self.samples.len() >= SLOW_SAMPLES_MIN && span >= SLOW_SPAN;
        let far = self.samples.len() >= FAR_SAMPLES_MIN && error_ms.abs() > FIRST_FAR_MS.max(10.0 * self.sigma_ms());
        (self.samples.len() >= SAMPLES_MIN || slow || far).then_some(error_ms)
    }

    /// How much the readings scatter, in milliseconds: the median distance from their median, as sigma of a normal
    /// distribution.
    pub(super) fn sigma_ms(&self) -> f64 {
        let middle = median(self.samples.iter().map(|sample| sample.bare_ms));
        1.4826 * median(self.samples.iter().map(|sample| (sample.bare_ms - middle).abs()))
    }

    pub(super) fn is_correcting(&self) -> bool {
        self.gain != 0.0
    }

    /// How much faster than the room to tell the player to play, as a share of its speed. `clock_noise_ms` is how far what is known of the
    /// room's clock is likely to move.
    pub(super) fn gain(&mut self, clock_noise_ms: f64, now: MonoTime) -> f64 {
        let Some(error_ms) = self.error_ms() else { return self.told() };
        let off_ms = error_ms.abs();
        let least_ms = if self.was_near { BEGIN_MS } else { BEGIN_FIRST_MS };
        let begin_ms = (least_ms + BEGIN_NOISES * clock_noise_ms).max(BEGIN_SIGMAS * self.sigma_ms());
        let ends = if self.is_correcting() { off_ms < END_MS } else { off_ms < begin_ms };
        let crossed = self.is_correcting() && error_ms.signum() != self.gain.signum();
        let wanted = if ends || crossed {
            self.was_near = true;
            0.0
        } else {
            let near_ms = if self.was_near { FAR_MS } else { FIRST_FAR_MS };
            let gain = match off_ms {
                _ if off_ms <= near_ms => (off_ms / CONVERGE_MS).clamp(GAIN_MIN, GAIN_MAX),
                ..=FIRST_MS_MAX if !self.was_near => GAIN_FIRST_MAX,
                _ => GAIN_FAR_MAX,
            };
            gain.copysign(error_ms)
        };
        let step = GAIN_STEP.max(GAIN_STEP_SHARE * self.gain.abs());
        if (wanted == 0.0) != (self.gain == 0.0) || (wanted - self.gain).abs() >= step {
            self.count(now);
            self.learn(wanted, error_ms, now);
            self.gain = wanted;
        }
        self.told()
    }

    fn told(&self) -> f64 {
        if self.is_correcting() { self.gain } else { self.trim }
    }

    /// A correction ends, or begins: what error came up in between is the player's own.
    fn learn(&mut self, wanted: f64, error_ms: f64, now: MonoTime) {
        if wanted == 0.0 {
            self.calm = Some((now, error_ms));
            return;
        }
        let Some((since, before_ms)) = self.calm.take() else { return };
        let passed = now.since(since);
        if passed >= TRIM_AFTER && (self.speed - 1.0).abs() >= TRIM_SPEED_OFF_MIN {
            let slower = (error_ms - before_ms) / (passed.as_secs_f64() * 1000.0 * self.speed);
            self.trim = (self.trim + slower).clamp(-TRIM_MAX, TRIM_MAX);
        }
    }

    fn count(&mut self, now: MonoTime) {
        self.made_up_ms += self.gain * self.speed * now.since(self.counted).as_secs_f64() * 1000.0;
        self.counted = now;
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays for a while with a player that begins `error_ms` behind, drifts by `drift` and adds `bias` to the speeds that
    /// it is told; answers the errors after 5 s and at the end, how often the speed changed, and the largest correction.
    fn play(error_ms: f64, drift: f64, bias: f64, seconds: u64) -> (f64, f64, u32, f64) {
        let (mut controller, mut error, mut last, mut changes) = (Drift::default(), error_ms, 0.0, 0);
        let (mut after_5_s, mut largest): (f64, f64) = (0.0, 0.0);
        for step in 0..seconds * 20 {
            let now = MonoTime::from_us(step * 50_000);
            // One reading in nine is worthless.
            let reading = if step % 9 == 4 { error + 80.0 } else { error };
            controller.handle_error(reading, 1.0, now);
            let gain = controller.gain(0.0, now);
            changes += u32::from((gain - last).abs() > 1e-9);
            (last, largest) = (gain, largest.max(gain.abs()));
            error += 50.0 * (drift - if gain == 0.0 { 0.0 } else { gain + bias });
            if step == 100 {
                after_5_s = error;
            }
        }
        (after_5_s, error, changes, largest)
    }

    #[test]
    fn errors_vanish_and_stay_away() {
        for (error_ms, bias) in [(300.0, 0.0014), (-300.0, 0.0014), (90.0, 0.0), (-12.0, 0.0014), (9.0, 0.0)] {
            let (after_5_s, end, changes, largest) = play(error_ms, 0.0, bias, 60);
            assert!(after_5_s.abs() < 40.0, "{error_ms}: {after_5_s} after 5 s");
            assert!(end.abs() < 4.0, "{error_ms}: {end} at the end");
            assert!(changes < 40 && largest <= GAIN_FIRST_MAX, "{error_ms}: {changes} changes up to {largest}");
        }
    }

    #[test]
    fn how_a_player_keeps_a_shared_speed_badly_is_learned() {
        const SPEED: f64 = 1.5;
        let (mut controller, mut error, mut last, mut late_changes) = (Drift::default(), 0.0, 0.0, 0);
        for step in 0..120 * 20 {
            let now = MonoTime::from_us(step * 50_000);
            controller.handle_error(error, SPEED, now);
            let gain = controller.gain(0.5, now);
            late_changes += u32::from(step > 30 * 20 && (gain - last).abs() > 1e-9);
            last = gain;
            // It plays 1.4 ms a second faster than it was told to.
            error -= 50.0 * (SPEED * gain + 0.0014);
        }
        assert!(error.abs() < 5.0 && late_changes <= 8, "{error} ms off after {late_changes} changes");
    }

    #[test]
    fn a_small_error_is_left_alone() {
        assert_eq!(play(1.5, 0.0, 0.0014, 60), (1.5, 1.5, 0, 0.0));
    }

    #[test]
    fn a_crystal_is_followed_without_oscillation() {
        let (_, end, changes, _) = play(0.0, 200e-6, 0.0014, 1800);
        assert!(end.abs() < 10.0 && changes < 400, "{end} after {changes} changes");
    }
}
