//! Who reads a torrent, and where.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::through::Shared;

/// Where a torrent is being read.
#[derive(Default)]
pub(crate) struct Readers {
    next: AtomicU64,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    now: BTreeMap<u64, Entry>,
    /// Where it was read last, once nobody reads any more.
    last: Option<At>,
}

struct Entry {
    at: At,
    role: Role,
    shared: Weak<Shared>,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) file_index: usize,
    /// Bytes from the file's start.
    pub(crate) position: u64,
}

/// Why somebody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A player, over HTTP.
    Player,
    /// To have it there before a player asks. What it wants comes after what lies so many bytes ahead of a player.
    Ahead {
        /// How far what is read here stands back behind what players read, in bytes.
        behind_bytes: u64,
        /// Whether it waits as a player does; what has time takes what comes.
        is_urgent: bool,
    },
}

/// Somebody who reads.
pub(crate) struct Reading {
    pub(crate) at: At,
    pub(crate) role: Role,
    pub(crate) shared: Arc<Shared>,
}

impl Readers {
    /// Where it is read now; where nobody reads, where it was read last.
    pub(crate) fn places(&self) -> Vec<At> {
        let all = self.lock();
        let now: Vec<At> = all.now.values().map(|entry| entry.at).collect();
        if now.is_empty() { all.last.into_iter().collect() } else { now }
    }

    /// Whether somebody reads now.
    pub(crate) fn is_read(&self) -> bool {
        !self.lock().now.is_empty()
    }

    /// All who read.
    pub(crate) fn all(&self) -> Vec<Reading> {
        let all = self.lock();
        let reading = |entry: &Entry| Some(Reading { at: entry.at, role: entry.role, shared: entry.shared.upgrade()? });
        all.now.values().filter_map(reading).collect()
    }

    /// A number for one who reads.
    pub(crate) fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn enter(&self, id: u64, at: At, role: Role, shared: Weak<Shared>) {
        self.lock().now.insert(id, Entry { at, role, shared });
    }

    pub(crate) fn set(&self, id: u64, at: At) {
        if let Some(entry) = self.lock().now.get_mut(&id) {
            entry.at = at;
        }
    }

    pub(crate) fn leave(&self, id: u64) {
        let mut all = self.lock();
        if let Some(entry) = all.now.remove(&id).filter(|entry| entry.role == Role::Player) {
            all.last = Some(entry.at);
        }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").field("places", &self.places()).finish_non_exhaustive()
    }
}
