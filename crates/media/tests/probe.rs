//! Files made by ffmpeg, judged against ffprobe.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{Folder, key_frames, probe};
use std::time::Duration;
use streamshare_media::{Container, Extractor, Media, Probe, ProbeError, TrackKind};

const H264: [&str; 8] = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bf", "0"];

/// What a player would be asked by.
fn codecs(media: &Media) -> Vec<(TrackKind, &str)> {
    media.tracks.iter().map(|t| (t.kind, t.codec.rfc6381.as_deref().unwrap_or(&t.codec.name))).collect()
}

/// Holds points against ffprobe's key frames; `slack` is how far before a frame its place may be.
fn agree(media: &Media, path: &std::path::Path, slack: u64) {
    let expected = key_frames(path);
    assert!(expected.len() >= 12, "{expected:?}");
    for (seconds, place) in expected {
        let point = media.index.at(Duration::from_secs_f64(seconds + 0.002)).unwrap();
        let apart = point.time.as_secs_f64() - seconds;
        assert!(
            apart.abs() < 0.05 && point.offset <= place && place - point.offset <= slack,
            "{point:?} is not {seconds} at {place}"
        );
    }
}

fn check(folder: &Folder, name: &str, inputs: &[&str], options: &[&str]) -> (Media, Vec<std::ops::Range<u64>>, u64) {
    let file = folder.film(name, inputs, options);
    let (media, reads) = probe(&file);
    let media = media.unwrap();
    if let Some(duration) = media.duration {
        assert!((duration.as_secs_f64() - 12.0).abs() < 0.3, "{name} has {duration:?}");
    }
    (media, reads, file.len() as u64)
}

#[test]
fn mp4_with_its_index_at_either_end() {
    let folder = Folder::new();
    let (media, reads, length) = check(&folder, "tail.mp4", &[], &[&H264[..], &["-c:a", "aac"]].concat());
    assert_eq!(media.container, Container::Mp4);
    let [(TrackKind::Video, video), (TrackKind::Audio, "mp4a.40.2")] = codecs(&media)[..] else { panic!("{media:?}") };
    assert!(video.starts_with("avc1.42"), "{video}");
    agree(&media, &folder.path("tail.mp4"), 0);
    // The head, and the description at the end; nothing of what is between.
    let [head, tail] = &media.index.start[..] else { panic!("{:?}", media.index.start) };
    assert!(head.end < 100 && tail.end == length && media.index.media_start < 100, "{:?}", media.index);
    assert!(reads.iter().all(|read| read.end <= 32 << 10 || read.start >= tail.start), "{reads:?} of {length}");

    let (media, reads, length) =
        check(&folder, "head.mp4", &[], &[&H264[..], &["-c:a", "aac", "-movflags", "+faststart"]].concat());
    agree(&media, &folder.path("head.mp4"), 0);
    assert_eq!((media.index.start.len(), media.index.start[0].end), (1, media.index.media_start));
    assert!(
        reads.iter().all(|read| read.end <= media.index.media_start.max(32 << 10)) && length > 100_000,
        "{reads:?}"
    );
}

#[test]
fn mp4_in_fragments() {
    let folder = Folder::new();
    for (name, flags) in [
        ("mfra.mp4", "frag_keyframe+empty_moov"),
        ("sidx.mp4", "frag_keyframe+empty_moov+default_base_moof+global_sidx"),
    ] {
        let (media, _, length) = check(&folder, name, &[], &[&H264[..], &["-an", "-movflags", flags]].concat());
        // ffmpeg names the fragment's data; the fragment itself lies before it.
        agree(&media, &folder.path(name), 1000);
        assert_eq!(media.index.start[0].start, 0);
        assert!(media.index.media_start < 2000, "{:?}", media.index.media_start);
        if name == "mfra.mp4" {
            assert_eq!(media.index.seek[0].end, length);
        }
    }
}

