//! What a relay serves over plain HTTP: the web client, and how it is doing.

use crate::hub::Hub;
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

const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self' 'unsafe-inline'; connect-src 'self' ws: wss: http: https:; img-src 'self' data: blob:; \
    media-src 'self' blob: http: https:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer; the page runs nothing that it did not bring.
const SECURITY: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

#[derive(Clone, Debug)]
struct Health {
    hub: Arc<Hub>,
    stop: CancellationToken,
}

pub(crate) fn router(hub: Arc<Hub>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/healthz", get(healthz).with_state(Health { hub, stop }))
        .route("/robots.txt", get(async || "User-agent: *\nDisallow: /\n"))
        .fallback(asset)
        .layer(CompressionLayer::new())
        .layer(from_fn(secured))
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
}

async fn healthz(State(Health { hub, stop }): State<Health>) -> Response {
    let stopping = stop.is_cancelled();
    let load = hub.load();
    let report = HealthReport {
        status: if stopping { "stopping" } else { "ok" },
        version: env!("CARGO_PKG_VERSION"),
        rooms: load.rooms,
        members: load.members,
    };
    let code = if stopping { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let headers = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];
    // Two texts and two numbers always encode.
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
