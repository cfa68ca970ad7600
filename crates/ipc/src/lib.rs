//! What the desktop shell and its window say to each other over Tauri's IPC: the arguments and answers of commands, and
//! the payloads of events.
//!
//! Both ends share these types, so that a field cannot be spelled in two ways. Media bytes never pass here: the window
//! gets an address ([`Opened::url`]) and plays that. Room messages pass as JSON objects: the window holds the room's
//! state, the shell only the connection.
#![warn(missing_docs)]

mod torrents;

use serde::{Deserialize, Serialize};

pub use torrents::{
    Act, ActRequest, Counted, Keeping, LimitSettings, Peers, Ready, SettingsView, TorrentState, TorrentStats,
};

/// The names of the commands; each takes one argument called `request`, or none.
pub mod command {
    /// No argument → [`super::Bootstrap`].
    pub const BOOTSTRAP: &str = "bootstrap";
    /// No argument → [`super::Hosted`]. Idempotent: the second call answers the same.
    pub const HOST_ROOM: &str = "host_room";
    /// [`super::Connect`] → nothing. Replaces the connection there was; [`super::RoomEvent`]s follow.
    pub const ROOM_CONNECT: &str = "room_connect";
    /// [`super::RoomSend`] → nothing.
    pub const ROOM_SEND: &str = "room_send";
    /// No argument → nothing.
    pub const ROOM_DISCONNECT: &str = "room_disconnect";
    /// [`super::AddRequest`] → [`super::Added`]; [`super::Progress`] events meanwhile.
    pub const TORRENT_ADD: &str = "torrent_add";
    /// [`super::CancelRequest`] → nothing; the waiting `torrent_add` or `torrent_open` fails with [`super::code::CANCELLED`].
    pub const TORRENT_CANCEL: &str = "torrent_cancel";
    /// [`super::OpenRequest`] → [`super::Opened`]; [`super::Progress`] events meanwhile.
    pub const TORRENT_OPEN: &str = "torrent_open";
    /// [`super::PrimeRequest`] → nothing.
    pub const TORRENT_PRIME: &str = "torrent_prime";
    /// [`super::PrepareRequest`] → nothing, once its torrent is known; what is fetched then may take its time. It is cancelled as
    /// [`TORRENT_OPEN`] is.
    pub const TORRENT_PREPARE: &str = "torrent_prepare";
    /// [`super::SubtitleRequest`] → the file's bytes, in base64 (RFC 4648, section 4).
    pub const SUBTITLE_READ: &str = "subtitle_read";
    /// [`super::ActRequest`] → nothing. The next [`super::event::STATS`] shows it.
    pub const TORRENT_ACT: &str = "torrent_act";
    /// No argument → [`super::SettingsView`].
    pub const SETTINGS_GET: &str = "settings_get";
    /// [`super::LimitSettings`] → [`super::SettingsView`], as they hold from now on. They are written down first; what is refused
    /// changes nothing and fails with [`super::code::BAD_SETTINGS`].
    pub const SETTINGS_SET: &str = "settings_set";
    /// No argument → a list of paths; empty where the person closed the dialog.
    pub const PICK_FILES: &str = "pick_files";
    /// No argument → a list of [`super::Opening`]s that came before the window listened; each is handed out once.
    pub const TAKE_OPENINGS: &str = "take_openings";
}

/// The names of the events.
pub mod event {
    /// [`super::RoomEvent`].
    pub const ROOM: &str = "room";
    /// [`super::DropEvent`].
    pub const DROP: &str = "file-drop";
    /// No payload that matters: call [`super::command::TAKE_OPENINGS`].
    pub const OPENINGS: &str = "openings";
    /// [`super::Progress`].
    pub const PROGRESS: &str = "torrent-progress";
    /// A list of [`super::TorrentStats`], once a second while there are torrents, and once when there are none any more.
    pub const STATS: &str = "torrent-stats";
}

/// Codes of [`ShellError`] that the window tells apart.
pub mod code {
    /// The person cancelled it.
    pub const CANCELLED: &str = "cancelled";
    /// No one in the swarm answered in time.
    pub const TIMED_OUT: &str = "timed_out";
    /// Neither a .torrent, nor a magnet link, nor an address, nor a media file.
    pub const NOT_A_TORRENT: &str = "not_a_torrent";
    /// A .torrent that is damaged or unsafe.
    pub const BAD_TORRENT: &str = "bad_torrent";
    /// A magnet link that is none.
    pub const BAD_MAGNET: &str = "bad_magnet";
    /// Nothing in the torrent can be played.
    pub const NO_VIDEO: &str = "no_video";
    /// The file named is not in the torrent.
    pub const NO_SUCH_FILE: &str = "no_such_file";
    /// The disk is full.
    pub const DISK_FULL: &str = "disk_full";
    /// A file or folder cannot be read or written.
    pub const FILE_ACCESS: &str = "file_access";
    /// A setting that cannot be had; the message says which.
    pub const BAD_SETTINGS: &str = "bad_settings";
    /// Something over the network failed.
    pub const NETWORK: &str = "network";
    /// What should not happen.
    pub const INTERNAL: &str = "internal";
}

