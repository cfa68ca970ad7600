//! Elements of EBML (RFC 8794).

/// An element's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Its id with the length marker, as specifications write it.
    pub(crate) id: u32,
    /// Bytes of its content; `None` where it is not told (section 6.2).
    pub(crate) size: Option<u64>,
    /// Bytes of the head itself, at most [`Head::LEN_MAX`].
    pub(crate) length: usize,
}

impl Head {
    /// Four of an id, eight of a size.
    pub(crate) const LEN_MAX: usize = 12;

    /// Reads a head at the beginning of some bytes; `None` where there is none, or not all of it.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (id, id_length) = variable_integer(bytes, 4, false)?;
        let (size, size_length) = variable_integer(bytes.get(id_length..)?, 8, true)?;
        let unknown = size == (1 << (7 * size_length)) - 1;
        Some(Self { id: u32::try_from(id).ok()?, size: (!unknown).then_some(size), length: id_length + size_length })
    }
}

/// A variable-size integer (section 4) and its length in bytes, with its marker or without.
pub(crate) fn variable_integer(bytes: &[u8], length_max: usize, strip: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    if length > length_max {
        return None;
    }
    let marker = 0x80_u64 >> (length - 1);
    let first = u64::from(first) & if strip { !marker } else { u64::MAX };
    let value = bytes.get(1..length)?.iter().fold(first, |value, byte| value << 8 | u64::from(*byte));
    Some((value, length))
}

/// The elements in some bytes, by id and content. Ends at what is damaged or cut off.
pub(crate) struct Elements<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = Head::read(self.0)?;
        let content = self.0.get(head.length..)?;
        let size = usize::try_from(head.size?).ok().filter(|size| *size <= content.len())?;
        let (content, rest) = content.split_at(size);
        self.0 = rest;
        Some((head.id, content))
    }
}

/// An unsigned integer (section 7.2); 0 where it is longer than 8 bytes.
pub(crate) fn unsigned(content: &[u8]) -> u64 {
    if content.len() > 8 { 0 } else { content.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)) }
}

/// A float (section 7.3).
pub(crate) fn float(content: &[u8]) -> Option<f64> {
    match content.len() {
        4 => Some(f32::from_be_bytes(content.try_into().ok()?).into()),
        8 => Some(f64::from_be_bytes(content.try_into().ok()?)),
        _ => None,
    }
}

/// A string (section 7.5), without what pads it and of a sensible length.
pub(crate) fn text(content: &[u8]) -> String {
    let end = content.iter().position(|byte| *byte == 0).unwrap_or(content.len());
    String::from_utf8_lossy(&content[..end.min(256)]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head = |bytes: &[u8]| Head::read(bytes).map(|head| (head.id, head.size, head.length));
        assert_eq!(head(&[0x1a, 0x45, 0xdf, 0xa3, 0x9f]), Some((0x1a45_dfa3, Some(31), 5)));
        assert_eq!(head(&[0xec, 0x40, 0x80]), Some((0xec, Some(128), 3)));
        assert_eq!(
            head(&[0x18, 0x53, 0x80, 0x67, 0x01, 255, 255, 255, 255, 255, 255, 255]),
            Some((0x1853_8067, None, 12))
        );
        assert_eq!(head(&[0xec, 0xff]), Some((0xec, None, 2)));
        for bad in [&[][..], &[0xec], &[0x08, 1, 1, 1, 1, 1, 1], &[0xec, 0], &[0x42]] {
            assert_eq!(head(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn elements_end_where_they_are_cut_off() {
        let bytes = [0xd7, 0x81, 5, 0xec, 0x80, 0x83, 0x82, 1];
        assert_eq!(Elements(&bytes).collect::<Vec<_>>(), [(0xd7, &[5][..]), (0xec, &[])]);
        assert_eq!((unsigned(&[1, 2]), unsigned(&[1; 9])), (258, 0));
        assert_eq!(
            (float(&0.5_f32.to_be_bytes()), float(&0.25_f64.to_be_bytes()), float(&[1])),
            (Some(0.5), Some(0.25), None)
        );
        assert_eq!(text(b"eng\0\0x"), "eng");
    }
}
