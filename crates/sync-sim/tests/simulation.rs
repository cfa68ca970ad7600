//! Our rules in virtual time: hundreds of rooms must show what issue 4 asks for, and rules with a fault must not.
//!
//! Failing seeds are printed, and what happens in the first one's room, line by line; put them into `kept-seeds.txt` so that
//! they are run for ever.
#![allow(clippy::print_stdout, reason = "a failing room's story is for whoever looks for the cause")]

use streamshare_sync_sim::run::{crossing, crossing_story, each_cell, ours, story};
use streamshare_sync_sim::{Cell, Mutant, Ours, Outcome, verdict};

const KEPT: &str = include_str!("../kept-seeds.txt");
/// Rooms that are run each time: 32 or 33 of each small kind, 4 crowds, 4 evenings.
const ROOMS: u64 = 400;
const CROSSINGS: u64 = 500;
/// Of so few rooms the 95th percentile is the second worst, or in an evening the worst; `./dev bench sync-sim` asks for the
/// figures themselves.
const SLACK: f64 = 1.25;

fn kept(wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = (String, u64)> {
    let lines = KEPT.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let seeds = lines.filter(|line| !line.is_empty()).map(|line| {
        let (kind, seed) = line.split_once(' ').expect("a kind and a seed");
        (kind.to_owned(), seed.trim().parse().expect("a seed is a number"))
    });
    seeds.filter(move |(kind, _)| wanted(kind))
}

/// Prints where to begin to look.
fn tell(room: &str, story: &[String]) {
    println!("What happens in {room}:\n{}", story.join("\n"));
}

#[test]
fn kept_seeds_hold() {
    for (kind, seed) in kept(|kind| kind != "crossing") {
        let cell = Cell::ALL.into_iter().find(|cell| cell.name() == kind).expect("a kind of room");
        let faults = verdict::faults(cell, &ours(&Ours::default(), cell, seed));
        if !faults.is_empty() {
            tell(&format!("{kind} {seed}"), &story(cell, seed));
        }
        assert!(faults.is_empty(), "{kind} {seed}: {faults:?}");
    }
}

#[test]
fn rooms_stay_together() {
    let mut failed = Vec::new();
    let cells = each_cell(
        0..ROOMS,
        |cell, seed| ours(&Ours::default(), cell, seed),
        |cell, seed, faults| {
            if failed.is_empty() {
                tell(&format!("{} {seed}", cell.name()), &story(cell, seed));
            }
            failed.push(format!("{} {seed} # {}", cell.name(), faults.join(", ")));
        },
    );
    for (cell, outcome) in &cells {
        failed
            .extend(verdict::missed(*cell, outcome, SLACK).into_iter().map(|what| format!("{}: {what}", cell.name())));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn commands_that_cross_end_alike_for_everyone() {
    let seeds = kept(|kind| kind == "crossing").map(|(_, seed)| seed).chain(0..CROSSINGS);
    let failed: Vec<(u64, Vec<String>)> =
        seeds.map(|seed| (seed, crossing(seed))).filter(|(_, faults)| !faults.is_empty()).collect();
    if let Some((seed, _)) = failed.first() {
        tell(&format!("crossing {seed}"), &crossing_story(*seed));
    }
    let lines: Vec<String> =
        failed.iter().map(|(seed, faults)| format!("crossing {seed} # {}", faults.join(", "))).collect();
    assert!(failed.is_empty(), "{}", lines.join("\n"));
}

/// A fault in the rules must show in the kind of room that is made to show it, as something that ours does not miss.
#[test]
fn mutants_are_caught() {
    let missed = |mutant: Option<Mutant>, cell: Cell| {
        let mut outcome = Outcome::default();
        let seeds = (0..ROOMS).filter(|seed| Cell::of_seed(*seed) == cell);
        seeds.for_each(|seed| outcome.merge(ours(&Ours { mutant }, cell, seed)));
        verdict::missed(cell, &outcome, SLACK)
    };
    for mutant in Mutant::ALL {
        let cell = match mutant {
            Mutant::SignFlipped | Mutant::NoHysteresis => Cell::Symmetric,
            // Who has loaded a film that plays already has to aim for it.
            Mutant::NoSeekCompensation | Mutant::StepsTwice => Cell::Ends,
            Mutant::WallClock => Cell::Clocks,
        };
        assert_eq!(missed(None, cell), Vec::<String>::new(), "{cell:?} without a fault");
        assert!(!missed(Some(mutant), cell).is_empty(), "{mutant:?} was not noticed in {cell:?}");
    }
}
