//! What a player asks for: Range, If-Range, and lists of entity tags, one a line.
#![no_main]

#[path = "../../crates/streaming/src/range.rs"]
mod range;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| range::hold_laws(bytes));
