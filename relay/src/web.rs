//! What a relay serves over plain HTTP: the web client, and how it is doing.

use crate::{hub::Hub, ice::ice_servers, tracker::Tracker};
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use rust_embed::{Embed, EmbeddedFile};
use serde::Serialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

/// The web client as it was built before the relay.
#[derive(Embed)]
#[folder = "../ui/dist"]
struct Client;

/// Connections go to any relay, tracker and web seed that a link names. Pictures come from the page's own service worker
/// or from Media Source.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
    style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss: http: https:; img-src 'self' data: blob:; \
    media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer; the page runs nothing that it did not bring.
const SECURITY: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

#[derive(Clone, Debug)]
struct Health {
    hub: Arc<Hub>,
    tracker: Option<Arc<Tracker>>,
    stop: CancellationToken,
}

pub(crate) fn router(hub: Arc<Hub>, tracker: Option<Arc<Tracker>>, stop: CancellationToken) -> Router {
    let pages = Router::new()
        .route("/ice-servers", get(ice_servers).with_state(Arc::clone(&hub)))
        .route("/healthz", get(healthz).with_state(Health { hub, tracker: tracker.clone(), stop }))
        .route("/robots.txt", get(async || "User-agent: *\nDisallow: /\n"))
        .fallback(asset)
        .layer(CompressionLayer::new())
        .layer(from_fn(secured));
    match tracker {
        // Outside of the layers: its answers are no pages, and too small to be compressed.
        Some(tracker) => tracker.mount(pages),
        None => pages,
    }
}

