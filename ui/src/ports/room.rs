//! The connection to a relay.

use super::{room_socketio::SocketIoRoom, room_tauri::TauriRoom};
use crate::ipc;
use serde_json::Value;
use streamshare_protocol::{ClientMessage, RelayMessage};
use yew::Callback;

/// What happens to the connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LinkEvent {
    /// It stands; nothing was sent over it yet.
    Up,
    /// It is gone, or an attempt failed; it is being tried anew. The reason is for people.
    Down(String),
    /// A message came.
    Message(Box<RelayMessage>),
}

/// A connection that restores itself. Dropping it ends it.
pub(crate) trait RoomPort {
    /// Sends a message, after all that were sent before. Where the connection is down it is lost: what matters is sent
    /// anew after [`LinkEvent::Up`].
    fn send(&self, message: &ClientMessage);
}

/// Connects to a relay.
pub(crate) fn connect(relay: &str, on_event: Callback<LinkEvent>) -> Box<dyn RoomPort> {
    if ipc::available() {
        Box::new(TauriRoom::new(relay, on_event))
    } else {
        Box::new(SocketIoRoom::new(relay, on_event))
    }
}

/// Hands on a message; one that this version does not know is ignored, one that is malformed is told to developers.
pub(super) fn receive(json: &str, on_event: &Callback<LinkEvent>) {
    let message = serde_json::from_str::<Value>(json).map_err(|e| e.to_string());
    match message.and_then(|value| RelayMessage::from_json(&value).map_err(|e| e.to_string())) {
        Ok(Some(message)) => on_event.emit(LinkEvent::Message(Box::new(message))),
        Ok(None) => (),
        Err(error) => web_sys::console::warn_1(&format!("a message of the relay is malformed: {error}").into()),
    }
}
