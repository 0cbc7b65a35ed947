//! Whether runs repeat: every replication made twice, watched event by event, and once more on one thread.
//!
//! Begins in [`verify`]. What two runs are compared by stands in `twice`, how builds are compared in `against` and
//! `ladders`, and which answers depend on ties in `ties`. How a report looks belongs to `report`.

mod against;
mod ladders;
mod ties;
mod twice;

use std::path::Path;

use indicatif::ProgressBar;
use rayon::prelude::*;
use serde::Serialize;

use super::designs::Simulator;
use super::error::LabError;
use super::numbers::DesignNumbers;
use super::plan::{Plan, Simulate, horizon_of};
use super::rows::{RowKey, TABLES};
use super::runner::{guarded, workers};
use super::segment::BatchRows;
use crate::cluster::records::Outcome;
use crate::cluster::spec::TieRule;
use crate::kernel::{Ladder, RunFailure, SimDuration, SimTime};

pub use super::store::FINGERPRINTS;
pub use against::{Against, Interval, RunDifference};
pub use ladders::LadderFile;
pub use ties::{TieAnswer, Ties};
pub use twice::{DrawSeen, EventDifference, EventSeen};

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub experiment: String,
    pub version: String,
    pub seed: u64,
    pub tie_order: TieRule,
    /// Threads on which runs were made twice; then they were made once more on one.
    pub jobs: usize,
    pub designs: Vec<String>,
    pub replications: u64,
    pub events: u64,
    pub draws: u64,
    /// Runs that differ from themselves, in the order of designs and replications.
    pub differences: Vec<Difference>,
    pub collisions: Vec<Collided>,
    /// Runs that fail, each time in the same way unless they also differ.
    pub failures: Vec<Failed>,
    /// What another order of ties changes.
    pub ties: Option<Ties>,
    pub against: Option<Against>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub design: String,
    pub replication: u64,
    pub replay: String,
    pub what: What,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Event(Box<EventDifference>),
    /// In its rows, although all events are equal.
    Rows {
        table: &'static str,
        between: &'static str,
    },
}

/// A stream that two addresses own.
#[derive(Clone, Debug, Serialize)]
pub struct Collided {
    pub design: String,
    pub replication: u64,
    /// The stream, hexadecimal.
    pub stream: String,
    /// Purpose and entity of those who own it.
    pub owners: [String; 2],
}

#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    pub design: String,
    pub replication: u64,
    pub failure: RunFailure,
    pub replay: String,
}

impl Report {
    /// Whether every run repeats, none failed, no stream is shared, and the other build gave the same.
    pub fn sound(&self) -> bool {
        let other = self.against.as_ref().is_none_or(|against| against.differing.is_empty());
        self.differences.is_empty() && self.collisions.is_empty() && self.failures.is_empty() && other
    }
}

/// Steps of progress per replication: twice watched, once on one thread, once with other ties.
pub const STEPS: u64 = 4;

/// Makes every replication of the plan's designs twice and compares; `against` is the folder of another build.
///
/// The report comes with the ladders of all runs.
///
/// # Errors
/// If there are no threads, or the folder holds nothing to compare with.
pub fn verify(
    plan: &Plan,
    simulator: &Simulator,
    jobs: usize,
    against: Option<&Path>,
    progress: &ProgressBar,
) -> Result<(Report, LadderFile), LabError> {
    let reference = against
        .map(|folder| against::Reference::read(folder, plan))
        .transpose()?;
    let pool = workers(jobs)?;
    let all: Vec<(usize, u64)> = (0..plan.designs.len())
        .flat_map(|design| (0..plan.replications).map(move |replication| (design, replication)))
        .collect();
    let twice: Vec<Twice> = pool.install(|| {
        let each = all.par_iter().map(|&(design, replication)| {
            let made = Twice::make(plan, simulator, design, replication);
            progress.inc(2);
            made
        });
        each.collect()
    });
    let mut report = blank(plan, jobs);
    let ranked = alone(plan, simulator, &twice, &mut report, progress);
    for run in &twice {
        report.events += run.events;
        report.draws += run.draws;
        report.differences.extend(run.difference.clone());
        report.collisions.extend(run.collision.clone());
        report.failures.extend(run.failure.clone());
    }
    report.differences.sort_by_key(|difference| {
        let design = plan.designs.iter().position(|design| design.name == difference.design);
        (design, difference.replication)
    });
    report.ties = Some(ties::compare(plan, simulator, &ranked, &pool, progress));
    let ladders = LadderFile::of(plan, twice.iter().map(|run| (run.design, run.replication, &run.ladder)));
    report.against = match reference {
        Some(reference) => Some(reference.compare(plan, simulator, &ladders)?),
        None => None,
    };
    Ok((report, ladders))
}

