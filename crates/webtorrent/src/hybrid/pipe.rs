//! Carries bytes between a channel, the shim and the client's TCP connection.

use super::{bridges::Bridges, client::greet};
use crate::{
    channel::{Channel, MESSAGE_BYTES_MAX},
    wire::{Shim, WireError},
};
use bytes::{Buf, Bytes, BytesMut};
use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long the client may take for what a peer sent before it left.
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// Bytes read from the client at a time.
const READ_BYTES: usize = 64 * 1024;

/// Bytes over the channels of a torrent, framing included.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) up: AtomicU64,
    pub(super) down: AtomicU64,
}

/// Why a channel ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(super) enum PipeError {
    #[error("the peer was given up")]
    Wire(#[from] WireError),
    #[error("the client cannot be reached")]
    Client(#[source] io::Error),
    /// The peer has another channel, which stays.
    #[error("the peer is connected already")]
    Duplicate,
}

/// Runs until either side closes, the peer is given up or `cancel` says so. `admit` decides about the peer once its
/// handshake has told its id, and gives what ends it otherwise.
pub(super) async fn pipe(
    mut channel: Channel,
    listener: SocketAddr,
    mut shim: Shim,
    (traffic, bridges): (&Traffic, &Bridges),
    cancel: &CancellationToken,
    admit: impl FnOnce([u8; 20]) -> Option<CancellationToken>,
) -> Result<(), PipeError> {
    let mut to_peer = Bytes::new();
    let mut talk = Talk { channel: &mut channel, shim: &mut shim, to_peer: &mut to_peer, traffic, cancel };
    let Some(peer_id) = talk.until(|shim| shim.peer_id()).await? else { return Ok(()) };
    let replaced = admit(peer_id).ok_or(PipeError::Duplicate)?;
    // The client is not bothered before there is a handshake for it: librqbit 9.1 (`Session::task_listener`) forgets the
    // connections that it has just accepted, until the next one comes, when one of them ends without a handshake.
    let handshake = tokio::select! {
        handshake = talk.until(Shim::poll_client) => handshake?,
        () = replaced.cancelled() => return Err(PipeError::Duplicate),
    };
    let Some(handshake) = handshake else { return Ok(()) };
    let (client, _bridge) = tokio::select! {
        greeted = greet(listener, &handshake, bridges) => greeted.map_err(PipeError::Client)?,
        () = cancel.cancelled() => return Ok(()),
        () = replaced.cancelled() => return Err(PipeError::Duplicate),
    };
    carry(channel, client, shim, to_peer, traffic, [cancel, &replaced]).await
}

/// What there is before the client is connected.
struct Talk<'a> {
    channel: &'a mut Channel,
    shim: &'a mut Shim,
    to_peer: &'a mut Bytes,
    traffic: &'a Traffic,
    cancel: &'a CancellationToken,
}

impl Talk<'_> {
    /// Talks with the peer alone until the shim has what is asked for; nothing when the talk is over. Cancel safe.
    async fn until<T>(&mut self, mut ready: impl FnMut(&mut Shim) -> Option<T>) -> Result<Option<T>, PipeError> {
        let Self { channel, shim, to_peer, traffic, cancel } = self;
        loop {
            if let Some(value) = ready(shim) {
                return Ok(Some(value));
            }
            fill(to_peer, || shim.poll_peer());
            tokio::select! {
                permit = channel.sender.reserve(), if !to_peer.is_empty() => {
                    let Ok(permit) = permit else { return Ok(None) };
                    send(permit, to_peer, traffic);
                }
                message = channel.receiver.recv() => {
                    let Some(message) = message else { return Ok(None) };
                    receive(shim, &message, traffic)?;
                }
                () = tokio::time::sleep_until(shim.poll_timeout().into()) => shim.handle_timeout(Instant::now())?,
                () = cancel.cancelled() => return Ok(None),
            }
        }
    }
}

async fn carry(
    mut channel: Channel,
    mut client: TcpStream,
    mut shim: Shim,
    mut to_peer: Bytes,
    traffic: &Traffic,
    [cancel, replaced]: [&CancellationToken; 2],
) -> Result<(), PipeError> {
    let (mut reader, mut writer) = client.split();
    let mut to_client = Bytes::new();
    let mut read = vec![0; READ_BYTES];
    loop {
        fill(&mut to_peer, || shim.poll_peer());
        fill(&mut to_client, || shim.poll_client());
        tokio::select! {
            permit = channel.sender.reserve(), if !to_peer.is_empty() => {
                let Ok(permit) = permit else { break };
                send(permit, &mut to_peer, traffic);
            }
            written = writer.write(&to_client), if !to_client.is_empty() => {
                let Ok(written) = written else { return Ok(()) };
                to_client.advance(written);
            }
            count = reader.read(&mut read) => {
                let Ok(count @ 1..) = count else { return Ok(()) };
                shim.handle_client(&read[..count], Instant::now())?;
            }
            message = channel.receiver.recv() => {
                let Some(message) = message else { break };
                receive(&mut shim, &message, traffic)?;
            }
            () = tokio::time::sleep_until(shim.poll_timeout().into()) => shim.handle_timeout(Instant::now())?,
            () = cancel.cancelled() => return Ok(()),
            () = replaced.cancelled() => return Err(PipeError::Duplicate),
        }
    }
    // The peer has left; what it sent still counts.
    let drain = async {
        while !to_client.is_empty() {
            writer.write_all(&to_client).await?;
            to_client.clear();
            fill(&mut to_client, || shim.poll_client());
        }
        io::Result::Ok(())
    };
    drop(timeout(DRAIN_TIME, drain).await);
    Ok(())
}

/// Joins small frames, so that each message or write carries as much as it may.
fn fill(pending: &mut Bytes, mut next: impl FnMut() -> Option<Bytes>) {
    if !pending.is_empty() {
        return;
    }
    let Some(first) = next() else { return };
    // A block fills a message well enough, and need not be copied.
    if first.len() >= MESSAGE_BYTES_MAX / 4 {
        *pending = first;
        return;
    }
    let mut joined = BytesMut::from(first);
    while joined.len() < MESSAGE_BYTES_MAX / 2
        && let Some(more) = next()
    {
        joined.extend_from_slice(&more);
    }
    *pending = joined.freeze();
}

fn send(permit: tokio::sync::mpsc::Permit<'_, Bytes>, to_peer: &mut Bytes, traffic: &Traffic) {
    traffic.up.fetch_add(to_peer.len() as u64, Ordering::Relaxed);
    permit.send(std::mem::take(to_peer));
}

fn receive(shim: &mut Shim, message: &[u8], traffic: &Traffic) -> Result<(), WireError> {
    traffic.down.fetch_add(message.len() as u64, Ordering::Relaxed);
    shim.handle_peer(message, Instant::now())
}
