//! The connections of webrtc-rs.

use super::{
    Channel, ConnectError, Connector, IceConfig, IceServer, MESSAGE_BYTES_MAX, Opening, PendingOffer, addresses,
    drive::drive,
    early::Beginning,
    gathering::{Gathering, Servers},
    lock,
    names::Names,
    runtime::BufferedTokio,
};
use async_trait::async_trait;
use bytes::Bytes;
use rtc::{ice::mdns::MulticastDnsMode, peer_connection::configuration::setting_engine::SctpMaxMessageSize};
use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{Notify, oneshot},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use webrtc::{
    data_channel::{DataChannel, DataChannelEvent},
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
        RTCIceCandidateType, RTCIceGatheringState, RTCIceServer, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
        RTCSessionDescription, SettingEngineBuilder,
    },
};

/// How long the other side may be silent, which it is for 2 s at most, before the connection counts as disturbed.
const DISCONNECTED_TIME: Duration = Duration::from_secs(5);
/// How long it may be so before it has failed, and how much longer than the former the first one may take: a peer whose
/// machine is gone is replaced after 15 s instead of 30 s (RFC 7675), and a change of networks takes less.
const FAILED_TIME: Duration = Duration::from_secs(10);
/// How often ways are tried, and looked through for one that works. webrtc-rs (rtc-ice 0.21, `contact_candidates`) chooses a way
/// at the next look after its check was answered: with its 200 ms each connection waited for that, 100 ms on average. RFC 8445
/// (section 14.2) has 5 ms between any two checks at least, and 50 ms if nobody knows better.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// How often a way is tried that does not answer: for 2 s, in which the other side will have begun, too. webrtc-rs tries it for
/// 1.4 s.
const CHECKS_MAX: u16 = 100;
/// How long a way over a TURN server waits for a better one that may work at the same time. Half a second, where there is no
/// other way, made connections 0.7 s later and nothing faster.
const RELAY_WAIT: Duration = Duration::from_millis(200);
/// How often webrtc-rs is woken while a channel opens (see [`Peer::open`]).
const WAKE_INTERVAL: Duration = Duration::from_millis(5);
/// How often at most: for a second. Then round trips take so long that what webrtc-rs waits matters little.
const WAKES_MAX: u32 = 200;
/// How long tearing down may take; webrtc-rs gives its driver 100 ms.
const TEARDOWN_TIME: Duration = Duration::from_secs(2);

/// Makes connections with webrtc-rs. To be made within a Tokio runtime, which it uses for its tasks.
///
/// `.local` candidates of browsers (mDNS) are ignored, which is all that a browser tells of its own addresses. It hears our
/// candidates and connects from its side; its address is learned from that (peer-reflexive, RFC 8445, section 7.3.1.3). So it
/// works in one network, from behind a router to a reachable peer, and over STUN and TURN, whose candidates are addresses
/// (`relay/tests/nat.rs`). What is left is a peer behind a firewall of its own that drops UDP which nobody asked for, in one
/// network with the browser: to open it we would have to send to the browser first. A `.local` name would not help much, since
/// the answer to its question is such a packet, too; a TURN server does. Also, a socket on port 5353 for each connection is
/// a high price.
#[derive(Clone)]
pub struct WebRtc {
    config: Arc<IceConfig>,
    servers: Arc<Servers>,
    names: Arc<Names>,
    tasks: TaskTracker,
    runtime: tokio::runtime::Handle,
}

