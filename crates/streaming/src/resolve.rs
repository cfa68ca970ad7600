//! Metadata of a magnet link (BEP 9).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use librqbit::{AddTorrent, AddTorrentOptions, AddTorrentResponse, Session};
use tokio::task::JoinSet;

use crate::AddError;
use crate::magnet::Magnet;

/// A further search is begun beside the first when it has found nothing for so long, and the wait is doubled each time: a search asks each
/// tracker and each peer once, and a peer may have come since, or have refused because it was just connected (see [`crate::search`]).
const SEARCH_AGAIN: Duration = Duration::from_secs(3);
/// Pause after a search that ended empty-handed, as one of only dead peers does at once.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Searches at once.
const MAX_SEARCHES: usize = 5;

/// What peers gave for a magnet link.
pub(crate) struct Resolved {
    /// A `.torrent` around the info dictionary.
    pub(crate) bytes: Bytes,
    /// Peers found on the way.
    pub(crate) peers: Vec<SocketAddr>,
}

/// Asks peers for the metadata, within `limit` of time. Dropping the future ends the searches.
pub(crate) async fn resolve(session: &Arc<Session>, magnet: &Magnet, limit: Duration) -> Result<Resolved, AddError> {
    match tokio::time::timeout(limit, search(session, magnet)).await {
        Ok(found) => found,
        Err(_) => {
            Err(AddError::TimedOut(format!("no peer gave the torrent's metadata within {} s", limit.as_secs().max(1))))
        }
    }
}

async fn search(session: &Arc<Session>, magnet: &Magnet) -> Result<Resolved, AddError> {
    let mut searches = JoinSet::new();
    let begin = |searches: &mut JoinSet<_>, after| {
        searches.spawn(attempt(session.clone(), magnet.to_link(), magnet.peers.clone(), after));
    };
    begin(&mut searches, Duration::ZERO);
    let mut wait = SEARCH_AGAIN;
    loop {
        match tokio::time::timeout(wait, searches.join_next()).await {
            Ok(Some(Ok(Ok(resolved)))) => return Ok(resolved),
            // librqbit panics on some metadata that no honest peer has. It fits the info hash, so every peer will give the same.
            Ok(Some(Err(error))) if error.is_panic() => {
                return Err(AddError::BadMetainfo("its metadata is broken".into()));
            }
            Ok(Some(Ok(Err(error)))) => {
                let reason = format!("{error:#}");
                tracing::debug!(%reason, "a search for metadata ended");
                // librqbit's errors are texts. These two are about peers, any other is about the metadata that a peer gave.
                if reason.contains("no known way") {
                    return Err(AddError::Network(
                        "the link names no tracker or peer, and peers cannot be searched for".into(),
                    ));
                }
                if !reason.contains("exhausted") {
                    return Err(AddError::BadMetainfo(reason));
                }
                begin(&mut searches, RETRY_PAUSE);
            }
            Ok(Some(Err(_)) | None) => begin(&mut searches, RETRY_PAUSE),
            Err(_) if searches.len() < MAX_SEARCHES => {
                wait *= 2;
                begin(&mut searches, Duration::ZERO);
            }
            Err(_) => {}
        }
    }
}

async fn attempt(
    session: Arc<Session>,
    link: String,
    peers: Vec<SocketAddr>,
    after: Duration,
) -> anyhow::Result<Resolved> {
    tokio::time::sleep(after).await;
    let options = AddTorrentOptions { list_only: true, initial_peers: Some(peers), ..AddTorrentOptions::default() };
    match session.add_torrent(AddTorrent::from_url(link), Some(options)).await? {
        AddTorrentResponse::ListOnly(found) => Ok(Resolved { bytes: found.torrent_bytes, peers: found.seen_peers }),
        AddTorrentResponse::AlreadyManaged(..) | AddTorrentResponse::Added(..) => {
            anyhow::bail!("only a listing was asked for")
        }
    }
}
