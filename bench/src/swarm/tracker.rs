//! The relay's tracker beside bittorrent-tracker's server, each on one core.

use super::{
    remote::{Remote, cpu_seconds},
    report::beside,
};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use streamshare_tests::{Case, Process, bound, root, target_folder};

/// The cores for the tracker and for the load.
const TRACKER_CORE: &str = "0";
const LOAD_CORE: &str = "1";
const ROUNDS: usize = 3;
const RUN: Duration = Duration::from_secs(3);
/// How long a tracker may take to start.
const START: Duration = Duration::from_secs(20);

/// A way to announce: what, connections, announces on their way on each, offers in each.
const LOADS: [(&str, usize, usize, usize); 3] = [
    ("announces, pipelined", 100, 32, 0),
    ("announces, one at a time on each of 400 connections", 400, 1, 0),
    ("announces with 5 offers, which are passed on", 100, 8, 5),
];

pub(super) async fn run() -> Result<()> {
    let case = Case::begin("bench-swarm-tracker").await?;
    let mut load = Remote::ours_on(&case, "load", LOAD_CORE)?;
    for (what, connections, depth, offers) in LOADS {
        let (mut ours, mut theirs) = (Figures::default(), Figures::default());
        for _ in 0..ROUNDS {
            for (figures, start) in [(&mut ours, alone as Start), (&mut theirs, foreign as Start)] {
                let (tracker, port) = start(&case)?;
                load.call("start", &json!([port, connections, depth, offers])).context(what)?;
                let before = cpu_seconds(tracker.id())?;
                let told = load.call("count", &json!([RUN.as_millis()])).context(what)?;
                figures.note(&told, cpu_seconds(tracker.id())? - before)?;
                load.call("stop", &json!([])).context(what)?;
            }
        }
        beside(what, "thousand per second of its core", &ours.answers, "bittorrent-tracker", &theirs.answers);
        if offers > 0 {
            let unit = "thousand per second of its core";
            beside("    offers that arrived", unit, &ours.offers, "bittorrent-tracker", &theirs.offers);
        }
        beside("    by the clock", "thousand/s", &ours.by_clock, "bittorrent-tracker", &theirs.by_clock);
    }
    Ok(())
}

/// Thousands of answers and of offers for each second that the tracker's core worked for it, which a busy machine changes
/// little; and by the clock, which counts where nothing else runs.
#[derive(Debug, Default)]
struct Figures {
    answers: Vec<f64>,
    offers: Vec<f64>,
    by_clock: Vec<f64>,
}

impl Figures {
    fn note(&mut self, told: &Value, cpu: f64) -> Result<()> {
        let number = |name: &str| told[name].as_f64().with_context(|| format!("no {name} in {told}"));
        self.answers.push(number("answers")? / cpu / 1e3);
        self.offers.push(number("offers")? / cpu / 1e3);
        self.by_clock.push(number("answers")? / number("seconds")? / 1e3);
        Ok(())
    }
}

type Start = fn(&Case) -> Result<(Process, u16)>;

/// A program on one core alone, or on all.
fn on_core(core: Option<&str>, program: &Path) -> Result<Command> {
    let Some(core) = core else { return bound(program) };
    let mut command = bound("taskset")?;
    command.args(["-c", core]).arg(program);
    Ok(command)
}

fn alone(case: &Case) -> Result<(Process, u16)> {
    relay(case, Some(TRACKER_CORE))
}

/// The relay, with its limits of one connection's rate out of the way: here a hundred do what a hundred thousand would.
pub(super) fn relay(case: &Case, core: Option<&str>) -> Result<(Process, u16)> {
    let program = std::env::var_os("STREAMSHARE_RELAY")
        .map_or_else(|| target_folder().join("release/streamshare-relay"), std::path::PathBuf::from);
    if !program.is_file() {
        bail!("{} is not built; `./dev bench` builds it", program.display());
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.context("look for a free port")?.port();
    let mut command = on_core(core, &program)?;
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--log", "warn"]);
    command.args(["--tracker-message-rate", "4294967295", "--tracker-message-burst", "4294967295"]);
    let process = Process::spawn("relay", &mut command, &case.log("relay"))?;
    let end = Instant::now() + START;
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        if Instant::now() > end {
            bail!("the relay does not listen; see {}", case.log("relay").display());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok((process, port))
}

fn foreign(case: &Case) -> Result<(Process, u16)> {
    let mut command = on_core(Some(TRACKER_CORE), Path::new("node"))?;
    command.arg(root().join("bench/parts/tracker.mjs"));
    let (process, lines) = Process::spawn_piped("tracker", &mut command, &case.log("tracker"))?;
    let port = lines.next(START)?.parse().context("a port")?;
    Ok((process, port))
}
