//! One pool of blocks for all peers of a torrent, without IO and without a clock.
//!
//! librqbit 9.1 asks one peer for a whole piece, and nobody else for any part of it; a stream that waits for a piece of 4 MiB waits for
//! one peer. It does not take back what it has asked for when the player seeks, and asks for nothing else before. So it is not left to
//! talk to the peers: it asks *lanes*, peers on this machine that seem to have what all peers have together. What lanes are asked for goes
//! into this pool, and any peer may bring any block of it: the ones that a reader needs first go to whoever brings them first, and again
//! to another one where they fail to come. Where a reader needs a piece that no lane was asked for, another lane is opened, which is asked
//! for that piece before all others, and lanes whose pieces nobody reads any more are closed: librqbit forgets what it had asked them for.

mod bits;
mod choice;
mod lanes;
mod line;
mod trust;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bits::Bits;
use line::Line;
use trust::Trust;

/// A peer that brings blocks.
pub(crate) type PeerKey = u64;
/// A peer on this machine that librqbit asks.
pub(crate) type LaneKey = u64;
/// Who reads a file.
pub(crate) type ReaderKey = u64;

/// A block's place: its piece, and where in the piece it begins.
pub(crate) type Place = (u32, u32);

/// How a torrent is cut into pieces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    pub(crate) piece_count: u32,
    pub(crate) piece_bytes: u32,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Ask a peer for a block of so many bytes.
    Request(PeerKey, Place, u32),
    /// Tell it that the block is not needed any more.
    Cancel(PeerKey, Place, u32),
    /// Give up a peer: it sent what is wrong.
    Ban(PeerKey),
    /// Connect a lane to librqbit, and tell of it by [`Pool::lane_ready`].
    Open(LaneKey),
    /// Tell librqbit what the lane has, as a bitfield, whatever it was told before.
    Offer(LaneKey, Vec<u8>),
    /// Let librqbit ask the lane.
    Unchoke(LaneKey),
    /// Tell librqbit of a piece that the lane has got.
    Have(LaneKey, u32),
    /// A block that came, for a lane.
    Deliver(LaneKey, Place),
    /// Disconnect it.
    Close(LaneKey),
}

/// How often to look for what is late.
const LATE_AFTER: Duration = Duration::from_millis(30);

/// How much closer together the blocks are ranked that one needs who stands back: all of them have their turn, not one after each of what others
/// need next.
const CLOSER: u64 = 16;

/// A peer that was silent for so long although something was asked for has lost it.
const LOST: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct Peer {
    has: Bits,
    is_choking: bool,
    /// librqbit wants something of it.
    is_wanted: bool,
    line: Line,
    heard: Instant,
}

/// A block that librqbit asked for.
#[derive(Debug)]
struct Block {
    length: u32,
    lanes: Vec<LaneKey>,
    asked: Vec<Asked>,
}

