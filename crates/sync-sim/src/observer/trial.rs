//! A person's start or seek: how long until everybody is together.

use super::{Observer, Reference, TOGETHER_FOR_US, TOGETHER_MAX_US, TOGETHER_S};
use crate::device::seconds;
use crate::player::Player;
use crate::scheme::UserAct;

/// A player this far from where a person sought to has not gone there yet. Seeks go further than that.
const NEAR_S: f64 = 3.0;

#[derive(Debug)]
pub(super) struct Trial {
    act: UserAct,
    begun_us: u64,
    pub(super) seats: Vec<usize>,
    together_since: Option<u64>,
}

impl Trial {
    /// Of those to whom nothing else happens, where there are several.
    pub(super) fn new(act: UserAct, seats: Vec<usize>, t_us: u64) -> Option<Self> {
        let timed = matches!(act, UserAct::Play | UserAct::Seek(_)) && seats.len() > 1;
        timed.then_some(Self { act, begun_us: t_us, seats, together_since: None })
    }
}

impl Observer {
    pub(super) fn watch_trial(&mut self, players: &[&Player], reference: &Reference, t_us: u64) {
        let Some(trial) = &mut self.trial else { return };
        let (mut low, mut high, mut all) = (f64::INFINITY, f64::NEG_INFINITY, true);
        let (mut least_ms, mut most_ms) = (f64::INFINITY, f64::NEG_INFINITY);
        for (n, player) in players.iter().enumerate() {
            if trial.seats.contains(&n) {
                let place_s = player.position_s(t_us);
                (low, high) = (low.min(place_s), high.max(place_s));
                let asymmetry_ms = self.seats[n].asymmetry_ms;
                (least_ms, most_ms) = (least_ms.min(asymmetry_ms), most_ms.max(asymmetry_ms));
                all &= player.is_playing(t_us) && player.is_ready(t_us);
            }
        }
        let there = if let UserAct::Seek(to_s) = trial.act {
            let expected_s = to_s + seconds(t_us - trial.begun_us) * reference.speed;
            (low - expected_s).abs() < NEAR_S && (high - expected_s).abs() < NEAR_S
        } else {
            (low - reference.place_s(t_us)).abs() < NEAR_S
        };
        let knowable_s = TOGETHER_S + (most_ms - least_ms) / 2000.0;
        if !(all && there && high - low < knowable_s) {
            trial.together_since = None;
        } else if trial.together_since.is_none() {
            trial.together_since = Some(t_us);
        }
        let done = trial.together_since.filter(|since| t_us - since >= TOGETHER_FOR_US);
        let late = (t_us - trial.begun_us >= TOGETHER_MAX_US).then_some(trial.begun_us + TOGETHER_MAX_US);
        if let Some(at) = done.or(late) {
            let took_ms = seconds(at - trial.begun_us) * 1000.0;
            let sought = matches!(trial.act, UserAct::Seek(_));
            let histogram = if sought { &mut self.outcome.seek } else { &mut self.outcome.start };
            histogram.add(took_ms);
            self.trial = None;
        }
    }
}
