//! Torrent to bytes to an `http://127.0.0.1` address that a player can open.
//!
//! [`Engine`] owns one librqbit session and one HTTP server on the loopback interface. [`Engine::add`] turns a magnet link, a
//! `.torrent` or a file of the user's into a torrent of the session, [`Engine::open`] turns one of its files into an address, and a
//! `<video>` element does the rest: a range request pulls bytes, a dropped request frees them.
//!
//! What this crate deliberately does not do: it knows no rooms, playlists, members or windows, it speaks no IPC, it has no
//! WebRTC peers, and it transcodes nothing. The HTTP server answers GET and HEAD for media bytes and has no control surface.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]
#![warn(missing_docs)]

mod ahead;
mod bencode;
mod body;
mod cache;
mod checkpoint;
mod checks;
mod config;
mod disk;
mod engine;
mod error;
mod fetch;
mod file_name;
mod flushed;
mod folders;
mod funnel;
mod handover;
mod holes;
mod info_hash;
mod layout;
mod life;
mod limits;
mod magnet;
mod metainfo;
#[cfg(test)]
#[path = "../../../fuzz/mutation.rs"]
mod mutation;
mod nudge;
mod pool;
mod prime;
mod range;
mod readers;
mod ready;
mod register;
mod registry;
mod replace;
mod resolve;
mod search;
mod server;
mod session;
mod share;
mod storage;
mod through;
mod torrent;
mod torrents;
mod trackers;
mod veil;

pub use config::{EngineConfig, NetworkConfig};
pub use disk::free_bytes;
pub use engine::Engine;
pub use error::{ActError, AddError, OpenError, RemoveError, StartError};
pub use info_hash::InfoHash;
pub use limits::Limits;
pub use streamshare_media::{FileEntry, FileKind};
/// The token that cancels an [`Engine::add`].
pub use tokio_util::sync::CancellationToken;
pub use torrent::{
    Account, FileInfo, Keeping, LivePeer, OpenMedia, Progress, Ready, Source, State, Stats, TorrentInfo, Transport,
};
