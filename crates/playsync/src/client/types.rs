use streamshare_protocol::{
    ErrorCode, ItemId, MediaTime, MemberId, Name, PlaybackState, PlayerState, Playlist, PlaylistItem, RelayMessage,
    ResumeKey, RoomId,
};

/// Who enters which room.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// The person's name.
    pub name: Name,
    /// The room.
    pub room: RoomId,
    /// A secret of this client, random, the same across reconnections.
    pub resume_key: ResumeKey,
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

/// What the player says of itself, several times a second and at every event.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayerReport {
    /// The item this is about; reports about another one than the head are ignored.
    pub item: Option<ItemId>,
    /// How far it is.
    pub phase: PlayerPhase,
    /// Where it is.
    pub position: MediaTime,
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
    /// Time passed; at least every [`crate::Client::TICK`].
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
    /// Whether the room plays.
    pub state: PlaybackState,
    /// Where the room is now.
    pub position: MediaTime,
    /// The head's length, from this player or from someone else's.
    pub duration: Option<MediaTime>,
    /// Whether the person must press a button before this player may start.
    pub needs_gesture: bool,
}
