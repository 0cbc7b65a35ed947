//! Comparison of two designs run by run under common random numbers: paired means, paired 0/1
//! outcomes, and what the common numbers gained. Comparisons of independent designs or of more than
//! two designs do not belong here. All differences are A − B.

use super::mean::{mean_t, moments};
use super::proportion::{share_of_runs, zero_event_upper};
use super::special::normal_critical;
use super::{Estimate, count, error_level};

/// How much common random numbers helped.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CommonRandomNumbers {
    /// Correlation ρ of the two designs over runs, in \[−1, 1\]; `None` if one of them is constant.
    pub correlation: Option<f64>,
    /// (σ_A² + σ_B²) / Var(A − B), dimensionless: how many times more runs independent designs would
    /// need. Below 1 the common numbers do harm. `None` if the difference does not vary.
    pub variance_reduction: Option<f64>,
}

impl CommonRandomNumbers {
    /// Nothing is known, or there are no common numbers.
    pub const NONE: Self = Self {
        correlation: None,
        variance_reduction: None,
    };
}

/// A paired comparison of means.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PairedMean {
    /// E\[Y_A − Y_B\] with its paired t interval, in the unit of the values.
    pub difference: Estimate,
    /// P(Y_A > Y_B): a mean can hide that the tails are the other way round.
    pub share_a_larger: Estimate,
    /// P(Y_A < Y_B). The two shares do not add up to 1 if there are ties.
    pub share_b_larger: Estimate,
    /// Correlation and variance reduction.
    pub common_random_numbers: CommonRandomNumbers,
}

/// Paired t interval for the mean of the run-by-run differences A − B, in the unit of the values.
///
/// D̄ ± t · s_D / √R (Student 1908). `a[r]` and `b[r]` must come from the same replication. Assumes
/// independent replications and a nearly normal mean difference; the two designs may be correlated
/// in any way. Fewer than two pairs, or equal differences, give no bounds. Panics if the lengths
/// differ or a value is not finite.
pub fn paired_t(a: &[f64], b: &[f64], confidence: f64) -> PairedMean {
    let differences = differences(a, b);
    let mut difference = mean_t(&differences, confidence);
    difference.method.insert_str(0, "paired differences, ");
    let share = |larger: fn(f64) -> bool| {
        let events = differences.iter().filter(|value| larger(**value)).count() as u64;
        share_of_runs(events, differences.len() as u64, confidence)
    };
    PairedMean {
        difference,
        share_a_larger: share(|value| value > 0.0),
        share_b_larger: share(|value| value < 0.0),
        common_random_numbers: common_random_numbers(a, b),
    }
}

/// Correlation of two designs and variance reduction of their difference (Glasserman & Yao 1992).
///
/// `a[r]` and `b[r]` must come from the same replication. Panics if the lengths differ.
pub fn common_random_numbers(a: &[f64], b: &[f64]) -> CommonRandomNumbers {
    let differences = differences(a, b);
    let variance = |values: &[f64]| moments(values).and_then(|sample| sample.variance);
    let (Some(of_a), Some(of_b), Some(of_difference)) = (variance(a), variance(b), variance(&differences)) else {
        return CommonRandomNumbers {
            correlation: None,
            variance_reduction: None,
        };
    };
    gain(of_a, of_b, of_difference)
}

/// Outcomes of two designs over the same replications, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PairedCounts {
    /// Runs with the event under both designs.
    pub both: u64,
    /// Runs with the event under design A only.
    pub a_only: u64,
    /// Runs with the event under design B only.
    pub b_only: u64,
    /// Runs without the event under either design.
    pub neither: u64,
}

impl PairedCounts {
    /// Counts outcomes; `a[r]` and `b[r]` must come from the same replication. Panics if the lengths
    /// differ.
    pub fn from_outcomes(a: &[bool], b: &[bool]) -> Self {
        assert_eq!(a.len(), b.len(), "paired designs need the same replications");
        let mut counts = Self::default();
        for pair in a.iter().zip(b) {
            match pair {
                (true, true) => counts.both += 1,
                (true, false) => counts.a_only += 1,
                (false, true) => counts.b_only += 1,
                (false, false) => counts.neither += 1,
            }
        }
        counts
    }

