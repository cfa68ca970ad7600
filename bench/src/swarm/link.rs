//! A bad link: a middlebox between two UDP sockets that delays and loses packets.
//!
//! In this program, since not every kernel can shape traffic (netem), and nobody should need root for it.

use anyhow::{Context as _, Result};
use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// What a link does to packets, in each direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conditions {
    /// How long a packet is on its way, one way.
    pub(super) delay: Duration,
    /// Of so many packets one is lost, by chance; 0 for none.
    pub(super) one_lost_of: u64,
    /// Which packets are lost: with the same seed, the same.
    pub(super) seed: u64,
    /// Bytes a second.
    pub(super) rate: f64,
}

/// How long packets may wait for those before them, as in a home router's queue; beyond that they are lost.
const QUEUE: Duration = Duration::from_millis(100);
/// How often a thread looks whether it is to end.
const POLL: Duration = Duration::from_millis(100);
/// Larger than any packet.
const PACKET: usize = 65_536;
const SOCKET_BYTES: usize = 4 << 20;

/// A middlebox; dropped, it ends.
#[derive(Debug)]
pub(super) struct Link {
    /// Where the far side is found.
    pub(super) entry: SocketAddr,
    stop: Arc<AtomicBool>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Link {
    /// A link to `target`: what comes to [`entry`](Self::entry) leaves it from another port, and what comes back there goes to
    /// whoever sent last.
    pub(super) fn to(target: SocketAddr, conditions: Conditions) -> Result<Self> {
        let (near, far) = (socket(target.ip())?, socket(target.ip())?);
        let entry = near.local_addr().context("a middlebox's address")?;
        let stop = Arc::new(AtomicBool::new(false));
        let visitor = Arc::new(Mutex::new(None));
        let (there, back) = (Direction::new(conditions, &stop, 0), Direction::new(conditions, &stop, 1));
        let learn = visitor.clone();
        there.run(near.clone(), far.clone(), move |from| {
            *learn.lock().unwrap_or_else(PoisonError::into_inner) = Some(from);
            Some(target)
        });
        back.run(far, near, move |_| *visitor.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self { entry, stop })
    }
}

fn socket(ip: IpAddr) -> Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind((ip, 0)).context("make a middlebox")?;
    let buffers = socket2::SockRef::from(&socket);
    buffers.set_recv_buffer_size(SOCKET_BYTES).context("enlarge a buffer")?;
    buffers.set_send_buffer_size(SOCKET_BYTES).context("enlarge a buffer")?;
    socket.set_read_timeout(Some(POLL)).context("limit a wait")?;
    Ok(Arc::new(socket))
}

struct Direction {
    conditions: Conditions,
    stop: Arc<AtomicBool>,
    random: u64,
    /// When the last packet that waits has left.
    free: Instant,
}

impl Direction {
    fn new(conditions: Conditions, stop: &Arc<AtomicBool>, which: u64) -> Self {
        // Odd, so not 0, and far from the others'.
        let random = (2 * conditions.seed + which).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        Self { conditions, stop: stop.clone(), random, free: Instant::now() }
    }

    /// When a packet arrives on the other side, if it does.
    fn arrival(&mut self, bytes: usize) -> Option<Instant> {
        let now = Instant::now();
        let start = self.free.max(now);
        if start - now > QUEUE || self.is_lost() {
            return None;
        }
        #[allow(clippy::cast_precision_loss, reason = "a packet is small")]
        let duration = Duration::from_secs_f64(bytes as f64 / self.conditions.rate);
        self.free = start + duration;
        Some(self.free + self.conditions.delay)
    }

    /// xorshift64 (Marsaglia 2003).
    fn is_lost(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.conditions.one_lost_of != 0 && self.random.is_multiple_of(self.conditions.one_lost_of)
    }

    fn run(
        mut self,
        from: Arc<UdpSocket>,
        to: Arc<UdpSocket>,
        target: impl Fn(SocketAddr) -> Option<SocketAddr> + Send + 'static,
    ) {
        let (sender, packets) = mpsc::channel::<(Instant, SocketAddr, Vec<u8>)>();
        thread::spawn(move || {
            let mut buffer = vec![0; PACKET];
            while !self.stop.load(Ordering::Relaxed) {
                // A timeout, to look whether to stop, or the word that nobody listens on the other side.
                let Ok((bytes, visitor)) = from.recv_from(&mut buffer) else { continue };
                let Some(target) = target(visitor) else { continue };
                let Some(arrival) = self.arrival(bytes) else { continue };
                if sender.send((arrival, target, buffer[..bytes].to_vec())).is_err() {
                    return;
                }
            }
        });
        thread::spawn(move || {
            for (arrival, target, packet) in packets {
                thread::sleep(arrival.saturating_duration_since(Instant::now()));
                // Whoever is gone needs no packets.
                let _ = to.send_to(&packet, target);
            }
        });
    }
}
