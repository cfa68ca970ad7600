//! How torrents are named to others, and which names mean nothing to them. No torrent is fetched or read here.

use crate::{DecodeError, ErrorCode, limits::TORRENT_ID_BYTES_MAX};
use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::{fmt, net::IpAddr};

/// A torrent's identity: the SHA-1 of its info dictionary (BEP 3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InfoHash([u8; 20]);

impl InfoHash {
    /// Reads 40 hexadecimal digits or 32 base32 letters, the two forms that BEP 9 allows.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.len() {
            40 => from_digits(text, 4, |c| c.to_digit(16)),
            32 => from_digits(text, 5, |c| match c.to_ascii_uppercase() {
                letter @ 'A'..='Z' => Some(letter as u32 - 'A' as u32),
                digit @ '2'..='7' => Some(digit as u32 - '2' as u32 + 26),
                _ => None,
            }),
            _ => None,
        }
        .map(Self)
    }

    /// The 20 bytes of the hash.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// Packs digits of `bits` bits each, most significant first, into 160 bits.
fn from_digits(text: &str, bits: u32, digit: impl Fn(char) -> Option<u32>) -> Option<[u8; 20]> {
    let mut bytes = [0; 20];
    for (place, c) in text.chars().enumerate() {
        let value = digit(c)?;
        for bit in 0..bits as usize {
            if value >> (bits as usize - 1 - bit) & 1 == 1 {
                let at = place * bits as usize + bit;
                *bytes.get_mut(at / 8)? |= 0x80 >> (at % 8);
            }
        }
    }
    Some(bytes)
}

impl fmt::Display for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for InfoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InfoHash({self})")
    }
}

/// Which of the three kinds of torrent id it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TorrentIdKind {
    /// A magnet link with a v1 info hash (BEP 9).
    Magnet(InfoHash),
    /// A bare v1 info hash.
    InfoHash(InfoHash),
    /// The http(s) address of a .torrent file.
    Web,
}

/// A WebTorrent torrent id: a magnet link, an info hash, or the http(s) address of a .torrent file, at most
/// [`TORRENT_ID_BYTES_MAX`] bytes. An address on a loopback interface is none, nor is a magnet link that names one as a
/// place to fetch from: it means nothing to others, or something else.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct TorrentId(Box<str>);

impl TorrentId {
    /// Checks the text and wraps it, unchanged.
    ///
    /// # Errors
    /// [`ErrorCode::TooLong`], [`ErrorCode::LoopbackAddress`] or [`ErrorCode::BadTorrentId`].
    pub fn new(text: &str) -> Result<Self, DecodeError> {
        if text.len() > TORRENT_ID_BYTES_MAX {
            let message = format!("torrentId is longer than {TORRENT_ID_BYTES_MAX} bytes");
            return Err(DecodeError::new(ErrorCode::TooLong, message));
        }
        kind_of(text).map(|_| Self(text.into()))
    }

    /// The text as it stands in messages.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which kind of id it is.
    #[must_use]
    pub fn kind(&self) -> TorrentIdKind {
        kind_of(&self.0).unwrap_or(TorrentIdKind::Web)
    }

    /// The info hash, where the id tells it.
    #[must_use]
    pub fn info_hash(&self) -> Option<InfoHash> {
        match self.kind() {
            TorrentIdKind::Magnet(hash) | TorrentIdKind::InfoHash(hash) => Some(hash),
            TorrentIdKind::Web => None,
        }
    }
}

impl fmt::Debug for TorrentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info_hash() {
            Some(hash) => write!(f, "TorrentId({hash})"),
            None => f.write_str("TorrentId(address)"),
        }
    }
}

