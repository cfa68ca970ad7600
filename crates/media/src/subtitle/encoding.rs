//! From bytes to text, where the bytes tell what they are.

/// Bytes in which UTF-16 without a mark is looked for.
const SAMPLE: usize = 4096;

/// The text of a file that tells its encoding itself: by a byte order mark, by being legal UTF-8, or by the zeros of UTF-16. `None` for
/// all others: to guess those takes large tables (`streamshare-encodings`).
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => Some(String::from_utf8_lossy(rest).into_owned()),
        [0xff, 0xfe, rest @ ..] => Some(utf16(rest, u16::from_le_bytes)),
        [0xfe, 0xff, rest @ ..] => Some(utf16(rest, u16::from_be_bytes)),
        _ => match unmarked_utf16(bytes) {
            Some(unit) => Some(utf16(bytes, unit)),
            None => std::str::from_utf8(bytes).ok().map(str::to_owned),
        },
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// Every other byte of Latin text in UTF-16 is zero, and digits and line ends are in any file.
fn unmarked_utf16(bytes: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let zeros = |first| sample.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let is_most = |count: usize| count * 8 > sample.len();
    match (is_most(zeros(0)), is_most(zeros(1))) {
        (true, false) => Some(u16::from_be_bytes),
        (false, true) => Some(u16::from_le_bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_tell_what_they_are() {
        let text = "1\n00:00:01,000 --> 00:00:02,000\nGrüße 日本\n";
        let units = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        let (little, big) = (units(u16::to_le_bytes), units(u16::to_be_bytes));
        for (mark, bytes) in [(&b"\xff\xfe"[..], &little), (b"\xfe\xff", &big), (b"", &little), (b"", &big)] {
            assert_eq!(decode(&[mark, bytes].concat()).as_deref(), Some(text));
        }
        assert_eq!(decode("\u{feff}é".as_bytes()).as_deref(), Some("é"));
        assert_eq!((decode("é".as_bytes()).as_deref(), decode(b"\xe9\xe8")), (Some("é"), None));
        assert_eq!(decode(b"\xff\xfe\x00\xd8a").as_deref(), Some("\u{fffd}"));
    }
}
