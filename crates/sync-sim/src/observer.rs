//! The omniscient observer: sees every player's true place, and judges.

use crate::device::seconds;
use crate::outcome::Outcome;
use crate::player::Player;
use crate::scenario::Scenario;
use crate::scheme::UserAct;
use std::collections::VecDeque;

/// After a command of a person, and after what disturbed a viewer, so long is given to settle before skew counts.
pub(crate) const SETTLE_US: u64 = 5_000_000;
/// A viewer that had to stall is up to a second behind, and catches up at 1.08 at the most.
const CATCH_UP_US: u64 = 14_000_000;
/// What a room that waits hears of a stall's end late.
const WAIT_MORE_US: u64 = 1_000_000;
/// Within this, people in one room hear no echo. Half of what the ways differ in comes on top: no clock can know it.
const TOGETHER_S: f64 = 0.040;
/// How long they must stay together for it to count, and how long it may take at the most.
const TOGETHER_FOR_US: u64 = 500_000;
const TOGETHER_MAX_US: u64 = 10_000_000;
/// A player this far from where a person sought to has not gone there yet. Seeks go further than that.
const NEAR_S: f64 = 3.0;
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

/// The course of the room as its relay took it: the last command counts. Knows nothing of clocks, of stalls or of whose
/// command it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    pub(crate) playing: bool,
    speed: f64,
    place_s: f64,
    at_us: u64,
}

impl Default for Reference {
    fn default() -> Self {
        Self { playing: false, speed: 1.0, place_s: 0.0, at_us: 0 }
    }
}

impl Reference {
    pub(crate) fn take(&mut self, (playing, place_s): (bool, f64), t_us: u64) {
        *self = Self { playing, place_s, at_us: t_us, ..*self };
    }

    pub(crate) fn take_speed(&mut self, speed: f64, t_us: u64) {
        *self = Self { place_s: self.place_s(t_us), at_us: t_us, speed, ..*self };
    }

    pub(crate) fn place_s(&self, t_us: u64) -> f64 {
        self.place_s + if self.playing { seconds(t_us.saturating_sub(self.at_us)) * self.speed } else { 0.0 }
    }
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
}

impl Seat {
    /// Whether what it does counts: it is connected, and nothing has happened to it lately.
    fn quiet(&self, t_us: u64) -> bool {
        self.counts && !self.offline && !self.hidden && self.disturbed_us <= t_us
    }
}

#[derive(Debug)]
struct Trial {
    act: UserAct,
    begun_us: u64,
    seats: Vec<usize>,
    together_since: Option<u64>,
}

