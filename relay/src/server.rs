//! A relay's life: bind, serve, end.

use crate::{
    config::{ConfigError, RelayConfig},
    hub::Hub,
    incoming::Io,
    listener::{GuardedListener, PeerAddr},
    session,
    tracker::Tracker,
    web,
};
use axum::Router;
use socketioxide::{ParserConfig, SocketIo, extract::SocketRef, handler::ConnectHandler, service::SocketIoService};
use std::{future::IntoFuture, io, net::SocketAddr, sync::Arc, time::Duration};
use streamshare_protocol::limits::MESSAGE_BYTES_MAX;
use tokio::{net::TcpListener, sync::watch, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower_http::cors::CorsLayer;

/// Packets that wait for one socket. A member receives some 50 a second in a full room, so this is seconds of delay, and
/// at most 256 snapshots of memory; beyond it the member lags (see `room`).
const SOCKET_QUEUE: usize = 256;

/// Bytes of one packet or one polling request. Twice a message: one that is somewhat too long is refused with an error
/// that says so, only beyond this the connection is closed.
const PACKET_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// How long a connection may take to enter the namespace.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// Bytes that a socket reads at once: messages are small, and each socket holds such a buffer.
const READ_BUFFER: usize = 4096;

/// Why a relay did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot be used.
    #[error("the configuration cannot be used")]
    Config(#[from] ConfigError),
    /// The address cannot be listened at.
    #[error("cannot listen at {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system says; [`io::ErrorKind::AddrInUse`] where another program has it.
        source: io::Error,
    },
    /// The system has no randomness to give.
    #[error("cannot draw random bytes: {0}")]
    Random(getrandom::Error),
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was shut down, and every connection ended by itself.
    Drained,
    /// It was shut down, and connections that did not end in time were cut.
    Cut,
    /// It ended without being asked to: a bug.
    Failed,
}

/// A relay that runs.
///
/// Dropping it starts the same shutdown as [`Relay::shutdown`], without waiting for it.
#[derive(Debug)]
pub struct Relay {
    local_addr: SocketAddr,
    stop: CancellationToken,
    ended: watch::Receiver<Option<Ended>>,
    _stop_on_drop: DropGuard,
}

impl Relay {
    /// Binds the address and starts to serve on the current Tokio runtime, whose time and IO must be enabled.
    ///
    /// # Errors
    /// When the configuration cannot be used, or the address cannot be listened at.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn start(config: RelayConfig) -> Result<Self, StartError> {
        config.check()?;
        let listen = config.listen;
        let listener = TcpListener::bind(listen).await.map_err(|source| StartError::Listen { listen, source })?;
        let local_addr = listener.local_addr().map_err(|source| StartError::Listen { listen, source })?;
        let mut seed = [0; 16];
        getrandom::fill(&mut seed).map_err(StartError::Random)?;
        let hub = Arc::new(Hub::new(config, seed.iter().map(|byte| format!("{byte:02x}")).collect()));

        let stop = CancellationToken::new();
        let cut = CancellationToken::new();
        let listener = GuardedListener::new(listener, &hub.config, cut.clone());
        let tracker = hub.config.tracker.clone().map(|config| Tracker::start(config, chance(&seed), stop.clone()));
        let (service, io) = sockets(&hub, &stop, web::router(Arc::clone(&hub), tracker.clone(), stop.clone()));
        // Not as a layer: a router makes a layer's service anew for each route, and some for each request, and every one
        // would have sessions of its own.
        let app = Router::new().fallback_service(service).layer(any_origin());
        let (ended_in, ended) = watch::channel(None);
        let serving = Serving { hub, listener, app, io, tracker, stop: stop.clone(), cut };
        tokio::spawn(async move {
            let end = serving.run().await;
            ended_in.send_replace(Some(end));
        });
        tracing::info!(%local_addr, "relay listens");
        Ok(Self { local_addr, _stop_on_drop: stop.clone().drop_guard(), stop, ended })
    }

    /// Where it listens, with the port that it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Ends the relay: closes the sockets, takes no more connections, waits for those that are busy at most
    /// [`RelayConfig::shutdown_max`], then cuts them and ends the rooms. Returns when nothing of it runs any more.
    ///
    /// Cancel safe: the shutdown goes on. May be called again.
    pub async fn shutdown(&self) -> Ended {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits until the relay has ended, for whatever reason. Cancel safe.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(Ended::Failed),
            // Its task is gone without a word.
            Err(_) => Ended::Failed,
        }
    }
}

