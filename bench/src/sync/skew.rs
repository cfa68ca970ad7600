//! What two players' notes say of how far they are apart.

use serde_json::Value;

/// Below this, one person's sound is no echo of another's (ms): a frame at 24 a second.
pub(super) const TOGETHER_MS: f64 = 40.0;
/// Two notes of a player may be this far apart for what lies between to be known (ms): some of its ticks came late.
const GAP_MS: f64 = 400.0;
/// The next picture is less than so many frames, a second, further on.
const STEP_MAX: f64 = 24.5;

/// A note of a player.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sample {
    /// Milliseconds since the Unix epoch, by the page's clock.
    pub(super) at_ms: f64,
    pub(super) place_s: f64,
    pub(super) rate: f64,
    /// It stands, or is on its way to another place.
    pub(super) still: bool,
    pub(super) seeking: bool,
}

/// All that was noted of a player.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) samples: Vec<Sample>,
    /// When which frame was seen: milliseconds since the Unix epoch, number.
    pub(super) frames: Vec<(f64, f64)>,
    /// What the player was told: when, what, and a value.
    pub(super) told: Vec<(f64, String, f64)>,
}

impl Notes {
    /// Adds what `meter.take()` answered.
    pub(super) fn add(&mut self, taken: &Value) {
        let rows = |key: &str| taken[key].as_array().cloned().unwrap_or_default();
        let number = |row: &Value, at: usize| row[at].as_f64().unwrap_or(f64::NAN);
        self.samples.extend(rows("samples").iter().map(|row| Sample {
            at_ms: number(row, 0),
            place_s: number(row, 1),
            rate: number(row, 2),
            still: number(row, 3) > 0.0,
            seeking: number(row, 4) > 0.0,
        }));
        self.frames.extend(rows("frames").iter().map(|row| (number(row, 0), number(row, 1))));
        let told = rows("told");
        self.told
            .extend(told.iter().map(|row| (number(row, 0), row[1].as_str().unwrap_or("").to_owned(), number(row, 2))));
    }

    /// How often the player was told something within a time, `what` or its like.
    pub(super) fn count(&self, what: &str, from_ms: f64, to_ms: f64) -> usize {
        self.told.iter().filter(|(at, told, _)| (from_ms..to_ms).contains(at) && told == what).count()
    }

    /// How far the playback rate was from 1 at most.
    pub(super) fn rate_off_max(&self, from_ms: f64, to_ms: f64) -> f64 {
        let within = self.samples.iter().filter(|sample| (from_ms..to_ms).contains(&sample.at_ms));
        within.map(|sample| (sample.rate - 1.0).abs()).fold(0.0, f64::max)
    }

    /// Where the player was, by the line between the notes before and after, if there are such; infinitely far where it was
    /// on its way.
    pub(super) fn place_s(&self, at_ms: f64) -> Option<f64> {
        let after = self.samples.partition_point(|sample| sample.at_ms < at_ms);
        let (a, b) = (self.samples.get(after.checked_sub(1)?)?, self.samples.get(after)?);
        if b.at_ms - a.at_ms > GAP_MS {
            return None;
        }
        if a.seeking || b.seeking {
            return Some(f64::NEG_INFINITY);
        }
        Some(a.place_s + (b.place_s - a.place_s) * (at_ms - a.at_ms) / (b.at_ms - a.at_ms))
    }
}

/// How far one player was ahead of another: when (ms since the Unix epoch), and by how much (ms); infinite where one of
/// them was on its way.
pub(super) fn skews(one: &Notes, other: &Notes, from_ms: f64, to_ms: f64) -> Vec<(f64, f64)> {
    let within = one.samples.iter().filter(|sample| (from_ms..to_ms).contains(&sample.at_ms));
    within
        .filter_map(|sample| {
            let place_s = other.place_s(sample.at_ms)?;
            let skew = if sample.seeking { f64::INFINITY } else { (sample.place_s - place_s) * 1000.0 };
            Some((sample.at_ms, skew))
        })
        .collect()
}

