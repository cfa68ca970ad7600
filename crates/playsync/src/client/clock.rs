//! The relay's clock as this client reads it.

use crate::{MonoTime, Now};
use std::collections::VecDeque;
use std::time::Duration;
use streamshare_protocol::{ActionId, UnixMs};

/// Quick pings after the connection stands: enough that one of them meets no queue. With 15 ms of jitter each way, the
/// best of sixteen is off by 2 ms, the best of five by 4.
const QUICK_PINGS: u32 = 8;
const QUICK_PING_EVERY: Duration = Duration::from_millis(200);
const EARLY_PINGS: u32 = 8;
const EARLY_PING_EVERY: Duration = Duration::from_secs(1);
/// Later pings: two crystals differ by up to 200 ppm, so a sample ages by 1 ms in this time.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How much worse a sample counts as it ages: what cheap crystals differ by (RFC 5905, section 11.2.1: dispersion; it
/// takes 15 ppm for disciplined clocks, which a page's is not). With 50 ppm, a lucky sample was kept while the clock
/// ran away by more than the next one was worse: twice the skew in the simulation.
const AGEING: f64 = 150e-6;
/// A clock that was seen to run away counts as ageing faster by that, and is asked more often; forgotten by half in a
/// minute.
const UNSTEADY: f64 = 500e-6;
const UNSTEADY_HALF_LIFE_S: f64 = 60.0;
const AGEING_MAX: f64 = 0.1;
/// Samples that are kept: those of the last minutes.
const SAMPLES_MAX: usize = 24;
/// How fast the reading follows a better sample: slower than anybody sees or hears, faster than crystals drift.
const SLEW: f64 = 5e-3;
/// A sample that is off by more than so many dispersions tells of a clock that jumped.
const JUMP_DISPERSIONS: f64 = 3.0;
/// Pings without an answer that are remembered.
const OUTSTANDING_MAX: usize = 8;
/// Ticks come every 250 ms, in hidden pages every second; whoever heard nothing for so long may have been suspended.
const GAP_MAX: Duration = Duration::from_secs(5);
/// The wall clock may gain this on the monotonic one between two inputs; more may be a suspend that the latter did not
/// count, or someone who set the wall clock. One that was set back slept through nothing.
const CLOCKS_APART_MS_MAX: f64 = 1000.0;
/// How long after a suspend nothing is believed until the relay was asked anew.
const SUSPECT_MAX: Duration = Duration::from_secs(5);
/// What a reading without a question may be off by: the way of a slow mobile connection.
const ONE_WAY_ERROR_MS: f64 = 1000.0;

/// One reading of the relay's clock.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// The relay's clock minus ours, in milliseconds.
    offset_ms: f64,
    /// How far that may be off, in milliseconds, when it was taken.
    error_ms: f64,
    taken: MonoTime,
}

/// The offset in use: it moves from one value to another at [`SLEW`].
#[derive(Clone, Copy, Debug)]
struct Course {
    from_ms: f64,
    at: MonoTime,
    to_ms: f64,
    slew: f64,
}

impl Course {
    fn offset_ms(&self, now: MonoTime) -> f64 {
        let may_ms = ms(now) - ms(self.at);
        self.from_ms + (self.to_ms - self.from_ms).clamp(-self.slew * may_ms.max(0.0), self.slew * may_ms.max(0.0))
    }
}

/// Keeps the best reading: the one with the least error, counting its age.
#[derive(Debug)]
pub(super) struct RelayClock {
    samples: VecDeque<Sample>,
    course: Option<Course>,
    ageing: f64,
    outstanding: Vec<(ActionId, MonoTime)>,
    pings: u32,
    next_ping: Option<MonoTime>,
    last: Option<Now>,
    suspect: Option<MonoTime>,
}

impl Default for RelayClock {
    fn default() -> Self {
        Self {
            samples: VecDeque::new(),
            course: None,
            ageing: AGEING,
            outstanding: Vec::new(),
            pings: 0,
            next_ping: None,
            last: None,
            suspect: None,
        }
    }
}

impl RelayClock {
    /// To be told of every input: time that nobody counted is a suspend.
    pub(super) fn handle_time(&mut self, now: Now) {
        if let Some(last) = self.last.replace(now) {
            let mono_ms = ms(now.mono) - ms(last.mono);
            let apart_ms = now.unix.ms() - last.unix.ms() - mono_ms;
            if now.mono.since(last.mono) >= GAP_MAX || apart_ms > CLOCKS_APART_MS_MAX {
                self.suspect = Some(now.mono);
                self.ask_anew(now.mono);
            }
        }
        if self.suspect.is_some_and(|since| now.mono.since(since) >= SUSPECT_MAX) {
            self.suspect = None;
        }
    }

