//! Between a peer at the end of a channel and a client at the end of a TCP connection.

mod passing;
mod requests;

use super::{
    frame::{Frame, FrameError, Frames, Handshake, id},
    limits::{
        BITFIELD_TIME, CHATTER_BYTES_MAX, FRAME_BYTES_MAX, HANDSHAKE_TIME, HELD_MAX, IDLE_MAX, KEEP_ALIVE, STUCK_MAX,
        TO_PEER_BYTES_MAX,
    },
};
use crate::tracker::InfoHash;
use bytes::Bytes;
use requests::Requests;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// What a [`Shim`] is told at the start.
#[derive(Debug, Clone)]
pub struct ShimConfig {
    /// The torrent; a peer of another one is refused.
    pub info_hash: InfoHash,
    /// What the client calls itself in its handshakes. The shim sends the client's handshake before the client does,
    /// since librqbit waits for the other side's and two of them would wait forever.
    pub peer_id: [u8; 20],
    /// How often the client hears something, at least. [`KEEP_ALIVE`] but in tests.
    pub keep_alive: Duration,
}

impl ShimConfig {
    /// With the usual times.
    #[must_use]
    pub fn new(info_hash: InfoHash, peer_id: [u8; 20]) -> Self {
        Self { info_hash, peer_id, keep_alive: KEEP_ALIVE }
    }
}