impl WebRtc {
    /// # Panics
    /// Outside of a Tokio runtime.
    #[must_use]
    pub fn new(config: IceConfig) -> Self {
        Self {
            servers: Arc::new(Servers::new(config.servers.clone())),
            config: Arc::new(config),
            names: Arc::default(),
            tasks: TaskTracker::new(),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    async fn build(&self) -> Result<Peer, ConnectError> {
        let addresses = addresses::local(self.config.loopback);
        if addresses.is_empty() {
            return Err(ConnectError::NoAddress);
        }
        let (open, channel) = oneshot::channel();
        let handler = Arc::new(Handler {
            gathered: Notify::new(),
            gathering: Gathering::begin(),
            connected: Notify::new(),
            failed: CancellationToken::new(),
            channel: Mutex::new(Some(open)),
        });
        let beginning = Arc::new(Beginning::default());
        let builder = self.builder(addresses, handler.clone(), beginning.clone());
        let building = Box::pin(builder.build());
        let connection = building.await.map_err(local)?;
        Ok(Peer { connection: Some(Arc::new(connection)), handler, beginning, channel, stack: self.clone() })
    }

    fn builder(
        &self,
        addresses: Vec<SocketAddr>,
        handler: Arc<Handler>,
        beginning: Arc<Beginning>,
    ) -> PeerConnectionBuilder<SocketAddr> {
        let config = &*self.config;
        let server = |server: &IceServer| RTCIceServer {
            urls: vec![server.url.clone()],
            username: server.username.clone(),
            credential: server.credential.clone(),
        };
        let configuration =
            RTCConfigurationBuilder::new().with_ice_servers(self.servers.get().iter().map(server).collect());
        let message_bytes = u32::try_from(MESSAGE_BYTES_MAX).expect("a few KiB");
        // The first way that works is taken: waiting for a better one cost 1.2 s of 1.7 s.
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(config.loopback)
            .with_srflx_acceptance_min_wait(Some(Duration::ZERO))
            .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
            .with_relay_acceptance_min_wait(Some(RELAY_WAIT))
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS_MAX))
            .with_ice_timeouts(Some(DISCONNECTED_TIME), Some(FAILED_TIME), None)
            .with_sctp_max_message_size(SctpMaxMessageSize::Bounded(message_bytes))
            .build();
        PeerConnectionBuilder::new()
            .with_configuration(configuration.build())
            .with_setting_engine(settings)
            .with_handler(handler)
            .with_udp_addrs(addresses)
            .with_runtime(Arc::new(BufferedTokio::new(self.names.clone(), beginning)))
    }
}

impl fmt::Debug for WebRtc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebRtc").field("config", &self.config).field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connector for WebRtc {
    async fn make_offer(&self) -> Result<(String, Box<dyn PendingOffer>), ConnectError> {
        let peer = self.build().await?;
        let connection = peer.connection();
        let channel = connection.create_data_channel("streamshare", None).await.map_err(local)?;
        let offer = connection.create_offer(None).await.map_err(local)?;
        let sdp = peer.describe(offer).await?;
        peer.beginning.offered(&sdp);
        Ok((sdp, Box::new(Offered { peer, channel })))
    }

    async fn make_answer(&self, offer: &str) -> Result<(String, Box<dyn Opening>), ConnectError> {
        let offer = RTCSessionDescription::offer(offer.to_owned()).map_err(description)?;
        let peer = self.build().await?;
        let connection = peer.connection();
        connection.set_remote_description(offer).await.map_err(description)?;
        let answer = connection.create_answer(None).await.map_err(description)?;
        let sdp = peer.describe(answer).await?;
        Ok((sdp, Box::new(Answered { peer })))
    }

    fn set_servers(&self, servers: Vec<IceServer>) {
        self.servers.set(servers);
    }

    async fn shutdown(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

struct Handler {
    gathered: Notify,
    gathering: Gathering,
    connected: Notify,
    /// The connection has failed, or is closed.
    failed: CancellationToken,
    channel: Mutex<Option<oneshot::Sender<Arc<dyn DataChannel>>>>,
}

#[async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if event.candidate.typ != RTCIceCandidateType::Host {
            self.gathering.found_by_server();
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.notify_one();
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::trace!(%state, "connection");
        if state == RTCPeerConnectionState::Connected {
            self.connected.notify_one();
        }
        // Disconnected may heal (RFC 8445 consent is lost for 5 s); failed does not.
        if matches!(state, RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed) {
            self.failed.cancel();
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        // The first one counts; webtorrent opens no others.
        if let Some(open) = lock(&self.channel).take() {
            // Nobody waits any more when the connection was given up.
            drop(open.send(channel));
        }
    }
}

/// A connection that closes when it is dropped: webrtc-rs's own does not.
struct Peer {
    /// Always there until dropped.
    connection: Option<Arc<dyn PeerConnection>>,
    handler: Arc<Handler>,
    beginning: Arc<Beginning>,
    channel: oneshot::Receiver<Arc<dyn DataChannel>>,
    stack: WebRtc,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        self.stack.tasks.spawn_on(
            async move {
                match timeout(TEARDOWN_TIME, connection.close()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!(%error, "closing a connection failed"),
                    Err(_) => tracing::warn!("closing a connection takes too long"),
                }
            },
            &self.stack.runtime,
        );
    }
}

