//! Accepted connections under guard: none outlives the relay, none is held for ever by a peer that is gone.

use crate::config::RelayConfig;
use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How long a connection may be silent both ways. One with a socket answers a ping every few seconds, so this ends only
/// idle HTTP connections and those that never asked for anything.
const SILENCE_MAX: Duration = Duration::from_secs(75);

/// How long to wait after the system refused a connection for want of files or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Accepts at most so many connections at one time and guards each.
#[derive(Debug)]
pub(crate) struct GuardedListener {
    inner: TcpListener,
    slots: Arc<Semaphore>,
    write_timeout: Duration,
    cut: CancellationToken,
}

impl GuardedListener {
    /// Guards what `inner` accepts; `cut` ends every connection at once.
    pub(crate) fn new(inner: TcpListener, config: &RelayConfig, cut: CancellationToken) -> Self {
        let slots = Arc::new(Semaphore::new(config.connections_max.min(Semaphore::MAX_PERMITS)));
        Self { inner, slots, write_timeout: config.write_timeout, cut }
    }
}

impl Listener for GuardedListener {
    type Io = GuardedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let slot = Arc::clone(&self.slots).acquire_owned().await.expect("the semaphore is never closed");
            match self.inner.accept().await {
                Ok((stream, addr)) => {
                    tune(&stream, self.write_timeout);
                    return (GuardedStream::new(stream, slot, self.write_timeout, &self.cut), addr);
                }
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// Where a connection comes from, and where it arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddr {
    pub(crate) remote: SocketAddr,
    /// The address of this machine by which the peer reached it, if the system tells.
    pub(crate) local: Option<IpAddr>,
}

impl Connected<IncomingStream<'_, GuardedListener>> for PeerAddr {
    fn connect_info(stream: IncomingStream<'_, GuardedListener>) -> Self {
        Self { remote: *stream.remote_addr(), local: stream.io().local_ip() }
    }
}

/// Bytes that the system takes for a connection before it can send them. Its own limit is megabytes, which a reader that
/// is slow would have to read through before anything new.
#[cfg(target_os = "linux")]
const UNSENT_MAX: u32 = 128 * 1024;

/// Sends at once what is written, and has the system give up on a peer that does not acknowledge (RFC 5482).
fn tune(stream: &TcpStream, write_timeout: Duration) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(stream);
        if let Err(error) = socket.set_tcp_user_timeout(Some(write_timeout)) {
            tracing::debug!(%error, "cannot set TCP_USER_TIMEOUT");
        }
        if let Err(error) = socket.set_tcp_notsent_lowat(UNSENT_MAX) {
            tracing::debug!(%error, "cannot set TCP_NOTSENT_LOWAT");
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection that fails when the relay is cut, when a write makes no progress for too long, and when nothing passes
/// for [`SILENCE_MAX`].
///
/// TCP_USER_TIMEOUT does the second on Linux only; the desktop app hosts rooms on other systems as well.
#[derive(Debug)]
pub(crate) struct GuardedStream {
    inner: TcpStream,
    // Reading and writing may be polled by two tasks, and a future wakes only the last one: each side has its own.
    read_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    write_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    silence: Pin<Box<Sleep>>,
    stall: Pin<Box<Sleep>>,
    stalled: bool,
    write_timeout: Duration,
    last_active: Instant,
    _slot: OwnedSemaphorePermit,
}

impl GuardedStream {
    fn new(inner: TcpStream, slot: OwnedSemaphorePermit, write_timeout: Duration, cut: &CancellationToken) -> Self {
        Self {
            inner,
            read_cut: Box::pin(cut.clone().cancelled_owned()),
            write_cut: Box::pin(cut.clone().cancelled_owned()),
            silence: Box::pin(sleep(SILENCE_MAX)),
            stall: Box::pin(sleep(write_timeout)),
            stalled: false,
            write_timeout,
            last_active: Instant::now(),
            _slot: slot,
        }
    }

    fn local_ip(&self) -> Option<IpAddr> {
        self.inner.local_addr().ok().map(|addr| addr.ip())
    }

    /// Passes on what a read gave, or fails where the connection is to end.
    fn guard_read<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.last_active = Instant::now();
            return polled;
        }
        if self.read_cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        while self.silence.as_mut().poll(cx).is_ready() {
            let due = self.last_active + SILENCE_MAX;
            if due <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.silence.as_mut().reset(due);
        }
        Poll::Pending
    }

    /// Passes on what a write gave, or fails where the connection is to end.
    fn guard_write<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.last_active = Instant::now();
            self.stalled = false;
            return polled;
        }
        if self.write_cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if !self.stalled {
            self.stalled = true;
            let due = Instant::now() + self.write_timeout;
            self.stall.as_mut().reset(due);
        }
        match self.stall.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.guard_read(cx, polled)
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.guard_write(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.guard_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Never waits for a TCP stream, so it says nothing about progress.
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
