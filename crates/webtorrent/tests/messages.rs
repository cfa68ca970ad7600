//! The tracker's messages: as bittorrent-tracker writes them, at their limits, and what is none.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod laws;

use proptest::prelude::*;
use serde_json::{Value, json};
use streamshare_webtorrent::tracker::{
    Announce, Announced, Answer, Counts, DecodeError, Event, Failure, InfoHash, Offer, OfferId, PassedAnswer,
    PassedOffer, PeerId, PeerMessage, Scrape, Sdp, SdpError, TrackerMessage,
    limits::{MESSAGE_BYTES_MAX, OFFERS_MAX, REASON_BYTES_MAX, SCRAPE_MAX, SDP_BYTES_MAX},
};

/// One character per byte, as JavaScript's binary strings have.
fn binary(bytes: [u8; 20]) -> String {
    bytes.into_iter().map(char::from).collect()
}

/// Every kind of byte: zero, quotes, a backslash, beyond ASCII.
const HASH: [u8; 20] = *b"\0\x01\n\"\\/\x7f\x80\xff abcdefghij";
const PEER: [u8; 20] = *b"-WW0300-abcdefghijkl";
const OTHER: [u8; 20] = [0xee; 20];
const OFFER: [u8; 20] = [0x80; 20];
const SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\n";

fn sdp() -> Sdp {
    Sdp::new(SDP).unwrap()
}

fn announce() -> Value {
    json!({
        "numwant": 1, "uploaded": 0, "downloaded": 5, "left": 7, "event": "started", "action": "announce",
        "info_hash": binary(HASH), "peer_id": binary(PEER),
        "offers": [{"offer": {"type": "offer", "sdp": SDP}, "offer_id": binary(OFFER)}],
    })
}

fn announced(change: impl FnOnce(&mut Announce)) -> PeerMessage {
    let mut announce = Announce {
        info_hash: InfoHash(HASH),
        peer_id: PeerId(PEER),
        event: Event::Started,
        uploaded: 0,
        downloaded: 5,
        left: Some(7),
        offers: vec![Offer { offer_id: OfferId(OFFER), sdp: sdp() }],
    };
    change(&mut announce);
    PeerMessage::Announce(announce)
}

fn with(mut json: Value, field: &str, value: Value) -> String {
    json[field] = value;
    json.to_string()
}

#[test]
fn announces_as_clients_write_them() {
    let read = |text: &str| PeerMessage::from_json(text);
    assert_eq!(read(&announce().to_string()), Ok(announced(|_| ())));
    for (event, wanted) in [
        (json!("stopped"), Event::Stopped),
        (json!("completed"), Event::Completed),
        (json!("paused"), Event::Paused),
        (json!("update"), Event::Update),
        (json!("empty"), Event::Update),
        (json!(""), Event::Update),
        (Value::Null, Event::Update),
    ] {
        assert_eq!(read(&with(announce(), "event", event)), Ok(announced(|a| a.event = wanted)));
    }
    for (left, wanted) in [
        (Value::Null, None),
        (json!(0), Some(0)),
        (json!(0.5), Some(1)),
        (json!(9_007_199_254_740_993_u64), Some(9_007_199_254_740_993)),
        (json!(1e300), Some(u64::MAX)),
    ] {
        assert_eq!(read(&with(announce(), "left", left)), Ok(announced(|a| a.left = wanted)));
    }
    assert_eq!(read(&with(announce(), "offers", Value::Null)), Ok(announced(|a| a.offers.clear())));
    let minimal = json!({"action": "announce", "info_hash": binary(HASH), "peer_id": binary(PEER)});
    let quiet = announced(|a| {
        (a.event, a.downloaded, a.left) = (Event::Update, 0, None);
        a.offers.clear();
    });
    assert_eq!(read(&minimal.to_string()), Ok(quiet));
    assert_eq!(read(&with(announce(), "trackerid", json!({"any": ["thing"]}))), Ok(announced(|_| ())));
}

#[test]
fn what_we_write_is_what_clients_write() {
    let written: Value = serde_json::from_str(&announced(|_| ()).to_json()).unwrap();
    assert_eq!(written, announce());
    let update = announced(|a| (a.event, a.left) = (Event::Update, None));
    let written: Value = serde_json::from_str(&update.to_json()).unwrap();
    assert_eq!((written.get("event"), written.get("left")), (None, Some(&Value::Null)));
}

