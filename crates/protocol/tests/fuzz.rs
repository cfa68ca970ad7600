//! The laws over mutated golden files.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod laws;
#[path = "../../../fuzz/mutation.rs"]
mod mutation;

use serde_json::Value;
use std::path::Path;

/// What tends to break readers of JSON.
const TOKENS: [&str; 26] = [
    "null",
    "true",
    "0",
    "-0",
    "-1",
    "1e400",
    "1e308",
    "9007199254740992",
    "18446744073709551616",
    "0.1",
    "\"\"",
    "{}",
    "[]",
    "[[[[[[[[[[]]]]]]]]]]",
    "\"\\u0000\"",
    "\"\\ud83d\"",
    "\"\\ud83d\\udc0b\"",
    ",",
    ":",
    "\"",
    "}",
    "]",
    "\"userId\":1,",
    "\"order\":1,",
    "\"http://127.1/\"",
    "\u{feff}",
];

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files: Vec<_> = ["client", "relay"]
        .iter()
        .flat_map(|direction| std::fs::read_dir(folder.join(direction)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path| serde_json::to_vec(&serde_json::from_slice::<Value>(&std::fs::read(path).unwrap()).unwrap());
    files.into_iter().map(|path| read(path).unwrap()).collect()
}

#[test]
fn mutated_messages_break_no_law() {
    mutation::run("room messages", &corpus(), &TOKENS, |input| {
        laws::client_bytes(input);
        laws::relay_bytes(input);
    });
}
