//! Keeps what was downloaded and is not to be kept within [`Limits::cache_bytes`](crate::Limits::cache_bytes).
//!
//! Torrents that were opened least recently are dropped first, as a whole. When the ones that are watched exceed the limit by themselves,
//! pieces go, those behind the place that is read first; such a torrent downloads only what is read, no more the rest of its files.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use librqbit::TorrentMetadata;
use tokio::time::Instant;

use crate::engine::Inner;
use crate::handover::renew;
use crate::readers::At;
use crate::ready::Places;
use crate::register;
use crate::registry::Record;
use crate::torrents::Torrent;

/// How often to look at the disk.
const TICK: Duration = Duration::from_secs(1);
/// The part of the limit that is freed beyond what has to be: dropping a little each second would cost more than it frees.
const SLACK_SHARE: u64 = 16;
/// Bytes behind a place that is read which stay. A player has taken more than it shows: WebKitGTK some 2 MB, Chromium up to 150 MB of
/// which it plays on without asking again.
const BEHIND: u64 = 64 << 20;
/// Bytes ahead of it which stay: librqbit fetches 32 MiB ahead of each reader.
pub(crate) const AHEAD: u64 = 48 << 20;
/// Bytes at the start and at the end of a file which stay: containers keep their index there.
const ENDS: u64 = 4 << 20;
/// Bytes of the disk that are left to others, and to what comes in before the next look.
const RESERVE: u64 = 128 << 20;
/// Where there is less than several times as much it is such a part of the room.
const RESERVE_SHARE: u64 = 4;
/// Bytes that are to be free before a download that cannot make room for itself goes on, unless it lacks less.
const RETRY: u64 = 64 << 20;
/// Peers that ask for what was dropped are told after so long at the latest; a reader is not kept waiting.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// Keeps the limit until the engine ends.
pub(crate) async fn keep_limit(inner: std::sync::Weak<Inner>, cancel: tokio_util::sync::CancellationToken) {
    let Some(bell) = inner.upgrade().map(|inner| inner.holes.missed.clone()) else { return };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut renewed = Instant::now();
    loop {
        let waiting = async {
            tokio::select! {
                _ = ticks.tick() => true,
                () = bell.notified() => false,
            }
        };
        let Some(is_tick) = cancel.run_until_cancelled(waiting).await else { return };
        let Some(inner) = inner.upgrade() else { return };
        let is_peers_turn = renewed.elapsed() >= RENEW_EVERY;
        for torrent in inner.torrents.all() {
            let is_awaited = torrent.holes.was_missed() && (is_peers_turn || stands_at_hole(&torrent));
            if is_awaited {
                renewed = Instant::now();
                renew(&inner, &torrent, None).await;
            }
        }
        if inner.holes.was_room_wanted() || is_tick {
            enforce(&inner).await;
        }
        if is_tick {
            revive_failed(&inner).await;
        }
    }
}

/// Whether a file may be downloaded as a whole: not where it exceeds the cache by itself, or parts of its torrent were dropped.
pub(crate) fn fits(inner: &Inner, torrent: &Torrent, index: usize) -> bool {
    let Some(limit) = inner.limits.borrow().cache_bytes else { return true };
    let record = inner.registry.get(torrent.info.info_hash);
    let is_cached = record.is_some_and(|record| record.shared.is_none() && !record.life.kept);
    let length = torrent.info.files.get(index).map_or(0, |file| file.length);
    let used = torrent.disk_bytes.load(Ordering::Relaxed);
    let limit = room(limit.get(), used, crate::free_bytes(&inner.config.download_dir));
    !is_cached || (length <= limit && torrent.holes.is_empty())
}

/// Whether a reader waits for a piece that was dropped.
fn stands_at_hole(torrent: &Torrent) -> bool {
    let Some(places) = crate::ready::places(&torrent.handle) else { return false };
    let piece = |at: &At| places.piece_at(at.file_index, at.position);
    torrent.readers.places().iter().filter_map(piece).any(|piece| torrent.holes.contains(piece))
}

