//! One measure of two designs: the difference, and in how many replications one of them has the smaller value.
//!
//! Works from definitions and numbers of runs, so a fresh and a stored result give the same. Which pairs are compared,
//! and how many claims are made together, belongs to `compare`; formulas to `stats`. A pair of runs counts if neither
//! failed.

use std::cmp::Ordering;

use super::measures::definition::OfRun;
use super::measures::{Better, Context, Presence, Value, definition_of};
use super::numbers::{DesignNumbers, RunNumbers};
use crate::stats::{
    Difference, Observation, Outcome, PairedCounts, QuantileDifference, cumulative_incidence, incidence_quantile,
    mean_difference, mean_difference_unpaired, newcombe, quantile_difference, ratio_difference,
    ratio_difference_unpaired, share_difference,
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct How {
    pub confidence: f64,
    /// The second design's value is multiplied by this.
    pub factor: f64,
    /// Whether equal replications used the same random events.
    pub paired: bool,
    /// Whether a design that cannot have the measure, such as certificate requests without a mesh, counts with what its
    /// runs recorded.
    pub absent_counts: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MeasureDifference {
    pub difference: Difference,
    /// Share of pairs in which A's value is smaller; without pairs of runs absent.
    pub smaller: Option<f64>,
    /// Share of pairs in which A's value is larger.
    pub larger: Option<f64>,
    pub unit: &'static str,
    pub better: Better,
    pub estimand: String,
}

/// Compares a measure of two designs.
///
/// # Errors
/// In words, why it cannot be: one of them lacks the measure, or it has no interval.
pub fn difference(measure: &str, a: Context<'_>, b: Context<'_>, how: &How) -> Result<MeasureDifference, String> {
    comparable(measure, a, b, how).map_err(|why| {
        let designs: Vec<&str> = why.design().into_iter().collect();
        why.words(measure, &designs, usize::MAX)
    })?;
    let lacking = || format!("`{measure}` is not a measure");
    let left = definition_of(measure, a).ok_or_else(lacking)?;
    let right = definition_of(measure, b).ok_or_else(lacking)?;
    let pairs = Pairs::new(a.numbers, b.numbers, how.paired);
    let (difference, order) = match (&left.value, &right.value) {
        (Value::Share(of_a), Value::Share(of_b)) => shares(&pairs, (of_a, of_b), how),
        (Value::Mean { of: of_a, most: most_a }, Value::Mean { of: of_b, most: most_b }) => {
            means(&pairs, (of_a, of_b), most_a.zip(*most_b), how)
        }
        (Value::Ratio(of_a), Value::Ratio(of_b)) => ratios(&pairs, (of_a, of_b), how),
        (Value::Quantile { waits: of_a, level }, Value::Quantile { waits: of_b, .. }) => {
            let horizons = (a.frame.horizon_ns, b.frame.horizon_ns);
            quantiles(&pairs, (of_a, of_b), *level, horizons, how)
        }
        _ => return Err(format!("`{measure}` is an observed extreme and has no interval")),
    };
    let share = |wanted: Ordering| {
        let events = order.iter().filter(|seen| **seen == wanted).count();
        (!order.is_empty()).then(|| events as f64 / order.len() as f64)
    };
    Ok(MeasureDifference {
        difference,
        smaller: share(Ordering::Less),
        larger: share(Ordering::Greater),
        unit: left.unit,
        better: left.better,
        estimand: left.estimand,
    })
}

/// Designs that a reason names.
const NAMED_MAX: usize = 3;

/// Why a measure cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incomparable {
    /// It has no interval.
    Extreme,
    /// This design does not have it.
    Unknown(String),
    /// This design cannot have it, for this reason.
    Absent(String, &'static str),
    /// No run of this design has a value of it.
    Empty(String),
}

impl Incomparable {
    /// The design to which it is due.
    pub fn design(&self) -> Option<&str> {
        match self {
            Self::Extreme => None,
            Self::Unknown(name) | Self::Absent(name, _) | Self::Empty(name) => Some(name),
        }
    }

    /// Whether another one is the same of another design.
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent(_, why), Self::Absent(_, other)) => why == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// In words, of a measure and of all these designs of an experiment with so many; none if it is due to no design.
    pub fn words(&self, measure: &str, designs: &[&str], all: usize) -> String {
        let quoted: Vec<String> = designs.iter().map(|name| format!("`{name}`")).collect();
        let (of, have) = match quoted.as_slice() {
            [only] => (only.clone(), "has"),
            some if some.len() == all => ("any design".to_owned(), "has"),
            [rest @ .., last] if rest.len() < NAMED_MAX => (format!("{} and {last}", rest.join(", ")), "have"),
            some => (
                format!(
                    "{} designs, {} among them,",
                    some.len(),
                    some.first().map_or("", String::as_str)
                ),
                "have",
            ),
        };
        match self {
            Self::Extreme => format!("`{measure}` is an observed extreme and has no interval"),
            Self::Empty(_) => format!("no run of {of} has a value of `{measure}`"),
            Self::Unknown(_) if designs.len() == all => format!("no design has a measure `{measure}`"),
            Self::Absent(_, why) if designs.len() == all => format!("no design has `{measure}`: {why}"),
            Self::Unknown(_) => format!("{of} {have} no measure `{measure}`"),
            Self::Absent(_, why) => format!("{of} {have} no `{measure}`: {why}"),
        }
    }
}

/// Whether a measure of two designs can be compared.
///
/// # Errors
/// Why it cannot be.
pub fn comparable(measure: &str, a: Context<'_>, b: Context<'_>, how: &How) -> Result<(), Incomparable> {
    for context in [a, b] {
        let name = || context.design.name.clone();
        let Some(definition) = definition_of(measure, context) else {
            return Err(Incomparable::Unknown(name()));
        };
        match (definition.presence, definition.value) {
            (_, Value::Extreme(_)) => return Err(Incomparable::Extreme),
            (Presence::Absent(why), _) if !how.absent_counts => return Err(Incomparable::Absent(name(), why)),
            (_, value) if !has_data(&value, context.numbers) => return Err(Incomparable::Empty(name())),
            _ => {}
        }
    }
    Ok(())
}

/// Whether any run tested what a measure is about.
fn has_data(value: &Value<'_>, numbers: &DesignNumbers) -> bool {
    let mut sound = numbers.sound();
    match value {
        Value::Share(of) => sound.any(|run| of(run).is_some()),
        Value::Mean { of, .. } => sound.any(|run| of(run).is_some()),
        Value::Ratio(of) => sound.any(|run| of(run).1 > 0),
        Value::Quantile { waits, .. } => !waits.is_empty(),
        Value::Extreme(_) => false,
    }
}

/// The point estimate of a measure; a design that cannot have it gives what its runs recorded.
pub fn point(measure: &str, context: Context<'_>) -> Option<f64> {
    let definition = definition_of(measure, context)?;
    let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let sound = context.numbers.sound();
    match &definition.value {
        Value::Share(of) => mean(sound.filter_map(of).map(|event| f64::from(u8::from(event))).collect()),
        Value::Mean { of, .. } => mean(sound.filter_map(of).collect()),
        Value::Ratio(of) => {
            let sums = sound.map(of).fold((0u64, 0u64), |(events, units), (x, n)| {
                (events + u64::from(x), units + u64::from(n))
            });
            (sums.1 > 0).then(|| sums.0 as f64 / sums.1 as f64)
        }
        Value::Quantile { waits, level } => {
            let curve = cumulative_incidence(waits);
            incidence_quantile(&curve, *level).map(|time_ns| time_ns as f64 / 1e9)
        }
        Value::Extreme(measure) => measure.estimate,
    }
}

/// A measure of every replication: 0 or 1 for shares of runs, the run's own share or quantile \[s\] for those over pods;
/// `None` for failed runs and for runs that have no value.
pub fn per_run(measure: &str, context: Context<'_>) -> Option<Vec<Option<f64>>> {
    let values = ordered_per_run(measure, context)?;
    Some(
        values
            .into_iter()
            .map(|value| value.filter(|value| value.is_finite()))
            .collect(),
    )
}

/// The same for comparing ranks: a quantile that a run never reaches is infinite.
pub(super) fn ordered_per_run(measure: &str, context: Context<'_>) -> Option<Vec<Option<f64>>> {
    let definition = definition_of(measure, context)?;
    let runs = &context.numbers.runs;
    let each = |of: &dyn Fn(&RunNumbers) -> Option<f64>| -> Vec<Option<f64>> {
        runs.iter().map(|run| if run.failed { None } else { of(run) }).collect()
    };
    match &definition.value {
        Value::Share(of) => Some(each(&|run| of(run).map(|event| f64::from(u8::from(event))))),
        Value::Mean { of, .. } => Some(each(of)),
        Value::Ratio(of) => Some(each(&|run| {
            let (events, units) = of(run);
            (units > 0).then(|| f64::from(events) / f64::from(units))
        })),
        Value::Quantile { waits, level } => {
            let quantiles = run_quantiles(waits, runs.len(), *level);
            Some(quantiles.into_iter().map(|ns| ns.map(|ns| ns / 1e9)).collect())
        }
        Value::Extreme(_) => None,
    }
}

struct Pairs<'n> {
    a: &'n DesignNumbers,
    b: &'n DesignNumbers,
    /// Replications of either that count; with pairing the same ones.
    runs_a: Vec<u32>,
    runs_b: Vec<u32>,
    paired: bool,
}

