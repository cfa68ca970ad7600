//! Films through routers: a real Chromium with the web client's swarm on one side, librqbit with its WebRTC peer on the
//! other, network address translation by Linux between them, and Debian's coturn where that is too much.
//!
//! Needs root, for namespaces, and nft, coturn, node and Chromium.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step fails the test, which tells figures"
)]

#[path = "nat/net.rs"]
mod net;
#[path = "../../crates/webtorrent/tests/swarm/mod.rs"]
mod swarm;

use net::{Host, Nat, PUBLIC, behind, internet, neighbours, passed};
use serde_json::Value;
use std::{
    net::UdpSocket,
    os::unix::fs::MetadataExt,
    path::Path,
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use streamshare_webtorrent::{
    channel::{Connector, IceConfig, IceServer, WebRtc},
    hybrid::{Hybrid, HybridConfig},
    tracker::InfoHash,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

const MB: u64 = 1_000_000;
/// What a film consists of here.
const FILM: u64 = 5 * MB;
const RELAY_PORT: u16 = 3000;
const SECRET: &str = "known to the relay and to coturn";

/// Waits for its turn; none where this person has no rights to make networks.
///
/// # Panics
/// Where the tests are to be relied on: as root, and where `CI` is set.
fn turn() -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    let may = std::thread::spawn(|| nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)).join().unwrap();
    if let Err(error) = may {
        let must =
            std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0) || std::env::var_os("CI").is_some();
        assert!(!must, "no network namespaces can be made: {error}");
        eprintln!("SKIPPED, NOTHING WAS TESTED: network namespaces need root ({error})");
        return None;
    }
    Some(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Runs what the test consists of, outside of all machines.
fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// A program on a machine. It ends with the value, and with the test however that ends.
async fn start(host: &Host, program: &str, args: &[&str], env: &[(&str, &str)]) -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]).args(args).envs(env.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let what = format!("{program} is installed");
    host.on(async move { command.spawn().expect(&what) }).await
}

