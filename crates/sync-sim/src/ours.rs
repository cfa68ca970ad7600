//! Our own: playsync's `Client` and `Room`, driven as the window and the relay drive them.

use crate::plain::Plain;
use crate::player::{Model, Sample};
use crate::scenario::SeatSpec;
use crate::scheme::{Course, Effect, Happening, Relay, Scheme, UserAct, Viewer};
use std::collections::{BTreeMap, VecDeque};
use streamshare_playsync::{
    Action, Client, ClientConfig, Input, MonoTime, Now, Output, PlayerKind, PlayerPhase, PlayerReport, RelayTime, Room,
};
use streamshare_protocol::{
    ClientMessage, Control, Edit, EditOp, Epoch, Filename, ItemId, MediaTime, MemberId, Name, PlaybackState,
    PlaylistItem, RelayMessage, ResumeKey, RoomId, Speed, StallPolicy, TorrentId,
};

/// A fault between the client and its player or its clocks, to show that the thresholds notice it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Faster where slower was meant.
    SignFlipped,
    /// Each reading is corrected at once, without waiting for it to matter or to be over.
    NoHysteresis,
    /// Seeks are aimed at where the room is, not at where it will be once the seek is done.
    NoSeekCompensation,
    /// The wall clock stands in for the monotonic one.
    WallClock,
    /// The end of a film is told of that film, and of the next one.
    StepsTwice,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SignFlipped, Self::NoHysteresis, Self::NoSeekCompensation, Self::WallClock, Self::StepsTwice];
}

/// Our own rules, or a mutant of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ours {
    /// What is wrong with them on purpose.
    pub mutant: Option<Mutant>,
}

impl Scheme for Ours {
    type Up = ClientMessage;
    type Down = RelayMessage;
    type Viewer = OursViewer;
    type Relay = OursRelay;

    fn name(&self) -> &'static str {
        match self.mutant {
            None => "ours",
            Some(Mutant::SignFlipped) => "sign flipped",
            Some(Mutant::NoHysteresis) => "no hysteresis",
            Some(Mutant::NoSeekCompensation) => "no seek compensation",
            Some(Mutant::WallClock) => "wall clock",
            Some(Mutant::StepsTwice) => "steps twice",
        }
    }

    fn relay(&self, now_us: u64) -> OursRelay {
        let epoch = Epoch::new("1").expect("a digit is an epoch");
        OursRelay { room: Room::new(epoch, RelayTime::from_us(now_us)), members: BTreeMap::new(), out: VecDeque::new() }
    }

    fn viewer(&self, seat: usize, spec: &SeatSpec) -> OursViewer {
        let name = Name::new(&format!("viewer {seat}")).expect("short and not empty");
        let room = RoomId::new("room").expect("short and not empty");
        if spec.plain {
            return OursViewer::Plain(Plain::new(name, room));
        }
        let resume_key = ResumeKey::new(&format!("key of {seat}")).expect("short and not empty");
        let player = match spec.model {
            Model::Chromium => PlayerKind::Chromium,
            Model::WebKit => PlayerKind::WebKit,
        };
        let client = Client::new(ClientConfig { name, room, resume_key, player });
        OursViewer::Window(Box::new(Window { client, mutant: self.mutant, item: None, loaded: false, next_tick: None }))
    }

    fn course(message: &ClientMessage) -> Option<Course> {
        match message {
            ClientMessage::Play(control) => Some(controlled(control, true)),
            ClientMessage::Pause(control) => Some(controlled(control, false)),
            ClientMessage::Edit(Edit { op: EditOp::Next { item_id }, .. }) => Some(Course::Next(film_of_id(*item_id))),
            ClientMessage::Hello(hello) => {
                let (plays, place_s) = (hello.status.state == PlaybackState::Playing, hello.status.current_time);
                hello.playlist.head().map(|head| Course::Announce(film_of(head), plays, place_s.seconds()))
            }
            ClientMessage::Join(_)
            | ClientMessage::Sync(_)
            | ClientMessage::Edit(_)
            | ClientMessage::Set(_)
            | ClientMessage::Ping { .. } => None,
        }
    }

    fn speed(message: &ClientMessage) -> Option<f64> {
        if let ClientMessage::Set(set) = message { set.speed.map(Speed::factor) } else { None }
    }
}

/// One of the films that a room has, by number.
pub(crate) fn film(n: usize) -> PlaylistItem {
    let filename = Filename::new("film.mkv").expect("short");
    PlaylistItem::new(filename, TorrentId::new(&format!("{:040x}", n + 1)).expect("an info hash"))
}

