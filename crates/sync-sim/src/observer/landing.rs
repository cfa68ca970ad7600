//! Whoever could not play, for the film was not loaded or had no data, and can from now on: how long until that viewer is
//! where the others are, and what they notice of it.

use super::{Observer, PROMPTED_US, TOGETHER_FOR_US, TOGETHER_MAX_US, TOGETHER_S};
use crate::device::seconds;
use crate::player::Player;

/// A landing under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Landing {
    begun_us: u64,
    together_since: Option<u64>,
    /// Whether a film was loaded, and nothing else happened: then one seek has to do.
    after_load: bool,
}

impl Observer {
    /// Looks who has become able to play since, and whether those who had are with the others by now.
    pub(super) fn watch_landings(&mut self, players: &[&Player], plays: bool, film: usize, t_us: u64) {
        let acted = self.last_act.is_some_and(|(_, at)| t_us - at < PROMPTED_US);
        for (n, player) in players.iter().enumerate() {
            let seat = &mut self.seats[n];
            let able = !seat.offline && seat.unable_us <= t_us && player.is_ready(t_us) && player.film() == film;
            let was_able = std::mem::replace(&mut seat.able, able);
            if !able || !plays {
                seat.landing = None;
            } else if !was_able && seat.counts && !seat.hidden {
                let after_load = !seat.starved && !acted;
                seat.landing = Some(Landing { begun_us: t_us, together_since: None, after_load });
            }
            seat.starved &= !able;
        }
        for n in 0..players.len() {
            if let Some(landing) = self.seats[n].landing {
                self.seats[n].landing = self.still_lands(n, landing, players, t_us);
            }
        }
    }

    fn still_lands(&mut self, n: usize, mut landing: Landing, players: &[&Player], t_us: u64) -> Option<Landing> {
        let (own, own_s) = (&self.seats[n], players[n].position_s(t_us));
        // Those who landed before, or are at it for longer.
        let before = |other: &super::Seat| other.landing.is_none_or(|other| other.begun_us < landing.begun_us);
        let others = self.seats.iter().zip(players).enumerate().filter(|(m, (seat, _))| {
            *m != n
                && seat.counts
                && seat.able
                && !seat.hidden
                && seat.disturbed_us <= t_us.max(landing.begun_us)
                && before(seat)
        });
        let (mut any, mut near) = (false, true);
        for (_, (other, player)) in others {
            let knowable_s = TOGETHER_S + (own.asymmetry_ms - other.asymmetry_ms).abs() / 2000.0;
            any = true;
            near &= (own_s - player.position_s(t_us)).abs() < knowable_s;
        }
        if !any {
            // There is nobody to be with: it is enough that it plays.
            return (!players[n].moves(t_us)).then_some(landing);
        }
        landing.together_since = landing.together_since.or(Some(t_us)).filter(|_| near);
        let done = landing.together_since.filter(|since| t_us - since >= TOGETHER_FOR_US);
        let late = (t_us - landing.begun_us >= TOGETHER_MAX_US).then_some(landing.begun_us + TOGETHER_MAX_US);
        let Some(at_us) = done.or(late) else { return Some(landing) };
        self.outcome.landing.add(seconds(at_us - landing.begun_us) * 1000.0);
        if landing.after_load {
            self.outcome.landing_seeks_max = self.outcome.landing_seeks_max.max(self.seats[n].seeks);
        }
        None
    }

    /// A person's act, or something that all of them feel: from now on that is what is looked at.
    pub(super) fn forget_landings(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.landing = None);
    }
}
