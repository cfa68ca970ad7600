//! The torrent engine behind the window's commands: streaming's types in, ipc's types out.

use crate::{
    browsers::Browsers,
    magnet,
    ops::Operations,
    settings::{NetworkSettings, Settings},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use streamshare_ipc::{
    AddRequest, Added, FileSummary, OpenRequest, Opened, Phase, Progress, ShellError, Source, TorrentState,
    TorrentStats, code,
};
use streamshare_protocol::{TorrentId, TorrentIdKind, limits::FILENAME_BYTES_MAX};
use streamshare_streaming::{
    AddError, CancellationToken, Engine, EngineConfig, FileInfo, FileKind, InfoHash, NetworkConfig, OpenError,
    Progress as EngineProgress, Source as EngineSource, StartError, State, Stats, TorrentInfo,
};
use streamshare_webtorrent::channel::IceServer;
use tokio::sync::OnceCell;

/// The origins of Tauri's window: Linux and macOS, Windows and Android.
const WINDOW_ORIGINS: [&str; 2] = ["tauri://localhost", "http://tauri.localhost"];
/// Least time between two progress events of one request: ten a second look smooth.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);
/// Addresses of .torrent files whose info hash is remembered; all are forgotten when there are more.
const ADDRESSES_MAX: usize = 1024;

/// Where progress goes.
pub(crate) type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// The engine, started when it is first needed, and the requests under way.
#[derive(Debug)]
pub(crate) struct Torrents {
    config: EngineConfig,
    network: NetworkSettings,
    engine: OnceCell<Running>,
    /// The STUN and TURN servers that the room's relay names.
    relay_servers: Mutex<Vec<IceServer>>,
    operations: Operations,
    /// What was found at an address: an item that is opened again does not ask the web again.
    addresses: Mutex<BTreeMap<String, InfoHash>>,
}

/// The engine and what joins it to browsers.
#[derive(Debug)]
struct Running {
    engine: Engine,
    browsers: Browsers,
}

impl Torrents {
    pub(crate) fn new(home: &Path, downloads: PathBuf, settings: &Settings) -> Self {
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
            engine: OnceCell::new(),
            relay_servers: Mutex::default(),
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
            let engine = Box::pin(Engine::start(self.config.clone())).await?;
            Ok(Running { browsers: Browsers::start(&engine, &self.network), engine })
        };
        let running = self.engine.get_or_try_init(start).await.map_err(start_error)?;
        // They may have been named before there was anybody to use them.
        running.browsers.set_relay_servers(&self.relay_servers());
        Ok(running)
    }

    /// Takes the STUN and TURN servers that the room's relay names, in the place of those before.
    pub(crate) fn set_relay_servers(&self, servers: Vec<IceServer>) {
        *self.relay_servers() = servers;
        if let Some(running) = self.engine.get() {
            running.browsers.set_relay_servers(&self.relay_servers());
        }
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
        added(info)
    }

    /// Makes a playlist item playable; adds its torrent first where the engine does not know it.
    pub(crate) async fn open(&self, request: OpenRequest, on_progress: OnProgress) -> Result<Opened, ShellError> {
        let operation = self.operations.begin(request.op)?;
        // The item came from a room: others wrote it.
        let id = TorrentId::new(&request.torrent_id)
            .map_err(|error| shell_error(code::NOT_A_TORRENT, &error.to_string()))?;
        let info = match self.known(&id).await? {
            Some(info) => info,
            None => {
                let source = EngineSource::Link(id.as_str().to_owned());
                let info = self.add_source(source, request.op, operation.token(), on_progress).await?;
                if id.kind() == TorrentIdKind::Web {
                    self.remember(id.as_str(), info.info_hash);
                }
                info
            }
        };
        let file_index = file_index(&info, &request.filename)?;
        let opening = async {
            let Running { engine, browsers } = self.running().await?;
            let media = engine.open(info.info_hash, file_index).await.map_err(open_error)?;
            if let Some(stats) = engine.stats(info.info_hash) {
                browsers.serve(&info, Some(&id), &stats);
            }
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
        })
    }

    /// Cancels the request with this number, if it is still under way.
    pub(crate) fn cancel(&self, op: u64) {
        self.operations.cancel(op);
    }

    /// How all torrents are doing; nothing before the engine was needed.
    pub(crate) fn stats(&self) -> Vec<TorrentStats> {
        let Some(Running { engine, browsers }) = self.engine.get() else { return Vec::new() };
        let told = |(info_hash, stats): (InfoHash, Stats)| {
            let browser_peers = browsers.update(info_hash, &stats);
            torrent_stats(info_hash, stats, browser_peers)
        };
        engine.all_stats().into_iter().map(told).collect()
    }

    /// Cancels what is under way and ends the engine, within 5 s.
    pub(crate) async fn shutdown(&self) {
        self.operations.cancel_all();
        if let Some(Running { engine, browsers }) = self.engine.get() {
            // Channels first: they end at the engine's listener.
            browsers.shutdown().await;
            engine.shutdown().await;
        }
    }

    async fn add_source(
        &self,
        source: EngineSource,
        op: u64,
        cancel: &CancellationToken,
        on_progress: OnProgress,
    ) -> Result<TorrentInfo, ShellError> {
        let Running { engine, browsers } = tokio::select! {
            running = self.running() => running?,
            () = cancel.cancelled() => return Err(cancelled()),
        };
        let report = Arc::new(progress_reporter(op, on_progress));
        let id = match &source {
            EngineSource::Link(text) => TorrentId::new(text).ok(),
            EngineSource::Metainfo(_) | EngineSource::Path(_) => None,
        };
        let attempt = cancel.child_token();
        let of_engine = {
            let report = Arc::clone(&report);
            Box::pin(engine.add(source, attempt.clone(), move |progress| report(progress)))
        };
        let Some(id) = id.filter(|id| id.info_hash().is_some()) else {
            return of_engine.await.map_err(add_error);
        };
        // Whoever has the metadata first: a peer of the engine's, or a browser.
        let mut of_engine = of_engine;
        let mut of_browsers = Box::pin(browsers.metainfo(&id, cancel));
        let metainfo = tokio::select! {
            added = &mut of_engine => match added {
                Err(AddError::TimedOut(_) | AddError::Network(_) | AddError::Engine(_) | AddError::BadMagnet(_))
                    if id.trackers().any(|tracker| tracker.starts_with("ws")) =>
                {
                    let metainfo = of_browsers.await;
                    metainfo.ok_or_else(|| added.map_or_else(add_error, |_| cancelled()))?
                }
                added => return added.map_err(add_error),
            },
            Some(metainfo) = &mut of_browsers => {
                attempt.cancel();
                match of_engine.await {
                    Ok(info) => return Ok(info),
                    Err(_) => metainfo,
                }
            }
        };
        let report = move |progress| report(progress);
        let source = EngineSource::Metainfo(metainfo.into());
        Box::pin(engine.add(source, cancel.clone(), report)).await.map_err(add_error)
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

fn added(info: TorrentInfo) -> Result<Added, ShellError> {
    // A path that no playlist takes cannot be shared.
    let fits = |index: &usize| info.files.get(*index).is_some_and(|file| file.path.len() <= FILENAME_BYTES_MAX);
    let chosen: Vec<_> = info.playable().into_iter().filter(fits).collect();
    if chosen.is_empty() {
        return Err(no_video(&info.name));
    }
    let torrent_id = magnet::for_a_room(&info);
    TorrentId::new(&torrent_id).map_err(|error| shell_error(code::INTERNAL, &error.to_string()))?;
    let files = info.files.into_iter().map(|file| FileSummary { path: file.path, length: file.length }).collect();
    Ok(Added { info_hash: info.info_hash.to_string(), name: info.name, torrent_id, files, chosen })
}

/// The file that an item names. Members with other clients write paths in other ways: with the torrent's name before
/// them, as WebTorrent does, or the file's name alone; that counts where it can only mean one file.
fn file_index(info: &TorrentInfo, filename: &str) -> Result<usize, ShellError> {
    if filename.is_empty() {
        return main_video(info).ok_or_else(|| no_video(&info.name));
    }
    let exact = info.files.iter().position(|file| file.path == filename);
    let below_the_name = || {
        let inner = filename.strip_prefix(info.name.as_str())?.strip_prefix('/')?;
        info.files.iter().position(|file| file.path == inner)
    };
    let by_last_part = || {
        let last_part = |file: &FileInfo| file.path.rsplit('/').next() == Some(filename);
        let mut named = info.files.iter().enumerate().filter(|(_, file)| last_part(file));
        named.next().filter(|_| named.next().is_none()).map(|(index, _)| index)
    };
    exact
        .or_else(below_the_name)
        .or_else(by_last_part)
        .ok_or_else(|| shell_error(code::NO_SUCH_FILE, &format!("There is no file {filename} in {}", info.name)))
}

/// The largest video, else the largest sound file: extras and samples are smaller.
fn main_video(info: &TorrentInfo) -> Option<usize> {
    let weight = |index: &usize| {
        let file = info.files.get(*index);
        file.map(|file| (file.kind == FileKind::Video, file.length))
    };
    // The first of equals, as max_by_key would take the last.
    info.playable().into_iter().rev().max_by_key(weight)
}

/// Turns the engine's progress into events, at most one per [`PROGRESS_EVERY`] but for a change of phase.
fn progress_reporter(op: u64, on_progress: OnProgress) -> impl Fn(EngineProgress) + Send + Sync + 'static {
    let last: Mutex<Option<(Phase, Instant)>> = Mutex::new(None);
    move |progress| {
        let (phase, done, total) = match progress {
            EngineProgress::Hashing { done, total } => (Phase::Hashing, done, total),
            EngineProgress::Adding => (Phase::Checking, 0, 0),
            EngineProgress::Fetching | EngineProgress::FindingMetadata => (Phase::Resolving, 0, 0),
            _ => return,
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let too_soon = |(before, at): (Phase, Instant)| before == phase && now.duration_since(at) < PROGRESS_EVERY;
        if last.is_some_and(too_soon) {
            return;
        }
        *last = Some((phase, now));
        on_progress(Progress { op, phase, done, total });
    }
}

fn torrent_stats(info_hash: InfoHash, stats: Stats, browser_peers: u32) -> TorrentStats {
    let (state, error) = match stats.state {
        State::Checking => (TorrentState::Checking, None),
        State::Downloading => (TorrentState::Downloading, None),
        State::Seeding => (TorrentState::Seeding, None),
        State::Paused => (TorrentState::Paused, None),
        State::Failed(why) => (TorrentState::Failed, Some(why)),
    };
    TorrentStats {
        info_hash: info_hash.to_string(),
        state,
        have_bytes: stats.have_bytes,
        total_bytes: stats.total_bytes,
        download_bps: stats.download_bps,
        upload_bps: stats.upload_bps,
        peers: stats.peers_live,
        known_peers: stats.peers_known,
        browser_peers,
        error,
    }
}

fn start_error(error: StartError) -> ShellError {
    let code = match error {
        StartError::Folder { .. } => code::FILE_ACCESS,
        StartError::Listen(_) => code::NETWORK,
        StartError::Random(_) | StartError::Session(_) | _ => code::INTERNAL,
    };
    shell_error(code, &error.to_string())
}

fn add_error(error: AddError) -> ShellError {
    let code = match error {
        AddError::Cancelled => code::CANCELLED,
        AddError::TimedOut(_) => code::TIMED_OUT,
        AddError::NotATorrent(_) => code::NOT_A_TORRENT,
        AddError::BadMetainfo(_) => code::BAD_TORRENT,
        AddError::BadMagnet(_) => code::BAD_MAGNET,
        AddError::NoPlayableFile(_) => code::NO_VIDEO,
        AddError::FileAccess { .. } => code::FILE_ACCESS,
        AddError::DiskFull => code::DISK_FULL,
        AddError::Network(_) => code::NETWORK,
        AddError::Engine(_) | AddError::ShutDown | _ => code::INTERNAL,
    };
    shell_error(code, &error.to_string())
}

fn open_error(error: OpenError) -> ShellError {
    let code = match error {
        OpenError::UnknownFile(_) => code::NO_SUCH_FILE,
        // What stops a torrent is its folder: full, gone or read-only.
        OpenError::Failed(_) => code::FILE_ACCESS,
        OpenError::UnknownTorrent | OpenError::ShutDown | _ => code::INTERNAL,
    };
    shell_error(code, &error.to_string())
}

fn no_video(name: &str) -> ShellError {
    shell_error(code::NO_VIDEO, &format!("There is no video or audio file in {name}"))
}

pub(crate) fn cancelled() -> ShellError {
    shell_error(code::CANCELLED, "This was cancelled")
}

/// An error with its text as a sentence: libraries write theirs without a capital and a full stop.
pub(crate) fn shell_error(code: &str, text: &str) -> ShellError {
    let mut letters = text.chars();
    let mut message: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    if !message.ends_with(['.', '!', '?']) {
        message.push('.');
    }
    ShellError { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, files: &[(&str, u64)]) -> TorrentInfo {
        let kind = |path: &str| if path.ends_with(".txt") { FileKind::Other } else { FileKind::Video };
        let file = |(path, length): &(&str, u64)| FileInfo { path: (*path).into(), length: *length, kind: kind(path) };
        TorrentInfo {
            info_hash: InfoHash([7; 20]),
            name: name.into(),
            files: files.iter().map(file).collect(),
            trackers: vec![],
            private: false,
            piece_count: 1,
        }
    }

    #[test]
    fn an_item_finds_its_file() {
        let series = info("Show", &[("s1/a.mkv", 5), ("s2/a.mkv", 5), ("s2/b.mkv", 9), ("readme.txt", 1)]);
        let index = |filename: &str| file_index(&series, filename).map_err(|error| error.code);
        assert_eq!(index("s2/a.mkv"), Ok(1));
        assert_eq!(index("Show/s2/a.mkv"), Ok(1));
        assert_eq!(index("b.mkv"), Ok(2));
        for missing in ["a.mkv", "S1/a.mkv", "../a.mkv", "Show", "Showx/s2/a.mkv"] {
            assert_eq!(index(missing), Err(code::NO_SUCH_FILE.to_owned()), "{missing}");
        }
    }

    #[test]
    fn messages_are_sentences() {
        assert_eq!(shell_error(code::NETWORK, "élan lost").message, "Élan lost.");
        assert_eq!(add_error(AddError::DiskFull).message, "There is no space left on the disk.");
        assert_eq!(shell_error(code::NETWORK, "Done.").message, "Done.");
    }

    #[test]
    fn progress_is_thinned_out_but_for_a_new_phase() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let report = progress_reporter(3, Arc::new(move |progress| sink.lock().expect("no panic").push(progress)));
        for done in 0..1000 {
            report(EngineProgress::Hashing { done, total: 1000 });
        }
        report(EngineProgress::Adding);
        let seen = seen.lock().expect("no panic");
        assert!(seen.len() >= 2 && seen.len() < 100, "{}", seen.len());
        assert_eq!(seen[0], Progress { op: 3, phase: Phase::Hashing, done: 0, total: 1000 });
        assert_eq!(seen.last().map(|progress| progress.phase), Some(Phase::Checking));
    }
}
