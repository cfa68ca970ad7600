//! Films that ffmpeg makes, kept from run to run.

use crate::process::{run, target_folder};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A video that ffmpeg makes: a moving test picture with its own time burned in, and a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// H.264 and AAC in an mp4 whose index comes first; 640x360, 60 s.
    Mp4,
    /// H.264 and AAC in Matroska, and subtitles called German: each second is a line, `Zeile 7`; and some in English as on a Blu-ray disc,
    /// which are pictures. 640x360, 60 s.
    Mkv,
    /// A short mp4, 320x180, 12 s, for what only needs to be a video.
    Short,
    /// [`Media::Mp4`] five times over, 5 min in 57 MB: what takes a while even from next door.
    Long,
}

/// Counts up whenever what is made changes, so that old files are not taken for new ones.
const VERSION: u32 = 5;

impl Media {
    /// The name of the file.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Mp4 => "Counter one.mp4",
            Self::Mkv => "Counter two.mkv",
            Self::Short => "Short film.mp4",
            Self::Long => "Long film.mp4",
        }
    }

    /// What a window calls it in a playlist.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Mp4 => "Counter one",
            Self::Mkv => "Counter two",
            Self::Short => "Short film",
            Self::Long => "Long film",
        }
    }

    /// The picture's size in pixels.
    #[must_use]
    pub fn size(self) -> (u32, u32) {
        match self {
            Self::Mp4 | Self::Mkv | Self::Long => (640, 360),
            Self::Short => (320, 180),
        }
    }

    /// How long it plays.
    #[must_use]
    pub fn seconds(self) -> u32 {
        match self {
            Self::Mp4 | Self::Mkv => 60,
            Self::Short => 12,
            Self::Long => 300,
        }
    }

    /// The SHA-1 of its bytes.
    ///
    /// # Errors
    /// When it cannot be made or read.
    pub fn sha1(self) -> Result<String> {
        let said = run(Command::new("sha1sum").arg("--binary").arg(self.file()?))?;
        let said = String::from_utf8(said).context("read a hash")?;
        said.get(..40).map(str::to_owned).context("a hash")
    }

    /// Whether a file holds the same bytes.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn is_in(self, file: &Path) -> Result<bool> {
        let copy = std::fs::read(file).with_context(|| format!("read {}", file.display()))?;
        Ok(copy == std::fs::read(self.file()?).context("read a video")?)
    }

    /// The file, made at the first call and kept beside what cargo builds.
    ///
    /// # Errors
    /// When ffmpeg fails.
    pub fn file(self) -> Result<PathBuf> {
        let folder = target_folder().join("e2e").join(format!("media-{VERSION}"));
        std::fs::create_dir_all(&folder).context("make the media folder")?;
        let file = folder.join(self.file_name());
        if file.exists() {
            return Ok(file);
        }
        // Renamed when complete: a half-written file of an interrupted run must not be taken for a video.
        let unfinished = folder.join(format!("unfinished-{}", self.file_name()));
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-loglevel", "error", "-y"]);
        if self == Self::Long {
            ffmpeg.args(["-stream_loop", "4", "-i"]).arg(Self::Mp4.file()?).args(["-c", "copy"]);
        } else {
            self.draw(&mut ffmpeg, &folder)?;
        }
        if self != Self::Mkv {
            ffmpeg.args(["-movflags", "+faststart"]);
        }
        run(ffmpeg.arg(&unfinished)).context("make a video")?;
        std::fs::rename(&unfinished, &file).context("name the video")?;
        Ok(file)
    }

    fn draw(self, ffmpeg: &mut Command, folder: &Path) -> Result<()> {
        let (width, height) = self.size();
        let seconds = self.seconds();
        let counter = format!(
            "drawtext=text='%{{pts\\:hms}}':fontsize={}:fontcolor=white:box=1:boxcolor=black:x=(w-tw)/2:y=h-th-8",
            height / 7
        );
        ffmpeg.args(["-f", "lavfi", "-i", &format!("testsrc2=s={width}x{height}:r=25:d={seconds}")]).args([
            "-f",
            "lavfi",
            "-i",
            &format!("sine=f=330:d={seconds}"),
        ]);
        if self == Self::Mkv {
            let lines = folder.join("lines.srt");
            std::fs::write(&lines, subtitles(seconds, "<i>Zeile</i>")).context("write subtitles")?;
            let pictures = folder.join("pictures.sup");
            // The ends of two pictures, at seconds 1 and 2.
            let ends = b"PG\0\x01\x5f\x90\0\0\0\0\x80\0\0PG\0\x02\xbf\x20\0\0\0\0\x80\0\0";
            std::fs::write(&pictures, ends).context("write pictures")?;
            ffmpeg.arg("-i").arg(lines).args(["-f", "sup", "-i"]).arg(pictures);
            // First, as on a disc: WebKitGTK fails on what comes first.
            ffmpeg.args(["-map", "0", "-map", "1", "-map", "3", "-map", "2", "-c:s:0", "copy", "-c:s:1", "srt"]);
            ffmpeg.args(["-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=ger", "-disposition:s", "0"]);
        }
        ffmpeg
            .args(["-vf", &format!("{counter},noise=alls=12:allf=t")])
            .args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", "50", "-b:v", "1400k"])
            .args(["-c:a", "aac", "-b:a", "96k", "-t", &seconds.to_string()]);
        Ok(())
    }
}

/// SubRip with a line for each second: a word and the second's number.
#[must_use]
pub fn subtitles(seconds: u32, word: &str) -> String {
    let line = |n: u32| format!("{}\n00:00:{n:02},000 --> 00:00:{n:02},990\n{word} {n}\n\n", n + 1);
    (0..seconds).map(line).collect()
}
