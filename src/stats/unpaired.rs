//! Differences of two designs that ran independently: shares, means and ratios. Quantiles of independent designs are in
//! `paired_quantile.rs`; what shares its random numbers belongs to the paired files.

use super::agree::tested;
use super::difference::Difference;
use super::mean::{Amounts, Moments, RUNS_MIN};
use super::paired::CommonRandomNumbers;
use super::paired_ratio::linearized;
use super::proportion::{wilson, zero_event_upper};
use super::ratio::ratio_of_sums;
use super::special::{student_t_critical, student_t_two_sided};
use super::{Caveat, Estimate, count};

/// Difference of two independent shares of runs, A − B, dimensionless: hybrid score interval (Newcombe 1998, method 10);
/// Fisher's exact test has a veto, so that the interval excludes 0 exactly if p < α.
///
/// L = d − √((p_A − l_A)² + (u_B − p_B)²), U = d + √((u_A − p_A)² + (p_B − l_B)²) from the two Wilson intervals. `a` and
/// `b` are (events, runs). Panics if there are more events than runs.
pub fn newcombe(a: (u64, u64), b: (u64, u64), confidence: f64) -> Difference {
    let n = a.1.min(b.1);
    if n == 0 {
        return Difference::not_estimable(0, confidence, "no data");
    }
    let difference = count(a.0) / count(a.1) - count(b.0) / count(b.1);
    let bounds = |confidence: f64| hybrid(a, b, difference, confidence);
    let ((lower, upper), p_value) = tested(bounds, Some(fisher_exact(a, b)), confidence);
    let method = "independent designs, Newcombe hybrid score, exact Fisher test";
    Difference {
        estimate: Estimate::new(Some(difference), (Some(lower), Some(upper)), n, confidence, method),
        p_value: Some(p_value),
        common_random_numbers: CommonRandomNumbers::NONE,
    }
}

/// Bounds of Newcombe's hybrid interval.
fn hybrid(a: (u64, u64), b: (u64, u64), difference: f64, confidence: f64) -> (f64, f64) {
    // How far the score interval of a share reaches below and above it.
    let arms = |(events, runs): (u64, u64)| {
        let of = wilson(events, runs, confidence);
        let share = count(events) / count(runs);
        (share - of.lower.unwrap_or(0.0), of.upper.unwrap_or(1.0) - share)
    };
    let (of_a, of_b) = (arms(a), arms(b));
    let size = |x: f64, y: f64| (x * x + y * y).sqrt();
    (
        (difference - size(of_a.0, of_b.1)).max(-1.0),
        (difference + size(of_a.1, of_b.0)).min(1.0),
    )
}

/// Two-sided p-value of Fisher's exact test (Fisher 1934): the tables with the same margins that are no more probable
/// than the one seen. `a` and `b` are (events, runs).
pub fn fisher_exact(a: (u64, u64), b: (u64, u64)) -> f64 {
    let events = a.0 + b.0;
    let all = a.1 + b.1;
    let ln_factorial = |n: u64| libm::lgamma(count(n) + 1.0);
    let ln_choose = |n: u64, k: u64| ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k);
    let ln_probability = |x: u64| ln_choose(a.1, x) + ln_choose(b.1, events - x) - ln_choose(all, events);
    let seen = ln_probability(a.0);
    let first = events.saturating_sub(b.1);
    let last = events.min(a.1);
    let as_rare = |x: u64| Some(ln_probability(x)).filter(|ln| *ln <= seen + 1e-7);
    let sum: f64 = (first..=last).filter_map(as_rare).map(libm::exp).sum();
    sum.min(1.0)
}

