//! Session descriptions as trackers pass them on: bounded, and unread.

use super::limits::SDP_BYTES_MAX;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::{RawValue, to_raw_value};
use std::{borrow::Cow, fmt};

/// A WebRTC session description, at most [`SDP_BYTES_MAX`] bytes in JSON.
///
/// It is kept as it stood in the JSON: a tracker passes descriptions on without reading them, and they are most of what it
/// handles. That it is a text is certain, that it is a description is not.
#[derive(Clone)]
pub struct Sdp {
    json: Box<RawValue>,
}

impl Sdp {
    /// # Errors
    /// When it is too long.
    pub fn new(text: &str) -> Result<Self, SdpError> {
        // Escaping only makes it longer.
        if text.len() > SDP_BYTES_MAX {
            return Err(SdpError::TooLong);
        }
        let json = to_raw_value(text).expect("every text can be written as JSON");
        if json.get().len() > SDP_BYTES_MAX {
            return Err(SdpError::TooLong);
        }
        Ok(Self { json })
    }

    /// The description's text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::from_str(self.json.get()).expect("checked when it was made")
    }

    /// The description as a JSON string, quotes included.
    pub(crate) fn json(&self) -> &str {
        self.json.get()
    }

    fn of_json(json: &RawValue) -> Result<Self, SdpError> {
        let text = json.get();
        if text.len() > SDP_BYTES_MAX {
            return Err(SdpError::TooLong);
        }
        if !text.starts_with('"') {
            return Err(SdpError::NoText);
        }
        // JSON may name half of a UTF-16 pair, which is in no text. Descriptions are ASCII and have line breaks only.
        if text.contains("\\u") && serde_json::from_str::<Cow<'_, str>>(text).is_err() {
            return Err(SdpError::NoText);
        }
        Ok(Self { json: json.to_owned() })
    }
}

/// Why something is no session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SdpError {
    /// It is longer than [`SDP_BYTES_MAX`].
    #[error("the sdp is longer than {SDP_BYTES_MAX} bytes")]
    TooLong,
    /// It is no text.
    #[error("the sdp is no text")]
    NoText,
}

/// By text, however it was escaped.
impl PartialEq for Sdp {
    fn eq(&self, other: &Self) -> bool {
        self.json.get() == other.json.get() || self.text() == other.text()
    }
}

impl Eq for Sdp {}

impl fmt::Debug for Sdp {
    /// Its size: the candidates within are people's addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sdp({} bytes)", self.json.get().len())
    }
}

impl Serialize for Sdp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sdp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of_json(<&RawValue>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
