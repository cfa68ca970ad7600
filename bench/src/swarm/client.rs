//! Our end of the whole path: librqbit, and the hybrid peer beside it.

use super::ours::{Asked, commands};
use anyhow::{Context as _, Result, anyhow};
use librqbit::{
    AddTorrent, AddTorrentOptions, ConnectionOptions, CreateTorrentOptions, ListenerMode, ListenerOptions,
    ManagedTorrent, Session, SessionOptions, api::TorrentIdOrHash, spawn_utils::BlockingSpawner,
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use streamshare_webtorrent::{
    hybrid::{Hybrid, HybridConfig, Torrent},
    tracker::InfoHash,
};

/// How often the progress is looked at: what the times are exact to.
const POLL: Duration = Duration::from_millis(2);
/// More than a handshake, less than a block with one.
const FIRST_BYTES: u64 = 16 * 1024;
/// As webtorrent chooses for such a file.
const PIECE_BYTES: u32 = 1 << 18;

/// `part client`: downloads or seeds one torrent at a time.
pub(crate) async fn client() -> Result<()> {
    let client = Client::start().await?;
    let mut commands = commands()?;
    let mut current = None;
    while let Some(asked) = commands.recv().await {
        let result = match asked.command.as_str() {
            "download" => client.download(&asked, &mut current).await,
            "seed" => client.seed(&asked, &mut current).await,
            "forget" => client.forget(current.take()).await,
            other => Err(anyhow!("no command {other}")),
        };
        asked.reply(result)?;
    }
    client.hybrid.shutdown().await;
    client.session.stop().await;
    Ok(())
}

struct Client {
    session: Arc<Session>,
    hybrid: Hybrid,
    folder: tempfile::TempDir,
}

impl Client {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let mut peer_id = *b"-SS0001-000000000000";
        getrandom::fill(&mut peer_id[8..]).context("choose a peer id")?;
        let options = SessionOptions {
            dht: None,
            disable_trackers: true,
            disable_local_service_discovery: true,
            persistence: None,
            peer_id: Some(librqbit::dht::Id20::new(peer_id)),
            connect: Some(ConnectionOptions::default()),
            listen: Some(ListenerOptions {
                mode: ListenerMode::TcpOnly,
                listen_addr: "127.0.0.1:0".parse().context("an address")?,
                ipv4_only: true,
                ..Default::default()
            }),
            ..Default::default()
        };
        let session = Session::new_with_opts(folder.path().to_owned(), options).await.context("start librqbit")?;
        let listener = session.listen_addr().context("librqbit listens nowhere")?;
        Ok(Self { session, hybrid: Hybrid::start(HybridConfig::new(listener, peer_id)), folder })
    }

    async fn add(&self, metainfo: Vec<u8>) -> Result<Arc<ManagedTorrent>> {
        let options = AddTorrentOptions {
            overwrite: true,
            output_folder: Some(self.folder.path().to_string_lossy().into()),
            ..Default::default()
        };
        let added = self.session.add_torrent(AddTorrent::from_bytes(metainfo), Some(options)).await?;
        let torrent = added.into_handle().context("a torrent")?;
        torrent.wait_until_initialized().await?;
        Ok(torrent)
    }

    fn join(&self, torrent: &ManagedTorrent, tracker: &str) -> Result<InfoHash> {
        let info_hash = InfoHash(torrent.info_hash().0);
        let stats = torrent.stats();
        let piece_count = torrent.with_metadata(|metadata| metadata.info.lengths().total_pieces())?;
        let facts = Torrent { piece_count, left: stats.total_bytes - stats.progress_bytes };
        self.hybrid.add(info_hash, vec![tracker.parse().context("a tracker")?], facts);
        Ok(info_hash)
    }

    async fn download(&self, asked: &Asked, current: &mut Option<Arc<ManagedTorrent>>) -> Result<Value> {
        let metainfo = data_encoding::BASE64.decode(asked.text(0)?.as_bytes()).context("a torrent in base64")?;
        let begun = Instant::now();
        let torrent = self.add(metainfo).await?;
        *current = Some(torrent.clone());
        let info_hash = self.join(&torrent, asked.text(1)?)?;
        while self.hybrid.stats(info_hash).is_none_or(|stats| stats.downloaded_bytes < FIRST_BYTES) {
            tokio::time::sleep(POLL).await;
        }
        let first = begun.elapsed();
        torrent.wait_until_completed().await?;
        let done = begun.elapsed();
        Ok(json!({ "first": first.as_secs_f64() * 1e3, "done": done.as_secs_f64() * 1e3 }))
    }

    async fn seed(&self, asked: &Asked, current: &mut Option<Arc<ManagedTorrent>>) -> Result<Value> {
        let film = self.folder.path().join("film.bin");
        let mut data = vec![0; asked.number(0)?];
        getrandom::fill(&mut data).context("make a film up")?;
        std::fs::write(&film, data).context("write the film")?;
        let options = CreateTorrentOptions { piece_length: Some(PIECE_BYTES), ..Default::default() };
        let created = librqbit::create_torrent(&film, options, &BlockingSpawner::new(1)).await?;
        let torrent = self.add(created.as_bytes()?.to_vec()).await?;
        *current = Some(torrent.clone());
        let info_hash = self.join(&torrent, asked.text(1)?)?;
        while self.hybrid.stats(info_hash).is_none_or(|stats| stats.trackers == 0) {
            tokio::time::sleep(POLL).await;
        }
        Ok(Value::String(info_hash.to_string()))
    }

    async fn forget(&self, current: Option<Arc<ManagedTorrent>>) -> Result<Value> {
        let torrent = current.context("there is no torrent")?;
        self.hybrid.remove(InfoHash(torrent.info_hash().0));
        self.session.delete(TorrentIdOrHash::Hash(torrent.info_hash()), true).await?;
        Ok(Value::Bool(true))
    }
}
