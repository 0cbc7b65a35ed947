//! The difference of two designs by equal replications, and the mean of such differences. Shares of runs are in
//! `paired_share.rs`, ratios in `paired_ratio.rs`, quantiles in `paired_quantile.rs`, independent designs in `unpaired.rs`.
//!
//! Differences of runs are 0 in most pairs, or large in very few, so that the skewness of a sample shows nothing. Their mean
//! is that of the positive ones less that of the negative ones; each of these has an exact kind of bounds (`mean.rs`), and
//! both together those of their difference. The interval is the union with that of Student, so that it is too short for
//! neither reason.

use super::agree::tested;
use super::beta::binomial_tails;
use super::mean::{Amounts, Moments, moments};
use super::paired::{CommonRandomNumbers, common_random_numbers};
use super::proportion::zero_event_upper;
use super::special::student_t_critical;
use super::{Caveat, Estimate};

/// Pairs that differ, below which the sign test has a veto and an interval carries a warning.
pub(super) const DIFFERING_MIN: u64 = 10;

/// The difference A − f · B of two designs.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// The difference with its interval, in the unit of the measure.
    pub estimate: Estimate,
    /// p-value of the hypothesis that it is 0; `None` where there is no test.
    pub p_value: Option<f64>,
    /// What common random numbers gained; empty for independent designs.
    pub common_random_numbers: CommonRandomNumbers,
}

impl Difference {
    /// No difference can be given, for the reason that `method` says.
    pub fn not_estimable(n: u64, confidence: f64, method: &str) -> Self {
        Self {
            estimate: Estimate::not_estimable(n, confidence, method),
            p_value: None,
            common_random_numbers: CommonRandomNumbers::NONE,
        }
    }
}

/// Mean of the run-by-run differences A − `factor` · B, in the unit of the values.
///
/// The union of Student's t and of the bounds of the positive and the negative differences (`MeanOfPairs`); the p-value
/// belongs to the same interval. With fewer than ten pairs that differ no bound excludes 0 unless the exact sign test
/// rejects as well. `most` is the largest number that a run of A, and of B, can have, if that is known: then the runs that
/// were not seen are added at both ends, as in [`super::mean_of_runs`]. `a[r]` and `b[r]` must come from the same replication.
/// Without known largest numbers equal differences give no bounds: no spread was seen, which does not prove that there is
/// none; the test is then the sign test. Panics if the lengths differ or a value is not finite.
pub fn mean_difference(a: &[f64], b: &[f64], factor: f64, most: Option<(f64, f64)>, confidence: f64) -> Difference {
    assert_eq!(a.len(), b.len(), "paired designs need the same replications");
    let scaled: Vec<f64> = b.iter().map(|value| factor * value).collect();
    let differences: Vec<f64> = a.iter().zip(&scaled).map(|(a, b)| a - b).collect();
    let n = differences.len() as u64;
    let Some(pairs) = MeanOfPairs::new(&differences, most.map(|(of_a, of_b)| (of_a, factor * of_b))) else {
        return Difference::not_estimable(0, confidence, "no data");
    };
    let signs = (
        differences.iter().filter(|value| **value > 0.0).count() as u64,
        differences.iter().filter(|value| **value < 0.0).count() as u64,
    );
    let mean = pairs.all.mean;
    let (mut estimate, p_value) = if pairs.vary() || most.is_some() && n > 1 {
        let exact = (!pairs.vary() || signs.0 + signs.1 < DIFFERING_MIN).then(|| sign_test(signs));
        let ((lower, upper), p_value) = tested(|confidence| pairs.bounds(confidence), exact, confidence);
        let method = match most {
            Some(_) => "paired differences, Student t and exact bounds of either sign, runs not seen added",
            None => "paired differences, Student t and exact bounds of either sign",
        };
        let bounds = (Some(lower), Some(upper));
        (Estimate::new(Some(mean), bounds, n, confidence, method), Some(p_value))
    } else {
        let method = if n == 1 {
            "one pair, no interval"
        } else {
            "all pairs differ equally, no interval"
        };
        let p_value = (n > 1).then(|| sign_test(signs));
        (Estimate::point_only(mean, n, confidence, method), p_value)
    };
    warn_of_few(&mut estimate, signs.0 + signs.1);
    Difference {
        estimate,
        p_value,
        common_random_numbers: common_random_numbers(a, &scaled),
    }
}

/// The interval of [`mean_difference`] alone, for the many studies of its coverage.
#[cfg(test)]
pub(super) fn interval_of_mean(differences: &[f64], confidence: f64) -> (f64, f64) {
    let pairs = MeanOfPairs::new(differences, None).expect("a study has pairs");
    let signs = |larger: fn(f64) -> bool| differences.iter().filter(|value| larger(**value)).count() as u64;
    let signs = (signs(|value| value > 0.0), signs(|value| value < 0.0));
    let exact = (signs.0 + signs.1 < DIFFERING_MIN).then(|| sign_test(signs));
    super::agree::vetoed(pairs.bounds(confidence), exact, confidence)
}

