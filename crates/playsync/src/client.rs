//! The client: makes one player follow the room, and tells the room what its person does.

mod act;
mod clock;
mod drift;
mod follow;
mod members;
mod pending;
mod profile;
mod types;
mod view;

use crate::{MonoTime, Now, anchor::Anchor};
use clock::RelayClock;
use follow::{Follower, Target};
use members::Members;
use pending::Pending;
use std::{collections::VecDeque, time::Duration};
use streamshare_protocol::{
    ActionId, ClientHello, ClientMessage, Control, Epoch, ErrorCode, ItemId, Join, MediaTime, MemberId, Order,
    PlaybackState, PlayerState, Playlist, RelayHello, RelayMessage, Restores, Speed, StallPolicy, Status, UnixMs,
};
pub use types::{
    Action, ClientConfig, Input, LinkState, MemberView, Notice, Output, PlayerKind, PlayerPhase, PlayerReport, Skew,
    View,
};

/// When a Join that nobody answered is sent again.
const JOIN_AGAIN: Duration = Duration::from_secs(3);
/// How long a client that brought a room back waits for the relay's word on it.
const RESTORE_WAIT: Duration = Duration::from_secs(3);
/// Two wake-ups this near are one: timers are no better.
const WAKE_SAME: Duration = Duration::from_micros(500);
/// Below this many seconds a PLAY or PAUSE of someone else is no seek: the place differs by the way to the relay.
const JUMP_S_MIN: f64 = 1.5;

/// One person's end of a room.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    link_up: bool,
    link: LinkState,
    join_sent: MonoTime,
    me: Option<MemberId>,
    epoch: Option<Epoch>,
    order: Option<Order>,
    playlist: Playlist,
    /// The room's course as far as the relay told it.
    confirmed: Anchor,
    stall_policy: StallPolicy,
    /// Whom the room waits for.
    waiting_for: Vec<MemberId>,
    pending: Pending,
    next_action: ActionId,
    clock: RelayClock,
    members: Members,
    follower: Follower,
    /// The wake-up that was asked for last.
    wake: Option<MonoTime>,
    /// Playback starts by itself when the next head can be played.
    start_next: bool,
    /// Playback starts by itself when this item can be played.
    autostart: Option<ItemId>,
    /// The item whose end was told.
    end_told: Option<ItemId>,
    restoring: Option<MonoTime>,
    reported: Option<(MonoTime, PlayerState)>,
    outputs: VecDeque<Output>,
}

impl Client {
    /// How often [`Input::Tick`] is due.
    pub const TICK: Duration = Duration::from_millis(250);
    /// How often [`Input::Player`] is due while the player plays: 20 Hz, so that a third of a second holds enough of them
    /// to tell a wrong one from a right one.
    pub const REPORT_EVERY: Duration = Duration::from_millis(50);

