//! The relay's own program.

use crate::Case;
use crate::process::{Process, bound, built, free_port};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long the relay may take until it says that it is well.
const START_LIMIT: Duration = Duration::from_secs(20);

/// The relay's own binary on a fixed port of the loopback interface.
#[derive(Debug)]
pub struct Relay {
    port: u16,
    log: PathBuf,
    process: Process,
}

impl Relay {
    /// Starts it and waits until it is well.
    ///
    /// # Errors
    /// When it is not built or does not get well.
    pub async fn start(case: &Case) -> Result<Self> {
        let (port, log) = (free_port()?, case.log("relay"));
        let process = spawn(port, &log)?;
        let relay = Self { port, log, process };
        relay.ready().await?;
        Ok(relay)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The link to a room on it.
    #[must_use]
    pub fn link(&self, room: &str) -> String {
        format!("{}/#/room/{room}", self.url())
    }

    /// Kills it as a crash does.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same port, after [`Relay::kill`].
    ///
    /// # Errors
    /// When it does not get well.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process = spawn(self.port, &self.log)?;
        self.ready().await
    }

    async fn ready(&self) -> Result<()> {
        let end = Instant::now() + START_LIMIT;
        let address = format!("{}/healthz", self.url());
        loop {
            let healthy = reqwest::get(&address).await.is_ok_and(|response| response.status().is_success());
            if healthy {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("the relay is not well: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn spawn(port: u16, log: &std::path::Path) -> Result<Process> {
    let mut command = bound(built("STREAMSHARE_RELAY", "streamshare-relay")?)?;
    Process::spawn("the relay", command.args(["--listen", &format!("127.0.0.1:{port}")]), log)
}
