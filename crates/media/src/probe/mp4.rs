//! MP4 and QuickTime (ISO/IEC 14496-12, called 12 below).

mod boxes;
mod fragments;
mod sample_entry;
mod samples;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use super::{Codec, Container, Known, Media, Stop, TRACKS_MAX, Track, TrackKind};
use crate::extract::{
    FragmentDefaults, Fragments, Mp4Format, Mp4Text, SAMPLE_MAX, SAMPLES_MAX, TextSample, TextSource,
};
use crate::{Index, Point};
pub(crate) use boxes::{Boxes, find, u16_at, u32_at, u64_at};
use samples::Tables;

/// Boxes before the film's description at most.
const BOXES_MAX: usize = 1024;
/// Bytes of the description at most.
const MOOV_MAX: u64 = 64 << 20;
/// Places that playback can begin at, at most: one each 0.2 s in a film of ten hours.
const POINTS_MAX: usize = 1 << 18;
/// Places that playback can begin at are at least so far from each other where every sample is one.
const POINT_DISTANCE: Duration = Duration::from_millis(500);

/// Whether a file begins with a box that films begin with.
pub(super) fn is_mp4(head: &[u8]) -> bool {
    let kind = head.get(4..8).unwrap_or_default();
    matches!(kind, b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" | b"styp")
}

pub(super) fn read(known: &Known) -> Result<Media, Stop> {
    let places = find_places(known)?;
    let moov =
        known.get(places.moov.start, usize::try_from(places.moov.end - places.moov.start).unwrap_or(usize::MAX))?;
    let film = Film::read(moov);
    let mut index = Index { media_start: places.media_start, ..Index::default() };
    let head_end = if places.moov.start < places.media_start {
        places.media_start
    } else {
        places.moov.start.min(places.first_end)
    };
    index.start.push(0..head_end);
    if places.moov.start >= head_end {
        index.start.push(places.moov_box.clone());
    }
    if film.is_fragmented {
        fragments::read(known, places.moov.end, film.main_track(), &mut index)?;
    } else if let Some(track) = film.main_track() {
        index.set_points(track.points());
    }
    let duration = film.duration();
    let text: BTreeMap<_, _> = film
        .tracks
        .iter()
        .filter_map(|track| {
            Some((track.track.id, TextSource::Mp4(film.text(track, places.media_start..known.length())?)))
        })
        .collect();
    let tracks = film.tracks.into_iter().map(|track| track.track).collect();
    Ok(Media { container: Container::Mp4, tracks, duration, index, text })
}

/// Where in the file things are.
struct Places {
    moov_box: Range<u64>,
    /// The content of the film's description.
    moov: Range<u64>,
    media_start: u64,
    /// The end of the head of the first box that is not small.
    first_end: u64,
}

/// A box's head: its kind, and where its content is.
fn head(known: &Known, at: u64) -> Result<([u8; 4], Range<u64>), Stop> {
    let bytes = known.get(at, 8)?;
    let kind = [bytes[4], bytes[5], bytes[6], bytes[7]];
    let (length, head_length) = match u32_at(bytes, 0) {
        Some(1) => (u64_at(known.get(at, 16)?, 8).unwrap_or(0), 16),
        Some(0) => (known.length() - at, 8),
        length => (u64::from(length.unwrap_or(0)), 8),
    };
    let end = at
        .checked_add(length)
        .filter(|end| *end >= at + head_length)
        .ok_or(Stop::Bad("a box is shorter than its head"))?;
    Ok((kind, at + head_length..end))
}

fn find_places(known: &Known) -> Result<Places, Stop> {
    let (mut at, mut media_start, mut moov, mut first_end) = (0_u64, None, None, None);
    for _ in 0..BOXES_MAX {
        if at.saturating_add(8) > known.length() || (moov.is_some() && media_start.is_some()) {
            break;
        }
        let (kind, content) = match head(known, at) {
            Err(Stop::Bad(_)) if moov.is_some() => break,
            found => found?,
        };
        match &kind {
            b"mdat" | b"moof" => media_start = media_start.or(Some(at)),
            b"moov" if content.end - content.start > MOOV_MAX => return Err(Stop::Bad("its description is too large")),
            b"moov" => moov = moov.or_else(|| Some((at..content.end, content.clone()))),
            _ => {}
        }
        if first_end.is_none() && content.end - at > super::READ_MIN {
            first_end = Some(content.start);
        }
        at = content.end;
    }
    let (moov_box, moov) = moov.ok_or(Stop::Bad("it has no description of the film (moov)"))?;
    if moov.end > known.length() {
        return Err(Stop::Bad("it ends too early"));
    }
    let media_start = media_start.unwrap_or(moov.end);
    Ok(Places { moov_box, moov, media_start, first_end: first_end.unwrap_or(0) })
}

/// What `moov` says.
struct Film<'a> {
    timescale: u32,
    length: u64,
    is_fragmented: bool,
    /// What goes for samples in fragments that do not say otherwise (`mvex`).
    extended: &'a [u8],
    tracks: Vec<FilmTrack<'a>>,
}

