//! The mean of one number per run, with an interval. Shares and ratios of counts do not belong
//! here (see `ratio.rs`), nor differences of two designs (see `paired.rs`).

use super::bootstrap::{self, BootstrapOptions, bca_interval};
use super::special::student_t_critical;
use super::{Estimate, error_level};

/// Size, spread and shape of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Number of values R.
    pub n: u64,
    /// Arithmetic mean, in the unit of the values.
    pub mean: f64,
    /// Sample variance with divisor R − 1, in the squared unit; `None` below two values.
    pub variance: Option<f64>,
    /// Moment skewness g = m₃ / m₂^1.5 with divisors R, dimensionless; `None` without spread.
    pub skewness: Option<f64>,
}

/// Moments of a sample in two passes; `None` without values.
///
/// Panics if a value is not finite: a run that never reached its goal has no place in a mean.
pub fn moments(values: &[f64]) -> Option<Moments> {
    assert!(
        values.iter().all(|value| value.is_finite()),
        "a mean needs finite values"
    );
    let first = *values.first()?;
    let n = values.len() as f64;
    // Deviations from the first value keep the sum accurate for values far from zero, and make a
    // constant sample exactly constant.
    let mean = first + values.iter().map(|value| value - first).sum::<f64>() / n;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in values {
        let deviation = value - mean;
        squares += deviation * deviation;
        cubes += deviation * deviation * deviation;
    }
    let second = squares / n;
    Some(Moments {
        n: values.len() as u64,
        mean,
        variance: (values.len() > 1).then(|| squares / (n - 1.0)),
        skewness: (second > 0.0).then(|| cubes / n / (second * second.sqrt())),
    })
}

/// Student's t interval of a mean: Ȳ ± t · s / √R, in the unit of the values (Student 1908).
///
/// Assumes independent values and a nearly normal mean: R > 28 + 25 g², g the skewness (Sugden,
/// Smith & Jones 2000). Otherwise prefer [`mean_of_runs`]. Fewer than two values, or values that are
/// all equal, give no bounds: no spread was seen, which does not prove that there is none.
pub fn mean_t(values: &[f64], confidence: f64) -> Estimate {
    error_level(confidence);
    let Some(sample) = moments(values) else {
        return Estimate::not_estimable(0, confidence, "no data");
    };
    let Some(variance) = sample.variance else {
        return Estimate::point_only(sample.mean, 1, confidence, "one value, no interval");
    };
    if variance == 0.0 {
        let method = "all values equal, no interval";
        return Estimate::point_only(sample.mean, sample.n, confidence, method);
    }
    let n = values.len() as f64;
    let half_width = student_t_critical(confidence, n - 1.0) * (variance / n).sqrt();
    let bounds = (Some(sample.mean - half_width), Some(sample.mean + half_width));
    Estimate::new(Some(sample.mean), bounds, sample.n, confidence, "Student t")
}

/// BCa bootstrap interval of a mean, in the unit of the values (Efron 1987).
///
/// For skewed values; assumes independent values, at least about 20. Takes one uniform word per
/// value and resample. Degenerate samples are treated as in [`mean_t`].
pub fn mean_bca(values: &[f64], options: &BootstrapOptions, uniform: &mut dyn FnMut() -> u64) -> Estimate {
    let simple = mean_t(values, options.confidence);
    if simple.lower.is_none() {
        return simple;
    }
    let statistic = |weights: &[u32]| {
        let (mut sum, mut total) = (0.0, 0u64);
        for (value, weight) in values.iter().zip(weights) {
            sum += value * f64::from(*weight);
            total += u64::from(*weight);
        }
        (total > 0).then(|| sum / total as f64)
    };
    let runs = u32::try_from(values.len()).expect("at most 2^32 runs");
    let bca = bca_interval(runs, &statistic, options, uniform);
    Estimate {
        estimate: simple.estimate,
        ..bca
    }
}

/// Mean of one number per run with the interval that fits the sample, in the unit of the values.
///
/// [`mean_t`] if R > 28 + 25 g² (Sugden, Smith & Jones 2000), else [`mean_bca`]. Below 20 values the
/// bootstrap is too short as well, so the t interval is given and the method carries a warning.
pub fn mean_of_runs(values: &[f64], options: &BootstrapOptions, uniform: &mut dyn FnMut() -> u64) -> Estimate {
    let mut simple = mean_t(values, options.confidence);
    if simple.lower.is_none() {
        return simple;
    }
    if simple.n < bootstrap::RUNS_MIN {
        simple.method += ", fewer than 20 values";
        return simple;
    }
    let skewness = moments(values).and_then(|sample| sample.skewness).unwrap_or(0.0);
    if values.len() as f64 > 28.0 + 25.0 * skewness * skewness {
        simple
    } else {
        mean_bca(values, options, uniform)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::*;

    fn estimate_with(values: &[f64]) -> Estimate {
        let mut words = Words(11);
        mean_of_runs(values, &BootstrapOptions::default(), &mut || words.word())
    }

    #[test]
    fn moments_of_a_known_sample() {
        let sample = moments(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(sample.mean, 5.0);
        assert_close(sample.variance.unwrap(), 32.0 / 7.0, 1e-15);
        assert_close(sample.skewness.unwrap(), 5.25 / 8.0, 1e-15);
    }

    #[test]
    fn the_t_interval_of_a_known_sample() {
        let seen = mean_t(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 0.95);
        let half_width = 2.36462425159278 * (32.0f64 / 7.0 / 8.0).sqrt();
        assert_close(seen.lower.unwrap(), 5.0 - half_width, 1e-12);
        assert_close(seen.upper.unwrap(), 5.0 + half_width, 1e-12);
        assert_eq!(seen.n, 8);
    }

    #[test]
    fn values_far_from_zero_keep_their_spread() {
        let seen = moments(&[1e9, 1e9 + 1.0, 1e9 + 2.0]).unwrap();
        assert_eq!((seen.mean, seen.variance), (1e9 + 1.0, Some(1.0)));
        assert_eq!(moments(&[0.1; 7]).unwrap().variance, Some(0.0));
    }

    #[test]
    fn too_few_or_equal_values_have_no_bounds() {
        assert_eq!(mean_t(&[], 0.95).estimate, None);
        for values in [&[3.0][..], &[3.0; 9][..]] {
            let seen = estimate_with(values);
            assert_eq!((seen.estimate, seen.lower, seen.upper), (Some(3.0), None, None));
        }
    }

    #[test]
    fn the_method_follows_size_and_skewness() {
        let mut words = Words(2);
        let symmetric: Vec<f64> = (0..40).map(f64::from).collect();
        let skewed: Vec<f64> = (0..40).map(|_| words.exponential()).collect();
        assert_eq!(estimate_with(&symmetric).method, "Student t");
        assert_eq!(estimate_with(&symmetric[..28]).method, "BCa bootstrap over runs");
        assert_eq!(
            estimate_with(&symmetric[..19]).method,
            "Student t, fewer than 20 values"
        );
        let bca = estimate_with(&skewed);
        assert_eq!(bca.method, "BCa bootstrap over runs");
        assert!(
            bca.upper > mean_t(&skewed, 0.95).upper,
            "the bound moves to the long tail"
        );
    }

    #[test]
    #[should_panic(expected = "finite values")]
    fn a_run_that_never_ended_has_no_place_in_a_mean() {
        mean_t(&[1.0, f64::INFINITY], 0.95);
    }
}
