//! Rooms from seeds.

use crate::ours::Ours;
use crate::outcome::Outcome;
use crate::scenario::{Cell, Scenario};
use crate::scheme::Scheme;
use crate::verdict;
use crate::world::World;
use std::collections::BTreeMap;

/// How far viewers may be apart in the end, in seconds. Plain peers are off by the way of a message and by a seek or two; a
/// command that was lost would put them further apart than that.
const TOGETHER_S: f64 = 2.0;
/// What the rules of others leave alone for ever.
const TOLERATED_S: f64 = 5.0;

/// One room under our rules.
#[must_use]
pub fn ours(scheme: &Ours, cell: Cell, seed: u64) -> Outcome {
    World::new(scheme, &Scenario::of_cell(seed, cell)).run(TOGETHER_S)
}

/// One room under someone else's.
#[must_use]
pub fn theirs<S: Scheme>(scheme: &S, cell: Cell, seed: u64) -> Outcome {
    World::new(scheme, &Scenario::of_cell(seed, cell)).run(TOLERATED_S)
}

/// What happens in one room under our rules, line by line: for whoever looks for a fault's cause.
#[must_use]
pub fn story(cell: Cell, seed: u64) -> Vec<String> {
    World::new(&Ours::default(), &Scenario::of_cell(seed, cell)).story(TOGETHER_S)
}

/// Rooms of many seeds, by kind; `failed` hears of those that show what no room may.
pub fn each_cell(
    seeds: impl Iterator<Item = u64>,
    run: impl Fn(Cell, u64) -> Outcome,
    mut failed: impl FnMut(Cell, u64, Vec<String>),
) -> BTreeMap<Cell, Outcome> {
    let mut cells: BTreeMap<Cell, Outcome> = BTreeMap::new();
    for seed in seeds {
        let cell = Cell::of_seed(seed);
        let outcome = run(cell, seed);
        let faults = verdict::faults(cell, &outcome);
        if !faults.is_empty() {
            failed(cell, seed, faults);
        }
        cells.entry(cell).or_default().merge(outcome);
    }
    cells
}

/// A schedule of two or more commands that cross, with plain peers among those who give them; answers who did not end
/// where everybody else did, and whether commands brought about further ones without end.
#[must_use]
pub fn crossing(seed: u64) -> Vec<String> {
    let outcome = World::new(&Ours::default(), &Scenario::crossing(seed)).run(TOGETHER_S);
    verdict::crossing_faults(&outcome)
}

/// What happens in such a schedule, line by line.
#[must_use]
pub fn crossing_story(seed: u64) -> Vec<String> {
    World::new(&Ours::default(), &Scenario::crossing(seed)).story(TOGETHER_S)
}
