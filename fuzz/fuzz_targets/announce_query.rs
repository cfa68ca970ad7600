//! The query of an HTTP announce or scrape, as bytes.
#![no_main]

#[path = "../../relay/src/tracker/query.rs"]
mod query;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| query::hold_laws(bytes));
