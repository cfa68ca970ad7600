//! The relay, the links and the clock.

mod pause;

use crate::peers::{Ours, Plain};
pub(crate) use pause::pause_once;
use std::collections::BTreeMap;
use streamshare_playsync::*;
use streamshare_protocol::*;

/// SplitMix64: small, seeded, the same everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn float(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

pub(crate) fn now(t: f64) -> Now {
    Now { mono: MonoTime::from_us((t * 1e6) as u64), unix: UnixMs::saturating(t * 1000.0) }
}

enum Kind {
    Ours(Box<Ours>),
    Plain(Plain),
}

struct Peer {
    kind: Kind,
    delay: f64,
    jitter: f64,
    /// The latest arrivals each way: links keep the order.
    up_free: f64,
    down_free: f64,
    /// Counts connections: what belongs to a former one is lost.
    connection: u32,
    connected: bool,
    member: Option<MemberId>,
}

enum Event {
    Up { peer: usize, connection: u32, message: ClientMessage },
    Down { peer: usize, connection: u32, message: RelayMessage },
    Connect { peer: usize },
    Tick { peer: usize },
    Wake { peer: usize },
    Timeout,
    Act,
    Disturb,
}

pub(crate) struct World {
    rng: Rng,
    t: f64,
    sequence: u64,
    events: BTreeMap<(u64, u64), Event>,
    room: Room,
    /// When the room wants to be asked again.
    due: Option<RelayTime>,
    restarts: u32,
    peers: Vec<Peer>,
    restarts_allowed: bool,
}

/// People act and links break until then; afterwards everything settles.
const BUSY_S: f64 = 40.0;
const END_S: f64 = 75.0;
/// Above any clock reading of a peer, so that a mix-up shows.
const RELAY_EPOCH_S: f64 = 1.7e9;

fn relay_time(t: f64) -> RelayTime {
    RelayTime::from_us(((RELAY_EPOCH_S + t) * 1e6) as u64)
}

