//! The normal and the Student t distribution: tails and quantiles. The incomplete beta function
//! behind them is in `beta.rs`; interval formulas in `proportion.rs` and `mean.rs`.

use std::f64::consts::SQRT_2;

use super::beta::{Tails, assert_probability, beta_quantile_lower, beta_quantile_upper, beta_tails};

/// Standard normal distribution function Φ(z) with its complement, by erfc (relative error ≈ 1e-15
/// in either tail).
pub fn normal_tails(z: f64) -> Tails {
    Tails {
        lower: 0.5 * libm::erfc(-z / SQRT_2),
        upper: 0.5 * libm::erfc(z / SQRT_2),
    }
}

/// Standard normal quantile Φ⁻¹(p) (Wichura 1988, algorithm AS 241, relative error ≈ 1e-15).
///
/// Gives −∞ at 0 and +∞ at 1. Panics unless 0 ≤ p ≤ 1.
pub fn normal_quantile(p: f64) -> f64 {
    assert_probability(p);
    let centred = p - 0.5;
    if centred.abs() <= 0.425 {
        let r = 0.180625 - centred * centred;
        return centred * polynomial(&AS241_CENTRE_TOP, r) / polynomial(&AS241_CENTRE_BOTTOM, r);
    }
    let tail = if centred < 0.0 { p } else { 1.0 - p };
    let size = if tail <= 0.0 {
        f64::INFINITY
    } else {
        let r = (-libm::log(tail)).sqrt();
        if r <= 5.0 {
            polynomial(&AS241_MIDDLE_TOP, r - 1.6) / polynomial(&AS241_MIDDLE_BOTTOM, r - 1.6)
        } else {
            polynomial(&AS241_TAIL_TOP, r - 5.0) / polynomial(&AS241_TAIL_BOTTOM, r - 5.0)
        }
    };
    if centred < 0.0 { -size } else { size }
}

/// Two-sided critical value of the standard normal: z with P(|Z| > z) = 1 − `confidence`.
pub fn normal_critical(confidence: f64) -> f64 {
    -normal_quantile(0.5 * super::error_level(confidence))
}

/// Quantile of Student's t by its upper tail: the t ≥ 0 with P(T > t) = `tail`, 0 < tail ≤ ½.
///
/// From T² / (ν + T²) ~ Beta(½, ν/2); `degrees` ν > 0 need not be whole. Works at ν = 10^6 and
/// beyond, where library versions lose digits.
pub fn student_t_quantile_upper(tail: f64, degrees: f64) -> f64 {
    assert!(
        tail > 0.0 && tail <= 0.5,
        "the upper tail must lie in (0, 0.5], got {tail}"
    );
    let y = beta_quantile_upper(2.0 * tail, 0.5, 0.5 * degrees);
    if y <= 0.5 {
        return (degrees * y / (1.0 - y)).sqrt();
    }
    let x = beta_quantile_lower(2.0 * tail, 0.5 * degrees, 0.5);
    (degrees * (1.0 - x) / x).sqrt()
}

/// Two-sided critical value of Student's t: P(|T| > t) = 1 − `confidence`.
pub fn student_t_critical(confidence: f64, degrees: f64) -> f64 {
    student_t_quantile_upper(0.5 * super::error_level(confidence), degrees)
}

/// P(|T| ≥ |t|) for Student's t with ν = `degrees` > 0: the two-sided p-value, from T² / (ν + T²) ~ Beta(½, ν/2).
pub fn student_t_two_sided(t: f64, degrees: f64) -> f64 {
    let square = t * t;
    if !square.is_finite() {
        return 0.0;
    }
    beta_tails(degrees / (degrees + square), 0.5 * degrees, 0.5).lower
}

/// Polynomial with the highest power first.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, coefficient| sum * x + coefficient)
}

