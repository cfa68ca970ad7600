//! What holds for the wire whatever a peer sends. Shared with the fuzz target.

use std::time::{Duration, Instant};
use streamshare_webtorrent::{
    tracker::InfoHash,
    wire::{Frames, Handshake, MetadataExchange, Shim, ShimConfig, limits},
};

pub(crate) const HASH: InfoHash = InfoHash([9; 20]);
pub(crate) const OURS: [u8; 20] = *b"-SS0001-abcdefghijkl";
pub(crate) const THEIRS: [u8; 20] = *b"-WW0001-abcdefghijkl";

/// A handshake with all bits set, as those of clients that speak everything.
pub(crate) fn handshake(peer_id: [u8; 20]) -> Vec<u8> {
    Handshake { reserved: [0xff; 8], info_hash: HASH, peer_id }.to_bytes().to_vec()
}

/// A shim that lives through any bytes of a peer's, in any portions, tells the client whole frames that the client
/// understands and nothing else, and keeps within its limits.
pub(crate) fn peer_bytes(bytes: &[u8]) {
    let (portion, rest) = bytes.split_first().map_or((1, bytes), |(first, rest)| (usize::from(*first) + 1, rest));
    let mut now = Instant::now();
    let mut shim = Shim::new(ShimConfig::new(HASH, OURS), Some(100), now);
    let mut told = Frames::new(limits::FRAME_BYTES_MAX);
    shim.handle_peer(&handshake(THEIRS), now).expect("a good handshake");
    // An empty portion has the handshake told even where nothing follows.
    for portion in std::iter::once(&[][..]).chain(rest.chunks(portion)) {
        now += if portion.is_empty() { limits::BITFIELD_TIME } else { Duration::from_millis(300) };
        let alive = shim.handle_peer(portion, now).and_then(|()| shim.handle_timeout(now));
        while shim.poll_peer().is_some() {}
        while let Some(bytes) = shim.poll_client() {
            told.push(&bytes);
        }
        assert!(shim.buffered() <= 2 * limits::TO_PEER_BYTES_MAX);
        if alive.is_err() {
            break;
        }
    }
    let first = told.next_handshake().expect("a handshake comes first").expect("and is whole");
    assert_eq!(first.reserved, Handshake::EXTENSION_PROTOCOL);
    while let Some(frame) = told.next_frame().expect("what is told is whole") {
        assert!(matches!(frame.id(), None | Some(0..=8 | 20)), "{:?}", frame.id());
        assert_ne!(frame.id(), Some(7), "nobody asked for a block");
    }
    assert_eq!(told.buffered(), 0);

    let mut exchange = MetadataExchange::new(HASH, OURS);
    if exchange.handle_peer(&handshake(THEIRS)).is_ok() {
        for portion in rest.chunks(portion) {
            if exchange.handle_peer(portion).is_err() {
                return;
            }
        }
    }
}
