//! Designs against the design named `control`, run by run.
//!
//! Equal replications meet the same misfortunes, so differences are taken within a replication. A pair counts if
//! neither run failed. The formulas are those of `stats::paired`.

use rayon::prelude::*;

use super::numbers::DesignNumbers;
use super::plan::{Plan, PlannedDesign};
use super::summary::{CONFIDENCE, Comparison};
use crate::cluster::records::AccessClass;
use crate::scenario::point_name::{base_of, point_of};
use crate::stats::{CommonRandomNumbers, Estimate, Observation, Outcome, PairedCounts, agresti_min, paired_t};

/// The design that the others are compared with.
pub const CONTROL: &str = "control";

/// Compares every design with the control at the same point of the factors, if there is one.
#[must_use]
pub fn compare(plan: &Plan, numbers: &[DesignNumbers]) -> Vec<Comparison> {
    let control_of = |design: &usize| {
        let name = &plan.designs[*design].name;
        let is_control = |other: &PlannedDesign| {
            base_of(&other.name) == CONTROL && point_of(&other.name) == point_of(name) && other.name != *name
        };
        let control = plan.designs.iter().position(is_control)?;
        (base_of(name) != CONTROL).then_some((*design, control))
    };
    let pairs: Vec<(usize, usize)> = (0..plan.designs.len())
        .filter_map(|design| control_of(&design))
        .collect();
    let compared: Vec<[Comparison; 2]> = pairs
        .into_par_iter()
        .map(|(design, control)| {
            let (a, b) = (&numbers[design], &numbers[control]);
            let comparison = |measure: &str, (estimate, gained): (Estimate, CommonRandomNumbers)| Comparison {
                a: plan.designs[design].name.clone(),
                b: plan.designs[control].name.clone(),
                measure: measure.to_owned(),
                difference: estimate.estimate,
                lower: estimate.lower,
                upper: estimate.upper,
                confidence: estimate.confidence,
                method: estimate.method,
                n: estimate.n,
                correlation: gained.correlation,
                variance_reduction: gained.variance_reduction,
            };
            [
                comparison("unauthorized_any", unauthorized(a, b)),
                comparison("startup_latency_run_median", medians(&run_medians(a), &run_medians(b))),
            ]
        })
        .collect();
    compared.into_iter().flatten().collect()
}

/// Difference of the shares of runs with an unauthorized access.
fn unauthorized(a: &DesignNumbers, b: &DesignNumbers) -> (Estimate, CommonRandomNumbers) {
    let pairs = a.runs.iter().zip(&b.runs).filter(|(a, b)| !a.failed && !b.failed);
    let (of_a, of_b): (Vec<bool>, Vec<bool>) = pairs
        .map(|(a, b)| (a.has(AccessClass::Unauthorized), b.has(AccessClass::Unauthorized)))
        .unzip();
    let counts = PairedCounts::from_outcomes(&of_a, &of_b);
    (agresti_min(&counts, CONFIDENCE), counts.common_random_numbers())
}

/// Mean difference of the run-wise medians.
fn medians(a: &[Option<f64>], b: &[Option<f64>]) -> (Estimate, CommonRandomNumbers) {
    let (of_a, of_b): (Vec<f64>, Vec<f64>) = a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).unzip();
    let paired = paired_t(&of_a, &of_b, CONFIDENCE);
    let mut estimate = paired.difference;
    estimate
        .method
        .push_str(", waiting pods at what they had waited, deleted ones left out");
    (estimate, paired.common_random_numbers)
}

/// Per run, the median wait of its measured pods for Ready \[s\]; `None` without pods.
///
/// Pods still waiting count with what they have waited, a lower bound; pods deleted first are left out.
pub(super) fn run_medians(numbers: &DesignNumbers) -> Vec<Option<f64>> {
    let mut medians = vec![None; numbers.runs.len()];
    let mut waits: Vec<Observation> = numbers
        .startup
        .iter()
        .filter(|wait| wait.outcome != Outcome::Competing)
        .copied()
        .collect();
    waits.sort_unstable_by_key(|wait| (wait.run, wait.time_ns));
    for of_run in waits.chunk_by(|left, right| left.run == right.run) {
        let median = of_run[(of_run.len() - 1) / 2];
        medians[median.run as usize] = Some(median.time_ns as f64 / 1e9);
    }
    medians
}
