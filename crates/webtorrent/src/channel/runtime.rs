//! Tokio for webrtc-rs, with larger UDP buffers, sockets that lose nothing at the beginning, and names of servers that hold
//! nothing up.

use super::{
    early::{Beginning, Early},
    names::Names,
};
use std::{future::Future, io, net, pin::Pin, sync::Arc, time::Duration};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

/// Bytes that the kernel keeps for a socket in either direction, where it may. The usual 208 KiB overflow when a burst
/// comes in, and then SCTP waits for at least a second: measured 7-8 MB/s with them, 25-39 MB/s with what a stock Linux
/// allows, 114-118 MB/s with 4 MiB.
const SOCKET_BYTES: usize = 4 << 20;

/// The runtime of one connection.
#[derive(Debug)]
pub(super) struct BufferedTokio {
    names: Arc<Names>,
    beginning: Arc<Beginning>,
}

impl BufferedTokio {
    /// `names` are those of all connections.
    pub(super) fn new(names: Arc<Names>, beginning: Arc<Beginning>) -> Self {
        Self { names, beginning }
    }
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Runtime for BufferedTokio {
    fn spawn(&self, future: BoxFuture<'static, ()>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let buffers = socket2::SockRef::from(&socket);
        // The kernel cuts it down to what it allows; smaller buffers are only slower.
        if let Err(error) =
            buffers.set_recv_buffer_size(SOCKET_BYTES).and_then(|()| buffers.set_send_buffer_size(SOCKET_BYTES))
        {
            tracing::debug!(%error, "the socket's buffers stay small");
        }
        let udp = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Arc::new(Early::new(udp, self.beginning.clone())))
    }

    fn wrap_tcp_listener(&self, listener: net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, address: net::SocketAddr) -> BoxFuture<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        TokioRuntime.connect_tcp(address)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<net::SocketAddr>>> {
        Box::pin(self.names.resolve(host))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> BoxFuture<'static, ()> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio"
    }
}
