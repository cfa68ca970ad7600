//! Which parts of a file are there.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

use librqbit::api::TorrentIdOrHash;
use librqbit::{Api, ManagedTorrent, Session, TorrentMetadata};

use crate::torrents::Torrent;
use crate::{Engine, InfoHash, Ready};

/// Spans that are told of at most: twice what a window of 2560 points could show apart is not needed once a second.
const SPANS_MAX: usize = 256;

impl Engine {
    /// What is there of a torrent's files that were opened in this run, in the order of their indices; nothing while it is
    /// checked and where it has not been added.
    #[must_use]
    pub fn ready(&self, info_hash: InfoHash) -> Vec<Ready> {
        let Some(torrent) = self.0.torrents.get(info_hash) else { return Vec::new() };
        of(&self.0.session, &torrent)
    }
}

/// What is there of a torrent's files that were opened.
pub(crate) fn of(session: &Arc<Session>, torrent: &Torrent) -> Vec<Ready> {
    if let Some(last) = torrent.last_ready() {
        return last;
    }
    let opened = torrent.opened();
    if opened.is_empty() {
        return Vec::new();
    }
    let Some(there) = There::of(session, torrent) else { return Vec::new() };
    let ready = |index: usize| {
        let length = there.places.files.get(index)?.length;
        let missing_to_start = torrent.primed.missing_to_start(&there, index);
        Some(Ready { file_index: index, length, spans: thinned(there.spans(index)), missing_to_start })
    };
    opened.into_iter().filter_map(ready).collect()
}

/// Which pieces of a torrent are there at a moment.
pub(crate) struct There {
    pub(crate) places: Places,
    have: Box<[bool]>,
}

impl There {
    /// Nothing while the torrent is checked.
    pub(crate) fn of(session: &Arc<Session>, torrent: &Torrent) -> Option<Self> {
        let api = Api::new(session.clone(), None);
        let (have, _) = api.api_dump_haves(TorrentIdOrHash::Id(torrent.handle.id())).ok()?;
        let dropped = torrent.holes.all();
        let mut have: Box<[bool]> = have.iter().map(|bit| *bit).collect();
        for piece in dropped {
            if let Some(has) = have.get_mut(piece as usize) {
                *has = false;
            }
        }
        Some(Self { places: places(&torrent.handle)?, have })
    }

    /// The ranges of a file's bytes that are there.
    fn spans(&self, index: usize) -> Vec<(u64, u64)> {
        let Some(place) = self.places.files.get(index) else { return Vec::new() };
        spans(place.offset, place.length, self.places.piece_length, |piece| self.has(piece))
    }

    /// The first byte of a range of a file that is not there. The range is cut off at the file's end.
    pub(crate) fn first_missing(&self, index: usize, range: Range<u64>) -> Option<u64> {
        let from = self.places.files.get(index)?.offset;
        let piece = self.missing_pieces(index, range.clone()).next()?;
        Some((piece * self.places.piece_length).saturating_sub(from).max(range.start))
    }

    /// The pieces that are not there of those that hold a range of a file.
    pub(crate) fn missing_pieces(&self, index: usize, range: Range<u64>) -> impl Iterator<Item = u64> {
        let place = self.places.files.get(index).copied().unwrap_or(Place { offset: 0, length: 0 });
        let (from, to) = (range.start.min(place.length), range.end.min(place.length));
        let length = self.places.piece_length;
        let pieces = (place.offset + from) / length..(place.offset + to).div_ceil(length);
        pieces.filter(move |_| from < to).filter(|piece| !self.has(*piece))
    }

    fn has(&self, piece: u64) -> bool {
        usize::try_from(piece).ok().and_then(|piece| self.have.get(piece)).is_some_and(|has| *has)
    }
}

impl Torrent {
    /// Remembers that a file is opened.
    pub(crate) fn note_opened(&self, index: usize) {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(index);
    }

    /// The files that were opened in this run.
    pub(crate) fn opened(&self) -> BTreeSet<usize> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Where a torrent's files lie among its pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// Bytes of every piece but the last.
    pub(crate) piece_length: u64,
    /// In the order of the torrent.
    pub(crate) files: Vec<Place>,
}

