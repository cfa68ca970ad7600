//! What is known of the line to a peer: how far it is, how fast, and how much to ask it for at a time.
//!
//! What waits at a peer beyond what fills its line is what a seek waits for: much of it is in buffers of the system, where no cancel reaches
//! it. So as little as keeps the line busy is asked for: the window grows while blocks come as soon as if nothing else was asked for, and
//! shrinks when they come later, as in TCP Vegas and LEDBAT (RFC 6817). How long the way is without a queue is only seen while there is none,
//! so the window is left unfilled now and then for a round trip (as BBR does); and where a smaller window makes nothing come sooner, the
//! way is longer now, or the peer answers in pulses.

use std::time::{Duration, Instant};

/// Blocks to ask a peer for of which nothing is known: 64 KiB. Two round trips make it 16 (the window doubles), and a peer that turns out
/// to be slow holds up no more than this.
const WINDOW_FIRST: f64 = 4.0;
/// Peers that others ask for more have at most: libtorrent and Transmission take 500 and more, librqbit 128 when it says nothing.
const WINDOW_MAX: f64 = 250.0;
/// A peer whose block takes a quarter of a second does well with one on its way and one in store.
const WINDOW_MIN: f64 = 2.0;
/// What is to wait at a peer, in seconds: what we are late for by chance. A block at least, and up to twice as much before it is too much.
const QUEUE: f64 = 0.01;
/// How far a peer is taken to be of which nothing is known, and what a block takes from it, in seconds.
const LATENCY_FIRST: f64 = 0.15;
const PACE_FIRST: f64 = 0.015;
/// Weight of a new figure in an average: the last ten or so count.
const WEIGHT: f64 = 0.15;
/// How long the shortest latency counts that was seen: for so long, and until as much has passed again.
const REMEMBERED: Duration = Duration::from_secs(5);
/// How often the window is left unfilled, to see the latency without a queue.
const DRAINED_EVERY: Duration = Duration::from_secs(4);
/// How much of the line is full then at most: what it is shorter than was thought shows.
const DRAINED_TO: f64 = 0.8;
/// Round trips without a queue after which the window doubles again.
const EMPTY_MAX: u32 = 3;
/// Blocks in a row that come late before the window stops doubling.
const LATE_MAX: f64 = 0.25;
/// The queue that evens out the moments at which blocks come, as a multiple of how much they vary.
const JITTERS: f64 = 1.5;
const JITTER_WEIGHT: f64 = 0.15;

/// The line to one peer.
#[derive(Debug)]
pub(super) struct Line {
    window: f64,
    /// Seconds from a request to its block when nothing else was asked for, as far as known: the shortest of late, and of the time before.
    shortest: [f64; 2],
    shortest_since: Option<Instant>,
    /// Seconds from a block to the next while more were asked for, and how often that was seen.
    pace: Option<f64>,
    paces: f64,
    growing: bool,
    /// Blocks in a row that came later than they should, while the window grows.
    late: u32,
    /// How much later than the soonest of a round trip blocks come on average, in seconds.
    jitter: f64,
    round: Option<Round>,
    /// Round trips in which there was no queue.
    empty: u32,
    /// The window that was made smaller, and for what queue, in seconds.
    cut: Option<(f64, f64)>,
    /// Until the end of the round trip, for there to be no queue.
    drained_to: Option<f64>,
    drained: Option<Instant>,
    /// The window fills again, and the first blocks of this round trip find no queue.
    refills: bool,
    last_block: Option<Instant>,
    /// When the last block that was asked for should come, before `lag`.
    last_due: Option<Instant>,
    /// How much later than told blocks come by now, in seconds.
    lag: f64,
}

/// From a moment until a block comes that was asked for later: a round trip.
#[derive(Debug, Clone, Copy)]
struct Round {
    began: Instant,
    /// The least time that a block took, in seconds, and that of all together.
    least: f64,
    sum: f64,
    count: u32,
    /// As much was asked for as fits the window.
    is_full: bool,
}

