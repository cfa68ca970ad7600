//! How a player is brought to where the room is, and kept there.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks what it is about")]

use super::*;

/// Answers what a client asks of its clock at once, and gives back its other outputs.
fn answered(client: &mut Client, s: f64) -> Vec<Output> {
    let mut kept = Vec::new();
    while let Some(output) = client.poll_output() {
        match output {
            Output::Send(ClientMessage::Ping { id }) => {
                let relay_time = UnixMs::saturating(RELAY_MS + s * 1000.0);
                client.handle(Input::Remote(RelayMessage::Pong { id, relay_time }), now(s));
            }
            Output::Send(ClientMessage::Sync(_)) => {}
            output => kept.push(output),
        }
    }
    kept
}

/// A player that obeys at once, but starts late, stalls at changes of its speed, or runs fast.
#[derive(Clone, Copy)]
struct Player {
    place: f64,
    playing: bool,
    rate: f64,
    /// Until when it stands though it plays.
    stands_until: f64,
    stall_s: f64,
    fast: f64,
}

/// Watches with such a player from second 20 on, and answers how far it was ahead at the end of each second, and what it
/// was told.
fn watch(kind: PlayerKind, mut player: Player, seconds: u32) -> (Vec<f64>, Vec<Output>) {
    let mut client = watching();
    client.follower = Follower::new(kind);
    client.handle(Input::Tick, now(0.0));
    answered(&mut client, 0.0);
    let (mut ahead, mut told, mut wake) = (Vec::new(), Vec::new(), f64::INFINITY);
    for step in 1..=seconds * 200 {
        let s = f64::from(step) * 0.005;
        if player.playing && s >= player.stands_until {
            player.place += 0.005 * player.rate * (1.0 + player.fast);
        }
        let due = if player.playing { step % 10 == 0 } else { step % 50 == 0 };
        if due || s >= wake {
            wake = if s >= wake { f64::INFINITY } else { wake };
            let report = PlayerReport {
                rate: player.rate,
                buffer: MediaTime::saturating(30.0),
                ..report(1, player.place, !player.playing)
            };
            client.handle(Input::Player(PlayerReport { duration: None, ..report }), now(s));
            client.handle(Input::Tick, now(s));
        }
        for output in answered(&mut client, s) {
            match output {
                Output::Play => player.playing = true,
                Output::Pause => player.playing = false,
                Output::Seek(place) => player.place = place.seconds(),
                Output::Rate(rate) => {
                    player.rate = rate;
                    player.stands_until = s + player.stall_s;
                }
                Output::WakeAt(at) => wake = at.since(MonoTime::default()).as_secs_f64(),
                _ => {}
            }
            told.push(output);
        }
        if step % 200 == 0 {
            ahead.push((player.place - 20.0 - s) * 1000.0);
        }
    }
    (ahead, told)
}

const PLAYS: Player = Player { place: 20.0, playing: true, rate: 1.0, stands_until: 0.0, stall_s: 0.0, fast: 0.0 };

fn count(told: &[Output], wanted: impl Fn(&Output) -> bool) -> usize {
    told.iter().filter(|output| wanted(output)).count()
}

#[test]
fn a_player_whose_speed_can_be_used_is_brought_back_by_it() {
    for off_s in [0.3, -0.3, 0.05, -0.9] {
        let (ahead, told) = watch(PlayerKind::Chromium, Player { place: 20.0 + off_s, ..PLAYS }, 30);
        assert!(ahead[29].abs() < 5.0, "{off_s}: {ahead:?}");
        assert_eq!(count(&told, |o| matches!(o, Output::Seek(_) | Output::Pause)), 0, "{off_s}: {told:?}");
        assert!(told.iter().all(|o| !matches!(o, Output::Rate(rate) if (rate - 1.0).abs() > 0.1201)), "{told:?}");
        assert!(off_s.abs() > 0.5 || ahead[5].abs() < 40.0, "{off_s}: {ahead:?}");
    }
}

