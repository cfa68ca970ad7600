//! Why something was not done: a type for each thing that can be asked of an engine, in sentences for people.

use std::path::PathBuf;

/// Why an [`Engine`](crate::Engine) did not start. Display is a sentence for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A folder cannot be made or written.
    #[error("cannot use the folder {}: {reason}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The loopback HTTP server cannot listen.
    #[error("cannot listen for the player on this machine: {0}")]
    Listen(std::io::Error),
    /// The operating system gives no random numbers for the access token.
    #[error("the operating system gives no random numbers: {0}")]
    Random(String),
    /// librqbit did not start.
    #[error("cannot start the torrent engine: {0}")]
    Session(String),
}

/// Why a torrent was not added. Display is a sentence for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The caller's token was cancelled.
    #[error("adding was cancelled")]
    Cancelled,
    /// No answer in time: no peer gave the metadata, or a server was silent.
    #[error("{0}")]
    TimedOut(String),
    /// What was given is no magnet link, info hash, web address or path of a torrent.
    #[error("this is not a torrent: {0}")]
    NotATorrent(String),
    /// A `.torrent` (or what a peer gave for a magnet link) breaks the rules.
    #[error("this torrent is invalid: {0}")]
    BadMetainfo(String),
    /// A magnet link breaks the rules.
    #[error("this magnet link is invalid: {0}")]
    BadMagnet(String),
    /// Nothing in it is video or audio.
    #[error("there is no video or audio file in {0}")]
    NoPlayableFile(String),
    /// A file or folder cannot be read or written.
    #[error("cannot use {}: {reason}", path.display())]
    FileAccess {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no room left for the download.
    #[error("there is no space left on the disk")]
    DiskFull,
    /// A server could not be reached, or refused.
    #[error("cannot fetch the torrent: {0}")]
    Network(String),
    /// librqbit failed in a way that has no better name here.
    #[error("the torrent engine failed: {0}")]
    Engine(String),
    /// The engine has been shut down.
    #[error("the torrent engine is shut down")]
    ShutDown,
}

/// Why a file was not opened. Display is a sentence for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The engine has no such torrent.
    #[error("this torrent has not been added")]
    UnknownTorrent,
    /// The torrent has no file of that index.
    #[error("this torrent has no file number {0}")]
    UnknownFile(usize),
    /// The torrent has failed, for instance because the disk is full.
    #[error("this torrent has failed: {0}")]
    Failed(String),
    /// The engine has been shut down.
    #[error("the torrent engine is shut down")]
    ShutDown,
}

/// Why a torrent was not removed. Display is a sentence for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoveError {
    /// The engine has no such torrent.
    #[error("this torrent has not been added")]
    UnknownTorrent,
    /// librqbit failed.
    #[error("the torrent could not be removed: {0}")]
    Engine(String),
}

/// Why something was not done to a torrent. Display is a sentence for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
    /// The engine has no such torrent.
    #[error("this torrent has not been added")]
    UnknownTorrent,
    /// librqbit failed.
    #[error("the torrent engine failed: {0}")]
    Engine(String),
}

impl From<ActError> for OpenError {
    fn from(error: ActError) -> Self {
        match error {
            ActError::UnknownTorrent => Self::UnknownTorrent,
            ActError::Engine(why) => Self::Failed(why),
        }
    }
}
