//! Who brought what is wrong.
//!
//! librqbit drops the peer that it got a wrong piece from, which here is a lane, while the piece may have come from many peers. So after a
//! wrong piece everyone who brought a part of it works alone for a while: its pieces are asked of it and of nobody else. Who then brings
//! a wrong one did it alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::PeerKey;

/// Pieces that are remembered: the ones that are on their way, and the last that came.
const REMEMBERED: usize = 64;
/// Pieces that one who may have lied brings alone, and right, before it is trusted again.
const PROBATION: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Trust {
    brought: BTreeMap<u32, BTreeSet<PeerKey>>,
    /// Pieces by when their last block came, the latest last.
    order: VecDeque<u32>,
    /// Who may have lied, and how many pieces it brought since.
    suspects: BTreeMap<PeerKey, u32>,
}

impl Trust {
    /// A peer is asked for a block of a piece.
    pub(super) fn asked(&mut self, piece: u32, key: PeerKey) {
        if self.suspects.contains_key(&key) {
            self.brought.entry(piece).or_default().insert(key);
        }
    }

    /// A peer brought a block of a piece.
    pub(super) fn brought(&mut self, piece: u32, key: PeerKey) {
        self.brought.entry(piece).or_default().insert(key);
        if self.order.back() == Some(&piece) {
            return;
        }
        // The piece before this one was not wrong, or its lane would have ended.
        if let Some(before) = self.order.back()
            && let Some(who) = self.brought.get(before)
            && who.len() == 1
            && let Some(suspect) = who.first()
            && let Some(count) = self.suspects.get_mut(suspect)
        {
            *count += 1;
            if *count >= PROBATION {
                self.suspects.remove(&suspect.clone());
            }
        }
        self.order.retain(|other| *other != piece);
        self.order.push_back(piece);
        while self.order.len() > REMEMBERED {
            if let Some(old) = self.order.pop_front() {
                self.brought.remove(&old);
            }
        }
    }

    /// Whether a peer may be asked for a part of a piece: nobody shares one with a suspect.
    pub(super) fn may_ask(&self, piece: u32, key: PeerKey) -> bool {
        if self.suspects.is_empty() {
            return true;
        }
        let Some(who) = self.brought.get(&piece) else { return true };
        let is_suspect = |key: &PeerKey| self.suspects.contains_key(key);
        if is_suspect(&key) { who.iter().all(|other| *other == key) } else { !who.iter().any(is_suspect) }
    }

    /// librqbit ended a lane: the piece that came last was wrong, if it was for that. Who certainly did it.
    pub(super) fn failed(&mut self) -> Option<PeerKey> {
        let piece = self.order.pop_back()?;
        let who = self.brought.remove(&piece)?;
        if who.len() == 1 {
            return who.first().copied().filter(|key| self.suspects.contains_key(key));
        }
        for key in who {
            self.suspects.insert(key, 0);
        }
        None
    }

    pub(super) fn forget(&mut self, key: PeerKey) {
        self.suspects.remove(&key);
        self.brought.retain(|_, who| {
            who.remove(&key);
            !who.is_empty()
        });
    }
}
