//! Writes down which pieces are on the disk for certain, for torrents whose drive was away.
//!
//! librqbit forgets what it knew of a torrent whose files it cannot read when it starts, so all of it would be checked once the drive is
//! plugged in: for a shelf of films that takes hours. What librqbit had written down is no help, either: the last of it may never have
//! reached a drive that was pulled out. So the files of a torrent that does not grow any more are flushed, and how they are then is
//! written down beside the pieces that they have. While lengths and times are the same, so are those pieces: whatever was written later,
//! or lost, lies elsewhere or shows in the times. librqbit still takes its samples.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use librqbit::{Api, Session};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::InfoHash;
use crate::registry::{Registry, SharedFile};
use crate::replace::replace;
use crate::torrents::{Torrent, Torrents};

/// How often to look.
const TICK: Duration = Duration::from_secs(3);
/// A torrent that has not grown for so many looks is flushed: by then the system has written most of it by itself.
const STEADY_TICKS: u32 = 10;
/// How long the end of the app waits for what was not flushed before.
const END_WAIT: Duration = Duration::from_secs(3);

/// What is certain of a torrent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    /// One bit a piece, as librqbit has them, in hexadecimal digits.
    have: String,
    /// Its files as they were.
    files: Vec<SharedFile>,
}

/// Where what is known of torrents is written down.
#[derive(Debug, Clone)]
pub(crate) struct Notes(PathBuf);

impl Notes {
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("flushed"))
    }

    fn file(&self, info_hash: InfoHash) -> PathBuf {
        self.0.join(format!("{info_hash}.json"))
    }

    /// The pieces of a torrent in `folder`, where they are certain. Blocks on the disk.
    pub(crate) fn read(&self, info_hash: InfoHash, folder: &Path) -> Option<Vec<u8>> {
        let note: Note = serde_json::from_slice(&std::fs::read(self.file(info_hash)).ok()?).ok()?;
        let is_same = |file: &SharedFile| SharedFile::read(folder, file.path.clone()).is_ok_and(|now| now == *file);
        if !note.files.iter().all(is_same) {
            return None;
        }
        data_encoding::HEXLOWER.decode(note.have.as_bytes()).ok()
    }

    /// Flushes a torrent's files and notes the pieces, which were there before. Nothing is noted of one that is written to meanwhile. Blocks
    /// on the disk.
    fn write(&self, info_hash: InfoHash, have: &[u8], folder: &Path, paths: Vec<PathBuf>) -> io::Result<()> {
        let look = |paths: Vec<PathBuf>| -> Vec<_> {
            // Of what nobody wants there is no file.
            paths.into_iter().filter_map(|path| SharedFile::read(folder, path).ok()).collect()
        };
        let files = look(paths.clone());
        for file in &files {
            open(&folder.join(&file.path))?.sync_all()?;
        }
        let note = Note { have: data_encoding::HEXLOWER.encode(have), files };
        if look(paths) != note.files {
            return Ok(());
        }
        let (file, bytes) = (self.file(info_hash), serde_json::to_vec(&note)?);
        if std::fs::read(&file).is_ok_and(|before| before == bytes) {
            return Ok(());
        }
        std::fs::create_dir_all(&self.0)?;
        replace(&file, &bytes)
    }

    /// Forgets a torrent. Blocks on the disk.
    pub(crate) fn forget(&self, info_hash: InfoHash) {
        if let Err(error) = std::fs::remove_file(self.file(info_hash))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::debug!(%info_hash, %error, "a note stays");
        }
    }
}

/// Some systems flush only what is open for writing; what cannot be was not written to.
fn open(file: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(file).or_else(|_| File::open(file))
}

/// Notes what there is of each torrent once it does not grow any more, and at the end.
pub(crate) async fn keep_noted(
    session: Arc<Session>,
    torrents: Arc<Torrents>,
    registry: Arc<Registry>,
    notes: Notes,
    cancel: CancellationToken,
) {
    let api = Api::new(session, None);
    let mut known: HashMap<InfoHash, Growth> = HashMap::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while cancel.run_until_cancelled(ticks.tick()).await.is_some() {
        let all = torrents.all();
        known.retain(|info_hash, _| all.iter().any(|torrent| torrent.info.info_hash == *info_hash));
        for torrent in &all {
            let Some(have) = pieces(&api, torrent) else { continue };
            let growth = known.entry(torrent.info.info_hash).or_default();
            if growth.is_due(&have) {
                note(&notes, &registry, torrent, have).await;
            }
        }
    }
    let rest = async {
        for torrent in &torrents.all() {
            let Some(have) = pieces(&api, torrent) else { continue };
            if known.get(&torrent.info.info_hash).is_none_or(|growth| growth.noted.as_ref() != Some(&have)) {
                note(&notes, &registry, torrent, have).await;
            }
        }
    };
    if tokio::time::timeout(END_WAIT, rest).await.is_err() {
        tracing::debug!("the end does not wait for the disk");
    }
}

