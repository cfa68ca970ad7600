//! The tracker, asked by WebSockets that misbehave and by requests that do not.

use crate::support::{
    PATIENCE, config, start,
    tracker::{announce_url, tracker_load, until_load},
    url,
};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use streamshare_relay::{Ended, Relay, RelayConfig, TrackerConfig};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

/// A raw WebSocket.
struct Raw(WebSocketStream<TcpStream>);

impl Raw {
    async fn try_open(relay: &Relay, forwarded: Option<&str>) -> Result<Self, Error> {
        let stream = TcpStream::connect(relay.local_addr()).await.unwrap();
        let mut request = announce_url(relay, "ws").into_client_request().unwrap();
        if let Some(addr) = forwarded {
            request.headers_mut().insert("X-Forwarded-For", addr.parse().unwrap());
        }
        tokio_tungstenite::client_async(request, stream).await.map(|(socket, _)| Self(socket))
    }

    async fn open(relay: &Relay) -> Self {
        Self::try_open(relay, None).await.unwrap()
    }

    async fn send(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.unwrap();
    }

    async fn next(&mut self) -> Result<Value, Option<CloseCode>> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("an answer") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code)),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return Err(None),
            }
        }
    }
}

fn binary(byte: u8) -> String {
    char::from(byte).to_string().repeat(20)
}

fn announce(hash: u8, peer: u8, offers: usize) -> Value {
    let offer = |n: usize| json!({"offer_id": format!("{n:020}"), "offer": {"type": "offer", "sdp": format!("v={n}")}});
    json!({
        "action": "announce", "info_hash": binary(hash), "peer_id": binary(peer), "left": 5, "uploaded": 0,
        "downloaded": 0, "numwant": offers, "offers": (0..offers).map(offer).collect::<Vec<_>>(),
    })
}

/// Two good peers that go on whatever else happens.
struct Bystanders {
    ada: Raw,
    ben: Raw,
}

impl Bystanders {
    async fn start(relay: &Relay) -> Self {
        let (mut ada, ben) = (Raw::open(relay).await, Raw::open(relay).await);
        ada.send(announce(0xe0, 0xe1, 0).to_string()).await;
        ada.next().await.unwrap();
        Self { ada, ben }
    }

    async fn are_well(&mut self) {
        self.ben.send(announce(0xe0, 0xe2, 1).to_string()).await;
        let numbers = self.ben.next().await.unwrap();
        assert_eq!((&numbers["incomplete"], &numbers["interval"]), (&json!(2), &json!(120)));
        let offer = self.ada.next().await.unwrap();
        assert_eq!((&offer["peer_id"], &offer["offer"]["sdp"]), (&json!(binary(0xe2)), &json!("v=0")));
        let answer = json!({"action": "announce", "info_hash": binary(0xe0), "peer_id": binary(0xe1),
            "to_peer_id": binary(0xe2), "offer_id": offer["offer_id"], "answer": {"type": "answer", "sdp": "v=1"}});
        self.ada.send(answer.to_string()).await;
        let answer = self.ben.next().await.unwrap();
        assert_eq!((&answer["peer_id"], &answer["answer"]["sdp"]), (&json!(binary(0xe1)), &json!("v=1")));
    }
}

#[tokio::test]
async fn bad_messages_get_a_reason_and_harm_nobody() {
    let relay = start().await;
    let mut bystanders = Bystanders::start(&relay).await;
    let with = |field: &str, value: Value| {
        let mut json = announce(1, 2, 1);
        json[field] = value;
        json.to_string()
    };
    let table = [
        ("{".to_owned(), "invalid message"),
        ("[]".to_owned(), "invalid message"),
        ("{}".to_owned(), "invalid action"),
        (with("action", json!("connect")), "invalid action"),
        (with("info_hash", json!("short")), "an info_hash of 20 characters"),
        (with("peer_id", json!("Ā".repeat(20))), "a peer_id of 20 characters"),
        (with("event", json!("gone")), "invalid event"),
        (with("offers", json!([{"offer": {"type": "offer", "sdp": "x".repeat(20_000)}}])), "the sdp is longer"),
        (with("filler", json!("x".repeat(70_000))), "longer than 65536 bytes"),
        (json!({"action": "scrape"}).to_string(), "info_hash is missing"),
    ];
    let mut raw = Raw::open(&relay).await;
    for (text, wanted) in table {
        raw.send(text).await;
        let failure = raw.next().await.unwrap();
        assert!(failure["failure reason"].as_str().unwrap().contains(wanted), "{failure}");
    }
    raw.0.send(Message::binary(vec![0])).await.unwrap();
    assert!(raw.next().await.unwrap()["failure reason"].as_str().unwrap().contains("text"));
    bystanders.are_well().await;
    // It is still welcome, until it was none too often.
    raw.send(announce(1, 2, 0).to_string()).await;
    assert_eq!(raw.next().await.unwrap()["incomplete"], 1);
    let mut refused = 0;
    let code = loop {
        raw.send("nonsense").await;
        match raw.next().await {
            Ok(_) => refused += 1,
            Err(code) => break code,
        }
    };
    assert_eq!((refused, code), (9, Some(CloseCode::Policy)));

    let mut long = Raw::open(&relay).await;
    // The relay may close before everything is sent.
    let _ = long.0.send(Message::text("x".repeat(1 << 20))).await;
    assert!(matches!(long.next().await, Err(None | Some(CloseCode::Size))));
    bystanders.are_well().await;
    drop((raw, long));
    until_load(&relay, "sockets", 2).await;
    until_load(&relay, "peers", 2).await;
}

