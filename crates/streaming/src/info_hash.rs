//! The name of a torrent, in text and in bytes.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE32, HEXLOWER, HEXLOWER_PERMISSIVE};

/// The SHA-1 of a torrent's info dictionary (BEP 3). Displays as 40 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHash(pub [u8; 20]);

impl InfoHash {
    /// The 20 raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHash({self})")
    }
}

/// The text is neither 40 hex digits nor 32 base32 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an info hash has 40 hex digits or 32 base32 characters")]
pub struct ParseInfoHashError;

impl FromStr for InfoHash {
    type Err = ParseInfoHashError;

    /// Reads 40 hex digits, or 32 base32 characters as older magnet links have (BEP 9), in either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = match text.len() {
            40 => HEXLOWER_PERMISSIVE.decode(text.as_bytes()),
            32 => BASE32.decode(text.to_ascii_uppercase().as_bytes()),
            _ => return Err(ParseInfoHashError),
        };
        let bytes = bytes.map_err(|_| ParseInfoHashError)?;
        Ok(Self(bytes.try_into().map_err(|_| ParseInfoHashError)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hex_and_base32() {
        let hash: InfoHash = "08ADA5A7a6183aae1e09d831df6748d566095a10".parse().unwrap();
        assert_eq!(hash.to_string(), "08ada5a7a6183aae1e09d831df6748d566095a10");
        let base32 = BASE32.encode(&hash.0);
        assert_eq!(base32.parse(), Ok(hash));
        assert_eq!(base32.to_lowercase().parse(), Ok(hash));
        for bad in [
            "",
            "08ad",
            "g8ada5a7a6183aae1e09d831df6748d566095a10",
            "11111111111111111111111111111111",
            "ééééééééééééééééé1",
        ] {
            assert_eq!(bad.parse::<InfoHash>(), Err(ParseInfoHashError), "{bad}");
        }
    }
}
