//! The end of a film and the next one: each of them once, for everybody, not before its time, and without anybody's doing.

use super::{Observer, PROMPTED_US, Reference, SETTLE_US};
use crate::device::seconds;
use crate::player::Player;
use crate::scheme::UserAct;

/// How far before its end a film may be left, in seconds: what a player that is ahead of the others may be.
const EARLY_S: f64 = 1.0;
/// When the next one plays at the latest: it takes up to 2.3 s to load, and a message each way.
const NEXT_US: u64 = 4_000_000;

impl Observer {
    /// The room's relay took something that made it show another film than before.
    pub(super) fn stepped(&mut self, former: &Reference, reference: &Reference, players: &[&Player], t_us: u64) {
        let (from, to) = (former.film, reference.film);
        let asked = matches!(self.last_act, Some((UserAct::Next, at)) if t_us - at <= PROMPTED_US);
        let furthest_s = players.iter().filter(|player| player.film() == from).map(|player| player.position_s(t_us));
        let furthest_s = furthest_s.fold(0.0, f64::max);
        if to != from + 1 {
            self.outcome.missteps.push(format!("film {to} after {from}, {:.1} s", seconds(t_us)));
        } else if !asked && furthest_s < former.film_s() - EARLY_S {
            self.outcome.missteps.push(format!("film {from} was left at {furthest_s:.2} of {:.2} s", former.film_s()));
        }
        self.outcome.steps += 1;
        self.settled_us = self.settled_us.max(t_us + SETTLE_US);
        self.trial = None;
        self.forget_landings();
        // Nobody has to do anything for it, but for a room that stood.
        self.plays_by_us = former.playing.then_some(t_us + NEXT_US);
        for seat in &mut self.seats {
            (seat.window, seat.came_late) = (None, false);
            seat.corrections.clear();
        }
    }

    /// A viewer's program loads a film.
    pub(crate) fn loaded(&mut self, n: usize, film: usize, t_us: u64) {
        let seat = &mut self.seats[n];
        if let Some(former) = seat.film.replace(film).filter(|former| film != former + 1) {
            self.outcome.missteps.push(format!("seat {n} loads film {film} after {former}, {:.1} s", seconds(t_us)));
        }
        (seat.seeks, seat.moved_us) = (0, 0);
    }

    /// A player is told to play: at the end of a film that means from the beginning.
    pub(super) fn watch_restart(&mut self, n: usize, player: &Player, reference: &Reference, t_us: u64) {
        if player.has_ended(t_us) && reference.place_s(t_us) > EARLY_S {
            self.outcome.missteps.push(format!("seat {n} starts its film anew at the end, {:.2} s", seconds(t_us)));
        }
    }

    pub(super) fn watch_next(&mut self, reference: &Reference, t_us: u64) {
        let acted = self.last_act.is_some_and(|(_, at)| t_us - at < NEXT_US);
        if reference.playing || acted {
            self.plays_by_us = None;
        } else if self.plays_by_us.is_some_and(|by_us| by_us < t_us) {
            self.plays_by_us = None;
            self.outcome.missteps.push(format!("film {} does not start, {:.1} s", reference.film, seconds(t_us)));
        }
    }
}
