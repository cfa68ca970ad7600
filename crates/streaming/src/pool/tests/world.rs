//! A pool, its peers and a librqbit, in virtual time.

mod line;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::*;
use line::after;
pub(super) use line::{Line, Manner, chance, pauses};

pub(super) const BLOCK: u32 = 16 << 10;

/// A pool, its peers, and a librqbit that asks lanes for pieces in order from where the reader is.
pub(super) struct World {
    pub(super) pool: Pool,
    pub(super) begun: Instant,
    pub(super) now: f64,
    pub(super) lines: BTreeMap<PeerKey, Line>,
    /// What comes from all peers goes through this in the end.
    pub(super) bottleneck: Option<Line>,
    /// Peers that are connected later, and when; the first first.
    pub(super) joins: VecDeque<(f64, PeerKey)>,
    /// When our machine does something else.
    pub(super) pauses: Vec<(f64, f64)>,
    pub(super) lanes: BTreeMap<LaneKey, BTreeSet<Place>>,
    /// What librqbit was told that each has.
    offered: BTreeMap<LaneKey, Vec<u8>>,
    /// Lanes of which librqbit needed nothing when it looked last, and when it looks again.
    asleep: BTreeMap<LaneKey, f64>,
    pub(super) lanes_opened: u32,
    random: u64,
    pub(super) taken: BTreeSet<u32>,
    pub(super) missing: BTreeMap<u32, BTreeSet<u32>>,
    pub(super) blocks_a_piece: u32,
    pub(super) position: u32,
    /// Where somebody else reads.
    pub(super) other: Option<u32>,
    /// librqbit does not know of them, but that all of the film is wanted.
    pub(super) is_other_unknown: bool,
    pub(super) done: BTreeMap<u32, f64>,
    pub(super) sent: BTreeMap<PeerKey, usize>,
    /// What each has brought.
    pub(super) brought: BTreeMap<PeerKey, usize>,
    /// Peers whose blocks are wrong, each in its own way: the checksum of what is right is 0.
    pub(super) liars: BTreeSet<PeerKey>,
    pub(super) banned: BTreeSet<PeerKey>,
    /// The checksum of the block that comes.
    pub(super) coming: u64,
    /// Pieces of which something wrong is on the disk.
    pub(super) wrong: BTreeSet<u32>,
}

impl World {
    /// One where the beginning is read.
    pub(super) fn new(pieces: u32, blocks_a_piece: u32, lines: &[(f64, f64)]) -> Self {
        let mut world = Self::idle(pieces, blocks_a_piece, lines);
        world.seek(0);
        world
    }

    /// One where nobody reads yet.
    pub(super) fn idle(pieces: u32, blocks_a_piece: u32, lines: &[(f64, f64)]) -> Self {
        let geometry = Geometry { piece_count: pieces, piece_bytes: blocks_a_piece * BLOCK };
        let mut world = Self {
            pool: Pool::new(geometry),
            begun: Instant::now(),
            now: 0.0,
            lines: BTreeMap::new(),
            bottleneck: None,
            joins: VecDeque::new(),
            pauses: Vec::new(),
            lanes: BTreeMap::new(),
            offered: BTreeMap::new(),
            asleep: BTreeMap::new(),
            lanes_opened: 0,
            random: 7,
            taken: BTreeSet::new(),
            missing: (0..pieces).map(|piece| (piece, (0..blocks_a_piece).collect())).collect(),
            blocks_a_piece,
            position: 0,
            other: None,
            is_other_unknown: false,
            done: BTreeMap::new(),
            sent: BTreeMap::new(),
            brought: BTreeMap::new(),
            liars: BTreeSet::new(),
            banned: BTreeSet::new(),
            coming: 0,
            wrong: BTreeSet::new(),
        };
        for (key, (blocks_a_second, delay)) in (1..).zip(lines) {
            world.lines.insert(key, Line::new(*blocks_a_second, *delay));
            world.join(key);
        }
        world
    }

    /// A peer is connected, has everything and lets us ask.
    fn join(&mut self, key: PeerKey) {
        let full = vec![0xff; self.pool.geometry.piece_count.div_ceil(8) as usize];
        let now = self.time();
        self.pool.add_peer(key, now);
        self.pool.want(key, true, now);
        assert!(self.pool.bitfield(key, &full, now));
        self.pool.choke(key, false, now);
    }

