//! Which time of a film is where in its file. Each container's reader below `probe` fills it.

use std::ops::Range;
use std::time::Duration;

/// Places in a file that playback can begin at. More are thinned out: 65,536 are one each 0.6 s in a film of ten hours.
const POINTS_MAX: usize = 1 << 16;

/// A place in a file that playback can begin at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// When it is shown, from the beginning of the film.
    pub time: Duration,
    /// Where it begins in the file, in bytes: of MP4 the frame itself, of Matroska its cluster, of a fragmented MP4 its fragment.
    pub offset: u64,
}

/// Where in the file the film is at which time, and what a player reads to know that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// What a player reads before it can show anything, in bytes and in the order of the file: headers, and in MP4 the sample tables.
    pub start: Vec<Range<u64>>,
    /// What a player reads besides before it can seek: Matroska's Cues, a fragmented MP4's `sidx` or `mfra`, AVI's `idx1`. Empty where
    /// [`Index::start`] has it all.
    pub seek: Vec<Range<u64>>,
    /// Where pictures and sound begin, in bytes.
    pub media_start: u64,
    pub(crate) points: Vec<Point>,
}

impl Index {
    /// Takes the places that playback can begin at, in any order.
    pub(crate) fn set_points(&mut self, mut points: Vec<Point>) {
        points.sort_by_key(|point| (point.time, point.offset));
        points.dedup_by_key(|point| point.time);
        let step = points.len().div_ceil(POINTS_MAX).max(1);
        self.points = points.into_iter().step_by(step).collect();
    }

    /// The places that playback can begin at, by their times; empty where the file has no index that is understood.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Where a player begins to read for a time: the last place at or before it. `None` without an index.
    #[must_use]
    pub fn at(&self, time: Duration) -> Option<Point> {
        let after = self.points.partition_point(|point| point.time <= time);
        self.points.get(after.saturating_sub(1)).copied()
    }

    /// The first place after a time: what is between [`Index::at`] and it is one group of pictures. `None` at the end.
    #[must_use]
    pub fn after(&self, time: Duration) -> Option<Point> {
        self.points.get(self.points.partition_point(|point| point.time <= time)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_for_a_time() {
        let point = |seconds, offset| Point { time: Duration::from_secs(seconds), offset };
        let mut index = Index::default();
        assert_eq!((index.at(Duration::ZERO), index.after(Duration::ZERO)), (None, None));
        index.set_points(vec![point(10, 300), point(1, 100), point(5, 200), point(5, 250)]);
        let at = |seconds| index.at(Duration::from_secs(seconds)).map(|point| point.offset);
        assert_eq!([at(0), at(1), at(4), at(5), at(99)], [Some(100), Some(100), Some(100), Some(200), Some(300)]);
        assert_eq!(
            (index.after(Duration::from_secs(5)), index.after(Duration::from_secs(10))),
            (Some(point(10, 300)), None)
        );
        index.set_points((0..200_000).map(|n| point(n, n)).collect());
        assert_eq!(index.points().len(), 50_000);
    }
}
