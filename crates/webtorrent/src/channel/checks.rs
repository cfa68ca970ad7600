//! Answers a peer's checks before the peer's answer has come.
//!
//! Whoever made an offer has to answer checks that come before the answer does (RFC 8445, section 7.3): webrtc-rs drops them
//! (rtc-ice 0.21, `Agent::handle_inbound`). A browser that hears nothing looks for more of its own addresses, in steps of
//! 50 ms, and its answer waits for that: 117 ms were measured. One that is heard at once has found its way, and is done.

use rtc_crypto::{RTCCryptoProvider, default_provider};
use rtc_stun::{
    attributes::ATTR_USERNAME,
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{BINDING_REQUEST, BINDING_SUCCESS, Message, is_stun_message},
    xoraddr::XorMappedAddress,
};
use std::{fmt, net::SocketAddr, sync::Arc};

/// What a check has to know of our offer.
pub(super) struct Credentials {
    fragment: String,
    password: String,
    provider: Arc<dyn RTCCryptoProvider>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("fragment", &self.fragment).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Those of a description (RFC 8839, section 5.4).
    pub(super) fn of(sdp: &str) -> Option<Self> {
        let value = |name: &str| sdp.lines().find_map(|line| line.trim_end().strip_prefix(name)).map(str::to_owned);
        let (fragment, password) = (value("a=ice-ufrag:")?, value("a=ice-pwd:")?);
        Some(Self { fragment, password, provider: default_provider().ok()? })
    }

    /// The answer to a packet from there, if it is a check by somebody who has the offer (RFC 8445, section 7.3).
    pub(super) fn answer(&self, packet: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        if !is_stun_message(packet) {
            return None;
        }
        let mut check = Message::new();
        check.unmarshal_binary(packet).ok()?;
        let name = check.get(ATTR_USERNAME).ok()?;
        if check.typ != BINDING_REQUEST || !name.starts_with(format!("{}:", self.fragment).as_bytes()) {
            return None;
        }
        MessageIntegrity::check(&mut check, self.password.as_bytes(), self.provider.crypto()).ok()?;
        let (ip, port) = (from.ip(), from.port());
        let mut answer = Message::new();
        let key =
            MessageIntegrity::new_short_term_integrity_with_provider(self.password.clone(), self.provider.crypto());
        answer
            .build(&[
                Box::new(check),
                Box::new(BINDING_SUCCESS),
                Box::new(XorMappedAddress { ip, port }),
                Box::new(key),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some(answer.raw)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rtc_stun::{
        message::{Getter, TransactionId},
        textattrs::TextAttribute,
    };

    pub(in super::super) const OFFER: &str = "v=0\r\na=ice-ufrag:ours\r\na=ice-pwd:a password of theirs\r\n";

    /// A check by somebody who has an offer with these.
    pub(in super::super) fn check(name: &str, password: &str) -> Vec<u8> {
        let provider = default_provider().unwrap();
        let key = MessageIntegrity::new_short_term_integrity_with_provider(password.into(), provider.crypto());
        let mut check = Message::new();
        let name = TextAttribute::new(ATTR_USERNAME, name.into());
        let id = Box::new(TransactionId([7; 12]));
        check.build(&[Box::new(BINDING_REQUEST), id, Box::new(name), Box::new(key), Box::new(FINGERPRINT)]).unwrap();
        check.raw
    }

    #[test]
    fn who_has_the_offer_is_answered_and_nobody_else() {
        let from: SocketAddr = "192.0.2.7:4711".parse().unwrap();
        let ours = Credentials::of(OFFER).unwrap();
        let answer = ours.answer(&check("ours:theirs", "a password of theirs"), from).unwrap();
        let mut read = Message::new();
        read.unmarshal_binary(&answer).unwrap();
        assert_eq!((read.typ, read.transaction_id), (BINDING_SUCCESS, TransactionId([7; 12])));
        let mut seen = XorMappedAddress::default();
        seen.get_from(&read).unwrap();
        assert_eq!(SocketAddr::new(seen.ip, seen.port), from);
        FINGERPRINT.check(&read).unwrap();
        MessageIntegrity::check(&mut read, b"a password of theirs", default_provider().unwrap().crypto()).unwrap();

        for wrong in [
            check("ours:theirs", "another"),
            check("others:theirs", "a password of theirs"),
            check("ours", "a password of theirs"),
            answer,
            vec![22, 254, 253],
            Vec::new(),
        ] {
            assert_eq!(ours.answer(&wrong, from), None);
        }
        assert!(Credentials::of("v=0\r\na=ice-ufrag:ours\r\n").is_none());
    }
}