impl Round {
    fn new(began: Instant) -> Self {
        Self { began, least: f64::INFINITY, sum: 0.0, count: 0, is_full: false }
    }
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            window: WINDOW_FIRST,
            shortest: [f64::INFINITY; 2],
            shortest_since: None,
            pace: None,
            paces: 0.0,
            growing: true,
            late: 0,
            jitter: 0.0,
            round: None,
            empty: 0,
            cut: None,
            drained_to: None,
            drained: None,
            refills: false,
            last_block: None,
            last_due: None,
            lag: 0.0,
        }
    }

    /// How many blocks to have asked for at a time.
    pub(super) fn window(&self) -> usize {
        let window = self.drained_to.map_or(self.window, |less| less.min(self.window));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 2 and 250")]
        let window = window.clamp(WINDOW_MIN, WINDOW_MAX) as usize;
        window
    }

    /// Seconds until a block comes that is asked for now, behind `queued` others.
    pub(super) fn expected(&self, queued: usize, now: Instant) -> f64 {
        let pace = self.pace.unwrap_or(PACE_FIRST);
        #[allow(clippy::cast_precision_loss, reason = "at most 250")]
        let blocks = queued as f64 + 1.0;
        let behind = self.last_due.map_or(0.0, |due| self.due(due).saturating_duration_since(now).as_secs_f64() + pace);
        self.latency().unwrap_or(LATENCY_FIRST).max(behind).max(blocks * pace)
    }

    /// A block is asked for behind `queued` others. When it should come, to be asked of [`Line::due`].
    pub(super) fn asks(&mut self, queued: usize, now: Instant) -> Instant {
        let due = later(now, self.expected(queued, now) - self.lag);
        self.last_due = Some(due);
        due
    }

    /// When a block should come, of which [`Line::asks`] told, as seen now: those behind one that is late are late as well.
    pub(super) fn due(&self, told: Instant) -> Instant {
        later(told, self.lag)
    }

    /// A block was taken back; so many others are asked for.
    pub(super) fn taken_back(&mut self, asked: usize) {
        if asked == 0 {
            self.interrupted();
        }
        self.last_due = self.last_due.map(|due| later(due, -self.pace.unwrap_or(PACE_FIRST)));
    }

    /// Seconds from a request to its block when nothing else was asked for, once known.
    pub(super) fn latency(&self) -> Option<f64> {
        let [late, before] = self.shortest;
        Some(late.min(before)).filter(|latency| latency.is_finite())
    }

    /// Blocks a second, once known.
    pub(super) fn rate(&self) -> Option<f64> {
        self.pace.map(|pace| 1.0 / pace)
    }

    /// A block came that was asked for at `sent`, when it was told to come at `due`; so many others are asked for.
    pub(super) fn block(&mut self, sent: Instant, due: Instant, now: Instant, asked: usize) {
        let took = (now - sent).as_secs_f64();
        let due = self.due(due);
        self.lag +=
            (now.saturating_duration_since(due)).as_secs_f64() - (due.saturating_duration_since(now)).as_secs_f64();
        if asked == 0 {
            self.last_due = None;
            self.lag = 0.0;
        }
        if self.shortest_since.is_none_or(|since| now - since > REMEMBERED) {
            self.shortest = [f64::INFINITY, self.shortest[0]];
            self.shortest_since = Some(now);
        }
        self.shortest[0] = self.shortest[0].min(took);
        let since = self.last_block.map(|last| (now - last).as_secs_f64());
        self.last_block = Some(now).filter(|_| asked > 0);
        // The first block tells how long one takes at most.
        let pace = self.pace.unwrap_or(took);
        self.pace = Some(since.map_or(pace, |since| {
            self.paces += 1.0;
            (pace + (since - pace) * WEIGHT.max(1.0 / self.paces)).max(1e-6)
        }));
        let is_full = asked + 1 >= self.window();
        let round = self.round.get_or_insert(Round::new(now));
        round.is_full |= is_full;
        round.least = round.least.min(took);
        round.sum += took;
        round.count += 1;
        if self.growing {
            self.window += if is_full { 1.0 } else { 0.0 };
            let is_late = took > self.latency().unwrap_or(took) + 2.0 * self.wanted();
            self.late = if is_late { self.late + 1 } else { 0 };
            if f64::from(self.late) >= self.window * LATE_MAX {
                self.growing = false;
            }
        }
        let round = self.round;
        if let Some(round) = round.filter(|round| sent >= round.began) {
            self.round = Some(Round::new(now));
            self.fit(round, now);
        }
        self.window = self.window.clamp(WINDOW_MIN, WINDOW_MAX);
    }

    /// What is to wait at the peer, in seconds.
    fn wanted(&self) -> f64 {
        QUEUE.max(self.pace.unwrap_or_default()).max(JITTERS * self.jitter)
    }

    /// Makes the window fit, when a round trip is over.
    fn fit(&mut self, round: Round, now: Instant) {
        let least = round.least;
        let latency = self.latency().unwrap_or(least);
        let queue = least - latency;
        if self.drained_to.take().is_some() {
            self.refills = true;
            return;
        }
        if std::mem::take(&mut self.refills) {
            return;
        }
        let rate = f64::from(round.count) / (now - round.began).as_secs_f64().max(1e-6);
        if self.cut.is_none() {
            self.jitter += (round.sum / f64::from(round.count) - least - self.jitter) * JITTER_WEIGHT;
        }
        let wanted = self.wanted();
        if let Some((window, before)) = self.cut.take()
            && queue > (before + wanted) / 2.0
        {
            // It was no queue of ours: the way is longer now.
            self.window = window;
            self.shortest = [least, f64::INFINITY];
            self.shortest_since = Some(now);
            return;
        }
        if queue > 2.0 * wanted {
            self.growing = false;
            self.empty = 0;
            self.cut = Some((self.window, queue));
            self.window = self.window.min(rate * (latency + wanted));
        } else if queue > wanted {
            self.growing = false;
            self.empty = 0;
        } else if round.is_full {
            self.window += 1.0;
            self.empty += 1;
            self.growing |= self.empty > EMPTY_MAX;
        }
        let is_due = now - *self.drained.get_or_insert(now) > DRAINED_EVERY;
        if is_due && !self.growing {
            self.drained = Some(now);
            self.drained_to = Some((DRAINED_TO * rate * latency).min(rate * latency - 1.0));
        }
    }

    /// Somebody else brought what this one was asked for at `sent`: as long as nothing is known of it, that is how far it is at least.
    pub(super) fn outrun(&mut self, sent: Instant, now: Instant) {
        if self.pace.is_none() {
            let took = (now - sent).as_secs_f64();
            self.shortest = [took, f64::INFINITY];
            self.pace = Some(took);
        }
    }

    /// What was asked for is not on its way any more.
    pub(super) fn interrupted(&mut self) {
        self.last_block = None;
        self.round = None;
        self.cut = None;
        self.drained_to = None;
        self.last_due = None;
        self.lag = 0.0;
    }
}

