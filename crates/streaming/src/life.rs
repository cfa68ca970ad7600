//! What torrents give and cost, when they have given enough, and what the user does to them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use librqbit::{Session, TorrentStatsState};
use tokio_util::sync::CancellationToken;

use crate::engine::Inner;
use crate::registry::{Record, Registry};
use crate::torrents::{Torrent, Torrents, describe};
use crate::{Account, ActError, Engine, InfoHash, Keeping, Limits};

/// How often to look: what a limit of seconds is kept to.
const TICK: Duration = Duration::from_secs(1);
/// Ticks after which what changed is written down: what a kill makes the account forget.
const FLUSH_EVERY: u32 = 15;
/// Ticks between two looks at the disk.
const MEASURE_EVERY: u32 = 3;

impl Engine {
    /// Changes the limits of the engine that runs, but for [`Limits::peers`].
    pub fn set_limits(&self, limits: Limits) {
        limits.apply(&self.0.session);
        self.0.limits.send_replace(limits);
    }

    /// What a torrent gave and costs, or `None` when it has not been added.
    #[must_use]
    pub fn account(&self, info_hash: InfoHash) -> Option<Account> {
        let torrent = self.0.torrents.get(info_hash)?;
        let record = self.0.registry.get(info_hash);
        let keeping = match &record {
            Some(Record { shared: Some(_), .. }) => Keeping::Own,
            Some(record) if !record.life.kept => Keeping::Cached,
            Some(_) | None => Keeping::Kept,
        };
        let life = record.map(|record| record.life).unwrap_or_default();
        Some(Account {
            uploaded_bytes: life.uploaded_bytes,
            seeded: Duration::from_secs(life.seeded_s),
            disk_bytes: torrent.disk_bytes.load(Ordering::Relaxed),
            keeping,
        })
    }

    /// Stops a torrent's exchange with others until it is resumed, or opened while something of it is missing. What is there
    /// can be read meanwhile.
    ///
    /// # Errors
    /// See [`ActError`].
    pub async fn pause(&self, info_hash: InfoHash) -> Result<(), ActError> {
        let torrent = self.0.torrents.get(info_hash).ok_or(ActError::UnknownTorrent)?;
        torrent.is_insisted.store(false, Ordering::Relaxed);
        halt(&self.0.session, &torrent).await
    }

    /// Lets a torrent go on that was paused, that has given enough ([`Limits::seed_ratio`], [`Limits::seed_time`]: they do not hold
    /// for it any more in this run), or that has failed.
    ///
    /// # Errors
    /// See [`ActError`].
    pub async fn resume(&self, info_hash: InfoHash) -> Result<(), ActError> {
        let torrent = self.0.torrents.get(info_hash).ok_or(ActError::UnknownTorrent)?;
        torrent.is_insisted.store(true, Ordering::Relaxed);
        go_on(&self.0, &torrent).await
    }

    /// [`Engine::pause`] for all torrents, as far as it can be had.
    pub async fn pause_all(&self) {
        for torrent in self.0.torrents.all() {
            torrent.is_insisted.store(false, Ordering::Relaxed);
            if let Err(error) = halt(&self.0.session, &torrent).await {
                tracing::warn!(info_hash = %torrent.info.info_hash, %error, "a torrent is not paused");
            }
        }
    }

    /// Lets all torrents go on that are paused, but for those of which nothing was ever opened.
    pub async fn resume_all(&self) {
        for torrent in self.0.torrents.all() {
            let record = self.0.registry.get(torrent.info.info_hash);
            let is_wanted = record.is_none_or(|record| record.shared.is_some() || record.life.opened_ms > 0)
                || torrent.handle.only_files().is_none_or(|only| !only.is_empty());
            if !is_wanted || torrent.failure().is_some() {
                continue;
            }
            if let Err(error) = go_on(&self.0, &torrent).await {
                tracing::warn!(info_hash = %torrent.info.info_hash, %error, "a torrent is not resumed");
            }
        }
    }

