//! A client between a relay and a player that are both written down here.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks the outputs it is about")]

mod following;

use super::*;
use streamshare_protocol::{ErrorCode, Filename, Name, PlaylistItem, ResumeKey, RoomId, TorrentId, User};

const RELAY_MS: f64 = 1_700_000_000_000.0;

fn now(s: f64) -> Now {
    Now { mono: MonoTime::default() + Duration::from_secs_f64(s), unix: UnixMs::saturating(s * 1000.0) }
}

fn member(id: u64) -> MemberId {
    MemberId::new(id).expect("not 0")
}

fn order(n: u64) -> Option<Order> {
    Some(Order::new(n).expect("not 0"))
}

fn hello(items: &[u64], s: f64, place: f64, state: PlaybackState, n: u64) -> RelayHello {
    let item = |id: &u64| {
        let torrent = TorrentId::new(&format!("{id:040x}")).expect("an info hash");
        let mut item = PlaylistItem::new(Filename::new("a.mkv").expect("a path"), torrent);
        item.item_id = ItemId::new(*id).ok();
        item
    };
    let user = |id, name| User { id: member(id), name: Name::new(name).expect("a name") };
    RelayHello {
        users: vec![user(1, "me"), user(2, "Bob")],
        status: Status { current_time: MediaTime::saturating(place), state },
        playlist: Playlist::new(items.iter().map(item).collect()).expect("short"),
        dispatched_at: UnixMs::saturating(RELAY_MS + s * 1000.0),
        user_id: Some(member(1)),
        epoch: Epoch::new("e").ok(),
        order: order(n),
        relay_time: None,
        speed: None,
        stall_policy: None,
        waiting_for: Vec::new(),
    }
}

fn report(item: u64, position: f64, paused: bool) -> PlayerReport {
    PlayerReport {
        item: ItemId::new(item).ok(),
        phase: PlayerPhase::Ready,
        position: MediaTime::saturating(position),
        rate: 1.0,
        buffer: MediaTime::ZERO,
        duration: Some(MediaTime::saturating(100.0)),
        paused,
        seeking: false,
        stalled: false,
        ended: false,
        blocked: false,
    }
}

/// Lets time pass, in ticks.
fn pass(client: &mut Client, from: f64, until: f64) {
    let mut s = from;
    while s < until {
        client.handle(Input::Tick, now(s));
        s += 0.25;
    }
}

/// A client in a room that plays item 1, 20 s in, with a player that does so, too.
fn watching() -> Client {
    let mut client = Client::new(ClientConfig {
        name: Name::new("me").expect("a name"),
        room: RoomId::new("r").expect("an id"),
        resume_key: ResumeKey::new("k").expect("a key"),
        player: PlayerKind::Unknown,
    });
    client.handle(Input::LinkUp, now(0.0));
    client.handle(Input::Remote(RelayMessage::Hello(hello(&[1, 2], 0.0, 20.0, PlaybackState::Playing, 5))), now(0.0));
    client.handle(Input::Player(report(1, 20.0, false)), now(0.0));
    drain(&mut client);
    client
}

fn drain(client: &mut Client) -> Vec<Output> {
    let quiet = |o: &Output| !matches!(o, Output::Send(ClientMessage::Ping { .. } | ClientMessage::Sync(_)));
    std::iter::from_fn(|| client.poll_output()).filter(quiet).collect()
}

/// The number of the PLAY or PAUSE among outputs.
fn sent_action(outputs: &[Output]) -> Option<ActionId> {
    outputs.iter().find_map(|output| match output {
        Output::Send(ClientMessage::Play(control) | ClientMessage::Pause(control)) => control.action_id,
        _ => None,
    })
}

fn remote(state: PlaybackState, place: f64, n: u64, s: f64) -> Input {
    let control = Control {
        current_time: MediaTime::saturating(place),
        dispatched_at: UnixMs::saturating(0.0),
        action_id: None,
        item_id: None,
        starts_at: None,
        extra: streamshare_protocol::Extra::new(),
    };
    let (user_id, relay_time) = (member(2), Some(UnixMs::saturating(RELAY_MS + s * 1000.0)));
    Input::Remote(match state {
        PlaybackState::Playing => RelayMessage::Play { user_id, control, order: order(n), relay_time },
        PlaybackState::Paused => RelayMessage::Pause { user_id, control, order: order(n), relay_time },
    })
}

