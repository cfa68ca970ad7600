//! What librqbit's checks of pieces come to, which it tells nobody but the storage: the pool is to know who brought what is wrong.
//!
//! A piece that was written since it was right the last time is read for its check only. If it is right, the storage hears so in the same
//! call, before anything else can happen to the connection that brought its last block; if it is not, that connection is ended.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::InfoHash;
use crate::funnel::Funnel;

/// The pieces of a torrent that are being written.
#[derive(Debug)]
pub(crate) struct Checks {
    funnel: Arc<Funnel>,
    info_hash: InfoHash,
    piece_length: u64,
    total_length: u64,
    written: Mutex<BTreeSet<u32>>,
}

impl Checks {
    pub(crate) fn new(funnel: Arc<Funnel>, info_hash: InfoHash, piece_length: u64, total_length: u64) -> Self {
        Self { funnel, info_hash, piece_length, total_length, written: Mutex::default() }
    }

    /// Something is written at a place of the torrent; what is written at a time lies within a piece.
    pub(crate) fn written(&self, at: u64) {
        if let Ok(piece) = u32::try_from(at / self.piece_length) {
            self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(piece);
        }
    }

    /// The torrent was read up to some byte.
    pub(crate) fn read(&self, end: u64) {
        let is_piece_end = end == self.total_length || end.is_multiple_of(self.piece_length);
        let Some(last) = end.checked_sub(1).filter(|_| is_piece_end) else { return };
        let Ok(piece) = u32::try_from(last / self.piece_length) else { return };
        if self.written.lock().unwrap_or_else(PoisonError::into_inner).contains(&piece) {
            self.funnel.checked(self.info_hash, piece);
        }
    }

    /// A piece was right.
    pub(crate) fn right(&self, piece: u32) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).remove(&piece);
        self.funnel.right(self.info_hash, piece);
    }
}
