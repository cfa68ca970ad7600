//! The cache: what it drops, what it never touches, and what a kill leaves of it.
#![allow(clippy::print_stdout, reason = "a viewer tells its parent")]

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::libtorrent::Foreign;
use crate::common::{Peer, config, eventually, get, noise, seed, write};
use crate::{bytes_read, turn};
use streamshare_streaming::{EngineConfig, InfoHash, Limits, Source, State, TorrentInfo};
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;

/// Bytes of which no part is like another.
fn film_of(length: usize) -> Vec<u8> {
    let mut bytes = noise(4 * MIB, 7).repeat(length / (4 * MIB));
    for (index, block) in bytes.chunks_mut(4096).enumerate() {
        block[..8].copy_from_slice(&index.to_le_bytes());
    }
    bytes
}

/// What the files below a folder take up.
fn allocated(folder: &Path) -> u64 {
    allocated_by(folder, |_| true)
}

/// What those take up that are called so.
fn allocated_by(folder: &Path, is_one: impl Fn(&std::ffi::OsStr) -> bool + Copy) -> u64 {
    let of = |entry: std::fs::DirEntry| {
        // It may be deleted meanwhile.
        let Ok(metadata) = entry.metadata() else { return 0 };
        match metadata.is_dir() {
            true => allocated_by(&entry.path(), is_one),
            false if is_one(&entry.file_name()) => metadata.blocks() * 512,
            false => 0,
        }
    };
    std::fs::read_dir(folder).map_or(0, |entries| entries.map(|entry| of(entry.unwrap())).sum())
}

async fn part(url: &str, bytes: &[u8], from: usize, length: usize) {
    let answer = get(url, Some(&format!("bytes={from}-{}", from + length - 1))).await;
    assert!(answer.bytes().await.unwrap() == bytes[from..from + length], "other bytes from {from} on");
}

/// What a viewer has to keep within in the test of the cache.
const CACHE: usize = 96 * MIB;
/// What the viewer of the test below is told: its folder, the film's magnet link and another one's.
const VIEWER: &str = "STREAMSHARE_TEST_VIEWER";

/// Watches another film, then the film, and tells of each MiB, until it is killed. For a process of its own: see below.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn viewer_in_a_process_of_its_own() {
    let Ok(told) = std::env::var(VIEWER) else { return };
    let [home, film, old] = told.split('\n').collect::<Vec<_>>()[..] else { panic!("{told}") };
    let home = Path::new(home);
    let viewer = cached(home).await;
    let old = viewer.add(Source::Link(old.to_owned())).await.info_hash;
    viewer.open(old, 0).await;
    viewer.wait_for(old, State::Seeding).await;
    let film = viewer.add(Source::Link(film.to_owned())).await.info_hash;
    let mut answer = get(&viewer.open(film, 0).await, None).await;
    let mut at = 0;
    while let Some(chunk) = answer.chunk().await.unwrap() {
        let before = at / MIB;
        at += chunk.len();
        if at / MIB > before {
            println!("\nread {at}");
        }
    }
}

async fn cached(home: &Path) -> Peer {
    let limits = Limits { cache_bytes: NonZeroU64::new(CACHE as u64), ..Limits::default() };
    Peer::start_with(EngineConfig { limits, ..config(home) }, home).await
}