#[test]
fn matroska_and_webm() {
    let folder = Folder::new();
    let subtitles = folder.write("s.srt", "1\n00:00:01,000 --> 00:00:02,000\nHello\n");
    // Subtitles of a Blu-ray disc, as its file has them: an empty picture.
    let pictures = folder.path("p.sup");
    std::fs::write(&pictures, b"PG\0\0\x5f\x90\0\0\0\0\x80\0\0".repeat(2)).unwrap();
    let inputs = ["-i", subtitles.to_str().unwrap(), "-f", "sup", "-i", pictures.to_str().unwrap()];
    let options = [
        "-map", "0", "-map", "1", "-map", "1", "-map", "2", "-map", "3", "-c:a:0", "ac3", "-c:a:1", "dca", "-c:s:0",
        "srt", "-c:s:1", "copy", "-strict", "-2", "-ar:a:1", "48000",
    ];
    let tags =
        ["-metadata:s:a:0", "language=ger", "-metadata:s:a:0", "title=Kommentar", "-metadata:s:s:0", "language=fre"];
    let (media, reads, length) = check(&folder, "film.mkv", &inputs, &[&options[..], &H264, &tags].concat());
    assert_eq!(media.container, Container::Matroska);
    let [(_, video), sound @ ..] = &codecs(&media)[..] else { panic!("{media:?}") };
    assert!(video.starts_with("avc1.42"), "{video}");
    let (audio, subtitle) = (TrackKind::Audio, TrackKind::Subtitle);
    assert_eq!(sound, [(audio, "ac-3"), (audio, "dtsc"), (subtitle, "SubRip"), (subtitle, "PGS")]);
    assert!(media.tracks[3].codec.is_text && media.tracks[4].codec.is_pictures);
    let shows = |track: usize| Extractor::new(&media, media.tracks[track].id).is_some();
    assert_eq!((shows(3), shows(4)), (true, false));
    let told: Vec<_> = media.tracks.iter().map(|track| (track.language.as_deref(), track.name.as_deref())).collect();
    assert_eq!(told, [(None, None), (Some("ger"), Some("Kommentar")), (None, None), (Some("fre"), None), (None, None)]);
    // A player that is not to see the subtitles is shown padding there, and no checksum. That is known as soon as the tracks are.
    let mut film = std::fs::read(folder.path("film.mkv")).unwrap();
    let mut head = Probe::new(length);
    assert_eq!(head.subtitle_entries(), None);
    head.feed(0, &film[..32 << 10]);
    let entries = head.subtitle_entries().unwrap();
    let hidden = entries.iter().map(|entry| std::mem::replace(&mut film[usize::try_from(*entry).unwrap()], 0xec));
    assert_eq!(hidden.collect::<Vec<_>>(), [0xae, 0xae, 0xbf]);
    assert_eq!(probe(&film).0.unwrap().tracks, media.tracks[..3]);
    // Cues name clusters; the frame is somewhere in its cluster.
    agree(&media, &folder.path("film.mkv"), 300_000);
    let cues = &media.index.seek[0];
    assert!(
        cues.start > length / 2 && reads.iter().all(|read| read.end <= 32 << 10 || read.start >= cues.start - 16),
        "{reads:?} {cues:?}"
    );

    let (media, ..) = check(
        &folder,
        "film.webm",
        &[],
        &["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-c:a", "libopus"],
    );
    assert_eq!(
        (media.container, codecs(&media)),
        (Container::WebM, vec![(TrackKind::Video, "vp8"), (TrackKind::Audio, "opus")])
    );
}

#[test]
fn older_containers() {
    let folder = Folder::new();
    let (media, ..) = check(&folder, "film.avi", &[], &["-c:v", "mpeg4", "-vtag", "XVID", "-c:a", "libmp3lame"]);
    assert_eq!(
        (media.container, codecs(&media)),
        (Container::Avi, vec![(TrackKind::Video, "mp4v.20.9"), (TrackKind::Audio, "mp4a.6b")])
    );
    agree(&media, &folder.path("film.avi"), 8);
    let (media, ..) =
        check(&folder, "film.ts", &[], &[&H264[..], &["-c:a", "aac", "-metadata:s:a:0", "language=fra"]].concat());
    assert_eq!(
        (media.container, codecs(&media)),
        (Container::MpegTs, vec![(TrackKind::Video, "avc1.640028"), (TrackKind::Audio, "mp4a.40.2")])
    );
    assert_eq!(media.tracks[1].language.as_deref(), Some("fra"));
    let (media, ..) = check(&folder, "film.ogg", &[], &["-vn", "-c:a", "libvorbis"]);
    assert_eq!((media.container, codecs(&media)), (Container::Ogg, vec![(TrackKind::Audio, "vorbis")]));
    let (media, ..) = check(&folder, "film.mp3", &[], &["-vn", "-c:a", "libmp3lame"]);
    assert_eq!((media.container, media.tracks.len()), (Container::Sound, 0));
    for (name, container) in
        [("film.flv", Container::Flv), ("film.wmv", Container::Asf), ("film.mpg", Container::MpegPs)]
    {
        let (media, ..) = check(&folder, name, &[], &["-an"]);
        assert_eq!((media.container, media.tracks.len()), (container, 0));
    }
}

#[test]
fn newer_codecs_by_their_names() {
    let folder = Folder::new();
    let x265 = [
        "-an",
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        "log-level=error",
        "-pix_fmt",
        "yuv420p10le",
    ];
    let (media, ..) = check(&folder, "hevc.mp4", &[], &x265);
    let name = media.tracks[0].codec.rfc6381.clone().unwrap();
    assert!(name.starts_with("hvc1.2.4.L") && name.ends_with(".90"), "{name}");
    assert_eq!(media.tracks[0].codec.name, "H.265 (HEVC) with 10 bits");
    let (media, ..) =
        check(&folder, "vp9.mp4", &[], &["-an", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"]);
    let name = media.tracks[0].codec.rfc6381.clone().unwrap();
    assert!(name.starts_with("vp09.00.") && name.ends_with(".08"), "{name}");
}

#[test]
fn what_is_no_film() {
    let fails = |file: &[u8]| probe(file).0.unwrap_err();
    assert_eq!(fails(b""), ProbeError::UnknownKind);
    assert_eq!(fails(b"<!DOCTYPE html><html>"), ProbeError::UnknownKind);
    // A box that ends where no number does.
    assert!(fails(&[b"\0\0\0\x01free".as_slice(), &[0xff; 32]].concat()) != ProbeError::UnknownKind);
    let folder = Folder::new();
    for (name, options) in [
        ("a.mp4", vec!["-an", "-movflags", "+faststart"]),
        ("a.mkv", vec!["-an"]),
        ("a.avi", vec!["-an"]),
        ("a.ts", vec!["-an"]),
    ] {
        let file = folder.film(name, &[], &options);
        // Cut off in the middle of the headers; none of it may panic, and only a whole one may be understood.
        for length in (0..file.len().min(3000)).step_by(37) {
            drop(probe(&file[..length]));
        }
        assert!(probe(&file[..100]).0.is_err(), "{name}");
        // The end is missing, as of a download that was given up: what the head says is still there.
        if name != "a.avi" {
            assert_eq!(probe(&file[..file.len() / 2]).0.unwrap().tracks.len(), 1, "{name}");
        }
    }
}