async fn enforce(inner: &Arc<Inner>) {
    let Some(limit) = inner.limits.borrow().cache_bytes.map(std::num::NonZeroU64::get) else { return };
    let mut cached = cached(inner);
    if cached.is_empty() {
        return;
    }
    crate::life::measure_all(&inner.torrents, &inner.registry).await;
    let used =
        |cached: &[Cached]| -> u64 { cached.iter().map(|one| one.torrent.disk_bytes.load(Ordering::Relaxed)).sum() };
    let limit = room(limit, used(&cached), crate::free_bytes(&inner.config.download_dir));
    if used(&cached) <= limit {
        return;
    }
    let goal = limit - limit / SLACK_SHARE;
    // The least recently opened first; the last one is the one that is on, or comes next.
    cached.sort_by_key(|one| one.opened_ms);
    let mut left = cached.len();
    let mut excess = used(&cached).saturating_sub(goal);
    for one in &cached {
        let bytes = one.torrent.disk_bytes.load(Ordering::Relaxed);
        left -= 1;
        if excess == 0 || left == 0 {
            break;
        }
        if one.torrent.readers.is_read() || bytes == 0 {
            continue;
        }
        tracing::info!(info_hash = %one.torrent.info.info_hash, bytes, "dropped to make room");
        match register::remove(inner.clone(), one.torrent.info.info_hash, true).await {
            Ok(()) => excess = excess.saturating_sub(bytes),
            Err(error) => tracing::warn!(%error, "a torrent cannot be dropped"),
        }
    }
    for one in cached.iter().filter(|one| !one.torrent.cancel.is_cancelled()) {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(thin_out(inner, &one.torrent, limit, excess).await);
    }
}

/// The limit that holds on a disk with so many bytes free: what others write there makes it smaller. Of little room a part is used all the
/// same.
fn room(limit: u64, used: u64, free: Option<u64>) -> u64 {
    let Some(all) = free.map(|free| used.saturating_add(free)) else { return limit };
    limit.min(all - RESERVE.min(all / RESERVE_SHARE))
}

/// Lets torrents go on that failed on a full disk, where there is room for them now.
async fn revive_failed(inner: &Arc<Inner>) {
    let has_limit = inner.limits.borrow().cache_bytes.is_some();
    for torrent in inner.torrents.all().into_iter().filter(|torrent| torrent.is_out_of_space()) {
        let Some(record) = inner.registry.get(torrent.info.info_hash) else { continue };
        let Some(places) = crate::ready::places(&torrent.handle) else { continue };
        let makes_room = has_limit && record.shared.is_none() && !record.life.kept;
        let selected = torrent.handle.only_files().unwrap_or_default();
        let all: u64 = selected.iter().filter_map(|index| places.files.get(*index)).map(|file| file.length).sum();
        // One that makes room for itself goes on with a few pieces; another one would fail again.
        let needed = if makes_room {
            places.piece_length * 2
        } else {
            all.saturating_sub(torrent.disk_bytes.load(Ordering::Relaxed)).min(RETRY)
        };
        if crate::free_bytes(&record.folder).is_some_and(|free| free > needed) {
            tracing::info!(info_hash = %torrent.info.info_hash, "there is room again");
            let only_files = (!torrent.holes.is_empty()).then(Vec::new);
            renew(inner, &torrent, only_files).await;
        }
    }
}

/// A torrent that may be dropped.
struct Cached {
    torrent: Arc<Torrent>,
    opened_ms: u64,
}

fn cached(inner: &Inner) -> Vec<Cached> {
    let all = inner.torrents.all().into_iter();
    let of = |torrent: Arc<Torrent>| {
        let Record { shared, life, .. } = inner.registry.get(torrent.info.info_hash)?;
        (shared.is_none() && !life.kept).then_some(Cached { torrent, opened_ms: life.opened_ms })
    };
    all.filter_map(of).collect()
}