/// Lets it watch, and kills it while what it has watched is dropped.
fn watch_and_kill(home: &Path, film: &Source, old: &Source) {
    use std::io::BufRead;
    let [Source::Link(film), Source::Link(old)] = [film, old] else { unreachable!() };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["cache::viewer_in_a_process_of_its_own", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(VIEWER, format!("{}\n{film}\n{old}", home.display())).stdout(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let lines = std::io::BufReader::new(process.stdout.take().unwrap()).lines();
    let mut at = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("read ")?.parse::<usize>().ok());
    assert!(at.any(|at| at >= 104 * MIB), "the viewer ended by itself");
    // Parts of the film go, not the other one as a whole, which goes first.
    let on_disk = || allocated_by(home, |name| name == "film.mkv");
    let (mut before, begun) = (on_disk(), Instant::now());
    loop {
        assert!(begun.elapsed() < crate::common::DEADLINE, "nothing is dropped");
        let now = on_disk();
        if now < before {
            break;
        }
        before = now;
    }
    // SIGKILL; it has not ended before.
    assert_eq!(process.try_wait().unwrap(), None);
    process.kill().unwrap();
    process.wait().unwrap();
    drop(at);
}

/// Comes to a viewer, which knows nobody any more after a kill, and again after each handover.
async fn keep_giving(addr: SocketAddr, film: TorrentInfo, bytes: Arc<Vec<u8>>) {
    while let Ok(stream) = TcpStream::connect(addr).await {
        seed(stream, film.clone(), bytes.clone(), Duration::ZERO).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a full cache never touches, however long ago it was watched: what is kept, and what is the user's own.
struct Spared {
    kept: InfoHash,
    own: InfoHash,
    own_path: PathBuf,
}

impl Spared {
    const BYTES: usize = 4 * MIB;

    async fn give(viewer: &Peer, seeder: &Peer, folder: &Path) -> Self {
        let kept = seeder.share(&write(&folder.join("kept.mkv"), &noise(Self::BYTES, 9))).await.info_hash;
        viewer.add(seeder.magnet(kept)).await;
        viewer.open(kept, 0).await;
        viewer.wait_for(kept, State::Seeding).await;
        viewer.engine.set_kept(kept, true).await.unwrap();
        let own_path = write(&folder.join("own.mkv"), &noise(Self::BYTES, 10));
        Self { kept, own: viewer.share(&own_path).await.info_hash, own_path }
    }

    fn check(&self, viewer: &Peer, downloads: &Path) {
        assert_eq!(viewer.engine.stats(self.kept).unwrap().have_bytes, Self::BYTES as u64);
        assert_eq!(allocated(&downloads.join("kept")), Self::BYTES as u64);
        assert_eq!(viewer.engine.stats(self.own).unwrap().state, State::Seeding);
        assert!(std::fs::read(&self.own_path).unwrap() == noise(Self::BYTES, 10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_film_larger_than_the_cache_plays_within_it_and_through_a_kill() {
    const PIECE: usize = 256 << 10;
    let _turn = turn().await;
    let dir = tempfile::tempdir().unwrap();
    let seeder = Peer::start(&dir.path().join("seeder")).await;
    let bytes = Arc::new(film_of(160 * MIB));
    let film = seeder.share(&write(&dir.path().join("film.mkv"), &bytes)).await;
    let old = seeder.share(&write(&dir.path().join("old.mkv"), &noise(20 * MIB, 8))).await;
    let home = dir.path().join("viewer");
    let downloads = home.join("downloads");
    let links = [film.info_hash, old.info_hash].map(|info_hash| seeder.magnet(info_hash));
    tokio::task::spawn_blocking({
        let home = home.clone();
        move || watch_and_kill(&home, &links[0], &links[1])
    })
    .await
    .unwrap();

    // It goes on where it was: nothing is checked anew, and of what it had no more is lost than came within moments.
    let read = bytes_read();
    let viewer = cached(&home).await;
    viewer.engine.checked(film.info_hash).await;
    let read = bytes_read() - read;
    assert!(read < 16 * MIB as u64, "{read} bytes were read to begin with");
    let stats = viewer.engine.stats(film.info_hash).unwrap();
    assert!((24 * MIB as u64..bytes.len() as u64).contains(&stats.have_bytes), "{stats:?}");
    // What was watched before went first, as a whole.
    assert!(viewer.engine.stats(old.info_hash).is_none());
    let spared = Spared::give(&viewer, &seeder, dir.path()).await;
    let url = viewer.open(film.info_hash, 0).await;
    let giving = tokio::spawn(keep_giving(viewer.engine.peer_addr().unwrap(), film.clone(), bytes.clone()));
    let mut at = 96 * MIB;
    let mut answer = get(&url, Some(&format!("bytes={at}-"))).await;
    while at < bytes.len() {
        let step = at + 16 * MIB;
        while at < step.min(bytes.len()) {
            let chunk = answer.chunk().await.unwrap().expect("more of the film");
            assert!(chunk == bytes[at..at + chunk.len()], "other bytes from {at} on");
            at += chunk.len();
        }
        // A player stands while it has enough; what it caused meanwhile has to fit.
        eventually(|| allocated(&downloads), |used| *used <= (CACHE + Spared::BYTES) as u64).await;
    }
    spared.check(&viewer, &downloads);
    let stats = viewer.engine.stats(film.info_hash).unwrap();
    assert!(stats.have_bytes < 97 * MIB as u64, "{stats:?}");

    // A foreign client is given what is there, and never a wrong byte.
    let there = || {
        let mut pieces = vec![false; bytes.len() / PIECE];
        for (from, to) in viewer.engine.ready(film.info_hash)[0].spans.iter().copied() {
            let piece = |byte: u64| usize::try_from(byte).unwrap().div_ceil(PIECE);
            pieces[piece(from)..piece(to)].fill(true);
        }
        pieces
    };
    assert!(!there()[120] && there()[639], "{:?}", viewer.engine.ready(film.info_hash));
    let foreign_folder = dir.path().join("foreign");
    let mut foreign = Foreign::start(film.info_hash, &foreign_folder, viewer.engine.peer_addr().unwrap().port());
    let (got, failed) = eventually(|| foreign.ask(), |(got, _)| *got == there()).await;
    assert_eq!(failed, 0);
    let copy = std::fs::read(foreign_folder.join("film.mkv")).unwrap();
    for (index, _) in got.iter().enumerate().filter(|(_, has)| **has) {
        let range = index * PIECE..(index + 1) * PIECE;
        assert!(copy[range.clone()] == bytes[range], "a wrong piece {index} was given");
    }

    // What was dropped comes again when somebody goes back to it, also after a restart.
    part(&url, &bytes, 30 * MIB, 3 * MIB).await;
    giving.abort();
    viewer.engine.shutdown().await;
    drop(viewer);
    let viewer = cached(&home).await;
    viewer.engine.checked(film.info_hash).await;
    let url = viewer.open(film.info_hash, 0).await;
    let again = viewer.engine.stats(film.info_hash).unwrap();
    assert!(again.have_bytes > 0 && again.have_bytes < 140 * MIB as u64, "{again:?}");
    part(&url, &bytes, 30 * MIB, MIB).await;
}
