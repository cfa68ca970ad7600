//! How much to ask a peer for at a time.
//!
//! What waits at a peer beyond what fills its line is what a seek waits for: much of it is in buffers of the system, where no cancel reaches
//! it. So as little as keeps the line busy is asked for: what comes in the time of the shortest latency of late and a little more, at the best
//! rate of late (the most and the least over some seconds, as in BBR), where the least time that a block took in a round trip tells of the
//! queue (as in LEDBAT, RFC 6817). The window is left unfilled now and then for a round trip, to see the latency without a queue.
//!
//! Too small a window makes its own measure: it brings little, so little seems to be enough. So what came with a window only counts for as
//! long as nothing shows that more would come with a larger one:
//! - Where all of a window comes at once, its line was empty, be it that the peer answers in batches, or that a busy machine did not listen.
//!   The window doubles, and for some seconds there is as much more as would have come in that pause.
//! - Where blocks come as soon as if nothing else was asked for, the window grows, and soon doubles.
//! - Now and then a larger window is tried. It stays if more comes.
//! - A smaller window is a trial as well: if less comes, the one before is back at once, and none smaller is tried for a while.

use std::time::{Duration, Instant};

use super::lately::Lately;
use super::round::Round;

/// Blocks to ask a peer for of which nothing is known: 128 KiB, which keep a line of 2 MiB/s and 50 ms busy until more is known. A peer that
/// turns out to be slow holds up no more than this.
const WINDOW_FIRST: f64 = 8.0;
/// Peers that others ask for more have at most: libtorrent and Transmission take 500 and more, librqbit 128 when it says nothing.
const WINDOW_MAX: f64 = 250.0;
/// Whatever was measured: 64 KiB, which is read from a socket at a time.
const WINDOW_MIN: f64 = 4.0;
/// One that brings a block only every so many seconds does well with one on its way and one in store.
const SLOW: f64 = 0.1;
const WINDOW_MIN_SLOW: f64 = 2.0;
/// It has no more than what fits a way as long as that besides, in seconds: a round trip takes it so long that how long it takes without a queue
/// is forgotten meanwhile.
const WAY_MAX_SLOW: f64 = 0.5;
/// Paces after which it is known to be slow.
const SLOW_AFTER: f64 = 3.0;
/// What is to wait at a peer, in seconds: what we are late for by chance. A block at least, and up to twice as much before it is too much.
const QUEUE: f64 = 0.01;
/// The longest pause that a window is to outlast, in seconds: Transmission 3 fills its sockets twice a second.
const LULL_MAX: f64 = 0.5;
/// All came at once, where the last of a window takes less than so much of the time that a block takes.
const AT_ONCE: f64 = 0.5;
/// How often the window is left unfilled, to see the latency without a queue.
const DRAINED_EVERY: Duration = Duration::from_secs(4);
/// How much of the line is full then at most: what it is shorter than was thought shows.
const DRAINED_TO: f64 = 0.8;
/// Round trips without a queue after which the window doubles again.
const EMPTY_MAX: u32 = 3;
/// The share of a window whose blocks come late in a row before it stops doubling.
const LATE_MAX: f64 = 0.25;
/// A larger window that is tried has what comes in so many seconds more, but between a quarter more and half as much again, and a block.
const MORE: f64 = 0.05;
/// It is kept if so many times as much comes, and a smaller one if so many times as much still comes.
const BETTER: f64 = 1.1;
const AS_GOOD: f64 = 0.9;
/// How long a window is tried: round trips, and a time.
const TRIAL_ROUNDS: u32 = 2;
const TRIAL: Duration = Duration::from_millis(60);
/// The pause after a trial that failed doubles from one to the other.
const PAUSE_MAX: Duration = Duration::from_secs(8);
/// Before a larger window is tried again where blocks come irregularly, and where they do not: there the queue tells enough.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_SMOOTH: Duration = Duration::from_secs(2);
/// Before a smaller window is tried again.
const HOLD: Duration = Duration::from_secs(1);
/// Weight of a round trip in what comes usually.
const WEIGHT: f64 = 0.2;

/// A block that came.
#[derive(Debug)]
pub(super) struct Arrival {
    /// When it was asked for.
    pub(super) sent: Instant,
    pub(super) now: Instant,
    /// When the first of those was asked for that are still on their way, and how many they are.
    pub(super) oldest: Option<Instant>,
    pub(super) asked: usize,
    /// Seconds from a block to the next, and how often that was seen.
    pub(super) pace: f64,
    pub(super) paces: f64,
}

