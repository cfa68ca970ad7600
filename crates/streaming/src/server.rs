//! The HTTP server that a player reads media from.
//!
//! It listens on 127.0.0.1 only, and still every web page that the user visits can send requests to it. So:
//! - The `Host` must be exactly its own address, else the connection is closed without an answer (DNS rebinding, CVE-2018-5702).
//! - The path begins with 128 random bits, new with every start, compared in constant time and never logged.
//! - A request that tells a foreign `Origin` is refused even with the token; the others are served without CORS headers.
//! - GET and HEAD only; it controls nothing. The query `player` asks for a film without its subtitles (`veil.rs`).
//! - Types come from a fixed list, with `nosniff` and a policy that would let a document do nothing, for file names and contents come
//!   from strangers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, http};
use hyper_util::rt::{TokioIo, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::InfoHash;
use crate::body::{Body, MediaBody};
use crate::range::{self, Condition, Resolved};
use crate::readers::{At, Role};
use crate::through::{Access, Through};
use crate::torrents::Torrent;
use crate::veil::Veiled;

/// Connections at once. A browser opens six to one host; further ones wait in the system's queue.
const MAX_CONNECTIONS: usize = 512;
/// Bytes that wait in the system's buffer for a player beyond what is on its way to it (`TCP_NOTSENT_LOWAT`, tcp(7)).
const NOT_SENT_BYTES: u32 = 256 << 10;
/// The query of a player that shows no subtitles by itself.
const PLAYER: &str = "player";
/// How long a connection may take to say what it wants, or be idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause after the system refused a connection, as when it is out of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// What stays readable in a path: RFC 3986's unreserved characters.
const PATH_SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// 128 random bits that open the server, in hex.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(data_encoding::HEXLOWER.encode(&bytes)))
    }

    fn matches(&self, text: &str) -> bool {
        bool::from(self.0.as_bytes().ct_eq(text.as_bytes()))
    }
}

/// What answers requests.
pub(crate) struct Server {
    addr: SocketAddr,
    host: String,
    token: Token,
    origins: Vec<String>,
    access: Access,
    stall_timeout: Duration,
}

/// The request was not meant for this server: its connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("a request for another host")]
struct WrongHost;

impl Server {
    /// Listens on a free port of the loopback interface and serves until `cancel`.
    pub(crate) async fn start(
        token: Token,
        origins: Vec<String>,
        access: Access,
        stall_timeout: Duration,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let host = addr.to_string();
        let server = Arc::new(Self { addr, host, token, origins, access, stall_timeout });
        tasks.spawn(server.clone().accept(listener, tasks.clone(), cancel));
        Ok(server)
    }

