//! Tracks of text that ffmpeg put into films.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Folder, probe};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use streamshare_media::{Cue, Extractor, Media, Place, TrackKind};

const SRT: &str = "1\n00:00:00,500 --> 00:00:02,000\n<i>One</i> & only\n\n2\n00:00:05,000 --> 00:00:06,500\nTwo\nlines\n\n\
                   3\n00:00:09,000 --> 00:00:11,000\n{\\an8}Three\n";
const VIDEO: [&str; 8] = ["-map", "0:v", "-map", "2", "-c:v", "libx264", "-preset", "ultrafast"];

fn film(name: &str, codec: &str) -> (Vec<u8>, Media, u64) {
    let folder = Folder::new();
    let subtitles = folder.write("s.srt", SRT);
    let video: &[&str] = if name.ends_with("webm") {
        &["-map", "0:v", "-map", "2", "-c:v", "libvpx", "-deadline", "realtime"]
    } else {
        &VIDEO
    };
    let file = folder.film(name, &["-i", subtitles.to_str().unwrap()], &[video, &["-c:s", codec]].concat());
    let media = probe(&file).0.unwrap();
    let track = media.tracks_of(TrackKind::Subtitle).next().unwrap_or_else(|| panic!("{name}: {media:?}")).id;
    (file, media, track)
}

/// Everything that is found between two times, and what was read for it.
fn read(extractor: &mut Extractor, file: &[u8], from: f64, until: f64) -> (Vec<Cue>, Vec<Range<u64>>) {
    let (mut cues, mut reads) = (Vec::new(), Vec::new());
    while let Some(range) = extractor.poll(Duration::from_secs_f64(from), Duration::from_secs_f64(until)) {
        assert!(reads.len() < 1000, "{reads:?}");
        let bytes = &file[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap().min(file.len())];
        cues.extend(extractor.feed(range.start, bytes));
        reads.push(range);
    }
    (cues, reads)
}

fn shown(cues: &[Cue]) -> Vec<(u128, u128, &str, Place)> {
    cues.iter().map(|cue| (cue.start.as_millis(), cue.end.as_millis(), cue.text.as_str(), cue.place)).collect()
}

#[test]
fn text_of_every_kind() {
    for (name, codec) in
        [("a.mkv", "srt"), ("b.mkv", "ass"), ("c.webm", "webvtt"), ("d.mp4", "mov_text"), ("e.mov", "mov_text")]
    {
        let (file, media, track) = film(name, codec);
        let mut extractor = Extractor::new(&media, track).unwrap();
        let (cues, _) = read(&mut extractor, &file, 0.0, 60.0);
        // ffmpeg keeps the place in some alone.
        let place = if matches!(codec, "srt" | "ass") { Place::Top } else { Place::Bottom };
        let wanted = [
            (500, 2000, "<i>One</i> &amp; only", Place::Bottom),
            (5000, 6500, "Two\nlines", Place::Bottom),
            (9000, 11_000, "Three", place),
        ];
        assert_eq!(shown(&cues), wanted, "{name}");
        assert_eq!(read(&mut extractor, &file, 0.0, 60.0), (vec![], vec![]), "{name}");
    }
}

/// When ffprobe finds lines in a film, in milliseconds.
fn times_by_ffprobe(film: &Path) -> Vec<u128> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-select_streams", "s:0", "-show_entries", "packet=pts_time,size", "-of", "csv=p=0"]);
    let output = ffprobe.arg(film).output().unwrap();
    let packets = String::from_utf8(output.stdout).unwrap();
    let fields = packets.lines().map(|packet| packet.split(',').map(|field| field.parse::<f64>().unwrap()));
    // Two bytes say that there is no line.
    let lines = fields.map(Iterator::collect::<Vec<_>>).filter(|packet| packet[1] > 2.0);
    lines.map(|packet| Duration::from_secs_f64(packet[0]).as_millis()).collect()
}