    /// Number of replications.
    pub fn n(&self) -> u64 {
        self.both + self.a_only + self.b_only + self.neither
    }

    /// Correlation (phi coefficient) and variance reduction of the 0/1 outcomes.
    pub fn common_random_numbers(&self) -> CommonRandomNumbers {
        let n = count(self.n());
        if self.n() < 2 {
            return CommonRandomNumbers {
                correlation: None,
                variance_reduction: None,
            };
        }
        let bernoulli = |events: u64| count(events) * (n - count(events)) / (n * (n - 1.0));
        let (b, c) = (count(self.a_only), count(self.b_only));
        let of_difference = (b + c - (b - c) * (b - c) / n) / (n - 1.0);
        gain(
            bernoulli(self.both + self.a_only),
            bernoulli(self.both + self.b_only),
            of_difference,
        )
    }
}

/// Interval for the difference of two paired probabilities P_A − P_B, dimensionless (Agresti & Min
/// 2005).
///
/// With b' = b + ½ and c' = c + ½ (b = A only, c = B only) and n' = n + 2: centre (b' − c')/n',
/// SE = √(b' + c' − (b' − c')²/n') / n'. The estimate is the plain (b − c)/n. Assumes independent
/// replications. Without any discordant run the interval is ±(1 − α^(1/n)), the bound on either
/// discordance.
pub fn agresti_min(counts: &PairedCounts, confidence: f64) -> Estimate {
    error_level(confidence);
    let n = counts.n();
    let Some(bound) = zero_event_upper(n, confidence) else {
        return Estimate::not_estimable(0, confidence, "no data");
    };
    if counts.a_only == 0 && counts.b_only == 0 {
        let method = "no discordant run, one-sided bound on each discordance";
        return Estimate::new(Some(0.0), (Some(-bound), Some(bound)), n, confidence, method);
    }
    let (b, c) = (count(counts.a_only), count(counts.b_only));
    let adjusted = count(n) + 2.0;
    let centre = (b - c) / adjusted;
    let spread = b + c + 1.0 - (b - c) * (b - c) / adjusted;
    let half_width = normal_critical(confidence) * spread.sqrt() / adjusted;
    let bounds = (
        Some((centre - half_width).max(-1.0)),
        Some((centre + half_width).min(1.0)),
    );
    Estimate::new(Some((b - c) / count(n)), bounds, n, confidence, "Agresti-Min")
}

fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len(), "paired designs need the same replications");
    a.iter().zip(b).map(|(left, right)| left - right).collect()
}