fn blank(plan: &Plan, jobs: usize) -> Report {
    Report {
        experiment: plan.experiment.clone(),
        version: plan.version.clone(),
        seed: plan.seed,
        tie_order: plan.tie_order,
        jobs,
        designs: plan.designs.iter().map(|design| design.name.clone()).collect(),
        replications: plan.replications,
        events: 0,
        draws: 0,
        differences: Vec::new(),
        collisions: Vec::new(),
        failures: Vec::new(),
        ties: None,
        against: None,
    }
}

struct Twice {
    design: usize,
    replication: u64,
    rows: RowDigests,
    ladder: Ladder,
    events: u64,
    draws: u64,
    difference: Option<Difference>,
    collision: Option<Collided>,
    failure: Option<Failed>,
}

type RowDigests = [blake3::Hash; TABLES.len()];

impl Twice {
    fn make(plan: &Plan, simulator: &Simulator, design: usize, replication: u64) -> Self {
        let compared = twice::compare(simulator, design, replication);
        let name = &plan.designs[design].name;
        let first = row_digests(name, replication, &compared.first);
        let rows = || {
            let second = compared.second.as_ref()?;
            let table = differing_table(&first, &row_digests(name, replication, second))?;
            Some(What::Rows {
                table,
                between: "the first and the second run",
            })
        };
        let what = compared
            .difference
            .map(|found| What::Event(Box::new(found)))
            .or_else(rows);
        let replay = plan.replay(name, replication);
        Self {
            design,
            replication,
            rows: first,
            events: compared.events,
            draws: compared.draws,
            difference: what.map(|what| Difference {
                design: name.clone(),
                replication,
                replay: replay.clone(),
                what,
            }),
            collision: compared.collision.map(|(stream, owners)| Collided {
                design: name.clone(),
                replication,
                stream,
                owners,
            }),
            failure: compared.first.run.failure.map(|failure| Failed {
                design: name.clone(),
                replication,
                failure,
                replay,
            }),
            ladder: compared.ladder,
        }
    }
}

/// Makes every run once more on this thread alone, unwatched; differences go into the report, numbers come back.
fn alone(
    plan: &Plan,
    simulator: &Simulator,
    twice: &[Twice],
    report: &mut Report,
    progress: &ProgressBar,
) -> Vec<(DesignNumbers, Vec<u64>)> {
    let horizon = SimTime::ZERO + plan.horizon();
    let threshold = horizon_of(plan.delayed_threshold_s);
    let mut numbers = vec![(DesignNumbers::default(), Vec::new()); plan.designs.len()];
    for run in twice {
        let outcome = guarded(|| simulator.simulate(run.design, run.replication));
        let name = &plan.designs[run.design].name;
        let differs = differing_table(&run.rows, &row_digests(name, run.replication, &outcome));
        // A run that already differs from itself is reported once.
        if let (Some(table), None) = (differs, &run.difference) {
            report.differences.push(Difference {
                design: name.clone(),
                replication: run.replication,
                replay: plan.replay(name, run.replication),
                what: What::Rows {
                    table,
                    between: "the runs on all threads and the run on one",
                },
            });
        }
        let (numbers, fingerprints) = &mut numbers[run.design];
        take_numbers(numbers, run.replication, &outcome, horizon, threshold);
        fingerprints.push(outcome.run.fingerprint);
        progress.inc(1);
    }
    numbers
}

/// Takes a run's records into account, as the tables of a result would be.
fn take_numbers(
    numbers: &mut DesignNumbers,
    replication: u64,
    outcome: &Outcome,
    horizon: SimTime,
    threshold: SimDuration,
) {
    numbers.run(&outcome.run, horizon);
    outcome
        .pods
        .iter()
        .for_each(|pod| numbers.pod(replication, pod, threshold));
    outcome
        .accesses
        .iter()
        .for_each(|access| numbers.access(replication, access));
    let windows = outcome.exposures.iter();
    windows.for_each(|window| numbers.exposure(replication, window, horizon));
    outcome
        .edges
        .iter()
        .for_each(|span| numbers.edge(replication, span, horizon));
}

fn row_digests(design: &str, replication: u64, outcome: &Outcome) -> RowDigests {
    let mut rows = BatchRows::default();
    rows.push(RowKey { design, replication }, outcome);
    rows.0.map(|table| blake3::hash(&table.bytes))
}

fn differing_table(left: &RowDigests, right: &RowDigests) -> Option<&'static str> {
    let first = left.iter().zip(right).position(|(left, right)| left != right);
    first.map(|table| TABLES[table])
}
