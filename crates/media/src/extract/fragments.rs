//! Where the samples of a track are in a film of fragments (ISO/IEC 14496-12, section 8.8): each fragment has the tables of its own, so
//! they are found as the film is played, by going from box to box.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::mp4::{SAMPLE_MAX, SAMPLES_MAX, TextSample};
use crate::Index;
use crate::probe::{Boxes, find, ticks, u32_at, u64_at};

/// Bytes that are read at once: the tables of a few seconds, and the head of the box after them.
const READ: u64 = 16 << 10;
/// Bytes of a fragment's tables at most.
const TABLES_MAX: u64 = 4 << 20;
/// What a line may have begun before the time that is asked for.
const LEAD: Duration = Duration::from_secs(15);

// Which fields there are (sections 8.8.7 and 8.8.8).
const BASE_OFFSET: u32 = 0x1;
const DESCRIPTION: u32 = 0x2;
const DEFAULT_TICKS: u32 = 0x8;
const DEFAULT_SIZE: u32 = 0x10;
const BASE_IS_FRAGMENT: u32 = 0x2_0000;
const DATA_OFFSET: u32 = 0x1;
const FIRST_FLAGS: u32 = 0x4;
const SAMPLE_TICKS: u32 = 0x100;
const SAMPLE_SIZE: u32 = 0x200;
const SAMPLE_FIELDS: u32 = 0xf00;

/// What a film's description says of its fragments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fragments {
    /// The track of text.
    pub(crate) track: u64,
    /// What goes for samples that do not say otherwise, by their tracks.
    pub(crate) defaults: BTreeMap<u64, Defaults>,
    /// Where the first may begin, and where the film ends.
    pub(crate) place: Range<u64>,
    /// How late the track begins in the film.
    pub(crate) delay: Duration,
    /// How much of its beginning is left out.
    pub(crate) skipped: Duration,
}

/// Of a track (`trex`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Defaults {
    /// Ticks of a second.
    pub(crate) timescale: u32,
    pub(crate) ticks: u32,
    pub(crate) size: u32,
}

/// A place between two boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    at: u64,
    /// When the fragment before it begins.
    time: Option<Duration>,
    /// Bytes that have to be read there at once.
    need: u64,
}

#[derive(Debug)]
pub(super) struct Walk {
    fragments: Fragments,
    index: Index,
    /// What was read, by its beginning.
    read: BTreeMap<u64, Place>,
    /// The beginning of the part that is being read, how far, and how much was asked for.
    current: Option<(u64, Place, u64)>,
    /// Lines lie apart: more bytes of them than the film has are a lie, and so are too many.
    bytes_left: u64,
    samples_left: usize,
}

impl Walk {
    pub(super) fn new(fragments: Fragments, index: Index) -> Self {
        let bytes_left = fragments.place.end;
        Self { fragments, index, read: BTreeMap::new(), current: None, bytes_left, samples_left: SAMPLES_MAX }
    }

