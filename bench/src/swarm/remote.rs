//! Processes that take commands: each a JSON line, each answered by one.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    io::Write as _,
    process::{ChildStdin, Command},
    time::{Duration, Instant},
};
use streamshare_tests::{Case, Lines, Process, bound, root, target_folder};

/// How long a command may take: the slowest is a transfer over a bad link.
const LIMIT: Duration = Duration::from_secs(120);

/// A process that takes commands. It ends with its input, thus when this is dropped.
#[derive(Debug)]
pub(crate) struct Remote {
    name: String,
    input: ChildStdin,
    output: Lines,
    process: Process,
    next: u64,
    early: HashMap<u64, Value>,
}

/// A command that was given and whose answer was not taken.
#[derive(Debug)]
#[must_use]
pub(crate) struct Asked(u64);

impl Remote {
    fn start(case: &Case, name: &str, command: &mut Command) -> Result<Self> {
        let (mut process, output) = Process::spawn_piped(name, command, &case.log(name))?;
        let input = process.take_stdin().context("take the pipe")?;
        let remote = Self { name: name.to_owned(), input, output, process, next: 0, early: HashMap::new() };
        let ready = remote.line(Instant::now() + LIMIT)?;
        anyhow::ensure!(ready["ready"] == true, "{name} said {ready} at first");
        Ok(remote)
    }

    /// Chromium.
    pub(crate) fn browser(case: &Case) -> Result<Self> {
        let mut command = bound("node")?;
        command.arg(root().join("bench/parts/browser.mjs"));
        Self::start(case, "browser", &mut command)
    }

    /// A part of this program, in a process of its own.
    pub(crate) fn ours(case: &Case, part: &str) -> Result<Self> {
        let this = std::env::current_exe().context("find this program")?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(this).args(["part", part]);
        Self::start(case, &format!("ours-{part}"), &mut command)
    }

    /// The same, on one core alone.
    pub(crate) fn ours_on(case: &Case, part: &str, core: &str) -> Result<Self> {
        let this = std::env::current_exe().context("find this program")?;
        let mut command = bound("taskset")?;
        command.args(["-c", core]).arg(this).args(["part", part]);
        Self::start(case, &format!("ours-{part}"), &mut command)
    }

    /// A script in Node that uses packages which are only measured.
    pub(crate) fn node(case: &Case, script: &str) -> Result<Self> {
        let packages = target_folder().join("tools/bench/package.json");
        if !packages.is_file() {
            bail!("{} is missing; `./dev bench` installs what is measured beside", packages.display());
        }
        let mut command = bound("node")?;
        command.arg(root().join("bench/parts").join(script)).arg(packages);
        Self::start(case, script, &mut command)
    }

    /// Gives a command.
    pub(crate) fn ask(&mut self, command: &str, values: &Value) -> Result<Asked> {
        let id = self.next;
        self.next += 1;
        let line = json!({ "id": id, "command": command, "values": values });
        writeln!(self.input, "{line}").with_context(|| format!("{} is gone", self.name))?;
        Ok(Asked(id))
    }

    /// Waits for a command's answer.
    pub(crate) fn answer(&mut self, asked: &Asked) -> Result<Value> {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(answer) = self.early.remove(&asked.0) {
                if let Some(error) = answer.get("error") {
                    bail!("{} failed: {error}", self.name);
                }
                return Ok(answer["value"].clone());
            }
            let answer = self.line(end)?;
            let id = answer["id"].as_u64().with_context(|| format!("{} said {answer}", self.name))?;
            self.early.insert(id, answer);
        }
    }

    /// Gives a command and waits for its answer.
    pub(crate) fn call(&mut self, command: &str, values: &Value) -> Result<Value> {
        let asked = self.ask(command, values)?;
        self.answer(&asked)
    }

    /// CPU time that it used so far, in seconds: of its own process, not of those that it started.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds(self.process.id())
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn line(&self, end: Instant) -> Result<Value> {
        let line = self.output.next(end.saturating_duration_since(Instant::now()))?;
        serde_json::from_str(&line).with_context(|| format!("{} said {line}", self.name))
    }
}

/// CPU time that a process used so far, in seconds, to 10 ms.
pub(crate) fn cpu_seconds(id: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).context("read a process's times")?;
    let (_, after) = stat.rsplit_once(')').context("a process's times")?;
    // proc(5): utime and stime are fields 14 and 15, in ticks, of which Linux tells programs that there are 100 a second.
    let ticks = after.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap_or(f64::NAN));
    Ok(ticks.sum::<f64>() / 100.0)
}
