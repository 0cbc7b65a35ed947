//! The bootstrap over whole runs: resampling, percentile and BCa intervals. It knows no statistic;
//! those come in as functions of run weights from `mean.rs`, `ratio.rs` or the caller. The
//! randomness comes in as a source of uniform 64-bit words, one word per draw.
//!
//! A resample is a list of run multiplicities, so a statistic sums over runs in their own order and
//! never in the order of the draws. Not valid for zero events, maxima, quantiles beyond about
//! 1 − 5/n, and fewer than [`RUNS_MIN`] runs: callers must say so in their method name.

use super::special::{normal_critical, normal_quantile, normal_tails};
use super::{Estimate, count, error_level};

/// Runs below which bootstrap intervals are too short to be trusted.
pub const RUNS_MIN: u64 = 20;

/// How a bootstrap interval is computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BootstrapOptions {
    /// Nominal coverage of the interval, in (0, 1).
    pub confidence: f64,
    /// Number of resamples B, at least 1. 2000 for intervals (Efron & Tibshirani 1993), 200 for a
    /// standard error.
    pub resamples: u32,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        Self {
            confidence: 0.95,
            resamples: 2000,
        }
    }
}

/// Index below `n` from one uniform word: the high half of word · n.
///
/// The bias is below n / 2^64. Panics if `n` is 0.
pub fn index_from_word(word: u64, n: u64) -> u64 {
    assert!(n > 0, "an index was drawn from an empty list");
    ((u128::from(word) * u128::from(n)) >> 64) as u64
}

/// Draws `weights.len()` runs with replacement and stores how often each was drawn.
///
/// Takes one word per run. Does nothing for an empty slice.
pub fn draw_multiplicities(weights: &mut [u32], uniform: &mut dyn FnMut() -> u64) {
    weights.fill(0);
    let runs = weights.len() as u64;
    for _ in 0..runs {
        weights[index_from_word(uniform(), runs) as usize] += 1;
    }
}

/// Rank pair (from 0) of the percentile interval among `resamples` sorted values: the type 1
/// quantiles at α/2 and, mirrored, at 1 − α/2.
pub fn percentile_ranks(resamples: usize, confidence: f64) -> (usize, usize) {
    assert!(resamples > 0, "a percentile interval needs resamples");
    let tail = 0.5 * error_level(confidence);
    let lower = rank_from_level(tail, resamples);
    (lower, (resamples - 1 - lower).max(lower))
}

/// Percentile interval of a statistic of weighted runs (Efron 1979).
///
/// `statistic` maps run multiplicities (all 1 = the data) to a value, or `None` if a resample does
/// not define it; such resamples are left out and the method says so. `runs` is their number.
pub fn percentile_interval(
    runs: u32,
    statistic: &dyn Fn(&[u32]) -> Option<f64>,
    options: &BootstrapOptions,
    uniform: &mut dyn FnMut() -> u64,
) -> Estimate {
    let draws = Draws::new(runs, statistic, options, uniform);
    draws.estimate(options, draws.percentile(options), "percentile bootstrap over runs")
}

/// Bias-corrected and accelerated interval of a statistic of weighted runs (Efron 1987).
///
/// Levels Φ(z0 + (z0+z_q) / (1 − a(z0+z_q))) of the resampled values, with z0 = Φ⁻¹ of the share of
/// resamples below the estimate (ties count half) and a = Σd³ / 6(Σd²)^1.5, d the deviations of the
/// run jackknife. Falls back to the percentile interval, and says so, where z0 or a is undefined.
/// Arguments as for [`percentile_interval`].
pub fn bca_interval(
    runs: u32,
    statistic: &dyn Fn(&[u32]) -> Option<f64>,
    options: &BootstrapOptions,
    uniform: &mut dyn FnMut() -> u64,
) -> Estimate {
    let draws = Draws::new(runs, statistic, options, uniform);
    match draws.bca(runs, statistic, options) {
        Some(bounds) => draws.estimate(options, Some(bounds), "BCa bootstrap over runs"),
        None => {
            let method = "percentile bootstrap over runs (BCa undefined)";
            draws.estimate(options, draws.percentile(options), method)
        }
    }
}

