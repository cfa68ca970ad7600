//! From JSON to messages: every type, range and length is checked here and nowhere else.

use crate::limits::PLAYLIST_ITEMS_MAX;
use crate::limits::{ERROR_CHARS_MAX, EXTRA_BYTES_MAX, EXTRA_DEPTH_MAX, MEMBERS_MAX, MESSAGE_BYTES_MAX};
use crate::{
    ActionId, ClientHello, ClientMessage, Control, DecodeError, Edit, EditOp, Epoch, ErrorCode, Extra, Filename,
    IllegalId, ItemId, Join, MediaTime, MemberId, Name, Order, PlaybackState, PlayerState, Playlist, PlaylistItem,
    RelayHello, RelayMessage, Restores, ResumeKey, RoomId, Status, SyncReport, Title, TorrentId, UnixMs, User,
};
use serde::Serialize;
use serde_json::{Map, Value};

/// Encodes what this crate made. Its types hold nothing that JSON cannot.
pub(crate) fn to_json<M: Serialize>(message: &M) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}

pub(crate) fn client_message(value: &Value) -> Result<Option<ClientMessage>, DecodeError> {
    let fields = Fields::of_message(value)?;
    Ok(Some(match fields.text("command")? {
        "Join" => ClientMessage::Join(Join {
            name: fields.id("name", Name::new)?,
            room_id: fields.id("roomId", RoomId::new)?,
            resume_key: fields.optional("resumeKey", |f, key| f.id(key, ResumeKey::new))?,
        }),
        "HELLO" => ClientMessage::Hello(ClientHello {
            status: status(&fields)?,
            playlist: playlist(&fields, "playlist")?,
            dispatched_at: fields.unix_ms("dispatchedAt")?,
            restores: fields.optional("restores", restores)?,
        }),
        "PLAY" => ClientMessage::Play(control(&fields)?),
        "PAUSE" => ClientMessage::Pause(control(&fields)?),
        "SYNC" => ClientMessage::Sync(report(&fields)?),
        "EDIT" => {
            ClientMessage::Edit(Edit { action_id: fields.number("actionId", ActionId::new)?, op: edit_op(&fields)? })
        }
        "PING" => ClientMessage::Ping { id: fields.number("id", ActionId::new)? },
        _ => return Ok(None),
    }))
}

pub(crate) fn relay_message(value: &Value) -> Result<Option<RelayMessage>, DecodeError> {
    let fields = Fields::of_message(value)?;
    let order = || fields.optional("order", |f, key| f.number(key, Order::new));
    let relay_time = || fields.optional("relayTime", Fields::unix_ms);
    Ok(Some(match fields.text("command")? {
        "HELLO" => RelayMessage::Hello(RelayHello {
            users: users(&fields)?,
            status: status(&fields)?,
            playlist: playlist(&fields, "playlist")?,
            dispatched_at: fields.unix_ms("dispatchedAt")?,
            user_id: fields.optional("userId", |f, key| f.number(key, MemberId::new))?,
            epoch: fields.optional("epoch", |f, key| f.id(key, Epoch::new))?,
            order: order()?,
        }),
        "PLAY" => RelayMessage::Play {
            user_id: fields.number("userId", MemberId::new)?,
            control: control(&fields)?,
            order: order()?,
            relay_time: relay_time()?,
        },
        "PAUSE" => RelayMessage::Pause {
            user_id: fields.number("userId", MemberId::new)?,
            control: control(&fields)?,
            order: order()?,
            relay_time: relay_time()?,
        },
        "SYNC" => RelayMessage::Sync { user_id: fields.number("userId", MemberId::new)?, report: report(&fields)? },
        "TAKEN" => RelayMessage::Taken {
            action_id: fields.number("actionId", ActionId::new)?,
            order: fields.number("order", Order::new)?,
            relay_time: fields.unix_ms("relayTime")?,
        },
        "PONG" => {
            RelayMessage::Pong { id: fields.number("id", ActionId::new)?, relay_time: fields.unix_ms("relayTime")? }
        }
        "ERROR" => RelayMessage::Error {
            code: ErrorCode::from_wire(fields.text("code")?),
            message: fields.text("message")?.chars().take(ERROR_CHARS_MAX).collect(),
            action_id: fields.optional("actionId", |f, key| f.number(key, ActionId::new))?,
        },
        _ => return Ok(None),
    }))
}