/// Difference of two independent means of numbers that are at least 0, A − B, in the unit of the values.
///
/// The union of Welch's (1947) t interval, with the degrees of freedom of Satterthwaite (1946), and of that recovered from the
/// bounds of both means (`Amounts::bounds`; Zou & Donner 2008). With `most`, the largest number that a run of A, and of
/// B, can have, the runs that were not seen are added as in [`super::mean_of_runs`]. The p-value belongs to the same
/// interval. Without any spread and without `most` there is no interval. Panics if a value is not finite.
pub fn mean_difference_unpaired(a: &[f64], b: &[f64], most: Option<(f64, f64)>, confidence: f64) -> Difference {
    let n = a.len().min(b.len()) as u64;
    let amounts = Amounts::new(a, most.map(|most| most.0)).zip(Amounts::new(b, most.map(|most| most.1)));
    let Some((amounts_a, amounts_b)) = amounts else {
        return Difference::not_estimable(0, confidence, "no data");
    };
    let (of_a, of_b) = (amounts_a.all, amounts_b.all);
    let difference = of_a.mean - of_b.mean;
    let error = |variance: Option<f64>, n: u64| Some((variance? / count(n), count(n) - 1.0));
    let errors = error(of_a.variance, of_a.n).zip(error(of_b.variance, of_b.n));
    let errors = errors.filter(|((a, _), (b, _))| a + b > 0.0);
    if errors.is_none() && (most.is_none() || n < 2) {
        let method = "independent designs, no spread or one run, no interval";
        return Difference {
            estimate: Estimate::point_only(difference, n, confidence, method),
            p_value: None,
            common_random_numbers: CommonRandomNumbers::NONE,
        };
    }
    // Room for runs that were not seen, below and above.
    let room = |values: &[f64], most: f64| {
        let seen = values.iter().fold((f64::INFINITY, 0.0f64), |(least, largest), value| {
            (least.min(*value), largest.max(*value))
        });
        (seen.0, (most - seen.1).max(0.0))
    };
    let rooms = most.map(|(most_a, most_b)| (room(a, most_a), room(b, most_b)));
    let bounds = |confidence: f64| {
        let arms = |of: &Amounts| {
            let (lower, upper) = of.bounds(confidence);
            (of.all.mean - lower, upper - of.all.mean)
        };
        let (arms_a, arms_b) = (arms(&amounts_a), arms(&amounts_b));
        let student = errors.map_or(0.0, |errors| half_width(errors, confidence));
        let size = |x: f64, y: f64| (x * x + y * y).sqrt().max(student);
        let (mut lower, mut upper) = (
            difference - size(arms_a.0, arms_b.1),
            difference + size(arms_a.1, arms_b.0),
        );
        if let (Some((room_a, room_b)), Some((most_a, most_b))) = (rooms, most) {
            let unseen = |of: &Moments| zero_event_upper(of.n, confidence).unwrap_or(1.0);
            lower = (lower - unseen(&of_a) * room_a.0 - unseen(&of_b) * room_b.1).max(-most_b);
            upper = (upper + unseen(&of_a) * room_a.1 + unseen(&of_b) * room_b.0).min(most_a);
        }
        (lower, upper)
    };
    let ((lower, upper), p_value) = tested(bounds, None, confidence);
    let mut method = "independent designs, Welch and exact bounds of both means".to_owned();
    if most.is_some() {
        method += ", runs not seen added";
    }
    let mut estimate = Estimate::new(Some(difference), (Some(lower), Some(upper)), n, confidence, &method);
    if n < RUNS_MIN {
        estimate.warn(Caveat::FewRuns, "fewer than 20 runs");
    }
    Difference {
        estimate,
        p_value: Some(p_value),
        common_random_numbers: CommonRandomNumbers::NONE,
    }
}

/// Two squared standard errors, each with its degrees of freedom.
type Errors = ((f64, f64), (f64, f64));

/// Half of the t interval of a difference, with the degrees of freedom of Satterthwaite (1946).
fn half_width(((of_a, degrees_a), (of_b, degrees_b)): Errors, confidence: f64) -> f64 {
    let sum = of_a + of_b;
    student_t_critical(confidence, degrees(((of_a, degrees_a), (of_b, degrees_b)))) * sum.sqrt()
}

fn degrees(((of_a, degrees_a), (of_b, degrees_b)): Errors) -> f64 {
    let sum = of_a + of_b;
    sum * sum / (of_a * of_a / degrees_a + of_b * of_b / degrees_b)
}

