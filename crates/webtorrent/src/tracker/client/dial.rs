//! From a tracker's address to a WebSocket.

use super::JoinError;
use crate::tracker::limits::MESSAGE_BYTES_MAX;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Error, protocol::WebSocketConfig},
};
use url::{Host, Url};

/// Why a connection ended or could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseCause {
    /// The tracker's machine could not be reached.
    #[error("cannot reach the tracker")]
    Connect(#[source] io::Error),
    /// It did not prove who it is, or TLS failed otherwise.
    #[error("cannot make a secure connection to the tracker")]
    Tls(#[source] io::Error),
    /// What is there is no WebSocket, or it refused: an HTTP status, where there was one.
    #[error("the tracker refused the connection (HTTP status {status:?})")]
    Refused {
        /// The status.
        status: Option<u16>,
    },
    /// It took too long.
    #[error("the tracker did not answer within {after:?}")]
    Timeout {
        /// How long was waited.
        after: Duration,
    },
    /// The tracker closed the connection, with a code (RFC 6455, section 7.4) where it gave one.
    #[error("the tracker closed the connection (code {code:?})")]
    Closed {
        /// The code.
        code: Option<u16>,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// Nothing was heard for too long, not even an answer to a ping.
    #[error("the tracker fell silent")]
    Silent,
}

pub(super) fn broken(error: Error) -> CloseCause {
    // No more can be done about any of the others.
    CloseCause::Broken(if let Error::Io(error) = error { error } else { io::Error::other(error) })
}

/// A connection in clear or in TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Bytes that are read at once.
const READ_BUFFER: usize = 16 * 1024;

/// TLS with the certificates that the system trusts. It names its cryptography: a process may link several.
pub(super) fn system_tls() -> Result<Arc<rustls::ClientConfig>, JoinError> {
    let tls = |error: rustls::Error| JoinError::Tls { reason: error.to_string() };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(tls)?.with_platform_verifier().map_err(tls)?.with_no_client_auth();
    Ok(Arc::new(config))
}

/// Connects within some time, by TLS where there are settings for it.
pub(super) async fn dial(
    url: &Url,
    tls: Option<&Arc<rustls::ClientConfig>>,
    after: Duration,
) -> Result<Socket, CloseCause> {
    timeout(after, connect(url, tls)).await.unwrap_or(Err(CloseCause::Timeout { after }))
}

async fn connect(url: &Url, tls: Option<&Arc<rustls::ClientConfig>>) -> Result<Socket, CloseCause> {
    let invalid = |what| CloseCause::Connect(io::Error::new(io::ErrorKind::InvalidInput, what));
    let port = url.port_or_known_default().ok_or_else(|| invalid("an address without a port"))?;
    let (stream, name) = match url.host() {
        Some(Host::Domain(name)) => {
            let server = ServerName::try_from(name.to_owned()).map_err(|_| invalid("an invalid name"))?;
            (TcpStream::connect((name, port)).await, server)
        }
        Some(Host::Ipv4(addr)) => {
            (TcpStream::connect((addr, port)).await, ServerName::from(std::net::IpAddr::V4(addr)))
        }
        Some(Host::Ipv6(addr)) => {
            (TcpStream::connect((addr, port)).await, ServerName::from(std::net::IpAddr::V6(addr)))
        }
        None => return Err(invalid("an address without a host")),
    };
    let stream = stream.map_err(CloseCause::Connect)?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let stream: Box<dyn Stream> = match tls {
        Some(tls) => {
            let connector = TlsConnector::from(Arc::clone(tls));
            Box::new(connector.connect(name, stream).await.map_err(CloseCause::Tls)?)
        }
        None => Box::new(stream),
    };
    let limits = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    match tokio_tungstenite::client_async_with_config(url.as_str(), stream, Some(limits)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(CloseCause::Refused { status: Some(response.status().as_u16()) }),
        Err(Error::Io(error)) => Err(CloseCause::Broken(error)),
        Err(_) => Err(CloseCause::Refused { status: None }),
    }
}
