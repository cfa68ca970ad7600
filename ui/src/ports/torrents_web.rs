//! A browser without a torrent engine: links can be put into the playlist, for the desktops in the room to play.

use super::torrents::{AddEvent, OpenEvent, Operation, TorrentsPort, item_of_link};
use streamshare_ipc::Source;
use streamshare_protocol::PlaylistItem;
use yew::Callback;

pub(super) struct WebTorrents;

impl TorrentsPort for WebTorrents {
    fn add(&self, source: Source, on_event: Callback<AddEvent>) -> Operation {
        on_event.emit(match source {
            Source::Link { text } => match item_of_link(&text) {
                Ok(item) => AddEvent::Done(vec![item]),
                Err(reason) => AddEvent::Failed(reason),
            },
            Source::Path { .. } => AddEvent::Failed("A browser cannot share files of this computer.".to_owned()),
        });
        Operation::over()
    }

    fn open(&self, _item: &PlaylistItem, on_event: Callback<OpenEvent>) -> Operation {
        on_event.emit(OpenEvent::Unsupported);
        Operation::over()
    }
}
