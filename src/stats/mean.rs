//! The mean of one number per run, with an interval. Shares and ratios of counts do not belong
//! here (see `ratio.rs`), nor differences of two designs (see `difference.rs`).
//!
//! Numbers of runs are not negative, often 0, and sometimes very large in very few runs. Such a mean knows as much as a
//! count does: Σy of n runs with mean m and variance s² weighs like n·m²/s² events. The exact interval of that many events
//! has the right skewness, the discreteness of few runs with any, and is that of Student where neither matters. What no
//! sample shows, how many runs are larger than all that were seen, is added where the largest possible number is known.

use super::proportion::{binomial_bounds, zero_event_upper};
use super::special::{normal_critical, student_t_critical};
use super::{Caveat, Estimate, error_level};

/// Runs below which an interval of a mean carries a warning.
pub const RUNS_MIN: u64 = 20;
/// Runs that a sum must rest on, below which an interval carries a warning.
const EFFECTIVE_MIN: f64 = 10.0;
/// Share of the sum in the largest hundredth of the runs from which on the method reports it; exponential numbers have 5.6 %.
const TAIL_SHARE_TOLD: f64 = 0.07;
/// Events beyond which their distribution is the normal one, in as many digits as are shown.
const EVENTS_NORMAL: f64 = 1e4;
/// Trials for each event that stand for infinitely many: those of numbers that have no largest value.
const TRIALS_UNBOUNDED: f64 = 1e3;

/// Size and spread of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Number of values R.
    pub n: u64,
    /// Arithmetic mean, in the unit of the values.
    pub mean: f64,
    /// Sample variance with divisor R − 1, in the squared unit; `None` below two values.
    pub variance: Option<f64>,
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
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some(Moments {
        n: values.len() as u64,
        mean,
        variance: (values.len() > 1).then(|| squares / (n - 1.0)),
    })
}

/// Student's t interval of a mean: Ȳ ± t · s / √R, in the unit of the values (Student 1908).
///
/// Assumes independent values and a nearly normal mean; otherwise prefer [`mean_of_runs`]. Fewer than two values, or values that are
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

/// Numbers of runs that are at least 0, ready for bounds of their mean at any confidence.
pub(super) struct Amounts {
    /// All numbers.
    pub(super) all: Moments,
    /// The numbers up to the largest hundredth, each cut off there, and what the others have beyond.
    usual: Moments,
    beyond: Moments,
    /// Correlation of these two parts.
    correlation: f64,
    /// The largest number that a run can have, if that is known.
    most: Option<f64>,
    /// Whether what counts is what is missing to `most`, because that is the smaller part.
    mirrored: bool,
}

impl Amounts {
    /// `None` without values.
    pub(super) fn new(values: &[f64], most: Option<f64>) -> Option<Self> {
        let all = moments(values)?;
        let top = most.filter(|most| all.mean > 0.5 * most);
        let amounts: Vec<f64> = values
            .iter()
            .map(|value| top.map_or(*value, |top| (top - value).max(0.0)))
            .collect();
        let mut sorted = amounts.clone();
        let (_, cut, _) =
            sorted.select_nth_unstable_by(values.len().div_ceil(100) % values.len(), |a, b| b.total_cmp(a));
        let cut = *cut;
        let part = |of: &dyn Fn(f64) -> f64| moments(&amounts.iter().map(|value| of(*value)).collect::<Vec<_>>());
        let (usual, beyond) = (part(&|value| value.min(cut))?, part(&|value| (value - cut).max(0.0))?);
        let variances = usual.variance.zip(beyond.variance).zip(all.variance);
        let correlation = variances.map_or(0.0, |((x, y), sum)| {
            if x > 0.0 && y > 0.0 {
                (0.5 * (sum - x - y) / (x * y).sqrt()).clamp(-1.0, 1.0)
            } else {
                0.0
            }
        });
        Some(Self {
            all,
            usual,
            beyond,
            correlation,
            most,
            mirrored: top.is_some(),
        })
    }

