//! Keeps what a peer says before this side listens.
//!
//! A browser begins with DTLS as soon as one of its checks was answered. This side has to choose that way first, a round trip
//! later, and webrtc-rs drops what comes before (rtc 0.21, `IceHandler::handle_read`). The browser says it again after
//! twice the time that its check took, in which our side waited for its answer to come over the tracker, then after four
//! times that: 160 and 450 ms later were measured where 10 were enough. So it is heard again here, until it is answered.

use super::lock;
use std::{
    fmt,
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

/// How often it is heard again: a fraction of what connecting takes next door.
const INTERVAL: Duration = Duration::from_millis(5);
/// How often at most: for a second, in which the other side says it again a few times.
const TIMES_MAX: u32 = 200;
/// Packets that are kept of each socket. A browser's first word takes two.
const PACKETS_MAX: usize = 4;
/// Bytes of a packet that is kept: none is larger on its way through the internet.
const PACKET_BYTES_MAX: usize = 1500;

/// A socket that hears again what came too early.
pub(super) struct Early {
    udp: Arc<dyn AsyncUdpSocket>,
    /// This side speaks DTLS, over any of its sockets: whatever came too early was heard.
    has_spoken: Arc<AtomicBool>,
    kept: Mutex<Kept>,
}

struct Kept {
    packets: Vec<(SocketAddr, Vec<u8>)>,
    /// Which of them is heard next; the first one once the time has come.
    next: usize,
    times: u32,
    due: Pin<Box<Sleep>>,
}

impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Early").field("udp", &self.udp).finish_non_exhaustive()
    }
}

impl Early {
    /// To be made within a Tokio runtime. `has_spoken` is one for all sockets of a connection.
    pub(super) fn new(udp: Arc<dyn AsyncUdpSocket>, has_spoken: Arc<AtomicBool>) -> Self {
        let kept = Kept { packets: Vec::new(), next: 0, times: 0, due: Box::pin(sleep(Duration::ZERO)) };
        Self { udp, has_spoken, kept: Mutex::new(kept) }
    }
}

impl AsyncUdpSocket for Early {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if is_dtls(transmit.contents) && !self.has_spoken.load(Ordering::Relaxed) {
            self.has_spoken.store(true, Ordering::Relaxed);
            lock(&self.kept).packets = Vec::new();
        }
        self.udp.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.has_spoken.load(Ordering::Relaxed) {
            return self.udp.poll_recv(cx, bufs, meta);
        }
        let mut kept = lock(&self.kept);
        let Poll::Ready(received) = self.udp.poll_recv(cx, bufs, meta) else { return kept.poll(cx, bufs, meta) };
        if let Ok(count) = received {
            for (buffer, meta) in bufs.iter().zip(&*meta).take(count) {
                let packets = buffer[..meta.len].chunks(meta.stride.max(1));
                packets.for_each(|packet| kept.take(meta.addr, packet));
            }
        }
        Poll::Ready(received)
    }

    fn max_gso_segments(&self) -> usize {
        self.udp.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.udp.max_gro_segments()
    }
}

impl Kept {
    fn take(&mut self, from: SocketAddr, packet: &[u8]) {
        if !is_dtls(packet) || packet.len() > PACKET_BYTES_MAX || self.times >= TIMES_MAX {
            return;
        }
        // What was said again is as good as what was said.
        if self.packets.len() >= PACKETS_MAX {
            self.packets.clear();
            self.next = 0;
        }
        self.packets.push((from, packet.to_vec()));
        self.due.as_mut().reset(Instant::now() + INTERVAL);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.packets.is_empty() {
            return Poll::Pending;
        }
        if self.next == 0 {
            ready!(self.due.as_mut().poll(cx));
        }
        let ((from, packet), [buffer, ..], [meta, ..]) = (&self.packets[self.next], bufs, meta) else {
            return Poll::Ready(Ok(0));
        };
        let count = packet.len().min(buffer.len());
        buffer[..count].copy_from_slice(&packet[..count]);
        *meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (*from, count, count);
        self.next = (self.next + 1) % self.packets.len();
        if self.next == 0 {
            self.times += 1;
            self.due.as_mut().reset(Instant::now() + INTERVAL);
            if self.times >= TIMES_MAX {
                self.packets = Vec::new();
            }
        }
        Poll::Ready(Ok(1))
    }
}

/// RFC 7983, section 7.
fn is_dtls(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| (20..=63).contains(first))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::poll_fn, net::UdpSocket};
    use tokio::time::timeout;
    use webrtc::runtime::{Runtime, TokioRuntime};

    async fn receive(socket: &Early) -> Vec<u8> {
        let (mut buffer, mut meta) = ([0; 2000], [RecvMeta::default()]);
        let received = poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta));
        assert_eq!(timeout(Duration::from_secs(20), received).await.unwrap().unwrap(), 1);
        buffer[..meta[0].len].to_vec()
    }

    async fn send(socket: &Early, to: SocketAddr, contents: &[u8]) {
        let transmit = Transmit { destination: to, ecn: None, contents, segment_size: None, src_ip: None };
        poll_fn(|cx| socket.poll_send(cx, &transmit)).await.unwrap();
    }

    #[tokio::test]
    async fn what_came_too_early_is_heard_again_until_it_is_answered() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        let socket = Early::new(TokioRuntime.wrap_udp_socket(udp).unwrap(), Arc::default());
        let to = socket.local_addr().unwrap();
        let browser = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = browser.local_addr().unwrap();
        // A check, and the two parts of the first word.
        let said: [&[u8]; 3] = [&[0, 1], &[22, 254, 255, 1], &[22, 254, 255, 2]];
        for packet in said {
            browser.send_to(packet, to).unwrap();
            assert_eq!(receive(&socket).await, packet);
        }
        // Our own checks do not count.
        send(&socket, from, &[0, 1]).await;
        for _ in 0..3 {
            assert_eq!(receive(&socket).await, said[1]);
            assert_eq!(receive(&socket).await, said[2]);
        }
        send(&socket, from, &[22, 254, 253]).await;
        browser.send_to(b"!", to).unwrap();
        assert_eq!(receive(&socket).await, b"!");
    }

    #[tokio::test]
    async fn not_for_ever() {
        let mut kept =
            Kept { packets: Vec::new(), next: 0, times: TIMES_MAX - 3, due: Box::pin(sleep(Duration::ZERO)) };
        let from: SocketAddr = "192.0.2.1:1".parse().unwrap();
        for number in 0..=u8::try_from(PACKETS_MAX).unwrap() {
            kept.take(from, &[22, number]);
        }
        kept.take(from, &[0]);
        kept.take(from, &[22; PACKET_BYTES_MAX + 1]);
        assert_eq!(kept.packets, [(from, vec![22, 4])]);
        let (mut buffer, mut meta) = ([0; 2], [RecvMeta::default()]);
        for _ in 0..3 {
            poll_fn(|cx| kept.poll(cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta)).await.unwrap();
            assert_eq!(buffer, [22, 4]);
        }
        kept.take(from, &[22]);
        assert!(kept.packets.is_empty());
    }
}
