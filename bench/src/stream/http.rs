//! As little HTTP as it takes to read a file.

use anyhow::{Context as _, Result, bail};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};
use url::Url;

/// How long a read may take.
const LIMIT: Duration = Duration::from_secs(60);
/// Longer than any head.
const HEAD_BYTES: usize = 16 * 1024;

/// A response whose head was read.
pub(super) struct Body {
    stream: TcpStream,
    /// What came with the head.
    ahead: Vec<u8>,
}

/// Asks for a file from a place on.
pub(super) fn get(url: &Url, from: Option<u64>) -> Result<Body> {
    let host = url.host_str().context("a host")?;
    let port = url.port().context("a port")?;
    let range = from.map(|from| format!("Range: bytes={from}-\r\n")).unwrap_or_default();
    let request = format!("GET {} HTTP/1.1\r\nHost: {host}:{port}\r\n{range}Connection: close\r\n\r\n", url.path());
    ask(format!("{host}:{port}").parse().context("an address")?, request.as_bytes())
}

/// Posts a body; an answer other than 200 is an error.
pub(super) fn post(addr: SocketAddr, path: &str, body: &[u8]) -> Result<()> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    ask(addr, &[head.as_bytes(), body].concat()).map(drop)
}

fn ask(addr: SocketAddr, request: &[u8]) -> Result<Body> {
    let mut stream = TcpStream::connect(addr).context("connect to a server")?;
    stream.set_read_timeout(Some(LIMIT)).context("limit a wait")?;
    stream.write_all(request).context("ask a server")?;
    let (mut read, mut buffer) = (Vec::new(), vec![0; HEAD_BYTES]);
    loop {
        let bytes = stream.read(&mut buffer).context("read a head")?;
        read.extend_from_slice(&buffer[..bytes]);
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            if !head.starts_with("HTTP/1.1 20") {
                bail!("a server answered {head}");
            }
            return Ok(Body { stream, ahead: read.split_off(end + 4) });
        }
        if bytes == 0 || read.len() > HEAD_BYTES {
            bail!("a server sent no head");
        }
    }
}

impl Body {
    /// Reads what is there, at least a byte; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if self.ahead.is_empty() {
            return self.stream.read(buffer).context("read a body");
        }
        let bytes = self.ahead.len().min(buffer.len());
        buffer[..bytes].copy_from_slice(&self.ahead[..bytes]);
        self.ahead.drain(..bytes);
        Ok(bytes)
    }
}
