//! The connection to a relay: rust_socketio behind a supervisor of our own.
//!
//! rust_socketio is sound on the wire, and its own reconnection, acknowledgements and end are not. So it only ever holds
//! one connection: [`RoomLink`] dials, waits for the namespace, notices the end and dials anew with a jittered backoff.
//! Its callbacks do nothing but pass on into a bounded channel, since a slow one holds up the answer to pings.

use futures_util::{FutureExt, future::BoxFuture};
use rust_socketio::{
    Event, Payload, TransportType,
    asynchronous::{Client, ClientBuilder},
};
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use streamshare_ipc::RoomEvent;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Longest wait for TCP, TLS and the handshakes of WebSocket and Engine.IO, and again for the namespace: rust_socketio
/// has no limit of its own. Ten times a bad mobile round trip.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for one message to enter the socket: a peer that reads nothing for this long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for a polite end.
const DISCONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// First wait after a connection was lost; doubled with each failure. A relay that restarts is back within a second.
const RETRY_MIN: Duration = Duration::from_millis(250);
/// Longest wait. Whoever watches the window sees the relay come back within this.
const RETRY_MAX: Duration = Duration::from_secs(3);
/// A connection that stood this long was a good one: the next wait is the shortest again. A relay that accepts and hangs
/// up is not hammered.
const STABLE_AFTER: Duration = Duration::from_secs(5);
/// How long nothing may be sent before the socket is tried. rust_socketio tells of no orderly close of the WebSocket;
/// sending into it does.
const PROBE_AFTER: Duration = Duration::from_secs(2);
/// The event of such a trial. Servers ignore events that they have no handler for.
const PROBE_EVENT: &str = "probe";
/// Messages that wait for the window. When it is full the state is stale anyway: the link is dropped and dialled anew, and
/// the relay's HELLO tells everything.
const INBOX_CAPACITY: usize = 512;
/// Messages that wait for the socket; [`RoomLink::send`] fails beyond.
const OUTBOX_CAPACITY: usize = 256;

/// Called for everything that happens to a link, in order; must not block.
pub type OnRoomEvent = Arc<dyn Fn(RoomEvent) + Send + Sync>;

/// A connection to a relay that is kept up until it is closed.
///
/// Messages are not kept across connections: what was sent while the link was down would reach a relay that does not know
/// the member yet. After each [`RoomEvent::Up`] the room's client joins anew and tells its state.
#[derive(Debug)]
pub struct RoomLink {
    outbox: mpsc::Sender<Value>,
    up: Arc<AtomicBool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no connection at the moment.
    #[error("there is no connection to the relay")]
    Down,
    /// The connection does not take messages as fast as they come.
    #[error("the connection to the relay is too slow")]
    Full,
}

impl RoomLink {
    /// Starts to dial `relay`, an http(s) address; `on_event` hears of the rest. Needs a Tokio runtime.
    #[must_use]
    pub fn open(relay: &Url, on_event: OnRoomEvent) -> Self {
        let (outbox, messages) = mpsc::channel(OUTBOX_CAPACITY);
        let up = Arc::new(AtomicBool::new(false));
        let stop = CancellationToken::new();
        let supervisor =
            Supervisor { address: socket_address(relay), on_event, outbox: messages, up: Arc::clone(&up), failures: 0 };
        let task = tokio::spawn(supervisor.run(stop.clone()));
        Self { outbox, up, stop, task }
    }

    /// Puts a message into the queue.
    ///
    /// # Errors
    /// When the link is down or the queue is full. A message that was taken may still be lost with the connection.
    pub fn send(&self, message: Value) -> Result<(), SendError> {
        if !self.up.load(Ordering::Acquire) {
            return Err(SendError::Down);
        }
        self.outbox.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Down,
        })
    }

    /// Ends the connection and waits for its end; no event comes after this returned.
    pub async fn close(mut self) {
        self.stop.cancel();
        // The task ends by itself within DISCONNECT_TIMEOUT; a panic in it was reported by the runtime.
        let _ = (&mut self.task).await;
    }
}

