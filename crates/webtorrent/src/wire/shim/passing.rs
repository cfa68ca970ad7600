//! Frame by frame: what is passed on, changed, kept or dropped.

use super::{Held, Place, Shim, WireError};
use crate::wire::{
    extended::{ExtendedHandshake, MetadataMessage},
    frame::{Frame, id},
    limits::{BLOCK_BYTES, METADATA_SERVED_MAX, TO_PEER_BYTES},
};
use std::time::Instant;

impl Shim {
    pub(super) fn take_from_peer(&mut self, frame: Frame, now: Instant) -> Result<(), WireError> {
        let Some(message) = frame.id() else {
            self.tell_client(frame, now);
            return Ok(());
        };
        check_length(message, frame.payload())?;
        if !matches!(message, id::BITFIELD | id::EXTENDED) && self.lacks_bitfield() {
            self.tell_empty_bitfield(now);
        }
        match message {
            id::CHOKE => self.requests.choke(now),
            id::UNCHOKE => {
                let lost = self.requests.unchoke(now);
                self.request(lost);
            }
            id::INTERESTED | id::NOT_INTERESTED | id::HAVE => {}
            id::BITFIELD => self.has_bitfield = true,
            id::REQUEST => {
                self.held.push_back(Held::Block(place(frame.payload())));
                return Ok(());
            }
            // librqbit ignores it, so it only counts for what is held.
            id::CANCEL => {
                let cancelled = place(frame.payload());
                self.held.retain(|held| !matches!(held, Held::Block(place) if *place == cancelled));
                return Ok(());
            }
            id::PIECE => {
                let wanted = self.requests.answer(piece_place(frame.payload()), now);
                let lost = self.requests.take_overtaken();
                self.request(lost);
                if !wanted {
                    return Ok(());
                }
            }
            id::EXTENDED => {
                self.take_extended_from_peer(frame, now);
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.tell_client(frame, now);
        Ok(())
    }

    fn take_extended_from_peer(&mut self, frame: Frame, now: Instant) {
        match frame.payload().split_first() {
            Some((0, payload)) => {
                let Some(handshake) = ExtendedHandshake::read(payload) else { return };
                self.peer_metadata_id = handshake.metadata_id;
                self.tell_client(handshake.to_frame(), now);
                // Who does not know the metadata knows of no pieces.
                if handshake.metadata_bytes.is_none() && self.lacks_bitfield() {
                    self.tell_empty_bitfield(now);
                }
            }
            // It has the metadata, so only requests make sense.
            Some((id, payload)) if Some(*id) == self.client_metadata_id => {
                if let Some(MetadataMessage::Request { .. }) = MetadataMessage::read(payload) {
                    self.held.push_back(Held::Metadata(frame));
                }
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn take_from_client(&mut self, frame: Frame, now: Instant) -> Result<(), WireError> {
        let Some(message) = frame.id() else {
            self.to_peer.push(frame.into_bytes());
            return Ok(());
        };
        check_length(message, frame.payload())?;
        match message {
            id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::HAVE | id::BITFIELD => {}
            id::REQUEST => {
                if self.requests.is_full() {
                    return Err(WireError::Overflow);
                }
                if !self.requests.add(place(frame.payload()), now) {
                    return Ok(());
                }
            }
            id::CANCEL => {
                if !self.requests.cancel(place(frame.payload())) {
                    return Ok(());
                }
            }
            id::PIECE => {
                self.blocks_served = self.blocks_served.saturating_sub(1);
            }
            id::EXTENDED => {
                self.take_extended_from_client(frame);
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.to_peer.push(frame.into_bytes());
        Ok(())
    }

    fn take_extended_from_client(&mut self, frame: Frame) {
        match frame.payload().split_first() {
            Some((0, payload)) => {
                let Some(handshake) = ExtendedHandshake::read(payload) else { return };
                self.client_metadata_id = handshake.metadata_id;
                self.to_peer.push(handshake.to_frame().into_bytes());
            }
            Some((id, _)) if Some(*id) == self.peer_metadata_id => {
                self.metadata_served = self.metadata_served.saturating_sub(1);
                self.to_peer.push(frame.into_bytes());
            }
            Some(_) | None => {}
        }
    }

    /// Passes requests of the peer on while there is room for their answers.
    pub(super) fn serve(&mut self) {
        let now = self.client_told;
        while let Some(held) = self.held.front() {
            let served = self.blocks_served + self.metadata_served;
            let room = self.to_peer.bytes + served * BLOCK_BYTES < TO_PEER_BYTES;
            let metadata_full = matches!(held, Held::Metadata(_)) && self.metadata_served == METADATA_SERVED_MAX;
            if !room || metadata_full {
                return;
            }
            match self.held.pop_front() {
                Some(Held::Block(place)) => {
                    self.blocks_served += 1;
                    self.tell_client(Frame::new(id::REQUEST, &place), now);
                }
                Some(Held::Metadata(frame)) => {
                    self.metadata_served += 1;
                    self.tell_client(frame, now);
                }
                None => return,
            }
        }
    }

    pub(super) fn request(&mut self, places: Vec<Place>) {
        for place in places {
            self.to_peer.push(Frame::new(id::REQUEST, &place).into_bytes());
        }
    }
}

/// Messages of a fixed length have it.
fn check_length(message: u8, payload: &[u8]) -> Result<(), WireError> {
    let fits = match message {
        id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED => payload.is_empty(),
        id::HAVE => payload.len() == 4,
        id::REQUEST | id::CANCEL => payload.len() == 12,
        id::PIECE => payload.len() > 8,
        _ => true,
    };
    if fits { Ok(()) } else { Err(WireError::Length { id: message }) }
}

fn place(payload: &[u8]) -> Place {
    *payload.first_chunk().expect("the length was checked")
}

/// Where the block of a piece message belongs.
fn piece_place(payload: &[u8]) -> Place {
    let mut place = [0; 12];
    place[..8].copy_from_slice(&payload[..8]);
    // Frames are short.
    let length = u32::try_from(payload.len() - 8).unwrap_or(u32::MAX);
    place[8..].copy_from_slice(&length.to_be_bytes());
    place
}
