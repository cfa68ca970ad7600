//! The way between a viewer and the relay, both directions: TCP, so nothing is lost and nothing overtakes.

use crate::Rng;
use crate::device::{us, whole};

/// What a way takes.
#[derive(Clone, Debug)]
pub struct LinkSpec {
    /// Milliseconds to the relay, at the least.
    pub up_ms: f64,
    /// Milliseconds from the relay, at the least.
    pub down_ms: f64,
    /// Milliseconds that come on top in 95 of 100 cases at most.
    pub jitter_ms: f64,
    /// How they are spread.
    pub queue: Queue,
    /// Of a thousand messages so many are lost at first and come after a retransmission timeout, everything behind them
    /// waiting.
    pub lost_permille: usize,
}

impl LinkSpec {
    /// How much longer the way to the relay is, in milliseconds.
    #[must_use]
    pub fn asymmetry_ms(&self) -> f64 {
        self.up_ms - self.down_ms
    }
}

/// How what comes on top of the least is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Mostly little, seldom much, as behind a router.
    Bursts,
    /// Evenly up to the jitter, as on the shaped links of `./dev bench sync`: whatever is kept of single messages is off by
    /// a good part of it.
    Even,
}

/// Queueing on the way, as a share of `jitter_ms`: mostly little, seldom much.
const QUEUE: [(f64, f64); 4] = [(0.0, 0.0), (0.5, 0.25), (0.95, 1.0), (1.0, 2.5)];
/// A retransmission timeout: at least 200 ms (Linux' TCP_RTO_MIN), with backoff.
const RETRANSMIT_S: (f64, f64) = (0.2, 0.9);

/// A way with what is under way on it.
#[derive(Debug)]
pub struct Link {
    spec: LinkSpec,
    rng: Rng,
    /// The latest arrivals each way.
    up_us: u64,
    down_us: u64,
}

impl Link {
    /// An idle way.
    #[must_use]
    pub fn new(spec: LinkSpec, rng: Rng) -> Self {
        Self { spec, rng, up_us: 0, down_us: 0 }
    }

    /// When what is sent now reaches the relay.
    pub fn up(&mut self, t_us: u64) -> u64 {
        self.up_us = self.up_us.max(t_us + self.takes(self.spec.up_ms));
        self.up_us
    }

    /// When what the relay sends now arrives.
    pub fn down(&mut self, t_us: u64) -> u64 {
        self.down_us = self.down_us.max(t_us + self.takes(self.spec.down_ms));
        self.down_us
    }

    /// Nothing arrives before then; everything waits in order.
    pub fn stall(&mut self, until_us: u64) {
        (self.up_us, self.down_us) = (self.up_us.max(until_us), self.down_us.max(until_us));
    }

    /// A new connection.
    pub fn reset(&mut self) {
        (self.up_us, self.down_us) = (0, 0);
    }

    fn takes(&mut self, least_ms: f64) -> u64 {
        let queued = match self.spec.queue {
            Queue::Bursts => self.rng.quantile(&QUEUE),
            Queue::Even => self.rng.unit(),
        };
        let queue_ms = queued * self.spec.jitter_ms;
        let lost = self.spec.lost_permille > 0 && self.rng.below(1000) < self.spec.lost_permille;
        let again = if lost { us(self.rng.between(RETRANSMIT_S.0, RETRANSMIT_S.1)) } else { 0 };
        whole((least_ms + queue_ms) * 1000.0) + again
    }
}
