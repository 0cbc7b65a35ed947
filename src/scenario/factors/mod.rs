//! Factors of an experiment: what is varied in addition to the design, and the numbered list of points that this gives.
//!
//! Begins in [`Factors::read`]. The file's form is `form`, what a factor sets `target`, values with units `quantity`, steps
//! and samples of a range `levels`, `sobol` and `latin`, which combinations are left out `expression`, the points of a design
//! `points`, and the designs at them `expand`. Values become text with few digits before anything else happens: the text names the point, and the text is
//! what is read again when its design is checked, so what is shown is what was run.

pub mod expand;
pub mod expression;
pub mod form;
pub mod latin;
pub mod levels;
pub mod points;
pub mod quantity;
pub mod sobol;
pub mod target;

#[cfg(test)]
mod tests;

use std::path::Path;

use super::error::{InputError, all, keep, keep_one};
use super::keys::Key;
use super::layers::Layers;
use super::schema::{Experiment, Text};
use super::values::{complain, unknown};
use expression::Constraint;
use form::FactorForm;
use levels::Levels;

/// Most points of all designs together, after constraints.
pub const POINTS_MAX: usize = 10_000;
/// Most combinations of one design before constraints.
pub const COMBINATIONS_MAX: usize = 1_000_000;
/// Words that a factor cannot be named: columns of result tables, words of constraints, units.
const RESERVED: [&str; 15] = [
    "design",
    "base_design",
    "replication",
    "and",
    "or",
    "not",
    "true",
    "false",
    "ns",
    "us",
    "ms",
    "s",
    "m",
    "min",
    "h",
];

/// One factor.
#[derive(Clone, Debug)]
pub struct Factor {
    /// Its name, with its place.
    pub name: Text,
    /// The key that it sets.
    pub sets: Key,
    /// Its levels.
    pub levels: Levels,
}

/// All factors of an experiment, checked.
#[derive(Clone, Debug, Default)]
pub struct Factors {
    /// The factors in the order of the file.
    pub all: Vec<Factor>,
    /// What excludes combinations.
    pub constraints: Vec<Constraint>,
    /// Points of the sample; 0 if no factor is sampled.
    pub sample_points: usize,
    /// What looks like a mistake but has a meaning.
    pub warnings: Vec<String>,
}

/// Where the chance in a sample comes from.
#[derive(Clone, Copy, Debug)]
pub struct Chance<'a> {
    /// Master seed.
    pub seed: u64,
    /// Seed group of the experiment.
    pub seed_group: &'a str,
}

impl Factors {
    /// Reads and checks the factors of an experiment.
    ///
    /// # Errors
    /// For every factor or constraint that is wrong.
    pub fn read(
        file: &Path,
        experiment: &Experiment,
        layers: &Layers<'_>,
        chance: Chance<'_>,
    ) -> Result<Self, Vec<InputError>> {
        let mut factors = Self::default();
        let (mut sampled, mut wrong) = (Vec::new(), Vec::new());
        for (name, form) in &experiment.factors.0 {
            let read = factor(file, layers, name, form, &factors.all);
            let Some((factor, range)) = keep_one(&mut wrong, read) else {
                continue;
            };
            sampled.extend(range.map(|range| (factors.all.len(), range)));
            factors.all.push(factor);
        }
        // A sample and constraints mean all factors.
        if wrong.is_empty() {
            keep_one(&mut wrong, factors.sample(file, experiment, sampled, chance));
            let constraints = experiment.constraints.iter();
            let constraints = all(constraints.map(|text| Constraint::read(file, text, &factors.all)));
            factors.constraints = keep(&mut wrong, constraints).unwrap_or_default();
        }
        if wrong.is_empty() { Ok(factors) } else { Err(wrong) }
    }

    fn sample(
        &mut self,
        file: &Path,
        experiment: &Experiment,
        sampled: Vec<(usize, levels::Range)>,
        chance: Chance<'_>,
    ) -> Result<(), InputError> {
        let Some(sampling) = &experiment.sampling else {
            return match sampled.first() {
                None => Ok(()),
                Some((index, _)) => {
                    let name = &self.all[*index].name;
                    let message = format!("the range of `{}` has no `steps`", name.value);
                    Err(complain(file, name, message)
                        .with_hint("write `steps: 4`, or sample it: `sampling: {method: latin_hypercube, points: 64}`"))
                }
            };
        };
        if sampled.is_empty() {
            let message = "there is no range to be sampled";
            return Err(complain(file, &sampling.method, message).with_hint("a range without `steps` is sampled"));
        }
        let names: Vec<&str> = sampled
            .iter()
            .map(|(index, _)| self.all[*index].name.value.as_str())
            .collect();
        let sample = levels::sample(file, sampling, &names, chance)?;
        self.warnings.extend(sample.warning);
        self.sample_points = sample.points;
        for (dimension, (index, range)) in sampled.iter().enumerate() {
            let texts = sample.units.iter().map(|point| range.at(point[dimension]));
            self.all[*index].levels = Levels {
                texts: texts.collect(),
                sampled: true,
            };
        }
        Ok(())
    }

    /// The position of the factor that a text names.
    pub fn find(&self, file: &Path, name: &Text) -> Result<usize, InputError> {
        let found = self.all.iter().position(|factor| factor.name.value == name.value);
        let known = self.all.iter().map(|factor| factor.name.value.as_str());
        found.ok_or_else(|| unknown(file, name, "factor", known))
    }
}

/// A factor, and its range if that is sampled.
fn factor(
    file: &Path,
    layers: &Layers<'_>,
    name: &Text,
    form: &FactorForm,
    earlier: &[Factor],
) -> Result<(Factor, Option<levels::Range>), InputError> {
    check_name(file, name)?;
    let sets = target::read(file, layers, &form.set)?;
    let mut set = layers.overrides.changes.iter().map(|(key, _)| key);
    if let Some(key) = set.find(|key| key.overlaps(&sets)) {
        let message = format!("--set {}: the factor `{}` varies it", key.written, name.value);
        let error = complain(file, &form.set, message);
        return Err(error.with_hint("choose points with `--design DESIGN@factor=value,…`"));
    }
    if let Some(earlier) = earlier.iter().find(|earlier| earlier.sets.overlaps(&sets)) {
        let message = format!(
            "`{}` is set by the factor `{}` already",
            form.set.value, earlier.name.value
        );
        return Err(complain(file, &form.set, message).with_hint("one factor sets one thing"));
    }
    let (texts, range) = match levels::read(file, name, form, &sets)? {
        levels::Read::Levels(levels) => (levels, None),
        levels::Read::Sampled(range) => (Vec::new(), Some(range)),
    };
    let factor = Factor {
        name: name.clone(),
        sets,
        levels: Levels { texts, sampled: false },
    };
    Ok((factor, range))
}

fn check_name(file: &Path, name: &Text) -> Result<(), InputError> {
    let word = &name.value;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !word.starts_with(|c: char| c.is_ascii_alphabetic()) || !word.chars().all(plain) {
        let message = format!("`{word}` is not a valid name for a factor");
        return Err(complain(file, name, message).with_hint("a letter, then letters, digits and `_`"));
    }
    if RESERVED.contains(&word.as_str()) {
        let message = format!("`{word}` is not a valid name for a factor");
        return Err(complain(file, name, message).with_hint("the word has a meaning in constraints or in tables"));
    }
    Ok(())
}
