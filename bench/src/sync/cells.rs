//! What is measured of a pair of players.

use super::goals::{Goals, largest};
use super::pair::{Pair, Window};
use super::skew::{TOGETHER_MS, changes, quantile, skews_seen, together_after_ms};
use super::{film, screen};
use anyhow::{Result, ensure};
use std::time::Duration;
use streamshare_tests::{cpu_seconds, median};

/// How long things are left alone before a figure is taken.
const SETTLE: Duration = Duration::from_secs(8);
/// How long the pictures are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// In that time, so many frames are seen in both at the least: a fifth of the film's.
const SEEN_MIN: usize = 48;

/// From a click on play, or from a seek, until players are together (ms).
const TOGETHER_WITHIN_MS: f64 = 2_000.0;
/// The same for players that were put apart by 300 ms (ms).
const BACK_WITHIN_MS: f64 = 5_000.0;
/// The 95th percentile of the skew of a pair that is settled: two browsers, and a browser with the desktop's window, whose
/// player knows no rates (ms).
const SETTLED_MS: f64 = 10.0;
const SETTLED_DESKTOP_MS: f64 = 40.0;
/// How far a rate may be from that of the room (percent): what nobody hears.
const RATE_OFF_PERCENT: f64 = 5.0;

/// Both stand, and one person presses play.
pub(super) async fn start(pair: &mut Pair, rounds: usize, goals: &mut Goals) -> Result<()> {
    const WATCHED: Duration = Duration::from_secs(8);
    let (mut after, mut moved, mut first, mut told) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        pair.set_playing(false).await?;
        pair.watch(Duration::from_secs(3)).await?;
        let from = pair.set_playing(true).await?;
        pair.watch(WATCHED).await?;
        let skews = pair.skews(from, from + ms(WATCHED));
        let starts = [&pair.one, &pair.other].map(|player| {
            let mut samples = player.notes.samples.iter().skip_while(|sample| sample.at_ms < from);
            let stood = samples.next().map_or(f64::NAN, |sample| sample.place_s);
            samples.find(|sample| (sample.place_s - stood).abs() > 0.02).map_or(f64::NAN, |sample| sample.at_ms - from)
        });
        told.extend([&pair.one, &pair.other].map(|player| {
            let mut told = player.notes.told.iter().filter(|(at, what, _)| *at >= from && what == "play");
            told.next().map_or(f64::NAN, |(at, ..)| at - from)
        }));
        let both_ms = starts[0].max(starts[1]);
        moved.push(both_ms);
        after.push(together_after_ms(&skews, from).unwrap_or(f64::INFINITY));
        let begun = skews.iter().filter(|(at, _)| (from + both_ms..from + both_ms + 1_000.0).contains(at));
        first.push(begun.map(|(_, skew)| skew.abs()).fold(0.0, f64::max));
    }
    println!("play: from the click until both move: {} ms {moved:.0?}", whole(&moved));
    println!("play: from the click until each player is told: {} ms {told:.0?}", whole(&told));
    println!("play: from the click until under {TOGETHER_MS} ms for good: {} ms {after:.0?}", whole(&after));
    println!("play: largest skew within the first second of both: {} ms {first:.0?}", whole(&first));
    goals.at_most("play, the slowest", largest(&after), TOGETHER_WITHIN_MS, "ms");
    Ok(())
}

