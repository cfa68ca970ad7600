//! Which files of a torrent are meant, by names and lengths alone: what is worth playing, in which order, and what lies beside it.

mod beside;
mod kind;
mod language;
mod order;

pub use beside::{Beside, subtitles_beside};
pub use kind::{FileKind, mime};
pub use language::{Language, language};
pub use order::natural_order;

/// Words in a file's name that mark what is not the thing itself.
const EXTRA_WORDS: [&str; 4] = ["sample", "trailer", "trailers", "teaser"];
/// Folders in which such things lie.
const EXTRA_FOLDERS: [&str; 10] = [
    "sample",
    "samples",
    "trailers",
    "extras",
    "bonus",
    "featurettes",
    "interviews",
    "deleted scenes",
    "behind the scenes",
    "making of",
];

/// A file of a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEntry<'a> {
    /// Path within the torrent, parts separated by `/`.
    pub path: &'a str,
    /// Bytes.
    pub length: u64,
    /// What it is.
    pub kind: FileKind,
}

/// Why a torrent has no file of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// None has it.
    #[error("there is no such file in it")]
    Missing,
    /// Nothing in it can be played.
    #[error("there is no video and no sound in it")]
    NothingToPlay,
}

impl<'a> FileEntry<'a> {
    /// A file that is what its name says.
    #[must_use]
    pub fn new(path: &'a str, length: u64) -> Self {
        Self { path, length, kind: FileKind::of(path) }
    }
}

