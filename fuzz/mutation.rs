//! Mutates valid inputs and holds a law against them: a short run in every test, a longer one where
//! STREAMSHARE_FUZZ_SECONDS says so (`fuzz/run` does, where cargo-fuzz is missing). A part of the tests that name it.

use serde_json::Value;
use std::time::{Duration, Instant, SystemTime};

/// Inputs of a run without a time: a second or some in a debug build.
const INPUTS_DEFAULT: u64 = 20_000;

/// xorshift64* (Vigna 2016): a seed repeats a run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end.max(1) as u64).expect("it is below a usize")
    }
}

/// Holds `law` against mutations of `corpus`; it panics where it is broken. `tokens` are what tends to break readers.
pub(crate) fn run(what: &str, corpus: &[Vec<u8>], tokens: &[&str], law: impl Fn(&[u8]) + std::panic::RefUnwindSafe) {
    let seconds = std::env::var("STREAMSHARE_FUZZ_SECONDS").ok().map(|text| text.parse::<u64>().expect("seconds"));
    let clock_seed = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.subsec_nanos().into());
    let seed = match (std::env::var("STREAMSHARE_FUZZ_SEED"), seconds) {
        (Ok(text), _) => text.parse().expect("a seed"),
        (Err(_), Some(_)) => clock_seed,
        (Err(_), None) => 1,
    };
    let mut random = Random(seed.max(1));
    let deadline = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let mut inputs = 0;
    while deadline.map_or(inputs < INPUTS_DEFAULT, |deadline| Instant::now() < deadline) {
        let input = mutate(corpus, tokens, &mut random);
        let lawful = std::panic::catch_unwind(|| law(&input));
        assert!(lawful.is_ok(), "seed {seed}, input {inputs}: {}", input.escape_ascii());
        inputs += 1;
    }
    eprintln!("{inputs} mutated {what}, seed {seed}");
}

/// A few changes at random places: bytes, tokens, pieces of another input; or a value, where it is JSON.
fn mutate(corpus: &[Vec<u8>], tokens: &[&str], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(24)).min(input.len());
        match random.below(7) {
            0 => drop(input.splice(at..end, [])),
            1 => {
                let byte = u8::try_from(random.below(256)).expect("it is below 256");
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
                input.splice(at..at, piece.repeat(random.below(300)));
            }
            4 => drop(input.splice(at..at, tokens[random.below(tokens.len())].bytes())),
            _ => {
                if let Ok(mut value) = serde_json::from_slice::<Value>(&input) {
                    replace_within(&mut value, tokens, random);
                    input = value.to_string().into_bytes();
                }
            }
        }
    }
    input
}

fn replace_within(value: &mut Value, tokens: &[&str], random: &mut Random) {
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
        Some(inner) => replace_within(inner, tokens, random),
        None => *value = serde_json::from_str(tokens[random.below(tokens.len())]).unwrap_or(Value::Null),
    }
}
