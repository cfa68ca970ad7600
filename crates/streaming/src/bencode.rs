//! A bounded, strict reader of bencoding (BEP 3), borrowing from its input, and the writer's two primitives.
//!
//! Strict where two readers could disagree about one input: duplicate keys, leading zeros and trailing bytes are refused. Unsorted keys are
//! let pass, since the info hash is taken over the raw bytes. librqbit's own reader promises none of that.
//! What peers say is read by `streamshare-webtorrent`'s `wire`, which has to be as lenient as other clients are.

use std::fmt;

/// Nesting that no torrent needs: a v2 file tree nests two levels a folder.
const MAX_DEPTH: usize = 128;
/// Values in one document: a torrent of 100,000 files has about a million.
const MAX_VALUES: usize = 2_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Error {
    UnexpectedEnd,
    UnexpectedByte(u8),
    BadInteger,
    BadLength,
    DuplicateKey,
    TooDeep,
    TooManyValues,
    TrailingBytes,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnexpectedEnd => "it is cut off",
            Self::UnexpectedByte(_) | Self::BadInteger | Self::BadLength => "its encoding is broken",
            Self::DuplicateKey => "it says the same thing twice",
            Self::TooDeep => "it nests too deeply",
            Self::TooManyValues => "it has too many parts",
            Self::TrailingBytes => "there is something after its end",
        })
    }
}

/// A decoded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    Dict(Dict<'a>),
}

/// A dictionary with the exact bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dict<'a> {
    pub(crate) raw: &'a [u8],
    /// Sorted by key.
    entries: Vec<(&'a [u8], Value<'a>)>,
}

impl<'a> Dict<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        let found = self.entries.binary_search_by_key(&key.as_bytes(), |(key, _)| key).ok()?;
        Some(&self.entries[found].1)
    }
}

impl<'a> Value<'a> {
    pub(crate) fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(integer) = self { Some(*integer) } else { None }
    }

    pub(crate) fn as_bytes(&self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    pub(crate) fn as_dict(&self) -> Option<&Dict<'a>> {
        if let Self::Dict(dict) = self { Some(dict) } else { None }
    }
}

/// Reads exactly one value that fills the input.
pub(crate) fn decode(input: &[u8]) -> Result<Value<'_>, Error> {
    let mut reader = Reader { input, at: 0, values: 0 };
    let value = reader.value(0)?;
    if reader.at == input.len() { Ok(value) } else { Err(Error::TrailingBytes) }
}

