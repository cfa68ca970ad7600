//! What channels cost in memory.

use super::{channel, remote::Remote, report::beside};
use anyhow::{Context as _, Result};
use serde_json::json;
use streamshare_tests::{Case, pss_kib};

/// Channels open at a time.
const CHANNELS: usize = 50;
/// Bytes over each, both ways.
const TRAFFIC: usize = 2_000_000;

pub(super) async fn run() -> Result<()> {
    let case = Case::begin("bench-swarm-memory").await?;
    let mut browser = Remote::browser(&case)?;
    let mut figures = Vec::new();
    for ours in [true, false] {
        let mut peer = if ours { Remote::ours(&case, "channel")? } else { Remote::node(&case, "datachannel.mjs")? };
        figures.push(of(&mut browser, &mut peer)?);
    }
    let [(our_idle, our_busy), (their_idle, their_busy)] = figures[..] else { return Ok(()) };
    beside("a channel that is open", "KiB", &[our_idle], "node-datachannel", &[their_idle]);
    beside("a channel after 2 MB each way", "KiB", &[our_busy], "node-datachannel", &[their_busy]);
    Ok(())
}

/// KiB per channel that a process grew by: idle, and after traffic.
fn of(browser: &mut Remote, peer: &mut Remote) -> Result<(f64, f64)> {
    browser.call("open", &json!(["channel"]))?;
    // One channel first: what all share is not counted.
    channel::connect(browser, peer, 0, None)?;
    traffic(browser, peer, 0)?;
    let (before, _) = pss_kib(peer.id())?;
    for key in 1..=CHANNELS {
        channel::connect(browser, peer, key, None).with_context(|| format!("open channel {key}"))?;
    }
    let (idle, _) = pss_kib(peer.id())?;
    for key in 1..=CHANNELS {
        traffic(browser, peer, key)?;
    }
    let (busy, _) = pss_kib(peer.id())?;
    #[allow(clippy::cast_precision_loss, reason = "some megabytes")]
    let each = |kib: u64| (kib as f64 - before as f64) / CHANNELS as f64;
    Ok((each(idle), each(busy)))
}

fn traffic(browser: &mut Remote, peer: &mut Remote, key: usize) -> Result<()> {
    channel::transfer_on(browser, peer, key, TRAFFIC, true)?;
    channel::transfer_on(browser, peer, key, TRAFFIC, false)
}
