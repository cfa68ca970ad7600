//! The STUN and TURN servers that a room's relay names (docs/PROTOCOL.md, "Ways through routers").

use serde::Deserialize;
use std::time::Duration;
use streamshare_webtorrent::channel::IceServer;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use url::Url;

/// How long the relay has to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Bytes of an answer: some hundred for each server.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Addresses that count. Browsers warn of more than four, since each is asked for each connection.
const SERVERS_MAX: usize = 8;
/// Bytes of an address, of a user's name and of a credential.
const TEXT_BYTES_MAX: usize = 512;
/// The first wait after a failure, doubled each time.
const RETRY_MIN: Duration = Duration::from_secs(2);
/// The longest wait after a failure, and when there is something new to ask for at the latest.
const RETRY_MAX: Duration = Duration::from_secs(300);
/// Between two answers at least and at most.
const AGAIN_MIN: Duration = Duration::from_secs(15);
const AGAIN_MAX: Duration = Duration::from_secs(6 * 3600);

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "iceServers")]
    servers: Vec<Server>,
    /// Seconds.
    ttl: u64,
}

#[derive(Deserialize)]
struct Server {
    urls: Vec<String>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    credential: String,
}

/// Asks a relay for its servers, and again before they end, until `stop`. A relay of another make, which names none, is
/// asked now and then.
pub(crate) async fn follow(relay: Url, stop: CancellationToken, tell: impl Fn(Vec<IceServer>)) {
    let Some(address) = address(relay) else { return };
    let mut retry = RETRY_MIN;
    loop {
        let asked = tokio::select! {
            asked = ask(&address) => asked,
            () = stop.cancelled() => return,
        };
        let wait = match asked {
            Ok((servers, ttl)) => {
                tracing::debug!(count = servers.len(), "the relay names STUN and TURN servers");
                tell(servers);
                retry = RETRY_MIN;
                // Half of it is left for the connections that are made then.
                (ttl / 2).clamp(AGAIN_MIN, AGAIN_MAX)
            }
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "the relay names no STUN and TURN servers");
                let longer = (retry * 2).min(RETRY_MAX);
                std::mem::replace(&mut retry, longer)
            }
        };
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Below the relay's own path, as everything of a relay.
fn address(mut relay: Url) -> Option<Url> {
    relay.set_query(None);
    relay.set_fragment(None);
    relay.path_segments_mut().ok()?.pop_if_empty().push("ice-servers");
    Some(relay)
}

async fn ask(address: &Url) -> anyhow::Result<(Vec<IceServer>, Duration)> {
    let client = reqwest::Client::builder().timeout(ANSWER_TIME).build()?;
    let mut response = client.get(address.clone()).send().await?.error_for_status()?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        anyhow::ensure!(body.len() + chunk.len() <= ANSWER_BYTES_MAX, "the answer is too long");
        body.extend_from_slice(&chunk);
    }
    let answer: Answer = serde_json::from_slice(&body)?;
    Ok((usable(answer.servers), Duration::from_secs(answer.ttl)))
}

/// Those that a program may be sent to: servers of the right kind, and not too many.
fn usable(servers: Vec<Server>) -> Vec<IceServer> {
    let is_usable = |url: &String| {
        url.len() <= TEXT_BYTES_MAX && ["stun:", "turn:", "turns:"].iter().any(|scheme| url.starts_with(scheme))
    };
    let fits = |server: &Server| server.username.len() <= TEXT_BYTES_MAX && server.credential.len() <= TEXT_BYTES_MAX;
    let each = servers.into_iter().filter(fits).flat_map(|Server { urls, username, credential }| {
        let server = move |url| IceServer { url, username: username.clone(), credential: credential.clone() };
        urls.into_iter().filter(is_usable).map(server)
    });
    each.take(SERVERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;
    use streamshare_relay::{Relay, RelayConfig, TurnSecret};
    use tokio::{sync::mpsc, time::timeout};

    #[test]
    fn the_address_is_below_the_relays() {
        for (relay, expected) in [
            ("http://127.0.0.1:7411", "http://127.0.0.1:7411/ice-servers"),
            ("https://example.org/watch/?x=1#/room/y", "https://example.org/watch/ice-servers"),
        ] {
            assert_eq!(address(Url::parse(relay).expect("an address")).expect("one").as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_server_is_left_out() {
        let long = format!("stun:{}", "a".repeat(TEXT_BYTES_MAX));
        let many = vec!["stun:a".to_owned(); 100];
        let server = |urls: Vec<String>| Server { urls, username: String::new(), credential: String::new() };
        let odd = server(vec!["http://a".to_owned(), long, "stun:b".to_owned()]);
        let unfit = Server { username: "u".repeat(TEXT_BYTES_MAX + 1), ..server(vec!["turn:a".to_owned()]) };
        let urls: Vec<String> = usable(vec![odd, unfit]).into_iter().map(|server| server.url).collect();
        assert_eq!(urls, ["stun:b"]);
        assert_eq!(usable(vec![server(many)]).len(), SERVERS_MAX);
    }

    #[tokio::test]
    async fn a_relays_servers_are_heard_of() {
        let mut config = RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.ice_servers.stun = vec!["stun:192.0.2.1".parse().expect("an address")];
        config.ice_servers.turn = vec!["turn:192.0.2.1?transport=udp".parse().expect("an address")];
        config.ice_servers.turn_secret = TurnSecret::new("north".to_owned());
        let relay = Relay::start(config).await.expect("a relay");
        let url = Url::parse(&format!("http://{}", relay.local_addr())).expect("an address");
        let (told, mut heard) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let follower = tokio::spawn(follow(url, stop.clone(), move |servers| drop(told.send(servers))));
        let servers = timeout(Duration::from_secs(20), heard.recv()).await.expect("in time").expect("it runs");
        let urls: Vec<&str> = servers.iter().map(|server| server.url.as_str()).collect();
        assert_eq!(urls, ["stun:192.0.2.1", "turn:192.0.2.1?transport=udp"]);
        assert!(
            servers[0].username.is_empty() && servers[1].username.contains(':') && !servers[1].credential.is_empty()
        );
        stop.cancel();
        timeout(Duration::from_secs(20), follower).await.expect("it ends").expect("no panic");
    }
}
