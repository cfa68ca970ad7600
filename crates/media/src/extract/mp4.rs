//! Text in MP4: 3GPP timed text (TS 26.245) and WebVTT (ISO/IEC 14496-30), each line a sample that the tables tell the place of, those of
//! the film or those of its fragments.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::fragments::{self, Fragments};
use crate::probe::{Boxes, find, u16_at};
use crate::subtitle::{Dialect, cue_text};
use crate::{Cue, Index};

/// Bytes of one sample at most.
pub(crate) const SAMPLE_MAX: u32 = 64 << 10;
/// Samples of a track that are kept at most.
pub(crate) const SAMPLES_MAX: usize = 100_000;
/// Records of a line's looks that are read at most.
const STYLES_MAX: usize = 64;

/// How a track of text is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mp4Text {
    pub(crate) format: Format,
    pub(crate) samples: Vec<TextSample>,
    /// Where the others are.
    pub(crate) fragments: Option<Fragments>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Timed,
    WebVtt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TextSample {
    pub(crate) start: Duration,
    pub(crate) end: Duration,
    pub(crate) offset: u64,
    pub(crate) size: u32,
}

#[derive(Debug)]
pub(super) struct Walk {
    format: Format,
    /// What was not read yet, by time and place.
    left: BTreeMap<(Duration, u64), TextSample>,
    fragments: Option<fragments::Walk>,
}

impl Walk {
    pub(super) fn new(text: Mp4Text, index: &Index) -> Self {
        let fragments = text.fragments.map(|fragments| fragments::Walk::new(fragments, index.clone()));
        let mut walk = Self { format: text.format, left: BTreeMap::new(), fragments };
        walk.take(text.samples);
        walk
    }

    fn take(&mut self, samples: Vec<TextSample>) {
        self.left.extend(samples.into_iter().map(|sample| ((sample.start, sample.offset), sample)));
    }

    pub(super) fn poll(&mut self, from: Duration, until: Duration) -> Option<Range<u64>> {
        let mut near = self.left.range(..=(until, u64::MAX)).map(|(_, sample)| sample);
        match near.find(|sample| sample.end > from) {
            Some(sample) => Some(sample.offset..sample.offset + u64::from(sample.size)),
            None => self.fragments.as_mut()?.poll(from, until),
        }
    }

    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8]) -> Vec<Cue> {
        let whole = |sample: &TextSample| {
            sample.offset == offset && bytes.len() >= usize::try_from(sample.size).unwrap_or(usize::MAX)
        };
        let Some(key) = self.left.iter().find(|(_, sample)| whole(sample)).map(|(key, _)| *key) else {
            let found = self.fragments.as_mut().map(|fragments| fragments.feed(offset, bytes));
            self.take(found.unwrap_or_default());
            return Vec::new();
        };
        let Some(sample) = self.left.remove(&key) else { return Vec::new() };
        let bytes = &bytes[..usize::try_from(sample.size).unwrap_or(bytes.len())];
        match self.format {
            Format::Timed => timed(bytes, &sample).into_iter().collect(),
            Format::WebVtt => {
                Boxes(bytes).filter(|(kind, _)| kind == b"vttc").filter_map(|(_, cue)| webvtt(cue, &sample)).collect()
            }
        }
    }
}

/// A length, the text in UTF-8 or, with a mark, in UTF-16, and boxes about its looks.
fn timed(bytes: &[u8], sample: &TextSample) -> Option<Cue> {
    let length = usize::from(u16_at(bytes, 0)?);
    let text = crate::decode(bytes.get(2..2 + length)?)?.replace('\r', "\n");
    let styles = find(&bytes[2 + length..], b"styl").unwrap_or_default();
    // No dialect has its tags: there are none in it. SubRip's are, where a program left them in.
    let (text, place) = cue_text(&styled(&text, styles), Dialect::SubRip);
    Cue::new(sample.start, sample.end, text, place)
}

