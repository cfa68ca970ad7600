//! What the system hands to the app to open: arguments of a first start, and those of a second one.

use std::path::{Path, PathBuf};
use streamshare_ipc::{Opening, Source};
use streamshare_protocol::Invitation;
use url::Url;

/// How many openings wait for a window that does not take them: more than anyone opens at once.
const WAITING_MAX: usize = 100;
/// Characters of an argument that a refusal repeats.
const SHOWN_CHARS_MAX: usize = 80;

/// Containers and codecs that people share, whether or not this player can show them: what cannot be played is told at
/// playing. One list for arguments and for the file dialog.
pub(crate) const VIDEO_EXTENSIONS: &[&str] =
    &["3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogm", "ogv", "ts", "webm", "wmv"];
/// Sound alone.
pub(crate) const AUDIO_EXTENSIONS: &[&str] = &["aac", "ac3", "flac", "m4a", "mka", "mp3", "oga", "ogg", "opus", "wav"];

/// Reads the arguments of a start, without the program's name; relative paths are looked up in `cwd`.
#[must_use]
pub fn parse(arguments: &[String], cwd: &Path) -> Vec<Opening> {
    let mut openings: Vec<_> = arguments
        .iter()
        .filter(|text| !text.trim().is_empty())
        .take(WAITING_MAX)
        .map(|text| opening(text, cwd))
        .collect();
    if arguments.len() > WAITING_MAX {
        openings.push(refused(format!("Only the first {WAITING_MAX} things to open were taken.")));
    }
    openings
}

fn opening(argument: &str, cwd: &Path) -> Opening {
    let text = argument.trim();
    match scheme(text).as_deref() {
        Some("streamshare") => invitation(text),
        Some("magnet") => Opening::Add { source: Source::Link { text: text.to_owned() } },
        Some("http" | "https") if text.contains("#/room") => invitation(text),
        Some("http" | "https") if is_torrent_address(text) => {
            Opening::Add { source: Source::Link { text: text.to_owned() } }
        }
        Some("http" | "https") => refused(format!(
            "{} is neither a link to a room, which ends in #/room/ID, nor the address of a .torrent file.",
            shown(text)
        )),
        Some("file") => match Url::parse(text).ok().and_then(|url| url.to_file_path().ok()) {
            Some(path) => file(&path),
            None => refused(format!("{} is not the address of a file on this computer.", shown(text))),
        },
        Some(other) => refused(format!("Links that begin with {}: cannot be opened.", shown(other))),
        // The argument as it came: a file's name may begin or end with a blank.
        None if text.starts_with('-') && !cwd.join(argument).exists() => {
            refused(format!("{} is not an option. Streamshare takes links and files.", shown(text)))
        }
        None => file(&cwd.join(argument)),
    }
}

fn invitation(text: &str) -> Opening {
    match Invitation::parse(text) {
        Ok(invitation) => Opening::Join { link: invitation.to_string() },
        Err(error) => refused(error.to_string()),
    }
}

fn file(path: &Path) -> Opening {
    let name = shown(&path.to_string_lossy());
    if path.is_dir() {
        return refused(format!("{name} is a folder. Drop it on the window to share all of it."));
    }
    if !is_openable(path) {
        return refused(format!("{name} is neither a .torrent nor a video or sound file."));
    }
    if !path.exists() {
        return refused(format!("There is no file {name}."));
    }
    match normalized(path).to_str() {
        Some(path) => Opening::Add { source: Source::Path { path: path.to_owned() } },
        None => refused(format!("The name of {name} is not valid text (UTF-8).")),
    }
}

/// Without `.` parts, and absolute. `..` stays: behind a symbolic link it means something else than the text says.
fn normalized(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn is_openable(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_ascii_lowercase();
    let extension = extension.as_str();
    extension == "torrent" || VIDEO_EXTENSIONS.contains(&extension) || AUDIO_EXTENSIONS.contains(&extension)
}

fn is_torrent_address(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.path().to_ascii_lowercase().ends_with(".torrent"))
}

/// The scheme in lower case (RFC 3986, section 3.1). One letter is none but a drive: `C:\film.mkv`; and a colon inside
/// a file's name does not make a scheme where the file stands.
fn scheme(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    let mut letters = scheme.chars();
    let well_formed = letters.next().is_some_and(|c| c.is_ascii_alphabetic())
        && scheme.len() > 1
        && letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let scheme = scheme.to_ascii_lowercase();
    let ours = matches!(scheme.as_str(), "magnet" | "streamshare" | "file" | "http" | "https");
    (well_formed && (ours || rest.starts_with("//"))).then_some(scheme)
}

