//! Designs against the design named `control`, as the summary has them: the same measures and formulas as `compare`, each
//! interval by itself.

use rayon::prelude::*;

use super::differences::{How, MeasureDifference, comparable, difference};
use super::measures::{Context, Frame};
use super::numbers::DesignNumbers;
use super::plan::{Plan, PlannedDesign, RandomNumbers};
use super::summary::{CONFIDENCE, Comparison};
use crate::scenario::point_name::{base_of, point_of};

/// The design that the others are compared with.
pub const CONTROL: &str = "control";

/// What is compared with it: who gets in, and when half of the pods are ready.
const MEASURES: [&str; 2] = ["unauthorized_any", "startup_latency_p50"];

/// Compares every design with the control at the same point of the factors, if there is one. What no run of one of them
/// tested is not compared.
#[must_use]
pub fn compare(plan: &Plan, numbers: &[DesignNumbers]) -> Vec<Comparison> {
    let frame = Frame::of_plan(plan);
    let context = |index: usize| Context {
        frame: &frame,
        design: &plan.designs[index],
        numbers: &numbers[index],
    };
    let control_of = |design: usize| {
        let name = &plan.designs[design].name;
        let is_control = |other: &PlannedDesign| {
            base_of(&other.name) == CONTROL && point_of(&other.name) == point_of(name) && other.name != *name
        };
        let control = plan.designs.iter().position(is_control)?;
        (base_of(name) != CONTROL).then_some((design, control))
    };
    let how = How {
        confidence: CONFIDENCE,
        factor: 1.0,
        paired: plan.random_numbers == RandomNumbers::Common,
        absent_counts: false,
    };
    let pairs = (0..plan.designs.len()).filter_map(control_of);
    let work: Vec<(usize, usize, &str)> = pairs
        .flat_map(|(design, control)| MEASURES.map(|measure| (design, control, measure)))
        .collect();
    let compared: Vec<Option<Comparison>> = work
        .into_par_iter()
        .map(|(design, control, measure)| {
            let (a, b) = (context(design), context(control));
            comparable(measure, a, b, &how).ok()?;
            let names = (&a.design.name, &b.design.name);
            let made = difference(measure, a, b, &how).ok()?;
            Some(comparison(measure, names, made))
        })
        .collect();
    compared.into_iter().flatten().collect()
}

fn comparison(measure: &str, (a, b): (&String, &String), made: MeasureDifference) -> Comparison {
    let (estimate, gained) = (made.difference.estimate, made.difference.common_random_numbers);
    Comparison {
        a: a.clone(),
        b: b.clone(),
        measure: measure.to_owned(),
        difference: estimate.estimate,
        lower: estimate.lower,
        upper: estimate.upper,
        confidence: estimate.confidence,
        method: estimate.method,
        n: estimate.n,
        correlation: gained.correlation,
        variance_reduction: gained.variance_reduction,
    }
}
