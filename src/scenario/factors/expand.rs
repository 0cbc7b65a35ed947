//! The plan's list: each design at each of its points, checked, in the order of designs and then of points.
//!
//! Every point is checked before anything runs, with the levels in place of the values of the file; a level that does not fit is
//! complained about at its place. Points share the manifests and whatever parameters are equal. What a point is belongs to
//! `points`, how a design is checked to `world`.

use std::collections::BTreeSet;
use std::path::Path;

use super::points::Points;
use super::{Factors, POINTS_MAX};
use crate::scenario::error::InputError;
use crate::scenario::layers::{Layers, Merged};
use crate::scenario::schema::{Experiment, Text};
use crate::scenario::values::complain;
use crate::scenario::world::{Design, Shared, design};

const ERRORS_MAX: usize = 50;

pub(in crate::scenario) struct Expanded {
    pub(in crate::scenario) designs: Vec<Design>,
    pub(in crate::scenario) excluded: usize,
    pub(in crate::scenario) warnings: Vec<String>,
}

/// Checks every design at every point.
///
/// # Errors
/// Everything that is wrong, each thing once and in the order of its place.
pub(in crate::scenario) fn expand(
    shared: &Shared<'_>,
    file: &Path,
    experiment: &Experiment,
    factors: &Factors,
    layers: &Layers<'_>,
) -> Result<Expanded, Vec<InputError>> {
    let mut errors: Vec<InputError> = Vec::new();
    let mut of_designs: Vec<Points> = Vec::new();
    let designs = experiment.designs.iter().enumerate();
    let before: Vec<_> = designs
        .map(|(number, written)| layers.design(number, written))
        .collect();
    for design in &before {
        match factors.points(design) {
            Ok(points) => of_designs.push(points),
            Err(error) => errors.push(error),
        }
    }
    let points: usize = of_designs.iter().map(|points| points.points.len()).sum();
    if points > POINTS_MAX
        && let Some((name, _)) = experiment.factors.0.first()
    {
        let message = format!(
            "the factors give {points} points of {} designs",
            experiment.designs.len()
        );
        let hint = format!("at most {POINTS_MAX}; take fewer levels, exclude some by `constraints`, or sample ranges");
        errors.push(complain(file, name, message).with_hint(hint));
    }
    if !errors.is_empty() {
        return Err(sorted(errors));
    }
    let mut designs: Vec<Design> = Vec::with_capacity(points);
    for (before, points) in before.iter().zip(&of_designs) {
        let first = designs.len();
        for point in &points.points {
            if errors.len() > ERRORS_MAX {
                break;
            }
            let levels = point
                .levels
                .iter()
                .map(|(factor, level)| (&factors.all[*factor], level));
            let found = before.at(levels).map_err(|error| vec![error]).and_then(|experiment| {
                let merged = Merged {
                    file,
                    design: before.design,
                    experiment: &experiment,
                };
                design(shared, &merged)
            });
            match found {
                Ok(mut found) => {
                    found.at(factors.named(point), designs.get(first));
                    designs.push(found);
                }
                Err(wrong) => {
                    errors.extend(wrong);
                    errors = sorted(errors);
                }
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Expanded {
        warnings: warnings(file, factors, experiment, &of_designs),
        excluded: of_designs.iter().map(|points| points.excluded).sum(),
        designs,
    })
}

/// The errors in the order of their places, each once.
pub(in crate::scenario) fn sorted(mut errors: Vec<InputError>) -> Vec<InputError> {
    errors.sort_by(|a, b| (&a.file, a.line, a.column, &a.message).cmp(&(&b.file, b.line, b.column, &b.message)));
    errors.dedup();
    errors
}

/// Constraints and factors without effect, and samples that are no longer whole.
fn warnings(file: &Path, factors: &Factors, experiment: &Experiment, of_designs: &[Points]) -> Vec<String> {
    let warning = |at: &Text, message: String| complain(file, at, message).to_string();
    let mut found = factors.warnings.clone();
    for (index, constraint) in factors.constraints.iter().enumerate() {
        if !of_designs.iter().any(|points| points.used[index]) {
            let text = &constraint.text;
            found.push(warning(
                text,
                format!("the constraint `{}` excludes nothing", text.value),
            ));
        }
    }
    let taken: BTreeSet<usize> = of_designs
        .iter()
        .filter_map(|points| points.points.first())
        .flat_map(|point| point.levels.iter().map(|(factor, _)| *factor))
        .collect();
    for (index, factor) in factors.all.iter().enumerate() {
        if !taken.contains(&index) {
            let name = &factor.name;
            found.push(warning(name, format!("no design takes the factor `{}`", name.value)));
        }
    }
    for (written, points) in experiment.designs.iter().zip(of_designs) {
        let name = &written.name.value;
        if points.excluded > 0 && factors.sample_points > 0 {
            found.push(format!(
                "design `{name}`: constraints exclude {} of {} points; what is left of a sample fills the ranges unevenly",
                points.excluded,
                points.excluded + points.points.len()
            ));
        }
        if points.repeated > 0 {
            found.push(format!(
                "design `{name}`: {} points of the sample repeat earlier ones, because their values are whole, and are left out",
                points.repeated
            ));
        }
    }
    found
}
