//! Which designs are dominated in access, startup and cost, as far as paired intervals say so (`docs/statistics.md#dominated-designs`).
//!
//! Nothing is added up. A design is dominated if another is shown to be better in one objective and, in every other one,
//! shown to be better too or to be worse by no more than the margin, the difference that does not matter. That two designs
//! were equal in all runs shows no more than the runs allow. A control and a design without a fault are no choices and are
//! left out, unless there are no others. All intervals behind one set hold together.

use rayon::prelude::*;
use serde::Serialize;

use super::compare::{ACCESS, Comparison, REQUESTS, Side, difference_of};
use super::controls::Controls;
use super::differences::{How, comparable};
use super::lists::unique;
use super::measures::{Presence, definition_of};
use super::plan::PlannedDesign;
use super::summary::CONFIDENCE;
use crate::scenario::margins::Margin;
use crate::scenario::point_name::point_of;
use crate::stats::bonferroni;

/// Margin of shares where the experiment names none: one percentage point.
const SHARE_MARGIN: f64 = 0.01;
/// Margin of times \[s\] and of numbers per run where the experiment names none.
const NUMBER_MARGIN: f64 = 1.0;

/// The designs of one point of the factors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pareto {
    /// The point of the factors; empty without factors.
    pub point: String,
    /// What is weighed; smaller is better in all of them.
    pub objectives: Vec<Objective>,
    /// Number of intervals that hold together.
    pub family: usize,
    pub confidence_each: f64,
    pub designs: Vec<Standing>,
    /// Designs that are no choice: controls, and designs without a fault.
    pub left_out: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Objective {
    /// The measure, or `cost`, or `control_plane_replicas`.
    pub name: String,
    pub unit: String,
    /// The difference that does not matter; absent for what is known exactly.
    pub margin: Option<f64>,
}

/// How a design stands among the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    pub design: String,
    /// Its values, one per objective.
    pub values: Vec<Option<f64>>,
    /// Whether it is dominated, and what is known if not.
    pub verdict: Verdict,
    pub dominated_by: Vec<Dominator>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dominator {
    pub design: String,
    pub better_in: Vec<String>,
    /// The others, in which it is shown to be worse by no more than the margin.
    pub within_margin_in: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// In the Pareto set: against every other design it is shown to be better in something.
    Best,
    /// In the Pareto set as far as the intervals say: no other design is shown to dominate it, nor is that excluded.
    Undecided,
    Dominated,
}

/// What is shown of a difference of two designs in one objective; the smaller value is the better one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Shown {
    better: bool,
    worse: bool,
    /// The first is worse by no more than the margin.
    hardly_worse: bool,
    /// The first is better by no more than the margin.
    hardly_better: bool,
}

impl Shown {
    fn of_interval(lower: Option<f64>, upper: Option<f64>, margin: f64) -> Self {
        Self {
            better: upper.is_some_and(|upper| upper < 0.0),
            worse: lower.is_some_and(|lower| lower > 0.0),
            hardly_worse: upper.is_some_and(|upper| upper <= margin),
            hardly_better: lower.is_some_and(|lower| lower >= -margin),
        }
    }

    const fn mirrored(self) -> Self {
        Self {
            better: self.worse,
            worse: self.better,
            hardly_worse: self.hardly_better,
            hardly_better: self.hardly_worse,
        }
    }
}

