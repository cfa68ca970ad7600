//! Real peers for a real relay: the official JavaScript client and rust_socketio, over both transports.

pub(crate) mod tracker;

use futures_util::{FutureExt, SinkExt, StreamExt};
use rust_socketio::{
    Event, Payload, TransportType,
    asynchronous::{Client, ClientBuilder},
};
use serde_json::{Value, json};
use std::{net::SocketAddr, path::Path, process::Stdio, time::Duration};
use streamshare_relay::{Relay, RelayConfig};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

/// A machine under load may take this long for anything that should take milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// A configuration for tests: a free port, and no limit on the rate of messages.
pub(crate) fn config() -> RelayConfig {
    RelayConfig {
        messages_per_second: 1_000_000,
        messages_burst: 1_000_000,
        ..RelayConfig::new(SocketAddr::from(LOOPBACK))
    }
}

pub(crate) async fn start() -> Relay {
    Relay::start(config()).await.unwrap()
}

pub(crate) fn url(relay: &Relay) -> String {
    format!("http://{}", relay.local_addr())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    RustWebSocket,
    RustPolling,
    JsWebSocket,
    JsPolling,
    /// Starts by polling and goes on by WebSocket, as browsers do by default.
    JsUpgrade,
}

pub(crate) const KINDS: [Kind; 5] =
    [Kind::RustWebSocket, Kind::RustPolling, Kind::JsWebSocket, Kind::JsPolling, Kind::JsUpgrade];

enum Link {
    Rust(Client),
    Js { stdin: Option<ChildStdin>, child: Child },
}

/// A client of another make, and what it received.
pub(crate) struct Peer {
    link: Link,
    events: UnboundedReceiver<(String, Value)>,
}

impl Peer {
    pub(crate) async fn connect(url: &str, kind: Kind) -> Self {
        let mut peer = match kind {
            Kind::RustWebSocket => Self::rust(url, TransportType::Websocket).await,
            Kind::RustPolling => Self::rust(url, TransportType::Polling).await,
            Kind::JsWebSocket => Self::js(url, "websocket"),
            Kind::JsPolling => Self::js(url, "polling"),
            Kind::JsUpgrade => Self::js(url, "polling,websocket"),
        };
        // The peer says "upgrade" before it says "connect", whichever came first.
        if kind == Kind::JsUpgrade {
            assert_eq!(peer.event("upgrade").await, "websocket");
        }
        peer.event("connect").await;
        peer
    }

