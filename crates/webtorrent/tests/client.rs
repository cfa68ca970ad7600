//! The tracker client against npm's bittorrent-tracker server, and against servers that fail.
#![cfg(feature = "client")]
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test waits for one kind of event")]

use std::{future::Future, process::Stdio, time::Duration};
use streamshare_webtorrent::tracker::{
    CloseCause, Counts, InfoHash, Offer, OfferId, PeerId, Sdp, StartError, TrackerClient, TrackerClientConfig,
    TrackerEvent, TrackerIndex, Transfer,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
    sync::mpsc,
    time::timeout,
};
use url::Url;

/// A machine under load may take this long for anything that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

const HASH: InfoHash = InfoHash(*b"\0\x01\x7f\x80\xffabcdefghijklmno");
const OTHER: InfoHash = InfoHash([0xee; 20]);
const FIRST: TrackerIndex = TrackerIndex(0);

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
                assert!(!line.starts_with("error") && !line.starts_with("warning"), "{line}");
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

/// A client and what happens to it.
struct Peer {
    client: TrackerClient,
    events: mpsc::Receiver<TrackerEvent>,
}

impl Peer {
    fn start(trackers: &[Url]) -> Self {
        let config = TrackerClientConfig {
            retry_min: Duration::from_millis(20),
            retry_max: Duration::from_millis(200),
            interval_min: Duration::from_millis(100),
            ..TrackerClientConfig::new(trackers.to_vec())
        };
        let (client, events) = TrackerClient::start(config).unwrap();
        Self { client, events }
    }

