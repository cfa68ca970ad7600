//! The supervised connection against a real relay, and against ones that fail in every way.

use crate::support::{Cable, Notes, Proxy, loopback, relay};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use streamshare::{Gui, GuiEvent, OnRoomEvent, RoomLink, SendError};
use streamshare_ipc::RoomEvent;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use url::Url;

fn open(addr: SocketAddr) -> (RoomLink, Arc<Notes>) {
    let notes = Notes::new();
    let gui = Arc::clone(&notes);
    let on_event: OnRoomEvent = Arc::new(move |event| gui.emit(GuiEvent::Room(event)));
    (RoomLink::open(&Url::parse(&format!("http://{addr}")).unwrap(), on_event), notes)
}

async fn up(notes: &Notes) {
    notes.wait("Up", |event| matches!(event, GuiEvent::Room(RoomEvent::Up)).then_some(())).await;
}

async fn down(notes: &Notes) -> (String, u64) {
    let find = |event: &GuiEvent| {
        let GuiEvent::Room(RoomEvent::Down { reason, retry_ms }) = event else { return None };
        Some((reason.clone(), *retry_ms))
    };
    notes.wait("Down", find).await
}

async fn message(notes: &Notes, command: &str) -> Value {
    let find = |event: &GuiEvent| {
        let GuiEvent::Room(RoomEvent::Message { json }) = event else { return None };
        serde_json::from_str(json).ok().filter(|message: &Value| message["command"] == command)
    };
    notes.wait(command, find).await
}

async fn join(link: &RoomLink, notes: &Notes, name: &str) -> Value {
    link.send(json!({"command": "Join", "name": name, "roomId": "blue"})).unwrap();
    message(notes, "HELLO").await
}

/// Waits for the HELLO that names exactly these members.
async fn users(notes: &Notes, names: &[&str]) {
    let find = |event: &GuiEvent| {
        let GuiEvent::Room(RoomEvent::Message { json }) = event else { return None };
        let hello: Value = serde_json::from_str(json).ok()?;
        let mut users: Vec<_> = hello["users"].as_array()?.iter().filter_map(|user| user["name"].as_str()).collect();
        users.sort_unstable();
        (users == names).then_some(())
    };
    notes.wait("HELLO with these users", find).await;
}

#[tokio::test]
async fn messages_pass_both_ways() {
    let relay = relay(loopback()).await;
    let (link, notes) = open(relay.local_addr());
    up(&notes).await;
    let hello = join(&link, &notes, "Ada").await;
    assert_eq!(hello["users"][0]["name"], "Ada");
    link.send(json!({"command": "PING", "id": 7})).unwrap();
    assert_eq!(message(&notes, "PONG").await["id"], 7);
    link.close().await;
    relay.shutdown().await;
}

#[tokio::test]
async fn a_relay_that_restarts_is_found_again() {
    let first = relay(loopback()).await;
    let addr = first.local_addr();
    let (link, notes) = open(addr);
    up(&notes).await;
    join(&link, &notes, "Ada").await;
    first.shutdown().await;
    let (reason, retry_ms) = down(&notes).await;
    assert!(reason.ends_with('.') && retry_ms <= 250, "{reason} {retry_ms}");
    assert_eq!(link.send(json!({"command": "PING", "id": 1})), Err(SendError::Down));
    let again = relay(addr).await;
    up(&notes).await;
    // Nothing of before is sent by itself: the relay knows nobody until a Join.
    join(&link, &notes, "Ada").await;
    link.close().await;
    again.shutdown().await;
}

