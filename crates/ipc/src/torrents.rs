//! How torrents are doing, what is done to them, and what they may use up.

use serde::{Deserialize, Serialize};

/// How a torrent is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TorrentStats {
    /// Forty hexadecimal digits.
    pub info_hash: String,
    /// What it is called.
    pub name: String,
    /// What it does.
    pub state: TorrentState,
    /// Bytes on the disk.
    pub have_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
    /// Bytes a second from others.
    pub download_bps: u64,
    /// Bytes a second to others.
    pub upload_bps: u64,
    /// Peers that it exchanges with, by how they are connected.
    pub peers: Peers,
    /// Peers that it knows of.
    pub known_peers: u32,
    /// Whom the trackers of WebRTC peers count, this one included; none where no such tracker is connected.
    #[serde(default)]
    pub counted: Option<Counted>,
    /// Bytes to others since it was first added.
    pub uploaded_bytes: u64,
    /// Bytes that its files take up on the disk.
    pub disk_bytes: u64,
    /// Whether its files stay.
    pub keeping: Keeping,
    /// What is there of the files that were opened, by their indices.
    pub ready: Vec<Ready>,
    /// What stopped it, for people.
    pub error: Option<String>,
}

/// The peers of a torrent that trackers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Those that have everything.
    pub seeders: u64,
    /// Those that have not.
    pub leechers: u64,
}

/// Whether a torrent's files stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Keeping {
    /// They are the person's own: never changed, never deleted.
    Own,
    /// They stay until the person deletes them.
    Kept,
    /// They make room for others when the cache is full.
    #[default]
    Cached,
}

/// What is there of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// The file's index in its torrent.
    pub file_index: usize,
    /// Its length in bytes.
    pub length: u64,
    /// The ranges of bytes that are there, in order, each with its end excluded.
    pub spans: Vec<(u64, u64)>,
    /// Bytes that have to come before a player can show something: the index, and the first seconds from where it begins. Nothing where
    /// that is not known.
    #[serde(default)]
    pub missing_to_start: Option<u64>,
}

/// Something to be done to torrents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActRequest {
    /// Forty hexadecimal digits; nothing for all torrents, which [`Act::Pause`] and [`Act::Resume`] can be done to.
    pub info_hash: Option<String>,
    /// What.
    pub act: Act,
}

/// What can be done to a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Act {
    /// It exchanges nothing until it is resumed.
    Pause,
    /// It goes on, also where it has given enough.
    Resume,
    /// Its files stay.
    Keep,
    /// Its files may make room for others.
    Release,
    /// It is forgotten and what was downloaded is deleted; never files of the person's own.
    Delete,
}

/// What the person lets the app use up. Nothing where a limit is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Bytes a second to others.
    pub upload_bps: Option<u32>,
    /// Bytes a second from others.
    pub download_bps: Option<u32>,
    /// Peers a torrent. Holds from the next start of the app on.
    pub peers: Option<u32>,
    /// A download pauses when it has given so many times its size.
    pub seed_ratio: Option<f64>,
    /// A download pauses when it was complete and given to others for so many minutes.
    pub seed_minutes: Option<u32>,
    /// Bytes that downloads may take up which are not kept, 0 for as many as they like. Nothing: what suits the disk.
    pub cache_bytes: Option<u64>,
}

/// The settings that the window shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsView {
    /// As the person set them.
    pub limits: LimitSettings,
    /// The bytes of the cache where the person set none.
    pub cache_default: u64,
    /// Where films go.
    pub download_folder: String,
}

/// Peers by how they are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peers {
    /// TCP.
    pub tcp: u32,
    /// uTP.
    pub utp: u32,
    /// WebRTC: browsers, and desktops that were met as browsers are.
    pub webrtc: u32,
}

impl Peers {
    /// All of them.
    #[must_use]
    pub fn total(self) -> u32 {
        self.tcp.saturating_add(self.utp).saturating_add(self.webrtc)
    }
}

/// What a torrent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TorrentState {
    /// The disk is checked.
    Checking,
    /// Pieces arrive.
    Downloading,
    /// All is there; others may have it.
    Seeding,
    /// It stands.
    Paused,
    /// It failed.
    Failed,
}