/// Text with SubRip's tags for how parts of it look (TS 26.245, section 5.17.1.1): places are counted in letters.
fn styled(text: &str, styles: &[u8]) -> String {
    const BOLD: u8 = 1;
    const ITALIC: u8 = 2;
    const UNDERLINED: u8 = 4;
    let records = styles.get(2..).unwrap_or_default().chunks_exact(12).take(STYLES_MAX);
    let records: Vec<_> = records
        .filter_map(|record| Some((u16_at(record, 0)?, u16_at(record, 2)?, *record.get(6)?)))
        .filter(|(start, end, _)| start < end)
        .collect();
    let mut out = String::with_capacity(text.len());
    let tags = |at: usize, out: &mut String| {
        let marks = |flags| {
            [(BOLD, 'b'), (ITALIC, 'i'), (UNDERLINED, 'u')].into_iter().filter(move |(mark, _)| flags & mark != 0)
        };
        for (_, _, flags) in records.iter().filter(|(_, end, _)| usize::from(*end) == at) {
            marks(*flags).for_each(|(_, tag)| out.push_str(&format!("</{tag}>")));
        }
        for (_, _, flags) in records.iter().filter(|(start, ..)| usize::from(*start) == at) {
            marks(*flags).for_each(|(_, tag)| out.push_str(&format!("<{tag}>")));
        }
    };
    for (at, letter) in text.chars().enumerate() {
        tags(at, &mut out);
        out.push(letter);
    }
    tags(text.chars().count(), &mut out);
    out
}

fn webvtt(cue: &[u8], sample: &TextSample) -> Option<Cue> {
    let text = String::from_utf8_lossy(find(cue, b"payl")?);
    let settings = find(cue, b"sttg").map(String::from_utf8_lossy).unwrap_or_default();
    let (text, _) = cue_text(&text, Dialect::WebVtt);
    Cue::new(sample.start, sample.end, text, crate::subtitle::place(&settings))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;

    fn a_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&u32::try_from(8 + content.len()).unwrap().to_be_bytes()[..], kind, content].concat()
    }

    #[test]
    fn samples_of_webvtt() {
        let cue = |settings: &[u8], text: &str| {
            a_box(b"vttc", &[a_box(b"sttg", settings), a_box(b"payl", text.as_bytes())].concat())
        };
        let bytes = [a_box(b"vtte", b""), cue(b"line:0", "<i>Up</i>"), cue(b"", "Down & <x>out")].concat();
        let at = Duration::from_secs;
        let sample = TextSample { start: at(1), end: at(2), offset: 7, size: u32::try_from(bytes.len()).unwrap() };
        let text = Mp4Text { format: Format::WebVtt, samples: vec![sample], fragments: None };
        let mut walk = Walk::new(text, &Index::default());
        assert_eq!(walk.poll(at(0), at(9)), Some(7..7 + u64::from(sample.size)));
        let shown: Vec<_> = walk.feed(7, &bytes).into_iter().map(|cue| (cue.text, cue.place)).collect();
        let wanted = [("<i>Up</i>".to_owned(), Place::Top), ("Down &amp; out".to_owned(), Place::Bottom)];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn looks_are_counted_in_letters() {
        let record = |start: u16, end: u16, flags| {
            [&start.to_be_bytes()[..], &end.to_be_bytes(), &[0, 1, flags, 18, 255, 255, 255, 255]].concat()
        };
        let styles = |records: &[Vec<u8>]| [&[0, 9], &records.concat()[..]].concat();
        assert_eq!(
            styled("Été là-bas", &styles(&[record(0, 3, 3), record(4, 10, 2)])),
            "<b><i>Été</b></i> <i>là-bas</i>"
        );
        assert_eq!(styled("ab", &styles(&[record(1, 1, 2), record(5, 9, 1)])), "ab");
        assert_eq!(styled("ab", b"\0"), "ab");
    }
}
