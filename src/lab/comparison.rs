//! One measure of two designs side by side, as `summary.json` and `meshfault compare` have it.

use serde::{Deserialize, Serialize};

/// One measure of two designs, `a` minus `b`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Comparison {
    /// A design.
    pub a: String,
    /// The design that is subtracted.
    pub b: String,
    /// The measure.
    pub measure: String,
    /// What it estimates.
    pub estimand: String,
    /// Unit; `1` for shares.
    pub unit: String,
    /// Whether the smaller value is the better one; null if neither is.
    pub smaller_is_better: Option<bool>,
    /// The measure of `a` alone.
    pub of_a: Option<f64>,
    /// The measure of `b` alone.
    pub of_b: Option<f64>,
    /// Point estimate of the difference.
    pub difference: Option<f64>,
    /// Lower bound.
    pub lower: Option<f64>,
    /// Upper bound.
    pub upper: Option<f64>,
    /// Confidence of this interval; the intervals of all comparisons hold together with 95%.
    pub confidence: f64,
    /// Name of the method.
    pub method: String,
    /// Pairs of runs, or the fewer runs of independent designs.
    pub n: u64,
    /// p-value of the hypothesis of no difference.
    pub p_value: Option<f64>,
    /// The same, adjusted for the number of comparisons (Holm).
    pub p_holm: Option<f64>,
    /// Correlation over replications that common random numbers reached; null if one of the designs does not vary.
    pub correlation: Option<f64>,
    /// (σ_A² + σ_B²) / Var(A − B): how many times more runs independent designs would need for an equal interval.
    pub variance_reduction: Option<f64>,
    /// Share of replications in which `a` has the smaller value.
    pub a_smaller: Option<f64>,
    /// Share of replications in which `a` has the larger value.
    pub a_larger: Option<f64>,
}

pub fn excludes_zero(lower: Option<f64>, upper: Option<f64>) -> bool {
    lower.is_some_and(|lower| lower > 0.0) || upper.is_some_and(|upper| upper < 0.0)
}
