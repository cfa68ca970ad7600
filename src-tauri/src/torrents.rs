//! The torrent engine behind the window's commands: streaming's types in, ipc's types out.

mod adding;
mod answers;

use crate::{
    browsers::Browsers,
    ops::Operations,
    settings::{NetworkSettings, Settings},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use streamshare_ipc::{
    AddRequest, Added, OpenRequest, Opened, PrepareRequest, PrimeRequest, Progress, ShellError, Source, TorrentStats,
    code,
};
use streamshare_protocol::{TorrentId, TorrentIdKind};
use streamshare_streaming::{
    CancellationToken, Engine, EngineConfig, InfoHash, Keeping, Limits, NetworkConfig, Source as EngineSource, State,
    Stats, TorrentInfo,
};
use streamshare_webtorrent::channel::IceServer;
use tokio::sync::OnceCell;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use answers::{added, file_index, open_error, start_error, torrent_stats};
pub(crate) use answers::{cancelled, shell_error};

/// The origins of Tauri's window: Linux and macOS, Windows and Android.
const WINDOW_ORIGINS: [&str; 2] = ["tauri://localhost", "http://tauri.localhost"];
/// Addresses of .torrent files whose info hash is remembered; all are forgotten when there are more.
const ADDRESSES_MAX: usize = 1024;

/// Where progress goes.
pub(crate) type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// The engine, started when it is first needed, and the requests under way.
#[derive(Debug)]
pub(crate) struct Torrents {
    config: EngineConfig,
    network: NetworkSettings,
    limits: Mutex<Limits>,
    /// Which torrents there were at the last look, and whether they exchanged anything.
    exchanging: Mutex<BTreeMap<InfoHash, bool>>,
    engine: OnceCell<Running>,
    /// The STUN and TURN servers that the room's relay names.
    relay_servers: Mutex<Vec<IceServer>>,
    /// The trackers of the room's relay.
    room_trackers: Mutex<Vec<Url>>,
    operations: Operations,
    /// What was found at an address: an item that is opened again does not ask the web again.
    addresses: Mutex<BTreeMap<String, InfoHash>>,
}

/// The engine and what joins it to browsers.
#[derive(Debug)]
struct Running {
    engine: Engine,
    browsers: Arc<Browsers>,
    /// Brings the torrents of the last run back to browsers.
    _restoring: AbortOnDropHandle<()>,
}

impl Torrents {
    pub(crate) fn new(home: &Path, downloads: PathBuf, settings: &Settings, limits: Limits) -> Self {
        let network = &settings.network;
        let mut config = EngineConfig::new(home.join("engine"), downloads);
        config.network = NetworkConfig {
            dht: network.dht,
            trackers: network.trackers,
            utp: network.utp,
            local_discovery: network.local_discovery,
            upnp: network.upnp,
            listen: Some(network.listen),
            extra_trackers: network.extra_trackers.clone(),
        };
        config.origins = WINDOW_ORIGINS.map(str::to_owned).to_vec();
        Self {
            config,
            network: network.clone(),
            limits: Mutex::new(limits),
            exchanging: Mutex::default(),
            engine: OnceCell::new(),
            relay_servers: Mutex::default(),
            room_trackers: Mutex::default(),
            operations: Operations::default(),
            addresses: Mutex::default(),
        }
    }

    /// Starts the engine if it does not run. A start that failed is tried again the next time: the folder may be there by
    /// then.
    pub(crate) async fn start(&self) -> Result<(), ShellError> {
        self.running().await.map(|_| ())
    }

    async fn running(&self) -> Result<&Running, ShellError> {
        let start = || async {
            let limits = *self.limits.lock().unwrap_or_else(PoisonError::into_inner);
            let engine = Box::pin(Engine::start(EngineConfig { limits, ..self.config.clone() })).await?;
            let browsers = Arc::new(Browsers::start(&engine, &self.network));
            let restoring = {
                let (engine, browsers) = (engine.clone(), Arc::clone(&browsers));
                tokio::spawn(async move { browsers.serve_restored(&engine).await })
            };
            Ok(Running { engine, browsers, _restoring: AbortOnDropHandle::new(restoring) })
        };
        let running = self.engine.get_or_try_init(start).await.map_err(start_error)?;
        // They may have been named before there was anybody to use them.
        running.browsers.set_relay_servers(&self.relay_servers());
        running.engine.set_trackers(self.room_trackers().clone());
        Ok(running)
    }

    /// The engine and what joins it to browsers, started if need be.
    pub(crate) async fn parts(&self) -> Result<(&Engine, &Browsers), ShellError> {
        let running = self.running().await?;
        Ok((&running.engine, &running.browsers))
    }

    /// Lets other limits hold from now on.
    pub(crate) fn set_limits(&self, limits: Limits) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = limits;
        if let Some(running) = self.engine.get() {
            running.engine.set_limits(limits);
        }
    }

    /// Lets browsers know of torrents that were paused, resumed or dropped, by whomever, and of the person's own films when
    /// they have been checked.
    fn follow_states(&self, engine: &Engine, browsers: &Browsers) {
        let now: BTreeMap<_, _> =
            engine.all_stats().iter().map(|(hash, stats)| (*hash, is_exchanging(stats))).collect();
        let mut exchanging = self.exchanging.lock().unwrap_or_else(PoisonError::into_inner);
        for (hash, _) in exchanging.iter().filter(|(hash, was)| **was && now.get(hash) != Some(&true)) {
            browsers.leave(*hash);
        }
        for (hash, _) in now.iter().filter(|(_, is_exchanging)| **is_exchanging) {
            let is_back = match exchanging.get(hash) {
                Some(was) => !was,
                None => is_own(engine, *hash),
            };
            if let Some(info) = engine.info(*hash).filter(|_| is_back) {
                browsers.serve_known(engine, &info);
            }
        }
        *exchanging = now;
    }

    /// Takes the STUN and TURN servers that the room's relay names, in the place of those before.
    pub(crate) fn set_relay_servers(&self, servers: Vec<IceServer>) {
        *self.relay_servers() = servers;
        if let Some(running) = self.engine.get() {
            running.browsers.set_relay_servers(&self.relay_servers());
        }
    }

    /// Takes the trackers of the room's relay, in the place of those before: all of the room meet there, whatever its items
    /// name.
    pub(crate) fn set_room_trackers(&self, trackers: Vec<Url>) {
        *self.room_trackers() = trackers;
        if let Some(running) = self.engine.get() {
            running.engine.set_trackers(self.room_trackers().clone());
        }
    }

    fn room_trackers(&self) -> MutexGuard<'_, Vec<Url>> {
        self.room_trackers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where peers for what a room names are looked for: at the trackers of the link, of the room and of the settings.
    fn places(&self, id: Option<&TorrentId>) -> Vec<String> {
        let named = id.into_iter().flat_map(TorrentId::trackers);
        let room = self.room_trackers().clone();
        named.chain(room.into_iter().chain(self.network.extra_trackers.iter().cloned()).map(String::from)).collect()
    }

    fn relay_servers(&self) -> MutexGuard<'_, Vec<IceServer>> {
        self.relay_servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what `request` names and tells what to put into a playlist.
    pub(crate) async fn add(&self, request: AddRequest, on_progress: OnProgress) -> Result<Added, ShellError> {
        let operation = self.operations.begin(request.op)?;
        let source = match request.source {
            Source::Path { path } => EngineSource::Path(path.into()),
            Source::Link { text } => EngineSource::Link(text.trim().to_owned()),
        };
        let info = self.add_source(source, request.op, operation.token(), on_progress).await?;
        let (engine, browsers) = self.parts().await?;
        // A film of the person's own is there for others once it is checked; what has to be fetched is, once somebody opens it.
        if is_own(engine, info.info_hash) {
            browsers.remember(engine, &info, self.places(None)).await;
            if engine.stats(info.info_hash).is_some_and(|stats| is_exchanging(&stats)) {
                browsers.serve_known(engine, &info);
            }
        }
        added(info)
    }

    /// Makes a playlist item playable; adds its torrent first where the engine does not know it.
    pub(crate) async fn open(&self, request: OpenRequest, on_progress: OnProgress) -> Result<Opened, ShellError> {
        let operation = self.operations.begin(request.op)?;
        let (id, info) = self.item(&request.torrent_id, request.op, operation.token(), on_progress).await?;
        let file_index = file_index(&info, &request.filename)?;
        let opening = async {
            let Running { engine, browsers, .. } = self.running().await?;
            let media = engine.open(info.info_hash, file_index).await.map_err(open_error)?;
            browsers.serve(engine, &info, self.places(Some(&id))).await;
            Ok(media)
        };
        let media = tokio::select! {
            media = opening => media?,
            () = operation.token().cancelled() => return Err(cancelled()),
        };
        Ok(Opened {
            url: media.url,
            info_hash: info.info_hash.to_string(),
            file_index,
            length: media.length,
            mime: media.mime.to_owned(),
            files: answers::opened_files(&info),
        })
    }

    /// Fetches what a player needs at a place, before anything else.
    pub(crate) fn prime(&self, request: &PrimeRequest) -> Result<(), ShellError> {
        let info_hash: Option<InfoHash> = request.info_hash.parse().ok();
        let info_hash = info_hash.ok_or_else(|| shell_error(code::INTERNAL, "this is no info hash"))?;
        if let Some(Running { engine, .. }) = self.engine.get() {
            engine.prime(info_hash, request.file_index, place(request.seconds));
        }
        Ok(())
    }

    /// Gets a playlist item ready that comes next; adds its torrent first where the engine does not know it.
    pub(crate) async fn prepare(&self, request: PrepareRequest) -> Result<(), ShellError> {
        let operation = self.operations.begin(request.op)?;
        let unheard: OnProgress = Arc::new(|_| ());
        let (id, info) = self.item(&request.torrent_id, request.op, operation.token(), unheard).await?;
        let file_index = file_index(&info, &request.filename)?;
        let Running { engine, browsers, .. } = self.running().await?;
        engine.prepare(info.info_hash, file_index, place(request.seconds));
        browsers.serve(engine, &info, self.places(Some(&id))).await;
        Ok(())
    }

    /// The torrent of a playlist item, added where the engine does not know it.
    async fn item(
        &self,
        torrent_id: &str,
        op: u64,
        cancel: &CancellationToken,
        on_progress: OnProgress,
    ) -> Result<(TorrentId, TorrentInfo), ShellError> {
        // The item came from a room: others wrote it.
        let id = TorrentId::new(torrent_id).map_err(|error| shell_error(code::NOT_A_TORRENT, &error.to_string()))?;
        if let Some(info) = self.known(&id).await? {
            return Ok((id, info));
        }
        let source = EngineSource::Link(id.as_str().to_owned());
        let info = self.add_source(source, op, cancel, on_progress).await?;
        if id.kind() == TorrentIdKind::Web {
            self.remember(id.as_str(), info.info_hash);
        }
        Ok((id, info))
    }

    /// Cancels the request with this number, if it is still under way.
    pub(crate) fn cancel(&self, op: u64) {
        self.operations.cancel(op);
    }

    /// How all torrents are doing; nothing before the engine was needed.
    pub(crate) fn stats(&self) -> Vec<TorrentStats> {
        let Some(Running { engine, browsers, .. }) = self.engine.get() else { return Vec::new() };
        self.follow_states(engine, browsers);
        let told = |(info_hash, stats): (InfoHash, Stats)| {
            let others = browsers.update(engine, info_hash, &stats);
            torrent_stats(engine, info_hash, stats, others)
        };
        engine.all_stats().into_iter().map(told).collect()
    }

    /// Cancels what is under way and ends the engine, within 5 s.
    pub(crate) async fn shutdown(&self) {
        self.operations.cancel_all();
        if let Some(Running { engine, browsers, .. }) = self.engine.get() {
            // Channels first: they end at the engine's listener.
            browsers.shutdown().await;
            engine.shutdown().await;
        }
    }

    async fn known(&self, id: &TorrentId) -> Result<Option<TorrentInfo>, ShellError> {
        let hash = match id.info_hash() {
            Some(hash) => Some(InfoHash(*hash.bytes())),
            None => self.addresses.lock().unwrap_or_else(PoisonError::into_inner).get(id.as_str()).copied(),
        };
        let Some(hash) = hash else { return Ok(None) };
        Ok(self.running().await?.engine.list().into_iter().find(|info| info.info_hash == hash))
    }

    fn remember(&self, address: &str, info_hash: InfoHash) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.len() >= ADDRESSES_MAX {
            addresses.clear();
        }
        addresses.insert(address.to_owned(), info_hash);
    }
}

fn is_exchanging(stats: &Stats) -> bool {
    matches!(stats.state, State::Downloading | State::Seeding)
}

fn is_own(engine: &Engine, info_hash: InfoHash) -> bool {
    engine.account(info_hash).is_some_and(|account| account.keeping == Keeping::Own)
}

/// A place that the window names; what is none is the beginning.
fn place(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
