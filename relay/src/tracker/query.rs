//! The query of an HTTP announce or scrape: names and values that may hold any byte.

use std::borrow::Cow;
use std::net::IpAddr;
use streamshare_webtorrent::tracker::{Event, InfoHash, limits::SCRAPE_MAX};

/// Peers of an answer where the client does not say how many it wants, and at most. The reference's figures.
const NUMWANT_DEFAULT: usize = 50;
const NUMWANT_MAX: usize = 82;

/// What an HTTP announce says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnnounceQuery {
    pub(crate) info_hash: InfoHash,
    pub(crate) port: u16,
    pub(crate) event: Event,
    pub(crate) left: Option<u64>,
    pub(crate) numwant: usize,
    /// Whether the peers may come as bytes (BEP 23), which they do unless the client refuses.
    pub(crate) compact: bool,
    /// Where the client says that it is.
    pub(crate) ip: Option<IpAddr>,
}

/// What a query lacks. Displays as a failure reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueryError {
    #[error("invalid info_hash")]
    InfoHash,
    #[error("invalid peer_id")]
    PeerId,
    #[error("invalid port")]
    Port,
    #[error("invalid event")]
    Event,
    #[error("name the torrents by info_hash")]
    NoTorrents,
    #[error("more than {SCRAPE_MAX} torrents")]
    TooManyTorrents,
}

impl AnnounceQuery {
    pub(crate) fn parse(query: &str) -> Result<Self, QueryError> {
        let value = |name: &str| pairs(query).find(|(key, _)| &**key == name.as_bytes()).map(|(_, value)| value);
        let number = |name| value(name).and_then(|text| std::str::from_utf8(&text).ok()?.parse::<u64>().ok());
        let info_hash = value("info_hash").and_then(info_hash).ok_or(QueryError::InfoHash)?;
        if value("peer_id").is_none_or(|id| id.len() != 20) {
            return Err(QueryError::PeerId);
        }
        let event = value("event").unwrap_or_default();
        let event = std::str::from_utf8(&event).ok().and_then(Event::from_name).ok_or(QueryError::Event)?;
        let port = number("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        // Nobody connects to port 0, but who leaves may not care.
        if port == 0 && event != Event::Stopped {
            return Err(QueryError::Port);
        }
        let wanted = number("numwant").and_then(|wanted| usize::try_from(wanted).ok());
        Ok(Self {
            info_hash,
            port,
            event,
            left: number("left"),
            numwant: wanted.unwrap_or(NUMWANT_DEFAULT).min(NUMWANT_MAX),
            compact: number("compact") != Some(0),
            ip: value("ip").and_then(|text| std::str::from_utf8(&text).ok()?.parse().ok()),
        })
    }
}

/// The torrents of a scrape.
pub(crate) fn scrape(query: &str) -> Result<Vec<InfoHash>, QueryError> {
    let mut hashes = Vec::new();
    for (_, value) in pairs(query).filter(|(key, _)| &**key == b"info_hash") {
        if hashes.len() == SCRAPE_MAX {
            return Err(QueryError::TooManyTorrents);
        }
        hashes.push(info_hash(value).ok_or(QueryError::InfoHash)?);
    }
    // Everything there is would be a long answer to a short question.
    if hashes.is_empty() { Err(QueryError::NoTorrents) } else { Ok(hashes) }
}

fn info_hash(bytes: Cow<'_, [u8]>) -> Option<InfoHash> {
    <[u8; 20]>::try_from(&*bytes).ok().map(InfoHash)
}

fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query.split('&').map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescape(key), unescape(value))
    })
}

/// `%XX` is a byte and `+` a space; a `%` without two digits stays, as in the reference.
fn unescape(text: &str) -> Cow<'_, [u8]> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text.as_bytes());
    }
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let escaped = match (digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (Some(high), Some(low)) if byte == b'%' => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        out.push(match (escaped, byte) {
            (Some(escaped), _) => escaped,
            (None, b'+') => b' ',
            (None, byte) => byte,
        });
        at += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(out)
}

/// What holds for every query: it is refused, or all that it says is within bounds.
#[cfg(any(test, fuzzing))]
pub(crate) fn hold_laws(bytes: &[u8]) {
    let Ok(query) = std::str::from_utf8(bytes) else { return };
    if let Ok(announce) = AnnounceQuery::parse(query) {
        assert!(announce.numwant <= NUMWANT_MAX, "{announce:?}");
        assert!(announce.port != 0 || announce.event == Event::Stopped, "{announce:?}");
    }
    if let Ok(hashes) = scrape(query) {
        assert!((1..=SCRAPE_MAX).contains(&hashes.len()));
    }
    for text in query.split('&') {
        assert!(unescape(text).len() <= text.len());
    }
}