impl Peer {
    fn connection(&self) -> Arc<dyn PeerConnection> {
        self.connection.clone().expect("there until it is dropped")
    }

    /// Makes it the local description, and gives it with all candidates that were found in time.
    async fn describe(&self, local_description: RTCSessionDescription) -> Result<String, ConnectError> {
        let connection = self.connection();
        connection.set_local_description(local_description).await.map_err(local)?;
        let gathered = timeout(self.stack.servers.patience(), self.handler.gathered.notified()).await;
        if gathered.is_err() {
            tracing::debug!("not all candidates were found in time");
        }
        self.stack.servers.gathered(gathered.is_ok(), &self.handler.gathering);
        let description = connection.local_description().await.ok_or(ConnectError::NoAddress)?;
        Ok(description.sdp)
    }

    /// Waits until the channel is open, and sets its driver to work.
    async fn open(self, channel: Arc<dyn DataChannel>) -> Result<Channel, ConnectError> {
        let first = tokio::select! {
            first = until_open(&*channel) => first?,
            () = self.keep_awake(&*channel) => return Err(ConnectError::Unreachable),
            () = self.handler.failed.cancelled() => return Err(ConnectError::Unreachable),
        };
        let (ours, driver) = Channel::new();
        let tasks = self.stack.tasks.clone();
        let runtime = self.stack.runtime.clone();
        let failed = self.handler.failed.clone();
        let driven = async move { drive(&*self.connection(), &failed, channel, driver, first).await };
        tasks.spawn_on(driven, &runtime);
        Ok(ours)
    }

    /// Wakes webrtc-rs, once connected; ends when the channel is not there any more. Its driver (webrtc 0.21, `event_loop`)
    /// sends what there is, and then looks what has happened. When that is that SCTP is connected, the word that opens the
    /// channel waits until something else happens: for up to 200 ms.
    async fn keep_awake(&self, channel: &dyn DataChannel) {
        self.handler.connected.notified().await;
        for _ in 0..WAKES_MAX {
            // Changes nothing: 0 is what it is at first.
            if channel.set_buffered_amount_low_threshold(0).await.is_err() {
                return;
            }
            sleep(WAKE_INTERVAL).await;
        }
        std::future::pending().await
    }
}

/// Gives the first message, where that tells that the channel is open.
async fn until_open(channel: &dyn DataChannel) -> Result<Option<Bytes>, ConnectError> {
    loop {
        match channel.poll().await {
            Some(DataChannelEvent::OnOpen) => return Ok(None),
            Some(DataChannelEvent::OnMessage(message)) => return Ok(Some(message.data.freeze())),
            Some(DataChannelEvent::OnClose) | None => return Err(ConnectError::Unreachable),
            Some(_) => {}
        }
    }
}

struct Offered {
    peer: Peer,
    channel: Arc<dyn DataChannel>,
}

impl fmt::Debug for Offered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Offered")
    }
}

#[async_trait]
impl PendingOffer for Offered {
    async fn answer(self: Box<Self>, answer: &str) -> Result<Channel, ConnectError> {
        let answer = RTCSessionDescription::answer(answer.to_owned()).map_err(description)?;
        let Self { peer, channel } = *self;
        timeout(peer.stack.config.connect_time, async move {
            peer.connection().set_remote_description(answer).await.map_err(description)?;
            peer.beginning.answered();
            peer.open(channel).await
        })
        .await
        .unwrap_or(Err(ConnectError::TimedOut))
    }
}

struct Answered {
    peer: Peer,
}

impl fmt::Debug for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answered")
    }
}

#[async_trait]
impl Opening for Answered {
    async fn open(self: Box<Self>) -> Result<Channel, ConnectError> {
        let mut peer = self.peer;
        timeout(peer.stack.config.connect_time, async move {
            let failed = peer.handler.failed.clone();
            let channel = tokio::select! {
                channel = &mut peer.channel => channel.map_err(|_| ConnectError::Unreachable)?,
                () = failed.cancelled() => return Err(ConnectError::Unreachable),
            };
            peer.open(channel).await
        })
        .await
        .unwrap_or(Err(ConnectError::TimedOut))
    }
}

fn local(error: impl std::error::Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Local(Box::new(error))
}

fn description(error: impl std::error::Error + Send + Sync + 'static) -> ConnectError {
    ConnectError::Description(Box::new(error))
}
