//! The levels of a factor: a list as it was written, or values taken from a range in linear or logarithmic steps, or by
//! a sample of several ranges together.
//!
//! Every computed value is rounded to few digits and becomes text in the range's own unit. Whether the text fits what
//! the factor sets is said by whoever reads that. Generators of samples are `latin` and `sobol`.

use std::collections::BTreeMap;
use std::path::Path;

use super::form::{FactorForm, SamplingForm};
use super::quantity::{Quantity, Written, decimal};
use super::target::is_whole;
use super::{Chance, latin, sobol};
use crate::kernel::EntityKey;
use crate::scenario::error::InputError;
use crate::scenario::keys::Key;
use crate::scenario::schema::Text;
use crate::scenario::values::{choice, complain, count};
use crate::scenario::yaml::Spanned;

/// Most levels of one factor, and most points of a sample.
const LEVELS_MAX: u32 = 10_000;
const LENGTH_MAX: usize = 64;

/// The levels of a factor.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// Each as its text, with the place that a complaint about it names.
    pub texts: Vec<Text>,
    /// Whether they are the coordinates of a sample, one per point, and no axis of their own.
    pub sampled: bool,
}

/// What was read of one factor.
pub enum Read {
    /// Its levels.
    Levels(Vec<Text>),
    /// A range that is sampled together with others.
    Sampled(Range),
}

/// A range of numbers in one unit.
#[derive(Clone, Debug)]
pub struct Range {
    from: Text,
    to: Text,
    low: f64,
    high: f64,
    unit: &'static str,
    log: bool,
    whole: bool,
}

/// A sample: for each point its coordinates in the unit cube, in the order of the sampled factors.
pub struct Sample {
    /// Number of points.
    pub points: usize,
    /// Their coordinates.
    pub units: Vec<Vec<f64>>,
    /// What to know about it.
    pub warning: Option<String>,
}

/// Reads the levels of one factor.
pub fn read(file: &Path, name: &Text, form: &FactorForm, sets: &Key) -> Result<Read, InputError> {
    let Some(values) = &form.values else {
        let range = Range::read(file, name, form, sets)?;
        let Some(steps) = &form.steps else {
            return Ok(Read::Sampled(range));
        };
        let steps = count(file, steps, 2, LEVELS_MAX)?;
        let levels: Vec<Text> = (0..steps).map(|step| range.step(step, steps)).collect();
        refuse_twice(file, name, &levels)?;
        return Ok(Read::Levels(levels));
    };
    let of_range = [&form.from, &form.to, &form.steps, &form.scale, &form.whole];
    if let Some(other) = of_range.into_iter().flatten().next() {
        let message = format!("the factor `{}` has a list of values and a range", name.value);
        return Err(complain(file, other, message).with_hint("write `values`, or `from` and `to`"));
    }
    if values.is_empty() {
        let message = format!("the factor `{}` has no values", name.value);
        return Err(complain(file, name, message).with_hint("write at least one under `values`"));
    }
    if values.len() > LEVELS_MAX as usize {
        let message = format!("the factor `{}` has {} values", name.value, values.len());
        return Err(complain(file, name, message).with_hint(format!("at most {LEVELS_MAX} are read")));
    }
    for value in values {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:+%".contains(c);
        if value.value.is_empty() || value.value.len() > LENGTH_MAX || !value.value.chars().all(plain) {
            let message = format!("`{}` is not a valid level of a factor", value.value);
            return Err(complain(file, value, message)
                .with_hint("one word of letters, digits and `._-/:+%`, such as `90s`, `1h30m`, `20/s` or `1.21.0`"));
        }
    }
    refuse_twice(file, name, values)?;
    Ok(Read::Levels(values.clone()))
}

/// Two levels that mean the same would be two points of one name, or one point counted twice.
fn refuse_twice(file: &Path, name: &Text, levels: &[Text]) -> Result<(), InputError> {
    let mut texts: BTreeMap<&str, &Text> = BTreeMap::new();
    let mut quantities: BTreeMap<(i32, u64), &Text> = BTreeMap::new();
    for level in levels {
        // A version such as 1.10 is no number: 1.1 is another one.
        let quantity = Quantity::parse(&level.value).filter(|quantity| quantity.seconds != 0);
        let same_quantity = quantity.and_then(|q| quantities.insert((q.seconds, q.number.to_bits()), level));
        if let Some(earlier) = texts.insert(&level.value, level).or(same_quantity) {
            let message = format!(
                "two levels of `{}` are the same: `{}` and `{}`",
                name.value, earlier.value, level.value
            );
            return Err(complain(file, level, message).with_hint("leave one out; a range may have too many steps"));
        }
    }
    Ok(())
}

