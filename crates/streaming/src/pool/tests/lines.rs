//! Whether lines of all kinds are kept full, and no more than that.

use super::world::{Line, Manner, World, pauses};

/// Blocks a second of 2 MiB/s, and of 5 MB/s.
const TWO: f64 = 128.0;
const FIVE: f64 = 305.0;

/// What comes in a second from one moment to another, in blocks, and what is on its way or waits meanwhile.
fn brought(world: &mut World, from: f64, to: f64) -> (f64, f64) {
    let all = |world: &World| world.brought.values().sum::<usize>() as f64;
    world.until(|world| world.now >= from);
    let (before, mut asked, mut looks) = (all(world), 0.0, 0.0);
    while world.now < to {
        let next = world.now + 0.05;
        world.until(|world| world.now >= next);
        asked += world.pool.peers.values().map(|peer| peer.line.asked()).sum::<usize>() as f64;
        looks += 1.0;
    }
    ((all(world) - before) / (world.now - from), asked / looks)
}

fn world(rate: f64, delay: f64, manner: Manner) -> World {
    let mut world = World::idle(2048, 64, &[(rate, delay)]);
    world.lines.get_mut(&1).unwrap().manner = manner;
    world.seek(0);
    world
}

#[test]
fn little_waits_for_a_steady_line() {
    for (rate, delay) in [(TWO, 0.02), (TWO, 0.04), (FIVE, 0.1)] {
        let (comes, asked) = brought(&mut world(rate, delay, Manner::Steady), 2.0, 10.0);
        assert!(comes > 0.97 * rate, "{rate} blocks/s, {delay} s: {comes} come");
        // A block on its way to us, and what is to wait, some more at times.
        assert!(asked < rate * (delay + 0.03) + 1.0, "{rate} blocks/s, {delay} s: {asked} are asked for");
    }
}

#[test]
fn a_line_that_falters_is_kept_full() {
    // A browser's event loop, a busy machine, and one that gets little of it.
    let falters = [((0.2, 1.0), (0.5, 3.0)), ((0.05, 0.3), (0.05, 0.5)), ((0.02, 0.06), (0.002, 0.03))];
    for (long, apart) in falters {
        let all = pauses(long, apart);
        let (from, to) = (2.0, 14.0);
        let (comes, _) = brought(&mut world(TWO, 0.02, Manner::Held(all.clone())), from, to);
        assert!(comes > 0.9 * TWO, "{comes} of {TWO} while we pause for {long:?} s");
        let paused: f64 = all.iter().map(|(begin, end)| (end.min(to) - begin.max(from)).max(0.0)).sum();
        let can = TWO * (1.0 - paused / (to - from));
        let (comes, _) = brought(&mut world(TWO, 0.02, Manner::Stopped(all)), from, to);
        assert!(comes > 0.95 * can, "{comes} of {can} while the peer pauses for {long:?} s");
    }
}

#[test]
fn who_answers_in_batches_is_asked_for_all_of_one() {
    for (every, rate, delay) in
        [(0.1, TWO, 0.02), (0.25, TWO, 0.02), (0.1, FIVE, 0.002), (0.25, FIVE, 0.002), (0.1, 5.0 * TWO, 0.05)]
    {
        let (comes, _) = brought(&mut world(rate, delay, Manner::Batches(every)), 3.0, 12.0);
        assert!(comes > 0.9 * rate, "{comes} of {rate} blocks/s, every {every} s");
    }
}

#[test]
fn who_looks_for_each_block_is_asked_for_many() {
    for (rate, most) in [(TWO, 0.05), (TWO, 0.2), (FIVE, 0.3)] {
        let (comes, _) = brought(&mut world(rate, 0.02, Manner::Scattered(most)), 3.0, 12.0);
        assert!(comes > 0.9 * rate, "{comes} of {rate} blocks/s, up to {most} s each");
    }
}

#[test]
fn a_line_that_becomes_faster_or_slower_is_learned() {
    let mut world = world(TWO, 0.02, Manner::Steady);
    world.until(|world| world.now >= 10.0);
    world.lines.get_mut(&1).unwrap().blocks_a_second = 10.0 * TWO;
    let (comes, _) = brought(&mut world, 11.0, 13.0);
    assert!(comes > 9.0 * TWO, "{comes} of {} blocks/s", 10.0 * TWO);
    world.lines.get_mut(&1).unwrap().blocks_a_second = TWO / 4.0;
    let (comes, asked) = brought(&mut world, 20.0, 24.0);
    assert!(comes > 0.9 * TWO / 4.0 && asked < 0.2 * TWO / 4.0, "{comes} of {} blocks/s, {asked} asked for", TWO / 4.0);
}

#[test]
fn lines_are_full_side_by_side() {
    // One of them is narrow.
    let mut apart = World::new(2048, 64, &[(TWO, 0.02), (FIVE, 0.002)]);
    let (comes, asked) = brought(&mut apart, 2.0, 8.0);
    assert!(comes > 0.95 * (TWO + FIVE), "{comes} of {} blocks/s", TWO + FIVE);
    assert!(asked < 0.05 * (TWO + FIVE), "{asked} asked for");
    // Both go through one that is.
    for count in [2, 6] {
        let mut joined = World::idle(2048, 64, &vec![(4.0 * TWO, 0.02); count]);
        joined.bottleneck = Some(Line::new(FIVE, 0.0));
        joined.seek(0);
        let (comes, asked) = brought(&mut joined, 2.0, 10.0);
        assert!(comes > 0.95 * FIVE, "{comes} of {FIVE} blocks/s");
        assert!(asked < 0.8 * FIVE, "{asked} asked for");
    }
}
