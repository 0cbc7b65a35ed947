//! Many claims at once: simultaneous intervals and adjusted p-values that hold whatever the dependence between the
//! claims. Intervals of single claims do not belong here.

use super::error_level;

/// Confidence of each of `family` intervals that hold together with `confidence`: 1 − α/m (Bonferroni). A family of none
/// counts as one.
pub fn bonferroni(confidence: f64, family: usize) -> f64 {
    1.0 - error_level(confidence) / family.max(1) as f64
}

/// p-values adjusted for their number by Holm's (1979) step-down procedure, in their order: a claim holds with all
/// others at error level α if its adjusted value is at most α.
///
/// The k-th smallest of m becomes the largest of (m − j + 1) · p_(j) over j ≤ k, at most 1. Valid for any dependence.
/// Panics if a value is no probability.
pub fn holm_adjusted(p_values: &[f64]) -> Vec<f64> {
    assert!(
        p_values.iter().all(|p| (0.0..=1.0).contains(p)),
        "a p-value lies in [0, 1]"
    );
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| p_values[*left].total_cmp(&p_values[*right]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, index) in order.into_iter().enumerate() {
        largest = largest.max((p_values.len() - rank) as f64 * p_values[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    #[test]
    fn holm_meets_statsmodels() {
        // statsmodels 0.15.0: multipletests([...], method="holm"), as R's p.adjust(method = "holm").
        let seen = holm_adjusted(&[0.01, 0.04, 0.03, 0.005, 0.5, 0.02]);
        let expected = [0.05, 0.09, 0.09, 0.03, 0.5, 0.08];
        for (seen, expected) in seen.iter().zip(expected) {
            assert_close(*seen, expected, 1e-12);
        }
        assert!(holm_adjusted(&[]).is_empty());
        assert_eq!(holm_adjusted(&[0.9, 0.8]), [1.0, 1.0]);
    }

    #[test]
    fn a_family_shares_its_error() {
        assert_close(bonferroni(0.95, 10), 0.995, 1e-15);
        assert_eq!(bonferroni(0.95, 0), 0.95);
    }
}
