//! STUN and TURN servers that the relay names to whoever is in its rooms, so that films get through routers.
//!
//! The relay is neither itself. For TURN it makes credentials that end by themselves, as draft-uberti-behave-turn-rest-00
//! has it and coturn's `use-auth-secret` takes them: the secret stays between the relay and the TURN server.

use crate::hub::Hub;
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha1::Sha1;
use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Seconds for which an answer without credentials is good: whoever stays in a room asks again within half of it.
const PLAIN_TTL: Duration = Duration::from_secs(3600);
/// The shortest life of credentials: they are fetched, kept for a while and used for a connection that takes a minute.
pub(crate) const TURN_TTL_MIN: Duration = Duration::from_secs(60);

/// The servers that a relay names. By default none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceServersConfig {
    /// What tells a peer its public address.
    pub stun: Vec<IceUri>,
    /// What passes bytes on between peers that cannot reach each other.
    pub turn: Vec<IceUri>,
    /// What the relay and all of the TURN servers know; needed where there are any.
    pub turn_secret: Option<TurnSecret>,
    /// How long credentials are good, at least a minute. Some TURN servers ask for them throughout a connection's life, so
    /// that it should be longer than a film.
    pub turn_ttl: Duration,
    /// TURN servers with a user of their own. Whoever reaches the relay can read the credentials.
    pub turn_users: Vec<TurnUser>,
}

impl Default for IceServersConfig {
    fn default() -> Self {
        Self {
            stun: Vec::new(),
            turn: Vec::new(),
            turn_secret: None,
            turn_ttl: Duration::from_secs(12 * 3600),
            turn_users: Vec::new(),
        }
    }
}

/// A TURN server that knows its users by name (RFC 8489, section 9.2).
#[derive(Clone, PartialEq, Eq)]
pub struct TurnUser {
    /// The server.
    pub uri: IceUri,
    /// The user's name.
    pub username: String,
    /// The user's password. It is in no log.
    pub credential: String,
}

impl fmt::Debug for TurnUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnUser").field("uri", &self.uri).finish_non_exhaustive()
    }
}

/// The address of a STUN server (RFC 7064) or a TURN server (RFC 7065).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceUri {
    text: String,
    is_turn: bool,
}

impl IceUri {
    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a TURN server.
    #[must_use]
    pub fn is_turn(&self) -> bool {
        self.is_turn
    }
}

/// Why a text is no address of a STUN or TURN server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IceUriError {
    /// The scheme is another one.
    #[error("it must begin with stun:, stuns:, turn: or turns:, without slashes")]
    Scheme,
    /// The host or the port is none.
    #[error("it must name HOST or HOST:PORT, an IPv6 address in brackets")]
    Host,
    /// What follows the question mark is not understood.
    #[error("only a TURN server may have a ?, followed by transport=udp or transport=tcp")]
    Transport,
}

impl FromStr for IceUri {
    type Err = IceUriError;

    fn from_str(text: &str) -> Result<Self, IceUriError> {
        let (scheme, rest) = text.split_once(':').ok_or(IceUriError::Scheme)?;
        let is_turn = match scheme {
            "stun" | "stuns" => false,
            "turn" | "turns" => true,
            _ => return Err(IceUriError::Scheme),
        };
        if rest.starts_with("//") {
            return Err(IceUriError::Scheme);
        }
        let (authority, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        if !matches!((is_turn, query), (_, None) | (true, Some("transport=udp" | "transport=tcp"))) {
            return Err(IceUriError::Transport);
        }
        if !is_place(authority) {
            return Err(IceUriError::Host);
        }
        Ok(Self { text: text.to_owned(), is_turn })
    }
}

/// Whether it is a host, perhaps with a port.
fn is_place(text: &str) -> bool {
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(host, port)| {
            host.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let is_name = host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label);
    let is_numeric = host.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (if is_numeric { host.parse::<Ipv4Addr>().is_ok() } else { is_name }) && port.is_none_or(is_port)
}

/// What a relay and its TURN servers share (coturn's `static-auth-secret`). It is written out nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnSecret(String);

impl TurnSecret {
    /// None where it is empty.
    #[must_use]
    pub fn new(secret: String) -> Option<Self> {
        (!secret.is_empty()).then_some(Self(secret))
    }
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnSecret")
    }
}

/// A user of TURN servers for a while.
#[derive(Debug, PartialEq, Eq)]
struct Credentials {
    username: String,
    credential: String,
}

impl Credentials {
    /// `username = EXPIRY:NAME`, `credential = base64(HMAC-SHA1(secret, username))`, as in draft-uberti-behave-turn-rest-00,
    /// section 2.2. `expiry` is in Unix time.
    fn new(TurnSecret(secret): &TurnSecret, name: &str, expiry: Duration) -> Self {
        let username = format!("{}:{name}", expiry.as_secs());
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("a key may have any length");
        mac.update(username.as_bytes());
        Self { credential: BASE64.encode(&mac.finalize().into_bytes()), username }
    }
}

/// The fields of the Web's RTCIceServer, so that a browser takes them as they are.
#[derive(Serialize)]
struct Server<'a> {
    urls: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    #[serde(rename = "iceServers")]
    ice_servers: Vec<Server<'a>>,
    /// Seconds.
    ttl: u64,
}

