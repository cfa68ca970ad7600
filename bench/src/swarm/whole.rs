//! The whole path: webtorrent.js in Chromium, the relay's tracker, and a client on this machine; both ways.
//!
//! webtorrent in Node is beside it. It runs with node-datachannel 0.33, of which npm's registry has a build, where it asks for
//! 0.32, and without the 5 s that it waits for nothing before each offer and answer (see `bench/parts/webtorrent.mjs`).

use super::{remote::Remote, report::beside, tracker};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use streamshare_tests::Case;

const BYTES: usize = 50_000_000;
const ROUNDS: usize = 5;

#[derive(Debug, Default)]
struct Way {
    /// MB/s, from the first block to the last.
    speed: Vec<f64>,
    /// Milliseconds from joining to the first block.
    first: Vec<f64>,
    /// The client's CPU seconds per 100 MB.
    cpu: Vec<f64>,
}

pub(super) async fn run() -> Result<()> {
    let case = Case::begin("bench-swarm-whole").await?;
    let (_relay, port) = tracker::relay(&case, None)?;
    let announce = format!("ws://127.0.0.1:{port}/announce");
    let mut browser = Remote::browser(&case)?;
    let mut clients = [Remote::ours(&case, "client")?, Remote::node(&case, "webtorrent.mjs")?];
    let (mut down, mut up) = ([Way::default(), Way::default()], [Way::default(), Way::default()]);
    for _ in 0..ROUNDS {
        for (client, (down, up)) in clients.iter_mut().zip(down.iter_mut().zip(&mut up)) {
            from_browser(&mut browser, client, &announce, down)?;
            to_browser(&mut browser, client, &announce, up)?;
        }
    }
    for (what, [ours, theirs]) in [("Chromium -> librqbit", &down), ("librqbit -> Chromium, by magnet", &up)] {
        beside(what, "MB/s", &ours.speed, "webtorrent in Node", &theirs.speed);
        beside("    its CPU", "s per 100 MB", &ours.cpu, "webtorrent in Node", &theirs.cpu);
        beside("    join to first byte", "ms", &ours.first, "webtorrent in Node", &theirs.first);
    }
    Ok(())
}

fn from_browser(browser: &mut Remote, client: &mut Remote, announce: &str, way: &mut Way) -> Result<()> {
    browser.call("open", &json!(["torrent"]))?;
    let torrent = browser.call("call", &json!(["seed", BYTES, announce]))?;
    let before = client.cpu_seconds()?;
    let times = client.call("download", &json!([torrent, announce]))?;
    way.note(&times, client.cpu_seconds()? - before)?;
    client.call("forget", &json!([]))?;
    Ok(())
}

fn to_browser(browser: &mut Remote, client: &mut Remote, announce: &str, way: &mut Way) -> Result<()> {
    let info_hash = client.call("seed", &json!([BYTES, announce]))?;
    let info_hash = info_hash.as_str().context("an info hash")?;
    let tracker = announce.replace(':', "%3A").replace('/', "%2F");
    browser.call("open", &json!(["torrent"]))?;
    let before = client.cpu_seconds()?;
    let times = browser.call("call", &json!(["fetch", format!("magnet:?xt=urn:btih:{info_hash}&tr={tracker}")]))?;
    way.note(&times, client.cpu_seconds()? - before)?;
    client.call("forget", &json!([]))?;
    Ok(())
}

impl Way {
    fn note(&mut self, times: &Value, cpu: f64) -> Result<()> {
        #[allow(clippy::cast_precision_loss, reason = "some megabytes")]
        let bytes = BYTES as f64;
        let time = |name: &str| times[name].as_f64().with_context(|| format!("no time {name} in {times}"));
        let (first, done) = (time("first")?, time("done")?);
        self.speed.push(bytes / 1e3 / (done - first));
        self.first.push(first);
        self.cpu.push(cpu * 100e6 / bytes);
        Ok(())
    }
}
