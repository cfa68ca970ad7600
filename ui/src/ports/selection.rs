//! Which file of a torrent is meant, and how a torrent is named to others. Pure; the desktop's engine does the same in
//! `streamshare-streaming`.

use super::swarm::Description;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::cmp::Ordering;
use streamshare_ipc::FileSummary;
use streamshare_protocol::{is_loopback_host, limits::TORRENT_ID_BYTES_MAX};

/// Extensions and what browsers know them as. A fixed list: nothing that a page could run is ever served out of a torrent.
const VIDEO: [(&str, &str); 17] = [
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("mov", "video/mp4"),
    ("webm", "video/webm"),
    ("mkv", "video/x-matroska"),
    ("ogv", "video/ogg"),
    ("3gp", "video/3gpp"),
    ("ts", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    ("mts", "video/mp2t"),
    ("avi", "video/x-msvideo"),
    ("divx", "video/x-msvideo"),
    ("mpg", "video/mpeg"),
    ("mpeg", "video/mpeg"),
    ("vob", "video/mpeg"),
    ("wmv", "video/x-ms-wmv"),
    ("flv", "video/x-flv"),
];
const AUDIO: [(&str, &str); 9] = [
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("m4b", "audio/mp4"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("oga", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("wav", "audio/wav"),
];

/// Words in a path that mark what is not the thing itself.
const EXTRAS: [&str; 3] = ["sample", "trailer", "trailers"];

fn type_in(list: &[(&str, &'static str)], path: &str) -> Option<&'static str> {
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    list.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension)).map(|(_, mime)| *mime)
}

/// The media type of a file by its name; empty where it is no medium.
pub(super) fn mime_of(path: &str) -> &'static str {
    type_in(&VIDEO, path).or_else(|| type_in(&AUDIO, path)).unwrap_or_default()
}

/// The file that a playlist item means: by its path, by its path under the torrent's name, by its name alone where only
/// one has it. Empty means the main video.
pub(super) fn find(torrent: &Description, filename: &str) -> Result<usize, String> {
    if filename.is_empty() {
        let longest = |list: &[(&str, &'static str)]| {
            let files = torrent.files.iter().enumerate().filter(|(_, file)| type_in(list, &file.path).is_some());
            files.max_by_key(|(_, file)| file.length).map(|(index, _)| index)
        };
        return longest(&VIDEO)
            .or_else(|| longest(&AUDIO))
            .ok_or_else(|| "There is neither a video nor music in this torrent.".to_owned());
    }
    let at = |path: &str| torrent.files.iter().position(|file| file.path == path);
    let under_name = filename.strip_prefix(&torrent.name).and_then(|rest| rest.strip_prefix('/'));
    if let Some(index) = at(filename).or_else(|| under_name.and_then(at)) {
        return Ok(index);
    }
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let mut named = (0..torrent.files.len()).filter(|index| last(&torrent.files[*index].path) == last(filename));
    match (named.next(), named.next()) {
        (Some(index), None) => Ok(index),
        (Some(_), Some(_)) => Err(format!("There are several files named {} in this torrent.", last(filename))),
        (None, _) => Err(format!("There is no file {filename} in this torrent.")),
    }
}

/// The files worth playing, in playing order: the film, or all episodes; without a video all music.
pub(super) fn playable(files: &[FileSummary]) -> Vec<usize> {
    let of = |list: &[(&str, &'static str)]| -> Vec<usize> {
        (0..files.len()).filter(|index| type_in(list, &files[*index].path).is_some()).collect()
    };
    let videos = of(&VIDEO);
    let longest = videos.iter().map(|index| files[*index].length).max().unwrap_or_default();
    // A sample is a minute of a film; what is under a quarter of a film is its bonus material, not an episode.
    let mut found: Vec<usize> = videos.iter().copied().filter(|i| !is_extra(&files[*i].path)).collect();
    found.retain(|index| files[*index].length >= longest / 4);
    if found.is_empty() {
        found = if videos.is_empty() { of(&AUDIO) } else { videos };
    }
    found.sort_by(|a, b| natural_order(&files[*a].path, &files[*b].path));
    found
}

fn is_extra(path: &str) -> bool {
    path.split(|c: char| !c.is_alphanumeric()).any(|word| EXTRAS.iter().any(|extra| word.eq_ignore_ascii_case(extra)))
}

/// Orders names as people do: digits by their number, the rest without regard to case.
fn natural_order(left: &str, right: &str) -> Ordering {
    let key = |text: &str| {
        let mut parts: Vec<(String, u64)> = vec![(String::new(), 0)];
        for c in text.chars() {
            let (words, number) = parts.last_mut().expect("there is always a part");
            match c.to_digit(10) {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(u64::from(digit)),
                None if *number > 0 => parts.push((c.to_lowercase().collect(), 0)),
                None => words.extend(c.to_lowercase()),
            }
        }
        parts
    };
    key(left).cmp(&key(right)).then_with(|| left.cmp(right))
}

/// Up to this, pieces are 256 KiB, beyond it 512; the same numbers as in the desktop's engine, so that two people who
/// share one file are in one swarm.
const SMALL_TORRENT_LEN: u64 = 512 << 20;
const PIECES_MAX: u64 = 100_000;

/// Bytes of a piece for a file of so many bytes.
pub(super) fn piece_length(total: u64) -> u32 {
    let mut length: u32 = if total <= SMALL_TORRENT_LEN { 256 << 10 } else { 512 << 10 };
    while total.div_ceil(u64::from(length)) > PIECES_MAX && length < 16 << 20 {
        length *= 2;
    }
    length
}

/// The WebSocket tracker of a relay.
pub(super) fn tracker_of(relay: &str) -> Option<String> {
    let rest = relay.strip_prefix("http")?;
    Some(format!("ws{}/announce", rest.trim_end_matches('/')))
}

/// Where a relay tells of STUN and TURN servers.
pub(super) fn ice_servers_of(relay: &str) -> Option<String> {
    relay.starts_with("http").then(|| format!("{}/ice-servers", relay.trim_end_matches('/')))
}

/// What stays as it is in a magnet link's values (RFC 3986, "unreserved").
const VALUE: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A magnet link that is fit for a room: with the trackers that others can reach, as many as fit.
pub(super) fn magnet(torrent: &Description) -> String {
    let name = utf8_percent_encode(&torrent.name, &VALUE).to_string();
    let mut link = format!("magnet:?xt=urn:btih:{}", torrent.info_hash);
    if !name.is_empty() && name.len() < TORRENT_ID_BYTES_MAX / 4 {
        link = format!("{link}&dn={name}");
    }
    for tracker in torrent.trackers.iter().filter(|tracker| !is_local(tracker)) {
        let parameter = format!("&tr={}", utf8_percent_encode(tracker, &VALUE));
        if link.len() + parameter.len() <= TORRENT_ID_BYTES_MAX {
            link.push_str(&parameter);
        }
    }
    link
}

fn is_local(address: &str) -> bool {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.is_empty() || is_loopback_host(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torrent(name: &str, files: &[(&str, u64)]) -> Description {
        Description {
            info_hash: "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c".to_owned(),
            name: name.to_owned(),
            trackers: Vec::new(),
            files: files
                .iter()
                .map(|(path, length)| FileSummary { path: (*path).to_owned(), length: *length })
                .collect(),
        }
    }

    #[test]
    fn the_file_that_is_meant() {
        let show = torrent("Show", &[("a/1.mkv", 5), ("b/1.mkv", 7), ("b/2.mkv", 6), ("big.iso", 99)]);
        assert_eq!(find(&show, "a/1.mkv"), Ok(0));
        assert_eq!(find(&show, "Show/b/1.mkv"), Ok(1));
        assert_eq!(find(&show, "2.mkv"), Ok(2));
        assert_eq!(find(&show, ""), Ok(1));
        assert!(find(&show, "1.mkv").is_err() && find(&show, "3.mkv").is_err());
        assert!(find(&torrent("x", &[("x.iso", 1)]), "").is_err());
        assert_eq!(find(&torrent("x", &[("x.mp3", 1)]), ""), Ok(0));
    }

    #[test]
    fn what_is_worth_playing() {
        let names = |files: &[(&str, u64)]| playable(&torrent("t", files).files);
        assert_eq!(names(&[("Film.mkv", 900), ("Sample.mkv", 400), ("bonus.mkv", 100), ("x.nfo", 1)]), [0]);
        assert_eq!(names(&[("E10.mkv", 90), ("E2.mkv", 100), ("E01.mkv", 80)]), [2, 1, 0]);
        assert_eq!(names(&[("2.mp3", 1), ("1.mp3", 1)]), [1, 0]);
        assert_eq!(names(&[("sample.mkv", 1)]), [0]);
        assert!(names(&[("x.iso", 1)]).is_empty());
    }

    #[test]
    fn trackers_of_relays() {
        assert_eq!(tracker_of("http://host:7411").as_deref(), Some("ws://host:7411/announce"));
        assert_eq!(tracker_of("https://host/watch/").as_deref(), Some("wss://host/watch/announce"));
        assert_eq!(tracker_of("ftp://host"), None);
        assert_eq!(ice_servers_of("https://host/watch/").as_deref(), Some("https://host/watch/ice-servers"));
        assert_eq!(ice_servers_of("ftp://host"), None);
    }

    #[test]
    fn magnets_name_no_address_of_this_computer() {
        let mut film = torrent("Café & more.mp4", &[]);
        for tracker in
            ["ws://127.0.0.1:1/announce", "ws://[::1]:1/", "wss://user@localhost/x", "wss://t.example:8/a?b=c"]
        {
            film.trackers.push(tracker.to_owned());
        }
        let hash = &film.info_hash;
        let wanted = format!(
            "magnet:?xt=urn:btih:{hash}&dn=Caf%C3%A9%20%26%20more.mp4&tr=wss%3A%2F%2Ft.example%3A8%2Fa%3Fb%3Dc"
        );
        assert_eq!(magnet(&film), wanted);
        film.trackers = (0..2000).map(|n| format!("wss://t{n}.example/announce")).collect();
        assert!(magnet(&film).len() <= TORRENT_ID_BYTES_MAX);
    }

    #[test]
    fn pieces() {
        assert_eq!(piece_length(1), 256 << 10);
        assert_eq!(piece_length((512 << 20) + 1), 512 << 10);
        assert_eq!(piece_length(49 << 30), 1024 << 10);
        assert_eq!(piece_length(u64::MAX), 16 << 20);
    }
}
