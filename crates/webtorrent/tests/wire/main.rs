//! The shim and the exchange of metadata, without IO.
#![cfg(feature = "wire")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod laws;
mod webtorrent;

use laws::{HASH, OURS, THEIRS, handshake};
use proptest::prelude::*;
use sha1::{Digest, Sha1};
use std::time::{Duration, Instant};
use streamshare_webtorrent::{
    tracker::InfoHash,
    wire::{Handshake, MetadataError, MetadataExchange, Shim, ShimConfig, WireError, limits},
};

const CHOKE: &[u8] = &[0, 0, 0, 1, 0];
const UNCHOKE: &[u8] = &[0, 0, 0, 1, 1];
const KEEP_ALIVE: &[u8] = &[0; 4];
/// Of 10 pieces.
const EMPTY_BITFIELD: &[u8] = &[0, 0, 0, 3, 5, 0, 0];

fn frame(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[id], payload].concat()
}

fn block(id: u8, piece: u8) -> Vec<u8> {
    frame(id, &[0, 0, 0, piece, 0, 0, 0, 0, 0, 0, 0x40, 0])
}

fn piece(index: u8, bytes: usize) -> Vec<u8> {
    let mut payload = vec![0; 8 + bytes];
    payload[3] = index;
    frame(7, &payload)
}

struct Wire {
    shim: Shim,
    now: Instant,
}

impl Wire {
    /// After both handshakes, about a torrent of 10 pieces.
    fn new() -> Self {
        let now = Instant::now();
        let mut wire = Self { shim: Shim::new(ShimConfig::new(HASH, OURS), Some(10), now), now };
        wire.peer(&handshake(THEIRS)).unwrap();
        wire.client(&handshake(OURS));
        assert_eq!(wire.take_peer()[20..28], Handshake::EXTENSION_PROTOCOL);
        wire
    }

    /// One that has a bitfield, and is unchoked.
    fn unchoked() -> Self {
        let mut wire = Self::new();
        wire.peer(EMPTY_BITFIELD).unwrap();
        wire.peer(UNCHOKE).unwrap();
        assert_eq!(wire.take_client()[20..28], Handshake::EXTENSION_PROTOCOL);
        wire
    }

    fn peer(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.shim.handle_peer(bytes, self.now)
    }

    fn client(&mut self, bytes: &[u8]) {
        self.shim.handle_client(bytes, self.now).unwrap();
    }

    fn take_client(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.shim.poll_client()).flatten().collect()
    }

    fn take_peer(&mut self) -> Vec<u8> {
        std::iter::from_fn(|| self.shim.poll_peer()).flatten().collect()
    }

    fn wait(&mut self, time: Duration) -> Result<(), WireError> {
        self.now += time;
        self.shim.handle_timeout(self.now)
    }
}

#[test]
fn refuses_wrong_peers() {
    let now = Instant::now();
    let shim = || Shim::new(ShimConfig::new(HASH, OURS), None, now);
    assert_eq!(shim().handle_peer(&handshake(OURS), now), Err(WireError::Ourselves));
    let other = Handshake { reserved: [0; 8], info_hash: InfoHash([1; 20]), peer_id: THEIRS }.to_bytes();
    assert_eq!(shim().handle_peer(&other, now), Err(WireError::InfoHash));
    assert!(matches!(shim().handle_peer(b"GET /", now), Err(WireError::Peer(_))));
    let mut silent = shim();
    assert_eq!(silent.handle_timeout(silent.poll_timeout()), Err(WireError::NoHandshake));
    for bad in [frame(0, &[1]), frame(4, &[1]), frame(6, &[1; 11]), frame(7, &[1; 8])] {
        assert!(matches!(Wire::new().peer(&bad), Err(WireError::Length { .. })));
    }
    let long = u32::try_from(limits::FRAME_BYTES_MAX).unwrap().to_be_bytes();
    assert!(matches!(Wire::new().peer(&long), Err(WireError::Peer(_))));
}

#[test]
fn tells_the_client_an_empty_bitfield() {
    // Together with the handshake, before the first message that comes after it.
    let mut wire = Wire::new();
    assert!(wire.take_client().is_empty());
    wire.peer(UNCHOKE).unwrap();
    assert_eq!(wire.take_client()[Handshake::BYTES..], [EMPTY_BITFIELD, UNCHOKE].concat());
    // After a while, where nothing comes.
    let mut wire = Wire::new();
    wire.wait(limits::BITFIELD_TIME).unwrap();
    assert_eq!(wire.take_client()[Handshake::BYTES..], *EMPTY_BITFIELD);
    // At once, where the peer does not even know the metadata.
    let mut wire = Wire::new();
    wire.peer(&frame(20, b"\0d1:md11:ut_metadatai1eee")).unwrap();
    assert!(wire.take_client().ends_with(EMPTY_BITFIELD));
    // Not where the peer has one.
    let mut wire = Wire::new();
    let full = frame(5, &[0xff, 0xc0]);
    wire.peer(&full).unwrap();
    wire.wait(limits::BITFIELD_TIME).unwrap();
    assert_eq!(wire.take_client()[Handshake::BYTES..], full);
}

