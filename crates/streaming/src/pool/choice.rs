//! Which peer is asked for which block.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Instant;

use super::{Asked, Effect, PeerKey, Place, Pool};

/// Peers that one block is asked of.
const ASKED_MAX: usize = 2;
/// How much sooner a second peer has to be for a block to be asked of it, too, in seconds: what guesses are wrong by.
const SOONER: f64 = 0.03;
/// How many times as fast as a peer the others together have to be for them to be left whole pieces by it.
const SLOWER: f64 = 8.0;
/// A peer that is slower than others, or of which nothing is known, may take so many times as long as was thought.
const UNSURE: f64 = 2.0;
/// What a peer may still take that has been silent for twice as long as another one took, in seconds: a block from 16 KB/s.
const UNKNOWN_LEFT: f64 = 1.0;
/// Of what a reader waits for, more than that times as long as another one took is too long.
const IMPATIENT: f64 = 1.25;
/// Blocks so far ahead of a reader are worth asking for twice; the others have time.
const URGENT_BYTES: u64 = 8 << 20;

impl Pool {
    /// Asks each peer for as much as fits its line. Each block goes to whoever brings it soonest: who was asked for all that fits before others
    /// were asked would hold up the end of a piece.
    pub(super) fn fill_all(&mut self, now: Instant) {
        let mut free: BTreeSet<PeerKey> = self.peers.keys().copied().collect();
        let expected =
            |pool: &Self, key: &PeerKey| pool.peers.get(key).map(|peer| peer.line.expected(peer.line.asked(), now));
        while let Some(soonest) = free
            .iter()
            .min_by(|one, other| expected(self, one).partial_cmp(&expected(self, other)).unwrap_or(Ordering::Equal))
            .copied()
        {
            if !self.ask_for_one(soonest, now) {
                free.remove(&soonest);
            }
        }
    }

    /// Asks a peer for as much as fits its line.
    pub(super) fn fill(&mut self, key: PeerKey, now: Instant) {
        while self.ask_for_one(key, now) {}
    }

    /// Asks a peer for a block; false where nothing more is to be asked of it.
    fn ask_for_one(&mut self, key: PeerKey, now: Instant) -> bool {
        let Some(place) = self.choose(key, now) else { return false };
        let (Some(peer), Some(block)) = (self.peers.get_mut(&key), self.blocks.get_mut(&place)) else { return false };
        let due = peer.line.asks(now);
        if peer.line.asked() == 1 {
            peer.heard = now;
        }
        block.asked.push(Asked { peer: key, sent: now, due });
        self.trust.asked(place.0, key);
        self.effects.push_back(Effect::Request(key, place, block.length));
        true
    }

    /// What a peer is best asked for next.
    fn choose(&self, key: PeerKey, now: Instant) -> Option<Place> {
        let peer = self.peers.get(&key)?;
        if peer.is_choking || peer.line.asked() >= peer.line.window() {
            return None;
        }
        let expected = peer.line.expected(peer.line.asked(), now);
        let open = self.blocks.iter().filter(|(place, block)| block.asked.is_empty() && peer.has.contains(place.0));
        let open = open.map(|(place, _)| *place).filter(|place| self.may_bring(place.0, key));
        let mut open: Vec<_> = open.map(|place| (self.rank(place), place)).collect();
        // What this one alone may bring is not left to others.
        if let Some((_, alone)) = open.iter().filter(|(_, place)| self.trust.owner(place.0).is_some()).min() {
            return Some(*alone);
        }
        // What the others would have brought by the time that this peer brings one is left to them.
        let skip = self.left_to_others(key, expected, &mut open, now);
        let first = if open.len() > skip {
            let (_, (rank, place), _) = open.select_nth_unstable(skip);
            Some((*rank, *place))
        } else {
            None
        };
        let late = self.blocks.iter().filter(|(place, block)| {
            !block.asked.is_empty()
                && block.asked.len() < ASKED_MAX
                && block
                    .asked
                    .iter()
                    .all(|asked| asked.peer != key && self.left(**place, asked, now) > 2.0 * expected + SOONER)
                && peer.has.contains(place.0)
        });
        let late = late.map(|(place, _)| (self.rank(*place), *place)).min().filter(|(rank, _)| *rank < URGENT_BYTES);
        match (late, first) {
            (Some(late), Some(first)) => Some(late.min(first).1),
            (late, first) => late.or(first).map(|(_, place)| place),
        }
    }