/// What befell both in a round that took longer than it should, for whoever looks for the cause: how far they were apart
/// every quarter of a second, and what each was told.
fn story(pair: &Pair, skews: &[(f64, f64)], (from, end): (f64, f64)) {
    const EVERY_MS: f64 = 250.0;
    let mut lines: Vec<(f64, String)> = Vec::new();
    for (at, skew) in skews {
        if lines.last().is_none_or(|(last, _)| at - last >= EVERY_MS) {
            lines.push((*at, format!("apart by {skew:.0} ms")));
        }
    }
    for (n, player) in [&pair.one, &pair.other].into_iter().enumerate() {
        let told = player.notes.told.iter().filter(|(at, ..)| (from - 100.0..end).contains(at));
        lines.extend(told.map(|(at, what, value)| (*at, format!("    player {} is told: {what} {value:.3}", n + 1))));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (at, line) in lines {
        println!("    {:6.0} ms {line}", at - from);
    }
}

/// One of them is put ahead or back by 300 ms.
pub(super) async fn apart(pair: &mut Pair, rounds: usize, goals: &mut Goals) -> Result<()> {
    const APART_S: f64 = 0.3;
    const WITHIN: Duration = Duration::from_millis(500);
    const WATCHED: Duration = Duration::from_secs(14);
    pair.set_playing(true).await?;
    let (mut after, mut was, mut late) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        pair.watch(SETTLE).await?;
        let by = if round % 2 == 0 { APART_S } else { -APART_S };
        let from = pair.other.js(&format!("meter.displace({by}, {}); return meter.now()", WITHIN.as_millis())).await?;
        let from = from.as_f64().unwrap_or(f64::NAN) + ms(WITHIN);
        pair.watch(WATCHED).await?;
        let skews = pair.skews(from, from + ms(WATCHED) - ms(WITHIN));
        was.push(skews.first().map_or(f64::NAN, |(_, skew)| *skew));
        let after_ms = together_after_ms(&skews, from).unwrap_or(f64::INFINITY);
        after.push(after_ms);
        if after_ms > BACK_WITHIN_MS {
            story(pair, &skews, (from, from + ms(WATCHED)));
        }
        late.extend(skews.iter().filter(|(at, _)| *at > from + ms(WATCHED) - 5_000.0).map(|(_, skew)| skew.abs()));
    }
    println!("apart: by {was:.0?} ms; under {TOGETHER_MS} ms for good after {} ms {after:.0?}", whole(&after));
    println!("apart: p95 of the last 5 s of each: {:.1} ms", quantile(&late, 0.95));
    goals.at_most("apart, the slowest", largest(&after), BACK_WITHIN_MS, "ms");
    goals.at_most("apart, p95 of the last 5 s", quantile(&late, 0.95), settled_ms(pair), "ms");
    Ok(())
}

/// One person goes to another place while both play.
pub(super) async fn seek(pair: &mut Pair, rounds: usize, goals: &mut Goals) -> Result<()> {
    const WATCHED: Duration = Duration::from_secs(9);
    pair.set_playing(true).await?;
    pair.watch(SETTLE).await?;
    let (mut after, mut seeks) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        #[allow(clippy::cast_precision_loss, reason = "a few rounds")]
        let to_s = 7.0 + (round * 53 % 130) as f64;
        let from = pair.seek(to_s, round % 2 == 0).await?;
        pair.watch(WATCHED).await?;
        let end = from + ms(WATCHED);
        let skews = pair.skews(from, end);
        let after_ms = together_after_ms(&skews, from).unwrap_or(f64::INFINITY);
        after.push(after_ms);
        if after_ms > TOGETHER_WITHIN_MS {
            story(pair, &skews, (from, end));
        }
        seeks.push([&pair.one, &pair.other].map(|player| player.notes.count("seek", from - 100.0, end)));
    }
    println!("seek: under {TOGETHER_MS} ms for good after {} ms {after:.0?}; seeks of each {seeks:?}", whole(&after));
    goals.at_most("seek, the slowest", largest(&after), TOGETHER_WITHIN_MS, "ms");
    let most = seeks.iter().flatten().max().copied().unwrap_or(usize::MAX);
    goals.at_most("seeks of a player for one of a person", count(most), 1.0, "times");
    Ok(())
}

