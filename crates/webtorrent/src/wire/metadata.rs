//! Asks one peer for the info dictionary of a torrent (BEP 9, 10).

use super::{
    extended::{ExtendedHandshake, MetadataMessage, OUR_METADATA_ID},
    frame::{Frame, FrameError, Frames, Handshake, id},
    limits::{BLOCK_BYTES, METADATA_BYTES_MAX, METADATA_FRAME_BYTES_MAX},
};
use crate::tracker::InfoHash;
use bytes::Bytes;
use sha1::{Digest, Sha1};
use std::collections::VecDeque;

/// Pieces asked for at a time: 1 MiB in flight.
const WINDOW: u32 = 64;

/// Why a peer is of no help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Its bytes are not of this protocol.
    #[error("the peer breaks the protocol")]
    Frame(#[source] FrameError),
    /// It is about another torrent.
    #[error("the peer wants another torrent")]
    InfoHash,
    /// The peer is the client itself.
    #[error("connected to ourselves")]
    Ourselves,
    /// It does not speak the extension.
    #[error("the peer does not give metadata")]
    NotOffered,
    /// It says that the dictionary is longer than is taken.
    #[error("the metadata is too long: {bytes} bytes")]
    TooLong {
        /// What it says.
        bytes: u32,
    },
    /// It refused to send a part.
    #[error("the peer refused to give metadata")]
    Rejected,
    /// A part has the wrong length.
    #[error("a part of the metadata has the wrong length")]
    Length,
    /// What it sent is not what was asked for.
    #[error("the metadata is not that of the torrent")]
    Hash,
}

/// The exchange with one peer: feed it, send what [`poll_peer`](Self::poll_peer) gives, until the dictionary is there.
///
/// It has no clock: whoever drives it limits the time, since a peer may have no metadata yet and get it later.
#[derive(Debug)]
pub struct MetadataExchange {
    info_hash: InfoHash,
    peer_id: [u8; 20],
    bytes_max: usize,
    frames: Frames,
    handshaken: bool,
    /// Where the peer wants requests.
    metadata_id: Option<u8>,
    total: Option<u32>,
    pieces: Vec<Option<Vec<u8>>>,
    asked: u32,
    arrived: u32,
    to_peer: VecDeque<Bytes>,
}

impl MetadataExchange {
    /// Begins with our handshakes for the peer.
    #[must_use]
    pub fn new(info_hash: InfoHash, peer_id: [u8; 20]) -> Self {
        let ours = Handshake { reserved: Handshake::EXTENSION_PROTOCOL, info_hash, peer_id };
        Self {
            info_hash,
            peer_id,
            bytes_max: METADATA_BYTES_MAX,
            frames: Frames::new(METADATA_FRAME_BYTES_MAX),
            handshaken: false,
            metadata_id: None,
            total: None,
            pieces: Vec::new(),
            asked: 0,
            arrived: 0,
            to_peer: [ours.to_bytes(), ExtendedHandshake::ours().to_frame().into_bytes()].into(),
        }
    }

    /// Takes what is to be sent to the peer next.
    pub fn poll_peer(&mut self) -> Option<Bytes> {
        self.to_peer.pop_front()
    }

    /// Takes what came from the peer, in any portions, and gives the dictionary once it is whole and right.
    ///
    /// # Errors
    /// When the peer is of no help. Not while it may have no metadata yet.
    pub fn handle_peer(&mut self, bytes: &[u8]) -> Result<Option<Bytes>, MetadataError> {
        self.frames.push(bytes);
        if !self.handshaken {
            let Some(handshake) = self.frames.next_handshake().map_err(MetadataError::Frame)? else {
                return Ok(None);
            };
            self.check(handshake)?;
            self.handshaken = true;
        }
        while let Some(frame) = self.frames.next_frame().map_err(MetadataError::Frame)? {
            if frame.id() == Some(id::EXTENDED)
                && let Some(info) = self.take_extended(&frame)?
            {
                return Ok(Some(info));
            }
        }
        Ok(None)
    }

