//! What is known of the line to a peer: how far it is, how fast, and how much to ask it for at a time.

use std::time::{Duration, Instant};

/// Blocks to ask a peer for of which nothing is known: 64 KiB. Two round trips make it 16 (the window doubles), and a peer that turns out
/// to be slow holds up no more than this.
const WINDOW_FIRST: f64 = 4.0;
/// Peers that others ask for more have at most: libtorrent and Transmission take 500 and more, librqbit 128 when it says nothing.
const WINDOW_MAX: f64 = 250.0;
/// What may wait at a peer beyond what fills its line. As little as keeps it busy while we think: it is what a seek waits for.
const QUEUE: f64 = 0.1;
/// How far a peer is taken to be of which nothing is known, and what a block takes from it, in seconds.
const LATENCY_FIRST: f64 = 0.15;
const PACE_FIRST: f64 = 0.015;
/// Weight of a new figure in an average: the last ten or so count.
const WEIGHT: f64 = 0.15;
/// What a peer is given that answers in pulses: Transmission 3 fills its sockets twice a second, whatever was asked for meanwhile.
/// Without it, whose first answer came at once would be asked for two blocks a pulse ever after.
const PULSE: f64 = 0.5;
/// Blocks are of one pulse where their distance is so small a part of what blocks have on average.
const PULSE_GAP: f64 = 0.25;
/// Where so many of the blocks come right after others, they come in pulses.
const PULSE_SHARE: f64 = 0.4;
/// How fast the shortest latency is forgotten, each block: a route that became longer is learned in some seconds.
const FORGET: f64 = 1.0005;

/// The line to one peer.
#[derive(Debug)]
pub(super) struct Line {
    window: f64,
    /// Seconds from a request to its block when nothing else was asked for, as far as known.
    latency: Option<f64>,
    /// Seconds from a block to the next while more were asked for.
    pace: Option<f64>,
    growing: bool,
    /// The share of the blocks that came right after others.
    close: f64,
    pulses: bool,
    last_block: Option<Instant>,
    last_cut: Option<Instant>,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            window: WINDOW_FIRST,
            latency: None,
            pace: None,
            growing: true,
            close: 0.0,
            pulses: false,
            last_block: None,
            last_cut: None,
        }
    }

    /// How many blocks to have asked for at a time.
    pub(super) fn window(&self) -> usize {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 250")]
        let window = self.window as usize;
        window
    }

    /// Seconds until a block comes that is asked for now, behind `queued` others.
    pub(super) fn expected(&self, queued: usize) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "at most 250")]
        let blocks = queued as f64 + 1.0;
        self.latency.unwrap_or(LATENCY_FIRST) + blocks * self.pace.unwrap_or(PACE_FIRST)
    }

    /// Seconds from a request to its block when nothing else was asked for, once known.
    pub(super) fn latency(&self) -> Option<f64> {
        self.latency
    }

    /// Blocks a second, once known.
    pub(super) fn rate(&self) -> Option<f64> {
        self.pace.map(|pace| 1.0 / pace)
    }

    /// A block came that was asked for at `sent`; `busy` when others were asked for since the one before came.
    pub(super) fn block(&mut self, sent: Instant, now: Instant, busy: bool) {
        let took = (now - sent).as_secs_f64();
        let latency = self.latency.map_or(took, |latency| (latency * FORGET).min(took));
        self.latency = Some(latency);
        let since = self.last_block.replace(now).filter(|_| busy).map(|last| (now - last).as_secs_f64());
        // The first block tells how long one takes at most.
        self.pace = Some(match (self.pace, since) {
            (None, _) => took,
            (Some(pace), None) => pace,
            (Some(pace), Some(since)) => (pace + (since - pace) * WEIGHT).max(1e-6),
        });
        if let Some(since) = since {
            self.hear_pulse(since, took);
        }
        let pulse = if self.pulses { PULSE } else { 0.0 };
        let target = latency * 1.25 + pulse + QUEUE;
        if took <= target {
            self.window += if self.growing { 1.0 } else { 1.0 / self.window };
        } else if self.last_cut.is_none_or(|last| (sent > last) || now - last > Duration::from_secs(1)) {
            // Once for all that was asked for before.
            self.growing = false;
            self.last_cut = Some(now);
            self.window *= (target / took).max(0.5);
        }
        // A peer whose block takes a quarter of a second does well with one on its way and one in store.
        self.window = self.window.clamp(2.0, WINDOW_MAX);
    }

    /// Learns whether the peer answers in pulses, from the time since its last block.
    fn hear_pulse(&mut self, since: f64, took: f64) {
        let mean = self.pace.unwrap_or(took);
        let is_close = if since < PULSE_GAP * mean { 1.0 } else { 0.0 };
        self.close += (is_close - self.close) * WEIGHT;
        let pulses = self.close > PULSE_SHARE;
        if pulses && !self.pulses {
            // The window was cut for what was no queue.
            self.growing = true;
        }
        self.pulses = pulses;
    }

    /// What was asked for is not on its way any more.
    pub(super) fn interrupted(&mut self) {
        self.last_block = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of so many blocks a second and so much delay there and back, for some seconds; the window at the end.
    fn window_of(rate: f64, delay: f64, seconds: f64) -> usize {
        let begun = Instant::now();
        let at = |time: f64| begun + Duration::from_secs_f64(time);
        let (mut line, mut now, mut free) = (Line::new(), 0.0, 0.0);
        let mut flying = std::collections::VecDeque::new();
        while now < seconds {
            while flying.len() < line.window() {
                free = f64::max(free, now + delay / 2.0) + 1.0 / rate;
                flying.push_back((now, free + delay / 2.0));
            }
            let (sent, arrives) = flying.pop_front().unwrap();
            now = arrives;
            line.block(at(sent), at(now), !flying.is_empty());
        }
        line.window()
    }

    #[test]
    fn who_answers_in_pulses_is_asked_for_all_of_a_pulse() {
        let begun = Instant::now();
        let at = |time: f64| begun + Duration::from_secs_f64(time);
        let mut line = Line::new();
        // The first answer comes at once, further ones when the pulse does.
        line.block(at(0.0), at(0.002), true);
        let (mut sent, mut bytes) = (vec![0.002; line.window()], 0);
        for pulse in 1..=20 {
            let now = f64::from(pulse) * PULSE;
            let asked = std::mem::take(&mut sent);
            bytes += asked.len() << 14;
            for (count, then) in asked.into_iter().enumerate() {
                let now = now + count as f64 * 2e-4;
                line.block(at(then), at(now), true);
                while sent.len() < line.window() {
                    sent.push(now);
                }
            }
        }
        assert!(line.window() > 30 && bytes > 8 << 20, "{} blocks at a time, {bytes} bytes", line.window());
    }

    #[test]
    fn the_window_fits_the_line() {
        for (rate, delay, least, most) in [
            // 2 MiB/s, 40 ms: 5 blocks fill it.
            (128.0, 0.04, 8, 40),
            // 10 MB/s, 200 ms: 122 blocks.
            (610.0, 0.2, 122, 250),
            // 50 KB/s.
            (3.0, 0.04, 2, 3),
            // 100 MB/s next door: 6 fill it.
            (6100.0, 0.001, 6, 250),
        ] {
            let window = window_of(rate, delay, 20.0);
            assert!((least..=most).contains(&window), "{rate} blocks/s, {delay} s: {window}");
        }
    }
}