/// Which one an item is.
pub(crate) fn film_of(item: &PlaylistItem) -> usize {
    let hash = item.torrent_id.info_hash().expect("films are named by nothing else");
    usize::from(hash.bytes()[19]) - 1
}

fn controlled(control: &Control, plays: bool) -> Course {
    Course::Control(control.item_id.map(film_of_id), plays, control.current_time.seconds())
}

/// The relay counts the entries of a playlist, and a room has but one.
fn film_of_id(id: ItemId) -> usize {
    usize::try_from(id.get()).unwrap_or(usize::MAX) - 1
}

/// One of our windows, or a peer that speaks the web spec alone.
#[derive(Debug)]
pub enum OursViewer {
    /// Ours.
    Window(Box<Window>),
    /// Someone else's.
    Plain(Plain),
}

/// What a window does around its client.
#[derive(Debug)]
pub struct Window {
    client: Client,
    mutant: Option<Mutant>,
    item: Option<ItemId>,
    loaded: bool,
    next_tick: Option<MonoTime>,
}

impl Viewer for OursViewer {
    type Up = ClientMessage;
    type Down = RelayMessage;

    fn timer_us(&self) -> u64 {
        match self {
            Self::Window(_) => u64::try_from(Client::REPORT_EVERY.as_micros()).unwrap_or(u64::MAX),
            Self::Plain(_) => Plain::TIMER_US,
        }
    }

    fn handle(
        &mut self,
        happening: Happening<RelayMessage>,
        sample: &Sample,
        now: &Now,
        effects: &mut Vec<Effect<ClientMessage>>,
    ) {
        match self {
            Self::Window(window) => window.handle(happening, sample, now, effects),
            Self::Plain(plain) => plain.handle(happening, sample, now, effects),
        }
    }
}

impl Window {
    fn handle(
        &mut self,
        happening: Happening<RelayMessage>,
        sample: &Sample,
        now: &Now,
        effects: &mut Vec<Effect<ClientMessage>>,
    ) {
        let now = self.now(now);
        let action = |act| match act {
            UserAct::Open(films) => Action::Append((0..films).map(film).collect()),
            UserAct::Play => Action::Play,
            UserAct::Pause => Action::Pause,
            UserAct::Seek(to_s) => Action::Seek(MediaTime::saturating(to_s)),
            UserAct::Speed(speed) => Action::SetSpeed(speed),
            UserAct::NeverWait => Action::SetStallPolicy(StallPolicy::NeverWait),
            UserAct::Next => Action::Next,
        };
        match happening {
            Happening::LinkUp => self.input(Input::LinkUp, now, effects),
            Happening::LinkDown => self.input(Input::LinkDown, now, effects),
            Happening::Message(message) => self.input(Input::Remote(message), now, effects),
            Happening::User(act) => self.input(Input::Local(action(act)), now, effects),
            Happening::Player => self.input(Input::Player(self.report(sample)), now, effects),
            Happening::Wake => {
                self.input(Input::Player(self.report(sample)), now, effects);
                self.input(Input::Tick, now, effects);
            }
            Happening::Timer => {
                if self.loaded && !sample.paused {
                    self.input(Input::Player(self.report(sample)), now, effects);
                }
                if self.next_tick.is_none_or(|due| due <= now.mono) {
                    self.next_tick = Some(now.mono + Client::TICK);
                    if sample.paused {
                        self.input(Input::Player(self.report(sample)), now, effects);
                    }
                    self.input(Input::Tick, now, effects);
                }
            }
        }
    }

    fn report(&self, sample: &Sample) -> PlayerReport {
        PlayerReport {
            item: self.item,
            phase: match (self.loaded, sample.ready) {
                (false, _) => PlayerPhase::Empty,
                (true, false) => PlayerPhase::Loading,
                (true, true) => PlayerPhase::Ready,
            },
            position: MediaTime::saturating(sample.position_s),
            buffer: MediaTime::saturating(sample.buffer_s),
            duration: sample.ready.then(|| MediaTime::saturating(sample.duration_s)),
            paused: sample.paused,
            seeking: sample.seeking,
            stalled: sample.stalled,
            ended: sample.ended,
            blocked: false,
            rate: sample.rate,
        }
    }

