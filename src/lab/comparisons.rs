//! Designs against the design named `control`, run by run.
//!
//! Equal replications meet the same misfortunes, so differences are taken within a replication. A pair counts if
//! neither run failed. The formulas are those of `stats::paired`.

use rayon::prelude::*;

use super::numbers::DesignNumbers;
use super::plan::Plan;
use super::summary::{CONFIDENCE, Comparison};
use crate::cluster::records::AccessClass;
use crate::stats::{Estimate, Observation, Outcome, PairedCounts, agresti_min, paired_t};

/// The design that the others are compared with.
pub const CONTROL: &str = "control";

/// Compares every design with the control, if there is one.
#[must_use]
pub fn compare(plan: &Plan, numbers: &[DesignNumbers]) -> Vec<Comparison> {
    let Some(control) = plan.designs.iter().position(|design| design.name == CONTROL) else {
        return Vec::new();
    };
    let control_medians = run_medians(&numbers[control]);
    let others: Vec<usize> = (0..plan.designs.len()).filter(|design| *design != control).collect();
    let compared: Vec<[Comparison; 2]> = others
        .into_par_iter()
        .map(|design| {
            let (a, b) = (&numbers[design], &numbers[control]);
            let comparison = |measure: &str, estimate| new(&plan.designs[design].name, measure, estimate);
            [
                comparison("unauthorized_any", unauthorized(a, b)),
                comparison("startup_latency_run_median", medians(&run_medians(a), &control_medians)),
            ]
        })
        .collect();
    compared.into_iter().flatten().collect()
}

fn new(a: &str, measure: &str, estimate: Estimate) -> Comparison {
    Comparison {
        a: a.to_owned(),
        b: CONTROL.to_owned(),
        measure: measure.to_owned(),
        difference: estimate.estimate,
        lower: estimate.lower,
        upper: estimate.upper,
        confidence: estimate.confidence,
        method: estimate.method,
        n: estimate.n,
    }
}

/// Difference of the shares of runs with an unauthorized access.
fn unauthorized(a: &DesignNumbers, b: &DesignNumbers) -> Estimate {
    let pairs = a.runs.iter().zip(&b.runs).filter(|(a, b)| !a.failed && !b.failed);
    let (of_a, of_b): (Vec<bool>, Vec<bool>) = pairs
        .map(|(a, b)| (a.has(AccessClass::Unauthorized), b.has(AccessClass::Unauthorized)))
        .unzip();
    let counts = PairedCounts::from_outcomes(&of_a, &of_b);
    let mut estimate = agresti_min(&counts, CONFIDENCE);
    tell_correlation(&mut estimate, counts.common_random_numbers().correlation);
    estimate
}

/// Mean difference of the run-wise medians.
fn medians(a: &[Option<f64>], b: &[Option<f64>]) -> Estimate {
    let (of_a, of_b): (Vec<f64>, Vec<f64>) = a.iter().zip(b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).unzip();
    let paired = paired_t(&of_a, &of_b, CONFIDENCE);
    let mut estimate = paired.difference;
    estimate
        .method
        .push_str(", waiting pods at what they had waited, deleted ones left out");
    tell_correlation(&mut estimate, paired.common_random_numbers.correlation);
    estimate
}

fn tell_correlation(estimate: &mut Estimate, correlation: Option<f64>) {
    if let Some(correlation) = correlation {
        estimate.method.push_str(&format!(
            ", common random numbers with a correlation of {correlation:.2}"
        ));
    }
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
