//! The difference of two ratios of sums over the same replications, such as the share of pods that were delayed. Single
//! ratios are in `ratio.rs`.

use super::agree::tested;
use super::difference::{DIFFERING_MIN, Difference, MeanOfPairs, sign_test, warn_of_few};
use super::paired::{CommonRandomNumbers, common_random_numbers};
use super::ratio::ratio_of_sums;
use super::{Estimate, count};

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
/// Linearized (Cochran 1977, ch. 6): each pair of runs stands for p_A − f · p_B + z_A,r − f · z_B,r, and the bounds are
/// those of the mean of these numbers (`MeanOfPairs`). With fewer than ten pairs of runs that differ no bound excludes 0
/// unless the exact sign test rejects as well. Without any event in either design the bounds are those of the two
/// shares: both follow from one fact, that no pair of runs has an event, so they hold together. Assumes independent
/// replications; `a[r]` and `b[r]` must come from the same one.
pub fn ratio_difference(a: &[(u64, u64)], b: &[(u64, u64)], factor: f64, confidence: f64) -> Difference {
    assert_eq!(a.len(), b.len(), "paired designs need the same replications");
    let n = a.len() as u64;
    let (Some(of_a), Some(of_b)) = (linearized(a), linearized(b)) else {
        return Difference::not_estimable(n, confidence, "no data");
    };
    let scaled: Vec<f64> = of_b.influence.iter().map(|z| factor * z).collect();
    let gained = common_random_numbers(&of_a.influence, &scaled);
    let point = of_a.share - factor * of_b.share;
    if of_a.share == 0.0 && of_b.share == 0.0 {
        let upper = ratio_of_sums(a, confidence).upper;
        let lower = ratio_of_sums(b, confidence).upper.map(|bound| -factor * bound);
        let method = "no event in either design, exact bounds of the two shares";
        return Difference {
            estimate: Estimate::new(Some(0.0), (lower, upper), n, confidence, method),
            p_value: Some(1.0),
            common_random_numbers: CommonRandomNumbers::NONE,
        };
    }
    let linear: Vec<f64> = of_a.influence.iter().zip(&scaled).map(|(a, b)| point + a - b).collect();
    let Some(pairs) = MeanOfPairs::new(&linear, None).filter(MeanOfPairs::vary) else {
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
    };
    // Which share of a run is larger, without dividing: x_a / n_a against f · x_b / n_b.
    let order = |((x_a, n_a), (x_b, n_b)): (&(u64, u64), &(u64, u64))| {
        (count(*x_a) * count(*n_b)).total_cmp(&(factor * count(*x_b) * count(*n_a)))
    };
    let larger = a.iter().zip(b).filter(|pair| order(*pair).is_gt()).count() as u64;
    let smaller = a.iter().zip(b).filter(|pair| order(*pair).is_lt()).count() as u64;
    let exact = (larger + smaller < DIFFERING_MIN).then(|| sign_test((larger, smaller)));
    let ((lower, upper), p_value) = tested(|confidence| pairs.bounds(confidence), exact, confidence);
    let bounds = (Some(lower.max(-factor)), Some(upper.min(1.0)));
    let mut estimate = Estimate::new(Some(point), bounds, n, confidence, "paired ratios of sums over runs");
    warn_of_few(&mut estimate, larger + smaller);
    Difference {
        estimate,
        p_value: Some(p_value),
        common_random_numbers: gained,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::*;

    fn difference(a: &[(u64, u64)], b: &[(u64, u64)], factor: f64) -> Difference {
        ratio_difference(a, b, factor, 0.95)
    }

    #[test]
    fn equal_sizes_give_the_interval_of_the_shares_of_runs() {
        let mut words = Words(5);
        let runs =
            |words: &mut Words, p: f64| -> Vec<(u64, u64)> { (0..50).map(|_| (words.binomial(8, p), 8)).collect() };
        let (a, b) = (runs(&mut words, 0.5), runs(&mut words, 0.3));
        let seen = difference(&a, &b, 1.0);
        let shares = |runs: &[(u64, u64)]| -> Vec<f64> { runs.iter().map(|(x, n)| *x as f64 / *n as f64).collect() };
        let expected = super::super::mean_difference(&shares(&a), &shares(&b), 1.0, None, 0.95);
        assert_close(seen.estimate.lower.unwrap(), expected.estimate.lower.unwrap(), 1e-10);
        assert_close(seen.estimate.upper.unwrap(), expected.estimate.upper.unwrap(), 1e-10);
        let gained = expected.common_random_numbers.variance_reduction.unwrap();
        assert_close(seen.common_random_numbers.variance_reduction.unwrap(), gained, 1e-9);
    }

    #[test]
    fn without_events_both_bounds_are_given() {
        let seen = difference(&[(0, 4); 100], &[(0, 4); 100], 1.0);
        let bound = 1.0 - libm::pow(0.025, 0.01);
        assert_close(seen.estimate.upper.unwrap(), bound, 1e-12);
        assert_close(seen.estimate.lower.unwrap(), -bound, 1e-12);
        assert_eq!(seen.p_value, Some(1.0));
    }

    #[test]
    fn few_differing_pairs_need_their_signs() {
        let mut a = vec![(1, 4); 60];
        a[..5].fill((2, 4));
        let seen = difference(&a, &[(1, 4); 60], 1.0);
        assert!(seen.estimate.lower.unwrap() <= 0.0 && (seen.p_value.unwrap() - 0.0625).abs() < 1e-12);
        assert!(seen.estimate.upper.unwrap() < 0.06, "{seen:?}");
        a[5] = (2, 4);
        let seen = difference(&a, &[(1, 4); 60], 1.0);
        assert!(
            seen.estimate.lower.unwrap() > 0.0 && (seen.p_value.unwrap() - 0.03125).abs() < 1e-9,
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
