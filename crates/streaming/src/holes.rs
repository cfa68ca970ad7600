//! Pieces that were dropped from the disk while librqbit still counts them among those it has.
//!
//! librqbit has no way to forget a piece. So a hole is made in two steps. First the piece is noted here and then taken off the disk: from
//! then on reading it fails, which cuts off the peer that asked for it, and never gives zeros. Later, when somebody missed it, the torrent
//! is handed to librqbit anew without it ([`crate::handover`]). What is noted is written down before anything is taken off the disk, and
//! taken out of librqbit's own notes before it reads them at the next start: a kill between any two steps does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::InfoHash;
use crate::replace::replace_durably;

/// The holes of all torrents.
#[derive(Debug)]
pub(crate) struct AllHoles {
    folder: PathBuf,
    by_torrent: Mutex<BTreeMap<InfoHash, Arc<Holes>>>,
    /// Rings when a piece was missed, or room is wanted.
    pub(crate) missed: Arc<Notify>,
    is_room_wanted: Arc<AtomicBool>,
}

/// The holes of a torrent.
#[derive(Debug)]
pub(crate) struct Holes {
    file: PathBuf,
    /// Held for reading while pieces are read: a piece is noted when nobody reads any more.
    dropped: RwLock<BTreeSet<u32>>,
    was_missed: AtomicBool,
    bell: Arc<Notify>,
    is_room_wanted: Arc<AtomicBool>,
}

/// A piece is not on the disk any more.
#[derive(Debug, thiserror::Error)]
#[error("this part was dropped to make room")]
pub(crate) struct Dropped;

impl AllHoles {
    /// Takes what the last run noted out of librqbit's notes below `session`, before it reads them.
    pub(crate) fn start(folder: PathBuf, session: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "holes") {
                continue;
            }
            let notes = session.join(path.with_extension("bitv").file_name().unwrap_or_default());
            mask(&notes, &std::fs::read(&path)?)?;
            std::fs::remove_file(&path)?;
        }
        Ok(Self { folder, by_torrent: Mutex::default(), missed: Arc::default(), is_room_wanted: Arc::default() })
    }

    pub(crate) fn of(&self, info_hash: InfoHash) -> Arc<Holes> {
        let mut all = self.by_torrent.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Holes {
            file: self.folder.join(format!("{info_hash}.holes")),
            dropped: RwLock::default(),
            was_missed: AtomicBool::default(),
            bell: self.missed.clone(),
            is_room_wanted: self.is_room_wanted.clone(),
        };
        all.entry(info_hash).or_insert_with(|| Arc::new(new())).clone()
    }
}

impl AllHoles {
    /// Whether somebody wanted room since this was asked last.
    pub(crate) fn was_room_wanted(&self) -> bool {
        self.is_room_wanted.swap(false, Ordering::Relaxed)
    }
}

impl Holes {
    /// Somebody writes and the disk is full: more is to be dropped, at once.
    pub(crate) fn want_room(&self) {
        self.is_room_wanted.store(true, Ordering::Relaxed);
        self.bell.notify_one();
    }

    /// Reads pieces that are there.
    pub(crate) fn read<T>(
        &self,
        pieces: RangeInclusive<u32>,
        read: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let dropped = self.dropped.read().unwrap_or_else(PoisonError::into_inner);
        if dropped.range(pieces).next().is_some() {
            drop(dropped);
            self.note_missed();
            return Err(Dropped.into());
        }
        read()
    }

    pub(crate) fn contains(&self, piece: u32) -> bool {
        self.dropped.read().unwrap_or_else(PoisonError::into_inner).contains(&piece)
    }

    pub(crate) fn all(&self) -> BTreeSet<u32> {
        self.dropped.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.dropped.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Somebody wants a piece that was dropped.
    pub(crate) fn note_missed(&self) {
        self.was_missed.store(true, Ordering::Relaxed);
        self.bell.notify_one();
    }

    pub(crate) fn was_missed(&self) -> bool {
        self.was_missed.load(Ordering::Relaxed)
    }

    /// Notes pieces, durably: when this returns they may be taken off the disk. Blocks on the disk.
    pub(crate) fn add(&self, pieces: &BTreeSet<u32>) -> io::Result<()> {
        let all = self.all().union(pieces).copied().collect::<BTreeSet<_>>();
        replace_durably(&self.file, &bits(&all))?;
        *self.dropped.write().unwrap_or_else(PoisonError::into_inner) = all;
        Ok(())
    }

    /// Forgets them where nothing believes any more that they are there; they may come back.
    pub(crate) fn forget(&self) {
        self.dropped.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.was_missed.store(false, Ordering::Relaxed);
    }

    /// Forgets what was written down, too, once librqbit's notes say the same. Blocks on the disk.
    pub(crate) fn erase(&self) {
        match std::fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // At worst pieces that came back are fetched once more after the next start.
                tracing::warn!(%error, "the note of dropped pieces stays");
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Takes them out of librqbit's notes of what is there.
    pub(crate) fn mask(&self, have: &mut [u8]) {
        clear_bits(have, &bits(&self.all()));
    }
}

/// As librqbit writes down pieces: the first is the highest bit of the first byte.
fn bits(pieces: &BTreeSet<u32>) -> Vec<u8> {
    let mut bytes = vec![0; pieces.last().map_or(0, |last| *last as usize / 8 + 1)];
    for piece in pieces {
        bytes[*piece as usize / 8] |= 0x80 >> (piece % 8);
    }
    bytes
}

fn clear_bits(have: &mut [u8], dropped: &[u8]) {
    for (have, dropped) in have.iter_mut().zip(dropped) {
        *have &= !dropped;
    }
}

fn mask(notes: &Path, dropped: &[u8]) -> io::Result<()> {
    let mut have = match std::fs::read(notes) {
        Ok(have) => have,
        // Then all is checked.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    clear_bits(&mut have, dropped);
    replace_durably(notes, &have)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_dropped_is_not_believed_after_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let session = folder.path().join("session");
        std::fs::create_dir(&session).unwrap();
        let info_hash = InfoHash([7; 20]);
        let notes = session.join(format!("{info_hash}.bitv"));
        std::fs::write(&notes, [0xff, 0xff, 0xc0]).unwrap();
        let start = || AllHoles::start(folder.path().join("holes"), &session).unwrap();
        let holes = start().of(info_hash);
        holes.add(&BTreeSet::from([0, 9])).unwrap();
        holes.add(&BTreeSet::from([17])).unwrap();
        drop(holes);
        let holes = start().of(info_hash);
        assert_eq!(std::fs::read(&notes).unwrap(), [0x7f, 0xbf, 0x80]);
        assert!(holes.is_empty());
        // And only once: what comes back counts.
        std::fs::write(&notes, [0xff, 0xff, 0xc0]).unwrap();
        start();
        assert_eq!(std::fs::read(&notes).unwrap(), [0xff, 0xff, 0xc0]);
    }

    #[test]
    fn what_was_dropped_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let all = AllHoles::start(folder.path().join("holes"), folder.path()).unwrap();
        let holes = all.of(InfoHash([7; 20]));
        holes.add(&BTreeSet::from([3])).unwrap();
        assert!(holes.read(0..=2, || Ok(())).is_ok() && !holes.was_missed());
        let error = holes.read(2..=4, || Ok(())).unwrap_err();
        assert!(error.is::<Dropped>() && holes.was_missed());
        let mut have = vec![0xff];
        holes.mask(&mut have);
        assert_eq!(have, [0xef]);
        holes.forget();
        assert!(holes.read(2..=4, || Ok(())).is_ok() && !holes.was_missed());
    }
}
