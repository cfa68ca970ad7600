//! No correction at all: everybody obeys when a command arrives.

use super::{Down, Hub, Screen, Up};
use crate::player::Sample;
use crate::scenario::SeatSpec;
use crate::scheme::{Course, Effect, Happening, Relay, Scheme, Viewer};
use streamshare_playsync::Now;

/// Players further from a command's place than this are sent there.
const SLACK_S: f64 = 0.5;

/// Everybody obeys when a command arrives, and nobody looks back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl Scheme for Nothing {
    type Up = Up;
    type Down = Down;
    type Viewer = NothingViewer;
    type Relay = NothingRelay;

    fn name(&self) -> &'static str {
        "nothing"
    }

    fn relay(&self, _now_us: u64) -> NothingRelay {
        NothingRelay::default()
    }

    fn viewer(&self, _seat: usize, _spec: &SeatSpec) -> NothingViewer {
        NothingViewer::default()
    }

    fn course(message: &Up) -> Option<Course> {
        super::course(message)
    }
}

/// Obeys on arrival.
#[derive(Debug, Default)]
pub struct NothingViewer {
    screen: Screen,
}

impl NothingViewer {
    pub(super) fn act(&mut self, act: crate::UserAct, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        if let Some((playing, place_s, seek)) = self.screen.act(act, sample, effects) {
            self.screen.obey((playing, place_s), if seek { 0.0 } else { SLACK_S }, sample, now, effects);
            effects.push(Effect::Send(Up::Act { playing, place_s, seek }));
        }
    }
}

impl Viewer for NothingViewer {
    type Up = Up;
    type Down = Down;

    fn timer_us(&self) -> u64 {
        1_000_000
    }

    fn handle(&mut self, happening: Happening<Down>, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        match happening {
            Happening::LinkUp => effects.push(Effect::Send(Up::Hello)),
            Happening::Message(Down::Course { playing, place_s, seek, .. }) => {
                // A pause shows everybody the same picture.
                let slack_s = if seek || !playing { 0.05 } else { SLACK_S };
                self.screen.obey((playing, place_s), slack_s, sample, now, effects);
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

/// Passes commands on, and tells who comes where the room is.
#[derive(Debug, Default)]
pub struct NothingRelay {
    pub(super) hub: Hub,
}

impl Relay for NothingRelay {
    type Up = Up;
    type Down = Down;

    fn handle(&mut self, seat: usize, message: Up, now_us: u64) {
        match message {
            Up::Hello => {
                self.hub.seats.insert(seat);
                if self.hub.at_us > 0 {
                    let course = self.hub.course(false, now_us);
                    self.hub.send(seat, course);
                }
            }
            Up::Act { playing, place_s, seek } => {
                self.hub.set(playing, place_s, now_us);
                let course = self.hub.course(seek, now_us);
                self.hub.send_others(Some(seat), &course);
            }
            Up::Report { .. } | Up::Ping { .. } | Up::Ready | Up::Buffering => {}
        }
    }

    fn leave(&mut self, seat: usize, _now_us: u64) {
        self.hub.seats.remove(&seat);
    }

    fn timeout_us(&self) -> Option<u64> {
        None
    }

    fn handle_timeout(&mut self, _now_us: u64) {}

    fn poll(&mut self) -> Option<(usize, Down)> {
        self.hub.poll()
    }
}
