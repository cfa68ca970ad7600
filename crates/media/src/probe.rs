//! What is in a media file: asks for a few ranges of it, and leaves their reading to a module for each kind of container.

mod avi;
mod codec;
mod ebml;
mod known;
mod matroska;
mod mp4;
mod ogg;
mod transport;

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use crate::Index;
use crate::extract::TextSource;
pub use codec::Codec;
pub(crate) use ebml::{Elements, Head, unsigned, variable_integer};
pub(crate) use known::{Known, Stop};
pub(crate) use mp4::{Boxes, find, ticks, u16_at, u32_at, u64_at};

/// Bytes that are asked for at least: a player reads as much at once, and each piece of a torrent has more.
const READ_MIN: u64 = 32 << 10;
/// How often bytes may be asked for; a film with its index at the end needs five.
const READS_MAX: u32 = 64;
/// Bytes that are kept at most. The sample tables of a film of ten hours have 20 MB.
const HELD_MAX: usize = 96 << 20;
/// Tracks of a file at most; a film in forty languages has a hundred.
pub(crate) const TRACKS_MAX: usize = 256;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Container {
    /// MP4, and QuickTime which it comes from (ISO/IEC 14496-12).
    Mp4,
    /// Matroska (RFC 9559).
    Matroska,
    /// WebM, a kind of Matroska.
    WebM,
    /// AVI (RIFF).
    Avi,
    /// MPEG transport stream (ISO/IEC 13818-1).
    MpegTs,
    /// MPEG program stream; what is in it is not looked for.
    MpegPs,
    /// Ogg (RFC 3533).
    Ogg,
    /// Flash Video; what is in it is not looked for.
    Flv,
    /// ASF, which is WMV and WMA; what is in it is not looked for.
    Asf,
    /// A sound file: MP3, FLAC, WAV, AAC in ADTS, AC-3, DTS.
    Sound,
}

/// What a track is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrackKind {
    /// Pictures that move.
    Video,
    /// Sound.
    Audio,
    /// Text, or pictures of text.
    Subtitle,
    /// Anything else: chapters, covers, timecodes, fonts.
    Other,
}

/// One track of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its number in the container; no two tracks have the same.
    pub id: u64,
    /// What it is for.
    pub kind: TrackKind,
    /// How it is encoded.
    pub codec: Codec,
    /// Its language as the container tells it: BCP 47 or ISO 639-2, `None` where it is undetermined.
    pub language: Option<String>,
    /// Its name, for people.
    pub name: Option<String>,
    /// Whether a player should choose it by itself.
    pub default: bool,
    /// Whether it is for what nobody understands: signs, another language.
    pub forced: bool,
}

/// What was found out about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// What kind of file it is.
    pub container: Container,
    /// Its tracks, in the container's order; empty where the container is only known by name.
    pub tracks: Vec<Track>,
    /// Its length in time, where its headers tell it.
    pub duration: Option<Duration>,
    /// Where a player reads.
    pub index: Index,
    /// Where the text of subtitle tracks lies, by track.
    pub(crate) text: BTreeMap<u64, TextSource>,
}

impl Media {
    /// The tracks of a kind.
    pub fn tracks_of(&self, kind: TrackKind) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(move |track| track.kind == kind)
    }
}

/// Why a file was not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// It is no media file that is known here.
    #[error("this is no media file of a known kind")]
    UnknownKind,
    /// Its headers contradict themselves or are cut off.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// Its headers are larger than any film's, or refer to each other without end.
    #[error("the file's headers are too large")]
    TooLarge,
}

/// What a [`Probe`] wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These bytes of the file, or as many of the first of them as there are: [`Probe::feed`].
    Read(Range<u64>),
    /// It is over.
    Done(Box<Media>),
    /// It is over without a result.
    Failed(ProbeError),
}

