//! Subtitles that can be chosen, and what they are called.

use std::rc::Rc;
use streamshare_ipc::{Opened, OpenedFile};
use streamshare_media::{Cue, FileEntry, Language, Track, language, subtitles_beside};

/// What is called nothing.
const NAMELESS: &str = "Subtitles";
/// Tracks that cannot be shown are called by their names up to so many: a disc has thirty.
const NAMED_MAX: usize = 4;

/// Where subtitles come from.
#[derive(Clone)]
pub(super) enum Origin {
    /// A track of the film.
    Track(u64),
    /// A file beside it in its torrent.
    Beside(OpenedFile),
    /// A file of the person's.
    Local(Rc<Vec<Cue>>),
}

/// Subtitles that can be chosen.
pub(super) struct Choice {
    pub(super) id: u64,
    /// What it is called here; no two have the same name.
    pub(super) label: String,
    /// What it would be called if it were alone.
    pub(super) base: String,
    /// ISO 639-1.
    pub(super) language: Option<&'static str>,
    pub(super) origin: Origin,
}

impl Choice {
    /// What is remembered of it: the next film's of the same language and kind count as the same.
    pub(super) fn memory(&self) -> String {
        match self.language {
            // "German (forced)" is not what one reads who chose "German".
            Some(code) if !self.base.contains("forced") => format!("language {code}"),
            _ => format!("name {}", self.base),
        }
    }
}

/// The subtitles beside a film, with their names and languages.
pub(super) fn beside(opened: &Opened) -> Vec<(String, Option<&'static str>, OpenedFile)> {
    let entries: Vec<_> = opened.files.iter().map(|file| FileEntry::new(&file.path, file.length)).collect();
    let Some(film) = opened.files.iter().position(|file| file.index == opened.file_index) else { return Vec::new() };
    let found = subtitles_beside(&entries, film).into_iter();
    found
        .map(|beside| {
            let label = label(beside.language, beside.forced, &beside.note);
            (label, beside.language.map(|language| language.code), opened.files[beside.index].clone())
        })
        .collect()
}

/// Name and language of a track.
pub(super) fn of_track(track: &Track) -> (String, Option<&'static str>) {
    let told = track.language.as_deref().and_then(language);
    let name = track.name.as_deref().unwrap_or_default();
    // "English" for a track in English says nothing new.
    let note = if told.is_some_and(|told| told.name.eq_ignore_ascii_case(name)) { "" } else { name };
    (label(told, track.forced && !note.to_lowercase().contains("forced"), note), told.map(|told| told.code))
}

/// What is said of tracks that cannot be shown.
pub(super) fn lacking(tracks: &[&Track]) -> Vec<String> {
    let named = |wanted: &dyn Fn(&Track) -> bool| {
        let mut names: Vec<_> = tracks.iter().filter(|track| wanted(track)).map(|track| of_track(track).0).collect();
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        list(&names)
    };
    let pictures = named(&|track| track.codec.is_pictures);
    let others = named(&|track| !track.codec.is_pictures);
    let say = |names: Option<String>, why: &str| names.map(|names| format!("The film also has {names} {why}."));
    let said = [
        say(pictures, "as pictures, which can't be shown as text"),
        say(others, "in a format that can't be shown here"),
    ];
    said.into_iter().flatten().collect()
}

/// Names as in a sentence; of many the first ones.
fn list(names: &[String]) -> Option<String> {
    let name = |name: &String| if name == NAMELESS { NAMELESS.to_lowercase() } else { name.clone() };
    let (last, first) = names.split_last()?;
    Some(match names.get(..NAMED_MAX).filter(|_| names.len() > NAMED_MAX + 1) {
        Some(some) => {
            format!("{} and {} more", some.iter().map(name).collect::<Vec<_>>().join(", "), names.len() - some.len())
        }
        None if first.is_empty() => name(last),
        None => format!("{} and {}", first.iter().map(name).collect::<Vec<_>>().join(", "), name(last)),
    })
}

/// Name and language of a file of the person's.
pub(super) fn named(path: &str) -> (String, Option<&'static str>) {
    let name = file_name(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let told = stem.rsplit(['.', '_', ' ']).find_map(language);
    (stem.to_owned(), told.map(|told| told.code))
}

/// A path's last part.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// An error as a sentence.
pub(super) fn sentence(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).chain(['.']).collect()
}

fn label(language: Option<Language>, forced: bool, note: &str) -> String {
    let mut label = match (language, note.trim()) {
        (Some(language), "") => language.name.to_owned(),
        // "English SDH" is told already.
        (Some(language), note) if note.to_lowercase().starts_with(&language.name.to_lowercase()) => note.to_owned(),
        (Some(language), note) => format!("{} · {note}", language.name),
        (None, "") => NAMELESS.to_owned(),
        (None, note) => note.to_owned(),
    };
    if forced {
        label.push_str(" (forced)");
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_subtitles_are_called() {
        let file = |index, path: &str| OpenedFile { index, path: path.to_owned(), length: 9 };
        let files =
            vec![file(3, "Film.mkv"), file(5, "Film.srt"), file(7, "Film.de.forced.srt"), file(8, "Film.en.sdh.srt")];
        let opened = Opened {
            url: String::new(),
            info_hash: String::new(),
            file_index: 3,
            length: 9,
            mime: String::new(),
            files,
        };
        let found: Vec<_> = beside(&opened).into_iter().map(|(label, code, file)| (label, code, file.index)).collect();
        let row = |label: &str, code, index| (label.to_owned(), code, index);
        assert_eq!(
            found,
            [row("German (forced)", Some("de"), 7), row("English · SDH", Some("en"), 8), row("Subtitles", None, 5)]
        );
        assert_eq!(label(language("eng"), false, "english SDH"), "english SDH");
        assert_eq!(named("/a/b/My.Film.german.srt"), ("My.Film.german".to_owned(), Some("de")));
        assert_eq!(sentence(&"no lines"), "No lines.");
    }

    #[test]
    fn what_cannot_be_shown_is_told() {
        let name = |names: &[&str]| list(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(name(&[]), None);
        assert_eq!(name(&["Subtitles"]).as_deref(), Some("subtitles"));
        assert_eq!(name(&["English", "Dutch"]).as_deref(), Some("English and Dutch"));
        assert_eq!(name(&["A", "B", "C", "D", "E"]).as_deref(), Some("A, B, C, D and E"));
        assert_eq!(name(&["A", "B", "C", "D", "E", "F"]).as_deref(), Some("A, B, C, D and 2 more"));
    }

    #[test]
    fn what_is_remembered() {
        let choice = |base: &str, language| Choice {
            id: 0,
            label: String::new(),
            base: base.to_owned(),
            language,
            origin: Origin::Track(0),
        };
        assert_eq!(choice("German · SDH", Some("de")).memory(), choice("German", Some("de")).memory());
        assert_ne!(choice("German (forced)", Some("de")).memory(), choice("German", Some("de")).memory());
        assert_eq!(choice("Subtitles", None).memory(), "name Subtitles");
    }
}
