//! The pool against peers with rates and delays, and a librqbit that reads, in virtual time.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const BLOCK: u32 = 16 << 10;
/// More than lanes are not opened for after one has ended.
const PAUSED: Duration = Duration::from_secs(2);

/// A peer as a line with a rate and a delay, which serves in order.
struct Line {
    blocks_a_second: f64,
    delay: f64,
    free: f64,
    /// What it is to send, and when that arrives.
    queue: VecDeque<(Place, f64)>,
}

/// A pool, its peers, and a librqbit that asks lanes for pieces in order from where the reader is.
struct World {
    pool: Pool,
    begun: Instant,
    now: f64,
    lines: BTreeMap<PeerKey, Line>,
    lanes: BTreeMap<LaneKey, BTreeSet<Place>>,
    taken: BTreeSet<u32>,
    missing: BTreeMap<u32, BTreeSet<u32>>,
    blocks_a_piece: u32,
    position: u32,
    done: BTreeMap<u32, f64>,
    sent: BTreeMap<PeerKey, usize>,
    /// Peers whose blocks are wrong, each in its own way: the checksum of what is right is 0.
    liars: BTreeSet<PeerKey>,
    banned: BTreeSet<PeerKey>,
    /// The checksum of the block that comes.
    coming: u64,
    /// Pieces of which something wrong is on the disk.
    wrong: BTreeSet<u32>,
}

impl World {
    fn new(pieces: u32, blocks_a_piece: u32, lines: &[(f64, f64)]) -> Self {
        let geometry = Geometry { piece_count: pieces, piece_bytes: blocks_a_piece * BLOCK };
        let mut world = Self {
            pool: Pool::new(geometry),
            begun: Instant::now(),
            now: 0.0,
            lines: BTreeMap::new(),
            lanes: BTreeMap::new(),
            taken: BTreeSet::new(),
            missing: (0..pieces).map(|piece| (piece, (0..blocks_a_piece).collect())).collect(),
            blocks_a_piece,
            position: 0,
            done: BTreeMap::new(),
            sent: BTreeMap::new(),
            liars: BTreeSet::new(),
            banned: BTreeSet::new(),
            coming: 0,
            wrong: BTreeSet::new(),
        };
        for (key, (blocks_a_second, delay)) in (1..).zip(lines) {
            let line = Line { blocks_a_second: *blocks_a_second, delay: *delay, free: 0.0, queue: VecDeque::new() };
            world.lines.insert(key, line);
            let full = vec![0xff; pieces.div_ceil(8) as usize];
            let now = world.time();
            world.pool.add_peer(key, now);
            world.pool.want(key, true, now);
            assert!(world.pool.bitfield(key, &full, now));
            world.pool.choke(key, false, now);
        }
        world.seek(0);
        world
    }

    fn time(&self) -> Instant {
        self.begun + Duration::from_secs_f64(self.now)
    }

    fn seek(&mut self, piece: u32) {
        self.position = piece;
        let offset = u64::from(piece) * u64::from(self.pool.geometry.piece_bytes);
        self.pool.read(1, offset, 0, true, self.time());
        self.settle();
    }

