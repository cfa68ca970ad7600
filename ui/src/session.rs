//! A person's stay in a room: feeds the client state machine with what comes from relay, player and person, and does
//! what it says. Not a view; views see its [`Snapshot`]s.

use crate::alarm::Alarm;
use crate::captions::{Captions, CaptionsEvent, CaptionsView};
use crate::clock;
use crate::next::Next;
use crate::ports::player::{self, PlayerPort, Sample};
use crate::ports::room::{self, LinkEvent, RoomPort};
use crate::ports::torrents::{self, OpenEvent, Operation, TorrentsPort};
use gloo_timers::callback::Interval;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use streamshare_ipc::{Opened, Progress};
use streamshare_playsync::{
    Action, Client, ClientConfig, Input, MonoTime, Notice, Output, PlayerPhase, PlayerReport, View,
};
use streamshare_protocol::{MediaTime, PlaylistItem};
use web_sys::Node;
use yew::Callback;

/// What a session tells its owner.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SessionEvent {
    /// There may be something new to see.
    Changed,
    /// The person should hear of it.
    Notice(Notice),
    /// Something of this person's failed; the reason is for people.
    Failed(String),
}

/// How far this client is with the item that it should show.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Media {
    /// The playlist is empty.
    Empty,
    /// The torrent engine looks for it; how far, once it said so.
    Opening(Option<Progress>),
    /// The player has it.
    Opened {
        /// Forty hexadecimal digits.
        info_hash: String,
        /// The file's index in the torrent.
        file_index: usize,
    },
    /// It cannot be had; the reason is for people.
    Failed(String),
    /// This client shows no video.
    Unsupported,
}

/// All that a view shows of a room.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    /// The room.
    pub(crate) room: View,
    /// The item in this client.
    pub(crate) media: Media,
    /// The player.
    pub(crate) player: Sample,
    /// Its captions.
    pub(crate) captions: CaptionsView,
    /// The other files of its torrent, as they would be in a playlist.
    pub(crate) beside: Vec<PlaylistItem>,
    /// Why the connection to the room is not there, for people.
    pub(crate) trouble: Option<String>,
}

/// A stay; dropping it leaves the room.
pub(crate) struct Session {
    core: Rc<Core>,
    _timers: [Interval; 2],
}

struct Core {
    client: RefCell<Client>,
    /// Inputs that came while another was worked on.
    waiting: RefCell<VecDeque<Input>>,
    working: Cell<bool>,
    /// Whether what was worked on may show.
    shows: Cell<bool>,
    room: RefCell<Option<Box<dyn RoomPort>>>,
    player: Box<dyn PlayerPort>,
    captions: Captions,
    beside: RefCell<Vec<PlaylistItem>>,
    torrents: Rc<dyn TorrentsPort>,
    trouble: RefCell<Option<String>>,
    item: RefCell<Option<PlaylistItem>>,
    media: RefCell<Media>,
    opening: RefCell<Option<Operation>>,
    next: Next,
    /// Counts the items loaded: what an earlier one still says is not about this one.
    load: Cell<u64>,
    alarm: Alarm,
    on_event: Callback<SessionEvent>,
    this: Weak<Core>,
}

impl Session {
    /// Enters a room; nothing where the page cannot make a player.
    pub(crate) fn new(
        config: ClientConfig,
        relay: &str,
        torrents: Rc<dyn TorrentsPort>,
        on_event: Callback<SessionEvent>,
    ) -> Option<Self> {
        let later: Rc<RefCell<Weak<Core>>> = Rc::default();
        let seen_by = Rc::clone(&later);
        let player = player::create(Callback::from(move |()| {
            if let Some(core) = seen_by.borrow().upgrade() {
                core.report();
            }
        }))?;
        let woken: Rc<RefCell<Weak<Core>>> = Rc::clone(&later);
        let alarm = Alarm::new(Callback::from(move |()| {
            if let Some(core) = woken.borrow().upgrade() {
                core.take(core.player_report(), false);
                core.take(Input::Tick, false);
            }
        }));
        let captions = captions(&*player, &torrents, &on_event);
        let core = Rc::new_cyclic(|this| Core {
            client: RefCell::new(Client::new(config)),
            waiting: RefCell::default(),
            working: Cell::new(false),
            shows: Cell::new(false),
            room: RefCell::default(),
            player,
            captions,
            beside: RefCell::default(),
            torrents,
            trouble: RefCell::default(),
            item: RefCell::default(),
            media: RefCell::new(Media::Empty),
            opening: RefCell::default(),
            next: Next::default(),
            load: Cell::new(0),
            alarm,
            on_event,
            this: this.clone(),
        });
        *later.borrow_mut() = core.this.clone();
        let weak = core.this.clone();
        let tick_ms = u32::try_from(Client::TICK.as_millis()).unwrap_or(u32::MAX);
        let tick = Interval::new(tick_ms, move || {
            if let Some(core) = weak.upgrade() {
                core.take(core.player_report(), false);
                core.handle(Input::Tick);
            }
        });
        let weak = core.this.clone();
        let report_ms = u32::try_from(Client::REPORT_EVERY.as_millis()).unwrap_or(u32::MAX);
        let reports = Interval::new(report_ms, move || {
            if let Some(core) = weak.upgrade().filter(|core| core.player.is_playing()) {
                core.take(core.player_report(), false);
            }
        });
        let weak = core.this.clone();
        let port = room::connect(
            relay,
            Callback::from(move |event| {
                if let Some(core) = weak.upgrade() {
                    core.take_link_event(event);
                }
            }),
        );
        *core.room.borrow_mut() = Some(port);
        Some(Self { core, _timers: [tick, reports] })
    }

