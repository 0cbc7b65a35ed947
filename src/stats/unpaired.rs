//! Differences of two designs that ran independently: shares, means and ratios. Quantiles of independent designs are in
//! `paired_quantile.rs`; what shares its random numbers belongs to the paired files.

use super::difference::Difference;
use super::mean::moments;
use super::paired::CommonRandomNumbers;
use super::paired_ratio::linearized;
use super::proportion::wilson;
use super::ratio::ratio_of_sums;
use super::special::{student_t_critical, student_t_two_sided};
use super::{Estimate, count};

/// Difference of two independent shares of runs, A − B, dimensionless: hybrid score interval (Newcombe 1998, method 10)
/// and Fisher's exact test.
///
/// L = d − √((p_A − l_A)² + (u_B − p_B)²), U = d + √((u_A − p_A)² + (p_B − l_B)²) from the two Wilson intervals. `a` and
/// `b` are (events, runs). Panics if there are more events than runs.
pub fn newcombe(a: (u64, u64), b: (u64, u64), confidence: f64) -> Difference {
    let (of_a, of_b) = (wilson(a.0, a.1, confidence), wilson(b.0, b.1, confidence));
    let n = a.1.min(b.1);
    let parts = |of: &Estimate| Some((of.lower?, of.estimate?, of.upper?));
    let (Some((lower_a, share_a, upper_a)), Some((lower_b, share_b, upper_b))) = (parts(&of_a), parts(&of_b)) else {
        return Difference::not_estimable(n, confidence, "no data");
    };
    let size = |x: f64, y: f64| (x * x + y * y).sqrt();
    let difference = share_a - share_b;
    let bounds = (
        Some((difference - size(share_a - lower_a, upper_b - share_b)).max(-1.0)),
        Some((difference + size(upper_a - share_a, share_b - lower_b)).min(1.0)),
    );
    let method = "independent designs, Newcombe hybrid score";
    Difference {
        estimate: Estimate::new(Some(difference), bounds, n, confidence, method),
        p_value: Some(fisher_exact(a, b)),
        common_random_numbers: CommonRandomNumbers::NONE,
    }
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

/// Difference of two independent means, A − B, in the unit of the values: Welch's (1947) t interval and test.
///
/// Degrees of freedom of Satterthwaite (1946). Assumes independent runs and nearly normal means; a sample that is too
/// short for its skewness (R > 28 + 25 g²) is told in the method. Panics if a value is not finite.
pub fn welch(a: &[f64], b: &[f64], confidence: f64) -> Difference {
    let n = a.len().min(b.len()) as u64;
    let (Some(of_a), Some(of_b)) = (moments(a), moments(b)) else {
        return Difference::not_estimable(n, confidence, "no data");
    };
    let short = [&of_a, &of_b].iter().any(|of| {
        let skewness = of.skewness.unwrap_or(0.0);
        of.n as f64 <= 28.0 + 25.0 * skewness * skewness
    });
    let error = |variance: Option<f64>, n: u64| Some((variance? / count(n), count(n) - 1.0));
    let errors = error(of_a.variance, of_a.n).zip(error(of_b.variance, of_b.n));
    let mut method = "independent designs, Welch".to_owned();
    if short {
        method += ", few runs for their skewness";
    }
    satterthwaite(of_a.mean - of_b.mean, errors, n, confidence, &method)
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
fn satterthwaite(
    difference: f64,
    errors: Option<((f64, f64), (f64, f64))>,
    n: u64,
    confidence: f64,
    method: &str,
) -> Difference {
    let spread = errors.filter(|((a, _), (b, _))| a + b > 0.0);
    let Some(((of_a, degrees_a), (of_b, degrees_b))) = spread else {
        return Difference {
            estimate: Estimate::point_only(difference, n, confidence, "no spread or one run, no interval"),
            p_value: None,
            common_random_numbers: CommonRandomNumbers::NONE,
        };
    };
    let sum = of_a + of_b;
    let degrees = sum * sum / (of_a * of_a / degrees_a + of_b * of_b / degrees_b);
    let half_width = student_t_critical(confidence, degrees) * sum.sqrt();
    let bounds = (Some(difference - half_width), Some(difference + half_width));
    Difference {
        estimate: Estimate::new(Some(difference), bounds, n, confidence, method),
        p_value: Some(student_t_two_sided(difference / sum.sqrt(), degrees)),
        common_random_numbers: CommonRandomNumbers::NONE,
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(newcombe((0, 0), (1, 2), 0.95).estimate.method, "no data");
    }

    #[test]
    fn fisher_and_welch_meet_scipy() {
        for ((a, b), p) in GOLDEN_FISHER {
            assert_close(fisher_exact(a, b), p, 1e-9);
        }
        let a: Vec<f64> = (0..40).map(|i| f64::from(i % 7) + 0.25 * f64::from(i % 3)).collect();
        let b: Vec<f64> = (0..25).map(|i| f64::from(i % 5)).collect();
        let seen = welch(&a, &b, 0.95);
        assert_close(seen.estimate.lower.unwrap(), GOLDEN_WELCH.0, 1e-9);
        assert_close(seen.estimate.upper.unwrap(), GOLDEN_WELCH.1, 1e-9);
        assert_close(seen.p_value.unwrap(), GOLDEN_WELCH.2, 1e-9);
    }

    #[test]
    fn independent_ratios_without_events_keep_their_bounds() {
        let seen = ratio_difference_unpaired(&[(0, 4); 100], &[(0, 4); 50], 0.95).estimate;
        assert_close(seen.upper.unwrap(), 1.0 - libm::pow(0.025, 0.01), 1e-12);
        assert_close(seen.lower.unwrap(), libm::pow(0.025, 0.02) - 1.0, 1e-12);
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
