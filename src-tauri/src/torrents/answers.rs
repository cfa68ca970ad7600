//! What the window is told: the engine's types in, ipc's types out.

use crate::magnet;
use streamshare_ipc::{Added, FileSummary, Keeping, Peers, Ready, ShellError, TorrentState, TorrentStats, code};
use streamshare_protocol::{TorrentId, limits::FILENAME_BYTES_MAX};
use streamshare_streaming::{
    AddError, Engine, FileInfo, FileKind, InfoHash, Keeping as EngineKeeping, OpenError, StartError, State, Stats,
    TorrentInfo,
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

/// The file that an item names. Members with other clients write paths in other ways: with the torrent's name before
/// them, as WebTorrent does, or the file's name alone; that counts where it can only mean one file.
pub(super) fn file_index(info: &TorrentInfo, filename: &str) -> Result<usize, ShellError> {
    if filename.is_empty() {
        return main_video(info).ok_or_else(|| no_video(&info.name));
    }
    let exact = info.files.iter().position(|file| file.path == filename);
    let below_the_name = || {
        let inner = filename.strip_prefix(info.name.as_str())?.strip_prefix('/')?;
        info.files.iter().position(|file| file.path == inner)
    };
    let by_last_part = || {
        let last_part = |file: &FileInfo| file.path.rsplit('/').next() == Some(filename);
        let mut named = info.files.iter().enumerate().filter(|(_, file)| last_part(file));
        named.next().filter(|_| named.next().is_none()).map(|(index, _)| index)
    };
    exact
        .or_else(below_the_name)
        .or_else(by_last_part)
        .ok_or_else(|| shell_error(code::NO_SUCH_FILE, &format!("There is no file {filename} in {}", info.name)))
}

/// The largest video, else the largest sound file: extras and samples are smaller.
fn main_video(info: &TorrentInfo) -> Option<usize> {
    let weight = |index: &usize| {
        let file = info.files.get(*index);
        file.map(|file| (file.kind == FileKind::Video, file.length))
    };
    // The first of equals, as max_by_key would take the last.
    info.playable().into_iter().rev().max_by_key(weight)
}

pub(super) fn torrent_stats(engine: &Engine, info_hash: InfoHash, stats: Stats, peers: Peers) -> TorrentStats {
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
        uploaded_bytes: account.map_or(0, |account| account.uploaded_bytes),
        disk_bytes: account.map_or(0, |account| account.disk_bytes),
        keeping: account.map_or_else(Keeping::default, |account| keeping(account.keeping)),
        ready: ready
            .map(|ready| Ready { file_index: ready.file_index, length: ready.length, spans: ready.spans })
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

    fn info(name: &str, files: &[(&str, u64)]) -> TorrentInfo {
        let kind = |path: &str| if path.ends_with(".txt") { FileKind::Other } else { FileKind::Video };
        let file = |(path, length): &(&str, u64)| FileInfo { path: (*path).into(), length: *length, kind: kind(path) };
        TorrentInfo {
            info_hash: InfoHash([7; 20]),
            name: name.into(),
            files: files.iter().map(file).collect(),
            trackers: vec![],
            private: false,
            piece_count: 1,
        }
    }

    #[test]
    fn an_item_finds_its_file() {
        let series = info("Show", &[("s1/a.mkv", 5), ("s2/a.mkv", 5), ("s2/b.mkv", 9), ("readme.txt", 1)]);
        let index = |filename: &str| file_index(&series, filename).map_err(|error| error.code);
        assert_eq!(index("s2/a.mkv"), Ok(1));
        assert_eq!(index("Show/s2/a.mkv"), Ok(1));
        assert_eq!(index("b.mkv"), Ok(2));
        for missing in ["a.mkv", "S1/a.mkv", "../a.mkv", "Show", "Showx/s2/a.mkv"] {
            assert_eq!(index(missing), Err(code::NO_SUCH_FILE.to_owned()), "{missing}");
        }
    }

    #[test]
    fn messages_are_sentences() {
        assert_eq!(shell_error(code::NETWORK, "élan lost").message, "Élan lost.");
        assert_eq!(add_error(AddError::DiskFull).message, "There is no space left on the disk.");
        assert_eq!(shell_error(code::NETWORK, "Done.").message, "Done.");
    }
}
