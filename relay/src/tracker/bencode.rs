//! Answers to HTTP requests in bencoding (BEP 3). A dictionary's keys must be written in their order.

/// Bytes of a bencoded value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bencode(pub(crate) Vec<u8>);

impl Bencode {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn integer(&mut self, number: u64) {
        self.0.extend_from_slice(format!("i{number}e").as_bytes());
    }

    pub(crate) fn dictionary(&mut self, entries: impl FnOnce(&mut Self)) {
        self.0.push(b'd');
        entries(self);
        self.0.push(b'e');
    }

    pub(crate) fn list(&mut self, entries: impl FnOnce(&mut Self)) {
        self.0.push(b'l');
        entries(self);
        self.0.push(b'e');
    }

    /// An entry of a dictionary.
    pub(crate) fn entry(&mut self, key: &str, value: impl FnOnce(&mut Self)) {
        self.bytes(key.as_bytes());
        value(self);
    }
}
