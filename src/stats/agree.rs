//! One principle for interval and test: the p-value is the smallest error level at which the interval leaves 0 out, and an
//! exact test, where there is one, has a veto. So an interval excludes 0 exactly if p < 1 - confidence. What the bounds
//! are belongs to the file of each difference.

use super::error_level;
use super::special::{normal_quantile, normal_tails};

/// Smallest p-value that is distinguished from 0.
const P_LEAST: f64 = 1e-12;
/// Error level at which an interval is hardly more than its estimate.
const P_MOST: f64 = 0.999;
/// Steps after which the search for the p-value ends in any case.
const STEPS_MAX: u32 = 60;

/// The interval at `confidence` and the p-value of the hypothesis that the difference is 0.
///
/// `bounds` gives the interval at any confidence; intervals of higher confidence hold those of lower. With the p-value of
/// an exact test the larger of the two is taken, and where that does not reject, the interval is widened to hold 0.
pub(super) fn tested(bounds: impl Fn(f64) -> (f64, f64), exact: Option<f64>, confidence: f64) -> ((f64, f64), f64) {
    let p_value = p_of(&bounds).max(exact.unwrap_or(0.0)).min(1.0);
    (vetoed(bounds(confidence), Some(p_value), confidence), p_value)
}

/// Bounds that hold 0 unless a test rejects.
pub(super) fn vetoed((lower, upper): (f64, f64), p_value: Option<f64>, confidence: f64) -> (f64, f64) {
    if p_value.is_some_and(|p_value| p_value >= error_level(confidence)) {
        return (lower.min(0.0), upper.max(0.0));
    }
    (lower, upper)
}

/// The smallest error level at which 0 is left out, found on the scale of normal quantiles, on which bounds are nearly
/// straight lines (regula falsi with the Illinois rule, halving where that is slow).
fn p_of(bounds: &impl Fn(f64) -> (f64, f64)) -> f64 {
    // Above 0: by how much 0 lies outside.
    let outside = |z: f64| {
        let (lower, upper) = bounds(1.0 - 2.0 * normal_tails(z).upper);
        lower.max(-upper)
    };
    let (mut inner, mut outer) = (-normal_quantile(0.5 * P_MOST), -normal_quantile(0.5 * P_LEAST));
    let (mut at_inner, mut at_outer) = (outside(inner), outside(outer));
    if at_inner.is_nan() || at_inner <= 0.0 {
        return 1.0;
    }
    if at_outer > 0.0 {
        return P_LEAST;
    }
    for step in 0..STEPS_MAX {
        if outer - inner < 1e-9 {
            break;
        }
        let secant = inner + (outer - inner) * at_inner / (at_inner - at_outer);
        let middle = if step % 3 == 2 || !secant.is_finite() || secant <= inner || secant >= outer {
            0.5 * (inner + outer)
        } else {
            secant
        };
        let value = outside(middle);
        if value > 0.0 {
            (inner, at_inner) = (middle, value);
            at_outer *= 0.5;
        } else {
            (outer, at_outer) = (middle, value);
            at_inner *= 0.5;
        }
    }
    2.0 * normal_tails(outer).upper
}

#[cfg(test)]
mod tests {
    use super::super::special::normal_critical;
    use super::super::testing::assert_close;
    use super::*;

    fn normal(estimate: f64) -> impl Fn(f64) -> (f64, f64) {
        move |confidence| {
            let half = normal_critical(confidence);
            (estimate - half, estimate + half)
        }
    }

    #[test]
    fn the_p_value_is_that_of_the_interval() {
        for z in [0.3, 1.0, -2.5, 4.0, -6.0] {
            let (_, p) = tested(normal(z), None, 0.95);
            assert_close(p, 2.0 * normal_tails(f64::abs(z)).upper, 1e-6);
        }
        assert_eq!(tested(normal(0.0), None, 0.95).1, 1.0);
        assert_eq!(tested(normal(9.0), None, 0.95).1, P_LEAST);
        // Bounds with steps, and bounds without an end.
        let steps = |confidence: f64| (libm::floor(4.0 * (3.0 - normal_critical(confidence))), f64::INFINITY);
        assert_close(tested(steps, None, 0.95).1, 2.0 * normal_tails(2.75).upper, 1e-6);
        assert_eq!(tested(|_| (f64::NEG_INFINITY, f64::INFINITY), None, 0.95).1, 1.0);
    }

    #[test]
    fn an_exact_test_has_a_veto() {
        let ((lower, upper), p) = tested(normal(2.5), Some(0.2), 0.95);
        assert_eq!((lower, p), (0.0, 0.2));
        assert!(upper > 4.0);
        let ((lower, _), p) = tested(normal(2.5), Some(0.02), 0.95);
        assert!(lower > 0.5 && p == 0.02);
        // At a higher confidence the same test does not reject.
        assert_eq!(
            tested(normal(2.5), Some(0.02), 0.99).0.0,
            0.0_f64.min(2.5 - normal_critical(0.99))
        );
    }
}