impl IceServersConfig {
    fn answer(&self, name: &str, now: Duration) -> Answer<'_> {
        let mut ice_servers = Vec::new();
        let mut ttl = PLAIN_TTL;
        if !self.stun.is_empty() {
            ice_servers.push(Server { urls: urls(&self.stun), username: None, credential: None });
        }
        if let Some(secret) = self.turn_secret.as_ref().filter(|_| !self.turn.is_empty()) {
            let Credentials { username, credential } = Credentials::new(secret, name, now + self.turn_ttl);
            let (username, credential) = (Some(username), Some(credential));
            ice_servers.push(Server { urls: urls(&self.turn), username, credential });
            ttl = self.turn_ttl;
        }
        ice_servers.extend(self.turn_users.iter().map(|user| Server {
            urls: vec![user.uri.as_str()],
            username: Some(user.username.clone()),
            credential: Some(user.credential.clone()),
        }));
        Answer { ice_servers, ttl: ttl.as_secs() }
    }
}

fn urls(uris: &[IceUri]) -> Vec<&str> {
    uris.iter().map(IceUri::as_str).collect()
}

/// Answers `GET /ice-servers`.
pub(crate) async fn ice_servers(State(hub): State<Arc<Hub>>) -> Response {
    // A name of its own for each, so that the TURN server can count what one of them uses. It tells nothing of who asked.
    let mut name = [0; 8];
    if let Err(error) = getrandom::fill(&mut name) {
        tracing::debug!(%error, "credentials without a name of their own");
    }
    // Before 1970 is a clock that was never set: no TURN server would take what it says.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let answer = hub.config.ice_servers.answer(&HEXLOWER.encode(&name), now);
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    // Texts and numbers always encode.
    (headers, serde_json::to_string(&answer).unwrap_or_default()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers() {
        for (text, is_turn) in [
            ("stun:stun.example.org", false),
            ("stun:192.0.2.1:3478", false),
            ("stuns:[2001:db8::1]", false),
            ("turn:turn.example.org:3478?transport=udp", true),
            ("turns:turn.example.org:443?transport=tcp", true),
            ("turn:[2001:db8::1]:3478", true),
        ] {
            let uri: IceUri = text.parse().unwrap();
            assert_eq!((uri.as_str(), uri.is_turn()), (text, is_turn));
        }
        for (text, error) in [
            ("", IceUriError::Scheme),
            ("example.org:3478", IceUriError::Scheme),
            ("https://example.org", IceUriError::Scheme),
            ("stun://example.org", IceUriError::Scheme),
            ("stun:", IceUriError::Host),
            ("stun:a b", IceUriError::Host),
            ("stun:user@host", IceUriError::Host),
            ("stun:host:0", IceUriError::Host),
            ("stun:host:65536", IceUriError::Host),
            ("stun:host:+1", IceUriError::Host),
            ("stun:300.0.0.1", IceUriError::Host),
            ("stun:2001:db8::1", IceUriError::Host),
            ("stun:[host]", IceUriError::Host),
            ("turn:host,turn:other", IceUriError::Host),
            ("stun:host?transport=udp", IceUriError::Transport),
            ("turn:host?transport=sctp", IceUriError::Transport),
        ] {
            assert_eq!(text.parse::<IceUri>(), Err(error), "{text}");
        }
    }

    /// Made by `printf 1700000000:ada | openssl dgst -sha1 -hmac north -binary | base64`.
    #[test]
    fn credentials_as_coturn_checks_them() {
        let secret = TurnSecret::new("north".to_owned()).unwrap();
        let made = Credentials::new(&secret, "ada", Duration::from_secs(1_700_000_000));
        let expected = Credentials { username: "1700000000:ada".into(), credential: CREDENTIAL.into() };
        assert_eq!(made, expected);
    }
    const CREDENTIAL: &str = "ndZ88ryT1whVxdkcRLepT9D1MpM=";

    #[test]
    fn the_secret_is_not_shown() {
        let secret = TurnSecret::new("north".to_owned());
        let config = IceServersConfig { turn_secret: secret, ..IceServersConfig::default() };
        assert!(!format!("{config:?}").contains("north"));
        assert_eq!(TurnSecret::new(String::new()), None);
    }

    #[test]
    fn the_answer() {
        let check = |config: &IceServersConfig, expected: serde_json::Value| {
            let answer = config.answer("ada", Duration::from_secs(1_699_956_800));
            assert_eq!(serde_json::to_value(answer).unwrap(), expected);
        };
        let mut config = IceServersConfig::default();
        check(&config, serde_json::json!({"iceServers": [], "ttl": 3600}));
        config.stun = vec!["stun:a".parse().unwrap(), "stun:b:1".parse().unwrap()];
        let stun = serde_json::json!({"urls": ["stun:a", "stun:b:1"]});
        check(&config, serde_json::json!({"iceServers": [stun], "ttl": 3600}));
        config.turn = vec!["turn:a".parse().unwrap()];
        config.turn_secret = TurnSecret::new("north".to_owned());
        let turn = serde_json::json!({"urls": ["turn:a"], "username": "1700000000:ada", "credential": CREDENTIAL});
        check(&config, serde_json::json!({"iceServers": [stun, turn], "ttl": 43_200}));
        let user = TurnUser { uri: "turn:b".parse().unwrap(), username: "ada".into(), credential: "west".into() };
        assert!(!format!("{user:?}").contains("west"));
        config.turn_users = vec![user];
        let user = serde_json::json!({"urls": ["turn:b"], "username": "ada", "credential": "west"});
        check(&config, serde_json::json!({"iceServers": [stun, turn, user], "ttl": 43_200}));
    }
}
