//! Text in Matroska (RFC 9559): blocks among those of pictures and sound.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::probe::{Elements, Head, unsigned, variable_integer};
use crate::subtitle::{Dialect, Script, cue_text, parse_ass_block};
use crate::{Cue, Index};

const CLUSTER: u32 = 0x1f43_b675;
const TIMESTAMP: u32 = 0xe7;
const SIMPLE_BLOCK: u32 = 0xa3;
const BLOCK_GROUP: u32 = 0xa0;
const BLOCK: u32 = 0xa1;
const BLOCK_DURATION: u32 = 0x9b;

/// Bytes that are read at once; a larger element is jumped over.
const READ: u64 = 256 << 10;
/// What a line may have begun before the time that is asked for.
const LEAD: Duration = Duration::from_secs(15);
/// How long a line is shown that does not say so.
const SHOWN_DEFAULT: Duration = Duration::from_secs(5);
/// Bytes of one line at most, once it is unpacked.
const LINE_MAX: usize = 64 << 10;

/// How a track of text is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MatroskaText {
    pub(crate) track: u64,
    pub(crate) format: Format,
    pub(crate) packing: Packing,
    /// Nanoseconds of a tick.
    pub(crate) tick_ns: u64,
    /// Where the segment's content ends.
    pub(crate) end: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    SubRip,
    Ass(Script),
    /// The text alone.
    WebVtt,
    /// As WebM has it: with a name and the settings, a line each, before the text.
    WebVttWithHead,
}

/// How lines are packed (section 5.1.4.1.31).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Zlib,
    /// These bytes are left out before each.
    Stripped(Vec<u8>),
}

/// A place between two elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: u64,
    /// The time of the cluster that it is in, in ticks; `None` before the first.
    cluster: Option<u64>,
    /// The time of the block before it, likewise.
    time: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Walk {
    text: MatroskaText,
    index: Index,
    /// What was read, by its beginning.
    read: BTreeMap<u64, Place>,
    /// The beginning of the part that is being read, and how far.
    current: Option<(u64, Place)>,
}

impl Walk {
    pub(super) fn new(text: MatroskaText, index: Index) -> Self {
        Self { text, index, read: BTreeMap::new(), current: None }
    }