    /// Bounds of the mean; the mean itself twice where no spread was seen.
    ///
    /// The bounds of both parts ([`bounds_of_part`]), recovered as those of their sum as if they were standard errors with
    /// that correlation (Zou & Donner 2008): the few largest runs are so few events by themselves, however many runs there
    /// are.
    pub(super) fn bounds(&self, confidence: f64) -> (f64, f64) {
        let arms = |part: &Moments, most: Option<f64>| {
            let (lower, upper) = bounds_of_part(part, most, confidence);
            (part.mean - lower, upper - part.mean)
        };
        let (usual, beyond) = (arms(&self.usual, self.most), arms(&self.beyond, None));
        let size = |x: f64, y: f64| (x * x + y * y + 2.0 * self.correlation * x * y).max(0.0).sqrt();
        let (below, above) = (size(usual.0, beyond.0), size(usual.1, beyond.1));
        match self.mirrored {
            true => (self.all.mean - above, self.all.mean + below),
            false => (self.all.mean - below, self.all.mean + above),
        }
    }
}

/// Bounds of the mean of numbers that are at least 0, and at most `most` if that is known, from their moments.
///
/// With e = n·m²/s² · (1 − m/most), the effective number of events, in e · most/m trials: the exact binomial interval of
/// their share (Clopper & Pearson 1934), times `most`; both shrunk by (z/t)² for the estimated variance. That is the
/// interval of Korn & Graubard (1998) for a share; without a largest value it is the gamma interval of Garwood (1936) for a
/// rate, as Fay & Feuer (1997) use it for sums of weights.
fn bounds_of_part(sample: &Moments, most: Option<f64>, confidence: f64) -> (f64, f64) {
    let spread = sample.variance.filter(|variance| *variance > 0.0 && sample.mean > 0.0);
    let Some(variance) = spread else {
        return (sample.mean, sample.mean);
    };
    let (mean, n) = (sample.mean, sample.n as f64);
    let critical = student_t_critical(confidence, n - 1.0);
    let widening = normal_critical(confidence) / critical;
    let of_most = most.map_or(0.0, |most| (mean / most).min(1.0));
    let events = n * mean * mean / variance * (1.0 - of_most) * widening * widening;
    let trials = if of_most > 0.0 {
        events / of_most
    } else {
        TRIALS_UNBOUNDED * (events + 1.0)
    };
    if events > EVENTS_NORMAL && (of_most == 0.0 || trials - events > EVENTS_NORMAL) {
        let half_width = critical * (variance / n).sqrt();
        return (mean - half_width, mean + half_width);
    }
    let (lower, upper) = binomial_bounds(events, trials, confidence);
    let unit = mean * trials / events;
    (lower * unit, upper * unit)
}

/// Mean of one number per run, in the unit of the values. No run can have less than 0, nor more than `most` if that is
/// known.
///
/// `Amounts::bounds`; where the largest number is known, the runs that were not seen are added at both ends: a share of up
/// to 1 − (α/2)^(1/n) of all runs may be larger than the largest, and smaller than the smallest, by as much as there is
/// room. So the interval holds even if an unobserved tail holds much of the mean, and numbers that are all 0, or all
/// `most`, have a bound. Without a known largest number equal values give no bounds: no spread was seen, which does not
/// prove that there is none.
///
/// The method reports what share of the sum the largest hundredth of the runs holds where that is much. Below 20 runs, or if
/// the sum rests on fewer than about ten runs, (Σy)²/Σy² < 10, it carries a warning. Assumes independent runs. Panics if
/// a value is out of range.
pub fn mean_of_runs(values: &[f64], most: Option<f64>, confidence: f64) -> Estimate {
    error_level(confidence);
    let (mut least, mut largest) = (f64::INFINITY, 0.0f64);
    for value in values {
        (least, largest) = (least.min(*value), largest.max(*value));
    }
    // Rounding of sums of times can exceed what is possible by a last digit.
    let most = most.map(|most| most.max(largest.min(most * (1.0 + 1e-9))));
    assert!(
        least >= 0.0 && most.is_none_or(|most| largest <= most),
        "a number of a run lies between 0 and {most:?}, got {least} and {largest}"
    );
    let Some(amounts) = Amounts::new(values, most) else {
        return Estimate::not_estimable(0, confidence, "no data");
    };
    let sample = &amounts.all;
    let equal = sample.variance.is_none_or(|variance| variance == 0.0);
    let (mut lower, mut upper) = amounts.bounds(confidence);
    let Some(most) = most else {
        if equal {
            let method = if sample.n == 1 {
                "one value, no interval"
            } else {
                "all values equal, no interval"
            };
            return Estimate::point_only(sample.mean, sample.n, confidence, method);
        }
        return told(values, sample, None, (lower, upper), confidence, "mean of runs, gamma");
    };
    let unseen = zero_event_upper(sample.n, confidence).unwrap_or(1.0);
    lower = (lower - unseen * least).max(0.0);
    upper = (upper + unseen * (most - largest)).min(most);
    let method = if equal {
        "all values equal, runs not seen added"
    } else {
        "mean of runs, Korn-Graubard, runs not seen added"
    };
    told(values, sample, Some(most), (lower, upper), confidence, method)
}

