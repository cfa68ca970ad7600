//! Rooms as plain peers see them: nothing here speaks anything but the web spec, and what it adds is named.

use crate::support::{KINDS, Kind, Peer, config, start, url};
use serde_json::{Value, json};
use streamshare_relay::{Relay, RelayConfig};

const HASH: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";

async fn everything_passes(kind: Kind) {
    let relay = start().await;
    let mut ada = Peer::connect(&url(&relay), kind).await;
    let hello = ada.join("Ada", "r").await;
    assert_eq!(hello["users"], json!([{"id": hello["userId"], "name": "Ada"}]));
    assert_eq!(hello["status"], json!({"currentTime": 0, "state": "PAUSED"}));
    assert_eq!(hello["playlist"], json!([]));
    assert!(hello["dispatchedAt"].as_f64().unwrap() > 1.6e12);
    let ada_id = hello["userId"].clone();

    let mut bob = Peer::connect(&url(&relay), Kind::RustWebSocket).await;
    let bob_id = bob.join("Bob", "r").await["userId"].clone();
    assert_ne!(ada_id, bob_id);
    ada.hello_with(&["Ada", "Bob"]).await;

    let playlist = json!([{"filename": "film.mp4", "torrentId": HASH, "theirs": {"kept": true}}]);
    ada.send(json!({
        "command": "HELLO", "users": [], "playlist": playlist, "dispatchedAt": 1,
        "status": {"currentTime": 0, "state": "PAUSED"},
    }))
    .await;
    let told = loop {
        let hello = bob.command("HELLO").await;
        if hello["playlist"] != json!([]) {
            break hello["playlist"][0].clone();
        }
    };
    assert_eq!((&told["filename"], &told["torrentId"]), (&json!("film.mp4"), &json!(HASH)));
    assert_eq!(told["theirs"], json!({"kept": true}));
    ada.until_pong().await;

    for command in ["PLAY", "PAUSE", "SYNC"] {
        let sent = json!({"command": command, "currentTime": 12.5, "buffer": 3, "dispatchedAt": 1700000000123u64, "theirs": [1, {"x": null}]});
        ada.send(sent.clone()).await;
        let got = bob.command(command).await;
        assert_eq!(got["userId"], ada_id);
        for (key, value) in sent.as_object().unwrap() {
            assert_eq!(&got[key], value, "{key} of {got}");
        }
        let back = ada.until_pong().await;
        assert!(back.iter().all(|message| message["command"] != command), "{command} came back: {back:?}");
    }

    ada.disconnect().await;
    let hello = bob.hello_with(&["Bob"]).await;
    assert_eq!(hello["playlist"][0]["filename"], "film.mp4");
    relay.shutdown().await;
}

#[tokio::test]
async fn everything_passes_over_websocket() {
    everything_passes(Kind::JsWebSocket).await;
    everything_passes(Kind::RustWebSocket).await;
}

#[tokio::test]
async fn everything_passes_over_polling() {
    everything_passes(Kind::JsPolling).await;
    everything_passes(Kind::RustPolling).await;
}

#[tokio::test]
async fn everything_passes_over_an_upgraded_connection() {
    everything_passes(Kind::JsUpgrade).await;
}

