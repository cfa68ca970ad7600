//! A lane: a connection to librqbit's own listener, as of a peer that has what all peers have together.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use streamshare_webtorrent::tracker;
use streamshare_webtorrent::wire::limits::FRAME_BYTES_MAX;
use streamshare_webtorrent::wire::{Frames, Handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::sync::CancellationToken;

use super::message::{CANCEL, REQUEST, number};
use super::relay::{ANSWER, ANSWERED_BYTES};
use super::swarm::{Outbox, Swarm};
use crate::pool::LaneKey;

/// librqbit drops who is silent for longer than it was told ([`crate::session`]): 110 s.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long librqbit, on this machine, may take for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 8 << 10;

/// Runs a lane until either side ends it.
pub(super) async fn run(swarm: Arc<Swarm>, key: LaneKey, outbox: Outbox, close: CancellationToken) {
    let mut addr = None;
    let ran = close.run_until_cancelled(serve(&swarm, key, outbox, &mut addr)).await;
    if let Some(Err(error)) = ran {
        tracing::debug!(info_hash = %swarm.info_hash, %error, "a lane ended");
    }
    swarm.lane_ended(key, addr);
}

async fn serve(swarm: &Arc<Swarm>, key: LaneKey, outbox: Outbox, addr: &mut Option<SocketAddr>) -> io::Result<()> {
    let mut stream = TcpStream::connect(swarm.listener()).await?;
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    *addr = Some(local);
    swarm.lane_connected(local);
    let mut peer_id = [0; 20];
    getrandom::fill(&mut peer_id).map_err(io::Error::other)?;
    let info_hash = tracker::InfoHash(swarm.info_hash.0);
    let handshake = Handshake { reserved: [0; 8], info_hash, peer_id };
    stream.write_all(&handshake.to_bytes()).await?;
    let mut frames = Frames::new(FRAME_BYTES_MAX);
    tokio::time::timeout(HANDSHAKE_TIMEOUT, shaken(&mut stream, &mut frames)).await??;
    swarm.act(|pool, now| pool.lane_ready(key, now));
    let (reader, writer) = stream.into_split();
    let brings = AtomicBool::new(false);
    tokio::select! {
        read = read(swarm, key, reader, frames, &brings) => read,
        written = write(writer, outbox, &brings) => written,
    }
}

async fn shaken(stream: &mut TcpStream, frames: &mut Frames) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        frames.push(&buffer[..count]);
        if frames.next_handshake().map_err(io::Error::other)?.is_some() {
            return Ok(());
        }
    }
}

/// `brings` tells whether a block was written since it was read last.
async fn read(
    swarm: &Arc<Swarm>,
    key: LaneKey,
    mut reader: OwnedReadHalf,
    mut frames: Frames,
    brings: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let mut asked = Vec::new();
        while let Some(frame) = frames.next_frame().map_err(io::Error::other)? {
            let (Some(id @ (REQUEST | CANCEL)), payload) = (frame.id(), frame.payload()) else { continue };
            let (Some(piece), Some(begin), Some(length)) = (number(payload, 0), number(payload, 4), number(payload, 8))
            else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            asked.push((id, (piece, begin), length));
        }
        if !asked.is_empty() {
            swarm.act(|pool, now| {
                for (id, place, length) in asked {
                    if id == REQUEST { pool.request(key, place, length) } else { pool.cancel(key, place) }
                }
                pool.review(now);
            });
        }
        let count = reader.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        frames.push(&buffer[..count]);
        // Blocks acknowledge as well.
        if !brings.swap(false, Ordering::Relaxed) && count < ANSWERED_BYTES {
            swarm.tell_lane(key, ANSWER);
        }
    }
}

async fn write(mut writer: OwnedWriteHalf, mut outbox: Outbox, brings: &AtomicBool) -> io::Result<()> {
    loop {
        match tokio::time::timeout(KEEP_ALIVE, outbox.recv()).await {
            Ok(Some(frame)) => {
                brings.fetch_or(frame.len() > ANSWERED_BYTES, Ordering::Relaxed);
                writer.write_all(&frame).await?;
            }
            Ok(None) => return Ok(()),
            Err(_) => writer.write_all(&[0; 4]).await?,
        }
    }
}
