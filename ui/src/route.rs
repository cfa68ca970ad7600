//! The page's address: where its relay is, and which room its hash names. Pure.

use percent_encoding::percent_decode_str;
use streamshare_protocol::{Invitation, RoomId};

/// The relay that serves a page: its address without file, query and hash.
pub(crate) fn relay_of_page(href: &str) -> String {
    let address = href.split(['?', '#']).next().unwrap_or_default();
    let folder = match address.split_once("://") {
        Some((scheme, rest)) => match rest.rsplit_once('/') {
            Some((folder, _file)) => format!("{scheme}://{folder}"),
            None => address.to_owned(),
        },
        None => address.to_owned(),
    };
    folder.trim_end_matches('/').to_owned()
}

/// The room that a page's address names: `#/room/ID` on the page's own relay, `#/join?relay=..&room=..` elsewhere.
pub(crate) fn invitation_in(href: &str) -> Option<Invitation> {
    let (_, hash) = href.split_once('#')?;
    match hash.strip_prefix("/join?") {
        Some(query) => Invitation::parse(&format!("streamshare://join?{query}")).ok(),
        None => {
            let id = percent_decode_str(hash.strip_prefix("/room/")?.trim_end_matches('/')).decode_utf8().ok()?;
            Invitation::new(&relay_of_page(href), RoomId::new(&id).ok()?).ok()
        }
    }
}

/// The hash that names a room, for a page served by the relay at `page_relay`.
pub(crate) fn hash_for(invitation: &Invitation, page_relay: &str) -> String {
    let own = Invitation::new(page_relay, invitation.room().clone()).is_ok_and(|own| own == *invitation);
    let link = if own { invitation.to_string() } else { invitation.deep_link() };
    match link.split_once(if own { "#" } else { "?" }) {
        Some((_, rest)) if own => format!("#{rest}"),
        Some((_, query)) => format!("#/join?{query}"),
        None => String::new(),
    }
}

/// A relay's address as socket.io takes it: origin, and the path of its endpoint (a path in the address itself would be
/// taken for a namespace).
pub(crate) fn socket_address(relay: &str) -> (String, String) {
    let after_scheme = relay.find("://").map_or(0, |at| at + 3);
    match relay[after_scheme..].find('/') {
        Some(at) => {
            let (origin, path) = relay.split_at(after_scheme + at);
            (origin.to_owned(), format!("{}/socket.io/", path.trim_end_matches('/')))
        }
        None => (relay.to_owned(), "/socket.io/".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relay_of_a_page() {
        for (href, relay) in [
            ("http://host:7411/", "http://host:7411"),
            ("http://host:7411/#/room/x", "http://host:7411"),
            ("https://host/watch/index.html?x=/y#/room/a/b", "https://host/watch"),
            ("http://host", "http://host"),
        ] {
            assert_eq!(relay_of_page(href), relay, "{href}");
        }
    }

    #[test]
    fn a_hash_leads_back_to_its_room() {
        let page = "http://host:7411/";
        for link in ["http://host:7411/#/room/blue%20whale", "https://other.example/w/#/room/x"] {
            let invitation = Invitation::parse(link).expect("a link");
            let hash = hash_for(&invitation, &relay_of_page(page));
            assert_eq!(invitation_in(&format!("{page}{hash}")), Some(invitation), "{hash}");
        }
        let own = Invitation::parse("http://host:7411/#/room/x").expect("a link");
        assert_eq!(hash_for(&own, "http://host:7411"), "#/room/x");
        for no_room in ["http://host/", "http://host/#", "http://host/#/room/", "http://host/#/join?room=x"] {
            assert_eq!(invitation_in(no_room), None, "{no_room}");
        }
    }

    #[test]
    fn socket_addresses() {
        let check = |relay: &str, origin: &str, path: &str| {
            assert_eq!(socket_address(relay), (origin.to_owned(), path.to_owned()));
        };
        check("http://host:7411", "http://host:7411", "/socket.io/");
        check("https://host/watch", "https://host", "/watch/socket.io/");
        check("http://[fd00::1]:80/a/b", "http://[fd00::1]:80", "/a/b/socket.io/");
    }
}
