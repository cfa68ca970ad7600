//! Members that vanish without a word leave the room, and those that read slowly catch up.

use crate::support::{Kind, Peer, RawSocket, config, url};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use streamshare_relay::{Relay, RelayConfig};

/// What a machine under load may add to the bound.
const SLACK: Duration = Duration::from_secs(5);

fn impatient() -> RelayConfig {
    RelayConfig {
        ping_interval: Duration::from_millis(500),
        ping_timeout: Duration::from_millis(1_000),
        write_timeout: Duration::from_millis(1_000),
        ..config()
    }
}

async fn start(config: &RelayConfig) -> Relay {
    Relay::start(config.clone()).await.unwrap()
}

fn join(name: &str) -> Value {
    json!({"command": "Join", "name": name, "roomId": "r"})
}

async fn leaves_in_time(bob: &mut Peer, since: Instant, config: &RelayConfig) {
    bob.hello_with(&["Bob"]).await;
    let took = since.elapsed();
    assert!(took < config.vanish_after() + SLACK, "{took:?}");
}

#[tokio::test]
async fn a_killed_process_leaves() {
    let config = impatient();
    let relay = start(&config).await;
    let mut bob = Peer::joined(&url(&relay), Kind::RustWebSocket, "Bob", "r").await;
    for kind in [Kind::JsWebSocket, Kind::JsPolling, Kind::JsUpgrade] {
        let mut ada = Peer::joined(&url(&relay), kind, "Ada", "r").await;
        bob.hello_with(&["Bob", "Ada"]).await;
        let since = Instant::now();
        ada.process().kill().await.unwrap();
        leaves_in_time(&mut bob, since, &config).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_suspended_process_leaves() {
    let config = impatient();
    let relay = start(&config).await;
    let mut bob = Peer::joined(&url(&relay), Kind::RustWebSocket, "Bob", "r").await;
    for kind in [Kind::JsWebSocket, Kind::JsPolling] {
        let mut ada = Peer::joined(&url(&relay), kind, "Ada", "r").await;
        bob.hello_with(&["Bob", "Ada"]).await;
        let process = ada.process().id().unwrap().to_string();
        let since = Instant::now();
        let stopped = tokio::process::Command::new("kill").args(["-STOP", &process]).status().await.unwrap();
        assert!(stopped.success());
        leaves_in_time(&mut bob, since, &config).await;
    }
}

#[tokio::test]
async fn who_answers_no_ping_leaves() {
    let config = impatient();
    let relay = start(&config).await;
    let mut bob = Peer::joined(&url(&relay), Kind::JsWebSocket, "Bob", "r").await;
    let mut ada = RawSocket::connect(relay.local_addr()).await;
    ada.send(join("Ada")).await;
    bob.hello_with(&["Bob", "Ada"]).await;
    let since = Instant::now();
    while ada.packet().await.is_some() {}
    leaves_in_time(&mut bob, since, &config).await;
}

/// Fills every buffer on the way to whoever does not read: some 200 KiB in the system, 256 packets in the relay.
async fn flood(bob: &mut Peer, command: &str, messages: u64) {
    let filler = "x".repeat(3 * 1024);
    for place in 0..messages {
        let message =
            json!({"command": command, "currentTime": place, "buffer": 1, "dispatchedAt": 1, "filler": filler});
        bob.send(message).await;
    }
}

#[tokio::test]
async fn who_stops_reading_leaves() {
    let config = impatient();
    for command in ["PLAY", "SYNC"] {
        let relay = start(&config).await;
        let mut bob = Peer::joined(&url(&relay), Kind::RustWebSocket, "Bob", "r").await;
        let mut ada = RawSocket::connect(relay.local_addr()).await;
        ada.send(join("Ada")).await;
        bob.hello_with(&["Bob", "Ada"]).await;
        let since = Instant::now();
        flood(&mut bob, command, 600).await;
        leaves_in_time(&mut bob, since, &config).await;
        drop(ada);
    }
}

#[tokio::test]
async fn who_reads_slowly_catches_up_and_slows_nobody() {
    let patient = RelayConfig {
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(5),
        write_timeout: Duration::from_secs(20),
        ..config()
    };
    let relay = start(&patient).await;
    let mut bob = Peer::joined(&url(&relay), Kind::RustWebSocket, "Bob", "r").await;
    let mut cleo = Peer::joined(&url(&relay), Kind::JsWebSocket, "Cleo", "r").await;
    let mut ada = RawSocket::connect(relay.local_addr()).await;
    ada.send(join("Ada")).await;
    ada.read_until(|packet| packet.contains("HELLO")).await;
    let last = 599;
    flood(&mut bob, "PLAY", last + 1).await;
    // Cleo reads as fast as it is sent, and may lag as well; in the end it knows the last one.
    loop {
        let message = cleo.message().await;
        if message["currentTime"] == last || message["status"]["currentTime"].as_f64().is_some_and(|at| at >= 599.0) {
            break;
        }
    }
    // Ada did not read any of it: what was queued comes first, then the whole state.
    loop {
        let packet = ada.read_until(|packet| packet.starts_with("42")).await;
        let event: Value = serde_json::from_str(&packet[2..]).unwrap();
        let message = &event[1];
        if message["command"] == "HELLO" && message["status"]["currentTime"].as_f64().unwrap() >= 599.0 {
            break;
        }
    }
}
