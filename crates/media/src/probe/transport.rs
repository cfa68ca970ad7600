//! MPEG transport streams (ISO/IEC 13818-1): the program tables name what is in them. They have no index.

use std::collections::BTreeMap;

use super::{Codec, Container, Known, Media, Stop, TRACKS_MAX, Track, TrackKind, codec};
use crate::Index;

const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// Bytes in which the tables have to be: they come at least every 0.1 s.
const SEARCHED: u64 = 1 << 20;

/// Bytes before each packet: none, or the arrival time of Blu-ray discs.
fn prefix(head: &[u8]) -> Option<usize> {
    [0, 4].into_iter().find(|prefix| {
        let mut places = (0..4).map(|n| n * (PACKET + prefix) + prefix).filter(|at| *at < head.len()).peekable();
        head.len() >= PACKET && places.peek().is_some() && places.all(|at| head[at] == SYNC)
    })
}

pub(super) fn is_transport(head: &[u8]) -> bool {
    prefix(head).is_some()
}

pub(super) fn read(known: &Known) -> Result<Media, Stop> {
    let length = usize::try_from(known.length().min(SEARCHED)).expect("it is at most 1 MiB");
    let first = known.get(0, length.min(64 << 10))?;
    // Most often the tables come first.
    let tracks = match tables(first) {
        Some(tracks) => tracks,
        None => tables(known.get(0, length)?).ok_or(Stop::Bad("it has no program table"))?,
    };
    #[allow(clippy::single_range_in_vec_init, reason = "one range is meant")]
    let start = vec![0..length.min(64 << 10) as u64];
    Ok(Media {
        text: BTreeMap::new(),
        container: Container::MpegTs,
        tracks,
        duration: None,
        index: Index { start, ..Index::default() },
    })
}

/// The tracks of the first program.
fn tables(bytes: &[u8]) -> Option<Vec<Track>> {
    let prefix = prefix(bytes)?;
    let mut program = None;
    let mut sections: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    for packet in bytes.chunks_exact(PACKET + prefix).map(|packet| &packet[prefix..]) {
        if packet[0] != SYNC {
            break;
        }
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        if pid != 0 && Some(pid) != program {
            continue;
        }
        let begins = packet[1] & 0x40 != 0;
        let payload = match packet[3] >> 4 & 3 {
            1 => &packet[4..],
            3 => packet.get(5 + usize::from(packet[4])..).unwrap_or_default(),
            _ => continue,
        };
        if begins {
            let skipped = usize::from(*payload.first().unwrap_or(&0)) + 1;
            sections.insert(pid, payload.get(skipped..).unwrap_or_default().to_vec());
        } else if let Some(section) = sections.get_mut(&pid) {
            section.extend_from_slice(payload);
        }
        let Some(section) = sections.get(&pid).and_then(|section| whole(section)) else { continue };
        match pid {
            0 => program = first_program(section),
            _ if section[0] == 2 => return Some(program_map(section)),
            _ => {}
        }
    }
    None
}

/// A section without its checksum, once it is complete.
fn whole(section: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*section.get(1)? & 0x0f, *section.get(2)?]));
    section.get(..(3 + length).checked_sub(4)?).filter(|section| section.len() >= 8 && length + 3 <= section.len() + 4)
}

fn first_program(section: &[u8]) -> Option<u16> {
    let mut programs = section.get(8..)?.chunks_exact(4);
    programs.find(|entry| entry[..2] != [0, 0]).map(|entry| u16::from_be_bytes([entry[2] & 0x1f, entry[3]]))
}

fn program_map(section: &[u8]) -> Vec<Track> {
    let mut tracks = Vec::new();
    let length = |bytes: &[u8]| usize::from(u16::from_be_bytes([bytes[0] & 0x0f, bytes[1]]));
    let Some(skipped) = section.get(10..12).map(length) else { return tracks };
    let mut rest = section.get(12 + skipped..).unwrap_or_default();
    while let [kind, p0, p1, l0, l1, after @ ..] = rest {
        let (descriptors, next) = after.split_at(length(&[*l0, *l1]).min(after.len()));
        if tracks.len() < TRACKS_MAX {
            tracks.push(track(*kind, u16::from_be_bytes([p0 & 0x1f, *p1]), descriptors));
        }
        rest = next;
    }
    tracks
}

/// A stream by its type (table 2-34, and the registrations of ATSC, DVB and Blu-ray) and its descriptors.
fn track(stream_type: u8, pid: u16, descriptors: &[u8]) -> Track {
    let (mut language, mut tags) = (None, Vec::new());
    let mut rest = descriptors;
    while let [tag, length, after @ ..] = rest {
        let (content, next) = after.split_at(usize::from(*length).min(after.len()));
        match (tag, content) {
            (0x0a | 0x56 | 0x59, [a, b, c, ..]) if [a, b, c].iter().all(|letter| letter.is_ascii_lowercase()) => {
                language = Some(String::from_utf8_lossy(&[*a, *b, *c]).into_owned());
            }
            _ => {}
        }
        tags.push((*tag, content));
        rest = next;
    }
    let has = |tag| tags.iter().any(|(known, _)| *known == tag);
    let registered = |name: &[u8]| tags.iter().any(|(tag, content)| *tag == 5 && *content == name);
    use TrackKind::{Audio, Subtitle, Video};
    let (kind, codec) = match stream_type {
        0x01 => (Video, Codec::foreign("MPEG-1 video")),
        0x02 => (Video, Codec::foreign("MPEG-2 video")),
        0x10 => (Video, Codec::new("MPEG-4 Visual", "mp4v.20.9")),
        0x1b => (Video, codec::h264(&[])),
        0x24 => (Video, codec::h265(&[])),
        0xea => (Video, Codec::foreign("VC-1")),
        0x03 | 0x04 => (Audio, Codec::new("MP2", "mp4a.69")),
        0x0f | 0x11 => (Audio, codec::aac(&[])),
        0x80 if registered(b"HDMV") => (Audio, Codec::foreign("uncompressed sound (PCM)")),
        0x81 => (Audio, Codec::new("Dolby Digital (AC-3)", "ac-3")),
        0x83 => (Audio, Codec::new("Dolby TrueHD", "mlpa")),
        0x84 | 0x87 | 0xa1 => (Audio, Codec::new("Dolby Digital Plus (E-AC-3)", "ec-3")),
        0x82 | 0x85 | 0x86 | 0xa2 => (Audio, codec::dts()),
        0x90 => (Subtitle, Codec::pictures("PGS")),
        0x06 if has(0x6a) || registered(b"AC-3") => (Audio, Codec::new("Dolby Digital (AC-3)", "ac-3")),
        0x06 if has(0x7a) || registered(b"EAC3") => (Audio, Codec::new("Dolby Digital Plus (E-AC-3)", "ec-3")),
        0x06 if has(0x7b) => (Audio, codec::dts()),
        0x06 if registered(b"Opus") => (Audio, Codec::new("Opus", "opus")),
        0x06 if registered(b"AV01") => (Video, codec::av1(&[])),
        0x06 if has(0x59) => (Subtitle, Codec::pictures("DVB")),
        0x06 if has(0x56) => (Subtitle, Codec::foreign("teletext")),
        other => (TrackKind::Other, Codec::foreign(&format!("a stream of kind {other:#04x}"))),
    };
    Track { id: pid.into(), kind, codec, language, name: None, default: true, forced: false }
}