#[test]
fn someone_elses_pause_pauses_here_and_sends_nothing() {
    let mut client = watching();
    client.handle(remote(PlaybackState::Paused, 21.0, 6, 1.0), now(1.0));
    let bob = Name::new("Bob").expect("a name");
    assert_eq!(drain(&mut client), [Output::Notice(Notice::Paused(bob)), Output::Pause]);
    client.handle(Input::Player(report(1, 21.0, true)), now(1.2));
    client.handle(Input::Tick, now(1.3));
    assert_eq!(drain(&mut client), []);
}

#[test]
fn ones_own_pause_is_sent_once_and_holds_against_what_it_crosses() {
    let mut client = watching();
    client.handle(Input::Local(Action::Pause), now(1.0));
    let out = drain(&mut client);
    assert!(
        matches!(&out[..], [Output::Send(ClientMessage::Pause(c)), Output::Pause] if c.current_time.seconds() == 21.0)
    );
    client.handle(remote(PlaybackState::Playing, 21.1, 6, 1.1), now(1.1));
    assert_eq!((drain(&mut client).len(), client.view(now(1.1)).state), (0, PlaybackState::Paused));
    let action_id = sent_action(&out).expect("a number");
    let relay_time = UnixMs::saturating(RELAY_MS + 1150.0);
    let taken = RelayMessage::Taken { action_id, order: order(7).expect("an order"), relay_time };
    client.handle(Input::Remote(taken), now(1.2));
    let view = client.view(now(2.0));
    assert_eq!((view.state, view.position.seconds()), (PlaybackState::Paused, 21.0));
}

#[test]
fn a_refused_command_is_taken_back() {
    let mut client = watching();
    client.handle(Input::Local(Action::Seek(MediaTime::saturating(90.0))), now(1.0));
    let action_id = sent_action(&drain(&mut client));
    let error = RelayMessage::Error { code: ErrorCode::RateLimited, message: "Slow down.".into(), action_id };
    client.handle(Input::Remote(error), now(1.1));
    client.handle(Input::Player(report(1, 90.1, true)), now(1.1));
    let back = drain(&mut client).into_iter().any(|o| matches!(o, Output::Seek(place) if place.seconds() < 22.0));
    assert!(back, "the player returns to the room");
}

#[test]
fn a_late_member_is_sent_ahead_and_starts_when_the_room_comes() {
    let mut client = watching();
    client.handle(Input::Player(report(1, 3.0, true)), now(1.0));
    let out = drain(&mut client);
    let [Output::Seek(place)] = &out[..] else { panic!("{out:?}") };
    assert!((21.1..21.6).contains(&place.seconds()), "{place:?}");
    client.handle(Input::Player(report(1, place.seconds(), true)), now(1.1));
    let out = drain(&mut client);
    let [Output::WakeAt(at)] = out[..] else { panic!("{out:?}") };
    // What the player needs to start is counted.
    let meets_s = 1.0 + place.seconds() - 21.0;
    let wakes_s = at.since(MonoTime::default()).as_secs_f64();
    assert!((0.0..0.05).contains(&(meets_s - wakes_s)), "at {meets_s}, wakes {wakes_s}");
    client.handle(Input::Tick, Now { mono: at, ..now(wakes_s) });
    // Reports come seldom here, as in a hidden page: it wants to look again soon.
    assert!(
        matches!(drain(&mut client)[..], [Output::Play, Output::WakeAt(again)] if again.since(at) <= Client::REPORT_EVERY)
    );
}

#[test]
fn a_slow_swarm_is_not_chased() {
    let mut client = watching();
    let mut seeks = 0;
    for tick in 0..240 {
        let s = f64::from(tick) * 0.25;
        client.handle(Input::Player(PlayerReport { stalled: true, ..report(1, 1.0, false) }), now(s));
        seeks += drain(&mut client).iter().filter(|o| matches!(o, Output::Seek(_))).count();
    }
    assert!((2..=6).contains(&seeks), "{seeks} seeks in a minute");
}