/// Appends a byte string.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// Appends an integer.
pub(crate) fn write_integer(out: &mut Vec<u8>, integer: u64) {
    out.push(b'i');
    out.extend_from_slice(integer.to_string().as_bytes());
    out.push(b'e');
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    values: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Result<u8, Error> {
        self.input.get(self.at).copied().ok_or(Error::UnexpectedEnd)
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(Error::TooManyValues);
        }
        match self.peek()? {
            b'i' => {
                self.at += 1;
                self.number(b'e').map(Value::Integer)
            }
            b'0'..=b'9' => self.bytes().map(Value::Bytes),
            b'l' => {
                self.at += 1;
                let mut list = Vec::new();
                while self.peek()? != b'e' {
                    list.push(self.value(depth + 1)?);
                }
                self.at += 1;
                Ok(Value::List(list))
            }
            b'd' => self.dict(depth).map(Value::Dict),
            other => Err(Error::UnexpectedByte(other)),
        }
    }

    fn dict(&mut self, depth: usize) -> Result<Dict<'a>, Error> {
        let start = self.at;
        self.at += 1;
        let mut entries = Vec::new();
        while self.peek()? != b'e' {
            let key = self.bytes()?;
            entries.push((key, self.value(depth + 1)?));
        }
        self.at += 1;
        entries.sort_by_key(|(key, _)| *key);
        if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Error::DuplicateKey);
        }
        Ok(Dict { raw: &self.input[start..self.at], entries })
    }

    fn bytes(&mut self) -> Result<&'a [u8], Error> {
        if !self.peek()?.is_ascii_digit() {
            return Err(Error::UnexpectedByte(self.peek()?));
        }
        let length = usize::try_from(self.number(b':')?).map_err(|_| Error::BadLength)?;
        let end = self.at.checked_add(length).ok_or(Error::BadLength)?;
        let bytes = self.input.get(self.at..end).ok_or(Error::UnexpectedEnd)?;
        self.at = end;
        Ok(bytes)
    }

    fn number(&mut self, terminator: u8) -> Result<i64, Error> {
        let rest = &self.input[self.at..];
        // 19 digits and a sign hold every i64.
        let length = rest.iter().take(21).position(|byte| *byte == terminator);
        let length = length.ok_or(if rest.len() < 21 { Error::UnexpectedEnd } else { Error::BadInteger })?;
        let digits = &rest[..length];
        let magnitude = digits.strip_prefix(b"-").unwrap_or(digits);
        let canonical = match magnitude {
            [] => false,
            [b'0'] => magnitude.len() == digits.len(),
            [b'0', ..] => false,
            all => all.iter().all(u8::is_ascii_digit),
        };
        if !canonical {
            return Err(Error::BadInteger);
        }
        self.at += length + 1;
        std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Error::BadInteger)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_values() {
        assert_eq!(decode(b"i-42e"), Ok(Value::Integer(-42)));
        assert_eq!(decode(b"i0e"), Ok(Value::Integer(0)));
        assert_eq!(decode(b"i9223372036854775807e"), Ok(Value::Integer(i64::MAX)));
        assert_eq!(decode(b"4:spam"), Ok(Value::Bytes(b"spam")));
        assert_eq!(decode(b"le"), Ok(Value::List(vec![])));
        let Ok(Value::Dict(dict)) = decode(b"d1:bi1e1:a2:xxe") else { panic!() };
        assert_eq!(dict.get("a"), Some(&Value::Bytes(b"xx")));
        assert_eq!(dict.get("c"), None);
        assert_eq!(dict.raw, b"d1:bi1e1:a2:xxe");
    }

    #[test]
    fn refuses_what_is_broken() {
        let deep = ["l".repeat(1000), "e".repeat(1000)].concat();
        let wide = ["l".to_owned(), "le".repeat(MAX_VALUES), "e".to_owned()].concat();
        for (input, error) in [
            (&b""[..], Error::UnexpectedEnd),
            (b"i", Error::UnexpectedEnd),
            (b"ie", Error::BadInteger),
            (b"i-0e", Error::BadInteger),
            (b"i01e", Error::BadInteger),
            (b"i+1e", Error::BadInteger),
            (b"i1 e", Error::BadInteger),
            (b"i9223372036854775808e", Error::BadInteger),
            (b"i99999999999999999999999999999999999e", Error::BadInteger),
            (b"5:spam", Error::UnexpectedEnd),
            (b"9223372036854775807:x", Error::UnexpectedEnd),
            (b"01:x", Error::BadInteger),
            (b"-1:x", Error::UnexpectedByte(b'-')),
            (b"d1:ae", Error::UnexpectedByte(b'e')),
            (b"di1e1:ae", Error::UnexpectedByte(b'i')),
            (b"d1:a1:b1:a1:ce", Error::DuplicateKey),
            (b"i1ei2e", Error::TrailingBytes),
            (b"x", Error::UnexpectedByte(b'x')),
            (deep.as_bytes(), Error::TooDeep),
            (wide.as_bytes(), Error::TooManyValues),
        ] {
            let shown = String::from_utf8_lossy(&input[..input.len().min(40)]);
            assert_eq!(decode(input), Err(error), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(input in proptest::collection::vec(prop_oneof![Just(b'd'), Just(b'l'), Just(b'i'), Just(b'e'), Just(b':'), 48..58u8, any::<u8>()], 0..200)) {
            let _ = decode(&input);
        }
    }
}
