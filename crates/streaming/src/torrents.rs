//! The torrents of an engine.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use librqbit::{ManagedTorrent, ManagedTorrentState, TorrentStatsState};
use tokio_util::sync::CancellationToken;

use crate::holes::Holes;
use crate::prime::Primed;
use crate::readers::Readers;
use crate::{InfoHash, LivePeer, Ready, State, Stats, TorrentInfo, Transport};

/// Addresses that are tried at once when a torrent is handed over: each that does not answer takes up a place for 5 s.
const PEERS_TOLD: usize = 128;

/// A torrent of the session.
pub(crate) struct Torrent {
    pub(crate) info: TorrentInfo,
    pub(crate) handle: Arc<ManagedTorrent>,
    /// Ends the responses that read from it, and the waits on it.
    pub(crate) cancel: CancellationToken,
    /// Held while its selection of files is changed, and while it is paused or resumed.
    pub(crate) selecting: tokio::sync::Mutex<()>,
    /// What librqbit told of its uploads the last time.
    pub(crate) uploaded_bytes: AtomicU64,
    /// What its files take up, when it was looked at last.
    pub(crate) disk_bytes: AtomicU64,
    /// Whether the user wants it to go on although it has given enough.
    pub(crate) is_insisted: AtomicBool,
    /// The files that were opened in this run.
    pub(crate) opened: Mutex<BTreeSet<usize>>,
    /// Where it is read; the same for all that it becomes.
    pub(crate) readers: Arc<Readers>,
    /// What is known of its files and fetched before players ask; the same for all that it becomes.
    pub(crate) primed: Arc<Primed>,
    /// What was dropped of it.
    pub(crate) holes: Arc<Holes>,
    /// Set before librqbit is handed the torrent anew; a new [`Torrent`] takes this one's place then.
    is_leaving: AtomicBool,
    /// Why its files are not where they should be, and whether it was paused before.
    trouble: Mutex<Option<(String, bool)>>,
    /// Where its peers listen, when that was looked at last.
    peers: Mutex<Vec<SocketAddr>>,
    /// Whether its idle peers were woken just now.
    pub(crate) is_nudged: AtomicBool,
    /// What is told while the new one is not there.
    last: Mutex<(Option<Stats>, Vec<Ready>)>,
    /// Cancelled when the new one is there.
    pub(crate) renewed: CancellationToken,
}