/// The Pareto set of each point of the factors that has several designs to choose from.
pub(super) fn pareto_sets(
    designs: &[PlannedDesign],
    sides: &[Side<'_>],
    startup: &str,
    margins: &[Margin],
) -> Vec<Pareto> {
    let controls = Controls::of(designs);
    let points = unique(sides.iter().map(|side| point_of(side.label)));
    let sets = points.into_iter().filter_map(|point| {
        let there = || sides.iter().filter(|side| point_of(side.label) == point);
        let is_no_choice = |side: &&Side<'_>| side.context.design.cuts_nothing || controls.contains(side.label);
        let (no_choices, choices): (Vec<_>, Vec<_>) = there().partition(is_no_choice);
        match choices.is_empty() {
            false => pareto_set(point, &choices, &no_choices, startup, margins),
            true => pareto_set(point, &no_choices, &[], startup, margins),
        }
    });
    sets.collect()
}

fn pareto_set(
    point: &str,
    sides: &[&Side<'_>],
    left_out: &[&Side<'_>],
    startup: &str,
    margins: &[Margin],
) -> Option<Pareto> {
    let count = sides.len();
    if count < 2 {
        return None;
    }
    let how = |family: usize| How {
        confidence: bonferroni(CONFIDENCE, family),
        factor: 1.0,
        paired: true,
        // Without a mesh no pod requests certificates: that is a number, 0, when costs are weighed.
        absent_counts: true,
    };
    let costs = sides.iter().all(|side| side.context.design.cost.is_some());
    let exact_one = if costs { "cost" } else { "control_plane_replicas" };
    let measured = [ACCESS, startup].into_iter().chain((!costs).then_some(REQUESTS));
    // What no run of any design tested weighs nothing.
    let with_data = |side: &&Side<'_>, measure: &str| comparable(measure, side.context, side.context, &how(1)).is_ok();
    let measured = measured.filter(|measure| sides.iter().any(|side| with_data(side, measure)));
    let mut objectives: Vec<Objective> = measured.map(|measure| objective(measure, sides, margins)).collect();
    let family = count * (count - 1) / 2 * objectives.len();
    objectives.push(Objective {
        name: exact_one.to_owned(),
        unit: String::new(),
        margin: None,
    });
    let how = how(family.max(1));
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect();
    let work: Vec<(&(usize, usize), &Objective)> = pairs
        .iter()
        .flat_map(|pair| objectives.iter().map(move |of| (pair, of)))
        .collect();
    let shown: Vec<Shown> = work
        .into_par_iter()
        .map(|((a, b), of)| match of.margin {
            None => exactly(exact(sides[*a], &of.name), exact(sides[*b], &of.name)),
            Some(_) if [a, b].iter().all(|side| is_absent(sides[**side], &of.name)) => exactly(Some(0.0), Some(0.0)),
            Some(margin) => difference_of(&of.name, sides[*a], sides[*b], &how)
                .map_or(Shown::default(), |difference| shown(&difference, margin)),
        })
        .collect();
    let rows: Vec<(&(usize, usize), &[Shown])> = pairs.iter().zip(shown.chunks(objectives.len())).collect();
    let standing = |design: usize| {
        let against = rows.iter().filter_map(|((a, b), of)| {
            let mirrored = || of.iter().map(|shown| shown.mirrored()).collect::<Vec<_>>();
            match design {
                _ if design == *a => Some((*b, of.to_vec())),
                _ if design == *b => Some((*a, mirrored())),
                _ => None,
            }
        });
        let against: Vec<(usize, Vec<Shown>)> = against.collect();
        let dominated_by: Vec<Dominator> = against
            .iter()
            .filter_map(|(other, of)| dominator(sides[*other].label, of, &objectives))
            .collect();
        let verdict = if !dominated_by.is_empty() {
            Verdict::Dominated
        } else if against.iter().all(|(_, of)| of.iter().any(|shown| shown.better)) {
            Verdict::Best
        } else {
            Verdict::Undecided
        };
        Standing {
            design: sides[design].label.to_owned(),
            values: objectives.iter().map(|of| value(sides[design], of)).collect(),
            verdict,
            dominated_by,
        }
    };
    let designs = (0..count).map(standing).collect();
    Some(Pareto {
        point: point.to_owned(),
        family,
        confidence_each: how.confidence,
        designs,
        objectives,
        left_out: left_out.iter().map(|side| side.label.to_owned()).collect(),
    })
}

fn objective(measure: &str, sides: &[&Side<'_>], margins: &[Margin]) -> Objective {
    let unit = sides
        .iter()
        .find_map(|side| Some(definition_of(measure, side.context)?.unit));
    let unit = unit.unwrap_or("1").to_owned();
    let named = margins.iter().find(|margin| margin.measure == measure);
    let usual = if unit == "1" { SHARE_MARGIN } else { NUMBER_MARGIN };
    Objective {
        name: measure.to_owned(),
        margin: Some(named.map_or(usual, |margin| margin.quantity.value)),
        unit,
    }
}

/// What the other design is shown to be better in, if it dominates; `of` is seen from the dominated one.
fn dominator(other: &str, of: &[Shown], objectives: &[Objective]) -> Option<Dominator> {
    let dominates = of.iter().any(|shown| shown.worse) && of.iter().all(|shown| shown.worse || shown.hardly_better);
    let names = |wanted: bool| {
        let those = objectives.iter().zip(of).filter(|(_, shown)| shown.worse == wanted);
        those.map(|(objective, _)| objective.name.clone()).collect()
    };
    dominates.then(|| Dominator {
        design: other.to_owned(),
        better_in: names(true),
        within_margin_in: names(false),
    })
}

fn is_absent(side: &Side<'_>, measure: &str) -> bool {
    definition_of(measure, side.context).is_some_and(|of| matches!(of.presence, Presence::Absent(_)))
}

fn exact(side: &Side<'_>, what: &str) -> Option<f64> {
    let design = side.context.design;
    match what {
        "cost" => design.cost.as_ref().map(|cost| cost.value),
        _ => design.control_plane_replicas.map(f64::from),
    }
}

fn value(side: &Side<'_>, of: &Objective) -> Option<f64> {
    match of.margin {
        None => exact(side, &of.name),
        Some(_) => super::differences::point(&of.name, side.context),
    }
}

fn exactly(a: Option<f64>, b: Option<f64>) -> Shown {
    let difference = a.zip(b).map(|(a, b)| a - b);
    Shown::of_interval(difference, difference, 0.0)
}

fn shown(of: &Comparison, margin: f64) -> Shown {
    // A difference of one sign that is the same in every pair has no interval; then the sign test speaks.
    let same = of.lower.is_none() && of.upper.is_none() && [of.a_smaller, of.a_larger].contains(&Some(1.0));
    if same && of.p_value.is_some_and(|p| p <= 1.0 - of.confidence) {
        return Shown::of_interval(of.difference, of.difference, margin);
    }
    Shown::of_interval(of.lower, of.upper, margin)
}