fn item(n: usize) -> PlaylistItem {
    let filename = Filename::new(&format!("film {n}.mkv")).unwrap();
    PlaylistItem::new(filename, TorrentId::new(&format!("{n:040x}")).unwrap())
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let plain = rng.below(3);
        let ours = 1 + rng.below(4);
        let mut world = Self {
            room: Room::new(Epoch::new("0").unwrap(), relay_time(0.0)),
            due: None,
            // A room of plain peers alone has no memory.
            restarts_allowed: rng.below(2) == 0,
            rng,
            t: 0.0,
            sequence: 0,
            events: BTreeMap::new(),
            restarts: 0,
            peers: Vec::new(),
        };
        for n in 0..ours + plain {
            let name = format!("peer {n}");
            let kind = if n < ours {
                Kind::Ours(Box::new(Ours::new(&name, &mut world.rng)))
            } else {
                Kind::Plain(Plain::new(&name))
            };
            let delay = 0.005 + world.rng.float() * 0.15;
            let jitter = world.rng.float() * 0.03;
            world.peers.push(Peer {
                kind,
                delay,
                jitter,
                up_free: 0.0,
                down_free: 0.0,
                connection: 0,
                connected: false,
                member: None,
            });
            let joins = world.rng.float() * 10.0;
            world.at(joins, Event::Connect { peer: n });
            let phase = world.rng.float() * Client::TICK.as_secs_f64();
            world.at(phase, Event::Tick { peer: n });
        }
        world.at(1.0, Event::Act);
        world.at(5.0, Event::Disturb);
        world
    }

    fn at(&mut self, t: f64, event: Event) {
        self.sequence += 1;
        self.events.insert(((t * 1e6) as u64, self.sequence), event);
    }

    pub(crate) fn run(&mut self) {
        while let Some(((us, _), event)) = self.events.pop_first() {
            self.t = us as f64 / 1e6;
            if self.t > END_S {
                break;
            }
            self.handle(event);
        }
        self.check();
    }

    fn handle(&mut self, event: Event) {
        let t = self.t;
        match event {
            Event::Tick { peer } => {
                self.at(t + 0.25, Event::Tick { peer });
                if let Kind::Ours(ours) = &mut self.peers[peer].kind {
                    let sent = ours.tick(t, &mut self.rng);
                    self.send_up(peer, sent);
                }
            }
            Event::Wake { peer } => {
                if let Kind::Ours(ours) = &mut self.peers[peer].kind {
                    let sent = ours.tick(t, &mut self.rng);
                    self.send_up(peer, sent);
                }
            }
            Event::Connect { peer } => {
                let p = &mut self.peers[peer];
                p.connected = true;
                p.connection += 1;
                let sent = match &mut p.kind {
                    Kind::Ours(ours) => ours.handle(Input::LinkUp, t, &mut self.rng),
                    Kind::Plain(plain) => vec![ClientMessage::Join(plain.join())],
                };
                self.send_up(peer, sent);
            }
            Event::Up { peer, connection, message } => {
                if self.peers[peer].connection == connection && self.peers[peer].connected {
                    self.relay(peer, message);
                }
            }
            Event::Down { peer, connection, message } => {
                let p = &mut self.peers[peer];
                if p.connection != connection || !p.connected {
                    return;
                }
                // What the relay sends must survive its way as JSON.
                let message = RelayMessage::from_json(&message.to_json()).unwrap().unwrap();
                let sent = match &mut p.kind {
                    Kind::Ours(ours) => ours.handle(Input::Remote(message), t, &mut self.rng),
                    Kind::Plain(plain) => {
                        plain.handle(&message, t);
                        Vec::new()
                    }
                };
                self.send_up(peer, sent);
            }
            Event::Timeout => {
                if self.room.poll_timeout().is_some_and(|due| due <= relay_time(t)) {
                    self.room.handle_timeout(relay_time(t));
                    self.deliver();
                }
            }
            Event::Act => {
                if t < BUSY_S {
                    let pause = if self.rng.below(3) == 0 { 0.02 } else { self.rng.float() * 4.0 };
                    self.at(t + pause, Event::Act);
                    self.act();
                }
            }
            Event::Disturb => {
                if t < BUSY_S - 10.0 {
                    let next = t + self.rng.float() * 15.0;
                    self.at(next, Event::Disturb);
                    self.disturb();
                }
            }
        }
    }

    fn send_up(&mut self, peer: usize, messages: Vec<ClientMessage>) {
        if let Kind::Ours(ours) = &mut self.peers[peer].kind
            && let Some(wake) = ours.wake.take()
        {
            self.at(wake.max(self.t) + 0.001, Event::Wake { peer });
        }
        for message in messages {
            let p = &mut self.peers[peer];
            if !p.connected {
                continue;
            }
            let message = ClientMessage::from_json(&message.to_json()).unwrap().unwrap();
            let arrives = (self.t + p.delay + p.jitter * self.rng.float()).max(p.up_free);
            p.up_free = arrives;
            let connection = p.connection;
            self.at(arrives, Event::Up { peer, connection, message });
        }
    }

    fn relay(&mut self, peer: usize, message: ClientMessage) {
        let time = relay_time(self.t);
        match (message, self.peers[peer].member) {
            (ClientMessage::Join(join), None) => {
                let joined = self.room.handle_join(join, time).unwrap();
                self.peers[peer].member = Some(joined.member);
            }
            (message, Some(member)) => self.room.handle_message(member, message, time),
            (_, None) => panic!("a command before Join"),
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        let due = self.room.poll_timeout();
        if due != self.due {
            self.due = due;
            if let Some(due) = due {
                self.at(due.since(relay_time(0.0)).as_secs_f64() + 1e-5, Event::Timeout);
            }
        }
        while let Some(output) = self.room.poll_output() {
            for to in output.to {
                let Some(peer) = self.peers.iter().position(|p| p.member == Some(to)) else { continue };
                let p = &mut self.peers[peer];
                let arrives = (self.t + p.delay + p.jitter * self.rng.float()).max(p.down_free);
                p.down_free = arrives;
                let connection = p.connection;
                self.at(arrives, Event::Down { peer, connection, message: output.message.clone() });
            }
        }
    }

    fn cut(&mut self, peer: usize) {
        let p = &mut self.peers[peer];
        p.connected = false;
        if let Kind::Ours(ours) = &mut p.kind {
            ours.handle(Input::LinkDown, self.t, &mut self.rng);
        }
    }

    fn disturb(&mut self) {
        let t = self.t;
        if self.restarts_allowed && self.rng.below(2) == 0 {
            self.restarts += 1;
            self.room = Room::new(Epoch::new(&self.restarts.to_string()).unwrap(), relay_time(t));
            for peer in 0..self.peers.len() {
                self.peers[peer].member = None;
                if self.peers[peer].connected {
                    self.cut(peer);
                    let back = t + 0.3 + self.rng.float() * 4.0;
                    self.at(back, Event::Connect { peer });
                }
            }
            return;
        }
        let peer = self.rng.below(self.peers.len());
        if self.peers[peer].connected {
            self.cut(peer);
            if let Some(member) = self.peers[peer].member.take() {
                self.room.handle_leave(member, relay_time(t));
                self.deliver();
            }
            let back = t + self.rng.float() * 5.0;
            self.at(back, Event::Connect { peer });
        }
    }

    fn act(&mut self) {
        let (peer, t) = (self.rng.below(self.peers.len()), self.t);
        let (what, place, media) = (self.rng.below(10), self.rng.float() * 500.0, self.rng.below(6));
        let p = &mut self.peers[peer];
        let sent = match &mut p.kind {
            Kind::Ours(ours) => {
                let view = ours.client.view(ours.now(t));
                let ids: Vec<ItemId> = view.playlist.iter().filter_map(|item| item.item_id).collect();
                let action = match what {
                    0 | 1 => Action::Play,
                    2 | 3 => Action::Pause,
                    4 | 5 => Action::Seek(MediaTime::saturating(place)),
                    6 | 7 if ids.len() < 8 => Action::Append(vec![item(media)]),
                    8 if !ids.is_empty() => Action::Move { item: ids[media % ids.len()], to: media % 3 },
                    9 if !ids.is_empty() && media == 0 => Action::Remove(ids[0]),
                    9 if media == 1 => Action::Next,
                    _ => return,
                };
                ours.handle(Input::Local(action), t, &mut self.rng)
            }
            Kind::Plain(plain) if p.member.is_some() && p.connected => match what {
                0..3 => vec![plain.control(PlaybackState::Playing, plain.place(t), t)],
                3..6 => vec![plain.control(PlaybackState::Paused, plain.place(t), t)],
                6 | 7 => vec![plain.control(plain.status.state, place, t)],
                8 if plain.playlist.len() < 8 => vec![plain.append(item(media), t)],
                _ => return,
            },
            Kind::Plain(_) => return,
        };
        self.send_up(peer, sent);
    }

    /// Asks the room itself, by entering it, and compares everyone with that.
    fn check(&mut self) {
        let t = self.t;
        let joined = self.room.handle_join(Plain::new("judge").join(), relay_time(t)).unwrap();
        let mut truth = None;
        while let Some(output) = self.room.poll_output() {
            if let (true, RelayMessage::Hello(hello)) = (output.to.contains(&joined.member), output.message) {
                truth = Some(hello);
            }
        }
        let truth = truth.unwrap();
        assert_eq!(truth.users.len(), self.peers.len() + 1, "everyone is in");
        let playing = truth.status.state == PlaybackState::Playing;
        // Players have learned their seek latency only roughly, and jump only when half a second off.
        let place = truth.status.current_time.seconds();
        for (n, peer) in self.peers.iter().enumerate() {
            match &peer.kind {
                Kind::Ours(ours) => {
                    let view = ours.client.view(ours.now(t));
                    assert_eq!((n, view.link), (n, LinkState::Joined));
                    assert_eq!((n, view.state), (n, truth.status.state));
                    assert_eq!((n, &view.playlist), (n, &truth.playlist));
                    assert_eq!(ours.loaded().map(|i| i.item_id), truth.playlist.head().map(|i| i.item_id));
                    let capped = place.min(view.duration.map_or(f64::INFINITY, MediaTime::seconds));
                    let seen = view.position.seconds();
                    assert!((seen - capped).abs() < 0.1, "peer {n} believes {seen}, the room is at {capped}");
                    if truth.playlist.head().is_some() {
                        let (shown, tolerance) = (ours.place(t), if playing { 0.6 } else { 0.09 });
                        assert!((shown - capped).abs() < tolerance, "peer {n} shows {shown}, the room is at {capped}");
                        assert!(ours.plays() == playing || capped >= 600.0, "peer {n} plays: {}", ours.plays());
                    }
                }
                Kind::Plain(plain) => {
                    assert_eq!((n, plain.status.state), (n, truth.status.state));
                    assert_eq!((n, &plain.playlist[..]), (n, &truth.playlist[..]));
                    let shown = plain.place(t);
                    assert!((shown - place).abs() < 0.7, "plain peer {n} is at {shown}, the room at {place}");
                }
            }
        }
    }
}
