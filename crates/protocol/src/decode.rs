//! From JSON to messages: every type, range and length is checked here and nowhere else.

use crate::fields::Fields;
use crate::limits::{ERROR_CHARS_MAX, MEMBERS_MAX, PLAYLIST_ITEMS_MAX};
use crate::{
    ActionId, ClientHello, ClientMessage, Control, DecodeError, Edit, EditOp, Epoch, ErrorCode, Filename, ItemId, Join,
    Latency, MemberId, Name, Order, PlaybackState, PlayerState, Playlist, PlaylistItem, RelayHello, RelayMessage,
    Restores, ResumeKey, RoomId, Set, Skew, Speed, StallPolicy, Status, SyncReport, Title, TorrentId, User,
};
use serde::Serialize;
use serde_json::Value;

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
            timed: fields.optional("timed", Fields::boolean)?.unwrap_or(false),
        }),
        "HELLO" => ClientMessage::Hello(ClientHello {
            status: status(&fields)?,
            playlist: playlist(&fields, "playlist")?,
            dispatched_at: fields.unix_ms("dispatchedAt")?,
            restores: fields.optional("restores", restores)?,
            speed: fields.optional("speed", speed)?,
            stall_policy: fields.optional("stallPolicy", stall_policy)?,
        }),
        "PLAY" => ClientMessage::Play(control(&fields)?),
        "PAUSE" => ClientMessage::Pause(control(&fields)?),
        "SYNC" => ClientMessage::Sync(report(&fields)?),
        "EDIT" => {
            ClientMessage::Edit(Edit { action_id: fields.number("actionId", ActionId::new)?, op: edit_op(&fields)? })
        }
        "SET" => ClientMessage::Set(Set {
            action_id: fields.number("actionId", ActionId::new)?,
            speed: fields.optional("speed", speed)?,
            stall_policy: fields.optional("stallPolicy", stall_policy)?,
        }),
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
            relay_time: relay_time()?,
            speed: fields.optional("speed", speed)?,
            stall_policy: fields.optional("stallPolicy", stall_policy)?,
            waiting_for: fields.optional("waitingFor", waiting_for)?.unwrap_or_default(),
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

/// What this version reads of a PLAY or PAUSE itself.
const CONTROL_FIELDS: [&str; 6] = ["command", "currentTime", "dispatchedAt", "actionId", "itemId", "startsAt"];
/// What this version reads of a SYNC itself.
const REPORT_FIELDS: [&str; 9] = [
    "command",
    "currentTime",
    "buffer",
    "dispatchedAt",
    "playerState",
    "duration",
    "skew",
    "startLatency",
    "seekLatency",
];

fn control(fields: &Fields<'_>) -> Result<Control, DecodeError> {
    Ok(Control {
        current_time: fields.media_time("currentTime")?,
        dispatched_at: fields.unix_ms("dispatchedAt")?,
        action_id: fields.optional("actionId", |f, key| f.number(key, ActionId::new))?,
        item_id: fields.optional("itemId", |f, key| f.number(key, ItemId::new))?,
        starts_at: fields.optional("startsAt", Fields::unix_ms)?,
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
        skew: fields.optional("skew", |f, key| f.measure(key, Skew::new))?,
        start_latency: fields.optional("startLatency", |f, key| f.measure(key, Latency::new))?,
        seek_latency: fields.optional("seekLatency", |f, key| f.measure(key, Latency::new))?,
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

fn speed(fields: &Fields<'_>, key: &str) -> Result<Speed, DecodeError> {
    fields.measure(key, Speed::new)
}

fn stall_policy(fields: &Fields<'_>, key: &str) -> Result<StallPolicy, DecodeError> {
    match fields.text(key)? {
        "WAIT" => Ok(StallPolicy::Wait),
        "NEVER_WAIT" => Ok(StallPolicy::NeverWait),
        _ => Err(fields.bad(key, "is neither WAIT nor NEVER_WAIT")),
    }
}

fn waiting_for(fields: &Fields<'_>, key: &str) -> Result<Vec<MemberId>, DecodeError> {
    let list = fields.list(key)?;
    if list.len() > MEMBERS_MAX {
        return Err(DecodeError::new(ErrorCode::TooLong, format!("{key} has more than {MEMBERS_MAX} entries")));
    }
    list.iter().map(|id| fields.element(id, key, MemberId::new)).collect()
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