#[tokio::test]
async fn a_connection_that_is_reset_is_replaced() {
    let relay = relay(loopback()).await;
    let proxy = Proxy::to(relay.local_addr()).await;
    let (link, notes) = open(proxy.addr);
    for _ in 0..3 {
        up(&notes).await;
        join(&link, &notes, "Ada").await;
        proxy.set(Cable::Cut);
        down(&notes).await;
        proxy.set(Cable::Whole);
    }
    up(&notes).await;
    link.close().await;
    relay.shutdown().await;
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_noticed() {
    let relay = relay(loopback()).await;
    let proxy = Proxy::to(relay.local_addr()).await;
    let (link, notes) = open(proxy.addr);
    up(&notes).await;
    proxy.set(Cable::Frozen);
    down(&notes).await;
    proxy.set(Cable::Whole);
    up(&notes).await;
    link.close().await;
    relay.shutdown().await;
}

#[tokio::test]
async fn nobody_listens_and_then_somebody_does() {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let (link, notes) = open(addr);
    let (first, _) = down(&notes).await;
    let (second, _) = down(&notes).await;
    assert_eq!((first.as_str(), second.as_str()), ("The relay cannot be reached.", "The relay cannot be reached."));
    let relay = relay(addr).await;
    up(&notes).await;
    link.close().await;
    relay.shutdown().await;
}

#[tokio::test]
async fn a_port_that_never_answers_is_given_up() {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let (link, notes) = open(listener.local_addr().unwrap());
    let (reason, _) = down(&notes).await;
    assert_eq!(reason, "The relay does not answer.");
    link.close().await;
}

#[tokio::test]
async fn a_server_that_is_no_relay_is_told_apart_from_none() {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let (link, notes) = open(addr);
    let (reason, _) = down(&notes).await;
    assert_eq!(reason, "The relay cannot be reached.");
    link.close().await;
}

#[tokio::test]
async fn a_closed_link_leaves_the_room_and_says_nothing_more() {
    let relay = relay(loopback()).await;
    let (observer, seen) = open(relay.local_addr());
    up(&seen).await;
    join(&observer, &seen, "Bea").await;
    let (link, notes) = open(relay.local_addr());
    up(&notes).await;
    join(&link, &notes, "Ada").await;
    users(&seen, &["Ada", "Bea"]).await;
    link.close().await;
    notes.take();
    users(&seen, &["Bea"]).await;
    relay.shutdown().await;
    down(&seen).await;
    assert_eq!(notes.take(), vec![]);
    observer.close().await;
}

#[tokio::test]
async fn many_messages_arrive_in_order() {
    let relay = relay(loopback()).await;
    let (link, notes) = open(relay.local_addr());
    up(&notes).await;
    join(&link, &notes, "Ada").await;
    for id in 1..=150 {
        link.send(json!({"command": "PING", "id": id})).unwrap();
    }
    for id in 1..=150 {
        assert_eq!(message(&notes, "PONG").await["id"], id);
    }
    link.close().await;
    relay.shutdown().await;
}

/// A Socket.IO server of a few lines: it greets, and hands each connection over when its namespace stands.
async fn scripted() -> (SocketAddr, tokio::sync::mpsc::Receiver<WebSocketStream<TcpStream>>) {
    let listener = TcpListener::bind(loopback()).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (connected, connections) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let open = r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}"#;
            socket.send(Message::text(open)).await.unwrap();
            while let Some(Ok(packet)) = socket.next().await {
                if packet.to_text().is_ok_and(|text| text.starts_with("40")) {
                    socket.send(Message::text(r#"40{"sid":"t"}"#)).await.unwrap();
                    break;
                }
            }
            if connected.send(socket).await.is_err() {
                return;
            }
        }
    });
    (addr, connections)
}

#[tokio::test]
async fn an_orderly_end_is_noticed_though_the_library_keeps_silent() {
    // A closed namespace under an open connection, a closed session, and a closed WebSocket. The server's pings would
    // betray them after 45 s only, later than the deadline here.
    for last in [Message::text("41"), Message::text("1"), Message::Close(None)] {
        let (addr, mut connections) = scripted().await;
        let (link, notes) = open(addr);
        up(&notes).await;
        let mut socket = connections.recv().await.unwrap();
        socket.send(last.clone()).await.unwrap();
        // Reading answers a Close; whatever else comes is not of interest.
        let reading = tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
        down(&notes).await;
        up(&notes).await;
        link.close().await;
        reading.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_ends_the_connection_instead_of_the_memory() {
    let (addr, mut connections) = scripted().await;
    let notes = Notes::new();
    let gui = Arc::clone(&notes);
    // A window that takes its time: the supervisor cannot keep up.
    let on_event: OnRoomEvent = Arc::new(move |event| {
        if matches!(event, RoomEvent::Message { .. }) {
            tokio::task::block_in_place(|| std::thread::sleep(Duration::from_millis(20)));
        }
        gui.emit(GuiEvent::Room(event));
    });
    let link = RoomLink::open(&Url::parse(&format!("http://{addr}")).unwrap(), on_event);
    up(&notes).await;
    let mut socket = connections.recv().await.unwrap();
    let flood =
        tokio::spawn(
            async move { while socket.send(Message::text(r#"42["message",{"command":"X"}]"#)).await.is_ok() {} },
        );
    let (reason, _) = down(&notes).await;
    assert_eq!(reason, "More messages came than this computer could handle.");
    link.close().await;
    flood.abort();
}
