//! Films out of a swarm of foreign seeders: our engine beside rqbit's own server, webtorrent in Node and peerflix, in turns within one run,
//! each afresh every time.

pub(crate) mod client;
mod file;
mod gap;
mod http;
mod seek;
mod shaper;
mod start;
mod swarm;

use anyhow::{Context as _, Result, bail};
use client::{Client, Kind};
use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use streamshare_tests::{Case, median};
use swarm::{Film, Swarm};
use url::Url;

/// The parts, in the order in which they run.
pub(crate) const PARTS: [(&str, &str); 7] = [
    ("start", "from the torrent to first byte and first frame; pieces of 1 MiB"),
    ("start4", "the same; pieces of 4 MiB"),
    ("seek", "from a seek to first byte and first frame; pieces of 1 MiB"),
    ("seek4", "the same; pieces of 4 MiB"),
    ("gap", "the longest wait while playing 2.5 MB/s from a peer of 5 MB/s and one of 50 KB/s"),
    ("memory", "memory and CPU of streaming 512 MB from seeders next door"),
    ("file", "a finished file over HTTP, beside nginx"),
];

/// Measures one part, or all.
pub(crate) async fn run(only: Option<&str>) -> Result<()> {
    for (name, what) in crate::chosen(&PARTS, only)? {
        println!("-- {name}: {what}");
        let case = Case::begin(&format!("bench-stream-{name}")).await?;
        let swarm = Swarm::start(&case)?;
        match name {
            "start" => start::run(&case, swarm, 1024)?,
            "start4" => start::run(&case, swarm, 4096)?,
            "seek" => seek::run(&case, swarm, 1024)?,
            "seek4" => seek::run(&case, swarm, 4096)?,
            "gap" => gap::run(&case, swarm)?,
            "memory" => file::memory(&case, swarm)?,
            "file" => file::finished(&case, swarm)?,
            _ => bail!("{name} is listed and does not exist"),
        }
    }
    Ok(())
}

/// Clients to measure: all, or those that `STREAMSHARE_BENCH_ONLY` names, to look at one closely.
fn kinds() -> Vec<Kind> {
    let only = std::env::var("STREAMSHARE_BENCH_ONLY").unwrap_or_default();
    Kind::ALL.into_iter().filter(|kind| only.is_empty() || only.contains(kind.name())).collect()
}

/// Figures of each client, printed as a line.
struct Table {
    what: String,
    unit: &'static str,
    rows: Vec<(Kind, Vec<f64>)>,
}

impl Table {
    fn new(what: impl Into<String>, unit: &'static str) -> Self {
        Self { what: what.into(), unit, rows: kinds().into_iter().map(|kind| (kind, Vec::new())).collect() }
    }

    fn add(&mut self, kind: Kind, figure: f64) {
        if let Some((_, figures)) = self.rows.iter_mut().find(|(row, _)| *row == kind) {
            figures.push(figure);
        }
    }

    fn print(&self) {
        println!("{}, median of {} ({}):", self.what, self.rows.first().map_or(0, |(_, row)| row.len()), self.unit);
        for (kind, figures) in &self.rows {
            println!("    {:10} {:8.3}   {figures:.2?}", kind.name(), median(figures));
        }
    }
}

/// Seconds until a file's first byte from a place on is there.
fn first_byte(url: &Url, from: Option<u64>, begun: Instant) -> Result<f64> {
    let mut body = http::get(url, from)?;
    anyhow::ensure!(body.read(&mut [0; 1])? == 1, "an empty file");
    Ok(begun.elapsed().as_secs_f64())
}

/// Seconds until ffmpeg, as a player, has the first frame, from some second of the film on.
fn first_frame(url: &Url, second: Option<u32>, begun: Instant) -> Result<f64> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error"]);
    if let Some(second) = second {
        ffmpeg.args(["-ss", &second.to_string()]);
    }
    ffmpeg.args(["-i", url.as_str(), "-map", "0:v:0", "-frames:v", "1", "-f", "null", "-"]);
    let mut child = ffmpeg.stdout(Stdio::null()).spawn().context("start ffmpeg")?;
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().context("wait for ffmpeg")? {
            anyhow::ensure!(status.success(), "ffmpeg failed: {status}");
            return Ok(begun.elapsed().as_secs_f64());
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            bail!("no frame within a minute");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
