//! Quantiles of an independent sample, with distribution-free bounds from order statistics. Pods
//! pooled over runs are not an independent sample, and waits cut off by the horizon are not
//! complete: for those see `incidence.rs`.

use super::beta::binomial_tails;
use super::{Estimate, count, error_level};

/// Ranks (from 1) of the order statistics that estimate and bound a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantileRanks {
    /// Rank of the point estimate, ⌈np⌉.
    pub point: u64,
    /// Rank of the lower bound; `None` if the sample is too small for one.
    pub lower: Option<u64>,
    /// Rank of the upper bound; `None` if the sample is too small for one.
    pub upper: Option<u64>,
}

/// Ranks for the `p` quantile of `n` independent values; `None` without values.
///
/// The point is the inverse ECDF (type 1 of Hyndman & Fan 1996). The bounds l < u satisfy
/// P(l ≤ Bin(n, p) ≤ u − 1) ≥ confidence, with equal tails where possible (David & Nagaraja 2003,
/// §7.1). If one tail cannot be that small it takes what it needs and the other gets the rest; both
/// exist if 1 − pⁿ − (1−p)ⁿ ≥ confidence. Below that only the farther side from the end of the
/// sample is bounded, one-sided with the full error level, or no side at all. Panics unless
/// 0 < p < 1.
pub fn quantile_ranks(n: u64, p: f64, confidence: f64) -> Option<QuantileRanks> {
    let error = error_level(confidence);
    assert!(
        p > 0.0 && p < 1.0,
        "a quantile level must lie strictly between 0 and 1, got {p}"
    );
    if n == 0 {
        return None;
    }
    // The factor undoes rounding, so that 0.07 · 100 counts as 7 and not as a little more.
    let point = libm::ceil(count(n) * p * (1.0 - 1e-12)) as u64;
    let point = point.clamp(1, n);
    // Smallest errors that a bound on each side can have.
    let floor_lower = binomial_tails(0, n, p).lower;
    let floor_upper = binomial_tails(n - 1, n, p).upper;
    let half = 0.5 * error;
    let (lower, upper) = if floor_lower + floor_upper <= error {
        let tail_lower = if floor_upper > half { error - floor_upper } else { half };
        let tail_upper = if floor_lower > half { error - floor_lower } else { half };
        (
            lower_rank(n, p, tail_lower.max(floor_lower)),
            upper_rank(n, p, tail_upper.max(floor_upper)),
        )
    } else if floor_upper > floor_lower {
        (lower_rank(n, p, error), None)
    } else {
        (None, upper_rank(n, p, error))
    };
    Some(QuantileRanks { point, lower, upper })
}

/// The `p` quantile of independent values with a distribution-free interval, in the unit of the
/// values.
///
/// An observed value, never an interpolation; see [`quantile_ranks`] for the formulas and for when a
/// bound is `None`. Assumes one value per independent run. A value of +∞ stands for "not within the
/// horizon": it is the largest, and a rank that falls on it gives `None`. Panics on NaN.
pub fn quantile_order_statistic(values: &[f64], p: f64, confidence: f64) -> Estimate {
    assert!(
        values.iter().all(|value| !value.is_nan()),
        "a quantile of NaN was asked"
    );
    let n = values.len() as u64;
    let Some(ranks) = quantile_ranks(n, p, confidence) else {
        return Estimate::not_estimable(0, confidence, "no data");
    };
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |rank: u64| Some(sorted[rank as usize - 1]).filter(|value| *value < f64::INFINITY);
    let bounds = (ranks.lower.and_then(at), ranks.upper.and_then(at));
    let method = match (ranks.lower, ranks.upper) {
        (Some(_), Some(_)) => "order statistics",
        (Some(_), None) => "order statistics, one-sided, upper bound not estimable",
        (None, Some(_)) => "order statistics, one-sided, lower bound not estimable",
        (None, None) => "order statistics, interval not estimable",
    };
    Estimate::new(at(ranks.point), bounds, n, confidence, method)
}

/// Largest l ≥ 1 with P(Bin(n, p) ≤ l − 1) ≤ `tail`.
fn lower_rank(n: u64, p: f64, tail: f64) -> Option<u64> {
    let (mut good, mut bad) = (0, n + 1);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if binomial_tails(middle - 1, n, p).lower <= tail {
            good = middle;
        } else {
            bad = middle;
        }
    }
    (good >= 1).then_some(good)
}

