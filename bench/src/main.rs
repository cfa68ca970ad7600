//! `./dev bench`: measures the product as it is shipped, beside what others made for the same. Prints figures, keeps nothing.
//!
//! A package of its own, so that it is compiled for speed while the tests are not.
#![allow(clippy::print_stdout, reason = "figures are what it is for")]

mod first_light;
mod stream;
mod swarm;
mod sync;
mod sync_sim;

use anyhow::{Context as _, Result, bail};

/// A part of a bench, and what it measures.
type Part = (&'static str, &'static str);

/// What there is to measure, in parts where there are any.
const BENCHES: [(&str, &str, &[Part]); 5] = [
    ("first-light", "drop to picture, one side's click to the other side's reaction, memory while playing", &[]),
    (
        "stream",
        "films out of a swarm of foreign seeders, beside other clients; a second word names one part of it:",
        &stream::PARTS,
    ),
    ("swarm", "desktop and browser exchange films; a second word names one part of it:", &swarm::PARTS),
    ("sync", "how far apart players are that show one film; a second word names one part of it:", &sync::PARTS),
    (
        "sync-sim",
        "rooms in virtual time: our synchronisation beside others' rules; a second word says how many rooms",
        &[],
    ),
];

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => {
            for (name, what, parts) in BENCHES {
                println!("{name:12} {what}");
                for (name, what) in parts {
                    println!("    {name:9} {what}");
                }
            }
            Ok(())
        }
        ["first-light"] => first_light::first_light().await,
        ["sync-sim"] => sync_sim::run(sync_sim::SEEDS),
        ["sync-sim", seeds] => sync_sim::run(seeds.parse().context("read how many rooms")?),
        ["swarm"] => swarm::run(None).await,
        ["swarm", part] => swarm::run(Some(part)).await,
        ["sync"] => sync::run(None).await,
        ["sync", part] => sync::run(Some(part)).await,
        ["stream"] => stream::run(None).await,
        ["stream", part] => stream::run(Some(part)).await,
        // What the bench starts as a process of its own, so that its time and memory can be told.
        ["part", "channel"] => swarm::ours::channels().await,
        ["part", "client"] => swarm::client::client().await,
        ["part", "engine"] => Box::pin(stream::client::engine()).await,
        ["part", "load"] => swarm::load::load().await,
        _ => bail!("there is no bench {}; without a name they are listed", words.join(" ")),
    }
}

/// The part that is named, or all of them.
///
/// # Errors
/// When there is no part of that name.
fn chosen(parts: &'static [Part], only: Option<&str>) -> Result<Vec<Part>> {
    let chosen: Vec<Part> = parts.iter().copied().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if let (Some(only), true) = (only, chosen.is_empty()) {
        bail!("there is no part {only}; `./dev bench` lists them");
    }
    Ok(chosen)
}
