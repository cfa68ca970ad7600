//! The tracker, asked by clients of other makes: npm's bittorrent-tracker, transmission, and raw WebSockets that misbehave.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod support;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{net::TcpListener, path::Path, process::Stdio, time::Duration};
use streamshare_relay::{Ended, Relay, RelayConfig, TrackerConfig};
use support::{PATIENCE, config, start, url};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

const HASH: &str = "6162630001ff80226162636465666768696a6b6c";

fn announce_url(relay: &Relay, scheme: &str) -> String {
    format!("{scheme}://{}/announce", relay.local_addr())
}

async fn tracker_load(relay: &Relay) -> Value {
    let text = reqwest::get(format!("{}/healthz", url(relay))).await.unwrap().text().await.unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["tracker"].clone()
}

async fn until_load(relay: &Relay, field: &str, wanted: u64) {
    let end = Instant::now() + PATIENCE;
    loop {
        let load = tracker_load(relay).await;
        if load[field] == wanted {
            return;
        }
        assert!(Instant::now() < end, "{field} never became {wanted}: {load}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// npm's client in a Node process.
struct NpmClient {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl NpmClient {
    async fn start(announce: &str, name: u8, left: &str, port: u16) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tracker_client.mjs");
        let peer_id = format!("{name:02x}").repeat(20);
        let mut command = Command::new("node");
        command.arg(script).args([announce, HASH, &peer_id, left, &port.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("node is installed");
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut client = Self { child, stdin, lines };
        client.event("ready").await;
        client
    }

    async fn call(&mut self, method: &str) {
        self.stdin.write_all(format!("{method}\n").as_bytes()).await.unwrap();
    }

    /// The next event of a kind. A warning fails the test.
    async fn event(&mut self, wanted: &str) -> Value {
        let next = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the client runs");
                let event: Value = serde_json::from_str(&line).unwrap();
                if event["event"] == wanted {
                    return event;
                }
                assert!(!matches!(event["event"].as_str(), Some("warning" | "error")), "{event}");
            }
        };
        timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("no {wanted}"))
    }

    async fn update(&mut self) -> (u64, u64) {
        let update = self.event("update").await;
        (update["complete"].as_u64().unwrap(), update["incomplete"].as_u64().unwrap())
    }
}

#[tokio::test]
async fn npm_clients_find_each_other_by_websocket() {
    let relay = start().await;
    for scheme in ["ws", "ws at the root"] {
        let announce = match scheme {
            "ws" => announce_url(&relay, "ws"),
            _ => format!("ws://{}", relay.local_addr()),
        };
        let mut ada = NpmClient::start(&announce, 0xaa, "0", 1).await;
        let mut ben = NpmClient::start(&announce, 0xbb, "null", 2).await;
        ada.call("start").await;
        assert_eq!(ada.update().await, (1, 0));
        ben.call("start").await;
        assert_eq!(ben.update().await, (1, 1));
        // Ben's offer reached Ada, whose answer reached Ben.
        let (at_ada, at_ben) = (ada.event("peer").await, ben.event("peer").await);
        assert_eq!((&at_ada["id"], &at_ada["initiator"]), (&json!("bb".repeat(20)), &json!(false)));
        assert_eq!((&at_ben["id"], &at_ben["initiator"]), (&json!("aa".repeat(20)), &json!(true)));
        assert_eq!((&at_ada["ours"], &at_ada["theirs"]), (&at_ben["theirs"], &at_ben["ours"]));

        ben.call("complete").await;
        assert_eq!(ben.update().await, (2, 0));
        ben.call("scrape").await;
        let scrape = ben.event("scrape").await;
        assert_eq!((&scrape["complete"], &scrape["incomplete"]), (&json!(2), &json!(0)));
        assert_eq!(scrape["infoHash"], HASH);
        ada.call("stop").await;
        assert_eq!(ada.update().await, (1, 0));
        // A socket that breaks takes its peer along at once.
        ben.child.kill().await.unwrap();
        until_load(&relay, "peers", 0).await;
        drop(ada);
        until_load(&relay, "sockets", 0).await;
    }
    assert_eq!(relay.shutdown().await, Ended::Drained);
}

#[tokio::test]
async fn npm_clients_find_each_other_by_http() {
    let relay = start().await;
    let announce = announce_url(&relay, "http");
    let mut ada = NpmClient::start(&announce, 0xaa, "0", 7001).await;
    let mut ben = NpmClient::start(&announce, 0xbb, "5", 7002).await;
    ada.call("start").await;
    assert_eq!(ada.update().await, (1, 0));
    ben.call("start").await;
    assert_eq!(ben.update().await, (1, 1));
    assert_eq!(ben.event("tcp").await["address"], "127.0.0.1:7001");
    ada.call("update").await;
    assert_eq!(ada.event("tcp").await["address"], "127.0.0.1:7002");
    ben.call("complete").await;
    assert_eq!(ben.update().await, (2, 0));
    ben.call("scrape").await;
    let scrape = ben.event("scrape").await;
    // It garbles the info hash of HTTP scrapes.
    let counts = (&scrape["complete"], &scrape["incomplete"], &scrape["downloaded"]);
    assert_eq!(counts, (&json!(2), &json!(0), &json!(1)));
    ben.call("stop").await;
    assert_eq!(ben.update().await, (1, 0));
}

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
    let code = loop {
        if raw.0.feed(Message::text(text.clone())).await.is_err() || raw.0.flush().await.is_err() {
            break None;
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
    };
    assert_eq!(code, None::<()>);
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
    assert_eq!([ask().await, ask().await, ask().await, ask().await], [200, 200, 200, 429]);
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

/// transmission-daemon with everything off but TCP and trackers.
struct Transmission {
    rpc: String,
    downloads: std::path::PathBuf,
    _process: Child,
}

impl Transmission {
    fn start(folder: &Path) -> Self {
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (rpc_port, downloads) = (port(), folder.join("downloads"));
        std::fs::create_dir_all(&downloads).unwrap();
        let settings = json!({
            "bind-address-ipv4": "127.0.0.1", "rpc-bind-address": "127.0.0.1", "rpc-port": rpc_port,
            "peer-port": port(), "dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
            "port-forwarding-enabled": false, "download-dir": downloads,
        });
        std::fs::write(folder.join("settings.json"), settings.to_string()).unwrap();
        let mut command = Command::new("transmission-daemon");
        command.arg("--foreground").arg("--config-dir").arg(folder).kill_on_drop(true);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("transmission-daemon is installed");
        Self { rpc: format!("127.0.0.1:{rpc_port}"), downloads, _process: process }
    }

    async fn until(&self, arguments: &[&str], text: &str) {
        let end = Instant::now() + 2 * PATIENCE;
        loop {
            let answer = Command::new("transmission-remote").arg(&self.rpc).args(arguments).output().await.unwrap();
            let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
            if answer.contains(text) {
                return;
            }
            assert!(Instant::now() < end, "{arguments:?} never said {text:?}: {answer}");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Two programs that know nothing of each other but the tracker. Transmission connects to no peer on a loopback address,
/// so that what it was told is all there is to see.
#[tokio::test]
async fn transmissions_are_told_of_each_other() {
    let relay = start().await;
    let folder = tempfile::tempdir().unwrap();
    let (seeder, leecher) = (folder.path().join("seeder"), folder.path().join("leecher"));
    let (seeder, leecher) = (Transmission::start(&seeder), Transmission::start(&leecher));
    let film = seeder.downloads.join("film.bin");
    std::fs::write(&film, vec![7; 1_000_003]).unwrap();
    let torrent = folder.path().join("film.torrent").to_string_lossy().into_owned();
    let mut create = Command::new("transmission-create");
    create.args(["-o", &torrent, "-t", &announce_url(&relay, "http")]).arg(film);
    assert!(create.output().await.unwrap().status.success());
    seeder.until(&["--add", &torrent], "success").await;
    until_load(&relay, "peers", 1).await;
    leecher.until(&["--add", &torrent], "success").await;
    until_load(&relay, "peers", 2).await;
    leecher.until(&["--torrent", "all", "--info-trackers"], "Got a list of 1 peers").await;
    // Who leaves says so.
    leecher.until(&["--torrent", "all", "--remove"], "success").await;
    until_load(&relay, "peers", 1).await;
}
