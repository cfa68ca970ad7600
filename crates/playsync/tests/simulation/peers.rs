//! The two kinds of members: one of ours with its player, and one that speaks nothing but the web spec.

use crate::world::{Rng, now};
use streamshare_playsync::{Client, ClientConfig, Input, Output, PlayerKind, PlayerPhase, PlayerReport};
use streamshare_protocol::*;

/// A player that takes its time: loading, starting and seeking.
#[derive(Default)]
struct Player {
    item: Option<PlaylistItem>,
    ready_at: f64,
    /// Where it was at a moment, and whether it moves from there.
    position: f64,
    at: f64,
    playing: bool,
    rate: f64,
    seek_done: f64,
    /// It waits for data until then, whatever it is told.
    starved: f64,
}

pub(crate) const DURATION_S: f64 = 600.0;

impl Player {
    fn place(&self, t: f64) -> f64 {
        let from = self.at.max(self.seek_done).max(self.starved);
        let moved = if self.playing { (t - from).max(0.0) * self.rate } else { 0.0 };
        (self.position + moved).min(DURATION_S)
    }

    fn settle(&mut self, t: f64) {
        (self.position, self.at) = (self.place(t), t.max(self.seek_done).max(self.starved));
    }

    fn report(&self, t: f64) -> PlayerReport {
        let ready = self.item.is_some() && t >= self.ready_at;
        PlayerReport {
            item: self.item.as_ref().and_then(|item| item.item_id),
            phase: match (&self.item, ready) {
                (None, _) => PlayerPhase::Empty,
                (Some(_), false) => PlayerPhase::Loading,
                (Some(_), true) => PlayerPhase::Ready,
            },
            position: MediaTime::saturating(self.place(t)),
            rate: self.rate,
            buffer: MediaTime::saturating(10.0),
            duration: ready.then(|| MediaTime::saturating(DURATION_S)),
            paused: !self.playing,
            seeking: t < self.seek_done,
            stalled: self.playing && t < self.starved,
            ended: ready && self.place(t) >= DURATION_S,
            blocked: false,
        }
    }
}

pub(crate) struct Ours {
    pub(crate) client: Client,
    player: Player,
    /// What this device's clock shows more than the true time.
    skew_s: f64,
    /// When it wants a tick.
    pub(crate) wake: Option<f64>,
}

impl Ours {
    pub(crate) fn new(name: &str, rng: &mut Rng) -> Self {
        let config = ClientConfig {
            name: Name::new(name).unwrap(),
            room: RoomId::new("r").unwrap(),
            resume_key: ResumeKey::new(&format!("key of {name}")).unwrap(),
            player: PlayerKind::Unknown,
        };
        Self { client: Client::new(config), player: Player::default(), skew_s: rng.float() * 1e5, wake: None }
    }

    pub(crate) fn now(&self, t: f64) -> streamshare_playsync::Now {
        now(t + self.skew_s)
    }

    /// Feeds the client and its player; answers what is to be sent.
    pub(crate) fn handle(&mut self, input: Input, t: f64, rng: &mut Rng) -> Vec<ClientMessage> {
        let mut sent = Vec::new();
        self.client.handle(input, self.now(t));
        while let Some(output) = self.client.poll_output() {
            let player = &mut self.player;
            match output {
                Output::Send(message) => sent.push(message),
                Output::Load(item) => {
                    *player =
                        Player { item, ready_at: t + 0.3 + rng.float() * 2.0, at: t, rate: 1.0, ..Player::default() };
                }
                Output::Seek(place) => {
                    player.settle(t);
                    player.position = place.seconds();
                    player.seek_done = t + 0.05 + rng.float() * 0.3;
                }
                Output::Play => {
                    player.settle(t);
                    player.playing = true;
                }
                Output::Pause => {
                    player.settle(t);
                    player.playing = false;
                }
                Output::Rate(rate) => {
                    player.settle(t);
                    player.rate = rate;
                }
                Output::WakeAt(at) => self.wake = Some(at.us() as f64 / 1e6 - self.skew_s),
                Output::Notice(_) => {}
            }
        }
        sent
    }

    pub(crate) fn tick(&mut self, t: f64, rng: &mut Rng) -> Vec<ClientMessage> {
        let report = self.player.report(t);
        let mut sent = self.handle(Input::Player(report), t, rng);
        sent.extend(self.handle(Input::Tick, t, rng));
        sent
    }

    /// Nothing comes for so long.
    pub(crate) fn starve(&mut self, t: f64, for_s: f64) {
        self.player.settle(t);
        self.player.starved = t + for_s;
    }

    pub(crate) fn place(&self, t: f64) -> f64 {
        self.player.place(t)
    }

    pub(crate) fn plays(&self) -> bool {
        self.player.playing
    }

    pub(crate) fn loaded(&self) -> Option<&PlaylistItem> {
        self.player.item.as_ref()
    }
}

/// A peer that does what the web spec says and no more: whatever comes last counts.
pub(crate) struct Plain {
    pub(crate) name: String,
    pub(crate) playlist: Vec<PlaylistItem>,
    pub(crate) status: Status,
    at: f64,
}

impl Plain {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), playlist: Vec::new(), status: Status::IDLE, at: 0.0 }
    }

    pub(crate) fn join(&self) -> Join {
        let (name, room_id) = (Name::new(&self.name).unwrap(), RoomId::new("r").unwrap());
        Join { name, room_id, resume_key: None, timed: false }
    }

    pub(crate) fn place(&self, t: f64) -> f64 {
        let moved = if self.status.state == PlaybackState::Playing { t - self.at } else { 0.0 };
        self.status.current_time.seconds() + moved
    }

    pub(crate) fn handle(&mut self, message: &RelayMessage, t: f64) {
        let (state, current_time) = match message {
            RelayMessage::Hello(hello) => {
                self.playlist = hello.playlist.to_vec();
                (hello.status.state, hello.status.current_time)
            }
            RelayMessage::Play { control, .. } => (PlaybackState::Playing, control.current_time),
            RelayMessage::Pause { control, .. } => (PlaybackState::Paused, control.current_time),
            RelayMessage::Error { message, .. } => panic!("{message}"),
            RelayMessage::Sync { .. } | RelayMessage::Taken { .. } | RelayMessage::Pong { .. } => return,
        };
        (self.status, self.at) = (Status { current_time, state }, t);
    }

    pub(crate) fn control(&mut self, state: PlaybackState, place: f64, t: f64) -> ClientMessage {
        let current_time = MediaTime::saturating(place);
        (self.status, self.at) = (Status { current_time, state }, t);
        let dispatched_at = UnixMs::saturating(t * 1000.0);
        ClientMessage::control(
            state,
            Control {
                current_time,
                dispatched_at,
                action_id: None,
                item_id: None,
                starts_at: None,
                extra: Extra::new(),
            },
        )
    }

    /// Announces a playlist with one item more.
    pub(crate) fn append(&mut self, mut item: PlaylistItem, t: f64) -> ClientMessage {
        item.item_id = None;
        self.playlist.push(item);
        let current_time = MediaTime::saturating(self.place(t));
        ClientMessage::Hello(ClientHello {
            status: Status { current_time, state: self.status.state },
            playlist: Playlist::new(self.playlist.clone()).unwrap(),
            dispatched_at: UnixMs::saturating(t * 1000.0),
            restores: None,
            speed: None,
            stall_policy: None,
        })
    }
}