/// Warns where an interval rests on few pairs.
pub(super) fn warn_of_few(estimate: &mut Estimate, differing: u64) {
    if estimate.lower.is_none() {
        return;
    }
    if differing < DIFFERING_MIN {
        estimate.warn(Caveat::FewRuns, "fewer than 10 pairs differ");
    } else if estimate.n < super::mean::RUNS_MIN {
        estimate.warn(Caveat::FewRuns, "fewer than 20 runs");
    }
}

/// Two-sided p-value of the exact sign test from the numbers of positive and negative differences; 1 without any.
pub(super) fn sign_test((positive, negative): (u64, u64)) -> f64 {
    let differing = positive + negative;
    if differing == 0 {
        return 1.0;
    }
    (2.0 * binomial_tails(positive.min(negative), differing, 0.5).lower).min(1.0)
}

/// Differences of runs, ready for bounds of their mean at any confidence.
pub(super) struct MeanOfPairs {
    all: Moments,
    positive: Amounts,
    negative: Amounts,
    /// Correlation of the positive and the negative parts.
    correlation: f64,
    /// Smallest and largest difference.
    seen: (f64, f64),
    /// The largest number of A, and of f · B.
    most: Option<(f64, f64)>,
}

impl MeanOfPairs {
    /// `None` without pairs.
    pub(super) fn new(differences: &[f64], most: Option<(f64, f64)>) -> Option<Self> {
        let part = |sign: f64, most: Option<f64>| {
            Amounts::new(
                &differences
                    .iter()
                    .map(|value| (sign * value).max(0.0))
                    .collect::<Vec<_>>(),
                most,
            )
        };
        let all = moments(differences)?;
        let positive = part(1.0, most.map(|most| most.0))?;
        let negative = part(-1.0, most.map(|most| most.1))?;
        let n = differences.len() as f64;
        let deviations = positive
            .all
            .variance
            .zip(negative.all.variance)
            .map(|(p, q)| (p * q).sqrt());
        let covariance = positive.all.mean * negative.all.mean * n / (n - 1.0);
        let correlation = deviations.filter(|of| *of > 0.0).map_or(0.0, |of| -covariance / of);
        let seen = differences
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, largest), value| {
                (least.min(*value), largest.max(*value))
            });
        Some(Self {
            all,
            positive,
            negative,
            correlation,
            seen,
            most,
        })
    }

    /// Whether any two differences are different.
    pub(super) fn vary(&self) -> bool {
        self.all.variance.is_some_and(|variance| variance > 0.0)
    }

    /// The union of D̄ ± t·s/√R (Student 1908) and of the bounds from those of both parts, each as in
    /// `Amounts::bounds`, recovered as variances (Zou & Donner 2008): L = D̄ − √((P − l_P)² + (u_N − N)² − 2ρ(P − l_P)(u_N − N))
    /// for the means P and N of the positive and the negative part and their correlation ρ. With known largest numbers the
    /// runs that were not seen are added at both ends.
    pub(super) fn bounds(&self, confidence: f64) -> (f64, f64) {
        let mean = self.all.mean;
        let (mut lower, mut upper) = (mean, mean);
        if let Some(variance) = self.all.variance.filter(|variance| *variance > 0.0) {
            let n = self.all.n as f64;
            let half_width = student_t_critical(confidence, n - 1.0) * (variance / n).sqrt();
            let part = |of: &Amounts| {
                let (lower, upper) = of.bounds(confidence);
                (of.all.mean - lower, upper - of.all.mean)
            };
            let (positive, negative) = (part(&self.positive), part(&self.negative));
            let size = |x: f64, y: f64| (x * x + y * y - 2.0 * self.correlation * x * y).max(0.0).sqrt();
            lower = mean - half_width.max(size(positive.0, negative.1));
            upper = mean + half_width.max(size(positive.1, negative.0));
        }
        let Some((most_a, most_b)) = self.most else {
            return (lower, upper);
        };
        let unseen = zero_event_upper(self.all.n, confidence).unwrap_or(1.0);
        (
            (lower - unseen * (self.seen.0 + most_b).max(0.0)).max(-most_b),
            (upper + unseen * (most_a - self.seen.1).max(0.0)).min(most_a),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::*;

    #[test]
    fn nearly_normal_differences_have_the_paired_t_test_of_scipy() {
        // SciPy 1.17.1: ttest_rel(a, b) and its confidence_interval(0.95). The union is hardly longer.
        let a: Vec<f64> = (0..40)
            .map(|i| 1e4 + f64::from(i % 7) + 0.25 * f64::from(i % 3))
            .collect();
        let b: Vec<f64> = (0..40).map(|i| f64::from(i % 5)).collect();
        let seen = mean_difference(&a, &b, 1.0, None, 0.95);
        assert_close(seen.estimate.estimate.unwrap() - 1e4, GOLDEN_T.0, 1e-9);
        assert!((seen.estimate.lower.unwrap() - 1e4 - GOLDEN_T.1).abs() < 0.05);
        assert!((seen.estimate.upper.unwrap() - 1e4 - GOLDEN_T.2).abs() < 0.05);
    }

    #[test]
    fn a_factor_scales_the_second_design() {
        let (a, b) = ([1.0, 2.0, 4.0, 9.0], [2.0, 1.0, 3.0, 4.0]);
        let seen = mean_difference(&a, &b, 2.0, None, 0.95);
        assert_eq!(seen.estimate.estimate, Some(-1.0));
        assert_eq!(seen.estimate.caveat, Some(Caveat::FewRuns));
    }

    #[test]
    fn swapping_the_designs_mirrors_the_interval() {
        let mut words = Words(4);
        let a: Vec<f64> = (0..60).map(|_| words.exponential() * words.exponential()).collect();
        let b: Vec<f64> = (0..60).map(|_| words.exponential()).collect();
        for most in [None, Some((40.0, 40.0))] {
            let (seen, mirrored) = (
                mean_difference(&a, &b, 1.0, most, 0.95),
                mean_difference(&b, &a, 1.0, most, 0.95),
            );
            assert_close(seen.estimate.lower.unwrap(), -mirrored.estimate.upper.unwrap(), 1e-12);
            assert_eq!(seen.p_value, mirrored.p_value);
        }
    }

    #[test]
    fn the_test_says_what_the_interval_says() {
        let mut words = Words(4);
        let a: Vec<f64> = (0..60).map(|_| words.exponential() * words.exponential()).collect();
        let at = |confidence: f64| mean_difference(&a, &[0.6; 60], 1.0, None, confidence);
        let p = at(0.95).p_value.unwrap();
        let holds = |seen: Difference| seen.estimate.lower.unwrap() <= 0.0 && 0.0 <= seen.estimate.upper.unwrap();
        assert!(p > 0.001 && p < 0.9, "{p}");
        assert!(holds(at(1.0 - 0.99 * p)) && !holds(at(1.0 - 1.01 * p)), "{p}");
    }

    #[test]
    fn few_pairs_that_differ_show_nothing_that_their_signs_do_not() {
        // Three of 300 pairs differ, all one way: the sign test has p 0.25.
        let mut a = vec![1.0; 300];
        a[..3].copy_from_slice(&[3.0, 3.1, 2.9]);
        let seen = mean_difference(&a, &[1.0; 300], 1.0, None, 0.95);
        assert!(seen.estimate.lower.unwrap() <= 0.0 && seen.estimate.upper.unwrap() > 0.02);
        assert_close(seen.p_value.unwrap(), 0.25, 1e-12);
        assert!(seen.estimate.method.ends_with("fewer than 10 pairs differ"));
        // One pair, with the largest numbers known: what was not seen is added on both sides.
        let mut b = vec![0.0; 300];
        b[0] = 1.1;
        let seen = mean_difference(&[0.0; 300], &b, 1.0, Some((600.0, 600.0)), 0.95).estimate;
        assert!(seen.upper.unwrap() > 7.0 && seen.lower.unwrap() < -7.0, "{seen:?}");
    }

    #[test]
    fn identical_designs_have_no_interval_unless_the_unseen_is_bounded() {
        let a = [1.0, 5.0, 2.0];
        let seen = mean_difference(&a, &a, 1.0, None, 0.95);
        assert_eq!(
            (seen.estimate.estimate, seen.estimate.lower, seen.p_value),
            (Some(0.0), None, Some(1.0))
        );
        let bounded = mean_difference(&[0.0; 1000], &[0.0; 1000], 1.0, Some((10.0, 20.0)), 0.95);
        let unseen = zero_event_upper(1000, 0.95).unwrap();
        assert_close(bounded.estimate.upper.unwrap(), 10.0 * unseen, 1e-12);
        assert_close(bounded.estimate.lower.unwrap(), -20.0 * unseen, 1e-12);
        assert_eq!(bounded.p_value, Some(1.0));
        assert_eq!(
            mean_difference(&[2.0], &[1.0], 1.0, None, 0.95).estimate.method,
            "one pair, no interval"
        );
        assert_eq!(mean_difference(&[], &[], 1.0, None, 0.95).estimate.method, "no data");
    }

    const GOLDEN_T: (f64, f64, f64) = (1.11875, 0.3678452050226886, 1.8696547949773112);
}
