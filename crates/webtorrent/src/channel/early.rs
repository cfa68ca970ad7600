//! Answers and keeps what a peer says before this side listens.
//!
//! A browser begins with DTLS as soon as one of its checks was answered. This side has to choose that way first, a round trip
//! later, and webrtc-rs drops what comes before (rtc 0.21, `IceHandler::handle_read`). The browser says it again after
//! twice the time that its check took, in which our side waited for its answer to come over the tracker, then after four
//! times that: 160 and 450 ms later were measured where 10 were enough. So it is heard again here, until it is answered.
//!
//! Its checks are answered even before its answer is here, see [`super::checks`]. They are heard again once it is: the browser
//! has found its way by then, and takes its time with the next one.

use super::{checks::Credentials, lock};
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
/// How often it is looked whether the peer's answer has come: for ten seconds.
const WAITS_MAX: u32 = 2000;
/// How often a check is heard again: the first time may be a moment too early.
const CHECK_TIMES: u32 = 2;
/// Packets that are kept of each socket. A browser's first word takes two.
const PACKETS_MAX: usize = 4;
/// Bytes of a packet that is kept: none is larger on its way through the internet.
const PACKET_BYTES_MAX: usize = 1500;

/// How far a connection is, for all of its sockets.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// This side speaks DTLS, over any of its sockets: whatever came too early was heard.
    has_spoken: AtomicBool,
    /// An offer was made, and its answer has not come.
    offered: Mutex<Option<Credentials>>,
}

impl Beginning {
    /// This side made an offer.
    pub(super) fn offered(&self, sdp: &str) {
        *lock(&self.offered) = Credentials::of(sdp);
    }

    /// webrtc-rs has the answer, and listens.
    pub(super) fn answered(&self) {
        lock(&self.offered).take();
    }
}

/// A socket that hears again what came too early.
pub(super) struct Early {
    udp: Arc<dyn AsyncUdpSocket>,
    beginning: Arc<Beginning>,
    kept: Mutex<Kept>,
}

type Packet = (SocketAddr, Vec<u8>);

struct Kept {
    /// The last check from each address.
    checks: Vec<Packet>,
    packets: Vec<Packet>,
    /// Which of them is heard next; the first one once the time has come.
    next: usize,
    times: u32,
    waits: u32,
    due: Pin<Box<Sleep>>,
}

impl fmt::Debug for Early {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Early").field("udp", &self.udp).finish_non_exhaustive()
    }
}

impl Early {
    /// To be made within a Tokio runtime. `beginning` is one for all sockets of a connection.
    pub(super) fn new(udp: Arc<dyn AsyncUdpSocket>, beginning: Arc<Beginning>) -> Self {
        Self { udp, beginning, kept: Mutex::new(Kept::new()) }
    }

    fn take(&self, from: SocketAddr, packet: &[u8], kept: &mut Kept, cx: &mut Context<'_>) {
        let answer = lock(&self.beginning.offered).as_ref().and_then(|offer| offer.answer(packet, from));
        if let Some(answer) = answer {
            kept.take_check(from, packet);
            let answer = Transmit { destination: from, ecn: None, contents: &answer, segment_size: None, src_ip: None };
            // Where it cannot be sent now, there will be another check.
            let _ = self.udp.poll_send(cx, &answer);
        }
        kept.take(from, packet);
    }
}