/// The same by the pictures: for each frame that both showed, how much later the other did, times the speed of 1. A picture
/// is shown when the screen is drawn anew, so that single figures are off by up to a sixtieth of a second, not their mean.
pub(super) fn skews_seen(one: &[(f64, f64)], other: &[(f64, f64)]) -> Vec<f64> {
    let first = first_seen(other);
    let pairs = first_seen(one).into_iter().filter_map(|(number, at)| {
        let found = first.binary_search_by(|(n, _)| n.total_cmp(&number)).ok()?;
        Some(first[found].1 - at)
    });
    // A seek in between shows the same frame twice, and this says nothing of the skew.
    pairs.filter(|skew| skew.abs() < 5_000.0).collect()
}

/// When each frame was seen first, by its number; without the first one of all, which may have been there for a while.
fn first_seen(frames: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut changes: Vec<(f64, f64)> = changes(frames).map(|(at, number)| (number, at)).collect();
    changes.sort_by(|a, b| a.0.total_cmp(&b.0));
    changes.dedup_by(|a, b| a.0 == b.0);
    changes
}

/// When another frame than before was seen, and which. A player on a busy machine leaves some out; a longer step is a seek or
/// a number that was read in the middle of a change.
pub(super) fn changes(frames: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    let goes_on = |pair: &&[(f64, f64)]| (0.5..STEP_MAX).contains(&(pair[1].1 - pair[0].1));
    frames.windows(2).filter(goes_on).map(|pair| pair[1])
}

/// Milliseconds from a moment until two players were together and stayed so for the rest of what was noted.
pub(super) fn together_after_ms(skews: &[(f64, f64)], from_ms: f64) -> Option<f64> {
    let apart = skews.iter().rposition(|(_, skew)| skew.abs() >= TOGETHER_MS);
    let first = apart.map_or(0, |at| at + 1);
    skews.get(first).map(|(at, _)| (at - from_ms).max(0.0))
}

/// A part of the figures, from 0 to 1, is at most the answer: nearest rank.
pub(super) fn quantile(figures: &[f64], part: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playing(ahead_s: f64, shift_ms: f64) -> Notes {
        let sample = |tick: u32| {
            let at_ms = f64::from(tick) * 50.0 + shift_ms;
            Sample { at_ms, place_s: at_ms / 1000.0 + ahead_s, rate: 1.0, still: false, seeking: false }
        };
        Notes { samples: (0..100).map(sample).collect(), ..Notes::default() }
    }

    #[test]
    fn a_skew_is_read_between_notes_with_its_sign() {
        let skews = skews(&playing(0.037, 0.0), &playing(0.0, 21.0), 100.0, 4_000.0);
        assert!(skews.len() > 70 && skews.iter().all(|(_, skew)| (skew - 37.0).abs() < 1e-6), "{skews:?}");
    }

    #[test]
    fn together_is_where_nothing_apart_follows() {
        let skews: Vec<(f64, f64)> =
            [90.0, 30.0, f64::INFINITY, 39.0, -12.0].iter().zip(0..).map(|(s, n)| (f64::from(n) * 50.0, *s)).collect();
        assert_eq!(together_after_ms(&skews, 10.0), Some(140.0));
        assert_eq!(together_after_ms(&skews[..3], 0.0), None);
    }

    #[test]
    fn pictures_tell_who_is_ahead() {
        let shown =
            |late_ms: f64| (0..50).map(|n| (f64::from(n) * 1000.0 / 24.0 + late_ms, f64::from(n))).collect::<Vec<_>>();
        let skews = skews_seen(&shown(0.0), &shown(37.0));
        assert!(skews.len() > 40 && skews.iter().all(|skew| (skew - 37.0).abs() < 1e-6), "{skews:?}");
    }

    #[test]
    fn quantiles_are_ranks() {
        let figures: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!((quantile(&figures, 0.5), quantile(&figures, 0.95), quantile(&figures, 1.0)), (10.0, 19.0, 20.0));
    }
}