    /// The person does something.
    pub(crate) fn act(&self, action: Action) {
        self.core.handle(Input::Local(action));
    }

    /// The person tries again what failed.
    pub(crate) fn retry(&self) {
        let item = self.core.item.borrow().clone();
        self.core.load(item);
    }

    /// Starts the player inside a gesture of the person.
    pub(crate) fn start_in_gesture(&self) {
        self.core.player.play();
        self.core.report();
    }

    /// Sets the volume, from 0 to 1, and whether there is sound at all.
    pub(crate) fn set_sound(&self, volume: f64, muted: bool) {
        self.core.player.set_sound(volume, muted);
    }

    /// The film that is on will begin at a place, where this person left it.
    pub(crate) fn begins_at(&self, at: MediaTime) {
        let head = self.core.item.borrow().as_ref().and_then(|item| item.item_id);
        self.core.next.set_begin(head, at);
        self.core.prime(at);
    }

    /// The captions of what plays.
    pub(crate) fn captions(&self) -> &Captions {
        &self.core.captions
    }

    /// The player, to be put on the page.
    pub(crate) fn player_node(&self) -> Node {
        self.core.player.node()
    }

    /// What there is to see now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            room: self.core.client.borrow().view(clock::now()),
            media: self.core.media.borrow().clone(),
            player: self.core.player.sample(),
            captions: self.core.captions.view(),
            beside: self.core.beside.borrow().clone(),
            trouble: self.core.trouble.borrow().clone(),
        }
    }
}

/// The subtitles of what a player shows.
fn captions(player: &dyn PlayerPort, torrents: &Rc<dyn TorrentsPort>, on_event: &Callback<SessionEvent>) -> Captions {
    let told = on_event.reform(|event| match event {
        CaptionsEvent::Changed => SessionEvent::Changed,
        CaptionsEvent::Failed(reason) => SessionEvent::Failed(reason),
    });
    Captions::new(player.node(), Rc::clone(torrents), told)
}

impl Core {
    /// Gives the client an input and does what it says.
    fn handle(&self, input: Input) {
        self.take(input, true);
    }

    /// Gives the client an input and does what it says. What comes meanwhile waits: outputs of one input stay together.
    /// Inputs that come many times a second show nothing by themselves: the page is not drawn anew for them.
    fn take(&self, input: Input, shows: bool) {
        self.waiting.borrow_mut().push_back(input);
        self.shows.set(self.shows.get() || shows);
        if self.working.replace(true) {
            return;
        }
        loop {
            let Some(input) = self.waiting.borrow_mut().pop_front() else { break };
            self.client.borrow_mut().handle(input, clock::now());
            loop {
                let Some(output) = self.client.borrow_mut().poll_output() else { break };
                self.perform(output);
            }
        }
        self.working.set(false);
        if self.shows.replace(false) {
            let room = self.client.borrow().view(clock::now());
            self.torrents.keep(&room.playlist);
            self.next.look(&room, &*self.torrents);
            self.on_event.emit(SessionEvent::Changed);
        }
    }