/// [`bca_interval`] with the p-value of the hypothesis that the statistic is 0: the smallest error level at which the
/// interval leaves 0 out, no less than 2/(B+1). `None` where there is no interval.
pub fn bca_test(
    runs: u32,
    statistic: &dyn Fn(&[u32]) -> Option<f64>,
    options: &BootstrapOptions,
    uniform: &mut dyn FnMut() -> u64,
) -> (Estimate, Option<f64>) {
    let draws = Draws::new(runs, statistic, options, uniform);
    let corrections = draws.corrections(runs, statistic);
    let p_value = draws.p_value(corrections);
    match draws.bca_with(corrections, options) {
        Some(bounds) => (
            draws.estimate(options, Some(bounds), "BCa bootstrap over runs"),
            p_value,
        ),
        None => {
            let method = "percentile bootstrap over runs (BCa undefined)";
            (draws.estimate(options, draws.percentile(options), method), p_value)
        }
    }
}

/// p-value of the hypothesis of no difference from `resamples` resampled values of which `low` are at most 0 and `high`
/// are at least 0: twice the smaller share, the data counted as one more resample (Davison & Hinkley 1997, ch. 4).
pub fn percentile_p_value(low: usize, high: usize, resamples: usize) -> f64 {
    (2.0 * (low.min(high) + 1) as f64 / (resamples + 1) as f64).min(1.0)
}

/// Bias z0 and acceleration a of BCa.
type Corrections = Option<(f64, f64)>;

/// The point estimate and the sorted resampled values.
struct Draws {
    runs: u64,
    point: Option<f64>,
    values: Vec<f64>,
    undefined: u32,
}

impl Draws {
    fn new(
        runs: u32,
        statistic: &dyn Fn(&[u32]) -> Option<f64>,
        options: &BootstrapOptions,
        uniform: &mut dyn FnMut() -> u64,
    ) -> Self {
        assert!(options.resamples > 0, "a bootstrap needs resamples");
        let mut weights = vec![1u32; runs as usize];
        let point = statistic(&weights);
        let mut values = Vec::with_capacity(options.resamples as usize);
        if runs >= 2 && point.is_some() {
            for _ in 0..options.resamples {
                draw_multiplicities(&mut weights, uniform);
                values.extend(statistic(&weights));
            }
        }
        let undefined = options.resamples - values.len() as u32;
        values.sort_unstable_by(f64::total_cmp);
        Self {
            runs: u64::from(runs),
            point,
            values,
            undefined,
        }
    }

    fn percentile(&self, options: &BootstrapOptions) -> Option<(f64, f64)> {
        if self.values.is_empty() {
            return None;
        }
        let (lower, upper) = percentile_ranks(self.values.len(), options.confidence);
        Some((self.values[lower], self.values[upper]))
    }

    fn bca(
        &self,
        runs: u32,
        statistic: &dyn Fn(&[u32]) -> Option<f64>,
        options: &BootstrapOptions,
    ) -> Option<(f64, f64)> {
        self.bca_with(self.corrections(runs, statistic), options)
    }

    fn corrections(&self, runs: u32, statistic: &dyn Fn(&[u32]) -> Option<f64>) -> Corrections {
        let point = self.point?;
        let resamples = self.values.len();
        let below = self.values.partition_point(|value| *value < point);
        let not_above = self.values.partition_point(|value| *value <= point);
        if not_above == 0 || below == resamples {
            return None;
        }
        let share = 0.5 * (below as f64 + not_above as f64) / resamples as f64;
        Some((normal_quantile(share), acceleration(runs, statistic)?))
    }

