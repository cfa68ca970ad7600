//! What leaves this client: what its person does, what its player brings about, and its reports.

use super::follow::LAST_FRAME_S;
use super::pending::{Again, Meant, Origin};
use super::types::{Action, Notice, PlayerPhase, PlayerReport};
use super::{Client, LinkState};
use crate::{Now, anchor::Anchor};
use std::time::Duration;
use streamshare_protocol::{
    ActionId, ClientMessage, Control, Edit, EditOp, Extra, ItemId, Latency, MediaTime, PlaybackState, Set, Skew, Speed,
    StallPolicy, SyncReport, UnixMs,
};

/// How often a member reports its place to the others, and how soon at the earliest after its state changed.
const REPORT_EVERY: Duration = Duration::from_secs(2);
const REPORT_CHANGE_EVERY: Duration = Duration::from_millis(300);

/// How far this player may be from the room for a pause to take its place: twice what it is left alone with.
const PAUSE_OWN_S: f64 = 1.0;

/// What the relay gives everyone to start together, in milliseconds, and from how many seconds on a place is another one:
/// as in `Room`.
const LEAD_MS_MIN: f64 = 150.0;
const LEAD_MS_MAX: f64 = 1000.0;
const SEEK_S_MIN: f64 = 0.1;
/// How late a page's timer may be, in milliseconds.
const TIMER_MS: f64 = 10.0;

/// How far before the end the room may be when a player's end counts for all: what players are left alone with, twice.
const END_NEAR_S: f64 = 1.0;

impl Client {
    pub(super) fn handle_local(&mut self, action: Action, now: Now) {
        match action {
            Action::Play => {
                // Where the room stands, not this player: it may still be on its way there.
                let place = self.anchor().position(self.clock.relay_ms(now.mono));
                let at_end = self.duration().is_some_and(|end| place.seconds() >= end.seconds() - LAST_FRAME_S * 2.0);
                let (place, meant) = if at_end { (MediaTime::ZERO, Meant::Both) } else { (place, Meant::State) };
                self.control(PlaybackState::Playing, place, meant, now);
            }
            Action::Pause => {
                // What this person sees, unless this player lags: the others are not thrown back for it.
                let room = self.anchor().position(self.clock.relay_ms(now.mono));
                let own = self.own_position(now);
                let near = (own.seconds() - room.seconds()).abs() < PAUSE_OWN_S;
                self.control(PlaybackState::Paused, if near { own } else { room }, Meant::State, now);
            }
            Action::Seek(place) => {
                let place = self.duration().map_or(place, |end| if place > end { end } else { place });
                self.control(self.state(), place, Meant::Place, now);
            }
            Action::Append(items) => {
                self.start_next |= self.playlist.is_empty();
                match EditOp::append(items) {
                    Ok(op) => self.edit(op, now),
                    Err(e) => self.notice(Notice::Refused { code: e.code(), message: e.message().to_owned() }),
                }
            }
            Action::Remove(item_id) => self.edit(EditOp::Remove { item_id }, now),
            Action::Move { item, to } => {
                self.start_next |= to == 0;
                self.edit(EditOp::Move { item_id: item, to: to as u64 }, now);
            }
            Action::Next => {
                if let Some(item_id) = self.head_id() {
                    self.start_next = self.playlist.len() > 1;
                    self.edit(EditOp::Next { item_id }, now);
                }
            }
            Action::SetSpeed(factor) => self.set(Some(Speed::saturating(factor)), None, now),
            Action::SetStallPolicy(policy) => self.set(None, Some(policy), now),
        }
    }

    pub(super) fn handle_player(&mut self, report: PlayerReport, now: Now) {
        self.follower.handle_report(report, now.mono);
        let Some(report) = self.follower.report() else { return };
        let playable = report.phase == PlayerPhase::Ready;
        let (ended, duration) = (report.ended && !report.seeking, report.duration);
        if playable && self.autostart.is_some() && self.autostart == self.head_id() && self.link == LinkState::Joined {
            self.autostart = None;
            self.control(PlaybackState::Playing, MediaTime::ZERO, Meant::Both, now);
        }
        // A player that has run ahead, or not obeyed a seek yet, is at its end alone.
        let room = self.anchor().position(self.clock.relay_ms(now.mono));
        let room_ended = duration.is_none_or(|end| room.seconds() > end.seconds() - END_NEAR_S);
        if !ended {
            self.end_told = None;
        } else if room_ended && self.anchor().state == PlaybackState::Playing && self.end_told != self.head_id() {
            self.end_told = self.head_id();
            match (self.head_id(), duration) {
                (Some(item_id), _) if self.playlist.len() > 1 => self.edit(EditOp::Next { item_id }, now),
                (_, Some(end)) => self.control(PlaybackState::Paused, end, Meant::Both, now),
                _ => {}
            }
        }
    }

