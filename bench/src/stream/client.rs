//! The clients that are measured, each in a process of its own.

use super::http;
use crate::swarm::{ours::commands, remote::Remote};
use anyhow::{Context as _, Result, anyhow};
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    time::{Duration, Instant},
};
use streamshare_streaming::{CancellationToken, Engine, EngineConfig, NetworkConfig, Source};
use streamshare_tests::{Case, Process, bound, target_folder};
use url::Url;

/// How long a program may take to start.
const LIMIT: Duration = Duration::from_secs(20);

/// Whose client it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ours,
    Rqbit,
    WebTorrent,
    Peerflix,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Ours, Self::Rqbit, Self::WebTorrent, Self::Peerflix];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Rqbit => "rqbit 9.1",
            Self::WebTorrent => "webtorrent",
            Self::Peerflix => "peerflix",
        }
    }
}

/// A client that runs and has nothing yet.
pub(super) struct Client {
    process: Running,
    folder: PathBuf,
}

enum Running {
    Commanded(Remote),
    Rqbit(Process, SocketAddr),
}

impl Client {
    pub(super) fn start(case: &Case, kind: Kind) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("client-").tempdir_in(case.scratch()).context("make a folder")?;
        let folder = folder.keep();
        let process = match kind {
            Kind::Ours => {
                let mut remote = Remote::ours(case, "engine")?;
                // The others run before they are asked, too.
                remote.call("begin", &json!([folder]))?;
                Running::Commanded(remote)
            }
            Kind::WebTorrent => Running::Commanded(Remote::node(case, "stream-webtorrent.mjs")?),
            Kind::Peerflix => Running::Commanded(Remote::node(case, "stream-peerflix.mjs")?),
            Kind::Rqbit => rqbit(case, &folder)?,
        };
        Ok(Self { process, folder })
    }

    /// Gives it a torrent; where its file can be read.
    pub(super) fn open(&mut self, torrent: &[u8]) -> Result<Url> {
        match &mut self.process {
            Running::Commanded(remote) => {
                let torrent = data_encoding::BASE64.encode(torrent);
                let url = remote.call("open", &json!([torrent, self.folder]))?;
                Url::parse(url.as_str().context("an address")?).context("read an address")
            }
            Running::Rqbit(_, addr) => {
                http::post(*addr, "/torrents?overwrite=true", torrent)?;
                Url::parse(&format!("http://{addr}/torrents/0/stream/0")).context("make an address")
            }
        }
    }

    pub(super) fn id(&self) -> u32 {
        match &self.process {
            Running::Commanded(remote) => remote.id(),
            Running::Rqbit(process, _) => process.id(),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Running::Rqbit(process, _) = &mut self.process {
            process.kill();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn rqbit(case: &Case, folder: &std::path::Path) -> Result<Running> {
    let program = target_folder().join("tools/rqbit/bin/rqbit");
    let addr = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a port")?.local_addr()?;
    let mut command = bound(program)?;
    command.args([
        "--disable-dht",
        "--disable-lsd",
        "--disable-upnp-port-forward",
        "--http-api-listen-addr",
        &addr.to_string(),
    ]);
    command.args(["server", "start", "--disable-persistence"]).arg(folder);
    let process = Process::spawn("rqbit", &mut command, &case.log("rqbit"))?;
    let end = Instant::now() + LIMIT;
    while std::net::TcpStream::connect(addr).is_err() {
        anyhow::ensure!(Instant::now() < end, "rqbit does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(Running::Rqbit(process, addr))
}

/// `part engine`: our engine, told by commands.
pub(crate) async fn engine() -> Result<()> {
    let mut commands = commands()?;
    let mut engine = None;
    while let Some(asked) = commands.recv().await {
        let result = match (asked.command.as_str(), &engine) {
            ("begin", _) => {
                engine = Some(begin(PathBuf::from(asked.text(0)?)).await?);
                Ok(Value::Bool(true))
            }
            ("open", Some(engine)) => open(engine, asked.text(0)?).await.map(Value::String),
            (other, _) => Err(anyhow!("no command {other}")),
        };
        asked.reply(result)?;
    }
    if let Some(engine) = engine {
        engine.shutdown().await;
    }
    Ok(())
}

async fn begin(folder: PathBuf) -> Result<Engine> {
    let mut config = EngineConfig::new(folder.join("state"), folder.join("films"));
    config.network = NetworkConfig { trackers: true, ..NetworkConfig::isolated() };
    Engine::start(config).await.context("start the engine")
}

async fn open(engine: &Engine, torrent: &str) -> Result<String> {
    let torrent = data_encoding::BASE64.decode(torrent.as_bytes()).context("read a torrent")?;
    let source = Source::Metainfo(torrent.into());
    let info = engine.add(source, CancellationToken::new(), |_| ()).await.context("add a torrent")?;
    Ok(engine.open(info.info_hash, 0).await.context("open a film")?.url)
}