/// What the relay's task owns.
struct Serving {
    hub: Arc<Hub>,
    listener: GuardedListener,
    app: Router,
    io: Io,
    tracker: Option<Arc<Tracker>>,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Serving {
    async fn run(self) -> Ended {
        let Self { hub, listener, app, io, tracker, stop, cut } = self;
        let drain = CancellationToken::new();
        // Also when this future is dropped, which a runtime does when it ends.
        let _cut_on_drop = cut.clone().drop_guard();
        let serve = axum::serve(listener, app.into_make_service_with_connect_info::<PeerAddr>());
        let serve = serve.with_graceful_shutdown(drain.clone().cancelled_owned()).into_future();
        tokio::pin!(serve);
        let ended = tokio::select! {
            result = &mut serve => {
                tracing::error!(?result, "the server ended by itself");
                Ended::Failed
            }
            () = stop.cancelled() => {
                let close = async {
                    // Waits for the last write to each socket, which a reader that stopped may hold up.
                    io.close().await;
                    if let Some(tracker) = &tracker {
                        tracker.ended().await;
                    }
                    drain.cancel();
                };
                // It goes on serving until then: whoever asks for its health learns that it stops.
                let drained = async { tokio::join!(close, serve) };
                match timeout(hub.config.shutdown_max, drained).await {
                    Ok(_) => Ended::Drained,
                    Err(_) => Ended::Cut,
                }
            }
        };
        stop.cancel();
        cut.cancel();
        if let Some(tracker) = &tracker {
            tracker.ended().await;
        }
        hub.stop().await;
        tracing::info!(?ended, "relay ended");
        ended
    }
}

/// Part of what was drawn for the rooms' epochs, for the tracker's choice of peers, which is no secret.
fn chance(seed: &[u8; 16]) -> u64 {
    seed.iter().fold(0, |number, &byte| number.rotate_left(8) ^ u64::from(byte))
}

/// Serves Socket.IO, and passes what is none to `pages`.
fn sockets(hub: &Arc<Hub>, stop: &CancellationToken, pages: Router) -> (SocketIoService<Router>, Io) {
    let (service, io) = SocketIo::builder()
        .ping_interval(hub.config.ping_interval)
        .ping_timeout(hub.config.ping_timeout)
        .connect_timeout(CONNECT_MAX)
        .max_buffer_size(SOCKET_QUEUE)
        .max_payload(PACKET_BYTES_MAX as u64)
        .ws_max_message_size(PACKET_BYTES_MAX)
        .ws_max_frame_size(PACKET_BYTES_MAX)
        .ws_read_buffer_size(READ_BUFFER)
        .with_parser(ParserConfig::common().max_incoming_binary_buf_size(PACKET_BYTES_MAX))
        .build_with_inner_svc(pages);
    let (hub, stop) = (Arc::clone(hub), stop.clone());
    let register = move |socket: SocketRef| {
        let (hub, stop) = (Arc::clone(&hub), stop.clone());
        async move {
            if stop.is_cancelled() {
                return Err("The relay is shutting down.");
            }
            session::register(&socket, &hub);
            Ok(())
        }
    };
    // A handler would run after the client was told that it is connected, so that its first message might find nobody.
    io.ns("/", (async || {}).with(register));
    (service, io)
}

/// Pages from anywhere may join rooms; no credentials exist that could be abused.
fn any_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(tower_http::cors::Any)
        .allow_methods(tower_http::cors::Any)
        .allow_headers(tower_http::cors::Any)
}