    /// Does what the pool says, until it says nothing more.
    fn settle(&mut self) {
        while let Some(effect) = self.pool.poll_effect() {
            match effect {
                Effect::Request(peer, place, length) => {
                    assert_eq!(length, BLOCK);
                    // One that was banned just now hears nothing.
                    let Some(line) = self.lines.get_mut(&peer) else { continue };
                    line.free = f64::max(line.free, self.now + line.delay / 2.0) + 1.0 / line.blocks_a_second;
                    line.queue.push_back((place, line.free + line.delay / 2.0));
                    *self.sent.entry(peer).or_default() += 1;
                }
                Effect::Cancel(peer, place, _) => {
                    if let Some(line) = self.lines.get_mut(&peer) {
                        line.queue.retain(|(other, _)| *other != place);
                    }
                }
                Effect::Open(lane) => {
                    self.pool.lane_ready(lane, self.time());
                }
                Effect::Unchoke(lane) => {
                    self.lanes.insert(lane, BTreeSet::new());
                    self.ask(lane);
                }
                Effect::Deliver(lane, place) => self.deliver(lane, place),
                Effect::Close(lane) => self.lose(lane),
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
    fn cut(&mut self) {
        for lane in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.lose(lane);
            self.pool.lane_ended(lane, self.time());
        }
        self.settle();
    }

    /// librqbit fills a lane's window: whole pieces, from the reader on, then from the beginning.
    fn ask(&mut self, lane: LaneKey) {
        loop {
            let Some(asked) = self.lanes.get(&lane) else { return };
            if asked.len() >= 128 {
                return;
            }
            let free = |piece: &&u32| !self.taken.contains(*piece);
            let next = self.missing.range(self.position..).map(|(piece, _)| piece).find(free);
            let Some(piece) = next.or_else(|| self.missing.keys().find(free)).copied() else { return };
            self.taken.insert(piece);
            let now = self.time();
            for block in 0..self.blocks_a_piece {
                self.lanes.get_mut(&lane).unwrap().insert((piece, block * BLOCK));
                self.pool.request(lane, (piece, block * BLOCK), BLOCK);
            }
            self.pool.review(now);
        }
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
    fn until(&mut self, is_true: impl Fn(&Self) -> bool) -> f64 {
        let begun = self.now;
        let mut reviewed = self.now;
        while !is_true(self) {
            assert!(self.now < begun + 600.0, "it never comes true");
            let next = self.lines.iter().filter_map(|(key, line)| Some((line.queue.front()?.1, *key)));
            let next = next.min_by(|left, right| left.0.total_cmp(&right.0));
            match next {
                Some((arrives, key)) if arrives < reviewed + 0.04 => {
                    self.now = self.now.max(arrives);
                    let (place, _) = self.lines.get_mut(&key).unwrap().queue.pop_front().unwrap();
                    self.coming = u64::from(self.liars.contains(&key)) * key;
                    assert!(self.pool.block(key, place, BLOCK, self.coming, self.time()));
                }
                _ => {
                    reviewed += 0.04;
                    self.now = self.now.max(reviewed);
                    self.pool.review(self.time());
                }
            }
            self.settle();
        }
        self.now - begun
    }
}

/// Three peers of 2 MiB/s, 40 ms there and back.
const THREE: [(f64, f64); 3] = [(128.0, 0.04); 3];

#[test]
fn all_peers_bring_one_piece() {
    let mut world = World::new(64, 256, &THREE);
    let floor = 256.0 / (3.0 * 128.0);
    let first = world.until(|world| world.done.contains_key(&0));
    assert!(first < 1.4 * floor, "{first} s, {floor} s at best");
}

#[test]
fn a_seek_is_served_before_what_was_asked_for() {
    let mut world = World::new(64, 256, &THREE);
    world.until(|world| world.done.contains_key(&1));
    world.seek(40);
    let floor = 256.0 / (3.0 * 128.0);
    let seek = world.until(|world| world.done.contains_key(&40));
    assert!(seek < 1.3 * floor, "{seek} s, {floor} s at best");
}

#[test]
fn a_slow_peer_holds_nothing_up() {
    // 5 MB/s and 50 KB/s, pieces of 1 MiB, as fast as they come.
    let mut world = World::new(64, 64, &[(305.0, 0.04), (3.0, 0.04)]);
    world.until(|world| world.done.contains_key(&31));
    let times: Vec<_> = (0..32).map(|piece| world.done[&piece]).collect();
    let worst = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(worst < 0.5, "{worst} s between two pieces; 0.21 at best");
    // It is used all the same, for what has time.
    assert!(world.sent[&2] > 4, "{:?}", world.sent);
}

#[test]
fn no_bandwidth_is_wasted() {
    let mut world = World::new(32, 64, &THREE);
    let took = world.until(|world| world.missing.is_empty());
    let floor = 32.0 * 64.0 / (3.0 * 128.0);
    assert!(took < 1.1 * floor, "{took} s, {floor} s at best");
    let sent: usize = world.sent.values().sum();
    assert!(sent < 32 * 64 + 64, "{sent} blocks were asked for");
}

#[test]
fn what_a_lost_peer_was_asked_for_is_asked_of_others() {
    let mut world = World::new(16, 64, &THREE);
    world.until(|world| world.done.contains_key(&1));
    world.lines.get_mut(&1).unwrap().queue.clear();
    world.lines.get_mut(&1).unwrap().blocks_a_second = 1e-9;
    world.until(|world| world.done.contains_key(&3));
    let now = world.time();
    world.pool.choke(2, true, now);
    world.lines.get_mut(&2).unwrap().queue.clear();
    world.settle();
    world.until(|world| world.missing.is_empty());
}

#[test]
fn liars_are_found_and_nobody_else() {
    for liars in [BTreeSet::from([2]), BTreeSet::from([1, 4])] {
        let mut world = World::new(64, 64, &[(128.0, 0.04), (64.0, 0.1), (128.0, 0.04), (256.0, 0.02)]);
        world.liars.clone_from(&liars);
        let took = world.until(|world| world.missing.is_empty());
        assert_eq!(world.banned, liars);
        assert!(took < 40.0, "{took} s; 13 with the two that are honest from the beginning");
    }
}

#[test]
fn a_liar_that_stalls_is_found() {
    let mut world = World::new(32, 64, &THREE);
    world.liars.insert(3);
    // It brings something, and lets everything else wait.
    world.until(|world| world.sent.get(&3).is_some_and(|sent| *sent > 20));
    world.lines.get_mut(&3).unwrap().blocks_a_second = 0.5;
    world.until(|world| world.missing.is_empty());
    assert_eq!(world.banned, BTreeSet::from([3]));
}

#[test]
fn who_alone_brings_a_wrong_piece_did_it() {
    let mut world = World::new(4, 64, &[(128.0, 0.04)]);
    world.liars.insert(1);
    world.until(|world| !world.banned.is_empty());
    assert!(world.sent[&1] <= 128, "it was asked for {} blocks", world.sent[&1]);
}

#[test]
fn pauses_are_nobodys_fault() {
    let mut world = World::new(32, 64, &THREE);
    // One after another, in the middle of pieces.
    for round in 1..40 {
        world.until(|world| world.lanes.values().any(|asked| !asked.is_empty()));
        let until = world.now + 0.05 * f64::from(round % 8);
        world.until(|world| world.now >= until);
        world.cut();
    }
    assert!(!world.missing.is_empty(), "some of it is left");
    world.until(|world| world.missing.is_empty());
    assert_eq!(world.banned, BTreeSet::new());
}

#[test]
fn a_piece_that_was_not_looked_at_accuses_nobody() {
    let now = Instant::now();
    // All of a piece was brought by one, and librqbit ended the lane: for a pause, and because it was wrong.
    for (is_checked, banned) in [(false, 0), (true, 1)] {
        let mut pool = Pool::new(Geometry { piece_count: 4, piece_bytes: BLOCK });
        pool.add_peer(1, now);
        pool.want(1, true, now);
        assert!(pool.bitfield(1, &[0xf0], now));
        pool.choke(1, false, now);
        let mut bans = 0;
        for lane in 1..=2 {
            pool.review(now + PAUSED);
            pool.lane_ready(lane, now + PAUSED);
            pool.request(lane, (0, 0), BLOCK);
            pool.review(now + PAUSED);
            assert!(
                std::iter::from_fn(|| pool.poll_effect()).any(|effect| effect == Effect::Request(1, (0, 0), BLOCK))
            );
            assert!(pool.block(1, (0, 0), BLOCK, 7, now + PAUSED));
            if is_checked {
                pool.checked(0);
            }
            pool.lane_ended(lane, now);
            bans += std::iter::from_fn(|| pool.poll_effect()).filter(|effect| *effect == Effect::Ban(1)).count();
            if is_checked {
                break;
            }
        }
        assert_eq!(bans, banned);
    }
}

#[test]
fn strange_messages_do_no_harm() {
    let now = Instant::now();
    let mut pool = Pool::new(Geometry { piece_count: 10, piece_bytes: BLOCK });
    pool.add_peer(1, now);
    assert!(!pool.bitfield(1, &[0xff], now));
    assert!(!pool.bitfield(1, &[0xff; 3], now));
    // Spare bits are set where they must not be: they are no pieces.
    assert!(pool.bitfield(1, &[0xff; 2], now));
    assert!(pool.bitfield(1, &[0xff; 2], now), "once more");
    assert!(!pool.have(1, 10, now) && pool.have(1, 9, now) && !pool.have(1, u32::MAX, now));
    assert!(pool.block(1, (3, 0), 5, 0, now), "a block that nobody asked for");
    assert!(pool.block(9, (3, 0), 5, 0, now));
    pool.request(5, (3, 0), BLOCK);
    pool.cancel(5, (3, 0));
    pool.lane_ended(5, now);
    pool.remove_peer(1, now);
    pool.remove_peer(1, now);
    assert_eq!(pool.offered(), [0, 0]);
    assert!(pool.is_idle());
}

#[test]
fn a_lane_that_librqbit_ended_is_replaced_by_and_by() {
    let (now, later) = (Instant::now(), |seconds| Instant::now() + Duration::from_secs(seconds));
    let mut pool = Pool::new(Geometry { piece_count: 4, piece_bytes: BLOCK });
    pool.add_peer(1, now);
    pool.want(1, true, now);
    assert!(pool.bitfield(1, &[0xf0], now));
    pool.choke(1, false, now);
    let opened =
        |pool: &mut Pool| std::iter::from_fn(|| pool.poll_effect()).any(|effect| matches!(effect, Effect::Open(_)));
    assert!(opened(&mut pool) && pool.is_idle());
    // As when the torrent is paused. The peer comes back at once, and then says nothing more.
    pool.lane_ended(1, now);
    assert!(!opened(&mut pool) && !pool.is_idle());
    pool.review(later(5));
    assert!(opened(&mut pool) && pool.is_idle());
}
