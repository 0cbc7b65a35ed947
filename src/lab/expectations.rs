//! Whether what an experiment expects came true: pass, fail or inconclusive, decided by intervals.
//!
//! Which measures, units and designs a claim may name is checked before anything runs, in `question_check`; how a claim
//! is written belongs to `scenario::claim`, how outcomes are shown to `report`.
//!
//! A claim passes if the whole interval fulfils it, fails if the whole interval violates it, and is inconclusive
//! otherwise, or if the measure is missing. A claim without `of` is made of every design, one outcome each; with factors,
//! a design's bare name means all its points. A claim about two designs is decided by the interval of their paired
//! difference at the same point. Each outcome has its own confidence; they are not corrected for their number.

use serde::{Deserialize, Serialize};

use super::differences::{How, difference};
use super::measures::{Context, Frame, Presence, definition_of};
use super::numbers::DesignNumbers;
use super::plan::Plan;
use super::summary::{CONFIDENCE, DesignSummary};
use crate::scenario::claim::{Claim, Relation};
use crate::scenario::expectations::Expected;
use crate::scenario::point_name::{base_of, point_of};
use crate::stats::Estimate;

/// How an expectation came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval fulfils it.
    Pass,
    /// The whole interval violates it.
    Fail,
    /// The interval does neither, or there is none.
    Inconclusive,
}

/// One expectation of one design.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Expectation {
    /// Its name, if it was given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was expected, as it was written.
    pub text: String,
    /// The design that it is about; absent if none of that name was run.
    pub design: Option<String>,
    /// How it came out.
    pub outcome: Verdict,
    /// Why, in words.
    pub reason: String,
    /// What the interval is of, `startup_latency_p99 of B - A`.
    pub quantity: String,
    /// Point estimate.
    pub estimate: Option<f64>,
    /// Lower bound.
    pub lower: Option<f64>,
    /// Upper bound.
    pub upper: Option<f64>,
    /// What the claim compares it with.
    pub bound: f64,
    /// Unit; `1` for shares.
    pub unit: String,
    /// Nominal coverage.
    pub confidence: f64,
    /// Name of the method.
    pub method: String,
    /// Independent units, mostly runs or pairs of runs.
    pub n: u64,
}

/// Whether a design's name is meant by a name: its own, or without its point of the factors.
pub(super) fn is_named(design: &str, name: &str) -> bool {
    design == name || base_of(design) == name
}

struct Held {
    quantity: String,
    unit: String,
    estimate: Estimate,
}

/// The outcomes of all expectations of a plan, in their order, design by design.
pub fn evaluate(plan: &Plan, numbers: &[DesignNumbers], designs: &[DesignSummary]) -> Vec<Expectation> {
    let frame = Frame::of_plan(plan);
    let evaluation = Evaluation {
        plan,
        frame: &frame,
        numbers,
        designs,
    };
    plan.questions
        .expectations
        .iter()
        .flat_map(|expected| evaluation.all(expected))
        .collect()
}

struct Evaluation<'p> {
    plan: &'p Plan,
    frame: &'p Frame,
    numbers: &'p [DesignNumbers],
    designs: &'p [DesignSummary],
}

impl Evaluation<'_> {
    fn all(&self, expected: &Expected) -> Vec<Expectation> {
        let claim = &expected.claim;
        let reference = claim.reference.as_ref().map(|reference| reference.design.as_str());
        let about = |index: &usize| {
            let name = &self.plan.designs[*index].name;
            match (&claim.of, reference) {
                (Some(of), _) => is_named(name, of),
                // Every design but the one that it is compared with.
                (None, Some(reference)) => !is_named(name, reference),
                (None, None) => true,
            }
        };
        let meant: Vec<usize> = (0..self.plan.designs.len()).filter(about).collect();
        if meant.is_empty() {
            let of = claim.of.as_deref().unwrap_or("other than the one compared with");
            let reason = format!("no design `{of}` was run");
            return vec![outcome(expected, None, Err(reason))];
        }
        let one = |index: usize| {
            outcome(
                expected,
                Some(&self.plan.designs[index].name),
                self.held(expected, index),
            )
        };
        meant.into_iter().map(one).collect()
    }

    fn context(&self, index: usize) -> Context<'_> {
        Context {
            frame: self.frame,
            design: &self.plan.designs[index],
            numbers: &self.numbers[index],
        }
    }

    fn held(&self, expected: &Expected, index: usize) -> Result<Held, String> {
        match &expected.claim.reference {
            Some(_) => self.held_difference(expected, index),
            None => self.held_alone(&expected.claim, index),
        }
    }

    fn held_alone(&self, claim: &Claim, index: usize) -> Result<Held, String> {
        let name = &self.plan.designs[index].name;
        let missing = || format!("`{name}` has no measure `{}`", claim.measure);
        let measure = match self.designs[index].measure(&claim.measure) {
            Some(measure) => measure.clone(),
            // Not listed where there is nothing to report; what is known all the same decides.
            None => {
                let definition = definition_of(&claim.measure, self.context(index)).ok_or_else(missing)?;
                if let Presence::Absent(why) = definition.presence {
                    return Err(format!("`{name}` has no `{}`: {why}", claim.measure));
                }
                definition.estimate(self.frame, &self.numbers[index])
            }
        };
        Ok(Held {
            quantity: format!("{} of {name}", claim.measure),
            estimate: measure.as_estimate(),
            unit: measure.unit,
        })
    }

    fn held_difference(&self, expected: &Expected, index: usize) -> Result<Held, String> {
        let claim = &expected.claim;
        let Some(reference) = &claim.reference else {
            return Err("nothing to compare with".to_owned());
        };
        let name = &self.plan.designs[index].name;
        let partner = self.plan.designs.iter().position(|design| {
            design.name == reference.design
                || base_of(&design.name) == reference.design && point_of(&design.name) == point_of(name)
        });
        let partner = partner.ok_or_else(|| format!("no design `{}` was run at the same point", reference.design))?;
        let how = How {
            confidence: CONFIDENCE,
            factor: reference.factor,
            paired: true,
            absent_counts: false,
        };
        let other = &self.plan.designs[partner].name;
        let (a, b) = (self.context(index), self.context(partner));
        let seen = difference(&claim.measure, a, b, &how)?;
        let factor = match reference.factor {
            1.0 => String::new(),
            factor => format!("{factor} * "),
        };
        Ok(Held {
            quantity: format!("{} of {name} - {factor}{other}", claim.measure),
            unit: seen.unit.to_owned(),
            estimate: seen.difference.estimate,
        })
    }
}

