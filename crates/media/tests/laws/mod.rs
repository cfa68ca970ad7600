//! What holds of every file, however it was made. Used by the tests and by the fuzz targets.
#![allow(dead_code, reason = "each user holds a part of the laws")]

use std::time::Duration;
use streamshare_media::{
    Container, Cue, Extractor, Media, Probe, SUBTITLE_LEN_MAX, Step, TrackKind, decode, read_subtitles,
};

/// More than any probe asks for.
const READS_MAX: usize = 100;
/// Tags of WebVTT's cue text.
const TAGS: [&str; 8] = ["b", "i", "u", "c", "v", "lang", "ruby", "rt"];

/// A probe ends, asks for what the file has, and tells of places in the file; so does what takes the text out of it.
pub(crate) fn media(file: &[u8]) {
    let length = file.len() as u64;
    let part = |start: u64, end: u64| &file[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()];
    let mut probe = Probe::new(length);
    let mut reads = 0;
    let media = loop {
        match probe.poll() {
            Step::Read(range) => {
                assert!(range.start < range.end && range.end <= length, "{range:?} of {length}");
                probe.feed(range.start, part(range.start, range.end));
                reads += 1;
                assert!(reads < READS_MAX, "a probe does not end");
            }
            Step::Done(media) => {
                without_subtitles(file, &media, &probe.subtitle_entries().expect("it has the list of tracks"));
                break media;
            }
            Step::Failed(_) => return,
        }
    };
    for range in media.index.start.iter().chain(&media.index.seek) {
        assert!(range.start <= range.end && range.end <= length, "{range:?} of {length}");
    }
    let points = media.index.points();
    assert!(points.is_sorted_by(|a, b| a.time < b.time) && points.len() <= 1 << 16);
    for track in &media.tracks {
        let Some(mut extractor) = Extractor::new(&media, track.id) else { continue };
        for from in [0, 3] {
            let mut reads = 0;
            while let Some(range) = extractor.poll(Duration::from_secs(from), Duration::from_secs(3600)) {
                assert!(range.start < range.end, "{range:?}");
                let bytes = if range.start < length { part(range.start, range.end.min(length)) } else { &[] };
                extractor.feed(range.start, bytes).iter().for_each(cue);
                reads += 1;
                // One for each sample or part of a cluster at most, which this file may name some of.
                assert!(reads < file.len() + READS_MAX, "an extractor does not end");
                if bytes.is_empty() {
                    // Who reads beyond the end gets nothing, and gives up.
                    break;
                }
            }
        }
    }
}

/// Where the entries of subtitles are hidden, the film is the same without them.
fn without_subtitles(file: &[u8], media: &Media, entries: &[u64]) {
    if media.container != Container::Matroska && media.container != Container::WebM {
        assert!(entries.is_empty());
        return;
    }
    let mut hidden = file.to_vec();
    for entry in entries {
        let byte = &mut hidden[usize::try_from(*entry).unwrap()];
        assert!(matches!(std::mem::replace(byte, 0xec), 0xae | 0xbf), "{entries:?}");
    }
    let mut probe = Probe::new(hidden.len() as u64);
    probe.feed(0, &hidden);
    let Step::Done(seen) = probe.poll() else { panic!("{:?} of {media:?}", probe.poll()) };
    let others: Vec<_> = media.tracks.iter().filter(|track| track.kind != TrackKind::Subtitle).cloned().collect();
    assert!(
        (&seen.tracks, &seen.index) == (&others, &media.index) || media.tracks.len() == 256,
        "{seen:?} of {media:?}"
    );
}

/// Whatever is in a subtitle file, what is shown is text.
pub(crate) fn subtitles(file: &[u8]) {
    let text = decode(file).unwrap_or_else(|| String::from_utf8_lossy(file).into_owned());
    assert!(text.len() <= SUBTITLE_LEN_MAX * 3);
    if let Ok(cues) = read_subtitles(&text) {
        assert!(!cues.is_empty() && cues.is_sorted_by_key(|cue| cue.start));
        cues.iter().for_each(cue);
    }
}

fn cue(cue: &Cue) {
    assert!(cue.start < cue.end && !cue.text.is_empty() && cue.text.chars().count() <= 2_100, "{cue:?}");
    assert!(!cue.text.contains("\n\n") && !cue.text.contains('\0') && !cue.text.contains("-->"), "{cue:?}");
    for piece in cue.text.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap_or_else(|| panic!("an open tag in {cue:?}"));
        let name = tag.trim_start_matches('/').split([' ', '.']).next().unwrap_or_default();
        let is_time = tag.starts_with(|c: char| c.is_ascii_digit())
            && tag.chars().all(|c| c.is_ascii_digit() || ":., ".contains(c));
        assert!(TAGS.contains(&name) || is_time, "<{tag}> in {cue:?}");
    }
}