/// How much to ask a peer for at a time.
#[derive(Debug)]
pub(super) struct Window {
    blocks: f64,
    /// It doubles in a round trip.
    is_growing: bool,
    /// Blocks in a row that came later than they should, while the window grows.
    late: u32,
    /// Seconds from a request to its block: the least.
    latency: Lately,
    /// Blocks a second in a round trip: the most, and what is usual.
    rate: Lately,
    usual: f64,
    /// Seconds for which nothing came, and then the whole window: the most.
    lull: Lately,
    pace: f64,
    is_slow: bool,
    round: Option<Round>,
    /// Round trips in which there was no queue.
    empty: u32,
    trial: Option<Trial>,
    /// When a larger window is tried again, and how long after that, if it fails.
    next_trial: Option<Instant>,
    pause: Duration,
    /// When a smaller one is, and how long after that.
    held: Option<Instant>,
    hold: Duration,
    /// Until the end of the round trip, for there to be no queue.
    drained_to: Option<f64>,
    drained: Option<Instant>,
    /// The window fills again, and the first blocks of this round trip find no queue.
    refills: bool,
    /// What was asked for before then was so with another window.
    changed: Option<Instant>,
    /// Something was taken back, which may come all the same, before what was asked for later.
    is_disturbed: bool,
}

