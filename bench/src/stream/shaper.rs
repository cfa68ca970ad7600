//! A slow and distant line in front of a TCP service: a rate that all its connections share, and a delay each way.
//!
//! In this program, since not every kernel can shape traffic (netem), and nobody should need root for it.

use anyhow::{Context as _, Result};
use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

/// What a line is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    /// Bytes a second towards the client; the other way is free.
    pub(super) rate: f64,
    /// How long bytes are on their way, one way.
    pub(super) delay: Duration,
}

/// What may wait in front of a line, as in a router whose queue is not bloated.
const QUEUE: Duration = Duration::from_millis(30);
/// Bytes that leave at once: at 50 KB/s, 40 ms.
const PACKET: usize = 2048;
/// Packets that are on their way. More than a line of 40 MB/s and 50 ms holds.
const PACKETS: usize = 1024;
/// Bytes that the system keeps for a socket: the line's length is in the queue above, not there.
const SOCKET_BYTES: usize = 32 * 1024;

/// A line to `target`; the address where it begins. It lasts as long as the program.
pub(super) fn line(target: SocketAddr, line: Line) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("begin a line")?;
    let entry = listener.local_addr().context("a line's address")?;
    let free = Arc::new(Mutex::new(Instant::now()));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let free = free.clone();
            thread::spawn(move || {
                let Ok(server) = connect(target) else { return };
                let pair = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
                let (Some((up_from, up_to)), Some((down_to, down_from))) = (pair(), pair()) else { return };
                let up = Arc::new(Mutex::new(Instant::now()));
                carry(up_from, up_to, Line { rate: f64::INFINITY, ..line }, up);
                carry(down_from, down_to, line, free);
            });
        }
    });
    Ok(entry)
}

/// A peer that takes connections and never says a word.
pub(super) fn dead() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("make a dead peer")?;
    let entry = listener.local_addr().context("a dead peer's address")?;
    thread::spawn(move || listener.incoming().map_while(Result::ok).collect::<Vec<_>>());
    Ok(entry)
}

fn connect(target: SocketAddr) -> Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(target), socket2::Type::STREAM, None)?;
    // Before it is connected, or the window is agreed already.
    socket.set_recv_buffer_size(SOCKET_BYTES)?;
    socket.set_tcp_nodelay(true)?;
    socket.connect(&target.into())?;
    Ok(socket.into())
}

fn carry(mut from: TcpStream, mut to: TcpStream, line: Line, free: Arc<Mutex<Instant>>) {
    let (sender, packets) = mpsc::sync_channel::<(Instant, Vec<u8>)>(PACKETS);
    thread::spawn(move || {
        let mut buffer = vec![0; PACKET];
        while let Ok(bytes @ 1..) = from.read(&mut buffer) {
            let leaves = {
                let mut free = free.lock().unwrap_or_else(PoisonError::into_inner);
                #[allow(clippy::cast_precision_loss, reason = "a packet is small")]
                let duration = Duration::from_secs_f64(bytes as f64 / line.rate);
                *free = (*free).max(Instant::now()) + duration;
                *free
            };
            if sender.send((leaves + line.delay, buffer[..bytes].to_vec())).is_err() {
                break;
            }
            thread::sleep(leaves.saturating_duration_since(Instant::now() + QUEUE));
        }
        let _ = from.shutdown(Shutdown::Read);
    });
    thread::spawn(move || {
        let _ = to.set_nodelay(true);
        for (arrival, packet) in packets {
            thread::sleep(arrival.saturating_duration_since(Instant::now()));
            if to.write_all(&packet).is_err() {
                break;
            }
        }
        // Whichever way ends, both do: so it is with peers.
        let _ = to.shutdown(Shutdown::Both);
    });
}
