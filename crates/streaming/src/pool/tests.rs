//! The pool against peers with rates and delays, and a librqbit that reads, in virtual time.

mod lines;
mod swarm;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use world::{BLOCK, World};

/// More than lanes are not opened for after one has ended.
const PAUSED: Duration = Duration::from_secs(2);

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
fn a_peer_that_turns_out_slow_does_not_hold_up_the_beginning() {
    let lines: Vec<_> = THREE.into_iter().chain([(3.0, 0.04)]).collect();
    let mut world = World::new(64, 64, &lines);
    // There and back once more, until all lines are full.
    let floor = 64.0 / (3.0 * 128.0) + 0.04;
    let first = world.until(|world| world.done.contains_key(&0));
    assert!(first < floor + 0.025, "{first} s, {floor} s at best");
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
fn a_seek_is_as_fast_after_a_minute_beside_a_slow_peer() {
    let lines: Vec<_> = THREE.into_iter().chain([(3.0, 0.04)]).collect();
    for seconds in [1.2, 60.0] {
        let mut world = World::new(1024, 64, &lines);
        world.until(|world| world.now > seconds);
        world.seek(1000);
        // 20 ms wait at each peer, and as long is a block on its way that comes last.
        let floor = 64.0 / (3.0 * 128.0) + 0.04;
        let seek = world.until(|world| world.done.contains_key(&1000));
        assert!(seek < floor + 0.04, "{seek} s after {seconds} s, {floor} s at best");
    }
}

#[test]
fn what_stands_back_has_its_turn_as_a_whole() {
    let mut world = World::idle(64, 64, &THREE);
    // The end of a file, once its beginning is there.
    world.also(63, 63);
    world.seek(0);
    world.until(|world| world.done.contains_key(&0));
    // It goes there next.
    world.seek(63);
    world.until(|world| world.done.contains_key(&63));
    let (first, last) = (world.done[&0], world.done[&63]);
    let piece = 64.0 / (3.0 * 128.0);
    assert!(first < 0.3 && last - first < 1.15 * piece, "{first} and {last} s, {piece} s a piece");
}

#[test]
fn each_reader_is_given_what_it_waits_for_and_no_lane_too_many() {
    // Whose stream librqbit asks for first is chance, and what one waits for may come last: it may not have a stream yet.
    for (at, other, is_other_unknown) in [(0, 63, false), (3, 60, true), (40, 5, true)] {
        let mut world = World::idle(64, 64, &THREE);
        world.is_other_unknown = is_other_unknown;
        world.also(other, 63);
        world.seek(at);
        let first = world.until(|world| world.done.contains_key(&at));
        let floor = 64.0 / (3.0 * 128.0) + 0.04;
        assert!(first < floor + 0.05, "{first} s, {floor} s at best");
        world.until(|world| world.done.contains_key(&other));
        assert!(world.lanes_opened <= 3, "{} lanes", world.lanes_opened);
        let sent: usize = world.sent.values().sum();
        let brought: usize = world.brought.values().sum();
        assert!(sent < brought + 128, "{sent} blocks were asked for, {brought} came");
        // They stay where they are, which is there.
        let before = world.lanes_opened;
        let later = world.now + 5.0;
        world.until(|world| world.now > later);
        assert!(world.lanes_opened <= before + 2, "{} lanes more", world.lanes_opened - before);
    }
}

#[test]
fn what_a_lane_was_brought_is_not_lost_when_somebody_reads_elsewhere() {
    let now = Instant::now();
    let mut pool = Pool::new(Geometry { piece_count: 8000, piece_bytes: BLOCK });
    pool.add_peer(1, now);
    pool.want(1, true, now);
    assert!(pool.bitfield(1, &[0xff; 1000], now));
    pool.choke(1, false, now);
    let told = |pool: &mut Pool| -> Vec<Effect> { std::iter::from_fn(|| pool.poll_effect()).collect() };
    pool.read(1, 0, 0, true, now);
    pool.lane_ready(1, now);
    assert!(told(&mut pool).contains(&Effect::Unchoke(1)));
    pool.request(1, (0, 0), BLOCK);
    pool.review(now);
    pool.lane_ready(2, now);
    assert!(pool.block(1, (0, 0), BLOCK, 0, now));
    assert!(told(&mut pool).contains(&Effect::Deliver(1, (0, 0))));
    // librqbit has not checked it yet.
    pool.read(2, 4000 * u64::from(BLOCK), 0, true, now);
    let effects = told(&mut pool);
    assert!(effects.contains(&Effect::Unchoke(2)) && !effects.contains(&Effect::Close(1)), "{effects:?}");
    pool.request(2, (4000, 0), BLOCK);
    pool.review(now);
    pool.lane_ready(3, now);
    pool.right(0);
    pool.read(3, 7000 * u64::from(BLOCK), 0, true, now);
    assert!(told(&mut pool).contains(&Effect::Close(1)), "nothing of it is needed any more");
}

#[test]
fn of_many_places_the_ones_needed_first_are_asked_for_and_stay() {
    const PIECE: u64 = 64 * BLOCK as u64;
    let begun = Instant::now();
    let mut pool = Pool::new(Geometry { piece_count: 80, piece_bytes: 64 * BLOCK });
    pool.add_peer(1, begun);
    pool.want(1, true, begun);
    assert!(pool.bitfield(1, &[0xff; 10], begun));
    pool.choke(1, false, begun);
    // The earlier ones stand back behind the later ones; nothing comes.
    for reader in 0..8 {
        pool.read(reader, 10 * reader * PIECE, (8 - reader) << 20, true, begun);
    }
    let mut first = BTreeMap::new();
    let mut asked = BTreeMap::new();
    let mut opened = 0;
    for tick in 0..200 {
        let now = begun + Duration::from_millis(20 * tick);
        pool.review(now);
        while let Some(effect) = pool.poll_effect() {
            match effect {
                Effect::Open(lane) => {
                    opened += 1;
                    pool.lane_ready(lane, now);
                }
                Effect::Offer(lane, bits) => {
                    let offered = (0..80).find(|piece| bits[*piece / 8] & (0x80 >> (piece % 8)) != 0).unwrap();
                    first.insert(lane, u32::try_from(offered).unwrap());
                }
                Effect::Unchoke(lane) => {
                    asked.insert(lane, first[&lane]);
                    pool.request(lane, (first[&lane], 0), BLOCK);
                    pool.review(now);
                }
                Effect::Close(lane) => {
                    asked.remove(&lane);
                }
                Effect::Request(..) | Effect::Cancel(..) | Effect::Ban(_) | Effect::Have(..) | Effect::Deliver(..) => {}
            }
        }
    }
    let pieces: BTreeSet<u32> = asked.into_values().collect();
    assert_eq!(pieces, BTreeSet::from([40, 50, 60, 70]));
    assert!(opened <= 12, "{opened} lanes");
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
    let slow: Vec<_> = THREE.into_iter().chain([(3.0, 0.04)]).collect();
    for (lines, twice) in [(&THREE[..], 16), (&slow, 48)] {
        let mut world = World::new(64, 64, lines);
        let took = world.until(|world| world.missing.is_empty());
        let floor = 64.0 * 64.0 / (3.0 * 128.0);
        assert!(took < 1.05 * floor, "{took} s, {floor} s at best");
        let sent: usize = world.sent.values().sum();
        assert!(sent < 64 * 64 + twice, "{sent} blocks were asked for");
    }
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
    assert_eq!(pool.offered(0..10), [0, 0]);
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