/// What only the relay may say: never passed on from a member's message.
const RELAY_FIELDS: [&str; 4] = ["userId", "order", "relayTime", "epoch"];
/// What this version reads of a PLAY or PAUSE itself.
const CONTROL_FIELDS: [&str; 5] = ["command", "currentTime", "dispatchedAt", "actionId", "itemId"];
/// What this version reads of a SYNC itself.
const REPORT_FIELDS: [&str; 6] = ["command", "currentTime", "buffer", "dispatchedAt", "playerState", "duration"];

fn control(fields: &Fields<'_>) -> Result<Control, DecodeError> {
    Ok(Control {
        current_time: fields.media_time("currentTime")?,
        dispatched_at: fields.unix_ms("dispatchedAt")?,
        action_id: fields.optional("actionId", |f, key| f.number(key, ActionId::new))?,
        item_id: fields.optional("itemId", |f, key| f.number(key, ItemId::new))?,
        extra: fields.passed_on(&CONTROL_FIELDS)?,
    })
}

fn report(fields: &Fields<'_>) -> Result<SyncReport, DecodeError> {
    let mut extra = fields.passed_on(&REPORT_FIELDS)?;
    let player_state = match fields.optional("playerState", Fields::text)? {
        None => None,
        Some("IDLE") => Some(PlayerState::Idle),
        Some("LOADING") => Some(PlayerState::Loading),
        Some("PAUSED") => Some(PlayerState::Paused),
        Some("PLAYING") => Some(PlayerState::Playing),
        Some("STALLED") => Some(PlayerState::Stalled),
        Some("FAILED") => Some(PlayerState::Failed),
        Some("FOLLOWING") => Some(PlayerState::Following),
        // A state of a later version: not for us, but for whoever it is passed on to.
        Some(later) => {
            extra.insert("playerState".to_owned(), later.into());
            fields.check_passed_on(&extra)?;
            None
        }
    };
    Ok(SyncReport {
        current_time: fields.media_time("currentTime")?,
        buffer: fields.media_time("buffer")?,
        dispatched_at: fields.unix_ms("dispatchedAt")?,
        player_state,
        duration: fields.optional("duration", Fields::media_time)?,
        extra,
    })
}

fn edit_op(fields: &Fields<'_>) -> Result<EditOp, DecodeError> {
    let item_id = || fields.number("itemId", ItemId::new);
    Ok(match fields.text("op")? {
        "APPEND" => EditOp::Append { items: playlist(fields, "items")? },
        "REMOVE" => EditOp::Remove { item_id: item_id()? },
        "MOVE" => EditOp::Move { item_id: item_id()?, to: fields.integer("to")? },
        "NEXT" => EditOp::Next { item_id: item_id()? },
        _ => return Err(fields.bad("op", "is none of APPEND, REMOVE, MOVE, NEXT")),
    })
}

fn restores(fields: &Fields<'_>, key: &str) -> Result<Restores, DecodeError> {
    let inner = fields.object(key)?;
    Ok(Restores { epoch: inner.id("epoch", Epoch::new)?, order: inner.number("order", Order::new)? })
}

fn status(fields: &Fields<'_>) -> Result<Status, DecodeError> {
    let inner = fields.object("status")?;
    let state = match inner.text("state")? {
        "PLAYING" => PlaybackState::Playing,
        "PAUSED" => PlaybackState::Paused,
        _ => return Err(inner.bad("state", "is neither PLAYING nor PAUSED")),
    };
    Ok(Status { current_time: inner.media_time("currentTime")?, state })
}

