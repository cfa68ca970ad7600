//! The omniscient observer: sees every player's true place, and judges.

mod disturbances;
mod films;
mod landing;
mod reference;
mod trial;

use crate::device::seconds;
use crate::outcome::Outcome;
use crate::player::Player;
use crate::scenario::{Cell, Scenario};
use crate::scheme::{Course, UserAct};
use landing::Landing;
pub(crate) use reference::Reference;
use std::collections::VecDeque;
use trial::Trial;

/// After a command of a person, and after what disturbed a viewer, so long is given to settle before skew counts.
pub(crate) const SETTLE_US: u64 = 5_000_000;
/// A viewer that had to stall is up to a second behind, and catches up at 1.08 at the most.
const CATCH_UP_US: u64 = 14_000_000;
/// What a room that waits goes on after a stall's end: whoever it waits for plays to where it stands, says so, and all start
/// at one moment.
const WAIT_MORE_US: u64 = 3_500_000;
/// Within this, people in one room hear no echo. Half of what the ways differ in comes on top: no clock can know it.
const TOGETHER_S: f64 = 0.040;
/// How long they must stay together for it to count, and how long it may take at the most.
const TOGETHER_FOR_US: u64 = 500_000;
const TOGETHER_MAX_US: u64 = 10_000_000;
/// What is left of a film when it is at its end.
const LAST_S: f64 = 0.5;
/// Seeks in this time after a person's command belong to it.
const WINDOW_US: u64 = 12_000_000;
/// What a person does reaches the relay within this, and so does what is sent in answer to that.
const PROMPTED_US: u64 = 2_000_000;
/// So many changes of direction within so long are a limit cycle.
const CYCLE_TURNS: usize = 4;
const CYCLE_US: u64 = 10_000_000;
/// So many changes between playing and standing within so long are one, too, whatever happened before.
const FLAP_TURNS: usize = 6;
const FLAP_US: u64 = 2_000_000;
/// What a room may wait for one stall, and what its end takes: everybody is told, and starts at one moment.
const WAITED_MS: f64 = 10_000.0 + 1500.0;
/// A viewer that advances by less than this share of what it should stands.
const STANDS_SHARE: f64 = 0.5;
/// A room does not wait for a stall shorter than this, whoever's rules they are.
const WAITED_FOR_US: u64 = 1_200_000;
/// What a viewer may stand where there is nobody to wait for: a short pause that corrects it.
const STOOD_MS: f64 = 600.0;
/// Whoever has seen less of a film than this is only joining: nobody waits for that one.
const JOINED_US: u64 = 2_500_000;
/// After a stall's beginning so long may pass until the room is told of it and stands.
const HOLD_AFTER_US: u64 = 3_000_000;
/// A viewer that stands for so long in a room that plays is stuck.
const STUCK_US: u64 = 15_000_000;

/// A command to a player.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Play,
    Pause,
    Seek(f64),
    Rate(f64),
}

#[derive(Debug, Default)]
struct Seat {
    counts: bool,
    asymmetry_ms: f64,
    /// Nothing is held against it before this moment.
    disturbed_us: u64,
    /// Its player cannot play before this moment, by what truly happened to it.
    unable_us: u64,
    /// It has no connection.
    offline: bool,
    /// Nobody sees it.
    hidden: bool,
    /// Seeks since the person's command, if nothing disturbed it since.
    window: Option<u32>,
    corrections: VecDeque<(u64, bool)>,
    starts: VecDeque<u64>,
    last_place_s: f64,
    advanced_us: u64,
    /// The film that it was told to load last, and the seeks that it was told since, or since its data stopped.
    film: Option<usize>,
    seeks: u32,
    /// Whether its player can play what the room shows; and whether it got no data.
    able: bool,
    starved: bool,
    landing: Option<Landing>,
    /// For how long it has moved in this film while the room played, in microseconds: then the room may wait for it.
    moved_us: u64,
    /// Whether it came while the film was there.
    came_late: bool,
    /// For how long it has stood for nobody's sake in a room that plays, in milliseconds.
    stood_ms: f64,
}

impl Seat {
    /// Whether what it does counts: it is connected, and nothing has happened to it lately.
    fn quiet(&self, t_us: u64) -> bool {
        self.counts && !self.offline && !self.hidden && self.disturbed_us <= t_us
    }
}

#[derive(Debug)]
pub(crate) struct Observer {
    seats: Vec<Seat>,
    /// Skew of nobody counts before this moment.
    settled_us: u64,
    /// Until then the room may wait for somebody, and whoever waits may be moved.
    waits_us: u64,
    never_waits: bool,
    /// What was opened or came next plays by itself by then.
    plays_by_us: Option<u64>,
    trial: Option<Trial>,
    last_act: Option<(UserAct, u64)>,
    outcome: Outcome,
    observed_us: u64,
    places: Vec<(f64, f64)>,
}

