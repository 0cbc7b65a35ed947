//! The incomplete beta function with both tails, its inverse, and the binomial tails that follow
//! from it. Other distributions are in `special.rs`; interval formulas in `proportion.rs`.
//!
//! The published crates fail for large shapes (hang, panic, or an error of 2 %), so the function is
//! computed here: Loader's saddle-point prefactor, a continued fraction on the smaller side, and
//! inversion by bisection over the bit pattern of the double, which always ends.

use std::f64::consts::PI;

use super::count;

/// ½ ln 2π, the constant of Stirling's formula.
const HALF_LN_TWO_PI: f64 = 0.9189385332046728;

/// Terms of the continued fraction after which it stops in any case: far more than shapes of 10^9
/// need, so the limit only guards against arguments without meaning.
const FRACTION_TERMS_MAX: u32 = 2_000_000;

/// The two tails of a distribution at one point. Both are computed directly, so that the small one
/// keeps its relative accuracy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tails {
    /// P(X ≤ x), dimensionless.
    pub lower: f64,
    /// P(X > x), dimensionless.
    pub upper: f64,
}

/// Regularized incomplete beta function I_x(a, b) and its complement, for X ~ Beta(a, b).
///
/// Loader (2000) for the prefactor x^a (1−x)^b / B(a, b), Didonato & Morris (1992) for the continued
/// fraction, Lentz (1976) to evaluate it. Relative error of the smaller tail near 1e-14, rising to
/// about 1e-11 in the tails at shapes of 10^9. Panics unless both shapes are positive and finite; `x` outside [0, 1] gives the tail at the nearer end.
pub fn beta_tails(x: f64, a: f64, b: f64) -> Tails {
    assert!(
        a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite(),
        "beta shapes must be positive and finite, got {a} and {b}"
    );
    assert!(!x.is_nan(), "the beta distribution was evaluated at NaN");
    if x <= 0.0 {
        return Tails { lower: 0.0, upper: 1.0 };
    }
    if x >= 1.0 {
        return Tails { lower: 1.0, upper: 0.0 };
    }
    let y = 1.0 - x;
    let prefactor = beta_prefactor(x, y, a, b);
    if x * (a + b + 2.0) < a + 1.0 {
        let lower = (prefactor / beta_fraction(x, y, a, b)).min(1.0);
        Tails {
            lower,
            upper: 1.0 - lower,
        }
    } else {
        let upper = (prefactor / beta_fraction(y, x, b, a)).min(1.0);
        Tails {
            lower: 1.0 - upper,
            upper,
        }
    }
}

/// The x in [0, 1] with I_x(a, b) = `probability`: the quantile of Beta(a, b) by its lower tail.
///
/// Bisection over the bit pattern of the double, at most 62 steps. Use
/// [`beta_quantile_upper`] for a small upper tail. Panics unless 0 ≤ probability ≤ 1.
pub fn beta_quantile_lower(probability: f64, a: f64, b: f64) -> f64 {
    assert_probability(probability);
    bisect(1.0, |x| beta_tails(x, a, b).lower >= probability)
}

/// The x in [0, 1] with 1 − I_x(a, b) = `probability`: the quantile of Beta(a, b) by its upper tail.
///
/// Same method and limits as [`beta_quantile_lower`].
pub fn beta_quantile_upper(probability: f64, a: f64, b: f64) -> f64 {
    assert_probability(probability);
    bisect(1.0, |x| beta_tails(x, a, b).upper <= probability)
}

/// Tails of the binomial distribution at `k`: `lower` = P(X ≤ k), `upper` = P(X > k), for
/// X ~ Bin(n, p).
///
/// Exact relation P(X > k) = I_p(k+1, n−k). Panics unless 0 ≤ p ≤ 1.
pub fn binomial_tails(k: u64, n: u64, p: f64) -> Tails {
    assert_probability(p);
    if k >= n {
        return Tails { lower: 1.0, upper: 0.0 };
    }
    let beta = beta_tails(p, count(k) + 1.0, count(n - k));
    Tails {
        lower: beta.upper,
        upper: beta.lower,
    }
}

/// Panics unless 0 ≤ p ≤ 1.
pub(super) fn assert_probability(p: f64) {
    assert!((0.0..=1.0).contains(&p), "a probability must lie in [0, 1], got {p}");
}

