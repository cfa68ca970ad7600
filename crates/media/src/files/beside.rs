//! Subtitles that lie beside a video.

use super::language::{Language, language};
use super::{FileEntry, FileKind, natural_order, playable};

/// Subtitle files that are offered for one video at most.
const BESIDE_MAX: usize = 64;

/// A subtitle file for a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Its index in the torrent.
    pub index: usize,
    /// Its language, as its name tells it.
    pub language: Option<Language>,
    /// Whether it is for what nobody understands alone: signs, another language.
    pub forced: bool,
    /// What its name says besides, for people; empty where it says nothing.
    pub note: String,
}

/// The subtitle files that are meant for a video, in natural order: named like it and then a language, in a folder named like it, or any
/// where the torrent has only this one video to play.
#[must_use]
pub fn subtitles_beside(files: &[FileEntry<'_>], video: usize) -> Vec<Beside> {
    let Some(film) = files.get(video) else { return Vec::new() };
    let stem = stem(film.path);
    let is_alone = playable(files) == [video];
    let mut found: Vec<Beside> = Vec::new();
    for (index, file) in files.iter().enumerate().filter(|(_, file)| file.kind == FileKind::Subtitle) {
        let name = self::stem(file.path);
        let suffix = strip_prefix_ignoring_case(name, stem).filter(|rest| !rest.starts_with(char::is_alphanumeric));
        let in_its_folder = || file.path.rsplit('/').skip(1).any(|folder| folder.eq_ignore_ascii_case(stem));
        let words = match suffix {
            Some(suffix) => suffix,
            None if is_alone || in_its_folder() => name,
            None => continue,
        };
        found.push(described(index, words));
    }
    found.sort_by(|a, b| natural_order(files[a.index].path, files[b.index].path));
    found.truncate(BESIDE_MAX);
    found
}

/// A file's name without folders and extension.
fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    (head.to_lowercase() == prefix.to_lowercase()).then(|| &text[prefix.len()..])
}

fn described(index: usize, words: &str) -> Beside {
    let mut beside = Beside { index, language: None, forced: false, note: String::new() };
    let mut notes = Vec::new();
    for word in words.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let small = word.to_lowercase();
        match (small.as_str(), &beside.language) {
            ("forced" | "foreign" | "signs", _) => beside.forced = true,
            ("sdh" | "hi" | "cc", Some(_)) => notes.push("SDH".to_owned()),
            ("sdh" | "cc", None) => notes.push("SDH".to_owned()),
            (_, None) if language(&small).is_some() => beside.language = language(&small),
            // A number before the language only puts them in order.
            _ if small.bytes().all(|byte| byte.is_ascii_digit()) => {}
            _ => notes.push(word.to_owned()),
        }
    }
    beside.note = notes.join(" ");
    beside
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(paths: &[&str], video: usize) -> Vec<(String, &'static str, bool, String)> {
        let files: Vec<_> = paths.iter().map(|path| FileEntry::new(path, 100)).collect();
        let found = subtitles_beside(&files, video).into_iter();
        found.map(|b| (paths[b.index].to_owned(), b.language.map_or("", |l| l.code), b.forced, b.note)).collect()
    }

    fn row(path: &str, code: &'static str, forced: bool, note: &str) -> (String, &'static str, bool, String) {
        (path.to_owned(), code, forced, note.to_owned())
    }

    #[test]
    fn episodes_have_their_own() {
        let show = [
            "S/E1.mkv",
            "S/E10.mkv",
            "S/e1.srt",
            "S/E1.de.srt",
            "S/E1.en.forced.ass",
            "S/E10.srt",
            "Subs/E1/2_English.srt",
            "x.srt",
        ];
        let first = [
            row("S/e1.srt", "", false, ""),
            row("S/E1.de.srt", "de", false, ""),
            row("S/E1.en.forced.ass", "en", true, ""),
            row("Subs/E1/2_English.srt", "en", false, ""),
        ];
        let mut found = beside(&show, 0);
        found.sort();
        let mut first = first.to_vec();
        first.sort();
        assert_eq!(found, first);
        assert_eq!(beside(&show, 1), [row("S/E10.srt", "", false, "")]);
    }

    #[test]
    fn a_film_has_all() {
        let film = [
            "Film (2020).mp4",
            "Subs/English.SDH.srt",
            "Subs/3_French.srt",
            "Subs/Director comments.srt",
            "Film (2020).idx",
        ];
        assert_eq!(
            beside(&film, 0),
            [
                row("Subs/3_French.srt", "fr", false, ""),
                row("Subs/Director comments.srt", "", false, "Director comments"),
                row("Subs/English.SDH.srt", "en", false, "SDH"),
            ]
        );
        assert!(beside(&film, 9).is_empty());
    }
}
