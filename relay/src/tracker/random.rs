//! Which peers to introduce to each other: chance, but nothing that must be hard to guess.

/// xorshift64* (Vigna 2016).
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`, which must not be 0. The bias is `end` in 2^64.
    fn below(&mut self, end: usize) -> usize {
        let scaled = (u128::from(self.next()) * end as u128) >> 64;
        usize::try_from(scaled).expect("below a usize")
    }

    /// At most `count` different numbers below `end`, each as likely as the others (Floyd's algorithm). The time grows
    /// with the square of `count`, which is for dozens.
    pub(crate) fn sample(&mut self, count: usize, end: usize) -> Vec<usize> {
        let count = count.min(end);
        let mut picked = Vec::with_capacity(count);
        for last in end - count..end {
            let number = self.below(last + 1);
            picked.push(if picked.contains(&number) { last } else { number });
        }
        picked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_different_and_even() {
        let mut random = Random::new(7);
        for (count, end) in [(0, 0), (5, 0), (0, 5), (5, 3), (3, 3), (20, 1000)] {
            let mut picked = random.sample(count, end);
            picked.sort_unstable();
            picked.dedup();
            assert_eq!(picked.len(), count.min(end));
            assert!(picked.iter().all(|&number| number < end));
        }
        let mut hits = [0; 10];
        for _ in 0..10_000 {
            random.sample(3, 10).into_iter().for_each(|number| hits[number] += 1);
        }
        assert!(hits.iter().all(|hits| (2_700..3_300).contains(hits)), "{hits:?}");
    }
}
