//! When lanes are opened and closed, and what they seem to have.
//!
//! librqbit asks a lane for whatever its streams need, one stream after another by chance, of which another may wait for minutes. So a lane
//! that is opened for a reader seems to have nothing but what comes next to that reader, until it was asked for some of it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::bits::Bits;
use super::{Effect, LaneKey, Place, Pool};

/// Lanes that librqbit asks at a time; more readers than that at far places share them.
const ACTIVE_MAX: usize = 4;
/// A lane that librqbit was just let to ask is given so much time to be asked.
const ASKING: Duration = Duration::from_millis(300);
/// What a lane was let to be asked for is not tried again so soon: librqbit may hold it, or have it.
const RETRIED: Duration = Duration::from_millis(100);
/// A piece that was brought is being checked: nobody needs to ask for it, unless librqbit has forgotten it.
const CHECKING: Duration = Duration::from_secs(5);
/// How long librqbit is not connected again after it has ended a lane, unless that was for a wrong piece: it may be paused.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the lanes that there are have to be asked before there is another one for more speed.
const STARVED_AFTER: Duration = Duration::from_millis(500);
/// What librqbit fetches ahead of a stream (`PER_STREAM_BUF_DEFAULT`).
const AHEAD_BYTES: u64 = 32 << 20;

#[derive(Debug, Default)]
pub(super) struct Lanes {
    all: BTreeMap<LaneKey, Lane>,
    next: LaneKey,
    /// Pieces of which something was brought, by which lane, and when the last of it was.
    delivered: BTreeMap<u32, (LaneKey, Instant)>,
    /// Pieces that a lane was let to be asked for.
    tried: BTreeMap<u32, Instant>,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Lane {
    is_ready: bool,
    /// When librqbit was let to ask it.
    active: Option<Instant>,
    was_asked: bool,
    /// It seems to have all that the peers have.
    is_wide: bool,
}

impl Lanes {
    /// Those that librqbit is to be told of what peers get.
    pub(super) fn wide(&self) -> impl Iterator<Item = LaneKey> {
        self.all.iter().filter(|(_, lane)| lane.is_wide).map(|(key, _)| *key)
    }

    pub(super) fn delivered(&mut self, piece: u32, lane: LaneKey, now: Instant) {
        self.delivered.insert(piece, (lane, now));
    }

    /// librqbit has a piece.
    pub(super) fn right(&mut self, piece: u32) {
        self.delivered.remove(&piece);
    }

    /// Whether librqbit was let to ask a lane for something that it has not asked for yet.
    pub(super) fn is_narrow(&self) -> bool {
        self.all.values().any(|lane| lane.active.is_some() && !lane.is_wide)
    }

    /// Whether no lane is opened for a moment.
    pub(super) fn is_pausing(&self) -> bool {
        self.not_before.is_some()
    }

    fn open(&mut self) -> LaneKey {
        self.next += 1;
        self.all.insert(self.next, Lane { is_ready: false, active: None, was_asked: false, is_wide: false });
        self.next
    }
}

impl Pool {
    /// A lane is connected, and librqbit was not told yet what it has.
    pub(crate) fn lane_ready(&mut self, key: LaneKey, now: Instant) {
        if let Some(lane) = self.lanes.all.get_mut(&key) {
            lane.is_ready = true;
        }
        self.review(now);
    }

    /// A lane has ended, not by us: librqbit is done, or did not like what it got.
    pub(crate) fn lane_ended(&mut self, key: LaneKey, now: Instant) {
        if self.lanes.all.remove(&key).is_none() {
            return;
        }
        let (was_wrong, liars) = self.trust.lane_failed(key);
        self.ban(liars);
        self.drop_lane_blocks(key);
        if !was_wrong {
            self.lanes.not_before = Some(now + PAUSE);
        }
        self.review(now);
    }

    /// Whether a lane that librqbit asks is there for that. It seems to have all from now on.
    pub(super) fn lane_asked(&mut self, key: LaneKey) -> bool {
        let Some(lane) = self.lanes.all.get_mut(&key) else { return false };
        lane.was_asked = true;
        let is_active = lane.active.is_some();
        if is_active && !lane.is_wide {
            self.widen(key);
        }
        is_active
    }

