//! A peer between librqbit and us, whoever connected to whom: what they say to each other is passed on, but for what the pool does: requests, blocks and chokes.
//! librqbit takes itself to be choked for ever, and asks nothing of it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use streamshare_webtorrent::wire::limits::FRAME_BYTES_MAX;
use streamshare_webtorrent::wire::{Frame, Frames};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::extended;
use super::message::{
    BITFIELD, CANCEL, CHOKE, EXTENDED, HAVE, INTERESTED, NOT_INTERESTED, PIECE, REQUEST, UNCHOKE, number,
};
use super::swarm::{Outbox, Swarm};
use super::{Connection, FIRST_BYTES_TIMEOUT};
use crate::Transport;
use crate::pool::PeerKey;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// How long a side may be silent: peers say something every two minutes (BEP 3). librqbit, which has a limit of its own, hears from each meanwhile.
const SILENCE_MAX: Duration = Duration::from_secs(150);
/// Portions that wait for a slow side before the other is read no further: of blocks that we give, 2 MiB.
const PORTIONS: usize = 32;
/// librqbit lets the system join what it writes (Nagle's algorithm, RFC 1122, 4.2.3.4): a small frame behind another one waits until that one
/// is acknowledged, which takes the system 40 ms or more, unless there is something to send back: a frame that means nothing (BEP 3).
pub(super) const ANSWER: Bytes = Bytes::from_static(&[0; 4]);
/// More than that has not waited to be joined.
pub(super) const ANSWERED_BYTES: usize = 1 << 10;
/// Small frames are joined to so many bytes before they are written.
const JOINED_BYTES: usize = 4 << 10;

/// A peer, as far as it matters to know it again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    /// Where it is.
    pub(super) addr: SocketAddr,
    /// Where it is for librqbit.
    pub(super) seen: SocketAddr,
    pub(super) transport: Transport,
    /// What a peer calls itself that came to us; nothing of one that was connected to.
    pub(super) came: Option<[u8; 20]>,
}

/// By what a peer is known again that was shut out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    /// Where it listens.
    Address(SocketAddr),
    /// Where it came from; its port is another each time.
    Host(IpAddr),
    /// Its name: who comes out of a browser comes from this machine.
    Name([u8; 20]),
}

impl Who {
    /// A peer that is connected to.
    pub(super) fn dialled(addr: SocketAddr, transport: Transport) -> Self {
        Self { addr, seen: addr, transport, came: None }
    }

    /// A peer that came.
    pub(super) fn came(addr: SocketAddr, transport: Transport, peer_id: [u8; 20]) -> Self {
        Self { addr, seen: addr, transport, came: Some(peer_id) }
    }

    pub(super) fn identity(&self) -> Identity {
        match self.came {
            None => Identity::Address(self.addr),
            Some(peer_id) if self.addr.ip().is_loopback() => Identity::Name(peer_id),
            Some(_) => Identity::Host(self.addr.ip()),
        }
    }
}

/// Runs until either side ends. The handshake of the side that connected has been passed on.
pub(super) async fn relay(client: TcpStream, peer: Box<dyn Connection>, swarm: &Arc<Swarm>, who: Who) {
    let (key, outbox, ban) = swarm.enter(who);
    let _leave = Leave { swarm, key };
    let (from_client, to_client) = client.into_split();
    let (from_peer, to_peer) = tokio::io::split(peer);
    let (client_sender, client_receiver) = mpsc::channel(PORTIONS);
    let (peer_sender, peer_receiver) = mpsc::channel(PORTIONS);
    // It says nothing more after its handshake until it has got the other one, so this does not come before that.
    let answer = client_sender.clone();
    let ended = tokio::select! {
        ended = hear(from_peer, who.came.is_none(), client_sender, None, |frame| take_from_peer(swarm, key, who, frame)) => ended,
        ended = hear(from_client, who.came.is_some(), peer_sender, Some(answer), |frame| Ok(take_from_client(swarm, key, frame))) => ended,
        ended = tell(to_client, client_receiver, None) => ended,
        ended = tell(to_peer, peer_receiver, Some(outbox)) => ended,
        () = ban.cancelled() => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(info_hash = %swarm.info_hash, %error, "a peer is gone");
    }
}

struct Leave<'a> {
    swarm: &'a Arc<Swarm>,
    key: PeerKey,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.swarm.leave(self.key);
    }
}

/// Reads what one side says, and passes on what `take` leaves of each frame. `is_asked` tells that its handshake is to come, being the answer
/// to the other's. `answer` leads back to who speaks, where it waits for acknowledgements.
async fn hear(
    mut reader: impl AsyncRead + Unpin,
    mut is_asked: bool,
    other: mpsc::Sender<Bytes>,
    answer: Option<mpsc::Sender<Bytes>>,
    mut take: impl FnMut(Frame) -> io::Result<Option<Bytes>>,
) -> io::Result<()> {
    let mut frames = Frames::new(FRAME_BYTES_MAX);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        // One that says nothing does not keep its seat.
        let patience = if is_asked { FIRST_BYTES_TIMEOUT } else { SILENCE_MAX };
        let count = tokio::time::timeout(patience, reader.read(&mut buffer)).await??;
        if count == 0 {
            return Ok(());
        }
        frames.push(&buffer[..count]);
        let mut passed = BytesMut::new();
        if is_asked {
            let Some(handshake) = frames.next_handshake().map_err(io::Error::other)? else { continue };
            passed.extend_from_slice(&handshake.to_bytes());
            is_asked = false;
        }
        while let Some(frame) = frames.next_frame().map_err(io::Error::other)? {
            if let Some(bytes) = take(frame)? {
                passed.extend_from_slice(&bytes);
            }
        }
        if let Some(answer) = answer.as_ref().filter(|_| count < ANSWERED_BYTES) {
            // Where much waits to be sent back, nothing is missing.
            let _ = answer.try_send(ANSWER);
        }
        if !passed.is_empty() && other.send(passed.freeze()).await.is_err() {
            return Ok(());
        }
    }
}

