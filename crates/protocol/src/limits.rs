//! Caps on every length of the protocol. Whatever exceeds one is refused, never cut.

/// Bytes of one message as JSON, both ways. Large enough for a playlist of [`PLAYLIST_BYTES_MAX`] beside a full list of
/// members; small enough that a room of fifty costs a relay megabytes, not more.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Characters (Unicode scalar values) of a member's name.
pub const NAME_CHARS_MAX: usize = 64;
/// Bytes of a room's id.
pub const ROOM_ID_BYTES_MAX: usize = 128;
/// Members of one room.
pub const MEMBERS_MAX: usize = 50;
/// Items of a playlist.
pub const PLAYLIST_ITEMS_MAX: usize = 200;
/// Bytes of a playlist as JSON, without the `itemId`s: the relay adds those to what a member was allowed to send.
pub const PLAYLIST_BYTES_MAX: usize = 96 * 1024;
/// Bytes of a file's path inside a torrent.
pub const FILENAME_BYTES_MAX: usize = 1024;
/// Characters of an item's title.
pub const TITLE_CHARS_MAX: usize = 256;
/// Bytes of a torrent id; magnet links with a long list of trackers reach 3 KiB.
pub const TORRENT_ID_BYTES_MAX: usize = 8 * 1024;
/// Bytes, as JSON, of the unknown fields of a PLAY, PAUSE or SYNC: they are passed on to the whole room, and beside what
/// the relay adds the message must stay below [`MESSAGE_BYTES_MAX`].
pub const EXTRA_BYTES_MAX: usize = 4 * 1024;
/// Levels of arrays and objects within unknown fields. Parsers stop at some depth of their own (`serde_json` at 128);
/// what one of them took must not stop the next one.
pub const EXTRA_DEPTH_MAX: usize = 32;
/// Characters of an ERROR's message; longer ones are cut, for it is only shown.
pub const ERROR_CHARS_MAX: usize = 500;
/// Bytes of an epoch and of a resume key.
pub const KEY_BYTES_MAX: usize = 64;
/// Largest media time in seconds (about 115 days): nothing that is watched is longer.
pub const MEDIA_TIME_S_MAX: f64 = 1e7;
/// Largest integer that every JSON reader holds exactly, 2^53 - 1 (RFC 8259, section 6).
pub const INTEGER_MAX: u64 = (1 << 53) - 1;
/// Largest wall-clock reading in milliseconds: the range of a JavaScript `Date` (ECMA-262, section 21.4.1.1).
pub const UNIX_MS_MAX: f64 = 8.64e15;
/// Range of a room's speed: what players play with sound that can be understood.
pub const SPEED_MIN: f64 = 0.5;
/// See [`SPEED_MIN`].
pub const SPEED_MAX: f64 = 2.0;
/// Largest latency in milliseconds: a player that needs longer does not take part in anything scheduled.
pub const LATENCY_MS_MAX: f64 = 60_000.0;
/// Largest skew in milliseconds either way: that of the largest media time.
pub const SKEW_MS_MAX: f64 = 1e10;
