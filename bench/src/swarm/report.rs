//! How figures are printed.

use streamshare_tests::median;

/// Ours beside a peer's: medians, all figures, and how many times theirs ours is.
pub(super) fn beside(what: &str, unit: &str, ours: &[f64], peer: &str, theirs: &[f64]) {
    let (our, their) = (median(ours), median(theirs));
    println!("{what}: {our:.2} {unit}, {peer} {their:.2}: {:.2} times", our / their);
    println!("    {ours:.2?} beside {theirs:.2?}");
}

/// Figures that have nothing to be beside.
pub(super) fn alone(what: &str, unit: &str, figures: &[f64]) {
    println!("{what}: {:.2} {unit}", median(figures));
    println!("    {figures:.2?}");
}
