//! Where librqbit reads and writes: its own file storage for downloads, a read-only one for files of the user's.
//!
//! librqbit's file storage opens all files for writing, sets their lengths and overwrites pieces that do not check out. For a film that the
//! user shares from where it lies that would mean: a read-only film cannot be shared, and an edited one is overwritten by its old version.

use std::any::TypeId;
use std::fs::File;
use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use librqbit::storage::filesystem::FilesystemStorageFactory;
use librqbit::storage::{BoxStorageFactory, StorageFactory, StorageFactoryExt, TorrentStorage};
use librqbit::{ManagedTorrentShared, TorrentMetadata};
use librqbit_core::lengths::ValidPieceIndex;
use tokio_util::sync::CancellationToken;

use crate::checks::Checks;
use crate::funnel::Funnel;
use crate::handover::notes_of;
use crate::holes::{AllHoles, Holes};
use crate::registry::{Record, Registry, SharedFile};
use crate::torrents::{io_error, is_disk_full};
use crate::{InfoHash, Limits, folders};

/// How long a download that may make room for itself waits for it, and how often it looks. Peers are patient for longer.
const ROOM_WAIT: Duration = Duration::from_secs(8);
const ROOM_TICK: Duration = Duration::from_millis(50);
/// Why files of the user's are not written.
const CHANGED: &str = "the file is shared, not downloaded: it has changed or cannot be read any more";

/// librqbit speaks `anyhow`.
type Result<T> = anyhow::Result<T>;

/// Chooses the storage of each torrent, also when librqbit restores them.
#[derive(Debug, Clone)]
pub(crate) struct Factory {
    pub(crate) state_dir: PathBuf,
    pub(crate) registry: Arc<Registry>,
    pub(crate) holes: Arc<AllHoles>,
    pub(crate) funnel: Arc<Funnel>,
    pub(crate) limits: tokio::sync::watch::Receiver<Limits>,
    pub(crate) cancel: CancellationToken,
}

impl StorageFactory for Factory {
    type Storage = Box<dyn TorrentStorage>;

    fn create(&self, shared: &ManagedTorrentShared, metadata: &TorrentMetadata) -> Result<Self::Storage> {
        match self.registry.get(InfoHash(shared.info_hash.0)) {
            Some(record @ Record { shared: Some(_), .. }) if let Some(why) = folders::trouble(&record) => {
                Ok(Box::new(Gone(why)))
            }
            Some(Record { folder, shared: Some(files), .. }) => Ok(Box::new(SharedFiles::new(&folder, &files))),
            record @ (Some(Record { shared: None, .. }) | None) => {
                let files = Box::new(FilesystemStorageFactory::default().create(shared, metadata)?);
                let info_hash = InfoHash(shared.info_hash.0);
                let holes = self.holes.of(info_hash);
                let lengths = metadata.lengths();
                let piece_length = u64::from(lengths.default_piece_length());
                let offsets = metadata.file_infos.iter().map(|file| file.offset_in_torrent).collect();
                let total_length = metadata.file_infos.iter().map(|file| file.offset_in_torrent + file.len).max();
                let checks = Checks::new(self.funnel.clone(), info_hash, piece_length, total_length.unwrap_or(0));
                let room = Room { limits: self.limits.clone(), cancel: self.cancel.clone() };
                let notes = notes_of(&self.state_dir, info_hash);
                Ok(Box::new(Downloaded {
                    files,
                    record,
                    notes,
                    room,
                    holes,
                    checks: Arc::new(checks),
                    piece_length,
                    offsets,
                }))
            }
        }
    }

    /// librqbit persists torrents on its file storage only. This one wraps it, and a shared torrent is restored by `create` above.
    fn is_type_id(&self, type_id: TypeId) -> bool {
        type_id == TypeId::of::<FilesystemStorageFactory>()
    }

    fn clone_box(&self) -> BoxStorageFactory {
        self.clone().boxed()
    }
}

/// What was downloaded: librqbit's own files, of which parts may have been dropped.
struct Downloaded {
    files: Box<dyn TorrentStorage>,
    /// Where they lie, until they are opened.
    record: Option<Record>,
    /// Which pieces are there, as librqbit writes it down.
    notes: PathBuf,
    room: Room,
    holes: Arc<Holes>,
    checks: Arc<Checks>,
    piece_length: u64,
    /// Of the files in the torrent.
    offsets: Arc<[u64]>,
}

