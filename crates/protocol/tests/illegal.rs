//! What is refused, with which code and which words; and every cap at its last legal and its first illegal value.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod laws;

use serde_json::{Value, json};
use streamshare_protocol::limits::*;
use streamshare_protocol::{ClientMessage, DecodeError, RelayMessage};

const HASH: &str = "08ada5a7a6183aae1e09d831df6748d566095a10";

/// `field` of `base`, by its JSON pointer, replaced by `value`; taken out where there is none.
fn with(mut base: Value, field: &str, value: impl Into<Option<Value>>) -> Value {
    let (parent, key) = field.rsplit_once('/').unwrap();
    let parent = base.pointer_mut(parent).unwrap();
    match (parent, value.into()) {
        (Value::Object(map), Some(value)) => drop(map.insert(key.to_owned(), value)),
        (Value::Object(map), None) => drop(map.remove(key)),
        (Value::Array(list), Some(value)) => list[key.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{field} in {other}"),
    }
    base
}

fn refusal<T: std::fmt::Debug>(decoded: Result<Option<T>, DecodeError>) -> String {
    match decoded {
        Ok(message) => format!("{message:?}"),
        Err(error) => format!("{}: {}", error.code(), error.message()),
    }
}

fn client(json: &Value) -> String {
    laws::client_value(json);
    refusal(ClientMessage::from_json(json))
}

fn relay(json: &Value) -> String {
    laws::relay_value(json);
    refusal(RelayMessage::from_json(json))
}

fn join() -> Value {
    json!({"command": "Join", "name": "Ada", "roomId": "r"})
}
fn play() -> Value {
    json!({"command": "PLAY", "currentTime": 1, "dispatchedAt": 2})
}
fn sync() -> Value {
    json!({"command": "SYNC", "currentTime": 1, "buffer": 3, "dispatchedAt": 2})
}
fn hello() -> Value {
    let item = json!({"filename": "a.mp4", "torrentId": HASH});
    let status = json!({"currentTime": 0, "state": "PAUSED"});
    json!({"command": "HELLO", "status": status, "playlist": [item], "dispatchedAt": 2})
}
fn relay_hello() -> Value {
    with(hello(), "/users", json!([{"id": 1, "name": "Ada"}]))
}

#[test]
fn what_is_no_message() {
    for json in [json!(null), json!(true), json!(1), json!("PLAY"), json!([]), json!([play()])] {
        assert_eq!(client(&json), "BAD_MESSAGE: a message is a JSON object", "{json}");
        assert_eq!(relay(&json), "BAD_MESSAGE: a message is a JSON object", "{json}");
    }
    for json in [json!({}), json!({"command": null}), json!({"command": 1}), json!({"command": ["PLAY"]})] {
        assert_eq!(client(&json), "BAD_MESSAGE: a message has a command, a string", "{json}");
        assert_eq!(relay(&json), "BAD_MESSAGE: a message has a command, a string", "{json}");
    }
    // Commands of others and of later versions are ignored, and commands are told apart by case.
    for json in
        [json!({"command": ""}), json!({"command": "play"}), json!({"command": "JOIN"}), json!({"command": "X"})]
    {
        assert_eq!(client(&json), "None");
        assert_eq!(relay(&json), "None");
    }
}

#[test]
fn what_a_member_may_not_send() {
    let not_a_time =
        |field: &str, value: &str, max: &str| format!("OUT_OF_RANGE: {field} is {value}, not a number from 0 to {max}");
    let id = "is not an integer from 1 to 9007199254740991";
    let table = [
        (with(join(), "/name", None), "BAD_FIELD: name is missing".to_owned()),
        (with(join(), "/name", json!(null)), "BAD_FIELD: name is not a string".into()),
        (with(join(), "/name", json!(7)), "BAD_FIELD: name is not a string".into()),
        (with(join(), "/name", json!(" \n ")), "BAD_FIELD: name is empty".into()),
        (with(join(), "/name", json!("a\u{0}b")), "BAD_FIELD: name holds a control character".into()),
        (with(join(), "/roomId", None), "BAD_FIELD: roomId is missing".into()),
        (with(join(), "/roomId", json!("")), "BAD_FIELD: roomId is empty".into()),
        (with(join(), "/roomId", json!({"id": 1})), "BAD_FIELD: roomId is not a string".into()),
        (with(join(), "/resumeKey", json!(1)), "BAD_FIELD: resumeKey is not a string".into()),
        (with(join(), "/timed", json!(1)), "BAD_FIELD: timed is neither true nor false".into()),
        (with(play(), "/currentTime", None), "BAD_FIELD: currentTime is missing".into()),
        (with(play(), "/currentTime", json!("1")), "BAD_FIELD: currentTime is not a number".into()),
        // What JavaScript writes for NaN and Infinity.
        (with(play(), "/currentTime", json!(null)), "BAD_FIELD: currentTime is not a number".into()),
        (with(play(), "/currentTime", json!([1])), "BAD_FIELD: currentTime is not a number".into()),
        (with(play(), "/currentTime", json!(true)), "BAD_FIELD: currentTime is not a number".into()),
        (with(play(), "/currentTime", json!(-1)), not_a_time("currentTime", "-1.0", "10000000.0")),
        (with(play(), "/currentTime", json!(-1e-300)), not_a_time("currentTime", "-1e-300", "10000000.0")),
        (with(play(), "/currentTime", json!(1e308)), not_a_time("currentTime", "1e308", "10000000.0")),
        (with(play(), "/dispatchedAt", json!("now")), "BAD_FIELD: dispatchedAt is not a number".into()),
        (with(play(), "/dispatchedAt", json!(-5)), not_a_time("dispatchedAt", "-5.0", "8640000000000000.0")),
        (with(play(), "/actionId", json!(0)), format!("OUT_OF_RANGE: actionId {id}")),
        (with(play(), "/actionId", json!("1")), "BAD_FIELD: actionId is not a number".into()),
        (
            with(play(), "/actionId", json!(1.5)),
            "OUT_OF_RANGE: actionId is not an integer from 0 to 9007199254740991".into(),
        ),
        (with(sync(), "/buffer", None), "BAD_FIELD: buffer is missing".into()),
        (with(sync(), "/buffer", json!(-0.1)), not_a_time("buffer", "-0.1", "10000000.0")),
        (with(sync(), "/playerState", json!(1)), "BAD_FIELD: playerState is not a string".into()),
        (with(sync(), "/duration", json!(-1)), not_a_time("duration", "-1.0", "10000000.0")),
        (with(sync(), "/skew", json!("0")), "BAD_FIELD: skew is not a number".into()),
        (
            with(sync(), "/skew", json!(1e11)),
            "OUT_OF_RANGE: skew is 100000000000.0, not a number from -10000000000 to 10000000000.0".into(),
        ),
        (with(sync(), "/startLatency", json!(-1)), not_a_time("startLatency", "-1.0", "60000.0")),
        (with(sync(), "/seekLatency", json!(60_001)), not_a_time("seekLatency", "60001.0", "60000.0")),
        (with(play(), "/startsAt", json!(-1)), not_a_time("startsAt", "-1.0", "8640000000000000.0")),
    ];
    for (json, expected) in table {
        assert_eq!(client(&json), expected, "{json}");
    }
}

#[test]
fn what_a_member_may_not_announce_or_edit() {
    let not_a_time = |field: &str| format!("OUT_OF_RANGE: {field} is -1.0, not a number from 0 to 10000000.0");
    let id = "is not an integer from 1 to 9007199254740991";
    let table = [
        (with(hello(), "/status", None), "BAD_FIELD: status is missing".into()),
        (with(hello(), "/status", json!("PAUSED")), "BAD_FIELD: status is not an object".into()),
        (with(hello(), "/status/state", None), "BAD_FIELD: status.state is missing".into()),
        (with(hello(), "/status/state", json!("Playing")), "BAD_FIELD: status.state is neither PLAYING nor PAUSED".into()),
        (with(hello(), "/status/currentTime", json!(-1)), not_a_time("status.currentTime")),
        (with(hello(), "/playlist", None), "BAD_FIELD: playlist is missing".into()),
        (with(hello(), "/playlist", json!({})), "BAD_FIELD: playlist is not an array".into()),
        (with(hello(), "/playlist/0", json!("a.mp4")), "BAD_FIELD: playlist[0] is not an object".into()),
        (with(hello(), "/playlist/0/filename", None), "BAD_FIELD: playlist[0].filename is missing".into()),
        (with(hello(), "/playlist/0/filename", json!("a\u{0}")), "BAD_FIELD: playlist[0].filename holds a NUL".into()),
        (with(hello(), "/playlist/0/torrentId", json!(1)), "BAD_FIELD: playlist[0].torrentId is not a string".into()),
        (
            with(hello(), "/playlist/0/torrentId", json!("film.torrent")),
            "BAD_TORRENT_ID: playlist[0].torrentId is neither a magnet link, nor an info hash, nor an http(s) address"
                .into(),
        ),
        (
            with(hello(), "/playlist/0/torrentId", json!("http://127.0.0.1:4000/a.torrent")),
            "LOOPBACK_ADDRESS: playlist[0].torrentId is an address on the sender's own computer".into(),
        ),
        (
            with(hello(), "/playlist/0/torrentId", json!(format!("magnet:?xt=urn:btih:{HASH}&ws=http://localhost:8000"))),
            "LOOPBACK_ADDRESS: playlist[0].torrentId is a magnet link that names an address on the sender's own computer"
                .into(),
        ),
        (with(hello(), "/playlist/0/itemId", json!(-1)), "OUT_OF_RANGE: playlist[0].itemId is not an integer from 0 to 9007199254740991".into()),
        (with(hello(), "/playlist/0/title", json!(["x"])), "BAD_FIELD: playlist[0].title is not a string".into()),
        (with(hello(), "/playlist/0/length", json!(0.5)), "OUT_OF_RANGE: playlist[0].length is not an integer from 0 to 9007199254740991".into()),
        (with(hello(), "/restores", json!(1)), "BAD_FIELD: restores is not an object".into()),
        (with(hello(), "/restores", json!({"order": 1})), "BAD_FIELD: restores.epoch is missing".into()),
        (with(hello(), "/restores", json!({"epoch": "e", "order": 0})), format!("OUT_OF_RANGE: restores.order {id}")),
        (json!({"command": "EDIT", "op": "NEXT", "itemId": 1}), "BAD_FIELD: actionId is missing".into()),
        (json!({"command": "EDIT", "actionId": 1}), "BAD_FIELD: op is missing".into()),
        (json!({"command": "EDIT", "actionId": 1, "op": "CLEAR"}), "BAD_FIELD: op is none of APPEND, REMOVE, MOVE, NEXT".into()),
        (json!({"command": "EDIT", "actionId": 1, "op": "NEXT"}), "BAD_FIELD: itemId is missing".into()),
        (json!({"command": "EDIT", "actionId": 1, "op": "MOVE", "itemId": 1}), "BAD_FIELD: to is missing".into()),
        (json!({"command": "EDIT", "actionId": 1, "op": "APPEND", "items": [1]}), "BAD_FIELD: items[0] is not an object".into()),
        (json!({"command": "SET", "speed": 1}), "BAD_FIELD: actionId is missing".into()),
        (
            json!({"command": "SET", "actionId": 1, "speed": 2.5}),
            "OUT_OF_RANGE: speed is 2.5, not a number from 0.5 to 2.0".into(),
        ),
        (
            json!({"command": "SET", "actionId": 1, "stallPolicy": "never"}),
            "BAD_FIELD: stallPolicy is neither WAIT nor NEVER_WAIT".into(),
        ),
        (with(hello(), "/speed", json!("fast")), "BAD_FIELD: speed is not a number".into()),
        (json!({"command": "PING"}), "BAD_FIELD: id is missing".into()),
        (json!({"command": "PING", "id": 1e300}), "OUT_OF_RANGE: id is not an integer from 0 to 9007199254740991".into()),
    ];
    for (json, expected) in table {
        assert_eq!(client(&json), expected, "{json}");
    }
}

#[test]
fn what_a_relay_may_not_send() {
    let table = [
        (with(relay_hello(), "/users", None), "BAD_FIELD: users is missing"),
        // The draft's `{ [ ... ] }`, read as an object.
        (with(relay_hello(), "/users", json!({})), "BAD_FIELD: users is not an array"),
        (with(relay_hello(), "/users/0/id", json!("1")), "BAD_FIELD: users[0].id is not a number"),
        (with(relay_hello(), "/users/0/name", json!("")), "BAD_FIELD: users[0].name is empty"),
        (with(relay_hello(), "/epoch", json!("")), "BAD_FIELD: epoch is empty"),
        (with(relay_hello(), "/waitingFor", json!(2)), "BAD_FIELD: waitingFor is not an array"),
        (with(relay_hello(), "/waitingFor", json!(["2"])), "BAD_FIELD: waitingFor holds what is not a number"),
        (
            with(relay_hello(), "/waitingFor", json!([0])),
            "OUT_OF_RANGE: waitingFor is not an integer from 1 to 9007199254740991",
        ),
        (with(relay_hello(), "/waitingFor", json!(vec![1; 51])), "TOO_LONG: waitingFor has more than 50 entries"),
        (play(), "BAD_FIELD: userId is missing"),
        (with(sync(), "/userId", json!(0)), "OUT_OF_RANGE: userId is not an integer from 1 to 9007199254740991"),
        (json!({"command": "TAKEN", "actionId": 1, "order": 2}), "BAD_FIELD: relayTime is missing"),
        (json!({"command": "PONG", "relayTime": 2}), "BAD_FIELD: id is missing"),
        (json!({"command": "ERROR", "code": 4, "message": ""}), "BAD_FIELD: code is not a string"),
        (json!({"command": "ERROR", "code": "BAD_FIELD"}), "BAD_FIELD: message is missing"),
    ];
    for (json, expected) in table {
        assert_eq!(relay(&json), expected, "{json}");
    }
}

/// The last legal value is taken, the first illegal one refused with `code`.
fn cap(what: &str, code: &str, json: impl Fn(usize) -> Value, max: usize) {
    assert!(client(&json(max)).starts_with("Some"), "{what} at its cap: {}", client(&json(max)));
    let refused = client(&json(max + 1));
    assert!(refused.starts_with(code) && refused.contains(what), "{what} beyond its cap: {refused}");
}

#[test]
fn every_cap_holds_to_the_last_byte() {
    let text = |base: fn() -> Value, field: &'static str| move |n| with(base(), field, json!("x".repeat(n)));
    cap("name", "TOO_LONG", text(join, "/name"), NAME_CHARS_MAX);
    cap("name", "TOO_LONG", |n| with(join(), "/name", json!("\u{1f40b}".repeat(n))), NAME_CHARS_MAX);
    cap("roomId", "TOO_LONG", text(join, "/roomId"), ROOM_ID_BYTES_MAX);
    cap("resumeKey", "TOO_LONG", text(join, "/resumeKey"), KEY_BYTES_MAX);
    let epoch = |n| with(hello(), "/restores", json!({"epoch": "e".repeat(n), "order": 1}));
    cap("restores.epoch", "TOO_LONG", epoch, KEY_BYTES_MAX);
    cap("playlist[0].filename", "TOO_LONG", text(hello, "/playlist/0/filename"), FILENAME_BYTES_MAX);
    let magnet = |n: usize| {
        let magnet = format!("magnet:?xt=urn:btih:{HASH}&dn=");
        let padding = "x".repeat(n - magnet.len());
        with(hello(), "/playlist/0/torrentId", json!(magnet + &padding))
    };
    cap("playlist[0].torrentId", "TOO_LONG", magnet, TORRENT_ID_BYTES_MAX);
    let item = || json!({"filename": "", "torrentId": HASH});
    cap("playlist", "TOO_LONG", |n| with(hello(), "/playlist", json!(vec![item(); n])), PLAYLIST_ITEMS_MAX);
    let items = |n| json!({"command": "EDIT", "actionId": 1, "op": "APPEND", "items": vec![item(); n]});
    cap("items", "TOO_LONG", items, PLAYLIST_ITEMS_MAX);
    let playlist = |bytes: usize| {
        let filler = |n: usize| json!([{"filename": "", "torrentId": HASH, "note": "x".repeat(n)}]);
        with(hello(), "/playlist", filler(bytes - filler(0).to_string().len()))
    };
    cap("playlist", "TOO_LONG", playlist, PLAYLIST_BYTES_MAX);
    let message = |bytes: usize| {
        let frame = with(join(), "/padding", json!("")).to_string().len();
        with(join(), "/padding", json!("x".repeat(bytes - frame)))
    };
    cap("a message", "TOO_LONG", message, MESSAGE_BYTES_MAX);
    let extra = |bytes: usize| with(play(), "/x", json!("x".repeat(bytes - r#"{"x":""}"#.len())));
    cap("unknown fields", "TOO_LONG", extra, EXTRA_BYTES_MAX);
    let state = |bytes: usize| with(sync(), "/playerState", json!("x".repeat(bytes - r#"{"playerState":""}"#.len())));
    cap("unknown fields", "TOO_LONG", state, EXTRA_BYTES_MAX);
    let nest = |levels: usize| (0..levels).fold(json!(0), |inner, _| json!([inner]));
    cap("unknown field", "TOO_LONG", |n| with(play(), "/x", nest(n)), EXTRA_DEPTH_MAX);
    cap("playlist[0]", "TOO_LONG", |n| with(hello(), "/playlist/0/x", nest(n)), EXTRA_DEPTH_MAX);
}

#[test]
fn numbers_at_the_ends_of_their_ranges() {
    let taken = |json: &Value| client(json).starts_with("Some");
    for (field, max) in [("/currentTime", MEDIA_TIME_S_MAX), ("/dispatchedAt", UNIX_MS_MAX)] {
        assert!(taken(&with(play(), field, json!(max))) && taken(&with(play(), field, json!(-0.0))), "{field}");
        assert!(!taken(&with(play(), field, json!(max + 1.0))), "{field}");
        assert!(!taken(&with(play(), field, json!(u64::MAX))), "{field}");
    }
    let action = |id: Value| taken(&with(play(), "/actionId", id));
    assert!(action(json!(INTEGER_MAX)) && action(json!(1.0)) && action(json!(null)));
    for id in [json!(INTEGER_MAX + 1), json!(INTEGER_MAX + 2), json!(u64::MAX), json!(i64::MIN), json!(-0.0)] {
        assert!(!action(id.clone()), "{id}");
    }
    // Integers without a type of their own: up to what every reader holds exactly.
    let moved = |to: Value| json!({"command": "EDIT", "actionId": 1, "op": "MOVE", "itemId": 1, "to": to});
    let long = |length: Value| with(hello(), "/playlist/0/length", length);
    for json in
        [moved(json!(0)), moved(json!(INTEGER_MAX)), long(json!(0)), long(json!(INTEGER_MAX)), long(json!(null))]
    {
        assert!(taken(&json), "{json}");
    }
    for json in [moved(json!(INTEGER_MAX + 1)), moved(json!(-1)), moved(json!(null)), long(json!(INTEGER_MAX + 1))] {
        assert!(!taken(&json), "{json}");
    }
    // Beyond a double: no JSON reader of ours takes it, whatever the field.
    assert!(serde_json::from_str::<Value>(r#"{"command":"PLAY","currentTime":1e400}"#).is_err());
}

#[test]
fn a_relays_lists_and_texts_are_capped_too() {
    let users = |n: usize| {
        let user = |id| json!({"id": id + 1, "name": "x"});
        relay(&with(relay_hello(), "/users", json!((0..n).map(user).collect::<Vec<_>>())))
    };
    assert!(users(MEMBERS_MAX).starts_with("Some"));
    assert_eq!(users(MEMBERS_MAX + 1), "TOO_LONG: users has more than 50 entries");
    let error = json!({"command": "ERROR", "code": "FROM_LATER", "message": "é".repeat(ERROR_CHARS_MAX + 1)});
    let read = RelayMessage::from_json(&error).unwrap().unwrap().to_json();
    assert_eq!(read["message"], json!("é".repeat(ERROR_CHARS_MAX)), "it is only shown, so it is cut");
    assert_eq!(read["code"], "OTHER");
}

/// Titles are only shown: cut to what fits, and then they read back as themselves.
#[test]
fn titles_are_cut_and_cleaned() {
    let read = |title: &str| {
        let json = with(hello(), "/playlist/0/title", json!(title));
        laws::client_value(&json);
        ClientMessage::from_json(&json).unwrap().unwrap().to_json()["playlist"][0]["title"].clone()
    };
    assert_eq!(read("é".repeat(TITLE_CHARS_MAX + 1).as_str()), json!("é".repeat(TITLE_CHARS_MAX)));
    assert_eq!(read(&format!("{} b", "a".repeat(TITLE_CHARS_MAX - 1))), json!("a".repeat(TITLE_CHARS_MAX - 1)));
    assert_eq!(read(" \u{1} Sin\ttel\n"), json!("Sintel"));
    assert_eq!(read(" \u{7f}\n"), Value::Null);
}