/// The estimate with what a reader must know of its values.
fn told(
    values: &[f64],
    sample: &Moments,
    most: Option<f64>,
    (lower, upper): (f64, f64),
    confidence: f64,
    method: &str,
) -> Estimate {
    let mut estimate = Estimate::new(
        Some(sample.mean),
        (Some(lower), Some(upper)),
        sample.n,
        confidence,
        method,
    );
    if sample.n < RUNS_MIN {
        estimate.warn(Caveat::FewRuns, "fewer than 20 runs");
    }
    let sum: f64 = values.iter().sum();
    if let Some(share) = tail_share(values, sum).filter(|share| *share > TAIL_SHARE_TOLD) {
        estimate.method += &format!(", the largest 1 % of runs hold {:.0} % of the sum", 100.0 * share);
    }
    // Near the largest possible value what is missing is what is rare.
    let missing = most.filter(|most| sample.mean > 0.5 * most);
    let rare = |value: f64| missing.map_or(value, |most| most - value);
    let (mut amount, mut squares) = (0.0, 0.0);
    for value in values {
        amount += rare(*value);
        squares += rare(*value) * rare(*value);
    }
    if sample.n >= RUNS_MIN && amount * amount < EFFECTIVE_MIN * squares {
        estimate.warn(Caveat::FewRuns, "rests on fewer than 10 runs");
    }
    estimate
}

