//! The sample tables of a track (ISO/IEC 14496-12, sections 8.6 and 8.7).

use super::boxes::{find, u16_at, u32_at, u64_at};

/// Samples of a track at most: ten hours of sound have two million.
const SAMPLES_MAX: u32 = 8 << 20;

/// The tables, as they lie in the file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tables<'a> {
    /// `stts`: runs of (count, ticks).
    durations: &'a [u8],
    /// `stsc`: runs of (first chunk, samples in each).
    chunks: &'a [u8],
    /// `stsz` of different sizes: four bytes each.
    sizes: &'a [u8],
    /// `stz2`: 4, 8 or 16 bits each.
    compact: Option<(u8, &'a [u8])>,
    /// `stsz` of one size.
    size: u32,
    count: u32,
    /// `stco` or `co64`: where chunks begin.
    offsets: &'a [u8],
    offsets_are_long: bool,
    /// `stss`: numbers of samples that playback can begin at, from 1; all where it is missing.
    sync: Option<&'a [u8]>,
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// When it is decoded, in ticks of its track.
    pub(crate) time: u64,
    /// For how long, in ticks.
    pub(crate) ticks: u32,
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// Its bytes.
    pub(crate) size: u32,
}

/// The entries of a table with a count of them before it, and no more than there are.
fn entries(table: &[u8], header: usize, width: usize) -> &[u8] {
    let count = u32_at(table, header - 4).and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
    let rest = table.get(header..).unwrap_or_default();
    let whole = (rest.len() / width).min(count);
    &rest[..whole * width]
}

impl<'a> Tables<'a> {
    pub(crate) fn read(stbl: &'a [u8]) -> Self {
        let table = |kind, header, width| find(stbl, kind).map(|table| entries(table, header, width));
        let mut tables = Self {
            durations: table(b"stts", 8, 8).unwrap_or_default(),
            chunks: table(b"stsc", 8, 12).unwrap_or_default(),
            sync: table(b"stss", 8, 4),
            ..Self::default()
        };
        match table(b"co64", 8, 8) {
            Some(offsets) => (tables.offsets, tables.offsets_are_long) = (offsets, true),
            None => tables.offsets = table(b"stco", 8, 4).unwrap_or_default(),
        }
        if let Some(stsz) = find(stbl, b"stsz") {
            tables.size = u32_at(stsz, 4).unwrap_or(0);
            tables.count = u32_at(stsz, 8).unwrap_or(0);
            if tables.size == 0 {
                tables.sizes = entries(stsz, 12, 4);
                tables.count = tables.count.min(u32::try_from(tables.sizes.len() / 4).unwrap_or(u32::MAX));
            }
        } else if let Some(stz2) = find(stbl, b"stz2") {
            tables.compact = stz2.get(7).map(|bits| (*bits, stz2.get(12..).unwrap_or_default()));
            tables.count = u32_at(stz2, 8).unwrap_or(0);
        }
        tables.count = tables.count.min(SAMPLES_MAX);
        tables
    }

    pub(crate) fn all_are_sync(&self) -> bool {
        self.sync.is_none()
    }

    /// The samples that playback can begin at, in order.
    pub(crate) fn sync_samples(&self) -> impl Iterator<Item = Sample> + use<'a> {
        let mut sync = self.sync.map(|sync| sync.chunks_exact(4).filter_map(|entry| u32_at(entry, 0)).peekable());
        self.samples()
            .zip(1_u32..)
            .filter(move |(_, number)| match &mut sync {
                None => true,
                Some(sync) => {
                    while sync.next_if(|wanted| wanted < number).is_some() {}
                    sync.next_if_eq(number).is_some()
                }
            })
            .map(|(sample, _)| sample)
    }

    /// All samples, in the order of their decoding.
    pub(crate) fn samples(&self) -> Samples<'a> {
        Samples {
            tables: *self,
            number: 0,
            time: 0,
            duration_runs: 0,
            durations_left: 0,
            ticks: 0,
            chunk: 0,
            chunk_runs: 0,
            chunk_left: 0,
            offset: 0,
        }
    }

    fn size_of(&self, number: u32) -> Option<u32> {
        let at = usize::try_from(number).ok()?;
        match self.compact {
            Some((4, sizes)) => {
                sizes.get(at / 2).map(|both| u32::from(if at.is_multiple_of(2) { both >> 4 } else { both & 15 }))
            }
            Some((8, sizes)) => sizes.get(at).copied().map(u32::from),
            Some((_, sizes)) => u16_at(sizes, at * 2).map(u32::from),
            None if self.size > 0 => Some(self.size),
            None => u32_at(self.sizes, at * 4),
        }
    }

    fn chunk_offset(&self, chunk: u32) -> Option<u64> {
        let at = usize::try_from(chunk).ok()?;
        if self.offsets_are_long { u64_at(self.offsets, at * 8) } else { u32_at(self.offsets, at * 4).map(u64::from) }
    }
}

