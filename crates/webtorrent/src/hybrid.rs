//! A peer of both worlds: it meets browsers through WebSocket trackers, and passes each on to a BitTorrent client's
//! listener on this machine as if it had connected over TCP.
//!
//! [`Hybrid`] is the whole of it. Whoever owns the client adds its torrents here too, and tells how much of them is
//! missing. For a magnet link, [`Hybrid::resolve`] asks browsers for the metadata.

mod bridges;
mod client;
mod fetch;
mod peers;
mod pipe;
mod search;
mod swarm;

use crate::{
    channel::{IceConfig, IceServer, WebRtc},
    tracker::{InfoHash, TrackerClient, TrackerClientConfig, is_web_socket},
    wire::limits::KEEP_ALIVE,
};
use bytes::Bytes;
use pipe::Traffic;
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};
use swarm::{Handle, Purpose, Shared};
use tokio::{sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

pub use fetch::{FetchError, fetch_metadata};

/// How long [`Hybrid::shutdown`] waits for everything to end by itself: trackers are told, channels are closed.
const SHUTDOWN_TIME: Duration = Duration::from_secs(5);

/// How a [`Hybrid`] is set up.
#[derive(Debug, Clone)]
pub struct HybridConfig {
    /// Where the BitTorrent client takes connections; an unspecified address is reached over the loopback interface.
    pub listener: SocketAddr,
    /// What the client calls itself in its handshakes, so that it recognises itself and others recognise it.
    pub peer_id: [u8; 20],
    /// How connections are made.
    pub ice: IceConfig,
    /// How trackers are treated.
    pub trackers: TrackerClientConfig,
    /// Channels at a time, open or opening. Default: 100. Each takes about 2 sockets and up to some MB when busy.
    pub max_channels: usize,
    /// Channels of a torrent at a time. Default: 30; webtorrent has 55, of which it serves 10.
    pub max_channels_per_torrent: usize,
    /// Offers in an announce. Default: 5, as webtorrent.
    pub offers: usize,
    /// Offers of all torrents that wait for answers at a time, half of them for torrents that miss something. Default: 100.
    /// Each takes about 2 sockets for up to [`IceConfig::connect_time`]. What is announced without offers is still found by those of others.
    pub max_offers: usize,
    /// How often the client hears something from an idle peer. Default: every 8 s, since librqbit waits 10 s by default.
    pub keep_alive: Duration,
    /// How often trackers are asked how many peers a torrent has, between announces: whoever has none is looked for sooner.
    /// Default: every minute, a message of 100 bytes.
    pub scrape_every: Duration,
}

impl HybridConfig {
    /// With the defaults.
    #[must_use]
    pub fn new(listener: SocketAddr, peer_id: [u8; 20]) -> Self {
        Self {
            listener,
            peer_id,
            ice: IceConfig::default(),
            trackers: TrackerClientConfig::default(),
            max_channels: 100,
            max_channels_per_torrent: 30,
            offers: 5,
            max_offers: 100,
            keep_alive: KEEP_ALIVE,
            scrape_every: Duration::from_secs(60),
        }
    }
}

/// What is known of a torrent that the client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torrent {
    /// Its pieces.
    pub piece_count: u32,
    /// Bytes that are missing.
    pub left: u64,
}

/// A torrent's figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SwarmStats {
    /// Peers over open channels.
    pub channels: usize,
    /// Channels that are being opened.
    pub opening: usize,
    /// Channels that were given up so far, because their peers had one already.
    pub duplicates: u64,
    /// Bytes received over all channels so far, framing included.
    pub downloaded_bytes: u64,
    /// Bytes sent over all channels so far, framing included.
    pub uploaded_bytes: u64,
    /// Trackers that are connected.
    pub trackers: usize,
    /// Peers that have everything, as the most optimistic tracker says; this one is counted, too.
    pub seeders: u64,
    /// Peers that have not, likewise.
    pub leechers: u64,
}

/// Why there is no metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// None of the trackers is one over a WebSocket.
    #[error("no tracker over a WebSocket is known")]
    NoTracker,
    /// It was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Meets browsers for the torrents of a client. Dropping it ends everything; [`shutdown`](Self::shutdown) also waits.
#[derive(Debug)]
pub struct Hybrid {
    shared: Arc<Shared>,
    swarms: Mutex<HashMap<InfoHash, Handle>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
    _cancel_on_drop: tokio_util::sync::DropGuard,
}