    async fn rust(url: &str, transport: TransportType) -> Self {
        let (out, events) = unbounded_channel();
        let say = |event: &'static str, out: UnboundedSender<_>| {
            move |payload: Payload, _: Client| {
                let data = match payload {
                    Payload::Text(values) => Value::Array(values),
                    Payload::Binary(bytes) => json!(format!("{bytes:?}")),
                    #[allow(deprecated, reason = "still a variant")]
                    Payload::String(text) => json!(text),
                };
                let _ = out.send((event.to_owned(), data));
                async {}.boxed()
            }
        };
        let client = ClientBuilder::new(url)
            .transport_type(transport)
            .reconnect(false)
            .on(Event::Connect, say("connect", out.clone()))
            .on("message", say("message", out))
            .connect()
            .await
            .unwrap();
        Self { link: Link::Rust(client), events }
    }

    fn js(url: &str, transports: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/peer.mjs");
        let mut child = Command::new("node")
            .args([script.as_os_str(), url.as_ref(), transports.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs, and npm ci was run in the root folder");
        let stdin = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (out, events) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let mut said: Value = serde_json::from_str(&line).unwrap();
                let _ = out.send((said["event"].as_str().unwrap().to_owned(), said["data"].take()));
            }
        });
        Self { link: Link::Js { stdin, child }, events }
    }

    /// Sends one message.
    pub(crate) async fn send(&mut self, message: Value) {
        self.send_all(vec![message]).await;
    }

    /// Sends one event with these arguments.
    pub(crate) async fn send_all(&mut self, arguments: Vec<Value>) {
        match &mut self.link {
            Link::Rust(client) => client.emit("message", Payload::Text(arguments)).await.unwrap(),
            Link::Js { stdin, .. } => {
                let line = format!("{}\n", Value::Array(arguments));
                stdin.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
            }
        }
    }

    /// Waits for the next event of a kind, passing over others.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let found = async {
            loop {
                let (event, data) = self.events.recv().await.expect("the peer lives");
                if event == name {
                    return data;
                }
                assert!(event == "message" || event == "connect" || event == "upgrade", "{event}: {data}");
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {name:?} in time"))
    }

    /// The next message, whatever it is.
    pub(crate) async fn message(&mut self) -> Value {
        let mut arguments = self.event("message").await;
        assert_eq!(arguments.as_array().map(Vec::len), Some(1), "one argument: {arguments}");
        arguments[0].take()
    }

    /// The next message with this command, passing over others.
    pub(crate) async fn command(&mut self, command: &str) -> Value {
        loop {
            let message = self.message().await;
            if message["command"] == command {
                return message;
            }
        }
    }

    /// The next HELLO that lists exactly these names.
    pub(crate) async fn hello_with(&mut self, names: &[&str]) -> Value {
        loop {
            let hello = self.command("HELLO").await;
            let users = hello["users"].as_array().unwrap();
            if users.iter().map(|user| user["name"].as_str().unwrap()).eq(names.iter().copied()) {
                return hello;
            }
        }
    }

    /// Everything that arrives until the relay answered a PING: what it sent before that has arrived.
    pub(crate) async fn until_pong(&mut self) -> Vec<Value> {
        self.send(json!({"command": "PING", "id": 4711})).await;
        let mut seen = Vec::new();
        loop {
            let message = self.message().await;
            if message["command"] == "PONG" {
                return seen;
            }
            seen.push(message);
        }
    }

    pub(crate) async fn join(&mut self, name: &str, room: &str) -> Value {
        self.send(json!({"command": "Join", "name": name, "roomId": room})).await;
        self.command("HELLO").await
    }

    /// Connects and joins.
    pub(crate) async fn joined(url: &str, kind: Kind, name: &str, room: &str) -> Self {
        let mut peer = Self::connect(url, kind).await;
        peer.join(name, room).await;
        peer
    }

    /// Leaves as a program does that ends properly.
    pub(crate) async fn disconnect(mut self) {
        match &mut self.link {
            Link::Rust(client) => client.disconnect().await.unwrap(),
            Link::Js { stdin, child } => {
                *stdin = None;
                timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
            }
        }
    }

    /// Waits until the peer knows that its connection ended.
    pub(crate) async fn lost(&mut self) {
        match &self.link {
            Link::Js { .. } => _ = self.event("disconnect").await,
            // rust_socketio says nothing when a server closes properly; only sending fails from then on.
            Link::Rust(client) => {
                let sends = async {
                    while client.emit("message", json!({"command": "WAVE"})).await.is_ok() {
                        tokio::task::yield_now().await;
                    }
                };
                timeout(PATIENCE, sends).await.expect("the peer notices in time");
            }
        }
    }

    /// The process of a JavaScript peer.
    pub(crate) fn process(&mut self) -> &mut Child {
        match &mut self.link {
            Link::Js { child, .. } => child,
            Link::Rust(_) => panic!("only JavaScript peers are processes of their own"),
        }
    }
}

/// A connection of ours that does only what a test says: it answers no ping by itself and reads only when asked to.
pub(crate) struct RawSocket(tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>);

impl RawSocket {
    /// Connects by WebSocket and enters the namespace.
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let tcp = tokio::net::TcpSocket::new_v4().unwrap();
        // Small, so that a reader that stops fills it soon.
        tcp.set_recv_buffer_size(4096).unwrap();
        let stream = tcp.connect(addr).await.unwrap();
        let url = format!("ws://{addr}/socket.io/?EIO=4&transport=websocket");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut raw = Self(socket);
        raw.text("40").await;
        raw.read_until(|packet| packet.starts_with("40")).await;
        raw
    }

    pub(crate) async fn text(&mut self, packet: &str) {
        self.0.send(tokio_tungstenite::tungstenite::Message::text(packet)).await.unwrap();
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.text(&format!("42{}", json!(["message", message]))).await;
    }

    /// The next packet; nothing at the end of the connection.
    pub(crate) async fn packet(&mut self) -> Option<String> {
        let next = timeout(PATIENCE, self.0.next()).await.expect("a packet or the end in time");
        next.and_then(Result::ok).and_then(|message| message.into_text().ok()).map(|text| text.to_string())
    }

    pub(crate) async fn read_until(&mut self, found: impl Fn(&str) -> bool) -> String {
        loop {
            let packet = self.packet().await.expect("the connection lives");
            if found(&packet) {
                return packet;
            }
        }
    }
}
