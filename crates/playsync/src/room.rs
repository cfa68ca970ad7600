//! The room: what it agreed on, who is in it, and what to tell whom.

mod edit;

use crate::{RelayTime, anchor::Anchor};
use edit::{Edited, ItemIds};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use streamshare_protocol::{
    ActionId, ClientHello, ClientMessage, Control, Edit, Epoch, ErrorCode, MemberId, Name, Order, PlaybackState,
    Playlist, RelayHello, RelayMessage, Restores, ResumeKey, Set, Speed, StallPolicy, Status, User,
    limits::MEMBERS_MAX,
};

/// How long a message to a member may be under way, at the most, while one of its own commands crosses it. Longer than
/// any connection that the relay still believes in stays silent (ping interval and timeout, 10 s in all).
const CROSSING_MAX: Duration = Duration::from_secs(10);

/// A HELLO of a member that edits the playlist carries a status, too, which is as old as the way to the relay. Below
/// this many seconds of difference it is not meant as a seek.
const HELLO_SEEK_S_MIN: f64 = 1.0;

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

#[derive(Debug)]
struct Member {
    name: Name,
    resume_key: Option<ResumeKey>,
    /// When it was last sent something that may change its playback.
    told_at: RelayTime,
}

/// What was brought back into a room that began anew.
#[derive(Debug)]
struct Restored {
    from: Restores,
    /// The room's order right after it: once that moved on, nothing more is brought back.
    order: Order,
}

/// One room, in the order in which its relay takes what members send.
#[derive(Debug)]
pub struct Room {
    epoch: Epoch,
    order: Order,
    members: BTreeMap<MemberId, Member>,
    next_member: MemberId,
    item_ids: ItemIds,
    playlist: Playlist,
    anchor: Anchor,
    stall_policy: StallPolicy,
    /// Set while nobody is in: playback stands.
    empty: bool,
    /// Set from when the room was last empty until someone acts: whoever was cut off with everyone else may tell where
    /// they all are by now.
    unattended: bool,
    restored: Option<Restored>,
    /// Whether anyone changed the playlist in this incarnation: then what was before it stays past.
    listed: bool,
    outputs: VecDeque<RoomOutput>,
}

impl Room {
    /// An empty room: nothing in its playlist, paused at the start.
    #[must_use]
    pub fn new(epoch: Epoch, now: RelayTime) -> Self {
        Self {
            epoch,
            order: Order::FIRST,
            members: BTreeMap::new(),
            next_member: MemberId::FIRST,
            item_ids: ItemIds::new(),
            playlist: Playlist::default(),
            anchor: Anchor::idle(ms(now), Speed::NORMAL),
            stall_policy: StallPolicy::default(),
            empty: true,
            unattended: false,
            restored: None,
            listed: false,
            outputs: VecDeque::new(),
        }
    }

    /// A member enters; HELLOs go to it and to everyone.
    ///
    /// # Errors
    /// When the room is full.
    pub fn handle_join(
        &mut self,
        name: Name,
        resume_key: Option<ResumeKey>,
        now: RelayTime,
    ) -> Result<Joined, JoinError> {
        let former = self.members.iter().find(|(_, m)| m.resume_key.is_some() && m.resume_key == resume_key);
        let former = former.map(|(id, _)| *id);
        if former.is_none() && self.members.len() >= MEMBERS_MAX {
            return Err(JoinError::Full);
        }
        if self.empty {
            self.empty = false;
            self.anchor.at_ms = ms(now);
        }
        let member = former.unwrap_or_else(|| {
            let id = self.next_member;
            self.next_member = id.next();
            id
        });
        self.members.insert(member, Member { name, resume_key, told_at: now });
        self.hello_to_all(now);
        Ok(Joined { member, resumed: former.is_some() })
    }

    /// A member sent something. A `Join` of a member that is in already changes its name.
    pub fn handle_message(&mut self, member: MemberId, message: ClientMessage, now: RelayTime) {
        if !self.members.contains_key(&member) {
            return;
        }
        match message {
            ClientMessage::Join(join) => {
                if let Some(known) = self.members.get_mut(&member) {
                    known.name = join.name;
                    known.resume_key = join.resume_key.or_else(|| known.resume_key.take());
                }
                self.hello_to_all(now);
            }
            ClientMessage::Hello(hello) => self.handle_hello(member, hello, now),
            ClientMessage::Play(control) => self.handle_control(member, PlaybackState::Playing, control, now),
            ClientMessage::Pause(control) => self.handle_control(member, PlaybackState::Paused, control, now),
            ClientMessage::Sync(report) => {
                let message = RelayMessage::Sync { user_id: member, report };
                self.send(self.others(member), message, Delivery::Droppable);
            }
            ClientMessage::Edit(edit) => self.handle_edit(member, edit, now),
            ClientMessage::Set(set) => self.handle_set(member, &set, now),
            ClientMessage::Ping { id } => {
                let message = RelayMessage::Pong { id, relay_time: now.unix_ms() };
                self.send(vec![member], message, Delivery::Droppable);
            }
        }
    }

