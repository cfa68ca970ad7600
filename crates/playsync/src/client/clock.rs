//! The relay's clock as this client reads it.

mod bounds;

use crate::{MonoTime, Now};
use bounds::{Exchange, Fit};
use std::collections::VecDeque;
use std::time::Duration;
use streamshare_protocol::{ActionId, UnixMs};

/// Quick pings after the connection stands: with 15 ms of jitter each way, the bounds of sixteen are off by some 1 ms.
const QUICK_PINGS: u32 = 16;
const QUICK_PING_EVERY: Duration = Duration::from_millis(200);
/// While so few answers are in, nothing hangs on the reading yet: it takes what they tell at once.
const BEGINS: usize = 8;
/// Later pings: as cheap as the reports of every 2 s that go to everyone.
const PING_EVERY: Duration = Duration::from_millis(1500);
const UNSTEADY_PING_EVERY: Duration = Duration::from_secs(1);
/// Answers that are kept: those of some 70 s. Fewer tell less; over longer, crystals that warm up do not run straight.
const EXCHANGES_MAX: usize = 160;
/// A clock that was seen to run away by more than this share is asked more often, and what was read of it counts the less
/// the longer ago that was; forgotten by half in this time.
const UNSTEADY: f64 = 500e-6;
const UNSTEADY_MAX: f64 = 0.1;
const UNSTEADY_HALF_LIFE_S: f64 = 15.0;
/// How fast the reading follows a better one: slower than anybody sees or hears, faster than crystals drift.
const SLEW: f64 = 5e-3;
/// A clock that was set by more than this, in milliseconds, is not followed slowly.
const SLEW_MS_MAX: f64 = 50.0;
/// Pings without an answer that are remembered.
const OUTSTANDING_MAX: usize = 16;
/// Ticks come every 250 ms, in hidden pages every second; whoever heard nothing for so long may have been suspended.
const GAP_MAX: Duration = Duration::from_secs(5);
/// The wall clock may gain this on the monotonic one between two inputs; more may be a suspend that the latter did not
/// count, or someone who set the wall clock. One that was set back slept through nothing.
const CLOCKS_APART_MS_MAX: f64 = 1000.0;
/// How long after a suspend nothing is believed until the relay was asked anew.
const SUSPECT_MAX: Duration = Duration::from_secs(5);
/// What a reading without a question may be off by, in milliseconds: the way of a slow mobile connection.
const ONE_WAY_ERROR_MS: f64 = 1000.0;

/// How much of the quickest exchange its way back may have taken: three quarters, on lines that are slow one way.
const DOWN_SHARE: f64 = 0.75;

/// The reading in use: it moves from one fit to another at some speed.
#[derive(Clone, Copy, Debug)]
struct Course {
    fit: Fit,
    /// How far it was off the fit at a moment, in milliseconds, and how fast that shrinks.
    off_ms: f64,
    at: MonoTime,
    slew: f64,
}

impl Course {
    fn off_ms(&self, now: MonoTime) -> f64 {
        let may_ms = self.slew * (ms(now) - ms(self.at)).max(0.0);
        self.off_ms - self.off_ms.clamp(-may_ms, may_ms)
    }

    fn offset_ms(&self, now: MonoTime) -> f64 {
        self.fit.offset_ms(now) + self.off_ms(now)
    }
}

/// Asks the relay for its time, and reckons from what it answers.
#[derive(Debug, Default)]
pub(super) struct RelayClock {
    /// In the order of the answers.
    exchanges: VecDeque<Exchange>,
    course: Option<Course>,
    /// The relay's clock minus ours, in milliseconds, by a message that took nobody knows how long; before it answers.
    one_way_ms: Option<f64>,
    /// How fast this clock was seen to run away, and when.
    ran_away: Option<(f64, MonoTime)>,
    outstanding: VecDeque<(ActionId, MonoTime)>,
    pings: u32,
    next_ping: Option<MonoTime>,
    last: Option<Now>,
    suspect: Option<MonoTime>,
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

    /// A connection stands. What is known holds: delays on whatever way only make bounds weaker.
    pub(super) fn handle_link_up(&mut self, now: MonoTime) {
        self.ask_anew(now);
    }

    pub(super) fn handle_link_down(&mut self) {
        self.next_ping = None;
    }

    /// A reading without a question: all that is known is that the message was under way for some time.
    pub(super) fn handle_one_way(&mut self, relay: UnixMs, now: MonoTime) {
        if self.exchanges.is_empty() {
            self.one_way_ms = Some(relay.ms() - ms(now));
        }
    }

    pub(super) fn handle_pong(&mut self, id: ActionId, relay: UnixMs, now: MonoTime) {
        let Some(at) = self.outstanding.iter().position(|(asked, _)| *asked == id) else { return };
        let Some((_, sent)) = self.outstanding.remove(at) else { return };
        if self.suspect.is_some_and(|since| sent < since) {
            return;
        }
        let exchange = Exchange { sent, heard: now, relay_ms: relay.ms() };
        if self.suspect.take().is_some() && !self.confirms(&exchange) {
            self.forget();
        }
        self.take(exchange);
    }

