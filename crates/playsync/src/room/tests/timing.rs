//! When playback starts, whom the room waits for, and how fast it plays.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks what it is about")]

use super::*;

/// What a member says of its player.
fn sync(room: &mut Room, id: MemberId, state: Option<PlayerState>, place: f64, now: f64) {
    let latency = state.and(Latency::new(400.0).ok());
    let report = SyncReport {
        current_time: MediaTime::saturating(place),
        buffer: MediaTime::ZERO,
        dispatched_at: UnixMs::saturating(now * 1000.0),
        player_state: state,
        duration: None,
        skew: None,
        start_latency: latency,
        seek_latency: latency,
        extra: streamshare_protocol::Extra::new(),
    };
    room.handle_message(id, ClientMessage::Sync(report), at(now));
}

/// Lets time pass, with every timeout on the way.
fn pass(room: &mut Room, until: f64) {
    while let Some(due) = room.poll_timeout().filter(|due| *due <= at(until)) {
        room.handle_timeout(due);
    }
}

/// What the last HELLO said: state, place, whom the room waits for.
fn last_hello(room: &mut Room) -> Option<(PlaybackState, f64, Vec<u64>)> {
    let mut hellos = drain(room).into_iter().filter_map(|(_, message)| match message {
        RelayMessage::Hello(h) => Some((h.status.state, h.status.current_time.seconds(), h.waiting_for)),
        _ => None,
    });
    hellos.next_back().map(|(state, place, ids)| (state, place, ids.iter().map(|id| id.get()).collect()))
}

/// A room that plays since 0 s from place 0, with players that do so.
fn playing(n: u64) -> (Room, Vec<MemberId>) {
    let (mut room, ids) = room_of(n);
    room.handle_message(ids[0], ClientMessage::Play(control(0.0, None)), at(0.0));
    ids.iter().for_each(|id| sync(&mut room, *id, Some(PlayerState::Playing), 0.0, 0.0));
    drain(&mut room);
    (room, ids)
}

use PlaybackState::{Paused, Playing};

#[test]
fn the_room_waits_for_a_stall_and_goes_on_with_everyone() {
    let (mut room, ids) = playing(2);
    sync(&mut room, ids[0], Some(PlayerState::Playing), 8.0, 8.0);
    sync(&mut room, ids[1], Some(PlayerState::Stalled), 8.0, 8.0);
    pass(&mut room, 9.4);
    assert_eq!(last_hello(&mut room), None, "not for a short gap");
    pass(&mut room, 9.5);
    assert_eq!(last_hello(&mut room), Some((Paused, 9.5, vec![2])));
    sync(&mut room, ids[0], Some(PlayerState::Paused), 9.5, 9.6);
    sync(&mut room, ids[1], Some(PlayerState::Paused), 9.6, 11.0);
    assert_eq!(last_hello(&mut room), Some((Playing, 9.5, vec![])));
    // Everyone starts together: by the latency that members reported.
    assert_eq!(truth(&mut room, 12.4).status.current_time.seconds(), 10.5);
}

#[test]
fn nobody_is_waited_for_for_ever() {
    let (mut room, ids) = playing(2);
    for s in 1..40 {
        sync(&mut room, ids[0], Some(PlayerState::Playing), f64::from(s), f64::from(s));
        let state = if s < 4 { PlayerState::Playing } else { PlayerState::Stalled };
        sync(&mut room, ids[1], Some(state), f64::from(s.min(4)), f64::from(s));
        pass(&mut room, f64::from(s + 1));
    }
    // 1.5 s until it stood, 10 s until it went on, a start 0.4 s later, and never again.
    assert_eq!(truth(&mut room, 40.0).status.current_time.seconds(), 5.5 + 40.0 - 15.5 - 0.4);
    // That it landed somewhere is not yet that it plays.
    sync(&mut room, ids[1], Some(PlayerState::Playing), 29.5, 40.0);
    for s in 41..45 {
        sync(&mut room, ids[0], Some(PlayerState::Playing), f64::from(s), f64::from(s));
        sync(&mut room, ids[1], Some(PlayerState::Stalled), 29.5, f64::from(s));
        pass(&mut room, f64::from(s + 1));
    }
    assert_eq!(truth(&mut room, 45.0).waiting_for, []);
    // What played for a while is waited for as ever.
    for s in 45..53 {
        let state = if s < 50 { PlayerState::Playing } else { PlayerState::Stalled };
        sync(&mut room, ids[0], Some(PlayerState::Playing), f64::from(s), f64::from(s));
        sync(&mut room, ids[1], Some(state), f64::from(s), f64::from(s));
        pass(&mut room, f64::from(s + 1));
    }
    assert_eq!(truth(&mut room, 53.0).waiting_for.len(), 1);
}