#[test]
fn answers_and_scrapes() {
    let answer = json!({
        "action": "announce", "info_hash": binary(HASH), "peer_id": binary(PEER), "to_peer_id": binary(OTHER),
        "answer": {"type": "answer", "sdp": SDP}, "offer_id": binary(OFFER),
    });
    let message = PeerMessage::Answer(Answer {
        info_hash: InfoHash(HASH),
        peer_id: PeerId(PEER),
        to_peer_id: PeerId(OTHER),
        offer_id: OfferId(OFFER),
        sdp: sdp(),
    });
    assert_eq!(PeerMessage::from_json(&answer.to_string()).as_ref(), Ok(&message));
    assert_eq!(serde_json::from_str::<Value>(&message.to_json()).unwrap(), answer);

    let one = json!({"action": "scrape", "info_hash": binary(HASH)});
    let two = json!({"action": "scrape", "info_hash": [binary(HASH), binary(OTHER)]});
    let scrape = |hashes: &[[u8; 20]]| {
        PeerMessage::Scrape(Scrape { info_hashes: hashes.iter().copied().map(InfoHash).collect() })
    };
    assert_eq!(PeerMessage::from_json(&one.to_string()), Ok(scrape(&[HASH])));
    assert_eq!(PeerMessage::from_json(&two.to_string()), Ok(scrape(&[HASH, OTHER])));
    assert_eq!(serde_json::from_str::<Value>(&scrape(&[HASH, OTHER]).to_json()).unwrap(), two);
}

#[test]
fn what_trackers_say() {
    let (info_hash, peer_id, offer_id) = (InfoHash(HASH), PeerId(OTHER), OfferId(OFFER));
    let both = [
        (
            json!({"complete": 1, "incomplete": 2, "action": "announce", "interval": 120, "info_hash": binary(HASH)}),
            TrackerMessage::Announced(Announced { info_hash, complete: 1, incomplete: 2, interval: Some(120) }),
        ),
        (
            json!({"action": "announce", "offer": {"type": "offer", "sdp": SDP}, "offer_id": binary(OFFER),
                "peer_id": binary(OTHER), "info_hash": binary(HASH)}),
            TrackerMessage::Offer(PassedOffer { info_hash, peer_id, offer_id, sdp: sdp() }),
        ),
        (
            json!({"action": "announce", "answer": {"type": "answer", "sdp": SDP}, "offer_id": binary(OFFER),
                "peer_id": binary(OTHER), "info_hash": binary(HASH)}),
            TrackerMessage::Answer(PassedAnswer { info_hash, peer_id, offer_id, sdp: sdp() }),
        ),
        (
            json!({"action": "scrape", "files": {binary(HASH): {"complete": 1, "incomplete": 2, "downloaded": 3}},
                "flags": {}}),
            TrackerMessage::Scrape(vec![(info_hash, Counts { complete: 1, incomplete: 2, downloaded: 3 })]),
        ),
        (json!({"failure reason": "no"}), TrackerMessage::Failure(Failure { reason: "no".into(), info_hash: None })),
        (
            json!({"action": "announce", "failure reason": "no", "info_hash": binary(HASH)}),
            TrackerMessage::Failure(Failure { reason: "no".into(), info_hash: Some(info_hash) }),
        ),
    ];
    for (json, message) in both {
        assert_eq!(TrackerMessage::from_json(&json.to_string()).as_ref(), Ok(&message));
        assert_eq!(serde_json::from_str::<Value>(&message.to_json()).unwrap(), json);
    }
    let long = json!({"failure reason": "ä".repeat(10_000)}).to_string();
    let Ok(TrackerMessage::Failure(failure)) = TrackerMessage::from_json(&long) else { panic!("no failure") };
    assert_eq!(failure.reason, "ä".repeat(REASON_BYTES_MAX / 2));
}

#[test]
fn offers_beyond_the_cap_are_passed_over() {
    let offer = json!({"offer": {"type": "offer", "sdp": "v=0"}, "offer_id": binary(OFFER)});
    for (sent, kept) in [(0, 0), (OFFERS_MAX, OFFERS_MAX), (OFFERS_MAX + 1, OFFERS_MAX), (500, OFFERS_MAX)] {
        let text = with(announce(), "offers", vec![offer.clone(); sent].into());
        let Ok(PeerMessage::Announce(announce)) = PeerMessage::from_json(&text) else { panic!("{sent} offers") };
        assert_eq!(announce.offers.len(), kept);
    }
}

