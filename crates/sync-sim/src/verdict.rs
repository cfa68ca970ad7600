//! What is asked of our rules, and whether it was met. The figures are those of issue 4.

use crate::outcome::{Histogram, Outcome};
use crate::scenario::Cell;

/// Skew that nobody notices, and that few do.
const SKEW_P95_MS: f64 = 10.0;
const SKEW_P99_MS: f64 = 25.0;
/// One frame at 24 per second: what a desktop window is allowed, whose player cannot be sped up without a stall.
const DESKTOP_P95_MS: f64 = 40.0;
const DESKTOP_NUDGES_PER_MINUTE: f64 = 1.0;
/// While things go wrong around those that are measured.
const ROUGH_P95_MS: f64 = 25.0;
/// From a person's seek until everyone is together within 40 ms.
const SEEK_MS: f64 = 2000.0;
/// Of fewer starts or seeks than this, the 95th percentile is one of the two worst, which says nothing; the 90th is taken.
const FEW: u64 = 60;
/// From a person's start; half of what Jellyfin needs to wait for everybody and a bit.
const START_MS: f64 = 2000.0;
/// From the moment at which a viewer that came late can play, until it is with the others. Whoever had no data first plays to
/// where the room waits, and the room then starts together: a second more.
const LANDING_MS: f64 = 2000.0;
const LANDING_STARVED_MS: f64 = 3000.0;
const LANDING_MEDIAN_MS: f64 = 1000.0;
/// Nobody hears a change of pitch below this.
const RATE_OFF_MAX: f64 = 0.08;
/// The same in a player that has just stood for want of data, or begun with another film.
const RATE_OFF_ROUGH_MAX: f64 = 0.12;
const RATES_PER_MINUTE: f64 = 6.0;
/// At a shared speed Chromium is off by 1.4 ms in a second until that is learned.
const RATES_SPEED_PER_MINUTE: f64 = 12.0;
/// Seeks that a player is told for one of a person's: one; but where much goes wrong, one more may be due to a page that was
/// busy when it was to start, or to a command that came to the relay seconds late, and one to a room that had to wait.
const SEEKS_MAX: u32 = 1;
const SEEKS_ROUGH_MAX: u32 = 3;
/// A room in which it was worse than this has a fault of its own, however good the others are.
const ROOM_P95_MS: f64 = 100.0;

/// What no room may ever show, whatever befalls it.
#[must_use]
pub fn faults(cell: Cell, outcome: &Outcome) -> Vec<String> {
    let mut faults = outcome.disagreements.clone();
    faults.extend(outcome.missteps.iter().cloned());
    let mut none = |count: u32, what: &str| {
        if count > 0 {
            faults.push(format!("{count} {what}"));
        }
    };
    none(outcome.deadlocks, "viewers stuck");
    none(outcome.limit_cycles, "limit cycles");
    none(outcome.overstood, "times somebody stood for longer than the room waits");
    none(outcome.seeks_max.saturating_sub(seeks_max(cell)), "seeks too many for one person's seek");
    // In a short room with much in it, one viewer that catches up in time is most of what there is to see.
    let exact = cell != Cell::Rough;
    if let Some(p95) = outcome.beyond.percentile(95.0).filter(|p95| exact && *p95 > ROOM_P95_MS) {
        faults.push(format!("skew p95 {p95:.1} ms"));
    }
    faults
}

fn seeks_max(cell: Cell) -> u32 {
    if cell == Cell::Rough { SEEKS_ROUGH_MAX } else { SEEKS_MAX }
}

/// What no schedule of commands that cross may ever show.
#[must_use]
pub fn crossing_faults(outcome: &Outcome) -> Vec<String> {
    let mut faults = outcome.disagreements.clone();
    if outcome.unprompted > 0 {
        faults.push(format!("{} commands that nobody gave", outcome.unprompted));
    }
    faults
}

