//! Outcomes as lines of a table.

use crate::outcome::{Histogram, Outcome};

/// The columns of [`line`].
pub const HEAD: &str = "                                skew, ms: p50     p95     p99      max   beyond p95 | together after, s: \
                        start   seek   land | seeks/seek  most stray nudges/min rates/min | cycles stuck stood, s disagree";

/// One scheme in one kind of room.
#[must_use]
pub fn line(cell: &str, scheme: &str, outcome: &Outcome) -> String {
    let at = |histogram: &Histogram, percent| {
        histogram
            .percentile(percent)
            .map_or_else(|| "-".to_owned(), |ms| if ms >= 9999.0 { "> 10 s".into() } else { format!("{ms:.1}") })
    };
    let s = |histogram: &Histogram| {
        let p95 = histogram.percentile(95.0);
        p95.map_or_else(
            || "-".to_owned(),
            |ms| if ms >= 9999.0 { "> 10".into() } else { format!("{:.2}", ms / 1000.0) },
        )
    };
    let max = if outcome.skew.max_ms() >= 9999.0 { "> 10 s".into() } else { format!("{:.1}", outcome.skew.max_ms()) };
    let minutes = (outcome.watched_s / 60.0).max(1e-9);
    format!(
        "{cell:10} {scheme:20} {:>13} {:>7} {:>7} {max:>8} {:>12} | {:>24} {:>6} {:>6} | {:10.2} {:5} {:5} {:10.2} {:9.1} | {:6} {:5} {:8.1} {:8}",
        at(&outcome.skew, 50.0),
        at(&outcome.skew, 95.0),
        at(&outcome.skew, 99.0),
        at(&outcome.beyond, 95.0),
        s(&outcome.start),
        s(&outcome.seek),
        s(&outcome.landing),
        f64::from(outcome.seeks) / f64::from(outcome.seeks_of.max(1)),
        outcome.seeks_max,
        outcome.stray_seeks,
        f64::from(outcome.nudges) / minutes,
        f64::from(outcome.rates) / minutes,
        outcome.limit_cycles,
        outcome.deadlocks,
        outcome.stood_max_ms / 1000.0,
        outcome.missteps.len() + outcome.disagreements.len() - usize::try_from(outcome.deadlocks).unwrap_or(0),
    )
}
