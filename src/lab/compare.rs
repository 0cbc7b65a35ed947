//! Designs against each other, of one result or of two: which pairs, how many claims at once, and the intervals that hold
//! together. Every page, table and figure shows these and no others.
//!
//! Works from numbers of runs, fresh or stored. One measure of one pair is in `differences`, what dominates what in `pareto`,
//! words in `report`. Designs at different points of the factors are compared only on request.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::Serialize;

use super::common_numbers::differences_of;
pub use super::comparison::{Comparison, excludes_zero};
use super::controls::Controls;
use super::differences::{How, Incomparable, MeasureDifference, comparable, difference, point};
use super::lists::unique;
use super::manifest::Manifest;
use super::measures::{Better, Context, Frame, Known, ready_quantiles};
use super::numbers::DesignNumbers;
use super::pareto::{Pareto, pareto_sets};
use super::plan::{Plan, PlannedDesign, RandomNumbers};
use super::questions::Questions;
use super::result::Finished;
use super::summary::CONFIDENCE;
use crate::scenario::margins::Margin;
use crate::scenario::point_name::{base_of, point_of};
use crate::stats::{bonferroni, holm_adjusted};

/// What an architect weighs first: who gets in.
pub const ACCESS: &str = "unauthorized_any";
/// The usual measure of startup, if every design reaches it.
pub const STARTUP: &str = "startup_latency_p99";
/// Stands for cost where the experiment names none.
pub const REQUESTS: &str = "certificate_requests";

/// What designs are compared with.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Baseline {
    /// Each other.
    #[default]
    Pairs,
    /// Each with its own control.
    Controls,
    /// All with this one.
    Design(String),
}

impl Baseline {
    /// Own controls where there are any, else all pairs.
    pub fn usual(designs: &[PlannedDesign]) -> Self {
        match Controls::of(designs).is_empty() {
            true => Self::Pairs,
            false => Self::Controls,
        }
    }

