//! Stands between librqbit and its peers, and gives their blocks through lanes instead ([`crate::pool`] says why).
//!
//! librqbit connects through a SOCKS5 proxy (RFC 1928) on the loopback interface, which is this: that is all of it that can be told where to
//! connect to. What goes to a torrent's peers passes a [`relay`], which sees the frames; everything else (HTTP trackers, peers that are asked
//! for metadata) is passed on unseen. Peers that come by themselves, browsers among them, are let in at a [`door`], and are relayed as well.
//!
//! What would make it unnecessary, and what we would ask librqbit for: blocks of one piece from several peers, requests taken back when a
//! stream seeks, a stream's readahead of its caller's choice, peers added at run time, and a word about pieces that were wrong.

mod door;
mod extended;
mod lane;
mod message;
mod relay;
mod seats;
mod socks;
mod swarm;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use librqbit::dht::Id20;
use librqbit::{ManagedTorrent, Session};
use librqbit_utp::UtpSocketUdp;
use streamshare_webtorrent::wire::Handshake;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pool::Geometry;
use crate::readers::Role;
use crate::{InfoHash, LivePeer, NetworkConfig, Stats, Transport};
use door::Door;
use relay::Who;
pub(crate) use seats::librqbit_limit;
pub(crate) use swarm::Reader;
use swarm::Swarm;

/// How long a peer may take to be connected. librqbit's default of 10 s lets dead addresses hold their places for long.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// TCP goes first; a peer that has not answered by then is tried over uTP, too, as librqbit itself does.
const UTP_AFTER: Duration = Duration::from_secs(1);
/// How long whoever was connected may take for its first bytes.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after the system refused a connection, as when it is out of file handles.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Bytes of a buffer per direction of what is passed on unseen.
const COPY_BYTES: usize = 16 << 10;

