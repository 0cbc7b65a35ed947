//! Intervals for a proportion of independent runs: x of n. Shares of pods or requests, which are
//! correlated within a run, do not belong here; see `ratio.rs`.

use super::beta::{beta_quantile_lower, beta_quantile_upper};
use super::special::normal_critical;
use super::{Estimate, count, error_level};

/// Wilson's score interval for a proportion, dimensionless (Wilson 1927).
///
/// Centre (p̂ + z²/2n) / (1 + z²/n), half-width z/(1 + z²/n) · √(p̂(1−p̂)/n + z²/4n²). Assumes
/// independent runs with one common probability; coverage is close to nominal on average, and may be
/// below it. Panics if `x` > `n`.
pub fn wilson(x: u64, n: u64, confidence: f64) -> Estimate {
    check(x, n, confidence);
    if n == 0 {
        return Estimate::not_estimable(0, confidence, "no data");
    }
    let (events, trials) = (count(x), count(n));
    let z = normal_critical(confidence);
    let share = events / trials;
    let shrink = 1.0 + z * z / trials;
    let centre = (share + z * z / (2.0 * trials)) / shrink;
    let variance = share * (1.0 - share) / trials + z * z / (4.0 * trials * trials);
    let half_width = z * variance.sqrt() / shrink;
    let lower = if x == 0 { 0.0 } else { (centre - half_width).max(0.0) };
    let upper = if x == n { 1.0 } else { (centre + half_width).min(1.0) };
    Estimate::new(Some(share), (Some(lower), Some(upper)), n, confidence, "Wilson")
}

/// Bounds of the probability of `events` in `trials`, which need not be whole (Clopper & Pearson 1934).
///
/// L = B⁻¹(α/2; x, n−x+1), U = B⁻¹(1−α/2; x+1, n−x), L(0) = 0, U(n) = 1. Panics if `events` > `trials` or below 0.
pub(super) fn binomial_bounds(events: f64, trials: f64, confidence: f64) -> (f64, f64) {
    let tail = 0.5 * error_level(confidence);
    let others = trials - events;
    assert!(events >= 0.0 && others >= 0.0, "{events} events in {trials} trials");
    let lower = if events > 0.0 {
        beta_quantile_lower(tail, events, others + 1.0)
    } else {
        0.0
    };
    let upper = if others > 0.0 {
        beta_quantile_upper(tail, events + 1.0, others)
    } else {
        1.0
    };
    (lower, upper)
}

/// Share of runs with an event, with its exact interval, dimensionless (Clopper & Pearson 1934).
///
/// Each bound alone has the error α/2, whatever the probability is: coverage is never below nominal (a test computes its
/// minimum). Assumes independent runs with one common probability. Panics if `x` > `n`.
pub fn share_of_runs(x: u64, n: u64, confidence: f64) -> Estimate {
    check(x, n, confidence);
    if n == 0 {
        return Estimate::not_estimable(0, confidence, "no data");
    }
    let (lower, upper) = binomial_bounds(count(x), count(n), confidence);
    let share = count(x) / count(n);
    Estimate::new(
        Some(share),
        (Some(lower), Some(upper)),
        n,
        confidence,
        "Clopper-Pearson",
    )
}

/// The largest share of runs that can have something that none of `n` runs had, dimensionless: 1 − (α/2)^(1/n), the upper
/// bound of [`share_of_runs`] without events, about 3.7/n at 95 %. `None` without runs.
pub fn zero_event_upper(n: u64, confidence: f64) -> Option<f64> {
    let tail = 0.5 * error_level(confidence);
    (n > 0).then(|| -libm::expm1(libm::log(tail) / count(n)))
}

fn check(x: u64, n: u64, confidence: f64) {
    assert!(x <= n, "{x} events in {n} runs: a run counts at most once");
    error_level(confidence);
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    fn bounds(estimate: &Estimate) -> (f64, f64) {
        (
            estimate.lower.expect("a lower bound"),
            estimate.upper.expect("an upper bound"),
        )
    }

    #[track_caller]
    fn assert_bounds(estimate: &Estimate, lower: f64, upper: f64) {
        let seen = bounds(estimate);
        assert!(
            (seen.0 - lower).abs() < 6e-7 && (seen.1 - upper).abs() < 6e-7,
            "{seen:?}"
        );
    }

    #[test]
    fn wilson_meets_golden_values() {
        assert_bounds(&wilson(0, 1000, 0.95), 0.0, 0.003827);
        assert_bounds(&wilson(3, 1000, 0.95), 0.001021, 0.008783);
        assert_bounds(&wilson(30, 1000, 0.95), 0.021094, 0.042503);
        assert_bounds(&wilson(500, 1000, 0.95), 0.469070, 0.530930);
    }

    #[test]
    fn clopper_pearson_meets_golden_values() {
        assert_bounds(&share_of_runs(0, 1000, 0.95), 0.0, 0.003682);
        assert_bounds(&share_of_runs(3, 1000, 0.95), 0.000619, 0.008742);
        assert_bounds(&share_of_runs(30, 1000, 0.95), 0.020330, 0.042551);
    }

    #[test]
    fn intervals_are_mirrored_and_contain_the_share() {
        for interval in [wilson, share_of_runs] {
            for x in 0..=40 {
                let (lower, upper) = bounds(&interval(x, 40, 0.9));
                let (mirrored_lower, mirrored_upper) = bounds(&interval(40 - x, 40, 0.9));
                assert!((lower - (1.0 - mirrored_upper)).abs() < 1e-12, "x = {x}");
                assert!((upper - (1.0 - mirrored_lower)).abs() < 1e-12, "x = {x}");
                assert!(lower <= x as f64 / 40.0 && x as f64 / 40.0 <= upper, "x = {x}");
            }
        }
    }

    #[test]
    fn what_no_run_had_has_the_bound_of_the_interval_without_events() {
        assert_close(zero_event_upper(1000, 0.95).unwrap(), 0.003_682_083_896_865_672, 1e-13);
        assert_eq!(zero_event_upper(0, 0.95), None);
        for n in [1, 20, 1000] {
            let interval = share_of_runs(0, n, 0.9);
            assert_close(zero_event_upper(n, 0.9).unwrap(), interval.upper.unwrap(), 1e-12);
            assert_eq!(
                (interval.lower, interval.method.as_str()),
                (Some(0.0), "Clopper-Pearson")
            );
        }
    }

    #[test]
    fn no_data_has_no_numbers() {
        for interval in [wilson, share_of_runs] {
            let estimate = interval(0, 0, 0.95);
            assert_eq!((estimate.estimate, estimate.lower, estimate.upper), (None, None, None));
        }
    }

    #[test]
    #[should_panic(expected = "a run counts at most once")]
    fn more_events_than_runs_is_a_mistake_of_the_caller() {
        wilson(2, 1, 0.95);
    }
}
