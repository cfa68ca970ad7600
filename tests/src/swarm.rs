use crate::process::{Process, free_port, root, run};
use crate::{Case, Media};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long the foreign programs may take to start, and to check and announce a torrent.
const LIMIT: Duration = Duration::from_secs(30);

/// A swarm of foreign programs on loopback: bittorrent-tracker's server and transmission as the only seeder, with DHT,
/// peer exchange, local discovery and uTP off.
#[derive(Debug)]
pub struct Swarm {
    folder: PathBuf,
    announce: String,
    rpc_port: u16,
    _tracker: Process,
    _seeder: Process,
}

/// A torrent in a swarm.
#[derive(Clone, Debug)]
pub struct Torrent {
    /// The .torrent file.
    pub file: PathBuf,
    /// Its magnet link, with the tracker.
    pub magnet: String,
}

impl Swarm {
    /// Starts both; the seeder sends at most `kib_per_s`, where there is a limit.
    ///
    /// # Errors
    /// When something is not installed or does not start.
    pub async fn start(case: &Case, kib_per_s: Option<u32>) -> Result<Self> {
        let mut tracker = Command::new("node");
        tracker.arg(root().join("tests/parts/tracker.mjs"));
        let (tracker, said) = Process::spawn_piped("node", &mut tracker, &case.log("tracker"))?;
        let announce = format!("http://127.0.0.1:{}/announce", said.next(LIMIT)?);

        let folder = case.scratch().join("swarm");
        std::fs::create_dir_all(folder.join("seeding")).context("make the seeder's folder")?;
        let rpc_port = free_port()?;
        let settings = json!({
            "bind-address-ipv4": "127.0.0.1",
            "dht-enabled": false,
            "download-dir": folder.join("seeding"),
            "lpd-enabled": false,
            "peer-port": free_port()?,
            "pex-enabled": false,
            "port-forwarding-enabled": false,
            "rpc-bind-address": "127.0.0.1",
            "rpc-port": rpc_port,
            "speed-limit-up": kib_per_s.unwrap_or_default(),
            "speed-limit-up-enabled": kib_per_s.is_some(),
            "utp-enabled": false,
        });
        std::fs::write(folder.join("settings.json"), settings.to_string()).context("write the seeder's settings")?;
        let mut seeder = Command::new("transmission-daemon");
        seeder.args(["--foreground", "--config-dir"]).arg(&folder);
        let seeder = Process::spawn("transmission-daemon", &mut seeder, &case.log("transmission"))?;
        let swarm = Self { folder, announce, rpc_port, _tracker: tracker, _seeder: seeder };
        swarm.remote_until(&["--list"], "Sum:").await?;
        Ok(swarm)
    }

    /// The tracker's address.
    #[must_use]
    pub fn announce(&self) -> &str {
        &self.announce
    }

    /// Makes a torrent of a video and seeds it; returns when the tracker lists the seeder.
    ///
    /// # Errors
    /// When the seeder does not take it.
    pub async fn seed(&self, media: Media) -> Result<Torrent> {
        let seeded = self.folder.join("seeding").join(media.file_name());
        std::fs::copy(media.file()?, &seeded).context("give the seeder the video")?;
        let file = self.folder.join(media.file_name()).with_extension("torrent");
        let mut create = Command::new("transmission-create");
        run(create.args(["--tracker", &self.announce, "--outfile"]).arg(&file).arg(&seeded))?;
        let path = file.to_string_lossy().into_owned();
        self.remote_until(&["--add", &path], "success").await?;
        let shown = run(Command::new("transmission-show").args(["--magnet"]).arg(&file))?;
        let magnet = String::from_utf8(shown).context("read a magnet link")?.trim().to_owned();
        let hash = magnet.split("btih:").nth(1).and_then(|rest| rest.get(..40)).context("a magnet link with a hash")?;
        self.remote_until(&["--torrent", hash, "--info"], "Percent Done: 100%").await?;
        self.remote_until(&["--torrent", hash, "--info-trackers"], "Got a list of").await?;
        Ok(Torrent { file, magnet: magnet.clone() })
    }

    /// Asks the seeder until its answer holds a text.
    async fn remote_until(&self, arguments: &[&str], text: &str) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let mut remote = Command::new("transmission-remote");
            let answer = run(remote.arg(format!("127.0.0.1:{}", self.rpc_port)).args(arguments));
            if answer.as_ref().is_ok_and(|out| String::from_utf8_lossy(out).contains(text)) {
                return Ok(());
            }
            if Instant::now() > end {
                let answer = answer.map(|out| String::from_utf8_lossy(&out).into_owned());
                bail!("transmission-remote {arguments:?} never said {text:?}: {answer:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
