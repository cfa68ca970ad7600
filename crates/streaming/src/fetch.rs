//! Fetching a `.torrent` from the web.

use std::{io, time::Duration};

use bytes::{Bytes, BytesMut};
use url::{Host, Url};

use crate::AddError;

/// Bytes of a `.torrent` from the web.
const MAX_LEN: usize = 10 << 20;
/// Redirects to follow, as many as trackers' front pages need.
const MAX_REDIRECTS: usize = 5;

/// Fetches within `limit` of time.
pub(crate) async fn fetch(url: Url, limit: Duration) -> Result<Bytes, AddError> {
    // The user may name an address of this machine or network, a web page's redirect may not.
    let may_be_local = is_local(&url);
    let redirects = reqwest::redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else if !matches!(attempt.url().scheme(), "http" | "https") || (is_local(attempt.url()) && !may_be_local) {
            attempt.error("a redirect to where it may not lead")
        } else {
            attempt.follow()
        }
    });
    let client = reqwest::Client::builder()
        .redirect(redirects)
        .user_agent(concat!("Streamshare/", env!("CARGO_PKG_VERSION")))
        .build();
    let host = url.host_str().unwrap_or_default().to_owned();
    let client = client.map_err(|error| AddError::Engine(describe(&error, &host)))?;
    match tokio::time::timeout(limit, get(&client, url, &host)).await {
        Ok(fetched) => fetched,
        Err(_) => Err(AddError::TimedOut(format!("{host} did not answer within {} s", limit.as_secs().max(1)))),
    }
}

async fn get(client: &reqwest::Client, url: Url, host: &str) -> Result<Bytes, AddError> {
    let network = |error: reqwest::Error| AddError::Network(describe(&error, host));
    let mut response = client.get(url).send().await.map_err(network)?;
    if !response.status().is_success() {
        return Err(AddError::Network(format!("the server answered {}", response.status())));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(network)? {
        if body.len() + chunk.len() > MAX_LEN {
            return Err(AddError::NotATorrent("what the address gives is larger than 10 MB".into()));
        }
        body.extend_from_slice(&chunk);
        if body.first().is_some_and(|byte| *byte != b'd') {
            return Err(AddError::NotATorrent("the address gives something else, perhaps a web page".into()));
        }
    }
    if body.is_empty() {
        return Err(AddError::NotATorrent("the address gives nothing".into()));
    }
    Ok(body.freeze())
}

/// What happened, for people; the address is left out but for its host, it may hold a pass key.
fn describe(error: &reqwest::Error, host: &str) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let innermost = causes.clone().last().map_or_else(|| "the request failed".into(), ToString::to_string);
    let system = causes.clone().filter_map(|cause| cause.downcast_ref::<io::Error>()).last().map(io::Error::kind);
    match system {
        // hyper-util names the step that failed, and what it wraps is another text on each system.
        _ if error.is_connect() && causes.clone().any(|cause| cause.to_string().starts_with("dns error")) => {
            format!("{host} was not found; the address may be wrong, or this computer offline")
        }
        Some(io::ErrorKind::ConnectionRefused) => format!("there is no web server at {host}"),
        Some(io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => {
            format!("{host} cannot be reached from this computer")
        }
        Some(io::ErrorKind::TimedOut) => format!("{host} did not answer"),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof) => {
            format!("{host} broke the connection off")
        }
        _ => innermost,
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
        Some(Host::Ipv6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified(),
            None => ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local(),
        },
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
        }
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn failure(url: &str) -> String {
        fetch(url.parse().unwrap(), Duration::from_secs(20)).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn failures_are_told_in_plain_words() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let refused = failure(&format!("http://{address}/a.torrent?passkey=secret")).await;
        assert_eq!(refused, "cannot fetch the torrent: there is no web server at 127.0.0.1");
    }

    #[test]
    fn local_addresses() {
        for (url, local) in [
            ("http://127.0.0.1/", true),
            ("http://2130706433/", true),
            ("http://[::1]/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://192.168.0.1/", true),
            ("http://LOCALHOST./", true),
            ("http://a.localhost/", true),
            ("http://0.0.0.0/", true),
            ("https://example.org/", false),
            ("http://8.8.8.8/", false),
        ] {
            assert_eq!(is_local(&url.parse().unwrap()), local, "{url}");
        }
    }
}
