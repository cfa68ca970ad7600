//! Edits of a playlist, and the ids of its items.

use streamshare_protocol::{DecodeError, EditOp, ErrorCode, ItemId, Playlist, PlaylistItem};

/// What came of an edit.
#[derive(Debug, PartialEq)]
pub(super) enum Edited {
    /// The playlist as it is now.
    Changed(Playlist),
    /// It was so already, or someone else was first.
    Unchanged,
}

/// Why an edit was refused.
#[derive(Debug, PartialEq)]
pub(super) struct Refused {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl From<DecodeError> for Refused {
    fn from(error: DecodeError) -> Self {
        Self { code: error.code(), message: error.message().to_owned() }
    }
}

/// Gives out item ids, each once in the life of a room.
#[derive(Debug)]
pub(super) struct ItemIds {
    next: ItemId,
}

impl ItemIds {
    pub(super) fn new() -> Self {
        Self { next: ItemId::FIRST }
    }

    fn give(&mut self) -> ItemId {
        let id = self.next;
        self.next = id.next();
        id
    }

    /// The playlist that one member announced, with ids: an entry that names an id we know and its media, or the same
    /// media without an id, is that entry; the rest are new.
    pub(super) fn adopt(&mut self, announced: Playlist, current: &Playlist) -> Result<Playlist, DecodeError> {
        let mut free: Vec<&PlaylistItem> = current.iter().collect();
        let mut items = announced.into_items();
        for by_id in [true, false] {
            for item in &mut items {
                let known = free.iter().position(|known| {
                    known.same_media(item) && if by_id { known.item_id == item.item_id } else { item.item_id.is_none() }
                });
                if let Some(at) = known {
                    let known = free.swap_remove(at);
                    item.item_id = known.item_id;
                    item.title = item.title.take().or_else(|| known.title.clone());
                    item.length = item.length.or(known.length);
                } else if by_id {
                    item.item_id = None;
                }
            }
        }
        for item in items.iter_mut().filter(|item| item.item_id.is_none()) {
            item.item_id = Some(self.give());
        }
        Playlist::new(items)
    }

    /// A playlist that a member brings back: its ids stay, as far as each stands there once.
    pub(super) fn restore(&mut self, remembered: Playlist) -> Result<Playlist, DecodeError> {
        let mut items = remembered.into_items();
        let mut seen = Vec::new();
        for item in &mut items {
            item.item_id = item.item_id.filter(|id| !seen.contains(id));
            seen.extend(item.item_id);
        }
        self.next = seen.iter().map(|id| id.next()).fold(self.next, ItemId::max);
        for item in items.iter_mut().filter(|item| item.item_id.is_none()) {
            item.item_id = Some(self.give());
        }
        Playlist::new(items)
    }

    pub(super) fn edit(&mut self, playlist: &Playlist, op: EditOp) -> Result<Edited, Refused> {
        let mut items = playlist.clone().into_items();
        let find = |items: &[PlaylistItem], id: ItemId| {
            let message = "That item is no longer in the playlist.".to_owned();
            let at = items.iter().position(|item| item.item_id == Some(id));
            at.ok_or(Refused { code: ErrorCode::NoSuchItem, message })
        };
        match op {
            EditOp::Append { items: new } => {
                for mut item in new.into_items() {
                    item.item_id = Some(self.give());
                    items.push(item);
                }
            }
            EditOp::Remove { item_id } => {
                let at = find(&items, item_id)?;
                items.remove(at);
            }
            EditOp::Move { item_id, to } => {
                let at = find(&items, item_id)?;
                let item = items.remove(at);
                items.insert(usize::try_from(to).unwrap_or(usize::MAX).min(items.len()), item);
            }
            EditOp::Next { item_id } => {
                if items.first().and_then(|head| head.item_id) == Some(item_id) {
                    items.remove(0);
                }
            }
        }
        if items[..] == playlist[..] {
            return Ok(Edited::Unchanged);
        }
        Ok(Edited::Changed(Playlist::new(items)?))
    }
}
