//! Stopping once an interval is narrow enough: at which numbers of runs one looks, and when a width is reached. Which runs
//! are made and what is looked at does not belong here.
//!
//! One looks at fixed numbers of runs, known in advance, and decides from the first n runs by their numbers. A rule sees
//! widths alone. The width says next to nothing about on which side of the truth an interval lies, so the interval at
//! which one stops keeps its nominal coverage as the width goes to 0 (Chow & Robbins 1965; Anscombe 1952), and needs no
//! correction for the number of looks. At the sizes that are used here the tests below measure it: 93 % or more for all
//! rules tried. A rule that looked at *where* an interval lies would have no such property (Armitage, McPherson & Rowe
//! 1969; a test shows it), so none can be written.
//!
//! Absolute width: stop once the half-width is at most d. Relative width: stop once half-width / |estimate| ≤ γ / (1 + γ);
//! then the estimate is within γ of the *truth* in relative terms whenever the interval holds (Law 2015, section 9.4.1).
//! Both need a first look at 100 runs or more, below which coverage drops.

use serde::{Deserialize, Serialize};

use super::Estimate;

/// Fewest runs at which an interval may end a study.
pub const FIRST_LOOK_MIN: u64 = 100;

/// How narrow an interval shall be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Largest half-width, in the unit of the estimand.
    HalfWidth(f64),
    /// Largest relative error γ, in (0, 1).
    Relative(f64),
}

impl Precision {
    /// What is compared with [`Self::bound`]: the half-width, or the half-width in units of the estimate.
    ///
    /// Half-width is the longer arm of the interval, which is the half of it if it is symmetric. `None` without an
    /// estimate, without one of the bounds, or for a relative width around 0.
    pub fn width(self, estimate: &Estimate) -> Option<f64> {
        let (middle, lower, upper) = (estimate.estimate?, estimate.lower?, estimate.upper?);
        let arm = (middle - lower).max(upper - middle);
        match self {
            Self::HalfWidth(_) => Some(arm),
            Self::Relative(_) => (middle != 0.0).then(|| arm / middle.abs()),
        }
    }

    /// Largest width that suffices: d itself, or γ / (1 + γ).
    pub fn bound(self) -> f64 {
        match self {
            Self::HalfWidth(half_width) => half_width,
            Self::Relative(error) => error / (1.0 + error),
        }
    }

    /// Whether the interval is narrow enough.
    pub fn reached(self, estimate: &Estimate) -> bool {
        self.width(estimate).is_some_and(|width| width <= self.bound())
    }
}

/// Numbers of runs at which one looks: `first`, then twice as many each time, at last `at_most`.
///
/// Panics if `first` is 0 or above `at_most`.
pub fn checkpoints(first: u64, at_most: u64) -> Vec<u64> {
    assert!(
        0 < first && first <= at_most,
        "{first} is not a first look at up to {at_most} runs"
    );
    let doubled = std::iter::successors(Some(first), |runs| runs.checked_mul(2));
    let mut looks: Vec<u64> = doubled.take_while(|runs| *runs < at_most).collect();
    looks.push(at_most);
    looks
}

#[cfg(test)]
mod tests {
    use super::super::testing::Words;
    use super::super::{IncidenceAnalysis, IncidenceOptions, Observation, Outcome, mean_t, share_of_runs};
    use super::*;

    #[test]
    fn looks_double_and_end_at_the_most() {
        assert_eq!(checkpoints(200, 1000), [200, 400, 800, 1000]);
        assert_eq!(checkpoints(100, 800), [100, 200, 400, 800]);
        assert_eq!(checkpoints(100, 100), [100]);
        assert_eq!(checkpoints(u64::MAX - 1, u64::MAX), [u64::MAX - 1, u64::MAX]);
    }

