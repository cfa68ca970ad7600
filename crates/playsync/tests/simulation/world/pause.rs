//! One pause, and nobody who does anything after it.

use super::{Event, Kind, World, item};
use streamshare_playsync::{Action, Input};
use streamshare_protocol::PlaybackState;

/// People who press pause once, while players load, land and starve; nobody does anything after that.
pub(crate) fn pause_once(seed: u64) {
    let mut world = World::new(seed);
    let ours = world.peers.iter().filter(|peer| matches!(peer.kind, Kind::Ours(_))).count();
    world.peers.truncate(ours);
    world.events.retain(|_, event| match event {
        Event::Act | Event::Disturb => false,
        Event::Connect { peer } | Event::Tick { peer } => *peer < ours,
        Event::Up { .. } | Event::Down { .. } | Event::Wake { .. } | Event::Timeout => true,
    });
    let run = |world: &mut World, until: f64| {
        while world.events.first_key_value().is_some_and(|((us, _), _)| *us as f64 / 1e6 < until) {
            let ((us, _), event) = world.events.pop_first().unwrap();
            world.t = us as f64 / 1e6;
            world.handle(event);
        }
        world.t = until;
    };
    let act = |world: &mut World, peer: usize, action: Action| {
        let t = world.t;
        if let Kind::Ours(ours) = &mut world.peers[peer].kind {
            let sent = ours.handle(Input::Local(action), t, &mut world.rng);
            world.send_up(peer, sent);
        }
    };
    run(&mut world, 11.0);
    act(&mut world, 0, Action::Append(vec![item(1)]));
    let pause_at = 11.5 + world.rng.float() * 20.0;
    let mut t = 11.0;
    while t < pause_at {
        t += world.rng.float() * 3.0;
        run(&mut world, t.min(pause_at));
        let (peer, for_s) = (world.rng.below(ours), world.rng.float() * 8.0);
        if let (Kind::Ours(ours), true) = (&mut world.peers[peer].kind, world.t < pause_at) {
            ours.starve(t, for_s);
        }
    }
    let by = world.rng.below(ours);
    let Kind::Ours(presser) = &world.peers[by].kind else { return };
    // Whoever sees that it stands presses for something else.
    if presser.client.view(presser.now(world.t)).state != PlaybackState::Playing {
        return;
    }
    act(&mut world, by, Action::Pause);
    for after in [2.0, 8.0, 20.0] {
        run(&mut world, pause_at + after);
        for (n, peer) in world.peers.iter().enumerate() {
            let Kind::Ours(ours) = &peer.kind else { continue };
            let view = ours.client.view(ours.now(world.t));
            assert_eq!((n, view.state), (n, PlaybackState::Paused), "{after} s after");
            assert!(!ours.plays(), "peer {n} plays {after} s after");
        }
    }
}
