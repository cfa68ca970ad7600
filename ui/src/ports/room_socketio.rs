//! The room's connection in a browser: the socket.io client that the page loaded.

use super::room::{LinkEvent, RoomPort, receive};
use crate::route;
use gloo_timers::callback::Timeout;
use js_sys::{JSON, Math};
use std::cell::RefCell;
use std::rc::Rc;
use streamshare_protocol::ClientMessage;
use wasm_bindgen::prelude::*;
use yew::Callback;

#[wasm_bindgen]
extern "C" {
    #[derive(Clone)]
    type Socket;
    #[wasm_bindgen(catch, js_name = io)]
    fn open(url: &str, options: &JsValue) -> Result<Socket, JsValue>;
    #[wasm_bindgen(method)]
    fn on(this: &Socket, event: &str, handler: &JsValue);
    #[wasm_bindgen(method)]
    fn off(this: &Socket);
    #[wasm_bindgen(method)]
    fn emit(this: &Socket, event: &str, argument: &JsValue);
    #[wasm_bindgen(method)]
    fn connect(this: &Socket);
    #[wasm_bindgen(method)]
    fn disconnect(this: &Socket);
    #[wasm_bindgen(method, getter)]
    fn connected(this: &Socket) -> bool;
}

/// Milliseconds before the first new attempt, and the most between two; each is spread by half of itself, so that a
/// restarted relay is not met by everyone at once.
const RETRY_MS: u32 = 500;
const RETRY_MS_MAX: u32 = 5_000;
/// Milliseconds for one attempt.
const CONNECT_TIMEOUT_MS: u32 = 8_000;

/// The browser keeps the true reason to itself.
const UNREACHABLE: &str = "The room's server does not answer.";

pub(super) struct SocketIoRoom {
    socket: Option<Socket>,
    _handlers: Vec<Closure<dyn FnMut(JsValue)>>,
    _retry: Rc<RefCell<Option<Timeout>>>,
}

impl SocketIoRoom {
    pub(super) fn new(relay: &str, on_event: Callback<LinkEvent>) -> Self {
        let retry = Rc::new(RefCell::new(None));
        let (origin, path) = route::socket_address(relay);
        let options = serde_json::json!({
            "path": path,
            "transports": ["websocket", "polling"],
            "tryAllTransports": true,
            "forceNew": true,
            "reconnection": true,
            "reconnectionDelay": RETRY_MS,
            "reconnectionDelayMax": RETRY_MS_MAX,
            "randomizationFactor": 0.5,
            "timeout": CONNECT_TIMEOUT_MS,
        });
        let options = JSON::parse(&options.to_string()).unwrap_or(JsValue::UNDEFINED);
        let socket = match open(&origin, &options) {
            Ok(socket) => socket,
            Err(error) => {
                web_sys::console::error_2(&"socket.io did not start:".into(), &error);
                on_event.emit(LinkEvent::Down(UNREACHABLE.to_owned()));
                return Self { socket: None, _handlers: Vec::new(), _retry: retry };
            }
        };
        let handlers = handlers(&socket, &on_event, &retry);
        Self { socket: Some(socket), _handlers: handlers, _retry: retry }
    }
}

fn handlers(
    socket: &Socket,
    on_event: &Callback<LinkEvent>,
    retry: &Rc<RefCell<Option<Timeout>>>,
) -> Vec<Closure<dyn FnMut(JsValue)>> {
    let emit = |event: LinkEvent| {
        let on_event = on_event.clone();
        Closure::<dyn FnMut(JsValue)>::new(move |_| on_event.emit(event.clone()))
    };
    let (up, failed) = (emit(LinkEvent::Up), emit(LinkEvent::Down(UNREACHABLE.to_owned())));
    let (down_event, down_socket, down_retry) = (on_event.clone(), socket.clone(), Rc::clone(retry));
    let down = Closure::<dyn FnMut(JsValue)>::new(move |reason: JsValue| {
        down_event.emit(LinkEvent::Down(UNREACHABLE.to_owned()));
        // The client comes back by itself from everything but this.
        if reason.as_string().as_deref() == Some("io server disconnect") {
            let socket = down_socket.clone();
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a random share of a second or two"
            )]
            let wait_ms = RETRY_MS + (Math::random() * f64::from(RETRY_MS) * 2.0) as u32;
            *down_retry.borrow_mut() = Some(Timeout::new(wait_ms, move || socket.connect()));
        }
    });
    let message_event = on_event.clone();
    let message = Closure::<dyn FnMut(JsValue)>::new(move |value: JsValue| {
        if let Some(json) = JSON::stringify(&value).ok().and_then(|text| text.as_string()) {
            receive(&json, &message_event);
        }
    });
    let all = [("connect", up), ("connect_error", failed), ("disconnect", down), ("message", message)];
    all.into_iter()
        .map(|(event, handler)| {
            socket.on(event, handler.as_ref());
            handler
        })
        .collect()
}

impl RoomPort for SocketIoRoom {
    fn send(&self, message: &ClientMessage) {
        let Some(socket) = &self.socket else { return };
        // The client would keep it while there is no connection and send it before the next Join.
        if socket.connected()
            && let Ok(object) = JSON::parse(&message.to_json().to_string())
        {
            socket.emit("message", &object);
        }
    }
}

impl Drop for SocketIoRoom {
    fn drop(&mut self) {
        if let Some(socket) = &self.socket {
            // Handlers go first: they are dropped with this port.
            socket.off();
            socket.disconnect();
        }
    }
}