impl<'n> Pairs<'n> {
    fn new(a: &'n DesignNumbers, b: &'n DesignNumbers, paired: bool) -> Self {
        let sound = |of: &DesignNumbers, run: usize| of.runs.get(run).is_some_and(|run| !run.failed);
        let counting = |of: &DesignNumbers, other: &DesignNumbers| {
            let runs = (0..of.runs.len()).filter(|run| sound(of, *run) && (!paired || sound(other, *run)));
            runs.map(|run| run as u32).collect()
        };
        Self {
            a,
            b,
            runs_a: counting(a, b),
            runs_b: counting(b, a),
            paired,
        }
    }

    /// Values of both designs; with pairing of those replications in which both have one.
    fn values<T>(&self, of: (&OfRun<'_, Option<T>>, &OfRun<'_, Option<T>>)) -> (Vec<T>, Vec<T>) {
        let run = |numbers: &'n DesignNumbers, index: &u32| -> &'n RunNumbers { &numbers.runs[*index as usize] };
        if self.paired {
            let pairs = self.runs_a.iter().map(|index| (run(self.a, index), run(self.b, index)));
            return pairs.filter_map(|(a, b)| Some((of.0(a)?, of.1(b)?))).unzip();
        }
        let a = self.runs_a.iter().filter_map(|index| of.0(run(self.a, index)));
        let b = self.runs_b.iter().filter_map(|index| of.1(run(self.b, index)));
        (a.collect(), b.collect())
    }