    /// The error level at which the BCa interval, or without its corrections the percentile interval, ends at 0.
    fn p_value(&self, corrections: Corrections) -> Option<f64> {
        if self.values.is_empty() {
            return None;
        }
        let resamples = self.values.len();
        let below = self.values.partition_point(|value| *value < 0.0);
        let not_above = self.values.partition_point(|value| *value <= 0.0);
        let least = 2.0 / (resamples + 1) as f64;
        let Some((bias, acceleration)) = corrections else {
            return Some(percentile_p_value(not_above, resamples - below, resamples));
        };
        // The rank of 0 among the resamples, moved off the ends, is Φ(z0 + (z0+z) / (1 − a(z0+z))): solved for z.
        let rank = 0.5 * (below as f64 + not_above as f64) / resamples as f64;
        let rank = rank.clamp(0.5 * least, 1.0 - 0.5 * least);
        let shifted = normal_quantile(rank) - bias;
        let stretch = 1.0 + acceleration * shifted;
        if stretch <= 0.0 {
            return Some(least);
        }
        let tails = normal_tails(shifted / stretch - bias);
        Some((2.0 * tails.lower.min(tails.upper)).clamp(least, 1.0))
    }

    fn bca_with(&self, corrections: Corrections, options: &BootstrapOptions) -> Option<(f64, f64)> {
        let resamples = self.values.len();
        let (bias, acceleration) = corrections?;
        let z = normal_critical(options.confidence);
        let value_at = |quantile: f64| {
            let shifted = bias + quantile;
            let slope = 1.0 - acceleration * shifted;
            let level = normal_tails(bias + shifted / slope).lower;
            (slope > 0.0).then(|| self.values[rank_from_level(level, resamples)])
        };
        Some((value_at(-z)?, value_at(z)?))
    }

    fn estimate(&self, options: &BootstrapOptions, bounds: Option<(f64, f64)>, method: &str) -> Estimate {
        let confidence = options.confidence;
        if self.point.is_none() {
            return Estimate::not_estimable(self.runs, confidence, "no data");
        }
        let mut method = method.to_owned();
        if bounds.is_none() {
            method = "interval not estimable from fewer than two runs".to_owned();
        } else if self.runs < RUNS_MIN {
            method += ", fewer than 20 runs";
        }
        if bounds.is_some() && self.undefined > 0 {
            method += &format!(", undefined in {} resamples", self.undefined);
        }
        let bounds = (bounds.map(|pair| pair.0), bounds.map(|pair| pair.1));
        Estimate::new(self.point, bounds, self.runs, confidence, &method)
    }
}

/// Acceleration constant from the run jackknife; `None` if a leave-one-out value is undefined.
fn acceleration(runs: u32, statistic: &dyn Fn(&[u32]) -> Option<f64>) -> Option<f64> {
    let mut weights = vec![1u32; runs as usize];
    let mut left_out = Vec::with_capacity(weights.len());
    for run in 0..weights.len() {
        weights[run] = 0;
        left_out.push(statistic(&weights)?);
        weights[run] = 1;
    }
    let centre = left_out.iter().sum::<f64>() / count(u64::from(runs));
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in left_out {
        let deviation = centre - value;
        squares += deviation * deviation;
        cubes += deviation * deviation * deviation;
    }
    Some(if squares > 0.0 {
        cubes / (6.0 * squares * squares.sqrt())
    } else {
        0.0
    })
}

/// Index (from 0) of the type 1 quantile at `level` among `len` sorted values.
fn rank_from_level(level: f64, len: usize) -> usize {
    let exact = level * len as f64;
    let rank = libm::ceil(exact * (1.0 - 1e-12)) as usize;
    rank.clamp(1, len) - 1
}

#[cfg(test)]
mod tests {
    use super::super::testing::Words;
    use super::*;