async fn secured(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[derive(Serialize)]
struct HealthReport {
    status: &'static str,
    version: &'static str,
    /// Rooms that are held, empty ones that are remembered among them.
    rooms: usize,
    members: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracker: Option<TrackerReport>,
}

#[derive(Serialize)]
struct TrackerReport {
    torrents: usize,
    peers: usize,
    /// WebSockets of peers; a peer may have several torrents on one.
    sockets: usize,
}

async fn healthz(State(Health { hub, tracker, stop }): State<Health>) -> Response {
    let stopping = stop.is_cancelled();
    let load = hub.load();
    let report = HealthReport {
        status: if stopping { "stopping" } else { "ok" },
        version: env!("CARGO_PKG_VERSION"),
        rooms: load.rooms,
        members: load.members,
        tracker: tracker.map(|tracker| {
            let (load, sockets) = tracker.load();
            TrackerReport { torrents: load.torrents, peers: load.peers, sockets }
        }),
    };
    let code = if stopping { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    // Texts and numbers always encode.
    (code, headers, serde_json::to_string(&report).unwrap_or_default()).into_response()
}

async fn asset(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let path = match request.uri().path() {
        "/" => "index.html",
        path => path.trim_start_matches('/'),
    };
    match Client::get(path) {
        Some(file) => respond(file, request.headers()),
        None => (StatusCode::NOT_FOUND, "There is no such page.\n").into_response(),
    }
}

/// HEAD needs no care: the server drops the body and keeps its length.
fn respond(file: EmbeddedFile, request: &HeaderMap) -> Response {
    let tag = etag(&file);
    // "no-cache" lets browsers keep the file, and ask each time whether it is still the right one.
    let headers = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known(request, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    let kind = file.metadata.mimetype();
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    (headers, [(header::CONTENT_TYPE, kind)], file.data).into_response()
}

/// Weak, for the same file is sent in several encodings (RFC 9110, section 8.8.1).
fn etag(file: &EmbeddedFile) -> String {
    let digits: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("W/\"{digits}\"")
}

/// Whether the request names the tag (RFC 9110, section 13.1.2, weak comparison).
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let lines = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
    let mut tags = lines.flat_map(|line| line.split(','));
    tags.any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Relay, RelayConfig};
    use std::net::SocketAddr;

    async fn relay() -> (Relay, String) {
        let relay = Relay::start(RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))).await.unwrap();
        let url = format!("http://{}", relay.local_addr());
        (relay, url)
    }

    fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn the_client_is_served_whole_with_its_types() {
        let (_relay, url) = relay().await;
        for path in Client::iter() {
            let response = reqwest::get(format!("{url}/{path}")).await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            let wanted = match path.rsplit('.').next() {
                Some("html") => "text/html; charset=utf-8",
                Some("js" | "mjs") => "text/javascript; charset=utf-8",
                Some("css") => "text/css; charset=utf-8",
                Some("wasm") => "application/wasm",
                Some("svg") => "image/svg+xml",
                _ => header(&response, "content-type"),
            };
            assert_eq!(header(&response, "content-type"), wanted, "{path}");
            assert!(!wanted.is_empty(), "{path}");
            assert!(response.bytes().await.unwrap() == *Client::get(&path).unwrap().data, "{path}");
        }
        let page = reqwest::get(&url).await.unwrap().text().await.unwrap();
        assert_eq!(page.as_bytes(), &*Client::get("index.html").unwrap().data);
    }

    #[tokio::test]
    async fn a_known_page_is_not_sent_again() {
        let (_relay, url) = relay().await;
        let client = reqwest::Client::new();
        let first = client.get(&url).send().await.unwrap();
        let tag = header(&first, "etag").to_owned();
        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{tag}");
        assert_eq!(header(&first, "cache-control"), "no-cache");
        let strong = tag.trim_start_matches("W/").to_owned();
        for known in [tag.clone(), strong, format!("\"x\", {tag}"), "*".to_owned()] {
            let again = client.get(&url).header("If-None-Match", &known).send().await.unwrap();
            assert_eq!(again.status(), 304, "{known}");
            assert_eq!(header(&again, "etag"), tag);
            assert_eq!(again.bytes().await.unwrap().len(), 0);
        }
        let other = client.get(&url).header("If-None-Match", "\"x\"").send().await.unwrap();
        assert_eq!(other.status(), 200);
    }

    #[tokio::test]
    async fn pages_are_compressed_for_those_who_ask() {
        let (_relay, url) = relay().await;
        let ask = |encoding| reqwest::Client::new().get(&url).header("Accept-Encoding", encoding).send();
        assert_eq!(header(&ask("br, gzip").await.unwrap(), "content-encoding"), "br");
        assert_eq!(header(&ask("gzip").await.unwrap(), "content-encoding"), "gzip");
        assert_eq!(header(&ask("identity").await.unwrap(), "content-encoding"), "");
    }

    #[tokio::test]
    async fn methods_and_paths() {
        let (_relay, url) = relay().await;
        let client = reqwest::Client::new();
        let head = client.head(&url).send().await.unwrap();
        assert_eq!(head.status(), 200);
        let length = Client::get("index.html").unwrap().data.len();
        assert_eq!(header(&head, "content-length"), length.to_string());
        assert_eq!(head.bytes().await.unwrap().len(), 0);
        let post = client.post(&url).send().await.unwrap();
        assert_eq!((post.status().as_u16(), header(&post, "allow")), (405, "GET, HEAD"));
        for path in ["/nothing", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//index.html/", "/healthz/"] {
            let status = client.get(format!("{url}{path}")).send().await.unwrap().status();
            assert_eq!(status, 404, "{path}");
        }
        let robots = reqwest::get(format!("{url}/robots.txt")).await.unwrap().text().await.unwrap();
        assert_eq!(robots, "User-agent: *\nDisallow: /\n");
    }

    #[tokio::test]
    async fn every_answer_is_guarded_and_open_to_other_pages() {
        let (_relay, url) = relay().await;
        let client = reqwest::Client::new();
        for path in ["/", "/nothing", "/healthz", "/ice-servers", "/robots.txt"] {
            let answer = client.get(format!("{url}{path}")).header("Origin", "http://elsewhere").send().await.unwrap();
            for (name, value) in SECURITY {
                assert_eq!(header(&answer, name.as_str()), value, "{path}");
            }
            assert_eq!(header(&answer, "access-control-allow-origin"), "*");
            assert_eq!(header(&answer, "access-control-allow-credentials"), "");
        }
        let polling = format!("{url}/socket.io/?EIO=4&transport=polling");
        let answer = client.get(polling).header("Origin", "http://elsewhere").send().await.unwrap();
        assert_eq!(header(&answer, "access-control-allow-origin"), "*");
    }

    #[tokio::test]
    async fn ice_servers_are_named_and_never_kept() {
        let mut config = RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.ice_servers.turn = vec!["turn:turn.example.org?transport=tcp".parse().unwrap()];
        config.ice_servers.turn_secret = crate::TurnSecret::new("north".to_owned());
        let relay = Relay::start(config).await.unwrap();
        let ask = async || {
            let answer = reqwest::get(format!("http://{}/ice-servers", relay.local_addr())).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(header(&answer, "content-type"), "application/json");
            assert_eq!(header(&answer, "cache-control"), "no-store");
            serde_json::from_str::<serde_json::Value>(&answer.text().await.unwrap()).unwrap()
        };
        let (first, second) = (ask().await, ask().await);
        assert_eq!(first["iceServers"][0]["urls"], serde_json::json!(["turn:turn.example.org?transport=tcp"]));
        // Each has its own credentials, which end as told.
        assert_ne!(first["iceServers"][0]["username"], second["iceServers"][0]["username"]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let expiry: u64 =
            first["iceServers"][0]["username"].as_str().unwrap().split(':').next().unwrap().parse().unwrap();
        assert!(expiry.abs_diff(now + first["ttl"].as_u64().unwrap()) < 60, "{first}");
    }

    #[tokio::test]
    async fn health_tells_what_there_is() {
        let (_relay, url) = relay().await;
        let answer = reqwest::get(format!("{url}/healthz")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "content-type"), "application/json");
        let report: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let tracker = serde_json::json!({"torrents": 0, "peers": 0, "sockets": 0});
        let expected =
            serde_json::json!({"status": "ok", "version": version, "rooms": 0, "members": 0, "tracker": tracker});
        assert_eq!(report, expected);
    }
}
