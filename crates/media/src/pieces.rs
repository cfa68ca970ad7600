//! Into how large pieces a file is cut when a torrent is made of it: one rule for desktop and browser, so that two people who share one
//! file are in one swarm. The cutting and the hashing are theirs.

/// Up to so many bytes, pieces are 256 KiB; a seek costs at least a piece, so they are as small as the count below allows.
const SMALL_TORRENT_LEN: u64 = 512 << 20;
/// Beyond it pieces are made larger: each costs 20 bytes of metadata that a magnet link's user waits for.
const PIECES_MAX: u64 = 100_000;
/// Bytes of a piece at most: even larger torrents get more pieces, since a player waits for whole ones.
const PIECE_LEN_MAX: u32 = 16 << 20;

/// Bytes of a piece of a torrent of `total` bytes: a power of two from 256 KiB to 16 MiB.
#[must_use]
pub fn piece_length(total: u64) -> u32 {
    let mut length: u32 = if total <= SMALL_TORRENT_LEN { 256 << 10 } else { 512 << 10 };
    while total.div_ceil(u64::from(length)) > PIECES_MAX && length < PIECE_LEN_MAX {
        length *= 2;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_lengths() {
        for (total, kib) in [
            (1, 256),
            (512 << 20, 256),
            ((512 << 20) + 1, 512),
            (48 << 30, 512),
            (49 << 30, 1024),
            (100 << 30, 2048),
            (u64::MAX, 16384),
        ] {
            assert_eq!(piece_length(total), kib << 10, "{total}");
        }
    }
}
