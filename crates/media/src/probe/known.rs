//! The bytes of a file that are known.

use std::collections::BTreeMap;
use std::ops::Range;

/// Why a parser cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// These bytes are missing.
    Need(Range<u64>),
    /// What is there is not what it should be.
    Bad(&'static str),
    /// It is another kind of file.
    Unknown,
}

/// Parts of a file. Parts that touch are joined, so that each range is within one of them or misses something.
#[derive(Debug)]
pub(crate) struct Known {
    length: u64,
    parts: BTreeMap<u64, Vec<u8>>,
}

impl Known {
    pub(crate) fn new(length: u64) -> Self {
        Self { length, parts: BTreeMap::new() }
    }

    /// Bytes of the whole file.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that are kept.
    pub(crate) fn held(&self) -> usize {
        self.parts.values().map(Vec::len).sum()
    }

    /// Adds what is not known yet of these bytes.
    pub(crate) fn insert(&mut self, mut offset: u64, mut bytes: &[u8]) {
        let room = self.length.saturating_sub(offset);
        bytes = &bytes[..bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        while !bytes.is_empty() {
            let before = self.parts.range(..=offset).next_back().map(|(start, part)| (*start, end_of(*start, part)));
            if let Some((_, end)) = before.filter(|(_, end)| *end > offset) {
                let skipped = bytes.len().min(usize::try_from(end - offset).unwrap_or(usize::MAX));
                bytes = &bytes[skipped..];
                offset = end;
                continue;
            }
            let next = self.parts.range(offset + 1..).next().map(|(start, _)| *start);
            let gap = next.map_or(usize::MAX, |next| usize::try_from(next - offset).unwrap_or(usize::MAX));
            let (new, rest) = bytes.split_at(bytes.len().min(gap));
            let start = match before {
                Some((start, end)) if end == offset => start,
                _ => offset,
            };
            self.parts.entry(start).or_default().extend_from_slice(new);
            offset += new.len() as u64;
            bytes = rest;
            if let Some(joined) = next.filter(|next| *next == offset).and_then(|next| self.parts.remove(&next)) {
                self.parts.entry(start).or_default().extend_from_slice(&joined);
            }
        }
    }

    /// `length` bytes from `start` on.
    pub(crate) fn get(&self, start: u64, length: usize) -> Result<&[u8], Stop> {
        let end =
            start.checked_add(length as u64).filter(|end| *end <= self.length).ok_or(Stop::Bad("it ends too early"))?;
        if length == 0 {
            return Ok(&[]);
        }
        let missing = |from| Stop::Need(from..end);
        let (first, part) = self.parts.range(..=start).next_back().ok_or_else(|| missing(start))?;
        let skipped = usize::try_from(start - first).unwrap_or(usize::MAX);
        if skipped >= part.len() {
            return Err(missing(start));
        }
        part.get(skipped..skipped.saturating_add(length)).ok_or_else(|| missing(end_of(*first, part)))
    }
}

fn end_of(start: u64, part: &[u8]) -> u64 {
    start + part.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_missing_is_named() {
        let mut known = Known::new(10);
        assert_eq!(known.get(2, 3), Err(Stop::Need(2..5)));
        known.insert(2, b"cd");
        assert_eq!(known.get(2, 2), Ok(&b"cd"[..]));
        assert_eq!(known.get(2, 3), Err(Stop::Need(4..5)));
        assert_eq!(known.get(1, 2), Err(Stop::Need(1..3)));
        assert_eq!(known.get(8, 3), Err(Stop::Bad("it ends too early")));
        known.insert(0, b"abxxefghijklm");
        assert_eq!((known.get(0, 10), known.held(), known.parts.len()), (Ok(&b"abcdefghij"[..]), 10, 1));
        assert_eq!(known.get(10, 0), Ok(&b""[..]));
    }

    proptest! {
        #[test]
        fn parts_in_any_order_make_the_file(parts in proptest::collection::vec((0usize..60, 1usize..20), 0..20)) {
            let file: Vec<u8> = (0..60).collect();
            let mut known = Known::new(60);
            let mut there = [false; 60];
            for (start, length) in parts {
                let end = (start + length).min(60);
                known.insert(start as u64, &file[start..end]);
                there[start..end].fill(true);
            }
            for start in 0..60 {
                for length in 1..=60 - start {
                    match known.get(start as u64, length) {
                        Ok(bytes) => prop_assert_eq!(bytes, &file[start..start + length]),
                        Err(Stop::Need(range)) => {
                            prop_assert_eq!(range.end, (start + length) as u64);
                            prop_assert!(!there[usize::try_from(range.start).unwrap()]);
                            prop_assert!(there[start..usize::try_from(range.start).unwrap()].iter().all(|is| *is));
                        }
                        Err(other) => prop_assert!(false, "{:?}", other),
                    }
                }
            }
        }
    }
}