#[test]
fn whom_the_room_does_not_wait_for() {
    let stalls = |first: Option<PlayerState>, played_s: u32, policy: StallPolicy, silent: bool| {
        let (mut room, ids) = room_of(2);
        let set = Set { action_id: ActionId::FIRST, speed: None, stall_policy: Some(policy) };
        room.handle_message(ids[0], ClientMessage::Set(set), at(0.0));
        room.handle_message(ids[0], ClientMessage::Play(control(0.0, None)), at(0.0));
        sync(&mut room, ids[1], first, 0.0, 0.5);
        for s in 1..if silent { played_s + 2 } else { played_s + 9 } {
            sync(&mut room, ids[0], Some(PlayerState::Playing), f64::from(s), f64::from(s));
            let state = if s <= played_s { first } else { Some(PlayerState::Stalled) };
            sync(&mut room, ids[1], state, f64::from(s.min(played_s)), f64::from(s));
        }
        let end = f64::from(played_s + 9);
        sync(&mut room, ids[0], Some(PlayerState::Playing), end, end);
        pass(&mut room, end);
        truth(&mut room, end).waiting_for.len()
    };
    assert_eq!(stalls(Some(PlayerState::Playing), 3, StallPolicy::Wait, false), 1);
    assert_eq!(stalls(Some(PlayerState::Playing), 3, StallPolicy::NeverWait, false), 0);
    assert_eq!(stalls(Some(PlayerState::Playing), 1, StallPolicy::Wait, false), 0, "it has only just come");
    assert_eq!(stalls(Some(PlayerState::Loading), 3, StallPolicy::Wait, false), 0, "it never played");
    assert_eq!(stalls(Some(PlayerState::Playing), 3, StallPolicy::Wait, true), 0, "it went silent");
}

#[test]
fn alone_a_stall_stops_the_room_where_the_picture_stopped() {
    let (mut room, ids) = playing(1);
    for s in 5..30 {
        sync(&mut room, ids[0], Some(PlayerState::Stalled), 5.0, f64::from(s));
        pass(&mut room, f64::from(s + 1));
    }
    assert_eq!(last_hello(&mut room), Some((Paused, 5.0, vec![1])));
    sync(&mut room, ids[0], Some(PlayerState::Paused), 5.1, 30.0);
    assert_eq!(last_hello(&mut room).map(|(state, place, _)| (state, place)), Some((Playing, 5.0)));
}

#[test]
fn a_person_ends_the_waiting() {
    for (command, state) in [(ClientMessage::Play as fn(_) -> _, Playing), (ClientMessage::Pause as fn(_) -> _, Paused)]
    {
        let (mut room, ids) = playing(2);
        sync(&mut room, ids[0], Some(PlayerState::Playing), 3.0, 3.0);
        sync(&mut room, ids[1], Some(PlayerState::Stalled), 3.0, 3.0);
        pass(&mut room, 5.0);
        room.handle_message(ids[0], command(control(4.5, Some(1))), at(5.0));
        for s in 6..12 {
            sync(&mut room, ids[0], Some(PlayerState::Playing), f64::from(s), f64::from(s));
            sync(&mut room, ids[1], Some(PlayerState::Stalled), 2.0, f64::from(s));
            pass(&mut room, f64::from(s));
        }
        let now = truth(&mut room, 12.0);
        assert_eq!((now.status.state, now.waiting_for), (state, vec![]));
    }
}

