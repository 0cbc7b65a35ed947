//! What one measure is: its name, its words, and how a value is taken from runs.
//!
//! A definition is all that is needed to estimate a measure of one design (here) and to compare it between two designs
//! (`differences`), so that both speak of the same thing. Which measures there are belongs to the files beside this one,
//! formulas to `stats`.

use std::borrow::Cow;
use std::sync::Arc;

use crate::lab::numbers::{DesignNumbers, RunNumbers};
use crate::lab::summary::Measure;
use crate::scenario::asked::TrafficRate;
use crate::stats::{
    Estimate, IncidenceAnalysis, IncidenceOptions, Observation, mean_of_runs, ratio_of_sums, share_of_runs,
};

/// What of an experiment goes into the words and formulas of measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub horizon_s: f64,
    pub horizon_ns: u64,
    /// A pod that lost at least this much to connections to the control plane, limits, refusals and nodes that started no pods counts as delayed \[s\].
    pub delayed_threshold_s: f64,
    pub confidence: f64,
    /// Rates of traffic for which unauthorized accesses are computed from exposure.
    pub traffic_rates: Vec<TrafficRate>,
}

/// A number of each run; `None` if the run has none.
pub type OfRun<'n, T> = Box<dyn Fn(&RunNumbers) -> T + Send + Sync + 'n>;

/// Pooled waits, shared by the measures that are quantiles of them.
pub type Waits<'n> = Arc<Cow<'n, [Observation]>>;