    /// The address of a file.
    pub(crate) fn url(&self, info_hash: InfoHash, index: usize, name: &str) -> String {
        format!("http://{}/{}/{info_hash}/{index}/{}", self.addr, self.token.0, utf8_percent_encode(name, PATH_SET))
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, tasks: TaskTracker, cancel: CancellationToken) {
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let accept = async {
            loop {
                let slot = connections.clone().acquire_owned().await.expect("the semaphore is never closed");
                match listener.accept().await {
                    Ok((stream, _)) => {
                        hold_little(&stream);
                        let (server, cancel) = (self.clone(), cancel.clone());
                        tasks.spawn(async move {
                            let _slot = slot;
                            tokio::select! {
                                () = server.serve(stream) => {}
                                () = cancel.cancelled() => {}
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a player's connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        tokio::select! {
            () = accept => {}
            () = cancel.cancelled() => {}
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = hyper::service::service_fn(move |request| {
            let server = self.clone();
            async move { if server.is_for_us(&request) { Ok(server.answer(&request).await) } else { Err(WrongHost) } }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a player's connection ended");
        }
    }

    /// Exactly one `Host`, exactly this address, and no address in the request line that could say otherwise.
    fn is_for_us<B>(&self, request: &Request<B>) -> bool {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let is_ours = hosts.next().is_some_and(|host| host.as_bytes() == self.host.as_bytes());
        is_ours && hosts.next().is_none() && request.uri().authority().is_none()
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let origin = match self.origin(request.headers()) {
            Ok(origin) => origin,
            Err(status) => return self.finish(refuse(status), None),
        };
        let response = if matches!(*request.method(), Method::GET | Method::HEAD) {
            self.media(request).await.unwrap_or_else(refuse)
        } else {
            let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        };
        self.finish(response, origin)
    }

    /// The origin to allow, if the request tells one.
    fn origin(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, StatusCode> {
        let mut told = headers.get_all(header::ORIGIN).iter();
        match (told.next(), told.next()) {
            (None, _) => Ok(None),
            (Some(origin), None) if self.origins.iter().any(|known| known.as_bytes() == origin.as_bytes()) => {
                Ok(Some(origin.clone()))
            }
            (Some(_), _) => Err(StatusCode::FORBIDDEN),
        }
    }

    /// Adds what every response carries.
    fn finish(&self, mut response: Response<Body>, origin: Option<HeaderValue>) -> Response<Body> {
        let headers = response.headers_mut();
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let exposed = HeaderValue::from_static("accept-ranges, content-length, content-range, etag");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        for (name, value) in [
            (header::VARY, "origin"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
            // The window's page (tauri://localhost) is another site than this server, so "same-origin" and "same-site" would keep its
            // own <video> out. What keeps other pages out is the token.
            (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
            (header::REFERRER_POLICY, "no-referrer"),
            // A film must not be written a second time, into the window's cache.
            (header::CACHE_CONTROL, "no-store"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }

    async fn media<B>(&self, request: &Request<B>) -> Result<Response<Body>, StatusCode> {
        let (torrent, index) = self.find(request.uri().path()).ok_or(StatusCode::NOT_FOUND)?;
        let file = &torrent.info.files[index];
        let etag = format!("\"{}-{index}\"", torrent.info.info_hash);
        let lines = |name: HeaderName| request.headers().get_all(name).into_iter().map(HeaderValue::as_bytes);
        match range::condition(lines(header::IF_MATCH), lines(header::IF_NONE_MATCH), &etag) {
            Condition::Holds => {}
            Condition::NotModified => {
                let response = Response::builder().status(StatusCode::NOT_MODIFIED).header(header::ETAG, etag);
                return Ok(built(response.body(Body::Empty)));
            }
            Condition::Failed => return Err(StatusCode::PRECONDITION_FAILED),
        }
        // Section 14.2: a Range on another method than GET is ignored, so HEAD tells about the whole file. So is one that is told twice.
        let once = |name: HeaderName| {
            let mut lines = lines(name);
            lines.next().filter(|_| lines.next().is_none())
        };
        let range = once(header::RANGE).filter(|_| request.method() == Method::GET);
        // Nor does a validator hold that is told twice.
        let if_range =
            request.headers().contains_key(header::IF_RANGE).then(|| once(header::IF_RANGE).unwrap_or_default());
        let resolved = range::resolve(range, if_range, &etag, file.length);
        let (status, first, length) = match resolved {
            Resolved::Whole => (StatusCode::OK, 0, file.length),
            Resolved::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
            Resolved::Unsatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, 0, 0),
        };
        let mut response = Response::builder()
            .status(status)
            .header(header::CONTENT_LENGTH, length)
            .header(header::ACCEPT_RANGES, "bytes");
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            response = response.header(header::CONTENT_RANGE, format!("bytes */{}", file.length));
        } else {
            response =
                response.header(header::CONTENT_TYPE, streamshare_media::mime(&file.path)).header(header::ETAG, etag);
        }
        if status == StatusCode::PARTIAL_CONTENT {
            response =
                response.header(header::CONTENT_RANGE, format!("bytes {first}-{}/{}", first + length - 1, file.length));
        }
        let body = if request.method() == Method::HEAD || length == 0 {
            Body::Empty
        } else {
            // It is the window's: what reads the film for other ends gets it as it is.
            let is_player = request.uri().query() == Some(PLAYER);
            let opening = self.open(&torrent, index, first, length, is_player);
            let limited = tokio::time::timeout(self.stall_timeout, opening);
            let opened = tokio::select! {
                opened = limited => opened.ok().flatten(),
                () = torrent.cancel.cancelled() => None,
            };
            Body::Media(Box::new(opened.ok_or(StatusCode::SERVICE_UNAVAILABLE)?))
        };
        tracing::debug!(info_hash = %torrent.info.info_hash, index, first, length, %status, "media");
        Ok(built(response.body(body)))
    }

    /// The torrent and file that a path names, if its token is right.
    fn find(&self, path: &str) -> Option<(Arc<Torrent>, usize)> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let (token, info_hash, index, _name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if !self.token.matches(token) || parts.next().is_some() {
            return None;
        }
        let torrent = self.access.torrents.get(info_hash.parse().ok()?)?;
        let index = index.parse().ok().filter(|index| *index < torrent.info.files.len())?;
        Some((torrent, index))
    }

    async fn open(
        &self,
        torrent: &Torrent,
        index: usize,
        first: u64,
        length: u64,
        is_player: bool,
    ) -> Option<MediaBody> {
        let failed = |error: &dyn std::fmt::Display| tracing::warn!(info_hash = %torrent.info.info_hash, %error, "cannot read a torrent");
        let at = At { file_index: index, position: first };
        let stream = Through::open(self.access.clone(), torrent.info.info_hash, at, Role::Player).await;
        let stream = stream.inspect_err(|error| failed(error)).ok()?;
        let subtitles = torrent.primed.subtitles(index).filter(|_| is_player);
        let stream = Veiled::new(stream, first, subtitles);
        Some(MediaBody::new(stream, length, self.stall_timeout, torrent.cancel.clone()))
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// A player that stops reading is soon noticed, and little waits for it. The system's default is some megabytes each.
fn hold_little(stream: &TcpStream) {
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(NOT_SENT_BYTES) {
        tracing::debug!(%error, "a player's connection holds much");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, NOT_SENT_BYTES);
}

fn refuse(status: StatusCode) -> Response<Body> {
    built(Response::builder().status(status).header(header::CONTENT_LENGTH, 0).body(Body::Empty))
}

fn built(response: http::Result<Response<Body>>) -> Response<Body> {
    response.expect("all header values are ASCII made here")
}
