//! Chance that can be repeated: everything that a scenario draws comes from one seed.

/// SplitMix64: small, seeded, the same on every machine.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for each seed and purpose.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut rng = Self(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93));
        rng.next();
        rng
    }

    #[allow(clippy::should_implement_trait, reason = "it is no iterator: it never ends")]
    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, but not including, 1.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are kept")]
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Evenly from `low` to `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Evenly from `-most` to `most`.
    pub fn around(&mut self, most: f64) -> f64 {
        self.between(-most, most)
    }

    /// A whole number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap_or(0)
    }

    /// True in `percent` of 100 cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A draw by measured quantiles: pairs of a share, rising from 0 to 1, and the value there; straight between them.
    pub fn quantile(&mut self, table: &[(f64, f64)]) -> f64 {
        let share = self.unit();
        let above = table.iter().position(|(at, _)| *at > share).unwrap_or(table.len() - 1).max(1);
        let ((s0, v0), (s1, v1)) = (table[above - 1], table[above]);
        v0 + (v1 - v0) * (share - s0) / (s1 - s0)
    }

    /// Bell-shaped around 0 with a standard deviation of 1, within 3.5 (the sum of four even draws).
    pub fn bell(&mut self) -> f64 {
        (self.unit() + self.unit() + self.unit() + self.unit() - 2.0) * 1.732
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_met() {
        let mut rng = Rng::new(1, 1);
        let table = [(0.0, 0.0), (0.5, 110.0), (0.95, 340.0), (1.0, 900.0)];
        let mut draws: Vec<f64> = (0..10_000).map(|_| rng.quantile(&table)).collect();
        draws.sort_by(f64::total_cmp);
        assert!((draws[5_000] - 110.0).abs() < 5.0, "{}", draws[5_000]);
        assert!((draws[9_500] - 340.0).abs() < 15.0, "{}", draws[9_500]);
    }
}
