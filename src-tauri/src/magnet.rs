//! The magnet link of a torrent as it goes into a room.

use streamshare_protocol::{is_loopback_host, limits::TORRENT_ID_BYTES_MAX};
use streamshare_streaming::TorrentInfo;
use url::Url;

/// Trackers in a link: enough to find a swarm, and a playlist of two hundred such links still fits a message.
const TRACKERS_MAX: usize = 8;
/// Bytes of the name in a link before encoding; it is there for people only.
const NAME_BYTES_MAX: usize = 200;

/// A magnet link (BEP 9) with the info hash, the name and the trackers that others can reach.
///
/// A tracker on this computer stays out: it means nothing to others. So does one with a user and password in it. Of a
/// private torrent (BEP 27) no tracker is told at all: such trackers' addresses hold the member's personal key, and
/// whoever has it acts in that member's name.
pub(crate) fn for_a_room(info: &TorrentInfo) -> String {
    let mut link = format!("magnet:?xt=urn:btih:{}&dn={}", info.info_hash, encoded(start_of(&info.name)));
    if info.private {
        return link;
    }
    let mut taken: Vec<&str> = Vec::new();
    for tracker in info.trackers.iter().map(|tracker| tracker.trim()) {
        let parameter = format!("&tr={}", encoded(tracker));
        if taken.len() < TRACKERS_MAX
            && !taken.contains(&tracker)
            && others_may_have(tracker)
            && link.len() + parameter.len() <= TORRENT_ID_BYTES_MAX
        {
            link.push_str(&parameter);
            taken.push(tracker);
        }
    }
    link
}

fn others_may_have(tracker: &str) -> bool {
    let Ok(address) = Url::parse(tracker) else { return false };
    let host = address.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    matches!(address.scheme(), "http" | "https" | "udp" | "ws" | "wss")
        && !host.is_empty()
        && !is_loopback_host(host)
        && address.username().is_empty()
        && address.password().is_none()
}

fn start_of(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES_MAX)]
}

/// Encodes all but RFC 3986's unreserved characters.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamshare_protocol::TorrentId;
    use streamshare_streaming::InfoHash;

    fn info(name: &str, trackers: &[&str], private: bool) -> TorrentInfo {
        let trackers = trackers.iter().map(|tracker| (*tracker).to_owned()).collect();
        TorrentInfo {
            info_hash: InfoHash([0xab; 20]),
            name: name.to_owned(),
            files: vec![],
            trackers,
            private,
            piece_count: 1,
        }
    }

    fn trackers_of(trackers: &[&str], private: bool) -> Vec<String> {
        let link = for_a_room(&info("x", trackers, private));
        TorrentId::new(&link).expect("a torrent id").trackers().collect()
    }

    #[test]
    fn the_name_is_encoded() {
        let link = for_a_room(&info("Blue & wide é.mkv", &["udp://tracker.example:1/a?b=c&d"], false));
        assert_eq!(
            link,
            format!(
                "magnet:?xt=urn:btih:{}&dn=Blue%20%26%20wide%20%C3%A9.mkv&tr=udp%3A%2F%2Ftracker.example%3A1%2Fa%3Fb%3Dc%26d",
                "ab".repeat(20)
            )
        );
    }

    #[test]
    fn this_computers_addresses_and_secrets_stay_out() {
        let kept = ["http://192.168.1.7:7411/announce", "udp://[fd00::1]:6969", "wss://tracker.example"];
        let mut all = kept.to_vec();
        all.extend([
            "http://127.0.0.1:6969/announce",
            "udp://127.0.0.1:6969",
            "udp://localhost:6969/announce",
            "http://[::1]:80/announce",
            "udp://[::1]:80",
            "http://2130706433/announce",
            "ws://0.0.0.0/",
            "https://me:secret@tracker.example/announce",
            "ftp://tracker.example/",
            "tracker.example",
            "",
            kept[0],
        ]);
        assert_eq!(trackers_of(&all, false), kept);
        assert_eq!(trackers_of(&all, true), Vec::<String>::new());
    }

    #[test]
    fn it_stays_within_its_caps() {
        let long = format!("http://tracker.example/{}", "x".repeat(5000));
        let many: Vec<_> = (0..20).map(|n| format!("http://t{n}.example/announce")).collect();
        let many: Vec<_> = [long.as_str(), long.as_str()].into_iter().chain(many.iter().map(String::as_str)).collect();
        assert_eq!(trackers_of(&many, false).len(), TRACKERS_MAX);
        let link = for_a_room(&info(&"é".repeat(5000), &many, false));
        TorrentId::new(&link).expect("a torrent id");
    }
}
