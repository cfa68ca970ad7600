//! Which bytes of a file a request asks for: RFC 9110 sections 13.1.5 (If-Range) and 14 (Range).

/// What to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolved {
    /// 200, all of it.
    Whole,
    /// 206, from the first byte to the last one, both included.
    Part { first: u64, last: u64 },
    /// 416.
    Unsatisfiable,
}

/// Resolves a `Range` header against a file of `length` bytes.
///
/// - A header that is malformed, in another unit, or of several ranges is ignored: section 14.2 lets a server ignore any Range, and a
///   player never needs several at once, while `multipart/byteranges` answers are a way to make a server read a file many times over.
/// - An end past the file is clamped, a suffix longer than the file means all of it (section 14.1.2).
/// - A well-formed range that begins past the end, and a suffix of 0 bytes, cannot be satisfied.
/// - `if_range` that is not exactly this file's (strong) entity tag makes the range void (section 13.1.5). Dates never match: no
///   `Last-Modified` is ever sent.
pub(crate) fn resolve(range: Option<&[u8]>, if_range: Option<&[u8]>, etag: &str, length: u64) -> Resolved {
    let Some(range) = range else { return Resolved::Whole };
    if if_range.is_some_and(|validator| validator.trim_ascii() != etag.as_bytes()) {
        return Resolved::Whole;
    }
    let Some(spec) = std::str::from_utf8(range).ok().and_then(parse) else { return Resolved::Whole };
    match spec {
        Spec::Suffix(0) => Resolved::Unsatisfiable,
        Spec::Suffix(_) if length == 0 => Resolved::Unsatisfiable,
        Spec::Suffix(count) => Resolved::Part { first: length.saturating_sub(count), last: length - 1 },
        Spec::From(first, _) if first >= length => Resolved::Unsatisfiable,
        Spec::From(first, last) => Resolved::Part { first, last: last.unwrap_or(u64::MAX).min(length - 1) },
    }
}

enum Spec {
    From(u64, Option<u64>),
    Suffix(u64),
}

fn parse(range: &str) -> Option<Spec> {
    let (unit, set) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    // The list may have empty elements (section 5.6.1), as in `bytes=0-1,`.
    let mut specs = set.split(',').map(str::trim).filter(|spec| !spec.is_empty());
    let (first, last) = specs.next()?.split_once('-')?;
    if specs.next().is_some() {
        return None;
    }
    match (first, last) {
        ("", count) => number(count).map(Spec::Suffix),
        (first, "") => number(first).map(|first| Spec::From(first, None)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::From(first, Some(last)))
        }
    }
}

/// Only digits; a number too large for u64 is past the end of any file.
fn number(digits: &str) -> Option<u64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn table() {
        use Resolved::{Unsatisfiable, Whole};
        let part = |first, last| Resolved::Part { first, last };
        for (range, length, expected) in [
            ("bytes=0-", 100, part(0, 99)),
            ("bytes=0-1", 100, part(0, 1)),
            ("bytes=0-0", 1, part(0, 0)),
            ("bytes=99-99", 100, part(99, 99)),
            ("bytes=50-1000", 100, part(50, 99)),
            ("bytes=50-99999999999999999999999999", 100, part(50, 99)),
            ("bytes=-1", 100, part(99, 99)),
            ("bytes=-100", 100, part(0, 99)),
            ("bytes=-101", 100, part(0, 99)),
            ("bytes=-99999999999999999999999999", 100, part(0, 99)),
            ("BYTES=1-2", 100, part(1, 2)),
            ("bytes= 1-2", 100, part(1, 2)),
            ("bytes=1-2,", 100, part(1, 2)),
            ("bytes=,1-2", 100, part(1, 2)),
            ("bytes=100-", 100, Unsatisfiable),
            ("bytes=100-200", 100, Unsatisfiable),
            ("bytes=99999999999999999999999999-", 100, Unsatisfiable),
            ("bytes=-0", 100, Unsatisfiable),
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=-5", 0, Unsatisfiable),
            ("bytes=2-1", 100, Whole),
            ("bytes=0-1,5-6", 100, Whole),
            ("bytes=-", 100, Whole),
            ("bytes=", 100, Whole),
            ("bytes=,", 100, Whole),
            ("bytes", 100, Whole),
            ("bytes=a-b", 100, Whole),
            ("bytes=1", 100, Whole),
            ("bytes=+1-2", 100, Whole),
            ("bytes=1--2", 100, Whole),
            ("bytes=1 - 2", 100, Whole),
            ("items=0-1", 100, Whole),
            ("", 100, Whole),
        ] {
            assert_eq!(resolve(Some(range.as_bytes()), None, "\"e\"", length), expected, "{range:?} of {length}");
        }
        assert_eq!(resolve(None, None, "\"e\"", 100), Whole);
        assert_eq!(resolve(Some(b"bytes=\xff-1"), None, "\"e\"", 100), Whole);
    }

    #[test]
    fn if_range() {
        for (validator, kept) in [
            ("\"e\"", true),
            ("\"x\"", false),
            ("W/\"e\"", false),
            ("Wed, 21 Oct 2015 07:28:00 GMT", false),
            ("", false),
        ] {
            let resolved = resolve(Some(b"bytes=1-2"), Some(validator.as_bytes()), "\"e\"", 100);
            assert_eq!(resolved != Resolved::Whole, kept, "{validator}");
        }
        assert_eq!(resolve(Some(b"bytes=500-"), Some(b"\"x\""), "\"e\"", 100), Resolved::Whole);
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(range in "(bytes=)?[0-9]{0,21}-?[0-9]{0,21}(,.{0,3})?", length in 0..1000u64) {
            if let Resolved::Part { first, last } = resolve(Some(range.as_bytes()), None, "\"e\"", length) {
                prop_assert!(first <= last && last < length);
            }
        }
    }
}