#[tokio::test]
async fn floods_are_cut() {
    let tracker = TrackerConfig { messages_per_second: 1, messages_burst: 50, ..TrackerConfig::default() };
    let relay = Relay::start(RelayConfig { tracker: Some(tracker), ..config() }).await.unwrap();
    let mut bystanders = Bystanders::start(&relay).await;
    let mut raw = Raw::open(&relay).await;
    let text = announce(1, 2, 5).to_string();
    let (mut sent, mut taken, mut told) = (0, 0, 0);
    loop {
        if raw.0.feed(Message::text(text.clone())).await.is_err() || raw.0.flush().await.is_err() {
            break;
        }
        sent += 1;
        assert!(sent < 20_000, "nobody minds");
        if sent % 100 != 0 {
            continue;
        }
        // What was answered so far.
        while let Ok(incoming) = timeout(Duration::from_millis(1), raw.0.next()).await {
            let Some(Ok(Message::Text(answer))) = incoming else { break };
            let answer: Value = serde_json::from_str(&answer).unwrap();
            if answer["failure reason"].is_string() {
                assert_eq!(answer["info_hash"], binary(1), "{answer}");
                told += 1;
            } else {
                taken += 1;
            }
        }
    }
    assert!((20..=60).contains(&taken) && (1..30).contains(&told), "{taken} taken, {told} told");
    bystanders.are_well().await;
    until_load(&relay, "peers", 2).await;
}

#[tokio::test]
async fn addresses_have_limits() {
    let tracker = TrackerConfig {
        trust_forwarded: true,
        sockets_per_address_max: 2,
        sockets_max: 5,
        torrents_per_socket_max: 2,
        peers_per_address_max: 3,
        requests_burst: 3,
        requests_per_second: 1,
        ..TrackerConfig::default()
    };
    let relay = Relay::start(RelayConfig { tracker: Some(tracker), ..config() }).await.unwrap();
    let open = async |addr: &'static str| Raw::try_open(&relay, Some(addr)).await;
    let is_full = |result: Result<Raw, Error>| match result {
        Err(Error::Http(response)) => response.status() == 429,
        other => panic!("{:?}", other.err()),
    };
    let mut first = open("203.0.113.1").await.unwrap();
    let mut second = open("x, 203.0.113.1").await.unwrap();
    assert!(is_full(open("203.0.113.1").await));
    // The same /64 of IPv6.
    let _third = open("2001:db8::1").await.unwrap();
    let _fourth = open("2001:db8::2").await.unwrap();
    assert!(is_full(open("2001:db8::3").await));
    let fifth = open("203.0.113.2").await.unwrap();
    assert!(is_full(open("203.0.113.3").await));
    drop(fifth);
    until_load(&relay, "sockets", 4).await;
    open("203.0.113.3").await.unwrap();

    for (hash, wanted) in [(1, Value::Null), (2, Value::Null), (3, json!("too many torrents on one connection"))] {
        first.send(announce(hash, 9, 0).to_string()).await;
        assert_eq!(first.next().await.unwrap()["failure reason"], wanted);
    }
    for (hash, wanted) in [(1, Value::Null), (2, json!("too many peers from one address"))] {
        second.send(announce(hash, 8, 0).to_string()).await;
        assert_eq!(second.next().await.unwrap()["failure reason"], wanted);
    }
    let ask = async || {
        let request = reqwest::Client::new().get(format!("{}/scrape?info_hash={}", url(&relay), "a".repeat(20)));
        request.header("X-Forwarded-For", "203.0.113.9").send().await.unwrap().status().as_u16()
    };
    // Three at once, and one more for each second that this takes.
    let (since, mut taken) = (std::time::Instant::now(), 0_u64);
    let refused = loop {
        match ask().await {
            200 if taken < 60 => taken += 1,
            status => break status,
        }
    };
    assert_eq!(refused, 429);
    assert!((3..=4 + since.elapsed().as_secs()).contains(&taken), "{taken} in {:?}", since.elapsed());
}