/// Why a command failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShellError {
    /// One of [`code`].
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// What the window needs at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// The app's version.
    pub version: String,
    /// The person's name on this computer, as a proposal.
    pub user_name: Option<String>,
}

/// Where the app itself hosts rooms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hosted {
    /// The relay's address for this window.
    pub relay: String,
    /// Its addresses for others, the best one first; empty where there is no network.
    pub share: Vec<String>,
}

/// A relay to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The relay's http(s) address.
    pub relay: String,
}

/// A message for the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomSend {
    /// The message as JSON text.
    pub json: String,
}

/// What happens to the connection to the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RoomEvent {
    /// It stands; nothing was sent over it yet.
    Up,
    /// It is gone, or an attempt failed; the shell goes on trying by itself.
    Down {
        /// For people.
        reason: String,
        /// Milliseconds until the next attempt.
        retry_ms: u64,
    },
    /// A message came.
    Message {
        /// The message as JSON text.
        json: String,
    },
}

/// What is to be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddRequest {
    /// The window's number for it, for [`Progress`] and for cancelling.
    pub op: u64,
    /// Where it is.
    pub source: Source,
}

/// Where media come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Source {
    /// A .torrent or a media file on this computer.
    Path {
        /// Its absolute path.
        path: String,
    },
    /// A magnet link, an info hash, or the address of a .torrent.
    Link {
        /// As it was pasted.
        text: String,
    },
}

/// A torrent that is now known to the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Added {
    /// Forty hexadecimal digits.
    pub info_hash: String,
    /// The torrent's name.
    pub name: String,
    /// A magnet link that is fit for a room: without addresses of this computer.
    pub torrent_id: String,
    /// Its files, in the torrent's order.
    pub files: Vec<FileSummary>,
    /// The indices of the files to put into a playlist, in playing order; never empty.
    pub chosen: Vec<usize>,
}

/// A file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSummary {
    /// Its path inside the torrent, `/` between the parts.
    pub path: String,
    /// Bytes.
    pub length: u64,
}

/// What is to be cancelled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRequest {
    /// The number of the request.
    pub op: u64,
}

/// A playlist item that is to be played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenRequest {
    /// The window's number for it.
    pub op: u64,
    /// The item's torrent id.
    pub torrent_id: String,
    /// The item's file; empty for the main video.
    pub filename: String,
}

/// A playlist item that a player can open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Opened {
    /// For the player alone: it holds a secret and never goes to a room.
    pub url: String,
    /// Forty hexadecimal digits.
    pub info_hash: String,
    /// The file's index in the torrent.
    pub file_index: usize,
    /// Bytes.
    pub length: u64,
    /// Its media type.
    pub mime: String,
    /// The torrent's videos, sounds and subtitles, itself among them, at most [`OPENED_FILES_MAX`].
    pub files: Vec<OpenedFile>,
}

/// A place that the player is about to go to: what it needs there is fetched before anything else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrimeRequest {
    /// Forty hexadecimal digits; of an item that was opened.
    pub info_hash: String,
    /// The file's index in the torrent.
    pub file_index: usize,
    /// Where, in seconds of film.
    pub seconds: f64,
}

/// The playlist item that comes next: what a player needs first of it is fetched while nothing else is needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrepareRequest {
    /// The window's number for it.
    pub op: u64,
    /// The item's torrent id.
    pub torrent_id: String,
    /// The item's file; empty for the main video.
    pub filename: String,
    /// Where it will begin, in seconds of film.
    pub seconds: f64,
}

/// Files of a torrent that the window is told of at most.
pub const OPENED_FILES_MAX: usize = 2_000;

/// A file that lies beside what is played.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedFile {
    /// Its index in the torrent.
    pub index: usize,
    /// Its path inside the torrent, `/` between the parts.
    pub path: String,
    /// Bytes.
    pub length: u64,
}

/// A subtitle file of this computer that is to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtitleRequest {
    /// Its absolute path.
    pub path: String,
}

/// How far a request is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The request's number.
    pub op: u64,
    /// What it does.
    pub phase: Phase,
    /// How much is done.
    pub done: u64,
    /// Out of how much; 0 where that is unknown.
    pub total: u64,
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// A file is read and hashed; in bytes.
    Hashing,
    /// Someone in the swarm is to send the torrent's description.
    Resolving,
    /// What is on the disk is checked; in bytes.
    Checking,
}

/// Something is dragged over the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum DropEvent {
    /// It hovers.
    Enter,
    /// It went away.
    Leave,
    /// It was dropped.
    Drop {
        /// Absolute paths.
        paths: Vec<String>,
    },
}

/// What the system asks the app to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Opening {
    /// An invitation to a room.
    Join {
        /// The link.
        link: String,
    },
    /// Something for the playlist.
    Add {
        /// Where it is.
        source: Source,
    },
    /// An argument that is neither; the window says so.
    Refused {
        /// For people.
        message: String,
    },
}
