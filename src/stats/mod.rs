//! Estimators with intervals: pure functions from recorded numbers to an [`Estimate`].
//!
//! Nothing here knows a simulator, a clock, a file or a random generator: all intervals have formulas, so equal numbers
//! have equal intervals. This file only lists the parts and holds
//! the type that all of them return. Start with `proportion.rs` for the simplest example.
//!
//! Habits shared by all parts: the run is the sampling unit; a bound that the data cannot give is
//! `None` and the method name states why; arguments that only a programmer can get wrong (a confidence
//! outside (0, 1), more events than trials) are assertions. Logarithms and powers come from `libm`,
//! so results are equal to the bit on every platform.

mod agree;
pub mod beta;
pub mod difference;
pub mod incidence;
pub mod mean;
pub mod multiple;
pub mod no_effect;
pub mod paired;
pub mod paired_quantile;
pub mod paired_ratio;
pub mod paired_share;
pub mod per_unit;
pub mod proportion;
pub mod ratio;
pub mod sequential;
pub mod special;
mod subject_share;
pub mod survival;
pub mod unpaired;

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod coverage_of_differences;
#[cfg(test)]
mod coverage_pairs;
#[cfg(test)]
mod coverage_studies;
#[cfg(test)]
mod coverage_table;
#[cfg(test)]
mod coverage_waits;
#[cfg(test)]
mod testing;

pub use difference::{Difference, mean_difference};
pub use incidence::{IncidenceAnalysis, IncidenceOptions};
pub use mean::{mean_of_runs, mean_t};
pub use multiple::{bonferroni, holm_adjusted};
pub use paired::{CommonRandomNumbers, PairedCounts, common_random_numbers};
pub use paired_quantile::{QuantileDifference, quantile_difference};
pub use paired_ratio::ratio_difference;
pub use paired_share::{mcnemar_exact, share_difference};
pub use per_unit::mean_per_unit;
pub use proportion::{share_of_runs, wilson, zero_event_upper};
pub use ratio::ratio_of_sums;
pub use sequential::{Precision, checkpoints};
pub use survival::{CurvePoint, Observation, Outcome, cumulative_incidence, incidence_quantile};
pub use unpaired::{fisher_exact, mean_difference_unpaired, newcombe, ratio_difference_unpaired};

/// What a reader must know of an estimate in addition to its numbers; `method` has it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Caveat {
    /// The estimate rests on so few runs that its interval may be too short, or lacks a bound.
    FewRuns,
    /// A quantile that no horizon would show: more subjects end otherwise than it leaves room for.
    Never,
    /// A quantile that was not reached within the horizon; a longer one may show it.
    BeyondHorizon,
}

/// One estimate with its interval.
///
/// `None` means "not estimable from these data" or "unbounded"; `method` states which and why.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Estimate {
    /// Point estimate, in the unit of the estimand.
    pub estimate: Option<f64>,
    /// Lower bound of the interval, in the unit of the estimand.
    pub lower: Option<f64>,
    /// Upper bound of the interval, in the unit of the estimand.
    pub upper: Option<f64>,
    /// Nominal coverage of the interval, or of the one-sided bound if only one is given, in (0, 1).
    pub confidence: f64,
    /// Name of the estimator and interval, with a warning where its conditions are not met.
    pub method: String,
    /// Independent units behind the estimate: runs, or values of an independent sample.
    pub n: u64,
    /// What a reader must also know, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<Caveat>,
}

impl Estimate {
    /// An estimate without any number: `method` states why. `n` is the number of independent units seen.
    pub fn not_estimable(n: u64, confidence: f64, method: &str) -> Self {
        Self::new(None, (None, None), n, confidence, method)
    }

    /// A point estimate whose interval cannot be given: `method` states why.
    pub fn point_only(estimate: f64, n: u64, confidence: f64, method: &str) -> Self {
        Self::new(Some(estimate), (None, None), n, confidence, method)
    }

    fn new(
        estimate: Option<f64>,
        (lower, upper): (Option<f64>, Option<f64>),
        n: u64,
        confidence: f64,
        method: &str,
    ) -> Self {
        let method = method.to_owned();
        Self {
            estimate,
            lower,
            upper,
            confidence,
            method,
            n,
            caveat: None,
        }
    }

    /// Adds a warning to the method, and the first one as the caveat.
    fn warn(&mut self, caveat: Caveat, words: &str) {
        self.method.push_str(", ");
        self.method.push_str(words);
        self.caveat.get_or_insert(caveat);
    }
}

/// Error level α = 1 − confidence. Panics unless 0 < confidence < 1.
fn error_level(confidence: f64) -> f64 {
    assert!(
        confidence > 0.0 && confidence < 1.0,
        "confidence must lie strictly between 0 and 1, got {confidence}"
    );
    1.0 - confidence
}

/// Exact count as a float; counts above 2^53 lose their last bits, which no estimator here can see.
fn count(value: u64) -> f64 {
    value as f64
}