#[test]
fn the_end_of_an_item_leads_to_the_next_once() {
    let mut client = watching();
    pass(&mut client, 0.0, 80.0);
    drain(&mut client);
    for s in [80.0, 80.3, 80.6] {
        client.handle(Input::Player(PlayerReport { ended: true, ..report(1, 100.0, true) }), now(s));
    }
    let next = drain(&mut client).into_iter().filter(|o| matches!(o, Output::Send(ClientMessage::Edit(_)))).count();
    assert_eq!(next, 1);
    client.handle(Input::Remote(RelayMessage::Hello(hello(&[2], 81.0, 0.0, PlaybackState::Paused, 6))), now(81.0));
    assert!(matches!(&drain(&mut client)[..], [Output::Load(Some(item))] if item.item_id == ItemId::new(2).ok()));
    client.handle(Input::Player(report(2, 0.0, true)), now(82.0));
    assert!(matches!(&drain(&mut client)[..], [Output::Send(ClientMessage::Play(_)), Output::Play, ..]));
}

#[test]
fn what_was_done_before_a_suspend_is_not_done_again_after_it() {
    for slept_s in [0.0, 10.0] {
        let mut client = watching();
        client.handle(Input::Local(Action::Seek(MediaTime::saturating(50.0))), now(1.0));
        client.handle(Input::LinkDown, now(1.1));
        drain(&mut client);
        // The monotonic clock counts none of it.
        let after = |s: f64| Now { unix: UnixMs::saturating(now(s).unix.ms() + slept_s * 1000.0), ..now(s) };
        client.handle(Input::LinkUp, after(2.0));
        let back = hello(&[1, 2], 2.0 + slept_s, 52.0 + slept_s, PlaybackState::Playing, 6);
        client.handle(Input::Remote(RelayMessage::Hello(back)), after(2.1));
        let again = drain(&mut client).iter().any(|o| matches!(o, Output::Send(ClientMessage::Play(_))));
        assert_eq!(again, slept_s == 0.0, "{slept_s} s");
    }
}

#[test]
fn what_was_added_without_a_connection_is_added_later() {
    let mut client = watching();
    client.handle(Input::LinkDown, now(1.0));
    let item = hello(&[9], 0.0, 0.0, PlaybackState::Paused, 1).playlist.into_items();
    client.handle(Input::Local(Action::Append(item)), now(2.0));
    client.handle(Input::Local(Action::Pause), now(2.0));
    drain(&mut client);
    client.handle(Input::LinkUp, now(30.0));
    client.handle(Input::Remote(RelayMessage::Hello(hello(&[1, 2], 30.0, 50.0, PlaybackState::Playing, 5))), now(30.0));
    let sent: Vec<_> = drain(&mut client).into_iter().filter(|o| matches!(o, Output::Send(_))).collect();
    assert!(
        matches!(&sent[..], [Output::Send(ClientMessage::Join(_)), Output::Send(ClientMessage::Edit(_))]),
        "{sent:?}"
    );
    assert_eq!(client.view(now(30.0)).state, PlaybackState::Playing, "an old pause does not stop the room");
}

#[test]
fn a_lost_room_is_brought_back_without_touching_the_player() {
    let mut client = watching();
    client.handle(Input::LinkDown, now(1.0));
    client.handle(Input::LinkUp, now(4.0));
    drain(&mut client);
    let mut empty = hello(&[], 4.0, 0.0, PlaybackState::Paused, 1);
    empty.epoch = Epoch::new("f").ok();
    client.handle(Input::Remote(RelayMessage::Hello(empty)), now(4.0));
    let out = drain(&mut client);
    assert!(
        matches!(&out[..], [Output::Send(ClientMessage::Hello(h))]
        if h.playlist.len() == 2 && h.status.current_time.seconds() == 24.0 && h.restores.is_some()),
        "{out:?}"
    );
    assert_eq!(client.view(now(4.0)).playlist.len(), 2);
}

#[test]
fn a_player_that_lags_throws_nobody_back() {
    let mut client = watching();
    client.handle(Input::Player(PlayerReport { stalled: true, ..report(1, 12.0, false) }), now(1.0));
    drain(&mut client);
    client.handle(Input::Local(Action::Pause), now(1.0));
    client.handle(Input::Local(Action::Play), now(1.5));
    let places = drain(&mut client).into_iter().filter_map(|output| match output {
        Output::Send(ClientMessage::Pause(control) | ClientMessage::Play(control)) => {
            Some(control.current_time.seconds())
        }
        _ => None,
    });
    // It was sent ahead by what the seek will take, and obeys.
    assert_eq!(places.map(f64::floor).collect::<Vec<_>>(), [21.0, 21.0]);
}

