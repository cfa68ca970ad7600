//! Who and what is meant: names, and ids of rooms, members, items and actions, which cannot hold an illegal value.

use crate::limits::{INTEGER_MAX, KEY_BYTES_MAX, NAME_CHARS_MAX, ROOM_ID_BYTES_MAX};
use serde::Serialize;
use std::fmt;

/// Why a text or a number cannot be an id or a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IllegalId {
    /// Nothing but white space.
    #[error("is empty")]
    Empty,
    /// Longer than its cap.
    #[error("is longer than {0}")]
    TooLong(usize),
    /// Holds a control character.
    #[error("holds a control character")]
    ControlCharacter,
    /// Not an integer from 1 to 2^53 - 1.
    #[error("is not an integer from 1 to 9007199254740991")]
    NotInRange,
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The id with this number.
            ///
            /// # Errors
            /// When `number` is 0 or above 2^53 - 1.
            pub fn new(number: u64) -> Result<Self, IllegalId> {
                if (1..=INTEGER_MAX).contains(&number) { Ok(Self(number)) } else { Err(IllegalId::NotInRange) }
            }

            /// The first id.
            pub const FIRST: Self = Self(1);

            /// The id after this one; the last legal one stays itself.
            #[must_use]
            pub fn next(self) -> Self {
                Self((self.0 + 1).min(INTEGER_MAX))
            }

            /// The number.
            #[must_use]
            pub fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// A member of a room (`id`, `userId`): unique in the room and never reused while the room lives.
    MemberId
}
number_id! {
    /// An item of a playlist, given by the relay so that edits made at once don't hit the wrong item. An addition of
    /// ours: plain peers neither send nor need it.
    ItemId
}
number_id! {
    /// An action of one client, chosen by that client and increasing: its echo never becomes a new command.
    ActionId
}
number_id! {
    /// The place of a change in the order in which the relay took all changes of one room.
    Order
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the text and wraps it.
            ///
            /// # Errors
            /// When the text is empty, too long or holds control characters.
            pub fn new(text: &str) -> Result<Self, IllegalId> {
                let check: fn(&str) -> Result<&str, IllegalId> = $check;
                check(text).map(|text| Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// A room's id. Whoever knows it may join: treat it as a secret in logs.
    RoomId, |text| bounded(text, text.len(), ROOM_ID_BYTES_MAX)
}
text_id! {
    /// A member's name as the others see it; white space around it is dropped.
    Name, |text| { let text = text.trim(); bounded(text, text.chars().count(), NAME_CHARS_MAX) }
}
text_id! {
    /// One incarnation of a room: a relay that was restarted, or that had forgotten the room, begins another. Members
    /// tell by it whether a room needs to be brought back.
    Epoch, |text| bounded(text, text.len(), KEY_BYTES_MAX)
}
text_id! {
    /// A secret of one member, by which it takes its place again after its connection was lost. Never passed on.
    ResumeKey, |text| bounded(text, text.len(), KEY_BYTES_MAX)
}

fn bounded(text: &str, length: usize, max: usize) -> Result<&str, IllegalId> {
    if text.trim().is_empty() {
        Err(IllegalId::Empty)
    } else if length > max {
        Err(IllegalId::TooLong(max))
    } else if text.chars().any(char::is_control) {
        Err(IllegalId::ControlCharacter)
    } else {
        Ok(text)
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RoomId({}…)", self.0.chars().next().unwrap_or_default())
    }
}

impl fmt::Debug for ResumeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResumeKey(…)")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({:?})", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({:?})", self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(Name::new("  Ada \n").map(|n| n.as_str().to_owned()), Ok("Ada".into()));
        assert_eq!(Name::new(" \t "), Err(IllegalId::Empty));
        assert_eq!(Name::new("a\u{7}b"), Err(IllegalId::ControlCharacter));
        assert!(Name::new(&"é".repeat(NAME_CHARS_MAX)).is_ok());
        assert_eq!(Name::new(&"é".repeat(NAME_CHARS_MAX + 1)), Err(IllegalId::TooLong(NAME_CHARS_MAX)));
    }

    #[test]
    fn secrets_do_not_reach_logs() {
        let room = RoomId::new("kitchen-4711").map(|id| format!("{id:?}"));
        assert_eq!(room, Ok("RoomId(k…)".into()));
        let key = ResumeKey::new("hunter2").map(|key| format!("{key:?}"));
        assert_eq!(key, Ok("ResumeKey(…)".into()));
    }
}