#[test]
fn a_player_that_stalls_at_each_speed_is_brought_back_by_pauses_and_seeks() {
    for (kind, off_s, seeks) in
        [(PlayerKind::WebKit, 0.07, 0), (PlayerKind::WebKit, -0.3, 1), (PlayerKind::Unknown, 0.3, 1)]
    {
        let (ahead, told) = watch(kind, Player { place: 20.0 + off_s, stall_s: 0.1, ..PLAYS }, 90);
        assert!(ahead[89].abs() < 40.0, "{kind:?} {off_s}: {ahead:?}");
        assert_eq!(count(&told, |o| matches!(o, Output::Seek(_))), seeks, "{kind:?} {off_s}: {told:?}");
        let rates = count(&told, |o| matches!(o, Output::Rate(_)));
        assert!(rates < 12, "{kind:?} {off_s}: {rates} changes of the speed");
    }
}

#[test]
fn what_was_not_worth_a_seek_at_first_is_corrected_once_it_stays() {
    // Less than such a player's seek takes.
    let (ahead, told) = watch(PlayerKind::WebKit, Player { place: 19.85, stall_s: 0.1, ..PLAYS }, 30);
    assert!(ahead[5] < -100.0, "a seek right away: {ahead:?}");
    assert!(ahead[14].abs() < 40.0, "{ahead:?}");
    assert_eq!(count(&told, |o| matches!(o, Output::Seek(_))), 1, "{told:?}");
}

#[test]
fn once_settled_a_nudge_is_seen_once_a_minute_at_most() {
    // A sound card that runs 1000 ppm fast: 60 ms a minute, five times what there is.
    let (_, told) = watch(PlayerKind::WebKit, Player { fast: 0.001, stall_s: 0.1, ..PLAYS }, 600);
    let seen = count(&told, |o| matches!(o, Output::Pause | Output::Seek(_) | Output::Rate(_)));
    assert!((5..=14).contains(&seen), "{seen} in ten minutes");
}

#[test]
fn a_start_that_was_told_ahead_happens_then() {
    let mut client = watching();
    client.handle(remote(PlaybackState::Paused, 21.0, 6, 1.0), now(1.0));
    answered(&mut client, 1.0);
    client.handle(Input::Player(report(1, 21.0, true)), now(1.1));
    answered(&mut client, 1.1);
    // Told at 2.0 s, for 2.4 s.
    client.handle(remote(PlaybackState::Playing, 21.0, 7, 2.4), now(2.0));
    let out = answered(&mut client, 2.0);
    let [Output::Notice(Notice::Played(_)), Output::WakeAt(at)] = &out[..] else { panic!("{out:?}") };
    let wakes_s = at.since(MonoTime::default()).as_secs_f64();
    assert!((2.35..2.4).contains(&wakes_s), "{wakes_s}");
    client.handle(Input::Tick, Now { mono: *at, ..now(wakes_s) });
    assert_eq!(answered(&mut client, wakes_s), [Output::Play]);
}

#[test]
fn a_player_that_is_waited_for_plays_on_to_where_the_room_stands() {
    let mut client = watching();
    let stalled = PlayerReport { stalled: true, ..report(1, 22.0, false) };
    client.handle(Input::Player(stalled.clone()), now(3.0));
    answered(&mut client, 3.0);
    let held = RelayHello { waiting_for: vec![member(1)], ..hello(&[1, 2], 4.0, 24.0, PlaybackState::Paused, 6) };
    client.handle(Input::Remote(RelayMessage::Hello(held)), now(4.0));
    assert_eq!(answered(&mut client, 4.0), [], "it still tries to play");
    let view = client.view(now(4.0));
    assert_eq!((view.state, view.waiting_for.len(), view.position.seconds()), (PlaybackState::Playing, 1, 24.0));
    client.handle(Input::Player(report(1, 23.5, false)), now(5.5));
    // Reports so far apart are those of a hidden page: there it has itself woken to stop in time.
    assert_eq!(
        (answered(&mut client, 5.5), client.view(now(5.5)).members[0].player),
        (vec![Output::WakeAt(now(6.1).mono)], Some(PlayerState::Stalled))
    );
    client.handle(Input::Player(report(1, 24.15, false)), now(6.2));
    assert_eq!(
        (answered(&mut client, 6.2), client.view(now(6.2)).members[0].player),
        (vec![Output::Pause], Some(PlayerState::Paused))
    );
}

/// What a player says in a room that plays item 1 from 20 s on: at which second, where it is, and what of it is out of the
/// ordinary; answers what it is told each time.
fn told(client: &mut Client, s: f64, place: f64, change: impl FnOnce(&mut PlayerReport)) -> Vec<Output> {
    let mut said = PlayerReport { buffer: MediaTime::saturating(30.0), ..report(1, place, false) };
    change(&mut said);
    client.handle(Input::Player(said), now(s));
    let wakes = |o: &Output| matches!(o, Output::WakeAt(_));
    answered(client, s).into_iter().filter(|o| !wakes(o)).collect()
}

