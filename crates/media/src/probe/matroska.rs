//! Matroska and WebM (RFC 9559).

use std::ops::Range;
use std::time::Duration;

use super::ebml::{Elements, Head, float, text, unsigned};
use super::{Codec, Container, Known, Media, Stop, TRACKS_MAX, Track, TrackKind, codec};
use crate::extract::{MatroskaFormat, MatroskaText, Packing, TextSource};
use crate::subtitle::Script;
use crate::{Index, Point};

const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const INFO: u32 = 0x1549_a966;
const TRACKS: u32 = 0x1654_ae6b;
const CUES: u32 = 0x1c53_bb6b;
const CLUSTER: u32 = 0x1f43_b675;

/// Elements before the first cluster at most.
const ELEMENTS_MAX: usize = 1024;
/// Bytes of an element that is read as a whole at most: the Cues of a long film have 1 MB.
const ELEMENT_MAX: u64 = 32 << 20;
/// Places that are read at most: one each 36 ms in a film of ten hours.
const CUES_MAX: usize = 1 << 20;
/// Nanoseconds of a tick where the file does not say (section 5.1.2.9).
const TICK_NS_DEFAULT: u64 = 1_000_000;

/// The parts of a segment, and where they are.
#[derive(Default)]
struct Parts {
    info: Option<Range<u64>>,
    tracks: Option<Range<u64>>,
    cues: Option<Range<u64>>,
    cluster: Option<u64>,
    /// Where a player reads on its way to the first cluster.
    passed: Vec<Range<u64>>,
}

pub(super) fn read(known: &Known) -> Result<Media, Stop> {
    let (header, header_range) = element(known, 0)?;
    let container = match Elements(content(known, &header_range)?).find(|(id, _)| *id == 0x4282) {
        Some((_, b"webm")) => Container::WebM,
        _ => Container::Matroska,
    };
    let (segment, segment_range) = element(known, header_range.end)?;
    if header.id != 0x1a45_dfa3 || segment.id != SEGMENT {
        return Err(Stop::Bad("it has no segment"));
    }
    let parts = find_parts(known, &segment_range, None)?;
    let (tick_ns, ticks) = info(known, &parts)?;
    let entries: Vec<_> = match &parts.tracks {
        Some(range) => Elements(content(known, range)?).filter(|(id, _)| *id == 0xae).take(TRACKS_MAX).collect(),
        None => return Err(Stop::Bad("it has no list of tracks")),
    };
    let tracks: Vec<_> = entries.iter().map(|(_, entry)| read_track(entry)).collect();
    let texts = entries.iter().filter_map(|(_, entry)| read_text(entry, tick_ns, segment_range.end));
    let text = texts.map(|text| (text.track, TextSource::Matroska(text))).collect();
    let main = tracks
        .iter()
        .find(|track| track.kind == TrackKind::Video)
        .or_else(|| tracks.iter().find(|t| t.kind == TrackKind::Audio));
    let media_start = parts.cluster.unwrap_or(segment_range.end);
    let mut index = Index { start: parts.passed, media_start, ..Index::default() };
    if let Some(cues) = &parts.cues {
        if !index.start.iter().any(|range| range.start <= cues.start && cues.end <= range.end) {
            index.seek.push(cues.clone());
        }
        index.set_points(read_cues(content(known, cues)?, main.map(|track| track.id), tick_ns, &segment_range));
    }
    #[allow(clippy::cast_precision_loss, reason = "a tick is a few million nanoseconds at most")]
    let duration =
        ticks.map(|ticks| ticks * tick_ns as f64 / 1e9).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Media { container, tracks, duration: duration.filter(|duration| !duration.is_zero()), index, text })
}

/// Where what lists subtitles begins: their entries, and the checksum over them. Known as soon as the list of tracks is.
pub(super) fn subtitle_entries(known: &Known) -> Result<Vec<u64>, Stop> {
    let (_, header) = element(known, 0)?;
    let (_, segment) = element(known, header.end)?;
    match find_parts(known, &segment, Some(TRACKS))?.tracks {
        Some(range) => Ok(entries_in(content(known, &range)?, range.start)),
        None => Ok(Vec::new()),
    }
}

fn entries_in(tracks: &[u8], start: u64) -> Vec<u64> {
    let (mut checksum, mut entries) = (None, Vec::new());
    let mut elements = Elements(tracks);
    loop {
        let at = start + (tracks.len() - elements.0.len()) as u64;
        match elements.next() {
            Some((0xbf, _)) if checksum.is_none() => checksum = Some(at),
            Some((0xae, entry)) if read_track(entry).kind == TrackKind::Subtitle => entries.push(at),
            Some(_) if entries.len() < TRACKS_MAX => {}
            Some(_) | None => break,
        }
    }
    // It is wrong once they are hidden.
    entries.extend(checksum.filter(|_| !entries.is_empty()));
    entries
}

