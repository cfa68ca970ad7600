//! Lines of which all is known, in virtual time.

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
                let due = self.line.asks(self.at(self.now));
                self.free = f64::max(self.free, self.now + self.delay / 2.0) + 1.0 / self.rate;
                self.flying.push_back((self.now, due, self.free + self.delay / 2.0));
            }
            let (sent, due, arrives) = self.flying.pop_front().unwrap();
            self.now = f64::max(arrives, self.now);
            self.blocks += 1.0;
            let (sent, now) = (self.at(sent), self.at(self.now));
            self.line.block(sent, due, now);
        }
    }

    /// The blocks that wait for the line in a minute, on average, in seconds of it.
    fn waits(&mut self, from: f64) -> f64 {
        let mut sum = 0.0;
        for step in 1..=100 {
            self.until(from + f64::from(step) * 0.6);
            sum += self.flying.len() as f64 / self.rate - self.delay;
        }
        sum / 100.0
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
            let waiting = peer.waits(f64::from(minute * 60));
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
    let waiting = peer.waits(30.0);
    assert!(waiting < 0.05, "{waiting} s wait");
}

#[test]
fn who_answers_in_pulses_is_asked_for_all_of_a_pulse() {
    const PULSE: f64 = 0.5;
    let begun = Instant::now();
    let at = |time: f64| begun + Duration::from_secs_f64(time);
    let mut line = Line::new();
    // The first answer comes at once, further ones when the pulse does.
    let mut sent: Vec<_> = (0..line.window()).map(|_| (0.0, line.asks(at(0.0)))).collect();
    let (_, due) = sent.remove(0);
    line.block(at(0.0), due, at(0.002));
    sent.push((0.002, line.asks(at(0.002))));
    let mut bytes = 0;
    for pulse in 1..=20 {
        let now = f64::from(pulse) * PULSE;
        let asked = std::mem::take(&mut sent);
        bytes += asked.len() << 14;
        let mut count = 0.0;
        for (then, due) in asked {
            let now = now + count * 2e-4;
            count += 1.0;
            line.block(at(then), due, at(now));
            while line.asked() < line.window() {
                sent.push((now, line.asks(at(now))));
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
        let due = line.asks(at(sent));
        let next = line.asks(at(sent));
        line.block(at(sent), due, at(sent + 0.05));
        line.block(at(sent), next, at(sent + 0.06));
    }
    let now = at(200.0);
    let expected = |line: &Line, queued| (line.expected(queued, now) * 1e3).round();
    assert_eq!(expected(&line, 0), 50.0);
    let first = line.asks(now);
    let second = line.asks(now);
    assert_eq!(expected(&line, 2), 70.0);
    // The first is 30 ms late: so will the others be.
    line.block(now, first, at(200.08));
    assert_eq!((line.due(second) - now).as_millis(), 90);
    assert_eq!((line.expected(1, at(200.08)) * 1e3).round(), 50.0);
    // What was taken back may come all the same, before what is asked for next.
    line.taken_back(now);
    assert_eq!(expected(&line, 0), 100.0);
}