#[tokio::test]
async fn all_kinds_meet_in_one_room() {
    let relay = start().await;
    let mut first = Peer::joined(&url(&relay), Kind::RustWebSocket, "0", "r").await;
    let mut peers = Vec::new();
    for (kind, name) in KINDS.into_iter().zip(["1", "2", "3", "4", "5"]) {
        peers.push(Peer::joined(&url(&relay), kind, name, "r").await);
    }
    first.hello_with(&["0", "1", "2", "3", "4", "5"]).await;
    first.send(json!({"command": "PLAY", "currentTime": 7, "dispatchedAt": 1})).await;
    for peer in &mut peers {
        assert_eq!(peer.command("PLAY").await["currentTime"], 7);
    }
}

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    let relay = start().await;
    let mut bob = Peer::joined(&url(&relay), Kind::RustWebSocket, "Bob", "r").await;
    let mut ada = Peer::joined(&url(&relay), Kind::JsWebSocket, "Ada", "r").await;
    bob.hello_with(&["Bob", "Ada"]).await;
    let long = "x".repeat(200 * 1024);
    let table: [(Vec<Value>, &str, Value); 17] = [
        (vec![], "BAD_MESSAGE", Value::Null),
        (vec![json!(null)], "BAD_MESSAGE", Value::Null),
        (vec![json!(1)], "BAD_MESSAGE", Value::Null),
        (vec![json!("PLAY")], "BAD_MESSAGE", Value::Null),
        (vec![json!([{"command": "PLAY"}])], "BAD_MESSAGE", Value::Null),
        (vec![json!({"command": "PLAY", "currentTime": 1, "dispatchedAt": 1}), json!({})], "BAD_MESSAGE", Value::Null),
        (vec![json!({"bytes": 9})], "BAD_MESSAGE", Value::Null),
        (vec![json!({"command": 3})], "BAD_MESSAGE", Value::Null),
        (vec![json!({})], "BAD_MESSAGE", Value::Null),
        (vec![json!({"command": "PLAY", "dispatchedAt": 1, "actionId": 5})], "BAD_FIELD", json!(5)),
        (vec![json!({"command": "PLAY", "currentTime": "1", "dispatchedAt": 1})], "BAD_FIELD", Value::Null),
        (
            vec![json!({"command": "PLAY", "currentTime": -1, "dispatchedAt": 1, "actionId": 6})],
            "OUT_OF_RANGE",
            json!(6),
        ),
        (vec![json!({"command": "PAUSE", "currentTime": 1e300, "dispatchedAt": 1})], "OUT_OF_RANGE", Value::Null),
        (vec![json!({"command": "Join", "name": "x".repeat(65), "roomId": "r"})], "TOO_LONG", Value::Null),
        (vec![json!({"command": "Join", "name": "Ada", "roomId": "x".repeat(129)})], "TOO_LONG", Value::Null),
        (vec![json!({"command": "Join", "name": " ", "roomId": "r"})], "BAD_FIELD", Value::Null),
        (
            vec![json!({"command": "PLAY", "currentTime": 1, "dispatchedAt": 1, "theirs": long})],
            "TOO_LONG",
            Value::Null,
        ),
    ];
    for (arguments, code, action_id) in table {
        let shown: String = json!(arguments).to_string().chars().take(90).collect();
        ada.send_all(arguments).await;
        let answer = ada.message().await;
        assert_eq!((&answer["command"], &answer["code"]), (&json!("ERROR"), &json!(code)), "{shown}: {answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
        assert_eq!(answer["actionId"], action_id, "{shown}: {answer}");
    }
    // A later version's command is none of our business.
    ada.send(json!({"command": "WAVE", "at": "Bob"})).await;
    assert_eq!(ada.until_pong().await, Vec::<Value>::new());
    assert_eq!(bob.until_pong().await, Vec::<Value>::new());
}

#[tokio::test]
async fn everything_but_a_join_waits_for_it() {
    let relay = start().await;
    let mut ada = Peer::connect(&url(&relay), Kind::JsWebSocket).await;
    for message in [
        json!({"command": "PLAY", "currentTime": 1, "dispatchedAt": 1, "actionId": 3}),
        json!({"command": "SYNC", "currentTime": 1, "buffer": 1, "dispatchedAt": 1}),
        json!({"command": "PING", "id": 1}),
    ] {
        ada.send(message.clone()).await;
        let answer = ada.message().await;
        assert_eq!((&answer["command"], &answer["code"]), (&json!("ERROR"), &json!("NOT_JOINED")));
        assert_eq!(answer["actionId"], message["actionId"]);
    }
    assert_eq!(ada.join("Ada", "r").await["users"][0]["name"], "Ada");
}

