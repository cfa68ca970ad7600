//! Virtual time: one queue of what happens next, and whoever it happens to.

mod incidents;

use crate::Rng;
use crate::device::{Device, ms, whole};
use crate::link::Link;
use crate::observer::{Command, Observer, Reference};
use crate::outcome::Outcome;
use crate::player::Player;
use crate::scenario::{Incident, Scenario};
use crate::scheme::{Effect, Happening, Relay as _, Scheme, UserAct, Viewer as _};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use streamshare_playsync::MonoTime;

/// The observer looks 20 times a second.
const OBSERVE_US: u64 = 50_000;
/// The relay's clock, above any clock reading of a viewer, so that a mix-up shows.
const RELAY_START_US: u64 = 1_700_000_000_000_000;
/// How often a story says where everybody is.
const TOLD_US: u64 = 1_000_000;
/// What a room that waits for stalls may lose since its last command, and what a start may lie ahead.
const STOOD_S: f64 = 30.0;
const AHEAD_S: f64 = 1.0;

enum Event<Up, Down> {
    Script(usize),
    Act(usize, UserAct),
    Up {
        seat: usize,
        connection: u32,
        message: Up,
    },
    Down {
        seat: usize,
        connection: u32,
        message: Down,
    },
    Drain(usize),
    Timer(usize),
    /// A timer; where it is an alarm, only if none was set since.
    Wake(usize, Option<MonoTime>),
    Player(usize),
    Leave {
        seat: usize,
        connection: u32,
    },
    RelayTimeout,
    Observe,
}

struct Seat<S: Scheme> {
    viewer: S::Viewer,
    player: Player,
    device: Device,
    link: Link,
    /// Whether the relay knows that the connection is gone: what was under way then comes too late.
    left: bool,
    connected: bool,
    /// Counts connections: what belongs to a former one is lost.
    connection: u32,
    inbox: VecDeque<S::Down>,
    wake: Option<MonoTime>,
    player_event: Option<u64>,
}

/// A room in virtual time.
pub struct World<'a, S: Scheme> {
    scenario: &'a Scenario,
    t_us: u64,
    sequence: u64,
    queue: BinaryHeap<Reverse<(u64, u64)>>,
    events: BTreeMap<u64, Event<S::Up, S::Down>>,
    relay: S::Relay,
    relay_ppm: f64,
    relay_timeout: Option<u64>,
    seats: Vec<Seat<S>>,
    reference: Reference,
    observer: Observer,
    effects: Vec<Effect<S::Up>>,
    story: Option<Vec<String>>,
}

impl<S: Scheme> std::fmt::Debug for World<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("seed", &self.scenario.seed).field("t_us", &self.t_us).finish_non_exhaustive()
    }
}

impl<'a, S: Scheme> World<'a, S> {
    /// A room in which nothing has happened yet.
    #[must_use]
    pub fn new(scheme: &S, scenario: &'a Scenario) -> Self {
        let seed = scenario.seed;
        let relay_ppm = Rng::new(seed, 2).around(50.0);
        let seat = |(n, spec): (usize, &crate::scenario::SeatSpec)| {
            let stream = |purpose: u64| Rng::new(seed, 16 * (n as u64 + 1) + purpose);
            Seat {
                viewer: scheme.viewer(n, spec),
                player: Player::new(spec.model, spec.card_ppm, stream(0)),
                device: Device::new(spec.clock.clone(), stream(1)),
                link: Link::new(spec.link.clone(), stream(2)),
                connected: false,
                left: false,
                connection: 0,
                inbox: VecDeque::new(),
                wake: None,
                player_event: None,
            }
        };
        let mut world = Self {
            scenario,
            t_us: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            relay: scheme.relay(RELAY_START_US),
            relay_ppm,
            relay_timeout: None,
            seats: scenario.seats.iter().enumerate().map(seat).collect(),
            reference: Reference::new(scenario),
            observer: Observer::new(scenario),
            effects: Vec::new(),
            story: None,
        };
        for (n, (at_us, ..)) in scenario.script.iter().enumerate() {
            world.at(*at_us, Event::Script(n));
        }
        let mut rng = Rng::new(seed, 3);
        for n in 0..world.seats.len() {
            let phase_us = whole(rng.unit() * ms(world.seats[n].viewer.timer_us()) * 1000.0);
            world.at(phase_us, Event::Timer(n));
        }
        world.deliver();
        world.at(0, Event::Observe);
        world
    }

    /// Lets everything happen, and tells what came of it. Viewers must agree to within so many seconds in the end.
    #[must_use]
    pub fn run(self, tolerance_s: f64) -> Outcome {
        self.play(tolerance_s).0
    }