    fn order(&self, a: &[f64], b: &[f64], factor: f64) -> Vec<Ordering> {
        if !self.paired {
            return Vec::new();
        }
        a.iter().zip(b).map(|(a, b)| a.total_cmp(&(factor * b))).collect()
    }
}

fn scaled(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|value| factor * value).collect()
}

type Both<'n, 'd, T> = (&'d OfRun<'n, T>, &'d OfRun<'n, T>);

fn shares(pairs: &Pairs<'_>, of: Both<'_, '_, Option<bool>>, how: &How) -> (Difference, Vec<Ordering>) {
    let (a, b) = pairs.values(of);
    let number = |list: &[bool]| -> Vec<f64> { list.iter().map(|event| f64::from(u8::from(*event))).collect() };
    let (of_a, of_b) = (number(&a), number(&b));
    let count = |list: &[bool]| (list.iter().filter(|event| **event).count() as u64, list.len() as u64);
    let difference = match (pairs.paired, how.factor == 1.0) {
        (true, true) => share_difference(&PairedCounts::from_outcomes(&a, &b), how.confidence),
        (true, false) => mean_difference(&of_a, &of_b, how.factor, Some((1.0, 1.0)), how.confidence),
        (false, true) => newcombe(count(&a), count(&b), how.confidence),
        (false, false) => mean_difference_unpaired(
            &of_a,
            &scaled(&of_b, how.factor),
            Some((1.0, how.factor)),
            how.confidence,
        ),
    };
    (difference, pairs.order(&of_a, &of_b, how.factor))
}