fn sought(out: &[Output]) -> Option<f64> {
    out.iter().find_map(|o| if let Output::Seek(place) = o { Some(place.seconds()) } else { None })
}

#[test]
fn a_player_at_the_end_before_the_room_is_not_told_to_play() {
    let mut client = watching();
    answered(&mut client, 0.0);
    // Told to play there, it would show the film's beginning until the next one comes.
    for s in [79.9, 79.95, 80.0, 80.05, 80.1] {
        let out = told(&mut client, s, 100.0, |said| (said.ended, said.paused) = (true, true));
        assert!(!out.contains(&Output::Play) && sought(&out).is_none(), "{s}: {out:?}");
    }
    // Someone goes back.
    client.handle(remote(PlaybackState::Playing, 50.0, 6, 80.2), now(80.2));
    assert!(sought(&told(&mut client, 80.3, 100.0, |said| (said.ended, said.paused) = (true, true))).is_some());
}

#[test]
fn who_got_no_data_is_back_with_one_seek_that_is_aimed_as_ever() {
    let mut client = watching();
    answered(&mut client, 0.0);
    for tenth in 1..=20 {
        let s = f64::from(tenth) * 0.1;
        told(&mut client, s, 20.0 + s, |_| {});
    }
    let stalled = |said: &mut PlayerReport| (said.stalled, said.buffer) = (true, MediaTime::ZERO);
    let mut out = Vec::new();
    for tenth in 21..60 {
        out.extend(told(&mut client, f64::from(tenth) * 0.1, 22.0, stalled));
    }
    let first = sought(&out).expect("it is sent on while it waits");
    // That takes three seconds, as there is no data there either.
    let seeks = |said: &mut PlayerReport| (said.paused, said.seeking) = (true, true);
    assert_eq!(told(&mut client, 6.0, first, seeks), []);
    assert_eq!(told(&mut client, 8.5, first, seeks), []);
    let out = told(&mut client, 8.6, first, |said| said.paused = true);
    let place = sought(&out).expect("the data is there, so that nothing is to be waited for");
    assert!((28.6..29.2).contains(&place), "{place}: what the swarm took is not what the player takes");
}

#[test]
fn after_a_suspend_one_seek_leads_back() {
    let mut client = watching();
    pass(&mut client, 0.0, 5.0);
    answered(&mut client, 5.0);
    // Twenty seconds later: the player stood, and nothing is done before the relay answered.
    client.handle(Input::Player(report(1, 25.0, false)), now(25.0));
    let mut asked = None;
    while let Some(output) = client.poll_output() {
        match output {
            Output::Send(ClientMessage::Ping { id }) => asked = Some(id),
            Output::Send(_) => {}
            output => panic!("{output:?}"),
        }
    }
    let pong = RelayMessage::Pong { id: asked.expect("a ping"), relay_time: UnixMs::saturating(RELAY_MS + 25_050.0) };
    client.handle(Input::Remote(pong), now(25.1));
    let out = told(&mut client, 25.15, 25.15, |_| {});
    assert!(matches!(&out[..], [Output::Pause, Output::Seek(place)] if place.seconds() > 45.15), "{out:?}");
}

#[test]
fn a_speed_is_told_to_relay_and_player() {
    let mut client = watching();
    client.handle(Input::Local(Action::SetSpeed(1.5)), now(1.0));
    let out = answered(&mut client, 1.0);
    assert!(
        matches!(&out[..], [Output::Send(ClientMessage::Set(set))] if set.speed == Speed::new(1.5).ok()),
        "{out:?}"
    );
    let faster = RelayHello { speed: Speed::new(1.5).ok(), ..hello(&[1, 2], 1.1, 21.1, PlaybackState::Playing, 6) };
    client.handle(Input::Remote(RelayMessage::Hello(faster)), now(1.1));
    client.handle(Input::Player(report(1, 21.1, false)), now(1.1));
    assert!(answered(&mut client, 1.1).contains(&Output::Rate(1.5)));
    let view = client.view(now(3.1));
    assert_eq!((view.speed, view.position.seconds()), (1.5, 24.1));
}
