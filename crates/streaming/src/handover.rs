//! Hands a torrent to librqbit anew, without the pieces that were dropped.
//!
//! That is to remove it and to add it again with notes of what is there that lack them. Its peers are told what is there when they are
//! connected again, and what is read is fetched. All that is needed to add it is written down before it is removed, so that a kill between
//! the two loses nothing.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use librqbit::api::TorrentIdOrHash;
use librqbit::{AddTorrent, AddTorrentOptions, Api, Session};

use crate::InfoHash;
use crate::engine::Inner;
use crate::flushed::Notes;
use crate::registry::Registry;
use crate::replace::replace_durably;
use crate::session;
use crate::torrents::{Torrent, describe};

/// Hands it over. `only_files` is the new selection, nothing for the one there is. A torrent that is just checked, whose files are not where
/// they should be, or that failed other than for want of room, is left as it is.
pub(crate) async fn renew(inner: &Arc<Inner>, torrent: &Arc<Torrent>, only_files: Option<Vec<usize>>) {
    let inner = inner.clone();
    let torrent = torrent.clone();
    // A task, so that it is not left half-way.
    let renewing = inner.tasks.clone().spawn(async move {
        let _changing = inner.changing.lock().await;
        let _selecting = torrent.selecting.lock().await;
        if torrent.is_leaving() || torrent.cancel.is_cancelled() {
            return;
        }
        if let Err(error) = hand_over(&inner, &torrent, only_files).await {
            tracing::error!(info_hash = %torrent.info.info_hash, error = describe(&error), "a torrent was lost as it was handed over");
            inner.torrents.remove(torrent.info.info_hash);
        }
    });
    if renewing.await.is_err() {
        tracing::warn!("a torrent is not handed over");
    }
}

async fn hand_over(inner: &Arc<Inner>, torrent: &Arc<Torrent>, only_files: Option<Vec<usize>>) -> anyhow::Result<()> {
    let info_hash = torrent.info.info_hash;
    let Some(metadata) = torrent.handle.metadata.load_full() else { return Ok(()) };
    let Some(record) = inner.registry.get(info_hash) else { return Ok(()) };
    let Some(mut have) = notes(inner, torrent).await else { return Ok(()) };
    let (there, flushed) = (record.clone(), Notes::new(&inner.config.state_dir));
    let piece_count = usize::try_from(torrent.info.piece_count)?;
    let certain = tokio::task::spawn_blocking(move || match crate::folders::trouble(&there) {
        Some(_) => None,
        // They are as they were when they were hashed.
        None if there.shared.is_some() => Some(session::all_pieces(piece_count)),
        None => Some(flushed.read(info_hash, &there.folder).unwrap_or_default()),
    });
    let Some(certain) = certain.await? else { return Ok(()) };
    if have.is_empty() {
        have = certain;
    }
    torrent.holes.mask(&mut have);
    let options = AddTorrentOptions {
        paused: torrent.stays_paused(),
        only_files: only_files.or_else(|| torrent.handle.only_files()),
        initial_peers: Some(torrent.known_peers()),
        ..options(&record.folder)
    };
    let passage = Passage::new(&inner.config.state_dir, info_hash);
    let (torrent_bytes, notes) = (metadata.torrent_bytes.clone(), have.clone());
    let written = passage.clone();
    tokio::task::spawn_blocking(move || written.write(&torrent_bytes, &notes)).await??;
    torrent.leave(crate::ready::of(&inner.session, torrent));
    inner.session.delete(TorrentIdOrHash::Hash(torrent.handle.info_hash()), false).await?;
    // Without notes all is checked.
    if !have.is_empty() {
        tokio::fs::write(notes_of(&inner.config.state_dir, info_hash), &have).await?;
    }
    // Nothing reads its files any more, and who reads the notes does not believe in what was dropped.
    torrent.holes.forget();
    let holes = torrent.holes.clone();
    let added =
        inner.session.add_torrent(AddTorrent::from_bytes(metadata.torrent_bytes.clone()), Some(options)).await?;
    let handle = added.into_handle().ok_or_else(|| anyhow::anyhow!("it was only listed"))?;
    // To check all of it may take long, and holds up nobody.
    if !have.is_empty()
        && let Err(error) = handle.wait_until_initialized().await
    {
        tracing::warn!(%info_hash, error = describe(&error), "a torrent failed as it was handed over");
    }
    inner.torrents.insert(Arc::new(torrent.anew(handle)));
    torrent.renewed.cancel();
    tokio::task::spawn_blocking(move || {
        holes.erase();
        passage.erase();
    })
    .await?;
    tracing::debug!(%info_hash, "handed over anew, without what was dropped");
    Ok(())
}