/// What share of the sum the largest hundredth of the values holds; `None` below 100 values or for a sum of 0.
fn tail_share(values: &[f64], sum: f64) -> Option<f64> {
    if values.len() < 100 || sum <= 0.0 {
        return None;
    }
    let largest = values.len() / 100;
    let mut sorted = values.to_vec();
    sorted.select_nth_unstable_by(largest, |left, right| right.total_cmp(left));
    Some(sorted[..largest].iter().sum::<f64>() / sum)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::*;

    #[test]
    fn moments_of_a_known_sample() {
        let sample = moments(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(sample.mean, 5.0);
        assert_close(sample.variance.unwrap(), 32.0 / 7.0, 1e-15);
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
    fn without_a_largest_value_equal_values_have_no_bounds() {
        assert_eq!(mean_of_runs(&[], None, 0.95).estimate, None);
        for values in [&[3.0][..], &[3.0; 9][..], &[0.0; 9][..]] {
            let seen = mean_of_runs(values, None, 0.95);
            assert_eq!((seen.estimate, seen.lower, seen.upper), (Some(values[0]), None, None));
        }
    }

    #[test]
    fn zeros_and_ones_have_a_bound() {
        let unseen = 1.0 - libm::pow(0.025, 0.001);
        let zeros = mean_of_runs(&[0.0; 1000], Some(600.0), 0.95);
        assert_eq!((zeros.estimate, zeros.lower), (Some(0.0), Some(0.0)));
        assert_close(zeros.upper.unwrap(), 600.0 * unseen, 1e-12);
        let ones = mean_of_runs(&[1.0; 1000], Some(1.0), 0.95);
        assert_close(ones.lower.unwrap(), 1.0 - unseen, 1e-12);
        assert_eq!(ones.upper, Some(1.0));
        // One run with something does not make the rest better known.
        let mut one = [0.0; 1000];
        one[0] = 3.0;
        let seen = mean_of_runs(&one, Some(600.0), 0.95);
        assert!(seen.upper > zeros.upper.map(|upper| upper - 1.0), "{seen:?}");
        assert_eq!(seen.caveat, Some(Caveat::FewRuns));
    }

    #[test]
    fn a_mean_of_zeros_and_ones_has_the_exact_interval_of_a_share() {
        let mut values = vec![0.0; 100];
        values[..4].fill(1.0);
        let seen = mean_of_runs(&values, Some(1.0), 0.95);
        let exact = super::super::share_of_runs(4, 100, 0.95);
        assert_close(seen.lower.unwrap(), exact.lower.unwrap(), 0.05);
        assert_close(seen.upper.unwrap(), exact.upper.unwrap(), 0.05);
        assert!(seen.lower < exact.lower && seen.upper > exact.upper, "{seen:?}");
    }

    #[test]
    fn a_mean_of_exponential_values_has_nearly_their_exact_interval() {
        // 2nȲ/μ is χ² with 2n degrees: with a coefficient of variation of exactly 1 the interval is Garwood's for n events.
        let mut words = Words(5);
        let values: Vec<f64> = (0..4000).map(|_| words.exponential()).collect();
        let sample = Moments {
            n: 4000,
            mean: 1.0,
            variance: Some(1.0),
        };
        let (lower, upper) = bounds_of_part(&sample, None, 0.95);
        let garwood = (0.969_248_8, 1.031_487_8);
        assert!(
            (lower - garwood.0).abs() < 1e-4 && (upper - garwood.1).abs() < 3e-4,
            "{lower} {upper}"
        );
        let seen = mean_of_runs(&values, None, 0.95);
        assert!(seen.lower.unwrap() < 1.0 && 1.0 < seen.upper.unwrap());
    }

    #[test]
    fn narrow_values_have_the_interval_of_student() {
        let values: Vec<f64> = (0..40).map(|index| 46.0 + f64::from(index % 7)).collect();
        let (seen, student) = (mean_of_runs(&values, None, 0.95), mean_t(&values, 0.95));
        assert_close(seen.lower.unwrap(), student.lower.unwrap(), 1e-3);
        assert_close(seen.upper.unwrap(), student.upper.unwrap(), 1e-3);
        let close: Vec<f64> = (0..40).map(|index| 46.0 + 1e-4 * f64::from(index % 7)).collect();
        assert_close(
            mean_of_runs(&close, None, 0.95).upper.unwrap(),
            mean_t(&close, 0.95).upper.unwrap(),
            1e-12,
        );
    }

    #[test]
    fn the_method_tells_few_runs_and_a_heavy_tail() {
        let few = mean_of_runs(&[1.0, 2.0, 3.0], None, 0.95);
        assert_eq!(few.method, "mean of runs, gamma, fewer than 20 runs");
        let mut heavy = vec![40.0; 1000];
        heavy[..3].fill(1674.0);
        let seen = mean_of_runs(&heavy, Some(1800.0), 0.95);
        assert!(
            seen.method.ends_with("the largest 1 % of runs hold 12 % of the sum"),
            "{}",
            seen.method
        );
        assert_eq!(seen.caveat, None);
        // Near 1 the few that are missing are what is rare.
        let mut nearly = vec![1.0; 1000];
        nearly[..3].fill(0.0);
        let seen = mean_of_runs(&nearly, Some(1.0), 0.95);
        assert_eq!(seen.caveat, Some(Caveat::FewRuns));
        assert!(seen.method.contains("rests on fewer than 10 runs"), "{}", seen.method);
    }

    #[test]
    #[should_panic(expected = "finite values")]
    fn a_run_that_never_ended_has_no_place_in_a_mean() {
        mean_t(&[1.0, f64::INFINITY], 0.95);
    }

    #[test]
    #[should_panic(expected = "lies between 0")]
    fn more_than_the_most_is_a_mistake_of_the_caller() {
        mean_of_runs(&[1.0, 3.0], Some(2.0), 0.95);
    }
}