    /// The same, and what happened to whom, line by line: incidents, commands to players, and every second how far
    /// everybody is from the room, in milliseconds.
    #[must_use]
    pub fn story(mut self, tolerance_s: f64) -> Vec<String> {
        self.story = Some(Vec::new());
        let (outcome, mut story) = self.play(tolerance_s);
        story.extend(outcome.disagreements);
        story
    }

    fn play(mut self, tolerance_s: f64) -> (Outcome, Vec<String>) {
        while let Some(Reverse((at_us, sequence))) = self.queue.pop() {
            if at_us > self.scenario.end_us {
                break;
            }
            self.t_us = at_us;
            let event = self.events.remove(&sequence).expect("what is queued is kept under its number");
            self.handle(event);
        }
        let players: Vec<&Player> = self.seats.iter().map(|seat| &seat.player).collect();
        let stood_s = if self.scenario.starves() { STOOD_S } else { AHEAD_S };
        let outcome = self.observer.finish(&players, &self.reference, (tolerance_s, stood_s), self.scenario.end_us);
        (outcome, self.story.unwrap_or_default())
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{:9.3} {}", ms(self.t_us) / 1000.0, line()));
        }
    }

    fn at(&mut self, at_us: u64, event: Event<S::Up, S::Down>) {
        self.sequence += 1;
        self.queue.push(Reverse((at_us, self.sequence)));
        self.events.insert(self.sequence, event);
    }

    fn handle(&mut self, event: Event<S::Up, S::Down>) {
        let t_us = self.t_us;
        match event {
            Event::Script(n) => {
                let (_, seat, incident) = self.scenario.script[n];
                let of_link = matches!(incident, Incident::Connect | Incident::Cut(_));
                if !(of_link && self.postponed(seat, Event::Script(n))) {
                    self.tell(|| format!("{seat}: {incident:?}"));
                    self.incident(seat, incident);
                }
            }
            Event::Act(seat, act) => self.act(seat, act),
            Event::Up { seat, connection, message } => {
                if self.seats[seat].connection == connection && !self.seats[seat].left {
                    self.relay_takes(seat, message);
                }
            }
            Event::Down { seat, connection, message } => {
                if self.seats[seat].connection == connection {
                    self.seats[seat].inbox.push_back(message);
                    self.drain(seat);
                }
            }
            Event::Drain(seat) => self.drain(seat),
            Event::Timer(seat) => self.timer(seat),
            Event::Wake(seat, alarm) => {
                let is_past = alarm.is_some() && self.seats[seat].wake != alarm;
                if !is_past && !self.postponed(seat, Event::Wake(seat, alarm)) {
                    self.seats[seat].wake = None;
                    self.happens(seat, Happening::Wake);
                }
            }
            Event::Player(seat) => {
                if !self.postponed(seat, Event::Player(seat)) {
                    self.seats[seat].player_event = None;
                    self.happens(seat, Happening::Player);
                }
            }
            Event::Leave { seat, connection } => {
                if self.seats[seat].connection == connection {
                    self.seats[seat].left = true;
                    let now_us = self.relay_us();
                    self.relay.leave(seat, now_us);
                    self.deliver();
                }
            }
            Event::RelayTimeout => {
                let now_us = self.relay_us();
                if self.relay_timeout.is_some_and(|due_us| due_us <= now_us) {
                    self.relay_timeout = None;
                    self.relay.handle_timeout(now_us);
                    self.deliver();
                }
            }
            Event::Observe => {
                self.at(t_us + OBSERVE_US, Event::Observe);
                if self.story.is_some() && t_us.is_multiple_of(TOLD_US) {
                    self.tell_places();
                }
                let players: Vec<&Player> = self.seats.iter().map(|seat| &seat.player).collect();
                self.observer.observe(&players, &self.reference, t_us);
            }
        }
    }

    fn timer(&mut self, seat: usize) {
        if !self.postponed(seat, Event::Timer(seat)) {
            let every_us = self.seats[seat].viewer.timer_us();
            let next_us = self.seats[seat].device.timer(self.t_us + every_us);
            self.at(next_us, Event::Timer(seat));
            self.happens(seat, Happening::Timer);
        }
    }

    fn tell_places(&mut self) {
        let (t_us, room_s) = (self.t_us, self.reference.place_s(self.t_us));
        let place = |seat: &Seat<S>| {
            let off_ms = (seat.player.position_s(t_us) - room_s) * 1000.0;
            format!("{off_ms:.0}{}", if seat.player.moves(t_us) { "" } else { " stands" })
        };
        let places: Vec<String> = self.seats.iter().map(place).collect();
        let plays = if self.reference.playing { "plays" } else { "stands" };
        self.tell(|| format!("   room {plays} at {room_s:.2} s: {}", places.join(", ")));
    }

    /// Whether a viewer is away; then this comes again when it is back.
    fn postponed(&mut self, seat: usize, event: Event<S::Up, S::Down>) -> bool {
        let at_us = self.seats[seat].device.handles_at(self.t_us);
        let away = at_us > self.t_us;
        if away {
            self.at(at_us, event);
        }
        away
    }

    fn drain(&mut self, seat: usize) {
        while let Some(message) = self.seats[seat].inbox.pop_front() {
            if self.postponed(seat, Event::Drain(seat)) {
                return self.seats[seat].inbox.push_front(message);
            }
            self.happens(seat, Happening::Message(message));
        }
    }

    fn relay_us(&self) -> u64 {
        RELAY_START_US + whole(ms(self.t_us) * 1000.0 * (1.0 + self.relay_ppm * 1e-6))
    }

    fn relay_takes(&mut self, seat: usize, message: S::Up) {
        if let Some(course) = S::course(&message) {
            let players: Vec<&Player> = self.seats.iter().map(|seat| &seat.player).collect();
            self.observer.took(course, &mut self.reference, &players, self.t_us);
        }
        if let Some(speed) = S::speed(&message) {
            self.reference.take_speed(speed, self.t_us);
        }
        let now_us = self.relay_us();
        self.relay.handle(seat, message, now_us);
        self.deliver();
    }

    fn deliver(&mut self) {
        while let Some((seat, message)) = self.relay.poll() {
            let to = &mut self.seats[seat];
            if to.connected {
                let (at_us, connection) = (to.link.down(self.t_us), to.connection);
                self.at(at_us, Event::Down { seat, connection, message });
            }
        }
        let due = self.relay.timeout_us();
        if let Some(due_us) = due.filter(|_| due != self.relay_timeout) {
            let in_us = ms(due_us.saturating_sub(self.relay_us())) * 1000.0 / (1.0 + self.relay_ppm * 1e-6);
            self.at(self.t_us + whole(in_us) + 2, Event::RelayTimeout);
        }
        self.relay_timeout = due;
    }

    fn happens(&mut self, n: usize, happening: Happening<S::Down>) {
        let seat = &mut self.seats[n];
        let (sample, now) = (seat.player.sample(self.t_us), seat.device.now(self.t_us));
        let mut effects = std::mem::take(&mut self.effects);
        seat.viewer.handle(happening, &sample, &now, &mut effects);
        for effect in effects.drain(..) {
            self.obey(n, effect);
        }
        self.effects = effects;
        let seat = &mut self.seats[n];
        let next = seat.player.next_event_us(self.t_us);
        if let Some(at_us) = next.filter(|at_us| seat.player_event.is_none_or(|known| known > *at_us)) {
            seat.player_event = Some(at_us);
            self.at(at_us, Event::Player(n));
        }
    }

    fn obey(&mut self, n: usize, effect: Effect<S::Up>) {
        let t_us = self.t_us;
        let seat = &mut self.seats[n];
        let command = match effect {
            Effect::Send(message) => {
                if seat.connected {
                    let (at_us, connection) = (seat.link.up(t_us), seat.connection);
                    self.at(at_us, Event::Up { seat: n, connection, message });
                }
                return;
            }
            Effect::WakeAt(mono) | Effect::AlarmAt(mono) => {
                if seat.wake != Some(mono) {
                    seat.wake = Some(mono);
                    let due_us = seat.device.when(mono, t_us);
                    let alarm = matches!(effect, Effect::AlarmAt(_)).then_some(mono);
                    let at_us = if alarm.is_some() { seat.device.alarm(due_us) } else { seat.device.timer(due_us) };
                    self.at(at_us, Event::Wake(n, alarm));
                }
                return;
            }
            Effect::Load(film) => {
                self.observer.loaded(n, film, t_us);
                let film_s = self.scenario.films_s.get(film).copied().unwrap_or(f64::INFINITY);
                seat.player.load(film, film_s, t_us);
                return self.tell(|| format!("  {n}: loads film {film}"));
            }
            Effect::Play => Command::Play,
            Effect::Pause => Command::Pause,
            Effect::Seek(to_s) => Command::Seek(to_s),
            Effect::Rate(rate) => Command::Rate(rate),
        };
        if self.story.is_some() {
            let place_s = self.seats[n].player.position_s(t_us);
            self.tell(|| format!("  {n} at {place_s:.3} s: {command:?}"));
        }
        let seat = &mut self.seats[n];
        self.observer.commanded(n, command, &seat.player, &self.reference, t_us);
        match command {
            Command::Play => seat.player.play(t_us),
            Command::Pause => seat.player.pause(t_us),
            Command::Seek(to_s) => seat.player.seek(to_s, t_us),
            Command::Rate(rate) => seat.player.set_rate(rate, t_us),
        }
    }
}
