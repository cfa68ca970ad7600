//! Wakes librqbit's idle peers when a reader wants what nobody fetches.
//!
//! Of a film that exceeds the cache nothing is selected, so that only what readers want next is fetched. Peers that have nothing to fetch
//! look again every 5 s, or when a peer goes that had something to give: whoever seeks would wait for so long. So a peer comes to
//! librqbit's own listener that claims to have everything, and goes as soon as it is asked for something.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::torrents::{Torrent, Torrents};
use crate::{InfoHash, session};

/// What the visit may take, and the least time between two.
const LIMIT: Duration = Duration::from_millis(500);
/// Messages of librqbit's before it asks for something: its bitfield, and a HAVE for what comes in meanwhile.
const MESSAGES_MAX: usize = 64;
/// The largest of them: the bitfield of the largest torrent that is accepted.
const MESSAGE_LEN_MAX: usize = 1 << 20;

const BITFIELD: u8 = 5;
const UNCHOKE: u8 = 1;
const REQUEST: u8 = 6;

/// Wakes the peers of a torrent, unless that was just done; does not wait for it.
pub(crate) fn nudge(torrents: &Torrents, torrent: &Arc<Torrent>, file_index: usize) {
    let is_selected = torrent.handle.only_files().is_none_or(|only| only.contains(&file_index));
    let Some(listener) = torrents.listener().filter(|_| !is_selected && torrent.handle.live().is_some()) else {
        return;
    };
    if torrent.is_nudged.swap(true, Ordering::AcqRel) {
        return;
    }
    let torrent = torrent.clone();
    tokio::spawn(async move {
        let info = &torrent.info;
        let visit = tokio::time::timeout(LIMIT, visit(listener, info.info_hash, info.piece_count));
        match torrent.cancel.run_until_cancelled(visit).await {
            Some(Ok(Ok(()))) | None => {}
            Some(Ok(Err(error))) => tracing::debug!(%error, "idle peers are not woken"),
            Some(Err(_)) => tracing::debug!("idle peers are not woken in time"),
        }
        tokio::time::sleep(LIMIT).await;
        torrent.is_nudged.store(false, Ordering::Release);
    });
}

async fn visit(listener: SocketAddr, info_hash: InfoHash, piece_count: u32) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(near(listener)).await?;
    let mut hello = Vec::from(*b"\x13BitTorrent protocol\0\0\0\0\0\0\0\0");
    hello.extend_from_slice(&info_hash.0);
    hello.extend_from_slice(&session::peer_id().map_err(std::io::Error::other)?);
    stream.write_all(&hello).await?;
    let mut answer = [0; 68];
    stream.read_exact(&mut answer).await?;
    let bits = session::all_pieces(piece_count as usize);
    let length = u32::try_from(bits.len() + 1).map_err(std::io::Error::other)?;
    let mut messages = length.to_be_bytes().to_vec();
    messages.push(BITFIELD);
    messages.extend_from_slice(&bits);
    messages.extend_from_slice(&1_u32.to_be_bytes());
    messages.push(UNCHOKE);
    stream.write_all(&messages).await?;
    for _ in 0..MESSAGES_MAX {
        let length = stream.read_u32().await? as usize;
        if length > MESSAGE_LEN_MAX {
            return Err(std::io::ErrorKind::InvalidData.into());
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await?;
        if message.first() == Some(&REQUEST) {
            return Ok(());
        }
    }
    Ok(())
}

/// Where to reach a listener from here.
fn near(mut listener: SocketAddr) -> SocketAddr {
    if listener.ip().is_unspecified() {
        listener.set_ip(match listener.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    listener
}