/// What is there of a torrent, as librqbit writes it down, with what was dropped; empty where nobody knows, and nothing of one that is to be
/// left as it is.
pub(crate) async fn notes(inner: &Inner, torrent: &Torrent) -> Option<Vec<u8>> {
    let api = Api::new(inner.session.clone(), None);
    if let Ok((have, _)) = api.api_dump_haves(TorrentIdOrHash::Id(torrent.handle.id())) {
        return Some(have.as_raw_slice().to_vec());
    }
    if torrent.is_out_of_space() {
        // librqbit does not tell any more. What was written down before it failed is there.
        return Some(
            tokio::fs::read(notes_of(&inner.config.state_dir, torrent.info.info_hash)).await.unwrap_or_default(),
        );
    }
    torrent.trouble().map(|_| Vec::new())
}

/// Adds what a kill cut off between removing and adding.
pub(crate) async fn finish_all(session: &Arc<Session>, registry: &Registry, state_dir: &Path) -> io::Result<()> {
    let mut entries = tokio::fs::read_dir(folder(state_dir)).await?;
    while let Some(entry) = entries.next_entry().await? {
        let path = entry.path();
        let hash = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<InfoHash>().ok());
        let Some(info_hash) = hash.filter(|_| path.extension().is_some_and(|extension| extension == "torrent")) else {
            continue;
        };
        let passage = Passage::new(state_dir, info_hash);
        let is_there =
            session.with_torrents(|all| all.map(|(_, handle)| handle.info_hash().0).any(|hash| hash == info_hash.0));
        if let Some(record) = registry.get(info_hash).filter(|_| !is_there) {
            let notes = tokio::fs::read(&passage.notes).await?;
            if !notes.is_empty() {
                tokio::fs::write(notes_of(state_dir, info_hash), notes).await?;
            }
            let bytes = tokio::fs::read(&passage.metainfo).await?;
            let options = AddTorrentOptions { only_files: Some(Vec::new()), ..options(&record.folder) };
            if let Err(error) = session.add_torrent(AddTorrent::from_bytes(bytes), Some(options)).await {
                tracing::warn!(%info_hash, error = describe(&error), "a torrent of the last run is left out");
            }
        }
        passage.erase();
    }
    Ok(())
}

fn options(folder: &Path) -> AddTorrentOptions {
    AddTorrentOptions {
        overwrite: true,
        output_folder: folder.to_str().map(str::to_owned),
        ..AddTorrentOptions::default()
    }
}

/// The folder of what was dropped and of what is on its way.
pub(crate) fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("holes")
}

/// librqbit's notes of which pieces are there.
pub(crate) fn notes_of(state_dir: &Path, info_hash: InfoHash) -> PathBuf {
    session::folder(state_dir).join(format!("{info_hash}.bitv"))
}

/// What is written down of a torrent on its way.
#[derive(Debug, Clone)]
struct Passage {
    metainfo: PathBuf,
    notes: PathBuf,
}

impl Passage {
    fn new(state_dir: &Path, info_hash: InfoHash) -> Self {
        let file = |extension: &str| folder(state_dir).join(format!("{info_hash}.{extension}"));
        Self { metainfo: file("torrent"), notes: file("have") }
    }

    /// The metainfo comes last: it is what is looked for.
    fn write(&self, metainfo: &[u8], notes: &[u8]) -> io::Result<()> {
        for (path, bytes) in [(&self.notes, notes), (&self.metainfo, metainfo)] {
            replace_durably(path, bytes)?;
        }
        Ok(())
    }

    fn erase(&self) {
        for path in [&self.metainfo, &self.notes] {
            if let Err(error) = std::fs::remove_file(path) {
                tracing::debug!(%error, "a note of a torrent that arrived stays");
            }
        }
    }
}