impl Drop for RoomLink {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Supervisor {
    address: String,
    on_event: OnRoomEvent,
    outbox: mpsc::Receiver<Value>,
    up: Arc<AtomicBool>,
    /// Failed attempts since the last good connection.
    failures: u32,
}

/// What the callbacks pass on.
enum Incoming {
    Connected,
    Message(Value),
    Lost(&'static str),
}

const UNREACHABLE: &str = "The relay cannot be reached.";
const SILENT: &str = "The relay does not answer.";
const REFUSED: &str = "The relay refused the connection.";
const LOST: &str = "The connection to the relay was lost.";
const CLOSED: &str = "The relay closed the connection.";
const STALLED: &str = "The relay takes no messages.";
const OVERFLOW: &str = "More messages came than this computer could handle.";

impl Supervisor {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            // Cancel safe: whoever waits for the end sees to it below.
            let dialled = tokio::select! {
                dialled = dial(&self.address) => dialled,
                () = stop.cancelled() => return,
            };
            let reason = match dialled {
                Ok(connection) => match self.serve(connection, &stop).await {
                    Some(reason) => reason,
                    None => return,
                },
                Err(reason) => reason,
            };
            let wait = retry_wait(self.failures);
            self.failures = self.failures.saturating_add(1);
            tracing::info!(reason, retry_ms = millis(wait), "not connected to the relay");
            (self.on_event)(RoomEvent::Down { reason: reason.to_owned(), retry_ms: millis(wait) });
            tokio::select! {
                () = sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Carries messages until the connection ends, or answers nothing where it was to stop.
    async fn serve(&mut self, mut connection: Connection, stop: &CancellationToken) -> Option<&'static str> {
        let since = Instant::now();
        tracing::info!("connected to the relay");
        // What was queued for the connection before is not for this one.
        while self.outbox.try_recv().is_ok() {}
        // First the flag: whoever hears of Up may send.
        self.up.store(true, Ordering::Release);
        (self.on_event)(RoomEvent::Up);
        let ended = tokio::select! {
            reason = receive(&mut connection.inbox, &self.on_event) => Some(reason),
            reason = transmit(&connection.client, &mut self.outbox) => Some(reason),
            () = connection.overflow.cancelled() => Some(OVERFLOW),
            () = stop.cancelled() => None,
        };
        self.up.store(false, Ordering::Release);
        if since.elapsed() >= STABLE_AFTER {
            self.failures = 0;
        }
        connection.end().await;
        ended
    }
}

/// Cancel safe: a message is handed on in the same step in which it leaves the channel.
async fn receive(inbox: &mut mpsc::Receiver<Incoming>, on_event: &OnRoomEvent) -> &'static str {
    while let Some(incoming) = inbox.recv().await {
        match incoming {
            Incoming::Message(message) => on_event(RoomEvent::Message { json: message.to_string() }),
            Incoming::Lost(reason) => return reason,
            Incoming::Connected => {}
        }
    }
    LOST
}

async fn transmit(client: &Client, outbox: &mut mpsc::Receiver<Value>) -> &'static str {
    loop {
        let (event, message) = match timeout(PROBE_AFTER, outbox.recv()).await {
            Ok(Some(message)) => (Event::Message, message),
            // The link was dropped; `stop` ends this.
            Ok(None) => std::future::pending().await,
            Err(_) => (Event::from(PROBE_EVENT), Value::Null),
        };
        match timeout(SEND_TIMEOUT, client.emit(event, message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(%error, "sending failed");
                return LOST;
            }
            Err(_) => return STALLED,
        }
    }
}

struct Connection {
    client: Client,
    inbox: mpsc::Receiver<Incoming>,
    overflow: CancellationToken,
}

impl Connection {
    /// Says goodbye. Without this, rust_socketio goes on reading after its client was dropped.
    async fn end(self) {
        match timeout(DISCONNECT_TIMEOUT, self.client.disconnect()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "the connection was gone already"),
            Err(_) => tracing::debug!("no time for an orderly end"),
        }
    }
}

