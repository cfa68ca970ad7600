//! As much bencoding (BEP 3) as extension messages need. Input is a frame, so a few kilobytes at most, and something may follow it. Lenient,
//! as other clients are with what peers say: who writes 01 or a key twice is a peer all the same. Files are judged by
//! `streamshare-streaming`, where two readers must not disagree.

/// Nesting that no extension message needs.
const DEPTH_MAX: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    List,
    Dict(Dict<'a>),
}

/// The first of equal keys counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Dict<'a>(Vec<(&'a [u8], Value<'a>)>);

impl<'a> Dict<'a> {
    /// Reads the dictionary that the input begins with, and tells what follows it.
    pub(super) fn read_prefix(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader { rest: input };
        match reader.value(0)? {
            Value::Dict(dict) => Some((dict, reader.rest)),
            Value::Integer(_) | Value::Bytes(_) | Value::List => None,
        }
    }

    fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(name, _)| *name == key.as_bytes()).map(|(_, value)| value)
    }

    pub(super) fn dict(&self, key: &str) -> Option<&Self> {
        if let Some(Value::Dict(dict)) = self.get(key) { Some(dict) } else { None }
    }

    pub(super) fn bytes(&self, key: &str) -> Option<&'a [u8]> {
        if let Some(Value::Bytes(bytes)) = self.get(key) { Some(bytes) } else { None }
    }

    /// A number from 0 up.
    pub(super) fn number(&self, key: &str) -> Option<u32> {
        if let Some(Value::Integer(integer)) = self.get(key) { u32::try_from(*integer).ok() } else { None }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// Whether the list or dictionary ends here.
    fn end(&mut self) -> Option<bool> {
        let end = *self.rest.first()? == b'e';
        if end {
            self.take(1)?;
        }
        Some(end)
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        if depth > DEPTH_MAX {
            return None;
        }
        match *self.rest.first()? {
            b'i' => {
                self.take(1)?;
                self.integer(b'e').map(Value::Integer)
            }
            b'0'..=b'9' => self.bytes().map(Value::Bytes),
            b'l' => {
                self.take(1)?;
                while !self.end()? {
                    self.value(depth + 1)?;
                }
                Some(Value::List)
            }
            b'd' => {
                self.take(1)?;
                let mut entries = Vec::new();
                while !self.end()? {
                    let key = self.bytes()?;
                    entries.push((key, self.value(depth + 1)?));
                }
                Some(Value::Dict(Dict(entries)))
            }
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.integer(b':')?).ok()?;
        self.take(length)
    }

    fn integer(&mut self, end: u8) -> Option<i64> {
        // 19 digits and a sign hold every i64.
        let length = self.rest.iter().take(21).position(|byte| *byte == end)?;
        let digits = self.take(length)?;
        self.take(1)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

/// Writes a byte string.
pub(super) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
}

/// Writes a key and its number.
pub(super) fn write_number(out: &mut Vec<u8>, key: &str, number: impl Into<u64>) {
    write_bytes(out, key.as_bytes());
    out.extend_from_slice(format!("i{}e", number.into()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        let (dict, rest) = Dict::read_prefix(b"d1:ad1:bi7ee1:cl1:xe1:ni-1e1:s2:hie!tail").unwrap();
        assert_eq!(rest, b"!tail");
        assert_eq!(dict.dict("a").unwrap().number("b"), Some(7));
        assert_eq!((dict.number("n"), dict.number("s"), dict.bytes("s")), (None, None, Some(&b"hi"[..])));
        assert_eq!(dict.bytes("c"), None);
    }

    #[test]
    fn refuses() {
        let deep = format!("d1:a{}{}e", "l".repeat(50), "e".repeat(50));
        for input in ["", "d", "le", "i1e", "d1:a", "d1:ai1", "d1:aie", "d9:ae", "d-1:a", "di1ei1ee", "d1:ax", &deep] {
            assert_eq!(Dict::read_prefix(input.as_bytes()), None, "{input}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(input in proptest::collection::vec(proptest::prop_oneof![
            proptest::prelude::Just(b'd'), proptest::prelude::Just(b'l'), proptest::prelude::Just(b'i'),
            proptest::prelude::Just(b'e'), proptest::prelude::Just(b':'), 48..58u8, proptest::num::u8::ANY
        ], 0..100)) {
            let _ = Dict::read_prefix(&input);
        }
    }
}