struct FilmTrack<'a> {
    track: Track,
    timescale: u32,
    /// Ticks of the media.
    length: u64,
    /// Its edit list.
    edits: &'a [u8],
    tables: Tables<'a>,
}

impl<'a> Film<'a> {
    fn read(moov: &'a [u8]) -> Self {
        let (timescale, length) = find(moov, b"mvhd").and_then(times).unwrap_or((0, 0));
        let extended = find(moov, b"mvex");
        let told = extended.and_then(|mvex| find(mvex, b"mehd")).and_then(|mehd| match mehd.first()? {
            0 => u32_at(mehd, 4).map(u64::from),
            _ => u64_at(mehd, 4),
        });
        let traks = || Boxes(moov).filter(|(kind, _)| kind == b"trak").map(|(_, trak)| trak);
        // QuickTime's chapters look like subtitles, but that another track names them so.
        let chapters: Vec<u64> = traks()
            .filter_map(|trak| find(find(trak, b"tref")?, b"chap"))
            .flat_map(|ids| ids.chunks_exact(4).filter_map(|id| u32_at(id, 0)).map(u64::from))
            .take(TRACKS_MAX)
            .collect();
        let mut tracks: Vec<_> = traks().filter_map(FilmTrack::read).take(TRACKS_MAX).collect();
        for FilmTrack { track, .. } in &mut tracks {
            if chapters.contains(&track.id) {
                (track.kind, track.codec.is_text) = (TrackKind::Other, false);
            }
        }
        let (is_fragmented, extended) = (extended.is_some(), extended.unwrap_or_default());
        Self { timescale, length: told.unwrap_or(length), is_fragmented, extended, tracks }
    }

    fn duration(&self) -> Option<Duration> {
        let whole = ticks(self.length, self.timescale);
        let tracks = self.tracks.iter().filter_map(|track| ticks(track.length, track.timescale)).max();
        whole.or(tracks).filter(|duration| !duration.is_zero())
    }

    fn main_track(&self) -> Option<&FilmTrack<'a>> {
        let of = |kind| self.tracks.iter().find(move |track| track.track.kind == kind);
        of(TrackKind::Video).or_else(|| of(TrackKind::Audio))
    }

    /// Where a track's lines are, where it is text; `place` is where fragments may lie.
    fn text(&self, track: &FilmTrack<'_>, place: Range<u64>) -> Option<Mp4Text> {
        if !track.track.codec.is_text {
            return None;
        }
        let format = match track.track.codec.name.as_str() {
            "WebVTT" => Mp4Format::WebVtt,
            _ => Mp4Format::Timed,
        };
        let (delay, skipped) = edit(track.edits, self.timescale).unwrap_or_default();
        let skipped = ticks(skipped, track.timescale).unwrap_or_default();
        let samples = track.lines(delay, skipped, place.end);
        let fragments = self.is_fragmented.then(|| Fragments {
            track: track.track.id,
            defaults: self.defaults(),
            place,
            delay,
            skipped,
        });
        Some(Mp4Text { format, samples, fragments })
    }

    /// What goes for samples in fragments that do not say otherwise, by their tracks (12, 8.8.3).
    fn defaults(&self) -> BTreeMap<u64, FragmentDefaults> {
        let trex = Boxes(self.extended).filter(|(kind, _)| kind == b"trex").map(|(_, trex)| trex).take(TRACKS_MAX);
        let fields: Vec<_> =
            trex.filter_map(|trex| Some((u64::from(u32_at(trex, 4)?), u32_at(trex, 12)?, u32_at(trex, 16)?))).collect();
        let of = |track: &FilmTrack<'_>| {
            let told = fields.iter().find(|(id, ..)| *id == track.track.id);
            let (ticks, size) = told.map_or((0, 0), |(_, ticks, size)| (*ticks, *size));
            (track.track.id, FragmentDefaults { timescale: track.timescale, ticks, size })
        };
        self.tracks.iter().map(of).collect()
    }
}

impl<'a> FilmTrack<'a> {
    fn read(trak: &'a [u8]) -> Option<Self> {
        let tkhd = find(trak, b"tkhd")?;
        let mdia = find(trak, b"mdia")?;
        let mdhd = find(mdia, b"mdhd")?;
        let (timescale, length) = times(mdhd)?;
        let stbl = find(find(mdia, b"minf")?, b"stbl")?;
        let handler = find(mdia, b"hdlr").and_then(|hdlr| hdlr.get(8..12)).unwrap_or_default();
        let described = find(stbl, b"stsd").and_then(|stsd| sample_entry::read(stsd, handler));
        let (kind, codec) = described.unwrap_or((TrackKind::Other, Codec::unknown(handler)));
        let is_long = tkhd.first() == Some(&1);
        let flags = u32_at(tkhd, 0).unwrap_or(0);
        let track = Track {
            id: u32_at(tkhd, if is_long { 20 } else { 12 }).unwrap_or(0).into(),
            kind,
            codec,
            language: language(mdia, mdhd),
            name: name(trak),
            default: flags & 1 != 0,
            // QuickTime's text tracks have it (0x40000000 all, 0x80000000 some samples forced); it is rare.
            forced: false,
        };
        let edits = find(trak, b"edts").and_then(|edts| find(edts, b"elst")).unwrap_or_default();
        Some(Self { track, timescale, length, edits, tables: Tables::read(stbl) })
    }