async fn dial(address: &str) -> Result<Connection, &'static str> {
    let (passed_on, mut inbox) = mpsc::channel(INBOX_CAPACITY);
    let overflow = CancellationToken::new();
    let pass_on = PassOn { to: passed_on, overflow: overflow.clone() };
    let connecting = ClientBuilder::new(address)
        .transport_type(TransportType::Websocket)
        .reconnect(false)
        .reconnect_on_disconnect(false)
        .on(Event::Connect, pass_on.callback(|_| Some(Incoming::Connected)))
        .on(Event::Close, pass_on.callback(|_| Some(Incoming::Lost(CLOSED))))
        .on(
            Event::Error,
            pass_on.callback(|payload| {
                tracing::debug!(?payload, "the connection failed");
                Some(Incoming::Lost(LOST))
            }),
        )
        .on(Event::Message, pass_on.callback(|payload| message_of(payload).map(Incoming::Message)))
        .connect();
    let client = match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => {
            tracing::debug!(%error, "dialling failed");
            return Err(UNREACHABLE);
        }
        Err(_) => return Err(SILENT),
    };
    // connect() returns before the namespace stands; an emit before that would kill the session.
    let first = timeout(CONNECT_TIMEOUT, inbox.recv()).await;
    let connection = Connection { client, inbox, overflow };
    match first {
        Ok(Some(Incoming::Connected)) => Ok(connection),
        Ok(Some(Incoming::Lost(_) | Incoming::Message(_)) | None) => {
            connection.end().await;
            Err(REFUSED)
        }
        Err(_) => {
            connection.end().await;
            Err(SILENT)
        }
    }
}

/// The way from rust_socketio's callbacks to the supervisor: never waits, never panics.
#[derive(Clone)]
struct PassOn {
    to: mpsc::Sender<Incoming>,
    overflow: CancellationToken,
}

impl PassOn {
    fn callback(
        &self,
        read: impl Fn(Payload) -> Option<Incoming> + Send + Sync + 'static,
    ) -> impl FnMut(Payload, Client) -> BoxFuture<'static, ()> + Send + Sync + 'static {
        let this = self.clone();
        move |payload, _| {
            if let Some(incoming) = read(payload)
                && let Err(mpsc::error::TrySendError::Full(_)) = this.to.try_send(incoming)
            {
                this.overflow.cancel();
            }
            std::future::ready(()).boxed()
        }
    }
}

/// The JSON object of a message; what is none is nothing that a relay sends.
fn message_of(payload: Payload) -> Option<Value> {
    let Payload::Text(values) = payload else { return None };
    values.into_iter().next().filter(Value::is_object)
}

/// Socket.IO's path below the relay's own: rust_socketio adds it only to an address without a path.
fn socket_address(relay: &Url) -> String {
    let mut address = relay.clone();
    address.set_query(None);
    address.set_fragment(None);
    let path = format!("{}/socket.io/", relay.path().trim_end_matches('/'));
    address.set_path(&path);
    address.into()
}

/// Between half and the whole of the doubled wait, so that a relay's return is not everyone's at the same moment.
fn retry_wait(failures: u32) -> Duration {
    let full = RETRY_MIN.saturating_mul(1 << failures.min(8)).min(RETRY_MAX);
    let mut byte = [0];
    // Without random numbers the wait is merely not spread.
    let spread = if getrandom::fill(&mut byte).is_ok() { f64::from(byte[0]) / 255.0 } else { 1.0 };
    full.mul_f64(0.5 + spread / 2.0)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_path_of_socket_io() {
        for (relay, address) in [
            ("http://127.0.0.1:7411", "http://127.0.0.1:7411/socket.io/"),
            ("https://example.org/watch/", "https://example.org/watch/socket.io/"),
            ("http://[fd00::1]:80/?x=1#/room/y", "http://[fd00::1]/socket.io/"),
        ] {
            assert_eq!(socket_address(&Url::parse(relay).expect("an address")), address);
        }
    }

    #[test]
    fn waits_grow_to_their_cap() {
        for (failures, full_ms) in [(0, 250), (1, 500), (2, 1000), (3, 2000), (4, 3000), (40, 3000)] {
            for _ in 0..50 {
                let wait = millis(retry_wait(failures));
                assert!((full_ms / 2..=full_ms).contains(&wait), "{failures}: {wait} ms");
            }
        }
    }

    #[test]
    fn only_objects_are_messages() {
        let object = json!({"command": "HELLO"});
        assert_eq!(message_of(Payload::Text(vec![object.clone()])), Some(object));
        assert_eq!(message_of(Payload::Text(vec![json!("HELLO")])), None);
        assert_eq!(message_of(Payload::Text(vec![])), None);
        assert_eq!(message_of(Payload::Binary(vec![1].into())), None);
    }
}