/// A moment so many seconds after another one, or before it.
fn later(moment: Instant, seconds: f64) -> Instant {
    let distance = Duration::from_secs_f64(seconds.abs());
    if seconds < 0.0 { moment.checked_sub(distance).unwrap_or(moment) } else { moment + distance }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A peer that brings so many blocks a second, and is asked for as many as fit its line.
    struct Asked {
        line: Line,
        begun: Instant,
        now: f64,
        rate: f64,
        /// There and back, in seconds.
        delay: f64,
        free: f64,
        /// When each was asked for, should come, and comes.
        flying: VecDeque<(f64, Instant, f64)>,
        blocks: f64,
    }

    impl Asked {
        fn new(rate: f64, delay: f64) -> Self {
            let (line, begun, flying) = (Line::new(), Instant::now(), VecDeque::new());
            Self { line, begun, now: 0.0, rate, delay, free: 0.0, flying, blocks: 0.0 }
        }

        fn at(&self, time: f64) -> Instant {
            self.begun + Duration::from_secs_f64(time)
        }

        fn until(&mut self, end: f64) {
            while self.now < end {
                while self.flying.len() < self.line.window() {
                    let due = self.line.asks(self.flying.len(), self.at(self.now));
                    self.free = f64::max(self.free, self.now + self.delay / 2.0) + 1.0 / self.rate;
                    self.flying.push_back((self.now, due, self.free + self.delay / 2.0));
                }
                let (sent, due, arrives) = self.flying.pop_front().unwrap();
                self.now = f64::max(arrives, self.now);
                self.blocks += 1.0;
                let (sent, now) = (self.at(sent), self.at(self.now));
                self.line.block(sent, due, now, self.flying.len());
            }
        }

        /// The blocks that wait for the line, in seconds of it.
        fn waiting(&self) -> f64 {
            self.flying.len() as f64 / self.rate - self.delay
        }
    }

    #[test]
    fn the_line_is_full_and_little_waits_for_it() {
        for (rate, delay) in [
            // 2 MiB/s, 40 ms.
            (128.0, 0.04),
            // 10 MB/s, 200 ms: 122 blocks fill it.
            (610.0, 0.2),
            // 50 KB/s.
            (3.0, 0.04),
            // 100 MB/s next door.
            (6100.0, 0.001),
        ] {
            let mut peer = Asked::new(rate, delay);
            peer.until(10.0);
            let before = peer.blocks;
            // However long it goes on.
            for minute in 0..10 {
                peer.until(f64::from(minute * 60 + 60));
                let waiting = peer.waiting();
                assert!(waiting < 0.03 + 4.0 / rate, "{rate} blocks/s, {delay} s: {waiting} s wait");
            }
            let share = (peer.blocks - before) / (rate * (peer.now - 10.0));
            assert!(share > 0.97, "{rate} blocks/s, {delay} s: {share} of it");
        }
    }

    #[test]
    fn a_way_that_becomes_longer_is_learned() {
        let mut peer = Asked::new(128.0, 0.04);
        peer.until(10.0);
        peer.delay = 0.2;
        peer.until(13.0);
        let before = peer.blocks;
        peer.until(20.0);
        assert!(peer.blocks - before > 0.9 * 7.0 * 128.0, "{} of {}", peer.blocks - before, 7.0 * 128.0);
        peer.delay = 0.04;
        peer.until(30.0);
        assert!(peer.waiting() < 0.05, "{} s wait", peer.waiting());
    }

    #[test]
    fn who_answers_in_pulses_is_asked_for_all_of_a_pulse() {
        const PULSE: f64 = 0.5;
        let begun = Instant::now();
        let at = |time: f64| begun + Duration::from_secs_f64(time);
        let mut line = Line::new();
        // The first answer comes at once, further ones when the pulse does.
        let due = line.asks(0, at(0.0));
        line.block(at(0.0), due, at(0.002), 3);
        let mut sent: Vec<_> = (0..line.window()).map(|count| (0.002, line.asks(count, at(0.002)))).collect();
        let mut bytes = 0;
        for pulse in 1..=20 {
            let now = f64::from(pulse) * PULSE;
            let mut asked = VecDeque::from(std::mem::take(&mut sent));
            bytes += asked.len() << 14;
            let mut count = 0.0;
            while let Some((then, due)) = asked.pop_front() {
                let now = now + count * 2e-4;
                count += 1.0;
                line.block(at(then), due, at(now), asked.len() + sent.len());
                while asked.len() + sent.len() < line.window() {
                    sent.push((now, line.asks(asked.len() + sent.len(), at(now))));
                }
            }
        }
        assert!(line.window() > 30 && bytes > 8 << 20, "{} blocks at a time, {bytes} bytes", line.window());
    }

    #[test]
    fn when_blocks_should_come() {
        let begun = Instant::now();
        let at = |time: f64| begun + Duration::from_secs_f64(time);
        let mut line = Line::new();
        // 40 ms, and a block takes 10.
        for count in 0..100_u32 {
            let sent = f64::from(count);
            let due = line.asks(0, at(sent));
            let next = line.asks(1, at(sent));
            line.block(at(sent), due, at(sent + 0.05), 1);
            line.block(at(sent), next, at(sent + 0.06), 0);
        }
        let now = at(200.0);
        let expected = |line: &Line, queued| (line.expected(queued, now) * 1e3).round();
        assert_eq!(expected(&line, 0), 50.0);
        let first = line.asks(0, now);
        let second = line.asks(1, now);
        assert_eq!(expected(&line, 2), 70.0);
        // The first is 30 ms late: so will the others be.
        line.block(now, first, at(200.08), 1);
        assert_eq!((line.due(second) - now).as_millis(), 90);
        assert_eq!((line.expected(1, at(200.08)) * 1e3).round(), 50.0);
        line.taken_back(0);
        assert_eq!(expected(&line, 0), 50.0);
    }
}
