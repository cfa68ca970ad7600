//! The tracker client against npm's bittorrent-tracker server, and against servers that fail.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test waits for one kind of event")]

use std::{future::Future, process::Stdio, time::Duration};
use streamshare_webtorrent::tracker::{
    CloseCause, Counts, InfoHash, JoinError, Membership, Offer, OfferId, PeerId, Sdp, TrackerClient,
    TrackerClientConfig, TrackerEvent, TrackerEvents, Transfer,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use url::Url;

/// A machine under load may take this long for anything that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

const HASH: InfoHash = InfoHash(*b"\0\x01\x7f\x80\xffabcdefghijklmno");
const OTHER: InfoHash = InfoHash([0xee; 20]);

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited for {what}"))
}

/// npm's server, which tells the events of its peers line by line.
struct NpmServer {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl NpmServer {
    async fn start(port: u16) -> Self {
        let script = "import Server from 'bittorrent-tracker/server';
            const server = new Server({ http: true, udp: false, ws: true, stats: false, interval: 5000 });
            server.on('error', error => console.log('error', error.message));
            server.on('warning', error => console.log('warning', error.message));
            for (const event of ['start', 'update', 'complete', 'stop'])
                server.on(event, (peer, params) => console.log(event, params.peer_id, params.left));
            server.listen(Number(process.argv[1]), '127.0.0.1', () => console.log(server.http.address().port));";
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        let mut command = Command::new("node");
        command.args(["--input-type=module", "--eval", script, &port.to_string()]).current_dir(root);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("node is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = in_time("the server", lines.next_line()).await.unwrap().unwrap();
        Self { child, lines, port: port.parse().unwrap() }
    }

    fn url(&self) -> Url {
        format!("ws://127.0.0.1:{}/announce", self.port).parse().unwrap()
    }

    /// The next event of one peer.
    async fn says(&mut self, peer: PeerId, wanted: &str) {
        let said = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the server runs");
                // It would answer a peer that has left.
                let is_harmless = line.starts_with("warning WebSocket is not open");
                assert!(is_harmless || !line.starts_with("error") && !line.starts_with("warning"), "{line}");
                if let Some((event, rest)) = line.split_once(' ')
                    && rest.starts_with(&peer.to_string())
                {
                    return event.to_owned();
                }
            }
        };
        assert_eq!(in_time(wanted, said).await, wanted);
    }
}

fn client() -> TrackerClient {
    TrackerClient::new(TrackerClientConfig {
        retry_min: Duration::from_millis(20),
        retry_max: Duration::from_millis(200),
        interval_min: Duration::from_millis(100),
        ..TrackerClientConfig::default()
    })
}

/// A torrent at a tracker and what happens to it.
struct Place {
    member: Membership,
    events: TrackerEvents,
}

impl Place {
    fn join(client: &TrackerClient, tracker: &Url, info_hash: InfoHash, transfer: Transfer) -> Self {
        let (member, events) = client.join(tracker, info_hash, transfer).unwrap();
        Self { member, events }
    }

