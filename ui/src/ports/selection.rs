//! Which file of a torrent is meant (`streamshare-media` judges, as for the desktop), and how a torrent is named to others. Pure.

use super::swarm::Description;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use streamshare_ipc::FileSummary;
use streamshare_media::{FileEntry, FileKind, FindError};
use streamshare_protocol::{is_loopback_host, limits::TORRENT_ID_BYTES_MAX};

/// The media type of a file by its name, as browsers know it; empty where it is no medium.
pub(super) fn mime_of(path: &str) -> &'static str {
    match (FileKind::of(path), streamshare_media::mime(path)) {
        (FileKind::Subtitle | FileKind::Other, _) => "",
        // The same container by an older name, which browsers say no to.
        (_, "video/quicktime") => "video/mp4",
        (_, mime) => mime,
    }
}

/// A torrent's files as they are judged.
pub(super) fn entries(files: &[FileSummary]) -> Vec<FileEntry<'_>> {
    files.iter().map(|file| FileEntry::new(&file.path, file.length)).collect()
}

/// The file that a playlist item means; why there is none, for people.
pub(super) fn find(torrent: &Description, filename: &str) -> Result<usize, String> {
    streamshare_media::find(&torrent.name, &entries(&torrent.files), filename).map_err(|error| match error {
        FindError::NothingToPlay => "There is neither a video nor music in this torrent.".to_owned(),
        FindError::Missing => format!("There is no file {filename} in this torrent."),
    })
}

/// The files worth playing, in playing order.
pub(super) fn playable(files: &[FileSummary]) -> Vec<usize> {
    streamshare_media::playable(&entries(files))
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
    fn media_types_that_browsers_are_asked_by() {
        assert_eq!(
            (mime_of("a/Film.MKV"), mime_of("x.mov"), mime_of("x.flac")),
            ("video/x-matroska", "video/mp4", "audio/flac")
        );
        assert_eq!((mime_of("x.srt"), mime_of("x.html"), mime_of("mp4")), ("", "", ""));
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let show = torrent("Show", &[("a/1.mkv", 5), ("b/1.mkv", 7)]);
        assert_eq!(find(&show, ""), Ok(1));
        assert!(find(&show, "1.mkv").is_err_and(|reason| reason.contains("1.mkv")));
        assert!(find(&torrent("x", &[("x.iso", 1)]), "").is_err());
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
}
