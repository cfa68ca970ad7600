//! Why a message is refused: codes for programs, words for people.

use std::fmt;

/// What an ERROR message is about. Readers branch on this; the text beside it is for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// Not an object, or without a `command` that is a string.
    BadMessage,
    /// A field is missing or has the wrong type.
    BadField,
    /// A number is negative, not finite or too large.
    OutOfRange,
    /// A string or a list is longer than its cap.
    TooLong,
    /// A torrent id is none of: magnet link, info hash, http(s) address.
    BadTorrentId,
    /// An address that only means something on the sender's own computer.
    LoopbackAddress,
    /// A command before `Join`.
    NotJoined,
    /// The room holds as many members as it may.
    RoomFull,
    /// The relay holds as many rooms as it may.
    TooManyRooms,
    /// More messages in a short time than a member may send.
    RateLimited,
    /// An edit names an item that is no longer in the playlist.
    NoSuchItem,
    /// A code of a later version.
    Other,
}

const CODES: [(ErrorCode, &str); 12] = [
    (ErrorCode::BadMessage, "BAD_MESSAGE"),
    (ErrorCode::BadField, "BAD_FIELD"),
    (ErrorCode::OutOfRange, "OUT_OF_RANGE"),
    (ErrorCode::TooLong, "TOO_LONG"),
    (ErrorCode::BadTorrentId, "BAD_TORRENT_ID"),
    (ErrorCode::LoopbackAddress, "LOOPBACK_ADDRESS"),
    (ErrorCode::NotJoined, "NOT_JOINED"),
    (ErrorCode::RoomFull, "ROOM_FULL"),
    (ErrorCode::TooManyRooms, "TOO_MANY_ROOMS"),
    (ErrorCode::RateLimited, "RATE_LIMITED"),
    (ErrorCode::NoSuchItem, "NO_SUCH_ITEM"),
    (ErrorCode::Other, "OTHER"),
];

impl ErrorCode {
    /// The code as it stands in a message.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        CODES.iter().find(|(code, _)| *code == self).map_or("OTHER", |(_, text)| text)
    }

    /// Reads a code; one that this version does not know is [`ErrorCode::Other`].
    #[must_use]
    pub fn from_wire(text: &str) -> Self {
        CODES.iter().find(|(_, known)| *known == text).map_or(Self::Other, |(code, _)| *code)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a message was refused: a code for programs and a sentence that names the field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    code: ErrorCode,
    message: String,
}

impl DecodeError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The same, where the field at fault lies below `path`, as in `playlist[3].`.
    pub(crate) fn below(self, path: &str) -> Self {
        Self { code: self.code, message: format!("{path}{}", self.message) }
    }

    /// The code that an ERROR message carries for this.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The sentence that an ERROR message carries for this.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}
