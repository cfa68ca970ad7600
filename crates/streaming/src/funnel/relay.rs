//! A peer that librqbit has connected to: what they say to each other is passed on, but for what the pool does: requests, blocks and chokes.
//! librqbit takes itself to be choked for ever, and asks nothing of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use streamshare_webtorrent::wire::limits::FRAME_BYTES_MAX;
use streamshare_webtorrent::wire::{Frame, Frames};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::message::{BITFIELD, CANCEL, CHOKE, HAVE, INTERESTED, NOT_INTERESTED, PIECE, REQUEST, UNCHOKE, number};
use super::swarm::{Outbox, Swarm};
use super::{Connection, FIRST_BYTES_TIMEOUT};
use crate::Transport;
use crate::pool::PeerKey;

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// Portions that wait for a slow side before the other is read no further: of blocks that we give, 2 MiB.
const PORTIONS: usize = 32;
/// Small frames are joined to so many bytes before they are written.
const JOINED_BYTES: usize = 4 << 10;

/// Runs until either side ends, our handshake having been passed on. Whether the peer is to be given up for good.
pub(super) async fn relay(
    client: TcpStream,
    peer: Box<dyn Connection>,
    swarm: &Arc<Swarm>,
    addr: SocketAddr,
    transport: Transport,
) -> bool {
    let (key, outbox, ban) = swarm.enter(addr, transport);
    let _leave = Leave { swarm, key };
    let (from_client, to_client) = client.into_split();
    let (from_peer, to_peer) = tokio::io::split(peer);
    let (client_sender, client_receiver) = mpsc::channel(PORTIONS);
    let (peer_sender, peer_receiver) = mpsc::channel(PORTIONS);
    let ended = tokio::select! {
        ended = hear_peer(swarm, key, from_peer, client_sender) => ended,
        ended = hear_client(swarm, key, from_client, peer_sender) => ended,
        ended = tell(to_client, client_receiver, None) => ended,
        ended = tell(to_peer, peer_receiver, Some(outbox)) => ended,
        () = ban.cancelled() => Ok(()),
    };
    if let Err(error) = ended {
        tracing::debug!(info_hash = %swarm.info_hash, %error, "a peer is gone");
    }
    ban.is_cancelled() && !swarm.has_ended()
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

/// What a peer says.
async fn hear_peer(
    swarm: &Arc<Swarm>,
    key: PeerKey,
    mut reader: impl AsyncRead + Unpin,
    client: mpsc::Sender<Bytes>,
) -> io::Result<()> {
    let mut frames = Frames::new(FRAME_BYTES_MAX);
    let mut buffer = vec![0; READ_BYTES];
    let mut is_greeted = false;
    loop {
        // One that never says a word does not keep its seat.
        let patience = if is_greeted { Duration::MAX } else { FIRST_BYTES_TIMEOUT };
        let count = tokio::time::timeout(patience, reader.read(&mut buffer)).await??;
        if count == 0 {
            return Ok(());
        }
        frames.push(&buffer[..count]);
        let mut passed = BytesMut::new();
        if !is_greeted {
            let Some(handshake) = frames.next_handshake().map_err(io::Error::other)? else { continue };
            passed.extend_from_slice(&handshake.to_bytes());
            is_greeted = true;
        }
        while let Some(frame) = frames.next_frame().map_err(io::Error::other)? {
            if take(swarm, key, &frame)? {
                passed.extend_from_slice(&frame.into_bytes());
            }
        }
        if !passed.is_empty() && client.send(passed.freeze()).await.is_err() {
            return Ok(());
        }
    }
}

/// Tells the pool of a peer's message; whether librqbit is to hear it, too.
fn take(swarm: &Arc<Swarm>, key: PeerKey, frame: &Frame) -> io::Result<bool> {
    let payload = frame.payload();
    let is_right = match frame.id() {
        Some(PIECE) => {
            let (Some(piece), Some(begin)) = (number(payload, 0), number(payload, 4)) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let length = u32::try_from(payload.len() - 8).map_err(io::Error::other)?;
            let bytes = frame.clone().into_bytes();
            let is_right = swarm.act_on(Some(&bytes), |pool, now| pool.block(key, (piece, begin), length, now));
            return if is_right { Ok(false) } else { Err(io::ErrorKind::InvalidData.into()) };
        }
        Some(id @ (CHOKE | UNCHOKE)) => {
            swarm.act(|pool, now| pool.choke(key, id == CHOKE, now));
            return Ok(false);
        }
        Some(BITFIELD) => swarm.act(|pool, now| pool.bitfield(key, payload, now)),
        Some(HAVE) => match number(payload, 0) {
            Some(piece) => swarm.act(|pool, now| pool.have(key, piece, now)),
            None => false,
        },
        _ => true,
    };
    if is_right { Ok(true) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// What librqbit says.
async fn hear_client(
    swarm: &Arc<Swarm>,
    key: PeerKey,
    mut reader: impl AsyncRead + Unpin,
    peer: mpsc::Sender<Bytes>,
) -> io::Result<()> {
    let mut frames = Frames::new(FRAME_BYTES_MAX);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        frames.push(&buffer[..count]);
        let mut passed = BytesMut::new();
        while let Some(frame) = frames.next_frame().map_err(io::Error::other)? {
            match frame.id() {
                // It thinks that it is choked, and has asked for nothing.
                Some(REQUEST | CANCEL) => continue,
                Some(id @ (INTERESTED | NOT_INTERESTED)) => {
                    swarm.act(|pool, now| pool.want(key, id == INTERESTED, now));
                }
                _ => {}
            }
            passed.extend_from_slice(&frame.into_bytes());
        }
        if !passed.is_empty() && peer.send(passed.freeze()).await.is_err() {
            return Ok(());
        }
    }
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