    fn check(&self, handshake: Handshake) -> Result<(), MetadataError> {
        if handshake.info_hash != self.info_hash {
            return Err(MetadataError::InfoHash);
        }
        if handshake.peer_id == self.peer_id {
            return Err(MetadataError::Ourselves);
        }
        if handshake.is_extended() { Ok(()) } else { Err(MetadataError::NotOffered) }
    }

    fn take_extended(&mut self, frame: &Frame) -> Result<Option<Bytes>, MetadataError> {
        match frame.payload().split_first() {
            Some((0, payload)) => {
                if let Some(handshake) = ExtendedHandshake::read(payload) {
                    self.take_handshake(&handshake)?;
                }
                Ok(None)
            }
            Some((&OUR_METADATA_ID, payload)) => match MetadataMessage::read(payload) {
                Some(MetadataMessage::Request { piece }) => {
                    if let Some(metadata_id) = self.metadata_id {
                        // Bounded: a peer that is told no goes elsewhere.
                        if self.to_peer.len() < 2 * WINDOW as usize {
                            self.send(&MetadataMessage::reject_frame(metadata_id, piece));
                        }
                    }
                    Ok(None)
                }
                Some(MetadataMessage::Data { piece, bytes, .. }) => self.take_piece(piece, bytes),
                Some(MetadataMessage::Reject { .. }) => Err(MetadataError::Rejected),
                None => Ok(None),
            },
            Some(_) | None => Ok(None),
        }
    }

    /// A peer sends another one when it has got the metadata itself.
    fn take_handshake(&mut self, handshake: &ExtendedHandshake) -> Result<(), MetadataError> {
        let Some(metadata_id) = handshake.metadata_id else { return Err(MetadataError::NotOffered) };
        self.metadata_id = Some(metadata_id);
        let Some(bytes) = handshake.metadata_bytes.filter(|bytes| *bytes > 0) else { return Ok(()) };
        if self.total.is_some() {
            return Ok(());
        }
        if usize::try_from(bytes).unwrap_or(usize::MAX) > self.bytes_max {
            return Err(MetadataError::TooLong { bytes });
        }
        self.total = Some(bytes);
        self.pieces = vec![None; usize::try_from(bytes).unwrap_or(usize::MAX).div_ceil(BLOCK_BYTES)];
        self.ask();
        Ok(())
    }

    fn ask(&mut self) {
        let Some(metadata_id) = self.metadata_id else { return };
        let count = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        while self.asked < count && self.asked < self.arrived + WINDOW {
            self.send(&MetadataMessage::request_frame(metadata_id, self.asked));
            self.asked += 1;
        }
    }

    fn take_piece(&mut self, piece: u32, bytes: &[u8]) -> Result<Option<Bytes>, MetadataError> {
        let Some(total) = self.total.filter(|_| piece < self.asked) else { return Ok(None) };
        let at = usize::try_from(piece).unwrap_or(usize::MAX);
        let rest = usize::try_from(total).unwrap_or(usize::MAX) - at * BLOCK_BYTES;
        if bytes.len() != rest.min(BLOCK_BYTES) {
            return Err(MetadataError::Length);
        }
        // The first answer counts, so that nothing grows.
        if self.pieces[at].is_some() {
            return Ok(None);
        }
        self.pieces[at] = Some(bytes.to_vec());
        self.arrived += 1;
        self.ask();
        if usize::try_from(self.arrived) != Ok(self.pieces.len()) {
            return Ok(None);
        }
        let info = self.pieces.iter().flatten().flatten().copied().collect::<Vec<u8>>();
        if Sha1::digest(&info).as_slice() != self.info_hash.0 {
            return Err(MetadataError::Hash);
        }
        Ok(Some(info.into()))
    }

    fn send(&mut self, frame: &Frame) {
        self.to_peer.push_back(frame.clone().into_bytes());
    }
}
