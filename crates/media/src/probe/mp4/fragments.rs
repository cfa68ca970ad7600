//! The index of a fragmented film: a `sidx` before the first fragment, or a `mfra` at the end (ISO/IEC 14496-12, sections 8.16.3 and
//! 8.8.10).

use std::ops::Range;

use super::boxes::{Boxes, u16_at, u32_at, u64_at};
use super::{FilmTrack, Known, Stop, head, ticks};
use crate::{Index, Point};

/// Bytes of an index at most: 12 for each fragment.
const INDEX_MAX: u64 = 8 << 20;
/// Boxes between the description and the first fragment at most.
const BOXES_MAX: usize = 64;

pub(super) fn read(known: &Known, moov_end: u64, track: Option<&FilmTrack<'_>>, index: &mut Index) -> Result<(), Stop> {
    let mut at = moov_end;
    for _ in 0..BOXES_MAX {
        if at.saturating_add(8) > known.length() {
            break;
        }
        let (kind, content) = match head(known, at) {
            Err(Stop::Bad(_)) => break,
            found => found?,
        };
        match &kind {
            b"sidx" if content.end - content.start <= INDEX_MAX && content.end <= known.length() => {
                let bytes = bytes_of(known, &content)?;
                index.set_points(segment_index(bytes, content.end).unwrap_or_default());
                return Ok(());
            }
            b"moof" | b"mdat" => break,
            _ => at = content.end,
        }
    }
    random_access(known, track, index)
}

fn bytes_of<'a>(known: &'a Known, range: &Range<u64>) -> Result<&'a [u8], Stop> {
    known.get(range.start, usize::try_from(range.end - range.start).unwrap_or(usize::MAX))
}

/// The points of a `sidx`. One that refers to others of its kind stands for what they cover.
fn segment_index(sidx: &[u8], end: u64) -> Option<Vec<Point>> {
    let timescale = u32_at(sidx, 8)?;
    let (mut time, first, at) = match sidx.first()? {
        0 => (u64::from(u32_at(sidx, 12)?), u64::from(u32_at(sidx, 16)?), 20),
        _ => (u64_at(sidx, 12)?, u64_at(sidx, 20)?, 28),
    };
    let zero = time;
    let mut offset = end.checked_add(first)?;
    let count = u16_at(sidx, at + 2)?;
    let mut points = Vec::new();
    for entry in sidx.get(at + 4..)?.chunks_exact(12).take(count.into()) {
        points.push(Point { time: ticks(time - zero, timescale)?, offset });
        offset = offset.checked_add((u32_at(entry, 0)? & 0x7fff_ffff).into())?;
        time = time.checked_add(u32_at(entry, 4)?.into())?;
    }
    Some(points)
}

/// The points of a `mfra`, whose length the last four bytes of the file tell.
fn random_access(known: &Known, track: Option<&FilmTrack<'_>>, index: &mut Index) -> Result<(), Stop> {
    let Some(tail) = known.length().checked_sub(16) else { return Ok(()) };
    let last = known.get(tail, 16)?;
    let length = u32_at(last, 12).map(u64::from).filter(|length| last[4..8] == *b"mfro" && *length <= INDEX_MAX);
    let Some(start) = length.and_then(|length| known.length().checked_sub(length)) else {
        // Players look there, too.
        index.seek.push(tail..known.length());
        return Ok(());
    };
    let range = start..known.length();
    index.seek.push(range.clone());
    let Some((b"mfra", content)) =
        Boxes(bytes_of(known, &range)?).next().as_ref().map(|(kind, content)| (kind, *content))
    else {
        return Ok(());
    };
    let of_track = |table: &[u8]| track.is_none_or(|track| u32_at(table, 4).map(u64::from) == Some(track.track.id));
    let table = Boxes(content).find(|(kind, table)| kind == b"tfra" && of_track(table));
    if let (Some((_, table)), Some(track)) = (table, track) {
        index.set_points(fragment_table(table, track.timescale).unwrap_or_default());
    }
    Ok(())
}

/// The points of a `tfra`.
fn fragment_table(table: &[u8], timescale: u32) -> Option<Vec<Point>> {
    let lengths = u32_at(table, 8)?;
    // Three numbers of one to four bytes that nobody needs here.
    let rest = [4, 2, 0].iter().map(|shift| (lengths >> shift & 3) + 1).sum::<u32>();
    let is_long = *table.first()? == 1;
    let width = if is_long { 16 } else { 8 } + usize::try_from(rest).ok()?;
    let count = usize::try_from(u32_at(table, 12)?).ok()?;
    let entries = table.get(16..)?.chunks_exact(width).take(count);
    let point = |entry: &[u8]| {
        let (time, offset) = match is_long {
            true => (u64_at(entry, 0)?, u64_at(entry, 8)?),
            false => (u32_at(entry, 0)?.into(), u32_at(entry, 4)?.into()),
        };
        Some(Point { time: ticks(time, timescale)?, offset })
    };
    entries.map(point).collect()
}