#[derive(Debug)]
struct Asked {
    peer: PeerKey,
    sent: Instant,
    due: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reader {
    /// Bytes from the torrent's beginning, at the beginning of a piece.
    offset: u64,
    /// Bytes that it stands back behind others.
    behind: u64,
    is_waiting: bool,
}

/// All that is asked for, who may bring it, and who needs it first.
#[derive(Debug)]
pub(crate) struct Pool {
    geometry: Geometry,
    blocks: BTreeMap<Place, Block>,
    peers: BTreeMap<PeerKey, Peer>,
    /// How many peers have each piece.
    availability: Vec<u32>,
    readers: BTreeMap<ReaderKey, Reader>,
    lanes: lanes::Lanes,
    trust: Trust,
    /// When all peers were looked at.
    filled: Option<Instant>,
    effects: VecDeque<Effect>,
}

impl Pool {
    pub(crate) fn new(geometry: Geometry) -> Self {
        let pieces = usize::try_from(geometry.piece_count).unwrap_or(usize::MAX);
        Self {
            geometry,
            blocks: BTreeMap::new(),
            peers: BTreeMap::new(),
            availability: vec![0; pieces],
            readers: BTreeMap::new(),
            lanes: lanes::Lanes::default(),
            trust: Trust::default(),
            filled: None,
            effects: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Whether there is anything that time changes.
    pub(crate) fn is_idle(&self) -> bool {
        let is_waiting = self.readers.values().any(|reader| reader.is_waiting);
        self.blocks.is_empty() && !is_waiting && !self.lanes.is_pausing() && !self.lanes.is_narrow()
    }

    /// A peer whose handshake was exchanged.
    pub(crate) fn add_peer(&mut self, key: PeerKey, now: Instant) {
        let has = Bits::new(self.geometry.piece_count);
        let peer = Peer { has, is_choking: true, is_wanted: false, line: Line::new(), heard: now };
        self.peers.insert(key, peer);
    }

    pub(crate) fn remove_peer(&mut self, key: PeerKey, now: Instant) {
        self.release(key);
        let Some(peer) = self.peers.remove(&key) else { return };
        for piece in peer.has.iter() {
            self.availability[piece as usize] -= 1;
        }
        self.review(now);
    }

    /// The peer's bitfield; false where it is not one of this torrent.
    pub(crate) fn bitfield(&mut self, key: PeerKey, bytes: &[u8], now: Instant) -> bool {
        let Some(bits) = Bits::read(bytes, self.geometry.piece_count) else { return false };
        for piece in bits.iter() {
            self.gain(key, piece);
        }
        self.review(now);
        true
    }

    /// A piece that the peer has got; false where there is no such piece.
    pub(crate) fn have(&mut self, key: PeerKey, piece: u32, now: Instant) -> bool {
        if piece >= self.geometry.piece_count {
            return false;
        }
        if self.gain(key, piece) {
            self.review(now);
        }
        true
    }

    /// Whether something came to be of use: the peer has what none had.
    fn gain(&mut self, key: PeerKey, piece: u32) -> bool {
        let Some(peer) = self.peers.get_mut(&key) else { return false };
        if !peer.has.insert(piece) {
            return false;
        }
        let count = &mut self.availability[piece as usize];
        *count += 1;
        if *count == 1 {
            for lane in self.lanes.wide() {
                self.effects.push_back(Effect::Have(lane, piece));
            }
        }
        true
    }

    /// The peer began or ended to let us wait. What it was asked for is lost when it begins (BEP 3).
    pub(crate) fn choke(&mut self, key: PeerKey, is_choking: bool, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.is_choking = is_choking;
            peer.heard = now;
        }
        if is_choking {
            self.release(key);
        }
        self.review(now);
    }

    /// Whether librqbit wants something of the peer.
    pub(crate) fn want(&mut self, key: PeerKey, is_wanted: bool, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&key) {
            peer.is_wanted = is_wanted;
        }
        self.review(now);
    }

    /// A block came, with a checksum of its bytes that peers cannot foresee. It was asked for, or comes too late; a peer whose block has
    /// another length than asked for is to be given up: false.
    pub(crate) fn block(&mut self, key: PeerKey, place: Place, length: u32, sum: u64, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(&key) else { return true };
        peer.heard = now;
        let Some(block) = self.blocks.get(&place) else { return true };
        if block.length != length {
            return false;
        }
        let block = self.blocks.remove(&place).expect("it was found above");
        for asked in &block.asked {
            let Some(peer) = self.peers.get_mut(&asked.peer) else { continue };
            if asked.peer == key {
                peer.line.block(asked.sent, asked.due, now);
            } else {
                peer.line.outrun(asked.sent, now);
                self.effects.push_back(Effect::Cancel(asked.peer, place, length));
            }
        }
        self.trust.brought(place, key, sum);
        if let Some(lane) = block.lanes.first() {
            self.lanes.delivered(place.0, *lane, now);
        }
        for lane in block.lanes {
            self.effects.push_back(Effect::Deliver(lane, place));
        }
        self.fill(key, now);
        true
    }

    /// librqbit asks a lane for a block. [`Pool::review`] is to be called when all that came at once is told.
    pub(crate) fn request(&mut self, lane: LaneKey, place: Place, length: u32) {
        if place.0 >= self.geometry.piece_count || !self.lane_asked(lane) {
            return;
        }
        let block = self.blocks.entry(place).or_insert(Block { length, lanes: Vec::new(), asked: Vec::new() });
        if !block.lanes.contains(&lane) {
            block.lanes.push(lane);
        }
        self.trust.requested(place, lane);
    }

