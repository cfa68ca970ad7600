//! How many peers of a torrent are connected at once.
//!
//! It is kept here and not by librqbit, to which lanes are peers, too: each connection to a peer, each address that is tried or waits to be
//! tried, and each lane takes one of librqbit's permits, and where those are used up lanes are refused and nothing is downloaded.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Addresses that wait for a seat. librqbit tries more again later: 10 s the first time.
const WAITING_MAX: usize = 128;
/// Connections to librqbit that are none of a peer: lanes, and who visits to wake its idle peers.
const LANES_MAX: usize = 32;

/// What librqbit is to allow, that so many peers can be connected.
pub(crate) const fn librqbit_limit(peers: usize) -> usize {
    peers.saturating_add(WAITING_MAX + LANES_MAX)
}

/// The seats of a torrent's peers.
#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

/// A peer's seat; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    _permit: OwnedSemaphorePermit,
}

impl Seats {
    pub(super) fn new(peers: usize) -> Self {
        let seats = |count: usize| Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)));
        Self { free: seats(peers), waiting: seats(WAITING_MAX) }
    }

    /// A seat for one that came by itself, if one is free.
    pub(super) fn take(&self) -> Option<Seat> {
        Some(Seat { _permit: self.free.clone().try_acquire_owned().ok()? })
    }

    /// Waits for a seat, in the order of asking. Nothing where too many wait already, or when librqbit, which is `client`, goes.
    pub(super) async fn wait(&self, client: &TcpStream) -> Option<Seat> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Some(Seat { _permit: permit });
        }
        let mut said = [0];
        let _waiting = self.waiting.clone().try_acquire_owned().ok()?;
        tokio::select! {
            permit = self.free.clone().acquire_owned() => Some(Seat { _permit: permit.ok()? }),
            // It has said all that it says before the peer does.
            _ = client.peek(&mut said) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_waits_too_long_or_in_too_long_a_queue_gets_none() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (other, _) = listener.accept().await.unwrap();
        let seats = Seats::new(1);
        let first = seats.wait(&client).await.unwrap();
        let mut queue: Vec<_> = (0..WAITING_MAX).map(|_| Box::pin(seats.wait(&client))).collect();
        for waiting in &mut queue {
            assert!(timeout(Duration::ZERO, waiting.as_mut()).await.is_err());
        }
        assert!(seats.wait(&client).await.is_none());
        drop(first);
        let second = queue.remove(0).await.unwrap();
        assert!(timeout(Duration::ZERO, queue[0].as_mut()).await.is_err());
        drop(other);
        assert!(queue.remove(0).await.is_none());
        drop(queue);
        drop(second);
        assert!(seats.wait(&client).await.is_some());
    }
}
