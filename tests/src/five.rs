//! Five people in one browser.

use crate::Case;
use crate::process::{Lines, Process, bound, root};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::ChildStdin;
use std::time::Duration;

/// How long each step may take: five pages that play want more than one small machine has.
const LIMIT: Duration = Duration::from_secs(90);

/// Five people in one browser, driven by playwright; `tests/parts/five.mjs` says what they do. It answers what browsers ask
/// a person who leaves, which is out of WebDriver's sight.
#[derive(Debug)]
pub struct Five {
    said: Lines,
    input: ChildStdin,
    _process: Process,
}

impl Five {
    /// Has them enter a room.
    ///
    /// # Errors
    /// When they do not get in.
    pub fn enter(case: &Case, link: &str) -> Result<Self> {
        let mut command = bound("node")?;
        command.arg(root().join("tests/parts/five.mjs")).arg(link);
        let (mut process, said) = Process::spawn_piped("node", &mut command, &case.log("five"))?;
        let input = process.take_stdin().context("take the pipe")?;
        let five = Self { said, input, _process: process };
        five.said(&json!("entered"))?;
        Ok(five)
    }

    /// Waits for their next step.
    ///
    /// # Errors
    /// When it is another one, or does not come in time.
    pub fn said(&self, step: &Value) -> Result<()> {
        let line = self.said.next(LIMIT).with_context(|| format!("wait for {step}"))?;
        ensure!(serde_json::from_str::<Value>(&line)? == *step, "{line} instead of {step}");
        Ok(())
    }

    /// Tells them that all others have left, and what they watched.
    ///
    /// # Errors
    /// When they are gone.
    pub fn go_on(&mut self, info_hash: &str) -> Result<()> {
        writeln!(self.input, "{info_hash}").context("tell the five")
    }
}
