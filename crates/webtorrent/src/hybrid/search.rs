//! When peers are looked for again before the trackers want it.

use std::time::{Duration, Instant};

/// How soon a lost peer is looked for: later than the other side has noticed.
const SETTLE: Duration = Duration::from_secs(1);
/// The first wait where looking did not help, doubled each time. A channel takes 0.5 s to open, through routers 3.
const WAIT: Duration = Duration::from_secs(5);
/// How often it is looked in vain, over 155 s in all; then the trackers' intervals have to do.
const ATTEMPTS_MAX: u32 = 5;
/// How long a channel must have lasted for its loss to be no failure.
const STEADY: Duration = Duration::from_secs(30);

/// See the module. Without a clock.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// How often it was looked since a channel lasted.
    attempts: u32,
    next: Option<Next>,
}

#[derive(Debug, Clone, Copy)]
struct Next {
    at: Instant,
    /// Whether any peer will do.
    unless_met: bool,
}

impl Search {
    /// A channel ended, which had been open for that long.
    pub(super) fn lost(&mut self, lasted: Duration, now: Instant) {
        if lasted >= STEADY {
            self.attempts = 0;
        }
        let wait = if self.attempts == 0 { Some(SETTLE) } else { self.wait() };
        self.next = wait.map(|wait| Next { at: now + wait, unless_met: false }).or(self.next);
    }

    /// A tracker knows others, and no peer is connected yet.
    pub(super) fn missing(&mut self, now: Instant) {
        let wait = self.wait().filter(|_| self.next.is_none());
        self.next = wait.map(|wait| Next { at: now + wait, unless_met: true }).or(self.next);
    }

    /// There is somebody new to meet: what was in vain before is forgotten.
    pub(super) fn renew(&mut self) {
        self.attempts = 0;
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.next.map(|next| next.at)
    }

    /// Whether to look now; `is_met` tells that a peer is connected.
    pub(super) fn poll(&mut self, is_met: bool, now: Instant) -> bool {
        let Some(next) = self.next.take_if(|next| next.at <= now) else { return false };
        if next.unless_met && is_met {
            return false;
        }
        self.attempts += 1;
        true
    }

    fn wait(&self) -> Option<Duration> {
        (self.attempts < ATTEMPTS_MAX).then(|| WAIT * 2_u32.pow(self.attempts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lost_peer_is_looked_for_soon_and_then_ever_later() {
        let (mut search, start) = (Search::default(), Instant::now());
        search.lost(seconds(2), start);
        assert_eq!(search.next(), Some(start + SETTLE));
        assert!(!search.poll(true, start));
        let mut now = start + SETTLE;
        assert!(search.poll(true, now));
        for wait in [10, 20, 40, 80] {
            search.missing(now);
            assert_eq!(search.next(), Some(now + seconds(wait)));
            // What else is missed meanwhile changes nothing.
            search.missing(now + seconds(1));
            now += seconds(wait);
            assert!(search.poll(false, now));
        }
        search.missing(now);
        search.lost(seconds(2), now);
        assert_eq!(search.next(), None);
        search.lost(STEADY, now);
        assert_eq!(search.next(), Some(now + SETTLE));
    }

    #[test]
    fn who_comes_and_goes_is_not_chased() {
        let (mut search, mut now) = (Search::default(), Instant::now());
        for wait in [1, 10, 20] {
            search.lost(seconds(1), now);
            assert_eq!(search.next(), Some(now + seconds(wait)));
            now += seconds(wait);
            assert!(search.poll(false, now));
        }
    }

    #[test]
    fn whoever_was_met_is_not_missed() {
        let (mut search, start) = (Search::default(), Instant::now());
        search.missing(start);
        assert_eq!(search.next(), Some(start + WAIT));
        assert!(!search.poll(true, start + WAIT));
        search.missing(start);
        assert!(search.poll(false, start + WAIT));
        search.renew();
        search.missing(start);
        assert_eq!(search.next(), Some(start + WAIT));
    }
}
