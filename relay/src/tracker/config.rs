//! What the tracker is told at its start: its limits, each with its reason.

use std::time::Duration;

/// What the tracker may use, and how it treats peers.
///
/// Every limit exists so that one visitor cannot take the service from the others. Visitors on the relay's own machine are
/// not counted by address: they are the owner's, or come through a proxy that all share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackerConfig {
    /// How often a peer should announce. The reference tells WebSocket peers two minutes.
    pub interval: Duration,
    /// How long a peer is kept that does not announce again.
    pub peer_life: Duration,
    /// Torrents at one time.
    pub torrents_max: usize,
    /// Peers of all torrents together; one that has two torrents counts twice.
    pub peers_max: usize,
    /// Peers of one torrent.
    pub peers_per_torrent_max: usize,
    /// Peers, in all torrents together, that came from one address (one /64 of IPv6).
    pub peers_per_address_max: usize,
    /// Torrents that one WebSocket may announce.
    pub torrents_per_socket_max: usize,
    /// WebSockets at one time.
    pub sockets_max: usize,
    /// WebSockets at one time from one address (one /64 of IPv6).
    pub sockets_per_address_max: usize,
    /// Messages a second that one WebSocket may send on the average. Every fifth offer counts as a message. At least 1.
    pub messages_per_second: u32,
    /// Messages that one WebSocket may send at once after a pause. At least 1.
    pub messages_burst: u32,
    /// HTTP requests a second from one address (one /64 of IPv6) on the average. At least 1.
    pub requests_per_second: u32,
    /// HTTP requests from one address at once after a pause. At least 1.
    pub requests_burst: u32,
    /// Whether a proxy stands before the relay that appends its visitor's address to `X-Forwarded-For`. Where none does,
    /// anybody could claim any address by this.
    pub trust_forwarded: bool,
}

impl Default for TrackerConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(120),
            // As the reference: nine announces may be missed.
            peer_life: Duration::from_secs(20 * 60),
            // A peer takes some 250 bytes and a torrent some 600: below 40 MB when both are full.
            torrents_max: 20_000,
            peers_max: 100_000,
            peers_per_torrent_max: 10_000,
            // Someone who seeds a collection, or a small company behind one address.
            peers_per_address_max: 2_000,
            torrents_per_socket_max: 500,
            // Half of a relay's connections: rooms keep the other.
            sockets_max: 500,
            sockets_per_address_max: 64,
            // A peer announces each torrent every two minutes and answers offers; a restart announces all at once.
            messages_per_second: 10,
            messages_burst: 400,
            requests_per_second: 10,
            requests_burst: 400,
            trust_forwarded: false,
        }
    }
}
