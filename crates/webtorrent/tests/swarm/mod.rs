//! What takes part: a browser with its tracker, and a BitTorrent client.

use librqbit::{
    AddTorrent, AddTorrentOptions, ConnectionOptions, CreateTorrentOptions, ListenerMode, ListenerOptions,
    ManagedTorrent, PeerConnectionOptions, Session, SessionOptions, spawn_utils::BlockingSpawner,
};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use streamshare_webtorrent::{hybrid::Torrent, tracker::InfoHash};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::{MutexGuard, oneshot},
    time::timeout,
};
use url::Url;

/// How long anything may take on a busy machine.
const TIME: Duration = Duration::from_secs(90);
/// How long librqbit waits for a silent peer where that is tested, instead of 10 s.
pub(crate) const READ_TIME: Duration = Duration::from_secs(2);

/// Waits for its turn: browsers need all of a small machine. None where there is no browser to test with.
pub(crate) async fn one_at_a_time() -> Option<MutexGuard<'static, ()>> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let turn = TURN.lock().await;
    if let Err(reason) = second_interface() {
        eprintln!("SKIPPED: {reason}");
        return None;
    }
    Some(turn)
}

/// Chromium gathers no candidates, and hangs, where the loopback interface is all there is.
fn second_interface() -> Result<(), String> {
    let present = || if_addrs::get_if_addrs().is_ok_and(|all| all.iter().any(|one| !one.is_loopback()));
    if present() {
        return Ok(());
    }
    let script = "ip link add ssweb0 type veth peer name ssweb1 && ip addr add 198.51.100.1/30 dev ssweb0 \
                  && ip link set ssweb0 up && ip link set ssweb1 up";
    let made = std::process::Command::new("sh").args(["-c", script]).output();
    if present() {
        return Ok(());
    }
    Err(format!("Chromium needs a network interface beside lo, and none could be made: {made:?}"))
}

pub(crate) async fn limited<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(TIME, future).await.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIME;
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn hash_of(bytes: &[u8]) -> String {
    Sha1::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> [u8; 20] {
    let bytes: Vec<u8> = (0..20).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

/// The `.torrent` that a page made.
pub(crate) fn torrent_of(seeded: &Value) -> Vec<u8> {
    data_encoding::BASE64.decode(seeded["torrent"].as_str().unwrap().as_bytes()).unwrap()
}

pub(crate) fn random_file(path: &Path, bytes: usize) -> PathBuf {
    let mut data = vec![0; bytes];
    for chunk in data.chunks_mut(1 << 20) {
        getrandom::fill(chunk).unwrap();
    }
    std::fs::write(path, data).unwrap();
    path.to_owned()
}

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// Chromium, driven by a script, with bittorrent-tracker's server.
pub(crate) struct Browser {
    child: Child,
    calls: Calls,
    pub(crate) tracker: String,
}

#[derive(Clone)]
struct Calls {
    input: Arc<tokio::sync::Mutex<Option<tokio::process::ChildStdin>>>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
}

/// A tab.
pub(crate) struct Page {
    index: Value,
    calls: Calls,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parts/browser.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = limited("the browser", lines.next_line()).await.unwrap().expect("the browser starts");
        let tracker = serde_json::from_str::<Value>(&first).unwrap()["tracker"].as_str().unwrap().to_owned();
        let waiting = Waiting::default();
        let answered = waiting.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let answer: Value = serde_json::from_str(&line).unwrap();
                if let Some(waiting) = answered.lock().unwrap().remove(&answer["id"].as_u64().unwrap()) {
                    drop(waiting.send(answer));
                }
            }
        });
        let input = Arc::new(tokio::sync::Mutex::new(child.stdin.take()));
        Self { child, calls: Calls { input, waiting, next: Arc::default() }, tracker }
    }

    pub(crate) fn tracker_url(&self) -> Url {
        self.tracker.parse().unwrap()
    }

    pub(crate) fn magnet(&self, info_hash: InfoHash) -> String {
        let tracker = self.tracker.replace(':', "%3A").replace('/', "%2F");
        format!("magnet:?xt=urn:btih:{info_hash}&tr={tracker}")
    }

    pub(crate) async fn open(&mut self) -> Page {
        Page { index: self.calls.ask("open", json!([])).await, calls: self.calls.clone() }
    }

    pub(crate) async fn stop(mut self) {
        // Ends with its input.
        self.calls.input.lock().await.take();
        limited("the browser to end", self.child.wait()).await.unwrap();
    }
}

