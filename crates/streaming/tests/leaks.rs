//! A player that seeks all the time and gives up as often leaves nothing behind. Alone in its program, which it counts the handles of.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Gate, Mode, Peer, eventually, get, noise, write};
use streamshare_streaming::{Source, State};

const SEEKS: usize = 1000;
const ABORTED: usize = 200;
/// Memory that may be more than before, in KiB: what allocators keep. A block of 16 KiB for each seek would be the same again.
const MEMORY_KIB: u64 = 16 << 10;

/// Threads that may be more than before: what reads the disk while it is asked to ends by itself, in its own time.
const THREADS: usize = 100;

#[derive(Debug)]
struct Held {
    tasks: usize,
    handles: usize,
    /// Of the system.
    threads: usize,
    memory_kib: u64,
}

fn held() -> Held {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    Held {
        tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        handles: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        threads: std::fs::read_dir("/proc/self/task").unwrap().count(),
        memory_kib: memory.trim().trim_end_matches(" kB").parse().unwrap(),
    }
}

/// Places by chance, the same in every run.
fn place(round: usize, length: usize) -> usize {
    round.wrapping_mul(2_654_435_761) % length
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn seeks_and_aborted_requests_leave_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let film = noise(16 << 20, 5);
    let seeder = Peer::start(&dir.path().join("seeder")).await;
    let info = seeder.share(&write(&dir.path().join("film.mkv"), &film)).await;
    let gate = Gate::start(seeder.engine.peer_addr().unwrap()).await;
    let leecher = Peer::start(&dir.path().join("leecher")).await;
    leecher.add(Source::Link(format!("magnet:?xt=urn:btih:{}&x.pe={}", info.info_hash, gate.addr))).await;
    let url = leecher.open(info.info_hash, 0).await;
    // All paths once, so that what is made once is there.
    assert!(get(&url, Some("bytes=0-99")).await.bytes().await.unwrap() == film[..100]);
    gate.set(Mode::Hold);
    let before = held();

    // Requests for what is not there, given up while they wait.
    for round in 0..ABORTED {
        let at = (8 << 20) + place(round, 8 << 20);
        drop(get(&url, Some(&format!("bytes={at}-"))).await);
    }
    gate.set(Mode::Open);
    // Seeks while it downloads and after it: the first bytes are read, the rest is not.
    for round in 0..SEEKS {
        let at = place(round, film.len() - 16);
        let mut answer = get(&url, Some(&format!("bytes={at}-"))).await;
        let chunk = answer.chunk().await.unwrap().unwrap();
        assert!(film[at..].starts_with(&chunk), "{at}");
    }
    leecher.wait_for(info.info_hash, State::Seeding).await;

    // What is let go ends in its own time, and all of it.
    let idle = |now: &Held| now.tasks <= before.tasks + 4 && now.handles <= before.handles + 4;
    let now = eventually(held, idle).await;
    assert!(now.threads < before.threads + THREADS, "{} threads became {}", before.threads, now.threads);
    assert!(now.memory_kib < before.memory_kib + MEMORY_KIB, "{} KiB became {}", before.memory_kib, now.memory_kib);
    // And it goes on working: no reader holds one of the 192 places any more.
    assert!(get(&url, None).await.bytes().await.unwrap() == film);
    leecher.engine.shutdown().await;
    seeder.engine.shutdown().await;
}
