//! Which peers of a torrent are connected, so that each is once.

use crate::tracker::OfferId;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How long two channels to one peer are of the same age: longer than they may take to open after one another on a slow
/// link, shorter than it takes to reconnect on purpose.
const SAME_AGE: Duration = Duration::from_secs(10);

/// The open channels by what their peers call themselves in their handshakes, across trackers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    open: Mutex<HashMap<[u8; 20], Open>>,
}

#[derive(Debug)]
struct Open {
    offer_id: OfferId,
    since: Instant,
    /// Cancelled when another channel takes its place.
    replaced: CancellationToken,
}

impl Peers {
    /// Takes a channel in, unless its peer has one already. Gives what tells that another has taken its place.
    ///
    /// Where both sides offer at once there are two channels, and both sides must drop the same one: the one with the
    /// greater offer id, which both know. Of channels that are not of the same age the older one stays.
    pub(super) fn admit(&self, peer_id: [u8; 20], offer_id: OfferId, now: Instant) -> Option<CancellationToken> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = open.get(&peer_id) {
            if now.duration_since(other.since) >= SAME_AGE || other.offer_id <= offer_id {
                return None;
            }
            other.replaced.cancel();
        }
        let replaced = CancellationToken::new();
        open.insert(peer_id, Open { offer_id, since: now, replaced: replaced.clone() });
        Some(replaced)
    }

    /// Lets a channel go that was taken in.
    pub(super) fn release(&self, peer_id: [u8; 20], offer_id: OfferId) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&peer_id).is_some_and(|entry| entry.offer_id == offer_id) {
            open.remove(&peer_id);
        }
    }

    pub(super) fn count(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_keep_the_same_channel() {
        let (low, high, now) = (OfferId([1; 20]), OfferId([2; 20]), Instant::now());
        for order in [[low, high], [high, low]] {
            let peers = Peers::default();
            let first = peers.admit([7; 20], order[0], now).unwrap();
            let second = peers.admit([7; 20], order[1], now);
            assert_eq!(second.is_some(), order[1] == low);
            assert_eq!(first.is_cancelled(), order[1] == low);
            // The one that was dropped lets nothing go.
            peers.release([7; 20], high);
            assert_eq!(peers.count(), 1);
            peers.release([7; 20], low);
            assert_eq!(peers.count(), 0);
        }
    }

    #[test]
    fn an_old_channel_stays() {
        let peers = Peers::default();
        let now = Instant::now();
        let first = peers.admit([7; 20], OfferId([2; 20]), now).unwrap();
        assert!(peers.admit([7; 20], OfferId([1; 20]), now + SAME_AGE).is_none());
        assert!(!first.is_cancelled());
        assert!(peers.admit([8; 20], OfferId([1; 20]), now).is_some());
    }
}