fn users(fields: &Fields<'_>) -> Result<Vec<User>, DecodeError> {
    let list = fields.list("users")?;
    if list.len() > MEMBERS_MAX {
        return Err(DecodeError::new(ErrorCode::TooLong, format!("users has more than {MEMBERS_MAX} entries")));
    }
    let user = |(index, value)| {
        let inner = Fields::of_object(value, format!("users[{index}]."))?;
        Ok(User { id: inner.number("id", MemberId::new)?, name: inner.id("name", Name::new)? })
    };
    list.iter().enumerate().map(user).collect()
}

fn playlist(fields: &Fields<'_>, key: &str) -> Result<Playlist, DecodeError> {
    let list = fields.list(key)?;
    if list.len() > PLAYLIST_ITEMS_MAX {
        let message = format!("{key} has more than {PLAYLIST_ITEMS_MAX} entries");
        return Err(DecodeError::new(ErrorCode::TooLong, message));
    }
    let items = list.iter().enumerate().map(|(index, value)| playlist_item(value, format!("{key}[{index}].")));
    Playlist::new(items.collect::<Result<_, _>>()?)
}

fn playlist_item(value: &Value, path: String) -> Result<PlaylistItem, DecodeError> {
    let fields = Fields::of_object(value, path)?;
    let below = |e: DecodeError| e.below(&fields.path);
    let extra = fields.without(&["filename", "torrentId", "itemId", "title", "length"]);
    fields.check_depth(&extra)?;
    Ok(PlaylistItem {
        filename: Filename::new(fields.text("filename")?).map_err(below)?,
        torrent_id: TorrentId::new(fields.text("torrentId")?).map_err(below)?,
        item_id: fields.optional("itemId", |f, key| f.number(key, ItemId::new))?,
        title: fields.optional("title", |f, key| f.text(key).map(Title::new))?.flatten(),
        length: fields.optional("length", Fields::integer)?,
        extra,
    })
}