    /// A member's messages were dropped because it read too slowly: it gets the whole state anew.
    pub fn handle_lagging(&mut self, member: MemberId, now: RelayTime) {
        if self.members.contains_key(&member) {
            self.hello(member, now);
        }
    }

    /// A member is gone. In an empty room, playback stands until someone enters.
    pub fn handle_leave(&mut self, member: MemberId, now: RelayTime) {
        if self.members.remove(&member).is_none() {
            return;
        }
        if self.members.is_empty() {
            self.anchor = self.anchor.moved_to(ms(now));
            self.empty = true;
            self.unattended = true;
        } else {
            self.hello_to_all(now);
        }
    }

    /// When [`Room::handle_timeout`] is due, if nothing else comes before. May change with every `handle_*`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<RelayTime> {
        None
    }

    /// The time of [`Room::poll_timeout`] has come; earlier and later calls do no harm.
    pub fn handle_timeout(&mut self, _now: RelayTime) {}

    /// What is to be sent next. Drain it after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<RoomOutput> {
        self.outputs.pop_front()
    }

    /// How many members are in.
    #[must_use]
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    fn handle_control(&mut self, member: MemberId, state: PlaybackState, control: Control, now: RelayTime) {
        if control.item_id.is_some() && control.item_id != head_id(&self.playlist) {
            let message = "Another item plays by now.";
            return self.refuse(member, ErrorCode::NoSuchItem, message, control.action_id);
        }
        self.anchor = Anchor { position: control.current_time, at_ms: ms(now), state, ..self.anchor };
        self.changed();
        let others = self.others(member);
        self.told(&others, now);
        let (order, relay_time) = (Some(self.order), Some(now.unix_ms()));
        let action_id = control.action_id;
        let message = match state {
            PlaybackState::Playing => RelayMessage::Play { user_id: member, control, order, relay_time },
            PlaybackState::Paused => RelayMessage::Pause { user_id: member, control, order, relay_time },
        };
        self.send(others, message, Delivery::Required);
        match action_id {
            Some(action_id) => self.taken(member, action_id, now),
            // A plain peer cannot know whether something that it was sent came before or after its own command in the
            // room's order. Where that may have happened, it is told the outcome.
            None if self.may_cross(member, now) => self.hello(member, now),
            None => {}
        }
    }

    fn handle_hello(&mut self, member: MemberId, hello: ClientHello, now: RelayTime) {
        if let Some(from) = hello.restores.clone() {
            return self.handle_restore(member, from, hello, now);
        }
        let playlist = match self.item_ids.adopt(hello.playlist, &self.playlist) {
            Ok(playlist) => playlist,
            Err(error) => return self.refuse(member, error.code(), error.message(), None),
        };
        let announced = self.announced(hello.status, hello.speed, now);
        let jump_s = announced.position.seconds() - self.anchor.position(ms(now)).seconds();
        let same_head = head_id(&playlist) == head_id(&self.playlist);
        let moved = !same_head || announced.state != self.anchor.state || jump_s.abs() >= HELLO_SEEK_S_MIN;
        let policy = hello.stall_policy.unwrap_or(self.stall_policy);
        let same_pace = announced.speed == self.anchor.speed && policy == self.stall_policy;
        if !moved && playlist == self.playlist && same_pace {
            return;
        }
        let anchor = self.anchor.moved_to(ms(now));
        self.anchor = if moved { announced } else { Anchor { speed: announced.speed, ..anchor } };
        self.stall_policy = policy;
        self.listed |= playlist != self.playlist;
        self.playlist = playlist;
        self.changed();
        self.hello_to_all(now);
    }

    /// The members are the memory of a room that its relay lost: the latest state that one of them saw comes back, as
    /// long as nobody has acted anew.
    fn handle_restore(&mut self, member: MemberId, from: Restores, hello: ClientHello, now: RelayTime) {
        let wanted = match &self.restored {
            Some(before) => {
                before.order == self.order && before.from.epoch == from.epoch && before.from.order < from.order
            }
            None if from.epoch == self.epoch => self.unattended && from.order == self.order && self.members.len() == 1,
            None => !self.listed,
        };
        let announced = self.announced(hello.status, hello.speed, now);
        let playlist = if wanted { self.item_ids.restore(hello.playlist).ok() } else { None };
        let Some(playlist) = playlist else {
            return self.hello(member, now);
        };
        self.playlist = playlist;
        self.stall_policy = hello.stall_policy.unwrap_or(self.stall_policy);
        // Whoever pressed play or pause since, in a room that knew no playlist yet, knew better where to.
        let acted = self.restored.is_none() && from.epoch != self.epoch && self.order != Order::FIRST;
        if !acted {
            self.anchor = announced;
        }
        let another = from.epoch != self.epoch;
        self.changed();
        if another {
            self.restored = Some(Restored { from, order: self.order });
        }
        self.hello_to_all(now);
    }

    /// The course that a HELLO of a member tells of.
    fn announced(&self, status: Status, speed: Option<Speed>, now: RelayTime) -> Anchor {
        let speed = speed.unwrap_or(self.anchor.speed);
        Anchor { position: status.current_time, at_ms: ms(now), state: status.state, speed }
    }

    fn handle_set(&mut self, member: MemberId, set: &Set, now: RelayTime) {
        let speed = set.speed.unwrap_or(self.anchor.speed);
        let policy = set.stall_policy.unwrap_or(self.stall_policy);
        if speed != self.anchor.speed || policy != self.stall_policy {
            self.anchor = Anchor { speed, ..self.anchor.moved_to(ms(now)) };
            self.stall_policy = policy;
            self.changed();
            self.hello_to_all(now);
        }
        self.taken(member, set.action_id, now);
    }

    fn handle_edit(&mut self, member: MemberId, edit: Edit, now: RelayTime) {
        match self.item_ids.edit(&self.playlist, edit.op) {
            Ok(Edited::Changed(playlist)) => {
                if head_id(&playlist) != head_id(&self.playlist) {
                    self.anchor = Anchor::idle(ms(now), self.anchor.speed);
                }
                self.playlist = playlist;
                self.listed = true;
                self.changed();
                self.hello_to_all(now);
                self.taken(member, edit.action_id, now);
            }
            Ok(Edited::Unchanged) => self.taken(member, edit.action_id, now),
            Err(refused) => self.refuse(member, refused.code, &refused.message, Some(edit.action_id)),
        }
    }

    fn changed(&mut self) {
        self.order = self.order.next();
        self.unattended = false;
    }

    fn may_cross(&self, member: MemberId, now: RelayTime) -> bool {
        self.members.get(&member).is_some_and(|m| now.since(m.told_at) < CROSSING_MAX)
    }

    fn others(&self, member: MemberId) -> Vec<MemberId> {
        self.members.keys().copied().filter(|id| *id != member).collect()
    }

    fn told(&mut self, members: &[MemberId], now: RelayTime) {
        for member in members {
            if let Some(member) = self.members.get_mut(member) {
                member.told_at = now;
            }
        }
    }

    fn taken(&mut self, member: MemberId, action_id: ActionId, now: RelayTime) {
        let message = RelayMessage::Taken { action_id, order: self.order, relay_time: now.unix_ms() };
        self.send(vec![member], message, Delivery::Required);
    }

    fn refuse(&mut self, member: MemberId, code: ErrorCode, message: &str, action_id: Option<ActionId>) {
        let message = RelayMessage::Error { code, message: message.to_owned(), action_id };
        self.send(vec![member], message, Delivery::Required);
    }

    fn hello_to_all(&mut self, now: RelayTime) {
        let members: Vec<MemberId> = self.members.keys().copied().collect();
        for member in members {
            self.hello(member, now);
        }
    }

    fn hello(&mut self, member: MemberId, now: RelayTime) {
        let users = self.members.iter().map(|(id, member)| User { id: *id, name: member.name.clone() });
        let message = RelayMessage::Hello(RelayHello {
            users: users.collect(),
            status: self.anchor.status(ms(now)),
            playlist: self.playlist.clone(),
            dispatched_at: now.unix_ms(),
            user_id: Some(member),
            epoch: Some(self.epoch.clone()),
            order: Some(self.order),
            relay_time: None,
            speed: Some(self.anchor.speed).filter(|speed| *speed != Speed::NORMAL),
            stall_policy: Some(self.stall_policy),
            waiting_for: Vec::new(),
        });
        self.told(&[member], now);
        self.send(vec![member], message, Delivery::Required);
    }

    fn send(&mut self, to: Vec<MemberId>, message: RelayMessage, delivery: Delivery) {
        if !to.is_empty() {
            self.outputs.push_back(RoomOutput { to, message, delivery });
        }
    }
}

fn ms(now: RelayTime) -> f64 {
    now.unix_ms().ms()
}

fn head_id(playlist: &Playlist) -> Option<streamshare_protocol::ItemId> {
    playlist.head().and_then(|head| head.item_id)
}

#[cfg(test)]
mod tests;