/// The relay as a program, told of these servers.
async fn relay(host: &Host, flags: &[&str]) -> Child {
    let listen = format!("{PUBLIC}:{RELAY_PORT}");
    let flags = [&["--listen", listen.as_str(), "--log", "warn"], flags].concat();
    let env = [("STREAMSHARE_TURN_SECRET", SECRET)];
    let relay = start(host, env!("CARGO_BIN_EXE_streamshare-relay"), &flags, &env).await;
    let reached = async || host.on(tokio::net::TcpStream::connect((PUBLIC, RELAY_PORT))).await.is_ok();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !reached().await {
        assert!(Instant::now() < deadline, "the relay does not listen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    relay
}

fn relay_url() -> String {
    format!("http://{PUBLIC}:{RELAY_PORT}")
}

/// Debian's TURN server, which is a STUN server, too.
struct Coturn {
    _process: Child,
    _folder: tempfile::TempDir,
}

async fn coturn(host: &Host) -> Coturn {
    let folder = tempfile::tempdir().unwrap();
    let (config, state) = (folder.path().join("turnserver.conf"), folder.path().display());
    let text = format!(
        "listening-ip={PUBLIC}\nrelay-ip={PUBLIC}\nlistening-port=3478\nuse-auth-secret\nstatic-auth-secret={SECRET}\n\
         realm=streamshare\nno-tls\nno-dtls\nno-cli\nrelay-threads=1\nlog-file=stdout\nsimple-log\n\
         pidfile={state}/pid\nuserdb={state}/db\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut process = start(host, "turnserver", &["-c", config.to_str().unwrap()], &[]).await;
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    tokio::spawn(async move {
        while let Ok(Some(line)) = lines.next_line().await {
            println!("coturn: {line}");
        }
    });
    host.on(async { tokio::task::spawn_blocking(until_stun_answers).await.unwrap() }).await;
    Coturn { _process: process, _folder: folder }
}

fn until_stun_answers() {
    let socket = UdpSocket::bind((PUBLIC, 0)).unwrap();
    socket.connect((PUBLIC, 3478)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    // A binding request (RFC 8489, section 5).
    let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], b"0123456789ab"].concat();
    let deadline = Instant::now() + Duration::from_secs(20);
    while socket.send(&request).is_err() || socket.recv(&mut [0; 1024]).is_err() {
        assert!(Instant::now() < deadline, "coturn does not answer");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A browser that shares a film.
struct Browser {
    _process: Child,
    info_hash: InfoHash,
    sha1: String,
    /// For each of two connections, one after the other: how long it gathered, and candidates.
    gathered: Vec<(Duration, u64)>,
}

async fn browser(host: &Host) -> Browser {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/nat_browser.mjs");
    let mut process = start(host, "node", &[script.to_str().unwrap(), &relay_url(), &FILM.to_string()], &[]).await;
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let line = swarm::limited("the browser", lines.next_line()).await.unwrap().expect("the browser starts");
    let shared: Value = serde_json::from_str(&line).unwrap();
    let info_hash = InfoHash(swarm::unhex(shared["infoHash"].as_str().unwrap()));
    let gathering = |one: &Value| {
        (Duration::from_secs_f64(one["took"].as_f64().unwrap() / 1000.0), one["candidates"].as_u64().unwrap())
    };
    let gathered: Vec<_> = shared["gathered"].as_array().unwrap().iter().map(gathering).collect();
    println!("the browser gathered candidates: {gathered:?}");
    Browser { _process: process, info_hash, sha1: shared["sha1"].as_str().unwrap().to_owned(), gathered }
}

/// The servers that the relay names.
async fn ice_servers() -> Vec<IceServer> {
    let text = reqwest::get(format!("{}/ice-servers", relay_url())).await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let mut servers = Vec::new();
    for server in answer["iceServers"].as_array().unwrap() {
        let text = |field: &str| server[field].as_str().unwrap_or_default().to_owned();
        for url in server["urls"].as_array().unwrap() {
            let url = url.as_str().unwrap().to_owned();
            servers.push(IceServer { url, username: text("username"), credential: text("credential") });
        }
    }
    servers
}

fn tracker() -> url::Url {
    format!("ws://{PUBLIC}:{RELAY_PORT}/announce").parse().unwrap()
}

/// A desktop: librqbit, and its WebRTC peer.
async fn desktop() -> (swarm::Client, Hybrid) {
    let client = swarm::Client::start().await;
    let mut config = HybridConfig::new(client.listener(), client.peer_id());
    config.ice.servers = ice_servers().await;
    println!("servers: {:?}", config.ice.servers);
    let hybrid = Hybrid::start(config);
    (client, hybrid)
}

/// A desktop that shares a film.
struct Sharing {
    client: swarm::Client,
    hybrid: Hybrid,
    metainfo: Vec<u8>,
    sha1: String,
}

async fn share() -> Sharing {
    let (client, hybrid) = desktop().await;
    let film = swarm::random_file(&client.path("film.bin"), usize::try_from(FILM).unwrap());
    let torrent = client.seed(&film).await;
    hybrid.add(torrent.info_hash, vec![tracker()], torrent.facts());
    swarm::eventually("the tracker", || hybrid.stats(torrent.info_hash).unwrap().trackers == 1).await;
    Sharing { client, hybrid, metainfo: torrent.metainfo, sha1: swarm::hash_of(&std::fs::read(film).unwrap()) }
}

impl Sharing {
    async fn end(self) {
        self.hybrid.shutdown().await;
        self.client.stop().await;
    }
}

/// Downloads a film with librqbit, over WebRTC alone, and tells its SHA-1.
async fn download(metainfo: Vec<u8>) -> String {
    let (client, hybrid) = desktop().await;
    download_with(client, hybrid, metainfo).await
}

/// The same, of which nothing but the info hash is known.
async fn resolve_and_download(info_hash: InfoHash) -> String {
    let (client, hybrid) = desktop().await;
    let begun = Instant::now();
    let cancel = CancellationToken::new();
    let info = swarm::limited("metadata", hybrid.resolve(info_hash, vec![tracker()], &cancel)).await.unwrap();
    println!("connected, and metadata after {:?}", begun.elapsed());
    download_with(client, hybrid, [b"d4:info", &info[..], b"e"].concat()).await
}

async fn download_with(client: swarm::Client, hybrid: Hybrid, metainfo: Vec<u8>) -> String {
    let begun = Instant::now();
    let torrent = client.add(metainfo).await;
    hybrid.add(torrent.info_hash, vec![tracker()], torrent.facts());
    swarm::limited("download", torrent.completed()).await;
    println!("downloaded after {:?}", begun.elapsed());
    let sha1 = swarm::hash_of(&std::fs::read(client.path("film.bin")).unwrap());
    hybrid.shutdown().await;
    client.stop().await;
    sha1
}

/// The browser is behind a router, the desktop is reachable: the browser's way in is all that there is, and the desktop
/// learns the browser's address from it (a peer-reflexive candidate, RFC 8445). The relay names a STUN server that does not
/// answer: nobody waits long for it, and the second time hardly at all.
#[test]
fn a_browser_behind_a_router_reaches_a_desktop() {
    let Some(_turn) = turn() else { return };
    let internet = internet();
    let (router, home) = behind(&internet, Nat::Symmetric, 2);
    block_on(async {
        let _relay = relay(&internet, &["--stun", "stun:192.0.2.1:3478"]).await;
        let browser = browser(&home).await;
        let [(first, _), (second, candidates)] = browser.gathered[..] else { panic!("two were made") };
        assert!(first >= Duration::from_millis(1900) && second < Duration::from_millis(1800), "{first:?} {second:?}");
        assert!(candidates > 0);
        assert_eq!(internet.on(resolve_and_download(browser.info_hash)).await, browser.sha1);
        assert!(passed(&router).0 > FILM);
    });
}

/// Both are behind routers of the usual kind: a STUN server tells them their public addresses, and no byte of the film
/// goes over a third machine.
#[test]
fn both_behind_routers_with_stun() {
    let Some(_turn) = turn() else { return };
    let internet = internet();
    let (_router, home) = behind(&internet, Nat::Cone, 2);
    let (router, away) = behind(&internet, Nat::Cone, 3);
    block_on(async {
        let _coturn = coturn(&internet).await;
        let _relay = relay(&internet, &["--stun", "stun:198.51.100.1:3478"]).await;
        let browser = browser(&home).await;
        assert_eq!(away.on(resolve_and_download(browser.info_hash)).await, browser.sha1);
        let (public, direct) = passed(&router);
        assert!(direct > FILM && public < MB, "{public} {direct}");
    });
}

/// Both are behind routers that take another port for each partner, so that nobody can say where they are: the film goes
/// over the TURN server, which believes the credentials that the relay made.
#[test]
fn both_behind_strict_routers_with_turn() {
    let Some(_turn) = turn() else { return };
    let internet = internet();
    let (_router, home) = behind(&internet, Nat::Symmetric, 2);
    let (router, away) = behind(&internet, Nat::Symmetric, 3);
    block_on(async {
        let _coturn = coturn(&internet).await;
        let flags = ["--stun", "stun:198.51.100.1:3478", "--turn", "turn:198.51.100.1:3478?transport=udp"];
        let _relay = relay(&internet, &flags).await;
        let browser = browser(&home).await;
        assert_eq!(away.on(resolve_and_download(browser.info_hash)).await, browser.sha1);
        let (public, direct) = passed(&router);
        assert!(public > FILM && direct < MB, "{public} {direct}");
    });
}

/// Two desktops behind routers of the usual kind, of which neither has a port that others could connect to over TCP.
#[test]
fn two_desktops_behind_routers_with_stun() {
    let Some(_turn) = turn() else { return };
    let internet = internet();
    let (_router, home) = behind(&internet, Nat::Cone, 2);
    let (router, away) = behind(&internet, Nat::Cone, 3);
    block_on(async {
        let _coturn = coturn(&internet).await;
        let _relay = relay(&internet, &["--stun", "stun:198.51.100.1:3478"]).await;
        let sharing = home.on(share()).await;
        assert_eq!(away.on(download(sharing.metainfo.clone())).await, sharing.sha1);
        let (public, direct) = passed(&router);
        assert!(public < MB && direct > FILM, "{public} {direct}");
        home.on(sharing.end()).await;
    });
}

#[test]
fn addresses_of_ipv6_in_one_network_are_enough() {
    let Some(_turn) = turn() else { return };
    let (left, right) = neighbours();
    block_on(async {
        let (connector, offer, pending) = left
            .on(async {
                let connector = WebRtc::new(IceConfig::default());
                let (offer, pending) = connector.make_offer().await.unwrap();
                (connector, offer, pending)
            })
            .await;
        assert!(offer.contains(" fd00:5::1 "), "{offer}");
        let (other, answer, opening) = right
            .on(async move {
                let connector = WebRtc::new(IceConfig::default());
                let (answer, opening) = connector.make_answer(&offer).await.unwrap();
                (connector, answer, opening)
            })
            .await;
        let opened = right.on(async move { (opening.open().await.unwrap(), other) });
        let answered = left.on(async move { (pending.answer(&answer).await.unwrap(), connector) });
        let ((mut opened, _other), (answered, _connector)) = tokio::join!(opened, answered);
        answered.sender.send("six".into()).await.unwrap();
        assert_eq!(swarm::limited("the message", opened.receiver.recv()).await.unwrap(), "six");
    });
}
