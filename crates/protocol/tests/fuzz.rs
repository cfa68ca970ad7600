//! The laws over mutated golden files: a short run in every test, a longer one where STREAMSHARE_FUZZ_SECONDS says so
//! (`fuzz/run` does, where cargo-fuzz is missing).
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod laws;

use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Inputs of a run without a time: seconds in a debug build.
const INPUTS_DEFAULT: u64 = 20_000;

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

/// xorshift64* (Vigna 2016): a seed repeats a run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }
}

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

/// A few changes at random places: bytes, tokens, pieces of another input; or a value within the JSON.
fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(24)).min(input.len());
        match random.below(7) {
            0 => drop(input.splice(at..end, [])),
            1 => {
                let byte = u8::try_from(random.below(256)).unwrap();
                input.splice(at..end.min(at + 1), [byte]);
            }
            2 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len());
                let to = (from + random.below(80)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            3 => {
                let piece = input[at..end].to_vec();
                let times = random.below(300);
                input.splice(at..at, piece.repeat(times));
            }
            4 => drop(input.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
            _ => {
                if let Ok(mut value) = serde_json::from_slice::<Value>(&input) {
                    replace_within(&mut value, random);
                    input = value.to_string().into_bytes();
                }
            }
        }
    }
    input
}

fn replace_within(value: &mut Value, random: &mut Random) {
    let inner = match value {
        Value::Object(map) if !map.is_empty() && random.below(8) > 0 => {
            let at = random.below(map.len());
            map.values_mut().nth(at)
        }
        Value::Array(list) if !list.is_empty() && random.below(8) > 0 => {
            let at = random.below(list.len());
            list.get_mut(at)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match inner {
        Some(inner) => replace_within(inner, random),
        None => *value = serde_json::from_str(TOKENS[random.below(TOKENS.len())]).unwrap_or(Value::Null),
    }
}

#[test]
fn mutated_messages_break_no_law() {
    let seconds = std::env::var("STREAMSHARE_FUZZ_SECONDS").ok().map(|text| text.parse::<u64>().expect("seconds"));
    let clock_seed = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.subsec_nanos().into());
    let seed = match (std::env::var("STREAMSHARE_FUZZ_SEED"), seconds) {
        (Ok(text), _) => text.parse().expect("a seed"),
        (Err(_), Some(_)) => clock_seed,
        (Err(_), None) => 1,
    };
    let corpus = corpus();
    let mut random = Random(seed.max(1));
    let deadline = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let mut inputs = 0;
    while deadline.map_or(inputs < INPUTS_DEFAULT, |deadline| Instant::now() < deadline) {
        let input = mutate(&corpus, &mut random);
        let lawful = std::panic::catch_unwind(|| {
            laws::client_bytes(&input);
            laws::relay_bytes(&input);
        });
        assert!(lawful.is_ok(), "seed {seed}, input {inputs}: {}", String::from_utf8_lossy(&input));
        inputs += 1;
    }
    eprintln!("{inputs} mutated messages, seed {seed}");
}