/// See [`Tables::samples`].
#[derive(Debug)]
pub(crate) struct Samples<'a> {
    tables: Tables<'a>,
    number: u32,
    time: u64,
    /// Runs of `stts` that were begun, and what is left of the last.
    duration_runs: usize,
    durations_left: u32,
    ticks: u32,
    /// Chunks that were begun, runs of `stsc` likewise, and the samples left in the last chunk.
    chunk: u32,
    chunk_runs: usize,
    chunk_left: u32,
    offset: u64,
}

impl Iterator for Samples<'_> {
    type Item = Sample;

    fn next(&mut self) -> Option<Sample> {
        if self.number >= self.tables.count {
            return None;
        }
        while self.durations_left == 0 {
            let run = self.tables.durations.get(self.duration_runs * 8..)?;
            (self.durations_left, self.ticks) = (u32_at(run, 0)?, u32_at(run, 4)?);
            self.duration_runs += 1;
        }
        while self.chunk_left == 0 {
            self.offset = self.tables.chunk_offset(self.chunk)?;
            self.chunk += 1;
            let run = |index: usize| {
                self.tables.chunks.get(index * 12..).and_then(|run| Some((u32_at(run, 0)?, u32_at(run, 4)?)))
            };
            // The first run is for all chunks until the next begins.
            while run(self.chunk_runs).is_some_and(|(first, _)| first <= self.chunk) {
                self.chunk_runs += 1;
            }
            self.chunk_left = run(self.chunk_runs.checked_sub(1)?)?.1;
        }
        let size = self.tables.size_of(self.number)?;
        let sample = Sample { time: self.time, ticks: self.ticks, offset: self.offset, size };
        self.number += 1;
        self.time = self.time.checked_add(self.ticks.into())?;
        self.offset = self.offset.checked_add(size.into())?;
        self.durations_left -= 1;
        self.chunk_left -= 1;
        Some(sample)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(kind: &[u8; 4], numbers: &[u32]) -> Vec<u8> {
        let length = u32::try_from(8 + numbers.len() * 4).unwrap();
        [&length.to_be_bytes(), kind, &numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<_>>()[..]].concat()
    }

    #[test]
    fn samples_by_their_tables() {
        let stbl = [
            table(b"stts", &[0, 2, 3, 10, 99, 20]),
            table(b"stsc", &[0, 2, 1, 2, 1, 3, 1, 1]),
            table(b"stsz", &[0, 0, 5, 1, 2, 3, 4, 5]),
            table(b"stco", &[0, 3, 100, 200, 300]),
            table(b"stss", &[0, 3, 1, 4, 9]),
        ]
        .concat();
        let tables = Tables::read(&stbl);
        let all: Vec<_> = tables.samples().map(|s| (s.time, s.ticks, s.offset, s.size)).collect();
        assert_eq!(all, [(0, 10, 100, 1), (10, 10, 101, 2), (20, 10, 200, 3), (30, 20, 203, 4), (50, 20, 300, 5)]);
        assert_eq!(tables.sync_samples().map(|sample| sample.offset).collect::<Vec<_>>(), [100, 203]);
    }

    #[test]
    fn tables_that_lie_end_early() {
        let lie = [
            table(b"stts", &[0, u32::MAX, u32::MAX, 1]),
            table(b"stsc", &[0, 1, 1, u32::MAX, 1]),
            table(b"stsz", &[0, u32::MAX, u32::MAX]),
            table(b"stco", &[0, u32::MAX, u32::MAX]),
        ]
        .concat();
        assert_eq!(Tables::read(&lie).samples().count(), 1 << 23);
        // Chunks without samples.
        let empty = [
            table(b"stts", &[0, 1, 9, 1]),
            table(b"stsc", &[0, 1, 1, 0, 1]),
            table(b"stsz", &[0, 4, 9]),
            table(b"stco", &[0, 2, 1, 2]),
        ]
        .concat();
        assert_eq!(Tables::read(&empty).samples().count(), 0);
        assert_eq!(Tables::read(&[]).samples().count(), 0);
    }
}