    /// From when on a course counts that begins here, on the relay's clock in milliseconds: as soon as everyone can be
    /// told. The relay does the same sum, and has the last word.
    fn counts_from_ms(&self, state: PlaybackState, position: MediaTime, now: Now) -> f64 {
        let relay_ms = self.clock.relay_ms(now.mono);
        if state == PlaybackState::Paused || self.link != LinkState::Joined || !self.clock.is_known() {
            return relay_ms;
        }
        let off_s = position.seconds() - self.anchor().position(relay_ms).seconds();
        let seeks = self.anchor().state == PlaybackState::Playing || off_s.abs() > SEEK_S_MIN;
        let profile = self.follower.profile();
        let own_ms = if seeks { profile.seek_ms().bound() } else { 0.0 };
        let others_ms = if self.members.count() > 1 {
            self.clock.one_way_ms() + self.members.lead_ms(self.me, seeks).max(LEAD_MS_MIN)
        } else {
            0.0
        };
        relay_ms + own_ms.max(others_ms).min(LEAD_MS_MAX)
    }

    fn control(&mut self, state: PlaybackState, position: MediaTime, meant: Meant, now: Now) {
        self.control_from(Origin::Own, state, position, meant, now);
    }

    /// Joins what waits for the relay with what someone else did just before.
    pub(super) fn control_joined(&mut self, state: PlaybackState, position: MediaTime, meant: Meant, now: Now) {
        self.control_from(Origin::Joined, state, position, meant, now);
    }

    fn control_from(&mut self, origin: Origin, state: PlaybackState, position: MediaTime, meant: Meant, now: Now) {
        // Before the first HELLO there is no room to act in, nor a clock to tell the time by.
        if self.me.is_none() {
            return;
        }
        let id = self.action_id();
        let at_ms = self.counts_from_ms(state, position, now);
        let anchor = Anchor { position, at_ms, state, ..*self.anchor() };
        self.autostart = None;
        let item = self.head_id();
        self.pending.push_control(id, (anchor, meant, origin), item, now.mono);
        self.follower.handle_change(now.mono);
        if self.link == LinkState::Joined {
            self.send_control(id, anchor, item, now);
        }
    }

    pub(super) fn edit(&mut self, op: EditOp, now: Now) {
        let edit = Edit { action_id: self.action_id(), op };
        self.pending.push_edit(&edit, now.mono);
        if self.link == LinkState::Joined {
            self.send(ClientMessage::Edit(edit));
        }
    }

    fn set(&mut self, speed: Option<Speed>, stall_policy: Option<StallPolicy>, now: Now) {
        let set = Set { action_id: self.action_id(), speed, stall_policy };
        self.pending.push_set(&set, now.mono);
        if self.link == LinkState::Joined {
            self.send(ClientMessage::Set(set));
        }
    }

    /// Back in the room: what was done while the connection was gone.
    pub(super) fn send_again(&mut self, now: Now) {
        let relay_ms = self.clock.relay_ms(now.mono);
        for again in self.pending.again(&self.playlist, relay_ms, now.mono) {
            match again {
                Again::Control(id, anchor, item) => self.send_control(id, anchor, item, now),
                Again::Edit(edit) => self.send(ClientMessage::Edit(edit)),
                Again::Set(set) => self.send(ClientMessage::Set(set)),
            }
        }
    }

    pub(super) fn send_control(&mut self, id: ActionId, anchor: Anchor, item_id: Option<ItemId>, now: Now) {
        let current_time = anchor.position(self.clock.relay_ms(now.mono));
        let at_ms = anchor.at_ms.max(self.clock.relay_ms(now.mono));
        let tells = anchor.state == PlaybackState::Playing && self.clock.is_known();
        let control = Control {
            current_time,
            dispatched_at: now.unix,
            action_id: Some(id),
            item_id,
            starts_at: Some(UnixMs::saturating(at_ms)).filter(|_| tells),
            extra: Extra::new(),
        };
        self.send(ClientMessage::control(anchor.state, control));
    }

    /// Tells the others where this player is.
    pub(super) fn report(&mut self, now: Now) {
        let state = self.follower.player_state(now.mono);
        if self.link != LinkState::Joined {
            return;
        }
        let due = self.reported.is_none_or(|(at, reported)| {
            now.mono.since(at) >= if reported == state { REPORT_EVERY } else { REPORT_CHANGE_EVERY }
        });
        if due {
            self.reported = Some((now.mono, state));
            let own = self.follower.report();
            let profile = self.follower.profile();
            // Before the relay answered, nothing is known of the way.
            let way_ms = self.clock.is_known().then(|| self.clock.arrives_ms());
            let latency = |player_ms: f64| way_ms.map(|way_ms| Latency::saturating((way_ms + player_ms).round()));
            let report = SyncReport {
                current_time: self.own_position(now),
                buffer: own.map(|report| report.buffer).unwrap_or_default(),
                dispatched_at: now.unix,
                player_state: Some(state),
                duration: own.and_then(|report| report.duration),
                skew: self.skew(now).map(|skew| Skew::saturating((skew.ms * 10.0).round() / 10.0)),
                start_latency: latency(profile.start_ms().bound() + TIMER_MS),
                seek_latency: latency(profile.seek_ms().bound() + profile.start_ms().bound() + TIMER_MS),
                extra: Extra::new(),
            };
            self.send(ClientMessage::Sync(report));
        }
    }
}
