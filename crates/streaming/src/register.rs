//! Changes to the set of torrents. Each runs as a task of its own, so that a caller who goes away leaves nothing half done.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use librqbit::api::TorrentIdOrHash;
use librqbit::{AddTorrent, AddTorrentOptions, Session};

use crate::engine::Inner;
use crate::handover::notes_of;
use crate::holes::AllHoles;
use crate::metainfo::Metainfo;
use crate::registry::{Record, Registry, SharedFile};
use crate::share::{Collection, file_access};
use crate::torrents::{Torrent, Torrents, describe, io_error};
use crate::{AddError, CancellationToken, InfoHash, RemoveError, TorrentInfo, file_name, session};

/// Digits of the info hash in a folder's name where the plain name is taken.
const SUFFIX_LEN: usize = 8;

/// Hands a torrent to librqbit, or finds it there.
pub(crate) async fn register(
    inner: Arc<Inner>,
    metainfo: Metainfo,
    shared: Option<Collection>,
    peers: Vec<SocketAddr>,
) -> Result<TorrentInfo, AddError> {
    let _changing = inner.changing.lock().await;
    let info_hash = metainfo.info.info_hash;
    if let Some(known) = inner.torrents.get(info_hash) {
        let moved = match (&shared, inner.registry.get(info_hash).and_then(|record| record.shared)) {
            (Some(new), Some(old)) => {
                known.failure().is_some() || !is_intact(&inner, info_hash, &old) || new.files != old
            }
            _ => false,
        };
        if !moved {
            return Ok(known.info.clone());
        }
        // The same film from elsewhere: the place it was shared from may be gone.
        inner.torrents.remove(info_hash);
        inner
            .session
            .delete(TorrentIdOrHash::Hash(known.handle.info_hash()), false)
            .await
            .map_err(|error| AddError::Engine(describe(&error)))?;
    }
    let (place, piece_count) = (inner.clone(), metainfo.piece_count);
    let (name, is_multi_file) = (metainfo.info.name.clone(), metainfo.is_multi_file);
    let placed =
        tokio::task::spawn_blocking(move || choose_place(&place, info_hash, piece_count, &name, is_multi_file, shared))
            .await;
    let record = placed.map_err(|error| AddError::Engine(error.to_string()))??;
    let folder = record.folder.to_str().ok_or_else(|| AddError::FileAccess {
        path: record.folder.clone(),
        reason: "its name is not valid Unicode".into(),
    })?;
    let is_shared = record.shared.is_some();
    let options = AddTorrentOptions {
        // A download waits until a file is opened; what is here already is given to others at once.
        paused: !is_shared,
        only_files: (!is_shared).then(Vec::new),
        overwrite: true,
        output_folder: Some(folder.to_owned()),
        initial_peers: Some(peers.clone()),
        ..AddTorrentOptions::default()
    };
    let added = inner.session.add_torrent(AddTorrent::from_bytes(metainfo.to_bytes()), Some(options)).await;
    let handle = match added {
        Ok(added) => added.into_handle().ok_or_else(|| AddError::Engine("it was only listed".into()))?,
        Err(error) => return Err(add_error(&record.folder, &error)),
    };
    if handle.info_hash().0 != info_hash.0 {
        return Err(AddError::Engine("it was taken for another torrent".into()));
    }
    let info = metainfo.info;
    tracing::info!(%info_hash, files = info.files.len(), is_shared, "torrent added");
    let torrent = Torrent::new(info.clone(), handle, inner.holes.of(info_hash), inner.cancel.child_token());
    torrent.note_peers(peers);
    inner.torrents.insert(Arc::new(torrent));
    Ok(info)
}

