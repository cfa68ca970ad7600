//! Which names a torrent may write to the disk, on any platform.

use std::collections::HashMap;

/// Bytes in one part of a path, the limit of ext4, NTFS (in UTF-16 units) and APFS.
const MAX_PART_LEN: usize = 255;
/// Bytes in a whole path, under PATH_MAX of 4096 with room for the download folder.
const MAX_PATH_LEN: usize = 2048;
/// Folders in a path.
const MAX_PARTS: usize = 64;

/// Checks one part of a path, giving what is wrong as the end of a sentence about the torrent.
pub(crate) fn check_part(part: &str) -> Result<(), String> {
    let shown = || part.chars().filter(|c| !c.is_control()).take(80).collect::<String>();
    if part.trim().is_empty() {
        return Err("a file has an empty name".into());
    }
    if part == "." || part == ".." {
        return Err("a file lies outside of its folder".into());
    }
    if part.len() > MAX_PART_LEN {
        return Err(format!("the name {}... is too long", shown()));
    }
    if part.contains(['/', '\\']) || part.chars().any(char::is_control) {
        return Err(format!("the name {} has forbidden characters", shown()));
    }
    let bytes = part.as_bytes();
    if bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' {
        return Err(format!("the name {} begins with a drive letter", shown()));
    }
    if is_reserved_on_windows(part) {
        return Err(format!("the name {} is reserved by Windows", shown()));
    }
    if cfg!(windows) && (part.contains(['<', '>', ':', '"', '|', '?', '*']) || part.ends_with(['.', ' '])) {
        return Err(format!("Windows does not allow the name {}", shown()));
    }
    Ok(())
}

/// Device names, with or without an extension: "Naming Files, Paths, and Namespaces" in the Win32 documentation.
fn is_reserved_on_windows(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    match stem.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        other => {
            let number = other.strip_prefix("COM").or_else(|| other.strip_prefix("LPT"));
            number.is_some_and(|number| {
                matches!(number, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "¹" | "²" | "³")
            })
        }
    }
}

/// A name that can be made into a folder: the same, cut to a length that leaves room for a suffix.
pub(crate) fn folder_name(name: &str) -> String {
    let mut end = name.len().min(200);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    // Windows drops them silently, so two names could mean one folder.
    name[..end].trim_end_matches(['.', ' ']).to_owned()
}

/// The paths of a torrent, of which no two may be one and none may be both a file and a folder.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Whether the path is a file.
    paths: HashMap<String, bool>,
}

impl Tree {
    pub(crate) fn insert(&mut self, parts: &[String]) -> Result<(), String> {
        if parts.is_empty() {
            return Err("a file has an empty name".into());
        }
        if parts.len() > MAX_PARTS || parts.iter().map(String::len).sum::<usize>() + parts.len() > MAX_PATH_LEN {
            return Err("a file's path is too long".into());
        }
        let mut path = String::new();
        for (at, part) in parts.iter().enumerate() {
            check_part(part)?;
            path.push('/');
            path.push_str(&fold(part));
            let is_file = at + 1 == parts.len();
            if let Some(was_file) = self.paths.get(&path) {
                match (*was_file, is_file) {
                    (false, false) => {}
                    (true, true) => return Err(format!("it has two files at {}", parts.join("/"))),
                    (true, false) | (false, true) => {
                        return Err(format!("{} is both a file and a folder", parts[..=at].join("/")));
                    }
                }
            } else {
                self.paths.insert(path.clone(), is_file);
            }
        }
        Ok(())
    }
}

/// What the file system takes for the same name.
fn fold(part: &str) -> String {
    if cfg!(any(windows, target_os = "macos")) { part.to_lowercase() } else { part.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        for good in
            ["film.mkv", "Film: Part 2?", "…and justice", ".hidden", "console.mkv", "com10.mkv", "日本.mp4", "a..b"]
        {
            if !cfg!(windows) {
                assert_eq!(check_part(good), Ok(()), "{good}");
            }
        }
        for bad in [
            "",
            " ",
            ".",
            "..",
            "a/b",
            "a\\b",
            "C:evil.txt",
            "c:",
            "nul",
            "NUL.mkv",
            "con .mkv",
            "COM1",
            "lpt9.txt",
            "a\0b",
            "a\nb",
            "a\u{7f}",
        ] {
            assert!(check_part(bad).is_err(), "{bad:?}");
        }
        assert!(check_part(&"x".repeat(256)).is_err());
    }

    #[test]
    fn trees() {
        let check = |paths: &[&str]| {
            let mut tree = Tree::default();
            paths.iter().try_for_each(|path| tree.insert(&path.split('/').map(str::to_owned).collect::<Vec<_>>()))
        };
        assert_eq!(check(&["a/b", "a/c", "d"]), Ok(()));
        assert_eq!(check(&["a", "a"]), Err("it has two files at a".into()));
        assert_eq!(check(&["a", "a/b"]), Err("a is both a file and a folder".into()));
        assert_eq!(check(&["a/b", "a"]), Err("a is both a file and a folder".into()));
        assert!(check(&[&"x/".repeat(80)]).is_err());
    }

    #[test]
    fn folders() {
        assert_eq!(folder_name("Film. . "), "Film");
        assert_eq!(folder_name(&"é".repeat(150)).len(), 200);
    }
}
