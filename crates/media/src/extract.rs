//! Subtitles that lie in a film, cue by cue while it plays. Where their tracks lie `probe` found out; what their lines mean is
//! `subtitle`'s.

mod fragments;
mod matroska;
mod mp4;

use std::ops::Range;
use std::time::Duration;

use crate::{Cue, Media};

pub(crate) use fragments::{Defaults as FragmentDefaults, Fragments};
pub(crate) use matroska::{Format as MatroskaFormat, MatroskaText, Packing};
pub(crate) use mp4::{Format as Mp4Format, Mp4Text, SAMPLE_MAX, SAMPLES_MAX, TextSample};

/// Where the text of a track lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TextSource {
    Matroska(MatroskaText),
    Mp4(Mp4Text),
}

/// Takes the subtitles of a track out of a film, for the part of it that is played: it reads only between two times, so that a film
/// that is still downloaded is read where its player reads it, too.
#[derive(Debug)]
pub struct Extractor(Walk);

#[derive(Debug)]
enum Walk {
    Matroska(matroska::Walk),
    Mp4(mp4::Walk),
}

impl Extractor {
    /// Begins with a track of text; `None` where the track is none, or is stored in a way that is not known here.
    #[must_use]
    pub fn new(media: &Media, track: u64) -> Option<Self> {
        Some(Self(match media.text.get(&track)? {
            TextSource::Matroska(text) => Walk::Matroska(matroska::Walk::new(text.clone(), media.index.clone())),
            TextSource::Mp4(text) => Walk::Mp4(mp4::Walk::new(text.clone(), &media.index)),
        }))
    }

    /// The bytes to read next for what is shown between two times; `None` once they are all known. The same until it is fed.
    pub fn poll(&mut self, from: Duration, until: Duration) -> Option<Range<u64>> {
        match &mut self.0 {
            Walk::Matroska(walk) => walk.poll(from, until),
            Walk::Mp4(walk) => walk.poll(from, until),
        }
    }

    /// Takes the bytes that [`Extractor::poll`] named, or fewer of them, and tells what is new. Others are left out.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) -> Vec<Cue> {
        match &mut self.0 {
            Walk::Matroska(walk) => walk.feed(offset, bytes),
            Walk::Mp4(walk) => walk.feed(offset, bytes),
        }
    }
}
