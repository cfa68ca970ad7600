//! The room: what it agreed on, who is in it, and what to tell whom.

mod edit;
mod stalls;
mod starts;
mod take;

use crate::{RelayTime, anchor::Anchor};
use edit::ItemIds;
use stalls::{Hold, Watcher};
use starts::{Latencies, Later, SenderClock};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use streamshare_protocol::{
    ActionId, ClientMessage, Epoch, ErrorCode, Join, MemberId, Name, Order, PlaybackState, Playlist, RelayHello,
    RelayMessage, Restores, ResumeKey, Speed, StallPolicy, UnixMs, User, limits::MEMBERS_MAX,
};

/// How long a message to a member may be under way, at the most, while one of its own commands crosses it. Longer than
/// any connection that the relay still believes in stays silent (ping interval and timeout, 10 s in all).
const CROSSING_MAX: Duration = Duration::from_secs(10);

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
    /// Whether it follows what lies ahead, and the room's speed, by itself.
    timed: bool,
    /// When it was last sent something that may change its playback.
    told_at: RelayTime,
    /// When it last was where the room is, as far as its messages and those to it tell.
    aligned_at: RelayTime,
    clock: SenderClock,
    latencies: Latencies,
    watcher: Watcher,
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
    /// Who moved playback last, and when.
    moved: (Option<MemberId>, RelayTime),
    stall_policy: StallPolicy,
    /// Set while the room waits: then it is paused, but would play.
    hold: Option<Hold>,
    /// What plain peers are to be told when playback starts.
    later: BTreeMap<MemberId, Later>,
    /// The time of the last input.
    now: RelayTime,
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
            moved: (None, now),
            stall_policy: StallPolicy::default(),
            hold: None,
            later: BTreeMap::new(),
            now,
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
    pub fn handle_join(&mut self, join: Join, now: RelayTime) -> Result<Joined, JoinError> {
        let Join { name, resume_key, timed, .. } = join;
        let former = self.members.iter().find(|(_, m)| m.resume_key.is_some() && m.resume_key == resume_key);
        let former = former.map(|(id, _)| *id);
        if former.is_none() && self.members.len() >= MEMBERS_MAX {
            return Err(JoinError::Full);
        }
        self.before(now);
        if self.empty {
            self.empty = false;
            self.anchor.at_ms = ms(now);
        }
        let member = former.unwrap_or_else(|| {
            let id = self.next_member;
            self.next_member = id.next();
            id
        });
        self.later.remove(&member);
        let known = Member {
            name,
            resume_key,
            timed,
            told_at: now,
            aligned_at: now,
            clock: SenderClock::default(),
            latencies: Latencies::default(),
            watcher: Watcher::of_joining(),
        };
        self.members.insert(member, known);
        self.hello_to_all(now);
        self.after(now);
        Ok(Joined { member, resumed: former.is_some() })
    }

    /// A member sent something. A `Join` of a member that is in already changes its name.
    pub fn handle_message(&mut self, member: MemberId, message: ClientMessage, now: RelayTime) {
        if !self.members.contains_key(&member) {
            return;
        }
        self.before(now);
        self.take(member, message, now);
        self.after(now);
    }

    fn take(&mut self, member: MemberId, message: ClientMessage, now: RelayTime) {
        match message {
            ClientMessage::Join(join) => {
                if let Some(known) = self.members.get_mut(&member) {
                    (known.name, known.timed) = (join.name, join.timed);
                    known.resume_key = join.resume_key.or_else(|| known.resume_key.take());
                }
                self.hello_to_all(now);
            }
            ClientMessage::Hello(hello) => self.handle_hello(member, hello, now),
            ClientMessage::Play(control) => self.handle_control(member, PlaybackState::Playing, control, now),
            ClientMessage::Pause(control) => self.handle_control(member, PlaybackState::Paused, control, now),
            ClientMessage::Sync(report) => {
                if let Some(known) = self.members.get_mut(&member) {
                    known.clock.handle_message(report.dispatched_at, now);
                    known.latencies.handle_report(&report);
                    known.watcher.handle_report(&report, now);
                }
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
            self.before(now);
            // What was held back for it is in the state that it gets.
            self.later.remove(&member);
            self.hello(member, now);
        }
    }

    /// A member is gone. In an empty room, playback stands until someone enters.
    pub fn handle_leave(&mut self, member: MemberId, now: RelayTime) {
        if self.members.remove(&member).is_none() {
            return;
        }
        self.before(now);
        self.later.remove(&member);
        if self.members.is_empty() {
            if self.hold.take().is_some() {
                self.anchor.state = PlaybackState::Playing;
            }
            self.anchor = Anchor { at_ms: ms(now), ..self.anchor.moved_to(ms(now)) };
            self.empty = true;
            self.unattended = true;
        } else {
            self.hello_to_all(now);
            self.after(now);
        }
    }

    /// When [`Room::handle_timeout`] is due, if nothing else comes before. May change with every `handle_*`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<RelayTime> {
        // What was due by then was looked at.
        self.next_stall_check().chain(self.next_send()).filter(|due| *due > self.now).min()
    }

    /// The time of [`Room::poll_timeout`] has come; earlier and later calls do no harm.
    pub fn handle_timeout(&mut self, now: RelayTime) {
        self.before(now);
        self.after(now);
    }

    /// What is to be sent next. Drain it after every `handle_*`.
    pub fn poll_output(&mut self) -> Option<RoomOutput> {
        self.outputs.pop_front()
    }

    fn before(&mut self, now: RelayTime) {
        self.now = now;
        self.send_due(now);
    }

    fn after(&mut self, now: RelayTime) {
        self.check_stalls(now);
        self.remind_plain(now);
    }

    /// What the players did in the former item says nothing of this one.
    fn another_item(&mut self) {
        self.members.values_mut().for_each(|member| member.watcher.forget());
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
            self.aligned(*member, now);
        }
    }

    fn aligned(&mut self, member: MemberId, now: RelayTime) {
        if let Some(member) = self.members.get_mut(&member) {
            member.aligned_at = now;
        }
    }

    fn taken(&mut self, member: MemberId, action_id: ActionId) {
        let relay_time = UnixMs::saturating(self.anchor.at_ms);
        let message = RelayMessage::Taken { action_id, order: self.order, relay_time };
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
        let starts_later = |at_ms: &f64| self.anchor.state == PlaybackState::Playing && *at_ms > ms(now);
        let users = self.members.iter().map(|(id, member)| User { id: *id, name: member.name.clone() });
        let message = RelayMessage::Hello(RelayHello {
            users: users.collect(),
            status: self.anchor.status(ms(now)),
            playlist: self.playlist.clone(),
            dispatched_at: now.unix_ms(),
            user_id: Some(member),
            epoch: Some(self.epoch.clone()),
            order: Some(self.order),
            relay_time: Some(self.anchor.at_ms).filter(|at_ms| starts_later(at_ms)).map(UnixMs::saturating),
            speed: Some(self.anchor.speed).filter(|speed| *speed != Speed::NORMAL),
            stall_policy: Some(self.stall_policy),
            waiting_for: self.hold.as_ref().map(|hold| hold.members.clone()).unwrap_or_default(),
        });
        self.told(&[member], now);
        self.send(vec![member], message, Delivery::Required);
    }

    fn send(&mut self, mut to: Vec<MemberId>, message: RelayMessage, delivery: Delivery) {
        to.retain(|member| !self.held_back(*member, &message));
        self.put_out(to, message, delivery);
    }

    fn put_out(&mut self, to: Vec<MemberId>, message: RelayMessage, delivery: Delivery) {
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
