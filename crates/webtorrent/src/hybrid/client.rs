//! The way to the client's listener.

use super::bridges::{Bridge, Bridges};
use futures_util::future::select_all;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

/// How long the client's own listener, on this machine, may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long the client may take to answer a handshake before it is tried another way, for the first time; then twice as long.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// Connections at most: 15 s in all, more than librqbit gives a torrent that it is still looking through.
const TRIES: usize = 4;

/// Connects and sends the handshake, until the client says something.
///
/// librqbit 9.1 (`Session::task_listener`) forgets all connections that it has just accepted when one of them, a stranger's
/// perhaps, ends without a handshake, until another one comes. So another one comes. Those that are left over when
/// one is answered do no such harm: they brought handshakes.
pub(super) async fn greet<'a>(
    listener: SocketAddr,
    handshake: &[u8],
    bridges: &'a Bridges,
) -> io::Result<(TcpStream, Bridge<'a>)> {
    let (mut waiting, mut patience) = (Vec::new(), ANSWER_TIME);
    while waiting.len() < TRIES {
        let client = timeout(CONNECT_TIME, connect(listener, handshake)).await.map_err(io::Error::from).flatten()?;
        let bridge = bridges.enter(client.local_addr()?);
        waiting.push((client, bridge));
        // Its end is an answer, too.
        let answered = select_all(waiting.iter().map(|(client, _)| Box::pin(client.readable())));
        let answered = timeout(patience, answered).await.map(|(answered, which, _)| answered.map(|()| which));
        if let Ok(which) = answered {
            return Ok(waiting.swap_remove(which?));
        }
        tracing::debug!(tries = waiting.len(), "the client does not answer");
        patience *= 2;
    }
    Err(io::ErrorKind::TimedOut.into())
}

async fn connect(listener: SocketAddr, handshake: &[u8]) -> io::Result<TcpStream> {
    let mut client = TcpStream::connect(reachable(listener)).await?;
    client.set_nodelay(true)?;
    client.write_all(handshake).await?;
    Ok(client)
}

/// A listener on all interfaces is reached over the loopback one.
fn reachable(mut listener: SocketAddr) -> SocketAddr {
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    listener
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncReadExt, net::TcpListener};

    /// As librqbit does after somebody else's connection has failed.
    #[tokio::test]
    async fn a_listener_that_goes_on_when_another_connection_comes_gets_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client = tokio::spawn(async move {
            let (mut forgotten, from) = listener.accept().await.unwrap();
            let (mut another, _) = listener.accept().await.unwrap();
            let mut handshake = [0; 5];
            for connection in [&mut forgotten, &mut another] {
                connection.read_exact(&mut handshake).await.unwrap();
                assert_eq!(&handshake, b"hello");
            }
            forgotten.write_all(b"welcome").await.unwrap();
            from
        });
        let bridges = Bridges::default();
        let (mut answered, _bridge) = greet(addr, b"hello", &bridges).await.unwrap();
        let mut answer = [0; 7];
        answered.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"welcome");
        assert_eq!(client.await.unwrap(), answered.local_addr().unwrap());
    }

    /// Whoever hangs up is not asked again: the torrent is not there.
    #[tokio::test]
    async fn the_end_is_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client = tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
        let bridges = Bridges::default();
        let (mut answered, _bridge) = greet(addr, b"hello", &bridges).await.unwrap();
        client.await.unwrap();
        // An end, or a reset because the handshake was not read.
        assert!(matches!(answered.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    }
}