    /// Whether the monotonic clock counted all time, by an answer after a suspend, as it seemed: then what was learned
    /// before still holds. An answer that could not tell a suspend from none confirms nothing.
    fn confirms(&self, exchange: &Exchange) -> bool {
        self.course.is_some_and(|Course { fit, .. }| {
            let dispersion_ms = exchange.trip_ms() / 2.0 + fit.uncertainty_ms(exchange.heard);
            fit.outside_ms(exchange) <= 0.0 && dispersion_ms < CLOCKS_APART_MS_MAX / 2.0
        })
    }

    /// Whether a ping is due; the caller sends it with this id.
    pub(super) fn poll_ping(&mut self, id: ActionId, now: MonoTime) -> bool {
        if self.next_ping.is_none_or(|due| due > now) {
            return false;
        }
        self.pings = self.pings.saturating_add(1);
        let every = if self.pings < QUICK_PINGS {
            QUICK_PING_EVERY
        } else if self.runs_away_by(now) > 0.0 {
            UNSTEADY_PING_EVERY
        } else {
            PING_EVERY
        };
        self.next_ping = Some(now + every);
        if self.outstanding.len() == OUTSTANDING_MAX {
            self.outstanding.pop_front();
        }
        self.outstanding.push_back((id, now));
        true
    }

    /// The relay's clock now, in milliseconds since the Unix epoch; before the first reading, a clock of its own.
    pub(super) fn relay_ms(&self, now: MonoTime) -> f64 {
        let offset_ms = self.course.map(|course| course.offset_ms(now)).or(self.one_way_ms);
        ms(now) + offset_ms.unwrap_or(0.0)
    }

    /// Whether the relay answered, and nothing happened since that made the answer doubtful.
    pub(super) fn is_known(&self) -> bool {
        self.suspect.is_none() && self.course.is_some()
    }

    /// Whether this device was suspended, as it seems, and the relay was not asked since.
    pub(super) fn is_suspect(&self) -> bool {
        self.suspect.is_some()
    }

    /// How far [`RelayClock::relay_ms`] may be off either way, in milliseconds.
    pub(super) fn uncertainty_ms(&self, now: MonoTime) -> f64 {
        let Some(course) = self.course else { return ONE_WAY_ERROR_MS };
        course.fit.uncertainty_ms(now) + course.off_ms(now).abs() + self.ran_ms(now)
    }

    /// How many milliseconds of the reading's error are likely to come and go: what further answers will show, what it is
    /// slewed by, and what a device's clock may have run away since the last one. (An uneven path makes an error, too,
    /// but one that stays.)
    pub(super) fn noise_ms(&self, now: MonoTime) -> f64 {
        let Some(course) = self.course else { return ONE_WAY_ERROR_MS };
        course.fit.noise_ms(now) + course.off_ms(now).abs() + self.ran_ms(now)
    }

    /// How long a message usually takes one way, in milliseconds.
    pub(super) fn one_way_ms(&self) -> f64 {
        quantile(self.exchanges.iter().map(|exchange| exchange.trip_ms() / 2.0), 10)
    }

    /// How long nineteen of twenty messages from the relay take at the most, in milliseconds: the way itself, of which only
    /// both directions together are known, and the queues that were seen on it.
    pub(super) fn arrives_ms(&self) -> f64 {
        let least_ms = self.exchanges.iter().map(Exchange::trip_ms).fold(f64::INFINITY, f64::min);
        let queues_ms = self.course.iter().flat_map(|course| {
            let queued_ms = |exchange| course.fit.queued_down_ms(exchange);
            self.exchanges.iter().map(queued_ms)
        });
        if least_ms.is_finite() { DOWN_SHARE * least_ms + quantile(queues_ms, 19) } else { 0.0 }
    }

    /// Forgets all readings: the relay is another one, with another clock.
    pub(super) fn forget(&mut self) {
        self.exchanges.clear();
        (self.course, self.one_way_ms) = (None, None);
    }

    fn ask_anew(&mut self, now: MonoTime) {
        self.outstanding.clear();
        self.pings = 0;
        self.next_ping = Some(now);
    }

    fn take(&mut self, exchange: Exchange) {
        let now = exchange.heard;
        let former = self.course.zip(self.exchanges.back().map(|last| last.heard));
        if self.exchanges.len() == EXCHANGES_MAX {
            self.exchanges.pop_front();
        }
        self.exchanges.push_back(exchange);
        let Some((fit, was_set)) = self.fit(now) else { return };
        let off_ms = former.map_or(0.0, |(course, _)| course.offset_ms(now) - fit.offset_ms(now));
        if let Some((_, before)) = former.filter(|_| was_set) {
            let ran = (off_ms.abs() / now.since(before).as_secs_f64().max(0.1) / 1000.0).min(UNSTEADY_MAX);
            self.ran_away = Some((ran.max(self.runs_away_by(now)), now));
        }
        let at_once = self.exchanges.len() < BEGINS && !was_set || off_ms.abs() > SLEW_MS_MAX;
        let slew = SLEW.max(2.0 * self.runs_away_by(now));
        self.course = Some(Course { fit, off_ms: if at_once { 0.0 } else { off_ms }, at: now, slew });
    }

