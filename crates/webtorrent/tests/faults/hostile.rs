//! Peers that do what no peer should, over a channel that is open.

use bytes::Bytes;
use std::time::Duration;
use streamshare_webtorrent::{
    channel::Channel,
    tracker::InfoHash,
    wire::{Frame, Frames, Handshake},
};
use tokio::time::timeout;

pub(crate) const BLOCK_BYTES: usize = 16 * 1024;

/// A peer that says what it is told to say.
pub(crate) struct Hostile {
    channel: Channel,
    frames: Frames,
}

pub(crate) fn frame(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[id], payload].concat()
}

pub(crate) fn request(piece: u32) -> Vec<u8> {
    let block = u32::try_from(BLOCK_BYTES).unwrap();
    frame(6, &[piece.to_be_bytes(), [0; 4], block.to_be_bytes()].concat())
}

fn full_bitfield(pieces: u32) -> Vec<u8> {
    let mut bits = vec![0xff; usize::try_from(pieces.div_ceil(8)).unwrap()];
    if !pieces.is_multiple_of(8) {
        *bits.last_mut().unwrap() = 0xff << (8 - pieces % 8);
    }
    frame(5, &bits)
}

impl Hostile {
    /// A peer that has said nothing yet.
    pub(crate) fn silent(channel: Channel) -> Self {
        Self { channel, frames: Frames::new(1 << 20) }
    }

    /// One that has greeted, and was greeted.
    pub(crate) async fn greet(channel: Channel, info_hash: InfoHash) -> Self {
        let mut peer_id = *b"-WW0300-000000000000";
        getrandom::fill(&mut peer_id[8..]).unwrap();
        let mut reserved = Handshake::EXTENSION_PROTOCOL;
        reserved[7] = 0x05;
        let mut hostile = Self::silent(channel);
        hostile.say(Handshake { reserved, info_hash, peer_id }.to_bytes()).await;
        while hostile.frames.next_handshake().unwrap().is_none() {
            hostile.hear().await;
        }
        hostile
    }

    /// Whether it was sent. Waits as long as the other side does not take it.
    pub(crate) async fn say(&mut self, bytes: impl Into<Bytes>) -> bool {
        self.channel.sender.send(bytes.into()).await.is_ok()
    }

    async fn hear(&mut self) -> bool {
        match self.channel.receiver.recv().await {
            Some(bytes) => self.frames.push(&bytes),
            None => return false,
        }
        true
    }

    /// The next frame, unless the channel was closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                return Some(frame);
            }
            if !self.hear().await {
                return None;
            }
        }
    }

    /// Reads until the other side has closed the channel.
    pub(crate) async fn closed(mut self, what: &str) {
        let end = async { while self.channel.receiver.recv().await.is_some() {} };
        timeout(Duration::from_secs(60), end).await.unwrap_or_else(|_| panic!("{what}: still connected"));
    }

    /// Has everything, and gives garbage.
    pub(crate) async fn give_garbage(mut self, pieces: u32) {
        self.say([full_bitfield(pieces), frame(1, &[])].concat()).await;
        while let Some(asked) = self.next().await {
            if asked.id() == Some(6) {
                let block = [&asked.payload()[..8], &[0xab; BLOCK_BYTES]].concat();
                self.say(frame(7, &block)).await;
            }
        }
    }
}
