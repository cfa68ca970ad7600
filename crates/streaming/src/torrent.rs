//! What an engine tells of torrents and takes for one: plain types, no behaviour.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;

use streamshare_media::{FileEntry, FileKind};

use crate::InfoHash;

/// What to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The bytes of a `.torrent` file.
    Metainfo(Bytes),
    /// A magnet link, an info hash (40 hex digits or 32 base32 characters), or the http(s) address of a `.torrent`.
    Link(String),
    /// A `.torrent` file, or a media file or folder to share where it lies.
    Path(PathBuf),
}

/// How far an [`Engine::add`](crate::Engine::add) has come. A cue for a progress bar: steps may be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Fetching a `.torrent` over HTTP.
    Fetching,
    /// Looking for peers that give the metadata of a magnet link.
    FindingMetadata,
    /// Hashing a file of the user's.
    Hashing {
        /// Bytes hashed.
        done: u64,
        /// Bytes to hash in all.
        total: u64,
    },
    /// Handing over to the torrent engine.
    Adding,
}

/// A torrent's contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TorrentInfo {
    /// Its identity.
    pub info_hash: InfoHash,
    /// Its suggested name.
    pub name: String,
    /// Its files, in the order of the torrent: an index into this is a file index everywhere.
    pub files: Vec<FileInfo>,
    /// All its trackers, also those that librqbit cannot use (`ws`, `wss`).
    pub trackers: Vec<String>,
    /// Whether peers may come from its trackers only (BEP 27).
    pub private: bool,
    /// How many pieces it has.
    pub piece_count: u32,
}

impl TorrentInfo {
    /// Its files as [`streamshare_media`] judges them.
    #[must_use]
    pub fn entries(&self) -> Vec<FileEntry<'_>> {
        self.files.iter().map(|file| FileEntry { path: &file.path, length: file.length, kind: file.kind }).collect()
    }

    /// Indices of the files worth playing, in playing order: [`streamshare_media::playable`].
    #[must_use]
    pub fn playable(&self) -> Vec<usize> {
        streamshare_media::playable(&self.entries())
    }
}

/// A file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Path within the torrent, parts separated by `/`.
    pub path: String,
    /// Bytes.
    pub length: u64,
    /// What it is, by its extension.
    pub kind: FileKind,
}

/// A file that a player can open.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenMedia {
    /// Its address. Holds the access token: never log it, never send it to a room.
    pub url: String,
    /// Bytes.
    pub length: u64,
    /// The MIME type it is served with.
    pub mime: &'static str,
    /// File name without folders.
    pub name: String,
}

impl std::fmt::Debug for OpenMedia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenMedia").field("length", &self.length).field("mime", &self.mime).finish_non_exhaustive()
    }
}

/// What a torrent is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Checking what is on the disk.
    Checking,
    /// Getting the files that were opened.
    Downloading,
    /// Has all that was opened, and gives it to others.
    Seeding,
    /// Added but never opened, or paused.
    Paused,
    /// Stopped by an error, told in a sentence.
    Failed(String),
}

/// A torrent's numbers at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// What it is doing.
    pub state: State,
    /// Bytes on the disk, of the whole torrent.
    pub have_bytes: u64,
    /// Bytes of the whole torrent.
    pub total_bytes: u64,
    /// Bytes per second coming in.
    pub download_bps: u64,
    /// Bytes per second going out.
    pub upload_bps: u64,
    /// Peers ever heard of, the connected ones included.
    pub peers_known: u32,
}

/// What a torrent gave and costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Bytes given to others since it was first added. A kill makes it forget the last 15 s.
    pub uploaded_bytes: u64,
    /// How long it has had all that was opened and given it to others.
    pub seeded: std::time::Duration,
    /// Bytes that its files take up on the disk, as of the last 3 s.
    pub disk_bytes: u64,
    /// Whether its files stay.
    pub keeping: Keeping,
}

/// Whether a torrent's files stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Keeping {
    /// They are the user's own, shared from where they lie: never changed, never deleted.
    Own,
    /// They were downloaded, and stay.
    Kept,
    /// They were downloaded, and make room for others when [`Limits::cache_bytes`](crate::Limits::cache_bytes) says so.
    Cached,
}

/// What is there of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The file's index.
    pub file_index: usize,
    /// Its length in bytes.
    pub length: u64,
    /// The ranges of bytes that are there, in order, with gaps between them: at most 256; of more, the shortest are left
    /// out.
    pub spans: Vec<(u64, u64)>,
    /// Bytes that have to come before a player can show something of it, from where it was primed
    /// ([`Engine::prime`](crate::Engine::prime)), else from its beginning: its index and its first seconds, in whole pieces. Only its
    /// head as long as that is missing, and nothing while it is not known where the others are.
    pub missing_to_start: Option<u64>,
}

/// A peer that is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LivePeer {
    /// The other end of the connection. IPv4 addresses stand as such.
    pub addr: SocketAddr,
    /// How it is connected.
    pub transport: Transport,
}

/// How a peer is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP (BEP 3).
    Tcp,
    /// uTP over UDP (BEP 29).
    Utp,
}
