//! The one door to this crate: an engine's start and end, and what can be asked of it. Most of what it does is done elsewhere.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use librqbit::Session;
use tokio_util::sync::DropGuard;
use tokio_util::task::TaskTracker;

use crate::funnel::Funnel;
use crate::holes::AllHoles;
use crate::magnet::{Link, Magnet};
use crate::metainfo::{MAX_METAINFO_LEN, Metainfo};
use crate::registry::Registry;
use crate::server::{Server, Token};
use crate::share::{Collection, file_access};
use crate::storage::Factory;
use crate::through::Access;
use crate::torrents::Torrents;
use crate::trackers::Places;
use crate::{
    AddError, CancellationToken, EngineConfig, InfoHash, Limits, LivePeer, OpenError, OpenMedia, Progress, RemoveError,
    Source, StartError, Stats, TorrentInfo, fetch, handover, resolve, session,
};

/// How long [`Engine::shutdown`] waits for its tasks after librqbit has stopped, which takes 1 s.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);

/// The torrents and the media server. Cheap to clone; the clones are one engine. It ends when it is shut down, or when its last clone is
/// dropped.
#[derive(Debug, Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

/// What the clones share.
pub(crate) struct Inner {
    pub(crate) config: EngineConfig,
    pub(crate) session: Arc<Session>,
    peer_id: [u8; 20],
    pub(crate) torrents: Arc<Torrents>,
    pub(crate) funnel: Arc<Funnel>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) access: Access,
    /// Whether all players have enough ahead.
    pub(crate) is_comfortable: tokio::sync::watch::Sender<bool>,
    pub(crate) server: Arc<Server>,
    pub(crate) tasks: TaskTracker,
    pub(crate) cancel: CancellationToken,
    pub(crate) limits: tokio::sync::watch::Sender<Limits>,
    pub(crate) holes: Arc<AllHoles>,
    /// Held while the set of torrents is changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) places: Places,
    _cancel_on_drop: DropGuard,
}

/// Tells a caller how far an addition is.
type Report = Arc<dyn Fn(Progress) + Send + Sync>;

