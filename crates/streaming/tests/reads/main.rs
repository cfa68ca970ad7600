//! What is read from files. The system counts that for all of a process, so these tests have one of their own, and take turns in it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tokio::sync::{Mutex, MutexGuard};

mod cache;
#[path = "../common/mod.rs"]
mod common;
mod restart;

/// Waits until no other test reads.
async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}

/// Bytes that this process has read so far.
fn bytes_read() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}
