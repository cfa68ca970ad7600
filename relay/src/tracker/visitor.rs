//! Who comes: addresses, and how much each may ask.

use super::TrackerConfig;
use crate::listener::PeerAddr;
use axum::http::HeaderMap;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::time::Instant;

/// What limits count as one visitor: an IPv4 address, or the /64 that an IPv6 host can choose its addresses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    V4(Ipv4Addr),
    V6([u16; 4]),
}

impl Network {
    /// `None` for the relay's own machine, which is not counted.
    pub(crate) fn of(addr: IpAddr) -> Option<Self> {
        match addr.to_canonical() {
            addr if addr.is_loopback() => None,
            IpAddr::V4(addr) => Some(Self::V4(addr)),
            IpAddr::V6(addr) => {
                let [a, b, c, d, ..] = addr.segments();
                Some(Self::V6([a, b, c, d]))
            }
        }
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) addr: IpAddr,
    /// Whether a proxy names the visitor, whether it is believed or not.
    pub(crate) is_forwarded: bool,
    /// Where the visitor found the relay, if that is no loopback address.
    relay_addr: Option<IpAddr>,
}

impl Origin {
    pub(crate) fn of(peer: PeerAddr, headers: &HeaderMap, config: &TrackerConfig) -> Self {
        // The last one is the proxy's own word, those before are what it was told.
        let last = headers.get_all("x-forwarded-for").iter().next_back();
        let named = last.and_then(|line| line.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        let addr = named.filter(|_| config.trust_forwarded).unwrap_or(peer.remote.ip());
        let is_forwarded = last.is_some() || headers.contains_key("forwarded");
        let local = peer.local.map(|addr| addr.to_canonical()).filter(|addr| !addr.is_loopback());
        Self { addr: addr.to_canonical(), is_forwarded, relay_addr: local }
    }

    /// A peer's address as this visitor can use it. A peer on the relay's own machine, which announced over loopback, is to
    /// others where they find the relay; where that is a proxy's business, it is nowhere.
    pub(crate) fn reach(&self, peer: SocketAddr) -> Option<SocketAddr> {
        if !peer.ip().is_loopback() || self.addr.is_loopback() {
            return Some(peer);
        }
        let addr = self.relay_addr.filter(|addr| !self.is_forwarded && addr.is_ipv4() == peer.is_ipv4())?;
        Some(SocketAddr::new(addr, peer.port()))
    }

    /// What a peer says its address is counts only where it is on the relay's own machine: it knows better than the relay
    /// where others can reach it. From elsewhere anybody could send peers to a machine that knows nothing of it.
    pub(crate) fn may_name_address(&self) -> bool {
        self.addr.is_loopback() && !self.is_forwarded
    }
}

/// What may still be sent: a token bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    per_second: f64,
    burst: f64,
    left: f64,
    counted: Instant,
}

impl Allowance {
    pub(crate) fn full(per_second: u32, burst: u32, now: Instant) -> Self {
        let burst = f64::from(burst);
        Self { per_second: f64::from(per_second), burst, left: burst, counted: now }
    }

    fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.counted).as_secs_f64();
        self.left = (self.left + since * self.per_second).min(self.burst);
        self.counted = now;
    }

    pub(crate) fn take(&mut self, cost: u32, now: Instant) -> bool {
        self.refill(now);
        let may = self.left >= f64::from(cost);
        if may {
            self.left -= f64::from(cost);
        }
        may
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.left >= self.burst
    }
}

/// Addresses whose requests are counted at one time. Past this the oldest count is not worth its memory: all start anew.
const COUNTED_MAX: usize = 50_000;

/// Everybody who is there.
#[derive(Debug)]
pub(crate) struct Visitors {
    config: TrackerConfig,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sockets: usize,
    sockets_by_network: HashMap<Network, usize>,
    requests: HashMap<Network, Allowance>,
}

/// A socket that is there; dropped, it is gone.
#[derive(Debug)]
pub(crate) struct SocketSlot {
    visitors: Arc<Visitors>,
    network: Option<Network>,
}

impl Visitors {
    pub(crate) fn new(config: TrackerConfig) -> Self {
        Self { config, state: Mutex::default() }
    }

    pub(crate) fn sockets(&self) -> usize {
        self.lock().sockets
    }

    /// Lets a socket in where there is room for it.
    pub(crate) fn admit(self: &Arc<Self>, network: Option<Network>) -> Option<SocketSlot> {
        let mut state = self.lock();
        if state.sockets >= self.config.sockets_max {
            return None;
        }
        if let Some(network) = network {
            let there = state.sockets_by_network.get(&network).copied().unwrap_or(0);
            if there >= self.config.sockets_per_address_max {
                return None;
            }
            state.sockets_by_network.insert(network, there + 1);
        }
        state.sockets += 1;
        Some(SocketSlot { visitors: Arc::clone(self), network })
    }

    /// Whether an address may make another HTTP request.
    pub(crate) fn may_request(&self, network: Option<Network>, now: Instant) -> bool {
        let Some(network) = network else { return true };
        let mut state = self.lock();
        if state.requests.len() >= COUNTED_MAX && !state.requests.contains_key(&network) {
            state.requests.clear();
        }
        let full = || Allowance::full(self.config.requests_per_second, self.config.requests_burst, now);
        state.requests.entry(network).or_insert_with(full).take(1, now)
    }

    /// Forgets who was quiet long enough to start anew.
    pub(crate) fn sweep(&self, now: Instant) {
        self.lock().requests.retain(|_, allowance| !allowance.is_full(now));
    }

    /// A panic while the lock is held leaves at worst a count that is off by one.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SocketSlot {
    fn drop(&mut self) {
        let mut state = self.visitors.lock();
        state.sockets -= 1;
        let Some(network) = self.network else { return };
        if let Some(there) = state.sockets_by_network.get_mut(&network) {
            *there -= 1;
            if *there == 0 {
                state.sockets_by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_on_the_relays_machine_is_where_others_find_the_relay() {
        let origin = |remote: &str, local: &str, headers: HeaderMap| {
            let peer = PeerAddr { remote: remote.parse().unwrap(), local: local.parse().ok() };
            Origin::of(peer, &headers, &TrackerConfig::default())
        };
        let here: SocketAddr = "127.0.0.1:6881".parse().unwrap();
        let reach = |origin: Origin| origin.reach(here).map(|addr| addr.to_string());
        let friend = origin("192.168.1.9:5000", "192.168.1.7", HeaderMap::new());
        assert_eq!(reach(friend).as_deref(), Some("192.168.1.7:6881"));
        let elsewhere = "10.1.2.3:6881".parse().unwrap();
        assert_eq!(friend.reach(elsewhere), Some(elsewhere));
        assert_eq!(reach(origin("127.0.0.1:5000", "127.0.0.1", HeaderMap::new())), Some(here.to_string()));
        assert_eq!(reach(origin("[fd00::9]:5000", "fd00::7", HeaderMap::new())), None);
        let proxied = [("x-forwarded-for".parse().unwrap(), "203.0.113.5".parse().unwrap())].into_iter().collect();
        assert_eq!(reach(origin("192.168.1.2:5000", "192.168.1.7", proxied)), None);
    }
}
