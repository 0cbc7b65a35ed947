//! The difference of two shares of runs when both designs ran the same replications: exact test, score interval, and
//! the choice between intervals. The counts and the Agresti-Min interval are in `paired.rs`.

use super::beta::binomial_tails;
use super::difference::Difference;
use super::paired::{PairedCounts, agresti_min};
use super::special::normal_critical;
use super::{Estimate, count, error_level};

/// Discordant runs below which the score interval is preferred: the adjusted one is too short for so few.
const DISCORDANT_MIN: u64 = 10;

/// Exact two-sided p-value of the hypothesis that both designs have the event equally often (McNemar 1947, exact form):
/// twice the smaller tail of Bin(b + c, ½), at most 1. Without discordant runs 1.
pub fn mcnemar_exact(counts: &PairedCounts) -> f64 {
    let discordant = counts.a_only + counts.b_only;
    let fewer = counts.a_only.min(counts.b_only);
    if discordant == 0 {
        return 1.0;
    }
    (2.0 * binomial_tails(fewer, discordant, 0.5).lower).min(1.0)
}

/// Score interval for the difference of two paired probabilities P_A − P_B, dimensionless (Tango 1998).
///
/// All δ with (b − c − nδ)² ≤ z² · n(2q + δ(1 − δ)), q the maximum likelihood estimate of P(B only) under δ. The statistic
/// falls in δ, so both ends are found by bisection. Assumes independent replications. Without runs not estimable.
pub fn tango(counts: &PairedCounts, confidence: f64) -> Estimate {
    error_level(confidence);
    if counts.n() == 0 {
        return Estimate::not_estimable(0, confidence, "no data");
    }
    let z = normal_critical(confidence);
    let (n, b, c) = (count(counts.n()), count(counts.a_only), count(counts.b_only));
    let statistic = |delta: f64| {
        let linear = (2.0 * n - b + c) * delta - b - c;
        let constant = -c * delta * (1.0 - delta);
        let q = ((linear * linear - 8.0 * n * constant).max(0.0).sqrt() - linear) / (4.0 * n);
        let variance = n * (2.0 * q + delta * (1.0 - delta));
        let distance = b - c - n * delta;
        if distance == 0.0 {
            0.0
        } else if variance <= 0.0 {
            distance.signum() * f64::INFINITY
        } else {
            distance / variance.sqrt()
        }
    };
    // The largest δ below which the statistic exceeds the level.
    let crossing = |level: f64| {
        let (mut below, mut above) = (-1.0, 1.0);
        for _ in 0..100 {
            let middle = 0.5 * (below + above);
            if statistic(middle) > level {
                below = middle;
            } else {
                above = middle;
            }
        }
        0.5 * (below + above)
    };
    let bounds = (Some(crossing(z)), Some(crossing(-z)));
    Estimate::new(Some((b - c) / n), bounds, counts.n(), confidence, "Tango")
}

/// Difference of two shares of runs, A − B, with the interval that fits the counts and the exact McNemar test.
///
/// | Discordant runs | Interval |
/// |---|---|
/// | 0 | ± the one-sided bound 1 − α^(1/n) on either discordance |
/// | below 10 | [`tango`] |
/// | otherwise | [`agresti_min`] |
pub fn share_difference(counts: &PairedCounts, confidence: f64) -> Difference {
    let discordant = counts.a_only + counts.b_only;
    let estimate = if discordant > 0 && discordant < DISCORDANT_MIN {
        tango(counts, confidence)
    } else {
        agresti_min(counts, confidence)
    };
    Difference {
        p_value: (counts.n() > 0).then(|| mcnemar_exact(counts)),
        estimate,
        common_random_numbers: counts.common_random_numbers(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    const fn counts(both: u64, a_only: u64, b_only: u64, neither: u64) -> PairedCounts {
        PairedCounts {
            both,
            a_only,
            b_only,
            neither,
        }
    }

    #[test]
    fn mcnemar_meets_statsmodels() {
        // statsmodels 0.15.0: mcnemar([[both, a], [b, neither]], exact=True).pvalue
        for (a_only, b_only, p) in [
            (12, 3, 0.03515625),
            (0, 6, 0.03125),
            (5, 5, 1.0),
            (1, 0, 1.0),
            (150, 86, 3.7159361395713866e-05),
        ] {
            assert_close(mcnemar_exact(&counts(10, a_only, b_only, 75)), p, 1e-9);
        }
        assert_eq!(mcnemar_exact(&counts(3, 0, 0, 4)), 1.0);
    }

    #[test]
    fn tango_meets_a_maximized_likelihood() {
        // The same interval by maximizing the multinomial likelihood under each δ numerically (SciPy 1.17.1).
        for (of, lower, upper) in GOLDEN_TANGO {
            let seen = tango(&of, 0.95);
            assert!((seen.lower.unwrap() - lower).abs() < 2e-6, "{of:?} {seen:?}");
            assert!((seen.upper.unwrap() - upper).abs() < 2e-6, "{of:?} {seen:?}");
        }
    }

    #[test]
    fn swapping_the_designs_mirrors_the_score_interval() {
        let (seen, mirrored) = (tango(&counts(4, 7, 0, 30), 0.99), tango(&counts(4, 0, 7, 30), 0.99));
        assert_close(seen.lower.unwrap(), -mirrored.upper.unwrap(), 1e-9);
        assert_close(seen.upper.unwrap(), -mirrored.lower.unwrap(), 1e-9);
    }

    #[test]
    fn the_interval_fits_the_counts() {
        let method = |of| share_difference(&of, 0.95).estimate.method;
        assert!(method(counts(3, 0, 0, 40)).starts_with("no discordant run"));
        assert_eq!(method(counts(3, 1, 0, 40)), "Tango");
        assert_eq!(method(counts(3, 10, 0, 40)), "Agresti-Min");
        assert_eq!(share_difference(&counts(0, 0, 0, 0), 0.95).p_value, None);
        assert_eq!(tango(&counts(0, 5, 0, 0), 0.95).upper, Some(1.0));
    }

    const GOLDEN_TANGO: [(PairedCounts, f64, f64); 5] = [
        (counts(10, 3, 1, 86), -0.028124043, 0.076047884),
        (counts(0, 1, 0, 49), -0.052774551, 0.104954436),
        (counts(4, 7, 0, 30), 0.070437968, 0.312626124),
        (counts(20, 8, 5, 967), -0.004661366, 0.011316428),
        (counts(10, 12, 3, 75), 0.015977142, 0.173742845),
    ];
}
