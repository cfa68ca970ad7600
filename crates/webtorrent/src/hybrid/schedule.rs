//! When a torrent is announced at a tracker.

use std::time::{Duration, Instant};

/// How often a torrent is announced where the tracker does not say; bittorrent-tracker says 2 min.
const INTERVAL: Duration = Duration::from_secs(120);
/// The least and the most that a tracker may say: below, we would be a nuisance; above, lost peers stay lost.
const INTERVAL_MIN: Duration = Duration::from_secs(15);
const INTERVAL_MAX: Duration = Duration::from_secs(600);
/// How soon a lost channel is replaced: later than the other side has noticed.
const REPLACE: Duration = Duration::from_secs(1);

/// See the module. Without a clock.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    last: Option<Instant>,
    next: Option<Instant>,
}

impl Schedule {
    /// There is something new to announce.
    pub(super) fn set_due(&mut self, now: Instant) {
        self.next = Some(now);
    }

    pub(super) fn disconnected(&mut self) {
        self.next = None;
    }

    /// It was announced.
    pub(super) fn announced(&mut self, now: Instant) {
        self.last = Some(now);
        self.next = Some(now + INTERVAL);
    }

    /// The tracker says how many seconds it wants to be left alone.
    pub(super) fn set_interval(&mut self, seconds: u64) {
        if let (Some(last), Some(_)) = (self.last, self.next) {
            let interval = Duration::from_secs(seconds).clamp(INTERVAL_MIN, INTERVAL_MAX);
            self.next = Some(last + interval);
        }
    }

    /// Peers were lost that shall be replaced.
    pub(super) fn hasten(&mut self, now: Instant) {
        if let (Some(last), Some(next)) = (self.last, self.next) {
            self.next = Some(next.min((now + REPLACE).max(last + INTERVAL_MIN)));
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| next <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_times() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut schedule = Schedule::default();
        schedule.hasten(at(0));
        schedule.set_interval(30);
        assert_eq!(schedule.next(), None);
        schedule.set_due(at(0));
        assert!(schedule.is_due(at(0)));
        schedule.announced(at(0));
        assert_eq!(schedule.next(), Some(at(120)));
        for (said, meant) in [(1, 15), (30, 30), (u64::MAX, 600)] {
            schedule.set_interval(said);
            assert_eq!(schedule.next(), Some(at(meant)));
        }
        schedule.hasten(at(5));
        assert_eq!(schedule.next(), Some(at(15)));
        schedule.hasten(at(5));
        schedule.set_interval(600);
        schedule.hasten(at(100));
        assert_eq!(schedule.next(), Some(at(101)));
        schedule.disconnected();
        assert_eq!(schedule.next(), None);
        schedule.set_interval(30);
        assert_eq!(schedule.next(), None);
    }
}