/// What many rooms of a kind must show together; answers what they miss. `slack` widens what is asked: 1 takes it as it is.
#[must_use]
pub fn missed(cell: Cell, outcome: &Outcome, slack: f64) -> Vec<String> {
    let mut missed = Vec::new();
    let mut at_most = |what: &str, value: Option<f64>, limit: f64| {
        // What was never seen was not met either.
        let limit = limit * slack;
        if value.is_none_or(|value| value > limit) {
            missed.push(format!("{what}: {value:.2?}, not {limit:.2}"));
        }
    };
    let (p95, p99) = (outcome.beyond.percentile(95.0), outcome.beyond.percentile(99.0));
    let minutes = outcome.watched_s / 60.0;
    let per_minute = |count: u32| (minutes > 0.0).then(|| f64::from(count) / minutes);
    match cell {
        Cell::Desktop => {
            at_most("skew p95 in ms", p95, DESKTOP_P95_MS);
            at_most("nudges a minute", per_minute(outcome.nudges + outcome.stray_seeks), DESKTOP_NUDGES_PER_MINUTE);
        }
        Cell::Rough => at_most("skew p95 in ms", p95, ROUGH_P95_MS),
        Cell::Symmetric
        | Cell::Asymmetric
        | Cell::Clocks
        | Cell::Unstable
        | Cell::Plain
        | Cell::Speed
        | Cell::Hidden
        | Cell::Late
        | Cell::Starved
        | Cell::Ends
        | Cell::Crowd
        | Cell::Evening => {
            at_most("skew p95 in ms", p95, SKEW_P95_MS);
            at_most("skew p99 in ms", p99, SKEW_P99_MS);
            at_most("seeks without a person's", Some(f64::from(outcome.stray_seeks)), 0.0);
            at_most("pauses without a person's", Some(f64::from(outcome.nudges)), 0.0);
        }
    }
    if cell != Cell::Rough {
        let late = |histogram: &Histogram| {
            let is_few = histogram.count() < FEW;
            histogram.percentile(if is_few { 90.0 } else { 95.0 })
        };
        // Where films are short or data is missing, there are few of the others.
        if !matches!(cell, Cell::Ends | Cell::Starved) {
            at_most("a start until all are together in ms, p95", late(&outcome.start), START_MS);
            at_most("a seek until all are together in ms, p95", late(&outcome.seek), SEEK_MS);
        }
    }
    if matches!(cell, Cell::Late | Cell::Starved | Cell::Ends) {
        let limit_ms = if cell == Cell::Starved { LANDING_STARVED_MS } else { LANDING_MS };
        at_most("a landing until it is with the others in ms, p95", outcome.landing.percentile(95.0), limit_ms);
        at_most("the same, p50", outcome.landing.percentile(50.0), LANDING_MEDIAN_MS);
        at_most("seeks for one landing", Some(f64::from(outcome.landing_seeks_max)), 1.0);
    }
    at_most("limit cycles", Some(f64::from(outcome.limit_cycles)), 0.0);
    at_most("times somebody stood", Some(f64::from(outcome.overstood)), 0.0);
    at_most(
        "missteps from film to film",
        Some(f64::from(u32::try_from(outcome.missteps.len()).unwrap_or(u32::MAX))),
        0.0,
    );
    at_most("viewers stuck", Some(f64::from(outcome.deadlocks)), 0.0);
    at_most("seeks for one person's seek", Some(f64::from(outcome.seeks_max)), f64::from(seeks_max(cell)));
    let rates = if cell == Cell::Speed { RATES_SPEED_PER_MINUTE } else { RATES_PER_MINUTE };
    at_most("rates a minute", per_minute(outcome.rates), rates);
    let rate_off = if matches!(cell, Cell::Rough | Cell::Ends) { RATE_OFF_ROUGH_MAX } else { RATE_OFF_MAX };
    at_most("a rate's distance from 1", Some(outcome.rate_off_max), rate_off + 1e-6);
    missed
}
