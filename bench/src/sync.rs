//! How far apart players are that show one film: real ones, in programs of their own, on a real relay that is reached over
//! bad links (50 ms each way, 15 ms of jitter).
//!
//! What a player says of its place is noted 20 times a second against the machine's clock, and compared with frame numbers
//! that are read out of the picture. Beside the product, timingsrc is measured in the same way; its
//! pages are given the right clock instead of having to measure it, so that only how well a player is kept is compared.
//! What is wanted of the product's figures is said beside them, and a goal that is missed fails the part.

mod cells;
mod film;
mod goals;
mod link;
mod pair;
mod screen;
mod skew;

use anyhow::{Result, bail, ensure};
use goals::Goals;
use pair::Pair;
use std::time::Duration;

/// The parts, in the order in which they run.
pub(crate) const PARTS: [(&str, &str); 11] = [
    ("meter", "the meter itself: 37 ms read as 37 +- 1, by clocks that are right and by players that stand"),
    ("start", "two browsers: one person presses play"),
    ("apart", "two browsers: one is put 300 ms ahead or back"),
    ("seek", "two browsers: someone goes to another place"),
    ("steady", "two browsers for 1.5 min, and the same without control"),
    ("hidden", "two browsers, one of them put away"),
    ("mutants", "two browsers that are told the wrong thing: the meter has to see it"),
    ("desktop", "the desktop's window and a browser: play, a seek, and a minute of playback"),
    ("screen", "the same two, by what is on the window's screen"),
    ("timingsrc", "two browsers kept by timingsrc, all of the above"),
    ("long", "two browsers for 30 min; only by its name"),
];

/// How long the film is: longer than what is measured in one go.
const MINUTES: u32 = 5;
const MINUTES_LONG: u32 = 34;
const STEADY: Duration = Duration::from_secs(90);
const STEADY_DESKTOP: Duration = Duration::from_secs(60);
const STEADY_LONG: Duration = Duration::from_secs(30 * 60);
const STEADY_SHORT: Duration = Duration::from_secs(40);

