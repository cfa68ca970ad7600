//! Magnet links (BEP 9), and links in general.

use std::net::SocketAddr;

use url::Url;

use crate::metainfo::extend_trackers;
use crate::{AddError, InfoHash};

/// Bytes in a link.
const MAX_LINK_LEN: usize = 64 << 10;
/// Peers taken out of one magnet link.
const MAX_PEERS: usize = 64;

/// What a person may paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    Magnet(Magnet),
    /// The http(s) address of a `.torrent`.
    Web(Url),
}

/// A v1 (or hybrid) magnet link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Magnet {
    pub(crate) info_hash: InfoHash,
    /// `tr`, with those that librqbit cannot use.
    pub(crate) trackers: Vec<String>,
    /// `x.pe`, where an address is numeric.
    pub(crate) peers: Vec<SocketAddr>,
}

impl Link {
    pub(crate) fn parse(text: &str) -> Result<Self, AddError> {
        let text = text.trim();
        if text.len() > MAX_LINK_LEN {
            return Err(AddError::NotATorrent("the link is too long".into()));
        }
        if let Ok(info_hash) = text.parse() {
            return Ok(Self::Magnet(Magnet { info_hash, trackers: Vec::new(), peers: Vec::new() }));
        }
        let url = Url::parse(text)
            .map_err(|_| AddError::NotATorrent("it is no magnet link, info hash or web address".into()))?;
        match url.scheme() {
            "magnet" => Magnet::parse(&url).map(Self::Magnet),
            "http" | "https" => Ok(Self::Web(url)),
            other => Err(AddError::NotATorrent(format!("{other} links are not supported"))),
        }
    }
}

impl Magnet {
    fn parse(url: &Url) -> Result<Self, AddError> {
        let bad = |reason: &str| AddError::BadMagnet(reason.to_owned());
        let (mut info_hash, mut trackers, mut peers, mut has_v2) = (None, Vec::new(), Vec::new(), false);
        for (key, value) in url.query_pairs() {
            // BEP 9 and practice: `xt.1`, `tr.2` where there are several.
            let key = match key.split_once('.') {
                Some((name, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => name,
                _ => &*key,
            };
            match key {
                "xt" => {
                    let urn = value.to_ascii_lowercase();
                    if urn.starts_with("urn:btmh:") {
                        has_v2 = true;
                    } else if urn.starts_with("urn:btih:") {
                        let hash: InfoHash =
                            value["urn:btih:".len()..].parse().map_err(|_| bad("its info hash is broken"))?;
                        if info_hash.is_some_and(|known| known != hash) {
                            return Err(bad("it names two torrents"));
                        }
                        info_hash = Some(hash);
                    }
                }
                "tr" => extend_trackers(&mut trackers, [&*value]),
                "x.pe" => peers.extend(value.parse::<SocketAddr>().ok().filter(|_| peers.len() < MAX_PEERS)),
                _ => {}
            }
        }
        match info_hash {
            Some(info_hash) => Ok(Self { info_hash, trackers, peers }),
            None if has_v2 => Err(bad("it is BitTorrent v2 only, which is not supported yet")),
            None => Err(bad("it has no info hash")),
        }
    }

    /// The link in the form that librqbit reads, with only what it can use.
    pub(crate) fn to_link(&self) -> String {
        let mut link = format!("magnet:?xt=urn:btih:{}", self.info_hash);
        for tracker in self.trackers.iter().filter(|tracker| crate::metainfo::is_usable(tracker)) {
            link.push_str("&tr=");
            link.extend(url::form_urlencoded::byte_serialize(tracker.as_bytes()));
        }
        link
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "08ada5a7a6183aae1e09d831df6748d566095a10";

    fn magnet(text: &str) -> Magnet {
        match Link::parse(text) {
            Ok(Link::Magnet(magnet)) => magnet,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn reads_magnets() {
        let bare = magnet(HASH);
        assert_eq!(bare, magnet(&format!("magnet:?xt=urn:btih:{HASH}")));
        assert_eq!(bare, magnet(&format!("  magnet:?dn=x&xt=urn:btih:{}\n", HASH.to_uppercase())));
        assert_eq!(bare, magnet(&format!("MAGNET:?xt.1=urn:BTIH:{HASH}&xt.2=urn:btmh:1220aa")));
        assert_eq!(bare, magnet(&data_encoding::BASE32.encode(bare.info_hash.as_bytes())));
        let full = magnet(&format!(
            "magnet:?xt=urn:btih:{HASH}&tr=udp%3A%2F%2Ft.example%3A1&tr.1=wss://w.example&tr=ftp://no&tr=%%%&tr=udp://t.example:1\
             &x.pe=127.0.0.1:80&x.pe=%5B::1%5D:81&x.pe=host.example:1&so=0"
        ));
        assert_eq!(full.trackers, ["udp://t.example:1", "wss://w.example"]);
        assert_eq!(full.peers, ["127.0.0.1:80".parse().unwrap(), "[::1]:81".parse::<SocketAddr>().unwrap()]);
        assert_eq!(full.to_link(), format!("magnet:?xt=urn:btih:{HASH}&tr=udp%3A%2F%2Ft.example%3A1"));
        let peers = (1..200).map(|port| format!("&x.pe=1.2.3.4:{port}")).collect::<String>();
        assert_eq!(magnet(&format!("magnet:?xt=urn:btih:{HASH}{peers}")).peers.len(), MAX_PEERS);
    }

    #[test]
    fn refuses() {
        let v2 = "magnet:?xt=urn:btmh:1220caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";
        for (text, expected) in [
            ("", "this is not a torrent: it is no magnet link, info hash or web address"),
            ("hello", "this is not a torrent: it is no magnet link, info hash or web address"),
            ("ftp://x/y.torrent", "this is not a torrent: ftp links are not supported"),
            ("javascript:alert(1)", "this is not a torrent: javascript links are not supported"),
            ("magnet:?dn=x", "this magnet link is invalid: it has no info hash"),
            ("magnet:?xt=urn:btih:zz", "this magnet link is invalid: its info hash is broken"),
            ("magnet:?xt=urn:btih:", "this magnet link is invalid: its info hash is broken"),
            ("magnet:?xt=urn:btih:%F0%9F%98%80", "this magnet link is invalid: its info hash is broken"),
            (v2, "this magnet link is invalid: it is BitTorrent v2 only, which is not supported yet"),
            (
                "magnet:?xt=urn:btih:08ada5a7a6183aae1e09d831df6748d566095a10&xt=urn:btih:18ada5a7a6183aae1e09d831df6748d566095a10",
                "this magnet link is invalid: it names two torrents",
            ),
        ] {
            assert_eq!(Link::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        let web = Link::parse("https://x.example/a.torrent").unwrap();
        assert_eq!(web, Link::Web("https://x.example/a.torrent".parse().unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(magnet:\\?)?(xt=urn:bt[im]h:)?.{0,60}") {
            let _ = Link::parse(&text);
        }
    }
}
