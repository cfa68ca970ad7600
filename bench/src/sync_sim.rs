//! Synchronisation in virtual time: how far apart everybody truly is, under our rules and under those of others, in the same
//! rooms; and commands that cross. The figures are the same on every machine; the time that it takes is not.

use anyhow::{Result, bail};
use std::time::Instant;
use streamshare_sync_sim::baselines::{CyTube, Jellyfin, Nothing, OpenTogetherTube, Syncplay, WatchParty};
use streamshare_sync_sim::run::{crossing, each_cell, ours, theirs};
use streamshare_sync_sim::{Cell, Mutant, Ours, Outcome, Scheme, table, verdict};

/// Rooms for each, and schedules of crossing commands.
pub(crate) const SEEDS: u64 = 10_000;
/// Rooms for each mutant: they miss by far.
const MUTANT_SEEDS_MAX: u64 = 300;
/// Failures that are printed in full.
const SHOWN: usize = 20;

/// Runs all of it, and fails where ours misses what is asked of it.
pub(crate) fn run(seeds: u64) -> Result<()> {
    let begun = Instant::now();
    let mut failed = Vec::new();
    let mut rows: Vec<(Cell, &str, Outcome)> = Vec::new();
    let all = each_cell(
        0..seeds,
        |cell, seed| ours(&Ours::default(), cell, seed),
        |cell, seed, faults| {
            failed.push(format!("{} {seed} # {}", cell.name(), faults.join(", ")));
        },
    );
    println!("{seeds} rooms of ours: {:.0} s", begun.elapsed().as_secs_f64());
    for (cell, outcome) in all {
        failed.extend(verdict::missed(cell, &outcome, 1.0).into_iter().map(|what| format!("{}: {what}", cell.name())));
        rows.push((cell, "ours", outcome));
    }
    beside(&Nothing, seeds, &mut rows);
    beside(&Syncplay, seeds, &mut rows);
    beside(&Jellyfin { corrects: false }, seeds, &mut rows);
    beside(&Jellyfin { corrects: true }, seeds, &mut rows);
    beside(&OpenTogetherTube, seeds, &mut rows);
    beside(&WatchParty, seeds, &mut rows);
    beside(&CyTube, seeds, &mut rows);
    println!("the same rooms under others' rules: {:.0} s in all", begun.elapsed().as_secs_f64());
    println!("{}", table::HEAD);
    for cell in Cell::ALL {
        for (_, scheme, outcome) in rows.iter().filter(|row| row.0 == cell) {
            println!("{}", table::line(cell.name(), scheme, outcome));
        }
    }
    mutants(seeds.min(MUTANT_SEEDS_MAX));
    let mut crossed = 0;
    for seed in 0..seeds {
        let faults = crossing(seed);
        if !faults.is_empty() {
            crossed += 1;
            failed.push(format!("crossing {seed} # {}", faults.join(", ")));
        }
    }
    println!("{seeds} schedules of commands that cross: {crossed} did not end alike for everyone");
    println!("{:.0} s in all", begun.elapsed().as_secs_f64());
    if failed.is_empty() {
        return Ok(());
    }
    failed.iter().take(SHOWN).for_each(|failure| println!("{failure}"));
    bail!("{} failures; seeds belong into crates/sync-sim/kept-seeds.txt", failed.len());
}

/// Ours with a fault put in: what each misses.
fn mutants(seeds: u64) {
    println!("ours with a fault, in the first {seeds} rooms:");
    for mutant in Mutant::ALL {
        let scheme = Ours { mutant: Some(mutant) };
        for (cell, outcome) in each_cell(0..seeds, |cell, seed| ours(&scheme, cell, seed), |_, _, _| {}) {
            let missed = verdict::missed(cell, &outcome, 1.0);
            if !missed.is_empty() {
                println!("    {:22} {:10} {}", scheme.name(), cell.name(), missed.join("; "));
            }
        }
    }
}

fn beside<S: Scheme>(scheme: &S, seeds: u64, rows: &mut Vec<(Cell, &'static str, Outcome)>) {
    // Of playlists they have rules of their own, which are not what is compared here.
    let one_film = (0..seeds).filter(|seed| Cell::of_seed(*seed) != Cell::Ends);
    let cells = each_cell(one_film, |cell, seed| theirs(scheme, cell, seed), |_, _, _| {});
    rows.extend(cells.into_iter().map(|(cell, outcome)| (cell, scheme.name(), outcome)));
}