fn kind_of(text: &str) -> Result<TorrentIdKind, DecodeError> {
    let bad = |why: &str| Err(DecodeError::new(ErrorCode::BadTorrentId, format!("torrentId {why}")));
    if text.chars().any(|c| c.is_control() || c == ' ') {
        return bad("holds a blank or a control character");
    }
    if let Some(hash) = InfoHash::parse(text) {
        return Ok(TorrentIdKind::InfoHash(hash));
    }
    if let Some(query) = strip_prefix_ignoring_case(text, "magnet:?") {
        return match magnet_info_hash(query) {
            Some(_) if magnet_names_loopback(query) => Err(loopback("is a magnet link that names")),
            Some(hash) => Ok(TorrentIdKind::Magnet(hash)),
            None => bad("is a magnet link without a v1 info hash (xt=urn:btih:...)"),
        };
    }
    let rest = strip_prefix_ignoring_case(text, "http://").or_else(|| strip_prefix_ignoring_case(text, "https://"));
    let Some(rest) = rest else {
        return bad("is neither a magnet link, nor an info hash, nor an http(s) address");
    };
    let host = host_of(rest);
    if host.is_empty() {
        return bad("is an address without a host");
    }
    if is_loopback_host(host) {
        return Err(loopback("is"));
    }
    // URL parsers map many characters to ASCII ones (UTS 46): full-width digits make a loopback address, too.
    if !percent_decode_str(host).all(|byte| byte.is_ascii()) {
        return bad("has a host beyond ASCII; write it in its xn-- form");
    }
    Ok(TorrentIdKind::Web)
}

fn loopback(is: &str) -> DecodeError {
    let message = format!("torrentId {is} an address on the sender's own computer");
    DecodeError::new(ErrorCode::LoopbackAddress, message)
}

/// Whether a web seed (`ws`), a source (`xs`, `as`) or a peer (`x.pe`) of a magnet link lies on a loopback address: every
/// member's torrent client would fetch from its own computer there.
///
/// Trackers (`tr`) may: whoever has none there loses nothing, and one computer may well hold all of a room.
fn magnet_names_loopback(query: &str) -> bool {
    query.split('&').filter_map(|pair| pair.split_once('=')).any(|(key, value)| {
        let value = percent_decode_str(value).decode_utf8_lossy();
        let is = |name: &str| strip_prefix_ignoring_case(key, name).is_some_and(|n| n.is_empty() || n.starts_with('.'));
        let rest = match value.split_once("://") {
            Some((_, rest)) if ["ws", "xs", "as"].into_iter().any(is) => rest,
            None if is("x.pe") => &value,
            Some(_) | None => return false,
        };
        let host = host_of(rest);
        !host.is_empty() && is_loopback_host(host)
    })
}

fn magnet_info_hash(query: &str) -> Option<InfoHash> {
    let parameters = query.split('&').filter_map(|pair| pair.split_once('='));
    parameters
        .filter(|(key, _)| key.eq_ignore_ascii_case("xt") || strip_prefix_ignoring_case(key, "xt.").is_some())
        .find_map(|(_, value)| {
            let value = percent_decode_str(value).decode_utf8().ok()?;
            InfoHash::parse(strip_prefix_ignoring_case(&value, "urn:btih:")?)
        })
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The host in what follows `//` of an address: without user, port, path; an IPv6 address without its brackets.
fn host_of(rest: &str) -> &str {
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether a host names the computer it is said on: `localhost` and what lies under it (RFC 6761), 127.0.0.0/8, ::1 and
/// the unspecified addresses, in every way of writing that URL parsers accept (WHATWG URL, "IPv4 number parser").
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let decoded = percent_decode_str(host).decode_utf8_lossy();
    // A zone id (RFC 6874) does not change whose address it is.
    let host = decoded.split('%').next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => v4.is_loopback() || v4.is_unspecified(),
        Ok(IpAddr::V6(v6)) => {
            let v4 = v6.to_ipv4_mapped();
            v6.is_loopback() || v6.is_unspecified() || v4.is_some_and(|v4| v4.is_loopback() || v4.is_unspecified())
        }
        // Short, octal and hexadecimal forms: 127.1, 0177.0.0.1, 0x7f000001, 2130706433, 0.
        Err(_) => numeric_v4_first_octet(&host).is_some_and(|octet| octet == 127 || octet == 0),
    }
}

