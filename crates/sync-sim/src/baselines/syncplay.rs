//! Syncplay: the relay asks everybody once a second where they are, and the room is where the slowest is. Who is 1.5 s
//! ahead of that plays at 0.95 until 0.1 s are left; who is 4 s ahead goes back. Ways are half of a round trip's moving
//! average. Nobody is ever sent forward (its default).

use super::{Down, Hub, Screen, Up};
use crate::player::Sample;
use crate::scenario::SeatSpec;
use crate::scheme::{Course, Effect, Happening, Relay, Scheme, UserAct, Viewer};
use std::collections::BTreeMap;
use streamshare_playsync::Now;

const REWIND_S: f64 = 4.0;
const SLOWDOWN_S: f64 = 1.5;
const SLOWDOWN_RESET_S: f64 = 0.1;
const SLOWDOWN_RATE: f64 = 0.95;
/// Weight of what was known in the moving average of round trips.
const AVERAGE_WEIGHT: f64 = 0.85;
const STATE_EVERY_US: u64 = 1_000_000;

/// Syncplay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Syncplay;

impl Scheme for Syncplay {
    type Up = Up;
    type Down = Down;
    type Viewer = SyncplayViewer;
    type Relay = SyncplayRelay;

    fn name(&self) -> &'static str {
        "Syncplay"
    }

    fn relay(&self, _now_us: u64) -> SyncplayRelay {
        SyncplayRelay::default()
    }

    fn viewer(&self, _seat: usize, _spec: &SeatSpec) -> SyncplayViewer {
        SyncplayViewer::default()
    }

    fn course(message: &Up) -> Option<Course> {
        super::course(message)
    }
}

/// Waits for the slowest.
#[derive(Debug, Default)]
pub struct SyncplayViewer {
    screen: Screen,
    round_trip_ms: Option<f64>,
    slowed: bool,
    heard_ms: f64,
    /// Commands of this person: until the relay knows them all, what it says is ignored.
    acts: u32,
}

impl SyncplayViewer {
    fn act(&mut self, act: UserAct, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        if let Some((playing, place_s, seek)) = self.screen.act(act, sample, effects) {
            self.screen.obey((playing, place_s), if seek { 0.0 } else { REWIND_S }, sample, now, effects);
            self.acts += 1;
            effects.push(Effect::Send(Up::Act { playing, place_s, seek }));
        }
    }

    fn follow(
        &mut self,
        (playing, place_s, seek): (bool, f64, bool),
        sample: &Sample,
        now: &Now,
        effects: &mut Vec<Effect<Up>>,
    ) {
        let place_s = place_s + if playing { self.round_trip_ms.unwrap_or(0.0) / 2000.0 } else { 0.0 };
        let ahead_s = sample.position_s - place_s;
        // A pause of somebody else sends everybody to its place.
        let slack_s = if seek || (!playing && !sample.paused) { 0.0 } else { f64::INFINITY };
        let rewind = sample.ready && playing && ahead_s > REWIND_S;
        let slack_s = if rewind { 0.0 } else { slack_s };
        self.screen.obey((playing, place_s), slack_s, sample, now, effects);
        if playing && sample.ready && !seek && !rewind {
            if ahead_s > SLOWDOWN_S && !self.slowed {
                self.slowed = true;
                effects.push(Effect::Rate(SLOWDOWN_RATE));
            } else if self.slowed && ahead_s < SLOWDOWN_RESET_S {
                self.slowed = false;
                effects.push(Effect::Rate(1.0));
            }
        }
    }
}

impl Viewer for SyncplayViewer {
    type Up = Up;
    type Down = Down;

    fn timer_us(&self) -> u64 {
        1_000_000
    }