const AS241_CENTRE_TOP: [f64; 8] = [
    2509.0809287301227,
    33430.57558358813,
    67265.7709270087,
    45921.95393154987,
    13731.69376550946,
    1971.5909503065513,
    133.14166789178438,
    3.3871328727963665,
];
const AS241_CENTRE_BOTTOM: [f64; 8] = [
    5226.495278852854,
    28729.085735721943,
    39307.89580009271,
    21213.794301586597,
    5394.196021424751,
    687.1870074920579,
    42.31333070160091,
    1.0,
];
const AS241_MIDDLE_TOP: [f64; 8] = [
    0.0007745450142783414,
    0.022723844989269184,
    0.2417807251774506,
    1.2704582524523684,
    3.6478483247632045,
    5.769497221460691,
    4.630337846156546,
    1.4234371107496835,
];
const AS241_MIDDLE_BOTTOM: [f64; 8] = [
    1.0507500716444169e-9,
    0.0005475938084995345,
    0.015198666563616457,
    0.14810397642748008,
    0.6897673349851,
    1.6763848301838038,
    2.053191626637759,
    1.0,
];
const AS241_TAIL_TOP: [f64; 8] = [
    2.0103343992922881e-7,
    2.7115555687434876e-5,
    0.0012426609473880784,
    0.026532189526576124,
    0.29656057182850487,
    1.7848265399172913,
    5.463784911164114,
    6.657904643501103,
];
const AS241_TAIL_BOTTOM: [f64; 8] = [
    2.0442631033899397e-15,
    1.421511758316446e-7,
    1.8463183175100548e-5,
    0.0007868691311456133,
    0.014875361290850615,
    0.1369298809227358,
    0.599832206555888,
    1.0,
];

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;
    use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

    #[test]
    fn normal_meets_golden_values_and_statrs() {
        let golden = [
            (1e-300, -37.0470962993612),
            (1e-100, -21.273453560965326),
            (1e-10, -6.361340902404057),
            (1e-3, -3.0902323061678136),
            (0.3, -0.5244005127080408),
            (0.9, 1.2815515655446004),
            (0.975, 1.9599639845400543),
            (0.995, 2.575829303548901),
        ];
        let oracle = Normal::new(0.0, 1.0).expect("valid parameters");
        for (p, z) in golden {
            assert_close(normal_quantile(p), z, 4e-15);
            assert_close(normal_tails(z).lower, p, 1e-12);
            if p > 1e-12 {
                assert_close(oracle.inverse_cdf(p), normal_quantile(p), 1e-12);
            }
        }
        assert_eq!(normal_quantile(0.5), 0.0);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert_close(normal_critical(0.95), 1.9599639845400543, 1e-14);
    }

    #[test]
    fn student_t_meets_golden_values_and_statrs() {
        let golden = [
            (1.0, 12.706204736174705, 63.65674116287158),
            (2.0, 4.302652729749464, 9.924843200918293),
            (5.0, 2.5705818356363155, 4.032142983555228),
            (9.0, 2.2621571627982053, 3.2498355415921263),
            (30.0, 2.042272456301238, 2.7499956535672254),
            (199.0, 1.971956544251754, 2.600760216058516),
            (1e4, 1.9602012398906263, 2.5763210466685287),
        ];
        for (degrees, wide, wider) in golden {
            assert_close(student_t_critical(0.95, degrees), wide, 1e-13);
            assert_close(student_t_critical(0.99, degrees), wider, 1e-13);
            let oracle = StudentsT::new(0.0, 1.0, degrees).expect("valid parameters");
            assert_close(oracle.inverse_cdf(0.975), wide, 1e-9);
        }
        assert_close(student_t_critical(0.95, 1e6), 1.959966, 1e-6);
        assert_close(
            student_t_quantile_upper(1e-6, 1.0),
            1.0 / libm::tan(std::f64::consts::PI * 1e-6),
            1e-12,
        );
        assert_eq!(student_t_quantile_upper(0.5, 7.0), 0.0);
    }
}
