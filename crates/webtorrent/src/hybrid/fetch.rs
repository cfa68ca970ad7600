//! Metadata over one channel.

use super::random_id;
use crate::{
    channel::Channel,
    tracker::InfoHash,
    wire::{MetadataError, MetadataExchange},
};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::timeout;

/// How long a peer may take for all of it: 16 MiB at 4.5 Mbit/s. A peer that has none itself does not hold others up,
/// since several are asked at a time.
const FETCH_TIME: Duration = Duration::from_secs(30);

/// Why a peer gave no metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The peer is of no help.
    #[error("the peer gives no metadata")]
    Peer(#[from] MetadataError),
    /// The channel was closed.
    #[error("the channel was closed")]
    Closed,
    /// It took too long.
    #[error("the peer took too long")]
    TimedOut,
}

/// Asks the peer at the other end for a torrent's info dictionary, at most
/// [`METADATA_BYTES_MAX`](crate::wire::limits::METADATA_BYTES_MAX) bytes, and closes the channel. The SHA-1 is checked,
/// nothing else is. Cancel safe.
///
/// # Errors
/// When the peer does not give it within 30 s.
pub async fn fetch_metadata(mut channel: Channel, info_hash: InfoHash) -> Result<Bytes, FetchError> {
    // Under a name of its own: the peer shall not take the client, which comes later, for a second connection.
    let mut exchange = MetadataExchange::new(info_hash, random_id());
    timeout(FETCH_TIME, async {
        let mut to_peer = exchange.poll_peer();
        loop {
            // Always read: WebRTC keeps what is not, and a peer that does not read either holds nobody up.
            tokio::select! {
                permit = channel.sender.reserve(), if to_peer.is_some() => {
                    let permit = permit.map_err(|_| FetchError::Closed)?;
                    if let Some(frame) = std::mem::replace(&mut to_peer, exchange.poll_peer()) {
                        permit.send(frame);
                    }
                }
                message = channel.receiver.recv() => {
                    let message = message.ok_or(FetchError::Closed)?;
                    if let Some(info) = exchange.handle_peer(&message)? {
                        return Ok(info);
                    }
                    to_peer = to_peer.or_else(|| exchange.poll_peer());
                }
            }
        }
    })
    .await
    .unwrap_or(Err(FetchError::TimedOut))
}
