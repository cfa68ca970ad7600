//! What a member's command does to the room.

use super::edit::Edited;
use super::{Delivery, Restored, Room, head_id, ms};
use crate::{RelayTime, anchor::Anchor};
use streamshare_protocol::{
    ClientHello, Control, Edit, ErrorCode, MediaTime, MemberId, Order, PlaybackState, RelayMessage, Restores, Set,
    Speed, Status, UnixMs,
};

/// A HELLO of a member that edits the playlist carries a status, too, which is as old as the way to the relay. Below
/// this many seconds of difference it is not meant as a seek.
const HELLO_SEEK_S_MIN: f64 = 1.0;
/// How far an item may be that has just begun: what a message may be under way that meets a loss or two.
const BEGUN_S_MAX: f64 = 3.0;

impl Room {
    pub(super) fn handle_control(
        &mut self,
        member: MemberId,
        state: PlaybackState,
        mut control: Control,
        now: RelayTime,
    ) {
        if control.item_id.is_some() && control.item_id != head_id(&self.playlist) {
            let message = "Another item plays by now.";
            return self.refuse(member, ErrorCode::NoSuchItem, message, control.action_id);
        }
        if self.starts_already(member, state, &control, now) {
            return match control.action_id {
                Some(action_id) => self.taken(member, action_id),
                None => self.hello(member, now),
            };
        }
        let at_ms = self.counts_from_ms(member, state, &control, now);
        self.end_hold(state == PlaybackState::Playing);
        self.anchor = Anchor { position: control.current_time, at_ms, state, ..self.anchor };
        self.moved = (Some(member), now);
        self.changed();
        self.aligned(member, now);
        control.starts_at = None;
        let others = self.others(member);
        self.told(&others, now);
        let (order, relay_time) = (Some(self.order), Some(UnixMs::saturating(at_ms)));
        let action_id = control.action_id;
        let message = match state {
            PlaybackState::Playing => RelayMessage::Play { user_id: member, control, order, relay_time },
            PlaybackState::Paused => RelayMessage::Pause { user_id: member, control, order, relay_time },
        };
        self.send(others, message, Delivery::Required);
        match action_id {
            Some(action_id) => self.taken(member, action_id),
            // A plain peer cannot know whether something that it was sent came before or after its own command in the
            // room's order. Where that may have happened, it is told the outcome.
            None if self.may_cross(member, now) => self.hello(member, now),
            None => {}
        }
    }

    pub(super) fn handle_hello(&mut self, member: MemberId, hello: ClientHello, now: RelayTime) {
        if let Some(from) = hello.restores.clone() {
            return self.handle_restore(member, from, hello, now);
        }
        let playlist = match self.item_ids.adopt(hello.playlist, &self.playlist) {
            Ok(playlist) => playlist,
            Err(error) => return self.refuse(member, error.code(), error.message(), None),
        };
        let announced = self.announced(hello.status, hello.speed, now);
        let announced =
            Anchor { at_ms: announced.at_ms - self.queued_ms(member, hello.dispatched_at, now), ..announced };
        let jump_s = announced.position.seconds() - self.anchor.position(ms(now)).seconds();
        let same_head = head_id(&playlist) == head_id(&self.playlist);
        let moved = !same_head || announced.state != self.anchor.state || jump_s.abs() >= HELLO_SEEK_S_MIN;
        let policy = hello.stall_policy.unwrap_or(self.stall_policy);
        let same_pace = announced.speed == self.anchor.speed && policy == self.stall_policy;
        if !moved && playlist == self.playlist && same_pace {
            return;
        }
        if playlist == self.playlist && same_pace && self.has_just_begun(hello.status, now) {
            return self.hello(member, now);
        }
        let anchor = self.anchor.moved_to(ms(now));
        self.anchor = if moved { announced } else { Anchor { speed: announced.speed, ..anchor } };
        self.stall_policy = policy;
        if moved {
            self.end_hold(announced.state == PlaybackState::Playing);
            self.moved = (Some(member), now);
        }
        if !same_head {
            self.another_item();
        }
        self.listed |= playlist != self.playlist;
        self.playlist = playlist;
        self.changed();
        self.hello_to_all(now);
    }

    /// The members are the memory of a room that its relay lost: the latest state that one of them saw comes back, as
    /// long as nobody has acted anew.
    pub(super) fn handle_restore(&mut self, member: MemberId, from: Restores, hello: ClientHello, now: RelayTime) {
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
        self.end_hold(false);
        self.another_item();
        let another = from.epoch != self.epoch;
        self.changed();
        if another {
            self.restored = Some(Restored { from, order: self.order });
        }
        self.hello_to_all(now);
    }

    /// Whether a HELLO says of an item that it begins, which all have begun with a moment ago: a plain peer came to the end
    /// of the one before, too, and was longer under way than anybody.
    fn has_just_begun(&self, status: Status, now: RelayTime) -> bool {
        let begins = Status { current_time: MediaTime::ZERO, state: PlaybackState::Playing };
        let place_s = self.anchor.position(ms(now)).seconds();
        status == begins && self.anchor.state == PlaybackState::Playing && place_s < BEGUN_S_MAX
    }

    /// The course that a HELLO of a member tells of.
    fn announced(&self, status: Status, speed: Option<Speed>, now: RelayTime) -> Anchor {
        let speed = speed.unwrap_or(self.anchor.speed);
        Anchor { position: status.current_time, at_ms: ms(now), state: status.state, speed }
    }

    pub(super) fn handle_set(&mut self, member: MemberId, set: &Set, now: RelayTime) {
        let speed = set.speed.unwrap_or(self.anchor.speed);
        let policy = set.stall_policy.unwrap_or(self.stall_policy);
        if speed != self.anchor.speed || policy != self.stall_policy {
            self.anchor = Anchor { speed, ..self.anchor.moved_to(ms(now)) };
            self.stall_policy = policy;
            self.changed();
            self.hello_to_all(now);
        }
        self.taken(member, set.action_id);
    }

    pub(super) fn handle_edit(&mut self, member: MemberId, edit: Edit, now: RelayTime) {
        match self.item_ids.edit(&self.playlist, edit.op) {
            Ok(Edited::Changed(playlist)) => {
                if head_id(&playlist) != head_id(&self.playlist) {
                    self.anchor = Anchor::idle(ms(now), self.anchor.speed);
                    self.end_hold(false);
                    self.another_item();
                }
                self.playlist = playlist;
                self.listed = true;
                self.changed();
                self.hello_to_all(now);
                self.taken(member, edit.action_id);
            }
            Ok(Edited::Unchanged) => self.taken(member, edit.action_id),
            Err(refused) => self.refuse(member, refused.code, &refused.message, Some(edit.action_id)),
        }
    }
}
