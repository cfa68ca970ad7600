//! The room's connection as the desktop shell holds it.

use super::room::{LinkEvent, RoomPort, receive};
use crate::{ipc, task::Task};
use std::cell::RefCell;
use std::collections::VecDeque;
use streamshare_ipc::{Connect, RoomEvent, RoomSend, command, event};
use streamshare_protocol::ClientMessage;
use wasm_bindgen_futures::spawn_local;
use yew::Callback;

/// Messages that wait for the shell; when it is full the newest is dropped. Each waits for about a millisecond, so a
/// full queue means that the shell hangs.
const QUEUE_MAX: usize = 256;

enum Call {
    Connect(Connect),
    Send(RoomSend),
    Disconnect,
}

thread_local! {
    /// The shell runs commands side by side, so one is only given after the answer to the one before: else messages
    /// would overtake each other, and leaving a room could end the next room's connection. `None` while nothing runs.
    static CALLS: RefCell<Option<VecDeque<Call>>> = const { RefCell::new(None) };
}

fn enqueue(call: Call) {
    let idle = CALLS.with_borrow_mut(|calls| match calls {
        Some(waiting) => {
            if waiting.len() < QUEUE_MAX || !matches!(call, Call::Send(_)) {
                waiting.push_back(call);
            }
            false
        }
        None => {
            *calls = Some(VecDeque::from([call]));
            true
        }
    });
    if idle {
        spawn_local(work());
    }
}

/// Works the queue off and ends with it.
async fn work() {
    let next = || {
        CALLS.with_borrow_mut(|calls| {
            let call = calls.as_mut().and_then(VecDeque::pop_front);
            if call.is_none() {
                *calls = None;
            }
            call
        })
    };
    while let Some(call) = next() {
        let result = match &call {
            Call::Connect(request) => ipc::call::<_, ()>(command::ROOM_CONNECT, request).await,
            Call::Send(request) => ipc::call::<_, ()>(command::ROOM_SEND, request).await,
            Call::Disconnect => ipc::ask::<()>(command::ROOM_DISCONNECT).await,
        };
        if let Err(error) = result {
            web_sys::console::warn_1(&format!("room: {}: {}", error.code, error.message).into());
        }
    }
}

pub(super) struct TauriRoom {
    _listening: Task,
}

impl TauriRoom {
    pub(super) fn new(relay: &str, on_event: Callback<LinkEvent>) -> Self {
        let relay = relay.to_owned();
        let listening = Task::spawn(async move {
            let listener = ipc::Listener::new(event::ROOM, move |room_event: RoomEvent| match room_event {
                RoomEvent::Up => on_event.emit(LinkEvent::Up),
                RoomEvent::Down { reason, .. } => on_event.emit(LinkEvent::Down(reason)),
                RoomEvent::Message { json } => receive(&json, &on_event),
            });
            listener.ready().await;
            enqueue(Call::Connect(Connect { relay }));
            // The task owns the listener and ends with the port.
            std::future::pending::<()>().await;
        });
        Self { _listening: listening }
    }
}

impl RoomPort for TauriRoom {
    fn send(&self, message: &ClientMessage) {
        enqueue(Call::Send(RoomSend { json: message.to_json().to_string() }));
    }
}

impl Drop for TauriRoom {
    fn drop(&mut self) {
        enqueue(Call::Disconnect);
    }
}
