//! AVI (Microsoft's AVI RIFF file reference).

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Codec, Container, Known, Media, Stop, TRACKS_MAX, Track, TrackKind, codec};
use crate::{Index, Point};

/// Bytes of the headers at most.
const HEADERS_MAX: u64 = 4 << 20;
/// Bytes of the old index at most: 16 for each picture and each piece of sound.
const INDEX_MAX: u64 = 32 << 20;
/// Chunks at the top at most.
const CHUNKS_MAX: usize = 64;
/// The flag of a picture that playback can begin at.
const KEY_FRAME: u32 = 0x10;

pub(super) fn read(known: &Known) -> Result<Media, Stop> {
    let (mut at, mut headers, mut movie, mut old_index) = (12, None, None, None);
    for _ in 0..CHUNKS_MAX {
        if at + 12 > known.length() || (old_index.is_some() && movie.is_some()) {
            break;
        }
        let head = known.get(at, 12)?;
        let (id, size, list) = (&head[..4], u64::from(number(head, 4).unwrap_or(0)), &head[8..]);
        let end = at + 8 + size;
        match (id, list) {
            (b"LIST", b"hdrl") if size <= HEADERS_MAX && end <= known.length() => headers = Some(at + 12..end),
            (b"LIST", b"movi") => movie = Some(at),
            (b"idx1", _) if size <= INDEX_MAX && end <= known.length() => old_index = Some(at + 8..end),
            // Further parts of a large file.
            (b"RIFF", _) => break,
            _ => {}
        }
        at = end + size % 2;
    }
    let headers = headers.ok_or(Stop::Bad("it has no headers"))?;
    let movie = movie.ok_or(Stop::Bad("it has no pictures"))?;
    let film =
        Film::read(known.get(headers.start, usize::try_from(headers.end - headers.start).unwrap_or(usize::MAX))?);
    let mut index = Index { media_start: movie, ..Index::default() };
    #[allow(clippy::single_range_in_vec_init, reason = "one range is meant")]
    index.start.clone_from(&vec![0..movie + 12]);
    if let Some(range) = old_index {
        index.seek.push(range.start - 8..range.end);
        let bytes = known.get(range.start, usize::try_from(range.end - range.start).unwrap_or(usize::MAX))?;
        index.set_points(film.points(bytes, movie + 8));
    }
    Ok(Media {
        text: BTreeMap::new(),
        container: Container::Avi,
        duration: film.duration(),
        tracks: film.tracks,
        index,
    })
}

#[derive(Default)]
struct Film {
    tracks: Vec<Track>,
    /// Nanoseconds of a picture, and how many there are.
    picture_ns: u64,
    pictures: u64,
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The chunks in some bytes, by id and content; a list's content begins with its kind.
struct Chunks<'a>(&'a [u8]);

impl<'a> Iterator for Chunks<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let size = usize::try_from(number(self.0, 4)?).ok()?;
        let (id, rest) = (self.0.get(..4)?, self.0.get(8..)?);
        let content = rest.get(..size)?;
        // Chunks begin at even places.
        self.0 = rest.get(size + size % 2..).unwrap_or_default();
        Some((id, content))
    }
}

impl Film {
    fn read(headers: &[u8]) -> Self {
        let mut film = Self::default();
        for (id, content) in Chunks(headers) {
            match (id, content) {
                (b"avih", _) => {
                    film.picture_ns = u64::from(number(content, 0).unwrap_or(0)) * 1000;
                    film.pictures = number(content, 16).unwrap_or(0).into();
                }
                (b"LIST", [b's', b't', b'r', b'l', stream @ ..]) if film.tracks.len() < TRACKS_MAX => {
                    film.take_stream(stream)
                }
                _ => {}
            }
        }
        film
    }

    fn take_stream(&mut self, stream: &[u8]) {
        let (mut header, mut format, mut name) = (&[][..], &[][..], None);
        for (id, content) in Chunks(stream) {
            match id {
                b"strh" => header = content,
                b"strf" => format = content,
                b"strn" => name = Some(super::ebml::text(content)).filter(|name| !name.is_empty()),
                _ => {}
            }
        }
        let tag = format.get(..2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
        let (kind, codec) = match header.get(..4).unwrap_or_default() {
            b"vids" => {
                let code = format.get(16..20).or(header.get(4..8)).unwrap_or_default();
                (TrackKind::Video, codec::by_fourcc(code))
            }
            b"auds" => (TrackKind::Audio, codec::by_wave_tag(tag)),
            b"txts" => (TrackKind::Subtitle, Codec::foreign("AVI text")),
            other => (TrackKind::Other, Codec::unknown(other)),
        };
        let id = self.tracks.len() as u64;
        self.tracks.push(Track { id, kind, codec, language: None, name, default: true, forced: false });
    }

    fn duration(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.picture_ns.checked_mul(self.pictures)?)).filter(|duration| !duration.is_zero())
    }

    /// The key frames of the first picture track. Places count from the movie list or from the beginning of the file; writers differ.
    fn points(&self, old_index: &[u8], movie: u64) -> Vec<Point> {
        let Some(video) = self.tracks.iter().find(|track| track.kind == TrackKind::Video) else { return Vec::new() };
        let prefix = format!("{:02}d", video.id);
        let entries = old_index.chunks_exact(16).filter(|entry| entry.starts_with(prefix.as_bytes()));
        let mut base = None;
        let mut points = Vec::new();
        for (picture, entry) in (0_u64..).zip(entries) {
            let (Some(flags), Some(place)) = (number(entry, 4), number(entry, 8).map(u64::from)) else { break };
            let base = *base.get_or_insert(if place < movie { movie } else { 0 });
            if flags & KEY_FRAME != 0 {
                let time = Duration::from_nanos(picture.saturating_mul(self.picture_ns));
                points.push(Point { time, offset: base + place });
            }
        }
        points
    }
}
