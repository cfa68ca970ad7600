//! What goes into a client and what comes out of it.

use crate::MonoTime;
use streamshare_protocol::{
    ErrorCode, ItemId, MediaTime, MemberId, Name, PlaybackState, PlayerState, Playlist, PlaylistItem, RelayMessage,
    ResumeKey, RoomId, StallPolicy,
};

/// What kind of engine the player is: what to expect of it before it was watched. What it really does decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlayerKind {
    /// Chromium: playback speed can be changed without a gap.
    Chromium,
    /// WebKit: each change of the playback speed costs a stall.
    WebKit,
    /// Any other.
    #[default]
    Unknown,
}

/// Who enters which room.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The person's name.
    pub name: Name,
    /// The room.
    pub room: RoomId,
    /// A secret of this client, random, the same across reconnections.
    pub resume_key: ResumeKey,
    /// What is known of the player beforehand.
    pub player: PlayerKind,
}

/// Something the person does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Starts playback.
    Play,
    /// Pauses it.
    Pause,
    /// Goes to a place, playing or paused as before.
    Seek(MediaTime),
    /// Puts items at the end of the playlist. Where it was empty, playback starts as soon as this player can.
    Append(Vec<PlaylistItem>),
    /// Takes an item out.
    Remove(ItemId),
    /// Puts an item at an index; 0 plays it now.
    Move {
        /// Which one.
        item: ItemId,
        /// Its new index, from 0.
        to: usize,
    },
    /// Goes on to the next item.
    Next,
    /// Sets how fast everyone plays; cut to 0.5 to 2. It changes when the relay says so, for everyone at once.
    SetSpeed(f64),
    /// Sets what the room does when someone's player waits for data.
    SetStallPolicy(StallPolicy),
}

/// How far the player is with the item it was told to load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerPhase {
    /// Nothing was loaded, or it was unloaded.
    Empty,
    /// It is being loaded; there is no picture yet.
    Loading,
    /// It can be played.
    Ready,
    /// It cannot be played here.
    Failed,
    /// This player shows no video: the client follows the room without commanding it.
    Following,
}

/// What the player says of itself: at every event, and while it plays every [`crate::Client::REPORT_EVERY`].
#[derive(Clone, Debug, PartialEq)]
pub struct PlayerReport {
    /// The item this is about; reports about another one than the head are ignored.
    pub item: Option<ItemId>,
    /// How far it is.
    pub phase: PlayerPhase,
    /// Where it is, read at the moment at which the client gets the report.
    pub position: MediaTime,
    /// How fast it plays while it plays: the element's `playbackRate`.
    pub rate: f64,
    /// Media ready ahead of the position without a gap.
    pub buffer: MediaTime,
    /// The item's length, once known.
    pub duration: Option<MediaTime>,
    /// Whether it stands because it was told to.
    pub paused: bool,
    /// Whether a seek is under way.
    pub seeking: bool,
    /// Whether it should play and does not advance: it waits for data.
    pub stalled: bool,
    /// Whether it came to the item's end.
    pub ended: bool,
    /// Whether it refuses to start without a gesture of the person (autoplay policy).
    pub blocked: bool,
}

/// Something that reaches the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The connection to the relay stands.
    LinkUp,
    /// The connection is gone.
    LinkDown,
    /// The relay sent something.
    Remote(RelayMessage),
    /// The person did something.
    Local(Action),
    /// The player reports.
    Player(PlayerReport),
    /// Time passed; at least every [`crate::Client::TICK`], and at the moment that [`Output::WakeAt`] asked for.
    Tick,
}

/// Something the client wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this to the relay.
    Send(streamshare_protocol::ClientMessage),
    /// Load this item; where there is none, unload. Its `item_id` goes into the reports.
    Load(Option<PlaylistItem>),
    /// Go to this place.
    Seek(MediaTime),
    /// Play.
    Play,
    /// Pause.
    Pause,
    /// Play this many seconds of film in a second from now on (the element's `playbackRate`); the room's speed is in it.
    /// Loading another item sets the player back to 1.
    Rate(f64),
    /// Give [`Input::Tick`] at this moment, as precisely as possible. The last one counts: it takes the place of those before.
    WakeAt(MonoTime),
    /// Tell the person.
    Notice(Notice),
}

/// Something the person should hear of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Notice {
    /// Someone else came.
    Entered(Name),
    /// Someone else left.
    Left(Name),
    /// Someone else started playback.
    Played(Name),
    /// Someone else paused.
    Paused(Name),
    /// Someone else sought.
    Sought(Name, MediaTime),
    /// The relay refused something that this client sent.
    Refused {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
    },
    /// The room had been lost by the relay and was brought back by this client.
    Restored,
}

/// How the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// It never stood yet.
    Connecting,
    /// In the room.
    Joined,
    /// It stood and is gone; it is being tried anew.
    Lost,
}

/// A member as the window shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberView {
    /// Its id.
    pub id: MemberId,
    /// Its name.
    pub name: Name,
    /// Whether it is this client.
    pub is_me: bool,
    /// What its player does, if it said so lately.
    pub player: Option<PlayerState>,
    /// Where its player is now, if it said so lately.
    pub position: Option<MediaTime>,
    /// Media ready ahead of that, if it said so lately.
    pub buffer: Option<MediaTime>,
    /// How far its player is ahead of the room in milliseconds (negative: behind), if it said so lately.
    pub skew_ms: Option<f64>,
}

/// How far this player is from the room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skew {
    /// Milliseconds ahead; negative where it is behind.
    pub ms: f64,
    /// How far that may be off either way, in milliseconds: mostly what the relay's clock is not known to.
    pub uncertainty_ms: f64,
}

/// What there is to see.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// How the connection is doing.
    pub link: LinkState,
    /// Who is in, this client first.
    pub members: Vec<MemberView>,
    /// What plays and what comes.
    pub playlist: Playlist,
    /// Whether the room plays, or would if it did not wait for someone.
    pub state: PlaybackState,
    /// Where the room is now.
    pub position: MediaTime,
    /// The head's length, from this player or from someone else's.
    pub duration: Option<MediaTime>,
    /// Whether the person must press a button before this player may start.
    pub needs_gesture: bool,
    /// How far this player is from the room; [`None`] while that is unknown, or means nothing as nothing plays here.
    pub skew: Option<Skew>,
    /// Whose players the room waits for: it stands, and goes on by itself. [`Action::Play`] goes on without them.
    pub waiting_for: Vec<Name>,
    /// How fast the room plays: 1 is the film's own pace.
    pub speed: f64,
    /// What the room does when someone's player waits for data.
    pub stall_policy: StallPolicy,
}
