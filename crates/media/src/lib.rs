//! What is in a media file, where a player must read before it can play or seek, and which file of a torrent is meant. No IO: whoever
//! has bytes gives them.
//!
//! [`Probe`] asks for a few ranges of a file, so it works on one that is still being downloaded. It understands MP4 (fragmented or not)
//! and QuickTime, Matroska and WebM, AVI, MPEG-TS and Ogg; other containers are named and no more. The parsers are our own, since they
//! have to stop wherever a byte is missing and to read no more than they need, and they are bounded: everything that they read comes
//! from strangers.
//!
//! What this crate deliberately does not do: it decodes no picture and no sound, it does not know what a player can play, and it knows
//! no torrents, only names and lengths of files.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]
#![warn(missing_docs)]

mod index;
mod probe;

pub use index::{Index, Point};
pub use probe::{Codec, Container, Media, Probe, ProbeError, Step, Track, TrackKind};