/// Difference of two independent ratios of sums, A − B, dimensionless: linearized variances added (Cochran 1977, ch. 6),
/// degrees of freedom of Satterthwaite (1946). Where a share is 0 or 1 in all runs, the bounds of the two shares, each
/// with half of the error.
pub fn ratio_difference_unpaired(a: &[(u64, u64)], b: &[(u64, u64)], confidence: f64) -> Difference {
    let n = a.len().min(b.len()) as u64;
    let (Some(of_a), Some(of_b)) = (linearized(a), linearized(b)) else {
        return Difference::not_estimable(n, confidence, "no data");
    };
    let difference = of_a.share - of_b.share;
    if [of_a.share, of_b.share]
        .iter()
        .any(|share| *share == 0.0 || *share == 1.0)
    {
        let halved = 0.5 * (1.0 + confidence);
        let (alone_a, alone_b) = (ratio_of_sums(a, halved), ratio_of_sums(b, halved));
        let minus = |a: Option<f64>, b: Option<f64>| Some(a? - b?);
        let bounds = (minus(alone_a.lower, alone_b.upper), minus(alone_a.upper, alone_b.lower));
        let method = "independent designs, bounds of the two shares";
        return Difference {
            estimate: Estimate::new(Some(difference), bounds, n, confidence, method),
            p_value: None,
            common_random_numbers: CommonRandomNumbers::NONE,
        };
    }
    let error = |influence: &[f64]| {
        let r = influence.len() as f64;
        let squares: f64 = influence.iter().map(|z| z * z).sum();
        (influence.len() > 1).then(|| (squares / (r * (r - 1.0)), r - 1.0))
    };
    let errors = error(&of_a.influence).zip(error(&of_b.influence));
    satterthwaite(
        difference,
        errors,
        n,
        confidence,
        "independent designs, ratios of sums over runs",
    )
}

