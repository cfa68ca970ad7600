//! What the tests share: engines on the loopback interface, media, and waiting for conditions.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpStream};

use streamshare_streaming::{
    CancellationToken, Engine, EngineConfig, InfoHash, NetworkConfig, Source, State, TorrentInfo,
};

pub const DEADLINE: Duration = Duration::from_secs(40);

/// An engine with folders of its own.
pub struct Peer {
    pub engine: Engine,
    pub folder: PathBuf,
}

pub fn config(folder: &Path) -> EngineConfig {
    EngineConfig {
        network: NetworkConfig::isolated(),
        origins: vec!["tauri://localhost".into(), "http://tauri.localhost".into()],
        metadata_timeout: Duration::from_secs(15),
        stall_timeout: Duration::from_secs(10),
        ..EngineConfig::new(folder.join("state"), folder.join("downloads"))
    }
}

impl Peer {
    pub async fn start(folder: &Path) -> Self {
        Self::start_with(config(folder), folder).await
    }

    pub async fn start_with(config: EngineConfig, folder: &Path) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        Self { engine: Engine::start(config).await.unwrap(), folder: folder.to_owned() }
    }

    pub async fn add(&self, source: Source) -> TorrentInfo {
        self.engine.add(source, CancellationToken::new(), |_| {}).await.unwrap()
    }

    pub async fn share(&self, path: &Path) -> TorrentInfo {
        self.add(Source::Path(path.to_owned())).await
    }

    /// A magnet link that leads to this engine only.
    pub fn magnet(&self, info_hash: InfoHash) -> Source {
        Source::Link(format!("magnet:?xt=urn:btih:{info_hash}&x.pe={}", self.engine.peer_addr().unwrap()))
    }

    pub async fn open(&self, info_hash: InfoHash, index: usize) -> String {
        self.engine.open(info_hash, index).await.unwrap().url
    }

    pub async fn wait_for(&self, info_hash: InfoHash, state: State) {
        eventually(|| self.engine.stats(info_hash).map(|stats| stats.state), |now| *now == Some(state.clone())).await;
    }
}

/// Waits until a value is as wanted, or panics with the last one.
pub async fn eventually<T: Debug>(mut look: impl FnMut() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let start = Instant::now();
    loop {
        let now = look();
        if wanted(&now) {
            return now;
        }
        assert!(start.elapsed() < DEADLINE, "still {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Bytes that are no pattern: a shifted or repeated piece shows.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub fn write(path: &Path, bytes: &[u8]) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    path.to_owned()
}

pub async fn get(url: &str, range: Option<&str>) -> reqwest::Response {
    // Making a client takes 40 ms. Without idle connections one can serve the runtimes of several tests.
    static CLIENT: LazyLock<reqwest::Client> =
        LazyLock::new(|| reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap());
    let mut request = CLIENT.get(url);
    if let Some(range) = range {
        request = request.header("range", range);
    }
    request.send().await.unwrap()
}

/// A TCP proxy to a peer.
pub struct Gate {
    pub addr: SocketAddr,
    mode: tokio::sync::watch::Sender<Mode>,
}

/// What a [`Gate`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Open,
    /// Drops what is connected and keeps new connections waiting.
    Hold,
    /// Drops what is connected and every new connection.
    Refuse,
}

impl Gate {
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (mode, state) = tokio::sync::watch::channel(Mode::Open);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut state = state.clone();
                tokio::spawn(async move {
                    if state.wait_for(|mode| *mode != Mode::Hold).await.is_ok_and(|mode| *mode == Mode::Refuse) {
                        return;
                    }
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = state.wait_for(|mode| *mode != Mode::Open) => {}
                    }
                });
            }
        });
        Self { addr, mode }
    }

    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}
