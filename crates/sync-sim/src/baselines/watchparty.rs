//! WatchParty (howardchung/watchparty): obeys on arrival; everybody reports its place once a second, the relay passes all
//! places on once a second, and who is more than half a second behind plays up to 1.1 times as fast.

use super::nothing::{NothingRelay, NothingViewer};
use super::{Down, Up};
use crate::player::Sample;
use crate::scenario::SeatSpec;
use crate::scheme::{Course, Effect, Happening, Relay, Scheme, Viewer};
use std::collections::BTreeMap;
use streamshare_playsync::Now;

/// Who is less behind than this is left alone.
const BEHIND_S: f64 = 0.5;
/// A hundredth faster for each tenth of a second, and at the most so fast.
const PER_SECOND: f64 = 0.1;
const RATE_MAX: f64 = 1.1;
/// In rooms larger than this the median leads, else whoever is furthest.
const FURTHEST_LEADS_MAX: usize = 2;

const MAP_EVERY_US: u64 = 1_000_000;

/// WatchParty.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchParty;

impl Scheme for WatchParty {
    type Up = Up;
    type Down = Down;
    type Viewer = WatchPartyViewer;
    type Relay = WatchPartyRelay;

    fn name(&self) -> &'static str {
        "WatchParty"
    }

    fn relay(&self, _now_us: u64) -> WatchPartyRelay {
        WatchPartyRelay::default()
    }

    fn viewer(&self, seat: usize, _spec: &SeatSpec) -> WatchPartyViewer {
        WatchPartyViewer { seat, obeys: NothingViewer::default() }
    }

    fn course(message: &Up) -> Option<Course> {
        super::course(message)
    }
}

/// A laggard catches up.
#[derive(Debug)]
pub struct WatchPartyViewer {
    seat: usize,
    obeys: NothingViewer,
}

impl Viewer for WatchPartyViewer {
    type Up = Up;
    type Down = Down;

    fn timer_us(&self) -> u64 {
        1_000_000
    }

    fn handle(&mut self, happening: Happening<Down>, sample: &Sample, now: &Now, effects: &mut Vec<Effect<Up>>) {
        if let (Happening::Message(Down::Places(places)), false) = (&happening, sample.paused) {
            let own_s = places.iter().find(|(seat, _)| *seat == self.seat).map(|(_, place_s)| *place_s);
            if let (Some(own_s), Some(leader_s)) = (own_s, leader_s(places)) {
                let behind_s = leader_s - own_s;
                let faster = (behind_s * PER_SECOND * 100.0).round() / 100.0;
                let rate = if behind_s > BEHIND_S { (1.0 + faster).min(RATE_MAX) } else { 1.0 };
                effects.push(Effect::Rate(rate));
            }
        } else if let (Happening::Timer, true) = (&happening, sample.ready) {
            let (playing, place_s) = (!sample.paused, sample.position_s);
            effects.push(Effect::Send(Up::Report { playing, place_s, sent_ms: 0.0, heard_ms: 0.0 }));
        }
        self.obeys.handle(happening, sample, now, effects);
    }
}

fn leader_s(places: &[(usize, f64)]) -> Option<f64> {
    let mut all_s: Vec<f64> = places.iter().map(|(_, place_s)| *place_s).collect();
    all_s.sort_by(f64::total_cmp);
    if all_s.len() > FURTHEST_LEADS_MAX { all_s.get(all_s.len() / 2).copied() } else { all_s.last().copied() }
}

/// Passes places on.
#[derive(Debug, Default)]
pub struct WatchPartyRelay {
    passes_on: NothingRelay,
    places: BTreeMap<usize, f64>,
}

impl Relay for WatchPartyRelay {
    type Up = Up;
    type Down = Down;

    fn handle(&mut self, seat: usize, message: Up, now_us: u64) {
        if self.passes_on.hub.tick_us.is_none() {
            self.passes_on.hub.tick_in(MAP_EVERY_US, now_us);
        }
        if let Up::Report { place_s, .. } = message {
            self.places.insert(seat, place_s);
        } else {
            self.passes_on.handle(seat, message, now_us);
        }
    }

    fn leave(&mut self, seat: usize, now_us: u64) {
        self.places.remove(&seat);
        self.passes_on.leave(seat, now_us);
    }

    fn timeout_us(&self) -> Option<u64> {
        self.passes_on.hub.tick_us
    }

    fn handle_timeout(&mut self, now_us: u64) {
        self.passes_on.hub.tick_in(MAP_EVERY_US, now_us);
        let places = Down::Places(self.places.iter().map(|(seat, place_s)| (*seat, *place_s)).collect());
        self.passes_on.hub.send_others(None, &places);
    }

    fn poll(&mut self) -> Option<(usize, Down)> {
        self.passes_on.poll()
    }
}
