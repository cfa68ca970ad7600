//! Trackers in magnet links: a relay that is a tracker names itself in the links that it passes on.

use crate::{Playlist, TorrentId, TorrentIdKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stays as it is in a query value: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl TorrentId {
    /// The trackers that a magnet link names (`tr`), decoded, in its order; of the other kinds, none.
    pub fn trackers(&self) -> impl Iterator<Item = String> + '_ {
        self.parameters().filter_map(tracker)
    }

    /// The same magnet link that also names these trackers, each once. Other kinds, and a link that would grow beyond its
    /// cap, stay as they are.
    #[must_use]
    pub fn with_trackers(&self, trackers: &[String]) -> Self {
        if !matches!(self.kind(), TorrentIdKind::Magnet(_)) {
            return self.clone();
        }
        let known: Vec<String> = self.trackers().collect();
        let mut text = self.as_str().to_owned();
        for tracker in trackers.iter().filter(|tracker| !known.contains(tracker)) {
            text.push_str("&tr=");
            text.extend(utf8_percent_encode(tracker, ENCODED));
        }
        Self::new(&text).unwrap_or_else(|_| self.clone())
    }

    /// The same magnet link without these trackers. Other kinds stay as they are.
    #[must_use]
    pub fn without_trackers(&self, trackers: &[String]) -> Self {
        if !self.trackers().any(|tracker| trackers.contains(&tracker)) {
            return self.clone();
        }
        let kept = self.parameters().filter(|pair| tracker(pair).is_none_or(|tracker| !trackers.contains(&tracker)));
        let query = kept.collect::<Vec<_>>().join("&");
        Self::new(&format!("magnet:?{query}")).unwrap_or_else(|_| self.clone())
    }

    fn parameters(&self) -> impl Iterator<Item = &str> {
        let query = match self.kind() {
            TorrentIdKind::Magnet(_) => self.as_str().split_once('?').map(|(_, query)| query),
            TorrentIdKind::InfoHash(_) | TorrentIdKind::Web => None,
        };
        query.into_iter().flat_map(|query| query.split('&'))
    }
}

impl Playlist {
    /// The same playlist whose magnet links also name these trackers; where it would grow beyond its cap, as it is.
    #[must_use]
    pub fn with_trackers(&self, trackers: &[String]) -> Self {
        self.with_ids(|id| id.with_trackers(trackers))
    }

    /// The same playlist whose magnet links don't name these trackers.
    #[must_use]
    pub fn without_trackers(&self, trackers: &[String]) -> Self {
        self.with_ids(|id| id.without_trackers(trackers))
    }

    fn with_ids(&self, change: impl Fn(&TorrentId) -> TorrentId) -> Self {
        let mut items = self.clone().into_items();
        for item in &mut items {
            item.torrent_id = change(&item.torrent_id);
        }
        Self::new(items).unwrap_or_else(|_| self.clone())
    }
}

/// The tracker in a pair of a magnet link's query: `tr`, also numbered as `tr.1`.
fn tracker(pair: &str) -> Option<String> {
    let (key, value) = pair.split_once('=')?;
    let key = key.to_ascii_lowercase();
    (key == "tr" || key.starts_with("tr.")).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Filename, PlaylistItem, limits::TORRENT_ID_BYTES_MAX};

    const HASH: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";

    fn own() -> Vec<String> {
        vec!["ws://192.168.1.7:7411/announce".into(), "http://192.168.1.7:7411/announce".into()]
    }

    #[test]
    fn trackers_come_and_go_without_a_trace() {
        let id = TorrentId::new(&format!("magnet:?xt=urn:btih:{HASH}&dn=a+b&tr=udp%3A%2F%2Ft.example%3A1")).unwrap();
        let with = id.with_trackers(&own());
        assert_eq!(with.trackers().collect::<Vec<_>>()[1..], own());
        assert_eq!(with.with_trackers(&own()), with);
        assert_eq!(with.info_hash(), id.info_hash());
        assert_eq!(with.without_trackers(&own()), id);
        assert_eq!(id.without_trackers(&own()), id);
    }

    #[test]
    fn what_is_no_magnet_link_or_has_no_room_stays() {
        let own = own();
        for text in [HASH.to_owned(), "https://example.org/a.torrent?tr=x".to_owned()] {
            let id = TorrentId::new(&text).unwrap();
            assert_eq!((id.with_trackers(&own), id.without_trackers(&own)), (id.clone(), id));
        }
        let mut long = format!("magnet:?xt=urn:btih:{HASH}&dn=");
        long.push_str(&"x".repeat(TORRENT_ID_BYTES_MAX - long.len()));
        let id = TorrentId::new(&long).unwrap();
        assert_eq!(id.with_trackers(&own), id);
        let item = PlaylistItem::new(Filename::new("").unwrap(), TorrentId::new(&long[..7000]).unwrap());
        let full = Playlist::new(vec![item; 13]).unwrap();
        let many: Vec<String> = (0..20).map(|n| format!("wss://{n}.example/{}", "y".repeat(30))).collect();
        assert_eq!(full.with_trackers(&many), full);
    }
}
