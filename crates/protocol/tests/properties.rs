//! Properties that hold for arbitrary messages and for arbitrary JSON.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod laws;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use streamshare_protocol::*;

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(field_name(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Names of the protocol's own fields often, others sometimes.
fn field_name() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "command",
        "name",
        "roomId",
        "status",
        "state",
        "currentTime",
        "playlist",
        "filename",
        "torrentId",
        "users",
        "id",
        "dispatchedAt",
        "buffer",
        "userId",
        "order",
        "relayTime",
        "actionId",
        "op",
        "items",
        "itemId",
        "to",
        "restores",
        "epoch",
        "playerState",
        "duration",
        "title",
        "length",
        "code",
        "message",
        "resumeKey",
        "timed",
        "startsAt",
        "speed",
        "stallPolicy",
        "waitingFor",
        "skew",
        "startLatency",
        "seekLatency",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => ".{0,6}"]
}

/// JSON that looks like a message: a known command and arbitrary fields with the names that it reads.
fn shaped() -> impl Strategy<Value = Value> {
    let command = prop::sample::select(vec![
        "Join",
        "HELLO",
        "PLAY",
        "PAUSE",
        "SYNC",
        "EDIT",
        "SET",
        "PING",
        "PONG",
        "TAKEN",
        "ERROR",
        "SOMETHING",
    ]);
    (command, btree_map(field_name(), json_value(), 0..8)).prop_map(|(command, fields)| {
        let mut map: Map<String, Value> = fields.into_iter().collect();
        map.insert("command".to_owned(), command.into());
        Value::Object(map)
    })
}

