//! The tracker, asked by clients of other makes: npm's bittorrent-tracker, transmission, libtorrent and qBittorrent.

use crate::support::{
    PATIENCE, start,
    tracker::{announce_url, until_load},
};
use serde_json::{Value, json};
use std::{net::TcpListener, path::Path, process::Stdio, time::Duration};
use streamshare_relay::Ended;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

const HASH: &str = "6162630001ff80226162636465666768696a6b6c";

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

/// transmission-daemon with everything off but TCP and trackers.
struct Transmission {
    rpc: String,
    downloads: std::path::PathBuf,
    _process: Child,
}

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A torrent of a film, with a tracker.
async fn create_torrent(film: &Path, announce: &str) -> String {
    let torrent = film.with_extension("torrent").to_string_lossy().into_owned();
    let mut create = Command::new("transmission-create");
    create.args(["-o", &torrent, "-t", announce]).arg(film);
    assert!(create.output().await.unwrap().status.success());
    torrent
}

/// Bytes that are not the same for two seeds.
fn noise(seed: u32) -> Vec<u8> {
    (0..1_000_003_u32).map(|n| (n ^ seed).wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
}

impl Transmission {
    fn start(folder: &Path) -> Self {
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
    let torrent = create_torrent(&film, &announce_url(&relay, "http")).await;
    seeder.until(&["--add", &torrent], "success").await;
    until_load(&relay, "peers", 1).await;
    leecher.until(&["--add", &torrent], "success").await;
    until_load(&relay, "peers", 2).await;
    leecher.until(&["--torrent", "all", "--info-trackers"], "Got a list of 1 peers").await;
    // Who leaves says so.
    leecher.until(&["--torrent", "all", "--remove"], "success").await;
    until_load(&relay, "peers", 1).await;
}

/// A download from a program of another make, which only the tracker knows how to find.
#[tokio::test]
async fn libtorrent_downloads_from_transmission() {
    let relay = start().await;
    let folder = tempfile::tempdir().unwrap();
    let seeder = Transmission::start(&folder.path().join("seeder"));
    let (film, bytes) = (seeder.downloads.join("film.bin"), noise(0));
    std::fs::write(&film, &bytes).unwrap();
    let torrent = create_torrent(&film, &announce_url(&relay, "http")).await;
    seeder.until(&["--add", &torrent], "success").await;
    until_load(&relay, "peers", 1).await;
    let mut leecher = Command::new("/usr/bin/python3");
    leecher.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/parts/torrent_peer.py")).arg("leech");
    let mut leecher = leecher.arg(&torrent).arg(folder.path()).kill_on_drop(true).spawn().unwrap();
    let ended = timeout(3 * PATIENCE, leecher.wait()).await.expect("it downloads everything").unwrap();
    assert!(ended.success());
    assert!(std::fs::read(folder.path().join("film.bin")).unwrap() == bytes);
}

/// qbittorrent-nox with everything off but TCP and trackers, and torrents that it has or wants below a folder.
fn qbittorrent(folder: &Path, downloads: &Path, torrents: &[&str]) -> Child {
    let config = folder.join("qBittorrent/config");
    std::fs::create_dir_all(&config).unwrap();
    let settings = format!(
        "[LegalNotice]\nAccepted=true\n\n[Network]\nPortForwardingEnabled=false\n\n\
         [Preferences]\nWebUI\\Address=127.0.0.1\nWebUI\\Port={}\n\n[BitTorrent]\nSession\\Port={}\n\
         Session\\Interface=lo\nSession\\InterfaceName=lo\nSession\\InterfaceAddress=127.0.0.1\n\
         Session\\DHTEnabled=false\nSession\\LSDEnabled=false\nSession\\PeXEnabled=false\nSession\\BTProtocol=TCP\n",
        port(),
        port()
    );
    std::fs::write(config.join("qBittorrent.conf"), settings).unwrap();
    let mut command = Command::new("qbittorrent-nox");
    command.arg(format!("--profile={}", folder.display())).arg(format!("--save-path={}", downloads.display()));
    command.arg("--skip-dialog=true").args(torrents).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("qbittorrent-nox is installed")
}

async fn until_complete(file: &Path, bytes: &[u8]) {
    let end = Instant::now() + 3 * PATIENCE;
    while std::fs::read(file).map_or(true, |there| there != bytes) {
        assert!(Instant::now() < end, "{} is not complete", file.display());
        sleep(Duration::from_millis(50)).await;
    }
}

/// Films both ways between two programs that people have, unmodified, which only the tracker introduces.
#[tokio::test]
async fn qbittorrent_and_transmission_exchange_films() {
    let relay = start().await;
    let folder = tempfile::tempdir().unwrap();
    let announce = announce_url(&relay, "http");
    let transmission = Transmission::start(&folder.path().join("transmission"));
    let downloads = folder.path().join("downloads");
    std::fs::create_dir_all(&downloads).unwrap();
    let (there, here) = (transmission.downloads.join("there.bin"), downloads.join("here.bin"));
    std::fs::write(&there, noise(1)).unwrap();
    std::fs::write(&here, noise(2)).unwrap();
    let torrents = [create_torrent(&there, &announce).await, create_torrent(&here, &announce).await];
    for torrent in &torrents {
        transmission.until(&["--add", torrent], "success").await;
    }
    until_load(&relay, "peers", 2).await;
    let _qbittorrent = qbittorrent(&folder.path().join("qbittorrent"), &downloads, &[&torrents[0], &torrents[1]]);
    until_load(&relay, "peers", 4).await;
    until_complete(&downloads.join("there.bin"), &noise(1)).await;
    until_complete(&transmission.downloads.join("here.bin"), &noise(2)).await;
}
