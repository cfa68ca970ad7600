//! Text in MP4: 3GPP timed text (TS 26.245) and WebVTT (ISO/IEC 14496-30), each line a sample that the tables tell the place of.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::Cue;
use crate::probe::{Boxes, find};
use crate::subtitle::{Dialect, cue_text};

/// Bytes of one sample at most.
pub(crate) const SAMPLE_MAX: u32 = 64 << 10;
/// Samples of a track that are kept at most.
pub(crate) const SAMPLES_MAX: usize = 100_000;

/// How a track of text is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mp4Text {
    pub(crate) format: Format,
    pub(crate) samples: Vec<TextSample>,
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
}

impl Walk {
    pub(super) fn new(text: Mp4Text) -> Self {
        let left = text.samples.into_iter().map(|sample| ((sample.start, sample.offset), sample)).collect();
        Self { format: text.format, left }
    }

    pub(super) fn poll(&mut self, from: Duration, until: Duration) -> Option<Range<u64>> {
        let mut near = self.left.range(..=(until, u64::MAX)).map(|(_, sample)| sample);
        let sample = near.find(|sample| sample.end > from)?;
        Some(sample.offset..sample.offset + u64::from(sample.size))
    }

    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8]) -> Vec<Cue> {
        let whole = |sample: &TextSample| {
            sample.offset == offset && bytes.len() >= usize::try_from(sample.size).unwrap_or(usize::MAX)
        };
        let Some(key) = self.left.iter().find(|(_, sample)| whole(sample)).map(|(key, _)| *key) else {
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
    let length = usize::from(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]));
    let text = bytes.get(2..2 + length)?;
    let text = crate::decode(text)?.replace('\r', "\n");
    // No dialect has its tags: there are none in it. SubRip's are, where a program left them in.
    let (text, place) = cue_text(&text, Dialect::SubRip);
    Cue::new(sample.start, sample.end, text, place)
}

fn webvtt(cue: &[u8], sample: &TextSample) -> Option<Cue> {
    let text = String::from_utf8_lossy(find(cue, b"payl")?);
    let settings = find(cue, b"sttg").map(String::from_utf8_lossy).unwrap_or_default();
    let (text, _) = cue_text(&text, Dialect::WebVtt);
    Cue::new(sample.start, sample.end, text, crate::subtitle::place(&settings))
}