/// Smallest double from 0 to `end` where a monotone condition holds, or `end`. The bit patterns of
/// non-negative doubles are ordered like their values, so halving the pattern always ends.
pub(super) fn bisect(end: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut below, mut above) = (0u64, end.to_bits());
    if holds(0.0) {
        return 0.0;
    }
    while above - below > 1 {
        let middle = below + (above - below) / 2;
        if holds(f64::from_bits(middle)) {
            above = middle;
        } else {
            below = middle;
        }
    }
    f64::from_bits(above)
}

/// x^a y^b / B(a, b) with y = 1 − x, by Loader's (2000) saddle-point form.
fn beta_prefactor(x: f64, y: f64, a: f64, b: f64) -> f64 {
    let n = a + b;
    let exponent = stirling_error(n) - stirling_error(a) - stirling_error(b) - deviance(a, n * x) - deviance(b, n * y);
    libm::exp(exponent) * (a / n * b / (2.0 * PI)).sqrt()
}

/// ln Γ(n+1) − [(n+½) ln n − n + ½ ln 2π], the error of Stirling's formula (Loader 2000).
pub(super) fn stirling_error(n: f64) -> f64 {
    if n <= 15.0 {
        return libm::lgamma(n + 1.0) - (n + 0.5) * libm::log(n) + n - HALF_LN_TWO_PI;
    }
    let square = n * n;
    let series = 1.0 / 1188.0 - 691.0 / 360_360.0 / square;
    let series = 1.0 / 1680.0 - series / square;
    let series = 1.0 / 1260.0 - series / square;
    let series = 1.0 / 360.0 - series / square;
    (1.0 / 12.0 - series / square) / n
}

