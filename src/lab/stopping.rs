//! Stopping: after each stage a look at the measures that the rule names, made from the first n runs by their numbers.
//!
//! So the decision depends neither on workers nor on interruptions. Widths alone decide, so the
//! intervals are those of the whole result (`stats::sequential`); how a rule is written belongs to `scenario::stopping`, in which order runs are made to `runner`.

use std::collections::BTreeSet;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::measures::{Context, Frame, estimate, measure_sets};
use super::numbers::DesignNumbers;
use super::plan::Plan;
use super::summary::{CONFIDENCE, Measure};
use crate::scenario::Stopping;
use crate::scenario::stopping::Target;
use crate::stats::checkpoints;

/// What a look decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// More runs are made.
    GoOn,
    /// All intervals are narrow enough.
    Reached,
    /// The rule allows no more runs.
    AtMost,
    /// The time does not suffice for the next stage.
    TimeBudget,
}

/// The stopping rule of a result, what it saw, and why it ended the study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct StoppingRecord {
    /// The rule.
    pub rule: Stopping,
    /// Replications of each design at which it looks.
    pub checkpoints: Vec<u64>,
    /// Nominal coverage of the intervals of each look, that of all intervals of the result.
    pub confidence: f64,
    /// What it saw.
    pub looks: Vec<Look>,
    /// Why the study ended; `go_on` if it was interrupted.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub reason: String,
    /// Whether the same command gives the same number of replications anywhere; not so with a time budget.
    pub reproducible: bool,
    /// The argument that gives the same rows again.
    pub same_rows_with: String,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Look {
    /// Replications of each design from which it was made.
    pub replications: u64,
    /// The intervals.
    pub intervals: Vec<Interval>,
}

/// An interval at a look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Interval {
    /// The design.
    pub design: String,
    /// The measure.
    pub measure: String,
    /// Point estimate; null if the data do not give one.
    pub estimate: Option<f64>,
    /// Lower bound.
    pub lower: Option<f64>,
    /// Upper bound.
    pub upper: Option<f64>,
    /// Half-width, or half-width in units of the estimate; null if there is none.
    pub width: Option<f64>,
    /// What it shall be at most; for a relative error γ it is γ/(1+γ).
    pub width_max: f64,
    /// Whether it is.
    pub reached: bool,
    /// Name of the method.
    pub method: String,
}

pub struct Looks<'a> {
    plan: &'a Plan,
    /// Sets that gave a named measure at the first look; the others are not estimated again.
    wanted: Option<BTreeSet<(usize, usize)>>,
    record: StoppingRecord,
}

impl<'a> Looks<'a> {
    pub fn new(plan: &'a Plan, rule: &Stopping) -> Self {
        let end = plan.range().end;
        let checkpoints = checkpoints(rule.first_look.min(end), end);
        let record = StoppingRecord {
            rule: rule.clone(),
            confidence: CONFIDENCE,
            checkpoints,
            looks: Vec::new(),
            verdict: Verdict::GoOn,
            reason: String::new(),
            reproducible: true,
            same_rows_with: String::new(),
        };
        Self {
            plan,
            wanted: None,
            record,
        }
    }

    /// Looks at the first `replications` runs of every design. `next_fits` states whether the time suffices for the next stage.
    pub fn look(&mut self, replications: u64, numbers: &[DesignNumbers], next_fits: bool) -> (&Look, Verdict) {
        let estimated = self.estimate(numbers);
        let rule = &self.record.rule;
        let mut intervals = Vec::new();
        let mut each_reached = !rule.until.is_empty();
        for target in &rule.until {
            let before = intervals.len();
            for (index, design) in self.plan.designs.iter().enumerate() {
                let named = target.designs.is_empty() || target.designs.iter().any(|name| design.is_called(name));
                // A design without the measure has nothing to wait for.
                let found = estimated
                    .iter()
                    .find(|(of, name, _)| *of == index && *name == target.measure);
                if let (true, Some((_, _, measure))) = (named, found) {
                    intervals.push(interval(target, &design.name, measure));
                }
            }
            each_reached &= before < intervals.len() && intervals[before..].iter().all(|seen| seen.reached);
        }
        self.record.looks.push(Look {
            replications,
            intervals,
        });
        let verdict = if each_reached {
            Verdict::Reached
        } else if Some(&replications) == self.record.checkpoints.last() {
            Verdict::AtMost
        } else if !next_fits {
            Verdict::TimeBudget
        } else {
            Verdict::GoOn
        };
        self.record.verdict = verdict;
        (&self.record.looks[self.record.looks.len() - 1], verdict)
    }

    fn estimate(&mut self, numbers: &[DesignNumbers]) -> Vec<(usize, String, Measure)> {
        if self.record.rule.until.is_empty() {
            return Vec::new();
        }
        let all = || (0..numbers.len()).flat_map(|design| (0..measure_sets().len()).map(move |set| (design, set)));
        let work: Vec<(usize, usize)> = match &self.wanted {
            Some(wanted) => wanted.iter().copied().collect(),
            None => all().collect(),
        };
        let named = |name: &str| self.record.rule.until.iter().any(|target| target.measure == name);
        let frame = Frame::of_plan(self.plan);
        let estimated: Vec<_> = work
            .into_par_iter()
            .flat_map_iter(|(design, set)| {
                let planned = &self.plan.designs[design];
                let context = Context {
                    frame: &frame,
                    design: planned,
                    numbers: &numbers[design],
                };
                let measures = estimate(measure_sets()[set], context);
                let found = measures.into_iter().filter(|(name, _)| named(name));
                found
                    .map(move |(name, measure)| (design, set, name, measure))
                    .collect::<Vec<_>>()
            })
            .collect();
        self.wanted
            .get_or_insert_with(|| estimated.iter().map(|(design, set, ..)| (*design, *set)).collect());
        let plain = estimated
            .into_iter()
            .map(|(design, _, name, measure)| (design, name, measure));
        plain.collect()
    }

    /// What the manifest holds; `replications` are in the result.
    pub fn record(&self, replications: u64) -> StoppingRecord {
        let mut record = self.record.clone();
        let rule = &self.record.rule;
        let budget = rule.time_budget_s.unwrap_or(0.0);
        record.reason = match record.verdict {
            Verdict::GoOn => format!("interrupted after {replications} replications, before the rule was fulfilled"),
            Verdict::Reached => format!("after {replications} replications every named interval was narrow enough"),
            Verdict::AtMost if rule.until.is_empty() => {
                format!("{replications} replications are the most that the rule allows")
            }
            Verdict::AtMost => format!(
                "{replications} replications are the most that the rule allows; not every named interval was narrow enough"
            ),
            Verdict::TimeBudget => format!(
                "the time budget of {budget} s does not suffice for the next look; another machine may stop elsewhere"
            ),
        };
        record.reproducible = rule.time_budget_s.is_none();
        record.same_rows_with = format!("--replications {replications}");
        record
    }
}

fn interval(target: &Target, design: &str, measure: &Measure) -> Interval {
    let estimate = measure.as_estimate();
    Interval {
        design: design.to_owned(),
        measure: target.measure.clone(),
        estimate: measure.estimate,
        lower: measure.lower,
        upper: measure.upper,
        width: target.precision.width(&estimate),
        width_max: target.precision.bound(),
        reached: target.precision.reached(&estimate),
        method: measure.method.clone(),
    }
}
