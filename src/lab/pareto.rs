//! Which designs are dominated in access, start-up and cost, as far as paired intervals say so (`methods.md` 3.7).
//!
//! Nothing is added up: a design is dominated if another is shown to be better in one objective, and in every other one
//! shown to be better too, or equal in every single replication. All intervals behind one set hold together.

use rayon::prelude::*;
use serde::Serialize;

use super::compare::{ACCESS, DesignDifference, REQUESTS, Side, difference_of};
use super::differences::How;
use super::manifest::Manifest;
use super::summary::CONFIDENCE;
use crate::scenario::point_name::point_of;
use crate::stats::bonferroni;

/// The designs of one point of the factors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pareto {
    /// The point of the factors; empty without factors.
    pub point: String,
    /// What is weighed; smaller is better in all of them.
    pub objectives: Vec<String>,
    /// Number of intervals that hold together.
    pub family: usize,
    /// Confidence of each of them.
    pub confidence_each: f64,
    /// The designs in their order.
    pub designs: Vec<Standing>,
}

/// How a design stands among the others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// The design.
    pub design: String,
    /// Its values, one per objective.
    pub values: Vec<Option<f64>>,
    /// Whether it is dominated, and what is known if not.
    pub verdict: Verdict,
    /// The designs that dominate it.
    pub dominated_by: Vec<String>,
}

/// Whether a design is dominated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// In the Pareto set: against every other design it is shown to be better in something.
    Best,
    /// In the Pareto set as far as the intervals say: no other design is shown to dominate it, nor is that excluded.
    Undecided,
    /// Another design dominates it.
    Dominated,
}

/// One objective of one pair, seen from the first design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Better,
    Worse,
    Equal,
    Nothing,
}

impl Shown {
    const fn mirrored(self) -> Self {
        match self {
            Self::Better => Self::Worse,
            Self::Worse => Self::Better,
            other => other,
        }
    }
}

enum Objective<'m> {
    Measured(&'m str),
    /// Known without running anything: the cost, or the replicas of the control plane.
    Exact(&'static str),
}

/// The Pareto set of each point of the factors that has several designs.
pub(super) fn pareto_sets(manifest: &Manifest, sides: &[Side<'_>], startup: &str) -> Vec<Pareto> {
    let mut points: Vec<&str> = Vec::new();
    for side in sides {
        let point = point_of(side.label());
        if !points.contains(&point) {
            points.push(point);
        }
    }
    let sets = points.into_iter().filter_map(|point| {
        let there: Vec<&Side<'_>> = sides.iter().filter(|side| point_of(side.label()) == point).collect();
        (there.len() > 1).then(|| pareto_set(manifest, point, &there, startup))
    });
    sets.collect()
}

fn pareto_set(manifest: &Manifest, point: &str, sides: &[&Side<'_>], startup: &str) -> Pareto {
    let costs = sides.iter().all(|side| side.context.design.cost.is_some());
    let objectives = if costs {
        vec![
            Objective::Measured(ACCESS),
            Objective::Measured(startup),
            Objective::Exact("cost"),
        ]
    } else {
        let replicas = Objective::Exact("control_plane_replicas");
        vec![
            Objective::Measured(ACCESS),
            Objective::Measured(startup),
            Objective::Measured(REQUESTS),
            replicas,
        ]
    };
    let count = sides.len();
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect();
    let measured = objectives
        .iter()
        .filter(|of| matches!(of, Objective::Measured(_)))
        .count();
    let family = pairs.len() * measured;
    let how = How {
        confidence: bonferroni(CONFIDENCE, family),
        factor: 1.0,
        paired: true,
        // Without a mesh nobody asks for certificates: that is a number, 0, when costs are weighed.
        absent_counts: true,
    };
    let work: Vec<(&(usize, usize), &Objective<'_>)> = pairs
        .iter()
        .flat_map(|pair| objectives.iter().map(move |of| (pair, of)))
        .collect();
    let shown: Vec<Shown> = work
        .into_par_iter()
        .map(|((a, b), objective)| match objective {
            Objective::Exact(what) => exactly(exact(sides[*a], what), exact(sides[*b], what)),
            Objective::Measured(measure) => difference_of(manifest.seed, measure, sides[*a], sides[*b], &how)
                .map_or(Shown::Nothing, |difference| shown(&difference)),
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
        let is_dominated = |of: &[Shown]| {
            of.contains(&Shown::Worse) && of.iter().all(|shown| matches!(shown, Shown::Worse | Shown::Equal))
        };
        let dominating = against.iter().filter(|(_, of)| is_dominated(of));
        let dominated_by: Vec<String> = dominating.map(|(other, _)| sides[*other].label().to_owned()).collect();
        let verdict = if !dominated_by.is_empty() {
            Verdict::Dominated
        } else if against.iter().all(|(_, of)| of.contains(&Shown::Better)) {
            Verdict::Best
        } else {
            Verdict::Undecided
        };
        Standing {
            design: sides[design].label().to_owned(),
            values: objectives.iter().map(|of| value(sides[design], of)).collect(),
            verdict,
            dominated_by,
        }
    };
    Pareto {
        point: point.to_owned(),
        objectives: objectives.iter().map(|of| of.name().to_owned()).collect(),
        family,
        confidence_each: how.confidence,
        designs: (0..count).map(standing).collect(),
    }
}

impl Objective<'_> {
    const fn name(&self) -> &str {
        match self {
            Self::Measured(name) | Self::Exact(name) => name,
        }
    }
}

fn exact(side: &Side<'_>, what: &str) -> Option<f64> {
    let design = side.context.design;
    match what {
        "cost" => design.cost.as_ref().map(|cost| cost.value),
        _ => design.control_plane_replicas.map(f64::from),
    }
}

fn value(side: &Side<'_>, objective: &Objective<'_>) -> Option<f64> {
    match objective {
        Objective::Exact(what) => exact(side, what),
        Objective::Measured(measure) => super::differences::point(measure, side.context),
    }
}

fn exactly(a: Option<f64>, b: Option<f64>) -> Shown {
    match a.zip(b) {
        Some((a, b)) if a < b => Shown::Better,
        Some((a, b)) if a > b => Shown::Worse,
        Some(_) => Shown::Equal,
        None => Shown::Nothing,
    }
}

fn shown(of: &DesignDifference) -> Shown {
    let all = |share: &Option<crate::stats::Estimate>| share.as_ref().is_some_and(|share| share.estimate == Some(1.0));
    let none = |share: &Option<crate::stats::Estimate>| share.as_ref().is_some_and(|share| share.estimate == Some(0.0));
    // A difference that is the same in every pair has no interval; then the sign test speaks.
    let by_sign = of.lower.is_none() && of.upper.is_none() && of.p_value.is_some_and(|p| p <= 1.0 - of.confidence);
    if of.upper.is_some_and(|upper| upper < 0.0) || by_sign && all(&of.a_smaller) {
        Shown::Better
    } else if of.lower.is_some_and(|lower| lower > 0.0) || by_sign && all(&of.a_larger) {
        Shown::Worse
    } else if of.difference == Some(0.0) && none(&of.a_smaller) && none(&of.a_larger) {
        Shown::Equal
    } else {
        Shown::Nothing
    }
}