/// The head of the element at a place, and where its content is. One of unknown size has all the rest.
fn element(known: &Known, at: u64) -> Result<(Head, Range<u64>), Stop> {
    let room = usize::try_from(known.length().saturating_sub(at)).unwrap_or(usize::MAX);
    let bytes = known.get(at, Head::LEN_MAX.min(room))?;
    let head = Head::read(bytes).ok_or(Stop::Bad("an element has no head"))?;
    let start = at + head.length as u64;
    let end = head.size.map_or(known.length(), |size| start.saturating_add(size)).min(known.length());
    Ok((head, start..end))
}

fn content<'a>(known: &'a Known, range: &Range<u64>) -> Result<&'a [u8], Stop> {
    match usize::try_from(range.end - range.start) {
        Ok(length) if length as u64 <= ELEMENT_MAX => known.get(range.start, length),
        _ => Err(Stop::Bad("an element is too large")),
    }
}

/// Walks to the first cluster, and to what the SeekHeads on the way name beyond it; where one part alone is wanted, no farther than to it.
fn find_parts(known: &Known, segment: &Range<u64>, wanted: Option<u32>) -> Result<Parts, Stop> {
    let mut parts = Parts::default();
    let mut named = Vec::new();
    let mut from = 0;
    let mut at = segment.start;
    for _ in 0..ELEMENTS_MAX {
        if at >= segment.end || wanted.is_some_and(|id| parts.has(id)) {
            break;
        }
        let (head, range) = match element(known, at) {
            // Padding by zeros, or rubbish: what was found until here may do.
            Err(Stop::Bad(_)) if parts.tracks.is_some() => break,
            found => found?,
        };
        if head.id == CLUSTER {
            parts.cluster = Some(at);
            break;
        }
        if head.id == SEEK_HEAD {
            named.extend(read_seek_head(content(known, &range)?, segment));
        }
        if !parts.take(head.id, &range) {
            // Players jump over what they do not need: fonts may have more bytes than all the rest.
            if range.end - range.start > super::READ_MIN {
                parts.passed.push(from..range.start);
                from = range.end;
            }
        }
        at = range.end;
    }
    parts.passed.push(from..at.min(segment.end));
    parts.passed.retain(|range| range.start < range.end);
    for (id, place) in named {
        if parts.has(id) || wanted.is_some_and(|wanted| wanted != id) || place >= known.length() {
            continue;
        }
        match element(known, place) {
            Ok((head, range)) if head.id == id => drop(parts.take(id, &(range.start..range.end))),
            // A file that is cut off, or was cut out of another: it plays without.
            Ok(_) | Err(Stop::Bad(_) | Stop::Unknown) => {}
            Err(need @ Stop::Need(_)) => return Err(need),
        }
    }
    Ok(parts)
}

impl Parts {
    fn has(&self, id: u32) -> bool {
        match id {
            INFO => self.info.is_some(),
            TRACKS => self.tracks.is_some(),
            CUES => self.cues.is_some(),
            _ => true,
        }
    }

    /// Whether it is a part that is needed.
    fn take(&mut self, id: u32, range: &Range<u64>) -> bool {
        let part = match id {
            INFO => &mut self.info,
            TRACKS => &mut self.tracks,
            CUES => &mut self.cues,
            SEEK_HEAD => return true,
            _ => return false,
        };
        part.get_or_insert(range.clone());
        true
    }
}

/// What a SeekHead names, with the places in the file.
fn read_seek_head(bytes: &[u8], segment: &Range<u64>) -> Vec<(u32, u64)> {
    let seek = |bytes| {
        let (mut id, mut position) = (None, None);
        for (element, content) in Elements(bytes) {
            match element {
                0x53ab => id = u32::try_from(unsigned(content)).ok(),
                0x53ac => position = segment.start.checked_add(unsigned(content)),
                _ => {}
            }
        }
        Some((id?, position?))
    };
    Elements(bytes)
        .filter(|(id, _)| *id == 0x4dbb)
        .filter_map(|(_, content)| seek(content))
        .take(ELEMENTS_MAX)
        .collect()
}

