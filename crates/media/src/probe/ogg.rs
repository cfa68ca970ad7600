//! Ogg (RFC 3533): each logical stream begins with a page that tells what it is, before anything else.

use std::collections::BTreeMap;

use super::{Codec, Container, Media, Stop, TRACKS_MAX, Track, TrackKind};
use crate::Index;

pub(super) fn read(head: &[u8]) -> Result<Media, Stop> {
    let mut tracks = Vec::new();
    let mut rest = head;
    while let Some((serial, content, after)) = first_page(rest) {
        if tracks.len() >= TRACKS_MAX {
            break;
        }
        let (kind, codec) = match content {
            [1, b'v', b'o', b'r', b'b', b'i', b's', ..] => (TrackKind::Audio, Codec::new("Vorbis", "vorbis")),
            [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', ..] => (TrackKind::Audio, Codec::new("Opus", "opus")),
            [0x7f, b'F', b'L', b'A', b'C', ..] => (TrackKind::Audio, Codec::new("FLAC", "flac")),
            [b'S', b'p', b'e', b'e', b'x', ..] => (TrackKind::Audio, Codec::foreign("Speex")),
            [0x80, b't', b'h', b'e', b'o', b'r', b'a', ..] => (TrackKind::Video, Codec::new("Theora", "theora")),
            [b'O', b'V', b'P', b'8', b'0', ..] => (TrackKind::Video, Codec::new("VP8", "vp8")),
            _ => (TrackKind::Other, Codec::unknown(content.get(..8).unwrap_or_default())),
        };
        let id = serial.into();
        tracks.push(Track { id, kind, codec, language: None, name: None, default: true, forced: false });
        rest = after;
    }
    let media_start = (head.len() - rest.len()) as u64;
    #[allow(clippy::single_range_in_vec_init, reason = "one range is meant")]
    let start = vec![0..head.len() as u64];
    Ok(Media {
        text: BTreeMap::new(),
        container: Container::Ogg,
        tracks,
        duration: None,
        index: Index { start, media_start, ..Index::default() },
    })
}

/// Serial number and content of a page that begins a stream, and what follows it.
fn first_page(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let begins = bytes.starts_with(b"OggS") && bytes.get(5)? & 2 != 0;
    let serial = u32::from_le_bytes(bytes.get(14..18)?.try_into().ok()?);
    let segments = bytes.get(27..27 + usize::from(*bytes.get(26)?))?;
    let start = 27 + segments.len();
    let end = start + segments.iter().map(|length| usize::from(*length)).sum::<usize>();
    begins.then_some((serial, bytes.get(start..end)?, &bytes[end..]))
}
