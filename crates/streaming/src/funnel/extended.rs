//! The extension handshake (BEP 10) of peers that came to us.
//!
//! librqbit takes them to be on this machine: it would tell others of their port at the loopback address, and them of addresses in this
//! network, which it does among neighbours. So where they are is written into what they say of themselves, and the exchange of peers
//! (BEP 11) goes one way: they tell us of others. (They have found us, and who listens is told of to those whom we connected to.)

use std::net::IpAddr;

use bytes::Bytes;

use super::message::EXTENDED;
use crate::bencode::{Dict, Value, decode, write_bytes, write_integer};

/// Names of clients that are passed on have at most so many bytes.
const NAME_BYTES_MAX: usize = 64;

/// The frame that librqbit is told, of the peer's handshake; nothing where it is none.
pub(super) fn introduce(handshake: &[u8], ip: IpAddr) -> Option<Bytes> {
    let value = decode(handshake).ok()?;
    let told = value.as_dict()?;
    let mut out = vec![EXTENDED, 0, b'd'];
    match ip {
        IpAddr::V4(ip) => {
            write_bytes(&mut out, b"ipv4");
            write_bytes(&mut out, &ip.octets());
        }
        IpAddr::V6(ip) => {
            write_bytes(&mut out, b"ipv6");
            write_bytes(&mut out, &ip.octets());
        }
    }
    write_bytes(&mut out, b"m");
    out.push(b'd');
    if let Some(messages) = told.get("m").and_then(Value::as_dict) {
        write_number(&mut out, messages, "ut_metadata", u8::MAX.into());
    }
    out.push(b'e');
    write_number(&mut out, told, "metadata_size", u32::MAX.into());
    write_number(&mut out, told, "p", u16::MAX.into());
    write_number(&mut out, told, "reqq", u32::MAX.into());
    if let Some(name) = told.get("v").and_then(Value::as_bytes) {
        write_bytes(&mut out, b"v");
        write_bytes(&mut out, &name[..name.len().min(NAME_BYTES_MAX)]);
    }
    out.push(b'e');
    let length = u32::try_from(out.len()).ok()?;
    Some([&length.to_be_bytes()[..], &out].concat().into())
}

/// Writes a number that was told, if it is one.
fn write_number(out: &mut Vec<u8>, told: &Dict<'_>, key: &str, max: u64) {
    let number = told.get(key).and_then(Value::as_integer).and_then(|number| u64::try_from(number).ok());
    if let Some(number) = number.filter(|number| (1..=max).contains(number)) {
        write_bytes(out, key.as_bytes());
        write_integer(out, number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_told_of_where_it_is() {
        let told = introduce(
            b"d1:ei0e4:ipv44:\x7f\0\0\x011:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235e1:pi6881e4:reqqi500e1:v5:uT1.26:yourip4:\x01\x02\x03\x04e",
            "192.0.2.7".parse().unwrap(),
        );
        let wanted = b"\x14\0d4:ipv44:\xc0\0\x02\x071:md11:ut_metadatai3ee13:metadata_sizei31235e1:pi6881e4:reqqi500e1:v5:uT1.2e";
        assert_eq!(told.unwrap()[4..], wanted[..]);
        let six = introduce(b"d1:pi-1e4:reqqi99999999999ee", "2001:db8::1".parse().unwrap()).unwrap();
        assert_eq!(six[4..], *b"\x14\0d4:ipv616:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x011:mdee");
        for nothing in [&b""[..], b"i1e", b"d", b"de5"] {
            assert!(introduce(nothing, "192.0.2.7".parse().unwrap()).is_none());
        }
    }
}
