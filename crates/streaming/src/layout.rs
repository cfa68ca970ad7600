//! How a media file is laid out: what a player reads first, which time is where, and how many bytes are how many seconds. No IO.

use std::ops::Range;
use std::time::Duration;

use streamshare_media::{Index, Media};

/// Seconds of film that a player wants before it shows something: one group of pictures of most films, and what decoders hold.
const FIRST: Duration = Duration::from_secs(2);
/// Bytes before a picture where its sound may lie: containers interleave the two in parts of about half a second.
const BEFORE_BYTES: u64 = 64 << 10;
/// What is primed at once at most: two seconds at 64 Mbit/s.
const FIRST_BYTES_MAX: u64 = 16 << 20;
/// Film ahead of a reader that is to be there: as much as other players of torrents keep (Stremio, TorrServer).
const AHEAD: Duration = Duration::from_secs(30);
/// Its bytes at least and at most: at least what a player pulls at once, at most what a cache can spare.
const AHEAD_BYTES: Range<u64> = 8 << 20..96 << 20;
/// The same where nothing is known of the film.
const AHEAD_BYTES_UNKNOWN: u64 = 32 << 20;

/// How a file is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    length: u64,
    duration: Option<Duration>,
    index: Index,
}

impl Layout {
    /// Of a file of so many bytes.
    pub(crate) fn new(media: Media, length: u64) -> Self {
        Self { length, duration: media.duration.filter(|duration| !duration.is_zero()), index: media.index }
    }

    /// What a player reads before it can show something from a time on, in the order of its need.
    pub(crate) fn first_reads(&self, at: Duration) -> Vec<Range<u64>> {
        let mut reads = self.index.start.clone();
        if !at.is_zero() {
            reads.extend(self.index.seek.iter().cloned());
        }
        reads.push(self.film(at, FIRST, FIRST_BYTES_MAX));
        reads
    }

    /// Where the film is from a time on, for so long.
    fn film(&self, at: Duration, lasts: Duration, bytes_max: u64) -> Range<u64> {
        let from = self.offset(at).saturating_sub(BEFORE_BYTES).max(self.index.media_start.min(self.length));
        let to = match self.index.after(at.saturating_add(lasts)) {
            Some(next) => next.offset,
            None => self.offset(at.saturating_add(lasts)).max(from + BEFORE_BYTES),
        };
        // Offsets grow with time in all but odd files.
        from..to.clamp(from, from.saturating_add(bytes_max)).min(self.length)
    }

    /// Where a time is: as the index says, else in proportion.
    fn offset(&self, at: Duration) -> u64 {
        if let Some(point) = self.index.at(at) {
            return point.offset;
        }
        let Some(duration) = self.duration else { return self.index.media_start };
        let share = (at.as_secs_f64() / duration.as_secs_f64()).min(1.0);
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of the file's length"
        )]
        let offset = (self.length as f64 * share) as u64;
        offset
    }

    /// How many bytes so many seconds have, from a byte on.
    fn bytes(&self, from: u64, lasts: Duration) -> Option<u64> {
        let points = self.index.points();
        let here = points.partition_point(|point| point.offset <= from).checked_sub(1).and_then(|at| points.get(at));
        let next = here.and_then(|here| self.index.after(here.time + lasts));
        if let Some(next) = next {
            return Some(next.offset.saturating_sub(from));
        }
        let duration = self.duration?.as_micros().max(1);
        u64::try_from(u128::from(self.length) * lasts.as_micros() / duration).ok()
    }
}

/// How many bytes are to be there ahead of a reader that is at some byte.
pub(crate) fn ahead_bytes(layout: Option<&Layout>, from: u64) -> u64 {
    let bytes = layout.and_then(|layout| layout.bytes(from, AHEAD));
    bytes.map_or(AHEAD_BYTES_UNKNOWN, |bytes| bytes.clamp(AHEAD_BYTES.start, AHEAD_BYTES.end))
}
