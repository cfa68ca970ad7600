//! From a seek to the picture.

use super::client::Kind;
use super::{Client, Film, Swarm, Table, first_byte, first_frame, http, kinds};
use anyhow::{Context as _, Result};
use std::time::{Duration, Instant};
use streamshare_tests::Case;
use url::Url;

const ROUNDS: usize = 5;
/// How long a film is read before the seek, as fast as it comes.
const BEFORE: Duration = Duration::from_millis(1200);

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
            let from = part(length, place);
            byte.add(kind, after_reading(case, kind, &torrent, |url| first_byte(url, Some(from), Instant::now()))?);
            let second = u32::try_from(part(Film::SECONDS.into(), place)).context("a minute")?;
            let figure = after_reading(case, kind, &torrent, |url| first_frame(url, Some(second), Instant::now()))?;
            frame.add(kind, figure);
        }
    }
    byte.print();
    frame.print();
    Ok(())
}

/// What is measured of a client that has read a film from its beginning for a while, and stopped.
fn after_reading(case: &Case, kind: Kind, torrent: &[u8], measure: impl FnOnce(&Url) -> Result<f64>) -> Result<f64> {
    let mut client = Client::start(case, kind)?;
    let url = client.open(torrent)?;
    let mut body = http::get(&url, None)?;
    let mut buffer = vec![0; 64 * 1024];
    let end = Instant::now() + BEFORE;
    while Instant::now() < end && body.read(&mut buffer)? > 0 {}
    drop(body);
    measure(&url).with_context(|| kind.name())
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "some megabytes, and a share of them"
)]
fn part(whole: u64, share: f64) -> u64 {
    (whole as f64 * share) as u64
}
