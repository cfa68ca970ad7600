//! Lines to peers, in virtual time.

use std::collections::VecDeque;

use super::Place;

/// A peer as a line with a rate and a delay, which serves in order.
pub(in super::super) struct Line {
    pub(in super::super) blocks_a_second: f64,
    pub(in super::super) delay: f64,
    pub(in super::super) manner: Manner,
    /// What a peer has given to its system by the time that a cancel reaches it, in seconds of its line: comes all the same.
    pub(in super::super) committed: f64,
    pub(in super::super) free: f64,
    /// What it is to send, and when that arrives.
    pub(in super::super) queue: VecDeque<(Place, f64)>,
    random: u64,
}

/// What a line does apart from being long and narrow.
#[derive(Debug, Clone)]
pub(in super::super) enum Manner {
    Steady,
    /// We hear nothing of what comes meanwhile, in so many seconds from and to: our machine is busy.
    Held(Vec<(f64, f64)>),
    /// The peer does nothing meanwhile.
    Stopped(Vec<(f64, f64)>),
    /// The peer answers once in so many seconds what it was asked for until then.
    Batches(f64),
    /// The peer looks for each block for a time of its own, up to so many seconds.
    Scattered(f64),
}

/// Pauses for as long as a test takes, each so long (in seconds, from and to), and as much apart.
pub(in super::super) fn pauses(long: (f64, f64), apart: (f64, f64)) -> Vec<(f64, f64)> {
    let (mut at, mut random, mut all) = (0.0, 7, Vec::new());
    while at < 600.0 {
        let from = at + apart.0 + chance(&mut random) * (apart.1 - apart.0);
        at = from + long.0 + chance(&mut random) * (long.1 - long.0);
        all.push((from, at));
    }
    all
}

/// From 0 to 1, always the same ones (xorshift64*).
pub(in super::super) fn chance(state: &mut u64) -> f64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    let high = u32::try_from(state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32).unwrap();
    f64::from(high) / f64::from(u32::MAX)
}

/// When that is over what is going on then.
pub(super) fn after(pauses: &[(f64, f64)], time: f64) -> f64 {
    pauses.iter().find(|(from, to)| (*from..*to).contains(&time)).map_or(time, |(_, to)| *to)
}

/// When that is done which takes so long, and begins or goes on when nothing else goes on.
fn done(pauses: &[(f64, f64)], begins: f64, takes: f64) -> f64 {
    let begins = after(pauses, begins);
    match pauses.iter().find(|(from, _)| (begins..begins + takes).contains(from)) {
        Some((from, to)) => done(pauses, *to, takes - (from - begins)),
        None => begins + takes,
    }
}

impl Line {
    pub(in super::super) fn new(blocks_a_second: f64, delay: f64) -> Self {
        let (manner, queue) = (Manner::Steady, VecDeque::new());
        Self { blocks_a_second, delay, manner, committed: 0.08, free: 0.0, queue, random: 7 }
    }

    /// When that arrives which is asked for now.
    pub(super) fn request(&mut self, now: f64) -> f64 {
        let mut begins = now + self.delay / 2.0;
        if let Manner::Batches(every) = self.manner {
            begins = (begins / every).ceil() * every;
        }
        self.free = f64::max(self.free, begins);
        let takes = 1.0 / self.blocks_a_second;
        self.free = match &self.manner {
            Manner::Stopped(pauses) => done(pauses, self.free, takes),
            Manner::Steady | Manner::Held(_) | Manner::Batches(_) | Manner::Scattered(_) => self.free + takes,
        };
        let arrives = self.free + self.delay / 2.0;
        match &self.manner {
            Manner::Held(pauses) => after(pauses, arrives),
            Manner::Scattered(most) => arrives + chance(&mut self.random) * most,
            Manner::Steady | Manner::Stopped(_) | Manner::Batches(_) => arrives,
        }
    }

    pub(super) fn cancel(&mut self, place: Place, now: f64) {
        let reached = now + self.delay / 2.0 + self.committed;
        let takes = 1.0 / self.blocks_a_second;
        let leaves = |arrives: f64, delay: f64| arrives - delay / 2.0 - takes;
        let Some(at) =
            self.queue.iter().position(|(other, arrives)| *other == place && leaves(*arrives, self.delay) > reached)
        else {
            return;
        };
        self.queue.remove(at);
        if matches!(self.manner, Manner::Steady) {
            // What was to follow it moves up.
            for (_, arrives) in self.queue.iter_mut().skip(at) {
                *arrives -= takes;
            }
            self.free -= takes;
        }
    }
}