    pub(super) fn poll(&mut self, from: Duration, until: Duration) -> Option<Range<u64>> {
        let start = self.index.at(from.saturating_sub(LEAD)).map_or(self.fragments.place.start, |point| point.offset);
        let mut first = start;
        let mut place = Place { at: start, time: None, need: 0 };
        // What was read already is jumped over; each jump goes forward.
        while let Some((begin, known)) =
            self.read.range(..=place.at).next_back().filter(|(_, known)| known.at > place.at || known.need > place.need)
        {
            (first, place) = (*begin, *known);
        }
        if place.at >= self.fragments.place.end || place.time.is_some_and(|time| time > until) {
            return None;
        }
        let end = place.at.saturating_add(place.need.max(READ)).min(self.fragments.place.end);
        self.current = Some((first, place, end - place.at));
        Some(place.at..end)
    }

    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8]) -> Vec<TextSample> {
        let Some((first, mut place, asked)) = self.current.filter(|(_, place, _)| place.at == offset) else {
            return Vec::new();
        };
        let file_end = self.fragments.place.end;
        let mut found = Vec::new();
        let mut rest = bytes;
        while let Some((kind, head, length)) = head(rest, file_end - place.at) {
            if kind == *b"moof" && length <= TABLES_MAX {
                let whole = usize::try_from(length).ok().and_then(|length| rest.get(head..length));
                let Some(content) = whole else {
                    place.need = length;
                    break;
                };
                self.take(content, &mut place, &mut found);
            }
            rest = usize::try_from(length).ok().and_then(|length| rest.get(length..)).unwrap_or_default();
            place = Place { at: place.at.saturating_add(length).min(file_end), need: 0, ..place };
        }
        let (is_whole, is_last) = (bytes.len() as u64 >= asked, offset + bytes.len() as u64 >= file_end);
        if place.at == offset && is_whole && (place.need <= asked || is_last) {
            // Rubbish, or cut off: there is nothing more to be had.
            place.at = file_end;
        }
        self.read.insert(first, place);
        found
    }

    /// Reads a fragment's tables.
    fn take(&mut self, moof: &[u8], place: &mut Place, found: &mut Vec<TextSample>) {
        let mut begins = None;
        // Where the data of a track begin that does not say so: after those of the one before it.
        let mut data = place.at;
        for (_, traf) in Boxes(moof).filter(|(kind, _)| kind == b"traf") {
            let Some(run) = Run::read(traf, place.at, data, &self.fragments.defaults) else { continue };
            let begin = run.time.and_then(|time| ticks(time, run.defaults.timescale));
            begins = [begins, begin].into_iter().flatten().min();
            data = self.take_run(traf, run, found);
        }
        place.time = begins.or(place.time);
    }

    /// Reads the samples of a track in a fragment; where their data end.
    fn take_run(&mut self, traf: &[u8], run: Run, found: &mut Vec<TextSample>) -> u64 {
        let is_text = run.track == self.fragments.track;
        let (mut at, mut time) = (run.base, run.time);
        for (_, trun) in Boxes(traf).filter(|(kind, _)| kind == b"trun") {
            let (Some(flags), Some(count)) = (u32_at(trun, 0), u32_at(trun, 4)) else { continue };
            let mut fields = 8;
            if flags & DATA_OFFSET != 0 {
                let offset = u32_at(trun, fields).unwrap_or(0).cast_signed();
                at = run.base.saturating_add_signed(offset.into());
                fields += 4;
            }
            fields += if flags & FIRST_FLAGS != 0 { 4 } else { 0 };
            let rows = trun.get(fields..).unwrap_or_default();
            let width = usize::try_from((flags & SAMPLE_FIELDS).count_ones() * 4).unwrap_or(0);
            if !is_text && flags & SAMPLE_SIZE == 0 {
                at = at.saturating_add(u64::from(count) * u64::from(run.defaults.size));
                continue;
            }
            for number in 0..usize::try_from(count).unwrap_or(usize::MAX) {
                if width > 0 && rows.len() < (number + 1) * width || is_text && self.samples_left == 0 {
                    break;
                }
                let row = rows.get(number * width..).unwrap_or_default();
                let (length, size) = run.defaults.of(row, flags);
                if is_text {
                    self.samples_left -= 1;
                    found.extend(time.and_then(|time| self.sample(at, size, time, length)));
                    time = time.and_then(|time| time.checked_add(length.into()));
                }
                at = at.saturating_add(size.into());
            }
        }
        at
    }

    /// A line; `None` of what shows nothing.
    fn sample(&mut self, offset: u64, size: u32, time: u64, length: u32) -> Option<TextSample> {
        let timescale = self.fragments.defaults.get(&self.fragments.track)?.timescale;
        let at = |count| (ticks(count, timescale)? + self.fragments.delay).checked_sub(self.fragments.skipped);
        let is_there = (3..=SAMPLE_MAX).contains(&size)
            && offset.saturating_add(size.into()) <= self.fragments.place.end
            && self.bytes_left >= u64::from(size);
        if !is_there {
            return None;
        }
        self.bytes_left -= u64::from(size);
        Some(TextSample { start: at(time)?, end: at(time.checked_add(length.into())?)?, offset, size })
    }
}

impl Defaults {
    /// Ticks and bytes of a sample, by its row.
    fn of(self, row: &[u8], flags: u32) -> (u32, u32) {
        let has_ticks = flags & SAMPLE_TICKS != 0;
        let size_at = if has_ticks { 4 } else { 0 };
        let field = |is_there, at| if is_there { u32_at(row, at) } else { None };
        (field(has_ticks, 0).unwrap_or(self.ticks), field(flags & SAMPLE_SIZE != 0, size_at).unwrap_or(self.size))
    }
}

/// The head of a track's samples in a fragment (`tfhd`, `tfdt`).
struct Run {
    track: u64,
    /// What places of data are counted from.
    base: u64,
    /// When the first is, in ticks; there may be none in files of old programs, and then nobody knows.
    time: Option<u64>,
    defaults: Defaults,
}

impl Run {
    fn read(traf: &[u8], fragment: u64, data: u64, defaults: &BTreeMap<u64, Defaults>) -> Option<Self> {
        let tfhd = find(traf, b"tfhd")?;
        let flags = u32_at(tfhd, 0)?;
        let track = u32_at(tfhd, 4)?.into();
        let mut defaults = *defaults.get(&track)?;
        let mut base = if flags & BASE_IS_FRAGMENT != 0 { fragment } else { data };
        let mut at = 8;
        if flags & BASE_OFFSET != 0 {
            base = u64_at(tfhd, at)?;
            at += 8;
        }
        at += if flags & DESCRIPTION != 0 { 4 } else { 0 };
        if flags & DEFAULT_TICKS != 0 {
            defaults.ticks = u32_at(tfhd, at)?;
            at += 4;
        }
        if flags & DEFAULT_SIZE != 0 {
            defaults.size = u32_at(tfhd, at)?;
        }
        let time = find(traf, b"tfdt").and_then(|tfdt| match tfdt.first()? {
            0 => u32_at(tfdt, 4).map(u64::from),
            _ => u64_at(tfdt, 4),
        });
        Some(Self { track, base, time, defaults })
    }
}

/// A box's kind, and the lengths of its head and of all of it; one without a length has the rest of the film.
fn head(bytes: &[u8], rest: u64) -> Option<([u8; 4], usize, u64)> {
    let kind = bytes.get(4..8)?.try_into().ok()?;
    let (head, length) = match u32_at(bytes, 0)? {
        0 => (8, rest),
        1 => (16, u64_at(bytes, 8)?),
        length => (8, length.into()),
    };
    (length >= head as u64).then_some((kind, head, length))
}