impl AsyncUdpSocket for Early {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.udp.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let has_spoken = &self.beginning.has_spoken;
        if is_dtls(transmit.contents) && !has_spoken.load(Ordering::Relaxed) {
            has_spoken.store(true, Ordering::Relaxed);
            lock(&self.kept).forget();
        }
        self.udp.poll_send(cx, transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.beginning.has_spoken.load(Ordering::Relaxed) {
            return self.udp.poll_recv(cx, bufs, meta);
        }
        let mut kept = lock(&self.kept);
        let Poll::Ready(received) = self.udp.poll_recv(cx, bufs, meta) else {
            let is_heard = lock(&self.beginning.offered).is_none();
            return kept.poll(is_heard, cx, bufs, meta);
        };
        if let Ok(count) = received {
            for (buffer, meta) in bufs.iter().zip(&*meta).take(count) {
                let packets = buffer[..meta.len].chunks(meta.stride.max(1));
                packets.for_each(|packet| self.take(meta.addr, packet, &mut kept, cx));
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
    fn new() -> Self {
        let due = Box::pin(sleep(Duration::ZERO));
        Self { checks: Vec::new(), packets: Vec::new(), next: 0, times: 0, waits: 0, due }
    }

    fn take_check(&mut self, from: SocketAddr, packet: &[u8]) {
        self.checks.retain(|(other, _)| *other != from);
        if self.checks.len() < PACKETS_MAX && packet.len() <= PACKET_BYTES_MAX {
            self.checks.push((from, packet.to_vec()));
            self.due.as_mut().reset(Instant::now() + INTERVAL);
        }
    }

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

    fn forget(&mut self) {
        (self.checks, self.packets) = (Vec::new(), Vec::new());
    }

    /// What is heard again, checks first; nothing before webrtc-rs hears it.
    fn poll(
        &mut self,
        is_heard: bool,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let checks = if self.times < CHECK_TIMES { self.checks.len() } else { 0 };
        let count = checks + self.packets.len();
        if count == 0 {
            return Poll::Pending;
        }
        while self.next == 0 {
            ready!(self.due.as_mut().poll(cx));
            if is_heard {
                break;
            }
            self.waits += 1;
            if self.waits > WAITS_MAX {
                self.forget();
                return Poll::Pending;
            }
            self.due.as_mut().reset(Instant::now() + INTERVAL);
        }
        // It may be less than before.
        let at = self.next.min(count - 1);
        let (from, packet) = if at < checks { &self.checks[at] } else { &self.packets[at - checks] };
        let ([buffer, ..], [meta, ..]) = (bufs, meta) else { return Poll::Ready(Ok(0)) };
        let bytes = packet.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&packet[..bytes]);
        *meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (*from, bytes, bytes);
        self.next = (at + 1) % count;
        if self.next == 0 {
            self.times += 1;
            self.due.as_mut().reset(Instant::now() + INTERVAL);
            if self.times >= TIMES_MAX {
                self.forget();
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
    use super::super::checks::tests as checks;
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
    async fn checks_are_answered_before_the_answer_and_heard_after_it() {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        let beginning = Arc::new(Beginning::default());
        let socket = Early::new(TokioRuntime.wrap_udp_socket(udp).unwrap(), beginning.clone());
        let to = socket.local_addr().unwrap();
        beginning.offered(checks::OFFER);
        let browser = UdpSocket::bind("127.0.0.1:0").unwrap();
        browser.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let check = checks::check("ours:theirs", "a password of theirs");
        let hello = [22, 254, 255];
        for packet in [check.as_slice(), &check, &hello] {
            browser.send_to(packet, to).unwrap();
            assert_eq!(receive(&socket).await, packet);
        }
        let mut answer = [0; 200];
        for _ in 0..2 {
            let count = browser.recv(&mut answer).unwrap();
            // A success, and the check's number.
            assert!(count > 40 && answer[..2] == [1, 1] && answer[8..20] == check[8..20], "{:?}", &answer[..count]);
        }
        let mut heard = Box::pin(receive(&socket));
        assert!(timeout(4 * INTERVAL, &mut heard).await.is_err(), "it was heard before anybody listens");
        beginning.answered();
        assert_eq!(heard.await, check);
        for packet in [hello.as_slice(), &check, &hello, &hello] {
            assert_eq!(receive(&socket).await, packet);
        }
        // From then on it is webrtc-rs that answers.
        browser.send_to(&check, to).unwrap();
        send(&socket, browser.local_addr().unwrap(), b"!").await;
        let count = browser.recv(&mut answer).unwrap();
        assert_eq!(&answer[..count], b"!");
    }

    #[tokio::test]
    async fn not_for_ever() {
        let mut kept = Kept { times: TIMES_MAX - 3, ..Kept::new() };
        let from: SocketAddr = "192.0.2.1:1".parse().unwrap();
        for number in 0..=u8::try_from(PACKETS_MAX).unwrap() {
            kept.take(from, &[22, number]);
        }
        kept.take(from, &[0]);
        kept.take(from, &[22; PACKET_BYTES_MAX + 1]);
        assert_eq!(kept.packets, [(from, vec![22, 4])]);
        let (mut buffer, mut meta) = ([0; 2], [RecvMeta::default()]);
        for _ in 0..3 {
            poll_fn(|cx| kept.poll(true, cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta)).await.unwrap();
            assert_eq!(buffer, [22, 4]);
        }
        kept.take(from, &[22]);
        assert!(kept.packets.is_empty());
    }
}