    /// A connection stands: its path may be another one.
    pub(super) fn handle_link_up(&mut self, now: MonoTime) {
        self.ask_anew(now);
    }

    pub(super) fn handle_link_down(&mut self) {
        self.next_ping = None;
    }

    /// A reading without a question: all that is known is that the message was under way for some time.
    pub(super) fn handle_one_way(&mut self, relay: UnixMs, now: MonoTime) {
        if self.samples.is_empty() {
            self.take(Sample { offset_ms: relay.ms() - ms(now), error_ms: ONE_WAY_ERROR_MS, taken: now });
        }
    }

    pub(super) fn handle_pong(&mut self, id: ActionId, relay: UnixMs, now: MonoTime) {
        let Some(at) = self.outstanding.iter().position(|(asked, _)| *asked == id) else { return };
        let (_, sent) = self.outstanding.remove(at);
        if self.suspect.is_some_and(|since| sent < since) {
            return;
        }
        let half_ms = (ms(now) - ms(sent)) / 2.0;
        let sample = Sample { offset_ms: relay.ms() + half_ms - ms(now), error_ms: half_ms, taken: now };
        if self.suspect.take().is_some() && !self.confirms(&sample) {
            self.forget();
        }
        self.take(sample);
    }

    /// Whether the monotonic clock counted all time, by a sample after a suspend, as it seemed: then what was learned
    /// before still holds. A sample that could not tell a suspend from none confirms nothing.
    fn confirms(&self, sample: &Sample) -> bool {
        self.best(sample.taken).is_some_and(|best| {
            let dispersion_ms = sample.error_ms + self.error_ms(&best, sample.taken);
            let off_ms = (sample.offset_ms - best.offset_ms).abs();
            off_ms <= dispersion_ms && dispersion_ms < CLOCKS_APART_MS_MAX / 2.0
        })
    }

    /// Whether a ping is due; the caller sends it with this id.
    pub(super) fn poll_ping(&mut self, id: ActionId, now: MonoTime) -> bool {
        if self.next_ping.is_none_or(|due| due > now) {
            return false;
        }
        self.pings = self.pings.saturating_add(1);
        let every = match self.pings {
            0..QUICK_PINGS => QUICK_PING_EVERY,
            pings if pings < QUICK_PINGS + EARLY_PINGS || self.ageing_at(now) > UNSTEADY => EARLY_PING_EVERY,
            _ => PING_EVERY,
        };
        self.next_ping = Some(now + every);
        if self.outstanding.len() == OUTSTANDING_MAX {
            self.outstanding.remove(0);
        }
        self.outstanding.push((id, now));
        true
    }

    /// The relay's clock now, in milliseconds since the Unix epoch; before the first reading, a clock of its own.
    pub(super) fn relay_ms(&self, now: MonoTime) -> f64 {
        ms(now) + self.course.map_or(0.0, |course| course.offset_ms(now))
    }

    /// Whether the relay answered, and nothing happened since that made the answer doubtful.
    pub(super) fn is_known(&self) -> bool {
        self.suspect.is_none() && self.samples.iter().any(|sample| sample.error_ms < ONE_WAY_ERROR_MS)
    }

    /// Whether this device was suspended, as it seems, and the relay was not asked since.
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    /// How far [`RelayClock::relay_ms`] may be off either way, in milliseconds.
    pub(super) fn uncertainty_ms(&self, now: MonoTime) -> f64 {
        let best = self.best(now).map_or(ONE_WAY_ERROR_MS, |best| self.error_ms(&best, now));
        best + self.course.map_or(0.0, |course| (course.to_ms - course.offset_ms(now)).abs())
    }

    /// How many milliseconds of the reading's error come and go: what a device's clock may have run away since the last
    /// good sample. (An uneven path makes an error, too, but one that stays.)
    pub(super) fn wander_ms(&self, now: MonoTime) -> f64 {
        let ageing = self.ageing_at(now);
        let newest = self.samples.back().map_or(0.0, |sample| now.since(sample.taken).as_secs_f64() * 1000.0);
        if ageing > UNSTEADY { ageing * newest } else { 0.0 }
    }

    /// How long a message takes one way, in milliseconds: the usual, and what nineteen of twenty stay below.
    pub(super) fn one_way_ms(&self) -> (f64, f64) {
        let answers = self.samples.iter().filter(|sample| sample.error_ms < ONE_WAY_ERROR_MS);
        let mut ways: Vec<f64> = answers.map(|sample| sample.error_ms).collect();
        ways.sort_by(f64::total_cmp);
        let at = |part: usize| ways.get((ways.len() * part / 20).min(ways.len().saturating_sub(1))).copied();
        (at(10).unwrap_or(0.0), at(19).unwrap_or(0.0))
    }

    /// Forgets all readings: the relay is another one, with another clock.
    pub(super) fn forget(&mut self) {
        self.samples.clear();
        self.course = None;
    }

