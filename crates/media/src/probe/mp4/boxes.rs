//! Boxes within boxes (ISO/IEC 14496-12, section 4.2).

/// The boxes in some bytes, by kind and content. Ends at what is damaged or cut off.
pub(crate) struct Boxes<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = self.0.get(4..8)?.try_into().ok()?;
        let (length, head) = match u32_at(self.0, 0)? {
            0 => (self.0.len(), 8),
            1 => (usize::try_from(u64_at(self.0, 8)?).ok()?, 16),
            length => (usize::try_from(length).ok()?, 8),
        };
        let content = self.0.get(head..length)?;
        self.0 = &self.0[length..];
        Some((kind, content))
    }
}

/// The content of the first box of a kind.
pub(crate) fn find<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(bytes).find(|(kind, _)| kind == wanted).map(|(_, content)| content)
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_end_where_they_are_cut_off() {
        let bytes = b"\0\0\0\x0aabcdxy\0\0\0\x01long\0\0\0\0\0\0\0\x11z\0\0\0\x07shrt";
        let found: Vec<_> = Boxes(bytes).collect();
        assert_eq!(found, [(*b"abcd", &b"xy"[..]), (*b"long", b"z")]);
        assert_eq!(find(b"\0\0\0\0rest123", b"rest"), Some(&b"123"[..]));
        assert_eq!(find(b"\0\0\0\x01rest\0\0\0\0\0\0\0\x08", b"rest"), None);
        assert_eq!(
            (u16_at(b"\x01\x02", 1), u32_at(b"", usize::MAX), u64_at(b"12345678", 0).is_some()),
            (None, None, true)
        );
    }
}
