//! What is in a media file, where a player must read before it can play or seek, and which file of a torrent is meant. No IO: whoever
//! has bytes gives them.
//!
//! [`Probe`] asks for a few ranges of a file, so it works on one that is still being downloaded. It understands MP4 (fragmented or not)
//! and QuickTime, Matroska and WebM, AVI, MPEG-TS and Ogg; other containers are named and no more. The parsers are our own, since they
//! have to stop wherever a byte is missing and to read no more than they need, and they are bounded: everything that they read comes
//! from strangers.
//!
//! [`read_subtitles`] reads SubRip, WebVTT and SubStation Alpha; what comes out are [`Cue`]s of WebVTT. [`Extractor`]
//! takes them out of tracks of text in Matroska and MP4, for the part of the film that is played.
//!
//! What this crate deliberately does not do: it decodes no picture and no sound, it does not know what a player can play, and it knows
//! no torrents, only names and lengths of files, and how large the pieces are that they are shared in.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]
#![warn(missing_docs)]

mod extract;
mod files;
mod index;
mod pieces;
mod probe;
mod subtitle;

pub use extract::Extractor;
pub use files::{
    Beside, FileEntry, FileKind, FindError, Language, find, language, mime, natural_order, playable, subtitles_beside,
};
pub use index::{Index, Point};
pub use pieces::piece_length;
pub use probe::{Codec, Container, Media, Probe, ProbeError, Step, Track, TrackKind};
pub use subtitle::{Cue, Place, SUBTITLE_LEN_MAX, SubtitleError, decode, read_subtitles};
