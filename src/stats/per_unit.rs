//! The mean of an amount per unit (seconds per pod): the ratio of two sums over runs, with an interval that respects the
//! correlation inside a run. Shares of units, which cannot exceed 1, are in `ratio.rs`; means of one number per run in
//! `mean.rs`.

use super::special::student_t_critical;
use super::{Estimate, count, error_level};

/// Mean amount per unit from one pair (total amount, units) per run, in the unit of the amounts.
///
/// m̂ = ΣX/ΣN with variance Σ(X − m̂N)² · R / ((R−1) (ΣN)²) and the t quantile with R − 1 degrees (Cochran 1977, ch. 6).
/// Sums of several amounts of the same units have the sum of their means: a partition of the amount stays one. Assumes
/// independent runs and, for the interval, so many that the sums are nearly normal; below 20 the method carries a warning.
/// A lower bound below 0 is 0, since amounts are not negative. Without units, with one run, or without any variation there
/// is no interval.
pub fn mean_per_unit(runs: &[(u64, u64)], confidence: f64) -> Estimate {
    error_level(confidence);
    let r = runs.len() as u64;
    let (mut amount, mut units) = (0u128, 0u128);
    for (x, n) in runs {
        amount += u128::from(*x);
        units += u128::from(*n);
    }
    if units == 0 {
        return Estimate::not_estimable(r, confidence, "no data");
    }
    let (amount, units) = (amount as f64, units as f64);
    let mean = amount / units;
    if r < 2 {
        return Estimate::point_only(mean, r, confidence, "one run, no interval");
    }
    let mut squares = 0.0;
    for (x, n) in runs {
        let residual = count(*x) - mean * count(*n);
        squares += residual * residual;
    }
    let variance = count(r) / (count(r) - 1.0) * squares / (units * units);
    if variance == 0.0 {
        let method = "the same mean in every run, no interval";
        return Estimate::point_only(mean, r, confidence, method);
    }
    let half_width = student_t_critical(confidence, count(r) - 1.0) * variance.sqrt();
    let mut method = "ratio of sums over runs".to_owned();
    if r < 20 {
        method += ", fewer than 20 runs";
    }
    let bounds = (Some((mean - half_width).max(0.0)), Some(mean + half_width));
    Estimate::new(Some(mean), bounds, r, confidence, &method)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::*;

    #[test]
    fn equal_runs_give_the_t_interval_of_their_means() {
        // Two units per run: the means of the runs are 1, 2, 4 and 5, s = 1.825742, t(3) = 3.182446.
        let estimate = mean_per_unit(&[(2, 2), (4, 2), (8, 2), (10, 2)], 0.95);
        assert_close(estimate.estimate.unwrap(), 3.0, 1e-12);
        assert_close(estimate.lower.unwrap(), 3.0 - 3.182_446_305 * 1.825_741_858 / 2.0, 1e-6);
        assert_close(estimate.upper.unwrap(), 3.0 + 3.182_446_305 * 1.825_741_858 / 2.0, 1e-6);
        assert_eq!(estimate.method, "ratio of sums over runs, fewer than 20 runs");
    }

    #[test]
    fn what_cannot_be_estimated_is_not_invented() {
        assert_eq!(mean_per_unit(&[], 0.95).estimate, None);
        assert_eq!(mean_per_unit(&[(0, 0), (0, 0)], 0.95).method, "no data");
        assert_eq!(mean_per_unit(&[(6, 3)], 0.95).lower, None);
        assert_eq!(mean_per_unit(&[(6, 3), (2, 1)], 0.95).upper, None);
    }

    #[test]
    fn the_interval_covers_where_units_of_a_run_are_alike() {
        // Each run has 1 to 8 units that all share the run's level, 1 to 100: a pooled interval would be far too short.
        let mut words = Words(5);
        let mut covered = 0;
        let studies = 2000;
        for _ in 0..studies {
            let runs: Vec<(u64, u64)> = (0..60)
                .map(|_| {
                    let (level, units) = (1 + words.word() % 100, 1 + words.word() % 8);
                    (level * units, units)
                })
                .collect();
            let estimate = mean_per_unit(&runs, 0.95);
            covered += u32::from(estimate.lower.unwrap() <= 50.5 && 50.5 <= estimate.upper.unwrap());
        }
        let share = f64::from(covered) / f64::from(studies);
        // Four binomial standard errors around 95 %.
        assert!((share - 0.95).abs() < 0.02, "{share}");
    }
}
