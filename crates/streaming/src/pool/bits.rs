//! Which pieces somebody has.

/// A set of pieces, as bitfields carry it (BEP 3): the first piece is the highest bit of the first byte.
#[derive(Debug, Clone)]
pub(super) struct Bits {
    bytes: Vec<u8>,
    count: u32,
}

impl Bits {
    pub(super) fn new(count: u32) -> Self {
        Self { bytes: vec![0; count.div_ceil(8) as usize], count }
    }

    /// Reads a bitfield, if it is one of `count` pieces.
    pub(super) fn read(bytes: &[u8], count: u32) -> Option<Self> {
        (bytes.len() == count.div_ceil(8) as usize).then(|| Self { bytes: bytes.to_vec(), count })
    }

    pub(super) fn contains(&self, piece: u32) -> bool {
        piece < self.count && self.bytes[piece as usize / 8] & mask(piece) != 0
    }

    /// Whether it was not in.
    pub(super) fn insert(&mut self, piece: u32) -> bool {
        let is_new = !self.contains(piece);
        self.bytes[piece as usize / 8] |= mask(piece);
        is_new
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        (0..self.count).filter(|piece| self.contains(*piece))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn mask(piece: u32) -> u8 {
    0x80 >> (piece % 8)
}
