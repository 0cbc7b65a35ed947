//! The rate of events that come independently of each other, from their number and the time in which they were counted.
//! The Poisson tails behind it are here too, because nothing else needs them. Events that come in clusters, such as
//! accesses of one run, do not belong here: count runs (`proportion.rs`) or take means per run (`mean.rs`).

use std::f64::consts::PI;

use super::beta::{Tails, bisect, deviance, stirling_error};
use super::{Estimate, count, error_level};

/// Terms after which series and continued fraction stop in any case; counts of 10^9 need some 10^5.
const TERMS_MAX: u32 = 2_000_000;

/// Exact interval of a Poisson rate, in events per unit of `exposure` (Garwood 1936).
///
/// L = χ²(α/2; 2x) / 2T, U = χ²(1 − α/2; 2x + 2) / 2T for x events in the exposure T. Without events the estimate is 0 and
/// the upper bound one-sided, −ln α / T. Coverage is never below nominal. Assumes events independent of each other and
/// of how long was counted. Panics unless the exposure is positive and finite.
pub fn poisson_rate(events: u64, exposure: f64, confidence: f64) -> Estimate {
    assert!(
        exposure > 0.0 && exposure.is_finite(),
        "a rate needs a positive exposure, got {exposure}"
    );
    let error = error_level(confidence);
    if events == 0 {
        let bounds = (Some(0.0), Some(-libm::log(error) / exposure));
        return Estimate::new(Some(0.0), bounds, 0, confidence, "zero events, one-sided upper bound");
    }
    let tail = 0.5 * error;
    // P(X ≥ x) = α/2 at the lower bound of the mean, P(X ≤ x) = α/2 at the upper one.
    let lower = bisect(f64::MAX, |mean| poisson_tails(events - 1, mean).upper >= tail);
    let upper = bisect(f64::MAX, |mean| poisson_tails(events, mean).lower <= tail);
    let bounds = (Some(lower / exposure), Some(upper / exposure));
    Estimate::new(Some(count(events) / exposure), bounds, events, confidence, "Garwood")
}

/// Tails of the Poisson distribution at `k`: `lower` = P(X ≤ k), `upper` = P(X > k).
///
/// P(X > k) is the regularized incomplete gamma function P(k + 1, mean): its power series below its centre and Legendre's
/// continued fraction above, behind Loader's (2000) saddle-point form of mean^a e^−mean / Γ(a + 1). Panics unless the mean is
/// a number of at least 0.
pub fn poisson_tails(k: u64, mean: f64) -> Tails {
    assert!(mean >= 0.0, "a Poisson mean is at least 0, got {mean}");
    let a = count(k) + 1.0;
    if mean == 0.0 {
        return Tails { lower: 1.0, upper: 0.0 };
    }
    // Beyond this everything that a double can hold is gone, and the fraction would meet infinities.
    if mean > 1e3 * (a + 1e3) {
        return Tails { lower: 0.0, upper: 1.0 };
    }
    let prefactor = libm::exp(-stirling_error(a) - deviance(a, mean)) / (2.0 * PI * a).sqrt();
    if mean < a + 1.0 {
        let upper = (prefactor * series(a, mean)).min(1.0);
        Tails {
            lower: 1.0 - upper,
            upper,
        }
    } else {
        let lower = (prefactor * a * fraction(a, mean)).min(1.0);
        Tails {
            lower,
            upper: 1.0 - lower,
        }
    }
}

/// 1 + x/(a+1) + x²/((a+1)(a+2)) + …
fn series(a: f64, x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for number in 1..=TERMS_MAX {
        term *= x / (a + f64::from(number));
        sum += term;
        if term <= f64::EPSILON * sum {
            break;
        }
    }
    sum
}

/// 1/(x+1−a − 1·(1−a)/(x+3−a − 2·(2−a)/(x+5−a − …))) by Lentz's method.
fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut denominator = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / away_from_zero(denominator);
    let mut value = d;
    for number in 1..=TERMS_MAX {
        let n = f64::from(number);
        let numerator = -n * (n - a);
        denominator += 2.0;
        d = 1.0 / away_from_zero(numerator * d + denominator);
        c = away_from_zero(denominator + numerator / c);
        let step = c * d;
        value *= step;
        if (step - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    #[test]
    fn tails_equal_the_direct_sum() {
        for mean in [0.1, 1.0, 7.5, 30.0] {
            let mut mass = libm::exp(-mean);
            let mut sum = 0.0;
            for k in 0..60u64 {
                sum += mass;
                let tails = poisson_tails(k, mean);
                assert_close(tails.lower, sum, 1e-13);
                assert!((tails.lower + tails.upper - 1.0).abs() < 1e-15);
                mass *= mean / (k + 1) as f64;
            }
        }
        assert_eq!(poisson_tails(3, 0.0).upper, 0.0);
        assert_eq!(poisson_tails(3, f64::MAX).lower, 0.0);
    }

    #[test]
    fn the_bounds_invert_the_tails_up_to_large_counts() {
        for events in [1u64, 3, 50, 10_000, 1_000_000_000] {
            let seen = poisson_rate(events, 2.0, 0.95);
            let (lower, upper) = (2.0 * seen.lower.unwrap(), 2.0 * seen.upper.unwrap());
            assert_close(poisson_tails(events - 1, lower).upper, 0.025, 1e-6);
            assert_close(poisson_tails(events, upper).lower, 0.025, 1e-6);
            assert!(lower < events as f64 && (events as f64) < upper);
        }
        // Nearly normal: x ± 1.96 √x.
        let seen = poisson_rate(1_000_000_000, 1.0, 0.95);
        let half_width = 0.5 * (seen.upper.unwrap() - seen.lower.unwrap());
        assert_close(half_width, 1.959963984540054 * 1e9f64.sqrt(), 1e-4);
    }

    #[test]
    fn no_event_has_the_rule_of_three() {
        let seen = poisson_rate(0, 100.0, 0.95);
        assert_eq!((seen.estimate, seen.lower), (Some(0.0), Some(0.0)));
        assert_close(seen.upper.unwrap(), 0.029957322735539908, 1e-14);
    }
}