/// Finds out what is in a file, and asks for the bytes that it needs.
///
/// Each step reads again from the beginning what is known: headers are small beside what it takes to fetch them, and nothing has to be
/// remembered in the middle of a structure.
#[derive(Debug)]
pub struct Probe {
    known: Known,
    reads: u32,
}

impl Probe {
    /// Begins with a file of so many bytes.
    #[must_use]
    pub fn new(length: u64) -> Self {
        Self { known: Known::new(length), reads: 0 }
    }

    /// What it wants. The same until it is fed.
    #[must_use]
    pub fn poll(&self) -> Step {
        match look_into(&self.known) {
            Ok(media) => Step::Done(Box::new(media)),
            Err(Stop::Bad(why)) => Step::Failed(ProbeError::Damaged(why)),
            Err(Stop::Unknown) => Step::Failed(ProbeError::UnknownKind),
            Err(Stop::Need(range)) => {
                let wanted = range.end.max(range.start.saturating_add(READ_MIN)).min(self.known.length());
                let fits = usize::try_from(wanted - range.start).is_ok_and(|more| self.known.held() + more <= HELD_MAX);
                if self.reads >= READS_MAX || !fits {
                    return Step::Failed(ProbeError::TooLarge);
                }
                Step::Read(range.start..wanted)
            }
        }
    }

    /// The places in a Matroska file whose byte makes what follows padding where it is 0xec (RFC 8794, section 11.3.2), so that the film
    /// lists no subtitles; none in other files. `None` while it is not known, which it is before the rest.
    #[must_use]
    pub fn subtitle_entries(&self) -> Option<Vec<u64>> {
        let entries = match self.known.get(0, 4) {
            Ok([0x1a, 0x45, 0xdf, 0xa3]) => matroska::subtitle_entries(&self.known),
            Ok(_) => Ok(Vec::new()),
            Err(stop) => Err(stop),
        };
        match entries {
            Err(Stop::Need(_)) => None,
            Ok(_) | Err(Stop::Bad(_) | Stop::Unknown) => Some(entries.unwrap_or_default()),
        }
    }

    /// Takes bytes of the file that begin at `offset`.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        self.reads += 1;
        self.known.insert(offset, bytes);
    }
}

fn look_into(known: &Known) -> Result<Media, Stop> {
    let head_length = usize::try_from(known.length().min(READ_MIN)).expect("it is at most 32 KiB");
    let head = known.get(0, head_length)?;
    match head {
        [0x1a, 0x45, 0xdf, 0xa3, ..] => matroska::read(known),
        _ if mp4::is_mp4(head) => mp4::read(known),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => avi::read(known),
        [b'O', b'g', b'g', b'S', ..] => ogg::read(head),
        _ if transport::is_transport(head) => transport::read(known),
        _ => named_only(head, known.length()).ok_or(Stop::Unknown),
    }
}

/// Containers that are told by how they begin.
fn named_only(head: &[u8], length: u64) -> Option<Media> {
    const ASF: &[u8] = &[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11];
    let container = match head {
        [b'F', b'L', b'V', 1, ..] => Container::Flv,
        [0, 0, 1, 0xba, ..] => Container::MpegPs,
        _ if head.starts_with(ASF) => Container::Asf,
        // MP3 without a tag, ADTS, AC-3, DTS.
        [b'I', b'D', b'3', ..] | [b'f', b'L', b'a', b'C', ..] | [0xff, 0xe2..=0xff, ..] | [0x0b, 0x77, ..] => {
            Container::Sound
        }
        [0x7f, 0xfe, 0x80, 0x01, ..] | [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => {
            Container::Sound
        }
        _ => return None,
    };
    let first = length.min(READ_MIN);
    #[allow(clippy::single_range_in_vec_init, reason = "one range is meant")]
    let index = Index { start: vec![0..first], media_start: 0, ..Index::default() };
    Some(Media { container, tracks: Vec::new(), duration: None, index, text: BTreeMap::new() })
}