    /// One whose peers are connected when their time has come.
    pub(super) fn joined(pieces: u32, blocks_a_piece: u32, mut lines: Vec<(f64, Line)>) -> Self {
        let mut world = Self::idle(pieces, blocks_a_piece, &[]);
        lines.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        for (key, (at, line)) in (1..).zip(lines) {
            world.lines.insert(key, line);
            world.joins.push_back((at, key));
        }
        world
    }

    pub(super) fn time(&self) -> Instant {
        self.begun + Duration::from_secs_f64(self.now)
    }

    /// Somebody else reads one piece, too, and stands back behind so many blocks. [`World::seek`] is to follow.
    pub(super) fn also(&mut self, piece: u32, blocks: u32) {
        self.other = Some(piece);
        let offset = u64::from(piece) * u64::from(self.pool.geometry.piece_bytes);
        self.pool.read(2, offset, u64::from(blocks * BLOCK), true, self.time());
    }

    /// What is there is not read again.
    pub(super) fn seek(&mut self, piece: u32) {
        let piece = (piece..).find(|piece| !self.done.contains_key(piece)).unwrap();
        self.position = piece;
        let offset = u64::from(piece) * u64::from(self.pool.geometry.piece_bytes);
        self.pool.read(1, offset, 0, true, self.time());
        self.settle();
    }

    /// Does what the pool says, until it says nothing more.
    pub(super) fn settle(&mut self) {
        while let Some(effect) = self.pool.poll_effect() {
            match effect {
                Effect::Request(peer, place, length) => {
                    assert_eq!(length, BLOCK);
                    // One that was banned just now hears nothing.
                    let Some(line) = self.lines.get_mut(&peer) else { continue };
                    let arrives = line.request(self.now);
                    let arrives = match &mut self.bottleneck {
                        Some(narrow) => narrow.request(arrives),
                        None => arrives,
                    };
                    let at = line.queue.partition_point(|(_, other)| *other <= arrives);
                    line.queue.insert(at, (place, arrives));
                    *self.sent.entry(peer).or_default() += 1;
                }
                Effect::Cancel(peer, place, _) => {
                    if let Some(line) = self.lines.get_mut(&peer) {
                        line.cancel(place, self.now);
                    }
                }
                Effect::Offer(lane, bits) => {
                    self.offered.insert(lane, bits);
                }
                Effect::Open(lane) => {
                    self.lanes_opened += 1;
                    self.pool.lane_ready(lane, self.time());
                }
                Effect::Unchoke(lane) => {
                    self.lanes.insert(lane, BTreeSet::new());
                    self.ask(lane);
                }
                Effect::Deliver(lane, place) => self.deliver(lane, place),
                Effect::Close(lane) => {
                    self.lose(lane);
                    // What it was asked for is asked of others.
                    self.asleep.clear();
                    self.ask_all();
                }
                Effect::Ban(peer) => {
                    self.banned.insert(peer);
                    self.lines.remove(&peer);
                    self.pool.remove_peer(peer, self.time());
                }
                Effect::Have(..) => {}
            }
        }
    }

    /// librqbit forgets what it had of the pieces that it asked a lane for.
    fn lose(&mut self, lane: LaneKey) {
        for (piece, _) in self.lanes.remove(&lane).unwrap_or_default() {
            if self.taken.remove(&piece) {
                self.missing.insert(piece, (0..self.blocks_a_piece).collect());
                self.wrong.remove(&piece);
            }
        }
    }