    /// librqbit has read a piece that was written, to check it; [`Pool::right`] follows at once, if it is.
    pub(crate) fn checked(&mut self, piece: u32) {
        self.trust.checked(piece);
    }

    /// librqbit has found a piece right.
    pub(crate) fn right(&mut self, piece: u32) {
        self.lanes.right(piece);
        let piece_bytes = u64::from(self.geometry.piece_bytes);
        for reader in self.readers.values_mut().filter(|reader| reader.offset / piece_bytes == u64::from(piece)) {
            reader.is_waiting = false;
        }
        let liars = self.trust.right(piece);
        self.ban(liars);
    }

    fn ban(&mut self, liars: impl IntoIterator<Item = PeerKey>) {
        self.effects.extend(liars.into_iter().map(Effect::Ban));
    }

    /// librqbit does not want it any more from this lane.
    pub(crate) fn cancel(&mut self, lane: LaneKey, place: Place) {
        let Some(block) = self.blocks.get_mut(&place) else { return };
        block.lanes.retain(|other| *other != lane);
        if block.lanes.is_empty() {
            self.drop_block(place);
        }
    }

    /// Who reads, from where on (bytes from the torrent's beginning), and whether they wait for it. What others need that lies less than
    /// `behind` bytes ahead of them comes before.
    pub(crate) fn read(&mut self, key: ReaderKey, offset: u64, behind: u64, is_waiting: bool, now: Instant) {
        let offset = offset - offset % u64::from(self.geometry.piece_bytes);
        let reader = Reader { offset, behind, is_waiting };
        if self.readers.insert(key, reader) != Some(reader) {
            self.review(now);
        }
    }

    pub(crate) fn remove_reader(&mut self, key: ReaderKey) {
        self.readers.remove(&key);
    }

    /// Looks whether there is something to ask for, to repeat or to give up. To be called now and then, unless the pool is idle.
    pub(crate) fn review(&mut self, now: Instant) {
        let silent = |peer: &Peer| peer.line.asked() > 0 && now.saturating_duration_since(peer.heard) > LOST;
        let lost: Vec<_> = self.peers.iter().filter(|(_, peer)| silent(peer)).map(|(key, _)| *key).collect();
        for key in lost {
            self.release(key);
        }
        self.review_lanes(now);
        // Where all is asked for, only time makes a difference: what is late is asked of others.
        let has_open = self.blocks.values().any(|block| block.asked.is_empty());
        if !has_open && self.filled.is_some_and(|last| now.saturating_duration_since(last) < LATE_AFTER) {
            return;
        }
        self.filled = Some(now);
        self.fill_all(now);
    }

    /// What a peer was asked for is not expected from it any more. It is told so: one behind a shim, which asks for what a choke has lost by
    /// itself ([`streamshare_webtorrent::wire::Shim`]), would bring it all the same.
    fn release(&mut self, key: PeerKey) {
        let Some(peer) = self.peers.get_mut(&key) else { return };
        peer.line.interrupted();
        self.trust.released(key);
        for (place, block) in &mut self.blocks {
            let before = block.asked.len();
            block.asked.retain(|asked| asked.peer != key);
            if block.asked.len() < before {
                self.effects.push_back(Effect::Cancel(key, *place, block.length));
            }
        }
    }

    fn drop_block(&mut self, place: Place) {
        let Some(block) = self.blocks.remove(&place) else { return };
        for asked in block.asked {
            if let Some(peer) = self.peers.get_mut(&asked.peer) {
                peer.line.taken_back(asked.sent);
            }
            self.effects.push_back(Effect::Cancel(asked.peer, place, block.length));
        }
    }

    /// How far a block is ahead of the nearest reader behind it, in bytes; what nobody reads comes last, in order.
    fn rank(&self, place: Place) -> u64 {
        const UNREAD: u64 = 1 << 62;
        let offset = u64::from(place.0) * u64::from(self.geometry.piece_bytes) + u64::from(place.1);
        let ahead = |reader: &Reader| {
            let ahead = offset.checked_sub(reader.offset)?;
            Some(if reader.behind == 0 { ahead } else { (ahead / CLOSER).saturating_add(reader.behind) })
        };
        let ahead = self.readers.values().filter_map(ahead).min();
        ahead.unwrap_or(UNREAD + offset)
    }
}

#[cfg(test)]
mod tests;
