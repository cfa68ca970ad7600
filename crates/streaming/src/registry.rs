//! What librqbit does not remember about torrents: which files are the user's own, shared where they lie, and which folder belongs to
//! which torrent.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::InfoHash;
use crate::replace::replace;

/// Trackers of others that are remembered for a torrent: those of as many rooms.
const TRACKERS_MAX: usize = 8;

/// The folder of a torrent's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Files lie at this folder joined with their path in the torrent.
    pub(crate) folder: PathBuf,
    /// For files of the user's, shared in place: how each was when it was hashed, in the order of the torrent.
    pub(crate) shared: Option<Vec<SharedFile>>,
    /// Trackers beside those in its metainfo, the latest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trackers: Vec<String>,
    /// What became of it so far.
    #[serde(default = "Life::before_limits")]
    pub(crate) life: Life,
}

/// What a torrent has given, when it was wanted last, and whether it stays.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Life {
    /// Whether the user wants to keep it; else it may make room for others.
    pub(crate) kept: bool,
    /// Bytes given to others.
    pub(crate) uploaded_bytes: u64,
    /// Seconds for which it had all that was opened and gave it to others.
    pub(crate) seeded_s: u64,
    /// When a file of it was opened last, in milliseconds since 1970; 0 for never.
    pub(crate) opened_ms: u64,
}

impl Life {
    /// Of a torrent from when there was no limit: what was downloaded then was there to stay.
    fn before_limits() -> Self {
        Self { kept: true, ..Self::default() }
    }
}

/// A file of the user's as it was when it was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharedFile {
    /// Below the record's folder.
    pub(crate) path: PathBuf,
    pub(crate) length: u64,
    /// Nanoseconds since 1970; a change means that the hashes no longer hold.
    pub(crate) modified_ns: u128,
}

impl SharedFile {
    /// Looks at the file on the disk.
    pub(crate) fn read(folder: &Path, path: PathBuf) -> io::Result<Self> {
        let metadata = std::fs::metadata(folder.join(&path))?;
        let modified_ns = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Ok(Self { path, length: metadata.len(), modified_ns })
    }
}

/// All records, kept in one JSON file.
#[derive(Debug)]
pub(crate) struct Registry {
    file: PathBuf,
    records: Mutex<BTreeMap<String, Record>>,
    /// Whether lives changed since the file was written.
    is_stale: AtomicBool,
}

impl Registry {
    /// Reads the records. A broken file is set aside: the torrents themselves are librqbit's to remember.
    pub(crate) fn load(file: PathBuf) -> io::Result<Self> {
        let records = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).or_else(|error| {
                tracing::warn!(%error, "the registry of torrents is broken, beginning a new one");
                set_aside(&file).map(|()| BTreeMap::new())
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { file, records: Mutex::new(records), is_stale: AtomicBool::new(false) })
    }

    pub(crate) fn get(&self, info_hash: InfoHash) -> Option<Record> {
        self.lock().get(&info_hash.to_string()).cloned()
    }

    /// The torrent that these very files were hashed into before.
    pub(crate) fn find_shared(&self, folder: &Path, files: &[SharedFile]) -> Option<InfoHash> {
        let records = self.lock();
        let found =
            records.iter().find(|(_, record)| record.folder == folder && record.shared.as_deref() == Some(files))?;
        found.0.parse().ok()
    }

    pub(crate) fn is_claimed(&self, folder: &Path) -> bool {
        self.lock().values().any(|record| record.folder == folder)
    }

    /// Blocks on the disk.
    pub(crate) fn insert(&self, info_hash: InfoHash, record: Record) -> io::Result<()> {
        let mut records = self.lock();
        if records.get(&info_hash.to_string()) == Some(&record) {
            return Ok(());
        }
        records.insert(info_hash.to_string(), record);
        self.save(&records)
    }

    /// Adds trackers to those of a torrent; of too many the oldest are forgotten. Blocks on the disk.
    pub(crate) fn remember_trackers(&self, info_hash: InfoHash, trackers: &[String]) -> io::Result<()> {
        let mut records = self.lock();
        let Some(record) = records.get_mut(&info_hash.to_string()) else { return Ok(()) };
        let mut latest = Vec::new();
        crate::metainfo::extend_trackers(&mut latest, trackers.iter().chain(&record.trackers).map(String::as_str));
        latest.truncate(TRACKERS_MAX);
        if latest == record.trackers {
            return Ok(());
        }
        record.trackers = latest;
        self.save(&records)
    }

    /// Changes what is known of a torrent's life; [`Registry::flush`] writes it down.
    pub(crate) fn live(&self, info_hash: InfoHash, change: impl FnOnce(&mut Life)) {
        if let Some(record) = self.lock().get_mut(&info_hash.to_string()) {
            let before = record.life.clone();
            change(&mut record.life);
            if record.life != before {
                self.is_stale.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Writes down what changed since the last time, if anything did. Blocks on the disk.
    pub(crate) fn flush(&self) -> io::Result<()> {
        let records = self.lock();
        if self.is_stale.load(Ordering::Relaxed) { self.save(&records) } else { Ok(()) }
    }

    /// Blocks on the disk.
    pub(crate) fn remove(&self, info_hash: InfoHash) -> io::Result<()> {
        let mut records = self.lock();
        records.remove(&info_hash.to_string());
        self.save(&records)
    }

    fn save(&self, records: &BTreeMap<String, Record>) -> io::Result<()> {
        replace(&self.file, &serde_json::to_vec(records)?)?;
        // Under the same lock as every change.
        self.is_stale.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Record>> {
        self.records.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Moves a broken file out of the way, for people to look at.
pub(crate) fn set_aside(file: &Path) -> io::Result<()> {
    std::fs::rename(file, file.with_extension("broken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_trackers_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("torrents.json");
        let info_hash = InfoHash([7; 20]);
        let trackers = |range: std::ops::Range<u32>| range.map(|n| format!("ws://t{n}/")).collect::<Vec<_>>();
        // As written before there were any.
        std::fs::write(&file, format!(r#"{{"{info_hash}":{{"folder":"/f","shared":null}}}}"#)).unwrap();
        let registry = Registry::load(file.clone()).unwrap();
        registry.remember_trackers(info_hash, &trackers(0..6)).unwrap();
        registry.remember_trackers(info_hash, &["no address".to_owned(), "ws://t5/".to_owned()]).unwrap();
        registry.remember_trackers(info_hash, &trackers(6..9)).unwrap();
        registry.remember_trackers(InfoHash([8; 20]), &trackers(0..1)).unwrap();
        let again = Registry::load(file).unwrap();
        let wanted = [trackers(6..9), trackers(5..6), trackers(0..4)].concat();
        assert_eq!(again.get(info_hash).unwrap().trackers, wanted);
        // What lay there before anything was ever dropped stays.
        assert!(again.get(info_hash).unwrap().life.kept);
        assert_eq!(again.get(InfoHash([8; 20])), None);
    }
}
