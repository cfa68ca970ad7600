//! Trackers over WebSockets, a connection for each tracker and torrent.

use super::signalling::{Command, Membership, QUEUE, Said, Trackers};
use crate::tracker::{
    Announce, Answer, Event, InfoHash, PeerId, PeerMessage, TrackerMessage, limits::MESSAGE_BYTES_MAX,
};
use futures_util::{SinkExt, StreamExt};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};
use tokio_util::task::TaskTracker;
use url::Url;

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(15);
/// How long sending may take, and saying good-bye.
const SEND_TIME: Duration = Duration::from_secs(10);
/// How often a silent tracker is pinged; one that is silent for twice as long is gone. Well below the minute after
/// which proxies cut silent connections.
const PING: Duration = Duration::from_secs(25);
/// The first wait before connecting again, doubled each time.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest wait: short, since a restarted relay has a room waiting.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct WebSockets {
    tasks: TaskTracker,
}

impl WebSockets {
    /// Waits until all connections are closed, whose memberships were dropped.
    pub(super) async fn shutdown(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Trackers for WebSockets {
    fn join(&self, tracker: Url, info_hash: InfoHash) -> Membership {
        let (commands, commanded) = mpsc::channel(QUEUE);
        let (said, events) = mpsc::channel(QUEUE);
        self.tasks.spawn(run(tracker, info_hash, commanded, said));
        Membership { commands, events }
    }
}

/// Why a connection ended.
enum Ended {
    Lost,
    Left,
}

async fn run(tracker: Url, info_hash: InfoHash, mut commands: mpsc::Receiver<Command>, said: mpsc::Sender<Said>) {
    let mut wait = RETRY_FIRST;
    loop {
        let connected = tokio::select! {
            connected = timeout(CONNECT_TIME, connect(&tracker)) => connected,
            () = left(&mut commands) => return,
        };
        match connected.map_err(|_| "no answer in time".to_owned()).flatten() {
            Ok(socket) => {
                let since = Instant::now();
                if said.send(Said::Connected).await.is_err() {
                    return;
                }
                match converse(socket, info_hash, &mut commands, &said).await {
                    Ended::Left => return,
                    Ended::Lost => drop(said.send(Said::Disconnected).await),
                }
                if since.elapsed() > RETRY_MAX {
                    wait = RETRY_FIRST;
                }
            }
            Err(error) => tracing::debug!(%error, host = tracker.host_str(), "a tracker cannot be reached"),
        }
        tokio::select! {
            () = tokio::time::sleep(jittered(wait)) => {}
            () = left(&mut commands) => return,
        }
        wait = (wait * 2).min(RETRY_MAX);
    }
}

/// Ends when nobody is interested any more. What is said meanwhile reaches nobody.
async fn left(commands: &mut mpsc::Receiver<Command>) {
    while commands.recv().await.is_some() {}
}

/// Between half and all of it, so that a room does not come back at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness everybody waits as long as can be.
    let part = getrandom::fill(&mut byte).map_or(1.0, |()| 0.5 + f64::from(byte[0]) / 510.0);
    wait.mul_f64(part)
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn connect(tracker: &Url) -> Result<WebSocketStream<Box<dyn Stream>>, String> {
    let host = tracker.host_str().ok_or("the address has no host")?;
    let port = tracker.port_or_known_default().ok_or("the address has no port")?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await.map_err(|error| error.to_string())?;
    let stream: Box<dyn Stream> = if tracker.scheme() == "wss" {
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
        Box::new(tls()?.connect(name, stream).await.map_err(|error| error.to_string())?)
    } else {
        Box::new(stream)
    };
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let (socket, _) =
        client_async_with_config(tracker.as_str(), stream, Some(config)).await.map_err(|error| error.to_string())?;
    Ok(socket)
}

fn tls() -> Result<TlsConnector, String> {
    use rustls_platform_verifier::BuilderVerifierExt;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(BuilderVerifierExt::with_platform_verifier)
        .map_err(|error| error.to_string())?
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn converse(
    socket: WebSocketStream<Box<dyn Stream>>,
    info_hash: InfoHash,
    commands: &mut mpsc::Receiver<Command>,
    said: &mpsc::Sender<Said>,
) -> Ended {
    let peer_id = PeerId(super::random_id());
    let (mut sink, mut stream) = socket.split();
    let mut heard = Instant::now();
    let mut last = None;
    let mut ping = tokio::time::interval(PING);
    let ended = loop {
        let message = tokio::select! {
            command = commands.recv() => {
                let Some(command) = command else { break Ended::Left };
                if let Command::Announce { uploaded, downloaded, left, .. } = &command {
                    last = Some((*uploaded, *downloaded, *left));
                }
                to_message(command, info_hash, peer_id)
            }
            message = stream.next() => {
                let Some(Ok(message)) = message else { return Ended::Lost };
                heard = Instant::now();
                if let Message::Text(text) = message
                    && let Some(event) = understand(&text, info_hash)
                    && said.send(event).await.is_err()
                {
                    break Ended::Left;
                }
                continue;
            }
            _ = ping.tick() => {
                if heard.elapsed() > 2 * PING {
                    return Ended::Lost;
                }
                Message::Ping(bytes::Bytes::new())
            }
        };
        if !matches!(timeout(SEND_TIME, sink.send(message)).await, Ok(Ok(()))) {
            return Ended::Lost;
        }
    };
    if let Some((uploaded, downloaded, left)) = last {
        let stopped = Command::Announce { event: Event::Stopped, uploaded, downloaded, left, offers: Vec::new() };
        let good_bye = async {
            sink.send(to_message(stopped, info_hash, peer_id)).await?;
            sink.close().await
        };
        drop(timeout(SEND_TIME, good_bye).await);
    }
    ended
}

fn to_message(command: Command, info_hash: InfoHash, peer_id: PeerId) -> Message {
    let message = match command {
        Command::Announce { event, uploaded, downloaded, left, offers } => {
            PeerMessage::Announce(Announce { info_hash, peer_id, event, uploaded, downloaded, left, offers })
        }
        Command::Answer { to, offer_id, sdp } => {
            PeerMessage::Answer(Answer { info_hash, peer_id, to_peer_id: to, offer_id, sdp })
        }
    };
    Message::text(message.to_json())
}

fn understand(text: &str, info_hash: InfoHash) -> Option<Said> {
    match TrackerMessage::from_json(text) {
        Ok(TrackerMessage::Announced(announced)) if announced.info_hash == info_hash => {
            Some(Said::Announced(announced))
        }
        Ok(TrackerMessage::Offer(offer)) if offer.info_hash == info_hash => Some(Said::Offer(offer)),
        Ok(TrackerMessage::Answer(answer)) if answer.info_hash == info_hash => Some(Said::Answer(answer)),
        Ok(TrackerMessage::Failure(failure)) => Some(Said::Failure(failure.reason)),
        Ok(_) => None,
        Err(error) => {
            tracing::debug!(%error, "a tracker said something that is no message");
            None
        }
    }
}