impl Observer {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let seat = |spec: &crate::scenario::SeatSpec| Seat {
            counts: spec.counts,
            asymmetry_ms: spec.link.asymmetry_ms(),
            offline: true,
            ..Seat::default()
        };
        Self {
            seats: scenario.seats.iter().map(seat).collect(),
            settled_us: 0,
            waits_us: 0,
            never_waits: scenario.never_waits() && scenario.cell != Cell::Rough,
            plays_by_us: None,
            trial: None,
            last_act: None,
            outcome: Outcome { rooms: 1, ..Outcome::default() },
            observed_us: 0,
            places: Vec::new(),
        }
    }

    /// A person acts.
    pub(crate) fn act(&mut self, act: UserAct, t_us: u64) {
        self.close_windows();
        self.settled_us = self.settled_us.max(t_us + SETTLE_US);
        self.last_act = Some((act, t_us));
        for seat in &mut self.seats {
            seat.window = (seat.quiet(t_us) && self.waits_us <= t_us).then_some(0);
            seat.corrections.clear();
        }
        self.forget_landings();
        let quiet = self.seats.iter().enumerate().filter(|(_, seat)| seat.quiet(t_us));
        let seats: Vec<usize> = quiet.map(|(n, _)| n).collect();
        self.trial = Trial::new(act, seats, t_us);
    }

    /// The relay took something about the room's course. What was opened starts by itself, whenever it can.
    pub(crate) fn took(&mut self, course: Course, reference: &mut Reference, players: &[&Player], t_us: u64) {
        let former = reference.clone();
        reference.take(course, t_us);
        if reference.film != former.film {
            self.stepped(&former, reference, players, t_us);
        }
        if !matches!(course, Course::Control(..)) {
            return;
        }
        if self.last_act.is_some_and(|(act, at)| !matches!(act, UserAct::Open(_)) && t_us - at > PROMPTED_US) {
            self.outcome.unprompted += 1;
        }
    }

    /// A viewer's program commands its player.
    pub(crate) fn commanded(&mut self, n: usize, command: Command, player: &Player, reference: &Reference, t_us: u64) {
        if matches!(command, Command::Play) {
            self.watch_restart(n, player, reference, t_us);
        }
        let seat = &mut self.seats[n];
        seat.seeks += u32::from(matches!(command, Command::Seek(_)));
        let flips = matches!(command, Command::Play) && !player.is_playing(t_us)
            || matches!(command, Command::Pause) && player.is_playing(t_us);
        if flips {
            seat.starts.push_back(t_us);
            seat.starts.retain(|at| t_us - at <= FLAP_US);
            if seat.starts.len() > FLAP_TURNS {
                self.outcome.limit_cycles += 1;
                seat.starts.clear();
            }
        }
        // At the end of a film, it goes to the last frame.
        let at_end = reference.place_s(t_us) > reference.film_s() - LAST_S;
        if let (Command::Seek(_), Some(seeks), false) = (command, &mut seat.window, at_end)
            && self.last_act.is_some_and(|(_, at)| t_us - at < WINDOW_US)
        {
            *seeks += 1;
        }
        let quiet = reference.playing && seat.quiet(t_us) && self.settled_us <= t_us;
        if !quiet {
            return;
        }
        let forward = match command {
            Command::Seek(to_s) => {
                self.outcome.stray_seeks += 1;
                Some(to_s > player.position_s(t_us))
            }
            Command::Pause if player.is_playing(t_us) => {
                self.outcome.nudges += 1;
                Some(false)
            }
            Command::Rate(rate) if (rate - player.rate()).abs() > 1e-9 => {
                self.outcome.rates += 1;
                let off = rate / reference.speed - 1.0;
                self.outcome.rate_off_max = self.outcome.rate_off_max.max(off.abs());
                (off.abs() > 1e-9).then_some(off > 0.0)
            }
            Command::Play | Command::Pause | Command::Rate(_) => None,
        };
        if let Some(forward) = forward {
            seat.corrections.push_back((t_us, forward));
            while seat.corrections.front().is_some_and(|(at, _)| t_us - at > CYCLE_US) {
                seat.corrections.pop_front();
            }
            let turns =
                seat.corrections.iter().zip(seat.corrections.iter().skip(1)).filter(|(a, b)| a.1 != b.1).count();
            if turns >= CYCLE_TURNS {
                self.outcome.limit_cycles += 1;
                seat.corrections.clear();
            }
        }
    }

    /// Looks at everybody's true place.
    pub(crate) fn observe(&mut self, players: &[&Player], reference: &Reference, t_us: u64) {
        let elapsed_us = t_us - self.observed_us;
        self.observed_us = t_us;
        self.watch_progress(players, reference, elapsed_us, t_us);
        self.watch_landings(players, reference.playing, reference.film, t_us);
        self.watch_next(reference, t_us);
        if !reference.playing {
            return;
        }
        self.watch_trial(players, reference, t_us);
        if self.settled_us > t_us {
            return;
        }
        self.places.clear();
        for (seat, player) in self.seats.iter().zip(players) {
            if seat.quiet(t_us) && seat.landing.is_none() && seat.able {
                self.places.push((player.position_s(t_us), seat.asymmetry_ms));
                self.outcome.watched_s += seconds(elapsed_us);
            }
        }
        for (n, (a, up_a)) in self.places.iter().enumerate() {
            for (b, up_b) in &self.places[n + 1..] {
                let skew_ms = (a - b).abs() * 1000.0 / reference.speed;
                self.outcome.skew.add(skew_ms);
                self.outcome.beyond.add((skew_ms - (up_a - up_b).abs() / 2.0).max(0.0));
            }
        }
    }

    fn watch_progress(&mut self, players: &[&Player], reference: &Reference, elapsed_us: u64, t_us: u64) {
        let at_end = reference.place_s(t_us) >= reference.film_s();
        let acted = self.last_act.is_none_or(|(_, at)| t_us - at < SETTLE_US);
        let waits = self.waits_us > t_us;
        for (n, (seat, player)) in self.seats.iter_mut().zip(players).enumerate() {
            let place_s = player.position_s(t_us);
            let must = reference.playing && !at_end && !seat.offline && seat.unable_us <= t_us;
            let advanced_s = place_s - seat.last_place_s;
            if must && advanced_s > 0.0 {
                seat.moved_us += elapsed_us;
            }
            if !must || advanced_s > 0.0 {
                seat.advanced_us = t_us;
            }
            let stands = must && seat.able && seat.landing.is_none() && seat.quiet(t_us) && !acted;
            seat.stood_ms = if stands && advanced_s < STANDS_SHARE * reference.speed * seconds(elapsed_us) {
                seat.stood_ms + seconds(elapsed_us) * 1000.0
            } else {
                0.0
            };
            self.outcome.stood_max_ms = self.outcome.stood_max_ms.max(seat.stood_ms);
            // Told once, when it is over the limit.
            let limit_ms = if waits { WAITED_MS } else { STOOD_MS };
            if seat.stood_ms > limit_ms && seat.stood_ms - seconds(elapsed_us) * 1000.0 <= limit_ms {
                self.outcome.overstood += 1;
            }
            seat.last_place_s = place_s;
            if t_us - seat.advanced_us > STUCK_US {
                self.outcome.deadlocks += 1;
                self.outcome.disagreements.push(format!("seat {n} stands at {place_s:.1} s, {} s", seconds(t_us)));
                seat.advanced_us = t_us;
            }
        }
    }

    fn close_windows(&mut self) {
        let sought = matches!(self.last_act, Some((UserAct::Seek(_), _)));
        for seat in &mut self.seats {
            if let (true, Some(seeks)) = (sought, seat.window.take()) {
                self.outcome.seeks_max = self.outcome.seeks_max.max(seeks);
                self.outcome.seeks += seeks;
                self.outcome.seeks_of += 1;
            }
        }
    }

    /// The end: everybody must be together to within so many seconds, and where the relay's last command says: as exactly,
    /// but for as long as a room may have stood, `stood_s`.
    pub(crate) fn finish(
        mut self,
        players: &[&Player],
        reference: &Reference,
        (tolerance_s, stood_s): (f64, f64),
        t_us: u64,
    ) -> Outcome {
        /// Where nothing moves, only peers that leave a little as it is may be off.
        const STANDING_S: f64 = 0.5;
        self.close_windows();
        let place_s = reference.place_s(t_us);
        let tolerance_s = if reference.playing { tolerance_s } else { tolerance_s.min(STANDING_S) };
        let mut first_s = None;
        for (n, (seat, player)) in self.seats.iter().zip(players).enumerate() {
            if seat.offline || seat.unable_us > t_us {
                continue;
            }
            let own_s = player.position_s(t_us);
            let plays = player.is_playing(t_us);
            if player.film() != reference.film {
                self.outcome.disagreements.push(format!(
                    "seat {n} has film {}, the room {}",
                    player.film(),
                    reference.film
                ));
            } else if plays != reference.playing {
                self.outcome.disagreements.push(format!("seat {n} plays: {plays}, the room: {}", reference.playing));
            } else if (own_s - *first_s.get_or_insert(own_s)).abs() > tolerance_s {
                self.outcome.disagreements.push(format!("seat {n} is at {own_s:.2} s, the first at {first_s:.2?}"));
            } else if (own_s - place_s).abs() > tolerance_s + stood_s {
                self.outcome.disagreements.push(format!("seat {n} is at {own_s:.2} s, the room at {place_s:.2}"));
            }
        }
        self.outcome
    }
}