/// Why a shim gives up its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The peer's bytes are not of this protocol.
    #[error("the peer breaks the protocol")]
    Peer(#[source] FrameError),
    /// The client's bytes are not of this protocol.
    #[error("the client breaks the protocol")]
    Client(#[source] FrameError),
    /// It is about another torrent.
    #[error("the peer wants another torrent")]
    InfoHash,
    /// The peer is the client itself.
    #[error("connected to ourselves")]
    Ourselves,
    /// A message has the wrong length.
    #[error("message {id} has the wrong length")]
    Length {
        /// The message's id.
        id: u8,
    },
    /// The peer asks for more than it takes, or sends more than the client takes, or the client asks for more than it may.
    #[error("too much is waiting")]
    Overflow,
    /// The peer's handshake did not come in time.
    #[error("the peer's handshake did not come")]
    NoHandshake,
    /// The peer was silent for too long.
    #[error("the peer is silent")]
    Idle,
    /// The peer took nothing for too long.
    #[error("the peer does not read")]
    Stuck,
}

/// A block's place: piece, offset and length as they stand in a request.
type Place = [u8; 12];

/// What a peer asked for and the client was not told yet.
#[derive(Debug)]
enum Held {
    Block(Place),
    Metadata(Frame),
}

/// Passes frames between a peer and a client, and makes up for what the client does not do.
///
/// Feed it with [`handle_peer`](Self::handle_peer), [`handle_client`](Self::handle_client) and
/// [`handle_timeout`](Self::handle_timeout), then empty [`poll_peer`](Self::poll_peer) and
/// [`poll_client`](Self::poll_client). The client is to be connected once [`peer_id`](Self::peer_id) is known. Both are to
/// be read always.
///
/// Only whole frames are passed on. What is changed on the way:
/// - Bits of extensions that the client does not speak are cleared in the peer's handshake, and of the extension
///   protocol only the exchange of metadata is left. Messages with unknown ids are dropped.
/// - The client gets keep-alives while the peer is silent, and a bitfield of zeros when the peer sent none, always together
///   with the handshake.
/// - Requests that the peer has lost are repeated, be it by a choke or otherwise; blocks that the client did not ask for,
///   or no longer wants, are dropped.
/// - Requests of the peer wait until there is room for their answers.
#[derive(Debug)]
pub struct Shim {
    config: ShimConfig,
    piece_count: Option<u32>,
    peer: Option<Handshake>,
    client_spoke: bool,
    from_peer: Frames,
    from_client: Frames,
    to_peer: Queue,
    to_client: Queue,
    /// Bytes in `to_client` that the client asked for.
    blocks_waiting: usize,
    has_bitfield: bool,
    requests: Requests,
    held: VecDeque<Held>,
    /// Blocks that the client is reading for the peer.
    blocks_served: usize,
    metadata_served: usize,
    /// Where the other side wants metadata messages.
    client_metadata_id: Option<u8>,
    peer_metadata_id: Option<u8>,
    peer_heard: Instant,
    /// The peer took something since this was looked at, and when that was.
    taken: bool,
    peer_took: Instant,
    client_told: Instant,
    handshaken: Instant,
}

impl Shim {
    /// Begins with a handshake for the peer.
    #[must_use]
    pub fn new(config: ShimConfig, piece_count: Option<u32>, now: Instant) -> Self {
        let mut to_peer = Queue::default();
        let ours =
            Handshake { reserved: Handshake::EXTENSION_PROTOCOL, info_hash: config.info_hash, peer_id: config.peer_id };
        to_peer.push(ours.to_bytes());
        Self {
            config,
            piece_count,
            peer: None,
            client_spoke: false,
            from_peer: Frames::new(FRAME_BYTES_MAX),
            from_client: Frames::new(FRAME_BYTES_MAX),
            to_peer,
            to_client: Queue::default(),
            blocks_waiting: 0,
            has_bitfield: false,
            requests: Requests::new(now),
            held: VecDeque::new(),
            blocks_served: 0,
            metadata_served: 0,
            client_metadata_id: None,
            peer_metadata_id: None,
            peer_heard: now,
            taken: false,
            peer_took: now,
            client_told: now,
            handshaken: now,
        }
    }

    /// What the peer calls itself, once its handshake has come.
    #[must_use]
    pub fn peer_id(&self) -> Option<[u8; 20]> {
        self.peer.map(|handshake| handshake.peer_id)
    }

    /// Takes what came from the peer, in any portions.
    ///
    /// # Errors
    /// When the peer is to be given up.
    pub fn handle_peer(&mut self, bytes: &[u8], now: Instant) -> Result<(), WireError> {
        self.peer_heard = now;
        self.from_peer.push(bytes);
        if self.peer.is_none() {
            let Some(handshake) = self.from_peer.next_handshake().map_err(WireError::Peer)? else { return Ok(()) };
            self.take_handshake(handshake, now)?;
        }
        while let Some(frame) = self.from_peer.next_frame().map_err(WireError::Peer)? {
            self.take_from_peer(frame, now)?;
        }
        self.serve();
        self.check_limits()
    }

    /// Takes what came from the client, in any portions.
    ///
    /// # Errors
    /// When the client is not one, or the peer is to be given up.
    pub fn handle_client(&mut self, bytes: &[u8], now: Instant) -> Result<(), WireError> {
        self.from_client.push(bytes);
        if !self.client_spoke {
            let Some(handshake) = self.from_client.next_handshake().map_err(WireError::Client)? else {
                return Ok(());
            };
            if handshake.info_hash != self.config.info_hash {
                return Err(WireError::InfoHash);
            }
            self.client_spoke = true;
        }
        while let Some(frame) = self.from_client.next_frame().map_err(WireError::Client)? {
            self.take_from_client(frame, now)?;
        }
        self.check_limits()
    }

    /// To be called when [`poll_timeout`](Self::poll_timeout) has come; does no harm earlier.
    ///
    /// # Errors
    /// When the peer is to be given up.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), WireError> {
        if self.peer.is_none() {
            let late = now >= self.handshaken + HANDSHAKE_TIME;
            return if late { Err(WireError::NoHandshake) } else { Ok(()) };
        }
        if now >= self.peer_heard + IDLE_MAX {
            return Err(WireError::Idle);
        }
        if self.taken || self.to_peer.bytes == 0 {
            self.taken = false;
            self.peer_took = now;
        } else if now >= self.peer_took + STUCK_MAX {
            return Err(WireError::Stuck);
        }
        if self.lacks_bitfield() && now >= self.handshaken + BITFIELD_TIME {
            self.tell_empty_bitfield(now);
        }
        if now >= self.client_told + self.config.keep_alive {
            self.tell_client(Frame::keep_alive(), now);
        }
        let stalled = self.requests.take_stalled(now);
        self.request(stalled);
        self.check_limits()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        if self.peer.is_none() {
            return self.handshaken + HANDSHAKE_TIME;
        }
        let next = (self.peer_heard + IDLE_MAX).min(self.client_told + self.config.keep_alive);
        let next = self.requests.poll_timeout().map_or(next, |stalled| next.min(stalled));
        if self.lacks_bitfield() { next.min(self.handshaken + BITFIELD_TIME) } else { next }
    }

    /// Takes what is to be sent to the peer next.
    pub fn poll_peer(&mut self) -> Option<Bytes> {
        let bytes = self.to_peer.pop();
        self.taken |= bytes.is_some();
        self.serve();
        bytes
    }

    /// Takes what is to be sent to the client next. Nothing before it is known what the peer has: the client tells no
    /// HAVEs to a peer without a bitfield, and never again those of pieces that came between its own bitfield and the peer's.
    pub fn poll_client(&mut self) -> Option<Bytes> {
        if self.lacks_bitfield() {
            return None;
        }
        let bytes = self.to_client.pop()?;
        if Frame::is_block(&bytes) {
            self.blocks_waiting -= bytes.len();
        }
        Some(bytes)
    }

    /// Bytes that are kept, for whoever watches the limits.
    #[must_use]
    pub fn buffered(&self) -> usize {
        let requests = (self.requests.len() + self.held.len()) * size_of::<Held>();
        self.to_peer.bytes + self.to_client.bytes + self.from_peer.buffered() + self.from_client.buffered() + requests
    }

    fn take_handshake(&mut self, mut handshake: Handshake, now: Instant) -> Result<(), WireError> {
        if handshake.info_hash != self.config.info_hash {
            return Err(WireError::InfoHash);
        }
        if handshake.peer_id == self.config.peer_id {
            return Err(WireError::Ourselves);
        }
        self.peer = Some(handshake);
        for (bits, known) in handshake.reserved.iter_mut().zip(Handshake::EXTENSION_PROTOCOL) {
            *bits &= known;
        }
        self.to_client.push(handshake.to_bytes());
        self.client_told = now;
        self.handshaken = now;
        Ok(())
    }

    fn lacks_bitfield(&self) -> bool {
        !self.has_bitfield && self.piece_count.is_some()
    }

    fn tell_empty_bitfield(&mut self, now: Instant) {
        let Some(piece_count) = self.piece_count else { return };
        self.has_bitfield = true;
        let bytes = usize::try_from(piece_count.div_ceil(8)).unwrap_or(usize::MAX);
        // A longer one the client could not read; then it does without HAVEs.
        if bytes + 5 <= FRAME_BYTES_MAX {
            self.tell_client(Frame::new(id::BITFIELD, &vec![0; bytes]), now);
        }
    }

    fn tell_client(&mut self, frame: Frame, now: Instant) {
        self.client_told = now;
        let bytes = frame.into_bytes();
        if Frame::is_block(&bytes) {
            self.blocks_waiting += bytes.len();
        }
        self.to_client.push(bytes);
    }

    fn check_limits(&self) -> Result<(), WireError> {
        let chatter = self.to_client.bytes - self.blocks_waiting;
        let full = self.held.len() > HELD_MAX || self.to_peer.bytes > TO_PEER_BYTES_MAX || chatter > CHATTER_BYTES_MAX;
        if full { Err(WireError::Overflow) } else { Ok(()) }
    }
}

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Bytes>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        self.chunks.push_back(chunk);
    }

    fn pop(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.pop_front()?;
        self.bytes -= chunk.len();
        Some(chunk)
    }
}