    fn design(&self) -> Option<&String> {
        match self {
            Self::Design(name) => Some(name),
            Self::Pairs | Self::Controls => None,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    pub baseline: Baseline,
    /// Only these designs, besides what they are compared with; empty for all.
    pub designs: Vec<String>,
    /// Measures; empty for those of the experiment's headline, else access, startup and, where no cost is named, certificate requests.
    pub measures: Vec<String>,
    pub startup: Option<String>,
    /// Differences that do not matter, before those of the experiment.
    pub margins: Vec<Margin>,
    /// Whether two results without common random numbers are compared as independent.
    pub unpaired: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Compared {
    pub experiment: String,
    /// Replications per design, of the first result.
    pub replications: u64,
    /// Whether equal replications used the same random events.
    pub paired: bool,
    /// What differs between two results apart from designs; empty for one result.
    pub differs: Vec<String>,
    /// Confidence with which all intervals hold together.
    pub confidence: f64,
    /// Number of comparisons, the family of claims.
    pub family: usize,
    pub confidence_each: f64,
    pub comparisons: Vec<Comparison>,
    pub left_out: Vec<String>,
    /// The Pareto sets, one per point of the factors; empty between two results.
    pub pareto: Vec<Pareto>,
}

#[derive(Clone, Copy)]
pub(super) struct Side<'n> {
    pub(super) context: Context<'n>,
    pub(super) label: &'n str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CannotCompare {
    Design(String, Vec<String>),
    NoPair,
    /// Two results that share no random numbers, and what differs.
    NotPaired(Vec<String>),
}

/// The usual comparisons of a result in the making, and why others cannot be made; nothing if there is no pair.
pub(super) fn compare_usual(plan: &Plan, frame: &Frame, numbers: &[DesignNumbers]) -> (Vec<Comparison>, Vec<String>) {
    let sides = sides(&plan.designs, numbers, frame);
    let asked = Asked {
        baseline: Baseline::usual(&plan.designs),
        ..Asked::default()
    };
    let Ok(pairs) = pairs_within(&plan.designs, &sides, &asked) else {
        return (Vec::new(), Vec::new());
    };
    let startup = startup_of(&sides, &asked);
    let measures = measures_of(&plan.designs, &asked, &startup, &plan.questions);
    compare_pairs(&pairs, &measures, plan.random_numbers == RandomNumbers::Common)
}

/// The Pareto sets of a result with its own margins.
pub fn pareto_of(result: &Finished) -> Vec<Pareto> {
    let frame = Frame::of_manifest(&result.manifest);
    let sides = sides(&result.manifest.designs, &result.numbers, &frame);
    let startup = startup_of(&sides, &Asked::default());
    pareto_sets(
        &result.manifest.designs,
        &sides,
        &startup,
        &result.manifest.questions.margins,
    )
}

pub fn compare_within(result: &Finished, asked: &Asked) -> Result<Compared, CannotCompare> {
    let manifest = &result.manifest;
    let frame = Frame::of_manifest(manifest);
    let sides = sides(&manifest.designs, &result.numbers, &frame);
    let pairs = pairs_within(&manifest.designs, &sides, asked)?;
    let startup = startup_of(&sides, asked);
    let measures = measures_of(&manifest.designs, asked, &startup, &manifest.questions);
    let paired = manifest.random_numbers == RandomNumbers::Common;
    let mut compared = Compared::new(manifest, paired, compare_pairs(&pairs, &measures, paired));
    let margins = asked.margins.iter().chain(&manifest.questions.margins).cloned();
    compared.pareto = pareto_sets(&manifest.designs, &sides, &startup, &margins.collect::<Vec<_>>());
    Ok(compared)
}

/// Compares designs of one result with those of another.
///
/// # Errors
/// If they share no random numbers and `unpaired` was not requested, or no design of one has a counterpart.
pub fn compare_between(result: &Finished, other: &Finished, asked: &Asked) -> Result<Compared, CannotCompare> {
    let (breaking, mut differs) = differences_of(&result.manifest, &other.manifest);
    if !breaking.is_empty() && !asked.unpaired {
        return Err(CannotCompare::NotPaired(breaking));
    }
    let frames = (
        Frame::of_manifest(&result.manifest),
        Frame::of_manifest(&other.manifest),
    );
    let first = sides(&result.manifest.designs, &result.numbers, &frames.0);
    let second = sides(&other.manifest.designs, &other.numbers, &frames.1);
    let labels: Vec<String> = first.iter().map(|side| format!("{} (first)", side.label)).collect();
    let other_labels: Vec<String> = second.iter().map(|side| format!("{} (second)", side.label)).collect();
    let wanted = |side: &Side<'_>| asked.designs.is_empty() || asked.designs.iter().any(|name| is_named(side, name));
    for name in asked.designs.iter().chain(asked.baseline.design()) {
        known(&first, name).or_else(|_| known(&second, name))?;
    }
    let mut pairs = Vec::new();
    for (a, label_a) in first.iter().zip(&labels).filter(|(side, _)| wanted(side)) {
        let counterpart = |b: &Side<'_>| match asked.baseline.design() {
            Some(baseline) => is_named(b, baseline) && (point_of(a.label) == point_of(b.label) || b.label == baseline),
            None => a.label == b.label || (first.len() == 1 && second.len() == 1),
        };
        for (b, label_b) in second.iter().zip(&other_labels).filter(|(b, _)| counterpart(b)) {
            pairs.push((Side { label: label_a, ..*a }, Side { label: label_b, ..*b }));
        }
    }
    if pairs.is_empty() {
        return Err(CannotCompare::NoPair);
    }
    let both: Vec<Side<'_>> = first.iter().chain(&second).copied().collect();
    let startup = startup_of(&both, asked);
    let measures = measures_of(&result.manifest.designs, asked, &startup, &result.manifest.questions);
    let paired = breaking.is_empty();
    let made = compare_pairs(&pairs, &measures, paired);
    let mut compared = Compared::new(&result.manifest, paired, made);
    differs.splice(0..0, breaking);
    compared.differs = differs;
    Ok(compared)
}

fn sides<'n>(designs: &'n [PlannedDesign], numbers: &'n [DesignNumbers], frame: &'n Frame) -> Vec<Side<'n>> {
    designs
        .iter()
        .zip(numbers)
        .map(|(design, numbers)| Side {
            context: Context { frame, design, numbers },
            label: &design.name,
        })
        .collect()
}

/// Whether a design is meant by a name: its own, or without its point of the factors.
fn is_named(side: &Side<'_>, name: &str) -> bool {
    side.label == name || base_of(side.label) == name
}