    fn handle(&mut self, happening: Happening<Down>, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        match happening {
            Happening::LinkUp => {
                self.acts = 0;
                effects.push(Effect::Send(Up::Hello));
            }
            Happening::Message(Down::Course { playing, place_s, seek, echo_ms, when_ms, acts }) => {
                if acts < self.acts {
                    return;
                }
                self.heard_ms = when_ms;
                if let Some(echo_ms) = echo_ms {
                    let took_ms = (now.unix.ms() - echo_ms).max(0.0);
                    let known_ms = self.round_trip_ms.unwrap_or(took_ms);
                    self.round_trip_ms = Some(known_ms * AVERAGE_WEIGHT + took_ms * (1.0 - AVERAGE_WEIGHT));
                }
                self.follow((playing, place_s, seek), sample, now, effects);
                if sample.ready {
                    // A player that was just sent somewhere says that it is there.
                    let sought =
                        effects.iter().find_map(|e| if let Effect::Seek(to_s) = e { Some(*to_s) } else { None });
                    let place_s = sought.unwrap_or(sample.position_s);
                    let (sent_ms, heard_ms) = (now.unix.ms(), self.heard_ms);
                    let report = Up::Report { playing: !sample.paused, place_s, sent_ms, heard_ms };
                    effects.push(Effect::Send(report));
                }
            }
            Happening::User(act) => self.act(act, sample, now, effects),
            Happening::Player | Happening::Timer | Happening::Wake => {
                if let Some(act) = self.screen.handle_player(sample, now, effects) {
                    self.act(act, sample, now, effects);
                }
            }
            Happening::LinkDown | Happening::Message(Down::Pong { .. } | Down::Places(_)) => {}
        }
    }
}

#[derive(Debug)]
struct Watcher {
    place_s: f64,
    at_us: u64,
    /// What it sent of its clock, and when that came.
    sent: (f64, u64),
}

/// Asks, and holds the slowest's place for the room's.
#[derive(Debug, Default)]
pub struct SyncplayRelay {
    hub: Hub,
    watchers: BTreeMap<usize, Watcher>,
    /// The last command, in milliseconds of this clock: what was said before hearing of it counts no more.
    acted_ms: f64,
    acts: BTreeMap<usize, u32>,
}

impl SyncplayRelay {
    fn place_s(&self, now_us: u64) -> f64 {
        let moved_s = |at_us: u64| {
            if self.hub.playing { crate::device::seconds(now_us.saturating_sub(at_us)) } else { 0.0 }
        };
        let places = self.watchers.values().map(|watcher| watcher.place_s + moved_s(watcher.at_us));
        let slowest = places.fold(f64::INFINITY, f64::min);
        if slowest.is_finite() { slowest } else { self.hub.place_s(now_us) }
    }

    fn tell(&mut self, seat: Option<usize>, seek: bool, now_us: u64) {
        let to: Vec<usize> = self.hub.seats.iter().copied().filter(|other| Some(*other) != seat).collect();
        for seat in to {
            let echo = |w: &Watcher| w.sent.0 + crate::device::ms(now_us.saturating_sub(w.sent.1));
            let echo_ms = self.watchers.get(&seat).filter(|w| w.sent.1 > 0).map(echo);
            let (playing, place_s) = (self.hub.playing, self.place_s(now_us));
            let when_ms = crate::device::ms(now_us);
            let acts = self.acts.get(&seat).copied().unwrap_or_default();
            self.hub.send(seat, Down::Course { playing, place_s, seek, when_ms, echo_ms, acts });
        }
    }
}

impl Relay for SyncplayRelay {
    type Up = Up;
    type Down = Down;

    fn handle(&mut self, seat: usize, message: Up, now_us: u64) {
        if self.hub.tick_us.is_none() {
            self.hub.tick_in(STATE_EVERY_US, now_us);
        }
        match message {
            Up::Hello => {
                self.hub.seats.insert(seat);
                self.acts.insert(seat, 0);
            }
            Up::Act { playing, place_s, seek } => {
                *self.acts.entry(seat).or_default() += 1;
                self.acted_ms = crate::device::ms(now_us);
                self.hub.set(playing, place_s, now_us);
                // Everybody is told to be there, so that is where they are until they say otherwise.
                if seek || !playing {
                    for watcher in self.watchers.values_mut() {
                        (watcher.place_s, watcher.at_us) = (place_s, now_us);
                    }
                }
                self.tell(Some(seat), seek, now_us);
            }
            Up::Report { place_s, sent_ms, heard_ms, .. } => {
                if heard_ms >= self.acted_ms {
                    self.watchers.insert(seat, Watcher { place_s, at_us: now_us, sent: (sent_ms, now_us) });
                }
            }
            Up::Ping { .. } | Up::Ready | Up::Buffering => {}
        }
    }

    fn leave(&mut self, seat: usize, _now_us: u64) {
        self.hub.seats.remove(&seat);
        self.watchers.remove(&seat);
    }

    fn timeout_us(&self) -> Option<u64> {
        self.hub.tick_us
    }

    fn handle_timeout(&mut self, now_us: u64) {
        self.hub.tick_in(STATE_EVERY_US, now_us);
        if self.acted_ms > 0.0 {
            self.tell(None, false, now_us);
        }
    }

    fn poll(&mut self) -> Option<(usize, Down)> {
        self.hub.poll()
    }
}