#[derive(Debug)]
pub(crate) struct Observer {
    seats: Vec<Seat>,
    /// Skew of nobody counts before this moment.
    settled_us: u64,
    /// Until then the room may wait for somebody, and whoever waits may be moved.
    waits_us: u64,
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
        let quiet = self.seats.iter().enumerate().filter(|(_, seat)| seat.quiet(t_us));
        let seats: Vec<usize> = quiet.map(|(n, _)| n).collect();
        let timed = matches!(act, UserAct::Play | UserAct::Seek(_)) && seats.len() > 1;
        self.trial = timed.then_some(Trial { act, begun_us: t_us, seats, together_since: None });
    }

    /// The relay took a play, a pause or a seek. What was opened starts by itself, whenever it can.
    pub(crate) fn took(&mut self, t_us: u64) {
        if self.last_act.is_some_and(|(act, at)| act != UserAct::Open && t_us - at > PROMPTED_US) {
            self.outcome.unprompted += 1;
        }
    }

    /// Something outside of the scheme's power keeps a viewer from playing until then.
    pub(crate) fn disturb(&mut self, seat: usize, until_us: u64, t_us: u64) {
        if self.trial.as_ref().is_some_and(|trial| trial.seats.contains(&seat)) {
            self.trial = None;
        }
        let seat = &mut self.seats[seat];
        seat.unable_us = seat.unable_us.max(until_us);
        let settles_us = if until_us > t_us { CATCH_UP_US } else { SETTLE_US };
        seat.disturbed_us = seat.disturbed_us.max(until_us + settles_us);
        seat.window = None;
        seat.corrections.clear();
    }

    /// A viewer that is not to be held to anything while it is hidden, or that is seen again.
    pub(crate) fn hide(&mut self, seat: usize, hidden: bool, t_us: u64) {
        if self.seats[seat].hidden != hidden {
            self.disturb(seat, t_us, t_us);
            self.seats[seat].hidden = hidden;
        }
    }

    /// A viewer's connection comes or goes.
    pub(crate) fn link(&mut self, seat: usize, up: bool, t_us: u64) {
        self.disturb(seat, t_us, t_us);
        self.seats[seat].offline = !up;
    }

    /// Something happened to one viewer that a room may wait for: it is nobody's fault if that is felt until then.
    pub(crate) fn disturb_all(&mut self, until_us: u64) {
        self.trial = None;
        self.waits_us = self.waits_us.max(until_us + WAIT_MORE_US);
        self.settled_us = self.settled_us.max(self.waits_us + SETTLE_US);
        for seat in &mut self.seats {
            seat.window = None;
            seat.corrections.clear();
        }
    }

    /// A viewer's program commands its player.
    pub(crate) fn commanded(&mut self, n: usize, command: Command, player: &Player, reference: &Reference, t_us: u64) {
        let seat = &mut self.seats[n];
        let flips = matches!(command, Command::Play) && !player.is_playing()
            || matches!(command, Command::Pause) && player.is_playing();
        if flips {
            seat.starts.push_back(t_us);
            seat.starts.retain(|at| t_us - at <= FLAP_US);
            if seat.starts.len() > FLAP_TURNS {
                self.outcome.limit_cycles += 1;
                seat.starts.clear();
            }
        }
        if let (Command::Seek(_), Some(seeks)) = (command, &mut seat.window)
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
            Command::Pause if player.is_playing() => {
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
    pub(crate) fn observe<'a>(
        &mut self,
        players: impl Iterator<Item = &'a Player> + Clone,
        reference: &Reference,
        t_us: u64,
    ) {
        let elapsed_us = t_us - self.observed_us;
        self.observed_us = t_us;
        self.watch_progress(players.clone(), reference, t_us);
        if !reference.playing {
            return;
        }
        self.watch_trial(players.clone(), reference, t_us);
        if self.settled_us > t_us {
            return;
        }
        self.places.clear();
        for (seat, player) in self.seats.iter().zip(players) {
            if seat.quiet(t_us) && player.is_ready(t_us) {
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

    fn watch_progress<'a>(&mut self, players: impl Iterator<Item = &'a Player>, reference: &Reference, t_us: u64) {
        for (n, (seat, player)) in self.seats.iter_mut().zip(players).enumerate() {
            let place_s = player.position_s(t_us);
            let must = reference.playing && !seat.offline && seat.unable_us <= t_us;
            if !must || place_s > seat.last_place_s {
                seat.advanced_us = t_us;
            }
            seat.last_place_s = place_s;
            if t_us - seat.advanced_us > STUCK_US {
                self.outcome.deadlocks += 1;
                self.outcome.disagreements.push(format!("seat {n} stands at {place_s:.1} s, {} s", seconds(t_us)));
                seat.advanced_us = t_us;
            }
        }
    }

    fn watch_trial<'a>(&mut self, players: impl Iterator<Item = &'a Player>, reference: &Reference, t_us: u64) {
        let Some(trial) = &mut self.trial else { return };
        let (mut low, mut high, mut all) = (f64::INFINITY, f64::NEG_INFINITY, true);
        let (mut least_ms, mut most_ms) = (f64::INFINITY, f64::NEG_INFINITY);
        for (n, player) in players.enumerate() {
            if trial.seats.contains(&n) {
                let place_s = player.position_s(t_us);
                (low, high) = (low.min(place_s), high.max(place_s));
                let asymmetry_ms = self.seats[n].asymmetry_ms;
                (least_ms, most_ms) = (least_ms.min(asymmetry_ms), most_ms.max(asymmetry_ms));
                all &= player.is_playing() && player.is_ready(t_us);
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
    pub(crate) fn finish<'a>(
        mut self,
        players: impl Iterator<Item = &'a Player>,
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
            if player.is_playing() != reference.playing {
                let plays = player.is_playing();
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