fn known(sides: &[Side<'_>], name: &str) -> Result<(), CannotCompare> {
    if sides.iter().any(|side| is_named(side, name)) {
        return Ok(());
    }
    let names = sides.iter().map(|side| side.label.to_owned()).collect();
    Err(CannotCompare::Design(name.to_owned(), names))
}

fn pairs_within<'n>(
    designs: &[PlannedDesign],
    sides: &[Side<'n>],
    asked: &Asked,
) -> Result<Vec<(Side<'n>, Side<'n>)>, CannotCompare> {
    for name in asked.designs.iter().chain(asked.baseline.design()) {
        known(sides, name)?;
    }
    let wanted = |side: &Side<'_>| asked.designs.is_empty() || asked.designs.iter().any(|name| is_named(side, name));
    let same_point = |a: &Side<'_>, b: &Side<'_>| point_of(a.label) == point_of(b.label);
    let mut pairs = Vec::new();
    if asked.baseline == Baseline::Controls {
        let controls = Controls::of(designs);
        let own = (0..sides.len()).filter(|place| wanted(&sides[*place]));
        let mut own: Vec<(usize, usize)> = own
            .filter_map(|place| Some((controls.control_of(place)?, place)))
            .collect();
        own.sort_unstable();
        pairs.extend(own.into_iter().map(|(control, place)| (sides[place], sides[control])));
    } else if let Some(baseline) = asked.baseline.design() {
        // A full name of a point stands against all points, a bare one against its own.
        let exact = |side: &Side<'_>| side.label == baseline && !point_of(side.label).is_empty();
        for b in sides.iter().filter(|side| is_named(side, baseline)) {
            let against = |a: &&Side<'_>| {
                a.label != b.label && wanted(a) && !is_named(a, baseline) && (exact(b) || same_point(a, b))
            };
            pairs.extend(sides.iter().filter(against).map(|a| (*a, *b)));
        }
    } else {
        for (index, a) in sides.iter().enumerate().filter(|(_, side)| wanted(side)) {
            let later = sides[index + 1..].iter().filter(|b| wanted(b) && same_point(a, b));
            pairs.extend(later.map(|b| (*a, *b)));
        }
    }
    if pairs.is_empty() {
        return Err(CannotCompare::NoPair);
    }
    Ok(pairs)
}