    fn widen(&mut self, key: LaneKey) {
        let Some(lane) = self.lanes.all.get_mut(&key) else { return };
        lane.is_wide = true;
        let offered = self.offered(0..self.geometry.piece_count);
        self.effects.push_back(Effect::Offer(key, offered));
    }

    /// Which of some pieces the peers have together, as a bitfield.
    pub(super) fn offered(&self, pieces: Range<u32>) -> Vec<u8> {
        let mut bits = Bits::new(self.geometry.piece_count);
        let available = (0..).zip(&self.availability).filter(|(piece, count)| pieces.contains(piece) && **count > 0);
        available.for_each(|(piece, _)| {
            bits.insert(piece);
        });
        bits.into_bytes()
    }

    pub(super) fn review_lanes(&mut self, now: Instant) {
        self.lanes.delivered.retain(|_, (_, at)| now.saturating_duration_since(*at) < CHECKING);
        self.lanes.tried.retain(|_, at| now.saturating_duration_since(*at) < RETRIED);
        self.lanes.not_before = self.lanes.not_before.filter(|time| now < *time);
        let is_of_use = self.peers.values().any(|peer| peer.is_wanted && !peer.is_choking);
        if self.peers.is_empty() || !self.peers.values().any(|peer| peer.is_wanted) {
            // Nobody to get anything from: librqbit is to know, and to look for others.
            let all: Vec<_> = self.lanes.all.keys().copied().collect();
            all.into_iter().for_each(|key| self.close(key));
            return;
        }
        if !is_of_use || self.lanes.is_pausing() {
            return;
        }
        self.close_spoiled();
        // One that librqbit may ask, and one in store for who seeks.
        if let Some(piece) = self.missed(now) {
            self.close_unread();
            if self.has_room_for(piece) {
                self.activate(Some(piece), now);
            }
        } else if self.lanes.all.values().all(|lane| lane.active.is_none()) || self.is_starved(now) {
            self.activate(None, now);
        }
        if self.lanes.all.values().all(|lane| lane.active.is_some()) {
            let key = self.lanes.open();
            self.effects.push_back(Effect::Open(key));
        }
    }

    /// What a reader waits for that peers have, and that no lane was asked for: of several, the piece that is needed first.
    fn missed(&mut self, now: Instant) -> Option<u32> {
        for lane in self.lanes.all.values() {
            if !lane.was_asked
                && !lane.is_wide
                && lane.active.is_some_and(|at| now.saturating_duration_since(at) < ASKING)
            {
                return None;
            }
        }
        // It was not that which librqbit needed.
        let vain = self.lanes.all.iter().filter(|(_, lane)| lane.active.is_some() && !lane.is_wide);
        let vain: Vec<_> = vain.map(|(key, _)| *key).collect();
        vain.into_iter().for_each(|key| self.widen(key));
        let waited = self.readers.values().filter(|reader| reader.is_waiting).filter_map(|reader| {
            let piece = u32::try_from(reader.offset / u64::from(self.geometry.piece_bytes)).ok()?;
            let is_there = self.availability.get(piece as usize).is_some_and(|count| *count > 0);
            let is_asked = self.blocks.range((piece, 0)..=(piece, u32::MAX)).next().is_some();
            let is_coming = self.lanes.delivered.contains_key(&piece) || self.lanes.tried.contains_key(&piece);
            (is_there && !is_asked && !is_coming).then_some(piece)
        });
        waited.min_by_key(|piece| self.rank((*piece, 0)))
    }

    /// Whether peers could bring more than librqbit asks for: on fast lines that are long, what one lane is asked for is on its way.
    fn is_starved(&self, now: Instant) -> bool {
        let active = self.lanes.all.values().filter_map(|lane| lane.active);
        let is_settled = active.clone().all(|at| now.saturating_duration_since(at) > STARVED_AFTER);
        if !is_settled || active.count() >= ACTIVE_MAX || self.blocks.values().any(|block| block.asked.is_empty()) {
            return false;
        }
        let lines = self.peers.values().filter(|peer| !peer.is_choking && peer.line.rate().is_some());
        let (asked, windows) =
            lines.fold((0, 0), |(asked, windows), peer| (asked + peer.line.asked(), windows + peer.line.window()));
        asked > 0 && windows > asked
    }

