//! Intervals for a proportion of independent runs: x of n. Shares of pods or requests, which are
//! correlated within a run, do not belong here; see `ratio.rs`.

use super::beta::{beta_quantile_lower, beta_quantile_upper};
use super::special::normal_critical;
use super::{Estimate, count, error_level};

/// Events (or non-events) up to which [`share_of_runs`] prefers the exact interval.
const EXACT_EVENTS_MAX: u64 = 5;

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

/// Exact interval for a proportion, dimensionless (Clopper & Pearson 1934).
///
/// L = B⁻¹(α/2; x, n−x+1), U = B⁻¹(1−α/2; x+1, n−x), L(0) = 0, U(n) = 1. Assumes independent runs
/// with one common probability; coverage is never below nominal. For safety claims and few events.
/// Panics if `x` > `n`.
pub fn clopper_pearson(x: u64, n: u64, confidence: f64) -> Estimate {
    check(x, n, confidence);
    if n == 0 {
        return Estimate::not_estimable(0, confidence, "no data");
    }
    let tail = 0.5 * error_level(confidence);
    let (events, others) = (count(x), count(n - x));
    let lower = if x == 0 {
        0.0
    } else {
        beta_quantile_lower(tail, events, others + 1.0)
    };
    let upper = if x == n {
        1.0
    } else {
        beta_quantile_upper(tail, events + 1.0, others)
    };
    let share = events / count(n);
    Estimate::new(
        Some(share),
        (Some(lower), Some(upper)),
        n,
        confidence,
        "Clopper-Pearson",
    )
}

/// One-sided upper bound of a probability after no event in `n` independent runs, dimensionless.
///
/// U = 1 − α^(1/n) ≈ −ln α / n, the "rule of three" at 95 % (Hanley & Lippman-Hand 1983). `None`
/// without runs.
pub fn zero_event_upper(n: u64, confidence: f64) -> Option<f64> {
    let error = error_level(confidence);
    (n > 0).then(|| -libm::expm1(libm::log(error) / count(n)))
}

/// Share of runs with an event, with the interval that fits the counts, dimensionless.
///
/// | Counts | Interval |
/// |---|---|
/// | n = 0 | none, "no data" |
/// | x = 0 | estimate 0, one-sided upper bound of [`zero_event_upper`] |
/// | x = n | estimate 1, the mirrored one-sided lower bound |
/// | x ≤ 5 or n − x ≤ 5 | [`clopper_pearson`] |
/// | otherwise | [`wilson`] |
///
/// Assumes independent runs. Panics if `x` > `n`.
pub fn share_of_runs(x: u64, n: u64, confidence: f64) -> Estimate {
    check(x, n, confidence);
    let Some(bound) = zero_event_upper(n, confidence) else {
        return Estimate::not_estimable(0, confidence, "no data");
    };
    if x == 0 {
        let method = "zero events, one-sided upper bound";
        return Estimate::new(Some(0.0), (Some(0.0), Some(bound)), n, confidence, method);
    }
    if x == n {
        let method = "an event in every run, one-sided lower bound";
        return Estimate::new(Some(1.0), (Some(1.0 - bound), Some(1.0)), n, confidence, method);
    }
    if x <= EXACT_EVENTS_MAX || n - x <= EXACT_EVENTS_MAX {
        clopper_pearson(x, n, confidence)
    } else {
        wilson(x, n, confidence)
    }
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
        assert_bounds(&clopper_pearson(0, 1000, 0.95), 0.0, 0.003682);
        assert_bounds(&clopper_pearson(3, 1000, 0.95), 0.000619, 0.008742);
        assert_bounds(&clopper_pearson(30, 1000, 0.95), 0.020330, 0.042551);
    }

    #[test]
    fn intervals_are_mirrored_and_contain_the_share() {
        for interval in [wilson, clopper_pearson, share_of_runs] {
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
    fn no_event_gives_the_rule_of_three() {
        assert_close(zero_event_upper(1000, 0.95).unwrap(), 0.0029912495450952962, 1e-13);
        assert_eq!(zero_event_upper(0, 0.95), None);
        for (n, claim) in [(299, 1e-2), (2995, 1e-3), (29956, 1e-4), (299_572, 1e-5)] {
            assert!(zero_event_upper(n, 0.95).unwrap() <= claim, "{n} runs suffice");
            assert!(zero_event_upper(n - 1, 0.95).unwrap() > claim, "{n} runs are needed");
        }
    }

    #[test]
    fn the_method_follows_the_counts() {
        let method = |x, n| share_of_runs(x, n, 0.95).method;
        assert_eq!(method(0, 0), "no data");
        assert_eq!(method(0, 100), "zero events, one-sided upper bound");
        assert_eq!(method(5, 100), "Clopper-Pearson");
        assert_eq!(method(6, 100), "Wilson");
        assert_eq!(method(94, 100), "Wilson");
        assert_eq!(method(95, 100), "Clopper-Pearson");
        assert_eq!(method(100, 100), "an event in every run, one-sided lower bound");
    }

    #[test]
    fn no_data_has_no_numbers() {
        for interval in [wilson, clopper_pearson, share_of_runs] {
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