fn refused(message: String) -> Opening {
    Opening::Refused { message }
}

fn shown(text: &str) -> String {
    let clean = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut start: String = text.chars().take(SHOWN_CHARS_MAX).map(clean).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        start.push('…');
    }
    start
}

/// The openings that the window has not taken yet. Those that come when [`WAITING_MAX`] wait already are dropped.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Vec<Opening>);

impl Waiting {
    pub(crate) fn push(&mut self, openings: Vec<Opening>) {
        let room = WAITING_MAX.saturating_sub(self.0.len());
        if openings.len() > room {
            tracing::warn!(dropped = openings.len() - room, "too many openings wait for the window");
        }
        self.0.extend(openings.into_iter().take(room));
    }

    pub(crate) fn take(&mut self) -> Vec<Opening> {
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(argument: &str, cwd: &Path) -> Opening {
        let mut openings = parse(&[argument.to_owned()], cwd);
        assert_eq!(openings.len(), 1, "{argument}");
        openings.remove(0)
    }

    fn path_of(opening: Opening) -> String {
        match opening {
            Opening::Add { source: Source::Path { path } } => path,
            other @ (Opening::Add { .. } | Opening::Join { .. } | Opening::Refused { .. }) => panic!("{other:?}"),
        }
    }

    #[test]
    fn links() {
        let nowhere = Path::new("/nowhere");
        let join = |link: &str| Opening::Join { link: link.to_owned() };
        let add = |text: &str| Opening::Add { source: Source::Link { text: text.to_owned() } };
        assert_eq!(
            one("streamshare://join?relay=http%3A%2F%2Fhost%3A7411&room=blue", nowhere),
            join("http://host:7411/#/room/blue")
        );
        assert_eq!(one(" https://host/#/room/blue ", nowhere), join("https://host/#/room/blue"));
        let magnet = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
        assert_eq!(one(magnet, nowhere), add(magnet));
        assert_eq!(one("HTTPS://host/a/Film.TORRENT?x=1", nowhere), add("HTTPS://host/a/Film.TORRENT?x=1"));
    }

    #[test]
    fn files() {
        let folder = tempfile::tempdir().expect("a folder");
        let cwd = folder.path();
        for name in ["My film.torrent", "a.MKV", "song.mp3", "10:30 news.mp4", " x.webm"] {
            std::fs::write(cwd.join(name), "").expect("a file");
            let absolute = cwd.join(name).to_str().expect("UTF-8").to_owned();
            assert_eq!(path_of(one(name, cwd)), absolute);
            assert_eq!(path_of(one(&absolute, Path::new("/nowhere"))), absolute);
            let url = Url::from_file_path(&absolute).expect("an absolute path");
            assert_eq!(path_of(one(url.as_str(), Path::new("/nowhere"))), absolute);
        }
    }

    #[test]
    fn what_is_refused_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let cwd = folder.path();
        std::fs::write(cwd.join("notes.txt"), "").expect("a file");
        std::fs::create_dir(cwd.join("season.mkv")).expect("a folder");
        for (argument, why) in [
            ("notes.txt", "neither a .torrent nor a video"),
            ("gone.mkv", "There is no file"),
            ("season.mkv", "is a folder"),
            ("file://elsewhere/film.mkv", "not the address of a file on this computer"),
            ("streamshare://join?room=x", "no proper host"),
            ("http://host/#/room/", "names no room"),
            ("http://host/", "neither a link to a room"),
            ("ftp://host/film.torrent", "Links that begin with ftp:"),
            ("--help", "is not an option"),
        ] {
            let opening = one(argument, cwd);
            assert!(
                matches!(&opening, Opening::Refused { message } if message.contains(why)),
                "{argument}: {opening:?}"
            );
        }
        let long = one(&format!("http://host/{}", "x".repeat(5000)), cwd);
        assert!(matches!(&long, Opening::Refused { message } if message.len() < 300), "{long:?}");
    }

    #[test]
    fn many_at_once_are_capped() {
        let arguments = vec!["http://host/#/room/x".to_owned(); WAITING_MAX + 5];
        assert_eq!(parse(&arguments, Path::new("/")).len(), WAITING_MAX + 1);
        assert_eq!(parse(&[String::new(), " ".to_owned()], Path::new("/")), vec![]);
        let mut waiting = Waiting::default();
        waiting.push(vec![refused(String::new()); 60]);
        waiting.push(vec![refused(String::new()); 60]);
        assert_eq!((waiting.take().len(), waiting.take().len()), (WAITING_MAX, 0));
    }
}
