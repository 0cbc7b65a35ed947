//! The points of a design: one for each combination of the factors that it takes and that no constraint excludes.
//!
//! The first factor of the file varies slowest. Factors of a sample vary together, in the place of the first of them.

use std::collections::BTreeSet;

use indexmap::IndexMap;

use super::target::is_of_istio;
use super::{COMBINATIONS_MAX, Factors};
use crate::scenario::error::InputError;
use crate::scenario::layers::OfDesign;
use crate::scenario::schema::Text;
use crate::scenario::values::complain;

/// One point: the level of each factor that the design takes, in the order of the factors.
#[derive(Clone, Debug, Default)]
pub struct Point {
    /// Position of the factor, and its level.
    pub levels: Vec<(usize, Text)>,
}

/// The points of one design.
#[derive(Clone, Debug, Default)]
pub struct Points {
    /// In their order.
    pub points: Vec<Point>,
    /// How many combinations constraints have excluded.
    pub excluded: usize,
    /// How many points of a sample are the same as an earlier one.
    pub repeated: usize,
    /// Which constraints have excluded something.
    pub used: Vec<bool>,
}

/// An axis of the grid: factors that take their levels together.
struct Axis {
    factors: Vec<usize>,
    length: usize,
}

impl Factors {
    /// The points of a design; a single one without levels if it takes no factor.
    ///
    /// # Errors
    /// If the design names a factor that there is not, sets itself what a factor sets, has no Istio for a factor of Istio,
    /// or has too many points or none.
    pub fn points(&self, of: &OfDesign<'_, '_>) -> Result<Points, InputError> {
        let taken = self.taken(of)?;
        let axes = self.axes(&taken);
        let combinations = axes
            .iter()
            .try_fold(1_usize, |product, axis| product.checked_mul(axis.length));
        let design = &of.design.name;
        let Some(combinations) = combinations.filter(|combinations| *combinations <= COMBINATIONS_MAX) else {
            let message = format!("design `{}` has too many combinations of factors", design.value);
            let hint = format!(
                "at most {COMBINATIONS_MAX} before constraints; take fewer levels, or sample ranges by leaving `steps` out"
            );
            return Err(complain(of.file, design, message).with_hint(hint));
        };
        let applicable: Vec<usize> = (0..self.constraints.len())
            .filter(|index| self.constraints[*index].names().all(|factor| taken.contains(&factor)))
            .collect();
        let mut found = Points {
            used: vec![false; self.constraints.len()],
            ..Points::default()
        };
        let mut seen = BTreeSet::new();
        for number in 0..combinations {
            let point = self.point(&axes, number);
            // Only a sample can repeat itself, in whole numbers.
            if self.sample_points > 0 {
                let levels = point.levels.iter().map(|(_, level)| level.value.clone());
                if !seen.insert(levels.collect::<Vec<_>>()) {
                    found.repeated += 1;
                    continue;
                }
            }
            let mut excluded = false;
            for &index in &applicable {
                if !self.constraints[index].holds(of.file, &self.all, &point)? {
                    excluded = true;
                    found.used[index] = true;
                }
            }
            match excluded {
                true => found.excluded += 1,
                false => found.points.push(point),
            }
        }
        if found.points.is_empty() {
            let message = format!("constraints exclude every point of design `{}`", design.value);
            return Err(
                complain(of.file, design, message).with_hint("a constraint is a condition that every point meets")
            );
        }
        Ok(found)
    }

    /// The factors that a design takes: those that it names, or all.
    fn taken(&self, of: &OfDesign<'_, '_>) -> Result<Vec<usize>, InputError> {
        let (file, design) = (of.file, of.design);
        let mut taken: Vec<usize> = match &design.factors {
            Some(names) => names
                .iter()
                .map(|name| self.find(file, name))
                .collect::<Result<_, _>>()?,
            None => (0..self.all.len()).collect(),
        };
        taken.sort_unstable();
        taken.dedup();
        for &index in &taken {
            let factor = &self.all[index];
            let others: Vec<&str> = taken
                .iter()
                .filter(|other| **other != index)
                .map(|other| self.all[*other].name.value.as_str())
                .collect();
            let hint = format!("write `factors: [{}]` in the design", others.join(", "));
            if let Some(place) = of.place_of(&factor.sets) {
                let message = format!(
                    "design `{}` sets `{}`, which the factor `{}` varies",
                    design.name.value, factor.sets.written, factor.name.value
                );
                return Err(complain(file, &place, message).with_hint(format!("leave it out, or {hint}")));
            }
            if is_of_istio(&factor.sets) && !of.has_istio() {
                let message = format!(
                    "design `{}` has no Istio for the factor `{}`",
                    design.name.value, factor.name.value
                );
                return Err(complain(file, &design.name, message).with_hint(hint));
            }
        }
        Ok(taken)
    }

    fn axes(&self, taken: &[usize]) -> Vec<Axis> {
        let mut axes: Vec<Axis> = Vec::new();
        let mut sample = None;
        for &index in taken {
            let levels = &self.all[index].levels;
            match (levels.sampled, sample) {
                (true, Some(axis)) => {
                    let axis: &mut Axis = &mut axes[axis];
                    axis.factors.push(index);
                }
                (sampled, _) => {
                    if sampled {
                        sample = Some(axes.len());
                    }
                    axes.push(Axis {
                        factors: vec![index],
                        length: levels.texts.len(),
                    });
                }
            }
        }
        axes
    }

    /// The combination of this number; the last axis varies fastest.
    fn point(&self, axes: &[Axis], mut number: usize) -> Point {
        let mut levels = Vec::new();
        for axis in axes.iter().rev() {
            let level = number % axis.length;
            number /= axis.length;
            for &factor in &axis.factors {
                levels.push((factor, self.all[factor].levels.texts[level].clone()));
            }
        }
        levels.sort_by_key(|(factor, _)| *factor);
        Point { levels }
    }

    /// The level of each factor by name, as texts.
    pub fn named(&self, point: &Point) -> IndexMap<String, String> {
        let named = |(factor, level): &(usize, Text)| (self.all[*factor].name.value.clone(), level.value.clone());
        point.levels.iter().map(named).collect()
    }
}
