//! The difference of two ratios of sums over the same replications, such as the share of pods that were delayed. Single
//! ratios are in `ratio.rs`.

use super::bootstrap::{BootstrapOptions, bca_test};
use super::difference::{DIFFERING_MIN, Difference};
use super::paired::{CommonRandomNumbers, common_random_numbers};
use super::ratio::ratio_of_sums;
use super::special::{student_t_critical, student_t_two_sided};
use super::{Estimate, count};

/// Pairs above which a jackknife takes too long.
const JACKKNIFE_PAIRS_MAX: usize = 10_000;

/// A ratio and the run-by-run influence on it: z_r = (X_r − p̂ N_r) / N̄, with mean 0.
pub(super) struct Linear {
    pub(super) share: f64,
    pub(super) influence: Vec<f64>,
}

/// Linearizes a ratio of sums; `None` without units.
pub(super) fn linearized(runs: &[(u64, u64)]) -> Option<Linear> {
    let (events, units) = runs.iter().fold((0u128, 0u128), |(events, units), (x, n)| {
        (events + u128::from(*x), units + u128::from(*n))
    });
    if units == 0 {
        return None;
    }
    let share = events as f64 / units as f64;
    let mean_units = units as f64 / runs.len() as f64;
    let influence = runs.iter().map(|(x, n)| (count(*x) - share * count(*n)) / mean_units);
    Some(Linear {
        share,
        influence: influence.collect(),
    })
}

/// Difference p_A − `factor` · p_B of two shares of units (pods, requests), from pairs (events, units) per run,
/// dimensionless.
///
/// Variance of the mean of the paired influences z_A,r − f · z_B,r, t quantile with R − 1 degrees (Cochran 1977, ch. 6,
/// for a difference of ratios). With fewer than ten pairs of runs that differ BCa over runs. Without any event in either
/// design the bounds are those of the two shares: both follow from one fact, that no pair of runs has an event, so they
/// hold together. Assumes independent replications; `a[r]` and `b[r]` must come from the same one.
pub fn ratio_difference(
    a: &[(u64, u64)],
    b: &[(u64, u64)],
    factor: f64,
    options: &BootstrapOptions,
    uniform: &mut dyn FnMut() -> u64,
) -> Difference {
    assert_eq!(a.len(), b.len(), "paired designs need the same replications");
    let (confidence, n) = (options.confidence, a.len() as u64);
    let (Some(of_a), Some(of_b)) = (linearized(a), linearized(b)) else {
        return Difference::not_estimable(n, confidence, "no data");
    };
    let scaled: Vec<f64> = of_b.influence.iter().map(|z| factor * z).collect();
    let gained = common_random_numbers(&of_a.influence, &scaled);
    let point = of_a.share - factor * of_b.share;
    if of_a.share == 0.0 && of_b.share == 0.0 {
        let upper = ratio_of_sums(a, confidence).upper;
        let lower = ratio_of_sums(b, confidence).upper.map(|bound| -factor * bound);
        let method = "no event in either design, one-sided bounds";
        return Difference {
            estimate: Estimate::new(Some(0.0), (lower, upper), n, confidence, method),
            p_value: Some(1.0),
            common_random_numbers: CommonRandomNumbers::NONE,
        };
    }
    let influence: Vec<f64> = of_a.influence.iter().zip(&scaled).map(|(a, b)| a - b).collect();
    let squares: f64 = influence.iter().map(|z| z * z).sum();
    let r = influence.len() as f64;
    if influence.len() < 2 || squares == 0.0 {
        // Shares of 0 and 1 have bounds of their own; each gets half of the error.
        let halved = 0.5 * (1.0 + confidence);
        let (alone_a, alone_b) = (ratio_of_sums(a, halved), ratio_of_sums(b, halved));
        let minus = |a: Option<f64>, b: Option<f64>| Some(a? - factor * b?);
        let at_end = |share: f64| share == 0.0 || share == 1.0;
        let known = at_end(of_a.share) && at_end(of_b.share);
        let (lower, upper) = (minus(alone_a.lower, alone_b.upper), minus(alone_a.upper, alone_b.lower));
        let (lower, upper) = (lower.filter(|_| known), upper.filter(|_| known));
        let method = match lower {
            Some(_) => "the same difference in every pair of runs, bounds of the two shares",
            None => "the same difference in every pair of runs, no interval",
        };
        return Difference {
            estimate: Estimate::new(Some(point), (lower, upper), n, confidence, method),
            p_value: None,
            common_random_numbers: gained,
        };
    }
    let differing = a.iter().zip(b).filter(|(a, b)| a != b).count();
    if (differing < DIFFERING_MIN || factor != 1.0 && of_a.share.min(of_b.share) == 0.0)
        && a.len() <= JACKKNIFE_PAIRS_MAX
    {
        return resampled(a, b, factor, options, uniform, gained);
    }
    let error = (squares / (r * (r - 1.0))).sqrt();
    let half_width = student_t_critical(confidence, r - 1.0) * error;
    let bounds = (
        Some((point - half_width).max(-factor)),
        Some((point + half_width).min(1.0)),
    );
    Difference {
        estimate: Estimate::new(Some(point), bounds, n, confidence, "paired ratios of sums over runs"),
        p_value: Some(student_t_two_sided(point / error, r - 1.0)),
        common_random_numbers: gained,
    }
}

