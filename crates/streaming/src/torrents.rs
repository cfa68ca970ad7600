//! The torrents of an engine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use librqbit::{ManagedTorrent, ManagedTorrentState, TorrentStatsState};
use tokio_util::sync::CancellationToken;

use crate::{InfoHash, LivePeer, State, Stats, TorrentInfo, Transport};

/// A torrent of the session.
pub(crate) struct Torrent {
    pub(crate) info: TorrentInfo,
    pub(crate) handle: Arc<ManagedTorrent>,
    /// Ends the responses that read from it, and the waits on it.
    pub(crate) cancel: CancellationToken,
    /// Held while its selection of files is changed.
    pub(crate) selecting: tokio::sync::Mutex<()>,
}

impl Torrent {
    /// Why it failed, if it did, in a sentence.
    pub(crate) fn failure(&self) -> Option<String> {
        self.handle.with_state(
            |state| if let ManagedTorrentState::Error(error) = state { Some(describe(error)) } else { None },
        )
    }

    pub(crate) fn stats(&self) -> Stats {
        let stats = self.handle.stats();
        let state = match stats.state {
            TorrentStatsState::Initializing { .. } => State::Checking,
            TorrentStatsState::Live if stats.finished => State::Seeding,
            TorrentStatsState::Live => State::Downloading,
            TorrentStatsState::Paused => State::Paused,
            TorrentStatsState::Error => State::Failed(self.failure().unwrap_or_else(|| "it stopped".into())),
        };
        // While it is checked, librqbit tells how much it has looked at.
        let have_bytes = if state == State::Checking { 0 } else { stats.file_progress.iter().sum() };
        let total_bytes = self.info.files.iter().map(|file| file.length).sum();
        let live = stats.live.as_ref();
        Stats {
            state,
            have_bytes,
            total_bytes,
            download_bps: live.map_or(0, |live| live.download_speed.as_bytes()),
            upload_bps: live.map_or(0, |live| live.upload_speed.as_bytes()),
            peers_known: live.map_or(0, |live| live.snapshot.peer_stats.seen),
        }
    }

    pub(crate) fn peers(&self) -> Vec<LivePeer> {
        let Some(live) = self.handle.live() else { return Vec::new() };
        // By default it tells of those that are connected only.
        let snapshot = live.per_peer_stats_snapshot(Default::default());
        let peers = snapshot.peers.into_iter().filter_map(|(addr, stats)| {
            let addr: SocketAddr = addr.parse().ok()?;
            // Its type has no name outside of librqbit. A proxy (SOCKS) is reached over TCP.
            let is_utp = stats.conn_kind?.to_string() == "uTP";
            let transport = if is_utp { Transport::Utp } else { Transport::Tcp };
            Some(LivePeer { addr: SocketAddr::new(addr.ip().to_canonical(), addr.port()), transport })
        });
        peers.collect()
    }
}

impl std::fmt::Debug for Torrent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Torrent").field("info_hash", &self.info.info_hash).finish_non_exhaustive()
    }
}

/// All torrents by info hash.
#[derive(Debug, Default)]
pub(crate) struct Torrents(Mutex<BTreeMap<InfoHash, Arc<Torrent>>>);

impl Torrents {
    pub(crate) fn get(&self, info_hash: InfoHash) -> Option<Arc<Torrent>> {
        self.lock().get(&info_hash).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Torrent>> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn insert(&self, torrent: Arc<Torrent>) {
        self.lock().insert(torrent.info.info_hash, torrent);
    }

    /// Takes it out and ends what waits on it.
    pub(crate) fn remove(&self, info_hash: InfoHash) -> Option<Arc<Torrent>> {
        let torrent = self.lock().remove(&info_hash)?;
        torrent.cancel.cancel();
        Some(torrent)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<InfoHash, Arc<Torrent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// librqbit's error in a sentence.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    if is_disk_full(error) { "there is no space left on the disk".into() } else { format!("{error:#}") }
}

/// librqbit writes through `std` or through `nix`, whose error numbers show by name.
fn is_disk_full(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let by_kind = io_error(error).is_some_and(|error| matches!(error.kind(), StorageFull | QuotaExceeded));
    by_kind
        || error
            .chain()
            .map(ToString::to_string)
            .any(|cause| cause.starts_with("ENOSPC") || cause.starts_with("EDQUOT"))
}

/// The operating system's part in an error.
pub(crate) fn io_error(error: &anyhow::Error) -> Option<&std::io::Error> {
    error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_in_words() {
        let full = "there is no space left on the disk";
        for (error, expected) in [
            (anyhow::Error::from(std::io::Error::from(std::io::ErrorKind::StorageFull)).context("writing"), full),
            (
                anyhow::anyhow!("ENOSPC: No space left on device").context("error calling pwritev").context("writing"),
                full,
            ),
            (anyhow::anyhow!("inner").context("outer"), "outer: inner"),
        ] {
            assert_eq!(describe(&error), expected);
        }
    }
}
