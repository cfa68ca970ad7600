//! What this client did and the relay has not taken yet.

use super::JUMP_S_MIN;
use crate::{MonoTime, anchor::Anchor};
use std::time::Duration;
use streamshare_protocol::{ActionId, Edit, EditOp, ItemId, Playlist, Set, Speed};

/// Which part of a course someone meant. A message always holds both (decision: a seek is a PLAY or PAUSE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// To play or to stand.
    State,
    /// A seek.
    Place,
    Both,
}

/// A play, pause or seek that was made while the connection was gone still counts when it is back within this time;
/// later the room has moved on.
const CONTROL_AGE_MAX: Duration = Duration::from_secs(5);

/// Whose doing a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The person's, or the player's, which starts or comes to its end.
    Own,
    /// It joins what the person meant with what someone else did just before. It is never joined itself: two clients'
    /// joined commands may cross, too, and would be answered by further ones for ever.
    Joined,
}

#[derive(Debug)]
enum Act {
    /// A course, the item that it is one through, which part of it is meant, and by whom.
    Control(Anchor, Option<ItemId>, Meant, Origin),
    Edit(EditOp),
    Set(Set),
}

#[derive(Debug)]
struct Waiting {
    id: ActionId,
    act: Act,
    since: MonoTime,
    /// Whether this device may have been suspended since, for nobody knows how long.
    slept: bool,
}

/// Something to send again after the connection came back.
pub(super) enum Again {
    Control(ActionId, Anchor, Option<ItemId>),
    Edit(Edit),
    Set(Set),
}

#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: Vec<Waiting>,
}

impl Pending {
    pub(super) fn push_control(
        &mut self,
        id: ActionId,
        (anchor, meant, origin): (Anchor, Meant, Origin),
        item: Option<ItemId>,
        now: MonoTime,
    ) {
        self.waiting.push(Waiting { id, act: Act::Control(anchor, item, meant, origin), since: now, slept: false });
    }

    pub(super) fn push_edit(&mut self, edit: &Edit, now: MonoTime) {
        self.waiting.push(Waiting { id: edit.action_id, act: Act::Edit(edit.op.clone()), since: now, slept: false });
    }

    pub(super) fn push_set(&mut self, set: &Set, now: MonoTime) {
        self.waiting.push(Waiting { id: set.action_id, act: Act::Set(set.clone()), since: now, slept: false });
    }

    /// This device was suspended, as it seems, and its clock may not have counted that: the room has moved on.
    pub(super) fn handle_suspend(&mut self) {
        for waiting in &mut self.waiting {
            waiting.slept = true;
        }
    }

    /// The room plays at another speed by now: what waits runs on at that.
    pub(super) fn set_speed(&mut self, speed: Speed, relay_ms: f64) {
        for waiting in &mut self.waiting {
            if let Act::Control(anchor, ..) = &mut waiting.act
                && anchor.speed != speed
            {
                *anchor = Anchor { speed, ..anchor.moved_to(relay_ms) };
            }
        }
    }

    /// The course that the person set last through this item, if the relay has not taken it yet.
    pub(super) fn anchor(&self, head: Option<ItemId>) -> Option<&Anchor> {
        self.waiting.iter().rev().find_map(|waiting| match &waiting.act {
            Act::Control(anchor, item, ..) if *item == head => Some(anchor),
            Act::Control(..) | Act::Edit(_) | Act::Set(_) => None,
        })
    }

    /// Someone else's course through this item came before what waits. What it changed and nobody here meant to undo
    /// stays: a seek does not stop what someone else has just started, a pause does not take back someone else's seek.
    /// Answers the course that both want together, where that is another one than what waits. A person's act makes two
    /// commands at most: where more of them cross, the last one in the room's order wins.
    pub(super) fn joined(
        &self,
        head: Option<ItemId>,
        (former, other): (&Anchor, &Anchor),
        relay_ms: f64,
    ) -> Option<(Anchor, Meant)> {
        let of_head = self.waiting.iter().filter_map(|waiting| match &waiting.act {
            Act::Control(anchor, item, meant, origin) if *item == head => Some((*anchor, *meant, *origin)),
            Act::Control(..) | Act::Edit(_) | Act::Set(_) => None,
        });
        let (own, meant, origin) = of_head.reduce(|(_, before, _), (own, meant, origin)| {
            (own, if before == meant { meant } else { Meant::Both }, origin)
        })?;
        if origin == Origin::Joined {
            return None;
        }
        let jumped = (other.position.seconds() - former.position(other.at_ms).seconds()).abs() > JUMP_S_MIN;
        let joined = match meant {
            Meant::Place if own.state != other.state => Anchor { state: other.state, ..own.moved_to(relay_ms) },
            Meant::State if jumped => Anchor { state: own.state, ..other.moved_to(relay_ms) },
            Meant::State | Meant::Place | Meant::Both => return None,
        };
        Some((joined, meant))
    }

    /// The relay took or refused an action; answers the course that it set, if it was one.
    pub(super) fn settle(&mut self, id: ActionId) -> Option<Anchor> {
        let at = self.waiting.iter().position(|waiting| waiting.id == id)?;
        match self.waiting.remove(at).act {
            Act::Control(anchor, ..) => Some(anchor),
            Act::Edit(_) | Act::Set(_) => None,
        }
    }

    /// Back in the room, whose playlist is this: what still counts, in the order in which it was done.
    /// A course counts from now on where it has got to by now.
    pub(super) fn again(&mut self, playlist: &Playlist, relay_ms: f64, now: MonoTime) -> Vec<Again> {
        for waiting in &mut self.waiting {
            if let Act::Control(anchor, ..) = &mut waiting.act {
                *anchor = anchor.moved_to(relay_ms);
            }
        }
        self.waiting.retain(|waiting| match &waiting.act {
            Act::Control(..) => now.since(waiting.since) < CONTROL_AGE_MAX && !waiting.slept,
            Act::Set(_) => true,
            // The relay may have taken it and only the answer was lost.
            Act::Edit(EditOp::Append { items }) => {
                !items.iter().all(|new| playlist.iter().any(|item| item.same_media(new)))
            }
            Act::Edit(EditOp::Remove { item_id } | EditOp::Move { item_id, .. } | EditOp::Next { item_id }) => {
                playlist.iter().any(|item| item.item_id == Some(*item_id))
            }
        });
        let again = |waiting: &Waiting| match &waiting.act {
            Act::Control(anchor, item, ..) => Again::Control(waiting.id, *anchor, *item),
            Act::Edit(op) => Again::Edit(Edit { action_id: waiting.id, op: op.clone() }),
            Act::Set(set) => Again::Set(set.clone()),
        };
        self.waiting.iter().map(again).collect()
    }

    /// The room was brought back as this client remembers it: its courses are in that.
    pub(super) fn forget_controls(&mut self) {
        self.waiting.retain(|waiting| !matches!(waiting.act, Act::Control(..)));
    }
}