/// Each is refused, and the reason names what is wrong without repeating much of it.
#[test]
fn what_a_peer_must_not_send() {
    let described = |kind: &str, sdp: Value| json!({"type": kind, "sdp": sdp});
    let offers = |offer: Value| with(announce(), "offers", json!([{"offer": offer, "offer_id": binary(OFFER)}]));
    let without = |field: &str| {
        let mut json = announce();
        json.as_object_mut().unwrap().remove(field);
        json.to_string()
    };
    let answer = |field: &str| {
        let mut json = json!({"action": "announce", "info_hash": binary(HASH), "peer_id": binary(PEER),
            "to_peer_id": binary(OTHER), "answer": {"type": "answer", "sdp": SDP}, "offer_id": binary(OFFER)});
        json.as_object_mut().unwrap().remove(field);
        json.to_string()
    };
    let escaped_half = announce().to_string().replace("v=0", "\\ud83d");
    let table = [
        (String::new(), "EOF while parsing"),
        ("{".into(), "EOF while parsing"),
        ("[]".into(), "expected"),
        ("null".into(), "expected struct Fields"),
        ("{}".into(), "invalid action"),
        (json!({"action": "connect"}).to_string(), "invalid action"),
        (json!({"action": 7}).to_string(), "invalid type: integer `7`"),
        (without("info_hash"), "info_hash is missing"),
        (without("peer_id"), "peer_id is missing"),
        (with(announce(), "info_hash", json!("short")), "expected an info_hash of 20 characters"),
        (with(announce(), "info_hash", json!("x".repeat(21))), "expected an info_hash of 20 characters"),
        (with(announce(), "info_hash", json!("Ā".repeat(20))), "expected an info_hash of 20 characters"),
        (with(announce(), "info_hash", json!("0".repeat(40))), "expected an info_hash of 20 characters"),
        (with(announce(), "info_hash", json!([binary(HASH)])), "about one info_hash"),
        (with(announce(), "info_hash", json!(5)), "expected an info_hash"),
        (with(announce(), "peer_id", json!("x".repeat(19))), "expected a peer_id of 20 characters"),
        (with(announce(), "event", json!("finished")), "invalid event"),
        (with(announce(), "left", json!(-1)), "negative"),
        (with(announce(), "left", json!(-0.5)), "negative"),
        (with(announce(), "left", json!("7")), "expected a number"),
        (with(announce(), "offers", json!("many")), "expected a list of offers"),
        (with(announce(), "offers", json!([{}])), "missing field `offer`"),
        (offers(described("answer", json!(SDP))), "in place of"),
        (offers(described("rollback", json!(SDP))), "unknown variant"),
        (offers(described("offer", json!(7))), "the sdp is no text"),
        (offers(described("offer", json!({"a": "b"}))), "the sdp is no text"),
        (offers(described("offer", json!("x".repeat(SDP_BYTES_MAX)))), "the sdp is longer"),
        (offers(json!({"type": "offer"})), "missing field `sdp`"),
        (escaped_half, "the sdp is no text"),
        (answer("to_peer_id"), "to_peer_id is missing"),
        (answer("offer_id"), "offer_id is missing"),
        (json!({"action": "scrape"}).to_string(), "info_hash is missing"),
        (json!({"action": "scrape", "info_hash": []}).to_string(), "info_hash is missing"),
        (
            json!({"action": "scrape", "info_hash": vec![binary(HASH); SCRAPE_MAX + 1]}).to_string(),
            "more than 64 torrents",
        ),
        (format!("{{\"x\": \"{}\"}}", "y".repeat(MESSAGE_BYTES_MAX)), "longer than 65536 bytes"),
        (format!("{}1{}", "[".repeat(9000), "]".repeat(9000)), "expected"),
        (format!("{{\"x\": {}1{}}}", "[".repeat(9000), "]".repeat(9000)), "invalid action"),
        (with(announce(), "left", json!("z".repeat(60_000))), "invalid type: string \"zzz"),
        ("{\"action\":\"announce\",\"action\":\"announce\"}".into(), "duplicate field"),
    ];
    for (text, wanted) in table {
        let shown: String = text.chars().take(200).collect();
        let reason = PeerMessage::from_json(&text).expect_err(&shown).to_string();
        assert!(reason.contains(wanted), "{shown}: {reason:?} has no {wanted:?}");
        assert!(reason.len() <= 2 * REASON_BYTES_MAX, "{shown}: {} bytes", reason.len());
        laws::peer_text(&text);
    }
}

