//! Which answers depend on ties: the same replications with the other order of ties, measure by measure.
//!
//! Both orders share their random numbers, so the two are compared as two designs are (`lab::differences`). A measure that
//! moves is no defect of the program: the model leaves open what the answer depends on.

use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use super::take_numbers;
use crate::cluster::spec::TieRule;
use crate::kernel::SimTime;
use crate::lab::compare::excludes_zero;
use crate::lab::designs::Simulator;
use crate::lab::differences::{How, difference, per_run};
use crate::lab::measures::{Context, Frame, Known, columns, panels};
use crate::lab::numbers::DesignNumbers;
use crate::lab::plan::{Plan, PlannedDesign, Simulate, horizon_of};
use crate::lab::runner::guarded;
use crate::lab::summary::CONFIDENCE;

#[derive(Clone, Debug, Serialize)]
pub struct Ties {
    pub other: TieRule,
    /// Runs that were made in both orders and did not fail in either.
    pub runs: u64,
    /// Runs of them with another order of events.
    pub reordered: u64,
    pub answers: Vec<TieAnswer>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TieAnswer {
    pub design: String,
    pub measure: &'static str,
    pub unit: &'static str,
    /// Runs that give a value in both orders.
    pub n: u64,
    /// Runs of them whose value is the same in both.
    pub equal: u64,
    /// The difference, the other order minus the usual one.
    pub difference: Option<f64>,
    pub lower: Option<f64>,
    pub upper: Option<f64>,
    pub confidence: f64,
    pub method: String,
}

impl TieAnswer {
    pub fn moves(&self) -> bool {
        excludes_zero(self.lower, self.upper)
    }

    /// The largest difference that the interval does not exclude.
    pub fn not_beyond(&self) -> Option<f64> {
        Some(self.lower?.abs().max(self.upper?.abs()))
    }
}

pub(super) fn compare(
    plan: &Plan,
    simulator: &Simulator,
    usual: &[(DesignNumbers, Vec<u64>)],
    pool: &rayon::ThreadPool,
    progress: &ProgressBar,
) -> Ties {
    let other = plan.tie_order.other();
    let simulator = simulator.with_ties(other);
    let horizon = SimTime::ZERO + plan.horizon();
    let threshold = horizon_of(plan.delayed_threshold_s);
    let frame = Frame::of_plan(plan);
    // What a table or a figure shows first.
    let mut measures = columns();
    measures.extend(panels().into_iter().filter(|known| known.words.head.is_none()));
    let mut ties = Ties {
        other,
        runs: 0,
        reordered: 0,
        answers: Vec::new(),
    };
    for (design, (usual, fingerprints)) in usual.iter().enumerate() {
        let mut numbers = DesignNumbers::default();
        let all: Vec<u64> = (0..plan.replications).collect();
        // A few runs at a time, so that few outcomes are in memory.
        for chunk in all.chunks(2 * pool.current_num_threads()) {
            let made: Vec<_> = pool.install(|| {
                let each = chunk.par_iter().map(|replication| {
                    let outcome = guarded(|| simulator.simulate(design, *replication));
                    progress.inc(1);
                    outcome
                });
                each.collect()
            });
            for (replication, outcome) in chunk.iter().zip(&made) {
                take_numbers(&mut numbers, *replication, outcome, horizon, threshold);
                let sound = outcome.run.failure.is_none() && !usual.runs[*replication as usize].failed;
                ties.runs += u64::from(sound);
                let reordered = outcome.run.fingerprint != fingerprints[*replication as usize];
                ties.reordered += u64::from(sound && reordered);
            }
        }
        let answer = |of: &&'static Known| answer(&of.name, &frame, &plan.designs[design], &numbers, usual);
        ties.answers
            .extend(measures.par_iter().filter_map(answer).collect::<Vec<_>>());
    }
    ties
}

fn answer(
    measure: &'static str,
    frame: &Frame,
    design: &PlannedDesign,
    other: &DesignNumbers,
    usual: &DesignNumbers,
) -> Option<TieAnswer> {
    let [other, usual] = [other, usual].map(|numbers| Context { frame, design, numbers });
    let how = How {
        confidence: CONFIDENCE,
        factor: 1.0,
        paired: true,
        absent_counts: false,
    };
    let made = difference(measure, other, usual, &how).ok()?;
    let values = per_run(measure, other)?.into_iter().zip(per_run(measure, usual)?);
    let equal = values.filter(|(a, b)| a.is_some() && a == b).count();
    let estimate = made.difference.estimate;
    Some(TieAnswer {
        design: design.name.clone(),
        measure,
        unit: made.unit,
        n: estimate.n,
        equal: equal as u64,
        difference: estimate.estimate,
        lower: estimate.lower,
        upper: estimate.upper,
        confidence: estimate.confidence,
        method: estimate.method,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::{AccessRecord, RunRecord};

    fn numbers(requests: impl Fn(u64) -> u64, demonstrated: impl Fn(u64) -> bool) -> DesignNumbers {
        let mut numbers = DesignNumbers::default();
        for replication in 0..40 {
            let run = RunRecord {
                certificate_requests: requests(replication),
                demonstrated: demonstrated(replication),
                ..RunRecord::default()
            };
            numbers.run(&run, SimTime::from_nanos(1));
            let access = AccessRecord {
                reached: true,
                ..AccessRecord::default()
            };
            numbers.runs[replication as usize].access(&access);
        }
        numbers
    }

    fn answered(measure: &'static str, other: &DesignNumbers, usual: &DesignNumbers) -> Option<TieAnswer> {
        let design = PlannedDesign {
            mesh: true,
            ..PlannedDesign::default()
        };
        answer(measure, &Frame::new(1.0, 1.0, &[]), &design, other, usual)
    }

    #[test]
    fn an_answer_that_moves_is_told_from_one_that_does_not() {
        let usual = numbers(|run| 10 + run % 3, |_| false);
        let more = numbers(|run| 12 + run % 5, |run| run % 2 == 0);
        let moved = answered("certificate_requests", &more, &usual).unwrap();
        assert!(moved.moves() && moved.lower.unwrap() > 0.0, "{moved:?}");
        assert!(answered("demonstrated_any", &more, &usual).unwrap().moves());
        // Up in one run as often as down in another.
        let shaken = numbers(|run| 10 + run % 3 + run % 2, |_| false);
        let other = numbers(|run| 10 + run % 3 + (run + 1) % 2, |_| false);
        let still = answered("certificate_requests", &shaken, &other).unwrap();
        assert!(
            !still.moves() && still.equal == 0 && still.not_beyond().unwrap() < 0.5,
            "{still:?}"
        );
    }

    #[test]
    fn equal_answers_are_counted_and_shares_still_have_a_bound() {
        let usual = numbers(|run| run, |run| run < 5);
        let same = answered("demonstrated_any", &usual.clone(), &usual).unwrap();
        assert_eq!((same.equal, same.n, same.moves()), (40, 40, false));
        assert!(
            same.not_beyond().unwrap() > 0.0,
            "40 runs cannot exclude every difference"
        );
        // Without pods a run has no share of them.
        assert!(answered("never_ready_share", &usual.clone(), &usual).is_none());
    }
}