/// Measures one part, or all but the long one.
pub(crate) async fn run(only: Option<&str>) -> Result<()> {
    let mut failed = Vec::new();
    for (name, what) in crate::chosen(&PARTS, only)? {
        // Half an hour is only for who asks for it.
        if only.is_none() && name == "long" {
            continue;
        }
        println!("-- {name}: {what}");
        // A goal that is missed keeps nobody from measuring the rest.
        if let Err(error) = Box::pin(part(name)).await {
            println!("    FAILED: {error:#}");
            failed.push(name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

async fn part(name: &str) -> Result<()> {
    if name == "meter" {
        return meter().await;
    }
    if name == "timingsrc" {
        return timingsrc().await;
    }
    let minutes = if name == "long" { MINUTES_LONG } else { MINUTES };
    let with_desktop = matches!(name, "desktop" | "screen");
    let pair = &mut if with_desktop { Pair::with_desktop(minutes).await? } else { Pair::browsers(minutes).await? };
    let goals = &mut Goals::asked();
    match name {
        "start" => cells::start(pair, 6, goals).await?,
        "apart" => cells::apart(pair, 6, goals).await?,
        "seek" => cells::seek(pair, 10, goals).await?,
        "steady" => {
            cells::pictures(pair).await?;
            let dropped = cells::steady(pair, "kept", STEADY, goals).await?;
            pair.both("meter.mode('deaf')").await?;
            let without = cells::steady(pair, "not kept", STEADY_SHORT, &mut Goals::unasked()).await?;
            // Two dropped frames in a thousand are chance.
            goals.at_most("dropped frames beyond those without control", (dropped - without) * 100.0, 0.2, "%");
        }
        "hidden" => {
            pair.other.hide().await?;
            cells::start(pair, 3, goals).await?;
            cells::seek(pair, 3, goals).await?;
            cells::steady(pair, "kept", STEADY_SHORT, goals).await?;
        }
        "mutants" => {
            for mode in ["deaf", "flipped", "late", "restless", "wall"] {
                pair.other.mode(mode).await?;
                let mut broken = Goals::asked();
                match mode {
                    "late" => cells::seek(pair, 4, &mut broken).await?,
                    "restless" | "wall" => drop(cells::steady(pair, mode, STEADY_SHORT, &mut broken).await?),
                    _ => cells::apart(pair, 2, &mut broken).await?,
                }
                broken.seen_broken(mode)?;
                pair.other.mode("obeys").await?;
            }
        }
        "desktop" => {
            cells::start(pair, 3, goals).await?;
            cells::seek(pair, 3, goals).await?;
            cells::steady(pair, "kept", STEADY_DESKTOP, goals).await?;
        }
        "screen" => cells::pictures(pair).await?,
        "long" => {
            cells::steady(pair, "kept", STEADY_LONG, goals).await?;
        }
        _ => bail!("{name} is listed and does not exist"),
    }
    std::mem::take(goals).verdict()
}

/// The peer to beat, in the same harness.
async fn timingsrc() -> Result<()> {
    let pair = &mut Pair::pages(MINUTES, ["/timingsrc", "/timingsrc"]).await?;
    pair.control().await?;
    pair.set_playing(true).await?;
    let goals = &mut Goals::unasked();
    cells::start(pair, 3, goals).await?;
    cells::apart(pair, 2, goals).await?;
    cells::seek(pair, 3, goals).await?;
    cells::steady(pair, "kept", STEADY_SHORT, goals).await?;
    Ok(())
}

/// How far two players are put apart to see what the meter reads.
const AHEAD_MS: f64 = 37.0;

/// The meter reads what was put in.
async fn meter() -> Result<()> {
    clocks().await?;
    standing().await
}

/// Two players that are where a clock says, one of them ahead.
async fn clocks() -> Result<()> {
    let pair = &mut Pair::pages(MINUTES, ["/perfect?ahead=0.037", "/perfect"]).await?;
    let skews = read(pair, Duration::from_secs(10)).await?;
    let [low, high] = [0.0, 1.0].map(|part| skew::quantile(&skews, part));
    println!(
        "clocks that are {AHEAD_MS} ms apart, in two browsers: {} notes from {low:.2} to {high:.2} ms",
        skews.len()
    );
    ensure!(skews.len() > 150 && is_right(&skews), "the meter is wrong");
    Ok(())
}

/// Two real players that stand, one of them ahead.
async fn standing() -> Result<()> {
    let pair = &mut Pair::pages(MINUTES, ["/still", "/still"]).await?;
    pair.one.js("document.querySelector('video').currentTime = 20.037").await?;
    pair.other.js("document.querySelector('video').currentTime = 20").await?;
    for player in [&pair.one, &pair.other] {
        player.until("!document.querySelector('video').seeking").await?;
    }
    let skews = read(pair, Duration::from_secs(3)).await?;
    println!("players that stand {AHEAD_MS} ms apart: {:.2} ms", skew::quantile(&skews, 0.5));
    ensure!(skews.len() > 30 && is_right(&skews), "the meter is wrong");
    for player in [&pair.one, &pair.other] {
        // 37 ms are less than a frame.
        let seen = player.js("return meter.frame()").await?;
        ensure!(seen == 20 * film::RATE, "the picture is read as {seen}");
    }
    println!("the frame's number is read right");
    Ok(())
}

async fn read(pair: &mut Pair, time: Duration) -> Result<Vec<f64>> {
    let from = pair.one.now_ms().await?;
    pair.watch(time).await?;
    Ok(pair.skews(from, f64::INFINITY).into_iter().map(|(_, skew)| skew).collect())
}

fn is_right(read: &[f64]) -> bool {
    read.iter().all(|skew| (skew - AHEAD_MS).abs() <= 1.0)
}