impl Page {
    pub(crate) async fn call(&self, name: &str, values: Value) -> Value {
        let mut all = vec![self.index.clone(), json!(name)];
        all.extend(values.as_array().unwrap().iter().cloned());
        self.calls.ask("call", json!(all)).await
    }
}

impl Calls {
    async fn ask(&self, command: &str, values: Value) -> Value {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, sender);
        let line = format!("{}\n", json!({ "id": id, "command": command, "values": values }));
        self.input.lock().await.as_mut().unwrap().write_all(line.as_bytes()).await.unwrap();
        let answer = limited(command, answer).await.unwrap();
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer["value"].clone()
    }
}

/// A librqbit session of its own.
pub(crate) struct Client {
    session: Arc<Session>,
    folder: tempfile::TempDir,
    peer_id: [u8; 20],
}

/// A torrent in it.
pub(crate) struct Added {
    handle: Arc<ManagedTorrent>,
    pub(crate) info_hash: InfoHash,
    pub(crate) metainfo: Vec<u8>,
}

impl Client {
    pub(crate) async fn start() -> Self {
        Self::start_with(Duration::from_secs(10)).await
    }

    /// With a time after which a silent peer is dropped.
    pub(crate) async fn start_with(read_time: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut peer_id = *b"-SS0001-000000000000";
        getrandom::fill(&mut peer_id[8..]).unwrap();
        let peer_opts = PeerConnectionOptions { read_write_timeout: Some(read_time), ..Default::default() };
        let options = SessionOptions {
            dht: None,
            disable_trackers: true,
            disable_local_service_discovery: true,
            persistence: None,
            peer_id: Some(librqbit::dht::Id20::new(peer_id)),
            connect: Some(ConnectionOptions { peer_opts: Some(peer_opts), ..Default::default() }),
            listen: Some(ListenerOptions {
                mode: ListenerMode::TcpOnly,
                listen_addr: "127.0.0.1:0".parse().unwrap(),
                ipv4_only: true,
                ..Default::default()
            }),
            runtime_worker_threads: Some(16),
            ..Default::default()
        };
        let session = Session::new_with_opts(folder.path().to_owned(), options).await.unwrap();
        Self { session, folder, peer_id }
    }

    pub(crate) fn listener(&self) -> SocketAddr {
        self.session.listen_addr().unwrap()
    }

    pub(crate) fn peer_id(&self) -> [u8; 20] {
        self.peer_id
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn add(&self, metainfo: Vec<u8>) -> Added {
        let options = AddTorrentOptions {
            overwrite: true,
            output_folder: Some(self.folder.path().to_string_lossy().into()),
            ..Default::default()
        };
        let added = self.session.add_torrent(AddTorrent::from_bytes(metainfo.clone()), Some(options)).await.unwrap();
        let handle = added.into_handle().unwrap();
        limited("checking", handle.wait_until_initialized()).await.unwrap();
        Added { info_hash: InfoHash(handle.info_hash().0), handle, metainfo }
    }

    pub(crate) async fn seed(&self, file: &Path) -> Added {
        let options = CreateTorrentOptions { piece_length: Some(262_144), ..Default::default() };
        let torrent = librqbit::create_torrent(file, options, &BlockingSpawner::new(1)).await.unwrap();
        let added = self.add(torrent.as_bytes().unwrap().to_vec()).await;
        assert!(added.handle.stats().finished);
        added
    }

    pub(crate) async fn stop(self) {
        self.session.stop().await;
    }
}

impl Added {
    pub(crate) fn facts(&self) -> Torrent {
        let stats = self.handle.stats();
        let pieces = self.handle.with_metadata(|metadata| metadata.info.lengths().total_pieces()).unwrap();
        Torrent { piece_count: pieces, left: stats.total_bytes - stats.progress_bytes }
    }

    pub(crate) async fn completed(&self) {
        self.handle.wait_until_completed().await.unwrap();
    }
}