    fn take_link_event(&self, event: LinkEvent) {
        let input = match event {
            LinkEvent::Up => {
                self.trouble.replace(None);
                self.torrents.link_up();
                Input::LinkUp
            }
            LinkEvent::Down(reason) => {
                self.trouble.replace(Some(reason));
                Input::LinkDown
            }
            LinkEvent::Message(message) => Input::Remote(*message),
        };
        self.handle(input);
    }

    fn perform(&self, output: Output) {
        let shows = !matches!(output, Output::Send(_) | Output::Rate(_) | Output::WakeAt(_));
        self.shows.set(self.shows.get() || shows);
        match output {
            Output::Send(message) => {
                if let Some(room) = &*self.room.borrow() {
                    room.send(&message);
                }
            }
            Output::Load(item) => self.load(item),
            Output::Seek(to) => {
                // First of all: the player takes its time before it asks for bytes.
                self.prime(to);
                self.player.seek(to);
            }
            Output::Play => self.player.play(),
            Output::Pause => self.player.pause(),
            Output::Rate(rate) => self.player.set_rate(rate),
            Output::WakeAt(at) => self.wake_at(at),
            Output::Notice(notice) => self.on_event.emit(SessionEvent::Notice(notice)),
        }
    }

    /// Gives the client a tick at a moment, in the place of any that it asked for before.
    fn wake_at(&self, at: MonoTime) {
        let wait = at.since(clock::now().mono);
        // Timers have whole milliseconds, and must not come too early: the client would ask again.
        self.alarm.set(u32::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u32::MAX));
    }

    /// The player is about to go to a place of what is on.
    fn prime(&self, to: MediaTime) {
        if let Media::Opened { info_hash, file_index } = &*self.media.borrow() {
            self.torrents.prime(info_hash, *file_index, to);
        }
    }

    fn load(&self, item: Option<PlaylistItem>) {
        let load = self.load.get() + 1;
        self.load.set(load);
        // Cancelled before the next one begins.
        drop(self.opening.take());
        self.player.unload();
        self.captions.close();
        self.beside.take();
        self.item.replace(item.clone());
        let Some(item) = item else {
            self.media.replace(Media::Empty);
            return self.report();
        };
        self.media.replace(Media::Opening(None));
        let this = self.this.clone();
        let operation = self.torrents.open(
            &item,
            Callback::from(move |event| {
                if let Some(core) = this.upgrade().filter(|core| core.load.get() == load) {
                    core.take_open_event(event);
                }
            }),
        );
        self.opening.replace(Some(operation));
        self.report();
    }

    fn take_open_event(&self, event: OpenEvent) {
        let media = match event {
            OpenEvent::Progress(progress) => Media::Opening(Some(progress)),
            OpenEvent::Ready(opened) => {
                let Opened { info_hash, file_index, mime, .. } = opened.clone();
                let at = self.next.begins(&self.client.borrow().view(clock::now()));
                self.torrents.prime(&info_hash, file_index, at);
                self.player.load(&self.torrents.player_url(&opened), mime.starts_with("audio/"));
                let item = self.item.borrow();
                self.beside
                    .replace(item.as_ref().map(|item| torrents::items_beside(item, &opened)).unwrap_or_default());
                self.captions.open(opened);
                Media::Opened { info_hash, file_index }
            }
            OpenEvent::Failed(reason) => Media::Failed(reason),
            OpenEvent::Unsupported => Media::Unsupported,
        };
        self.media.replace(media);
        self.report();
    }

    /// Tells the client what the player does.
    fn report(&self) {
        self.handle(self.player_report());
    }

    fn player_report(&self) -> Input {
        let sample = self.player.sample();
        self.captions.follow(&sample);
        let phase = match &*self.media.borrow() {
            Media::Empty => PlayerPhase::Empty,
            Media::Opening(_) => PlayerPhase::Loading,
            Media::Failed(_) => PlayerPhase::Failed,
            Media::Unsupported => PlayerPhase::Following,
            Media::Opened { .. } if sample.failure.is_some() => PlayerPhase::Failed,
            Media::Opened { .. } if sample.ready => PlayerPhase::Ready,
            Media::Opened { .. } => PlayerPhase::Loading,
        };
        Input::Player(PlayerReport {
            item: self.item.borrow().as_ref().and_then(|item| item.item_id),
            phase,
            position: sample.position,
            rate: sample.rate,
            buffer: sample.buffer,
            duration: sample.duration,
            paused: sample.paused,
            seeking: sample.seeking,
            ended: sample.ended,
            blocked: sample.blocked,
            stalled: sample.stalled,
        })
    }
}
