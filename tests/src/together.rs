//! Whether films are at one place.

use crate::Page;
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// What two players may be apart by that show one film, in seconds: two frames at 24 per second, where an echo begins to be
/// heard. On a quiet machine browsers are within some milliseconds, and a window with a browser within a frame.
const APART_S_MAX: f64 = 2.0 / 24.0;
/// The same for two windows, whose players know no rates: each may be 40 ms and its own noise off, and is brought back by a
/// short pause once a minute at most.
const WINDOWS_APART_S_MAX: f64 = 0.15;
/// How long two players may need until they are together, on a machine that is busy: longer than the minute between two pauses.
const LIMIT: Duration = Duration::from_secs(90);
/// So many readings in a row have to agree: one alone may be chance.
const IN_A_ROW: u32 = 6;
const INTERVAL: Duration = Duration::from_millis(150);

/// Waits until two films that play at a room's speed are at one place to two frames, and stay there for a second.
///
/// # Errors
/// When they are not in time.
pub async fn together(one: &Page, other: &Page, speed: f64) -> Result<()> {
    within(APART_S_MAX, one, other, speed).await
}

/// Waits until two desktop windows that play at a room's speed are at one place to 0.15 s, and stay there for a second.
///
/// # Errors
/// When they are not in time.
pub async fn windows_together(one: &Page, other: &Page, speed: f64) -> Result<()> {
    within(WINDOWS_APART_S_MAX, one, other, speed).await
}

async fn within(apart_s_max: f64, one: &Page, other: &Page, speed: f64) -> Result<()> {
    let end = Instant::now() + LIMIT;
    let (mut in_a_row, mut read) = (0, Vec::new());
    while in_a_row < IN_A_ROW {
        if Instant::now() > end {
            bail!("not within {apart_s_max:.3} s of each other, but {read:.3?}");
        }
        let places = [start_of(one, speed).await?, start_of(other, speed).await?];
        let apart = places[0].zip(places[1]).map_or(f64::INFINITY, |(one, other)| (one - other).abs());
        in_a_row = if apart < apart_s_max { in_a_row + 1 } else { 0 };
        read.push(apart);
        tokio::time::sleep(INTERVAL).await;
    }
    Ok(())
}

/// When the film would have begun, by the machine's clock in seconds, had it played at this speed all along; nothing while it
/// does not play. Read in the page itself, so that the way to it counts for nothing.
async fn start_of(page: &Page, speed: f64) -> Result<Option<f64>> {
    let code = "const v = video(); const s = v.currentTime;
        return v.paused || v.seeking ? null : { s, now: (performance.timeOrigin + performance.now()) / 1000 }";
    let read = page.js(code).await?;
    Ok(read["s"].as_f64().zip(read["now"].as_f64()).map(|(place_s, now_s)| now_s * speed - place_s))
}