/// Drops pieces of a torrent that is watched; answers how many bytes that freed.
async fn thin_out(inner: &Arc<Inner>, torrent: &Arc<Torrent>, limit: u64, excess: u64) -> u64 {
    let _selecting = torrent.selecting.lock().await;
    if torrent.is_leaving() {
        return 0;
    }
    let Some(notes) = crate::handover::notes(inner, torrent).await else { return 0 };
    let (Some(places), dropped) = (crate::ready::places(&torrent.handle), torrent.holes.all()) else { return 0 };
    let has = |piece: u32| notes.get(piece as usize / 8).is_some_and(|bits| bits & (0x80 >> (piece % 8)) != 0);
    let (there, unfinished): (Vec<u32>, Vec<u32>) =
        (0..torrent.info.piece_count).filter(|piece| !dropped.contains(piece)).partition(|piece| has(*piece));
    let mut pieces = expendable(&places, &torrent.readers.places(), &there, limit, excess);
    let has_failed = torrent.is_out_of_space();
    if has_failed {
        // What was begun is begun anew.
        pieces.extend(unfinished);
    }
    if pieces.is_empty() {
        return 0;
    }
    // From now on only what is read is fetched.
    if !has_failed
        && torrent.handle.only_files().is_none_or(|only| !only.is_empty())
        && let Err(error) = inner.session.update_only_files(&torrent.handle, &std::collections::HashSet::new()).await
    {
        tracing::warn!(error = format!("{error:#}"), "a torrent that exceeds the cache goes on downloading");
        return 0;
    }
    let one = torrent.clone();
    let freed = tokio::task::spawn_blocking(move || drop_pieces(&one, &places, &pieces)).await;
    match freed {
        Ok(Ok(freed)) => {
            tracing::debug!(info_hash = %torrent.info.info_hash, freed, "parts dropped to make room");
            freed
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "parts of a torrent cannot be dropped");
            0
        }
        Err(_) => 0,
    }
}

/// Which of the pieces that are there to drop, to free so many bytes: none near a place that is read, and the farthest behind first, then
/// the farthest ahead.
fn expendable(places: &Places, readers: &[At], there: &[u32], limit: u64, excess: u64) -> BTreeSet<u32> {
    // What each reader has of it, and a part that is always expendable.
    let share = limit / u64::try_from(readers.len().max(1)).unwrap_or(u64::MAX);
    let ahead = AHEAD.min(share / 8 * 5).max(places.piece_length);
    let behind = BEHIND.min(share / 4).min(share.saturating_sub(ahead) / 2);
    let ends = ENDS.min(share / 16);
    // In bytes of the torrent.
    let heads: Vec<u64> =
        readers.iter().filter_map(|at| Some(places.files.get(at.file_index)?.offset + at.position)).collect();
    let is_end = |from: u64, to: u64| {
        readers.iter().filter_map(|at| places.files.get(at.file_index)).any(|file| {
            let end = file.offset + file.length;
            let overlaps = |start: u64, stop: u64| from < stop && to > start;
            overlaps(file.offset, file.offset + ends) || overlaps(end.saturating_sub(ends), end)
        })
    };
    let mut ranked: Vec<(u64, u64, u32)> = Vec::new();
    for piece in there {
        let from = u64::from(*piece) * places.piece_length;
        let to = from + places.piece_length;
        let is_near = heads.iter().any(|head| to + behind > *head && from < head + ahead);
        if is_near || is_end(from, to) {
            continue;
        }
        // How far behind the foremost reader it lies; what is ahead of all of them comes after all that lies behind.
        let distance_behind = heads.iter().map(|head| head.saturating_sub(to)).max().unwrap_or(u64::MAX);
        let distance_ahead = heads.iter().map(|head| from.saturating_sub(*head)).min().unwrap_or(0);
        ranked.push((distance_behind, distance_ahead, *piece));
    }
    ranked.sort_unstable_by(|left, right| right.cmp(left));
    let count = usize::try_from(excess.div_ceil(places.piece_length)).unwrap_or(usize::MAX);
    ranked.into_iter().take(count).map(|(_, _, piece)| piece).collect()
}

