//! When lanes are opened and closed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::bits::Bits;
use super::{Effect, LaneKey, Place, Pool};

/// Lanes that librqbit asks at a time; more readers than that at far places share them.
const ACTIVE_MAX: usize = 4;
/// A lane that librqbit was just let to ask is given so much time to be asked.
const ASKING: Duration = Duration::from_millis(300);
/// A piece that was brought a moment ago is being checked: nobody needs to ask for it.
const CHECKING: Duration = Duration::from_millis(700);
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
    delivered: BTreeMap<u32, Instant>,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Lane {
    is_ready: bool,
    /// When librqbit was let to ask it.
    active: Option<Instant>,
    was_asked: bool,
}

impl Lanes {
    pub(super) fn keys(&self) -> impl Iterator<Item = LaneKey> {
        self.all.keys().copied()
    }

    /// Whether it is there to be asked.
    pub(super) fn asked(&mut self, key: LaneKey) -> bool {
        self.all.get_mut(&key).is_some_and(|lane| {
            lane.was_asked = true;
            lane.active.is_some()
        })
    }

    pub(super) fn delivered(&mut self, piece: u32, now: Instant) {
        self.delivered.insert(piece, now);
    }

    /// Whether no lane is opened for a moment.
    pub(super) fn is_pausing(&self) -> bool {
        self.not_before.is_some()
    }

    fn open(&mut self) -> LaneKey {
        self.next += 1;
        self.all.insert(self.next, Lane { is_ready: false, active: None, was_asked: false });
        self.next
    }
}

impl Pool {
    /// A lane is connected. [`Pool::offered`] was told to librqbit.
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

    /// What the peers have together, as a bitfield.
    pub(crate) fn offered(&self) -> Vec<u8> {
        let mut bits = Bits::new(self.geometry.piece_count);
        for (piece, _) in (0..).zip(&self.availability).filter(|(_, count)| **count > 0) {
            bits.insert(piece);
        }
        bits.into_bytes()
    }

    pub(super) fn review_lanes(&mut self, now: Instant) {
        self.lanes.delivered.retain(|_, at| now.saturating_duration_since(*at) < CHECKING);
        self.lanes.not_before = self.lanes.not_before.filter(|time| now < *time);
        let is_of_use = self.peers.values().any(|peer| peer.is_wanted && !peer.is_choking);
        if self.peers.is_empty() || !self.peers.values().any(|peer| peer.is_wanted) {
            // Nobody to get anything from: librqbit is to know, and to look for others.
            let all: Vec<_> = self.lanes.keys().collect();
            all.into_iter().for_each(|key| self.close(key));
            return;
        }
        if !is_of_use || self.lanes.is_pausing() {
            return;
        }
        self.close_spoiled();
        // One that librqbit may ask, and one in store for who seeks.
        if self.lanes.all.values().all(|lane| lane.active.is_none()) {
            self.activate(now);
        }
        if self.is_missed(now) {
            self.close_unread();
            if self.lanes.all.values().filter(|lane| lane.active.is_some()).count() >= ACTIVE_MAX {
                self.close_oldest();
            }
            self.activate(now);
        }
        if self.is_starved(now) {
            self.activate(now);
        }
        if self.lanes.all.values().all(|lane| lane.active.is_some()) {
            let key = self.lanes.open();
            self.effects.push_back(Effect::Open(key));
        }
    }

    /// Whether a reader waits for a piece that peers have, and that no lane was asked for.
    fn is_missed(&self, now: Instant) -> bool {
        let is_asking = |lane: &super::lanes::Lane| {
            !lane.was_asked && lane.active.is_some_and(|at| now.saturating_duration_since(at) < ASKING)
        };
        if self.lanes.all.values().any(is_asking) {
            return false;
        }
        self.readers.values().filter(|reader| reader.is_waiting).any(|reader| {
            let Ok(piece) = u32::try_from(reader.offset / u64::from(self.geometry.piece_bytes)) else { return false };
            let is_there = self.availability.get(piece as usize).is_some_and(|count| *count > 0);
            let is_asked = self.blocks.range((piece, 0)..=(piece, u32::MAX)).next().is_some();
            is_there && !is_asked && !self.lanes.delivered.contains_key(&piece)
        })
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

    fn activate(&mut self, now: Instant) {
        let spare = self.lanes.all.iter_mut().find(|(_, lane)| lane.is_ready && lane.active.is_none());
        if let Some((key, lane)) = spare {
            lane.active = Some(now);
            self.effects.push_back(Effect::Unchoke(*key));
        }
    }

    /// Closes lanes of whose pieces none is near a reader.
    fn close_unread(&mut self) {
        let keys: Vec<_> =
            self.lanes.all.iter().filter(|(_, lane)| lane.active.is_some()).map(|(key, _)| *key).collect();
        for key in keys {
            let is_read = self
                .blocks
                .iter()
                .any(|(place, block)| block.lanes.contains(&key) && self.rank((place.0, 0)) < AHEAD_BYTES);
            if !is_read {
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

    fn close_oldest(&mut self) {
        let oldest = self.lanes.all.iter().filter_map(|(key, lane)| Some((lane.active?, *key))).min();
        if let Some((_, key)) = oldest {
            self.close(key);
        }
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
        self.trust.lane_gone(key);
    }
}
