//! The desktop's torrent engine, behind the shell.

use super::bytes::{Bytes, HttpBytes};
use super::torrents::{AddEvent, OpenEvent, Operation, TorrentsPort, items_of};
use crate::ipc;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use streamshare_ipc::{
    AddRequest, Added, CancelRequest, OpenRequest, Opened, OpenedFile, PrepareRequest, PrimeRequest, Progress,
    ShellError, Source, command, event,
};
use streamshare_protocol::{MediaTime, PlaylistItem};
use wasm_bindgen_futures::spawn_local;
use yew::Callback;

/// Who hears of an operation, by its number; who is not in is no longer interested.
type Hearers = Rc<RefCell<BTreeMap<u64, Callback<Progress>>>>;

pub(super) struct TauriTorrents {
    hearers: Hearers,
    next_op: Cell<u64>,
    _listener: ipc::Listener,
}

impl TauriTorrents {
    pub(super) fn new() -> Self {
        let hearers = Hearers::default();
        let heard = Rc::clone(&hearers);
        let listener = ipc::Listener::new(event::PROGRESS, move |progress: Progress| {
            let hearer = heard.borrow().get(&progress.op).cloned();
            if let Some(hearer) = hearer {
                hearer.emit(progress);
            }
        });
        Self { hearers, next_op: Cell::new(1), _listener: listener }
    }

    /// Numbers an operation and lets its progress be heard.
    fn begin(&self, on_progress: Callback<Progress>) -> u64 {
        let op = self.next_op.replace(self.next_op.get() + 1);
        self.hearers.borrow_mut().insert(op, on_progress);
        op
    }

    /// The guard of an operation. Its end is told by the shell's answer, so the call itself is never dropped.
    fn operation(&self, op: u64) -> Operation {
        let hearers = Rc::clone(&self.hearers);
        Operation::new(move || {
            if hearers.borrow_mut().remove(&op).is_some() {
                spawn_local(async move {
                    // The shell may have finished meanwhile; then there is nothing to cancel.
                    let _ = ipc::call::<_, ()>(command::TORRENT_CANCEL, &CancelRequest { op }).await;
                });
            }
        })
    }
}

/// Says that an operation is over; false where nobody is interested any more.
fn ends(hearers: &Hearers, op: u64) -> bool {
    hearers.borrow_mut().remove(&op).is_some()
}

impl TorrentsPort for TauriTorrents {
    fn add(&self, source: Source, on_event: Callback<AddEvent>) -> Operation {
        let op = self.begin(on_event.reform(AddEvent::Progress));
        let hearers = Rc::clone(&self.hearers);
        spawn_local(async move {
            let answer = ipc::call::<_, Added>(command::TORRENT_ADD, &AddRequest { op, source }).await;
            if ends(&hearers, op) {
                on_event.emit(match answer.map_err(message).and_then(|added| items_of(&added)) {
                    Ok(items) => AddEvent::Done(items),
                    Err(reason) => AddEvent::Failed(reason),
                });
            }
        });
        self.operation(op)
    }

    fn player_url(&self, opened: &Opened) -> String {
        // The engine hides from it what makes WebKitGTK fail.
        format!("{}?player", opened.url)
    }

    fn bytes(&self, opened: &Opened, file: &OpenedFile) -> Option<Rc<dyn Bytes>> {
        let url = (file.index == opened.file_index).then_some(opened.url.as_str());
        let op = self.next_op.replace(self.next_op.get() + 1);
        Some(Rc::new(HttpBytes::new(url, &opened.info_hash, &file.path, op)))
    }

    fn prime(&self, info_hash: &str, file_index: usize, at: MediaTime) {
        let request = PrimeRequest { info_hash: info_hash.to_owned(), file_index, seconds: at.seconds() };
        spawn_local(async move {
            // Without it the player finds its way by itself.
            let _ = ipc::call::<_, ()>(command::TORRENT_PRIME, &request).await;
        });
    }

    fn prepare(&self, item: &PlaylistItem, at: MediaTime) -> Operation {
        let op = self.begin(Callback::noop());
        let torrent_id = item.torrent_id.as_str().to_owned();
        let request =
            PrepareRequest { op, torrent_id, filename: item.filename.as_str().to_owned(), seconds: at.seconds() };
        let hearers = Rc::clone(&self.hearers);
        spawn_local(async move {
            // Why it cannot be had is told when it is opened.
            let _ = ipc::call::<_, ()>(command::TORRENT_PREPARE, &request).await;
            ends(&hearers, op);
        });
        self.operation(op)
    }

    fn open(&self, item: &PlaylistItem, on_event: Callback<OpenEvent>) -> Operation {
        let op = self.begin(on_event.reform(OpenEvent::Progress));
        let torrent_id = item.torrent_id.as_str().to_owned();
        let request = OpenRequest { op, torrent_id, filename: item.filename.as_str().to_owned() };
        let hearers = Rc::clone(&self.hearers);
        spawn_local(async move {
            let answer = ipc::call::<_, Opened>(command::TORRENT_OPEN, &request).await;
            if ends(&hearers, op) {
                on_event.emit(match answer {
                    Ok(opened) => OpenEvent::Ready(opened),
                    Err(error) => OpenEvent::Failed(message(error)),
                });
            }
        });
        self.operation(op)
    }
}

fn message(error: ShellError) -> String {
    error.message
}
