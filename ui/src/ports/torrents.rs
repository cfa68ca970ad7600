//! Torrents: from what a person has to playlist items, and from playlist items to what a player can open.

use super::bytes::Bytes;
use super::{torrents_tauri::TauriTorrents, torrents_web::WebTorrents};
use crate::{format, ipc};
use std::fmt;
use std::rc::Rc;
use streamshare_ipc::{Added, Opened, OpenedFile, Progress, Source, TorrentStats};
use streamshare_media::{FileKind, natural_order};
use streamshare_protocol::{Filename, MediaTime, Playlist, PlaylistItem, Title, TorrentId, TorrentIdKind};
use yew::Callback;

/// What becomes of an addition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum AddEvent {
    /// It goes on.
    Progress(Progress),
    /// These items belong into the playlist. The last event.
    Done(Vec<PlaylistItem>),
    /// It failed; the reason is for people. The last event.
    Failed(String),
}

/// What becomes of an item that is to be played.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum OpenEvent {
    /// It goes on.
    Progress(Progress),
    /// The player can have it. The last event.
    Ready(Opened),
    /// It failed; the reason is for people. The last event.
    Failed(String),
    /// This kind of client plays no video. The last event.
    Unsupported,
}

/// An operation under way; dropping it cancels it, and no event comes any more.
pub(crate) struct Operation {
    cancel: Option<Box<dyn FnOnce()>>,
}

impl Operation {
    /// An operation that ends by running `cancel`.
    pub(super) fn new(cancel: impl FnOnce() + 'static) -> Self {
        Self { cancel: Some(Box::new(cancel)) }
    }

    /// One that is over already.
    pub(super) fn over() -> Self {
        Self { cancel: None }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Some(cancel) = self.cancel.take() {
            cancel();
        }
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operation")
    }
}

/// The torrent engine as the window sees it.
pub(crate) trait TorrentsPort {
    /// Finds out what a source holds.
    fn add(&self, source: Source, on_event: Callback<AddEvent>) -> Operation;
    /// Makes an item playable. Events may come before this returns.
    fn open(&self, item: &PlaylistItem, on_event: Callback<OpenEvent>) -> Operation;
    /// The player is about to go to a place of what was opened. Browsers fetch in the order in which it reads by themselves.
    fn prime(&self, _info_hash: &str, _file_index: usize, _at: MediaTime) {}
    /// This item comes next, from a place on: what a player needs first is fetched while nothing else is needed.
    fn prepare(&self, _item: &PlaylistItem, _at: MediaTime) -> Operation {
        Operation::over()
    }
    /// The address for the player of what was opened.
    fn player_url(&self, opened: &Opened) -> String {
        opened.url.clone()
    }
    /// The bytes of a file of an item's torrent: of itself, or of one beside it.
    fn bytes(&self, opened: &Opened, file: &OpenedFile) -> Option<Rc<dyn Bytes>>;
    /// The person enters the room of a relay, or leaves for no other one. The desktop's shell knows by itself.
    fn enter(&self, _relay: &str) {}
    /// The connection to the relay stands again.
    fn link_up(&self) {}
    /// The room's playlist; what is no longer in it need not be kept. Cheap to call again and again.
    fn keep(&self, _playlist: &Playlist) {}
}

/// The engine of this client. In a browser `on_stats` hears how the torrents are doing; the desktop's shell tells it.
pub(crate) fn create(on_stats: Callback<Vec<TorrentStats>>) -> Rc<dyn TorrentsPort> {
    if ipc::available() { Rc::new(TauriTorrents::new()) } else { Rc::new(WebTorrents::new(on_stats)) }
}

/// The playlist items for the files that the engine chose.
pub(super) fn items_of(added: &Added) -> Result<Vec<PlaylistItem>, String> {
    let torrent_id = TorrentId::new(&added.torrent_id).map_err(|e| e.to_string())?;
    let files = added.chosen.iter().filter_map(|index| added.files.get(*index));
    let item = |file: &streamshare_ipc::FileSummary| {
        let filename = Filename::new(&file.path).map_err(|e| e.to_string())?;
        // A torrent's name says more than the name of its only video, which is often `movie.mkv`.
        let alone = added.chosen.len() == 1 && added.files.len() > 1;
        let name = if alone && !added.name.trim().is_empty() { &added.name } else { &file.path };
        let mut item = PlaylistItem::new(filename, torrent_id.clone()).with_length(file.length);
        item.title = Title::new(&format::title(name));
        Ok(item)
    };
    files.map(item).collect()
}

