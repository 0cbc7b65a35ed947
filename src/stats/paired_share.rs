//! The difference of two shares of runs when both designs ran the same replications: score interval and exact test, which
//! say the same. The counts are in `paired.rs`.

use super::agree::tested;
use super::difference::{Difference, sign_test};
use super::paired::PairedCounts;
use super::special::normal_critical;
use super::{Estimate, count};

/// Exact two-sided p-value of the hypothesis that both designs have the event equally often (McNemar 1947, exact form):
/// twice the smaller tail of Bin(b + c, ½), at most 1. Without discordant runs 1.
pub fn mcnemar_exact(counts: &PairedCounts) -> f64 {
    sign_test((counts.a_only, counts.b_only))
}

/// Bounds of the score interval for the difference of two paired probabilities P_A − P_B, dimensionless (Tango 1998).
///
/// All δ with (b − c − nδ)² ≤ z² · n(2q + δ(1 − δ)), q the maximum likelihood estimate of P(B only) under δ. The statistic
/// falls in δ, so both ends are found by bisection, and lie in [−1, 1]. Assumes independent replications, at least one.
fn tango(counts: &PairedCounts, confidence: f64) -> (f64, f64) {
    let z = normal_critical(confidence);
    let (n, b, c) = (count(counts.n()), count(counts.a_only), count(counts.b_only));
    let statistic = |delta: f64| {
        let linear = (2.0 * n - b + c) * delta - b - c;
        let constant = -c * delta * (1.0 - delta);
        let q = ((linear * linear - 8.0 * n * constant).max(0.0).sqrt() - linear) / (4.0 * n);
        let variance = n * (2.0 * q + delta * (1.0 - delta));
        let distance = b - c - n * delta;
        if distance == 0.0 {
            0.0
        } else if variance <= 0.0 {
            distance.signum() * f64::INFINITY
        } else {
            distance / variance.sqrt()
        }
    };
    // The largest δ below which the statistic exceeds the level.
    let crossing = |level: f64| {
        let (mut below, mut above) = (-1.0, 1.0);
        for _ in 0..100 {
            let middle = 0.5 * (below + above);
            if statistic(middle) > level {
                below = middle;
            } else {
                above = middle;
            }
        }
        0.5 * (below + above)
    };
    (crossing(z), crossing(-z))
}

/// Difference of two shares of runs, A − B, dimensionless.
///
/// Score interval (`tango`) at any counts; the exact McNemar test has a veto, so that the interval excludes 0 exactly if
/// p < α. The least coverage over all probabilities is computed exactly by a test and shown in `docs/statistics.md`.
pub fn share_difference(counts: &PairedCounts, confidence: f64) -> Difference {
    let n = counts.n();
    if n == 0 {
        return Difference::not_estimable(0, confidence, "no data");
    }
    let (bounds, p_value) = tested(
        |confidence| tango(counts, confidence),
        Some(mcnemar_exact(counts)),
        confidence,
    );
    let point = (count(counts.a_only) - count(counts.b_only)) / count(n);
    let bounds = (Some(bounds.0), Some(bounds.1));
    Difference {
        estimate: Estimate::new(Some(point), bounds, n, confidence, "Tango, exact McNemar test"),
        p_value: Some(p_value),
        common_random_numbers: counts.common_random_numbers(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    const fn counts(both: u64, a_only: u64, b_only: u64, neither: u64) -> PairedCounts {
        PairedCounts {
            both,
            a_only,
            b_only,
            neither,
        }
    }

    #[test]
    fn mcnemar_meets_statsmodels() {
        // statsmodels 0.15.0: mcnemar([[both, a], [b, neither]], exact=True).pvalue
        for (a_only, b_only, p) in [
            (12, 3, 0.03515625),
            (0, 6, 0.03125),
            (5, 5, 1.0),
            (1, 0, 1.0),
            (150, 86, 3.7159361395713866e-05),
        ] {
            assert_close(mcnemar_exact(&counts(10, a_only, b_only, 75)), p, 1e-9);
        }
        assert_eq!(mcnemar_exact(&counts(3, 0, 0, 4)), 1.0);
    }

    #[test]
    fn tango_meets_a_maximized_likelihood() {
        // The same interval by maximizing the multinomial likelihood under each δ numerically (SciPy 1.17.1).
        for (of, lower, upper) in GOLDEN_TANGO {
            let seen = tango(&of, 0.95);
            assert!((seen.0 - lower).abs() < 2e-6, "{of:?} {seen:?}");
            assert!((seen.1 - upper).abs() < 2e-6, "{of:?} {seen:?}");
        }
    }

    #[test]
    fn swapping_the_designs_mirrors_the_score_interval() {
        let (seen, mirrored) = (tango(&counts(4, 7, 0, 30), 0.99), tango(&counts(4, 0, 7, 30), 0.99));
        assert_close(seen.0, -mirrored.1, 1e-9);
        assert_close(seen.1, -mirrored.0, 1e-9);
    }

    #[test]
    fn the_interval_excludes_zero_exactly_if_the_test_rejects() {
        for confidence in [0.95, 0.999] {
            for a_only in 0..40 {
                for b_only in 0..12 {
                    let seen = share_difference(&counts(5, a_only, b_only, 43), confidence);
                    let (lower, upper) = (seen.estimate.lower.unwrap(), seen.estimate.upper.unwrap());
                    let excludes = lower > 0.0 || upper < 0.0;
                    let p = seen.p_value.unwrap();
                    assert_eq!(excludes, p < 1.0 - confidence, "{a_only} {b_only}: {seen:?}");
                    assert!(p >= mcnemar_exact(&counts(5, a_only, b_only, 43)) && -1.0 <= lower && upper <= 1.0);
                }
            }
        }
        // Five against none of 100: p 0.0625, so no claim; six: 0.03125.
        let five = share_difference(&counts(0, 5, 0, 95), 0.95);
        assert_eq!(five.estimate.lower, Some(0.0));
        assert_close(five.p_value.unwrap(), 0.0625, 1e-9);
        assert!(share_difference(&counts(0, 6, 0, 94), 0.95).estimate.lower.unwrap() > 0.0);
        // Ten runs did not differ, so the shares cannot be 100 points apart.
        assert!(share_difference(&counts(0, 90, 0, 10), 0.99955).estimate.upper.unwrap() < 0.99);
        assert_eq!(share_difference(&counts(0, 0, 0, 0), 0.95).estimate.method, "no data");
        assert_eq!(share_difference(&counts(0, 5, 0, 0), 0.95).estimate.upper, Some(1.0));
    }

    #[test]
    fn without_a_run_that_differs_both_bounds_are_given() {
        let seen = share_difference(&counts(300, 0, 0, 700), 0.95);
        assert_close(
            seen.estimate.upper.unwrap(),
            3.841458820694124 / 1_003.841_458_820_694_1,
            1e-9,
        );
        assert_close(seen.estimate.lower.unwrap(), -seen.estimate.upper.unwrap(), 1e-9);
        assert_eq!(seen.p_value, Some(1.0));
    }

    const GOLDEN_TANGO: [(PairedCounts, f64, f64); 5] = [
        (counts(10, 3, 1, 86), -0.028124043, 0.076047884),
        (counts(0, 1, 0, 49), -0.052774551, 0.104954436),
        (counts(4, 7, 0, 30), 0.070437968, 0.312626124),
        (counts(20, 8, 5, 967), -0.004661366, 0.011316428),
        (counts(10, 12, 3, 75), 0.015977142, 0.173742845),
    ];
}