    /// What the answers tell, and whether the latest show some before them not to hold any more, as one of the clocks was
    /// set or ran away; those are left out from now on.
    fn fit(&mut self, now: MonoTime) -> Option<(Fit, bool)> {
        let exchanges = self.exchanges.make_contiguous();
        let drift = self.course.map_or(0.0, |course| course.fit.drift);
        let was_set = bounds::step_ms(exchanges, drift).is_some();
        let mut drops = if was_set { exchanges.len().saturating_sub(bounds::LATEST) } else { 0 };
        let mut fit = Fit::of(&exchanges[drops..], now)?;
        while fit.is_impossible() && drops + 1 < exchanges.len() {
            drops += 1;
            fit = Fit::of(&exchanges[drops..], now)?;
        }
        self.exchanges.drain(..drops);
        Some((fit, drops > 0))
    }

    /// How fast this device's clock runs away, as a share, by what was seen of it; 0 where it runs well.
    fn runs_away_by(&self, now: MonoTime) -> f64 {
        let ran = self.ran_away.map_or(0.0, |(ran, at)| {
            let calm_s = now.since(at).as_secs_f64();
            ran * 0.5_f64.powf(calm_s / UNSTEADY_HALF_LIFE_S)
        });
        if ran > UNSTEADY { ran } else { 0.0 }
    }

    /// How far it may have run since the relay answered last, in milliseconds.
    fn ran_ms(&self, now: MonoTime) -> f64 {
        let newest = self.exchanges.back().map_or(0.0, |last| now.since(last.heard).as_secs_f64() * 1000.0);
        self.runs_away_by(now) * newest
    }
}

/// What so many of twenty values do not exceed; 0 where there are none.
fn quantile(values: impl Iterator<Item = f64>, of_twenty: usize) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = (values.len() * of_twenty / 20).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or(0.0)
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
        while asking.clock.course.is_none_or(|course| course.off_ms.abs() < 1.0) {
            asking.pass((s, s + 0.25), |_| OFFSET_MS, |_| (10.0, 10.0));
            s += 0.25;
        }
        let began_s = asking.clock.course.expect("readings").at.since(MonoTime::default()).as_secs_f64();
        // From 30 ms off, by 5 ms a second.
        for (after_s, error_ms) in [(0.0, 30.0), (2.0, 20.0), (4.0, 10.0), (7.0, 0.0)] {
            let seen_ms = asking.error_ms(began_s + after_s, OFFSET_MS);
            assert!((seen_ms - error_ms).abs() < 1.0, "{seen_ms} after {after_s} s");
        }
    }

    /// Evenly from 35 to 65 ms, each way (`SplitMix64`, Steele, Lea and Flood 2014).
    fn jitters(n: u64) -> (f64, f64) {
        let share = |n: u64| {
            let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
        };
        (35.0 + 30.0 * share(2 * n + 1), 35.0 + 30.0 * share(2 * n + 2))
    }

    #[test]
    fn queues_hide_little_of_a_crystal_that_runs_fast() {
        for ppm in [0.0, 60.0, -100.0] {
            let mut asking = Asking::new();
            let runs = |s: f64| OFFSET_MS + ppm * 1e-3 * s;
            let mut errors_ms = Vec::new();
            asking.pass((0.0, 30.0), runs, jitters);
            for s in 30_u32..300 {
                asking.pass((f64::from(s), f64::from(s + 1)), runs, |n| jitters(n + 7 * u64::from(s)));
                let until_s = f64::from(s + 1);
                let (error_ms, noise_ms) =
                    (asking.error_ms(until_s, runs(until_s)).abs(), asking.clock.noise_ms(at(until_s).mono));
                assert!(error_ms < 4.0 * noise_ms, "{ppm} ppm, {s} s: {error_ms}, said to be {noise_ms}");
                errors_ms.push(error_ms);
            }
            errors_ms.sort_by(f64::total_cmp);
            assert!(errors_ms[135] < 1.0 && errors_ms[256] < 2.0, "{ppm}: {} {}", errors_ms[135], errors_ms[256]);
        }
    }

    #[test]
    fn answers_that_were_held_up_change_nothing() {
        let mut asking = Asking::new();
        asking.pass((0.0, 60.0), |_| OFFSET_MS, jitters);
        let before_ms = asking.error_ms(60.0, OFFSET_MS);
        asking.pass((60.0, 80.0), |_| OFFSET_MS, |n| (jitters(n).0 + 400.0, jitters(n).1));
        assert!((asking.error_ms(80.0, OFFSET_MS) - before_ms).abs() < 1.0, "{before_ms}");
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