/// Takes pieces off the disk; answers how many bytes they had. Blocks on the disk.
fn drop_pieces(torrent: &Torrent, places: &Places, pieces: &BTreeSet<u32>) -> io::Result<u64> {
    torrent.holes.add(pieces)?;
    let mut freed = 0;
    for (index, place) in places.files.iter().enumerate() {
        let ranges = pieces.iter().filter_map(|piece| places.part_in_file(*piece, index)).collect::<Vec<_>>();
        let Some(path) = torrent.file_path(index).filter(|_| !ranges.is_empty() && place.length > 0) else { continue };
        let file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            // It is in a piece with another file and was never opened.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for (offset, length) in ranges {
            match punch(&file, offset, length) {
                Ok(()) => freed += length,
                Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                    // A file system without holes: all of the file goes, and what is read comes again.
                    torrent.holes.add(&places.pieces_of(index).collect())?;
                    file.set_len(0)?;
                    freed += place.length;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Ok(freed)
}

/// Takes off the disk what it has of a download's pieces that `notes` do not name: what came just before a kill, or was begun. librqbit
/// fetches it anew, and nobody else would ever drop it. To be done before librqbit reads or writes any of it. Blocks on the disk.
pub(crate) fn clear(notes: &Path, folder: &Path, metadata: &TorrentMetadata) -> io::Result<()> {
    let have = match std::fs::read(notes) {
        Ok(have) => have,
        // Then all is checked.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let pieces = metadata.lengths().total_pieces();
    // What librqbit does not believe in, it checks.
    if have.len() != pieces.div_ceil(8) as usize {
        return Ok(());
    }
    let places = Places::of(metadata);
    for (index, (info, place)) in metadata.file_infos.iter().zip(&places.files).enumerate() {
        let of_file = places.pieces_of(index).filter(|_| place.length > 0);
        let missing = of_file.filter(|piece| have[*piece as usize / 8] & (0x80 >> (piece % 8)) == 0);
        let mut parts: Vec<(u64, u64)> = Vec::new();
        for (offset, length) in missing.filter_map(|piece| places.part_in_file(piece, index)) {
            match parts.last_mut() {
                Some((start, before)) if *start + *before == offset => *before += length,
                _ => parts.push((offset, length)),
            }
        }
        let file = match OpenOptions::new().write(true).open(folder.join(&info.relative_filename)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        parts.into_iter().try_for_each(|(offset, length)| punch(&file, offset, length))?;
    }
    Ok(())
}

/// Gives a part of a file back to the disk; it keeps its length.
#[cfg(target_os = "linux")]
fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(file, flags, offset, length).map_err(|error| match error {
        rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS => io::ErrorKind::Unsupported.into(),
        error => error.into(),
    })
}

#[cfg(not(target_os = "linux"))]
fn punch(_: &File, _: u64, _: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ready::Place;

    #[test]
    fn a_disk_that_others_fill_makes_the_cache_smaller() {
        const GB: u64 = 1_000_000_000;
        assert_eq!(room(10 * GB, 2 * GB, None), 10 * GB);
        assert_eq!(room(10 * GB, 2 * GB, Some(100 * GB)), 10 * GB);
        assert_eq!(room(10 * GB, 2 * GB, Some(GB)), 3 * GB - RESERVE);
        assert_eq!(room(10 * GB, 0, Some(0)), 0);
        // A disk that is nearly full has room for what is on.
        assert_eq!(room(10 * GB, 0, Some(100 << 20)), 75 << 20);
        assert_eq!(room(10 * GB, 90 << 20, Some(10 << 20)), 75 << 20);
    }

    #[test]
    fn what_lies_far_behind_goes_first() {
        const MIB: u64 = 1 << 20;
        let places = Places { piece_length: MIB, files: vec![Place { offset: 0, length: 1000 * MIB }] };
        let drop = |position: u64, there: &[u32], excess: u64| {
            let readers = [At { file_index: 0, position: position * MIB }];
            expendable(&places, &readers, there, 160 * MIB, excess * MIB).into_iter().collect::<Vec<_>>()
        };
        let all: Vec<u32> = (0..1000).collect();
        // The first 4 MiB stay, 40 behind the reader and 48 ahead of it.
        assert_eq!(drop(500, &all, 3), [4, 5, 6]);
        let most = drop(500, &all, 10_000);
        assert!(!most.contains(&3) && most.contains(&458) && !most.contains(&460), "{most:?}");
        assert!(!most.contains(&547) && most.contains(&549) && most.contains(&995) && !most.contains(&996), "{most:?}");
        // Behind goes before ahead, and the farthest ahead first.
        assert_eq!(drop(500, &[10, 700, 900], 1), [10]);
        assert_eq!(drop(500, &[700, 900], 1), [900]);
        assert_eq!(drop(500, &[490, 510], 5), Vec::<u32>::new());
    }
}
