//! librqbit's session, set up for streaming.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use librqbit::dht::{DhtPersistenceConfig, Id20};
use librqbit::storage::StorageFactoryExt;
use librqbit::{
    ConnectionOptions, DhtSessionConfig, ListenerMode, ListenerOptions, PeerConnectionOptions, Session, SessionOptions,
    SessionPersistenceConfig,
};
use tokio_util::sync::CancellationToken;

use crate::funnel::Funnel;
use crate::registry::set_aside;
use crate::storage::Factory;
use crate::{EngineConfig, NetworkConfig, StartError};

/// Permits of librqbit's disk semaphore. Each open stream holds one, and all other disk access needs one.
pub(crate) const DISK_PERMITS: usize = crate::through::PLAYERS_MAX + crate::through::AHEAD_MAX + 64;
/// Peers a torrent, where nobody says otherwise.
const PEER_LIMIT: usize = 256;
/// The funnel's own, and time to say so.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(crate::funnel::CONNECT_TIMEOUT.as_secs() + 1);
/// Peers send keep-alives every 55 s (WebTorrent) to 100 s (Transmission); librqbit's default of 10 s drops every idle one.
const READ_TIMEOUT: Duration = Duration::from_secs(110);
/// Other librqbits drop a peer that was silent for 10 s.
const KEEP_ALIVE: Duration = Duration::from_secs(8);
/// Blocks of 16 KiB that librqbit asks one lane for: 2 MiB, what 100 MB/s need for 20 ms. What is asked of the peers is the pool's to decide.
const REQUEST_WINDOW: usize = 128;

/// The folder of librqbit's own files.
pub(crate) fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("session")
}

/// Starts the session; the torrents of the last run come back.
pub(crate) async fn start(
    config: &EngineConfig,
    peer_id: [u8; 20],
    factory: Factory,
    funnel: &Funnel,
    cancel: CancellationToken,
) -> Result<Arc<Session>, StartError> {
    if let Err(error) = librqbit::try_increase_nofile_limit() {
        tracing::debug!(%error, "the limit of open files stays");
    }
    let folder = folder(&config.state_dir);
    set_broken_aside(&folder.join("session.json"));
    set_broken_aside(&config.state_dir.join("dht.json"));
    let mut options = options(config, folder, factory, funnel, cancel);
    options.peer_id = Some(Id20::new(peer_id));
    let session = Session::new_with_opts(config.download_dir.clone(), options).await;
    let session = session.map_err(|error| StartError::Session(format!("{error:#}")))?;
    config.limits.apply(&session);
    Ok(session)
}

/// A name for this run, in Azureus style: client, version, and twelve random characters.
pub(crate) fn peer_id() -> Result<[u8; 20], getrandom::Error> {
    /// "SS" is Streamshare, 0100 is 0.1.
    const PREFIX: &[u8; 8] = b"-SS0100-";
    let mut id = [0; 20];
    getrandom::fill(&mut id)?;
    id[..PREFIX.len()].copy_from_slice(PREFIX);
    for byte in &mut id[PREFIX.len()..] {
        // 64 characters that survive every log and URL.
        *byte = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"[usize::from(*byte % 64)];
    }
    Ok(id)
}

/// What librqbit writes down after a check (fastresume): all pieces of files that were just hashed need not be hashed again. It still
/// takes samples.
pub(crate) fn all_pieces(piece_count: usize) -> Vec<u8> {
    let mut bits = vec![0xff; piece_count.div_ceil(8)];
    let spare = bits.len() * 8 - piece_count;
    if let Some(last) = bits.last_mut() {
        *last <<= spare;
    }
    bits
}

/// librqbit does not start on a file that a power loss has cut off.
fn set_broken_aside(file: &Path) {
    let Ok(bytes) = std::fs::read(file) else { return };
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        tracing::warn!(%error, file = %file.display(), "a state file is broken, beginning a new one");
        if let Err(error) = set_aside(file) {
            tracing::warn!(%error, "the broken file stays");
        }
    }
}

fn options(
    config: &EngineConfig,
    folder: PathBuf,
    factory: Factory,
    funnel: &Funnel,
    cancel: CancellationToken,
) -> SessionOptions {
    let network = &config.network;
    let dht_file = config.state_dir.join("dht.json");
    let dht = || DhtSessionConfig {
        persistence: Some(DhtPersistenceConfig { dump_interval: None, config_filename: Some(dht_file) }),
        ..DhtSessionConfig::default()
    };
    let peer_opts = PeerConnectionOptions {
        connect_timeout: Some(CONNECT_TIMEOUT),
        read_write_timeout: Some(READ_TIMEOUT),
        keep_alive_interval: Some(KEEP_ALIVE),
        max_request_window: Some(REQUEST_WINDOW),
    };
    let proxy_url = funnel.proxy_url();
    // Where there is no funnel nobody else keeps the limit.
    let peers = peer_limit(config);
    let peers = if proxy_url.is_some() { crate::funnel::librqbit_limit(peers) } else { peers };
    SessionOptions {
        dht: network.dht.then(dht),
        disable_trackers: !network.trackers,
        disable_local_service_discovery: !network.local_discovery,
        fastresume: true,
        persistence: Some(SessionPersistenceConfig::Json { folder: Some(folder) }),
        listen: funnel.peer_addr().map(|door| listener(network, door)),
        connect: Some(ConnectionOptions { peer_opts: Some(peer_opts), proxy_url, ..ConnectionOptions::default() }),
        default_storage_factory: Some(factory.boxed()),
        cancellation_token: Some(cancel),
        runtime_worker_threads: Some(DISK_PERMITS),
        peer_limit: Some(peers),
        client_name_and_version: Some(concat!("Streamshare ", env!("CARGO_PKG_VERSION")).to_owned()),
        ..SessionOptions::default()
    }
}

/// Peers a torrent.
pub(crate) fn peer_limit(config: &EngineConfig) -> usize {
    config.limits.peers.map_or(PEER_LIMIT, |limit| usize::try_from(limit.get()).unwrap_or(usize::MAX))
}

/// librqbit hears nobody but the funnel, and tells others of the funnel's door.
fn listener(network: &NetworkConfig, door: SocketAddr) -> ListenerOptions {
    ListenerOptions {
        mode: ListenerMode::TcpOnly,
        listen_addr: (Ipv4Addr::LOCALHOST, 0).into(),
        enable_upnp_port_forwarding: network.upnp,
        announce_port: Some(door.port()),
        ipv4_only: false,
        ..ListenerOptions::default()
    }
}
