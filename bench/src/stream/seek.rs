//! From a seek to the picture.

use super::{Client, Film, Swarm, Table, first_byte, first_frame, http, kinds};
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};
use streamshare_tests::Case;

const ROUNDS: usize = 5;
/// How long a film is read before the seek, as fast as it comes.
const BEFORE: Duration = Duration::from_millis(1500);

pub(super) fn run(case: &Case, mut swarm: Swarm, piece_kib: u32) -> Result<()> {
    swarm.usual()?;
    let mib = piece_kib / 1024;
    let torrent = swarm.seed(Film::Fast, piece_kib)?;
    let length = Film::Fast.file()?.metadata().context("a film's length")?.len();
    let mut byte = Table::new(format!("seek to first byte, {mib} MiB"), "s");
    let mut frame = Table::new(format!("seek to first frame, {mib} MiB"), "s");
    for round in 0..ROUNDS {
        // Places by chance, the same in every run: the golden ratio's multiples are spread evenly.
        #[allow(clippy::cast_precision_loss, reason = "a few rounds")]
        let place = 0.45 + 0.25 * (round as f64 * 0.618_034).fract();
        for kind in kinds() {
            let mut client = Client::start(case, kind)?;
            let url = client.open(&torrent)?;
            read_for(&mut http::get(&url, None)?, BEFORE).with_context(|| kind.name())?;
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "some megabytes"
            )]
            let from = (length as f64 * place) as u64;
            byte.add(kind, first_byte(&url, Some(from), Instant::now()).with_context(|| kind.name())?);
            read_for(&mut http::get(&url, Some(from))?, BEFORE).with_context(|| kind.name())?;
            // 20 s on: 20 MB, which nobody has fetched by now.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a minute")]
            let second = (f64::from(Film::SECONDS) * place + 18.0) as u32;
            frame.add(kind, first_frame(&url, Some(second), Instant::now()).with_context(|| kind.name())?);
        }
    }
    byte.print();
    frame.print();
    Ok(())
}

/// Reads what comes for so long.
fn read_for(body: &mut http::Body, time: Duration) -> Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let end = Instant::now() + time;
    while Instant::now() < end && body.read(&mut buffer)? > 0 {}
    Ok(())
}