    fn mean_of<'a>(values: &'a [f64]) -> impl Fn(&[u32]) -> Option<f64> + 'a {
        move |weights| {
            let (mut sum, mut total) = (0.0, 0u32);
            for (value, weight) in values.iter().zip(weights) {
                sum += value * f64::from(*weight);
                total += weight;
            }
            (total > 0).then(|| sum / f64::from(total))
        }
    }

    #[test]
    fn words_are_mapped_to_indices_by_their_high_half() {
        assert_eq!(index_from_word(0, 10), 0);
        assert_eq!(index_from_word(u64::MAX, 10), 9);
        assert_eq!(index_from_word(1 << 63, 10), 5);
        assert_eq!(index_from_word((1 << 63) - 1, 10), 4);
    }

    #[test]
    fn a_resample_has_as_many_runs_as_the_data() {
        let mut words = Words(1);
        let mut weights = vec![7; 50];
        draw_multiplicities(&mut weights, &mut || words.word());
        assert_eq!(weights.iter().sum::<u32>(), 50);
        assert!(weights.iter().any(|weight| *weight > 1), "drawn with replacement");
    }

    #[test]
    fn percentile_ranks_cut_the_same_share_on_both_sides() {
        assert_eq!(percentile_ranks(2000, 0.95), (49, 1950));
        assert_eq!(percentile_ranks(1000, 0.9), (49, 950));
        assert_eq!(percentile_ranks(1, 0.95), (0, 0));
    }

    #[test]
    fn symmetric_data_give_nearly_equal_intervals() {
        let values: Vec<f64> = (0..101).map(f64::from).collect();
        let options = BootstrapOptions::default();
        let statistic = mean_of(&values);
        let mut words = Words(7);
        let percentile = percentile_interval(101, &statistic, &options, &mut || words.word());
        let mut words = Words(7);
        let bca = bca_interval(101, &statistic, &options, &mut || words.word());
        // The standard deviation of the mean is √(850/101) = 2.90.
        let expected = 1.96 * 2.90;
        for interval in [&percentile, &bca] {
            assert!(
                (interval.lower.unwrap() - (50.0 - expected)).abs() < 0.5,
                "{interval:?}"
            );
            assert!(
                (interval.upper.unwrap() - (50.0 + expected)).abs() < 0.5,
                "{interval:?}"
            );
        }
        assert_eq!(bca.method, "BCa bootstrap over runs");
    }

    #[test]
    fn bca_moves_towards_the_long_tail() {
        let mut words = Words(3);
        let values: Vec<f64> = (0..60).map(|_| words.exponential()).collect();
        let options = BootstrapOptions::default();
        let statistic = mean_of(&values);
        let mut words = Words(5);
        let percentile = percentile_interval(60, &statistic, &options, &mut || words.word());
        let mut words = Words(5);
        let bca = bca_interval(60, &statistic, &options, &mut || words.word());
        assert!(bca.lower > percentile.lower && bca.upper > percentile.upper);
    }

    #[test]
    fn acceleration_of_the_mean_is_skewness_over_six_root_n() {
        let values = [0.0, 0.0, 0.0, 1.0, 5.0];
        let mean = 1.2;
        let moment = |power: u32| {
            values
                .iter()
                .map(|v: &f64| (0..power).map(|_| v - mean).product::<f64>())
                .sum::<f64>()
        };
        let expected = moment(3) / (6.0 * moment(2) * moment(2).sqrt());
        let seen = acceleration(5, &mean_of(&values)).unwrap();
        assert!((seen - expected).abs() < 1e-12, "{seen} {expected}");
    }

    #[test]
    fn one_run_has_no_interval() {
        let statistic = mean_of(&[4.0]);
        let mut words = Words(1);
        let one = bca_interval(1, &statistic, &BootstrapOptions::default(), &mut || words.word());
        assert_eq!((one.estimate, one.lower, one.upper), (Some(4.0), None, None));
        let none = bca_interval(0, &statistic, &BootstrapOptions::default(), &mut || words.word());
        assert_eq!((none.estimate, none.method.as_str()), (None, "no data"));
    }
}