    fn input(&mut self, input: Input, now: Now, effects: &mut Vec<Effect<ClientMessage>>) {
        let reports = matches!(input, Input::Player(_));
        self.client.handle(input, now);
        while let Some(output) = self.client.poll_output() {
            let effect = match output {
                Output::Send(message) => {
                    self.send(message, effects);
                    continue;
                }
                Output::Load(item) => {
                    let film = item.as_ref().map(film_of);
                    (self.loaded, self.item) = (item.is_some(), item.and_then(|item| item.item_id));
                    let Some(film) = film else { continue };
                    Effect::Load(film)
                }
                Output::Seek(place) => self.seek(place.seconds(), now),
                Output::Play => Effect::Play,
                Output::Pause => Effect::Pause,
                Output::Rate(_) if self.mutant == Some(Mutant::NoHysteresis) => continue,
                Output::Rate(rate) if self.mutant == Some(Mutant::SignFlipped) => {
                    Effect::Rate(2.0 * self.client.view(now).speed - rate)
                }
                Output::Rate(rate) => Effect::Rate(rate),
                Output::WakeAt(mono) => Effect::AlarmAt(mono),
                Output::Notice(_) => continue,
            };
            effects.push(effect);
        }
        if reports && self.mutant == Some(Mutant::NoHysteresis) {
            /// As the client's own correction, but for every reading.
            const WITHIN_MS: f64 = 1500.0;
            const RATE_OFF_MAX: f64 = 0.05;
            let view = self.client.view(now);
            let ahead_ms = view.skew.map_or(0.0, |skew| skew.ms);
            effects.push(Effect::Rate(view.speed - (ahead_ms / WITHIN_MS).clamp(-RATE_OFF_MAX, RATE_OFF_MAX)));
        }
    }

    fn send(&self, message: ClientMessage, effects: &mut Vec<Effect<ClientMessage>>) {
        let mut next = None;
        if let (ClientMessage::Edit(Edit { op: EditOp::Next { item_id }, action_id }), Some(Mutant::StepsTwice)) =
            (&message, self.mutant)
        {
            let op = EditOp::Next { item_id: item_id.next() };
            next = Some(ClientMessage::Edit(Edit { action_id: *action_id, op }));
        }
        effects.extend([Some(message), next].into_iter().flatten().map(Effect::Send));
    }

    fn seek(&self, to_s: f64, now: Now) -> Effect<ClientMessage> {
        let aims = self.mutant != Some(Mutant::NoSeekCompensation);
        let room_s = self.client.view(now).position.seconds();
        Effect::Seek(if aims || to_s < room_s { to_s } else { room_s })
    }

    /// The clocks as the client gets to see them.
    fn now(&self, now: &Now) -> Now {
        if self.mutant == Some(Mutant::WallClock) {
            Now { mono: MonoTime::from_us(crate::device::whole(now.unix.ms() * 1000.0)), unix: now.unix }
        } else {
            *now
        }
    }
}

/// A relay's room.
#[derive(Debug)]
pub struct OursRelay {
    room: Room,
    members: BTreeMap<usize, MemberId>,
    out: VecDeque<(usize, RelayMessage)>,
}

impl OursRelay {
    fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            for (seat, _) in self.members.iter().filter(|(_, member)| output.to.contains(member)) {
                self.out.push_back((*seat, output.message.clone()));
            }
        }
    }
}

impl Relay for OursRelay {
    type Up = ClientMessage;
    type Down = RelayMessage;

    fn handle(&mut self, seat: usize, message: ClientMessage, now_us: u64) {
        let now = RelayTime::from_us(now_us);
        match (message, self.members.get(&seat)) {
            (ClientMessage::Join(join), _) => {
                let left = self.members.remove(&seat);
                if let (Some(member), None) = (left, &join.resume_key) {
                    self.room.handle_leave(member, now);
                }
                if let Ok(joined) = self.room.handle_join(join, now) {
                    self.members.insert(seat, joined.member);
                }
            }
            (message, Some(member)) => self.room.handle_message(*member, message, now),
            (_, None) => {}
        }
        self.drain();
    }

    fn leave(&mut self, seat: usize, now_us: u64) {
        if let Some(member) = self.members.remove(&seat) {
            self.room.handle_leave(member, RelayTime::from_us(now_us));
            self.drain();
        }
    }

    fn timeout_us(&self) -> Option<u64> {
        // Milliseconds hold a moment of this century to a quarter of a microsecond.
        self.room.poll_timeout().map(|due| crate::device::whole(due.unix_ms().ms() * 1000.0) + 1)
    }

    fn handle_timeout(&mut self, now_us: u64) {
        self.room.handle_timeout(RelayTime::from_us(now_us));
        self.drain();
    }

    fn poll(&mut self) -> Option<(usize, RelayMessage)> {
        self.out.pop_front()
    }
}