impl Downloaded {
    /// Where a place in a file lies in the torrent.
    fn offset(&self, file_id: usize, offset: u64) -> Result<u64> {
        Ok(self.offsets.get(file_id).ok_or_else(|| anyhow::anyhow!("no such file"))? + offset)
    }
}

/// What a download does on a full disk.
#[derive(Clone)]
struct Room {
    limits: tokio::sync::watch::Receiver<Limits>,
    cancel: CancellationToken,
}

impl Room {
    /// Writes, where parts of the cache can be dropped when there is room. Blocks: it is done where blocking is allowed.
    fn write<T>(&self, holes: &Holes, write: impl Fn() -> Result<T>) -> Result<T> {
        let begun = Instant::now();
        loop {
            match write() {
                Err(error) if is_disk_full(&error) && begun.elapsed() < ROOM_WAIT && self.can_be_made() => {
                    holes.want_room();
                    std::thread::sleep(ROOM_TICK);
                }
                written => return written,
            }
        }
    }

    fn can_be_made(&self) -> bool {
        self.limits.borrow().cache_bytes.is_some() && !self.cancel.is_cancelled()
    }
}

impl TorrentStorage for Downloaded {
    fn init(&mut self, shared: &ManagedTorrentShared, metadata: &TorrentMetadata) -> Result<()> {
        if let Some(why) = self.record.as_ref().and_then(folders::trouble) {
            // It must not be made anew. librqbit does not list what has no storage.
            self.files = Box::new(Gone(why));
            return Ok(());
        }
        let failed = match self.files.init(shared, metadata) {
            Ok(()) => {
                if let Some(record) = self.record.as_ref().filter(|record| !record.life.kept)
                    && let Err(error) = crate::cache::clear(&self.notes, &record.folder, metadata)
                {
                    tracing::debug!(%error, "what is not noted stays on the disk");
                }
                return Ok(());
            }
            Err(error) => error,
        };
        let kind = io_error(&failed).map(std::io::Error::kind);
        let Some(record) = self
            .record
            .as_ref()
            .filter(|_| matches!(kind, Some(ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied)))
        else {
            return Err(failed);
        };
        // What is there can be watched all the same.
        tracing::warn!("a torrent's files cannot be written");
        let file = |path: &Path| SharedFile { path: path.to_owned(), length: 0, modified_ns: 0 };
        let files: Vec<_> = metadata.file_infos.iter().map(|info| file(&info.relative_filename)).collect();
        self.files = Box::new(SharedFiles {
            refusal: "its folder cannot be written to",
            ..SharedFiles::new(&record.folder, &files)
        });
        Ok(())
    }

    fn pread_exact(&self, file_id: usize, offset: u64, buf: &mut [u8]) -> Result<()> {
        let start = self.offset(file_id, offset)?;
        let end = start + buf.len() as u64;
        let piece = |byte: u64| u32::try_from(byte / self.piece_length);
        self.holes.read(piece(start)?..=piece(end.saturating_sub(1).max(start))?, || {
            self.files.pread_exact(file_id, offset, buf)
        })?;
        self.checks.read(end);
        Ok(())
    }

    fn pwrite_all(&self, file_id: usize, offset: u64, buf: &[u8]) -> Result<()> {
        self.checks.written(self.offset(file_id, offset)?);
        self.room.write(&self.holes, || self.files.pwrite_all(file_id, offset, buf))
    }