pub enum Value<'n> {
    /// Share of runs, of those that say yes or no.
    Share(OfRun<'n, Option<bool>>),
    /// Sum of the first number over sum of the second.
    Ratio(OfRun<'n, (u32, u32)>),
    Mean {
        of: OfRun<'n, Option<f64>>,
        /// The most that one run can have, if that is known, so that runs that were not seen bound the mean.
        most: Option<f64>,
    },
    /// Quantile of waits pooled over runs; neighbours that share their waits are estimated together.
    Quantile {
        waits: Waits<'n>,
        /// The level, in (0, 1).
        level: f64,
    },
    /// An observed extreme, which has no interval; here already made.
    Extreme(Box<Measure>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Shown,
    /// It has, but there is nothing to report, so that no page lists it.
    Quiet,
    /// It cannot have it, for this reason.
    Absent(&'static str),
}

/// Which of two values an architect would rather have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    Smaller,
    Larger,
    /// Neither: it only describes.
    Neither,
}

/// How a measure is described, apart from its estimand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Words {
    /// In words, on axes and in charts; without them its name.
    pub label: Option<&'static str>,
    /// Place and head of its column in the table of designs, in lines.
    pub head: Option<(u8, &'static str)>,
    /// Place among the panels of figures over factors.
    pub panel: Option<u8>,
    pub said: Said,
    /// What the names of its kind begin with, if they end in a rate of traffic.
    pub family: Option<&'static str>,
}

/// How a difference of two designs is said in a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Said {
    /// By the measure's name and unit.
    #[default]
    Plain,
    /// A does this more often than B.
    Often(&'static str),
    /// A does this to more of its pods than B.
    Pods(&'static str),
    /// A makes more of these than B.
    Makes(&'static str),
    /// This part of A's pods are in this state later than B's.
    When {
        /// Level of the quantile, in (0, 1).
        level: f64,
        state: &'static str,
    },
}

pub struct Definition<'n> {
    pub name: String,
    pub estimand: String,
    pub unit: &'static str,
    pub value: Value<'n>,
    pub presence: Presence,
    pub better: Better,
    pub words: Words,
}

impl<'n> Definition<'n> {
    /// A measure that every design has, smaller being better.
    pub(super) fn new(
        name: impl Into<String>,
        estimand: impl Into<String>,
        unit: &'static str,
        value: Value<'n>,
    ) -> Self {
        Self {
            name: name.into(),
            estimand: estimand.into(),
            unit,
            value,
            presence: Presence::Shown,
            better: Better::Smaller,
            words: Words::default(),
        }
    }

    pub(super) fn share(
        name: impl Into<String>,
        estimand: impl Into<String>,
        of: impl Fn(&RunNumbers) -> Option<bool> + Send + Sync + 'n,
    ) -> Self {
        Self::new(name, estimand, "1", Value::Share(Box::new(of)))
    }

    pub(super) fn ratio(
        name: impl Into<String>,
        estimand: impl Into<String>,
        of: impl Fn(&RunNumbers) -> (u32, u32) + Send + Sync + 'n,
    ) -> Self {
        Self::new(name, estimand, "1", Value::Ratio(Box::new(of)))
    }

    pub(super) fn mean(
        name: impl Into<String>,
        estimand: impl Into<String>,
        unit: &'static str,
        of: impl Fn(&RunNumbers) -> Option<f64> + Send + Sync + 'n,
    ) -> Self {
        let of = Box::new(of);
        Self::new(name, estimand, unit, Value::Mean { of, most: None })
    }

    pub(super) fn quantile(
        name: impl Into<String>,
        estimand: impl Into<String>,
        waits: &Waits<'n>,
        level: f64,
    ) -> Self {
        let waits = Arc::clone(waits);
        Self::new(name, estimand, "s", Value::Quantile { waits, level })
    }

    pub(super) fn extreme(name: &str, measure: Measure) -> Self {
        let estimand = measure.estimand.clone();
        Self::new(name, estimand, "s", Value::Extreme(Box::new(measure)))
    }

    pub(super) fn at_most(mut self, bound: Option<f64>) -> Self {
        if let Value::Mean { most, .. } = &mut self.value {
            *most = bound;
        }
        self
    }

    pub(super) const fn with(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }

    pub(super) const fn better(mut self, better: Better) -> Self {
        self.better = better;
        self
    }

    pub(super) const fn label(mut self, label: &'static str) -> Self {
        self.words.label = Some(label);
        self
    }

    /// The same with a column in the table of designs, in this place among the others.
    pub(super) const fn head(mut self, place: u8, head: &'static str) -> Self {
        self.words.head = Some((place, head));
        self
    }

    /// The same with a panel of its own in figures over factors, in this place among the others.
    pub(super) const fn panel(mut self, place: u8) -> Self {
        self.words.panel = Some(place);
        self
    }

    pub(super) const fn said(mut self, said: Said) -> Self {
        self.words.said = said;
        self
    }

    pub const fn is_share_of_runs(&self) -> bool {
        matches!(self.value, Value::Share(_))
    }

    pub fn estimate(&self, frame: &Frame, numbers: &DesignNumbers) -> Measure {
        estimate_all(std::slice::from_ref(self), frame, numbers).remove(0)
    }
}

/// Estimates of measures in their order. Waits that neighbours share are sorted once.
pub(super) fn estimate_all(definitions: &[Definition<'_>], frame: &Frame, numbers: &DesignNumbers) -> Vec<Measure> {
    let mut measures = Vec::with_capacity(definitions.len());
    let together = |left: &Definition<'_>, right: &Definition<'_>| match (&left.value, &right.value) {
        (Value::Quantile { waits: a, .. }, Value::Quantile { waits: b, .. }) => Arc::ptr_eq(a, b),
        _ => false,
    };
    for group in definitions.chunk_by(together) {
        let estimates = match &group[0].value {
            Value::Quantile { waits, .. } => {
                let level = |definition: &Definition<'_>| match definition.value {
                    Value::Quantile { level, .. } => Some(level),
                    _ => None,
                };
                let levels: Vec<f64> = group.iter().filter_map(level).collect();
                quantiles(waits, &levels, frame)
            }
            Value::Share(of) => vec![share(frame, numbers, of)],
            Value::Ratio(of) => vec![ratio(frame, numbers, of)],
            Value::Mean { of, most } => vec![mean(frame, numbers, of, *most)],
            Value::Extreme(measure) => {
                measures.push(measure.as_ref().clone());
                continue;
            }
        };
        let named = group.iter().zip(estimates);
        measures.extend(named.map(|(of, estimate)| Measure::new(&of.estimand, of.unit, estimate)));
    }
    measures
}

fn share(frame: &Frame, numbers: &DesignNumbers, of: &OfRun<'_, Option<bool>>) -> Estimate {
    let (mut events, mut runs) = (0, 0);
    for event in numbers.sound().filter_map(of) {
        events += u64::from(event);
        runs += 1;
    }
    share_of_runs(events, runs, frame.confidence)
}

fn ratio(frame: &Frame, numbers: &DesignNumbers, of: &OfRun<'_, (u32, u32)>) -> Estimate {
    let pairs = numbers.sound().map(of);
    let pairs: Vec<(u64, u64)> = pairs.map(|(events, units)| (events.into(), units.into())).collect();
    let mut estimate = ratio_of_sums(&pairs, frame.confidence);
    if pairs.iter().all(|(_, units)| *units == 0) {
        estimate.n = 0;
    }
    estimate
}

fn mean(frame: &Frame, numbers: &DesignNumbers, of: &OfRun<'_, Option<f64>>, most: Option<f64>) -> Estimate {
    let values: Vec<f64> = numbers.sound().filter_map(of).collect();
    mean_of_runs(&values, most, frame.confidence)
}

fn quantiles(waits: &[Observation], levels: &[f64], frame: &Frame) -> Vec<Estimate> {
    let options = IncidenceOptions {
        horizon_ns: frame.horizon_ns,
        confidence: frame.confidence,
    };
    IncidenceAnalysis::new(waits, options).quantiles(levels)
}