#[test]
fn starts_are_told_ahead_and_plain_peers_hear_of_them_on_time() {
    let (mut room, ids) = room_of(2);
    let plain = room.handle_join(Join { timed: false, ..join("plain", None) }, at(0.0)).expect("room").member;
    sync(&mut room, ids[1], Some(PlayerState::Paused), 0.0, 0.0);
    drain(&mut room);
    let play = Control { starts_at: Some(at(30.1).unix_ms()), ..control(0.0, Some(1)) };
    room.handle_message(ids[0], ClientMessage::Play(play), at(30.0));
    let out = drain(&mut room);
    let to: Vec<_> = out.iter().map(|(to, _)| to.clone()).collect();
    assert_eq!(to, [vec![2], vec![1]], "not yet to the plain peer");
    assert!(out.iter().all(|(_, m)| m.to_json()["relayTime"] == at(30.4).unix_ms().ms()), "{out:?}");
    pass(&mut room, 30.39);
    assert_eq!(drain(&mut room), []);
    pass(&mut room, 30.4);
    assert_eq!(commands(&mut room), [(vec![plain.get()], "PLAY".to_owned())]);
}

#[test]
fn alone_nothing_is_scheduled() {
    let (mut room, ids) = room_of(1);
    let play = Control { starts_at: Some(at(29.95).unix_ms()), ..control(0.0, Some(1)) };
    room.handle_message(ids[0], ClientMessage::Play(play), at(30.0));
    assert!((truth(&mut room, 31.0).status.current_time.seconds() - 1.05).abs() < 1e-3);
}

#[test]
fn a_plain_peers_play_counts_from_when_it_was_sent() {
    let (mut room, ids) = room_of(2);
    // Its clock shows the seconds since the room's start; this message takes 320 ms longer than the others.
    for s in 1..6 {
        sync(&mut room, ids[1], None, 0.0, f64::from(s));
    }
    let play = Control { dispatched_at: UnixMs::saturating(10_000.0), ..control(50.0, None) };
    room.handle_message(ids[1], ClientMessage::Play(play), at(10.32));
    let place = truth(&mut room, 11.0).status.current_time.seconds();
    assert!((place - 51.0).abs() < 1e-3, "{place}");
}

#[test]
fn two_starts_that_cross_are_one() {
    let (mut room, ids) = playing(2);
    room.handle_message(ids[0], ClientMessage::Pause(control(5.0, None)), at(5.0));
    room.handle_message(ids[0], ClientMessage::Play(control(5.0, None)), at(60.0));
    drain(&mut room);
    room.handle_message(ids[1], ClientMessage::Play(control(5.0, Some(1))), at(60.3));
    assert_eq!(commands(&mut room), [(vec![2], "TAKEN".to_owned())]);
    assert_eq!(truth(&mut room, 61.0).status.current_time.seconds(), 6.0);
}

#[test]
fn a_speed_is_shared_and_plain_peers_are_put_right() {
    let (mut room, ids) = playing(1);
    let plain = room.handle_join(Join { timed: false, ..join("plain", None) }, at(0.0)).expect("room").member;
    let set = Set { action_id: ActionId::FIRST, speed: Speed::new(1.5).ok(), stall_policy: None };
    room.handle_message(ids[0], ClientMessage::Set(set), at(10.0));
    assert_eq!(truth(&mut room, 12.0).status.current_time.seconds(), 13.0);
    // Off by half a second per second.
    pass(&mut room, 14.1);
    let out = drain(&mut room);
    assert!(matches!(&out[..], [(to, RelayMessage::Hello(_))] if *to == [plain.get()]), "{out:?}");
}
