//! Whether a torrent's files are where they should be.
//!
//! librqbit makes what folders it lacks: with a drive that is not plugged in it would download everything again, on the disk below. So a
//! torrent stops while its folder is not there, and goes on when it is back.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::Inner;
use crate::handover::renew;
use crate::registry::{Record, SharedFile};
use crate::torrents::Torrent;

/// How often to look.
const TICK: Duration = Duration::from_secs(2);

/// Looks at the folders until the engine ends.
pub(crate) async fn keep_watch(inner: Weak<Inner>, cancel: CancellationToken) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        let Some(inner) = inner.upgrade() else { return };
        for torrent in inner.torrents.all() {
            let Some(record) = inner.registry.get(torrent.info.info_hash) else { continue };
            // A drive that does not answer holds up nothing else.
            let Ok(now) = tokio::task::spawn_blocking(move || trouble(&record)).await else { continue };
            match (torrent.trouble(), now) {
                (before, Some(now)) if before.as_ref() != Some(&now) => stop(&inner, &torrent, now).await,
                (Some(_), None) => {
                    tracing::info!(info_hash = %torrent.info.info_hash, "its files are back");
                    renew(&inner, &torrent, None).await;
                }
                (Some(_) | None, Some(_)) | (None, None) => {}
            }
        }
    }
}

async fn stop(inner: &Inner, torrent: &Arc<Torrent>, why: String) {
    let _selecting = torrent.selecting.lock().await;
    if torrent.is_leaving() || torrent.cancel.is_cancelled() {
        return;
    }
    tracing::warn!(info_hash = %torrent.info.info_hash, "its files are not where they were");
    let is_new = torrent.trouble().is_none();
    torrent.set_trouble(why);
    if is_new
        && !torrent.handle.is_paused()
        && let Err(error) = inner.session.pause(&torrent.handle).await
    {
        // It is checked just now, or has failed by itself.
        tracing::debug!(error = format!("{error:#}"), "it is not paused");
    }
}

/// What is wrong with the place of a torrent's files, in a sentence, if anything is. Blocks on the disk.
pub(crate) fn trouble(record: &Record) -> Option<String> {
    let Some(files) = &record.shared else { return cannot_be_used(&record.folder) };
    files.iter().find_map(|file| match SharedFile::read(&record.folder, file.path.clone()) {
        Ok(now) if now == *file => None,
        Ok(_) => Some(format!("{} has changed since it was shared", file.path.display())),
        Err(error) => Some(cannot_be_used(&record.folder).unwrap_or_else(|| told(&file.path, &error))),
    })
}

fn cannot_be_used(folder: &Path) -> Option<String> {
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => None,
        Ok(_) => Some(format!("{} is no folder any more", folder.display())),
        Err(error) => Some(told(folder, &error)),
    }
}

fn told(path: &Path, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        format!("{} is gone", path.display())
    } else {
        format!("{} cannot be used: {error}", path.display())
    }
}
