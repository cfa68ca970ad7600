//! A room, told and asked as its relay does it.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks the messages it is about")]

mod timing;

use super::*;
use streamshare_protocol::{
    ClientHello, Control, Edit, EditOp, Filename, Latency, MediaTime, PlayerState, PlaylistItem, RoomId, Set, Status,
    SyncReport, TorrentId,
};

fn at(s: f64) -> RelayTime {
    RelayTime::from_us(1_700_000_000_000_000) + Duration::from_secs_f64(s)
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// One of ours enters.
fn join(name: &str, resume_key: Option<ResumeKey>) -> Join {
    let (name, room_id) = (Name::new(name).expect("a name"), RoomId::new("r").expect("an id"));
    Join { name, room_id, resume_key, timed: true }
}

fn item(n: u8) -> PlaylistItem {
    let torrent = TorrentId::new(&format!("{n:040x}")).expect("an info hash");
    PlaylistItem::new(Filename::new("a.mkv").expect("a path"), torrent)
}

fn playlist(items: &[u8]) -> Playlist {
    Playlist::new(items.iter().map(|n| item(*n)).collect()).expect("a short list")
}

fn control(place: f64, action: Option<u64>) -> Control {
    Control {
        current_time: MediaTime::saturating(place),
        dispatched_at: UnixMs::saturating(5.0),
        action_id: action.map(|id| ActionId::new(id).expect("not 0")),
        item_id: None,
        starts_at: None,
        extra: [("mood".to_owned(), "calm".into())].into_iter().collect(),
    }
}

fn hello(items: &[u8], place: f64, state: PlaybackState) -> ClientHello {
    let status = Status { current_time: MediaTime::saturating(place), state };
    ClientHello {
        status,
        playlist: playlist(items),
        dispatched_at: UnixMs::saturating(5.0),
        restores: None,
        speed: None,
        stall_policy: None,
    }
}

fn restoring(items: &[u8], place: f64, epoch: &str, order: u64) -> ClientMessage {
    let restores =
        Some(Restores { epoch: Epoch::new(epoch).expect("an epoch"), order: Order::new(order).expect("an order") });
    ClientMessage::Hello(ClientHello { restores, ..hello(items, place, PlaybackState::Playing) })
}

/// A room with members 1 to n who heard of nothing lately.
fn room_of(n: u64) -> (Room, Vec<MemberId>) {
    let mut room = Room::new(Epoch::new("now").expect("an epoch"), at(0.0));
    let ids = (0..n).map(|i| room.handle_join(join(&format!("m{i}"), None), at(0.0)).expect("room").member).collect();
    drain(&mut room);
    (room, ids)
}

fn drain(room: &mut Room) -> Vec<(Vec<u64>, RelayMessage)> {
    std::iter::from_fn(|| room.poll_output())
        .map(|output| (output.to.iter().map(|id| id.get()).collect(), output.message))
        .collect()
}

/// Who got what, by command.
fn commands(room: &mut Room) -> Vec<(Vec<u64>, String)> {
    let text = |message: RelayMessage| message.to_json()["command"].as_str().unwrap_or_default().to_owned();
    drain(room).into_iter().map(|(to, message)| (to, text(message))).collect()
}

/// The state as whoever enters now is told it.
fn truth(room: &mut Room, now: f64) -> RelayHello {
    let me = room.handle_join(join("judge", None), at(now)).expect("room").member;
    for (to, message) in drain(room) {
        if let (true, RelayMessage::Hello(hello)) = (to == [me.get()], message) {
            return hello;
        }
    }
    panic!("whoever enters gets a HELLO")
}

#[test]
fn a_command_goes_to_the_others_as_it_came() {
    let (mut room, ids) = room_of(3);
    room.handle_message(ids[0], ClientMessage::Play(control(7.5, None)), at(60.0));
    let out = drain(&mut room);
    assert_eq!(out.len(), 1, "{out:?}");
    assert_eq!(out[0].0, [2, 3]);
    let json = out[0].1.to_json();
    assert_eq!((&json["userId"], &json["currentTime"], &json["dispatchedAt"]), (&1.into(), &7.5.into(), &5.into()));
    assert_eq!(json["mood"], "calm");
    assert_eq!(truth(&mut room, 62.5).status.current_time.seconds(), 10.0);
}

#[test]
fn whose_command_may_have_crossed_another_is_told_the_outcome() {
    let (mut room, ids) = room_of(2);
    room.handle_message(ids[0], ClientMessage::Play(control(1.0, None)), at(60.0));
    room.handle_message(ids[1], ClientMessage::Pause(control(2.0, None)), at(60.1));
    let expected = [(vec![2], "PLAY"), (vec![1], "PAUSE"), (vec![2], "HELLO")];
    assert_eq!(commands(&mut room), expected.map(|(to, command)| (to, command.to_owned())));
    // Ours number their actions and are told the order instead.
    room.handle_message(ids[0], ClientMessage::Play(control(1.0, Some(4))), at(60.2));
    let expected = [(vec![2], "PLAY"), (vec![1], "TAKEN")];
    assert_eq!(commands(&mut room), expected.map(|(to, command)| (to, command.to_owned())));
}

#[test]
fn a_command_for_an_item_that_is_over_changes_nothing() {
    let (mut room, ids) = room_of(2);
    room.handle_message(ids[0], ClientMessage::Hello(hello(&[1, 2], 0.0, PlaybackState::Paused)), at(1.0));
    let item_id = truth(&mut room, 1.0).playlist[1].item_id;
    let stale = Control { item_id, ..control(50.0, Some(1)) };
    room.handle_message(ids[0], ClientMessage::Play(stale), at(2.0));
    let out = drain(&mut room);
    assert_eq!((out.len(), &out[0].1.to_json()["code"]), (1, &"NO_SUCH_ITEM".into()));
    assert_eq!(truth(&mut room, 3.0).status, Status::IDLE);
}

#[test]
fn the_same_announcement_twice_is_no_change() {
    let (mut room, ids) = room_of(2);
    let announced = hello(&[1, 2], 5.0, PlaybackState::Playing);
    room.handle_message(ids[0], ClientMessage::Hello(announced.clone()), at(1.0));
    assert_eq!(commands(&mut room).len(), 2);
    let later =
        ClientHello { status: Status { current_time: MediaTime::saturating(5.3), ..announced.status }, ..announced };
    room.handle_message(ids[1], ClientMessage::Hello(later), at(1.5));
    assert!(commands(&mut room).is_empty());
}

#[test]
fn items_keep_their_ids_through_a_plain_peers_edit() {
    let (mut room, ids) = room_of(1);
    room.handle_message(ids[0], ClientMessage::Hello(hello(&[1, 2, 1], 0.0, PlaybackState::Paused)), at(1.0));
    let ids_of =
        |hello: &RelayHello| -> Vec<u64> { hello.playlist.iter().map(|i| i.item_id.expect("given").get()).collect() };
    assert_eq!(ids_of(&truth(&mut room, 1.0)), [1, 2, 3]);
    room.handle_message(ids[0], ClientMessage::Hello(hello(&[2, 1, 3], 0.0, PlaybackState::Paused)), at(2.0));
    assert_eq!(ids_of(&truth(&mut room, 2.0)), [2, 1, 4]);
}

#[test]
fn two_members_that_reach_the_end_go_on_once() {
    let (mut room, ids) = room_of(2);
    room.handle_message(ids[0], ClientMessage::Hello(hello(&[1, 2, 3], 9.0, PlaybackState::Playing)), at(1.0));
    let item_id = truth(&mut room, 1.0).playlist[0].item_id.expect("given");
    for (member, action) in [(ids[0], 1), (ids[1], 1)] {
        let action_id = ActionId::new(action).expect("not 0");
        room.handle_message(member, ClientMessage::Edit(Edit { action_id, op: EditOp::Next { item_id } }), at(2.0));
    }
    let taken = drain(&mut room).into_iter().filter(|(_, m)| matches!(m, RelayMessage::Taken { .. })).count();
    let now = truth(&mut room, 2.0);
    assert_eq!((taken, now.playlist.len(), now.status), (2, 2, Status::IDLE));
}

#[test]
fn a_plain_peer_that_goes_on_late_throws_nobody_back() {
    let (mut room, ids) = room_of(2);
    room.handle_message(ids[0], ClientMessage::Hello(hello(&[2, 3], 0.0, PlaybackState::Playing)), at(1.0));
    drain(&mut room);
    let goes_on = || ClientMessage::Hello(hello(&[2, 3], 0.0, PlaybackState::Playing));
    room.handle_message(ids[1], goes_on(), at(3.0));
    let to: Vec<_> = drain(&mut room).into_iter().map(|(to, _)| to).collect();
    assert_eq!(to, [vec![2]], "it hears where the room is");
    assert_eq!(truth(&mut room, 3.0).status.current_time.seconds(), 2.0);
    room.handle_message(ids[1], goes_on(), at(9.0));
    assert_eq!(truth(&mut room, 9.0).status.current_time.seconds(), 0.0, "later it is a seek");
}

#[test]
fn an_append_beyond_the_caps_is_refused_whole() {
    let (mut room, ids) = room_of(1);
    let action_id = ActionId::FIRST;
    let many: Vec<u8> = vec![7; 150];
    for _ in 0..2 {
        let op = EditOp::Append { items: playlist(&many) };
        room.handle_message(ids[0], ClientMessage::Edit(Edit { action_id, op }), at(1.0));
    }
    let refused = drain(&mut room).into_iter().filter(|(_, m)| matches!(m, RelayMessage::Error { .. })).count();
    assert_eq!((refused, truth(&mut room, 1.0).playlist.len()), (1, 150));
}

#[test]
fn an_empty_room_stands_and_goes_on_with_the_next_member() {
    let (mut room, ids) = room_of(1);
    room.handle_message(ids[0], ClientMessage::Play(control(10.0, None)), at(1.0));
    room.handle_leave(ids[0], at(3.0));
    assert_eq!(truth(&mut room, 500.0).status.current_time.seconds(), 12.0);
    let id = room.handle_join(join("late", None), at(501.0)).expect("room").member;
    assert!(id.get() > 2, "ids are not used twice");
}

#[test]
fn the_latest_memory_comes_back_into_a_new_room() {
    let (mut room, ids) = room_of(3);
    room.handle_message(ids[0], restoring(&[1], 10.0, "before", 7), at(1.0));
    room.handle_message(ids[1], restoring(&[1, 2], 20.0, "before", 8), at(1.1));
    room.handle_message(ids[2], restoring(&[3], 30.0, "before", 8), at(1.2));
    let now = truth(&mut room, 1.1);
    assert_eq!((now.playlist.len(), now.status.current_time.seconds()), (2, 20.0));
    // Once somebody acted, the past stays past.
    room.handle_message(ids[0], ClientMessage::Pause(control(21.0, None)), at(2.0));
    room.handle_message(ids[2], restoring(&[3], 30.0, "before", 9), at(3.0));
    assert_eq!(truth(&mut room, 3.0).playlist.len(), 2);
}

#[test]
fn a_play_before_the_memory_comes_does_not_shut_it_out() {
    let (mut room, ids) = room_of(2);
    room.handle_message(ids[0], ClientMessage::Pause(control(33.0, None)), at(1.0));
    room.handle_message(ids[1], restoring(&[1, 2], 20.0, "before", 8), at(1.5));
    let now = truth(&mut room, 5.0);
    assert_eq!((now.playlist.len(), now.status.current_time.seconds()), (2, 33.0));
}

#[test]
fn a_member_with_its_key_takes_its_place_again() {
    let (mut room, _) = room_of(0);
    let key = ResumeKey::new("secret").expect("a key");
    let first = room.handle_join(join("Ada", Some(key.clone())), at(0.0)).expect("room");
    let again = room.handle_join(join("Ada L.", Some(key)), at(1.0)).expect("room");
    assert_eq!((first.member, first.resumed, again.member, again.resumed), (first.member, false, first.member, true));
    let other = room.handle_join(join("Ada", None), at(1.0)).expect("room");
    assert_ne!(other.member, first.member);
    assert!(!drain(&mut room).iter().any(|(_, m)| m.to_json().to_string().contains("secret")));
}

#[test]
fn a_full_room_takes_no_more() {
    let (mut room, ids) = room_of(MEMBERS_MAX as u64);
    assert_eq!(room.handle_join(join("one more", None), at(1.0)), Err(JoinError::Full));
    room.handle_leave(ids[0], at(2.0));
    assert!(room.handle_join(join("one more", None), at(3.0)).is_ok());
}

#[test]
fn a_second_join_is_a_new_name() {
    let (mut room, ids) = room_of(1);
    let room_id = RoomId::new("r").expect("an id");
    room.handle_message(
        ids[0],
        ClientMessage::Join(Join { name: name("New"), room_id, resume_key: None, timed: true }),
        at(1.0),
    );
    assert_eq!(truth(&mut room, 1.0).users[0].name, name("New"));
}