/// Both play, and nobody does anything. Answers how many frames were dropped, as a share of all.
pub(super) async fn steady(pair: &mut Pair, what: &str, time: Duration, goals: &mut Goals) -> Result<f64> {
    pair.set_playing(true).await?;
    pair.watch(SETTLE).await?;
    let groups = [&pair.one, &pair.other].map(|player| match &player.window {
        Window::Browser(browser) => browser.group(),
        Window::Desktop(desktop) => desktop.group(),
    });
    let used = || -> Result<f64> { Ok(cpu_seconds(groups[0])? + cpu_seconds(groups[1])?) };
    let (dropped, cpu) = ([pair.one.frames().await?, pair.other.frames().await?], used()?);
    let from = pair.one.now_ms().await?;
    pair.watch(time).await?;
    let cpu = (used()? - cpu) / time.as_secs_f64();
    let after = [pair.one.frames().await?, pair.other.frames().await?];
    let to = from + ms(time);
    let skews: Vec<f64> = pair.skews(from, to).into_iter().map(|(_, skew)| skew).collect();
    let sizes: Vec<f64> = skews.iter().map(|skew| skew.abs()).collect();
    let minutes = time.as_secs_f64() / 60.0;
    println!(
        "{what}: {minutes:.1} min, {} notes; skew p50 {:.1}, p95 {:.1}, p99 {:.1}, max {:.1} ms; the middle {:+.1} ms",
        skews.len(),
        quantile(&sizes, 0.5),
        quantile(&sizes, 0.95),
        quantile(&sizes, 0.99),
        quantile(&sizes, 1.0),
        median(&skews),
    );
    goals.at_most(&format!("{what}, p95"), quantile(&sizes, 0.95), settled_ms(pair), "ms");
    let mut all_frames = [0.0, 0.0];
    for (at, player) in [&pair.one, &pair.other].into_iter().enumerate() {
        let times = |kind| player.notes.count(kind, from, to);
        let frames = [0, 1].map(|n| after[at][n] - dropped[at][n]);
        let rate_off_percent = player.notes.rate_off_max(from, to) * 100.0;
        all_frames = [0, 1].map(|n| all_frames[n] + frames[n]);
        println!(
            "    player {}: {} seeks, {} pauses, {} new rates, rate off by {:.2} % at most; {} of {} frames dropped",
            at + 1,
            times("seek"),
            times("pause"),
            times("rate"),
            rate_off_percent,
            frames[0],
            frames[1],
        );
        goals.at_most("seeks that nobody asked for", count(times("seek")), 0.0, "times");
        goals.at_most("pauses a minute that are seen", count(times("pause")) / minutes, 1.0, "times");
        goals.at_most("rate off", rate_off_percent, RATE_OFF_PERCENT, "%");
    }
    println!("    CPU of both: {:.1} % of a core", cpu * 100.0);
    Ok(all_frames[0] / all_frames[1].max(1.0))
}

/// The skew by the pictures beside the skew by what the players say.
pub(super) async fn pictures(pair: &mut Pair) -> Result<()> {
    pair.set_playing(true).await?;
    pair.watch(SETTLE).await?;
    let from = pair.one.now_ms().await?;
    let (one, other);
    pair.other.js("meter.look(true)").await?;
    if let Window::Desktop(desktop) = &pair.one.window {
        one = screen::frames(desktop, LOOK).await?;
        pair.watch(Duration::ZERO).await?;
    } else {
        pair.one.js("meter.look(true)").await?;
        pair.watch(LOOK).await?;
        pair.one.js("meter.look(false)").await?;
        one = std::mem::take(&mut pair.one.notes.frames);
    }
    pair.other.js("meter.look(false)").await?;
    pair.watch(Duration::ZERO).await?;
    other = std::mem::take(&mut pair.other.notes.frames);
    let to = pair.one.now_ms().await?;
    let seen = skews_seen(&one, &other);
    let said: Vec<f64> = pair.skews(from, to).into_iter().map(|(_, skew)| skew).filter(|s| s.is_finite()).collect();
    println!(
        "pictures: the middle of {} frames that both showed {:+.1} ms, of {} notes {:+.1} ms",
        seen.len(),
        median(&seen),
        said.len(),
        median(&said)
    );
    ensure!(seen.len() >= SEEN_MIN, "the players' pictures cannot be compared");
    for (name, frames, player) in [("first", &one, &pair.one), ("second", &other, &pair.other)] {
        let behind: Vec<f64> = changes(frames)
            .filter_map(|(at, number)| Some((player.notes.place_s(at)? - number / f64::from(film::RATE)) * 1000.0))
            .collect();
        println!("    {name} player: its picture came {:+.1} ms after its place", median(&behind));
    }
    Ok(())
}

/// What is wanted of a pair that is settled.
fn settled_ms(pair: &Pair) -> f64 {
    if matches!(pair.one.window, Window::Desktop(_)) { SETTLED_DESKTOP_MS } else { SETTLED_MS }
}

#[allow(clippy::cast_precision_loss, reason = "a few times")]
fn count(times: usize) -> f64 {
    times as f64
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The median, as a whole number.
fn whole(figures: &[f64]) -> String {
    format!("{:.0}", median(figures))
}