/// How a torrent grows.
#[derive(Debug, Default)]
struct Growth {
    have: Vec<u8>,
    /// For how many looks it has been so.
    steady: u32,
    noted: Option<Vec<u8>>,
}

impl Growth {
    /// Whether it is to be noted now.
    fn is_due(&mut self, have: &[u8]) -> bool {
        if self.have != have {
            (self.have, self.steady) = (have.to_vec(), 0);
        }
        self.steady += 1;
        let is_due = self.steady >= STEADY_TICKS && self.noted.as_deref() != Some(have);
        if is_due {
            self.noted = Some(have.to_vec());
        }
        is_due
    }
}

/// What is there, where it is certain that it is: nothing of one whose files are away, that is checked, or that has failed.
fn pieces(api: &Api, torrent: &Torrent) -> Option<Vec<u8>> {
    if torrent.is_leaving() || torrent.trouble().is_some() {
        return None;
    }
    let (pieces, _) = api.api_dump_haves(torrent.handle.id().into()).ok()?;
    let mut have = pieces.as_raw_slice().to_vec();
    torrent.holes.mask(&mut have);
    have.iter().any(|byte| *byte != 0).then_some(have)
}

async fn note(notes: &Notes, registry: &Registry, torrent: &Torrent, have: Vec<u8>) {
    let info_hash = torrent.info.info_hash;
    // How files of the user's are is in their record.
    let Some(record) = registry.get(info_hash).filter(|record| record.shared.is_none()) else { return };
    let Some(metadata) = torrent.handle.metadata.load_full() else { return };
    let paths = metadata.file_infos.iter().map(|file| file.relative_filename.clone()).collect();
    let notes = notes.clone();
    let written = tokio::task::spawn_blocking(move || notes.write(info_hash, &have, &record.folder, paths)).await;
    if let Ok(Err(error)) = written {
        tracing::debug!(%info_hash, %error, "it is not noted what is there");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_is_not_certain() {
        let dir = tempfile::tempdir().unwrap();
        let (notes, folder) = (Notes::new(&dir.path().join("state")), dir.path().join("film"));
        let film = folder.join("a/film.mkv");
        std::fs::create_dir_all(film.parent().unwrap()).unwrap();
        std::fs::write(&film, "film").unwrap();
        let paths = || vec![PathBuf::from("a/film.mkv"), PathBuf::from("not wanted.srt")];
        let hash = InfoHash([7; 20]);
        assert_eq!(notes.read(hash, &folder), None);
        notes.write(hash, &[0xf0], &folder, paths()).unwrap();
        assert_eq!(notes.read(hash, &folder), Some(vec![0xf0]));
        assert_eq!(notes.read(InfoHash([8; 20]), &folder), None);
        // On another drive, with another time, with another length.
        assert_eq!(notes.read(hash, dir.path()), None);
        let time = film.metadata().unwrap().modified().unwrap();
        let set = |time| File::options().write(true).open(&film).unwrap().set_modified(time).unwrap();
        set(time + Duration::from_millis(10));
        assert_eq!(notes.read(hash, &folder), None);
        set(time);
        assert_eq!(notes.read(hash, &folder), Some(vec![0xf0]));
        std::fs::write(&film, "films").unwrap();
        set(time);
        assert_eq!(notes.read(hash, &folder), None);
        notes.forget(hash);
        assert!(!notes.file(hash).exists());
    }

    #[test]
    fn what_grows_is_not_flushed() {
        let mut growth = Growth::default();
        let mut looks = |have: u8, count: u32| (0..count).filter(|_| growth.is_due(&[have])).count();
        assert_eq!((looks(1, STEADY_TICKS - 1), looks(3, STEADY_TICKS - 1)), (0, 0));
        // Once, and again when it was more.
        assert_eq!((looks(3, 5), looks(7, STEADY_TICKS), looks(3, STEADY_TICKS)), (1, 1, 1));
    }
}
