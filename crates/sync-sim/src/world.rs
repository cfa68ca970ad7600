//! Virtual time: one queue of what happens next, and whoever it happens to.

use crate::Rng;
use crate::device::{Device, ms, us, whole};
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
/// A room does not wait for a stall shorter than this, whoever's rules they are.
const WAITED_FOR_US: u64 = 1_200_000;

enum Event<Up, Down> {
    Script(usize),
    Act(usize, UserAct),
    Up { seat: usize, connection: u32, message: Up },
    Down { seat: usize, connection: u32, message: Down },
    Drain(usize),
    Timer(usize),
    Wake(usize),
    Player(usize),
    Leave { seat: usize, connection: u32 },
    RelayTick,
    Observe,
}

struct Seat<S: Scheme> {
    viewer: S::Viewer,
    player: Player,
    device: Device,
    link: Link,
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
    seats: Vec<Seat<S>>,
    reference: Reference,
    observer: Observer,
    effects: Vec<Effect<S::Up>>,
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
            seats: scenario.seats.iter().enumerate().map(seat).collect(),
            reference: Reference::default(),
            observer: Observer::new(scenario),
            effects: Vec::new(),
        };
        for (n, (at_us, ..)) in scenario.script.iter().enumerate() {
            world.at(*at_us, Event::Script(n));
        }
        let mut rng = Rng::new(seed, 3);
        for n in 0..world.seats.len() {
            let phase_us = whole(rng.unit() * ms(world.seats[n].viewer.timer_us()) * 1000.0);
            world.at(phase_us, Event::Timer(n));
        }
        if world.relay.tick_us().is_some() {
            world.at(us(rng.unit()), Event::RelayTick);
        }
        world.at(0, Event::Observe);
        world
    }

    /// Lets everything happen, and tells what came of it. Viewers must agree to within so many seconds in the end.
    #[must_use]
    pub fn run(mut self, tolerance_s: f64) -> Outcome {
        while let Some(Reverse((at_us, sequence))) = self.queue.pop() {
            if at_us > self.scenario.end_us {
                break;
            }
            self.t_us = at_us;
            let event = self.events.remove(&sequence).expect("what is queued is kept under its number");
            self.handle(event);
        }
        let players = self.seats.iter().map(|seat| &seat.player);
        self.observer.finish(players, &self.reference, tolerance_s, self.scenario.end_us)
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
                    self.incident(seat, incident);
                }
            }
            Event::Act(seat, act) => self.act(seat, act),
            Event::Up { seat, connection, message } => {
                if self.seats[seat].connection == connection {
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
            Event::Timer(seat) => {
                if self.postponed(seat, Event::Timer(seat)) {
                    return;
                }
                let every_us = self.seats[seat].viewer.timer_us();
                let next_us = self.seats[seat].device.timer(t_us + every_us);
                self.at(next_us, Event::Timer(seat));
                self.happens(seat, Happening::Timer);
            }
            Event::Wake(seat) => {
                if !self.postponed(seat, Event::Wake(seat)) {
                    self.seats[seat].wake = None;
                    self.happens(seat, Happening::Timer);
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
                    let now_us = self.relay_us();
                    self.relay.leave(seat, now_us);
                    self.deliver();
                }
            }
            Event::RelayTick => {
                let now_us = self.relay_us();
                self.relay.tick(now_us);
                self.deliver();
                if let Some(every_us) = self.relay.tick_us() {
                    self.at(t_us + every_us, Event::RelayTick);
                }
            }
            Event::Observe => {
                self.at(t_us + OBSERVE_US, Event::Observe);
                self.observer.observe(self.seats.iter().map(|seat| &seat.player), &self.reference, t_us);
            }
        }
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
            self.reference.take(course, self.t_us);
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
            Effect::WakeAt(mono) => {
                if seat.wake != Some(mono) {
                    seat.wake = Some(mono);
                    let due_us = seat.device.when(mono, t_us);
                    let at_us = seat.device.timer(due_us);
                    self.at(at_us, Event::Wake(n));
                }
                return;
            }
            Effect::Load => return seat.player.load(t_us),
            Effect::Play => Command::Play,
            Effect::Pause => Command::Pause,
            Effect::Seek(to_s) => Command::Seek(to_s),
            Effect::Rate(rate) => Command::Rate(rate),
        };
        self.observer.commanded(n, command, &seat.player, &self.reference, t_us);
        match command {
            Command::Play => seat.player.play(t_us),
            Command::Pause => seat.player.pause(t_us),
            Command::Seek(to_s) => seat.player.seek(to_s, t_us),
            Command::Rate(rate) => seat.player.set_rate(rate, t_us),
        }
    }

    fn incident(&mut self, n: usize, incident: Incident) {
        let t_us = self.t_us;
        let seat = &mut self.seats[n];
        match incident {
            Incident::Connect => {
                if !seat.connected {
                    seat.connected = true;
                    seat.connection += 1;
                    seat.link.reset();
                    self.observer.link(n, true, t_us);
                    self.happens(n, Happening::LinkUp);
                }
            }
            Incident::Cut(noticed_us) => {
                if seat.connected {
                    seat.connected = false;
                    seat.inbox.clear();
                    let connection = seat.connection;
                    self.observer.link(n, false, t_us);
                    self.happens(n, Happening::LinkDown);
                    self.at(t_us + noticed_us, Event::Leave { seat: n, connection });
                }
            }
            Incident::Busy(for_us) => seat.device.busy(t_us + for_us),
            Incident::Suspend(for_us) => {
                seat.device.suspend(t_us, t_us + for_us);
                seat.player.suspend(t_us, t_us + for_us);
                self.observer.disturb(n, t_us + for_us);
            }
            Incident::Hide(hidden) => seat.device.hidden = hidden,
            Incident::Starve(for_us) => {
                seat.player.starve(t_us, t_us + for_us);
                self.observer.disturb(n, t_us + for_us);
                if for_us >= WAITED_FOR_US {
                    self.observer.disturb_all(t_us + for_us);
                }
                self.happens(n, Happening::Player);
            }
            Incident::Stall(for_us) => seat.link.stall(t_us + for_us),
            Incident::StepWall(by_ms) => seat.device.step_wall(by_ms),
            Incident::Act(act) => self.act(n, act),
        }
    }

    /// A person acts; where that one cannot right now, the next one does.
    fn act(&mut self, first: usize, act: UserAct) {
        let count = self.seats.len();
        let able = |n: &usize| self.seats[*n].connected && self.seats[*n].device.handles_at(self.t_us) == self.t_us;
        match (first..first + count).map(|n| n % count).find(able) {
            Some(n) => {
                self.observer.act(act, self.t_us);
                self.happens(n, Happening::User(act));
            }
            None => self.at(self.t_us + us(1.0), Event::Act(first, act)),
        }
    }
}