#[test]
fn text_in_fragments() {
    let folder = Folder::new();
    let subtitles = folder.write("s.srt", SRT);
    folder.film("whole.mkv", &["-i", subtitles.to_str().unwrap()], &[&VIDEO[..], &["-map", "1:a"]].concat());
    for flags in [
        // With an empty description and with one of the first fragment, an index at either end and none, and each way to say where the
        // data are.
        "frag_keyframe+empty_moov",
        "frag_keyframe",
        "empty_moov+default_base_moof+global_sidx",
        "empty_moov+omit_tfhd_offset+skip_trailer",
        "empty_moov+separate_moof",
    ] {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-v", "error", "-y", "-nostdin", "-i"])
            .arg(folder.path("whole.mkv"))
            .args(["-map", "0", "-c", "copy"]);
        ffmpeg.args(["-c:s", "mov_text", "-frag_duration", "2000000", "-movflags", flags]).arg(folder.path("f.mp4"));
        assert!(ffmpeg.status().unwrap().success(), "{flags}");
        let file = std::fs::read(folder.path("f.mp4")).unwrap();
        let media = probe(&file).0.unwrap();
        let track = media.tracks_of(TrackKind::Subtitle).next().unwrap().id;
        let mut extractor = Extractor::new(&media, track).unwrap();
        let (mut cues, reads) = read(&mut extractor, &file, 0.0, 1.0);
        let some: u64 = reads.iter().map(|read| read.end - read.start).sum();
        assert!(cues.len() == 1 && some < file.len() as u64 / 4, "{flags}: {reads:?} of {}", file.len());
        cues.extend(read(&mut extractor, &file, 8.5, 60.0).0);
        cues.extend(read(&mut extractor, &file, 0.0, 60.0).0);
        cues.sort_by_key(|cue| cue.start);
        let texts: Vec<_> = cues.iter().map(|cue| cue.text.as_str()).collect();
        assert_eq!(texts, ["<i>One</i> &amp; only", "Two\nlines", "Three"], "{flags}");
        let times: Vec<_> = cues.iter().map(|cue| cue.start.as_millis()).collect();
        assert_eq!(times, times_by_ffprobe(&folder.path("f.mp4")), "{flags}");
        assert_eq!(read(&mut extractor, &file, 0.0, 60.0), (vec![], vec![]), "{flags}");
    }
}

#[test]
fn only_what_is_played_is_read() {
    for (name, codec) in [("a.mkv", "srt"), ("d.mp4", "mov_text")] {
        let (file, media, track) = film(name, codec);
        let mut extractor = Extractor::new(&media, track).unwrap();
        let (first, reads) = read(&mut extractor, &file, 0.0, 1.0);
        // One read more than needed, since a block is known by reading it.
        assert!(reads.len() <= 1 && first[0].text.contains("One"), "{name}: {first:?} {reads:?}");
        // Somewhere else, and then what was left out.
        let (last, _) = read(&mut extractor, &file, 8.5, 20.0);
        assert_eq!(last.last().map(|cue| cue.text.as_str()), Some("Three"), "{name}");
        let (rest, _) = read(&mut extractor, &file, 3.0, 20.0);
        assert_eq!(first.len() + last.len() + rest.len(), 3, "{name}: {first:?} {last:?} {rest:?}");
    }
}

#[test]
fn bytes_that_come_in_small_parts() {
    let (file, media, track) = film("a.mkv", "srt");
    let mut extractor = Extractor::new(&media, track).unwrap();
    let mut cues = Vec::new();
    while let Some(range) = extractor.poll(Duration::ZERO, Duration::from_secs(60)) {
        // As much as one piece of a torrent.
        let end = usize::try_from(range.end).unwrap().min(usize::try_from(range.start).unwrap() + (64 << 10));
        cues.extend(extractor.feed(range.start, &file[usize::try_from(range.start).unwrap()..end]));
    }
    assert_eq!(cues.len(), 3);
    // A stranger's bytes are not taken.
    assert_eq!(extractor.feed(0, &file[..100]), []);
}