/// Interval and test from two squared standard errors with their degrees of freedom.
fn satterthwaite(difference: f64, errors: Option<Errors>, n: u64, confidence: f64, method: &str) -> Difference {
    let Some(errors) = errors.filter(|((a, _), (b, _))| a + b > 0.0) else {
        return Difference {
            estimate: Estimate::point_only(difference, n, confidence, "no spread or one run, no interval"),
            p_value: None,
            common_random_numbers: CommonRandomNumbers::NONE,
        };
    };
    let half_width = half_width(errors, confidence);
    let bounds = (Some(difference - half_width), Some(difference + half_width));
    let error = (errors.0.0 + errors.1.0).sqrt();
    Difference {
        estimate: Estimate::new(Some(difference), bounds, n, confidence, method),
        p_value: Some(student_t_two_sided(difference / error, degrees(errors))),
        common_random_numbers: CommonRandomNumbers::NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::super::mean::moments;
    use super::super::testing::assert_close;
    use super::*;

    #[test]
    fn newcombe_meets_the_published_example() {
        // Newcombe (1998), table II, method 10: 56/70 - 48/80, 9/10 - 3/10, 5/56 - 0/29.
        for (a, b, lower, upper) in [
            ((56, 70), (48, 80), 0.0524, 0.3339),
            ((9, 10), (3, 10), 0.1705, 0.8090),
            ((5, 56), (0, 29), -0.0381, 0.1926),
        ] {
            let seen = newcombe(a, b, 0.95).estimate;
            assert!((seen.lower.unwrap() - lower).abs() < 6e-5, "{seen:?}");
            assert!((seen.upper.unwrap() - upper).abs() < 6e-5, "{seen:?}");
        }
        // Fisher's test does not reject six of 80 against none of 60 (p 0.038 > 0.01), nor does the interval claim it.
        let vetoed = newcombe((6, 80), (0, 60), 0.99);
        assert!(vetoed.estimate.lower.unwrap() <= 0.0 && vetoed.p_value.unwrap() > 0.01);
        assert_eq!(newcombe((0, 0), (1, 2), 0.95).estimate.method, "no data");
    }

    #[test]
    fn fisher_and_welch_meet_scipy() {
        for ((a, b), p) in GOLDEN_FISHER {
            assert_close(fisher_exact(a, b), p, 1e-9);
        }
        let a: Vec<f64> = (0..40).map(|i| f64::from(i % 7) + 0.25 * f64::from(i % 3)).collect();
        let b: Vec<f64> = (0..25).map(|i| f64::from(i % 5)).collect();
        let error = |values: &[f64]| {
            (
                moments(values).unwrap().variance.unwrap() / values.len() as f64,
                values.len() as f64 - 1.0,
            )
        };
        let difference = moments(&a).unwrap().mean - moments(&b).unwrap().mean;
        let seen = satterthwaite(difference, Some((error(&a), error(&b))), 25, 0.95, "");
        assert_close(seen.estimate.lower.unwrap(), GOLDEN_WELCH.0, 1e-9);
        assert_close(seen.estimate.upper.unwrap(), GOLDEN_WELCH.1, 1e-9);
        assert_close(seen.p_value.unwrap(), GOLDEN_WELCH.2, 1e-9);
    }

    #[test]
    fn independent_means_have_the_union_of_welch_and_their_bounds() {
        let a: Vec<f64> = (0..40).map(|i| f64::from(i % 7) + 0.25 * f64::from(i % 3)).collect();
        let b: Vec<f64> = (0..25).map(|i| f64::from(i % 5)).collect();
        let seen = mean_difference_unpaired(&a, &b, None, 0.95);
        assert!(seen.estimate.lower.unwrap() <= GOLDEN_WELCH.0 + 1e-9 && seen.estimate.lower.unwrap() > 0.1);
        assert!(seen.estimate.upper.unwrap() >= GOLDEN_WELCH.1 - 1e-9 && seen.estimate.upper.unwrap() < 2.2);
        let zeros = mean_difference_unpaired(&[0.0; 100], &[0.0; 50], Some((10.0, 10.0)), 0.95);
        assert_close(
            zeros.estimate.upper.unwrap(),
            10.0 * zero_event_upper(100, 0.95).unwrap(),
            1e-12,
        );
        assert_close(
            zeros.estimate.lower.unwrap(),
            -10.0 * zero_event_upper(50, 0.95).unwrap(),
            1e-12,
        );
        assert_eq!(
            mean_difference_unpaired(&[1.0; 9], &[1.0; 9], None, 0.95)
                .estimate
                .lower,
            None
        );
    }

    #[test]
    fn independent_ratios_without_events_keep_their_bounds() {
        let seen = ratio_difference_unpaired(&[(0, 4); 100], &[(0, 4); 50], 0.95).estimate;
        // Each bound has half of the error.
        assert_close(seen.upper.unwrap(), 1.0 - libm::pow(0.0125, 0.01), 1e-12);
        assert_close(seen.lower.unwrap(), libm::pow(0.0125, 0.02) - 1.0, 1e-12);
        let seen = ratio_difference_unpaired(&[(1, 4), (2, 4), (0, 4)], &[(2, 4), (3, 4), (3, 3)], 0.95);
        assert!(seen.estimate.lower.is_some() && seen.p_value.is_some());
    }

    /// SciPy 1.17.1: fisher_exact([[x, n − x], [y, m − y]]).pvalue
    type TwoShares = ((u64, u64), (u64, u64));

    const GOLDEN_FISHER: [(TwoShares, f64); 3] = [
        (((3, 40), (11, 38)), 0.018202994251657313),
        (((0, 100), (6, 120)), 0.0329558808407187),
        (((500, 1000), (450, 1000)), 0.02820356890423392),
    ];
    /// SciPy 1.17.1: ttest_ind(a, b, equal_var=False) with its confidence_interval(0.95).
    const GOLDEN_WELCH: (f64, f64, f64) = (0.2649516392022242, 1.9725483607977756, 0.011069844116367033);
}