fn means(
    pairs: &Pairs<'_>,
    of: Both<'_, '_, Option<f64>>,
    most: Option<(f64, f64)>,
    how: &How,
) -> (Difference, Vec<Ordering>) {
    let (a, b) = pairs.values(of);
    let difference = if pairs.paired {
        mean_difference(&a, &b, how.factor, most, how.confidence)
    } else {
        let most = most.map(|(of_a, of_b)| (of_a, how.factor * of_b));
        mean_difference_unpaired(&a, &scaled(&b, how.factor), most, how.confidence)
    };
    let order = pairs.order(&a, &b, how.factor);
    (difference, order)
}

fn ratios(pairs: &Pairs<'_>, of: Both<'_, '_, (u32, u32)>, how: &How) -> (Difference, Vec<Ordering>) {
    let counts = |numbers: &DesignNumbers, runs: &[u32], of: &OfRun<'_, (u32, u32)>| -> Vec<(u64, u64)> {
        let each = runs.iter().map(|run| of(&numbers.runs[*run as usize]));
        each.map(|(events, units)| (events.into(), units.into())).collect()
    };
    let a = counts(pairs.a, &pairs.runs_a, of.0);
    let b = counts(pairs.b, &pairs.runs_b, of.1);
    if !pairs.paired {
        let difference = if how.factor == 1.0 {
            ratio_difference_unpaired(&a, &b, how.confidence)
        } else {
            let n = a.len().min(b.len()) as u64;
            Difference::not_estimable(
                n,
                how.confidence,
                "a multiple of an independent design's ratio is not estimated",
            )
        };
        return (difference, Vec::new());
    }
    let both = a.iter().zip(&b).filter(|(a, b)| a.1 > 0 && b.1 > 0);
    let share = |(events, units): &(u64, u64)| *events as f64 / *units as f64;
    let order = both.map(|(a, b)| share(a).total_cmp(&(how.factor * share(b))));
    let order = order.collect();
    (ratio_difference(&a, &b, how.factor, how.confidence), order)
}

fn quantiles(
    pairs: &Pairs<'_>,
    of: (&[Observation], &[Observation]),
    level: f64,
    horizon_ns: (u64, u64),
    how: &How,
) -> (Difference, Vec<Ordering>) {
    let a = renumbered(of.0, &pairs.runs_a);
    let b = renumbered(of.1, &pairs.runs_b);
    let options = QuantileDifference {
        level,
        factor: how.factor,
        paired: pairs.paired,
        horizon_ns,
        confidence: how.confidence,
    };
    let order = if pairs.paired {
        let runs = pairs.runs_a.len();
        let each = run_quantiles(&a, runs, level)
            .into_iter()
            .zip(run_quantiles(&b, runs, level));
        each.filter_map(|(a, b)| Some(a?.total_cmp(&(how.factor * b?))))
            .collect()
    } else {
        Vec::new()
    };
    (quantile_difference(&a, &b, &options), order)
}

/// The waits of the runs that count, with their places among those in place of replications.
fn renumbered(waits: &[Observation], runs: &[u32]) -> Vec<Observation> {
    let place = |wait: &Observation| {
        let run = runs.binary_search(&wait.run).ok()? as u32;
        Some(Observation { run, ..*wait })
    };
    waits.iter().filter_map(place).collect()
}

/// Each run's own quantile \[ns\], infinite where it is not reached; `None` for runs without waits.
fn run_quantiles(waits: &[Observation], runs: usize, level: f64) -> Vec<Option<f64>> {
    let mut sorted: Vec<(u32, f64)> = waits
        .iter()
        .map(|wait| match wait.outcome {
            Outcome::Event => (wait.run, wait.time_ns as f64),
            Outcome::Competing | Outcome::Censored => (wait.run, f64::INFINITY),
        })
        .collect();
    sorted.sort_unstable_by(|left, right| left.0.cmp(&right.0).then(left.1.total_cmp(&right.1)));
    let mut quantiles = vec![None; runs];
    for of_run in sorted.chunk_by(|left, right| left.0 == right.0) {
        let rank = libm::ceil(level * (1.0 - 1e-12) * of_run.len() as f64) as usize;
        let (run, value) = of_run[rank.clamp(1, of_run.len()) - 1];
        quantiles[run as usize] = Some(value);
    }
    quantiles
}
