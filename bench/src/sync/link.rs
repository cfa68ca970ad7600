//! The way to the relay: a TCP proxy that delays what passes, by a fixed time and a seeded jitter, in order, each way.

use anyhow::{Context as _, Result};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::Instant,
};

/// How long a byte is under way, each way: a usual connection at home.
const DELAY: Duration = Duration::from_millis(50);
/// By how much that varies, both up and down.
const JITTER: Duration = Duration::from_millis(15);
/// Chunks under way in one direction; when there are more, the sender waits.
const CHUNKS: usize = 1024;
const CHUNK: usize = 16 << 10;

/// A proxy; dropped, it cuts all connections through it.
#[derive(Debug)]
pub(super) struct Link {
    port: u16,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// A proxy to `target`; the seed says which chunk is delayed by how much.
    pub(super) async fn to(target: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen for a proxy")?;
        let port = listener.local_addr().context("a proxy's address")?.port();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut seed = seed;
            while let Ok((near, _)) = listener.accept().await {
                seed += 2;
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(target).await else { return };
                    let (near_in, near_out) = near.into_split();
                    let (far_in, far_out) = far.into_split();
                    tokio::join!(carry(near_in, far_out, seed), carry(far_in, near_out, seed + 1));
                });
            }
        });
        Ok(Self { port, task: task.abort_handle() })
    }

    /// Where the target is found through it.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// One direction, until its sender or its receiver is gone.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, seed: u64) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS);
    let read = async move {
        let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ seed);
        let mut last = Instant::now();
        let mut buffer = vec![0; CHUNK];
        while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
            last = last.max(Instant::now() + DELAY - JITTER + random.below(JITTER * 2));
            if sender.send((last, buffer[..bytes].to_vec())).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((arrival, chunk)) = chunks.recv().await {
            tokio::time::sleep_until(arrival).await;
            if to.write_all(&chunk).await.is_err() {
                return;
            }
        }
        // The other side learns that nothing more comes; it may be gone already.
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        #[allow(clippy::cast_precision_loss, reason = "a share needs no 64 bits")]
        let share = (self.0 >> 11) as f64 / (1_u64 << 53) as f64;
        limit.mul_f64(share)
    }
}