fn numeric_v4_first_octet(host: &str) -> Option<u64> {
    let number = |part: &str| {
        let (digits, radix) = match part.strip_prefix("0x") {
            Some(hex) => (hex, 16),
            None if part.len() > 1 && part.starts_with('0') => (&part[1..], 8),
            None => (part, 10),
        };
        if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, radix).ok() }
    };
    let parts: Vec<u64> = host.split('.').map(number).collect::<Option<_>>()?;
    match parts.as_slice() {
        [whole] if *whole <= u64::from(u32::MAX) => Some(whole >> 24),
        [first, rest @ ..] if rest.len() <= 3 && !rest.is_empty() => Some(*first),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    const BASE32: &str = "3WBFL3G4PSSV7MF37AJSHWDQMLNR63I4";

    #[test]
    fn the_three_kinds() {
        let kind = |text: &str| TorrentId::new(text).map(|id| id.kind());
        let hash = InfoHash::parse(HEX);
        assert!(hash.is_some());
        assert_eq!(InfoHash::parse(BASE32), hash);
        assert_eq!(kind(HEX).ok(), hash.map(TorrentIdKind::InfoHash));
        assert_eq!(kind(&format!("MAGNET:?dn=x&xt=urn%3Abtih%3A{HEX}")).ok(), hash.map(TorrentIdKind::Magnet));
        assert_eq!(kind(&format!("magnet:?xt.1=urn:btih:{BASE32}&tr=udp://t:1")).ok(), hash.map(TorrentIdKind::Magnet));
        assert_eq!(kind("https://example.org/a.torrent"), Ok(TorrentIdKind::Web));
    }

    #[test]
    fn what_is_no_torrent_id_says_why() {
        let code = |text: &str| TorrentId::new(text).map_err(|e| e.code()).err();
        for bad in ["", "film.torrent", "magnet:?dn=x", "magnet:?xt=urn:btih:12", "ftp://a/b", "http://", "https:///x"]
        {
            assert_eq!(code(bad), Some(ErrorCode::BadTorrentId), "{bad}");
        }
        assert_eq!(code(&format!("{HEX} ")), Some(ErrorCode::BadTorrentId));
        assert_eq!(code(&"x".repeat(TORRENT_ID_BYTES_MAX + 1)), Some(ErrorCode::TooLong));
    }

    #[test]
    fn loopback_in_every_disguise() {
        for host in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "127.1",
            "0x7f.1",
            "0177.0.0.1",
            "2130706433",
            "0x7f000001",
            "0",
            "%31%32%37.0.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::1%25lo",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["example.org", "127.example.org", "192.168.0.1", "10.0.0.127", "fd00::1", "1270.0.0.1.2"] {
            assert!(!is_loopback_host(host), "{host}");
        }
        let code = |text: &str| TorrentId::new(text).map_err(|e| e.code()).err();
        for address in ["http://user@localhost:80/x", "http://[::1]:3000/", "HTTPS://127.0.0.1#x", "http://2130706433/"]
        {
            assert_eq!(code(address), Some(ErrorCode::LoopbackAddress), "{address}");
        }
        // What URL parsers would map to 127.0.0.1 or localhost, or skip slashes for.
        for address in ["http://１２７.0.0.1/", "http://127。0。0。1/", "http://local\u{ad}host/", "http:///127.0.0.1/"]
        {
            assert_eq!(code(address), Some(ErrorCode::BadTorrentId), "{address}");
        }
        for parameter in [
            "ws=http://[::1]/film",
            "ws.1=http%3A%2F%2F127.1%2Ffilm",
            "xs=http://localhost/a.torrent",
            "x.pe=127.0.0.1:51413",
            "x.pe=[::1]:51413",
        ] {
            let magnet = format!("magnet:?xt=urn:btih:{HEX}&{parameter}");
            assert_eq!(code(&magnet), Some(ErrorCode::LoopbackAddress), "{magnet}");
        }
        for parameter in [
            "tr=http://127.0.0.1:6969/announce",
            "ws=http://192.168.0.1/film",
            "dn=http://localhost/",
            "x.pe=10.0.0.7:1",
            "tr=x",
            "ws=",
        ] {
            assert_eq!(code(&format!("magnet:?xt=urn:btih:{HEX}&{parameter}")), None, "{parameter}");
        }
    }
}