/// Tells the pool of a peer's message; what librqbit is to hear of it.
fn take_from_peer(swarm: &Arc<Swarm>, key: PeerKey, who: Who, frame: Frame) -> io::Result<Option<Bytes>> {
    let payload = frame.payload();
    let is_right = match frame.id() {
        Some(PIECE) => {
            let (Some(piece), Some(begin)) = (number(payload, 0), number(payload, 4)) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let length = u32::try_from(payload.len() - 8).map_err(io::Error::other)?;
            let sum = swarm.checksum(&payload[8..]);
            let bytes = frame.into_bytes();
            let is_right = swarm.act_on(Some(&bytes), |pool, now| pool.block(key, (piece, begin), length, sum, now));
            return if is_right { Ok(None) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        Some(id @ (CHOKE | UNCHOKE)) => {
            swarm.act(|pool, now| pool.choke(key, id == CHOKE, now));
            return Ok(None);
        }
        Some(BITFIELD) => swarm.act(|pool, now| pool.bitfield(key, payload, now)),
        Some(HAVE) => match number(payload, 0) {
            Some(piece) => swarm.act(|pool, now| pool.have(key, piece, now)),
            None => false,
        },
        // To librqbit, who comes through the door comes from this machine.
        Some(EXTENDED) if who.came.is_some() && payload.first() == Some(&0) && !who.addr.ip().is_loopback() => {
            return Ok(extended::introduce(&payload[1..], who.addr.ip()));
        }
        _ => true,
    };
    if is_right { Ok(Some(frame.into_bytes())) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Tells the pool of librqbit's message; what the peer is to hear of it.
fn take_from_client(swarm: &Arc<Swarm>, key: PeerKey, frame: Frame) -> Option<Bytes> {
    match frame.id() {
        // It thinks that it is choked, and has asked for nothing.
        Some(REQUEST | CANCEL) => return None,
        Some(id @ (INTERESTED | NOT_INTERESTED)) => swarm.act(|pool, now| pool.want(key, id == INTERESTED, now)),
        _ => {}
    }
    Some(frame.into_bytes())
}

/// Writes what is to be said; what the pool says goes first.
async fn tell(
    mut writer: impl AsyncWrite + Unpin,
    mut portions: mpsc::Receiver<Bytes>,
    mut outbox: Option<Outbox>,
) -> io::Result<()> {
    loop {
        let pool = async {
            match &mut outbox {
                Some(outbox) => outbox.recv().await,
                None => std::future::pending().await,
            }
        };
        let (first, is_pool) = tokio::select! {
            biased;
            frame = pool => (frame, true),
            portion = portions.recv() => (portion, false),
        };
        let Some(first) = first else { return Ok(()) };
        if !is_pool {
            writer.write_all(&first).await?;
            writer.flush().await?;
            continue;
        }
        let mut joined = BytesMut::from(first);
        while joined.len() < JOINED_BYTES
            && let Some(Ok(more)) = outbox.as_mut().map(Outbox::try_recv)
        {
            joined.extend_from_slice(&more);
        }
        writer.write_all(&joined).await?;
        writer.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use streamshare_webtorrent::tracker;
    use streamshare_webtorrent::wire::Handshake;

    use super::*;

    #[tokio::test]
    async fn small_frames_are_answered_once_the_handshake_is_over() {
        let (mut client, reader) = tokio::io::duplex(READ_BYTES);
        let (other, mut passed) = mpsc::channel(PORTIONS);
        let (answer, mut answers) = mpsc::channel(PORTIONS);
        let hearing = tokio::spawn(hear(reader, true, other, Some(answer), |frame| Ok(Some(frame.into_bytes()))));
        let info_hash = tracker::InfoHash([1; 20]);
        let handshake = Handshake { reserved: [0; 8], info_hash, peer_id: [2; 20] }.to_bytes();
        client.write_all(&handshake[..30]).await.unwrap();
        tokio::task::yield_now().await;
        assert!(answers.try_recv().is_err());
        client.write_all(&handshake[30..]).await.unwrap();
        assert_eq!(passed.recv().await.unwrap()[..], handshake[..]);
        assert_eq!(answers.recv().await.unwrap(), ANSWER);
        let interested = [0, 0, 0, 1, INTERESTED];
        client.write_all(&interested).await.unwrap();
        assert_eq!(passed.recv().await.unwrap()[..], interested[..]);
        assert_eq!(answers.recv().await.unwrap(), ANSWER);
        // A block has not waited for anything.
        let block = [&[0, 0, 0x40, 9, PIECE][..], &[0; 8 + (16 << 10)]].concat();
        client.write_all(&block).await.unwrap();
        assert_eq!(passed.recv().await.unwrap()[..], block[..]);
        drop(client);
        hearing.await.unwrap().unwrap();
        assert!(answers.recv().await.is_none());
    }
}