/// What a client sends after it did something and heard of what someone else did just before, in the room's order.
fn sent_after_crossing(own: Action, other: Input) -> Vec<(PlaybackState, f64)> {
    let mut client = watching();
    client.handle(remote(PlaybackState::Paused, 21.0, 6, 1.0), now(1.0));
    client.handle(Input::Local(own), now(2.0));
    drain(&mut client);
    client.handle(other, now(2.0));
    let sent = drain(&mut client).into_iter().filter_map(|output| match output {
        Output::Send(ClientMessage::Play(control)) => Some((PlaybackState::Playing, control.current_time.seconds())),
        Output::Send(ClientMessage::Pause(control)) => Some((PlaybackState::Paused, control.current_time.seconds())),
        _ => None,
    });
    sent.collect()
}

#[test]
fn a_seek_does_not_stop_what_someone_else_has_just_started() {
    let seek = Action::Seek(MediaTime::saturating(60.0));
    let sent = sent_after_crossing(seek.clone(), remote(PlaybackState::Playing, 21.0, 7, 2.0));
    assert_eq!(sent, [(PlaybackState::Playing, 60.0)]);
    // Nothing was lost: the later seek counts.
    assert_eq!(sent_after_crossing(seek, remote(PlaybackState::Paused, 30.0, 7, 2.0)), []);
}

#[test]
fn play_does_not_take_back_someone_elses_seek() {
    let sent = sent_after_crossing(Action::Play, remote(PlaybackState::Paused, 60.0, 7, 2.0));
    assert_eq!(sent, [(PlaybackState::Playing, 60.0)]);
    // The same was meant.
    assert_eq!(sent_after_crossing(Action::Play, remote(PlaybackState::Playing, 21.0, 7, 2.0)), []);
}

#[test]
fn what_joined_two_commands_is_not_joined_again() {
    let mut client = watching();
    client.handle(remote(PlaybackState::Paused, 21.0, 6, 1.0), now(1.0));
    client.handle(Input::Local(Action::Seek(MediaTime::saturating(60.0))), now(2.0));
    let own = sent_action(&drain(&mut client)).expect("a number");
    client.handle(remote(PlaybackState::Playing, 21.0, 7, 2.0), now(2.0));
    assert!(sent_action(&drain(&mut client)).is_some(), "the seek and the play are joined");
    // Someone else's commands keep crossing, before and after the relay took the seek.
    client.handle(remote(PlaybackState::Paused, 21.0, 8, 2.0), now(2.0));
    assert_eq!(sent_action(&drain(&mut client)), None);
    let (order, relay_time) = (order(9).expect("an order"), UnixMs::saturating(RELAY_MS + 2000.0));
    client.handle(Input::Remote(RelayMessage::Taken { action_id: own, order, relay_time }), now(2.0));
    client.handle(remote(PlaybackState::Paused, 40.0, 10, 2.0), now(2.0));
    assert_eq!(sent_action(&drain(&mut client)), None);
    // What the person does now is their own again.
    client.handle(Input::Local(Action::Seek(MediaTime::saturating(70.0))), now(2.0));
    drain(&mut client);
    client.handle(remote(PlaybackState::Paused, 40.0, 11, 2.0), now(2.0));
    assert!(sent_action(&drain(&mut client)).is_some());
}

#[test]
fn a_player_at_its_end_alone_does_not_stop_the_room() {
    let mut client = watching();
    client.handle(Input::Remote(RelayMessage::Hello(hello(&[1], 0.0, 20.0, PlaybackState::Playing, 6))), now(0.0));
    let ended = |client: &mut Client, s| {
        client.handle(Input::Player(PlayerReport { ended: true, ..report(1, 100.0, true) }), now(s));
        drain(client).into_iter().filter(|o| matches!(o, Output::Send(ClientMessage::Pause(_)))).count()
    };
    assert_eq!(ended(&mut client, 1.0), 0);
    pass(&mut client, 1.0, 79.5);
    drain(&mut client);
    assert_eq!(ended(&mut client, 79.5), 1);
}
