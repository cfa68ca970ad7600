//! The relay's own addresses as one member reaches them: what it writes into the magnet links that it passes on, so that
//! whoever plays an item finds the room's swarm on the relay's own tracker.
//!
//! Each member gets the address that it uses itself: one relay is `127.0.0.1` to the app that hosts it, `192.168.1.7` to
//! a friend next door, and a name with TLS to everyone else.

use axum::http::{HeaderMap, header::HOST};

/// Bytes of a host name (RFC 1035, section 2.3.4) with a port.
const HOST_BYTES_MAX: usize = 255 + 6;

/// The tracker's addresses for the member that sent a request with these headers: WebSocket for WebRTC peers, HTTP for TCP
/// peers. None where the request does not tell by what name it came.
pub(crate) fn trackers_for(headers: &HeaderMap) -> Vec<String> {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host)) else {
        return Vec::new();
    };
    // Said by the web server that ends TLS before the relay. Whoever says so without reason harms its own links alone.
    let secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let (web_socket, http) = if secure { ("wss", "https") } else { ("ws", "http") };
    [web_socket, http].map(|scheme| format!("{scheme}://{host}/announce")).into()
}

fn is_host(host: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    !host.is_empty() && host.len() <= HOST_BYTES_MAX && host.chars().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trackers(headers: &[(&'static str, &'static str)]) -> Vec<String> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        trackers_for(&headers.collect())
    }

    #[test]
    fn a_member_gets_the_address_that_it_uses() {
        assert_eq!(
            trackers(&[("host", "192.168.1.7:7411")]),
            ["ws://192.168.1.7:7411/announce", "http://192.168.1.7:7411/announce"]
        );
        assert_eq!(
            trackers(&[("host", "watch.example.org"), ("x-forwarded-proto", "https")]),
            ["wss://watch.example.org/announce", "https://watch.example.org/announce"]
        );
        assert_eq!(trackers(&[("host", "[fd00::1]:3000")])[0], "ws://[fd00::1]:3000/announce");
    }

    #[test]
    fn a_host_that_is_none_is_left_out() {
        for host in ["a/b", "a b", "a&tr=x", "user@host", ""] {
            assert!(trackers(&[("host", host)]).is_empty(), "{host}");
        }
        assert!(trackers(&[]).is_empty());
    }
}