/// Correlation and variance reduction from the three variances.
fn gain(of_a: f64, of_b: f64, of_difference: f64) -> CommonRandomNumbers {
    let covariance = 0.5 * (of_a + of_b - of_difference);
    let varies = of_a > 0.0 && of_b > 0.0;
    CommonRandomNumbers {
        correlation: varies.then(|| (covariance / (of_a * of_b).sqrt()).clamp(-1.0, 1.0)),
        variance_reduction: (of_difference > 0.0).then(|| (of_a + of_b) / of_difference),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Words, assert_close};
    use super::*;

    #[test]
    fn differences_are_a_minus_b() {
        let seen = paired_t(&[3.0, 5.0, 4.0, 8.0], &[1.0, 2.0, 2.0, 9.0], 0.95);
        // Differences 2, 3, 2, -1: mean 1.5, variance 3.
        let half_width = 3.18244630528371 * (3.0f64 / 4.0).sqrt();
        assert_eq!(seen.difference.estimate, Some(1.5));
        assert_close(seen.difference.lower.unwrap(), 1.5 - half_width, 1e-12);
        assert_close(seen.difference.upper.unwrap(), 1.5 + half_width, 1e-12);
        assert_eq!(seen.difference.method, "paired differences, Student t");
        assert_eq!(seen.share_a_larger.estimate, Some(0.75));
        assert_eq!(seen.share_b_larger.estimate, Some(0.25));
    }

    #[test]
    fn common_numbers_gain_what_the_correlation_says() {
        let mut words = Words(1);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for _ in 0..20_000 {
            let shared = words.normal();
            a.push(2.0 * shared + words.normal());
            b.push(2.0 * shared + words.normal());
        }
        // Variances 5 and 5, covariance 4: correlation 0.8, reduction 10/2.
        let seen = common_random_numbers(&a, &b);
        assert!((seen.correlation.unwrap() - 0.8).abs() < 0.01, "{seen:?}");
        assert!((seen.variance_reduction.unwrap() - 5.0).abs() < 0.2, "{seen:?}");
    }

    #[test]
    fn equal_designs_have_no_interval_and_no_gain() {
        let values = [1.0, 2.0, 4.0];
        let seen = paired_t(&values, &values, 0.95);
        assert_eq!((seen.difference.estimate, seen.difference.lower), (Some(0.0), None));
        assert_eq!(seen.common_random_numbers.correlation, Some(1.0));
        assert_eq!(seen.common_random_numbers.variance_reduction, None);
        assert_eq!(paired_t(&[], &[], 0.95).difference.estimate, None);
    }

    #[test]
    fn agresti_min_by_hand() {
        let counts = PairedCounts {
            both: 10,
            a_only: 12,
            b_only: 3,
            neither: 75,
        };
        let seen = agresti_min(&counts, 0.95);
        let half_width = 1.959963984540054 * (16.0f64 - 81.0 / 102.0).sqrt() / 102.0;
        assert_eq!(seen.estimate, Some(0.09));
        assert_close(seen.lower.unwrap(), 9.0 / 102.0 - half_width, 1e-12);
        assert_close(seen.upper.unwrap(), 9.0 / 102.0 + half_width, 1e-12);
    }

    #[test]
    fn swapping_the_designs_mirrors_the_interval() {
        let counts = PairedCounts {
            both: 4,
            a_only: 7,
            b_only: 2,
            neither: 37,
        };
        let swapped = PairedCounts {
            a_only: 2,
            b_only: 7,
            ..counts
        };
        let (seen, mirrored) = (agresti_min(&counts, 0.9), agresti_min(&swapped, 0.9));
        assert_eq!(seen.lower.unwrap(), -mirrored.upper.unwrap());
        assert_eq!(seen.estimate.unwrap(), -mirrored.estimate.unwrap());
    }

    #[test]
    fn no_discordance_is_bounded_by_the_rule_of_three() {
        let seen = agresti_min(
            &PairedCounts {
                neither: 1000,
                ..Default::default()
            },
            0.95,
        );
        assert_eq!(seen.estimate, Some(0.0));
        assert_close(seen.upper.unwrap(), 0.0029912495450953, 1e-12);
        assert_close(seen.lower.unwrap(), -0.0029912495450953, 1e-12);
        assert_eq!(agresti_min(&PairedCounts::default(), 0.95).method, "no data");
    }

    #[test]
    fn counts_and_values_agree_on_the_gain() {
        let mut words = Words(3);
        let a: Vec<bool> = (0..300).map(|_| words.uniform() < 0.3).collect();
        let b: Vec<bool> = a.iter().map(|event| *event || words.uniform() < 0.1).collect();
        let numbers = |list: &[bool]| -> Vec<f64> { list.iter().map(|event| f64::from(u8::from(*event))).collect() };
        let counted = PairedCounts::from_outcomes(&a, &b).common_random_numbers();
        let valued = common_random_numbers(&numbers(&a), &numbers(&b));
        assert_close(counted.correlation.unwrap(), valued.correlation.unwrap(), 1e-9);
        assert_close(
            counted.variance_reduction.unwrap(),
            valued.variance_reduction.unwrap(),
            1e-9,
        );
    }

    #[test]
    #[should_panic(expected = "same replications")]
    fn unpaired_lists_are_refused() {
        paired_t(&[1.0], &[1.0, 2.0], 0.95);
    }
}
