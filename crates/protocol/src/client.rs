//! What members say: the types of their messages. They are read and written in `decode`.

use crate::{
    ActionId, DecodeError, Epoch, Extra, ItemId, Latency, MediaTime, Name, Order, PlaybackState, Playlist,
    PlaylistItem, ResumeKey, RoomId, Skew, Speed, StallPolicy, Status, UnixMs, decode,
};
use serde::Serialize;
use serde_json::Value;

/// What a member sends to the relay.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "command")]
pub enum ClientMessage {
    /// Enters a room; everything else waits for it.
    Join(Join),
    /// Announces state: playlist and status are taken from it.
    #[serde(rename = "HELLO")]
    Hello(ClientHello),
    /// Playback runs from a place on (a seek is this, too).
    #[serde(rename = "PLAY")]
    Play(Control),
    /// Playback stands at a place (a seek is this, too).
    #[serde(rename = "PAUSE")]
    Pause(Control),
    /// Reports where the member's player is.
    #[serde(rename = "SYNC")]
    Sync(SyncReport),
    /// Changes one thing in the playlist. An addition of ours: two edits made at once both count, where two HELLOs
    /// would overwrite each other.
    #[serde(rename = "EDIT")]
    Edit(Edit),
    /// Changes how the room plays. An addition of ours.
    #[serde(rename = "SET")]
    Set(Set),
    /// Asks for the relay's clock. An addition of ours.
    #[serde(rename = "PING")]
    Ping {
        /// Chosen by the sender; the PONG repeats it.
        id: ActionId,
    },
}

impl ClientMessage {
    /// Reads a message; [`None`] for a command that this version does not know, which is to be ignored.
    ///
    /// # Errors
    /// When the message is none, or a field is missing, mistyped, out of range or too long.
    pub fn from_json(value: &Value) -> Result<Option<Self>, DecodeError> {
        decode::client_message(value)
    }

    /// The message as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        decode::to_json(self)
    }

    /// The PLAY or PAUSE for a state.
    #[must_use]
    pub fn control(state: PlaybackState, control: Control) -> Self {
        match state {
            PlaybackState::Playing => Self::Play(control),
            PlaybackState::Paused => Self::Pause(control),
        }
    }
}

/// The fields of `Join`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Join {
    /// The member's name.
    pub name: Name,
    /// The room.
    pub room_id: RoomId,
    /// Lets a member whose connection was lost take its place again at once, with the same id. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_key: Option<ResumeKey>,
    /// Whether the member follows `relayTime`, `speed` and `waitingFor` by itself; a plain peer is told by what it knows.
    /// An addition of ours.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub timed: bool,
}

/// The fields of a HELLO from a member. `users` is not read: the relay knows better.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientHello {
    /// Where playback is.
    pub status: Status,
    /// The whole playlist.
    pub playlist: Playlist,
    /// When it was sent, on the sender's clock.
    pub dispatched_at: UnixMs,
    /// Set where the member brings back what it remembers of a room that the relay lost. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restores: Option<Restores>,
    /// How fast the room plays; where absent, as before. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
    /// What the room does when someone stalls; where absent, as before. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_policy: Option<StallPolicy>,
}

/// Which state of which incarnation a member remembers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restores {
    /// The incarnation.
    pub epoch: Epoch,
    /// The last change of it that the member saw.
    pub order: Order,
}

/// The fields of PLAY and PAUSE.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// The place in the head of the playlist at `dispatched_at`.
    pub current_time: MediaTime,
    /// When it was sent, on the sender's clock.
    pub dispatched_at: UnixMs,
    /// The sender's number for this action; the relay answers with a TAKEN. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action_id: Option<ActionId>,
    /// The item that `current_time` is a place in; where it is no longer the head, the relay refuses the action. An
    /// addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<ItemId>,
    /// When playback is to run from `current_time` on, on the relay's clock as the sender knows it; may lie ahead. The
    /// relay may choose another moment, and tells it as `relayTime`. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<UnixMs>,
    /// Fields of others, passed on.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a member's player is doing. An addition of ours to SYNC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PlayerState {
    /// It has nothing to play.
    Idle,
    /// It has not shown anything of the item yet.
    Loading,
    /// It stands where it was paused.
    Paused,
    /// It plays.
    Playing,
    /// It should play and waits for data.
    Stalled,
    /// It cannot play this item.
    Failed,
    /// It follows the room without showing video.
    Following,
}

/// The fields of SYNC.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    /// Where the player is.
    pub current_time: MediaTime,
    /// Seconds of media ready without a gap ahead of `current_time`.
    pub buffer: MediaTime,
    /// When it was sent, on the sender's clock.
    pub dispatched_at: UnixMs,
    /// What the player is doing. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub player_state: Option<PlayerState>,
    /// The item's length in seconds, once the player knows it. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<MediaTime>,
    /// How far the player is from where the room is, as the sender reckons. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew: Option<Skew>,
    /// How long the member needs from the relay's word until its player runs. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_latency: Option<Latency>,
    /// How long the member needs from the relay's word until its player shows another place. An addition of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seek_latency: Option<Latency>,
    /// Fields of others, passed on.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The fields of EDIT.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Edit {
    /// The sender's number for this action; the relay answers with a TAKEN.
    pub action_id: ActionId,
    /// What to change.
    #[serde(flatten)]
    pub op: EditOp,
}

/// The fields of SET; what is absent stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Set {
    /// The sender's number for this action; the relay answers with a TAKEN.
    pub action_id: ActionId,
    /// How fast the room is to play.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
    /// What it is to do when someone stalls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_policy: Option<StallPolicy>,
}

/// One change of a playlist.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum EditOp {
    /// Puts items at the end, in this order.
    Append {
        /// The items; their `itemId` is ignored.
        items: Playlist,
    },
    /// Takes an item out; taking out the head goes on to the next one.
    Remove {
        /// Which one.
        item_id: ItemId,
    },
    /// Puts an item at a place; place 0 plays it now.
    Move {
        /// Which one.
        item_id: ItemId,
        /// Its new index, from 0; beyond the end means the end.
        to: u64,
    },
    /// Drops the head, if it still is this item: several members may reach its end at once.
    Next {
        /// The head that came to its end.
        item_id: ItemId,
    },
}

impl EditOp {
    /// An append of some items.
    ///
    /// # Errors
    /// [`crate::ErrorCode::TooLong`] where they exceed the caps of a playlist.
    pub fn append(items: Vec<PlaylistItem>) -> Result<Self, DecodeError> {
        Playlist::new(items).map(|items| Self::Append { items })
    }
}
