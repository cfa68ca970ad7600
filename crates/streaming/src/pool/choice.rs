//! Which peer is asked for which block.

use std::time::{Duration, Instant};

use super::{Asked, Effect, PeerKey, Place, Pool};

/// Peers that one block is asked of.
const ASKED_MAX: usize = 2;
/// How much sooner a second peer has to be for a block to be asked of it, too, in seconds: what guesses are wrong by.
const SOONER: f64 = 0.03;
/// What a peer may still take that has been silent for twice as long as another one took, in seconds: a block from 16 KB/s.
const UNKNOWN_LEFT: f64 = 1.0;
/// Blocks so far ahead of a reader are worth asking for twice; the others have time.
const URGENT_BYTES: u64 = 8 << 20;

impl Pool {
    /// Asks a peer for as much as fits its line.
    pub(super) fn fill(&mut self, key: PeerKey, now: Instant) {
        while let Some(place) = self.choose(key, now) {
            let Some(peer) = self.peers.get_mut(&key) else { return };
            let due = now + Duration::from_secs_f64(peer.line.expected(peer.asked));
            peer.asked += 1;
            if peer.asked == 1 {
                peer.heard = now;
            }
            let Some(block) = self.blocks.get_mut(&place) else { return };
            block.asked.push(Asked { peer: key, sent: now, due });
            self.trust.asked(place.0, key);
            self.effects.push_back(Effect::Request(key, place, block.length));
        }
    }

    /// What a peer is best asked for next.
    fn choose(&self, key: PeerKey, now: Instant) -> Option<Place> {
        let peer = self.peers.get(&key)?;
        if peer.is_choking || peer.asked >= peer.line.window() {
            return None;
        }
        let expected = peer.line.expected(peer.asked);
        let open = self.blocks.iter().filter(|(place, block)| block.asked.is_empty() && peer.has.contains(place.0));
        let open = open.map(|(place, _)| *place).filter(|place| self.may_bring(place.0, key));
        let mut open: Vec<_> = open.map(|place| (self.rank(place), place)).collect();
        // What this one alone may bring is not left to others.
        if let Some((_, alone)) = open.iter().filter(|(_, place)| self.trust.owner(place.0).is_some()).min() {
            return Some(*alone);
        }
        // What the others would have brought by the time that this peer brings one is left to them.
        let skip = open.iter().min().map_or(0, |(_, (piece, _))| self.brought_by_others(key, *piece, expected));
        let first = if open.len() > skip {
            let (_, (rank, place), _) = open.select_nth_unstable(skip);
            Some((*rank, *place))
        } else {
            None
        };
        let late = self.blocks.iter().filter(|(place, block)| {
            !block.asked.is_empty()
                && block.asked.len() < ASKED_MAX
                && block.asked.iter().all(|asked| asked.peer != key && self.left(asked, now) > 2.0 * expected + SOONER)
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
    fn left(&self, asked: &Asked, now: Instant) -> f64 {
        let line = self.peers.get(&asked.peer).map(|peer| &peer.line);
        if line.is_some_and(|line| line.latency().is_none()) {
            // It has not brought anything yet while others have: what it was asked for at first does not wait for it to turn out slow.
            let soonest = self.peers.values().filter_map(|peer| peer.line.latency()).min_by(f64::total_cmp);
            if soonest.is_some_and(|soonest| (now - asked.sent).as_secs_f64() > 2.0 * soonest + SOONER) {
                return UNKNOWN_LEFT;
            }
        }
        let pace = line.map_or(0.0, |line| line.expected(0));
        match asked.due.checked_duration_since(now) {
            Some(left) => left.as_secs_f64(),
            None => (now - asked.due).as_secs_f64() + pace / 2.0,
        }
    }

    /// How many of the blocks that nobody was asked for yet the other peers would bring before this one brings one, in so many seconds.
    /// Only who has the piece that comes first counts, and is sooner: the soonest of all leaves nothing to others, so that somebody asks.
    fn brought_by_others(&self, key: PeerKey, piece: u32, seconds: f64) -> usize {
        // Three quarters of it, and later by what guesses are wrong by: rather ask one too early than let its line idle.
        let within = seconds * 0.75 - SOONER;
        let others = self.peers.iter().filter(|(other, peer)| {
            **other != key && !peer.is_choking && peer.has.contains(piece) && peer.line.expected(peer.asked) < seconds
        });
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some hundred; a negative number is none"
        )]
        let blocks = others
            .map(|(_, peer)| peer.line.rate().map_or(0.0, |rate| rate * within - peer.asked as f64))
            .sum::<f64>() as usize;
        blocks
    }
}