    /// Keeps what was downloaded of a torrent, or lets it make room for others under [`Limits::cache_bytes`]. Files of the user's
    /// own are always kept.
    ///
    /// # Errors
    /// See [`ActError`].
    pub async fn set_kept(&self, info_hash: InfoHash, kept: bool) -> Result<(), ActError> {
        let torrent = self.0.torrents.get(info_hash).ok_or(ActError::UnknownTorrent)?;
        let registry = self.0.registry.clone();
        registry.live(info_hash, |life| life.kept = kept);
        let opened = torrent.opened();
        if kept && !torrent.holes.is_empty() {
            // What was dropped of it has to come again.
            crate::handover::renew(&self.0, &torrent, Some(opened.into_iter().collect())).await;
        } else if kept {
            for index in opened {
                self.0.tasks.spawn(crate::register::select(self.0.clone(), torrent.clone(), index));
            }
        }
        let written = self.0.tasks.spawn_blocking(move || registry.flush()).await;
        match written {
            Ok(Err(error)) => Err(ActError::Engine(format!("it cannot be written down: {error}"))),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

/// Pauses a torrent that is not paused.
async fn halt(session: &Session, torrent: &Torrent) -> Result<(), ActError> {
    let _selecting = torrent.selecting.lock().await;
    if torrent.is_leaving() {
        return Err(ActError::Engine("it makes room just now; please try again".into()));
    }
    // One that failed exchanges nothing either.
    if torrent.handle.is_paused() || torrent.failure().is_some() {
        return Ok(());
    }
    session.pause(&torrent.handle).await.map_err(|error| ActError::Engine(describe(&error)))
}

/// Lets a torrent go on that is paused or has failed.
pub(crate) async fn go_on(inner: &Arc<Inner>, torrent: &Arc<Torrent>) -> Result<(), ActError> {
    if let Some(why) = torrent.trouble() {
        return Err(ActError::Engine(why));
    }
    if torrent.is_out_of_space() {
        crate::handover::renew(inner, torrent, None).await;
        return Ok(());
    }
    let _selecting = torrent.selecting.lock().await;
    if torrent.is_leaving() {
        return Err(ActError::Engine("it makes room just now; please try again".into()));
    }
    if !torrent.handle.is_paused() && torrent.failure().is_none() {
        return Ok(());
    }
    inner.session.unpause(&torrent.handle).await.map_err(|error| ActError::Engine(describe(&error)))
}

/// Notes that a file of a torrent is opened now.
pub(crate) fn note_opened(registry: &Registry, info_hash: InfoHash) {
    // A clock before 1970 only makes it the first to go.
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
    registry.live(info_hash, |life| life.opened_ms = now);
}

/// Keeps the account of all torrents until `cancel`, and pauses those that have given enough.
pub(crate) async fn keep_account(
    session: Arc<Session>,
    torrents: Arc<Torrents>,
    registry: Arc<Registry>,
    limits: tokio::sync::watch::Receiver<Limits>,
    cancel: CancellationToken,
) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count = 0_u32;
    loop {
        let goes_on = cancel.run_until_cancelled(ticks.tick()).await.is_some();
        let limits = *limits.borrow();
        for torrent in torrents.all() {
            if has_given_enough(&torrent, &registry, &limits) && goes_on {
                tracing::info!(info_hash = %torrent.info.info_hash, "it has given enough and pauses");
                if let Err(error) = halt(&session, &torrent).await {
                    tracing::warn!(info_hash = %torrent.info.info_hash, %error, "a torrent is not paused");
                }
            }
        }
        if !goes_on || count.is_multiple_of(FLUSH_EVERY) {
            let registry = registry.clone();
            let flushed = tokio::task::spawn_blocking(move || registry.flush()).await;
            if let Ok(Err(error)) = flushed {
                tracing::warn!(%error, "the registry of torrents cannot be written");
            }
        }
        if !goes_on {
            return;
        }
        if count.is_multiple_of(MEASURE_EVERY) {
            measure_all(&torrents, &registry).await;
        }
        count = count.wrapping_add(1);
    }
}

/// Adds the last tick to a torrent's account.
fn has_given_enough(torrent: &Torrent, registry: &Registry, limits: &Limits) -> bool {
    let info_hash = torrent.info.info_hash;
    let stats = torrent.handle.stats();
    // librqbit counts anew from each pause on.
    let before = torrent.uploaded_bytes.swap(stats.uploaded_bytes, Ordering::Relaxed);
    let new = if stats.uploaded_bytes >= before { stats.uploaded_bytes - before } else { stats.uploaded_bytes };
    let have: u64 = stats.file_progress.iter().sum();
    let seeds = matches!(stats.state, TorrentStatsState::Live) && stats.finished && have > 0;
    registry.live(info_hash, |life| {
        life.uploaded_bytes = life.uploaded_bytes.saturating_add(new);
        life.seeded_s += u64::from(seeds) * TICK.as_secs();
    });
    let Some(Record { shared: None, life, .. }) = registry.get(info_hash) else { return false };
    seeds
        && !torrent.is_insisted.load(Ordering::Relaxed)
        && limits.is_enough(life.uploaded_bytes, have, Duration::from_secs(life.seeded_s))
}

/// Looks at what the torrents take up on the disk.
pub(crate) async fn measure_all(torrents: &Torrents, registry: &Arc<Registry>) {
    let (all, registry) = (torrents.all(), registry.clone());
    let measured = tokio::task::spawn_blocking(move || {
        for torrent in &all {
            if let Some(record) = registry.get(torrent.info.info_hash) {
                torrent.disk_bytes.store(disk_bytes(torrent, &record), Ordering::Relaxed);
            }
        }
    });
    if measured.await.is_err() {
        tracing::warn!("what torrents take up on the disk could not be measured");
    }
}

fn disk_bytes(torrent: &Torrent, record: &Record) -> u64 {
    let paths = match &record.shared {
        Some(files) => files.iter().map(|file| record.folder.join(&file.path)).collect::<Vec<_>>(),
        None => torrent.info.files.iter().map(|file| record.folder.join(&file.path)).collect(),
    };
    paths.iter().filter_map(|path| allocated(path).ok()).sum()
}

/// What a file takes up: a file with holes is longer.
#[cfg(unix)]
fn allocated(path: &Path) -> std::io::Result<u64> {
    /// The unit of `st_blocks`, whatever the file system's own is (stat(3type)).
    const BLOCK: u64 = 512;
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(path)?.blocks() * BLOCK)
}

#[cfg(not(unix))]
fn allocated(path: &Path) -> std::io::Result<u64> {
    Ok(std::fs::metadata(path)?.len())
}
