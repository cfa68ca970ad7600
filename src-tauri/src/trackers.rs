//! Where peers meet beside the trackers that an item names: at those of the room's relay, and of the settings.

use url::Url;

/// The tracker of a relay, over WebSocket for WebRTC peers and over HTTP for TCP peers: below the relay's own path, as the
/// web client has it. A relay of another make may have none; it is asked in vain then.
pub(crate) fn of_relay(relay: &Url) -> Vec<Url> {
    let Some(rest) = relay.as_str().strip_prefix("http") else { return Vec::new() };
    let rest = rest.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    ["ws", "http"].iter().filter_map(|scheme| Url::parse(&format!("{scheme}{rest}/announce")).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_below_the_relay() {
        for (relay, expected) in [
            ("http://127.0.0.1:7411", ["ws://127.0.0.1:7411/announce", "http://127.0.0.1:7411/announce"]),
            (
                "https://t.example/watch/?x#/room/y",
                ["wss://t.example/watch/announce", "https://t.example/watch/announce"],
            ),
        ] {
            let trackers = of_relay(&Url::parse(relay).expect("an address"));
            assert_eq!(trackers.iter().map(Url::as_str).collect::<Vec<_>>(), expected);
        }
    }
}
