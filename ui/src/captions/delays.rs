//! How much later, or earlier, than they say a person has subtitles shown; on this computer alone, and for each film's own: those of
//! another cut of the film are off by the same all evening, and the next one, too.

use crate::storage;
use serde::{Deserialize, Serialize};

/// Subtitles that are remembered; of more those that were changed longest ago are forgotten.
const REMEMBERED_MAX: usize = 100;
/// Milliseconds at most, either way: more than any advertisement before a film takes.
const DELAY_MAX_MS: i32 = 600_000;

/// The delays that are not zero, the latest last.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Delays(Vec<Delay>);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Delay {
    key: String,
    ms: i32,
}

impl Delays {
    /// As this computer remembers.
    pub(super) fn load() -> Self {
        storage::caption_delays().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
    }

    /// Milliseconds.
    pub(super) fn get(&self, key: &str) -> i32 {
        self.0.iter().find(|delay| delay.key == key).map_or(0, |delay| delay.ms.clamp(-DELAY_MAX_MS, DELAY_MAX_MS))
    }

    /// Changes one by so many milliseconds, or back to none, and remembers it; what it is then.
    pub(super) fn change(&mut self, key: String, by_ms: Option<i32>) -> i32 {
        let ms = self.set(key, by_ms);
        if let Ok(text) = serde_json::to_string(self) {
            storage::set_caption_delays(&text);
        }
        ms
    }

    fn set(&mut self, key: String, by_ms: Option<i32>) -> i32 {
        let sum = by_ms.map_or(0, |by| self.get(&key).saturating_add(by).clamp(-DELAY_MAX_MS, DELAY_MAX_MS));
        self.0.retain(|delay| delay.key != key);
        if sum != 0 {
            self.0.push(Delay { key, ms: sum });
            let surplus = self.0.len().saturating_sub(REMEMBERED_MAX);
            self.0.drain(..surplus);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_found_again() {
        let mut delays = Delays::default();
        let mut set = |key: &str, by| delays.set(key.to_owned(), by);
        assert_eq!((set("a", Some(100)), set("a", Some(-300)), set("b", Some(50)), set("b", None)), (100, -200, 50, 0));
        assert_eq!(set("c", Some(i32::MAX)), DELAY_MAX_MS);
        assert_eq!((delays.get("a"), delays.get("b"), delays.0.len()), (-200, 0, 2));
        for n in 0..REMEMBERED_MAX {
            delays.set(n.to_string(), Some(1));
        }
        assert_eq!((delays.get("a"), delays.get("0"), delays.0.len()), (0, 1, REMEMBERED_MAX));
    }
}
