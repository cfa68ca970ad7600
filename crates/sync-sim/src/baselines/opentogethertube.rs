//! OpenTogetherTube: the relay holds the course; a viewer takes a message's arrival for the moment that it tells of, and
//! seeks when its player is more than a second from that. Its own person's commands go to the relay first.

use super::nothing::NothingRelay;
use super::{Down, Screen, Up};
use crate::player::Sample;
use crate::scenario::SeatSpec;
use crate::scheme::{Course, Effect, Happening, Relay, Scheme, UserAct, Viewer};
use streamshare_playsync::{MonoTime, Now};

/// Further off than this is sought.
const SEEK_S: f64 = 1.0;

/// OpenTogetherTube.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenTogetherTube;

impl Scheme for OpenTogetherTube {
    type Up = Up;
    type Down = Down;
    type Viewer = OpenTogetherTubeViewer;
    type Relay = OpenTogetherTubeRelay;

    fn name(&self) -> &'static str {
        "OpenTogetherTube"
    }

    fn relay(&self, _now_us: u64) -> OpenTogetherTubeRelay {
        OpenTogetherTubeRelay::default()
    }

    fn viewer(&self, _seat: usize, _spec: &SeatSpec) -> OpenTogetherTubeViewer {
        OpenTogetherTubeViewer::default()
    }

    fn course(message: &Up) -> Option<Course> {
        super::course(message)
    }
}

/// Anchors the course at a message's arrival.
#[derive(Debug, Default)]
pub struct OpenTogetherTubeViewer {
    screen: Screen,
    anchor: Option<(bool, f64, MonoTime)>,
}

impl OpenTogetherTubeViewer {
    fn act(&mut self, act: UserAct, sample: &Sample, effects: &mut Vec<Effect<Up>>) {
        if let Some((playing, place_s, seek)) = self.screen.act(act, sample, effects) {
            effects.push(Effect::Send(Up::Act { playing, place_s, seek }));
        }
    }
}

impl Viewer for OpenTogetherTubeViewer {
    type Up = Up;
    type Down = Down;

    fn timer_us(&self) -> u64 {
        1_000_000
    }

    fn handle(&mut self, happening: Happening<Down>, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        match happening {
            Happening::LinkUp => effects.push(Effect::Send(Up::Hello)),
            Happening::Message(Down::Course { playing, place_s, .. }) => {
                self.anchor = Some((playing, place_s, now.mono));
                self.screen.obey((playing, place_s), SEEK_S, sample, now, effects);
            }
            Happening::User(act) => self.act(act, sample, effects),
            Happening::Player | Happening::Timer | Happening::Wake => {
                if let Some(act) = self.screen.handle_player(sample, now, effects) {
                    self.act(act, sample, effects);
                } else if let (true, false, Some((true, place_s, since))) = (sample.ready, sample.seeking, self.anchor)
                {
                    let room_s = place_s + now.mono.since(since).as_secs_f64();
                    if (room_s - sample.position_s).abs() > SEEK_S {
                        effects.push(Effect::Seek(room_s));
                    }
                }
            }
            Happening::LinkDown | Happening::Message(Down::Pong { .. } | Down::Places(_)) => {}
        }
    }
}

/// Tells everyone of every command, its sender too.
#[derive(Debug, Default)]
pub struct OpenTogetherTubeRelay(NothingRelay);

impl Relay for OpenTogetherTubeRelay {
    type Up = Up;
    type Down = Down;

    fn handle(&mut self, seat: usize, message: Up, now_us: u64) {
        let acts = matches!(message, Up::Act { .. });
        self.0.handle(seat, message, now_us);
        if acts {
            let course = self.0.hub.course(true, now_us);
            self.0.hub.send(seat, course);
        }
    }

    fn leave(&mut self, seat: usize, now_us: u64) {
        self.0.leave(seat, now_us);
    }

    fn timeout_us(&self) -> Option<u64> {
        None
    }

    fn handle_timeout(&mut self, _now_us: u64) {}

    fn poll(&mut self) -> Option<(usize, Down)> {
        self.0.poll()
    }
}