    #[test]
    fn widths_take_the_longer_arm_and_need_both_bounds() {
        let estimate = |middle, lower, upper| Estimate {
            estimate: middle,
            lower,
            upper,
            confidence: 0.95,
            method: String::new(),
            n: 100,
            caveat: None,
        };
        let skewed = estimate(Some(4.0), Some(3.5), Some(5.0));
        assert_eq!(Precision::HalfWidth(1.0).width(&skewed), Some(1.0));
        assert!(Precision::HalfWidth(1.0).reached(&skewed) && !Precision::HalfWidth(0.99).reached(&skewed));
        assert_eq!(Precision::Relative(0.3).width(&skewed), Some(0.25));
        // 0.25 of the estimate is 1/3 of the truth if the truth lies at an end: γ/(1+γ) = 0.25 at γ = 1/3.
        assert!(!Precision::Relative(0.33).reached(&skewed) && Precision::Relative(0.334).reached(&skewed));
        for open in [
            estimate(None, Some(0.0), Some(1.0)),
            estimate(Some(0.0), Some(0.0), None),
            estimate(Some(0.0), None, Some(1.0)),
        ] {
            assert!(!Precision::HalfWidth(1e9).reached(&open));
        }
        let none_seen = share_of_runs(0, 1000, 0.95);
        assert!(Precision::HalfWidth(0.004).reached(&none_seen) && !Precision::Relative(0.5).reached(&none_seen));
    }

    /// Coverage of the interval at which `stops` ends a study, or of the last one.
    fn coverage(
        studies: u64,
        truth: f64,
        mut draw: impl FnMut(&mut Words) -> f64,
        interval: impl Fn(&[f64], f64) -> Estimate,
        stops: impl Fn(&Estimate) -> bool,
    ) -> f64 {
        let looks = checkpoints(100, 3200);
        let (mut words, mut held) = (Words(17), 0u64);
        for _ in 0..studies {
            let mut values: Vec<f64> = Vec::new();
            for at in &looks {
                values.extend((values.len() as u64..*at).map(|_| draw(&mut words)));
                let seen = interval(&values, 0.95);
                if stops(&seen) || Some(at) == looks.last() {
                    let below = seen.lower.is_none_or(|lower| lower <= truth);
                    held += u64::from(below && seen.upper.is_none_or(|upper| truth <= upper));
                    break;
                }
            }
        }
        held as f64 / studies as f64
    }

    fn share(values: &[f64], confidence: f64) -> Estimate {
        let events = values.iter().filter(|value| **value > 0.0).count() as u64;
        share_of_runs(events, values.len() as u64, confidence)
    }

    #[test]
    fn the_interval_at_which_a_width_ends_a_study_covers_the_truth() {
        const STUDIES: u64 = 2_000;
        // What the module promises, less four standard errors.
        let floor = 0.93 - 4.0 * (0.93f64 * 0.07 / STUDIES as f64).sqrt();
        let check = |name: &str, seen: f64| {
            println!("{name}: coverage {seen:.4}, {STUDIES} studies");
            assert!(seen >= floor, "{name}: {seen}");
        };
        for (p, precision) in [
            (0.3, Precision::HalfWidth(0.05)),
            (0.02, Precision::HalfWidth(0.01)),
            (0.2, Precision::Relative(0.2)),
        ] {
            let draw = |words: &mut Words| f64::from(words.uniform() < p);
            let seen = coverage(STUDIES, p, draw, share, |seen| precision.reached(seen));
            check(&format!("share {p}, {precision:?}"), seen);
        }
        let exponential = |words: &mut Words| -libm::log(words.uniform());
        let precision = Precision::Relative(0.1);
        let stops = |seen: &Estimate| precision.reached(seen);
        check(
            "mean of an exponential",
            coverage(STUDIES, 1.0, exponential, mean_t, stops),
        );
        let median = |values: &[f64], confidence: f64| {
            let wait = |(run, value): (usize, &f64)| Observation {
                run: run as u32,
                time_ns: (value * 1e9) as u64,
                outcome: Outcome::Event,
            };
            let waits: Vec<Observation> = values.iter().enumerate().map(wait).collect();
            let options = IncidenceOptions {
                horizon_ns: 100_000_000_000,
                confidence,
            };
            IncidenceAnalysis::new(&waits, options).quantiles(&[0.5]).remove(0)
        };
        let truth = std::f64::consts::LN_2;
        check(
            "median of an exponential",
            coverage(STUDIES / 4, truth, exponential, median, stops),
        );
        // Power of the check, and why no rule may look at where an interval lies.
        let hostile = |seen: &Estimate| seen.lower > Some(0.3) || seen.upper < Some(0.3);
        let coin = |words: &mut Words| f64::from(words.uniform() < 0.3);
        let missed = coverage(STUDIES, 0.3, coin, share, hostile);
        assert!(
            missed < 0.89,
            "a study stopped at its first miss would go unnoticed: {missed}"
        );
    }
}
