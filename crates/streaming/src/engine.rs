use crate::{
    AddError, CancellationToken, EngineConfig, InfoHash, OpenError, OpenMedia, Progress, RemoveError, Source,
    StartError, Stats, TorrentInfo,
};

/// The torrents and the media server. Cheap to clone; the clones are one engine.
#[derive(Debug, Clone)]
pub struct Engine {}

impl Engine {
    /// Starts the session, brings back the torrents of the last run and opens the media server.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: EngineConfig) -> Result<Self, StartError> {
        let _ = config;
        Err(StartError::Session("under construction".into()))
    }

    /// Adds a torrent and tells what is in it. Nothing is downloaded until a file is opened. Adding the same torrent again is not
    /// an error and gives the same answer. `cancel` ends it early with [`AddError::Cancelled`] and nothing added.
    ///
    /// # Errors
    /// See [`AddError`].
    pub async fn add(
        &self,
        source: Source,
        cancel: CancellationToken,
        progress: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<TorrentInfo, AddError> {
        let _ = (source, cancel, progress);
        Err(AddError::ShutDown)
    }

    /// Selects a file for download and gives the address that a player can open, without waiting for peers.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(&self, info_hash: InfoHash, file_index: usize) -> Result<OpenMedia, OpenError> {
        let _ = (info_hash, file_index);
        Err(OpenError::UnknownTorrent)
    }

    /// What the torrents contain, in the order of their info hashes.
    #[must_use]
    pub fn list(&self) -> Vec<TorrentInfo> {
        Vec::new()
    }

    /// A torrent's numbers, or `None` when it has not been added.
    #[must_use]
    pub fn stats(&self, info_hash: InfoHash) -> Option<Stats> {
        let _ = info_hash;
        None
    }

    /// The numbers of all torrents, in the order of their info hashes.
    #[must_use]
    pub fn all_stats(&self) -> Vec<(InfoHash, Stats)> {
        Vec::new()
    }

    /// Forgets a torrent; its open responses end. `delete_files` deletes what was downloaded, never files shared in place.
    ///
    /// # Errors
    /// See [`RemoveError`].
    pub async fn remove(&self, info_hash: InfoHash, delete_files: bool) -> Result<(), RemoveError> {
        let _ = (info_hash, delete_files);
        Err(RemoveError::UnknownTorrent)
    }

    /// Where peers connect to, if anywhere.
    #[must_use]
    pub fn peer_addr(&self) -> Option<std::net::SocketAddr> {
        None
    }

    /// Ends everything within 5 s. Idempotent.
    pub async fn shutdown(&self) {}
}
