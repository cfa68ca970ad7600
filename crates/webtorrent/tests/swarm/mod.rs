//! BitTorrent clients that take part in a swarm, and what waits for them.
#![allow(dead_code, reason = "each test file uses a part of this")]

use librqbit::{
    AddTorrent, AddTorrentOptions, ConnectionOptions, CreateTorrentOptions, ListenerMode, ListenerOptions,
    ManagedTorrent, PeerConnectionOptions, Session, SessionOptions, spawn_utils::BlockingSpawner,
};
use sha1::{Digest, Sha1};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use streamshare_webtorrent::{
    hybrid::{HybridConfig, Torrent},
    tracker::InfoHash,
};
use tokio::time::timeout;

/// How long anything may take on a busy machine.
const TIME: Duration = Duration::from_secs(90);

pub(crate) async fn limited<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(TIME, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIME;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn hash_of(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> [u8; 20] {
    let bytes: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

pub(crate) fn random_file(path: &Path, bytes: usize) -> PathBuf {
    let mut data = vec![0; bytes];
    for chunk in data.chunks_mut(1 << 20) {
        getrandom::fill(chunk).unwrap();
    }
    std::fs::write(path, data).unwrap();
    path.to_owned()
}

/// A librqbit session of its own.
pub(crate) struct Client {
    pub(crate) session: Arc<Session>,
    folder: tempfile::TempDir,
    peer_id: [u8; 20],
}

/// A torrent in it.
pub(crate) struct Added {
    handle: Arc<ManagedTorrent>,
    pub(crate) info_hash: InfoHash,
    pub(crate) metainfo: Vec<u8>,
}

impl Client {
    pub(crate) async fn start() -> Self {
        Self::start_with(Duration::from_secs(10)).await
    }

    /// With a time after which a silent peer is dropped.
    pub(crate) async fn start_with(read_time: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut peer_id = *b"-SS0001-000000000000";
        getrandom::fill(&mut peer_id[8..]).unwrap();
        let peer_opts = PeerConnectionOptions { read_write_timeout: Some(read_time), ..Default::default() };
        let options = SessionOptions {
            dht: None,
            disable_trackers: true,
            disable_local_service_discovery: true,
            persistence: None,
            peer_id: Some(librqbit::dht::Id20::new(peer_id)),
            connect: Some(ConnectionOptions { peer_opts: Some(peer_opts), ..Default::default() }),
            listen: Some(ListenerOptions {
                mode: ListenerMode::TcpOnly,
                listen_addr: "127.0.0.1:0".parse().unwrap(),
                ipv4_only: true,
                ..Default::default()
            }),
            runtime_worker_threads: Some(16),
            ..Default::default()
        };
        let session = Session::new_with_opts(folder.path().to_owned(), options).await.unwrap();
        Self { session, folder, peer_id }
    }

    /// For meeting others on this machine.
    pub(crate) fn hybrid_config(&self) -> HybridConfig {
        let mut config = HybridConfig::new(self.listener(), self.peer_id);
        config.ice.loopback = true;
        config
    }

    pub(crate) fn listener(&self) -> SocketAddr {
        self.session.listen_addr().unwrap()
    }

    pub(crate) fn peer_id(&self) -> [u8; 20] {
        self.peer_id
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives at most so many bytes a second to others, at least 16 KiB.
    pub(crate) fn limit_upload(&self, bytes_per_second: u32) {
        self.session.ratelimits.set_upload_bps(std::num::NonZeroU32::new(bytes_per_second));
    }

    pub(crate) async fn add(&self, metainfo: Vec<u8>) -> Added {
        let options = AddTorrentOptions {
            overwrite: true,
            output_folder: Some(self.folder.path().to_string_lossy().into()),
            ..Default::default()
        };
        let added = self.session.add_torrent(AddTorrent::from_bytes(metainfo.clone()), Some(options)).await.unwrap();
        let handle = added.into_handle().unwrap();
        limited("checking", handle.wait_until_initialized()).await.unwrap();
        Added { info_hash: InfoHash(handle.info_hash().0), handle, metainfo }
    }

    pub(crate) async fn seed(&self, file: &Path) -> Added {
        let options = CreateTorrentOptions { piece_length: Some(262_144), ..Default::default() };
        let torrent = librqbit::create_torrent(file, options, &BlockingSpawner::new(1)).await.unwrap();
        let added = self.add(torrent.as_bytes().unwrap().to_vec()).await;
        assert!(added.handle.stats().finished);
        added
    }

    pub(crate) async fn stop(self) {
        self.session.stop().await;
    }
}

impl Added {
    pub(crate) fn facts(&self) -> Torrent {
        let stats = self.handle.stats();
        let pieces = self.handle.with_metadata(|metadata| metadata.info.lengths().total_pieces()).unwrap();
        Torrent { piece_count: pieces, left: stats.total_bytes - stats.progress_bytes }
    }

    /// Peers that it exchanges with.
    pub(crate) fn peers(&self) -> u32 {
        self.handle.stats().live.map_or(0, |live| live.snapshot.peer_stats.live)
    }

    pub(crate) fn progress_bytes(&self) -> u64 {
        self.handle.stats().progress_bytes
    }

    pub(crate) async fn completed(&self) {
        self.handle.wait_until_completed().await.unwrap();
    }
}