    /// librqbit ends all lanes, as when it is paused, and takes new ones.
    pub(super) fn cut(&mut self) {
        for lane in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.lose(lane);
            self.pool.lane_ended(lane, self.time());
        }
        self.settle();
    }

    /// librqbit fills a lane's window: whole pieces of those that the lane has, from each reader on by turns, then from the beginning.
    fn ask(&mut self, lane: LaneKey) {
        if self.asleep.contains_key(&lane) {
            return;
        }
        while self.lanes.get(&lane).is_some_and(|asked| asked.len() < 128) {
            let Some(piece) = self.next_of(lane) else {
                self.asleep.insert(lane, self.now + 5.0);
                break;
            };
            self.taken.insert(piece);
            for block in 0..self.blocks_a_piece {
                self.lanes.get_mut(&lane).unwrap().insert((piece, block * BLOCK));
                self.pool.request(lane, (piece, block * BLOCK), BLOCK);
            }
        }
        // It has asked for all that before it hears anything.
        self.pool.review(self.time());
        self.hear_offers();
    }

    fn ask_all(&mut self) {
        for lane in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.ask(lane);
        }
    }

    /// Which piece librqbit asks a lane for. It has a stream for each reader, and whose turn it is first is chance.
    fn next_of(&mut self, lane: LaneKey) -> Option<u32> {
        let offered = self.offered.get(&lane)?;
        let is_free = |piece: &u32| {
            let has = offered[*piece as usize / 8] & (0x80 >> (*piece % 8)) != 0;
            has && !self.taken.contains(piece)
        };
        let other = self.other.filter(|_| !self.is_other_unknown);
        let mut readers: Vec<_> = [Some(self.position), other].into_iter().flatten().collect();
        if chance(&mut self.random) < 0.5 {
            readers.reverse();
        }
        let ahead = (32 << 20) / (self.blocks_a_piece * BLOCK);
        let nearest = |from: u32| self.missing.range(from..from + ahead).map(|(piece, _)| *piece).find(is_free);
        // The first of each comes before the second of any; what is taken of one is its turn, too.
        let turns = readers.into_iter().filter_map(|from| Some((from, nearest(from)?)));
        let next = turns.min_by_key(|(from, piece)| piece - from).map(|(_, piece)| piece);
        next.or_else(|| self.missing.keys().copied().find(is_free))
    }

    /// Hears what lanes have by now, before the rest of what the pool says.
    fn hear_offers(&mut self) {
        let mut rest = Vec::new();
        while let Some(effect) = self.pool.poll_effect() {
            if let Effect::Offer(lane, bits) = effect {
                self.offered.insert(lane, bits);
            } else {
                rest.push(effect);
            }
        }
        self.pool.effects.extend(rest);
    }

    fn deliver(&mut self, lane: LaneKey, (piece, begin): Place) {
        assert!(self.lanes.get_mut(&lane).unwrap().remove(&(piece, begin)), "librqbit did not ask for it");
        let missing = self.missing.get_mut(&piece).unwrap();
        missing.remove(&(begin / BLOCK));
        if self.coming != 0 {
            self.wrong.insert(piece);
        }
        if missing.is_empty() {
            self.pool.checked(piece);
            if self.wrong.remove(&piece) {
                self.missing.insert(piece, (0..self.blocks_a_piece).collect());
                self.taken.remove(&piece);
                self.lose(lane);
                self.pool.lane_ended(lane, self.time());
                return;
            }
            self.pool.right(piece);
            self.missing.remove(&piece);
            self.taken.remove(&piece);
            self.done.insert(piece, self.now);
            if self.other == Some(piece) {
                // They stay where they are, as who holds a place.
                self.other = None;
            }
            if piece == self.position {
                let next = (piece..).find(|piece| !self.done.contains_key(piece)).unwrap();
                self.position = next;
                if next < self.pool.geometry.piece_count {
                    let offset = u64::from(next) * u64::from(self.pool.geometry.piece_bytes);
                    self.pool.read(1, offset, 0, true, self.time());
                }
            }
        }
        self.ask(lane);
    }

    /// Lets time pass until something is true; how long that took, in seconds.
    pub(super) fn until(&mut self, is_true: impl Fn(&Self) -> bool) -> f64 {
        let begun = self.now;
        let mut reviewed = self.now;
        while !is_true(self) {
            assert!(self.now < begun + 600.0, "it never comes true");
            let next = self.lines.iter().filter_map(|(key, line)| Some((line.queue.front()?.1, *key)));
            let next = next.min_by(|left, right| left.0.total_cmp(&right.0));
            let arrives = next.map_or(f64::INFINITY, |(arrives, _)| after(&self.pauses, arrives));
            let joins = self.joins.front().map_or(f64::INFINITY, |(at, _)| after(&self.pauses, *at));
            let reviews = after(&self.pauses, reviewed + 0.04);
            self.now = self.now.max(arrives.min(joins).min(reviews));
            if let Some((_, key)) = next.filter(|_| arrives < reviews.min(joins)) {
                let (place, _) = self.lines.get_mut(&key).unwrap().queue.pop_front().unwrap();
                *self.brought.entry(key).or_default() += 1;
                self.coming = u64::from(self.liars.contains(&key)) * key;
                assert!(self.pool.block(key, place, BLOCK, self.coming, self.time()));
            } else if joins < reviews {
                let (_, key) = self.joins.pop_front().unwrap();
                self.join(key);
            } else {
                reviewed = self.now;
                self.pool.review(self.time());
                let now = self.now;
                self.asleep.retain(|_, until| now < *until);
                self.ask_all();
            }
            self.settle();
        }
        self.now - begun
    }
}
