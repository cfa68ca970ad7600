//! How long somebody waits who begins to watch, or seeks, in a swarm as there are many.

use super::world::{Line, World, chance};

/// Three peers of 2 MiB/s, and one of 50 KB/s that has much in its buffers; 40 ms there and back. All are connected within a moment, and our
/// machine is busy now and then.
fn swarm(random: &mut u64) -> World {
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.push((0.05 + 0.2 * chance(random), Line::new(128.0, 0.04)));
    }
    let mut slow = Line::new(3.05, 0.04);
    slow.committed = 1.0 + 2.0 * chance(random);
    lines.push((0.4 * chance(random), slow));
    let mut world = World::joined(64, 64, lines);
    let mut at = 0.0;
    while at < 20.0 {
        let from = at + 0.01 + 0.2 * chance(random);
        at = from + 0.04 * chance(random);
        world.pauses.push((from, at));
    }
    world
}

/// Seconds until the first piece is there, the end, and where it is sought to later.
fn times(seed: u64) -> [f64; 3] {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    chance(&mut random);
    let mut world = swarm(&mut random);
    world.also(63, 63);
    world.seek(0);
    let first = world.until(|world| world.done.contains_key(&0)) - 0.25;
    world.seek(63);
    let end = world.until(|world| world.done.contains_key(&63));
    world.seek(1);
    let later = world.now + 1.0 + chance(&mut random) * 0.4;
    world.until(|world| world.now > later);
    world.seek(40);
    let seek = world.until(|world| world.done.contains_key(&40));
    [first, end, seek]
}

#[test]
fn nobody_waits_long() {
    let all: Vec<_> = (1..=60).map(times).collect();
    // Half of them take 0.2, 0.2 and 0.35 s.
    for (which, most) in [0.45, 0.35, 0.6].into_iter().enumerate() {
        let worst = all.iter().map(|times| times[which]).fold(0.0, f64::max);
        assert!(worst < most, "{worst} s, at the {which}th place");
    }
}
