//! What the window is told: the engine's types in, ipc's types out.

use crate::magnet;
use streamshare_ipc::{
    Added, Counted, FileSummary, Keeping, OPENED_FILES_MAX, OpenedFile, Peers, Ready, ShellError, TorrentState,
    TorrentStats, code,
};
use streamshare_media::{FileKind, FindError};
use streamshare_protocol::{TorrentId, limits::FILENAME_BYTES_MAX};
use streamshare_streaming::{
    AddError, Engine, InfoHash, Keeping as EngineKeeping, OpenError, StartError, State, Stats, TorrentInfo,
};

/// What a torrent puts into a playlist.
pub(super) fn added(info: TorrentInfo) -> Result<Added, ShellError> {
    // A path that no playlist takes cannot be shared.
    let fits = |index: &usize| info.files.get(*index).is_some_and(|file| file.path.len() <= FILENAME_BYTES_MAX);
    let chosen: Vec<_> = info.playable().into_iter().filter(fits).collect();
    if chosen.is_empty() {
        return Err(no_video(&info.name));
    }
    let torrent_id = magnet::for_a_room(&info);
    TorrentId::new(&torrent_id).map_err(|error| shell_error(code::INTERNAL, &error.to_string()))?;
    let files = info.files.into_iter().map(|file| FileSummary { path: file.path, length: file.length }).collect();
    Ok(Added { info_hash: info.info_hash.to_string(), name: info.name, torrent_id, files, chosen })
}

/// The file that an item names: [`streamshare_media::find`].
pub(super) fn file_index(info: &TorrentInfo, filename: &str) -> Result<usize, ShellError> {
    streamshare_media::find(&info.name, &info.entries(), filename).map_err(|error| match error {
        FindError::NothingToPlay => no_video(&info.name),
        FindError::Missing => shell_error(code::NO_SUCH_FILE, &format!("There is no file {filename} in {}", info.name)),
    })
}

/// What of a torrent is worth telling the window: what it may play or show.
pub(super) fn opened_files(info: &TorrentInfo) -> Vec<OpenedFile> {
    let known = info.files.iter().enumerate().filter(|(_, file)| file.kind != FileKind::Other);
    known
        .map(|(index, file)| OpenedFile { index, path: file.path.clone(), length: file.length })
        .take(OPENED_FILES_MAX)
        .collect()
}

pub(super) fn torrent_stats(
    engine: &Engine,
    info_hash: InfoHash,
    stats: Stats,
    (peers, counted): (Peers, Option<Counted>),
) -> TorrentStats {
    let (state, error) = match stats.state {
        State::Checking => (TorrentState::Checking, None),
        State::Downloading => (TorrentState::Downloading, None),
        State::Seeding => (TorrentState::Seeding, None),
        State::Paused => (TorrentState::Paused, None),
        State::Failed(why) => (TorrentState::Failed, Some(why)),
    };
    let account = engine.account(info_hash);
    let ready = engine.ready(info_hash).into_iter();
    TorrentStats {
        info_hash: info_hash.to_string(),
        name: engine.info(info_hash).map(|info| info.name).unwrap_or_default(),
        state,
        have_bytes: stats.have_bytes,
        total_bytes: stats.total_bytes,
        download_bps: stats.download_bps,
        upload_bps: stats.upload_bps,
        peers,
        known_peers: stats.peers_known,
        counted,
        uploaded_bytes: account.map_or(0, |account| account.uploaded_bytes),
        disk_bytes: account.map_or(0, |account| account.disk_bytes),
        keeping: account.map_or_else(Keeping::default, |account| keeping(account.keeping)),
        ready: ready
            .map(|ready| Ready {
                file_index: ready.file_index,
                length: ready.length,
                spans: ready.spans,
                missing_to_start: ready.missing_to_start,
            })
            .collect(),
        error,
    }
}

fn keeping(keeping: EngineKeeping) -> Keeping {
    match keeping {
        EngineKeeping::Own => Keeping::Own,
        EngineKeeping::Kept => Keeping::Kept,
        EngineKeeping::Cached => Keeping::Cached,
    }
}

pub(super) fn start_error(error: StartError) -> ShellError {
    let code = match error {
        StartError::Folder { .. } => code::FILE_ACCESS,
        StartError::Listen(_) => code::NETWORK,
        StartError::Random(_) | StartError::Session(_) | _ => code::INTERNAL,
    };
    shell_error(code, &error.to_string())
}

pub(super) fn add_error(error: AddError) -> ShellError {
    let code = match error {
        AddError::Cancelled => code::CANCELLED,
        AddError::TimedOut(_) => code::TIMED_OUT,
        AddError::NotATorrent(_) => code::NOT_A_TORRENT,
        AddError::BadMetainfo(_) => code::BAD_TORRENT,
        AddError::BadMagnet(_) => code::BAD_MAGNET,
        AddError::NoPlayableFile(_) => code::NO_VIDEO,
        AddError::FileAccess { .. } => code::FILE_ACCESS,
        AddError::DiskFull => code::DISK_FULL,
        AddError::Network(_) => code::NETWORK,
        AddError::Engine(_) | AddError::ShutDown | _ => code::INTERNAL,
    };
    shell_error(code, &error.to_string())
}

pub(super) fn open_error(error: OpenError) -> ShellError {
    let code = match error {
        OpenError::UnknownFile(_) => code::NO_SUCH_FILE,
        // What stops a torrent is its folder: full, gone or read-only.
        OpenError::Failed(_) => code::FILE_ACCESS,
        OpenError::UnknownTorrent | OpenError::ShutDown | _ => code::INTERNAL,
    };
    shell_error(code, &error.to_string())
}

fn no_video(name: &str) -> ShellError {
    shell_error(code::NO_VIDEO, &format!("There is no video or audio file in {name}"))
}

pub(crate) fn cancelled() -> ShellError {
    shell_error(code::CANCELLED, "This was cancelled")
}

/// An error with its text as a sentence: libraries write theirs without a capital and a full stop.
pub(crate) fn shell_error(code: &str, text: &str) -> ShellError {
    let mut letters = text.chars();
    let mut message: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    if !message.ends_with(['.', '!', '?']) {
        message.push('.');
    }
    ShellError { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_sentences() {
        assert_eq!(shell_error(code::NETWORK, "élan lost").message, "Élan lost.");
        assert_eq!(add_error(AddError::DiskFull).message, "There is no space left on the disk.");
        assert_eq!(shell_error(code::NETWORK, "Done.").message, "Done.");
    }
}