/// Nanoseconds of a tick, and how many ticks the film has.
fn info(known: &Known, parts: &Parts) -> Result<(u64, Option<f64>), Stop> {
    let Some(range) = &parts.info else { return Ok((TICK_NS_DEFAULT, None)) };
    let (mut tick_ns, mut ticks) = (TICK_NS_DEFAULT, None);
    for (id, content) in Elements(content(known, range)?) {
        match id {
            0x2ad7b1 => tick_ns = Some(unsigned(content)).filter(|ns| *ns > 0).unwrap_or(TICK_NS_DEFAULT),
            0x4489 => ticks = float(content),
            _ => {}
        }
    }
    Ok((tick_ns, ticks))
}

fn read_track(entry: &[u8]) -> Track {
    let (mut codec_id, mut private) = (String::new(), &[][..]);
    let (mut language, mut bcp47) = (Some("eng".to_owned()), None);
    let mut track = Track {
        id: 0,
        kind: TrackKind::Other,
        codec: Codec::unknown(b""),
        language: None,
        name: None,
        default: true,
        forced: false,
    };
    let told = |content| Some(text(content)).filter(|text| !text.is_empty() && text != "und");
    for (id, content) in Elements(entry) {
        match id {
            0xd7 => track.id = unsigned(content),
            0x83 => {
                track.kind = match unsigned(content) {
                    1 => TrackKind::Video,
                    2 => TrackKind::Audio,
                    17 => TrackKind::Subtitle,
                    _ => TrackKind::Other,
                }
            }
            0x88 => track.default = unsigned(content) != 0,
            0x55aa => track.forced = unsigned(content) != 0,
            0x536e => track.name = told(content),
            // Where it is left out, it is English (section 5.1.4.1.19).
            0x22b59c => language = told(content),
            0x22b59d => bcp47 = told(content),
            0x86 => codec_id = text(content),
            0x63a2 => private = content,
            _ => {}
        }
    }
    track.language = bcp47.or(language);
    track.codec = codec::by_matroska_id(&codec_id, private);
    track
}

/// How the lines of a track of text are stored; `None` where it is none, or is encrypted.
fn read_text(entry: &[u8], tick_ns: u64, end: u64) -> Option<MatroskaText> {
    let field = |wanted| Elements(entry).find(|(id, _)| *id == wanted).map(|(_, content)| content);
    let format = match text(field(0x86)?).as_str() {
        "S_TEXT/UTF8" | "S_TEXT/ASCII" => MatroskaFormat::SubRip,
        "S_TEXT/ASS" | "S_TEXT/SSA" | "S_ASS" | "S_SSA" => {
            MatroskaFormat::Ass(Script::read(&String::from_utf8_lossy(field(0x63a2).unwrap_or_default())))
        }
        "S_TEXT/WEBVTT" => MatroskaFormat::WebVtt,
        "D_WEBVTT/SUBTITLES" | "D_WEBVTT/CAPTIONS" => MatroskaFormat::WebVttWithHead,
        _ => return None,
    };
    let packing = match field(0x6d80).map(Elements) {
        None => Packing::None,
        Some(mut encodings) => {
            let (_, encoding) = encodings.next().filter(|(id, _)| *id == 0x6240)?;
            let inner = |bytes, wanted| Elements(bytes).find(|(id, _)| *id == wanted).map(|(_, content)| content);
            let compression = inner(encoding, 0x5034)?;
            // One alone, of the blocks alone.
            match (encodings.next(), inner(compression, 0x4254).map_or(0, unsigned)) {
                (None, 0) => Packing::Zlib,
                (None, 3) => Packing::Stripped(inner(compression, 0x4255).unwrap_or_default().to_vec()),
                _ => return None,
            }
        }
    };
    Some(MatroskaText { track: unsigned(field(0xd7)?), format, packing, tick_ns, end })
}

/// The points of one track; of the first that is named where that is unknown.
fn read_cues(bytes: &[u8], track: Option<u64>, tick_ns: u64, segment: &Range<u64>) -> Vec<Point> {
    let mut points = Vec::new();
    for (_, point) in Elements(bytes).filter(|(id, _)| *id == 0xbb).take(CUES_MAX) {
        let mut time = None;
        for (id, content) in Elements(point) {
            match id {
                0xb3 => time = Some(Duration::from_nanos(unsigned(content).saturating_mul(tick_ns))),
                0xb7 => {
                    let field =
                        |wanted| Elements(content).find(|(id, _)| *id == wanted).map(|(_, content)| unsigned(content));
                    let place = field(0xf1).and_then(|cluster| segment.start.checked_add(cluster));
                    let is_meant = track.is_none() || field(0xf7) == track;
                    if let (Some(time), Some(offset), true) = (time, place.filter(|at| *at < segment.end), is_meant) {
                        points.push(Point { time, offset });
                    }
                }
                _ => {}
            }
        }
    }
    points
}