/// Smallest u ≤ n with P(Bin(n, p) ≥ u) ≤ `tail`.
fn upper_rank(n: u64, p: f64, tail: f64) -> Option<u64> {
    let (mut bad, mut good) = (0, n + 1);
    while good - bad > 1 {
        let middle = bad + (good - bad) / 2;
        if binomial_tails(middle - 1, n, p).upper <= tail {
            good = middle;
        } else {
            bad = middle;
        }
    }
    (good <= n).then_some(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_bounds_exist_from_the_published_sizes_on() {
        for (p, n) in [(0.5, 6), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2995)] {
            let enough = quantile_ranks(n, p, 0.95).unwrap();
            assert!(enough.lower.is_some() && enough.upper == Some(n), "{p}: {enough:?}");
            let short = quantile_ranks(n - 1, p, 0.95).unwrap();
            assert!(short.lower.is_none() || short.upper.is_none(), "{p}: {short:?}");
        }
    }

    #[test]
    fn ranks_of_the_median_are_those_of_the_sign_test() {
        // Tables of the sign test: 2.5 % in each tail.
        for (n, lower, upper) in [(6, 1, 6), (10, 2, 9), (20, 6, 15), (100, 40, 61)] {
            let ranks = quantile_ranks(n, 0.5, 0.95).unwrap();
            assert_eq!((ranks.lower, ranks.upper), (Some(lower), Some(upper)), "n = {n}");
        }
    }

    #[test]
    fn every_pair_of_ranks_keeps_its_promise() {
        for n in 1..=120 {
            for p in [0.03, 0.25, 0.5, 0.9, 0.95] {
                let ranks = quantile_ranks(n, p, 0.95).unwrap();
                let below = ranks.lower.map_or(0.0, |l| binomial_tails(l - 1, n, p).lower);
                let above = ranks.upper.map_or(0.0, |u| binomial_tails(u - 1, n, p).upper);
                assert!(below + above <= 0.05 + 1e-12, "n = {n}, p = {p}: {ranks:?}");
                assert!(ranks.lower.is_none_or(|l| l <= ranks.point), "n = {n}, p = {p}");
                assert!(ranks.upper.is_none_or(|u| u >= ranks.point), "n = {n}, p = {p}");
            }
        }
    }

    #[test]
    fn the_point_is_the_inverse_ecdf_without_rounding_surprises() {
        for (n, p, rank) in [(100, 0.07, 7), (100, 0.29, 29), (20, 0.95, 19), (1, 0.99, 1)] {
            assert_eq!(quantile_ranks(n, p, 0.95).unwrap().point, rank, "{n} {p}");
        }
        assert_eq!(quantile_ranks(1000, 0.999, 0.95).unwrap().point, 999);
        assert_eq!(quantile_ranks(1001, 0.999, 0.95).unwrap().point, 1000);
    }

    #[test]
    fn a_small_sample_names_the_missing_bound() {
        let values: Vec<f64> = (1..=50).rev().map(f64::from).collect();
        let high = quantile_order_statistic(&values, 0.99, 0.95);
        assert_eq!((high.estimate, high.upper), (Some(50.0), None));
        assert_eq!(high.method, "order statistics, one-sided, upper bound not estimable");
        let low = quantile_order_statistic(&values, 0.01, 0.95);
        assert_eq!((low.estimate, low.lower), (Some(1.0), None));
        assert_eq!(low.method, "order statistics, one-sided, lower bound not estimable");
        assert_eq!(quantile_order_statistic(&[], 0.5, 0.95).method, "no data");
        let single = quantile_order_statistic(&[4.0], 0.5, 0.95);
        assert_eq!((single.estimate, single.lower, single.upper), (Some(4.0), None, None));
    }

    #[test]
    fn runs_that_never_got_there_are_the_largest() {
        let mut values: Vec<f64> = (1..=90).map(f64::from).collect();
        values.extend([f64::INFINITY; 10]);
        let seen = quantile_order_statistic(&values, 0.9, 0.95);
        assert_eq!((seen.estimate, seen.upper), (Some(90.0), None));
        assert_eq!(seen.lower, Some(84.0));
        assert_eq!(quantile_order_statistic(&values, 0.91, 0.95).estimate, None);
    }
}
