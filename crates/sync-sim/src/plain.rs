//! A peer that does what the web spec says and no more: whatever comes last counts, from the moment at which it comes. At
//! the end of a film it goes on to the next one, and announces that.

use crate::ours::{film, film_of};
use crate::player::Sample;
use crate::scheme::{Effect, Happening, UserAct};
use streamshare_playsync::{MonoTime, Now};
use streamshare_protocol::{
    ClientHello, ClientMessage, Control, Extra, Join, MediaTime, Name, PlaybackState, Playlist, RelayMessage, RoomId,
    Status, SyncReport,
};

/// A HELLO that tells of a place this near to the player's own moves it nowhere: every entrance brings one.
const HELLO_SLACK_S: f64 = 0.3;
const CONTROL_SLACK_S: f64 = 0.02;

/// A peer that speaks the web spec alone.
#[derive(Debug)]
pub struct Plain {
    name: Name,
    room: RoomId,
    /// The playlist's films, by number; the first one plays.
    films: Vec<usize>,
    loaded: Option<usize>,
    ready: bool,
    opens: bool,
    joined: bool,
    state: PlaybackState,
    /// The last place that it was told or chose, and when.
    anchor: (f64, MonoTime),
}

impl Plain {
    /// It reports as often as the web spec's own example.
    pub(crate) const TIMER_US: u64 = 2_000_000;

    pub(crate) fn new(name: Name, room: RoomId) -> Self {
        Self {
            name,
            room,
            films: Vec::new(),
            loaded: None,
            ready: false,
            opens: false,
            joined: false,
            state: PlaybackState::Paused,
            anchor: (0.0, MonoTime::default()),
        }
    }

    pub(crate) fn handle(
        &mut self,
        happening: Happening<RelayMessage>,
        sample: &Sample,
        now: &Now,
        effects: &mut Vec<Effect<ClientMessage>>,
    ) {
        match happening {
            Happening::LinkUp => {
                let join = Join { name: self.name.clone(), room_id: self.room.clone(), resume_key: None, timed: false };
                effects.push(Effect::Send(ClientMessage::Join(join)));
            }
            Happening::LinkDown => self.joined = false,
            Happening::Message(message) => self.obey(&message, sample, now, effects),
            Happening::User(act) => self.act(act, sample, now, effects),
            Happening::Player | Happening::Wake => self.watch(sample, now, effects),
            Happening::Timer => {
                self.watch(sample, now, effects);
                if self.joined && self.ready {
                    effects.push(Effect::Send(ClientMessage::Sync(SyncReport {
                        current_time: MediaTime::saturating(sample.position_s),
                        buffer: MediaTime::saturating(10.0),
                        dispatched_at: now.unix,
                        player_state: None,
                        duration: None,
                        skew: None,
                        start_latency: None,
                        seek_latency: None,
                        extra: Extra::new(),
                    })));
                }
            }
        }
    }

    fn obey(&mut self, message: &RelayMessage, sample: &Sample, now: &Now, effects: &mut Vec<Effect<ClientMessage>>) {
        let (state, place, slack_s) = match message {
            RelayMessage::Hello(hello) => {
                self.joined = true;
                self.films = hello.playlist.iter().map(film_of).collect();
                self.load(effects);
                (hello.status.state, hello.status.current_time, HELLO_SLACK_S)
            }
            RelayMessage::Play { control, .. } => (PlaybackState::Playing, control.current_time, CONTROL_SLACK_S),
            RelayMessage::Pause { control, .. } => (PlaybackState::Paused, control.current_time, CONTROL_SLACK_S),
            RelayMessage::Error { .. }
            | RelayMessage::Sync { .. }
            | RelayMessage::Taken { .. }
            | RelayMessage::Pong { .. } => return,
        };
        self.go(state, place.seconds(), slack_s, sample, now, effects);
    }