    fn ask_anew(&mut self, now: MonoTime) {
        self.outstanding.clear();
        self.pings = 0;
        self.next_ping = Some(now);
    }

    fn take(&mut self, sample: Sample) {
        let now = sample.taken;
        if let Some(best) = self.best(now) {
            let off_ms = (sample.offset_ms - best.offset_ms).abs();
            let dispersion_ms = sample.error_ms + self.error_ms(&best, now);
            if off_ms > JUMP_DISPERSIONS * dispersion_ms && sample.error_ms < ONE_WAY_ERROR_MS {
                let since_ms = now.since(best.taken).as_secs_f64() * 1000.0;
                self.ageing = (off_ms / since_ms.max(1.0)).clamp(self.ageing, AGEING_MAX);
                self.forget();
            }
        }
        if self.samples.back().is_some_and(|former| former.error_ms >= ONE_WAY_ERROR_MS) {
            self.forget();
        }
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        let Some(best) = self.best(now) else { return };
        // While the first answers come in, nothing hangs on the reading yet.
        let begins = self.samples.len() < QUICK_PINGS as usize;
        let from_ms = self.course.filter(|_| !begins).map_or(best.offset_ms, |course| course.offset_ms(now));
        let slew = SLEW.max(2.0 * self.ageing_at(now));
        self.course = Some(Course { from_ms, at: now, to_ms: best.offset_ms, slew });
    }

    fn best(&self, now: MonoTime) -> Option<Sample> {
        let error_ms = |sample: &&Sample| self.error_ms(sample, now);
        self.samples.iter().min_by(|a, b| error_ms(a).total_cmp(&error_ms(b))).copied()
    }

    fn error_ms(&self, sample: &Sample, now: MonoTime) -> f64 {
        sample.error_ms + self.ageing_at(now) * now.since(sample.taken).as_secs_f64() * 1000.0
    }