/// x ln(x/m) + m − x without cancellation near x = m (Loader 2000, `bd0`).
pub(super) fn deviance(x: f64, m: f64) -> f64 {
    let difference = x - m;
    if difference.abs() >= 0.1 * (x + m) {
        return x * libm::log(x / m) + m - x;
    }
    let v = difference / (x + m);
    let mut sum = difference * v;
    let mut power = 2.0 * x * v;
    for term in 1..=60 {
        power *= v * v;
        let next = sum + power / f64::from(2 * term + 1);
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// Continued fraction F with I_x(a, b) = x^a y^b / B(a, b) / F, for x < (a+1)/(a+b+2), y = 1 − x.
///
/// The form of Didonato & Morris (1992), evaluated by Lentz's method. It takes y from the caller and
/// so has no cancellation when x is close to 1, unlike the textbook fraction.
fn beta_fraction(x: f64, y: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut fraction = away_from_zero(a * (a * y - b * x + 1.0) / (a + 1.0));
    let mut c = fraction;
    let mut d = 0.0;
    for term in 1..=FRACTION_TERMS_MAX {
        let m = f64::from(term);
        let near = a + 2.0 * m - 1.0;
        let common = m * (b - m) * x / near;
        let numerator = (a + m - 1.0) * (a + b + m - 1.0) * x / near * common;
        let balance = a * y - b * x + 1.0 + m * (1.0 + y);
        let denominator = m + common + (a + m) * balance / (near + 2.0);
        d = 1.0 / away_from_zero(denominator + numerator * d);
        c = away_from_zero(denominator + numerator / c);
        let step = c * d;
        fraction *= step;
        if (step - 1.0).abs() <= f64::EPSILON {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;
    use statrs::distribution::{Beta, ContinuousCDF};

    #[test]
    fn beta_tails_meet_golden_values() {
        // (a, b, x, lower, upper) from 40-digit arithmetic. With the shape 0.01 the upper tail
        // is a difference and keeps fewer digits.
        let golden = [
            (0.5, 0.5, 0.3, 0.36901011956554536, 0.6309898804344546),
            (2.0, 3.0, 0.4, 0.5248, 0.4752),
            (1.0, 1e7, 3e-7, 0.9502129540363162, 0.049787045963683746),
            (10.0, 1e6, 2e-5, 0.9950054309985774, 0.004994569001422565),
            (0.5, 500.0, 1e-4, 0.24811637042903145, 0.7518836295709685),
            (30.0, 971.0, 0.02, 0.02069651867323951, 0.9793034813267605),
            (0.01, 5.0, 0.1, 0.9940726309296224, 0.005927369070377644),
            (15.5, 14.5, 0.9, 0.9999999396959987, 6.030400131678505e-8),
            (100.0, 3.0, 0.5, 1.036168799007799e-27, 1.0),
        ];
        for (a, b, x, lower, upper) in golden {
            let tails = beta_tails(x, a, b);
            let tolerance = if a < 0.1 { 1e-12 } else { 2e-14 };
            assert_close(tails.lower, lower, tolerance);
            assert_close(tails.upper, upper, tolerance);
        }
    }

    #[test]
    fn symmetric_beta_is_one_half_in_the_middle_up_to_huge_shapes() {
        for shape in [1.0, 1e3, 1e6, 1e8, 1e9] {
            assert_close(beta_tails(0.5, shape, shape).lower, 0.5, 1e-13);
        }
        // Nearly normal: 0.5 - 1.96 standard deviations of 1 / (2 √(2·10^9 + 1)).
        let expected = 0.5 - 1.959963984540054 * 0.5 / 2_000_000_001.0f64.sqrt();
        assert_close(beta_quantile_lower(0.025, 1e9, 1e9), expected, 1e-12);
    }

    #[test]
    fn beta_quantiles_meet_golden_values() {
        // Shapes on which library versions hang, panic or lose digits.
        assert_close(beta_quantile_lower(0.975, 1.0, 1e7), 3.68888e-7, 2e-6);
        let exact = -libm::expm1(libm::log(0.025) / 1e7);
        assert_close(beta_quantile_upper(0.025, 1.0, 1e7), exact, 1e-14);
        assert_close(beta_quantile_lower(0.975, 5001.0, 5000.0), 0.509849, 1e-6);
        assert_close(beta_quantile_lower(0.025, 50_000.0, 50_001.0), 0.496896, 1e-6);
        assert_close(beta_quantile_lower(0.025, 3.0, 998.0), 0.0006190999316495713, 1e-12);
        assert_close(beta_quantile_lower(0.975, 4.0, 997.0), 0.008742023238478303, 1e-12);
        assert_close(beta_quantile_upper(0.025, 31.0, 970.0), 0.04255140247002905, 1e-12);
    }

    #[test]
    fn beta_quantile_inverts_the_tail() {
        for (a, b) in [(0.5, 2.0), (3.0, 3.0), (20.0, 1.5), (1e4, 2.0), (2.0, 1e8)] {
            for probability in [1e-9, 0.01, 0.3, 0.5, 0.9] {
                let x = beta_quantile_lower(probability, a, b);
                assert_close(beta_tails(x, a, b).lower, probability, 1e-9);
            }
        }
        assert_eq!(beta_quantile_lower(0.0, 2.0, 2.0), 0.0);
        assert_eq!(beta_quantile_upper(0.0, 2.0, 2.0), 1.0);
    }

    #[test]
    fn beta_agrees_with_statrs_where_that_is_good() {
        for (a, b) in [(0.7, 1.3), (2.0, 8.0), (40.0, 60.0), (300.0, 5.0)] {
            let oracle = Beta::new(a, b).expect("valid shapes");
            for x in [0.05, 0.2, 0.5, 0.8, 0.97] {
                let expected = oracle.cdf(x);
                assert!((beta_tails(x, a, b).lower - expected).abs() < 1e-11, "{a} {b} {x}");
            }
        }
    }

    #[test]
    fn binomial_tails_equal_the_direct_sum() {
        let (n, p) = (20u64, 0.3);
        let mut mass: f64 = (0..n).map(|_| 1.0 - p).product();
        let mut sum = 0.0;
        for k in 0..=n {
            sum += mass;
            let tails = binomial_tails(k, n, p);
            assert!((tails.lower - sum).abs() < 1e-14, "k = {k}");
            assert!((tails.lower + tails.upper - 1.0).abs() < 1e-15);
            mass *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
        }
    }

    #[test]
    #[should_panic(expected = "beta shapes must be positive")]
    fn a_shape_of_zero_is_refused() {
        beta_tails(0.5, 0.0, 1.0);
    }
}