    pub(super) fn poll(&mut self, from: Duration, until: Duration) -> Option<Range<u64>> {
        let start = self.index.at(from.saturating_sub(LEAD)).map_or(self.index.media_start, |point| point.offset);
        let mut first = start;
        let mut place = Place { at: start, cluster: None, time: None };
        // What was read already is jumped over; each jump goes forward.
        while let Some((begin, known)) =
            self.read.range(..=place.at).next_back().filter(|(_, known)| known.at > place.at)
        {
            (first, place) = (*begin, *known);
        }
        let time = place.time.map(|ticks| self.time(ticks));
        if place.at >= self.text.end || time.is_some_and(|time| time > until) {
            return None;
        }
        self.current = Some((first, place));
        Some(place.at..self.text.end.min(place.at.saturating_add(READ)))
    }

    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8]) -> Vec<Cue> {
        let Some((first, mut place)) = self.current.filter(|(_, place)| place.at == offset) else { return Vec::new() };
        let is_whole = bytes.len() as u64 >= READ || offset + bytes.len() as u64 >= self.text.end;
        let mut cues = Vec::new();
        let mut rest = bytes;
        loop {
            let Some(head) = Head::read(rest) else {
                // Rubbish, or a head that is cut off at the end of what was read.
                if rest.len() >= Head::LEN_MAX {
                    place.at = self.text.end;
                }
                break;
            };
            // Clusters and groups of unknown size are entered likewise.
            let Some(size) = head.size.filter(|_| head.id != CLUSTER) else {
                if head.id == CLUSTER {
                    place.cluster = Some(0);
                }
                place.at += head.length as u64;
                rest = &rest[head.length..];
                continue;
            };
            let content = &rest[head.length..];
            let whole = usize::try_from(size).ok().and_then(|size| content.get(..size));
            if whole.is_none() && self.must_be_whole(head.id, size, content) {
                break;
            }
            if let Some(ticks) = block_ticks(head.id, content, place) {
                place.time = Some(ticks);
            }
            if let Some(content) = whole {
                self.take(head.id, content, &mut place, &mut cues);
            }
            let next = place.at.saturating_add(head.length as u64).saturating_add(size);
            rest = usize::try_from(next - place.at).ok().and_then(|used| rest.get(used..)).unwrap_or_default();
            place.at = next.min(self.text.end);
        }
        if is_whole && place.at == offset {
            // More than this cannot be had: what is here is cut off.
            place.at = self.text.end;
        }
        self.read.insert(first, place);
        cues
    }

    /// Whether an element that is cut off is to be read again: small enough, and ours or not yet known whose.
    fn must_be_whole(&self, id: u32, size: u64, content: &[u8]) -> bool {
        let block = match id {
            _ if size > READ - Head::LEN_MAX as u64 => return false,
            TIMESTAMP => return true,
            SIMPLE_BLOCK => content,
            BLOCK_GROUP => match Head::read(content) {
                Some(head) if head.id == BLOCK => &content[head.length..],
                _ => return true,
            },
            _ => return false,
        };
        variable_integer(block, 8, true).is_none_or(|(track, _)| track == self.text.track)
    }

    fn take(&self, id: u32, content: &[u8], place: &mut Place, cues: &mut Vec<Cue>) {
        match id {
            TIMESTAMP => (place.cluster, place.time) = (Some(unsigned(content)), Some(unsigned(content))),
            SIMPLE_BLOCK => cues.extend(self.cue(content, None, *place)),
            BLOCK_GROUP => {
                let field = |wanted| Elements(content).find(|(id, _)| *id == wanted).map(|(_, content)| content);
                if let Some(block) = field(BLOCK) {
                    cues.extend(self.cue(block, field(BLOCK_DURATION).map(unsigned), *place));
                }
            }
            _ => {}
        }
    }

    fn time(&self, ticks: u64) -> Duration {
        Duration::from_nanos(ticks.saturating_mul(self.text.tick_ns))
    }

    /// The cue of a block (section 10.1): track, time from the cluster's, flags.
    fn cue(&self, block: &[u8], duration: Option<u64>, place: Place) -> Option<Cue> {
        let (track, length) = variable_integer(block, 8, true)?;
        let [high, low, flags, data @ ..] = block.get(length..)? else { return None };
        // Nobody laces text.
        if track != self.text.track || flags & 0x06 != 0 {
            return None;
        }
        let ticks = place.cluster?.checked_add_signed(i16::from_be_bytes([*high, *low]).into())?;
        let start = self.time(ticks);
        let end = start.checked_add(duration.map_or(SHOWN_DEFAULT, |ticks| self.time(ticks)))?;
        let unpacked = match &self.text.packing {
            Packing::None => data.to_vec(),
            Packing::Stripped(prefix) => [prefix, data].concat(),
            Packing::Zlib => miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(data, LINE_MAX).ok()?,
        };
        let text = String::from_utf8_lossy(unpacked.get(..LINE_MAX).unwrap_or(&unpacked)).replace(['\r', '\0'], "");
        match &self.text.format {
            Format::Ass(script) => parse_ass_block(script, &text, start, end),
            Format::SubRip => {
                let (text, place) = cue_text(&text, Dialect::SubRip);
                Cue::new(start, end, text, place)
            }
            Format::WebVtt => Cue::new(start, end, cue_text(&text, Dialect::WebVtt).0, crate::Place::Bottom),
            Format::WebVttWithHead => {
                let mut parts = text.splitn(3, '\n');
                let (_, settings, text) = (parts.next()?, parts.next()?, parts.next()?);
                Cue::new(start, end, cue_text(text, Dialect::WebVtt).0, crate::subtitle::place(settings))
            }
        }
    }
}

/// When a block is shown, of which the beginning is enough.
fn block_ticks(id: u32, content: &[u8], place: Place) -> Option<u64> {
    let block = match id {
        SIMPLE_BLOCK => content,
        BLOCK_GROUP => {
            let head = Head::read(content).filter(|head| head.id == BLOCK)?;
            content.get(head.length..)?
        }
        _ => return None,
    };
    let (_, length) = variable_integer(block, 8, true)?;
    let [high, low, ..] = block.get(length..)? else { return None };
    place.cluster?.checked_add_signed(i16::from_be_bytes([*high, *low]).into())
}
