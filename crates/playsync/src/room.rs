//! The room: what it agreed on, who is in it, and what to tell whom.

use crate::RelayTime;
use streamshare_protocol::{ClientMessage, Epoch, MemberId, Name, RelayMessage, ResumeKey};

/// How much a message matters to a member that reads slowly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// May be dropped: a newer one follows soon.
    Droppable,
    /// Where it cannot be delivered, the member needs [`Room::handle_lagging`] once it reads again.
    Required,
}

/// A message and who gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomOutput {
    /// The receivers; never empty.
    pub to: Vec<MemberId>,
    /// What they get.
    pub message: RelayMessage,
    /// What may happen to it.
    pub delivery: Delivery,
}

/// A member that entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its id; with a known resume key the one that it had.
    pub member: MemberId,
    /// Whether it took its former place, so that its former connection is to be forgotten.
    pub resumed: bool,
}

/// Why a member could not enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The room has [`streamshare_protocol::limits::MEMBERS_MAX`] members.
    #[error("The room is full.")]
    Full,
}

/// One room, in the order in which its relay takes what members send.
#[derive(Debug)]
pub struct Room {}

impl Room {
    /// An empty room: nothing in its playlist, paused at the start.
    #[must_use]
    pub fn new(epoch: Epoch, now: RelayTime) -> Self {
        let _ = (epoch, now);
        Self {}
    }

    /// A member enters; HELLOs go to it and to everyone.
    ///
    /// # Errors
    /// When the room is full.
    pub fn handle_join(&mut self, name: Name, resume_key: Option<ResumeKey>, now: RelayTime) -> Result<Joined, JoinError> {
        let _ = (name, resume_key, now);
        Err(JoinError::Full)
    }

    /// A member sent something. A `Join` of a member that is in already changes its name.
    pub fn handle_message(&mut self, member: MemberId, message: ClientMessage, now: RelayTime) {
        let _ = (member, message, now);
    }

    /// A member's messages were dropped because it read too slowly: it gets the whole state anew.
    pub fn handle_lagging(&mut self, member: MemberId, now: RelayTime) {
        let _ = (member, now);
    }

    /// A member is gone. In an empty room, playback stands until someone enters.
    pub fn handle_leave(&mut self, member: MemberId, now: RelayTime) {
        let _ = (member, now);
    }

    /// What is to be sent next. Drain it after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<RoomOutput> {
        None
    }

    /// How many members are in.
    #[must_use]
    pub fn member_count(&self) -> usize {
        0
    }
}
