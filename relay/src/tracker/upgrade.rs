//! From an HTTP request to a WebSocket (RFC 6455, section 4.2), by the same library that Socket.IO uses.

use super::{Tracker, socket, visitor::Network, visitor::Origin};
use crate::listener::PeerAddr;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper_util::rt::TokioIo;
use std::{sync::Arc, time::Duration};
use streamshare_webtorrent::tracker::limits::MESSAGE_BYTES_MAX;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        handshake::derive_accept_key,
        protocol::{Role, WebSocketConfig},
    },
};

/// How long a connection may take to become a WebSocket after it was told that it is one.
const UPGRADE_MAX: Duration = Duration::from_secs(10);

/// Bytes that a socket reads at once: an announce with its offers, and each socket holds such a buffer.
const READ_BUFFER: usize = 8 * 1024;

/// Twice a message: one that is somewhat too long is refused with a reason, only beyond this the connection is closed.
const FRAME_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// Makes WebSockets of requests that ask for one at `/announce` or `/`, and passes everything else on.
pub(super) async fn sockets(
    State(tracker): State<Arc<Tracker>>,
    ConnectInfo(peer): ConnectInfo<PeerAddr>,
    request: Request,
    next: Next,
) -> Response {
    let is_ours = matches!(request.uri().path(), "/" | "/announce") && request.method() == Method::GET;
    if !is_ours || !has_token(request.headers(), &header::UPGRADE, "websocket") {
        return next.run(request).await;
    }
    accept(&tracker, peer, request).unwrap_or_else(IntoResponse::into_response)
}

type Refusal = (StatusCode, [(HeaderName, HeaderValue); 1], &'static str);

fn accept(tracker: &Arc<Tracker>, peer: PeerAddr, request: Request) -> Result<Response, Refusal> {
    let headers = request.headers();
    let refuse = |code, why| (code, [(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))], why);
    if !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err(refuse(StatusCode::BAD_REQUEST, "The header Connection does not name upgrade.\n"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(refuse(StatusCode::UPGRADE_REQUIRED, "The WebSocket version must be 13.\n"));
    }
    let Some(key) = headers.get(header::SEC_WEBSOCKET_KEY) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "The header Sec-WebSocket-Key is missing.\n"));
    };
    let accepted = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("base64 is a header value");
    if tracker.stop.is_cancelled() {
        return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "The relay is shutting down.\n"));
    }
    let network = Network::of(Origin::of(peer, headers, &tracker.config).addr);
    let Some(slot) = tracker.visitors.admit(network) else {
        return Err(refuse(StatusCode::TOO_MANY_REQUESTS, "There are too many connections to the tracker.\n"));
    };
    let of_task = Arc::clone(tracker);
    tracker.tasks.spawn(async move {
        let _slot = slot;
        let upgraded = tokio::select! {
            () = of_task.stop.cancelled() => return,
            upgraded = timeout(UPGRADE_MAX, hyper::upgrade::on(request)) => upgraded,
        };
        let Ok(Ok(upgraded)) = upgraded else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        socket::serve(&of_task, stream, network).await;
    });
    let headers = [
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::SEC_WEBSOCKET_ACCEPT, accepted),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// Whether a header that lists tokens has one, in whatever case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|each| each.trim().eq_ignore_ascii_case(token))
}
