//! The laws over mutated golden messages: a short run in every test, a longer one where STREAMSHARE_FUZZ_SECONDS says so
//! (`fuzz/run` does, where cargo-fuzz is missing).
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod laws;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// Inputs of a run without a time: about a second in a debug build.
const INPUTS_DEFAULT: u64 = 20_000;

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

/// xorshift64* (Vigna 2016): a seed repeats a run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % end.max(1) as u64).unwrap()
    }
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn mutate(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..random.below(5) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(24)).min(input.len());
        match random.below(5) {
            0 => drop(input.splice(at..end, [])),
            1 => {
                let byte = u8::try_from(random.below(128)).unwrap();
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
            _ => drop(input.splice(at..at, TOKENS[random.below(TOKENS.len())].bytes())),
        }
    }
    input
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
    corpus.iter().for_each(|golden| laws::is_message(golden));
    let mut random = Random(seed.max(1));
    let deadline = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let mut inputs = 0;
    while deadline.map_or(inputs < INPUTS_DEFAULT, |deadline| Instant::now() < deadline) {
        let input = mutate(&corpus, &mut random);
        let lawful = std::panic::catch_unwind(|| laws::bytes(&input));
        assert!(lawful.is_ok(), "seed {seed}, input {inputs}: {}", String::from_utf8_lossy(&input));
        inputs += 1;
    }
    eprintln!("{inputs} mutated tracker messages, seed {seed}");
}