/// A connection to a peer, whatever it runs over.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// The proxy, and the swarms whose peers are connected through it.
pub(crate) struct Funnel {
    addr: SocketAddr,
    password: String,
    /// Where peers connect to, if anywhere.
    door: Option<SocketAddr>,
    /// Peers a torrent.
    peers: usize,
    session: OnceLock<Weak<Session>>,
    has_session: Notify,
    utp: Option<Arc<UtpSocketUdp>>,
    swarms: Mutex<BTreeMap<InfoHash, Arc<Swarm>>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Funnel {
    /// Listens for librqbit on a free port of the loopback interface, and for peers where the settings say, until `cancel`.
    pub(crate) async fn start(
        network: &NetworkConfig,
        peers: usize,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(std::io::Error::other)?;
        let any = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, 0));
        let utp = if network.utp { utp_socket(any, &cancel).await } else { None };
        let door = Door::open(network, &cancel).await?;
        let funnel = Arc::new(Self {
            addr: listener.local_addr()?,
            password: data_encoding::HEXLOWER.encode(&secret),
            door: door.as_ref().map(Door::addr),
            peers,
            session: OnceLock::new(),
            has_session: Notify::new(),
            utp,
            swarms: Mutex::default(),
            tasks: tasks.clone(),
            cancel: cancel.clone(),
        });
        tasks.spawn(cancel.run_until_cancelled_owned(funnel.clone().accept(listener)));
        if let Some(door) = door {
            door.keep_open(&funnel);
        }
        Ok(funnel)
    }

    /// What librqbit is told to connect through. Others on this machine do not know the password. Nothing where librqbit takes no
    /// connections, for lanes come in from outside.
    pub(crate) fn proxy_url(&self) -> Option<String> {
        self.door.map(|_| format!("socks5://{}:{}@{}", socks::USER, self.password, self.addr))
    }

    /// Where peers connect to, if anywhere.
    pub(crate) fn peer_addr(&self) -> Option<SocketAddr> {
        self.door
    }

    /// Tells of the session once there is one; connections wait for it until then.
    pub(crate) fn attach(&self, session: &Arc<Session>) {
        if self.session.set(Arc::downgrade(session)).is_ok() {
            self.has_session.notify_waiters();
        }
    }

    /// The swarm of a torrent of the session.
    fn swarm(&self, info_hash: InfoHash) -> Option<Arc<Swarm>> {
        if let Some(swarm) = lock(&self.swarms).get(&info_hash) {
            return Some(swarm.clone());
        }
        let session = self.session.get()?.upgrade()?;
        let listener = session.listen_addr()?;
        let handle = session.get(librqbit::api::TorrentIdOrHash::Hash(Id20::new(info_hash.0)))?;
        let metadata = handle.metadata.load_full()?;
        let lengths = metadata.lengths();
        let geometry = Geometry { piece_count: lengths.total_pieces(), piece_bytes: lengths.default_piece_length() };
        let made = || Swarm::new(info_hash, geometry, self.peers, listener, &self.tasks, &self.cancel);
        Some(lock(&self.swarms).entry(info_hash).or_insert_with(made).clone())
    }

    /// Forgets a torrent.
    pub(crate) fn forget(&self, info_hash: InfoHash) {
        if let Some(swarm) = lock(&self.swarms).remove(&info_hash) {
            swarm.end();
        }
    }

    /// One who reads a file from some byte on.
    pub(crate) fn reader(&self, torrent: &ManagedTorrent, index: usize, first: u64, role: Role) -> Option<Reader> {
        let offset = torrent.metadata.load_full()?.file_infos.get(index)?.offset_in_torrent;
        let swarm = self.swarm(InfoHash(torrent.info_hash().0)).filter(|_| self.door.is_some())?;
        Some(swarm.reader(offset + first, role))
    }

    /// librqbit's numbers without the lanes, which it takes for peers.
    pub(crate) fn stats(&self, info_hash: InfoHash, mut stats: Stats) -> Stats {
        if let Some(swarm) = self.known(info_hash) {
            stats.peers_known = stats.peers_known.saturating_sub(swarm.lanes_opened());
        }
        stats
    }

    /// librqbit's peers without the lanes, as they are seen from here.
    pub(crate) fn peers(&self, info_hash: InfoHash, mut peers: Vec<LivePeer>) -> Vec<LivePeer> {
        if let Some(swarm) = self.known(info_hash) {
            peers.retain(|peer| !swarm.is_lane(peer.addr));
            for peer in &mut peers {
                *peer = swarm.live_peer(peer.addr).unwrap_or(*peer);
            }
        }
        peers
    }

    /// librqbit has read a piece that was written, to check it.
    pub(crate) fn checked(&self, info_hash: InfoHash, piece: u32) {
        if let Some(swarm) = self.known(info_hash) {
            swarm.act(|pool, _| pool.checked(piece));
        }
    }

    /// librqbit has found a piece right.
    pub(crate) fn right(&self, info_hash: InfoHash, piece: u32) {
        if let Some(swarm) = self.known(info_hash) {
            swarm.act(|pool, _| pool.right(piece));
        }
    }

    fn known(&self, info_hash: InfoHash) -> Option<Arc<Swarm>> {
        lock(&self.swarms).get(&info_hash).cloned()
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    let funnel = self.clone();
                    let cancel = self.cancel.clone();
                    self.tasks.spawn(async move {
                        if let Some(Err(error)) = cancel.run_until_cancelled(funnel.serve(client)).await {
                            tracing::debug!(%error, "a connection through the funnel ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept librqbit's connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        let limited = tokio::time::timeout(FIRST_BYTES_TIMEOUT, socks::target(&mut client, &self.password));
        let target = limited.await??;
        socks::reply(&mut client).await?;
        let mut first = [0; Handshake::BYTES];
        let Some(handshake) = handshake(&mut client, &mut first).await? else {
            let (peer, _) = self.connect(target).await?;
            return pass(client, peer, &[]).await;
        };
        self.wait_for_session().await;
        let info_hash = InfoHash(handshake.info_hash.0);
        let Some(swarm) = self.swarm(info_hash) else {
            let (peer, _) = self.connect(target).await?;
            return pass(client, peer, &first).await;
        };
        // Whatever it is connected over.
        if swarm.is_banned(&Who::dialled(target, Transport::Tcp)) {
            return Ok(());
        }
        let Some(_seat) = swarm.seats.wait(&client).await else { return Ok(()) };
        let (mut peer, transport) = self.connect(target).await?;
        tokio::io::AsyncWriteExt::write_all(&mut peer, &first).await?;
        relay::relay(client, peer, &swarm, Who::dialled(target, transport)).await;
        Ok(())
    }

    async fn wait_for_session(&self) {
        let attached = self.has_session.notified();
        if self.session.get().is_none() {
            attached.await;
        }
    }

    async fn connect(&self, target: SocketAddr) -> std::io::Result<(Box<dyn Connection>, Transport)> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.connect_somehow(target))
            .await
            .map_err(std::io::Error::from)
            .flatten()
    }

    async fn connect_somehow(&self, target: SocketAddr) -> std::io::Result<(Box<dyn Connection>, Transport)> {
        let tcp = async {
            let stream = TcpStream::connect(target).await?;
            stream.set_nodelay(true)?;
            std::io::Result::Ok((Box::new(stream) as Box<dyn Connection>, Transport::Tcp))
        };
        let Some(utp) = &self.utp else { return tcp.await };
        let utp = async {
            let stream = utp.connect(target).await.map_err(std::io::Error::other)?;
            std::io::Result::Ok((Box::new(stream) as Box<dyn Connection>, Transport::Utp))
        };
        tokio::pin!(tcp);
        match tokio::time::timeout(UTP_AFTER, &mut tcp).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(_)) => return utp.await,
            Err(_) => {}
        }
        tokio::pin!(utp);
        tokio::select! {
            Ok(connected) = &mut tcp => Ok(connected),
            Ok(connected) = &mut utp => Ok(connected),
            else => Err(std::io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

impl std::fmt::Debug for Funnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Funnel").field("addr", &self.addr).finish_non_exhaustive()
    }
}

/// A socket of our own for uTP: librqbit's cannot be reached.
async fn utp_socket(addr: SocketAddr, cancel: &CancellationToken) -> Option<Arc<UtpSocketUdp>> {
    let options = librqbit_utp::SocketOpts { cancellation_token: cancel.clone(), ..Default::default() };
    let socket = UtpSocketUdp::new_udp_with_opts(addr, options, Default::default()).await;
    socket.inspect_err(|error| tracing::warn!(%error, "no peers over uTP")).ok()
}

/// What librqbit says first, if that is BitTorrent; nothing is taken off otherwise.
async fn handshake(client: &mut TcpStream, first: &mut [u8; Handshake::BYTES]) -> std::io::Result<Option<Handshake>> {
    let reading = async {
        let mut seen = [0; 20];
        while client.peek(&mut seen).await? < seen.len() {
            if seen[0] != 19 {
                return Ok(None);
            }
            // The rest of it is on its way: it is written at once.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if &seen != b"\x13BitTorrent protocol" {
            return Ok(None);
        }
        client.read_exact(first).await?;
        let mut frames = streamshare_webtorrent::wire::Frames::new(Handshake::BYTES);
        frames.push(first);
        frames.next_handshake().map_err(std::io::Error::other)
    };
    tokio::time::timeout(FIRST_BYTES_TIMEOUT, reading).await.map_err(std::io::Error::from).flatten()
}

/// Passes everything on as it is.
async fn pass(mut client: TcpStream, mut peer: Box<dyn Connection>, first: &[u8]) -> std::io::Result<()> {
    tokio::io::AsyncWriteExt::write_all(&mut peer, first).await?;
    tokio::io::copy_bidirectional_with_sizes(&mut client, &mut peer, COPY_BYTES, COPY_BYTES).await.map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
