//! From bytes to text.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// Bytes in which UTF-16 without a mark is looked for.
const SAMPLE: usize = 4096;

/// The text of a file: by its byte order mark, else UTF-8 if it is legal, else what is most likely. Never fails; what cannot be read is
/// replaced by U+FFFD.
#[must_use]
pub fn decode(bytes: &[u8]) -> String {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0.into_owned();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        // Latin letters in UTF-16 are legal UTF-8, too.
        if !text.contains('\0') {
            return text.to_owned();
        }
    }
    if let Some(encoding) = unmarked_utf16(bytes) {
        return encoding.decode_without_bom_handling(bytes).0.into_owned();
    }
    // Allowed, since nothing is run or trusted for what it is decoded as.
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    // A few damaged bytes must not turn a whole file of UTF-8 into something else.
    let damaged = String::from_utf8_lossy(bytes);
    let letters = damaged.chars().filter(|c| !c.is_ascii()).count();
    if damaged.matches('\u{fffd}').count() * 20 < letters {
        return damaged.into_owned();
    }
    detector.guess(None, Utf8Detection::Allow).decode_without_bom_handling(bytes).0.into_owned()
}

/// Every other byte of Latin text in UTF-16 is zero, and line ends are in any text.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let zeros = |first| sample.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let is_most = |count: usize| count * 8 > sample.len();
    match (is_most(even), is_most(odd)) {
        (true, false) => Some(UTF_16BE),
        (false, true) => Some(UTF_16LE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_many_encodings() {
        for (name, text) in [
            ("utf-8", "Grüße aus Köln, déjà vu, 日本語"),
            ("windows-1252", "Grüße aus Köln, «déjà vu» – l’été où naît le garçon"),
            ("windows-1251", "Съешь же ещё этих мягких французских булок, да выпей чаю"),
            ("windows-1250", "Příliš žluťoučký kůň úpěl ďábelské ódy"),
            ("windows-1253", "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία"),
            ("shift_jis", "いろはにほへと ちりぬるを わかよたれそ つねならむ"),
            ("gbk", "我们今天晚上去看电影吧，你觉得怎么样？"),
            ("big5", "我們今天晚上去看電影吧，你覺得怎麼樣？"),
            ("euc-kr", "오늘 저녁에 영화를 보러 갑시다. 어떻게 생각하세요?"),
        ] {
            let encoding = Encoding::for_label(name.as_bytes()).unwrap();
            let text = format!("1\r\n00:00:01,000 --> 00:00:02,000\r\n{text}\r\n\r\n");
            assert_eq!(decode(&encoding.encode(&text).0), text, "{name}");
        }
    }

    #[test]
    fn utf16_with_and_without_a_mark() {
        let text = "1\n00:00:01,000 --> 00:00:02,000\nGrüße 日本\n";
        let (little, big): (Vec<u8>, Vec<u8>) = (
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        );
        for (mark, bytes) in [(&b"\xff\xfe"[..], &little), (b"\xfe\xff", &big), (b"", &little), (b"", &big)] {
            assert_eq!(decode(&[mark, bytes].concat()), text);
        }
        assert_eq!(decode("\u{feff}é".as_bytes()), "é");
    }

    #[test]
    fn damage_stays_where_it_is() {
        let mut bytes = "Grüße ".repeat(40).into_bytes();
        bytes[100] = 0xc3;
        bytes[101] = b'x';
        assert!(decode(&bytes).starts_with("Grüße Grüße"));
    }
}
