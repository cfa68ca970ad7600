//! Writes down which pieces are there, so that an app that is killed goes on where it was.
//!
//! librqbit does so after every 16 MiB, at a download's end, and when it is ended in an orderly way: half of a short film, and minutes
//! on a slow line, would be fetched again. The file is librqbit's own, one bit a piece; what is written here it could have written itself.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use librqbit::{Api, Session};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::flushed::{self, Notes};
use crate::registry::Registry;
use crate::torrents::Torrents;

/// How often to look. What a kill can cost is what comes in so long.
const TICK: Duration = Duration::from_secs(3);

/// Begins to keep what is known of torrents' files for the next run: which pieces are there, and what was flushed to the disk.
pub(crate) fn start(
    state_dir: &Path,
    session: &Arc<Session>,
    torrents: &Arc<Torrents>,
    registry: &Arc<Registry>,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) {
    let folder = crate::session::folder(state_dir);
    tasks.spawn(keep_written(session.clone(), torrents.clone(), folder, cancel.clone()));
    let (known, records, notes) = (torrents.clone(), registry.clone(), Notes::new(state_dir));
    tasks.spawn(flushed::keep_noted(session.clone(), known, records, notes, cancel.clone()));
}

/// Keeps librqbit's files below `folder` up to date until `cancel`. A write that falls together with one of librqbit's may leave the older
/// of the two; what is missing in it is fetched again.
async fn keep_written(session: Arc<Session>, torrents: Arc<Torrents>, folder: PathBuf, cancel: CancellationToken) {
    let api = Api::new(session, None);
    let mut written = HashMap::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Once more at the end: librqbit leaves it to a task that the end of the runtime may cut off.
        let goes_on = cancel.run_until_cancelled(ticks.tick()).await.is_some();
        let all = torrents.all();
        written.retain(|info_hash, _| all.iter().any(|torrent| torrent.info.info_hash == *info_hash));
        for torrent in &all {
            let info_hash = torrent.info.info_hash;
            // While it is handed over, this file is written by whoever does that.
            let Ok(_selecting) = torrent.selecting.try_lock() else { continue };
            if torrent.is_leaving() {
                continue;
            }
            // Neither while it is checked nor after it failed: then nothing is known for certain.
            let Ok((pieces, _)) = api.api_dump_haves(torrent.handle.id().into()) else { continue };
            let count = pieces.count_ones();
            if written.insert(info_hash, count).is_none_or(|before| before == count) {
                continue;
            }
            // For when it fails: then librqbit does not tell any more.
            torrent.known_peers();
            let file = folder.join(format!("{info_hash}.bitv"));
            let mut bytes = pieces.as_raw_slice().to_vec();
            torrent.holes.mask(&mut bytes);
            let done = tokio::task::spawn_blocking(move || overwrite(&file, &bytes)).await;
            if let Ok(Err(error)) = done {
                tracing::debug!(%info_hash, %error, "it is not written down which pieces are there");
            }
        }
        if !goes_on {
            return;
        }
    }
}

/// In place, for librqbit holds the file open. One that is gone stays gone: so is its torrent.
fn overwrite(file: &Path, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).open(file)?.write_all(bytes)
}