/// Another window is tried.
#[derive(Debug)]
struct Trial {
    is_larger: bool,
    /// The window before, and blocks a second with it.
    blocks: f64,
    rate: f64,
    /// What came since all of it was asked for with this window.
    began: Option<Instant>,
    rounds: u32,
    count: u32,
    least: f64,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            blocks: WINDOW_FIRST,
            is_growing: true,
            late: 0,
            latency: Lately::least(),
            rate: Lately::most(),
            usual: 0.0,
            lull: Lately::most(),
            pace: 0.0,
            is_slow: false,
            round: None,
            empty: 0,
            trial: None,
            next_trial: None,
            pause: PAUSE,
            held: None,
            hold: HOLD,
            drained_to: None,
            drained: None,
            refills: false,
            changed: None,
            is_disturbed: false,
        }
    }

    /// How many blocks to have asked for at a time.
    pub(super) fn blocks(&self) -> usize {
        let blocks = self.drained_to.map_or(self.blocks, |less| less.min(self.blocks));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 250")]
        let blocks = blocks.clamp(1.0, WINDOW_MAX) as usize;
        blocks
    }

    /// Seconds from a request to its block when nothing else was asked for, once known.
    pub(super) fn latency(&self) -> Option<f64> {
        Some(self.latency.get()).filter(|latency| latency.is_finite())
    }

    /// A block took so many seconds.
    pub(super) fn takes(&mut self, took: f64, now: Instant) {
        self.latency.see(took, now);
    }

    pub(super) fn block(&mut self, arrival: &Arrival) {
        let Arrival { sent, now, oldest, asked, pace, paces } = *arrival;
        let took = (now - sent).as_secs_f64();
        self.pace = pace;
        self.is_slow = pace > SLOW && paces > SLOW_AFTER;
        self.takes(took, now);
        self.lull.pass(now);
        let is_full = asked + 1 >= self.blocks();
        if std::mem::take(&mut self.is_disturbed) {
            self.changed = Some(now);
        }
        let Some(round) = &mut self.round else {
            self.round = Some(Round::new(now, sent, self.blocks));
            return;
        };
        round.block(sent, took, is_full);
        let age = oldest.map_or(0.0, |oldest| (now - oldest).as_secs_f64());
        if is_full && age < AT_ONCE * took && took - age > 2.0 * self.queue() {
            self.was_empty(took - age, sent, now);
        }
        if self.is_growing && is_full {
            self.grow(took, now);
        }
        if let Some(round) = self.round.filter(|round| sent >= round.began) {
            self.fit(&round, now);
            self.round = Some(Round::new(now, sent, self.blocks));
        }
    }

    /// Some of what was asked for was taken back.
    pub(super) fn disturb(&mut self) {
        self.is_disturbed = true;
        self.round = None;
        if let Some(trial) = self.trial.take()
            && trial.is_larger
        {
            self.blocks = trial.blocks;
        }
    }

    /// What was asked for is not on its way any more.
    pub(super) fn interrupted(&mut self) {
        self.disturb();
        self.drained_to = None;
        self.refills = false;
    }

    fn set(&mut self, blocks: f64) {
        self.blocks = if self.is_slow {
            blocks.clamp(WINDOW_MIN_SLOW, WINDOW_MIN_SLOW + WAY_MAX_SLOW / self.pace)
        } else {
            blocks.clamp(WINDOW_MIN, WINDOW_MAX)
        };
    }

    /// What waits at the peer for what we are late for by chance, in seconds.
    fn queue(&self) -> f64 {
        QUEUE.max(self.pace)
    }

    /// What is to wait at the peer, in seconds.
    fn wanted(&self) -> f64 {
        self.queue().max(self.lull.get())
    }

    /// As many blocks as are on their way when that much waits.
    fn fitting(&self) -> f64 {
        self.rate.get() * (self.latency().unwrap_or_default() + self.wanted())
    }

    /// All of the window came at once, after so many seconds: for as long there was nothing on the line.
    fn was_empty(&mut self, seconds: f64, sent: Instant, now: Instant) {
        if self.drained_to.is_some() || self.refills || self.changed.is_some_and(|changed| sent < changed) {
            return;
        }
        self.changed = Some(now);
        self.lull.see((seconds - self.latency.get()).clamp(0.0, LULL_MAX), now);
        let mut blocks = if self.is_growing { self.blocks } else { 2.0 * self.blocks };
        if let Some(trial) = self.trial.take()
            && !trial.is_larger
        {
            blocks = blocks.max(trial.blocks);
            self.keep(now);
        }
        self.set(blocks.max(self.fitting()));
    }

    /// A block came while the window doubles.
    fn grow(&mut self, took: f64, now: Instant) {
        self.set(self.blocks + 1.0);
        let is_late = took > self.latency.get() + 2.0 * self.wanted();
        self.late = if is_late { self.late + 1 } else { 0 };
        if f64::from(self.late) < self.blocks * LATE_MAX {
            return;
        }
        self.is_growing = false;
        self.late = 0;
        if let Some(round) = self.round {
            let rate = round.rate(now);
            self.rate.see(rate, now);
            self.attempt(self.fitting().min(self.blocks), rate, now);
        }
    }

    /// Makes the window fit, when a round trip is over.
    fn fit(&mut self, round: &Round, now: Instant) {
        if self.drained_to.take().is_some() {
            self.refills = true;
            self.changed = Some(now);
            return;
        }
        if std::mem::take(&mut self.refills) {
            return;
        }
        let rate = round.rate(now);
        self.rate.see(rate, now);
        if self.trial.is_some() {
            self.go_on_trying(round, now);
            return;
        }
        self.usual += (rate - self.usual) * if self.usual > 0.0 { WEIGHT } else { 1.0 };
        let latency = self.latency.get();
        let queue = round.least - latency;
        if queue > self.wanted() {
            self.is_growing = false;
            self.empty = 0;
        } else if round.is_full {
            self.set(self.blocks + 1.0);
            self.empty += 1;
            self.is_growing |= self.empty > EMPTY_MAX;
        }
        let is_held = self.held.is_some_and(|until| now < until) && queue < LULL_MAX;
        let is_settled = round.is_full && self.blocks.total_cmp(&round.blocks).is_eq();
        let is_drained_now = now - *self.drained.get_or_insert(now) > DRAINED_EVERY;
        // What came seconds ago does not excuse every queue.
        let is_slower = queue > self.wanted() + LULL_MAX;
        let (best, before) = if is_slower { (rate, rate) } else { (self.rate.get(), rate.max(self.usual)) };
        let fitting = best * (latency + self.wanted());
        if queue > self.wanted() + self.queue() && fitting < self.blocks && !is_held {
            self.attempt(fitting, before, now);
        } else if is_settled && self.next_trial.is_none_or(|at| now >= at) {
            let more = (MORE * rate).clamp(0.25 * self.blocks, 0.5 * self.blocks) + 1.0;
            self.attempt(self.blocks + more, rate, now);
        } else if is_drained_now && !self.is_growing && self.lull.get() <= self.queue() {
            self.drained = Some(now);
            self.changed = Some(now);
            self.drained_to = Some((DRAINED_TO * rate * latency).min(rate * latency - 1.0));
        }
    }

    /// Tries another window than the one that brings so many blocks a second.
    fn attempt(&mut self, blocks: f64, rate: f64, now: Instant) {
        let before = self.blocks;
        self.set(blocks);
        self.empty = 0;
        let is_larger = blocks > before;
        if !is_larger {
            self.changed = Some(now);
        }
        self.trial =
            Some(Trial { is_larger, blocks: before, rate, began: None, rounds: 0, count: 0, least: f64::INFINITY });
    }

    fn go_on_trying(&mut self, round: &Round, now: Instant) {
        let Some(trial) = &mut self.trial else { return };
        let Some(began) = trial.began else {
            trial.began = Some(now);
            return;
        };
        trial.rounds += 1;
        trial.count += round.count;
        trial.least = trial.least.min(round.least);
        let took = now - began;
        if trial.rounds < TRIAL_ROUNDS || took < TRIAL {
            return;
        }
        let rate = f64::from(trial.count) / took.as_secs_f64();
        let Some(trial) = self.trial.take() else { return };
        if trial.is_larger && rate > BETTER * trial.rate {
            self.pause = PAUSE;
            self.next_trial = None;
        } else if trial.is_larger {
            self.set(trial.blocks);
            self.changed = Some(now);
            let pause = if round.spread() < QUEUE { PAUSE_SMOOTH.max(self.pause) } else { self.pause };
            self.next_trial = Some(now + pause);
            self.pause = (2 * self.pause).min(PAUSE_MAX);
        } else if rate < trial.rate * AS_GOOD.max(f64::midpoint(1.0, self.blocks / trial.blocks)) && round.is_full {
            // It was no queue of ours: the way is longer, or not always the same.
            self.set(trial.blocks);
            self.latency.set(trial.least, now);
            self.keep(now);
        } else {
            self.hold = HOLD;
        }
    }

    /// A smaller window was not enough.
    fn keep(&mut self, now: Instant) {
        self.held = Some(now + self.hold);
        self.hold = (2 * self.hold).min(PAUSE_MAX);
    }
}
