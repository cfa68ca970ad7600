//! The laws over mutated golden messages, and over mutated conversations of a peer's.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[cfg(feature = "hybrid")]
#[path = "laws/descriptions.rs"]
mod descriptions;
mod laws;
#[path = "../../../fuzz/mutation.rs"]
mod mutation;
#[cfg(feature = "wire")]
#[path = "wire/laws.rs"]
mod wire_laws;

use std::path::Path;

/// What tends to break readers of this JSON.
const TOKENS: [&str; 16] = [
    "null",
    "-1",
    "1e400",
    "18446744073709551616",
    "\"\"",
    "{}",
    "[]",
    "[[[[[[[[[[]]]]]]]]]]",
    "\\u0000",
    "\\ud83d",
    "\u{100}",
    "\u{ff}",
    "\"offers\":[],",
    "\"answer\":{\"type\":\"answer\",\"sdp\":\"\"},",
    "\"failure reason\":\"\",",
    "\"left\":0,",
];

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn mutated_messages_break_no_law() {
    let corpus = corpus();
    corpus.iter().for_each(|golden| laws::is_message(golden));
    mutation::run("tracker messages", &corpus, &TOKENS, laws::bytes);
}

#[cfg(feature = "wire")]
#[test]
fn mutated_conversations_break_no_law() {
    // What follows a peer's handshake, behind the byte that says in which portions it comes.
    let corpus = [
        &b"\xff\0\0\0\x0e\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xf0\0\0\0\x01\x01\0\0\0\0"[..],
        b"\x10\0\0\0\x01\x02\0\0\0\x0d\x06\0\0\0\x01\0\0\0\0\0\0\x40\0\0\0\0\x0d\x08\0\0\0\x01\0\0\0\0\0\0\x40\0",
        b"\xff\0\0\0\x2e\x14\0d1:md11:ut_metadatai2ee13:metadata_sizei16385ee\0\0\0\x1b\x14\x01d8:msg_typei0e5:piecei0ee",
        b"\xff\0\0\0\x31\x14\x03d8:msg_typei1e5:piecei0e10:total_sizei16385eeAAAA\0\0\0\x01\0\0\0\0\x05\x04\0\0\0\x07",
    ];
    let tokens = ["\0\0\0\0", "\0\0\0\x01", "\0\0\x40\x09\x07", "i-1e", "i99999999999999999999e", "d", "e", "\x14\0d"];
    mutation::run("conversations", &corpus.map(<[u8]>::to_vec), &tokens, wire_laws::peer_bytes);
}

#[cfg(feature = "hybrid")]
#[test]
fn mutated_descriptions_break_no_law() {
    let tokens = [
        "\r\n",
        "a=",
        "a=candidate:1 1 udp 1 ::1 65536 typ host\r\n",
        "a=candidate:1 256 tcp 99999999999 x.local 9 typ relay raddr 0.0.0.0 rport 0 tcptype active\r\n",
        "a=fingerprint:sha-256 00\r\n",
        "a=fingerprint:sha-1 \r\n",
        "a=ice-pwd:\r\n",
        "a=ice-ufrag:",
        "a=setup:holdconn\r\n",
        "a=sctp-port:65536\r\n",
        "a=max-message-size:-1\r\n",
        "a=mid:\r\n",
        "a=group:BUNDLE 0 1 0\r\n",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\n",
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n",
        "c=IN IP6 ::\r\n",
        "99999999999999999999",
        "-1",
        "\0",
    ];
    mutation::run("descriptions", &descriptions::corpus(), &tokens, descriptions::bytes);
}