    /// Where its lines are; samples without any fill the time between them.
    fn lines(&self, delay: Duration, skipped: Duration, file_length: u64) -> Vec<TextSample> {
        let sample = |sample: samples::Sample| {
            let at = |count| ticks(count, self.timescale).and_then(|time| (time + delay).checked_sub(skipped));
            let end = at(sample.time + u64::from(sample.ticks))?;
            Some(TextSample { start: at(sample.time)?, end, offset: sample.offset, size: sample.size })
        };
        // Lines lie apart: more bytes of them than the file has are a lie.
        let mut left = file_length;
        let shows = |sample: &samples::Sample| {
            let end = sample.offset.saturating_add(sample.size.into());
            let is_line =
                (3..=SAMPLE_MAX).contains(&sample.size) && end <= file_length && left >= u64::from(sample.size);
            left -= if is_line { u64::from(sample.size) } else { 0 };
            is_line
        };
        self.tables.samples().filter(shows).filter_map(sample).take(SAMPLES_MAX).collect()
    }

    /// Where playback can begin.
    fn points(&self) -> Vec<Point> {
        let all = self.tables.sync_samples();
        let mut points: Vec<Point> = Vec::new();
        for sample in all {
            let Some(time) = ticks(sample.time, self.timescale) else { break };
            if points.len() >= POINTS_MAX {
                break;
            }
            let is_far = points.last().is_none_or(|last| time >= last.time + POINT_DISTANCE);
            if is_far || !self.tables.all_are_sync() {
                points.push(Point { time, offset: sample.offset });
            }
        }
        points
    }
}

/// A number of ticks as time.
pub(crate) fn ticks(count: u64, timescale: u32) -> Option<Duration> {
    let timescale = u64::from(timescale);
    let seconds = count.checked_div(timescale)?;
    // Below 2^32 each: no overflow.
    Some(Duration::from_secs(seconds) + Duration::from_nanos((count % timescale) * 1_000_000_000 / timescale))
}

/// How late a track begins in the film, and how much of its beginning is left out, in ticks (12, 8.6.6). Only the beginning is looked
/// at: nobody cuts text.
fn edit(elst: &[u8], film_timescale: u32) -> Option<(Duration, u64)> {
    let is_long = *elst.first()? == 1;
    let entry = |at: usize| match is_long {
        true => Some((u64_at(elst, 8 + at * 20)?, u64_at(elst, 16 + at * 20)?.cast_signed())),
        false => Some((u32_at(elst, 8 + at * 12)?.into(), i64::from(u32_at(elst, 12 + at * 12)?.cast_signed()))),
    };
    let (length, first) = entry(0)?;
    match u64::try_from(first) {
        Ok(skipped) => Some((Duration::ZERO, skipped)),
        // An empty edit, for the delay.
        Err(_) => Some((
            ticks(length, film_timescale)?,
            entry(1).and_then(|(_, second)| u64::try_from(second).ok()).unwrap_or(0),
        )),
    }
}

/// Timescale and length of an `mvhd` or `mdhd` (12, 8.2.2 and 8.4.2); a length of all ones is unknown.
fn times(header: &[u8]) -> Option<(u32, u64)> {
    let (timescale, length) = match header.first()? {
        0 => (u32_at(header, 12)?, u32_at(header, 16).filter(|length| *length != u32::MAX).unwrap_or(0).into()),
        _ => (u32_at(header, 20)?, u64_at(header, 24).filter(|length| *length != u64::MAX).unwrap_or(0)),
    };
    Some((timescale, length))
}

/// The extended language tag (12, 8.4.6), else the three letters of the media header, five bits each.
fn language(mdia: &[u8], mdhd: &[u8]) -> Option<String> {
    let extended = find(mdia, b"elng").and_then(|elng| elng.get(4..)).map(super::ebml::text);
    let at = if mdhd.first() == Some(&0) { 20 } else { 32 };
    let packed = mdhd.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
    // Below 0x400 it is QuickTime's number of a Macintosh language.
    let letters = packed.filter(|packed| (0x400..0x7fff).contains(packed)).map(|packed| {
        [packed >> 10, packed >> 5, packed]
            .map(|bits| char::from(0x60 + u8::try_from(bits & 31).unwrap_or(0)))
            .iter()
            .collect()
    });
    extended.or(letters).filter(|text: &String| !text.is_empty() && text != "und")
}

/// The name in the track's user data (QuickTime's, and what ffmpeg writes); else the handler's is only a program's.
fn name(trak: &[u8]) -> Option<String> {
    let name = find(find(trak, b"udta")?, b"name")?;
    // A full box in MP4 begins with four zeros.
    let text = super::ebml::text(name.strip_prefix(&[0; 4]).unwrap_or(name));
    Some(text).filter(|text| !text.is_empty())
}
