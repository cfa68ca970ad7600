//! The outermost layer of the peer protocol: a handshake, then frames, each with its length in front (BEP 3).

use crate::tracker::InfoHash;
use bytes::{Buf, Bytes, BytesMut};

/// The handshake's first bytes: the length of the protocol's name, and the name.
const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
const LENGTH_BYTES: usize = 4;

/// Messages by their first byte.
pub(super) mod id {
    pub(crate) const CHOKE: u8 = 0;
    pub(crate) const UNCHOKE: u8 = 1;
    pub(crate) const INTERESTED: u8 = 2;
    pub(crate) const NOT_INTERESTED: u8 = 3;
    pub(crate) const HAVE: u8 = 4;
    pub(crate) const BITFIELD: u8 = 5;
    pub(crate) const REQUEST: u8 = 6;
    pub(crate) const PIECE: u8 = 7;
    pub(crate) const CANCEL: u8 = 8;
    /// BEP 10.
    pub(crate) const EXTENDED: u8 = 20;
}

/// What both sides say first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// Bits of extensions that the sender speaks.
    pub reserved: [u8; 8],
    /// The torrent it is about.
    pub info_hash: InfoHash,
    /// What the sender calls itself. Not the id that trackers know.
    pub peer_id: [u8; 20],
}

impl Handshake {
    /// Bytes of a handshake.
    pub const BYTES: usize = 68;
    /// The bits of the extension protocol (BEP 10), and no others: not the fast extension (BEP 6), not DHT (BEP 5).
    pub const EXTENSION_PROTOCOL: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 0];

    /// Whether the sender speaks the extension protocol (BEP 10).
    #[must_use]
    pub fn is_extended(&self) -> bool {
        self.reserved[5] & 0x10 != 0
    }

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        [&PROTOCOL[..], &self.reserved, &self.info_hash.0, &self.peer_id].concat().into()
    }
}

/// A message with its length in front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// Makes one of an id and a payload of at most a few kilobytes.
    pub(super) fn new(id: u8, payload: &[u8]) -> Self {
        let length = u32::try_from(payload.len() + 1).expect("payloads are made here and are short");
        Self([&length.to_be_bytes()[..], &[id], payload].concat().into())
    }

    pub(super) fn keep_alive() -> Self {
        Self(Bytes::from_static(&[0; LENGTH_BYTES]))
    }

    /// Whether a frame as it is sent carries a block. A handshake does not look like one.
    pub(super) fn is_block(bytes: &[u8]) -> bool {
        bytes.get(LENGTH_BYTES) == Some(&id::PIECE)
    }

    /// The message's id; none for a keep-alive.
    #[must_use]
    pub fn id(&self) -> Option<u8> {
        self.0.get(LENGTH_BYTES).copied()
    }

    /// What follows the id.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.0.get(LENGTH_BYTES + 1..).unwrap_or_default()
    }

    /// The whole frame as it is sent.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Why a stream of bytes is not one of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// It does not begin with a handshake.
    #[error("this is no BitTorrent handshake")]
    NoHandshake,
    /// A frame is longer than agreed.
    #[error("a frame of {bytes} bytes is too long")]
    TooLong {
        /// The frame's length without its prefix.
        bytes: u32,
    },
}

/// Cuts a stream of bytes into a handshake and frames.
///
/// It keeps what was pushed and not taken: at most one frame when everything is taken after every push.
#[derive(Debug)]
pub struct Frames {
    buffer: BytesMut,
    frame_bytes_max: usize,
}

