//! `summary.json`: estimates per design, each with its estimand in words, and comparisons of designs.
//!
//! The shape is that of `ARCHITECTURE.md`; how it looks on a terminal or on a page belongs to `report`. Estimates are
//! made in parallel and put together in the order of designs and measures; none depends on another.

use indexmap::IndexMap;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::compare::{Comparison, compare_usual};
use super::edges::{AvailabilitySummary, EdgeSummary, availability, edges};
use super::expectations::{Expectation, evaluate};
use super::flows::{FlowSummary, flows};
use super::measures::{Context, Frame, MeasureSet, estimate, measure_sets};
use super::numbers::DesignNumbers;
use super::plan::Plan;
use crate::stats::{Caveat, Estimate};

pub const CONFIDENCE: f64 = 0.95;

/// All estimates of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Summary {
    /// Name of the experiment.
    pub experiment: String,
    /// Version of the program.
    pub version: String,
    /// The measures that answer the question, most telling first; empty for those of access and startup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headline: Vec<String>,
    /// Estimates per design, in the order of the plan.
    pub designs: Vec<DesignSummary>,
    /// Each design against its control, or all pairs where there is no control; their intervals hold together.
    pub comparisons: Vec<Comparison>,
    /// What could not be compared, and why.
    #[serde(default)]
    pub not_compared: Vec<String>,
    /// Whether what the experiment expects came true.
    pub expectations: Vec<Expectation>,
}

/// Estimates of one design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DesignSummary {
    /// Name of the design.
    pub name: String,
    /// Runs made, failed ones included.
    pub replications: u64,
    /// Failed runs; no measure contains them.
    pub failed: u64,
    /// Measures by name.
    pub measures: IndexMap<String, Measure>,
    /// Exposure by edge, if more than one edge was watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<EdgeSummary>,
    /// Availability by edge, the lowest first, where exposure was watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub availability: Vec<AvailabilitySummary>,
    /// Requests by flow, those with the smallest share of right answers first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<FlowSummary>,
}

impl DesignSummary {
    pub fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.get(name)
    }

    /// The share of pods that were deleted first, if that is shown to be so large that this quantile of a wait exists at no
    /// horizon.
    pub fn never_reached(&self, name: &str) -> Option<f64> {
        let never = self.measure(name)?.caveat == Some(Caveat::Never);
        let deleted = self.measure("deleted_before_ready_share")?;
        deleted.estimate.filter(|_| never)
    }
}

/// One estimate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Measure {
    /// What is estimated, in words.
    pub estimand: String,
    /// Unit; `1` for shares.
    pub unit: String,
    /// Point estimate; null if the data do not give one.
    pub estimate: Option<f64>,
    /// Lower bound.
    pub lower: Option<f64>,
    /// Upper bound.
    pub upper: Option<f64>,
    /// Nominal coverage; null if there is no interval by intention.
    pub confidence: Option<f64>,
    /// Name of the method, with warnings.
    pub method: String,
    /// Independent units, mostly runs.
    pub n: u64,
    /// What a reader must also know: `few_runs`, `never` or `beyond_horizon`; absent if nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<Caveat>,
}

impl Measure {
    pub fn new(estimand: impl Into<String>, unit: &str, estimate: Estimate) -> Self {
        let Estimate {
            estimate,
            lower,
            upper,
            confidence,
            method,
            n,
            caveat,
        } = estimate;
        let (estimand, unit) = (estimand.into(), unit.to_owned());
        Self {
            estimand,
            unit,
            estimate,
            lower,
            upper,
            confidence: Some(confidence),
            method,
            n,
            caveat,
        }
    }

    pub fn as_estimate(&self) -> Estimate {
        Estimate {
            estimate: self.estimate,
            lower: self.lower,
            upper: self.upper,
            confidence: self.confidence.unwrap_or(CONFIDENCE),
            method: self.method.clone(),
            n: self.n,
            caveat: self.caveat,
        }
    }

    /// A plain value without an interval: the smallest or largest that was seen.
    pub fn extreme(estimand: impl Into<String>, unit: &str, value: Option<f64>, n: u64) -> Self {
        Self {
            estimand: estimand.into(),
            unit: unit.to_owned(),
            estimate: value,
            lower: None,
            upper: None,
            confidence: None,
            method: "observed extreme".to_owned(),
            n,
            caveat: None,
        }
    }
}

pub fn summarize(plan: &Plan, numbers: &[DesignNumbers]) -> Summary {
    let frame = Frame::of_plan(plan);
    let work: Vec<(usize, MeasureSet)> = (0..plan.designs.len())
        .flat_map(|design| measure_sets().iter().map(move |set| (design, *set)))
        .collect();
    let estimated: Vec<(usize, Vec<(String, Measure)>)> = work
        .into_par_iter()
        .map(|(design, set)| {
            let context = Context {
                frame: &frame,
                design: &plan.designs[design],
                numbers: &numbers[design],
            };
            (design, estimate(set, context))
        })
        .collect();
    let blank = |(design, numbers): (&super::PlannedDesign, &DesignNumbers)| DesignSummary {
        name: design.name.clone(),
        replications: numbers.runs.len() as u64,
        failed: numbers.failed(),
        measures: IndexMap::new(),
        edges: match design.exposure_edges {
            Some(2..) => edges(&frame, design, numbers),
            _ => Vec::new(),
        },
        availability: availability(&frame, numbers),
        flows: flows(numbers),
    };
    let mut designs: Vec<DesignSummary> = plan.designs.iter().zip(numbers).map(blank).collect();
    for (design, measures) in estimated {
        designs[design].measures.extend(measures);
    }
    let (comparisons, not_compared) = compare_usual(plan, &frame, numbers);
    Summary {
        experiment: plan.experiment.clone(),
        version: plan.version.clone(),
        headline: plan.questions.headline.clone(),
        comparisons,
        not_compared,
        expectations: evaluate(plan, numbers, &designs),
        designs,
    }
}
