//! Who brought what is wrong, by evidence alone.
//!
//! librqbit drops the peer that it got a wrong piece from, which here is a lane, while the piece may have come from many peers. And a lane
//! ends as well because the torrent is paused, handed over or removed. So nobody is blamed for that a lane ended. The storage tells when
//! librqbit has read a piece for its check, and which pieces were right ([`crate::storage`]): a piece that was read and was not right before
//! its lane ended was wrong. Whoever brought all of it did that.
//!
//! Where several brought it, each block is remembered by a checksum under a key that peers do not know, with who brought it, and the piece
//! is asked of one peer alone the next time. Once it is right, every block that came before and differs was a lie. (libtorrent's
//! `smart_ban` finds liars so, too; it puts all who contributed on parole meanwhile, here only the piece is, and the others are shared as
//! before.) Blocks of a try that was cut off are compared as well, and accuse nobody of anything but a difference.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{LaneKey, PeerKey, Place};

/// Tries that are remembered until their piece is right, of all pieces: some MB at most, with pieces of 32 MiB.
const DOUBTED_MAX: usize = 32;

/// What was brought of a piece since librqbit began to ask for it: who brought each block, and its checksum. More than one where it was asked
/// for again meanwhile.
type Brought = BTreeMap<u32, Vec<(PeerKey, u64)>>;

#[derive(Debug, Default)]
struct Try {
    lanes: BTreeSet<LaneKey>,
    asked: BTreeSet<u32>,
    brought: Brought,
    /// librqbit has read it to the end, to check it.
    is_checked: bool,
}

/// A piece that was wrong is asked of one peer alone.
#[derive(Debug, Default)]
struct Retry {
    owner: Option<PeerKey>,
    /// Who had their turn.
    owned: BTreeSet<PeerKey>,
}

#[derive(Debug, Default)]
pub(super) struct Trust {
    tries: BTreeMap<u32, Try>,
    /// Tries that were wrong or cut off, the latest last.
    doubted: VecDeque<(u32, Brought)>,
    retries: BTreeMap<u32, Retry>,
}

impl Trust {
    /// librqbit asks a lane for a block.
    pub(super) fn requested(&mut self, (piece, begin): Place, lane: LaneKey) {
        let attempt = self.tries.entry(piece).or_default();
        attempt.lanes.insert(lane);
        attempt.asked.insert(begin);
    }

    /// A peer is asked for a block of a piece.
    pub(super) fn asked(&mut self, piece: u32, key: PeerKey) {
        if let Some(retry) = self.retries.get_mut(&piece)
            && retry.owner.is_none()
        {
            retry.owner = Some(key);
            if !retry.owned.insert(key) {
                // Everybody had a turn.
                retry.owned = BTreeSet::from([key]);
            }
        }
    }

    /// A peer brought a block whose checksum this is.
    pub(super) fn brought(&mut self, (piece, begin): Place, key: PeerKey, sum: u64) {
        if let Some(attempt) = self.tries.get_mut(&piece) {
            attempt.brought.entry(begin).or_default().push((key, sum));
        }
    }

    /// Who alone brings a piece; [`None`] within where somebody is to be found, and none where anybody may bring it.
    pub(super) fn owner(&self, piece: u32) -> Option<Option<PeerKey>> {
        self.retries.get(&piece).map(|retry| retry.owner)
    }

    /// Whether a peer has brought a piece alone, or had the chance to.
    pub(super) fn had_turn(&self, piece: u32, key: PeerKey) -> bool {
        self.retries.get(&piece).is_some_and(|retry| retry.owned.contains(&key))
    }

    /// librqbit has read a piece, to check it: it is right at once, or wrong.
    pub(super) fn checked(&mut self, piece: u32) {
        if let Some(attempt) = self.tries.get_mut(&piece) {
            attempt.is_checked = true;
        }
    }

    /// A piece is right. Who brought something else for it.
    pub(super) fn right(&mut self, piece: u32) -> BTreeSet<PeerKey> {
        self.retries.remove(&piece);
        let truth = self.tries.remove(&piece).unwrap_or_default().brought;
        let mut liars = BTreeSet::new();
        self.doubted.retain(|(other, brought)| {
            if *other == piece {
                for (begin, told) in brought {
                    // Where two were brought, which of them was checked is not known.
                    let Some(right) = truth.get(begin).and_then(|right| unanimous(right)) else { continue };
                    liars.extend(told.iter().filter(|(_, sum)| *sum != right).map(|(key, _)| *key));
                }
            }
            *other != piece
        });
        liars
    }

    /// librqbit ended a lane. Whether a piece was wrong, and who certainly did it.
    pub(super) fn lane_failed(&mut self, lane: LaneKey) -> (bool, BTreeSet<PeerKey>) {
        let is_wrong = |attempt: &Try| attempt.is_checked && attempt.lanes.contains(&lane);
        let wrong: Vec<_> =
            self.tries.iter().filter(|(_, attempt)| is_wrong(attempt)).map(|(piece, _)| *piece).collect();
        let mut liars = BTreeSet::new();
        for piece in &wrong {
            let Some(attempt) = self.tries.remove(piece) else { continue };
            let who: BTreeSet<_> = attempt.brought.values().flatten().map(|(key, _)| *key).collect();
            let is_whole = attempt.asked.iter().all(|begin| attempt.brought.contains_key(begin));
            liars.extend(who.first().filter(|_| who.len() == 1 && is_whole));
            self.retries.entry(*piece).or_default().owner = None;
            self.doubt(*piece, attempt.brought);
        }
        self.lane_gone(lane);
        (!wrong.is_empty(), liars)
    }

    /// A lane is gone: what librqbit had of the pieces that it asked it for is lost.
    pub(super) fn lane_gone(&mut self, lane: LaneKey) {
        let left: Vec<_> = self
            .tries
            .iter_mut()
            .filter_map(|(piece, attempt)| (attempt.lanes.remove(&lane) && attempt.lanes.is_empty()).then_some(*piece))
            .collect();
        for piece in left {
            if let Some(attempt) = self.tries.remove(&piece) {
                self.doubt(piece, attempt.brought);
            }
        }
    }

    /// A peer brings nothing for now, or has gone.
    pub(super) fn released(&mut self, key: PeerKey) {
        for retry in self.retries.values_mut().filter(|retry| retry.owner == Some(key)) {
            retry.owner = None;
        }
    }

    fn doubt(&mut self, piece: u32, brought: Brought) {
        if brought.is_empty() {
            return;
        }
        self.doubted.push_back((piece, brought));
        if self.doubted.len() > DOUBTED_MAX {
            self.doubted.pop_front();
        }
    }
}

/// The checksum of a block, if all who brought it agree.
fn unanimous(brought: &[(PeerKey, u64)]) -> Option<u64> {
    let (_, sum) = brought.first()?;
    brought.iter().all(|(_, other)| other == sum).then_some(*sum)
}