fn decide(relation: Relation, bound: f64, lower: Option<f64>, upper: Option<f64>) -> Verdict {
    let is = |side: Option<f64>, holds: fn(f64, f64) -> bool| side.is_some_and(|side| holds(side, bound));
    let (passes, fails) = match relation {
        Relation::Below => (is(upper, |u, b| u < b), is(lower, |l, b| l >= b)),
        Relation::AtMost => (is(upper, |u, b| u <= b), is(lower, |l, b| l > b)),
        Relation::Above => (is(lower, |l, b| l > b), is(upper, |u, b| u <= b)),
        Relation::AtLeast => (is(lower, |l, b| l >= b), is(upper, |u, b| u < b)),
    };
    match (passes, fails) {
        (true, _) => Verdict::Pass,
        (_, true) => Verdict::Fail,
        _ => Verdict::Inconclusive,
    }
}

fn outcome(expected: &Expected, design: Option<&str>, held: Result<Held, String>) -> Expectation {
    let claim = &expected.claim;
    let bound = claim.quantity.as_ref().map_or(0.0, |quantity| quantity.value);
    let (verdict, reason, held) = match held {
        Ok(held) => {
            let verdict = decide(claim.relation, bound, held.estimate.lower, held.estimate.upper);
            let reason = match (verdict, held.estimate.lower.or(held.estimate.upper).is_some()) {
                (Verdict::Pass, _) => "the whole interval fulfils it".to_owned(),
                (Verdict::Fail, _) => "the whole interval violates it".to_owned(),
                (Verdict::Inconclusive, false) => format!("no interval: {}", held.estimate.method),
                (Verdict::Inconclusive, true) => "the interval does not decide; more replications may".to_owned(),
            };
            (verdict, reason, Some(held))
        }
        Err(reason) => (Verdict::Inconclusive, reason, None),
    };
    let held = held.unwrap_or_else(|| Held {
        quantity: claim.measure.clone(),
        unit: String::new(),
        estimate: Estimate::not_estimable(0, CONFIDENCE, "none"),
    });
    let estimate = held.estimate;
    Expectation {
        name: expected.name.clone(),
        text: expected.text.clone(),
        design: design.map(str::to_owned),
        outcome: verdict,
        reason,
        quantity: held.quantity,
        estimate: estimate.estimate,
        lower: estimate.lower,
        upper: estimate.upper,
        bound,
        unit: held.unit,
        confidence: estimate.confidence,
        method: estimate.method,
        n: estimate.n,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_decide() {
        use Verdict::{Fail, Inconclusive, Pass};
        let cases = [
            (Relation::Below, Some(1.0), Some(1.9), Pass),
            (Relation::Below, Some(1.0), Some(2.0), Inconclusive),
            (Relation::Below, Some(2.0), Some(3.0), Fail),
            (Relation::AtMost, Some(1.0), Some(2.0), Pass),
            (Relation::AtMost, Some(2.0), Some(3.0), Inconclusive),
            (Relation::AtMost, Some(2.1), None, Fail),
            (Relation::AtMost, Some(1.0), None, Inconclusive),
            (Relation::Above, Some(2.0), Some(3.0), Inconclusive),
            (Relation::Above, Some(2.1), None, Pass),
            (Relation::Above, None, Some(2.0), Fail),
            (Relation::AtLeast, Some(2.0), None, Pass),
            (Relation::AtLeast, Some(1.0), Some(2.0), Inconclusive),
            (Relation::AtLeast, None, Some(1.9), Fail),
            (Relation::Below, None, None, Inconclusive),
        ];
        for (relation, lower, upper, wanted) in cases {
            assert_eq!(
                decide(relation, 2.0, lower, upper),
                wanted,
                "{relation:?} {lower:?} {upper:?}"
            );
        }
    }
}
