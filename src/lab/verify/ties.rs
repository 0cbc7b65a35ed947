//! Which answers hang on ties: the same replications with the other order of ties, measure by measure.
//!
//! Both orders meet the same misfortunes, so differences are taken within a replication; formulas are those of
//! `stats::paired`. A measure that moves is no defect of the program: the model leaves open what the answer hangs on.

use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use super::take_numbers;
use crate::cluster::records::AccessClass;
use crate::cluster::spec::TieRule;
use crate::kernel::SimTime;
use crate::lab::designs::Simulator;
use crate::lab::differences::run_medians;
use crate::lab::numbers::{DesignNumbers, RunNumbers};
use crate::lab::plan::{Plan, Simulate, horizon_of};
use crate::lab::runner::guarded;
use crate::lab::summary::CONFIDENCE;
use crate::stats::{Estimate, PairedCounts, mean_difference, share_difference};

/// What the other order of ties changes.
#[derive(Clone, Debug, Serialize)]
pub struct Ties {
    /// The other order.
    pub other: TieRule,
    /// Runs that were made in both orders and did not fail in either.
    pub runs: u64,
    /// Runs of them with another order of events.
    pub reordered: u64,
    /// The answers, per design and measure.
    pub answers: Vec<TieAnswer>,
}

/// One answer in both orders.
#[derive(Clone, Debug, Serialize)]
pub struct TieAnswer {
    /// The design.
    pub design: String,
    /// The measure.
    pub measure: &'static str,
    /// Its unit; `1` for shares.
    pub unit: &'static str,
    /// Runs that give a value in both orders.
    pub n: u64,
    /// Runs of them whose value is the same in both.
    pub equal: u64,
    /// Mean difference, the other order minus the usual one.
    pub difference: Option<f64>,
    /// Lower bound.
    pub lower: Option<f64>,
    /// Upper bound.
    pub upper: Option<f64>,
    /// Nominal coverage.
    pub confidence: f64,
    /// Name of the method.
    pub method: String,
}

impl TieAnswer {
    /// Whether the interval leaves out zero.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.lower.is_some_and(|lower| lower > 0.0) || self.upper.is_some_and(|upper| upper < 0.0)
    }

    /// The largest difference that the interval does not exclude.
    #[must_use]
    pub fn not_beyond(&self) -> Option<f64> {
        Some(self.lower?.abs().max(self.upper?.abs()))
    }
}

/// The value of a measure in one run.
enum Of {
    /// Whether something happened.
    Happened(fn(&RunNumbers) -> Option<bool>),
    /// A number.
    Number(fn(&RunNumbers) -> Option<f64>),
    /// The run's median wait for Ready \[s\].
    MedianWait,
}

const fn share(part: u32, all: u32) -> Option<f64> {
    if all == 0 { None } else { Some(part as f64 / all as f64) }
}

fn exposure_s(run: &RunNumbers, class: AccessClass) -> f64 {
    let spans = run.exposure.iter().filter(|(kind, _)| kind.class == class);
    spans.map(|(_, span)| span.as_secs_f64()).sum()
}

/// Name, unit and value of each measure, under the names of the summary where it has them per run.
const MEASURES: [(&str, &str, Of); 10] = [
    (
        "unauthorized_any",
        "1",
        Of::Happened(|run| run.tested().then(|| run.has(AccessClass::Unauthorized))),
    ),
    (
        "network_bypassed_any",
        "1",
        Of::Happened(|run| run.tested().then(|| run.has(AccessClass::NetworkBypassed))),
    ),
    (
        "mesh_bypassed_any",
        "1",
        Of::Happened(|run| run.tested().then(|| run.has(AccessClass::MeshBypassed))),
    ),
    ("demonstrated_any", "1", Of::Happened(|run| Some(run.demonstrated))),
    (
        "unauthorized_exposure",
        "s",
        Of::Number(|run| Some(exposure_s(run, AccessClass::Unauthorized))),
    ),
    ("startup_latency_p50", "s", Of::MedianWait),
    (
        "never_ready_share",
        "1",
        Of::Number(|run| share(run.pods.never_ready, run.pods.all)),
    ),
    (
        "delayed_share",
        "1",
        Of::Number(|run| share(run.pods.delayed_by.iter().sum(), run.pods.all)),
    ),
    (
        "certificate_requests",
        "requests",
        Of::Number(|run| Some(run.certificate_requests as f64)),
    ),
    (
        "stale_entries",
        "entries",
        Of::Number(|run| Some(f64::from(run.stale_entries))),
    ),
];