#[cfg(test)]
#[path = "../../../fuzz/mutation.rs"]
mod mutation;

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "%00%01%02%ff%FE%25%26%3D%2B+abcdefghij";

    fn with(more: &str) -> Result<AnnounceQuery, QueryError> {
        AnnounceQuery::parse(&format!("info_hash={HASH}&peer_id=-TR4000-abcdefghijkl&port=6881{more}"))
    }

    #[test]
    fn announces_as_clients_write_them() {
        let plain = AnnounceQuery {
            info_hash: InfoHash(*b"\x00\x01\x02\xff\xfe%&=+ abcdefghij"),
            port: 6881,
            event: Event::Update,
            left: None,
            numwant: NUMWANT_DEFAULT,
            compact: true,
            ip: None,
        };
        assert_eq!(with(""), Ok(plain.clone()));
        let full =
            "&uploaded=0&downloaded=0&left=7&numwant=200&key=1&compact=0&supportcrypto=1&event=started&ip=1.2.3.4";
        let wanted = AnnounceQuery {
            event: Event::Started,
            left: Some(7),
            numwant: NUMWANT_MAX,
            compact: false,
            ip: Some([1, 2, 3, 4].into()),
            ..plain.clone()
        };
        assert_eq!(with(full), Ok(wanted));
        assert_eq!(with("&numwant=-1&left=&ip=example.org&flag&=&&"), Ok(plain.clone()));
        assert_eq!(with("&ip=fe80%3A%3A1").map(|query| query.ip), Ok("fe80::1".parse().ok()));
        assert_eq!(with("&numwant=0").map(|query| query.numwant), Ok(0));
    }

    #[test]
    fn mutated_queries_break_no_law() {
        let queries = [
            format!(
                "info_hash={HASH}&peer_id=-TR4000-abcdefghijkl&port=6881&left=0&event=started&numwant=50&compact=1"
            ),
            format!("info_hash={HASH}&peer_id=%2DTR4000%2Dabcdefghijkl&port=0&event=stopped&ip=%3A%3A1"),
            format!("info_hash={HASH}&info_hash={HASH}"),
        ];
        let tokens =
            ["%", "%0", "%zz", "%00", "%e2%82", "&", "=", "+", "&port=65536", "&event=", "&numwant=99999999999"];
        mutation::run("queries", &queries.map(String::into_bytes), &tokens, hold_laws);
    }

    #[test]
    fn what_is_no_announce() {
        let table = [
            ("", QueryError::InfoHash),
            ("info_hash=short&peer_id=-TR4000-abcdefghijkl&port=1", QueryError::InfoHash),
            ("info_hash=%0&peer_id=-TR4000-abcdefghijkl&port=1", QueryError::InfoHash),
            ("info_hash=aaaaaaaaaaaaaaaaaaaaa&peer_id=-TR4000-abcdefghijkl&port=1", QueryError::InfoHash),
            ("info_hash=aaaaaaaaaaaaaaaaaaaa&port=1", QueryError::PeerId),
            ("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-TR4000-abcdefghijkl", QueryError::Port),
            ("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-TR4000-abcdefghijkl&port=0", QueryError::Port),
            ("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-TR4000-abcdefghijkl&port=65536", QueryError::Port),
            ("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-TR4000-abcdefghijkl&port=1&event=gone", QueryError::Event),
            ("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=-TR4000-abcdefghijkl&port=1&event=%ff", QueryError::Event),
        ];
        for (query, wanted) in table {
            assert_eq!(AnnounceQuery::parse(query), Err(wanted), "{query}");
        }
    }

    #[test]
    fn scrapes_name_their_torrents() {
        let one = "info_hash=aaaaaaaaaaaaaaaaaaaa";
        assert_eq!(scrape(one), Ok(vec![InfoHash([b'a'; 20])]));
        assert_eq!(scrape(&vec![one; SCRAPE_MAX].join("&")).map(|hashes| hashes.len()), Ok(SCRAPE_MAX));
        assert_eq!(scrape(&vec![one; SCRAPE_MAX + 1].join("&")), Err(QueryError::TooManyTorrents));
        assert_eq!(scrape(&format!("{one}&info_hash=a")), Err(QueryError::InfoHash));
        assert_eq!(scrape("x=y"), Err(QueryError::NoTorrents));
    }
}