    async fn until<T>(&mut self, what: &str, pick: impl Fn(TrackerEvent) -> Option<T>) -> T {
        let picked = async {
            loop {
                let event = self.events.recv().await.expect("the client runs");
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
        };
        in_time(what, picked).await
    }

    async fn connected(&mut self) -> PeerId {
        self.until("a connection", |event| match event {
            TrackerEvent::Connected { peer_id, .. } => Some(peer_id),
            _ => None,
        })
        .await
    }

    async fn due(&mut self) -> InfoHash {
        self.until("an announce to be due", |event| match event {
            TrackerEvent::Due { info_hash, offers: 5, .. } => Some(info_hash),
            _ => None,
        })
        .await
    }

    async fn announced(&mut self) -> (u64, u64) {
        self.until("numbers", |event| match event {
            TrackerEvent::Announced { announced, .. } => Some((announced.complete, announced.incomplete)),
            _ => None,
        })
        .await
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
    let (mut ada, mut ben) = (Peer::start(&[server.url()]), Peer::start(&[server.url()]));
    let (ada_id, ben_id) = (ada.connected().await, ben.connected().await);
    ada.client.set(HASH, lacks(0));
    assert_eq!(ada.due().await, HASH);
    ada.client.announce(FIRST, HASH, vec![offer("nobody is there yet")]);
    server.says(ada_id, "start").await;
    assert_eq!(ada.announced().await, (1, 0));

    ben.client.set(HASH, lacks(7));
    assert_eq!(ben.due().await, HASH);
    ben.client.announce(FIRST, HASH, vec![offer("v=0\r\n\"ben\"\r\n")]);
    server.says(ben_id, "start").await;
    assert_eq!(ben.announced().await, (1, 1));
    let passed = ada
        .until("an offer", |event| match event {
            TrackerEvent::Offer { offer, .. } => Some(offer),
            _ => None,
        })
        .await;
    assert_eq!((passed.info_hash, passed.peer_id, passed.offer_id), (HASH, ben_id, OfferId([0xf0; 20])));
    assert_eq!(passed.sdp.text(), "v=0\r\n\"ben\"\r\n");
    ada.client.answer(FIRST, &passed, Sdp::new("v=0 ada").unwrap());
    let answer = ben
        .until("an answer", |event| match event {
            TrackerEvent::Answer { answer, .. } => Some(answer),
            _ => None,
        })
        .await;
    assert_eq!((answer.peer_id, answer.offer_id, answer.sdp.text()), (ada_id, OfferId([0xf0; 20]), "v=0 ada".into()));

    // It is complete now; and it announces again by itself.
    ben.client.set(HASH, lacks(0));
    assert_eq!(ben.announced().await, (2, 0));
    server.says(ben_id, "complete").await;
    assert_eq!(ben.due().await, HASH);
    ben.client.announce(FIRST, HASH, Vec::new());
    server.says(ben_id, "update").await;
    ben.client.scrape(FIRST, vec![HASH, OTHER]);
    let mut files = ben
        .until("a scrape", |event| match event {
            TrackerEvent::Scraped { files, .. } => Some(files),
            _ => None,
        })
        .await;
    files.sort_unstable_by_key(|(hash, _)| *hash);
    let both = Counts { complete: 2, incomplete: 0, downloaded: 2 };
    assert_eq!(files, [(HASH, both), (OTHER, Counts::default())]);

    // Who leaves one torrent, and who leaves altogether.
    ben.client.remove(HASH);
    server.says(ben_id, "stop").await;
    ada.client.shutdown().await;
    server.says(ada_id, "stop").await;
    let ends = async { while ada.events.recv().await.is_some() {} };
    in_time("the end of events", ends).await;
}

#[tokio::test]
async fn a_tracker_that_was_away_is_found_again() {
    let mut server = NpmServer::start(0).await;
    let mut ada = Peer::start(&[server.url()]);
    ada.client.set(HASH, lacks(7));
    let first = ada.connected().await;
    assert_eq!(ada.due().await, HASH);
    ada.client.announce(FIRST, HASH, Vec::new());
    server.says(first, "start").await;
    server.child.kill().await.unwrap();
    for _ in 0..3 {
        ada.until("a lost connection", |event| matches!(event, TrackerEvent::Disconnected { .. }).then_some(())).await;
    }
    let mut server = NpmServer::start(server.port).await;
    let second = ada.connected().await;
    assert_ne!(first, second);
    assert_eq!(ada.due().await, HASH);
    ada.client.announce(FIRST, HASH, Vec::new());
    // As if it had never been there.
    server.says(second, "start").await;
    ada.client.shutdown().await;
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
    let mut ada = Peer::start(&[url(silent.local_addr().unwrap()), web_url, url(gone), server.url()]);
    for torrent in [HASH, OTHER] {
        ada.client.set(torrent, lacks(7));
    }
    let (mut refused, mut absent, mut due) = (false, false, Vec::new());
    while !(refused && absent && due.len() == 2) {
        match in_time("all trackers", ada.events.recv()).await.unwrap() {
            TrackerEvent::Disconnected { tracker: TrackerIndex(1), cause, .. } => {
                assert!(matches!(cause, CloseCause::Refused { status: Some(404) }), "{cause}");
                refused = true;
            }
            TrackerEvent::Disconnected { tracker: TrackerIndex(2), cause, .. } => {
                assert!(matches!(cause, CloseCause::Connect(_)), "{cause}");
                absent = true;
            }
            TrackerEvent::Due { tracker, info_hash, .. } => {
                assert_eq!(tracker, TrackerIndex(3));
                due.push(info_hash);
            }
            _ => {}
        }
    }
    assert_eq!(due, [HASH, OTHER]);
    in_time("the end", ada.client.shutdown()).await;
}

#[tokio::test]
async fn addresses_are_checked_before_anything_is_tried() {
    for text in ["http://127.0.0.1/announce", "udp://127.0.0.1:1", "wss+x://127.0.0.1/"] {
        let url: Url = text.parse().unwrap();
        let started = TrackerClient::start(TrackerClientConfig::new(vec![url.clone()]));
        assert_eq!(started.err(), Some(StartError::Address { url }), "{text}");
    }
}