/// Makes every run with the other order and compares.
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
        let answers = MEASURES
            .iter()
            .map(|(name, unit, of)| answer(&plan.designs[design].name, (name, unit), of, &numbers, usual));
        ties.answers.extend(answers.filter(|answer| answer.n > 0));
    }
    ties
}

fn answer(
    design: &str,
    (measure, unit): (&'static str, &'static str),
    of: &Of,
    other: &DesignNumbers,
    usual: &DesignNumbers,
) -> TieAnswer {
    let pairs = || {
        let pairs = other.runs.iter().zip(&usual.runs);
        pairs.filter(|(other, usual)| !other.failed && !usual.failed)
    };
    let (equal, estimate) = match of {
        Of::Happened(value) => {
            let (a, b): (Vec<bool>, Vec<bool>) = pairs().filter_map(|(a, b)| Some((value(a)?, value(b)?))).unzip();
            let equal = a.iter().zip(&b).filter(|(a, b)| a == b).count();
            (
                equal,
                share_difference(&PairedCounts::from_outcomes(&a, &b), CONFIDENCE).estimate,
            )
        }
        Of::Number(value) => of_numbers(pairs().filter_map(|(a, b)| Some((value(a)?, value(b)?))).collect()),
        Of::MedianWait => {
            let (a, b) = (run_medians(other), run_medians(usual));
            of_numbers(a.iter().zip(&b).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect())
        }
    };
    TieAnswer {
        design: design.to_owned(),
        measure,
        unit,
        n: estimate.n,
        equal: equal as u64,
        difference: estimate.estimate,
        lower: estimate.lower,
        upper: estimate.upper,
        confidence: estimate.confidence,
        method: estimate.method,
    }
}

fn of_numbers(pairs: Vec<(f64, f64)>) -> (usize, Estimate) {
    let equal = pairs.iter().filter(|(a, b)| a == b).count();
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    (equal, mean_difference(&a, &b, 1.0, None, CONFIDENCE).estimate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::RunRecord;

    fn numbers(requests: impl Fn(u64) -> u64, demonstrated: impl Fn(u64) -> bool) -> DesignNumbers {
        let mut numbers = DesignNumbers::default();
        for replication in 0..40 {
            let run = RunRecord {
                certificate_requests: requests(replication),
                demonstrated: demonstrated(replication),
                ..RunRecord::default()
            };
            numbers.run(&run, SimTime::from_nanos(1));
        }
        numbers
    }

    fn answered(measure: &str, other: &DesignNumbers, usual: &DesignNumbers) -> TieAnswer {
        let (name, unit, of) = MEASURES.iter().find(|(name, _, _)| *name == measure).unwrap();
        answer("design", (name, unit), of, other, usual)
    }

    #[test]
    fn an_answer_that_moves_is_told_from_one_that_does_not() {
        let usual = numbers(|run| 10 + run % 3, |_| false);
        let more = numbers(|run| 12 + run % 5, |run| run % 2 == 0);
        let moved = answered("certificate_requests", &more, &usual);
        assert!(moved.moves() && moved.lower.unwrap() > 0.0, "{moved:?}");
        assert!(answered("demonstrated_any", &more, &usual).moves());
        // Up in one run as often as down in another.
        let shaken = numbers(|run| 10 + run % 3 + run % 2, |_| false);
        let other = numbers(|run| 10 + run % 3 + (run + 1) % 2, |_| false);
        let still = answered("certificate_requests", &shaken, &other);
        assert!(
            !still.moves() && still.equal == 0 && still.not_beyond().unwrap() < 0.5,
            "{still:?}"
        );
    }

    #[test]
    fn equal_answers_are_counted_and_shares_still_have_a_bound() {
        let usual = numbers(|run| run, |run| run < 5);
        let same = answered("demonstrated_any", &usual.clone(), &usual);
        assert_eq!((same.equal, same.n, same.moves()), (40, 40, false));
        assert!(
            same.not_beyond().unwrap() > 0.0,
            "40 runs cannot exclude every difference"
        );
        // Without pods a run has no share of them.
        assert_eq!(answered("never_ready_share", &usual.clone(), &usual).n, 0);
    }
}