    fn go(
        &mut self,
        state: PlaybackState,
        place_s: f64,
        slack_s: f64,
        sample: &Sample,
        now: &Now,
        effects: &mut Vec<Effect<ClientMessage>>,
    ) {
        (self.state, self.anchor) = (state, (place_s, now.mono));
        // What it shows may still be the film before.
        if !sample.ready || !self.ready {
            return;
        }
        let plays = state == PlaybackState::Playing;
        if !plays && !sample.paused {
            effects.push(Effect::Pause);
        }
        if (sample.position_s - place_s).abs() > slack_s {
            effects.push(Effect::Seek(place_s));
        }
        if plays && sample.paused {
            effects.push(Effect::Play);
        }
    }

    /// Loads the playlist's head, if that is another one.
    fn load(&mut self, effects: &mut Vec<Effect<ClientMessage>>) {
        if let Some(film) = self.films.first().copied().filter(|film| self.loaded != Some(*film)) {
            (self.loaded, self.ready) = (Some(film), false);
            effects.push(Effect::Load(film));
        }
    }

    fn watch(&mut self, sample: &Sample, now: &Now, effects: &mut Vec<Effect<ClientMessage>>) {
        if self.ready && sample.ended && self.state == PlaybackState::Playing {
            return self.end(sample, now, effects);
        }
        self.became_ready(sample, now, effects);
    }

    /// Its film is over: the next one, or none.
    fn end(&mut self, sample: &Sample, now: &Now, effects: &mut Vec<Effect<ClientMessage>>) {
        if self.films.len() < 2 {
            return self.act(UserAct::Pause, sample, now, effects);
        }
        self.films.remove(0);
        self.anchor = (0.0, now.mono);
        self.load(effects);
        self.announce(now, effects);
    }

    fn announce(&self, now: &Now, effects: &mut Vec<Effect<ClientMessage>>) {
        let status = Status { current_time: MediaTime::ZERO, state: self.state };
        let playlist = Playlist::new(self.films.iter().copied().map(film).collect()).expect("short items");
        let hello =
            ClientHello { status, playlist, dispatched_at: now.unix, restores: None, speed: None, stall_policy: None };
        effects.push(Effect::Send(ClientMessage::Hello(hello)));
    }

    fn became_ready(&mut self, sample: &Sample, now: &Now, effects: &mut Vec<Effect<ClientMessage>>) {
        if !sample.ready || std::mem::replace(&mut self.ready, true) {
            return;
        }
        if std::mem::take(&mut self.opens) {
            return self.act(UserAct::Play, sample, now, effects);
        }
        let moved_s = now.mono.since(self.anchor.1).as_secs_f64();
        let place_s = self.anchor.0 + if self.state == PlaybackState::Playing { moved_s } else { 0.0 };
        self.go(self.state, place_s, CONTROL_SLACK_S, sample, now, effects);
    }

    fn act(&mut self, act: UserAct, sample: &Sample, now: &Now, effects: &mut Vec<Effect<ClientMessage>>) {
        let (state, place_s) = match act {
            UserAct::Open(films) => {
                self.opens = true;
                self.films = (0..films).collect();
                return self.announce(now, effects);
            }
            UserAct::Next if self.films.len() > 1 => return self.end(sample, now, effects),
            UserAct::Play => (PlaybackState::Playing, sample.position_s),
            UserAct::Pause => (PlaybackState::Paused, sample.position_s),
            UserAct::Seek(to_s) => (self.state, to_s),
            UserAct::Speed(_) | UserAct::NeverWait | UserAct::Next => return,
        };
        self.go(state, place_s, CONTROL_SLACK_S, sample, now, effects);
        let control = Control {
            current_time: MediaTime::saturating(place_s),
            dispatched_at: now.unix,
            action_id: None,
            item_id: None,
            starts_at: None,
            extra: Extra::new(),
        };
        effects.push(Effect::Send(ClientMessage::control(state, control)));
    }
}
