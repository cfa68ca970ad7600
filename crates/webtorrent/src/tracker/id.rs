//! Names of 20 bytes, which stand in the JSON as strings of 20 characters, one per byte (U+0000 to U+00FF).

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

const BYTES: usize = 20;

/// One character per byte: 20 of them in at most 40 bytes of UTF-8.
fn serialize<S: Serializer>(id: &[u8; BYTES], serializer: S) -> Result<S::Ok, S::Error> {
    let mut buffer = [0; 2 * BYTES];
    let mut end = 0;
    for &byte in id {
        end += char::from(byte).encode_utf8(&mut buffer[end..]).len();
    }
    serializer.serialize_str(std::str::from_utf8(&buffer[..end]).expect("made of whole characters"))
}

/// Bytes of the longest id in JSON: nothing but control characters, which RFC 8259, section 7, has escaped.
const JSON_BYTES_MAX: usize = 6 * BYTES;

/// Appends `"name":"id"` to a JSON text.
pub(crate) fn push_id(json: &mut Vec<u8>, name: &str, id: &[u8; BYTES]) {
    // Put together here first: to make room in the text for each byte anew takes several times as long.
    let (mut text, mut end) = ([0; JSON_BYTES_MAX], 0);
    for &byte in id {
        end += put(byte, &mut text[end..]);
    }
    for part in [b"\"", name.as_bytes(), b"\":\"", &text[..end], b"\""] {
        json.extend_from_slice(part);
    }
}

/// Writes a byte's character as it stands in a JSON string, and tells how many bytes that took.
fn put(byte: u8, text: &mut [u8]) -> usize {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |digit: u8| HEX[usize::from(digit)];
    match byte {
        b'"' | b'\\' => {
            text[..2].copy_from_slice(&[b'\\', byte]);
            2
        }
        0..=0x1f => {
            text[..6].copy_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0x0f)]);
            6
        }
        _ => char::from(byte).encode_utf8(text).len(),
    }
}

fn parse(text: &str) -> Option<[u8; BYTES]> {
    let mut id = [0; BYTES];
    let mut chars = text.chars();
    for byte in &mut id {
        *byte = u8::try_from(u32::from(chars.next()?)).ok()?;
    }
    chars.next().is_none().then_some(id)
}

struct Visitor(&'static str);

impl de::Visitor<'_> for Visitor {
    type Value = [u8; BYTES];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of 20 characters from U+0000 to U+00FF", self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        // Does not repeat what was sent.
        parse(text).ok_or_else(|| E::custom(format_args!("expected {}", &self as &dyn de::Expected)))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 20]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serialize(&self.0, serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Visitor($what)).map(Self)
            }
        }
    };
}

id!(
    /// The SHA-1 of a torrent's info dictionary (BEP 3). Displays as 40 lower-case hex digits.
    InfoHash,
    "an info_hash"
);
id!(
    /// What a peer calls itself towards a tracker, for as long as one connection lasts. It need not be the id of its
    /// BitTorrent handshakes.
    PeerId,
    "a peer_id"
);
id!(
    /// What an offering peer calls one of its offers. Random, and nobody else's business.
    OfferId,
    "an offer_id"
);
