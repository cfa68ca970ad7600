//! The room protocol: the messages that members and a relay exchange, as types that cannot hold an illegal value.
//!
//! The reference is `docs/PROTOCOL.md`. A message is one JSON object told apart by `command`; [`ClientMessage`] is what
//! a member sends, [`RelayMessage`] what a relay sends. Decoding checks every type, range and length, and says which
//! field was at fault; encoding never fails.
//!
//! This crate does no IO, reads no clock and knows nothing of sockets. It decides nothing about rooms either: that is
//! `streamshare-playsync`.
#![warn(missing_docs)]

mod client;
mod decode;
mod error;
mod fields;
mod ids;
mod invitation;
pub mod limits;
mod playlist;
mod relay;
mod status;
mod time;
mod torrent_id;
mod trackers;

pub use client::{ClientHello, ClientMessage, Control, Edit, EditOp, Join, PlayerState, Restores, Set, SyncReport};
pub use error::{DecodeError, ErrorCode};
pub use ids::{ActionId, Epoch, IllegalId, ItemId, MemberId, Name, Order, ResumeKey, RoomId};
pub use invitation::{Invitation, InvitationError};
pub use playlist::{Filename, Playlist, PlaylistItem, Title};
pub use relay::{RelayHello, RelayMessage, User};
pub use status::{PlaybackState, StallPolicy, Status};
pub use time::{IllegalTime, Latency, MediaTime, Skew, Speed, UnixMs};
pub use torrent_id::{InfoHash, TorrentId, TorrentIdKind, is_loopback_host};

/// Fields of a message that this version does not know, kept so that they can be passed on.
pub type Extra = serde_json::Map<String, serde_json::Value>;