/// A JSON object, read field by field; errors name the field by its whole path.
struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    fn of_message(value: &'a Value) -> Result<Self, DecodeError> {
        let Value::Object(map) = value else {
            return Err(DecodeError::new(ErrorCode::BadMessage, "a message is a JSON object"));
        };
        if !map.get("command").is_some_and(Value::is_string) {
            return Err(DecodeError::new(ErrorCode::BadMessage, "a message has a command, a string"));
        }
        // Transports cap messages, too; this holds where one does not.
        if json_bytes(value) > MESSAGE_BYTES_MAX {
            let message = format!("a message has at most {MESSAGE_BYTES_MAX} bytes");
            return Err(DecodeError::new(ErrorCode::TooLong, message));
        }
        Ok(Self { map, path: String::new() })
    }

    fn of_object(value: &'a Value, path: String) -> Result<Self, DecodeError> {
        let Value::Object(map) = value else {
            let message = format!("{} is not an object", path.trim_end_matches('.'));
            return Err(DecodeError::new(ErrorCode::BadField, message));
        };
        Ok(Self { map, path })
    }

    fn error(&self, code: ErrorCode, key: &str, why: impl std::fmt::Display) -> DecodeError {
        DecodeError::new(code, format!("{}{key} {why}", self.path))
    }

    fn bad(&self, key: &str, why: &str) -> DecodeError {
        self.error(ErrorCode::BadField, key, why)
    }

    fn get(&self, key: &str) -> Result<&'a Value, DecodeError> {
        self.map.get(key).ok_or_else(|| self.bad(key, "is missing"))
    }

    /// A field that may be absent or null.
    fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Self, &str) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => read(self, key).map(Some),
        }
    }

    fn text(&self, key: &str) -> Result<&'a str, DecodeError> {
        self.get(key)?.as_str().ok_or_else(|| self.bad(key, "is not a string"))
    }

    fn list(&self, key: &str) -> Result<&'a [Value], DecodeError> {
        self.get(key)?.as_array().map(Vec::as_slice).ok_or_else(|| self.bad(key, "is not an array"))
    }

    fn object(&self, key: &str) -> Result<Fields<'a>, DecodeError> {
        Fields::of_object(self.get(key)?, format!("{}{key}.", self.path))
    }

    fn float(&self, key: &str) -> Result<f64, DecodeError> {
        self.get(key)?.as_f64().ok_or_else(|| self.bad(key, "is not a number"))
    }

    fn media_time(&self, key: &str) -> Result<MediaTime, DecodeError> {
        MediaTime::new(self.float(key)?).map_err(|e| self.error(ErrorCode::OutOfRange, key, format_args!("{e}")))
    }

    fn unix_ms(&self, key: &str) -> Result<UnixMs, DecodeError> {
        UnixMs::new(self.float(key)?).map_err(|e| self.error(ErrorCode::OutOfRange, key, format_args!("{e}")))
    }

    /// An integer from 0 to 2^53 - 1, also where it is written with a fraction of zero.
    fn integer(&self, key: &str) -> Result<u64, DecodeError> {
        let number = self.float(key)?;
        if number.fract() != 0.0 || !(0.0..9_007_199_254_740_992.0).contains(&number) {
            return Err(self.error(ErrorCode::OutOfRange, key, "is not an integer from 0 to 9007199254740991"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        Ok(number as u64)
    }

    fn number<T>(&self, key: &str, make: fn(u64) -> Result<T, IllegalId>) -> Result<T, DecodeError> {
        make(self.integer(key)?).map_err(|e| self.error(ErrorCode::OutOfRange, key, e))
    }

    fn id<T>(&self, key: &str, make: fn(&str) -> Result<T, IllegalId>) -> Result<T, DecodeError> {
        make(self.text(key)?).map_err(|e| {
            let code = match e {
                IllegalId::TooLong(_) => ErrorCode::TooLong,
                IllegalId::Empty | IllegalId::ControlCharacter | IllegalId::NotInRange => ErrorCode::BadField,
            };
            self.error(code, key, e)
        })
    }

    /// The fields that are neither known nor the relay's to say.
    fn passed_on(&self, known: &[&str]) -> Result<Extra, DecodeError> {
        let mut extra = self.without(known);
        extra.retain(|key, _| !RELAY_FIELDS.contains(&key.as_str()));
        self.check_passed_on(&extra)?;
        Ok(extra)
    }

    fn check_passed_on(&self, extra: &Extra) -> Result<(), DecodeError> {
        if json_bytes(extra) > EXTRA_BYTES_MAX {
            let message = format!("the unknown fields have more than {EXTRA_BYTES_MAX} bytes");
            return Err(DecodeError::new(ErrorCode::TooLong, message));
        }
        self.check_depth(extra)
    }

    fn check_depth(&self, extra: &Extra) -> Result<(), DecodeError> {
        match extra.iter().find(|(_, value)| is_deeper_than(value, EXTRA_DEPTH_MAX)) {
            // The key is the sender's text: not repeated, for it may be long.
            Some(_) => {
                let path = self.path.trim_end_matches('.');
                let place = if path.is_empty() { "" } else { " in " };
                let message = format!("an unknown field{place}{path} nests deeper than {EXTRA_DEPTH_MAX} levels");
                Err(DecodeError::new(ErrorCode::TooLong, message))
            }
            None => Ok(()),
        }
    }

    fn without(&self, known: &[&str]) -> Extra {
        let unknown = self.map.iter().filter(|(key, _)| !known.contains(&key.as_str()));
        unknown.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// Bytes of something as JSON, without writing it anywhere.
pub(crate) fn json_bytes<T: Serialize>(value: &T) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, value) {
        Ok(()) => count.0,
        Err(_) => usize::MAX,
    }
}

fn is_deeper_than(value: &Value, levels: usize) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        Value::Array(list) => levels == 0 || list.iter().any(|inner| is_deeper_than(inner, levels - 1)),
        Value::Object(map) => levels == 0 || map.values().any(|inner| is_deeper_than(inner, levels - 1)),
    }
}
