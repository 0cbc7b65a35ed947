//! The difference of two designs in one measure: estimate with interval, p-value, and what pairing gained. Also the
//! difference of means; shares of runs are in `paired_share.rs`, shares of pods in `paired_ratio.rs`, quantiles of
//! pooled waits in `paired_quantile.rs`, independent designs in `unpaired.rs`.

use super::bootstrap::{BootstrapOptions, RUNS_MIN, bca_test};
use super::mean::{mean_t, moments};
use super::paired::{CommonRandomNumbers, common_random_numbers};
use super::special::student_t_two_sided;
use super::{Estimate, error_level};

/// Resamples behind intervals of the usual confidence.
const RESAMPLES_USUAL: u32 = 2000;
/// Most resamples; the far tails of a large family then rest on some ten of them.
const RESAMPLES_MAX: u32 = 20_000;
/// Resamples that shall lie beyond each bound.
const RESAMPLES_BEYOND: f64 = 20.0;
/// Pairs that differ, below which an interval carries a warning.
pub(super) const DIFFERING_MIN: usize = 10;
/// Pairs above which a mean difference is near enough to normal whatever its law, and a jackknife takes too long.
const JACKKNIFE_PAIRS_MAX: usize = 10_000;

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

/// Number of resamples for an interval of this confidence: about twenty beyond each bound, 2,000 at least and 20,000 at
/// most.
pub fn resamples_for(confidence: f64) -> u32 {
    let wanted = 2.0 * RESAMPLES_BEYOND / error_level(confidence);
    (libm::round(wanted) as u32).clamp(RESAMPLES_USUAL, RESAMPLES_MAX)
}

/// Mean of the run-by-run differences A − `factor` · B, in the unit of the values.
///
/// Student's t if R > 28 + 25 g², g the skewness of the differences (Sugden, Smith & Jones 2000), else BCa over runs
/// (Efron 1987); the p-value belongs to the same method. `a[r]` and `b[r]` must come from the same replication. Equal
/// differences give no bounds: no spread was seen, which does not prove that there is none; the test is then the sign test. Panics if the lengths differ
/// or a value is not finite.
pub fn mean_difference(
    a: &[f64],
    b: &[f64],
    factor: f64,
    options: &BootstrapOptions,
    uniform: &mut dyn FnMut() -> u64,
) -> Difference {
    assert_eq!(a.len(), b.len(), "paired designs need the same replications");
    let scaled: Vec<f64> = b.iter().map(|value| factor * value).collect();
    let differences: Vec<f64> = a.iter().zip(&scaled).map(|(a, b)| a - b).collect();
    let (mut estimate, p_value) = mean_test(&differences, options, uniform);
    estimate.method.insert_str(0, "paired differences, ");
    let differing = differences.iter().filter(|difference| **difference != 0.0).count();
    if estimate.lower.is_some() && differing < DIFFERING_MIN {
        estimate.method += ", fewer than 10 pairs differ";
    }
    Difference {
        estimate,
        p_value,
        common_random_numbers: common_random_numbers(a, &scaled),
    }
}

/// A mean with its interval and the p-value of the hypothesis that it is 0.
fn mean_test(values: &[f64], options: &BootstrapOptions, uniform: &mut dyn FnMut() -> u64) -> (Estimate, Option<f64>) {
    let mut simple = mean_t(values, options.confidence);
    let Some((sample, variance)) = moments(values).and_then(|sample| Some((sample, sample.variance?))) else {
        return (simple, None);
    };
    if variance == 0.0 {
        // Without spread only the sign test is left: n equal signs have probability 2^(1-n).
        let signs = libm::exp2(1.0 - values.len() as f64);
        return (simple, Some(if sample.mean == 0.0 { 1.0 } else { signs }));
    }
    let n = values.len() as f64;
    let skewness = sample.skewness.unwrap_or(0.0);
    if n > 28.0 + 25.0 * skewness * skewness || sample.n < RUNS_MIN || values.len() > JACKKNIFE_PAIRS_MAX {
        if sample.n < RUNS_MIN {
            simple.method += ", fewer than 20 values";
        }
        let t = sample.mean / (variance / n).sqrt();
        return (simple, Some(student_t_two_sided(t, n - 1.0)));
    }
    let statistic = |weights: &[u32]| {
        let (mut sum, mut total) = (0.0, 0u64);
        for (value, weight) in values.iter().zip(weights) {
            sum += value * f64::from(*weight);
            total += u64::from(*weight);
        }
        (total > 0).then(|| sum / total as f64)
    };
    let runs = u32::try_from(values.len()).expect("fewer than 2^32 runs");
    let (mut bca, p_value) = bca_test(runs, &statistic, options, uniform);
    bca.estimate = simple.estimate;
    (bca, p_value)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::*;

    fn options() -> BootstrapOptions {
        BootstrapOptions::default()
    }

    #[test]
    fn the_paired_t_test_meets_scipy() {
        // SciPy 1.17.1: ttest_rel(a, b) and its confidence_interval(0.95).
        let a: Vec<f64> = (0..40).map(|i| f64::from(i % 7) + 0.25 * f64::from(i % 3)).collect();
        let b: Vec<f64> = (0..40).map(|i| f64::from(i % 5)).collect();
        let mut words = Words(1);
        let seen = mean_difference(&a, &b, 1.0, &options(), &mut || words.word());
        assert_close(seen.estimate.estimate.unwrap(), GOLDEN_T.0, 1e-12);
        assert_close(seen.estimate.lower.unwrap(), GOLDEN_T.1, 1e-10);
        assert_close(seen.estimate.upper.unwrap(), GOLDEN_T.2, 1e-10);
        assert_close(seen.p_value.unwrap(), GOLDEN_T.3, 1e-10);
    }

    #[test]
    fn a_factor_scales_the_second_design() {
        let (a, b) = ([1.0, 2.0, 4.0, 9.0], [2.0, 1.0, 3.0, 4.0]);
        let mut words = Words(1);
        let seen = mean_difference(&a, &b, 2.0, &options(), &mut || words.word());
        assert_eq!(seen.estimate.estimate, Some(-1.0));
        assert!(seen.estimate.method.starts_with("paired differences, Student t"));
    }

    #[test]
    fn skewed_differences_are_resampled_and_test_what_their_interval_says() {
        let mut words = Words(4);
        let a: Vec<f64> = (0..60).map(|_| words.exponential() * words.exponential()).collect();
        let b = vec![0.9; 60];
        let at = |confidence: f64| {
            let mut words = Words(9);
            let options = BootstrapOptions {
                confidence,
                resamples: 20_000,
            };
            mean_difference(&a, &b, 1.0, &options, &mut || words.word())
        };
        let seen = at(0.95);
        assert!(seen.estimate.method.contains("BCa"), "{seen:?}");
        let p = seen.p_value.unwrap();
        let holds = |difference: Difference| {
            difference.estimate.lower.unwrap() <= 0.0 && 0.0 <= difference.estimate.upper.unwrap()
        };
        // The interval of a slightly smaller error level holds 0, that of a slightly larger one does not.
        assert!(p > 0.001 && p < 0.9, "{p}");
        assert!(holds(at(1.0 - 0.9 * p)) && !holds(at(1.0 - 1.1 * p)), "{p}");
    }

    #[test]
    fn far_tails_get_more_resamples() {
        assert_eq!([0.95, 0.995, 0.999].map(resamples_for), [2000, 8000, 20_000]);
    }

    const GOLDEN_T: (f64, f64, f64, f64) = (1.11875, 0.3678452050226886, 1.8696547949773112, 0.004520583724627869);
}