/// Adds a file to those that are downloaded, when the torrent has been checked. Of one that exceeds the cache only what is read is
/// downloaded.
pub(crate) async fn select(inner: Arc<Inner>, torrent: Arc<Torrent>, index: usize) {
    let cancel = torrent.cancel.clone();
    let info_hash = torrent.info.info_hash;
    let selecting = async {
        let mut torrent = torrent;
        loop {
            let selecting = torrent.selecting.lock().await;
            if torrent.is_leaving() {
                drop(selecting);
                torrent.renewed.cancelled().await;
                torrent = inner.torrents.get(info_hash).ok_or_else(|| anyhow::anyhow!("it is gone"))?;
                continue;
            }
            return select_now(&inner, &torrent, index).await;
        }
    };
    tokio::select! {
        selected = selecting => {
            if let Err(error) = selected {
                tracing::warn!(%info_hash, index, error = format!("{error:#}"), "cannot download a file");
            }
        }
        () = cancel.cancelled() => {}
    }
}

async fn select_now(inner: &Inner, torrent: &Torrent, index: usize) -> anyhow::Result<()> {
    // librqbit refuses a new selection while it checks.
    torrent.handle.wait_until_initialized().await?;
    let fits = crate::cache::fits(inner, torrent, index);
    if let Some(only) = torrent.handle.only_files().filter(|only| fits && !only.contains(&index)) {
        let union = only.into_iter().chain([index]).collect();
        inner.session.update_only_files(&torrent.handle, &union).await?;
    }
    if torrent.handle.is_paused() {
        inner.session.unpause(&torrent.handle).await?;
    }
    Ok(())
}

/// Lets a torrent go on without downloading any more of it than is read, for one of its files that comes next. Answers whether it does.
pub(crate) async fn wake(inner: &Arc<Inner>, info_hash: InfoHash, index: usize) -> anyhow::Result<bool> {
    let Some(torrent) = inner.torrents.get(info_hash) else { return Ok(false) };
    let is_new = inner.registry.get(info_hash).is_none_or(|record| record.life.opened_ms == 0);
    let _selecting = torrent.selecting.lock().await;
    let checked = torrent.cancel.run_until_cancelled(torrent.handle.wait_until_initialized()).await;
    if torrent.is_leaving() || checked.transpose()?.is_none() {
        return Ok(false);
    }
    if torrent.handle.is_paused() {
        // The user has paused it, or it has given enough.
        if !is_new {
            return Ok(false);
        }
        inner.session.unpause(&torrent.handle).await?;
    }
    torrent.note_opened(index);
    crate::life::note_opened(&inner.registry, info_hash);
    Ok(true)
}

/// Takes over what librqbit has restored.
pub(crate) fn restore(
    session: &Arc<Session>,
    torrents: &Torrents,
    registry: &Registry,
    holes: &AllHoles,
    cancel: &CancellationToken,
) {
    let handles: Vec<_> = session.with_torrents(|all| all.map(|(_, handle)| handle.clone()).collect());
    for handle in handles {
        let Some(metadata) = handle.metadata.load_full() else { continue };
        match Metainfo::parse(&metadata.torrent_bytes) {
            Ok(metainfo) => {
                let info_hash = metainfo.info.info_hash;
                let torrent = Torrent::new(metainfo.info, handle, holes.of(info_hash), cancel.child_token());
                if let Some(why) = registry.get(info_hash).and_then(|record| crate::folders::trouble(&record)) {
                    torrent.set_trouble(why);
                }
                torrents.insert(Arc::new(torrent));
            }
            Err(error) => {
                tracing::warn!(info_hash = ?handle.info_hash(), %error, "a torrent of the last run is left out")
            }
        }
    }
}