/// Indices of the files worth playing, in playing order: the one film, or all episodes of a series, in natural order, without samples,
/// trailers and bonus material; where there is no video, all sound. Empty if there is nothing to play.
#[must_use]
pub fn playable(files: &[FileEntry<'_>]) -> Vec<usize> {
    let of_kind = |kind| (0..files.len()).filter(move |index| files[*index].kind == kind).collect::<Vec<_>>();
    let mut found = features(files, of_kind(FileKind::Video));
    if found.is_empty() {
        found = of_kind(FileKind::Audio);
    }
    found.sort_by(|left, right| natural_order(files[*left].path, files[*right].path));
    found
}

/// The file that is meant where none is named: the largest video, else the largest sound; of equals the first in playing order.
fn main_file(files: &[FileEntry<'_>]) -> Option<usize> {
    // The first of equals, as max_by_key would take the last.
    playable(files).into_iter().rev().max_by_key(|index| files[*index].length)
}

/// The file that a name means in a torrent called `torrent`. Others write paths in other ways: with the torrent's name before them, as
/// WebTorrent does, or the file's name alone; that counts where it can only mean one file. An empty name means the
/// largest video, else the largest sound.
///
/// # Errors
/// See [`FindError`].
pub fn find(torrent: &str, files: &[FileEntry<'_>], name: &str) -> Result<usize, FindError> {
    if name.is_empty() {
        return main_file(files).ok_or(FindError::NothingToPlay);
    }
    let at = |path: &str| files.iter().position(|file| file.path == path);
    let below_the_name = || at(name.strip_prefix(torrent)?.strip_prefix('/')?);
    let by_last_part = || {
        let mut named = (0..files.len()).filter(|index| files[*index].path.rsplit('/').next() == Some(name));
        named.next().filter(|_| named.next().is_none())
    };
    at(name).or_else(below_the_name).or_else(by_last_part).ok_or(FindError::Missing)
}

fn features(files: &[FileEntry<'_>], videos: Vec<usize>) -> Vec<usize> {
    let length = |index: &usize| files[*index].length;
    let biggest = videos.iter().map(length).max().unwrap_or_default();
    // A sample is a minute of a film: under 5 % of it.
    let is_feature = |index: &usize| length(index) >= biggest / 20 && !is_extra(files[*index].path);
    let mut features: Vec<usize> = videos.iter().copied().filter(is_feature).collect();
    features.sort_by_key(|index| std::cmp::Reverse(length(index)));
    match features[..] {
        [] => return videos,
        // Episodes are of about one length, even a double one; what is under a quarter of a film is its bonus material.
        [first, second, ..] if length(&second) < length(&first) / 4 => features.truncate(1),
        // Among episodes the middle one counts: a film may come with its series.
        _ => {
            let usual = length(&features[features.len() / 2]);
            features.retain(|index| length(index) >= usual / 4);
        }
    }
    features
}

fn is_extra(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let name = parts.next().unwrap_or(path);
    let has_word = |part: &str| {
        let mut words = part.split(|c: char| !c.is_alphanumeric());
        words.any(|word| EXTRA_WORDS.iter().any(|extra| word.eq_ignore_ascii_case(extra)))
    };
    has_word(name) || parts.any(|folder| EXTRA_FOLDERS.iter().any(|extra| folder.trim().eq_ignore_ascii_case(extra)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries<'a>(files: &[(&'a str, u64)]) -> Vec<FileEntry<'a>> {
        files.iter().map(|(path, length)| FileEntry::new(path, *length)).collect()
    }

    fn chosen<'a>(files: &[(&'a str, u64)]) -> Vec<&'a str> {
        playable(&entries(files)).into_iter().map(|index| files[index].0).collect()
    }

    #[test]
    fn what_is_worth_playing() {
        let film = [("Film.nfo", 9), ("Film.mkv", 4000), ("Sample/film-sample.mkv", 300), ("Film.srt", 5)];
        assert_eq!(chosen(&film), ["Film.mkv"]);
        let bonus = [("Film.mkv", 4000), ("Film.Trailer.mkv", 3000), ("bonus.mkv", 900), ("tiny.mkv", 10)];
        assert_eq!(chosen(&bonus), ["Film.mkv"]);
        assert_eq!(chosen(&[("F/Film.mkv", 4000), ("F/Extras/Long talk.mkv", 3900)]), ["F/Film.mkv"]);
        let show =
            [("Show/S01E10.mkv", 1000), ("Show/S01E02.mkv", 900), ("Show/s01e01.mkv", 2100), ("Show/sample.mkv", 800)];
        assert_eq!(chosen(&show), ["Show/s01e01.mkv", "Show/S01E02.mkv", "Show/S01E10.mkv"]);
        // A film with its series, whose openings without credits are no episodes.
        let anime = [("3.mkv", 400), ("1.mkv", 410), ("2.mkv", 390), ("Film.mkv", 1400), ("NCOP.mkv", 80)];
        assert_eq!(chosen(&anime), ["1.mkv", "2.mkv", "3.mkv", "Film.mkv"]);
        assert_eq!(chosen(&[("sample.mp4", 10)]), ["sample.mp4"]);
        assert_eq!(chosen(&[("Trailer Park E2.mkv", 9), ("Trailer Park E1.mkv", 9)]).len(), 2);
        assert_eq!(chosen(&[("Sampler.mp4", 10)]), ["Sampler.mp4"]);
        assert_eq!(
            chosen(&[("CD2/1.flac", 5), ("CD1/10.flac", 5), ("CD1/9.flac", 1), ("cover.jpg", 9)]),
            ["CD1/9.flac", "CD1/10.flac", "CD2/1.flac"]
        );
        assert!(chosen(&[("readme.txt", 10), ("page.html", 10)]).is_empty());
    }

    #[test]
    fn the_file_that_is_meant() {
        let show = entries(&[("s1/a.mkv", 5), ("s2/a.mkv", 5), ("s2/b.mkv", 9), ("readme.txt", 99)]);
        let found = |name| find("Show", &show, name);
        assert_eq!(
            [found("s2/a.mkv"), found("Show/s2/a.mkv"), found("b.mkv"), found("")],
            [Ok(1), Ok(1), Ok(2), Ok(2)]
        );
        for missing in ["a.mkv", "S1/a.mkv", "../a.mkv", "Show", "Showx/s2/a.mkv"] {
            assert_eq!(found(missing), Err(FindError::Missing), "{missing}");
        }
        assert_eq!(find("x", &entries(&[("x.iso", 1)]), ""), Err(FindError::NothingToPlay));
        assert_eq!(find("x", &entries(&[("b.mp3", 1), ("a.mp3", 1)]), ""), Ok(1));
    }
}
