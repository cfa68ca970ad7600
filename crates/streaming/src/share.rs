//! Makes a torrent out of the user's files. librqbit can too, but gives a file whose length is a multiple of the piece length one hash
//! too many, which libtorrent refuses.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha1::{Digest, Sha1};
use streamshare_media::piece_length;
use tokio_util::sync::CancellationToken;

use crate::bencode::{write_bytes, write_integer};
use crate::registry::SharedFile;
use crate::{AddError, FileKind, Progress, metainfo};

/// Files in a folder to share.
const MAX_FILES: usize = 10_000;
/// Folders within folders.
const MAX_DEPTH: usize = 16;
/// Bytes between two reports of progress.
const PROGRESS_STEP: u64 = 8 << 20;

/// Files of the user's that become one torrent.
#[derive(Debug)]
pub(crate) struct Collection {
    /// The torrent's name.
    name: String,
    /// The folder that the files' paths begin at.
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<SharedFile>,
    is_multi_file: bool,
}

impl Collection {
    /// Looks at a media file, or at the media (and subtitles) in a folder. Blocks on the disk.
    pub(crate) fn gather(path: &Path) -> Result<Self, AddError> {
        let access = |error: io::Error| file_access(path, &error);
        let path = std::path::absolute(path).map_err(access)?;
        let name = path.file_name().ok_or_else(|| AddError::NotATorrent("a whole drive cannot be shared".into()))?;
        let name = utf8(name.as_ref())?.to_owned();
        if std::fs::metadata(&path).map_err(access)?.is_file() {
            if !is_playable(&name) {
                return Err(AddError::NoPlayableFile(name));
            }
            let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
            let file = SharedFile::read(&folder, PathBuf::from(&name)).map_err(access)?;
            if file.length == 0 {
                return Err(AddError::FileAccess { path, reason: "it is empty".into() });
            }
            return Ok(Self { name, folder, files: vec![file], is_multi_file: false });
        }
        let mut paths = Vec::new();
        walk(&path, Path::new(""), 0, &mut paths)?;
        // By the parts' bytes, so that the same folder gives the same torrent on every system.
        paths.sort();
        if !paths.iter().any(|path| path.to_str().is_some_and(is_playable)) {
            return Err(AddError::NoPlayableFile(name));
        }
        let files = paths
            .into_iter()
            .map(|file| SharedFile::read(&path, file).map_err(access))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { name, folder: path, files, is_multi_file: true })
    }

    /// Hashes the files into a `.torrent`. Blocks on the disk for as long as reading all of them takes.
    pub(crate) fn hash(
        &self,
        trackers: &[String],
        cancel: &CancellationToken,
        progress: &dyn Fn(Progress),
    ) -> Result<Bytes, AddError> {
        let total = self.files.iter().map(|file| file.length).sum();
        let piece_length = piece_length(total);
        let pieces = self.hash_pieces(piece_length as usize, total, cancel, progress)?;
        let mut info = vec![b'd'];
        if self.is_multi_file {
            write_bytes(&mut info, b"files");
            info.push(b'l');
            for file in &self.files {
                info.push(b'd');
                write_bytes(&mut info, b"length");
                write_integer(&mut info, file.length);
                write_bytes(&mut info, b"path");
                info.push(b'l');
                for part in &file.path {
                    write_bytes(&mut info, utf8(part.as_ref())?.as_bytes());
                }
                info.extend_from_slice(b"ee");
            }
            info.push(b'e');
        } else {
            write_bytes(&mut info, b"length");
            write_integer(&mut info, total);
        }
        write_bytes(&mut info, b"name");
        write_bytes(&mut info, self.name.as_bytes());
        write_bytes(&mut info, b"piece length");
        write_integer(&mut info, piece_length.into());
        write_bytes(&mut info, b"pieces");
        write_bytes(&mut info, &pieces);
        info.push(b'e');
        Ok(metainfo::wrap(&info, trackers))
    }

    fn hash_pieces(
        &self,
        piece_length: usize,
        total: u64,
        cancel: &CancellationToken,
        progress: &dyn Fn(Progress),
    ) -> Result<Vec<u8>, AddError> {
        let mut pieces = Vec::new();
        let mut piece = vec![0; piece_length];
        let (mut filled, mut done, mut reported) = (0, 0, 0);
        progress(Progress::Hashing { done: 0, total });
        for shared in &self.files {
            let path = self.folder.join(&shared.path);
            let access = |error: io::Error| file_access(&path, &error);
            let mut file = File::open(&path).map_err(access)?;
            let mut left = shared.length;
            while left > 0 {
                if cancel.is_cancelled() {
                    return Err(AddError::Cancelled);
                }
                let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(piece_length - filled);
                file.read_exact(&mut piece[filled..filled + wanted]).map_err(access)?;
                filled += wanted;
                left -= wanted as u64;
                done += wanted as u64;
                if filled == piece_length {
                    pieces.extend_from_slice(&Sha1::digest(&piece));
                    filled = 0;
                }
                if done - reported >= PROGRESS_STEP || done == total {
                    reported = done;
                    progress(Progress::Hashing { done, total });
                }
            }
            let now = SharedFile::read(&self.folder, shared.path.clone()).map_err(access)?;
            if now != *shared {
                return Err(AddError::FileAccess { path, reason: "it is being written to right now".into() });
            }
        }
        if filled > 0 {
            pieces.extend_from_slice(&Sha1::digest(&piece[..filled]));
        }
        Ok(pieces)
    }
}

/// An I/O error as what a person can do about it.
pub(crate) fn file_access(path: &Path, error: &io::Error) -> AddError {
    let kind = error.kind();
    let told = [
        (io::ErrorKind::NotFound, "it does not exist"),
        (io::ErrorKind::PermissionDenied, "access is denied"),
        (io::ErrorKind::ReadOnlyFilesystem, "the drive is read-only"),
        (io::ErrorKind::UnexpectedEof, "it became shorter while it was read"),
    ];
    if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return AddError::DiskFull;
    }
    let reason =
        told.iter().find(|(known, _)| *known == kind).map_or_else(|| error.to_string(), |(_, told)| (*told).to_owned());
    AddError::FileAccess { path: path.to_owned(), reason }
}

fn walk(root: &Path, below: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), AddError> {
    let folder = root.join(below);
    let access = |error: io::Error| file_access(&folder, &error);
    for entry in std::fs::read_dir(&folder).map_err(access)? {
        let entry = entry.map_err(access)?;
        let name = entry.file_name();
        // Names that no torrent can carry, hidden files and links are not shared.
        let Some(text) =
            name.to_str().filter(|name| !name.starts_with('.') && crate::file_name::check_part(name).is_ok())
        else {
            continue;
        };
        let (kind, path) = (entry.file_type().map_err(access)?, below.join(text));
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(root, &path, depth + 1, found)?;
        } else if kind.is_file() && FileKind::of(text) != FileKind::Other {
            if found.len() == MAX_FILES {
                return Err(AddError::FileAccess {
                    path: root.to_owned(),
                    reason: format!("it has more than {MAX_FILES} media files"),
                });
            }
            found.push(path);
        }
    }
    Ok(())
}

fn is_playable(name: &str) -> bool {
    matches!(FileKind::of(name), FileKind::Video | FileKind::Audio)
}

fn utf8(name: &Path) -> Result<&str, AddError> {
    name.to_str()
        .ok_or_else(|| AddError::FileAccess { path: name.to_owned(), reason: "its name is not valid Unicode".into() })
}
