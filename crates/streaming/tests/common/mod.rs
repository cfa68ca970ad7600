//! What the tests share: engines on the loopback interface, media, and waiting for conditions.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and a test may panic"
)]

pub mod libtorrent;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
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

/// A way to a peer, which counts, and may falsify the blocks that the peer gives.
#[derive(Debug, Default)]
pub struct Way {
    opened: AtomicUsize,
    /// Connections that either side ended.
    ended: AtomicUsize,
    blocks: AtomicUsize,
    /// How many blocks of each piece.
    pieces: Mutex<BTreeMap<u32, usize>>,
    shut: streamshare_streaming::CancellationToken,
}

impl Way {
    pub async fn start(target: SocketAddr, lies: bool) -> (SocketAddr, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, way) = (listener.local_addr().unwrap(), Arc::new(Self::default()));
        tokio::spawn({
            let way = way.clone();
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(way.clone().pass(near, target, lies));
                }
            }
        });
        (addr, way)
    }

    async fn pass(self: Arc<Self>, near: TcpStream, target: SocketAddr, lies: bool) {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let far = TcpStream::connect(target).await.unwrap();
        let ((mut from_near, mut to_near), (mut from_far, mut to_far)) = (near.into_split(), far.into_split());
        tokio::select! {
            _ = tokio::io::copy(&mut from_near, &mut to_far) => {}
            _ = self.back(&mut from_far, &mut to_near, lies) => {}
            () = self.shut.cancelled() => {}
        }
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    async fn back(&self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, lies: bool) -> std::io::Result<()> {
        let mut hello = [0; 68];
        from.read_exact(&mut hello).await?;
        to.write_all(&hello).await?;
        while let Ok(length) = from.read_u32().await {
            let mut message = vec![0; length.try_into().unwrap()];
            from.read_exact(&mut message).await?;
            if message.first() == Some(&7) {
                self.blocks.fetch_add(1, Ordering::SeqCst);
                let piece = u32::from_be_bytes(message[1..5].try_into().unwrap());
                *self.pieces.lock().unwrap().entry(piece).or_default() += 1;
                *message.last_mut().unwrap() ^= u8::from(lies);
            }
            to.write_all(&[&length.to_be_bytes(), &message[..]].concat()).await?;
        }
        Ok(())
    }

    /// Lets nothing through any more.
    pub fn shut(&self) {
        self.shut.cancel();
    }

    /// How many blocks of each piece it gave.
    pub fn pieces(&self) -> BTreeMap<u32, usize> {
        self.pieces.lock().unwrap().clone()
    }

    /// Connections, those that ended, and blocks.
    pub fn count(&self) -> [usize; 3] {
        [&self.opened, &self.ended, &self.blocks].map(|count| count.load(Ordering::SeqCst))
    }
}

/// A peer that comes, has everything, and gives a block every so often, until it is no more wanted; the pieces that it gave something of.
pub async fn seed(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    info: TorrentInfo,
    film: Arc<Vec<u8>>,
    pace: Duration,
) -> BTreeSet<u32> {
    let mut given = BTreeSet::new();
    // It ends when the other side does.
    let _ = give(&mut stream, &info, &film, pace, &mut given).await;
    given
}

async fn give(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    info: &TorrentInfo,
    film: &[u8],
    pace: Duration,
    given: &mut BTreeSet<u32>,
) -> std::io::Result<()> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("-XX0001-{:012}", COUNT.fetch_add(1, Ordering::Relaxed));
    let hello = [b"\x13BitTorrent protocol", &[0; 8][..], &info.info_hash.0, name.as_bytes()].concat();
    stream.write_all(&hello).await?;
    stream.read_exact(&mut [0; 68]).await?;
    let bitfield = vec![0xff; info.piece_count.div_ceil(8) as usize];
    let length = u32::try_from(bitfield.len() + 1).unwrap();
    stream.write_all(&[&length.to_be_bytes(), &[5][..], &bitfield, &[0, 0, 0, 1, 1]].concat()).await?;
    let piece_bytes = film.len() / info.piece_count as usize;
    loop {
        let length = stream.read_u32().await?;
        let mut message = vec![0; length.try_into().unwrap()];
        stream.read_exact(&mut message).await?;
        if message.first() != Some(&6) {
            continue;
        }
        let number = |at: usize| u32::from_be_bytes(message[at..at + 4].try_into().unwrap());
        let at = number(1) as usize * piece_bytes + number(5) as usize;
        let block = &film[at..at + number(9) as usize];
        if !pace.is_zero() {
            tokio::time::sleep(pace).await;
        }
        stream.write_all(&[&(number(9) + 9).to_be_bytes(), &[7][..], &message[1..9], block].concat()).await?;
        stream.flush().await?;
        given.insert(number(1));
    }
}
