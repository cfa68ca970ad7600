//! What a peer may send to a tracker and a tracker to a peer, as bytes.
#![no_main]

#[path = "../../crates/webtorrent/tests/laws/mod.rs"]
mod laws;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| laws::bytes(bytes));