impl Engine {
    /// Starts the session, brings back the torrents of the last run and opens the media server. Needs a multi-threaded tokio runtime, for
    /// disk access blocks its threads.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: EngineConfig) -> Result<Self, StartError> {
        for folder in [&config.state_dir, &config.download_dir] {
            let made = tokio::fs::create_dir_all(folder).await;
            made.map_err(|reason| StartError::Folder { path: folder.clone(), reason })?;
        }
        let registry_file = config.state_dir.join("torrents.json");
        let registry = Registry::load(registry_file)
            .map_err(|reason| StartError::Folder { path: config.state_dir.clone(), reason })?;
        let registry = Arc::new(registry);
        let token = Token::random().map_err(|error| StartError::Random(error.to_string()))?;
        let cancel = CancellationToken::new();
        let cancel_on_drop = cancel.clone().drop_guard();
        let peer_id = session::peer_id().map_err(|error| StartError::Random(error.to_string()))?;
        let holes = AllHoles::start(handover::folder(&config.state_dir), &session::folder(&config.state_dir))
            .map_err(|reason| StartError::Folder { path: config.state_dir.clone(), reason })?;
        let holes = Arc::new(holes);
        let (limits, limited) = tokio::sync::watch::channel(config.limits);
        let tasks = TaskTracker::new();
        let funnel = Funnel::start(&config.network, session::peer_limit(&config), &tasks, cancel.clone());
        let funnel = funnel.await.map_err(StartError::Listen)?;
        let factory = Factory {
            state_dir: config.state_dir.clone(),
            registry: registry.clone(),
            holes: holes.clone(),
            funnel: funnel.clone(),
            limits: limited.clone(),
            cancel: cancel.clone(),
        };
        let session = session::start(&config, peer_id, factory, &funnel, cancel.child_token()).await?;
        funnel.attach(&session);
        if let Err(error) = handover::finish_all(&session, &registry, &config.state_dir).await {
            tracing::warn!(%error, "torrents on their way were not found again");
        }
        let torrents = Arc::new(Torrents::new(session.listen_addr()));
        crate::register::restore(&session, &torrents, &registry, &holes, &cancel);
        tasks.spawn(crate::search::keep_searching(session.clone(), torrents.clone(), cancel.clone()));
        crate::checkpoint::start(&config.state_dir, &session, &torrents, &registry, &tasks, &cancel);
        let account =
            crate::life::keep_account(session.clone(), torrents.clone(), registry.clone(), limited, cancel.clone());
        tasks.spawn(account);
        let access = Access::new(torrents.clone(), funnel.clone());
        let server =
            Server::start(token, config.origins.clone(), access.clone(), config.stall_timeout, &tasks, cancel.clone());
        let server = server.await.map_err(StartError::Listen)?;
        tracing::info!(torrents = torrents.all().len(), "the torrent engine runs");
        let changing = tokio::sync::Mutex::default();
        let inner = Arc::new(Inner {
            config,
            session,
            peer_id,
            torrents,
            funnel,
            registry,
            access,
            is_comfortable: tokio::sync::watch::Sender::new(true),
            server,
            tasks,
            cancel,
            limits,
            holes,
            changing,
            places: Places::default(),
            _cancel_on_drop: cancel_on_drop,
        });
        inner.tasks.spawn(crate::cache::keep_limit(Arc::downgrade(&inner), inner.cancel.clone()));
        inner.tasks.spawn(crate::ahead::look_after_readers(Arc::downgrade(&inner), inner.cancel.clone()));
        inner.tasks.spawn(crate::folders::keep_watch(Arc::downgrade(&inner), inner.cancel.clone()));
        Ok(Self(inner))
    }

    /// Adds a torrent and tells what is in it. Nothing is downloaded until a file is opened; files of the user's are seeded at once, from
    /// where they lie. Adding the same torrent again is not an error and gives the same answer. `cancel` ends it early with
    /// [`AddError::Cancelled`]; so does dropping the future. Either may come too late: then the torrent has been added.
    ///
    /// # Errors
    /// See [`AddError`].
    pub async fn add(
        &self,
        source: Source,
        cancel: CancellationToken,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<TorrentInfo, AddError> {
        let inner = &self.0;
        let add = async {
            match source {
                Source::Metainfo(bytes) => self.add_metainfo(&bytes, &progress).await,
                Source::Link(text) => match Link::parse(&text)? {
                    Link::Magnet(magnet) => self.add_magnet(magnet, &progress).await,
                    Link::Web(url) => {
                        progress(Progress::Fetching);
                        let bytes = fetch::fetch(url, inner.config.fetch_timeout).await?;
                        self.add_metainfo(&bytes, &progress).await
                    }
                },
                Source::Path(path) if is_metainfo(&path) => {
                    let bytes = read_metainfo(path).await?;
                    self.add_metainfo(&bytes, &progress).await
                }
                Source::Path(path) => self.share(path, Arc::new(progress)).await,
            }
        };
        tokio::select! {
            biased;
            () = inner.cancel.cancelled() => Err(AddError::ShutDown),
            () = cancel.cancelled() => Err(AddError::Cancelled),
            added = Box::pin(add) => added,
        }
    }

    async fn add_metainfo(
        &self,
        bytes: &Bytes,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<TorrentInfo, AddError> {
        let mut metainfo = Metainfo::parse(bytes)?;
        progress(Progress::Adding);
        metainfo.add_trackers(self.extra_trackers().iter().map(String::as_str));
        self.register(metainfo, None, Vec::new()).await
    }

    async fn add_magnet(
        &self,
        mut magnet: Magnet,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<TorrentInfo, AddError> {
        if let Some(known) = self.0.torrents.get(magnet.info_hash) {
            return Ok(known.info.clone());
        }
        progress(Progress::FindingMetadata);
        let own_trackers = magnet.trackers.clone();
        crate::metainfo::extend_trackers(&mut magnet.trackers, self.extra_trackers().iter().map(String::as_str));
        let resolved = resolve::resolve(&self.0.session, &magnet, self.0.config.metadata_timeout).await?;
        let mut metainfo = Metainfo::parse(&resolved.bytes)?;
        if metainfo.info.info_hash != magnet.info_hash {
            return Err(AddError::BadMetainfo("its metadata belongs to another torrent".into()));
        }
        progress(Progress::Adding);
        metainfo.info.trackers = own_trackers;
        metainfo.add_trackers(self.extra_trackers().iter().map(String::as_str));
        let mut peers = magnet.peers;
        peers.extend(resolved.peers);
        peers.sort_unstable();
        peers.dedup();
        self.register(metainfo, None, peers).await
    }

    async fn share(&self, path: PathBuf, progress: Report) -> Result<TorrentInfo, AddError> {
        let inner = self.0.clone();
        let cancel = inner.cancel.child_token();
        let _cancel_on_drop = cancel.clone().drop_guard();
        let trackers = self.extra_trackers();
        let report = progress.clone();
        let hashing = inner.tasks.spawn_blocking({
            let inner = inner.clone();
            move || -> Result<_, AddError> {
                let collection = Collection::gather(&path)?;
                let known = inner
                    .registry
                    .find_shared(&collection.folder, &collection.files)
                    .and_then(|hash| inner.torrents.get(hash));
                if let Some(known) = known.filter(|known| known.failure().is_none()) {
                    return Ok((collection, Err(known.info.clone())));
                }
                let bytes = collection.hash(&trackers, &cancel, &*report)?;
                Ok((collection, Ok(Metainfo::parse(&bytes)?)))
            }
        });
        let hashed = done_or_stopped(hashing.await)?;
        match hashed {
            (_, Err(known)) => Ok(known),
            (collection, Ok(metainfo)) => {
                progress(Progress::Adding);
                self.register(metainfo, Some(collection), Vec::new()).await
            }
        }
    }

    /// Hands a torrent to librqbit. Not cancelled half-way: a dropped call is finished by its task.
    async fn register(
        &self,
        metainfo: Metainfo,
        shared: Option<Collection>,
        peers: Vec<SocketAddr>,
    ) -> Result<TorrentInfo, AddError> {
        if metainfo.info.playable().is_empty() {
            return Err(AddError::NoPlayableFile(metainfo.info.name));
        }
        let registered = self.0.tasks.spawn(crate::register::register(self.0.clone(), metainfo, shared, peers)).await;
        done_or_stopped(registered)
    }

    /// Selects a file for download and gives the address that a player can open, at once: the first read waits for peers.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(&self, info_hash: InfoHash, file_index: usize) -> Result<OpenMedia, OpenError> {
        let inner = &self.0;
        if inner.cancel.is_cancelled() {
            return Err(OpenError::ShutDown);
        }
        let mut torrent = inner.torrents.get(info_hash).ok_or(OpenError::UnknownTorrent)?;
        if torrent.failure().is_some() {
            // It may have been a full disk, and there may be room again.
            crate::life::go_on(inner, &torrent).await.map_err(OpenError::from)?;
            torrent = inner.torrents.get(info_hash).ok_or(OpenError::UnknownTorrent)?;
        }
        let file = torrent.info.files.get(file_index).ok_or(OpenError::UnknownFile(file_index))?;
        let name = file.path.rsplit('/').next().unwrap_or(&file.path).to_owned();
        let url = inner.server.url(info_hash, file_index, &name);
        let opened = OpenMedia { url, length: file.length, mime: streamshare_media::mime(&file.path), name };
        torrent.note_opened(file_index);
        torrent.primed.open(inner, &torrent, file_index);
        crate::life::note_opened(&inner.registry, info_hash);
        inner.tasks.spawn(crate::register::select(inner.clone(), torrent, file_index));
        Ok(opened)
    }

    /// What the torrents contain, in the order of their info hashes.
    #[must_use]
    pub fn list(&self) -> Vec<TorrentInfo> {
        self.0.torrents.all().iter().map(|torrent| torrent.info.clone()).collect()
    }

    /// What a torrent contains, or `None` when it has not been added.
    #[must_use]
    pub fn info(&self, info_hash: InfoHash) -> Option<TorrentInfo> {
        self.0.torrents.get(info_hash).map(|torrent| torrent.info.clone())
    }

    /// A torrent's numbers, or `None` when it has not been added.
    #[must_use]
    pub fn stats(&self, info_hash: InfoHash) -> Option<Stats> {
        let stats = self.0.torrents.get(info_hash)?.stats();
        Some(self.0.funnel.stats(info_hash, stats))
    }

    /// The numbers of all torrents, in the order of their info hashes.
    #[must_use]
    pub fn all_stats(&self) -> Vec<(InfoHash, Stats)> {
        let all = self.0.torrents.all().into_iter().map(|torrent| torrent.info.info_hash);
        all.filter_map(|info_hash| Some((info_hash, self.stats(info_hash)?))).collect()
    }

    /// The peers that a torrent is connected to, in no order; none where it has not been added.
    #[must_use]
    pub fn peers(&self, info_hash: InfoHash) -> Vec<LivePeer> {
        let peers = self.0.torrents.get(info_hash).map(|torrent| torrent.peers()).unwrap_or_default();
        self.0.funnel.peers(info_hash, peers)
    }

    /// Waits until a torrent's files have been checked; its [`Stats`] tell what came of it. At once where it is unknown.
    /// Cancel safe.
    pub async fn checked(&self, info_hash: InfoHash) {
        if let Some(torrent) = self.0.torrents.get(info_hash) {
            // An error is in the torrent's state, too.
            drop(torrent.cancel.run_until_cancelled(torrent.handle.wait_until_initialized()).await);
        }
    }

    /// Forgets a torrent; its open responses end. `delete_files` deletes what was downloaded, never files shared in place.
    ///
    /// # Errors
    /// See [`RemoveError`].
    pub async fn remove(&self, info_hash: InfoHash, delete_files: bool) -> Result<(), RemoveError> {
        let removed = self.0.tasks.spawn(crate::register::remove(self.0.clone(), info_hash, delete_files)).await;
        removed.unwrap_or_else(|error| Err(RemoveError::Engine(error.to_string())))
    }

    /// Where peers connect to, if anywhere.
    #[must_use]
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.0.funnel.peer_addr()
    }

    /// What it calls itself in its handshakes (BEP 3).
    #[must_use]
    pub fn peer_id(&self) -> [u8; 20] {
        self.0.peer_id
    }

    /// Ends everything within 5 s. Idempotent; every clone of the engine is unusable afterwards.
    pub async fn shutdown(&self) {
        let inner = &self.0;
        inner.cancel.cancel();
        inner.tasks.close();
        // Writes down which pieces are there, then gives its tasks a second.
        inner.session.stop().await;
        if tokio::time::timeout(DRAIN_TIMEOUT, inner.tasks.wait()).await.is_err() {
            tracing::warn!(left = inner.tasks.len(), "tasks are left after the shutdown");
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("torrents", &self.torrents).field("server", &self.server).finish_non_exhaustive()
    }
}

/// The only tasks that do not end by themselves are those that the shutdown ended.
fn done_or_stopped<T>(joined: Result<Result<T, AddError>, tokio::task::JoinError>) -> Result<T, AddError> {
    match joined {
        Ok(done) => done,
        Err(error) if error.is_cancelled() => Err(AddError::ShutDown),
        Err(error) => Err(AddError::Engine(error.to_string())),
    }
}

fn is_metainfo(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("torrent")) && !path.is_dir()
}

async fn read_metainfo(path: PathBuf) -> Result<Bytes, AddError> {
    use tokio::io::AsyncReadExt;
    let access = |error| file_access(&path, &error);
    let file = tokio::fs::File::open(&path).await.map_err(access)?;
    let mut bytes = Vec::new();
    file.take(MAX_METAINFO_LEN as u64 + 1).read_to_end(&mut bytes).await.map_err(access)?;
    Ok(bytes.into())
}
