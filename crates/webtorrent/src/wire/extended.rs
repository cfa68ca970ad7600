//! Messages of the extension protocol (BEP 10), of which only the exchange of metadata (BEP 9) is passed on.

use super::{
    bencode::{Dict, write_bytes, write_number},
    frame::{Frame, id},
};

/// The id under which a peer shall send us metadata messages. librqbit and webtorrent use small ones too; any does.
pub(super) const OUR_METADATA_ID: u8 = 3;
/// Bytes of a client's name that are passed on.
const NAME_BYTES_MAX: usize = 64;

/// What of a peer's extension handshake is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExtendedHandshake {
    /// The id under which its sender wants metadata messages. 0 is no id.
    pub(super) metadata_id: Option<u8>,
    pub(super) metadata_bytes: Option<u32>,
    /// Requests that the sender takes at a time.
    requests_max: Option<u32>,
    /// The client's name.
    client: Option<Vec<u8>>,
}

impl ExtendedHandshake {
    /// What we say when we only want metadata.
    pub(super) fn ours() -> Self {
        let client = concat!("Streamshare ", env!("CARGO_PKG_VERSION")).into();
        Self { metadata_id: Some(OUR_METADATA_ID), metadata_bytes: None, requests_max: None, client: Some(client) }
    }

    /// Reads the payload of an extension message with id 0.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let (dict, _) = Dict::read_prefix(payload)?;
        let metadata_id = dict.dict("m").and_then(|m| m.number("ut_metadata"));
        Some(Self {
            metadata_id: metadata_id.and_then(|id| u8::try_from(id).ok()).filter(|id| *id != 0),
            metadata_bytes: dict.number("metadata_size"),
            requests_max: dict.number("reqq"),
            client: dict.bytes("v").map(|name| name[..name.len().min(NAME_BYTES_MAX)].to_vec()),
        })
    }

    /// Leaves out everything that concerns addresses, since a client behind a channel has none that others could use,
    /// and all extensions but metadata: peer exchange (BEP 11) would spread the loopback address.
    pub(super) fn to_frame(&self) -> Frame {
        let mut out = vec![0];
        out.extend_from_slice(b"d1:md");
        if let Some(id) = self.metadata_id {
            write_number(&mut out, "ut_metadata", id);
        }
        out.push(b'e');
        if let Some(bytes) = self.metadata_bytes {
            write_number(&mut out, "metadata_size", bytes);
        }
        if let Some(count) = self.requests_max {
            write_number(&mut out, "reqq", count);
        }
        if let Some(name) = &self.client {
            write_bytes(&mut out, b"v");
            write_bytes(&mut out, name);
        }
        out.push(b'e');
        Frame::new(id::EXTENDED, &out)
    }
}

/// A message of the exchange of metadata (BEP 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetadataMessage<'a> {
    Request { piece: u32 },
    Data { piece: u32, total_bytes: Option<u32>, bytes: &'a [u8] },
    Reject { piece: u32 },
}

impl<'a> MetadataMessage<'a> {
    /// Reads what follows the extension's id.
    pub(super) fn read(payload: &'a [u8]) -> Option<Self> {
        let (dict, bytes) = Dict::read_prefix(payload)?;
        let piece = dict.number("piece")?;
        match dict.number("msg_type")? {
            0 => Some(Self::Request { piece }),
            1 => Some(Self::Data { piece, total_bytes: dict.number("total_size"), bytes }),
            2 => Some(Self::Reject { piece }),
            _ => None,
        }
    }

    /// A request for a piece.
    pub(super) fn request_frame(metadata_id: u8, piece: u32) -> Frame {
        Self::frame(metadata_id, 0, piece)
    }

    /// The answer to a request that is not met.
    pub(super) fn reject_frame(metadata_id: u8, piece: u32) -> Frame {
        Self::frame(metadata_id, 2, piece)
    }

    fn frame(metadata_id: u8, kind: u8, piece: u32) -> Frame {
        let mut out = vec![metadata_id, b'd'];
        write_number(&mut out, "msg_type", kind);
        write_number(&mut out, "piece", piece);
        out.push(b'e');
        Frame::new(id::EXTENDED, &out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_only_metadata() {
        let full = b"d1:md11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei99e1:pi4240e4:reqqi250e1:v4:test6:yourip4:\x7f\0\0\x01e";
        let kept = ExtendedHandshake::read(full).unwrap().to_frame();
        assert_eq!(&kept.payload()[1..], b"d1:md11:ut_metadatai2ee13:metadata_sizei99e4:reqqi250e1:v4:teste");
        assert_eq!(kept.payload()[0], 0);
        for empty in
            [&b"de"[..], b"d1:mdee", b"d1:mi1e1:vi1ee", b"d1:md11:ut_metadatai0eee", b"d1:md11:ut_metadatai256eee"]
        {
            let kept = ExtendedHandshake::read(empty).unwrap();
            assert_eq!(&kept.to_frame().payload()[1..], b"d1:mdee");
        }
        assert_eq!(ExtendedHandshake::read(b"nonsense"), None);
    }

    #[test]
    fn reads_metadata_messages() {
        let request = MetadataMessage::request_frame(7, 3);
        assert_eq!(request.payload()[0], 7);
        assert_eq!(MetadataMessage::read(&request.payload()[1..]), Some(MetadataMessage::Request { piece: 3 }));
        assert_eq!(
            MetadataMessage::read(b"d8:msg_typei1e5:piecei0e10:total_sizei5eehello"),
            Some(MetadataMessage::Data { piece: 0, total_bytes: Some(5), bytes: b"hello" })
        );
        let reject = MetadataMessage::reject_frame(1, 9);
        assert_eq!(MetadataMessage::read(&reject.payload()[1..]), Some(MetadataMessage::Reject { piece: 9 }));
        for bad in [&b""[..], b"de", b"d8:msg_typei9e5:piecei0ee", b"d8:msg_typei0e5:piecei-1ee"] {
            assert_eq!(MetadataMessage::read(bad), None);
        }
    }
}
