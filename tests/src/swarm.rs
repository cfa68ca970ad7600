//! A swarm of other people's programs on loopback.

use crate::process::{Lines, Process, bound, free_port, root, run};
use crate::{Case, Media};
use anyhow::{Context as _, Result, bail};
use serde_json::json;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::{Duration, Instant};

/// How long the foreign programs may take to start, and to check and announce a torrent.
const LIMIT: Duration = Duration::from_secs(30);

/// Whose program seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeder {
    /// Debian's transmission-daemon. It lets a peer wait up to ten seconds until it sends, and then sends twice a second.
    Transmission,
    /// libtorrent, the engine of qBittorrent and Deluge. It sends at once.
    Libtorrent,
}

/// A swarm of foreign programs on loopback: bittorrent-tracker's server and one seeder, with DHT, peer exchange, local
/// discovery and uTP off.
#[derive(Debug)]
pub struct Swarm {
    folder: PathBuf,
    announce: String,
    seeder: Running,
    _tracker: Process,
}

#[derive(Debug)]
enum Running {
    Transmission { rpc_port: u16, _process: Process },
    Libtorrent { input: ChildStdin, said: Lines, _process: Process },
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
    pub async fn start(case: &Case, seeder: Seeder, kib_per_s: Option<u32>) -> Result<Self> {
        let mut tracker = bound("node")?;
        tracker.arg(root().join("tests/parts/tracker.mjs"));
        let (tracker, said) = Process::spawn_piped("node", &mut tracker, &case.log("tracker"))?;
        let announce = format!("http://127.0.0.1:{}/announce", said.next(LIMIT)?);
        let folder = case.scratch().join("swarm");
        std::fs::create_dir_all(&folder).context("make the seeder's folder")?;
        let seeder = match seeder {
            Seeder::Transmission => transmission(case, &folder, kib_per_s).await?,
            Seeder::Libtorrent => libtorrent(case, &folder, kib_per_s)?,
        };
        Ok(Self { folder, announce, seeder, _tracker: tracker })
    }

    /// The tracker's address.
    #[must_use]
    pub fn announce(&self) -> &str {
        &self.announce
    }

    /// Makes a torrent of a video and seeds it; returns when the tracker knows the seeder.
    ///
    /// # Errors
    /// When the seeder does not take it.
    pub async fn seed(&mut self, media: Media) -> Result<Torrent> {
        let seeded = self.folder.join(media.file_name());
        std::fs::copy(media.file()?, &seeded).context("give the seeder the video")?;
        let file = seeded.with_extension("torrent");
        let mut create = Command::new("transmission-create");
        run(create.args(["--tracker", &self.announce, "--outfile"]).arg(&file).arg(&seeded))?;
        let shown = run(Command::new("transmission-show").arg("--magnet").arg(&file))?;
        let magnet = String::from_utf8(shown).context("read a magnet link")?.trim().to_owned();
        let hash = magnet.split("btih:").nth(1).and_then(|rest| rest.get(..40)).context("a magnet link with a hash")?;
        match &mut self.seeder {
            Running::Transmission { rpc_port, .. } => {
                let path = file.to_string_lossy();
                remote_until(*rpc_port, &["--add", &path], "success").await?;
                remote_until(*rpc_port, &["--torrent", hash, "--info"], "Percent Done: 100%").await?;
                remote_until(*rpc_port, &["--torrent", hash, "--info-trackers"], "Got a list of").await?;
            }
            Running::Libtorrent { input, said, .. } => {
                writeln!(input, "{}", file.display()).context("tell the seeder")?;
                said.expect(hash, LIMIT)?;
            }
        }
        Ok(Torrent { file, magnet: magnet.clone() })
    }

    /// How many bytes of torrents the seeder sent. Libtorrent only.
    ///
    /// # Errors
    /// When the seeder is another or does not answer.
    pub fn uploaded(&mut self) -> Result<u64> {
        let Running::Libtorrent { input, said, .. } = &mut self.seeder else { bail!("only libtorrent is asked") };
        writeln!(input, "uploaded").context("ask the seeder")?;
        said.next(LIMIT)?.parse().context("read a count")
    }
}

async fn transmission(case: &Case, folder: &Path, kib_per_s: Option<u32>) -> Result<Running> {
    let rpc_port = free_port()?;
    let settings = json!({
        "bind-address-ipv4": "127.0.0.1",
        "dht-enabled": false,
        "download-dir": folder,
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
    let config = folder.join("transmission");
    std::fs::create_dir_all(&config).context("make the seeder's folder")?;
    std::fs::write(config.join("settings.json"), settings.to_string()).context("write the seeder's settings")?;
    let mut daemon = bound("transmission-daemon")?;
    daemon.args(["--foreground", "--config-dir"]).arg(&config);
    let process = Process::spawn("transmission-daemon", &mut daemon, &case.log("seeder"))?;
    remote_until(rpc_port, &["--list"], "Sum:").await?;
    Ok(Running::Transmission { rpc_port, _process: process })
}

fn libtorrent(case: &Case, folder: &Path, kib_per_s: Option<u32>) -> Result<Running> {
    let mut python = bound("/usr/bin/python3")?;
    python.arg(root().join("tests/parts/torrent_peer.py")).arg("seed").arg(folder);
    python.args(kib_per_s.map(|kib| (u64::from(kib) * 1024).to_string()));
    let (mut process, said) = Process::spawn_piped("libtorrent", &mut python, &case.log("seeder"))?;
    let input = process.take_stdin().context("take the pipe")?;
    said.expect("ready", LIMIT)?;
    Ok(Running::Libtorrent { input, said, _process: process })
}

/// Asks transmission until its answer holds a text.
async fn remote_until(rpc_port: u16, arguments: &[&str], text: &str) -> Result<()> {
    let end = Instant::now() + LIMIT;
    loop {
        let mut remote = Command::new("transmission-remote");
        let answer = run(remote.arg(format!("127.0.0.1:{rpc_port}")).args(arguments));
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