impl Frames {
    /// Frames have at most `frame_bytes_max` bytes with their prefix.
    #[must_use]
    pub fn new(frame_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), frame_bytes_max }
    }

    /// Appends what came in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the handshake once it is complete. To be called until it is there, and never again.
    ///
    /// # Errors
    /// As soon as what came in cannot become a handshake.
    pub fn next_handshake(&mut self) -> Result<Option<Handshake>, FrameError> {
        let seen = self.buffer.len().min(PROTOCOL.len());
        if self.buffer[..seen] != PROTOCOL[..seen] {
            return Err(FrameError::NoHandshake);
        }
        if self.buffer.len() < Handshake::BYTES {
            return Ok(None);
        }
        let mut bytes = self.buffer.split_to(Handshake::BYTES);
        bytes.advance(PROTOCOL.len());
        let mut handshake = Handshake { reserved: [0; 8], info_hash: InfoHash([0; 20]), peer_id: [0; 20] };
        bytes.copy_to_slice(&mut handshake.reserved);
        bytes.copy_to_slice(&mut handshake.info_hash.0);
        bytes.copy_to_slice(&mut handshake.peer_id);
        Ok(Some(handshake))
    }

    /// Takes the next frame once it is complete.
    ///
    /// # Errors
    /// When it is too long, as soon as its length is there. The stream is of no more use then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(prefix) = self.buffer.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*prefix);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(LENGTH_BYTES);
        if bytes > self.frame_bytes_max {
            return Err(FrameError::TooLong { bytes: length });
        }
        Ok((self.buffer.len() >= bytes).then(|| Frame(self.buffer.split_to(bytes).freeze())))
    }

    /// Bytes that wait for the rest of their frame.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn handshake() -> Handshake {
        Handshake {
            reserved: [1, 2, 3, 4, 5, 0x10, 7, 8],
            info_hash: InfoHash([9; 20]),
            peer_id: *b"-XX0000-abcdefghijkl",
        }
    }

    #[test]
    fn refuses() {
        for bad in [&b"\x14"[..], b"\x13BitTorrent protocoL", b"GET / HTTP/1.1\r\n"] {
            let mut frames = Frames::new(100);
            frames.push(bad);
            assert_eq!(frames.next_handshake(), Err(FrameError::NoHandshake));
        }
        let mut frames = Frames::new(100);
        frames.push(&[0, 0, 0, 96, 0]);
        assert_eq!(frames.next_frame(), Ok(None));
        let mut frames = Frames::new(100);
        frames.push(&[0, 0, 0, 97]);
        assert_eq!(frames.next_frame(), Err(FrameError::TooLong { bytes: 97 }));
        let mut frames = Frames::new(usize::MAX);
        frames.push(&[255; 6]);
        assert_eq!(frames.next_frame(), Ok(None));
    }

    #[test]
    fn names_parts() {
        assert_eq!(Frame::keep_alive().id(), None);
        assert_eq!(Frame::keep_alive().payload(), b"");
        assert_eq!(Frame::new(id::HAVE, &[1, 2]).id(), Some(4));
        assert_eq!(Frame::new(id::HAVE, &[1, 2]).payload(), [1, 2]);
        assert_eq!(&Frame::new(id::CHOKE, &[]).into_bytes()[..], [0, 0, 0, 1, 0]);
        assert!(handshake().is_extended());
    }

    proptest! {
        /// However the stream is cut, the same comes out, and nothing is kept longer than it must.
        #[test]
        fn cuts_do_not_matter(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20),
            cuts in proptest::collection::vec(1..50usize, 1..50),
        ) {
            let frames: Vec<Frame> = messages.iter().map(|message| match message.split_first() {
                Some((id, payload)) => Frame::new(*id, payload),
                None => Frame::keep_alive(),
            }).collect();
            let mut stream = handshake().to_bytes().to_vec();
            stream.extend(frames.iter().flat_map(|frame| frame.0.to_vec()));
            let mut reader = Frames::new(100);
            let (mut first, mut read) = (None, Vec::new());
            let (mut rest, mut cuts) = (&stream[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (chunk, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                rest = tail;
                reader.push(chunk);
                if first.is_none() {
                    first = reader.next_handshake().unwrap();
                }
                if first.is_some() {
                    while let Some(frame) = reader.next_frame().unwrap() {
                        read.push(frame);
                    }
                    prop_assert!(reader.buffered() < 100);
                }
            }
            prop_assert_eq!(first, Some(handshake()));
            prop_assert_eq!(read, frames);
            prop_assert_eq!(reader.buffered(), 0);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut reader = Frames::new(200);
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.next_frame() {}
            let mut reader = Frames::new(200);
            reader.push(&bytes);
            let _ = reader.next_handshake();
        }
    }
}