impl Hybrid {
    /// Sets up everything; nothing is connected before a torrent is added.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn start(config: HybridConfig) -> Self {
        let shared = Shared {
            connector: Arc::new(WebRtc::new(config.ice.clone())),
            trackers: TrackerClient::new(config.trackers.clone()),
            slots: Arc::new(Semaphore::new(config.max_channels)),
            offers: Arc::new(Semaphore::new(config.max_offers)),
            config,
        };
        let cancel = CancellationToken::new();
        Self {
            shared: Arc::new(shared),
            swarms: Mutex::default(),
            tasks: TaskTracker::new(),
            _cancel_on_drop: cancel.clone().drop_guard(),
            cancel,
        }
    }

    /// Meets browsers for a torrent that the client takes connections for. Trackers that are no WebSockets are ignored.
    ///
    /// For a torrent that is here already, new trackers are added and `left` is updated.
    pub fn add(&self, info_hash: InfoHash, trackers: Vec<Url>, torrent: Torrent) {
        let mut swarms = self.swarms();
        if let Some(swarm) = swarms.get(&info_hash) {
            swarm.update_left(torrent.left);
            swarm.add_trackers(trackers);
            return;
        }
        let purpose = Purpose::Serve { piece_count: torrent.piece_count };
        swarms.insert(info_hash, self.spawn(info_hash, trackers, purpose, Some(torrent.left)));
    }

    /// Asks the peers that the trackers know for a torrent's info dictionary: the bytes whose SHA-1 is `info_hash`, and
    /// nothing else of them is checked. Goes on until somebody gives it or `cancel` says so.
    ///
    /// # Errors
    /// When there is no tracker to ask, or it was cancelled. Cancel safe.
    pub async fn resolve(
        &self,
        info_hash: InfoHash,
        trackers: Vec<Url>,
        cancel: &CancellationToken,
    ) -> Result<Bytes, ResolveError> {
        if !trackers.iter().any(is_web_socket) {
            return Err(ResolveError::NoTracker);
        }
        // One is enough; a second find is dropped.
        let (found, mut finds) = tokio::sync::mpsc::channel(1);
        let swarm = self.spawn(info_hash, trackers, Purpose::Resolve { found }, None);
        let info = tokio::select! {
            info = finds.recv() => info.ok_or(ResolveError::Cancelled),
            () = cancel.cancelled() => Err(ResolveError::Cancelled),
        };
        drop(swarm);
        info
    }

    /// Takes other STUN and TURN servers for channels that are made from now on.
    pub fn set_ice_servers(&self, servers: Vec<IceServer>) {
        self.shared.connector.set_servers(servers);
    }

    /// Closes all channels of a torrent, and tells its trackers. In the background.
    pub fn remove(&self, info_hash: InfoHash) {
        self.swarms().remove(&info_hash);
    }

    /// Tells how many bytes of a torrent are missing. At 0 the trackers hear that it is complete.
    pub fn update_left(&self, info_hash: InfoHash, left: u64) {
        if let Some(swarm) = self.swarms().get(&info_hash) {
            swarm.update_left(left);
        }
    }

    /// The figures of a torrent that was added.
    #[must_use]
    pub fn stats(&self, info_hash: InfoHash) -> Option<SwarmStats> {
        self.swarms().get(&info_hash).map(|swarm| swarm.live.stats())
    }

    /// Where the connections come from by which a torrent's channels reach the client, so that its peers can be told apart.
    /// An address stays for 10 s after its connection has ended.
    #[must_use]
    pub fn bridges(&self, info_hash: InfoHash) -> Vec<SocketAddr> {
        self.swarms().get(&info_hash).map(|swarm| swarm.live.bridges.all(Instant::now())).unwrap_or_default()
    }

    /// Closes everything, tells the trackers, and waits for up to 5 s until all is gone.
    pub async fn shutdown(&self) {
        self.cancel.cancel();
        self.swarms().clear();
        self.tasks.close();
        let ended = timeout(SHUTDOWN_TIME, async {
            self.tasks.wait().await;
            tokio::join!(self.shared.trackers.shutdown(), self.shared.connector.shutdown());
        });
        if ended.await.is_err() {
            tracing::warn!("not all channels were closed in time");
        }
    }

    fn spawn(&self, info_hash: InfoHash, trackers: Vec<Url>, purpose: Purpose, left: Option<u64>) -> Handle {
        let (handle, run) =
            swarm::swarm(self.shared.clone(), info_hash, trackers, purpose, left, self.cancel.child_token());
        self.tasks.spawn(run);
        handle
    }

    fn swarms(&self) -> MutexGuard<'_, HashMap<InfoHash, Handle>> {
        self.swarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Traffic {
    fn totals(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }
}

/// 20 random bytes, printable where they are names of peers is nobody's business.
fn random_id() -> [u8; 20] {
    let mut id = [0; 20];
    getrandom::fill(&mut id).expect("the system gives random bytes");
    id
}
