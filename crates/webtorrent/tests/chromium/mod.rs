//! A browser with its tracker.

use super::swarm::limited;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    os::unix::fs::MetadataExt,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use streamshare_webtorrent::tracker::InfoHash;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, Command},
    sync::{MutexGuard, oneshot},
};
use url::Url;

/// Waits for its turn: browsers need all of a small machine. None where there is no network to test in.
///
/// # Panics
/// Where the tests are to be relied on: as root, who could make one, and where `CI` is set.
pub(crate) async fn one_at_a_time() -> Option<MutexGuard<'static, ()>> {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let turn = TURN.lock().await;
    if let Err(reason) = second_interface() {
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|this| this.uid() == 0);
        assert!(!is_root && std::env::var_os("CI").is_none(), "{reason}");
        eprintln!("SKIPPED, NOTHING WAS TESTED: {reason}");
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

/// The `.torrent` that a page made.
pub(crate) fn torrent_of(seeded: &Value) -> Vec<u8> {
    data_encoding::BASE64.decode(seeded["torrent"].as_str().unwrap().as_bytes()).unwrap()
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
        // From the manifest of either crate whose tests use this.
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../webtorrent/tests/parts/browser.mjs");
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