/// The measure of startup: the one that was asked for, else the highest usual quantile that every design reaches. Where
/// more than a hundredth of the pods was deleted first, the 99% quantile is no time at all.
fn startup_of(sides: &[Side<'_>], asked: &Asked) -> String {
    if let Some(startup) = &asked.startup {
        return startup.clone();
    }
    let reached = |measure: &&&Known| sides.iter().all(|side| point(&measure.name, side.context).is_some());
    let found = ready_quantiles();
    let found = found.iter().rev().find(reached).map(|found| found.name.as_str());
    found.unwrap_or(STARTUP).to_owned()
}

fn measures_of(designs: &[PlannedDesign], asked: &Asked, startup: &str, questions: &Questions) -> Vec<String> {
    let named = [&asked.measures, &questions.headline];
    if let Some(named) = named.into_iter().find(|named| !named.is_empty()) {
        return unique(named.iter().cloned());
    }
    let costs = designs.iter().all(|design| design.cost.is_some());
    let usual = [ACCESS, startup].into_iter().chain((!costs).then_some(REQUESTS));
    usual.map(str::to_owned).collect()
}

impl Compared {
    fn new(manifest: &Manifest, paired: bool, (comparisons, left_out): (Vec<Comparison>, Vec<String>)) -> Self {
        Self {
            experiment: manifest.experiment.clone(),
            replications: manifest.replications,
            paired,
            differs: Vec::new(),
            confidence: CONFIDENCE,
            family: comparisons.len(),
            confidence_each: comparisons.first().map_or(CONFIDENCE, |first| first.confidence),
            comparisons,
            left_out,
            pareto: Vec::new(),
        }
    }
}

/// Compares the measures of pairs with intervals that hold together; also gives what cannot be compared, with the reason.
fn compare_pairs(pairs: &[(Side<'_>, Side<'_>)], measures: &[String], paired: bool) -> (Vec<Comparison>, Vec<String>) {
    let work: Vec<(&String, &(Side<'_>, Side<'_>))> = measures
        .iter()
        .flat_map(|measure| pairs.iter().map(move |pair| (measure, pair)))
        .collect();
    // The family is what can be compared, so that first is found out at no cost.
    let probe = How {
        confidence: CONFIDENCE,
        factor: 1.0,
        paired,
        absent_counts: false,
    };
    let (possible, mut left_out) = possible(&work, &probe);
    let how = How {
        confidence: bonferroni(CONFIDENCE, possible.len()),
        ..probe
    };
    let made: Vec<Result<Comparison, String>> = possible
        .into_par_iter()
        .map(|(measure, (a, b))| difference_of(measure, a, b, &how))
        .collect();
    let mut comparisons = Vec::new();
    for result in made {
        match result {
            Ok(comparison) => comparisons.push(comparison),
            Err(why) => left_out.push(why),
        }
    }
    adjust(&mut comparisons);
    (comparisons, left_out)
}

type Work<'w, 'n> = (&'w String, &'w (Side<'n>, Side<'n>));

fn possible<'w, 'n>(work: &[Work<'w, 'n>], how: &How) -> (Vec<Work<'w, 'n>>, Vec<String>) {
    let mut possible = Vec::new();
    // Each reason once, with all the designs that it holds for.
    let mut reasons: Vec<(&str, Incomparable, Vec<String>)> = Vec::new();
    for (measure, pair) in work {
        let (a, b) = (pair.0.context, pair.1.context);
        if comparable(measure, a, b, how).is_ok() {
            possible.push((*measure, *pair));
            continue;
        }
        for why in [a, b]
            .iter()
            .filter_map(|side| comparable(measure, *side, *side, how).err())
        {
            let design = why.design().map(str::to_owned);
            match reasons
                .iter_mut()
                .find(|(of, known, _)| of == measure && known.is_like(&why))
            {
                Some((.., designs)) => designs.extend(design.filter(|name| !designs.contains(name))),
                None => reasons.push((measure, why, design.into_iter().collect())),
            }
        }
    }
    let labels = work
        .iter()
        .flat_map(|(_, (a, b))| [&a.context.design.name, &b.context.design.name]);
    let all = labels.collect::<BTreeSet<_>>().len();
    let words = |(measure, why, designs): (&str, Incomparable, Vec<String>)| {
        let designs: Vec<&str> = designs.iter().map(String::as_str).collect();
        why.words(measure, &designs, all)
    };
    (possible, reasons.into_iter().map(words).collect())
}

pub(super) fn difference_of(measure: &str, a: &Side<'_>, b: &Side<'_>, how: &How) -> Result<Comparison, String> {
    let made = difference(measure, a.context, b.context, how)?;
    let MeasureDifference {
        difference,
        smaller,
        larger,
        unit,
        better,
        estimand,
    } = made;
    let alone = |side: &Side<'_>| point(measure, side.context);
    let estimate = difference.estimate;
    Ok(Comparison {
        a: a.label.to_owned(),
        b: b.label.to_owned(),
        measure: measure.to_owned(),
        estimand,
        unit: unit.to_owned(),
        smaller_is_better: match better {
            Better::Smaller => Some(true),
            Better::Larger => Some(false),
            Better::Neither => None,
        },
        of_a: alone(a),
        of_b: alone(b),
        difference: estimate.estimate,
        lower: estimate.lower,
        upper: estimate.upper,
        confidence: estimate.confidence,
        method: estimate.method,
        n: estimate.n,
        p_value: difference.p_value,
        p_holm: None,
        correlation: difference.common_random_numbers.correlation,
        variance_reduction: difference.common_random_numbers.variance_reduction,
        a_smaller: smaller,
        a_larger: larger,
    })
}

/// Fills in the p-values adjusted for the family; a comparison without a test counts as one that shows nothing.
fn adjust(comparisons: &mut [Comparison]) {
    let p_values: Vec<f64> = comparisons.iter().map(|of| of.p_value.unwrap_or(1.0)).collect();
    let adjusted = holm_adjusted(&p_values);
    for (comparison, adjusted) in comparisons.iter_mut().zip(adjusted) {
        comparison.p_holm = comparison.p_value.map(|_| adjusted);
    }
}
