//! The order of names.

use std::cmp::Ordering;

/// Orders names as people do: digits by their number, the rest without regard to case. Episodes of a series come in their order.
#[must_use]
pub fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left, right);
    loop {
        let ((first_a, rest_a), (first_b, rest_b)) = match (next_chunk(a), next_chunk(b)) {
            (None, None) => return left.cmp(right),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => (a, b),
        };
        let is_number = |chunk: &str| chunk.starts_with(|c: char| c.is_ascii_digit());
        let order = if is_number(first_a) && is_number(first_b) {
            let (digits_a, digits_b) = (first_a.trim_start_matches('0'), first_b.trim_start_matches('0'));
            digits_a.len().cmp(&digits_b.len()).then_with(|| digits_a.cmp(digits_b))
        } else {
            first_a.chars().flat_map(char::to_lowercase).cmp(first_b.chars().flat_map(char::to_lowercase))
        };
        if order.is_ne() {
            return order;
        }
        (a, b) = (rest_a, rest_b);
    }
}

/// A run of digits, or one other character, and what follows.
fn next_chunk(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let end = if digits > 0 { digits } else { text.chars().next()?.len_utf8() };
    Some(text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn natural() {
        let mut names = ["b", "a10", "a9", "A1", "a01", "a", "á", "a1b", "", "10", "9"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["", "9", "10", "a", "A1", "a01", "a1b", "a9", "a10", "b", "á"]);
    }

    proptest::proptest! {
        #[test]
        fn natural_order_is_an_order(a in "[a-cA-C0-2é]{0,6}", b in "[a-cA-C0-2é]{0,6}", c in "[a-cA-C0-2é]{0,6}") {
            proptest::prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                proptest::prop_assert!(natural_order(&a, &c).is_le());
            }
        }
    }
}