/// Forgets a torrent.
pub(crate) async fn remove(inner: Arc<Inner>, info_hash: InfoHash, delete_files: bool) -> Result<(), RemoveError> {
    let _changing = inner.changing.lock().await;
    let torrent = inner.torrents.remove(info_hash).ok_or(RemoveError::UnknownTorrent)?;
    inner.funnel.forget(info_hash);
    let is_shared = inner.registry.get(info_hash).is_some_and(|record| record.shared.is_some());
    let removed =
        inner.session.delete(TorrentIdOrHash::Hash(torrent.handle.info_hash()), delete_files && !is_shared).await;
    if delete_files {
        let holes = torrent.holes.clone();
        holes.forget();
        // A panic in it was reported.
        let _ = tokio::task::spawn_blocking(move || holes.erase()).await;
    }
    if is_shared || delete_files {
        // Else the folder stays this torrent's, for when it is added again.
        let inner = inner.clone();
        let forgotten = tokio::task::spawn_blocking(move || {
            crate::flushed::Notes::new(&inner.config.state_dir).forget(info_hash);
            inner.registry.remove(info_hash)
        });
        let forgotten = forgotten.await;
        if let Ok(Err(error)) = forgotten {
            tracing::warn!(%error, "the registry of torrents cannot be written");
        }
    }
    removed.map_err(|error| RemoveError::Engine(describe(&error)))
}

/// Decides where the files of a torrent lie, and writes it down for [`crate::storage::Factory`]. Blocks on the disk.
fn choose_place(
    inner: &Inner,
    info_hash: InfoHash,
    piece_count: usize,
    name: &str,
    is_multi_file: bool,
    shared: Option<Collection>,
) -> Result<Record, AddError> {
    let known = inner.registry.get(info_hash);
    let (trackers, life) = known.as_ref().map(|known| (known.trackers.clone(), known.life.clone())).unwrap_or_default();
    let (folder, shared) = match (shared, known.map(|known| (known.folder, known.shared))) {
        (Some(shared), _) => (shared.folder, Some(shared.files)),
        (None, Some((folder, Some(files)))) if is_unchanged(&folder, &files) => (folder, Some(files)),
        (None, Some((folder, None))) => (folder, None),
        (None, _) => (download_folder(inner, info_hash, name, is_multi_file), None),
    };
    let record = Record { folder, shared, trackers, life };
    let access = |path: &Path, error| file_access(path, &error);
    if record.shared.is_some() {
        let bitfield = notes_of(&inner.config.state_dir, info_hash);
        std::fs::write(&bitfield, session::all_pieces(piece_count)).map_err(|error| access(&bitfield, error))?;
    } else {
        std::fs::create_dir_all(&record.folder).map_err(|error| access(&record.folder, error))?;
    }
    inner.registry.insert(info_hash, record.clone()).map_err(|error| access(&inner.config.state_dir, error))?;
    Ok(record)
}

/// A folder for a download, named like it unless that name is taken by something else.
fn download_folder(inner: &Inner, info_hash: InfoHash, name: &str, is_multi_file: bool) -> PathBuf {
    let name = match name.rsplit_once('.') {
        Some((stem, _)) if !is_multi_file && !stem.is_empty() => stem,
        _ => name,
    };
    let hash = info_hash.to_string();
    let name = match file_name::folder_name(name) {
        name if file_name::check_part(&name).is_ok() => name,
        _ => hash.clone(),
    };
    let plain = inner.config.download_dir.join(&name);
    let is_free = match std::fs::read_dir(&plain) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_free && !inner.registry.is_claimed(&plain) {
        plain
    } else {
        inner.config.download_dir.join(format!("{name} ({})", &hash[..SUFFIX_LEN]))
    }
}

fn is_intact(inner: &Inner, info_hash: InfoHash, files: &[SharedFile]) -> bool {
    inner.registry.get(info_hash).is_some_and(|record| is_unchanged(&record.folder, files))
}

fn is_unchanged(folder: &Path, files: &[SharedFile]) -> bool {
    files.iter().all(|file| SharedFile::read(folder, file.path.clone()).is_ok_and(|now| now == *file))
}

fn add_error(folder: &Path, error: &anyhow::Error) -> AddError {
    match io_error(error) {
        Some(io) => file_access(folder, io),
        None => AddError::Engine(describe(error)),
    }
}
