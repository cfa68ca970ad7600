//! What is wanted of the figures, and whether they keep it.

use anyhow::{Result, ensure};

/// Collects the goals that were missed; those of others than the product are not asked.
#[derive(Debug, Default)]
pub(super) struct Goals {
    asked: bool,
    missed: Vec<String>,
}

impl Goals {
    /// For the product.
    pub(super) fn asked() -> Self {
        Self { asked: true, missed: Vec::new() }
    }

    /// For what is measured beside it.
    pub(super) fn unasked() -> Self {
        Self::default()
    }

    /// A figure is wanted to be at most so much; what is not a number misses.
    pub(super) fn at_most(&mut self, what: &str, figure: f64, most: f64, unit: &str) {
        if !self.asked {
            return;
        }
        let kept = figure <= most;
        println!(
            "    goal {}: {what}: {figure:.1} {unit}, wanted {most} at most",
            if kept { "kept" } else { "MISSED" }
        );
        if !kept {
            self.missed.push(format!("{what}: {figure:.1} {unit}, not {most}"));
        }
    }

    /// Fails if a goal was missed.
    pub(super) fn verdict(self) -> Result<()> {
        ensure!(self.missed.is_empty(), "goals missed: {}", self.missed.join("; "));
        Ok(())
    }

    /// Fails if no goal was missed: for a product that was broken on purpose.
    pub(super) fn seen_broken(self, how: &str) -> Result<()> {
        ensure!(!self.missed.is_empty(), "a player that is {how} keeps every goal: the meter does not see it");
        println!("    {how}: seen");
        Ok(())
    }
}

/// The largest of the figures; not a number if there are none or one is not.
pub(super) fn largest(figures: &[f64]) -> f64 {
    figures
        .iter()
        .copied()
        .reduce(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })
        .unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missed_is_told_and_what_is_no_number_misses() {
        let mut goals = Goals::asked();
        goals.at_most("a", 10.0, 10.0, "ms");
        assert!(goals.missed.is_empty());
        goals.at_most("b", f64::NAN, 10.0, "ms");
        goals.at_most("c", f64::INFINITY, 10.0, "ms");
        assert_eq!(goals.missed.len(), 2);
        assert!(goals.verdict().is_err());
        assert!(Goals::asked().seen_broken("deaf").is_err());
        let mut unasked = Goals::unasked();
        unasked.at_most("d", 99.0, 10.0, "ms");
        assert!(unasked.verdict().is_ok());
    }

    #[test]
    fn the_largest_is_no_number_where_one_is_none() {
        assert_eq!(largest(&[1.0, f64::INFINITY, 2.0]), f64::INFINITY);
        assert!(largest(&[1.0, f64::NAN]).is_nan() && largest(&[]).is_nan());
    }
}
