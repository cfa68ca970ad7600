//! From a Socket.IO packet to a message of the protocol.

use serde_json::Value;
use socketioxide::{
    SocketIo,
    adapter::{Adapter, LocalAdapter},
    handler::{FromMessage, Value as Packet},
    socket::Socket,
};
use std::{convert::Infallible, sync::Arc};
use streamshare_protocol::{ActionId, ClientMessage, DecodeError, ErrorCode, RelayMessage};

/// The event that every message travels as: what `socket.send(..)` of the official clients emits.
pub(crate) const EVENT: &str = "message";

/// What arrived as an event, before anything is believed of it.
///
/// socketioxide's own extractor would take the first argument and drop the rest, and turn bytes into lists of numbers.
#[derive(Debug)]
pub(crate) struct Incoming(Packet);

impl<A: Adapter> FromMessage<A> for Incoming {
    type Error = Infallible;

    fn from_message(_: Arc<Socket<A>>, packet: Packet, _: Option<i64>) -> Result<Self, Self::Error> {
        Ok(Self(packet))
    }
}

/// Why a message was refused, and which action of the sender that concerns.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
    pub(crate) action_id: Option<ActionId>,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), action_id: None }
    }

    pub(crate) fn about(self, action_id: Option<ActionId>) -> Self {
        Self { action_id, ..self }
    }

    pub(crate) fn into_message(self) -> RelayMessage {
        RelayMessage::Error { code: self.code, message: self.message, action_id: self.action_id }
    }
}

impl Incoming {
    /// Reads the message; [`None`] for a command of another version.
    pub(crate) fn read(&self) -> Result<Option<ClientMessage>, Refusal> {
        let bad = |why: &str| Refusal::new(ErrorCode::BadMessage, why);
        let Packet::Str(text, binaries) = &self.0 else {
            return Err(bad("The message is binary."));
        };
        if binaries.as_ref().is_some_and(|binaries| !binaries.is_empty()) {
            return Err(bad("The message holds binary data."));
        }
        // The packet is a list: the event's name, then its arguments.
        let Ok(Value::Array(parts)) = serde_json::from_str(text.as_str()) else {
            return Err(bad("The message is not JSON, or nests too deeply."));
        };
        let [_, value] = parts.as_slice() else {
            return Err(bad("The event does not carry exactly one argument."));
        };
        ClientMessage::from_json(value).map_err(|error| refusal(&error, value))
    }
}

fn refusal(error: &DecodeError, value: &Value) -> Refusal {
    let action_id = value.get("actionId").and_then(Value::as_u64).and_then(|id| ActionId::new(id).ok());
    Refusal::new(error.code(), error.message()).about(action_id)
}

/// The sender's number for what a message does, where it has one.
pub(crate) fn action_id(message: &ClientMessage) -> Option<ActionId> {
    match message {
        ClientMessage::Play(control) | ClientMessage::Pause(control) => control.action_id,
        ClientMessage::Edit(edit) => Some(edit.action_id),
        ClientMessage::Set(set) => Some(set.action_id),
        ClientMessage::Join(_) | ClientMessage::Hello(_) | ClientMessage::Sync(_) | ClientMessage::Ping { .. } => None,
    }
}

/// The sockets of this relay: one process, no cluster.
pub(crate) type Io = SocketIo<LocalAdapter>;