#[test]
fn what_a_tracker_must_not_send() {
    let passed = json!({"action": "announce", "info_hash": binary(HASH), "offer": {"type": "offer", "sdp": SDP}});
    let missing = |field| DecodeError::Missing { field };
    let read = |json: &Value| TrackerMessage::from_json(&json.to_string()).unwrap_err();
    assert_eq!(read(&json!({"action": "announce"})), missing("info_hash"));
    assert_eq!(read(&passed), missing("peer_id"));
    assert_eq!(read(&json!({"action": "scrape"})), missing("files"));
    assert_eq!(read(&json!({"complete": 1})), DecodeError::Action);
    let crowd: serde_json::Map<_, _> = (0..=SCRAPE_MAX).map(|n| (format!("{n:020}"), json!({}))).collect();
    assert!(read(&json!({"action": "scrape", "files": crowd})).to_string().contains("more than 64 torrents"));
}

#[test]
fn descriptions_have_a_cap_in_json() {
    assert_eq!(Sdp::new(&"x".repeat(SDP_BYTES_MAX - 2)).unwrap().text().len(), SDP_BYTES_MAX - 2);
    assert_eq!(Sdp::new(&"x".repeat(SDP_BYTES_MAX - 1)), Err(SdpError::TooLong));
    // Each line break takes two bytes.
    assert_eq!(Sdp::new(&"\n".repeat(SDP_BYTES_MAX / 2)), Err(SdpError::TooLong));
    assert_eq!(format!("{:?}", sdp()), "Sdp(44 bytes)");
}

fn offer() -> impl Strategy<Value = Offer> {
    (any::<[u8; 20]>(), "\\PC{0,40}|(a=candidate:[0-9.: ]{1,30}\r\n){0,20}")
        .prop_map(|(id, text)| Offer { offer_id: OfferId(id), sdp: Sdp::new(&text).unwrap() })
}

fn peer_message() -> impl Strategy<Value = PeerMessage> {
    let event =
        prop::sample::select(vec![Event::Started, Event::Stopped, Event::Completed, Event::Paused, Event::Update]);
    let offers = prop::collection::vec(offer(), 0..=OFFERS_MAX);
    let numbers = (any::<u64>(), any::<u64>(), any::<Option<u64>>());
    let announce = (any::<[u8; 20]>(), any::<[u8; 20]>(), event, numbers, offers).prop_map(
        |(hash, peer, event, (uploaded, downloaded, left), offers)| {
            let (info_hash, peer_id) = (InfoHash(hash), PeerId(peer));
            PeerMessage::Announce(Announce { info_hash, peer_id, event, uploaded, downloaded, left, offers })
        },
    );
    let answer = (any::<[[u8; 20]; 3]>(), offer()).prop_map(|([hash, peer, to], Offer { offer_id, sdp })| {
        let (info_hash, peer_id, to_peer_id) = (InfoHash(hash), PeerId(peer), PeerId(to));
        PeerMessage::Answer(Answer { info_hash, peer_id, to_peer_id, offer_id, sdp })
    });
    let scrape = prop::collection::vec(any::<[u8; 20]>().prop_map(InfoHash), 1..=SCRAPE_MAX)
        .prop_map(|info_hashes| PeerMessage::Scrape(Scrape { info_hashes }));
    prop_oneof![announce, answer, scrape]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn messages_read_back(message in peer_message()) {
        prop_assert_eq!(PeerMessage::from_json(&message.to_json()), Ok(message.clone()));
        laws::peer_text(&message.to_json());
    }

    #[test]
    fn cut_and_bent_messages_break_no_law(message in peer_message(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = message.to_json().into_bytes();
        let at = at.index(bytes.len());
        laws::bytes(&bytes[..at]);
        bytes[at] = byte;
        laws::bytes(&bytes);
    }

    #[test]
    fn any_text_breaks_no_law(text in "\\PC{0,200}") {
        laws::bytes(text.as_bytes());
    }
}