impl Range {
    fn read(file: &Path, name: &Text, form: &FactorForm, sets: &Key) -> Result<Self, InputError> {
        let (Some(from), Some(to)) = (&form.from, &form.to) else {
            let at = form.from.as_ref().or(form.to.as_ref()).unwrap_or(name);
            let message = format!("the factor `{}` has neither values nor a range", name.value);
            return Err(complain(file, at, message)
                .with_hint("write `values: [10s, 30s]`, or `from: 10s`, `to: 40s` and `steps: 4`"));
        };
        let number = |text: &Text| {
            Written::parse(&text.value).ok_or_else(|| {
                complain(file, text, format!("`{}` is not a valid range limit", text.value))
                    .with_hint("write a number with one unit, such as `90s`, `20/s` or, without one, `0.5`")
            })
        };
        let (low, high) = (number(from)?, number(to)?);
        if low.unit != high.unit {
            let message = format!("`{}` and `{}` have different units", from.value, to.value);
            return Err(complain(file, to, message).with_hint("write both ends in the same unit; values keep it"));
        }
        if low.number >= high.number {
            let message = format!("the range from `{}` to `{}` is empty", from.value, to.value);
            return Err(complain(file, to, message).with_hint("write the smaller end as `from`"));
        }
        let scale = form.scale.as_ref();
        let log = scale.map_or(Ok(false), |scale| {
            choice(file, scale, "scale", &[("linear", false), ("log", true)])
        })?;
        if log && low.number <= 0.0 {
            let message = format!("a logarithmic range cannot begin at `{}`", from.value);
            return Err(complain(file, from, message).with_hint("begin above 0, or write `scale: linear`"));
        }
        let whole = form.whole.as_ref();
        let whole = whole.map_or(Ok(is_whole(sets)), |whole| {
            choice(file, whole, "answer", &[("true", true), ("false", false)])
        })?;
        let is_whole = |number: f64| number == libm::floor(number);
        if let (true, Some(end)) = (
            whole,
            [(low, from), (high, to)]
                .into_iter()
                .find(|(end, _)| !is_whole(end.number)),
        ) {
            let message = format!("`{}` is not whole, as values of `{}` are", end.1.value, name.value);
            return Err(complain(file, end.1, message).with_hint("write whole ends, or `whole: false`"));
        }
        Ok(Self {
            from: from.clone(),
            to: to.clone(),
            low: low.number,
            high: high.number,
            unit: low.unit,
            log,
            whole,
        })
    }

    /// One of several steps, ends included; the ends are as they were written.
    fn step(&self, step: u32, steps: u32) -> Text {
        if step == 0 {
            return self.from.clone();
        }
        if step == steps - 1 {
            return Spanned::new(self.to.value.clone(), self.from.referenced, self.from.defined);
        }
        let number = self.between(self.high, f64::from(step) / f64::from(steps - 1));
        self.text(if self.whole { libm::round(number) } else { number })
    }

    /// The value at a place in the unit interval.
    pub fn at(&self, unit: f64) -> Text {
        if !self.whole {
            return self.text(self.between(self.high, unit));
        }
        // Each whole number of the range has a share of its own, the ends like the others.
        let number = libm::floor(self.between(self.high + 1.0, unit));
        self.text(number.min(self.high))
    }

    fn between(&self, high: f64, share: f64) -> f64 {
        match self.log {
            true => self.low * libm::pow(high / self.low, share),
            false => self.low + (high - self.low) * share,
        }
    }

    fn text(&self, number: f64) -> Text {
        let text = if self.whole {
            format!("{number:.0}")
        } else {
            decimal(number)
        };
        Spanned::new(text + self.unit, self.from.referenced, self.from.defined)
    }
}

#[derive(Clone, Copy)]
enum Method {
    LatinHypercube,
    Sobol,
}

/// Draws a sample over several ranges; `names` are those of the sampled factors.
///
/// # Errors
/// If the method is not known, or does not take so many points or factors.
pub fn sample(file: &Path, form: &SamplingForm, names: &[&str], chance: Chance<'_>) -> Result<Sample, InputError> {
    let methods = [("latin_hypercube", Method::LatinHypercube), ("sobol", Method::Sobol)];
    let method = choice(file, &form.method, "method of a sample", &methods)?;
    let points = count(file, &form.points, 1, LEVELS_MAX)? as usize;
    match method {
        Method::LatinHypercube => {
            if let Some(shift) = &form.shift {
                let message = "a Latin hypercube has no shift";
                return Err(complain(file, shift, message).with_hint("leave `shift` out"));
            }
            Ok(Sample {
                points,
                units: latin::points(points, names, chance),
                warning: None,
            })
        }
        Method::Sobol => {
            if names.len() > sobol::DIMENSIONS_MAX {
                let message = format!("{} ranges are sampled by Sobol' points", names.len());
                let hint = format!("at most {} can be; use `latin_hypercube`", sobol::DIMENSIONS_MAX);
                return Err(complain(file, &form.method, message).with_hint(hint));
            }
            let shifted = form.shift.as_ref().map_or(Ok(true), |shift| {
                choice(file, shift, "answer", &[("true", true), ("false", false)])
            })?;
            let key = latin::key(chance);
            let shift = |name: &&str| key.stream(latin::Drawn::Shift, EntityKey::root(name)).bits();
            let shifts: Vec<u64> = match shifted {
                true => names.iter().map(shift).collect(),
                false => vec![0; names.len()],
            };
            let warning = (!points.is_power_of_two()).then(|| {
                let more = points.next_power_of_two();
                let message = format!(
                    "{points} Sobol' points are not a power of two, so they fill the ranges unevenly; take {} or {more}",
                    more / 2
                );
                complain(file, &form.points, message).to_string()
            });
            Ok(Sample {
                points,
                units: sobol::points(points, &shifts),
                warning,
            })
        }
    }
}
