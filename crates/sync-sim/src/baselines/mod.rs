//! The rules of others, written anew from what they publish, in the same world as ours. Where a project leaves a choice,
//! its default is taken. They are given what they ask for: accurate positions, and messages in order.

mod cytube;
mod jellyfin;
mod nothing;
mod opentogethertube;
mod syncplay;
mod watchparty;

pub use cytube::CyTube;
pub use jellyfin::Jellyfin;
pub use nothing::Nothing;
pub use opentogethertube::OpenTogetherTube;
pub use syncplay::Syncplay;
pub use watchparty::WatchParty;

use crate::player::Sample;
use crate::scheme::{Course, Effect, UserAct};
use std::collections::{BTreeSet, VecDeque};
use streamshare_playsync::{MonoTime, Now};

/// What their viewers send.
#[derive(Clone, Debug)]
pub enum Up {
    /// Enters.
    Hello,
    /// A person's command: the course from now on, and whether it was a seek.
    Act {
        /// Whether it plays.
        playing: bool,
        /// From where, in seconds.
        place_s: f64,
        /// Whether the place was meant.
        seek: bool,
    },
    /// Where this player is.
    Report {
        /// Whether it plays.
        playing: bool,
        /// Where, in seconds.
        place_s: f64,
        /// The sender's clock, in milliseconds, to be sent back.
        sent_ms: f64,
        /// The moment on the relay's clock of the last course that it heard of, in milliseconds.
        heard_ms: f64,
    },
    /// Asks for the relay's clock.
    Ping {
        /// The sender's clock, in milliseconds, to be sent back.
        sent_ms: f64,
        /// The longest way that it has measured lately, in milliseconds.
        ping_ms: f64,
    },
    /// Ready to play.
    Ready,
    /// Waits for data.
    Buffering,
}

/// What their relays send.
#[derive(Clone, Debug)]
pub enum Down {
    /// The room's course.
    Course {
        /// Whether it plays.
        playing: bool,
        /// From where, in seconds.
        place_s: f64,
        /// Whether the place was meant.
        seek: bool,
        /// When, on the relay's clock, in milliseconds.
        when_ms: f64,
        /// What the receiver last sent, later by the time that the relay held it, in milliseconds.
        echo_ms: Option<f64>,
        /// How many commands of the receiver's person it holds.
        acts: u32,
    },
    /// The relay's clock.
    Pong {
        /// What the asker sent.
        sent_ms: f64,
        /// The relay's clock, in milliseconds.
        relay_ms: f64,
    },
    /// Where all players are, by seat.
    Places(Vec<(usize, f64)>),
}

pub(crate) fn course(message: &Up) -> Option<Course> {
    match message {
        Up::Act { playing, place_s, .. } => Some(Course::Control(None, *playing, *place_s)),
        Up::Hello | Up::Report { .. } | Up::Ping { .. } | Up::Ready | Up::Buffering => None,
    }
}

/// A player that obeys, as far as it is ready to.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    loaded: bool,
    ready: bool,
    /// Starts by itself, for this person opened the film.
    opens: bool,
    wanted: Option<(bool, f64, MonoTime)>,
}

impl Screen {
    pub(crate) fn load(&mut self, effects: &mut Vec<Effect<Up>>) {
        if !self.loaded {
            self.loaded = true;
            effects.push(Effect::Load(0));
        }
    }

    /// Takes the room's course; seeks where the player is further off than `slack_s`.
    pub(crate) fn obey(
        &mut self,
        (playing, place_s): (bool, f64),
        slack_s: f64,
        sample: &Sample,
        now: &Now,
        effects: &mut Vec<Effect<Up>>,
    ) {
        self.load(effects);
        self.wanted = Some((playing, place_s, now.mono));
        if !sample.ready {
            return;
        }
        if !playing && !sample.paused {
            effects.push(Effect::Pause);
        }
        if (sample.position_s - place_s).abs() > slack_s {
            effects.push(Effect::Seek(place_s));
        }
        if playing && sample.paused {
            effects.push(Effect::Play);
        }
    }

    /// The player may have become ready for what was wanted meanwhile. Answers what its person asked for before.
    pub(crate) fn handle_player(
        &mut self,
        sample: &Sample,
        now: &Now,
        effects: &mut Vec<Effect<Up>>,
    ) -> Option<UserAct> {
        if !sample.ready || self.ready {
            return None;
        }
        self.ready = true;
        if let Some((playing, place_s, since)) = self.wanted {
            let place_s = if playing { place_s + now.mono.since(since).as_secs_f64() } else { place_s };
            self.obey((playing, place_s), 0.1, sample, now, effects);
            return None;
        }
        std::mem::take(&mut self.opens).then_some(UserAct::Play)
    }

    /// The course that a person wants, and whether it is a seek; nothing where the film has to be loaded first.
    pub(crate) fn act(
        &mut self,
        act: UserAct,
        sample: &Sample,
        effects: &mut Vec<Effect<Up>>,
    ) -> Option<(bool, f64, bool)> {
        match act {
            UserAct::Open(_) => {
                self.load(effects);
                self.opens = true;
                None
            }
            UserAct::Play => Some((true, sample.position_s, false)),
            UserAct::Pause => Some((false, sample.position_s, false)),
            UserAct::Seek(to_s) => Some((!sample.paused, to_s, true)),
            UserAct::Speed(_) | UserAct::NeverWait | UserAct::Next => None,
        }
    }
}

/// What their relays have in common: who is in, and the course.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    pub(crate) seats: BTreeSet<usize>,
    pub(crate) playing: bool,
    place_s: f64,
    at_us: u64,
    /// When the relay says something by itself.
    tick_us: Option<u64>,
    out: VecDeque<(usize, Down)>,
}

impl Hub {
    pub(crate) fn set(&mut self, playing: bool, place_s: f64, now_us: u64) {
        (self.playing, self.place_s, self.at_us) = (playing, place_s, now_us);
    }

    pub(crate) fn place_s(&self, now_us: u64) -> f64 {
        let moved_s = crate::device::seconds(now_us.saturating_sub(self.at_us));
        self.place_s + if self.playing { moved_s } else { 0.0 }
    }

    pub(crate) fn course(&self, seek: bool, now_us: u64) -> Down {
        let when_ms = crate::device::ms(now_us);
        Down::Course { playing: self.playing, place_s: self.place_s(now_us), seek, when_ms, echo_ms: None, acts: 0 }
    }

    pub(crate) fn send(&mut self, seat: usize, message: Down) {
        self.out.push_back((seat, message));
    }

    /// To everyone but one.
    pub(crate) fn send_others(&mut self, seat: Option<usize>, message: &Down) {
        let others = self.seats.iter().filter(|other| Some(**other) != seat);
        self.out.extend(others.map(|other| (*other, message.clone())));
    }

    pub(crate) fn tick_in(&mut self, every_us: u64, now_us: u64) {
        self.tick_us = Some(now_us + every_us);
    }

    pub(crate) fn poll(&mut self) -> Option<(usize, Down)> {
        self.out.pop_front()
    }
}
