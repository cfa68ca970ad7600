//! The laws over mutated golden messages, and over mutated conversations of a peer's.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

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