fn media_time() -> impl Strategy<Value = MediaTime> {
    prop_oneof![0.0..=limits::MEDIA_TIME_S_MAX, (0_u32..100_000).prop_map(f64::from)]
        .prop_map(|seconds| MediaTime::new(seconds).unwrap())
}
fn unix_ms() -> impl Strategy<Value = UnixMs> {
    prop_oneof![0.0..=limits::UNIX_MS_MAX, 1.7e12..1.9e12].prop_map(|ms| UnixMs::new(ms).unwrap())
}
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![1..=limits::INTEGER_MAX, 1_u64..100]
}
fn speed() -> impl Strategy<Value = Speed> {
    prop_oneof![limits::SPEED_MIN..=limits::SPEED_MAX, Just(1.0)].prop_map(|factor| Speed::new(factor).unwrap())
}
fn stall_policy() -> impl Strategy<Value = StallPolicy> {
    prop::sample::select(vec![StallPolicy::Wait, StallPolicy::NeverWait])
}
fn latency() -> impl Strategy<Value = Latency> {
    (0.0..=limits::LATENCY_MS_MAX).prop_map(|ms| Latency::new(ms).unwrap())
}
fn skew() -> impl Strategy<Value = Skew> {
    prop_oneof![-limits::SKEW_MS_MAX..=limits::SKEW_MS_MAX, -500.0..500.0].prop_map(|ms| Skew::new(ms).unwrap())
}
fn action_id() -> impl Strategy<Value = ActionId> {
    number().prop_map(|n| ActionId::new(n).unwrap())
}
fn order() -> impl Strategy<Value = Order> {
    number().prop_map(|n| Order::new(n).unwrap())
}
fn member_id() -> impl Strategy<Value = MemberId> {
    number().prop_map(|n| MemberId::new(n).unwrap())
}
fn item_id() -> impl Strategy<Value = ItemId> {
    number().prop_map(|n| ItemId::new(n).unwrap())
}
fn name() -> impl Strategy<Value = Name> {
    r#"[a-zé"\\ ]{0,20}[^\p{C}\p{Z}]"#.prop_map(|text| Name::new(&text).unwrap())
}
fn epoch() -> impl Strategy<Value = Epoch> {
    "[!-~]{1,64}".prop_map(|text| Epoch::new(&text).unwrap())
}
fn status() -> impl Strategy<Value = Status> {
    let state = prop::sample::select(vec![PlaybackState::Playing, PlaybackState::Paused]);
    (media_time(), state).prop_map(|(current_time, state)| Status { current_time, state })
}
fn torrent_id() -> impl Strategy<Value = TorrentId> {
    let text = prop_oneof![
        "[0-9a-f]{40}",
        "magnet:\\?xt=urn:btih:[A-Z2-7]{32}&dn=[a-z+%2]{0,9}",
        "https?://[a-z]{1,9}\\.org/.?"
    ];
    text.prop_filter_map("a torrent id", |text| TorrentId::new(&text).ok())
}
/// Fields that no version of ours reads.
fn extra() -> impl Strategy<Value = Extra> {
    btree_map("x-[a-z]{1,5}", json_value(), 0..3).prop_map(|map| map.into_iter().collect())
}
fn item() -> impl Strategy<Value = PlaylistItem> {
    let title = ".{0,300}".prop_map(|text| Title::new(&text));
    let fields = (r#"[^\x00]{0,40}"#, torrent_id(), option::of(item_id()), title, option::of(number()), extra());
    fields.prop_map(|(filename, torrent_id, item_id, title, length, extra)| PlaylistItem {
        filename: Filename::new(&filename).unwrap(),
        torrent_id,
        item_id,
        title,
        length,
        extra,
    })
}
fn playlist() -> impl Strategy<Value = Playlist> {
    vec(item(), 0..5).prop_map(|items| Playlist::new(items).unwrap())
}
fn control() -> impl Strategy<Value = Control> {
    let ids = (option::of(action_id()), option::of(item_id()));
    let fields = (media_time(), unix_ms(), ids, option::of(unix_ms()), extra());
    fields.prop_map(|(current_time, dispatched_at, (action_id, item_id), starts_at, extra)| Control {
        current_time,
        dispatched_at,
        action_id,
        item_id,
        starts_at,
        extra,
    })
}
fn report() -> impl Strategy<Value = SyncReport> {
    use PlayerState::*;
    let state = prop::sample::select(vec![Idle, Loading, Paused, Playing, Stalled, Failed, Following]);
    let ours = (option::of(state), option::of(media_time()), option::of(skew()));
    let latencies = (option::of(latency()), option::of(latency()));
    let fields = (media_time(), media_time(), unix_ms(), ours, latencies, extra());
    fields.prop_map(|(current_time, buffer, dispatched_at, (player_state, duration, skew), latencies, extra)| {
        let (start_latency, seek_latency) = latencies;
        SyncReport {
            current_time,
            buffer,
            dispatched_at,
            player_state,
            duration,
            skew,
            start_latency,
            seek_latency,
            extra,
        }
    })
}
fn edit_op() -> impl Strategy<Value = EditOp> {
    prop_oneof![
        playlist().prop_map(|items| EditOp::Append { items }),
        item_id().prop_map(|item_id| EditOp::Remove { item_id }),
        (item_id(), 0..=limits::INTEGER_MAX).prop_map(|(item_id, to)| EditOp::Move { item_id, to }),
        item_id().prop_map(|item_id| EditOp::Next { item_id }),
    ]
}
fn client_message() -> impl Strategy<Value = ClientMessage> {
    let join = (name(), ".{0,8}[!-~]", option::of("[!-~]{1,64}"), any::<bool>());
    let join = join.prop_filter_map("a room id", |(name, room, key, timed)| {
        let resume_key = key.map(|key| ResumeKey::new(&key).unwrap());
        Some(Join { name, room_id: RoomId::new(&room).ok()?, resume_key, timed })
    });
    let restores = (epoch(), order()).prop_map(|(epoch, order)| Restores { epoch, order });
    let settings = || (option::of(speed()), option::of(stall_policy()));
    let hello = (status(), playlist(), unix_ms(), option::of(restores), settings()).prop_map(
        |(status, playlist, dispatched_at, restores, (speed, stall_policy))| ClientHello {
            status,
            playlist,
            dispatched_at,
            restores,
            speed,
            stall_policy,
        },
    );
    let set = (action_id(), settings())
        .prop_map(|(action_id, (speed, stall_policy))| ClientMessage::Set(Set { action_id, speed, stall_policy }));
    prop_oneof![
        join.prop_map(ClientMessage::Join),
        hello.prop_map(ClientMessage::Hello),
        control().prop_map(ClientMessage::Play),
        control().prop_map(ClientMessage::Pause),
        report().prop_map(ClientMessage::Sync),
        (action_id(), edit_op()).prop_map(|(action_id, op)| ClientMessage::Edit(Edit { action_id, op })),
        set,
        action_id().prop_map(|id| ClientMessage::Ping { id }),
    ]
}
fn relay_message() -> impl Strategy<Value = RelayMessage> {
    let users = vec((member_id(), name()).prop_map(|(id, name)| User { id, name }), 0..5);
    let added = (option::of(member_id()), option::of(epoch()), option::of(order()), option::of(unix_ms()));
    let settings = (option::of(speed()), option::of(stall_policy()), vec(member_id(), 0..4));
    let hello = (users, status(), playlist(), unix_ms(), added, settings).prop_map(
        |(users, status, playlist, dispatched_at, (user_id, epoch, order, relay_time), settings)| RelayHello {
            users,
            status,
            playlist,
            dispatched_at,
            user_id,
            epoch,
            order,
            relay_time,
            speed: settings.0,
            stall_policy: settings.1,
            waiting_for: settings.2,
        },
    );
    let passed = || (member_id(), control(), option::of(order()), option::of(unix_ms()));
    let refusal = ("[A-Z_]{1,20}", ".{0,600}", option::of(action_id()));
    prop_oneof![
        hello.prop_map(RelayMessage::Hello),
        passed().prop_map(|(user_id, control, order, relay_time)| RelayMessage::Play {
            user_id,
            control,
            order,
            relay_time
        }),
        passed().prop_map(|(user_id, control, order, relay_time)| RelayMessage::Pause {
            user_id,
            control,
            order,
            relay_time
        }),
        (member_id(), report()).prop_map(|(user_id, report)| RelayMessage::Sync { user_id, report }),
        (action_id(), order(), unix_ms()).prop_map(|(action_id, order, relay_time)| RelayMessage::Taken {
            action_id,
            order,
            relay_time
        }),
        (action_id(), unix_ms()).prop_map(|(id, relay_time)| RelayMessage::Pong { id, relay_time }),
        refusal.prop_map(|(code, text, action_id)| RelayMessage::Error {
            code: ErrorCode::from_wire(&code),
            message: text.chars().take(limits::ERROR_CHARS_MAX).collect(),
            action_id,
        }),
    ]
}

proptest! {
    #[test]
    fn messages_of_members_round_trip(message in client_message()) {
        let json = message.to_json();
        prop_assert_eq!(ClientMessage::from_json(&json), Ok(Some(message)));
        laws::client_value(&json);
    }

    #[test]
    fn messages_of_relays_round_trip(message in relay_message()) {
        let json = message.to_json();
        prop_assert_eq!(RelayMessage::from_json(&json), Ok(Some(message)));
        laws::relay_value(&json);
    }

    #[test]
    fn arbitrary_json_never_panics(value in json_value(), shaped in shaped()) {
        for value in [value, shaped] {
            laws::client_value(&value);
            laws::relay_value(&value);
        }
    }

    /// A time reads back as the very number that was written, to the last bit: it is passed on as it came.
    #[test]
    fn times_pass_through_text_unchanged(seconds in 0.0..=limits::MEDIA_TIME_S_MAX) {
        let text = format!(r#"{{"command":"PLAY","currentTime":{seconds:?},"dispatchedAt":0}}"#);
        let read = ClientMessage::from_json(&serde_json::from_str(&text).unwrap()).unwrap().unwrap();
        let written = serde_json::to_string(&read.to_json()).unwrap();
        prop_assert!(written.contains(&format!(r#""currentTime":{seconds}"#)), "{} for {}", written, text);
    }

    /// Fields that nobody knows reach the others; what only the relay may say does not.
    #[test]
    fn unknown_fields_pass_and_the_relays_do_not(control in control(), forged in json_value()) {
        let mut json = ClientMessage::Play(control.clone()).to_json();
        for key in ["userId", "order", "relayTime", "epoch"] {
            json[key] = forged.clone();
        }
        let read = ClientMessage::from_json(&json).unwrap();
        prop_assert_eq!(read, Some(ClientMessage::Play(control.clone())));
        let user_id = MemberId::new(7).unwrap();
        let passed = RelayMessage::Play { user_id, control: control.clone(), order: None, relay_time: None }.to_json();
        prop_assert_eq!(&passed["userId"], &json!(7));
        for (key, value) in &control.extra {
            prop_assert_eq!(&passed[key], value);
        }
    }
}

/// A state of a later version reaches those who know it, though this version shows none.
#[test]
fn an_unknown_player_state_passes() {
    let json = json!({"command": "SYNC", "currentTime": 1, "buffer": 2, "dispatchedAt": 3, "playerState": "DREAMING"});
    let Ok(Some(ClientMessage::Sync(report))) = ClientMessage::from_json(&json) else { panic!("a SYNC") };
    assert_eq!(report.player_state, None);
    assert_eq!(ClientMessage::Sync(report).to_json(), json);
}
