//! Which bytes of a file a request asks for, and on what condition: RFC 9110 sections 13 (conditional requests) and 14 (Range).

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
/// - An end past the file is clamped, a suffix longer than the file means all of it (section 14.1.2); of an empty one that is no part.
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
        Spec::Suffix(_) if length == 0 => Resolved::Whole,
        Spec::Suffix(count) => Resolved::Part { first: length.saturating_sub(count), last: length - 1 },
        Spec::From(first, _) if first >= length => Resolved::Unsatisfiable,
        Spec::From(first, last) => Resolved::Part { first, last: last.unwrap_or(u64::MAX).min(length - 1) },
    }
}

/// What to answer without looking at ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// What was asked for.
    Holds,
    /// 304: the client has it.
    NotModified,
    /// 412: the client wants another one.
    Failed,
}

/// Looks at the lines of `If-Match` and `If-None-Match` (sections 13.1.1, 13.1.2 and 13.2.2). Conditions about dates are void: no
/// `Last-Modified` is ever sent.
pub(crate) fn condition<'a>(
    if_match: impl Iterator<Item = &'a [u8]>,
    if_none_match: impl Iterator<Item = &'a [u8]>,
    etag: &str,
) -> Condition {
    let mut wanted = if_match.peekable();
    if wanted.peek().is_some() && !wanted.any(|line| names(line, etag, Comparison::Strong)) {
        return Condition::Failed;
    }
    let mut known = if_none_match;
    if known.any(|line| names(line, etag, Comparison::Weak)) { Condition::NotModified } else { Condition::Holds }
}

/// How entity tags are compared (section 8.8.3.2).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a list of entity tags names this one, which is strong. What is malformed names nothing, from there on.
fn names(line: &[u8], etag: &str, comparison: Comparison) -> bool {
    let mut rest = line.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        let separator = |byte: &u8| matches!(byte, b',' | b' ' | b'\t');
        let start = rest.iter().position(|byte| !separator(byte)).unwrap_or(rest.len());
        rest = &rest[start..];
        let is_weak = rest.starts_with(b"W/");
        let tag = if is_weak { &rest[2..] } else { rest };
        let Some(quoted) = tag.strip_prefix(b"\"") else { return false };
        let Some(end) = quoted.iter().position(|byte| *byte == b'"') else { return false };
        if &tag[..end + 2] == etag.as_bytes() && (comparison == Comparison::Weak || !is_weak) {
            return true;
        }
        rest = &quoted[end + 1..];
    }
}

enum Spec {
    From(u64, Option<u64>),
    Suffix(u64),
}

fn parse(range: &str) -> Option<Spec> {
    let (unit, set) = range.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    // The list may have empty elements and white space (section 5.6.1), as in `bytes=0-1 ,`.
    let mut specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
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

/// What holds of all headers, one a line: a part lies within the file, and asking for that part gives it.
#[cfg(any(test, fuzzing))]
pub(crate) fn hold_laws(headers: &[u8]) {
    const ETAG: &str = "\"e\"";
    let mut lines = headers.split(|byte| *byte == b'\n');
    let range = lines.next().unwrap_or_default();
    let if_range = lines.next();
    for length in [0, 1, 100, 1 << 40, u64::MAX] {
        let Resolved::Part { first, last } = resolve(Some(range), if_range, ETAG, length) else { continue };
        assert!(first <= last && last < length, "{first}-{last} of {length}");
        assert!(if_range.is_none_or(|validator| validator.trim_ascii() == ETAG.as_bytes()));
        let again = format!("bytes={first}-{last}");
        assert_eq!(resolve(Some(again.as_bytes()), None, ETAG, length), Resolved::Part { first, last });
    }
    let is_named = headers.windows(ETAG.len()).any(|part| part == ETAG.as_bytes()) || headers.contains(&b'*');
    let known = condition(std::iter::empty(), lines.clone(), ETAG);
    assert!(known == Condition::Holds || (known == Condition::NotModified && is_named));
    let wanted = condition(lines, std::iter::empty(), ETAG);
    assert!(wanted == Condition::Failed || wanted == Condition::Holds);
}

#[cfg(test)]
mod tests {
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
            ("bytes=-5", 0, Whole),
            ("bytes=-0", 0, Unsatisfiable),
            ("bytes=0-0, ,", 1, part(0, 0)),
            ("bytes=\t1-2 ,\t", 100, part(1, 2)),
            ("bytes=18446744073709551615-18446744073709551615", u64::MAX, Unsatisfiable),
            ("bytes=18446744073709551614-18446744073709551615", u64::MAX, part(u64::MAX - 1, u64::MAX - 1)),
            ("bytes=-18446744073709551616", u64::MAX, part(0, u64::MAX - 1)),
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
            ("bytes =1-2", 100, Whole),
            ("bytes=\u{b}1-2", 100, Whole),
            ("bytes=0-1,100-200", 100, Whole),
            ("bytes=1-2;x", 100, Whole),
            ("bytes=0x1-0x2", 100, Whole),
            ("bytes=1-2-3", 100, Whole),
            ("bytes=-1-2", 100, Whole),
            ("bytes=2-1,", 100, Whole),
            ("bytes=bytes=1-2", 100, Whole),
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

    #[test]
    fn conditions() {
        use Condition::{Failed, Holds, NotModified};
        for (if_match, if_none_match, expected) in [
            (&[][..], &[][..], Holds),
            (&[], &["\"e\""], NotModified),
            (&[], &["W/\"e\""], NotModified),
            (&[], &["*"], NotModified),
            (&[], &["\"x\"", "\"y\" , W/\"z\",, \"e\""], NotModified),
            (&[], &["\"x\", \"a,\"e\"\""], Holds),
            (&[], &["e"], Holds),
            (&[], &["\"e"], Holds),
            (&[], &[""], Holds),
            (&[], &["\"x\"*"], Holds),
            (&["\"e\""], &[], Holds),
            (&["\"x\", \"e\""], &[], Holds),
            (&["*"], &[], Holds),
            (&["W/\"e\""], &[], Failed),
            (&["\"x\""], &[], Failed),
            (&[""], &[], Failed),
            (&["\"x\""], &["\"e\""], Failed),
            (&["\"e\""], &["\"e\""], NotModified),
        ] {
            let lines = |lines: &'static [&'static str]| lines.iter().map(|line| line.as_bytes());
            assert_eq!(
                condition(lines(if_match), lines(if_none_match), "\"e\""),
                expected,
                "{if_match:?} {if_none_match:?}"
            );
        }
    }

    #[test]
    fn mutated_headers_break_no_law() {
        let headers = [
            &b"bytes=0-1\n\"e\"\nW/\"x\", \"e\"\n*"[..],
            b"bytes=-18446744073709551616",
            b"bytes=50-99999999999999999999\n\"e\"\n\"a,b\"",
            b"BYTES= ,1-2,\t",
        ];
        let tokens = ["bytes=", "-", ",", "18446744073709551615", "\"e\"", "W/", "\"", "*", "\n", " ", "\t", "0"];
        crate::mutation::run("headers", &headers.map(<[u8]>::to_vec), &tokens, hold_laws);
    }
}
