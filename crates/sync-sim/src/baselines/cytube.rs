//! CyTube: the relay says every 5 s where the room is; who is more than 2 s from that seeks. No clock.

use super::nothing::{NothingRelay, NothingViewer};
use super::{Down, Up};
use crate::player::Sample;
use crate::scenario::SeatSpec;
use crate::scheme::{Course, Effect, Happening, Relay, Scheme, Viewer};
use streamshare_playsync::Now;

/// The default of the option "synchronization accuracy".
const ACCURACY_S: f64 = 2.0;
/// Who is ahead is sent so much further than the message says, for the message was under way.
const BACK_S: f64 = 1.0;
const UPDATE_US: u64 = 5_000_000;

/// CyTube.
#[derive(Clone, Copy, Debug, Default)]
pub struct CyTube;

impl Scheme for CyTube {
    type Up = Up;
    type Down = Down;
    type Viewer = CyTubeViewer;
    type Relay = CyTubeRelay;

    fn name(&self) -> &'static str {
        "CyTube"
    }

    fn relay(&self, _now_us: u64) -> CyTubeRelay {
        CyTubeRelay::default()
    }

    fn viewer(&self, _seat: usize, _spec: &SeatSpec) -> CyTubeViewer {
        CyTubeViewer::default()
    }

    fn course(message: &Up) -> Option<Course> {
        super::course(message)
    }
}

/// Seeks when it is far off.
#[derive(Debug, Default)]
pub struct CyTubeViewer {
    obeys: NothingViewer,
    /// Who acted last leads, and is not told where to be.
    leads: bool,
}

impl Viewer for CyTubeViewer {
    type Up = Up;
    type Down = Down;

    fn timer_us(&self) -> u64 {
        1_000_000
    }

    fn handle(&mut self, happening: Happening<Down>, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        if let Happening::Message(Down::Course { playing: true, place_s, seek: false, .. }) = happening
            && sample.ready
            && !sample.paused
        {
            // What comes by itself, while playing: no command.
            let behind_s = place_s - sample.position_s;
            if !self.leads && behind_s > ACCURACY_S {
                effects.push(Effect::Seek(place_s));
            } else if !self.leads && behind_s < -ACCURACY_S {
                effects.push(Effect::Seek(place_s + BACK_S));
            }
            return;
        }
        self.leads = match happening {
            Happening::User(_) => true,
            Happening::Message(_) | Happening::LinkDown => false,
            Happening::LinkUp | Happening::Player | Happening::Timer | Happening::Wake => self.leads,
        };
        self.obeys.handle(happening, sample, now, effects);
    }
}

/// Says where the room is.
#[derive(Debug, Default)]
pub struct CyTubeRelay(NothingRelay);

impl Relay for CyTubeRelay {
    type Up = Up;
    type Down = Down;

    fn handle(&mut self, seat: usize, message: Up, now_us: u64) {
        if self.0.hub.tick_us.is_none() {
            self.0.hub.tick_in(UPDATE_US, now_us);
        }
        self.0.handle(seat, message, now_us);
    }

    fn leave(&mut self, seat: usize, now_us: u64) {
        self.0.leave(seat, now_us);
    }

    fn timeout_us(&self) -> Option<u64> {
        self.0.hub.tick_us
    }

    fn handle_timeout(&mut self, now_us: u64) {
        self.0.hub.tick_in(UPDATE_US, now_us);
        if self.0.hub.at_us > 0 {
            let course = self.0.hub.course(false, now_us);
            self.0.hub.send_others(None, &course);
        }
    }

    fn poll(&mut self) -> Option<(usize, Down)> {
        self.0.poll()
    }
}
