//! What will be needed soon: where the item that is on begins, and the item that comes after it.

use crate::ports::torrents::{Operation, TorrentsPort};
use std::cell::{Cell, RefCell};
use streamshare_playsync::{LinkState, View};
use streamshare_protocol::{ItemId, MediaTime};

/// The last seconds of an item in which the next one is prepared: a magnet's metadata may take minutes to be found.
const LAST_S: f64 = 180.0;

/// What will be needed soon.
#[derive(Debug, Default)]
pub(crate) struct Next {
    /// Where an item begins that was left somewhere.
    begin: Cell<Option<(ItemId, MediaTime)>>,
    /// The item that is prepared.
    prepared: RefCell<Option<(ItemId, Operation)>>,
}

impl Next {
    /// The item that is on will begin somewhere else than the room says.
    pub(crate) fn set_begin(&self, head: Option<ItemId>, at: MediaTime) {
        self.begin.set(head.map(|head| (head, at)));
    }

    /// Where the item that is on begins.
    pub(crate) fn begins(&self, room: &View) -> MediaTime {
        let head = room.playlist.head().and_then(|item| item.item_id);
        self.begin.get().filter(|(item, _)| Some(*item) == head).map_or(room.position, |(_, at)| at)
    }

    /// Looks at the room: in the last minutes of an item the next one is prepared, once. Cheap to call again and again.
    pub(crate) fn look(&self, room: &View, torrents: &dyn TorrentsPort) {
        if room.link != LinkState::Joined {
            return;
        }
        let next = room.playlist.get(1).and_then(|item| Some((item, item.item_id?)));
        let Some((item, id)) = next.filter(|_| is_ending(room)) else {
            // It was put elsewhere, or the room went back.
            self.prepared.take();
            return;
        };
        if self.prepared.borrow().as_ref().is_some_and(|(prepared, _)| *prepared == id) {
            return;
        }
        // The one before is cancelled first.
        self.prepared.take();
        let operation = torrents.prepare(item, MediaTime::ZERO);
        self.prepared.replace(Some((id, operation)));
    }
}

/// Whether the item that is on ends soon.
fn is_ending(room: &View) -> bool {
    room.duration.is_some_and(|duration| duration.seconds() - room.position.seconds() <= LAST_S)
}