    /// Whether a peer may be asked for a piece that it has. One that was wrong is brought by one peer alone, each having its turn. (Not to the
    /// end where it is late: a liar may not hold it up.)
    fn may_bring(&self, piece: u32, key: PeerKey) -> bool {
        match self.trust.owner(piece) {
            None => true,
            Some(Some(owner)) => owner == key,
            Some(None) => {
                let is_better = |(other, peer): (&PeerKey, &super::Peer)| {
                    !peer.is_choking && peer.has.contains(piece) && !self.trust.had_turn(piece, *other)
                };
                !self.trust.had_turn(piece, key) || !self.peers.iter().any(is_better)
            }
        }
    }

    /// Seconds until a block comes that was asked for. What is overdue will be so for as long again.
    fn left(&self, place: Place, asked: &Asked, now: Instant) -> f64 {
        let line = self.peers.get(&asked.peer).map(|peer| &peer.line);
        if line.is_some_and(|line| !line.has_brought()) {
            // It has not brought anything yet while others have: what it was asked for at first does not wait for it to turn out slow.
            let known = self.peers.values().filter(|peer| peer.line.has_brought());
            let soonest = known.filter_map(|peer| peer.line.latency()).min_by(f64::total_cmp);
            // Less patience where a reader waits for it.
            let times = if self.rank(place) < u64::from(self.geometry.piece_bytes) { IMPATIENT } else { 2.0 };
            if soonest.is_some_and(|soonest| (now - asked.sent).as_secs_f64() > times * soonest + SOONER) {
                return UNKNOWN_LEFT;
            }
        }
        let Some(line) = line else { return UNKNOWN_LEFT };
        let due = line.due(asked.due);
        match due.checked_duration_since(now) {
            Some(left) => left.as_secs_f64(),
            None => (now - due).as_secs_f64() + line.expected(0, now) / 2.0,
        }
    }

    /// How many of the blocks that nobody was asked for yet are left to other peers by one that brings one in so many seconds.
    /// Only who has the piece that comes first counts, and is sooner: the soonest of all leaves nothing to others, so that somebody asks.
    fn left_to_others(&self, key: PeerKey, seconds: f64, open: &mut [(u64, Place)], now: Instant) -> usize {
        let Some((_, (first, _))) = open.iter().min().copied() else { return 0 };
        let others = self.peers.iter().filter(|(other, peer)| {
            **other != key
                && !peer.is_choking
                && peer.has.contains(first)
                && peer.line.expected(peer.line.asked(), now) < seconds
        });
        let (rate, asked) = others.fold((0.0, 0), |(rate, asked), (_, peer)| {
            (rate + peer.line.rate().unwrap_or_default(), asked + peer.line.asked())
        });
        #[allow(clippy::cast_precision_loss, reason = "some hundred")]
        let ahead = |blocks: usize| (asked + blocks) as f64;
        let is_new = self.peers.get(&key).is_some_and(|peer| !peer.line.has_brought());
        // Three quarters of it, and later by what guesses are wrong by: rather ask one too early than let its line idle. But who has not brought
        // anything yet may be slow, and what is asked for again then has to stand in line.
        let within = if is_new { UNSURE * seconds } else { seconds * 0.75 - SOONER };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some hundred; a negative number is none"
        )]
        let mut skip = (rate * within - ahead(0)) as usize;
        let own = self.peers.get(&key).and_then(|peer| peer.line.rate_at_best()).unwrap_or(rate);
        if own * SLOWER > rate {
            return skip;
        }
        // A piece is of use as a whole: one block of it that comes later than was thought holds up all. So a piece to which this peer would
        // add little is left to them to its end.
        open.sort_unstable();
        while let Some((_, (piece, _))) = open.get(skip) {
            let last = open.iter().rposition(|(_, place)| place.0 == *piece).unwrap_or(skip);
            if ahead(last + 1) / rate > UNSURE * seconds {
                break;
            }
            skip = last + 1;
        }
        skip
    }
}
