//! One JSON object, read field by field.

use crate::limits::{EXTRA_BYTES_MAX, EXTRA_DEPTH_MAX, MESSAGE_BYTES_MAX};
use crate::{DecodeError, ErrorCode, Extra, IllegalId, IllegalTime, MediaTime, UnixMs};
use serde::Serialize;
use serde_json::{Map, Value};

/// What only the relay may say: never passed on from a member's message.
const RELAY_FIELDS: [&str; 4] = ["userId", "order", "relayTime", "epoch"];

/// A JSON object, read field by field; errors name the field by its whole path.
pub(crate) struct Fields<'a> {
    map: &'a Map<String, Value>,
    pub(crate) path: String,
}

impl<'a> Fields<'a> {
    pub(crate) fn of_message(value: &'a Value) -> Result<Self, DecodeError> {
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

    pub(crate) fn of_object(value: &'a Value, path: String) -> Result<Self, DecodeError> {
        let Value::Object(map) = value else {
            let message = format!("{} is not an object", path.trim_end_matches('.'));
            return Err(DecodeError::new(ErrorCode::BadField, message));
        };
        Ok(Self { map, path })
    }

    pub(crate) fn error(&self, code: ErrorCode, key: &str, why: impl std::fmt::Display) -> DecodeError {
        DecodeError::new(code, format!("{}{key} {why}", self.path))
    }

    pub(crate) fn bad(&self, key: &str, why: &str) -> DecodeError {
        self.error(ErrorCode::BadField, key, why)
    }

    fn get(&self, key: &str) -> Result<&'a Value, DecodeError> {
        self.map.get(key).ok_or_else(|| self.bad(key, "is missing"))
    }

    /// A field that may be absent or null.
    pub(crate) fn optional<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Self, &str) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.map.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => read(self, key).map(Some),
        }
    }

    pub(crate) fn text(&self, key: &str) -> Result<&'a str, DecodeError> {
        self.get(key)?.as_str().ok_or_else(|| self.bad(key, "is not a string"))
    }

    pub(crate) fn list(&self, key: &str) -> Result<&'a [Value], DecodeError> {
        self.get(key)?.as_array().map(Vec::as_slice).ok_or_else(|| self.bad(key, "is not an array"))
    }

    pub(crate) fn object(&self, key: &str) -> Result<Fields<'a>, DecodeError> {
        Fields::of_object(self.get(key)?, format!("{}{key}.", self.path))
    }

    fn float(&self, key: &str) -> Result<f64, DecodeError> {
        self.get(key)?.as_f64().ok_or_else(|| self.bad(key, "is not a number"))
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<bool, DecodeError> {
        self.get(key)?.as_bool().ok_or_else(|| self.bad(key, "is neither true nor false"))
    }

    /// A number that its type limits.
    pub(crate) fn measure<T>(&self, key: &str, make: fn(f64) -> Result<T, IllegalTime>) -> Result<T, DecodeError> {
        make(self.float(key)?).map_err(|e| self.error(ErrorCode::OutOfRange, key, format_args!("{e}")))
    }

    pub(crate) fn media_time(&self, key: &str) -> Result<MediaTime, DecodeError> {
        self.measure(key, MediaTime::new)
    }

    pub(crate) fn unix_ms(&self, key: &str) -> Result<UnixMs, DecodeError> {
        self.measure(key, UnixMs::new)
    }

    /// An integer from 0 to 2^53 - 1, also where it is written with a fraction of zero.
    pub(crate) fn integer(&self, key: &str) -> Result<u64, DecodeError> {
        self.whole(key, self.float(key)?)
    }

    /// An integer that is an element of the list `key`.
    pub(crate) fn element<T>(
        &self,
        value: &Value,
        key: &str,
        make: fn(u64) -> Result<T, IllegalId>,
    ) -> Result<T, DecodeError> {
        let number = value.as_f64().ok_or_else(|| self.bad(key, "holds what is not a number"))?;
        make(self.whole(key, number)?).map_err(|e| self.error(ErrorCode::OutOfRange, key, e))
    }

    fn whole(&self, key: &str, number: f64) -> Result<u64, DecodeError> {
        if number.fract() != 0.0 || !(0.0..9_007_199_254_740_992.0).contains(&number) {
            return Err(self.error(ErrorCode::OutOfRange, key, "is not an integer from 0 to 9007199254740991"));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
        Ok(number as u64)
    }

    pub(crate) fn number<T>(&self, key: &str, make: fn(u64) -> Result<T, IllegalId>) -> Result<T, DecodeError> {
        make(self.integer(key)?).map_err(|e| self.error(ErrorCode::OutOfRange, key, e))
    }

    pub(crate) fn id<T>(&self, key: &str, make: fn(&str) -> Result<T, IllegalId>) -> Result<T, DecodeError> {
        make(self.text(key)?).map_err(|e| {
            let code = match e {
                IllegalId::TooLong(_) => ErrorCode::TooLong,
                IllegalId::Empty | IllegalId::ControlCharacter | IllegalId::NotInRange => ErrorCode::BadField,
            };
            self.error(code, key, e)
        })
    }

    /// The fields that are neither known nor the relay's to say.
    pub(crate) fn passed_on(&self, known: &[&str]) -> Result<Extra, DecodeError> {
        let mut extra = self.without(known);
        extra.retain(|key, _| !RELAY_FIELDS.contains(&key.as_str()));
        self.check_passed_on(&extra)?;
        Ok(extra)
    }

    pub(crate) fn check_passed_on(&self, extra: &Extra) -> Result<(), DecodeError> {
        if json_bytes(extra) > EXTRA_BYTES_MAX {
            let message = format!("the unknown fields have more than {EXTRA_BYTES_MAX} bytes");
            return Err(DecodeError::new(ErrorCode::TooLong, message));
        }
        self.check_depth(extra)
    }

    pub(crate) fn check_depth(&self, extra: &Extra) -> Result<(), DecodeError> {
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

    pub(crate) fn without(&self, known: &[&str]) -> Extra {
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