impl Torrent {
    pub(crate) fn new(
        info: TorrentInfo,
        handle: Arc<ManagedTorrent>,
        holes: Arc<Holes>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            info,
            handle,
            cancel,
            selecting: tokio::sync::Mutex::default(),
            uploaded_bytes: AtomicU64::default(),
            disk_bytes: AtomicU64::default(),
            is_insisted: AtomicBool::default(),
            opened: Mutex::default(),
            readers: Arc::default(),
            primed: Arc::default(),
            holes,
            is_leaving: AtomicBool::default(),
            trouble: Mutex::default(),
            peers: Mutex::default(),
            is_nudged: AtomicBool::default(),
            last: Mutex::default(),
            renewed: CancellationToken::new(),
        }
    }

    /// The same torrent as librqbit has it now.
    pub(crate) fn anew(&self, handle: Arc<ManagedTorrent>) -> Self {
        Self {
            readers: self.readers.clone(),
            primed: self.primed.clone(),
            disk_bytes: AtomicU64::new(self.disk_bytes.load(Ordering::Relaxed)),
            is_insisted: AtomicBool::new(self.is_insisted.load(Ordering::Relaxed)),
            opened: Mutex::new(self.opened()),
            peers: Mutex::new(self.known_peers()),
            ..Self::new(self.info.clone(), handle, self.holes.clone(), self.cancel.clone())
        }
    }

    /// Whether another [`Torrent`] takes this one's place, or has.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Acquire)
    }

    /// From now on what was told last is told on.
    pub(crate) fn leave(&self, ready: Vec<Ready>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (Some(self.stats()), ready);
        self.is_leaving.store(true, Ordering::Release);
    }

    /// Whether there will be another one soon, with which reading goes on.
    pub(crate) fn will_be_renewed(&self) -> bool {
        self.is_leaving() || self.is_out_of_space()
    }

    /// Whether it failed on a full disk: then all that was written down of it holds.
    pub(crate) fn is_out_of_space(&self) -> bool {
        self.failure().is_some_and(|why| why == DISK_FULL)
    }

    /// Why its files are not where they should be, if so.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.lock_trouble().as_ref().map(|(why, _)| why.clone())
    }

    /// From now on it has failed; it is to be paused then.
    pub(crate) fn set_trouble(&self, why: String) {
        let mut trouble = self.lock_trouble();
        let was_paused = trouble.as_ref().map_or_else(|| self.handle.is_paused(), |(_, was_paused)| *was_paused);
        *trouble = Some((why, was_paused));
    }

    /// Whether it is to be paused when it is there anew.
    pub(crate) fn stays_paused(&self) -> bool {
        self.lock_trouble().as_ref().map_or_else(|| self.handle.is_paused(), |(_, was_paused)| *was_paused)
    }

    fn lock_trouble(&self) -> std::sync::MutexGuard<'_, Option<(String, bool)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a file lies on the disk.
    pub(crate) fn file_path(&self, index: usize) -> Option<PathBuf> {
        let metadata = self.handle.metadata.load_full()?;
        Some(self.handle.output_folder().join(&metadata.file_infos.get(index)?.relative_filename))
    }

    /// Bytes of it that librqbit counts and that are not there.
    fn dropped_bytes(&self) -> u64 {
        let dropped = self.holes.all();
        if dropped.is_empty() {
            return 0;
        }
        let Some(places) = crate::ready::places(&self.handle) else { return 0 };
        let files = 0..places.files.len();
        let part = |piece: u32| files.clone().filter_map(move |index| Some(index).zip(Some(piece)));
        dropped
            .into_iter()
            .flat_map(part)
            .filter_map(|(index, piece)| places.part_in_file(piece, index))
            .map(|(_, length)| length)
            .sum()
    }

    /// Whether something of the files that were opened is missing.
    pub(crate) fn lacks_opened(&self, file_progress: &[u64]) -> bool {
        let lacks = |index: &usize| {
            let length = self.info.files.get(*index).map_or(0, |file| file.length);
            file_progress.get(*index).is_some_and(|have| *have < length)
        };
        !self.holes.is_empty() || self.opened().iter().any(lacks)
    }

    /// Why it failed, if it did, in a sentence.
    pub(crate) fn failure(&self) -> Option<String> {
        self.trouble().or_else(|| {
            self.handle.with_state(|state| {
                if let ManagedTorrentState::Error(error) = state { Some(describe(error)) } else { None }
            })
        })
    }

    /// What was ready when it left, if it has.
    pub(crate) fn last_ready(&self) -> Option<Vec<Ready>> {
        self.is_leaving().then(|| self.last.lock().unwrap_or_else(PoisonError::into_inner).1.clone())
    }

    pub(crate) fn stats(&self) -> Stats {
        if self.is_leaving()
            && let Some(last) = self.last.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
        {
            return last;
        }
        let stats = self.handle.stats();
        let state = match stats.state {
            _ if let Some(why) = self.trouble() => State::Failed(why),
            TorrentStatsState::Initializing { .. } => State::Checking,
            // One that exceeds the cache has nothing selected.
            TorrentStatsState::Live if stats.finished && !self.lacks_opened(&stats.file_progress) => State::Seeding,
            TorrentStatsState::Live => State::Downloading,
            TorrentStatsState::Paused => State::Paused,
            TorrentStatsState::Error => State::Failed(self.failure().unwrap_or_else(|| "it stopped".into())),
        };
        // While it is checked, librqbit tells how much it has looked at.
        let have_bytes = if state == State::Checking { 0 } else { stats.file_progress.iter().sum::<u64>() };
        let have_bytes = have_bytes.saturating_sub(self.dropped_bytes());
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

impl Torrent {
    /// Notes where peers listen.
    pub(crate) fn note_peers(&self, peers: Vec<SocketAddr>) {
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    /// Addresses where peers listen, as far as it knows, those that answered lately first. Of one that exchanges nothing: those that were
    /// known when it was asked last.
    pub(crate) fn known_peers(&self) -> Vec<SocketAddr> {
        let noted = || self.peers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(live) = self.handle.live() else { return noted() };
        // The filter's type has no name outside of librqbit.
        let Ok(all) = serde_json::from_str(r#"{"state": "all"}"#) else { return noted() };
        let snapshot = live.per_peer_stats_snapshot(all);
        let mut peers: Vec<(bool, SocketAddr)> = snapshot
            .peers
            .into_iter()
            .filter(|(_, stats)| stats.counters.incoming_connections == 0)
            .filter_map(|(addr, stats)| Some((stats.state == "dead", addr.parse().ok()?)))
            .collect();
        peers.sort_unstable();
        let peers: Vec<SocketAddr> = peers.into_iter().map(|(_, addr)| addr).take(PEERS_TOLD).collect();
        self.note_peers(peers.clone());
        peers
    }
}

impl std::fmt::Debug for Torrent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Torrent").field("info_hash", &self.info.info_hash).finish_non_exhaustive()
    }
}

/// All torrents by info hash.
#[derive(Debug, Default)]
pub(crate) struct Torrents {
    all: Mutex<BTreeMap<InfoHash, Arc<Torrent>>>,
    /// Where librqbit listens for peers.
    listener: Option<SocketAddr>,
}

impl Torrents {
    pub(crate) fn new(listener: Option<SocketAddr>) -> Self {
        Self { listener, ..Self::default() }
    }

    pub(crate) fn listener(&self) -> Option<SocketAddr> {
        self.listener
    }

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
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is told of a disk that is full.
pub(crate) const DISK_FULL: &str = "there is no space left on the disk";

/// librqbit's error in a sentence.
pub(crate) fn describe(error: &anyhow::Error) -> String {
    if is_disk_full(error) { DISK_FULL.into() } else { format!("{error:#}") }
}

/// librqbit writes through `std` or through `nix`, whose error numbers show by name.
pub(crate) fn is_disk_full(error: &anyhow::Error) -> bool {
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
