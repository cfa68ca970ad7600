//! What a relay says: the types of its messages. They are read and written in `decode`.

use crate::{
    ActionId, Control, DecodeError, Epoch, ErrorCode, MemberId, Name, Order, Playlist, Speed, StallPolicy, Status,
    SyncReport, UnixMs, decode,
};
use serde::Serialize;
use serde_json::Value;

/// What a relay sends to a member.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "command")]
pub enum RelayMessage {
    /// The whole state of the room.
    #[serde(rename = "HELLO")]
    Hello(RelayHello),
    /// A member started playback or sought while playing.
    #[serde(rename = "PLAY", rename_all = "camelCase")]
    Play {
        /// Who.
        user_id: MemberId,
        /// What it sent, unchanged.
        #[serde(flatten)]
        control: Control,
        /// The change's place in the room's order. An addition of ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        order: Option<Order>,
        /// From when on the place counts, on the relay's clock; may lie ahead. An addition of ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        relay_time: Option<UnixMs>,
    },
    /// A member paused or sought while paused.
    #[serde(rename = "PAUSE", rename_all = "camelCase")]
    Pause {
        /// Who.
        user_id: MemberId,
        /// What it sent, unchanged.
        #[serde(flatten)]
        control: Control,
        /// The change's place in the room's order. An addition of ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        order: Option<Order>,
        /// From when on the place counts, on the relay's clock; may lie ahead. An addition of ours.
        #[serde(skip_serializing_if = "Option::is_none")]
        relay_time: Option<UnixMs>,
    },
    /// A member's report.
    #[serde(rename = "SYNC", rename_all = "camelCase")]
    Sync {
        /// Who.
        user_id: MemberId,
        /// What it sent, unchanged.
        #[serde(flatten)]
        report: SyncReport,
    },
    /// The relay took an action that carried an `actionId`; goes to its sender alone. An addition of ours.
    #[serde(rename = "TAKEN", rename_all = "camelCase")]
    Taken {
        /// The sender's number for it.
        action_id: ActionId,
        /// Its place in the room's order.
        order: Order,
        /// From when on its place counts, on the relay's clock; may lie ahead.
        relay_time: UnixMs,
    },
    /// The answer to a PING. An addition of ours.
    #[serde(rename = "PONG", rename_all = "camelCase")]
    Pong {
        /// The PING's.
        id: ActionId,
        /// The relay's clock.
        relay_time: UnixMs,
    },
    /// Something that this member sent was refused. An addition of ours.
    #[serde(rename = "ERROR", rename_all = "camelCase")]
    Error {
        /// For programs.
        #[serde(serialize_with = "write_code")]
        code: ErrorCode,
        /// For people.
        message: String,
        /// The refused action, where it had a number.
        #[serde(skip_serializing_if = "Option::is_none")]
        action_id: Option<ActionId>,
    },
}

impl RelayMessage {
    /// Reads a message; [`None`] for a command that this version does not know, which is to be ignored.
    ///
    /// # Errors
    /// When the message is none, or a field is missing, mistyped, out of range or too long.
    pub fn from_json(value: &Value) -> Result<Option<Self>, DecodeError> {
        decode::relay_message(value)
    }

    /// The message as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        decode::to_json(self)
    }
}

/// The fields of a HELLO from the relay.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayHello {
    /// Who is in the room.
    pub users: Vec<User>,
    /// Where playback is at `dispatched_at`.
    pub status: Status,
    /// What plays and what comes.
    pub playlist: Playlist,
    /// The relay's clock.
    pub dispatched_at: UnixMs,
    /// The receiver's own id. An addition of ours, as is what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<MemberId>,
    /// The room's incarnation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// The last change of playback or playlist that this state holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// From when on the status counts, where that lies ahead of `dispatched_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay_time: Option<UnixMs>,
    /// How fast the room plays; where absent, at the film's own pace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<Speed>,
    /// What the room does when someone stalls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stall_policy: Option<StallPolicy>,
    /// Whose players the room waits for: it is paused only until they can go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_for: Vec<MemberId>,
}

/// A member as HELLO lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Unique in the room.
    pub id: MemberId,
    /// As the member gave it.
    pub name: Name,
}

fn write_code<S: serde::Serializer>(code: &ErrorCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}