    fn pwrite_all_vectored(&self, file_id: usize, offset: u64, bufs: [IoSlice<'_>; 2]) -> Result<usize> {
        self.checks.written(self.offset(file_id, offset)?);
        self.room.write(&self.holes, || self.files.pwrite_all_vectored(file_id, offset, bufs))
    }

    fn on_piece_completed(&self, piece: ValidPieceIndex) -> Result<()> {
        self.checks.right(piece.get());
        self.files.on_piece_completed(piece)
    }

    fn remove_file(&self, file_id: usize, filename: &Path) -> Result<()> {
        self.files.remove_file(file_id, filename)
    }

    fn remove_directory_if_empty(&self, path: &Path) -> Result<()> {
        self.files.remove_directory_if_empty(path)
    }

    fn ensure_file_length(&self, file_id: usize, length: u64) -> Result<()> {
        self.files.ensure_file_length(file_id, length)
    }

    fn take(&self) -> Result<Box<dyn TorrentStorage>> {
        let files = self.files.take()?;
        let (room, holes, checks) = (self.room.clone(), self.holes.clone(), self.checks.clone());
        let (piece_length, offsets) = (self.piece_length, self.offsets.clone());
        Ok(Box::new(Self {
            files,
            record: None,
            notes: self.notes.clone(),
            room,
            holes,
            checks,
            piece_length,
            offsets,
        }))
    }
}

/// What is not where it should be: there is nothing, and when librqbit has seen that it fails, with the reason.
struct Gone(String);

impl TorrentStorage for Gone {
    fn init(&mut self, _shared: &ManagedTorrentShared, _metadata: &TorrentMetadata) -> Result<()> {
        Ok(())
    }

    fn pread_exact(&self, _file_id: usize, _offset: u64, _buf: &mut [u8]) -> Result<()> {
        anyhow::bail!(self.0.clone())
    }

    fn pwrite_all(&self, _file_id: usize, _offset: u64, _buf: &[u8]) -> Result<()> {
        anyhow::bail!(self.0.clone())
    }

    fn remove_file(&self, _file_id: usize, _filename: &Path) -> Result<()> {
        anyhow::bail!(self.0.clone())
    }

    fn remove_directory_if_empty(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    fn ensure_file_length(&self, _file_id: usize, _length: u64) -> Result<()> {
        Ok(())
    }

    fn take(&self) -> Result<Box<dyn TorrentStorage>> {
        anyhow::bail!(self.0.clone())
    }
}

/// Files of the user's, opened when first read, never written and never deleted.
struct SharedFiles {
    folder: PathBuf,
    /// Why they are not written.
    refusal: &'static str,
    files: Arc<Vec<(SharedFile, OnceLock<File>)>>,
}

impl SharedFiles {
    fn new(folder: &Path, files: &[SharedFile]) -> Self {
        let files = files.iter().map(|file| (file.clone(), OnceLock::new())).collect();
        Self { folder: folder.to_owned(), refusal: CHANGED, files: Arc::new(files) }
    }

    fn file(&self, file_id: usize) -> Result<&File> {
        let (shared, opened) = self.files.get(file_id).ok_or_else(|| anyhow::anyhow!("no such file"))?;
        if let Some(file) = opened.get() {
            return Ok(file);
        }
        let file = File::open(self.folder.join(&shared.path))?;
        Ok(opened.get_or_init(|| file))
    }
}

impl TorrentStorage for SharedFiles {
    fn init(&mut self, _shared: &ManagedTorrentShared, metadata: &TorrentMetadata) -> Result<()> {
        anyhow::ensure!(
            metadata.file_infos.len() == self.files.len(),
            "the record of the shared files does not fit the torrent"
        );
        Ok(())
    }

    fn pread_exact(&self, file_id: usize, offset: u64, buf: &mut [u8]) -> Result<()> {
        Ok(read_exact_at(self.file(file_id)?, buf, offset)?)
    }

    fn pwrite_all(&self, _file_id: usize, _offset: u64, _buf: &[u8]) -> Result<()> {
        anyhow::bail!(self.refusal)
    }

    fn remove_file(&self, _file_id: usize, _filename: &Path) -> Result<()> {
        Ok(())
    }

    fn remove_directory_if_empty(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    fn ensure_file_length(&self, _file_id: usize, _length: u64) -> Result<()> {
        Ok(())
    }

    fn take(&self) -> Result<Box<dyn TorrentStorage>> {
        Ok(Box::new(Self { folder: self.folder.clone(), refusal: self.refusal, files: self.files.clone() }))
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buf: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buf: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !buf.is_empty() {
        let count = std::os::windows::fs::FileExt::seek_read(file, buf, offset)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        offset += count as u64;
        buf = &mut buf[count..];
    }
    Ok(())
}