fn resampled(
    a: &[(u64, u64)],
    b: &[(u64, u64)],
    factor: f64,
    options: &BootstrapOptions,
    uniform: &mut dyn FnMut() -> u64,
    gained: CommonRandomNumbers,
) -> Difference {
    let share = |runs: &[(u64, u64)], weights: &[u32]| {
        let (mut events, mut units) = (0u128, 0u128);
        for ((x, n), weight) in runs.iter().zip(weights) {
            events += u128::from(*x) * u128::from(*weight);
            units += u128::from(*n) * u128::from(*weight);
        }
        (units > 0).then(|| events as f64 / units as f64)
    };
    let statistic = |weights: &[u32]| Some(share(a, weights)? - factor * share(b, weights)?);
    let runs = u32::try_from(a.len()).expect("fewer than 2^32 runs");
    let (mut estimate, p_value) = bca_test(runs, &statistic, options, uniform);
    estimate.method = format!(
        "paired ratios of sums, {}, fewer than 10 pairs of runs differ",
        estimate.method
    );
    Difference {
        estimate,
        p_value,
        common_random_numbers: gained,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::*;

    fn difference(a: &[(u64, u64)], b: &[(u64, u64)], factor: f64) -> Difference {
        let mut words = Words(2);
        ratio_difference(a, b, factor, &BootstrapOptions::default(), &mut || words.word())
    }

    #[test]
    fn equal_sizes_give_the_paired_t_interval_of_the_shares() {
        let mut words = Words(5);
        let runs =
            |words: &mut Words, p: f64| -> Vec<(u64, u64)> { (0..50).map(|_| (words.binomial(8, p), 8)).collect() };
        let (a, b) = (runs(&mut words, 0.5), runs(&mut words, 0.3));
        let seen = difference(&a, &b, 1.0);
        let shares = |runs: &[(u64, u64)]| -> Vec<f64> { runs.iter().map(|(x, n)| *x as f64 / *n as f64).collect() };
        let wanted = super::super::paired::paired_t(&shares(&a), &shares(&b), 0.95);
        assert_close(seen.estimate.lower.unwrap(), wanted.difference.lower.unwrap(), 1e-10);
        assert_close(seen.estimate.upper.unwrap(), wanted.difference.upper.unwrap(), 1e-10);
        let gained = wanted.common_random_numbers.variance_reduction.unwrap();
        assert_close(seen.common_random_numbers.variance_reduction.unwrap(), gained, 1e-9);
    }

    #[test]
    fn without_events_both_bounds_are_given() {
        let seen = difference(&[(0, 4); 100], &[(0, 4); 100], 1.0);
        let bound = 1.0 - libm::pow(0.05, 0.01);
        assert_close(seen.estimate.upper.unwrap(), bound, 1e-12);
        assert_close(seen.estimate.lower.unwrap(), -bound, 1e-12);
        assert_eq!(seen.p_value, Some(1.0));
    }

    #[test]
    fn few_differing_pairs_are_resampled() {
        let mut a = vec![(1, 4); 60];
        a[..5].fill((2, 4));
        let seen = difference(&a, &[(1, 4); 60], 1.0);
        assert!(seen.estimate.method.contains("BCa"), "{seen:?}");
        assert!(
            seen.estimate.lower.unwrap() > 0.0 && seen.estimate.upper.unwrap() < 0.06,
            "{seen:?}"
        );
    }

    #[test]
    fn equal_designs_have_no_interval() {
        let runs = [(1, 4), (2, 4), (0, 4)];
        let seen = difference(&runs, &runs, 1.0);
        assert_eq!((seen.estimate.estimate, seen.estimate.lower), (Some(0.0), None));
        assert_eq!(difference(&[(0, 0)], &[(0, 1)], 1.0).estimate.estimate, None);
    }
}