    /// How fast samples age, by what was seen of this device's clock.
    fn ageing_at(&self, now: MonoTime) -> f64 {
        let calm_s = self.samples.front().map_or(0.0, |first| now.since(first.taken).as_secs_f64());
        (self.ageing * 0.5_f64.powf(calm_s / UNSTEADY_HALF_LIFE_S)).max(AGEING)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a monotonic clock stays below 2^53 microseconds for 285 years")]
pub(super) fn ms(time: MonoTime) -> f64 {
    time.us() as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A relay whose clock shows this more than ours at first, and how it is asked and answered.
    struct Asking {
        clock: RelayClock,
        next: ActionId,
    }

    fn at(s: f64) -> Now {
        Now { mono: MonoTime::default() + Duration::from_secs_f64(s), unix: UnixMs::saturating(s * 1000.0) }
    }

    impl Asking {
        fn new() -> Self {
            let mut clock = RelayClock::default();
            clock.handle_link_up(at(0.0).mono);
            Self { clock, next: ActionId::FIRST }
        }

        /// From `from` to `until`: asks when that is due; `offset_ms` is the relay's clock minus ours, `ways_ms` what
        /// question and answer take.
        fn pass(
            &mut self,
            (from, until): (f64, f64),
            offset_ms: impl Fn(f64) -> f64,
            ways_ms: impl Fn(u64) -> (f64, f64),
        ) {
            let mut step = 0;
            let mut s = from;
            while s < until {
                self.clock.handle_time(at(s));
                if self.clock.poll_ping(self.next, at(s).mono) {
                    let (there_ms, back_ms) = ways_ms(step);
                    let taken_s = s + there_ms / 1000.0;
                    let relay = UnixMs::saturating(taken_s * 1000.0 + offset_ms(taken_s));
                    self.clock.handle_pong(self.next, relay, at(taken_s + back_ms / 1000.0).mono);
                    self.next = self.next.next();
                    step += 1;
                }
                s += 0.25;
            }
        }

        fn error_ms(&self, s: f64, offset_ms: f64) -> f64 {
            self.clock.relay_ms(at(s).mono) - (s * 1000.0 + offset_ms)
        }
    }

    const OFFSET_MS: f64 = 1.7e12;

    #[test]
    fn the_answer_that_met_no_queue_counts() {
        let mut asking = Asking::new();
        assert!(!asking.clock.is_known());
        asking.pass(
            (0.0, 30.0),
            |_| OFFSET_MS,
            |n| if n == 3 { (20.0, 20.0) } else { (20.0 + 31.0 * (n % 5) as f64, 20.0) },
        );
        assert!(asking.error_ms(30.0, OFFSET_MS).abs() < 0.5, "{}", asking.error_ms(30.0, OFFSET_MS));
        assert!((20.0..25.0).contains(&asking.clock.uncertainty_ms(at(30.0).mono)));
    }

    #[test]
    fn an_uneven_way_is_half_of_its_unevenness() {
        let mut asking = Asking::new();
        asking.pass((0.0, 30.0), |_| OFFSET_MS, |_| (90.0, 10.0));
        let error_ms = asking.error_ms(30.0, OFFSET_MS);
        assert!((error_ms - 40.0).abs() < 1.0 && asking.clock.uncertainty_ms(at(30.0).mono) > 40.0, "{error_ms}");
    }

    #[test]
    fn a_better_reading_is_approached_slowly() {
        let mut asking = Asking::new();
        asking.pass((0.0, 20.0), |_| OFFSET_MS, |_| (70.0, 10.0));
        let mut s = 20.0;
        while asking.clock.course.is_some_and(|course| (course.to_ms - OFFSET_MS).abs() > 1.0) {
            asking.pass((s, s + 1.0), |_| OFFSET_MS, |_| (10.0, 10.0));
            s += 1.0;
        }
        let course = asking.clock.course.expect("readings");
        let began_s = course.at.since(MonoTime::default()).as_secs_f64();
        // From 30 ms off, by 5 ms a second.
        for (after_s, error_ms) in [(0.0, 30.0), (2.0, 20.0), (4.0, 10.0), (7.0, 0.0)] {
            let seen_ms = asking.error_ms(began_s + after_s, OFFSET_MS);
            assert!((seen_ms - error_ms).abs() < 1.0, "{seen_ms} after {after_s} s");
        }
    }

    #[test]
    fn a_crystal_of_200_ppm_is_followed() {
        let mut asking = Asking::new();
        let runs = |s: f64| OFFSET_MS + 0.2 * s;
        asking.pass((0.0, 600.0), runs, |_| (15.0, 15.0));
        assert!(asking.error_ms(600.0, runs(600.0)).abs() < 5.0, "{}", asking.error_ms(600.0, runs(600.0)));
    }

    #[test]
    fn a_jump_is_taken_at_once_and_a_clock_that_runs_away_is_asked_more_often() {
        let mut asking = Asking::new();
        asking.pass((0.0, 40.0), |_| OFFSET_MS, |_| (15.0, 15.0));
        asking.pass((40.0, 55.0), |_| OFFSET_MS + 700.0, |_| (15.0, 15.0));
        assert!(asking.error_ms(55.0, OFFSET_MS + 700.0).abs() < 1.0);
        // A second a minute.
        let wobble = |s: f64| OFFSET_MS + 700.0 + (s - 55.0) * 16.7;
        asking.pass((55.0, 115.0), wobble, |_| (15.0, 15.0));
        assert!(asking.error_ms(115.0, wobble(115.0)).abs() < 60.0, "{}", asking.error_ms(115.0, wobble(115.0)));
    }

    #[test]
    fn a_wall_clock_that_is_set_takes_nothing_of_what_was_learned() {
        let mut asking = Asking::new();
        asking.pass((0.0, 10.0), |_| OFFSET_MS, |_| (15.0, 15.0));
        // Set back: nobody slept.
        asking.clock.handle_time(Now { unix: UnixMs::saturating(5_000.0), ..at(10.0) });
        assert!(asking.clock.is_known() && !asking.clock.is_suspect());
        // Set forward: that might have been a sleep, until the relay answers, though by a slow and uneven way.
        asking.clock.handle_time(Now { unix: UnixMs::saturating(610_000.0), ..at(10.1) });
        assert!(asking.clock.is_suspect());
        assert!(asking.clock.poll_ping(asking.next, at(10.1).mono));
        let relay = UnixMs::saturating(10_110.0 + OFFSET_MS);
        asking.clock.handle_pong(asking.next, relay, at(10.3).mono);
        assert!(asking.clock.is_known() && !asking.clock.is_suspect());
        assert!(asking.error_ms(10.3, OFFSET_MS).abs() < 1.0, "the better samples of before still hold");
    }

    #[test]
    fn after_a_suspend_nothing_is_believed_until_the_relay_was_asked() {
        let mut asking = Asking::new();
        asking.pass((0.0, 10.0), |_| OFFSET_MS, |_| (15.0, 15.0));
        // The monotonic clock stood for ten minutes.
        let slept = Now { unix: UnixMs::saturating(610_000.0), ..at(10.1) };
        asking.clock.handle_time(slept);
        assert!(asking.clock.is_suspect() && !asking.clock.is_known());
        assert!(asking.clock.poll_ping(asking.next, at(10.1).mono), "it asks at once");
        let relay = UnixMs::saturating(10_115.0 + OFFSET_MS + 600_000.0);
        asking.clock.handle_pong(asking.next, relay, at(10.13).mono);
        assert!(asking.clock.is_known() && asking.error_ms(10.2, OFFSET_MS + 600_000.0).abs() < 1.0);
    }
}
