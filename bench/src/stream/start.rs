//! From the torrent to the picture.

use super::{Client, Film, Swarm, Table, first_byte, first_frame, kinds};
use anyhow::{Context as _, Result};
use std::time::Instant;
use streamshare_tests::Case;

const ROUNDS: usize = 5;

pub(super) fn run(case: &Case, mut swarm: Swarm, piece_kib: u32) -> Result<()> {
    swarm.usual()?;
    let mib = piece_kib / 1024;
    let mut byte = Table::new(format!("first byte, {mib} MiB"), "s");
    let torrent = swarm.seed(Film::Fast, piece_kib)?;
    for _ in 0..ROUNDS {
        for kind in kinds() {
            let mut client = Client::start(case, kind)?;
            let begun = Instant::now();
            let url = client.open(&torrent)?;
            byte.add(kind, first_byte(&url, None, begun).with_context(|| kind.name())?);
        }
    }
    byte.print();
    for film in [Film::Fast, Film::Tail, Film::Mkv] {
        let torrent = swarm.seed(film, piece_kib)?;
        let mut frame = Table::new(format!("first frame of {}, {mib} MiB", film.name()), "s");
        for _ in 0..ROUNDS {
            for kind in kinds() {
                let mut client = Client::start(case, kind)?;
                let begun = Instant::now();
                let url = client.open(&torrent)?;
                frame.add(kind, first_frame(&url, None, begun).with_context(|| kind.name())?);
            }
        }
        frame.print();
    }
    Ok(())
}