    /// Lets librqbit ask a lane, for what follows from a piece on, or for all.
    fn activate(&mut self, piece: Option<u32>, now: Instant) {
        let spare = self.lanes.all.iter_mut().find(|(_, lane)| lane.is_ready && lane.active.is_none());
        let Some((key, lane)) = spare else { return };
        let key = *key;
        lane.active = Some(now);
        match piece {
            Some(piece) => {
                self.lanes.tried.insert(piece, now);
                let ahead = AHEAD_BYTES.div_ceil(self.geometry.piece_bytes.into());
                let end = piece.saturating_add(u32::try_from(ahead).unwrap_or(u32::MAX));
                let offered = self.offered(piece..end);
                self.effects.push_back(Effect::Offer(key, offered));
            }
            None => self.widen(key),
        }
        self.effects.push_back(Effect::Unchoke(key));
    }

    /// Closes lanes of whose pieces none is near a reader.
    fn close_unread(&mut self) {
        let keys: Vec<_> =
            self.lanes.all.iter().filter(|(_, lane)| lane.active.is_some()).map(|(key, _)| *key).collect();
        for key in keys {
            if !self.pieces_of(key).any(|piece| self.is_near(piece)) {
                self.close(key);
            }
        }
    }

    /// Closes lanes that were asked for what has gone with its peer.
    fn close_spoiled(&mut self) {
        let gone = self.blocks.iter().filter(|(place, _)| self.availability[place.0 as usize] == 0);
        let lanes: Vec<_> = gone.flat_map(|(_, block)| block.lanes.clone()).collect();
        lanes.into_iter().for_each(|key| self.close(key));
    }

    /// Pieces that a lane was asked for, up to the ones that are checked: what it was brought may be on its way to librqbit.
    fn pieces_of(&self, key: LaneKey) -> impl Iterator<Item = u32> {
        let asked = self.blocks.iter().filter(move |(_, block)| block.lanes.contains(&key)).map(|(place, _)| place.0);
        let brought = self.lanes.delivered.iter().filter(move |(_, (lane, _))| *lane == key).map(|(piece, _)| *piece);
        asked.chain(brought)
    }

    /// Whether a reader comes to a piece soon, or stands back in front of it.
    fn is_near(&self, piece: u32) -> bool {
        let offset = u64::from(piece) * u64::from(self.geometry.piece_bytes);
        self.readers.values().any(|reader| (reader.offset..reader.offset + AHEAD_BYTES).contains(&offset))
    }

    /// Whether a lane may be opened for a piece. Where there are too many, one closes of whose pieces all are needed later.
    fn has_room_for(&mut self, piece: u32) -> bool {
        let active: Vec<_> =
            self.lanes.all.iter().filter(|(_, lane)| lane.active.is_some()).map(|(key, _)| *key).collect();
        if active.len() < ACTIVE_MAX {
            return true;
        }
        if !self.lanes.all.values().any(|lane| lane.is_ready && lane.active.is_none()) {
            return false;
        }
        let first = |key: LaneKey| self.pieces_of(key).map(|piece| self.rank((piece, 0))).min().unwrap_or(u64::MAX);
        let last = active.into_iter().map(|key| (first(key), key)).max();
        let Some((_, key)) = last.filter(|(first, _)| *first > self.rank((piece, 0))) else { return false };
        self.close(key);
        true
    }

    fn close(&mut self, key: LaneKey) {
        if self.lanes.all.remove(&key).is_some() {
            self.drop_lane_blocks(key);
            self.effects.push_back(Effect::Close(key));
        }
    }

    fn drop_lane_blocks(&mut self, key: LaneKey) {
        let places: Vec<Place> =
            self.blocks.iter().filter(|(_, block)| block.lanes.contains(&key)).map(|(place, _)| *place).collect();
        places.into_iter().for_each(|place| self.cancel(key, place));
        // librqbit forgets what it has of them.
        self.lanes.delivered.retain(|_, (lane, _)| *lane != key);
        self.trust.lane_gone(key);
    }
}