#[test]
fn keeps_the_client_awake_between_whole_frames_only() {
    let mut wire = Wire::unchoked();
    wire.peer(&piece(1, 100)[..50]).unwrap();
    wire.wait(limits::KEEP_ALIVE - Duration::from_millis(1)).unwrap();
    assert_eq!(wire.take_client(), b"");
    wire.wait(Duration::from_millis(1)).unwrap();
    assert_eq!(wire.take_client(), KEEP_ALIVE);
    assert_eq!(wire.shim.poll_timeout(), wire.now + limits::KEEP_ALIVE);
    assert_eq!(wire.wait(limits::IDLE_MAX), Err(WireError::Idle));
}

#[test]
fn repeats_what_a_choke_has_lost() {
    let mut wire = Wire::unchoked();
    for index in [1, 2, 3] {
        wire.client(&block(6, index));
    }
    wire.client(&block(8, 2));
    assert_eq!(wire.take_peer(), [block(6, 1), block(6, 2), block(6, 3), block(8, 2)].concat());
    wire.peer(&piece(1, 0x4000)).unwrap();
    wire.peer(CHOKE).unwrap();
    // Asked while choked: kept for later.
    wire.client(&block(6, 4));
    assert_eq!(wire.take_peer(), b"");
    wire.wait(limits::CROSSING_TIME).unwrap();
    wire.peer(UNCHOKE).unwrap();
    assert_eq!(wire.take_peer(), [block(6, 3), block(6, 4)].concat());
    assert_eq!(wire.take_client(), [&piece(1, 0x4000)[..], CHOKE, UNCHOKE].concat());
    // A second answer, or one that nobody waits for, would end the connection at librqbit.
    wire.peer(&piece(3, 0x4000)).unwrap();
    wire.take_client();
    for unwanted in [piece(3, 0x4000), piece(2, 0x4000), piece(4, 0x3fff)] {
        wire.peer(&unwanted).unwrap();
        assert_eq!(wire.take_client(), b"");
    }
}

#[test]
fn drops_what_the_client_does_not_understand() {
    let mut wire = Wire::unchoked();
    for id in [9, 13, 14, 15, 16, 17, 21, 255] {
        wire.peer(&frame(id, &[0; 12])).unwrap();
    }
    wire.peer(&frame(20, &[])).unwrap();
    wire.peer(&frame(20, b"\x00nonsense")).unwrap();
    wire.peer(&frame(20, b"\x01d5:added0:e")).unwrap();
    assert_eq!(wire.take_client(), b"");
    wire.peer(&frame(20, b"\x00d1:md11:ut_metadatai7e6:ut_pexi1ee1:pi6881ee")).unwrap();
    assert_eq!(wire.take_client(), frame(20, b"\x00d1:md11:ut_metadatai7eee"));
}

#[test]
fn a_greedy_peer_waits_and_the_client_is_always_read() {
    let mut wire = Wire::unchoked();
    for _ in 0..1000 {
        wire.peer(&block(6, 1)).unwrap();
    }
    let asked = wire.take_client().len() / block(6, 1).len();
    assert_eq!(asked, limits::TO_PEER_BYTES / limits::BLOCK_BYTES);
    for _ in 0..asked {
        wire.client(&piece(1, 0x4000));
    }
    assert_eq!(wire.take_client(), b"", "the answers fill the room");
    assert!(wire.shim.buffered() < limits::TO_PEER_BYTES_MAX);
    wire.shim.poll_peer().unwrap();
    assert_eq!(wire.take_client(), block(6, 1), "and leave room for more");
    // What was cancelled before its turn is not asked for.
    wire.peer(&block(8, 1)).unwrap();
    wire.take_peer();
    assert_eq!(wire.take_client(), b"");
    let flood = block(6, 2).repeat(limits::HELD_MAX + 200);
    assert_eq!(wire.peer(&flood), Err(WireError::Overflow));
}

