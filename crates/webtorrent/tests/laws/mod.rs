//! What must hold for every text whatever: shared by the property tests and the fuzz target.
#![allow(dead_code, reason = "each of those uses a part of it")]

use streamshare_webtorrent::tracker::{
    DecodeError, Failure, Offer, PassedAnswer, PassedOffer, PeerMessage, Sdp, TrackerMessage,
    limits::{MESSAGE_BYTES_MAX, OFFERS_MAX, REASON_BYTES_MAX, SCRAPE_MAX, SDP_BYTES_MAX},
};

/// Bytes that either side sent.
pub(crate) fn bytes(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        peer_text(text);
        tracker_text(text);
        description(text);
    }
}

/// A session description is kept as it is or refused, as text and as it stands in JSON.
fn description(text: &str) {
    if let Ok(sdp) = Sdp::new(text) {
        assert_eq!(sdp.text(), text);
        assert_eq!(serde_json::from_str::<Sdp>(&serde_json::to_string(&sdp).expect("JSON")).ok(), Some(sdp));
    }
    if let Ok(sdp) = serde_json::from_str::<Sdp>(text) {
        let held = sdp.text();
        assert!(held.len() <= SDP_BYTES_MAX, "escaping only makes it longer");
        assert_eq!(serde_json::from_str::<String>(text).ok(), Some(held));
    }
}

/// What a peer sent is refused with a reason, or it reads back as itself and can be passed on.
pub(crate) fn peer_text(text: &str) {
    match PeerMessage::from_json(text) {
        Ok(message) => {
            assert_eq!(PeerMessage::from_json(&message.to_json()).as_ref(), Ok(&message), "read again: {text}");
            passes_on(message);
        }
        Err(error) => explains(&error),
    }
}

/// What a tracker sent is refused with a reason, or it reads back as itself.
pub(crate) fn tracker_text(text: &str) {
    match TrackerMessage::from_json(text) {
        Ok(message) => {
            assert_eq!(TrackerMessage::from_json(&message.to_json()).as_ref(), Ok(&message), "read again: {text}");
            if let TrackerMessage::Failure(failure) = message {
                assert!(failure.reason.len() <= REASON_BYTES_MAX);
            }
        }
        Err(error) => explains(&error),
    }
}

/// A reason fits into a failure that a peer can read.
fn explains(error: &DecodeError) {
    let failure = TrackerMessage::Failure(Failure { reason: error.to_string(), info_hash: None });
    let text = failure.to_json();
    assert!(text.len() <= 8 * REASON_BYTES_MAX, "{text}");
    assert!(matches!(TrackerMessage::from_json(&text), Ok(TrackerMessage::Failure(_))), "{text}");
}

/// Whatever a tracker makes of a peer's message, another peer can read.
fn passes_on(message: PeerMessage) {
    match message {
        PeerMessage::Announce(announce) => {
            assert!(announce.offers.len() <= OFFERS_MAX);
            for Offer { offer_id, sdp } in announce.offers {
                assert!(sdp.text().len() <= SDP_BYTES_MAX);
                let (info_hash, peer_id) = (announce.info_hash, announce.peer_id);
                passes(TrackerMessage::Offer(PassedOffer { info_hash, peer_id, offer_id, sdp }));
            }
        }
        PeerMessage::Answer(answer) => passes(TrackerMessage::Answer(PassedAnswer {
            info_hash: answer.info_hash,
            peer_id: answer.peer_id,
            offer_id: answer.offer_id,
            sdp: answer.sdp,
        })),
        PeerMessage::Scrape(scrape) => assert!((1..=SCRAPE_MAX).contains(&scrape.info_hashes.len())),
    }
}

fn passes(message: TrackerMessage) {
    let text = message.to_json();
    assert!(text.len() <= MESSAGE_BYTES_MAX);
    assert_eq!(TrackerMessage::from_json(&text), Ok(message));
}

/// One of the two sides may send it.
pub(crate) fn is_message(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).expect("text");
    let read = (PeerMessage::from_json(text), TrackerMessage::from_json(text));
    assert!(read.0.is_ok() || read.1.is_ok(), "{text}: {read:?}");
}
