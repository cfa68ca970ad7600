//! What a peer may send over a channel, as bytes.
#![no_main]

#[path = "../../crates/webtorrent/tests/wire/laws.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::peer_bytes(bytes));
