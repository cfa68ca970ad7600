//! Text in an encoding that nobody tells, as of old subtitles.
//!
//! A module of its own for the page: its tables weigh as much as the rest of the UI, and few films need them. Text that tells its
//! encoding itself is read by `streamshare-media`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]
#![warn(missing_docs)]

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use wasm_bindgen::prelude::wasm_bindgen;

/// The text that some bytes are most likely. Never fails; what cannot be read is replaced by U+FFFD.
#[wasm_bindgen]
#[must_use]
pub fn guess(bytes: &[u8]) -> String {
    // A few damaged bytes must not turn a whole file of UTF-8 into something else.
    let damaged = String::from_utf8_lossy(bytes);
    let letters = damaged.chars().filter(|c| !c.is_ascii()).count();
    if damaged.matches('\u{fffd}').count() * 20 < letters {
        return damaged.into_owned();
    }
    // Allowed, since nothing is run or trusted for what it is decoded as.
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Allow).decode_without_bom_handling(bytes).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::Encoding;

    #[test]
    fn texts_in_many_encodings() {
        for (name, text) in [
            ("windows-1252", "Grüße aus Köln, «déjà vu» – l’été où naît le garçon"),
            ("windows-1252", "Réplique 1"),
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
            assert_eq!(guess(&encoding.encode(&text).0), text, "{name}");
        }
    }

    #[test]
    fn damage_stays_where_it_is() {
        let mut bytes = "Grüße ".repeat(40).into_bytes();
        bytes[100] = 0xc3;
        bytes[101] = b'x';
        assert!(guess(&bytes).starts_with("Grüße Grüße"));
    }
}
