//! Where peers connect to. librqbit itself listens on the loopback interface only, so that whoever comes, over TCP, over uTP or out of a
//! browser, passes a [`relay`] as those do whom it connects to, and brings blocks to the same pool.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use librqbit_utp::UtpSocketUdp;
use streamshare_webtorrent::wire::{Frames, Handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::relay::{self, Who};
use super::{ACCEPT_PAUSE, Connection, FIRST_BYTES_TIMEOUT, Funnel};
use crate::{InfoHash, NetworkConfig, Transport};

/// Strangers that have not said yet which torrent they want. More are sent away; peers on this machine, which browsers are to us, are not.
const STRANGERS_MAX: usize = 256;

/// Its sockets.
#[derive(Debug)]
pub(super) struct Door {
    tcp: TcpListener,
    utp: Option<Arc<UtpSocketUdp>>,
    addr: SocketAddr,
}

impl Door {
    /// Listens where the settings say, if they do.
    pub(super) async fn open(network: &NetworkConfig, cancel: &CancellationToken) -> io::Result<Option<Self>> {
        let Some(wanted) = network.listen else { return Ok(None) };
        let tcp = TcpListener::bind(wanted).await?;
        let addr = tcp.local_addr()?;
        // On the same port, as it is announced once for both.
        let utp = if network.utp { super::utp_socket(addr, cancel).await } else { None };
        Ok(Some(Self { tcp, utp, addr }))
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Lets peers in, for as long as the funnel is there.
    pub(super) fn keep_open(self, funnel: &Arc<Funnel>) {
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        let cancel = &funnel.cancel;
        funnel.tasks.spawn(cancel.clone().run_until_cancelled_owned(accept_tcp(
            funnel.clone(),
            self.tcp,
            strangers.clone(),
        )));
        if let Some(utp) = self.utp {
            funnel.tasks.spawn(cancel.clone().run_until_cancelled_owned(accept_utp(funnel.clone(), utp, strangers)));
        }
    }
}

async fn accept_tcp(funnel: Arc<Funnel>, listener: TcpListener, strangers: Arc<Semaphore>) {
    loop {
        match listener.accept().await {
            Ok((stream, addr)) => {
                // Blocks are as large as they are: there is nothing to wait for.
                let _ = stream.set_nodelay(true);
                admit(&funnel, Box::new(stream), addr, Transport::Tcp, &strangers);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a peer");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn accept_utp(funnel: Arc<Funnel>, socket: Arc<UtpSocketUdp>, strangers: Arc<Semaphore>) {
    // It fails when its dispatcher has ended, for good.
    while let Ok(stream) = socket.accept().await {
        let addr = stream.remote_addr();
        admit(&funnel, Box::new(stream), addr, Transport::Utp, &strangers);
    }
}

/// Lets a peer in that has just connected; in the background.
fn admit(
    funnel: &Arc<Funnel>,
    peer: Box<dyn Connection>,
    addr: SocketAddr,
    transport: Transport,
    strangers: &Arc<Semaphore>,
) {
    let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
    let permit = strangers.clone().try_acquire_owned().ok();
    if permit.is_none() && !addr.ip().is_loopback() {
        return;
    }
    let funnel = funnel.clone();
    let cancel = funnel.cancel.clone();
    funnel.tasks.clone().spawn(cancel.run_until_cancelled_owned(async move {
        let mut peer = peer;
        let greeted = timeout(FIRST_BYTES_TIMEOUT, greeting(&mut peer)).await.map_err(io::Error::from).flatten();
        drop(permit);
        let served = match greeted {
            Ok(handshake) => funnel.introduce(peer, addr, transport, handshake).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a peer that came is gone");
        }
    }));
}

async fn greeting(peer: &mut Box<dyn Connection>) -> io::Result<Handshake> {
    let mut first = [0; Handshake::BYTES];
    peer.read_exact(&mut first).await?;
    let mut frames = Frames::new(Handshake::BYTES);
    frames.push(&first);
    frames.next_handshake().map_err(io::Error::other)?.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Funnel {
    /// Connects a peer that came with librqbit, until either ends.
    async fn introduce(
        &self,
        peer: Box<dyn Connection>,
        addr: SocketAddr,
        transport: Transport,
        handshake: Handshake,
    ) -> io::Result<()> {
        // It does not know the torrent, or its contents: it would refuse, too.
        let Some(swarm) = self.swarm(InfoHash(handshake.info_hash.0)) else { return Ok(()) };
        let who = Who::came(addr, transport, handshake.peer_id);
        if swarm.is_banned(&who) {
            return Ok(());
        }
        // Browsers, of which a room has a few, are never sent away: their way here is a channel that was made for this.
        let seat = swarm.seats.take();
        if seat.is_none() && !addr.ip().is_loopback() {
            return Ok(());
        }
        let mut client = TcpStream::connect(swarm.listener()).await?;
        client.set_nodelay(true)?;
        client.write_all(&handshake.to_bytes()).await?;
        let who = Who { seen: client.local_addr()?, ..who };
        relay::relay(client, peer, &swarm, who).await;
        Ok(())
    }
}
