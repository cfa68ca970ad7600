//! WebRTC data channels as WebTorrent makes them: one per connection, offered and answered with all candidates at once
//! (no trickling), carrying a stream of bytes.
//!
//! [`Connector`] is what the rest of the crate knows of WebRTC; [`WebRtc`] is the one there is.

mod addresses;
mod checks;
mod drive;
mod early;
mod gathering;
mod names;
mod runtime;
mod stack;

use async_trait::async_trait;
use bytes::Bytes;
use std::{
    fmt::Debug,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

pub use stack::WebRtc;

/// How long candidates are gathered at most. Over a link of 300 ms, a TURN server whose name must be looked up has answered
/// in half of it. Without STUN and TURN servers it takes some milliseconds; with servers that were silent before, 0.3 s.
pub const GATHER_TIME: Duration = Duration::from_secs(2);

/// Bytes of a message, in both directions. webtorrent sends a block, of 16 KiB, or a bitfield in one, and a client takes
/// no frame of more. Chromium takes 256 KiB. webrtc-rs keeps up to 512 messages for whoever does not read, so this is
/// what bounds their bytes: 18 MiB were measured, and 35 with its default of 64 KiB.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024;

/// Messages on their way out that WebRTC did not take yet. A full queue makes the sender wait.
const OUTGOING_MESSAGES: usize = 4;

/// Messages that came in and were not taken yet. A full queue makes WebRTC keep the next 512, which are at most
/// 16 MiB, and then closes SCTP's window, which makes the other side wait.
const INCOMING_MESSAGES: usize = 16;

/// How connections are made.
#[derive(Debug, Clone)]
pub struct IceConfig {
    /// STUN and TURN servers. Default: none, which does between machines that can reach each other.
    pub servers: Vec<IceServer>,
    /// Offers the loopback interface too, for tests on one machine. Default: not.
    pub loopback: bool,
    /// How long an offer is good for, and how long a connection may take from the answer on. Default: 50 s, after which
    /// bittorrent-tracker's clients drop their offers.
    pub connect_time: Duration,
}

impl Default for IceConfig {
    fn default() -> Self {
        Self { servers: Vec::new(), loopback: false, connect_time: Duration::from_secs(50) }
    }
}

/// A STUN or TURN server.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:HOST:PORT`, `turn:HOST:PORT` (RFC 7064, 7065).
    pub url: String,
    /// For TURN.
    pub username: String,
    /// For TURN.
    pub credential: String,
}

impl Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Why there is no channel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The other side's description is of no use.
    #[error("the session description is of no use")]
    Description(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// This machine has no address to offer.
    #[error("this machine has no network")]
    NoAddress,
    /// Something failed on this machine.
    #[error("cannot set up a connection")]
    Local(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No way to the other side was found.
    #[error("no way to the peer was found")]
    Unreachable,
    /// It took longer than [`IceConfig::connect_time`].
    #[error("connecting took too long")]
    TimedOut,
}

/// Makes connections.
#[async_trait]
pub trait Connector: Debug + Send + Sync {
    /// Makes an offer for somebody to answer. Takes up to [`GATHER_TIME`].
    ///
    /// # Errors
    /// When this machine cannot.
    async fn make_offer(&self) -> Result<(String, Box<dyn PendingOffer>), ConnectError>;

    /// Answers an offer. Takes up to [`GATHER_TIME`]; the answer is to be sent before
    /// [`open`](Opening::open) is awaited.
    ///
    /// # Errors
    /// When the offer is of no use, or this machine cannot.
    async fn make_answer(&self, offer: &str) -> Result<(String, Box<dyn Opening>), ConnectError>;

    /// Takes other STUN and TURN servers for connections that are made from now on.
    fn set_servers(&self, servers: Vec<IceServer>);

    /// Waits until all that was made and dropped is gone, sockets included.
    async fn shutdown(&self);
}

/// An offer that waits for its answer. Dropping it frees all that belongs to it.
#[async_trait]
pub trait PendingOffer: Debug + Send {
    /// Connects. Cancel safe: dropping the future gives the connection up.
    ///
    /// # Errors
    /// When the answer is of no use, or there is no way to the other side.
    async fn answer(self: Box<Self>, answer: &str) -> Result<Channel, ConnectError>;
}

/// An answer that was made. Dropping it frees all that belongs to it.
#[async_trait]
pub trait Opening: Debug + Send {
    /// Connects. Cancel safe: dropping the future gives the connection up.
    ///
    /// # Errors
    /// When there is no way to the other side.
    async fn open(self: Box<Self>) -> Result<Channel, ConnectError>;
}

/// An open channel: a stream of bytes both ways, in messages whose borders mean nothing.
///
/// Dropping it closes the connection, after what was sent has left or a few seconds have passed.
#[derive(Debug)]
pub struct Channel {
    /// At most [`MESSAGE_BYTES_MAX`] bytes a message; waits while the other side is slower. Fails once closed.
    pub sender: mpsc::Sender<Bytes>,
    /// Ends when the channel closes, whoever closed it.
    pub receiver: mpsc::Receiver<Bytes>,
}

/// The other ends of a [`Channel`], for whoever implements a [`Connector`].
#[derive(Debug)]
pub struct ChannelDriver {
    /// What is to be sent. Ends when the channel is dropped.
    pub outgoing: mpsc::Receiver<Bytes>,
    /// What came in.
    pub incoming: mpsc::Sender<Bytes>,
}

impl Channel {
    /// Makes a channel and what drives it.
    #[must_use]
    pub fn new() -> (Self, ChannelDriver) {
        let (sender, outgoing) = mpsc::channel(OUTGOING_MESSAGES);
        let (incoming, receiver) = mpsc::channel(INCOMING_MESSAGES);
        (Self { sender, receiver }, ChannelDriver { outgoing, incoming })
    }

    /// Two channels of which each receives what the other sends, without any network: for tests.
    #[must_use]
    pub fn pair() -> (Self, Self) {
        let (left_sender, right_receiver) = mpsc::channel(OUTGOING_MESSAGES);
        let (right_sender, left_receiver) = mpsc::channel(OUTGOING_MESSAGES);
        (Self { sender: left_sender, receiver: left_receiver }, Self { sender: right_sender, receiver: right_receiver })
    }
}

/// Whoever panicked with it left nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
