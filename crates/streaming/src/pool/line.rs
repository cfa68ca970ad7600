//! What is known of the line to a peer: how far it is, how fast, and when it should bring what it was asked for.

mod lately;
mod round;
mod window;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use window::{Arrival, Window};

/// How far a peer is taken to be of which nothing is known, and what a block takes from it, in seconds.
const LATENCY_FIRST: f64 = 0.15;
const PACE_FIRST: f64 = 0.015;
/// Weight of a new figure in an average: the last ten or so count.
const WEIGHT: f64 = 0.15;

/// The line to one peer.
#[derive(Debug)]
pub(super) struct Line {
    window: Window,
    /// When that was asked for which is on its way, the first first.
    flying: VecDeque<Instant>,
    /// Seconds from a block to the next while more were asked for, and how often that was seen.
    pace: Option<f64>,
    paces: f64,
    /// It has brought something; until then, `pace` is what it takes at least.
    has_brought: bool,
    last_block: Option<Instant>,
    /// When the last block that was asked for should come, before `lag`.
    last_due: Option<Instant>,
    /// How much later than told blocks come by now, in seconds.
    lag: f64,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            window: Window::new(),
            flying: VecDeque::new(),
            pace: None,
            paces: 0.0,
            has_brought: false,
            last_block: None,
            last_due: None,
            lag: 0.0,
        }
    }

    /// How many blocks to have asked for at a time.
    pub(super) fn window(&self) -> usize {
        self.window.blocks()
    }

    /// How many blocks are asked for.
    pub(super) fn asked(&self) -> usize {
        self.flying.len()
    }

    /// Seconds until a block comes that is asked for now, behind `queued` others.
    pub(super) fn expected(&self, queued: usize, now: Instant) -> f64 {
        let pace = self.pace.unwrap_or(PACE_FIRST);
        #[allow(clippy::cast_precision_loss, reason = "at most 250")]
        let blocks = queued as f64 + 1.0;
        let behind = self.last_due.map_or(0.0, |due| self.due(due).saturating_duration_since(now).as_secs_f64() + pace);
        self.latency().unwrap_or(LATENCY_FIRST).max(behind).max(blocks * pace)
    }

    /// A block is asked for. When it should come, to be asked of [`Line::due`].
    pub(super) fn asks(&mut self, now: Instant) -> Instant {
        let due = later(now, self.expected(self.asked(), now) - self.lag);
        self.last_due = Some(due);
        self.flying.push_back(now);
        due
    }

    /// When a block should come, of which [`Line::asks`] told, as seen now: those behind one that is late are late as well.
    pub(super) fn due(&self, told: Instant) -> Instant {
        later(told, self.lag)
    }

    /// A block that was asked for at `sent` was taken back. What is asked for next is expected behind it all the same: it may be in buffers that
    /// no cancel reaches, which hold seconds of a slow line.
    pub(super) fn taken_back(&mut self, sent: Instant) {
        self.landed(sent);
        self.window.disturb();
        if self.flying.is_empty() {
            let last_due = self.last_due.map(|due| self.due(due));
            self.interrupted();
            self.last_due = last_due;
        }
    }

    fn landed(&mut self, sent: Instant) {
        let at = self.flying.partition_point(|other| *other < sent);
        if self.flying.get(at) == Some(&sent) {
            self.flying.remove(at);
        }
    }

    /// Seconds from a request to its block when nothing else was asked for, once known.
    pub(super) fn latency(&self) -> Option<f64> {
        self.window.latency()
    }

    /// Blocks a second, once it has brought some.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate_at_best().filter(|_| self.has_brought)
    }

    /// The same, also of one that others have outrun before it brought anything.
    pub(super) fn rate_at_best(&self) -> Option<f64> {
        self.pace.map(|pace| 1.0 / pace)
    }

    /// Whether it has ever brought something.
    pub(super) fn has_brought(&self) -> bool {
        self.has_brought
    }

    /// A block came that was asked for at `sent`, when it was told to come at `due`.
    pub(super) fn block(&mut self, sent: Instant, due: Instant, now: Instant) {
        self.landed(sent);
        self.has_brought = true;
        let due = self.due(due);
        self.lag +=
            (now.saturating_duration_since(due)).as_secs_f64() - (due.saturating_duration_since(now)).as_secs_f64();
        if self.flying.is_empty() {
            self.last_due = None;
            self.lag = 0.0;
        }
        let took = (now - sent).as_secs_f64();
        let since = self.last_block.map(|last| (now - last).as_secs_f64());
        self.last_block = Some(now).filter(|_| !self.flying.is_empty());
        // The first block tells how long one takes at most.
        let pace = self.pace.unwrap_or(took);
        let pace = since.map_or(pace, |since| {
            self.paces += 1.0;
            (pace + (since - pace) * WEIGHT.max(1.0 / self.paces)).max(1e-6)
        });
        self.pace = Some(pace);
        let (oldest, asked, paces) = (self.flying.front().copied(), self.asked(), self.paces);
        self.window.block(&Arrival { sent, now, oldest, asked, pace, paces });
    }

    /// Somebody else brought what this one was asked for at `sent`: as long as nothing is known of it, that is how far it is at least.
    pub(super) fn outrun(&mut self, sent: Instant, now: Instant) {
        if !self.has_brought {
            let took = (now - sent).as_secs_f64();
            self.window.takes(took, now);
            self.pace = Some(self.pace.map_or(took, |pace| pace.max(took)));
        }
        self.taken_back(sent);
    }

    /// What was asked for is not on its way any more.
    pub(super) fn interrupted(&mut self) {
        self.flying.clear();
        self.window.interrupted();
        self.last_block = None;
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
mod tests;