    async fn until<T>(&mut self, what: &str, pick: impl Fn(TrackerEvent) -> Option<T>) -> T {
        let picked = async {
            loop {
                let event = self.events.next().await.expect("the client runs");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        in_time(what, picked).await
    }

    async fn connected(&mut self) -> PeerId {
        self.until("a connection", |event| match event {
            TrackerEvent::Connected { peer_id } => Some(peer_id),
            _ => None,
        })
        .await
    }

    async fn due(&mut self) {
        self.until("an announce to be due", |event| matches!(event, TrackerEvent::Due).then_some(())).await;
    }

    async fn lost(&mut self) -> String {
        self.until("a lost connection", |event| match event {
            TrackerEvent::Disconnected { cause, .. } => Some(cause.to_string()),
            _ => None,
        })
        .await
    }

    async fn announced(&mut self) -> (u64, u64) {
        self.until("numbers", |event| match event {
            TrackerEvent::Announced(announced) => Some((announced.complete, announced.incomplete)),
            _ => None,
        })
        .await
    }

    async fn ends(mut self) {
        in_time("the end of events", async { while self.events.next().await.is_some() {} }).await;
    }
}

fn offer(name: &str) -> Offer {
    Offer { offer_id: OfferId([0xf0; 20]), sdp: Sdp::new(name).unwrap() }
}

fn lacks(bytes: u64) -> Transfer {
    Transfer { left: Some(bytes), ..Transfer::default() }
}

#[tokio::test]
async fn peers_meet_at_npms_server() {
    let mut server = NpmServer::start(0).await;
    let (ada_client, ben_client) = (client(), client());
    let mut ada = Place::join(&ada_client, &server.url(), HASH, lacks(0));
    let mut ben = Place::join(&ben_client, &server.url(), HASH, lacks(7));
    let (ada_id, ben_id) = (ada.connected().await, ben.connected().await);
    ada.due().await;
    ada.member.announce(lacks(0), vec![offer("nobody is there yet")]);
    server.says(ada_id, "start").await;
    assert_eq!(ada.announced().await, (1, 0));

    ben.due().await;
    ben.member.announce(lacks(7), vec![offer("v=0\r\n\"ben\"\r\n")]);
    server.says(ben_id, "start").await;
    assert_eq!(ben.announced().await, (1, 1));
    let passed = ada
        .until("an offer", |event| match event {
            TrackerEvent::Offer(offer) => Some(offer),
            _ => None,
        })
        .await;
    assert_eq!((passed.info_hash, passed.peer_id, passed.offer_id), (HASH, ben_id, OfferId([0xf0; 20])));
    assert_eq!(passed.sdp.text(), "v=0\r\n\"ben\"\r\n");
    ada.member.answer(&passed, Sdp::new("v=0 ada").unwrap());
    let answer = ben
        .until("an answer", |event| match event {
            TrackerEvent::Answer(answer) => Some(answer),
            _ => None,
        })
        .await;
    assert_eq!((answer.peer_id, answer.offer_id, answer.sdp.text()), (ada_id, OfferId([0xf0; 20]), "v=0 ada".into()));

    // It is complete now; and it announces again by itself.
    ben.member.set(lacks(0));
    assert_eq!(ben.announced().await, (2, 0));
    server.says(ben_id, "complete").await;
    ben.due().await;
    ben.member.announce(lacks(0), Vec::new());
    server.says(ben_id, "update").await;
    ben.member.scrape();
    let counts = ben
        .until("a scrape", |event| match event {
            TrackerEvent::Scraped(counts) => Some(counts),
            _ => None,
        })
        .await;
    assert_eq!(counts, Counts { complete: 2, incomplete: 0, downloaded: 2 });

    // Who leaves one torrent, and who leaves altogether.
    drop(ben.member);
    server.says(ben_id, "stop").await;
    ada_client.shutdown().await;
    server.says(ada_id, "stop").await;
    ada.ends().await;
}

/// Each torrent by the same peer over the same connection, which ends with the last of them.
#[tokio::test]
async fn torrents_share_a_connection() {
    let mut server = NpmServer::start(0).await;
    let client = client();
    let mut first = Place::join(&client, &server.url(), HASH, lacks(7));
    let peer_id = first.connected().await;
    let mut second = Place::join(&client, &server.url(), OTHER, lacks(7));
    assert_eq!(second.connected().await, peer_id);
    for place in [&mut first, &mut second] {
        place.due().await;
        place.member.announce(lacks(7), Vec::new());
        server.says(peer_id, "start").await;
        assert_eq!(place.announced().await, (0, 1));
    }
    drop(first);
    server.says(peer_id, "stop").await;
    // The other one goes on.
    second.member.set(lacks(0));
    server.says(peer_id, "complete").await;
    drop(second);
    server.says(peer_id, "stop").await;
    let mut again = Place::join(&client, &server.url(), HASH, lacks(7));
    assert_ne!(again.connected().await, peer_id);
    client.shutdown().await;
}

#[tokio::test]
async fn a_tracker_that_was_away_is_found_again() {
    let mut server = NpmServer::start(0).await;
    let client = client();
    let mut ada = Place::join(&client, &server.url(), HASH, lacks(7));
    let first = ada.connected().await;
    ada.due().await;
    ada.member.announce(lacks(7), Vec::new());
    server.says(first, "start").await;
    server.child.kill().await.unwrap();
    for _ in 0..3 {
        ada.lost().await;
    }
    let mut server = NpmServer::start(server.port).await;
    let second = ada.connected().await;
    assert_ne!(first, second);
    ada.due().await;
    ada.member.announce(lacks(7), Vec::new());
    // As if it had never been there.
    server.says(second, "start").await;
    client.shutdown().await;
}

#[tokio::test]
async fn several_trackers_do_not_wait_for_each_other() {
    // One is silent, one is no tracker, one is not there.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let web = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = NpmServer::start(0).await;
    let url = |addr: std::net::SocketAddr| format!("ws://{addr}/").parse::<Url>().unwrap();
    let web_url = url(web.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = web.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let client = client();
    let join = |url: &Url, hash| Place::join(&client, url, hash, lacks(7));
    let _silent = join(&url(silent.local_addr().unwrap()), HASH);
    let (mut refused, mut absent) = (join(&web_url, HASH), join(&url(gone), HASH));
    let mut well = [HASH, OTHER].map(|hash| join(&server.url(), hash));
    assert_eq!(refused.lost().await, CloseCause::Refused { status: Some(404) }.to_string());
    assert_eq!(absent.lost().await, "cannot reach the tracker");
    for place in &mut well {
        place.due().await;
    }
    in_time("the end", client.shutdown()).await;
}

/// Trackers beyond the limit wait until another one is not needed any more.
#[tokio::test]
async fn connections_have_a_limit() {
    let (first, second) = (NpmServer::start(0).await, NpmServer::start(0).await);
    let client = TrackerClient::new(TrackerClientConfig { connections_max: 1, ..TrackerClientConfig::default() });
    let mut early = Place::join(&client, &first.url(), HASH, lacks(7));
    early.connected().await;
    let mut late = Place::join(&client, &second.url(), HASH, lacks(7));
    assert!(timeout(Duration::from_millis(300), late.events.next()).await.is_err());
    drop(early);
    late.connected().await;
    client.shutdown().await;
}

#[tokio::test]
async fn addresses_are_checked_before_anything_is_tried() {
    for text in ["http://127.0.0.1/announce", "udp://127.0.0.1:1", "wss+x://127.0.0.1/"] {
        let url: Url = text.parse().unwrap();
        let joined = client().join(&url, HASH, lacks(7));
        assert_eq!(joined.err(), Some(JoinError::Address { url }), "{text}");
    }
}
