//! Playing from peers of unequal speed.

use super::{Client, Film, Swarm, Table, http, kinds};
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};
use streamshare_tests::Case;

const ROUNDS: usize = 5;
/// What is played, in bytes a second.
const RATE: f64 = 2.5e6;
/// How much of the film's bytes is played: 7 s.
const BYTES: usize = 17_500_000;
/// What the player takes at a time: 26 ms of it.
const STEP: usize = 64 * 1024;

pub(super) fn run(case: &Case, mut swarm: Swarm) -> Result<()> {
    swarm.uneven()?;
    let torrent = swarm.seed(Film::Fast, 1024)?;
    let mut worst = Table::new("worst gap", "s");
    let mut sum = Table::new("all gaps together", "s");
    for _ in 0..ROUNDS {
        for kind in kinds() {
            let mut client = Client::start(case, kind)?;
            let url = client.open(&torrent)?;
            let (longest, together) = play(&mut http::get(&url, None)?).with_context(|| kind.name())?;
            worst.add(kind, longest);
            sum.add(kind, together);
        }
    }
    worst.print();
    sum.print();
    Ok(())
}

/// Plays; the longest time that it had to wait for bytes that were due, and all such times together. A player that had to wait goes on from
/// there; it has nothing in store.
fn play(body: &mut http::Body) -> Result<(f64, f64)> {
    let mut buffer = vec![0; STEP];
    anyhow::ensure!(body.read(&mut buffer)? > 0, "an empty film");
    let (mut due, mut played) = (Instant::now(), 0);
    let (mut longest, mut together) = (Duration::ZERO, Duration::ZERO);
    while played < BYTES {
        let bytes = body.read(&mut buffer)?;
        anyhow::ensure!(bytes > 0, "the film ended early");
        played += bytes;
        let now = Instant::now();
        if let Some(gap) = now.checked_duration_since(due) {
            longest = longest.max(gap);
            together += gap;
            due = now;
        }
        #[allow(clippy::cast_precision_loss, reason = "some kilobytes")]
        let lasts = Duration::from_secs_f64(bytes as f64 / RATE);
        due += lasts;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok((longest.as_secs_f64(), together.as_secs_f64()))
}
