//! What a room plays, in order. What may be done to it is decided in playsync's `Room`.

use crate::limits::{FILENAME_BYTES_MAX, INTEGER_MAX, PLAYLIST_BYTES_MAX, PLAYLIST_ITEMS_MAX, TITLE_CHARS_MAX};
use crate::{DecodeError, ErrorCode, Extra, ItemId, TorrentId, fields};
use serde::Serialize;
use std::ops::Deref;

/// A file's path inside a torrent, `/` between its parts, at most [`FILENAME_BYTES_MAX`] bytes. It may be empty: then
/// whoever plays the item picks the torrent's main video.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Filename(Box<str>);

impl Filename {
    /// Checks the text and wraps it.
    ///
    /// # Errors
    /// When it is too long or holds a NUL.
    pub fn new(text: &str) -> Result<Self, DecodeError> {
        if text.len() > FILENAME_BYTES_MAX {
            let message = format!("filename is longer than {FILENAME_BYTES_MAX} bytes");
            Err(DecodeError::new(ErrorCode::TooLong, message))
        } else if text.contains('\0') {
            Err(DecodeError::new(ErrorCode::BadField, "filename holds a NUL"))
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the last `/`.
    fn last_part(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

/// A title for people, at most [`TITLE_CHARS_MAX`] characters; longer ones are cut, for a title is only shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Title(Box<str>);

impl Title {
    /// The text without control characters, cut to the cap; nothing where nothing is left.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let visible: String = text.chars().filter(|c| !c.is_control()).collect();
        let cut: String = visible.trim().chars().take(TITLE_CHARS_MAX).collect();
        // Once more, so that a title reads back as itself where the cut fell behind a blank.
        let kept = cut.trim_end();
        (!kept.is_empty()).then(|| Self(kept.into()))
    }

    /// The title.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One entry of a playlist. `filename` and `torrent_id` are the web spec's; the rest are additions of ours.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaylistItem {
    /// Which file of the torrent.
    pub filename: Filename,
    /// Which torrent.
    pub torrent_id: TorrentId,
    /// The relay's name for this entry; none before the relay took it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<ItemId>,
    /// What to show for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Title>,
    /// The file's length in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// What others wrote into the entry.
    #[serde(flatten)]
    pub extra: Extra,
}

impl PlaylistItem {
    /// An entry with what the web spec asks for.
    #[must_use]
    pub fn new(filename: Filename, torrent_id: TorrentId) -> Self {
        Self { filename, torrent_id, item_id: None, title: None, length: None, extra: Extra::new() }
    }

    /// What to show: the title, else the file's name, else the torrent id.
    #[must_use]
    pub fn label(&self) -> &str {
        match (&self.title, self.filename.last_part()) {
            (Some(title), _) => title.as_str(),
            (None, "") => self.torrent_id.as_str(),
            (None, name) => name,
        }
    }

    /// Whether both name the same file of the same torrent.
    #[must_use]
    pub fn same_media(&self, other: &Self) -> bool {
        let same_torrent = match (self.torrent_id.info_hash(), other.torrent_id.info_hash()) {
            (Some(a), Some(b)) => a == b,
            _ => self.torrent_id == other.torrent_id,
        };
        same_torrent && self.filename == other.filename
    }

    /// Bytes of the entry as JSON as a member sends it: without an `itemId`.
    fn sent_bytes(&self) -> usize {
        fields::json_bytes(&Self { item_id: None, ..self.clone() })
    }

    /// Caps a length in bytes to what JSON holds exactly.
    #[must_use]
    pub fn with_length(mut self, bytes: u64) -> Self {
        self.length = Some(bytes.min(INTEGER_MAX));
        self
    }
}

/// A room's playlist: at most [`PLAYLIST_ITEMS_MAX`] entries and [`PLAYLIST_BYTES_MAX`] bytes as JSON. The head is what
/// plays.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Playlist(Vec<PlaylistItem>);

impl Playlist {
    /// Checks the caps and wraps the entries.
    ///
    /// # Errors
    /// [`ErrorCode::TooLong`] where a cap is exceeded.
    pub fn new(items: Vec<PlaylistItem>) -> Result<Self, DecodeError> {
        if items.len() > PLAYLIST_ITEMS_MAX {
            let message = format!("playlist has more than {PLAYLIST_ITEMS_MAX} items");
            return Err(DecodeError::new(ErrorCode::TooLong, message));
        }
        // Brackets and commas, beside the entries.
        let frame = items.len() + 1;
        if items.iter().map(PlaylistItem::sent_bytes).sum::<usize>() + frame > PLAYLIST_BYTES_MAX {
            let message = format!("playlist is larger than {PLAYLIST_BYTES_MAX} bytes");
            return Err(DecodeError::new(ErrorCode::TooLong, message));
        }
        Ok(Self(items))
    }

    /// The entry that plays.
    #[must_use]
    pub fn head(&self) -> Option<&PlaylistItem> {
        self.0.first()
    }

    /// The entries, for editing; [`Playlist::new`] checks them again.
    #[must_use]
    pub fn into_items(self) -> Vec<PlaylistItem> {
        self.0
    }
}

impl Deref for Playlist {
    type Target = [PlaylistItem];

    fn deref(&self) -> &[PlaylistItem] {
        &self.0
    }
}