#[test]
fn a_peer_that_chatters_is_given_up_and_blocks_wait() {
    let mut wire = Wire::unchoked();
    let have = frame(4, &[0, 0, 0, 1]);
    let fits = limits::CHATTER_BYTES_MAX / have.len();
    for index in 0..128 {
        wire.client(&block(6, index));
        wire.peer(&piece(index, 0x4000)).unwrap();
    }
    assert!(wire.shim.buffered() > 128 * 0x4000, "what was asked for does not count");
    wire.peer(&have.repeat(fits)).unwrap();
    assert_eq!(wire.peer(&have), Err(WireError::Overflow));
    wire.take_client();
    wire.take_peer();
    // What nobody asked for is not kept at all.
    wire.peer(&piece(1, 0x4000).repeat(100)).unwrap();
    assert_eq!(wire.take_client(), b"");
    assert_eq!(wire.shim.buffered(), 0);
}

#[test]
fn a_peer_that_does_not_read_is_given_up() {
    let mut wire = Wire::unchoked();
    wire.client(&frame(4, &[0, 0, 0, 1]));
    wire.wait(Duration::ZERO).unwrap();
    for _ in 0..15 {
        wire.peer(KEEP_ALIVE).unwrap();
        wire.wait(limits::STUCK_MAX / 15 - Duration::from_millis(1)).unwrap();
    }
    wire.peer(KEEP_ALIVE).unwrap();
    assert_eq!(wire.wait(limits::STUCK_MAX / 15), Err(WireError::Stuck));
    // One that reads, be it slowly, stays.
    let mut wire = Wire::unchoked();
    wire.client(&frame(4, &[0, 0, 0, 1]));
    wire.client(&frame(4, &[0, 0, 0, 2]));
    for _ in 0..2 {
        wire.peer(KEEP_ALIVE).unwrap();
        wire.wait(limits::STUCK_MAX / 2).unwrap();
        wire.peer(KEEP_ALIVE).unwrap();
        wire.shim.poll_peer().unwrap();
        wire.wait(limits::STUCK_MAX / 2).unwrap();
    }
}

/// What a peer with this metadata answers to all that is asked.
fn answers(info: &[u8], total: usize) -> Vec<u8> {
    let mut all = handshake(THEIRS);
    all.extend(frame(20, format!("\0d1:md11:ut_metadatai2ee13:metadata_sizei{total}ee").as_bytes()));
    for (index, part) in info.chunks(limits::BLOCK_BYTES).enumerate() {
        let head = format!("\x03d8:msg_typei1e5:piecei{index}e10:total_sizei{total}ee");
        all.extend(frame(20, &[head.as_bytes(), part].concat()));
    }
    all
}

#[test]
fn metadata_is_put_together_and_checked() {
    let info: Vec<u8> = (0..3_000_000_u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let hash = InfoHash(Sha1::digest(&info).into());
    let from = |bytes: &[u8]| {
        let mut exchange = MetadataExchange::new(hash, OURS);
        // It is asked for in a window that moves on as answers come.
        bytes.chunks(60_000).find_map(|chunk| exchange.handle_peer(chunk).transpose()).transpose()
    };
    let for_us = |mut bytes: Vec<u8>| {
        bytes[28..48].copy_from_slice(&hash.0);
        bytes
    };
    assert_eq!(from(&for_us(answers(&info, info.len()))).unwrap().unwrap(), info);
    let mut lie = info.clone();
    lie[1_000_000] ^= 1;
    assert_eq!(from(&for_us(answers(&lie, lie.len()))), Err(MetadataError::Hash));
    assert_eq!(from(&for_us(answers(&info[..100], info.len()))), Err(MetadataError::Length));
    let endless = limits::METADATA_BYTES_MAX + 1;
    let bytes = u32::try_from(endless).unwrap();
    assert_eq!(from(&for_us(answers(&[], endless))), Err(MetadataError::TooLong { bytes }));
    assert_eq!(from(&answers(&info, info.len())), Err(MetadataError::InfoHash));
    let reject = [for_us(answers(&[], 100)), frame(20, b"\x03d8:msg_typei2e5:piecei0ee")].concat();
    assert_eq!(from(&reject), Err(MetadataError::Rejected));
    // One that has none yet may get it.
    let later = [for_us(handshake(THEIRS)), frame(20, b"\0d1:md11:ut_metadatai2eee")].concat();
    assert_eq!(from(&later), Ok(None));
}

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        laws::peer_bytes(&bytes);
    }

    #[test]
    fn any_messages(
        portion in any::<u8>(),
        messages in proptest::collection::vec((0..22u8, proptest::collection::vec(any::<u8>(), 0..30)), 0..40),
    ) {
        let mut bytes = vec![portion];
        bytes.extend(messages.iter().flat_map(|(id, payload)| match id {
            0..=3 => frame(*id, &[]),
            6 | 8 => block(*id, 1),
            _ => frame(*id, payload),
        }));
        laws::peer_bytes(&bytes);
    }
}