async fn get(relay: &Relay, path: &str) -> Vec<u8> {
    reqwest::get(format!("{}{path}", url(relay))).await.unwrap().bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn http_answers_are_exact() {
    let relay = start().await;
    let query = |port: u16, more: &str| {
        format!("/announce?info_hash=%00bcdefghijklmnopqrst&peer_id=-XX0001-abcdefghijkl&port={port}{more}")
    };
    let head = |complete: u8, incomplete: u8| {
        format!("d8:completei{complete}e10:incompletei{incomplete}e8:intervali120e12:min intervali30e")
    };
    let none = format!("{}5:peers0:6:peers60:e", head(1, 0));
    assert_eq!(get(&relay, &query(1, "&left=0")).await, none.into_bytes());
    let mut wanted = format!("{}5:peers6:", head(1, 1)).into_bytes();
    wanted.extend([127, 0, 0, 1, 0, 1]);
    wanted.extend(b"6:peers60:e");
    assert_eq!(get(&relay, &query(0x0102, "&left=5&compact=1")).await, wanted);
    // A peer on the relay's own machine may say where it is, unless it is a proxy's.
    get(&relay, &query(3, "&left=5&ip=2001%3Adb8%3A%3A7&event=started")).await;
    let mut wanted = format!("{}5:peers6:", head(1, 2)).into_bytes();
    wanted.extend([127, 0, 0, 1, 1, 2]);
    wanted.extend(b"6:peers618:");
    wanted.extend("2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    wanted.extend(b"\0\x03e");
    assert_eq!(get(&relay, &query(1, "&left=0")).await, wanted);
    get(&relay, &query(3, "&ip=2001%3Adb8%3A%3A7&event=stopped")).await;
    let list = format!("{}5:peersld2:ip9:127.0.0.14:porti258eeee", head(1, 1));
    assert_eq!(get(&relay, &query(1, "&left=0&compact=0")).await, list.into_bytes());
    let forged = reqwest::Client::new().get(format!("{}{}", url(&relay), query(9, "&left=5&ip=192.0.2.1&numwant=0")));
    forged.header("X-Forwarded-For", "203.0.113.5").send().await.unwrap();
    let seen = get(&relay, &query(1, "&left=0")).await;
    assert!(seen.windows(6).any(|peer| peer == [127, 0, 0, 1, 0, 9]), "{seen:?}");

    let scrape = "/scrape?info_hash=%00bcdefghijklmnopqrst&info_hash=aaaaaaaaaaaaaaaaaaaa";
    let mut wanted = b"d5:filesd20:\0bcdefghijklmnopqrstd8:completei1e10:downloadedi0e10:incompletei2ee".to_vec();
    wanted.extend(b"20:aaaaaaaaaaaaaaaaaaaad8:completei0e10:downloadedi0e10:incompletei0eeee");
    assert_eq!(get(&relay, scrape).await, wanted);
    assert_eq!(get(&relay, "/announce").await, b"d14:failure reason17:invalid info_hashe");
    assert_eq!(get(&relay, "/scrape").await, b"d14:failure reason30:name the torrents by info_hashe");
}

#[tokio::test]
async fn a_shutdown_ends_the_trackers_sockets() {
    let relay = start().await;
    let mut raw = Raw::open(&relay).await;
    raw.send(announce(1, 2, 0).to_string()).await;
    raw.next().await.unwrap();
    assert_eq!(relay.shutdown().await, Ended::Drained);
    assert_eq!(raw.next().await, Err(Some(CloseCode::Away)));
}

#[tokio::test]
async fn a_relay_without_a_tracker_has_none() {
    let relay = Relay::start(RelayConfig { tracker: None, ..config() }).await.unwrap();
    assert!(matches!(Raw::try_open(&relay, None).await, Err(Error::Http(response)) if response.status() == 404));
    assert_eq!(reqwest::get(announce_url(&relay, "http")).await.unwrap().status(), 404);
    assert_eq!(tracker_load(&relay).await, Value::Null);
}