    /// A client that has not connected yet.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self {
            follower: Follower::new(config.player),
            wake: None,
            config,
            link_up: false,
            link: LinkState::Connecting,
            join_sent: MonoTime::default(),
            me: None,
            epoch: None,
            order: None,
            playlist: Playlist::default(),
            confirmed: Anchor::idle(0.0, Speed::NORMAL),
            stall_policy: StallPolicy::default(),
            waiting_for: Vec::new(),
            pending: Pending::default(),
            next_action: ActionId::FIRST,
            clock: RelayClock::default(),
            members: Members::default(),
            start_next: false,
            autostart: None,
            end_told: None,
            restoring: None,
            reported: None,
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input. Drain [`Client::poll_output`] afterwards.
    pub fn handle(&mut self, input: Input, now: Now) {
        let was_suspect = self.clock.is_suspect();
        self.clock.handle_time(now);
        if self.clock.is_suspect() && !was_suspect {
            self.pending.handle_suspend();
        }
        match input {
            Input::LinkUp => self.handle_link_up(now),
            Input::LinkDown => self.handle_link_down(),
            Input::Remote(message) => self.handle_remote(message, now),
            Input::Local(action) => self.handle_local(action, now),
            Input::Player(report) => self.handle_player(report, now),
            Input::Tick => self.handle_tick(now),
        }
        self.follow(now);
        self.report(now);
        self.ping(now);
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn anchor(&self) -> &Anchor {
        self.pending.anchor(self.head_id()).unwrap_or(&self.confirmed)
    }

    fn head_id(&self) -> Option<ItemId> {
        self.playlist.head().and_then(|head| head.item_id)
    }

    fn handle_link_up(&mut self, now: Now) {
        self.link_up = true;
        if self.link == LinkState::Joined {
            self.link = LinkState::Lost;
        }
        self.clock.handle_link_up(now.mono);
        self.join(now);
    }

    fn handle_link_down(&mut self) {
        self.link_up = false;
        self.clock.handle_link_down();
        if self.link == LinkState::Joined {
            self.link = LinkState::Lost;
        }
    }

    fn join(&mut self, now: Now) {
        self.join_sent = now.mono;
        let ClientConfig { name, room, resume_key, .. } = self.config.clone();
        self.send(ClientMessage::Join(Join { name, room_id: room, resume_key: Some(resume_key), timed: true }));
    }

    fn handle_tick(&mut self, now: Now) {
        if self.link_up && self.link != LinkState::Joined && now.mono.since(self.join_sent) >= JOIN_AGAIN {
            self.join(now);
        }
        if self.restoring.is_some_and(|since| now.mono.since(since) >= RESTORE_WAIT) {
            self.restoring = None;
        }
    }

    fn ping(&mut self, now: Now) {
        if self.link == LinkState::Joined && self.clock.poll_ping(self.next_action, now.mono) {
            let id = self.action_id();
            self.send(ClientMessage::Ping { id });
        }
    }

    fn handle_remote(&mut self, message: RelayMessage, now: Now) {
        match message {
            RelayMessage::Hello(hello) => self.handle_hello(hello, now),
            RelayMessage::Play { user_id, control, order, relay_time } => {
                self.handle_control(user_id, PlaybackState::Playing, &control, order, relay_time, now);
            }
            RelayMessage::Pause { user_id, control, order, relay_time } => {
                self.handle_control(user_id, PlaybackState::Paused, &control, order, relay_time, now);
            }
            RelayMessage::Sync { user_id, report } => self.members.handle_report(user_id, report, now.mono),
            RelayMessage::Taken { action_id, order, relay_time } => {
                let settled = self.pending.settle(action_id);
                self.order = self.order.max(Some(order));
                if let Some(anchor) = settled {
                    self.waiting_for.clear();
                    self.confirmed = Anchor { at_ms: relay_time.ms(), ..anchor };
                }
            }
            RelayMessage::Pong { id, relay_time } => self.clock.handle_pong(id, relay_time, now.mono),
            RelayMessage::Error { code, message, action_id } => {
                let own = action_id.and_then(|id| self.pending.settle(id));
                if own.is_some() {
                    self.follower.handle_change(now.mono);
                }
                // A command that met another item than it was meant for is moot, not wrong.
                if own.is_some() && code == ErrorCode::NoSuchItem {
                    return;
                }
                self.notice(Notice::Refused { code, message });
            }
        }
    }

    fn handle_hello(&mut self, hello: RelayHello, now: Now) {
        let returned = self.link != LinkState::Joined;
        let first = self.me.is_none();
        self.link = LinkState::Joined;
        self.me = hello.user_id.or(self.me);
        let (entered, left) = self.members.handle_users(&hello.users);
        if !first && !returned {
            entered.into_iter().for_each(|name| self.notice(Notice::Entered(name)));
            left.into_iter().for_each(|name| self.notice(Notice::Left(name)));
        }
        if self.epoch.is_some() && hello.epoch != self.epoch {
            if !self.playlist.is_empty() && self.restore(&hello, now) {
                return;
            }
            self.order = None;
        }
        let begins_anew = hello.playlist.is_empty() && hello.order == Some(Order::FIRST);
        if self.restoring.is_some() && begins_anew {
            return;
        }
        if self.restoring.take().is_some() && !hello.playlist.is_empty() {
            self.notice(Notice::Restored);
        }
        self.adopt(hello, now);
        if returned {
            self.send_again(now);
        }
    }

    /// The relay knows nothing of the room that this client was in: tell it, and keep on playing meanwhile.
    fn restore(&mut self, hello: &RelayHello, now: Now) -> bool {
        let (Some(epoch), Some(order)) = (self.epoch.take(), self.order.take()) else { return false };
        let relay_ms = self.clock.relay_ms(now.mono);
        let position = self.anchor().position(relay_ms);
        // Where it will be when the relay hears of it.
        let status = self.anchor().status(relay_ms + self.clock.one_way_ms());
        let restores = Some(Restores { epoch, order });
        let playlist = self.playlist.clone();
        self.send(ClientMessage::Hello(ClientHello {
            status,
            playlist,
            dispatched_at: now.unix,
            restores,
            speed: Some(self.anchor().speed),
            stall_policy: Some(self.stall_policy),
        }));
        self.clock.forget();
        self.clock.handle_one_way(hello.dispatched_at, now.mono);
        let at_ms = self.clock.relay_ms(now.mono);
        self.confirmed = Anchor { position, at_ms, ..*self.anchor() };
        self.pending.forget_controls();
        (self.epoch, self.order) = (hello.epoch.clone(), hello.order);
        self.restoring = Some(now.mono);
        true
    }

    fn adopt(&mut self, hello: RelayHello, now: Now) {
        self.clock.handle_one_way(hello.dispatched_at, now.mono);
        let (former_head, former_state) = (self.head_id(), self.anchor().state);
        let another_state = hello.order.is_none() || hello.order != self.order;
        self.playlist = hello.playlist;
        (self.epoch, self.order) = (hello.epoch, hello.order);
        self.confirmed = Anchor {
            position: hello.status.current_time,
            at_ms: hello.relay_time.unwrap_or(hello.dispatched_at).ms(),
            state: hello.status.state,
            speed: hello.speed.unwrap_or_default(),
        };
        self.pending.set_speed(self.confirmed.speed, self.clock.relay_ms(now.mono));
        self.stall_policy = hello.stall_policy.unwrap_or_default();
        self.waiting_for = hello.waiting_for;
        let head = self.head_id();
        if head != former_head {
            self.members.forget_reports();
            let went_on = former_head.is_some() && former_state == PlaybackState::Playing;
            let starts = (self.start_next || went_on) && hello.status == Status::IDLE;
            self.autostart = head.filter(|_| starts);
            if head.is_some() {
                self.start_next = false;
            }
        } else if another_state && self.pending.anchor(head).is_none() {
            self.follower.handle_change(now.mono);
        }
        if hello.status != Status::IDLE {
            self.autostart = None;
        }
    }

    fn handle_control(
        &mut self,
        user: MemberId,
        state: PlaybackState,
        control: &Control,
        order: Option<Order>,
        relay_time: Option<UnixMs>,
        now: Now,
    ) {
        if order.is_some() && order <= self.order {
            return;
        }
        self.order = order.or(self.order);
        let relay_ms = self.clock.relay_ms(now.mono);
        let former = self.confirmed;
        self.confirmed =
            Anchor { position: control.current_time, at_ms: relay_time.map_or(relay_ms, UnixMs::ms), state, ..former };
        self.waiting_for.clear();
        self.autostart = None;
        // What this client did and the relay has not taken yet will come after this in the room's order.
        let head = self.head_id();
        if self.pending.anchor(head).is_some() {
            if let Some((joined, meant)) = self.pending.joined(head, (&former, &self.confirmed), relay_ms) {
                self.control_joined(joined.state, joined.position, meant, now);
            }
            return;
        }
        self.follower.handle_change(now.mono);
        let Some(name) = self.members.name(user).cloned() else { return };
        let jump_s = control.current_time.seconds() - former.position(self.confirmed.at_ms).seconds();
        // What starts by itself when it was added or came next is nobody's doing.
        let starts = state == PlaybackState::Playing && former.status(former.at_ms) == Status::IDLE;
        if starts && control.current_time == MediaTime::ZERO {
            return;
        }
        if former.state != state {
            self.notice(if state == PlaybackState::Playing { Notice::Played(name) } else { Notice::Paused(name) });
        } else if jump_s.abs() > JUMP_S_MIN {
            self.notice(Notice::Sought(name, control.current_time));
        }
    }

    fn follow(&mut self, now: Now) {
        let relay_ms = self.clock.relay_ms(now.mono);
        let anchor = *self.anchor();
        let target = Target {
            head: self.playlist.head(),
            course: &anchor,
            relay_ms,
            clock_known: self.clock.is_known(),
            clock_suspect: self.clock.is_suspect(),
            clock_noise_ms: self.clock.noise_ms(now.mono),
            waits_for_me: self.me.is_some_and(|me| self.waits().contains(&me)),
        };
        self.follower.follow(&target, now.mono, &mut self.outputs);
        let wake = self.follower.wake().filter(|at| *at > now.mono);
        let same =
            wake.zip(self.wake).is_some_and(|(wanted, asked)| asked <= wanted && wanted.since(asked) < WAKE_SAME);
        if let Some(at) = wake.filter(|_| !same) {
            self.wake = Some(at);
            self.outputs.push_back(Output::WakeAt(at));
        }
    }

    fn action_id(&mut self) -> ActionId {
        let id = self.next_action;
        self.next_action = id.next();
        id
    }

    fn send(&mut self, message: ClientMessage) {
        self.outputs.push_back(Output::Send(message));
    }

    fn notice(&mut self, notice: Notice) {
        self.outputs.push_back(Output::Notice(notice));
    }
}

#[cfg(test)]
mod tests;