#[tokio::test]
async fn messages_of_one_sender_stay_in_order() {
    const MESSAGES: u64 = 2_000;
    /// Below what a socket's queue holds, so that nothing is dropped however slow the machine is.
    const WINDOW: u64 = 100;
    for kind in [Kind::RustWebSocket, Kind::JsPolling] {
        let relay = start().await;
        let mut bob = Peer::joined(&url(&relay), Kind::RustWebSocket, "Bob", "r").await;
        let mut ada = Peer::joined(&url(&relay), kind, "Ada", "r").await;
        for window in 0..MESSAGES / WINDOW {
            let places = window * WINDOW..(window + 1) * WINDOW;
            for place in places.clone() {
                let command = if place % 3 == 0 { "PAUSE" } else { "PLAY" };
                ada.send(json!({"command": command, "currentTime": place, "dispatchedAt": 1})).await;
            }
            for place in places {
                let got = loop {
                    let message = bob.message().await;
                    if message["command"] != "HELLO" {
                        break message;
                    }
                };
                assert_eq!(got["currentTime"], place, "{kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_second_join_renames_or_moves() {
    let relay = start().await;
    let mut bob = Peer::joined(&url(&relay), Kind::JsWebSocket, "Bob", "one").await;
    let mut ada = Peer::connect(&url(&relay), Kind::RustWebSocket).await;
    let id = ada.join("Ada", "one").await["userId"].clone();
    let hello = ada.join("Ada Lovelace", "one").await;
    assert_eq!(hello["userId"], id);
    bob.hello_with(&["Bob", "Ada Lovelace"]).await;
    let hello = ada.join("Ada", "two").await;
    assert_eq!(hello["users"].as_array().unwrap().len(), 1);
    bob.hello_with(&["Bob"]).await;
    bob.send(json!({"command": "PLAY", "currentTime": 9, "dispatchedAt": 1})).await;
    bob.until_pong().await;
    assert!(ada.until_pong().await.iter().all(|message| message["command"] != "PLAY"));
}

#[tokio::test]
async fn a_member_takes_its_place_again_by_its_key() {
    let relay = start().await;
    let mut bob = Peer::joined(&url(&relay), Kind::JsWebSocket, "Bob", "r").await;
    let join = json!({"command": "Join", "name": "Ada", "roomId": "r", "resumeKey": "k3y"});
    let mut before = Peer::connect(&url(&relay), Kind::JsWebSocket).await;
    before.send(join.clone()).await;
    let id = before.command("HELLO").await["userId"].clone();
    let mut after = Peer::connect(&url(&relay), Kind::JsWebSocket).await;
    after.send(join).await;
    let hello = after.command("HELLO").await;
    assert_eq!(hello["userId"], id);
    assert_eq!(hello["users"].as_array().unwrap().len(), 2);
    assert_eq!(before.event("disconnect").await, "io server disconnect");
    // The former connection's end is not the member's.
    bob.hello_with(&["Bob", "Ada"]).await;
    after.until_pong().await;
    let seen = bob.until_pong().await;
    assert!(seen.iter().all(|message| message["users"].as_array().is_none_or(|users| users.len() == 2)), "{seen:?}");
}

#[tokio::test]
async fn a_full_room_refuses() {
    let relay = start().await;
    let mut peers = Vec::new();
    for number in 0..streamshare_protocol::limits::MEMBERS_MAX {
        peers.push(Peer::joined(&url(&relay), Kind::RustWebSocket, &number.to_string(), "r").await);
    }
    let mut late = Peer::connect(&url(&relay), Kind::JsWebSocket).await;
    late.send(json!({"command": "Join", "name": "late", "roomId": "r"})).await;
    assert_eq!(late.message().await["code"], "ROOM_FULL");
    late.send(json!({"command": "PING", "id": 1})).await;
    assert_eq!(late.message().await["code"], "NOT_JOINED");
    // Past the HELLO of when the room was as full as it will be again.
    peers[0].until_pong().await;
    let names: Vec<String> = (0..peers.len() - 1).map(|number| number.to_string()).collect();
    peers.pop().unwrap().disconnect().await;
    peers[0].hello_with(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    late.join("late", "r").await;
}

#[tokio::test]
async fn a_new_room_displaces_an_empty_one_but_no_other() {
    let relay = Relay::start(RelayConfig { rooms_max: 2, ..config() }).await.unwrap();
    let mut ada = Peer::joined(&url(&relay), Kind::JsWebSocket, "Ada", "one").await;
    let bob = Peer::joined(&url(&relay), Kind::RustWebSocket, "Bob", "two").await;
    let mut cleo = Peer::connect(&url(&relay), Kind::RustWebSocket).await;
    cleo.send(json!({"command": "Join", "name": "Cleo", "roomId": "three"})).await;
    assert_eq!(cleo.message().await["code"], "TOO_MANY_ROOMS");
    bob.disconnect().await;
    // Bob's room is empty as soon as the relay noticed.
    loop {
        cleo.send(json!({"command": "Join", "name": "Cleo", "roomId": "three"})).await;
        if cleo.message().await["command"] == "HELLO" {
            break;
        }
    }
    assert_eq!(ada.until_pong().await, Vec::<Value>::new());
}

#[tokio::test]
async fn who_sends_too_much_is_told_and_goes_on() {
    let slow = RelayConfig { messages_per_second: 20, messages_burst: 10, ..config() };
    let relay = Relay::start(slow).await.unwrap();
    let mut ada = Peer::joined(&url(&relay), Kind::RustWebSocket, "Ada", "r").await;
    for _ in 0..40 {
        ada.send(json!({"command": "WAVE"})).await;
    }
    assert_eq!(ada.command("ERROR").await["code"], "RATE_LIMITED");
    // The allowance grows again, so that some PING gets through.
    loop {
        ada.send(json!({"command": "PING", "id": 1})).await;
        if let Ok(answer) = tokio::time::timeout(std::time::Duration::from_millis(100), ada.command("PONG")).await {
            assert_eq!(answer["id"], 1);
            break;
        }
    }
}

#[tokio::test]
async fn a_room_is_forgotten_some_time_after_it_became_empty() {
    let memory = std::time::Duration::from_millis(300);
    let relay = Relay::start(RelayConfig { empty_room_memory: memory, ..config() }).await.unwrap();
    let mut ada = Peer::connect(&url(&relay), Kind::RustWebSocket).await;
    let epoch = ada.join("Ada", "r").await["epoch"].clone();
    ada.disconnect().await;
    let mut bob = Peer::connect(&url(&relay), Kind::RustWebSocket).await;
    loop {
        let now = bob.join("Bob", "r").await["epoch"].clone();
        if now != epoch {
            break;
        }
        bob.join("Bob", "elsewhere").await;
        tokio::time::sleep(memory * 2).await;
    }
}

/// Whoever plays an item finds the room's swarm on the relay's own tracker, and it does not pile up in what comes back.
#[tokio::test]
async fn magnet_links_name_the_relays_own_tracker_on_their_way_out() {
    let relay = start().await;
    let host = relay.local_addr().to_string();
    let mut ada = Peer::connect(&url(&relay), Kind::JsWebSocket).await;
    let mut bob = Peer::joined(&url(&relay), Kind::RustWebSocket, "Bob", "r").await;
    ada.join("Ada", "r").await;
    let magnet = format!("magnet:?xt=urn:btih:{HASH}&dn=film&tr=udp%3A%2F%2Ft.example%3A1");
    let hello = |torrent: &str, n: u32| {
        let items: Vec<Value> = (0..n).map(|n| json!({"filename": format!("{n}.mp4"), "torrentId": torrent})).collect();
        let status = json!({"currentTime": 0, "state": "PAUSED"});
        json!({"command": "HELLO", "playlist": items, "dispatchedAt": 1, "status": status})
    };
    let own = |scheme: &str| {
        let host = host.replace(':', "%3A");
        format!("&tr={scheme}%3A%2F%2F{host}%2Fannounce")
    };
    let expected = format!("{magnet}{}{}", own("ws"), own("http"));
    let mut sent = magnet.clone();
    for n in 1..4 {
        ada.send(hello(&sent, n)).await;
        let told = loop {
            let hello = bob.command("HELLO").await;
            if hello["playlist"].as_array().is_some_and(|items| items.len() == n as usize) {
                break hello["playlist"][0]["torrentId"].as_str().unwrap().to_owned();
            }
        };
        assert_eq!(told, expected);
        sent = told;
    }
    relay.shutdown().await;
}
