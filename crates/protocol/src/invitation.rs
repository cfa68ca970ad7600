//! Links to rooms, in both their forms.

use crate::RoomId;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::fmt;

/// What stays as it is in a fragment and in a query value: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An invitation to a room: the relay that holds it and the room's id.
///
/// Written as a link that any browser opens, `http://host:port/#/room/ID`; the desktop app also takes
/// `streamshare://join?relay=ADDRESS&room=ID`.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    relay: String,
    room: RoomId,
}

/// Why a text is no invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvitationError {
    /// Neither an http(s) nor a streamshare: link.
    #[error("This is not a link to a room. Such a link looks like http://host:3000/#/room/ID.")]
    NotALink,
    /// The relay's address is malformed.
    #[error("The link's address has no proper host.")]
    BadRelay,
    /// There is no room in it.
    #[error("The link names no room. A link to a room ends in #/room/ID.")]
    NoRoom,
}

impl Invitation {
    /// An invitation to `room` on the relay at `relay`, an http(s) address without query and fragment.
    ///
    /// # Errors
    /// When the address is not one.
    pub fn new(relay: &str, room: RoomId) -> Result<Self, InvitationError> {
        Ok(Self { relay: relay_address(relay)?, room })
    }

    /// Reads either form of link, with white space around it.
    ///
    /// # Errors
    /// When it is neither, or names no relay or no room.
    pub fn parse(text: &str) -> Result<Self, InvitationError> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix("streamshare:") {
            let (_, query) = rest.split_once('?').ok_or(InvitationError::NoRoom)?;
            let value = |key: &str| {
                let pair = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == key);
                pair.and_then(|(_, value)| percent_decode_str(value).decode_utf8().ok())
            };
            let relay = relay_address(&value("relay").ok_or(InvitationError::BadRelay)?)?;
            let room = value("room").and_then(|id| RoomId::new(&id).ok()).ok_or(InvitationError::NoRoom)?;
            return Ok(Self { relay, room });
        }
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let relay = relay_address(address)?;
        let id = fragment.strip_prefix("/room/").unwrap_or_default().trim_end_matches('/');
        let id = percent_decode_str(id).decode_utf8().map_err(|_| InvitationError::NoRoom)?;
        Ok(Self { relay, room: RoomId::new(&id).map_err(|_| InvitationError::NoRoom)? })
    }

    /// The relay's address, without a slash at its end.
    #[must_use]
    pub fn relay(&self) -> &str {
        &self.relay
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &RoomId {
        &self.room
    }

    /// The link for the desktop app.
    #[must_use]
    pub fn deep_link(&self) -> String {
        let encode = |text| utf8_percent_encode(text, ENCODED);
        format!("streamshare://join?relay={}&room={}", encode(&self.relay), encode(self.room.as_str()))
    }
}

/// The link for a browser.
impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/#/room/{}", self.relay, utf8_percent_encode(self.room.as_str(), ENCODED))
    }
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Invitation({:?})", self.room)
    }
}

/// Checks an http(s) address and drops what follows its path. Credentials in it are refused: links get shared.
fn relay_address(address: &str) -> Result<String, InvitationError> {
    let (scheme, rest) = address.trim().split_once("://").ok_or(InvitationError::NotALink)?;
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "http" && scheme != "https" {
        return Err(InvitationError::NotALink);
    }
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.rfind(']') {
        Some(end) => (&authority[..=end], &authority[end + 1..]),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let host_ok = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_')),
    };
    let port_ok = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
    let path_ok = path.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '<' | '>' | '\\'));
    if !host_ok || !port_ok || !path_ok {
        return Err(InvitationError::BadRelay);
    }
    let path = path.trim_end_matches('/');
    let slash = if path.is_empty() { "" } else { "/" };
    Ok(format!("{scheme}://{}{port}{slash}{path}", host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_lead_to_the_same_room() {
        let link = Invitation::parse(" http://192.168.1.7:3000/#/room/blue%20whale \n").expect("a link");
        assert_eq!((link.relay(), link.room().as_str()), ("http://192.168.1.7:3000", "blue whale"));
        assert_eq!(link.to_string(), "http://192.168.1.7:3000/#/room/blue%20whale");
        assert_eq!(Invitation::parse(&link.deep_link()).as_ref(), Ok(&link));
        let below = Invitation::parse("HTTPS://Example.org/watch/?utm=1#/room/x/").expect("a link");
        assert_eq!(below.to_string(), "https://example.org/watch/#/room/x");
        assert!(Invitation::parse("http://[fd00::1]:3000/#/room/x").is_ok());
    }

    #[test]
    fn what_is_no_invitation_says_why() {
        use InvitationError::{BadRelay, NoRoom, NotALink};
        for (text, error) in [
            ("", NotALink),
            ("magnet:?xt=urn:btih:1", NotALink),
            ("ftp://host/#/room/x", NotALink),
            ("http://host:3000/", NoRoom),
            ("http://host/#/room/", NoRoom),
            ("http://host/#/room/%ff", NoRoom),
            ("http:///#/room/x", BadRelay),
            ("http://user:pass@host/#/room/x", BadRelay),
            ("http://host:70000/#/room/x", BadRelay),
            ("http://[nonsense]/#/room/x", BadRelay),
            ("streamshare://join?room=x", BadRelay),
            ("streamshare://join?relay=http%3A%2F%2Fhost", NoRoom),
            ("streamshare://join", NoRoom),
        ] {
            assert_eq!(Invitation::parse(text), Err(error), "{text}");
        }
    }
}
