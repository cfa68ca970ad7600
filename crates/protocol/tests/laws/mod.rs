//! What must hold for every input whatever: shared by the property tests, by the run over mutated golden files and by
//! the fuzz targets.
#![allow(dead_code, reason = "each of those uses a part of it")]

use serde_json::Value;
use streamshare_protocol::limits::{INTEGER_MAX, MEMBERS_MAX, MESSAGE_BYTES_MAX, NAME_CHARS_MAX, UNIX_MS_MAX};
use streamshare_protocol::{
    ClientMessage, DecodeError, EditOp, Epoch, ErrorCode, ItemId, MemberId, Name, Order, Playlist, RelayHello,
    RelayMessage, Speed, StallPolicy, Status, UnixMs, User,
};

/// The longest text of an ERROR that a relay makes of a refused message: nothing of the sender's is repeated in it.
const REFUSAL_BYTES_MAX: usize = 200;

/// Bytes that a member sent.
pub(crate) fn client_bytes(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        client_value(&value);
    }
}

/// Bytes that a relay sent.
pub(crate) fn relay_bytes(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        relay_value(&value);
    }
}

/// JSON that a member sent: it is refused with a reason, or it reads back as itself and can be passed on.
pub(crate) fn client_value(value: &Value) {
    match ClientMessage::from_json(value) {
        Ok(Some(message)) => {
            let json = through_text(&message.to_json());
            assert_eq!(ClientMessage::from_json(&json), Ok(Some(message.clone())), "read again: {value}");
            passes_on(message);
        }
        Ok(None) => assert!(value["command"].is_string(), "ignored: {value}"),
        Err(error) => explains(&error, value),
    }
}

/// JSON that a relay sent: it is refused with a reason, or it reads back as itself.
pub(crate) fn relay_value(value: &Value) {
    match RelayMessage::from_json(value) {
        Ok(Some(message)) => {
            let json = through_text(&message.to_json());
            assert_eq!(RelayMessage::from_json(&json), Ok(Some(message)), "read again: {value}");
        }
        Ok(None) => assert!(value["command"].is_string(), "ignored: {value}"),
        Err(error) => explains(&error, value),
    }
}

fn explains(error: &DecodeError, value: &Value) {
    assert_ne!(error.code(), ErrorCode::Other, "{value}");
    assert!((1..=REFUSAL_BYTES_MAX).contains(&error.message().len()), "{} for {value}", error.message());
}

fn through_text(json: &Value) -> Value {
    let text = json.to_string();
    assert!(text.len() <= MESSAGE_BYTES_MAX, "an encoded message of {} bytes", text.len());
    let read = serde_json::from_str(&text).expect("what was written as JSON is JSON");
    assert_eq!(&read, json, "through text");
    read
}

/// Whatever a relay makes of a member's message at its largest, the other members can read.
fn passes_on(message: ClientMessage) {
    let user_id = MemberId::new(INTEGER_MAX).expect("in range");
    let order = Order::new(INTEGER_MAX).ok();
    let relay_time = UnixMs::new(UNIX_MS_MAX).ok();
    let out = match message {
        ClientMessage::Play(control) => RelayMessage::Play { user_id, control, order, relay_time },
        ClientMessage::Pause(control) => RelayMessage::Pause { user_id, control, order, relay_time },
        ClientMessage::Sync(report) => RelayMessage::Sync { user_id, report },
        ClientMessage::Hello(hello) => full_hello(hello.status, hello.playlist),
        ClientMessage::Edit(edit) => match edit.op {
            EditOp::Append { items } => full_hello(Status::IDLE, items),
            EditOp::Remove { .. } | EditOp::Move { .. } | EditOp::Next { .. } => return,
        },
        ClientMessage::Join(_) | ClientMessage::Set(_) | ClientMessage::Ping { .. } => return,
    };
    let json = through_text(&out.to_json());
    assert_eq!(RelayMessage::from_json(&json), Ok(Some(out)), "passed on");
}

/// The HELLO with this playlist in a full room of people with long names.
fn full_hello(status: Status, playlist: Playlist) -> RelayMessage {
    let mut items = playlist.into_items();
    for item in &mut items {
        item.item_id = ItemId::new(INTEGER_MAX).ok();
    }
    let name = Name::new(&"\u{1f40b}".repeat(NAME_CHARS_MAX)).expect("at its cap");
    let user = |n: usize| User { id: MemberId::new(INTEGER_MAX - n as u64).expect("in range"), name: name.clone() };
    RelayMessage::Hello(RelayHello {
        users: (0..MEMBERS_MAX).map(user).collect(),
        status,
        playlist: Playlist::new(items).expect("item ids do not count"),
        dispatched_at: UnixMs::saturating(UNIX_MS_MAX),
        user_id: MemberId::new(INTEGER_MAX).ok(),
        epoch: Epoch::new(&"e".repeat(64)).ok(),
        order: Order::new(INTEGER_MAX).ok(),
        relay_time: UnixMs::new(UNIX_MS_MAX).ok(),
        speed: Speed::new(1.0 + f64::EPSILON).ok(),
        stall_policy: Some(StallPolicy::NeverWait),
        waiting_for: (0..MEMBERS_MAX).filter_map(|n| MemberId::new(INTEGER_MAX - n as u64).ok()).collect(),
    })
}
