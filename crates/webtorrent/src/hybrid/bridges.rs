//! Where the channels' connections to the client come from.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How long an address counts after its connection has ended: the client may notice later.
const LINGER: Duration = Duration::from_secs(10);

/// The addresses, each with when its connection ended.
#[derive(Debug, Default)]
pub(super) struct Bridges(Mutex<HashMap<SocketAddr, Option<Instant>>>);

impl Bridges {
    /// Counts an address for as long as the guard lives, and a little longer.
    pub(super) fn enter(&self, addr: SocketAddr) -> Bridge<'_> {
        self.current(Instant::now()).insert(addr, None);
        Bridge { bridges: self, addr }
    }

    pub(super) fn all(&self, now: Instant) -> Vec<SocketAddr> {
        self.current(now).keys().copied().collect()
    }

    /// Those that still count.
    fn current(&self, now: Instant) -> MutexGuard<'_, HashMap<SocketAddr, Option<Instant>>> {
        let mut bridges = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bridges.retain(|_, ended| ended.is_none_or(|at| now.saturating_duration_since(at) < LINGER));
        bridges
    }
}

#[derive(Debug)]
pub(super) struct Bridge<'a> {
    bridges: &'a Bridges,
    addr: SocketAddr,
}

impl Drop for Bridge<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.bridges.current(now).insert(self.addr, Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_counts_a_little_longer_than_its_connection() {
        let bridges = Bridges::default();
        let addr: SocketAddr = "127.0.0.1:7".parse().unwrap();
        let bridge = bridges.enter(addr);
        assert_eq!(bridges.all(Instant::now() + 2 * LINGER), [addr]);
        drop(bridge);
        assert_eq!(bridges.all(Instant::now()), [addr]);
        assert!(bridges.all(Instant::now() + LINGER).is_empty());
    }
}
