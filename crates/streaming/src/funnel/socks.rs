//! The part of SOCKS5 that librqbit speaks: RFC 1928, with user name and password (RFC 1929), CONNECT to an address.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The user that librqbit is.
pub(super) const USER: &str = "librqbit";

const VERSION: u8 = 5;
const PASSWORD_VERSION: u8 = 1;
const BY_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const IPV6: u8 = 4;

/// Where a client wants to be connected to. It is to be answered with [`reply`].
pub(super) async fn target(
    client: &mut (impl AsyncRead + AsyncWrite + Unpin),
    password: &str,
) -> io::Result<SocketAddr> {
    let [version, count] = read(client).await?;
    let mut methods = vec![0; count.into()];
    client.read_exact(&mut methods).await?;
    if version != VERSION || !methods.contains(&BY_PASSWORD) {
        client.write_all(&[VERSION, NO_METHOD]).await?;
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    client.write_all(&[VERSION, BY_PASSWORD]).await?;
    let [version, length] = read(client).await?;
    let mut user = vec![0; length.into()];
    client.read_exact(&mut user).await?;
    let [length] = read(client).await?;
    let mut told = vec![0; length.into()];
    client.read_exact(&mut told).await?;
    let is_known =
        version == PASSWORD_VERSION && user == USER.as_bytes() && bool::from(told.ct_eq(password.as_bytes()));
    client.write_all(&[PASSWORD_VERSION, u8::from(!is_known)]).await?;
    if !is_known {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let [version, command, _, kind] = read(client).await?;
    if version != VERSION || command != CONNECT {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let ip = match kind {
        IPV4 => Ipv4Addr::from(read::<4>(client).await?).into(),
        IPV6 => Ipv6Addr::from(read::<16>(client).await?).to_canonical(),
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    Ok(SocketAddr::new(ip, u16::from_be_bytes(read(client).await?)))
}

/// Tells that it may go on. It is connected when it has said what for: until then nobody knows whether it has to wait.
pub(super) async fn reply(client: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    client.write_all(&[VERSION, 0, 0, IPV4, 0, 0, 0, 0, 0, 0]).await
}

async fn read<const N: usize>(client: &mut (impl AsyncRead + Unpin)) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    client.read_exact(&mut bytes).await?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(said: &[u8]) -> (io::Result<SocketAddr>, Vec<u8>) {
        let (mut near, mut far) = tokio::io::duplex(1024);
        near.write_all(said).await.unwrap();
        near.shutdown().await.unwrap();
        let target = target(&mut far, "secret").await;
        drop(far);
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        (target, answer)
    }

    #[tokio::test]
    async fn tells_where_to() {
        let (target, answer) =
            ask(b"\x05\x02\x00\x02\x01\x08librqbit\x06secret\x05\x01\x00\x01\x01\x02\x03\x04\x1a\xe1").await;
        assert_eq!(target.unwrap(), "1.2.3.4:6881".parse::<SocketAddr>().unwrap());
        assert_eq!(answer, [5, 2, 1, 0]);
        let said = [&b"\x05\x01\x02\x01\x08librqbit\x06secret\x05\x01\x00\x04"[..], &[0; 15], &[1, 0, 80]].concat();
        assert_eq!(ask(&said).await.0.unwrap(), "[::1]:80".parse::<SocketAddr>().unwrap());
    }

    #[tokio::test]
    async fn refuses() {
        for said in [
            &b"\x04\x01\x02"[..],
            b"\x05\x01\x00",
            b"\x05\x01\x02\x01\x08librqbit\x06secreT",
            b"\x05\x01\x02\x01\x08librqbit\x06secret\x05\x02\x00\x01\x01\x02\x03\x04\x1a\xe1",
            b"\x05\x01\x02\x01\x08librqbit\x06secret\x05\x01\x00\x03\x01a\x00\x50",
            b"GET / HTTP/1.1\r\n\r\n",
            b"",
        ] {
            assert!(ask(said).await.0.is_err(), "{said:?}");
        }
    }
}
