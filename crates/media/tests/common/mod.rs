//! Films made by ffmpeg, and a probe that is given them piece by piece.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use streamshare_media::{Media, Probe, ProbeError, Step};

/// Twelve seconds of picture with a key frame each second, and two of sound.
const SOURCES: [&str; 8] =
    ["-f", "lavfi", "-i", "testsrc2=size=192x108:rate=24", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"];

/// A folder that goes away with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A film of twelve seconds; `inputs` and `options` are ffmpeg's.
    pub(crate) fn film(&self, name: &str, inputs: &[&str], options: &[&str]) -> Vec<u8> {
        let path = self.path(name);
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y", "-nostdin", "-fflags", "+bitexact"]).args(SOURCES).args(inputs);
        ffmpeg
            .args(["-g", "24", "-keyint_min", "24", "-sc_threshold", "0"])
            .args(options)
            .args(["-t", "12"])
            .arg(&path);
        let output = ffmpeg.output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(path).unwrap()
    }

    /// A film of a few pictures, with subtitles where the container has any.
    pub(crate) fn tiny(&self, name: &str, subtitles: &Path) -> Vec<u8> {
        let path = self.path(name);
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg
            .args(["-v", "error", "-y", "-nostdin", "-f", "lavfi", "-i", "color=size=32x32:rate=5", "-i"])
            .arg(subtitles);
        ffmpeg.args(match name {
            "a.mp4" => &["-map", "0", "-map", "1", "-c:s", "mov_text"][..],
            "f.mp4" => &["-map", "0", "-map", "1", "-c:s", "mov_text", "-movflags", "frag_keyframe+empty_moov"],
            "a.mkv" => &["-map", "0", "-map", "1", "-c:s", "srt"],
            "b.mkv" => &["-map", "0", "-map", "1", "-c:s", "ass"],
            "e.ogg" => &["-f", "lavfi", "-i", "sine", "-map", "2", "-c:a", "libvorbis", "-t", "0.1"],
            _ => &["-map", "0"],
        });
        if name != "e.ogg" {
            ffmpeg.args(["-c:v", "mpeg4", "-q:v", "31", "-t", "2"]);
        }
        assert!(ffmpeg.arg(&path).status().unwrap().success(), "{name}");
        std::fs::read(path).unwrap()
    }
}

/// Probes a file; what was read of it, too.
pub(crate) fn probe(file: &[u8]) -> (Result<Media, ProbeError>, Vec<Range<u64>>) {
    let mut probe = Probe::new(file.len() as u64);
    let mut reads = Vec::new();
    loop {
        match probe.poll() {
            Step::Read(range) => {
                assert!(range.start < range.end && range.end <= file.len() as u64, "{range:?}");
                let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
                // Less than was asked for is fine as well.
                let end = if reads.len() % 2 == 0 { end } else { start + (end - start).div_ceil(2) };
                probe.feed(range.start, &file[start..end]);
                reads.push(range);
            }
            Step::Done(media) => return (Ok(*media), reads),
            Step::Failed(error) => return (Err(error), reads),
        }
    }
}

/// Times in seconds and places of the key frames of the first picture track, as ffprobe sees them.
pub(crate) fn key_frames(path: &Path) -> Vec<(f64, u64)> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args([
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "packet=dts_time,pts_time,pos,flags",
        "-of",
        "csv=p=0",
    ]);
    let output = ffprobe.arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let packet = |line: &str| {
        let fields: Vec<_> = line.split(',').collect();
        let is_key = fields.get(3)?.starts_with('K');
        is_key.then_some((fields[0].parse().ok()?, fields[2].parse().ok()?))
    };
    text.lines().filter_map(packet).collect()
}