/// Where a file lies in its torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Bytes before it.
    pub(crate) offset: u64,
    /// Its own.
    pub(crate) length: u64,
}

impl Places {
    pub(crate) fn of(metadata: &TorrentMetadata) -> Self {
        let place = |file: &librqbit::file_info::FileInfo| Place { offset: file.offset_in_torrent, length: file.len };
        let files = metadata.file_infos.iter().map(place).collect();
        Self { piece_length: u64::from(metadata.lengths().default_piece_length()), files }
    }

    /// The piece that holds a byte of a file.
    pub(crate) fn piece_at(&self, file_index: usize, position: u64) -> Option<u32> {
        let file = self.files.get(file_index)?;
        u32::try_from((file.offset + position) / self.piece_length).ok()
    }

    /// The pieces that hold something of a file.
    pub(crate) fn pieces_of(&self, file_index: usize) -> std::ops::RangeInclusive<u32> {
        let last = self.files.get(file_index).map_or(0, |file| file.length.saturating_sub(1));
        self.piece_at(file_index, 0).unwrap_or(0)..=self.piece_at(file_index, last).unwrap_or(0)
    }

    /// Where a piece lies in a file: offset and length, if it does.
    pub(crate) fn part_in_file(&self, piece: u32, file_index: usize) -> Option<(u64, u64)> {
        let file = self.files.get(file_index)?;
        let start = u64::from(piece) * self.piece_length;
        let from = start.max(file.offset);
        let to = (start + self.piece_length).min(file.offset + file.length);
        (from < to).then(|| (from - file.offset, to - from))
    }
}

/// Nothing where librqbit does not know the torrent's contents.
pub(crate) fn places(handle: &ManagedTorrent) -> Option<Places> {
    Some(Places::of(&*handle.metadata.load_full()?))
}

/// The ranges of a file's bytes whose pieces are there.
fn spans(offset: u64, length: u64, piece_length: u64, has: impl Fn(u64) -> bool) -> Vec<(u64, u64)> {
    let mut spans: Vec<(u64, u64)> = Vec::new();
    if length == 0 {
        return spans;
    }
    let end = offset + length;
    for piece in offset / piece_length..=(end - 1) / piece_length {
        if !has(piece) {
            continue;
        }
        let from = (piece * piece_length).max(offset) - offset;
        let to = ((piece + 1) * piece_length).min(end) - offset;
        match spans.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            Some(_) | None => spans.push((from, to)),
        }
    }
    spans
}

/// At most [`SPANS_MAX`] spans. The shortest are left out: nothing is told to be there that is not.
fn thinned(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    if spans.len() > SPANS_MAX {
        spans.sort_by_key(|(from, to)| std::cmp::Reverse(to - from));
        spans.truncate(SPANS_MAX);
        spans.sort_unstable();
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_a_file() {
        let of = |offset, length, pieces: &[u64]| spans(offset, length, 10, |piece| pieces.contains(&piece));
        assert_eq!(of(0, 25, &[0, 1, 2]), [(0, 25)]);
        assert_eq!(of(0, 25, &[0, 2]), [(0, 10), (20, 25)]);
        // It begins within piece 0 and ends within piece 3.
        assert_eq!(of(5, 27, &[0, 1, 3]), [(0, 15), (25, 27)]);
        assert_eq!(of(5, 27, &[]), []);
        assert_eq!(of(30, 0, &[3]), []);
        assert_eq!(of(10, 10, &[0, 2]), []);
    }

    #[test]
    fn of_too_many_spans_the_longest_are_told() {
        let many: Vec<_> = (0..1000).map(|n| (n * 100, n * 100 + if n % 10 == 0 { 50 } else { 1 })).collect();
        let told = thinned(many);
        assert_eq!(told.len(), SPANS_MAX);
        assert_eq!(told.iter().filter(|(from, to)| to - from == 50).count(), 100);
        assert!(told.is_sorted());
    }
}