/// Playlist items for the other files of an item's torrent that can be played.
pub(crate) fn items_beside(item: &PlaylistItem, opened: &Opened) -> Vec<PlaylistItem> {
    let is_media = |file: &&OpenedFile| matches!(FileKind::of(&file.path), FileKind::Video | FileKind::Audio);
    let others = opened.files.iter().filter(is_media).filter(|file| file.index != opened.file_index);
    let item = |file: &OpenedFile| {
        let mut other =
            PlaylistItem::new(Filename::new(&file.path).ok()?, item.torrent_id.clone()).with_length(file.length);
        other.title = Title::new(&format::title(&file.path));
        Some(other)
    };
    let mut items: Vec<_> = others.filter_map(item).collect();
    items.sort_by(|a, b| natural_order(a.filename.as_str(), b.filename.as_str()));
    items
}

/// The playlist item for a link that nobody has looked into: whoever plays it picks the main video.
pub(super) fn item_of_link(text: &str) -> Result<PlaylistItem, String> {
    let text = text.trim();
    let torrent_id = TorrentId::new(text).map_err(|_| {
        "This is neither a magnet link, nor an info hash, nor the address of a .torrent file.".to_owned()
    })?;
    let filename = Filename::new("").map_err(|e| e.to_string())?;
    let mut item = PlaylistItem::new(filename, torrent_id);
    item.title = Title::new(&link_label(text));
    Ok(item)
}

/// What to call a link before more is known of it: a magnet link's name, an address's file, the start of an info hash.
pub(crate) fn link_label(text: &str) -> String {
    let decode = |part: &str| {
        let blanks = part.replace('+', " ");
        percent_encoding::percent_decode_str(&blanks).decode_utf8_lossy().into_owned()
    };
    let named = match TorrentId::new(text).map(|id| id.kind()) {
        Ok(TorrentIdKind::Magnet(_)) => {
            let pairs = text.split(['?', '&']).filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| key.eq_ignore_ascii_case("dn")).map(|(_, value)| decode(value)).next()
        }
        Ok(TorrentIdKind::Web) => {
            let path = text.split(['?', '#']).next().unwrap_or_default();
            path.rsplit('/').next().map(decode)
        }
        Ok(TorrentIdKind::InfoHash(_)) | Err(_) => None,
    };
    match named.map(|name| format::title(&name)).filter(|name| !name.trim().is_empty()) {
        Some(name) => name,
        None => match TorrentId::new(text).ok().and_then(|id| id.info_hash()) {
            Some(hash) => format!("Torrent {}", hash.to_string().get(..8).unwrap_or_default()),
            None => text.chars().take(60).collect(),
        },
    }
}

/// What to call a source before more is known of it.
pub(crate) fn source_label(source: &Source) -> String {
    match source {
        // Not the title that it would have in a playlist: the person should know the file again.
        Source::Path { path } => path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned(),
        Source::Link { text } => link_label(text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamshare_ipc::FileSummary;

    const HASH: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";

    fn added(name: &str, files: &[&str], chosen: &[usize]) -> Added {
        let files = files.iter().map(|path| FileSummary { path: (*path).to_owned(), length: 7 }).collect();
        let torrent_id = format!("magnet:?xt=urn:btih:{HASH}");
        Added { info_hash: HASH.to_owned(), name: name.to_owned(), torrent_id, files, chosen: chosen.to_vec() }
    }

    fn titles(added: &Added) -> Vec<String> {
        let items = items_of(added).expect("legal items");
        assert!(items.iter().all(|item| item.length == Some(7)));
        items.iter().map(|item| item.label().to_owned()).collect()
    }

    #[test]
    fn items_are_named_after_what_says_most() {
        assert_eq!(titles(&added("Sintel.2010", &["poster.jpg", "movie.mkv"], &[1])), ["Sintel 2010"]);
        assert_eq!(titles(&added("Show", &["Show/01_One.mkv", "Show/02_Two.mkv"], &[0, 1])), ["01 One", "02 Two"]);
        assert_eq!(titles(&added("clip.mp4", &["clip.mp4"], &[0])), ["clip"]);
    }

    #[test]
    fn an_address_of_this_computer_is_no_item() {
        let mut local = added("x", &["x.mp4"], &[0]);
        local.torrent_id = "http://127.0.0.1/x.torrent".to_owned();
        assert!(items_of(&local).is_err());
    }

    #[test]
    fn links_without_metadata() {
        let label = |text: &str| item_of_link(text).map(|item| item.label().to_owned());
        assert_eq!(
            label(&format!(" magnet:?xt=urn:btih:{HASH}&dn=Big+Buck%20Bunny.mp4 ")).as_deref(),
            Ok("Big Buck Bunny")
        );
        assert_eq!(label(HASH).as_deref(), Ok("Torrent dd8255ec"));
        assert_eq!(label("https://example.org/t/Sintel.torrent?x=1").as_deref(), Ok("Sintel"));
        assert!(label("a film").is_err());
    }
}
