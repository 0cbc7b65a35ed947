//! What two designs share run by run under common random numbers: counts of paired 0/1 outcomes, and what the common numbers
//! gained. The differences themselves are in `difference.rs` and the files beside it. All differences are A − B.

use super::count;
use super::mean::moments;

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
    fn equal_designs_have_no_gain_to_tell() {
        let values = [1.0, 2.0, 4.0];
        let seen = common_random_numbers(&values, &values);
        assert_eq!((seen.correlation, seen.variance_reduction), (Some(1.0), None));
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
        common_random_numbers(&[1.0], &[1.0, 2.0]);
    }
}
