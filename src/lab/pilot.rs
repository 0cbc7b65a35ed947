//! A pilot: a few runs of some points of a plan, to say beforehand what the whole will cost in time and on disk.
//!
//! It stores nothing. Its figures are of this machine and this moment and reach nothing but what `--dry-run` prints.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::error::LabError;
use super::plan::{Plan, Simulate};
use super::rows::{RowKey, TABLES};
use super::runner::{guarded, workers};
use super::segment::BatchRows;
use super::wall_clock::Stopwatch;

/// Most points of which runs are made, spread over the plan.
const POINTS_MAX: usize = 48;
/// Most runs of each. The first one also makes the blueprint and warms caches, and is not timed if there are others.
const REPLICATIONS_MAX: u64 = 4;
/// No run is begun after this time, apart from the first \[s\].
const BUDGET_S: f64 = 10.0;
/// As in segments and tables.
const COMPRESSION_LEVEL: i32 = 3;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    pub pilot_runs: u64,
    pub pilot_points: usize,
    /// Workers that it used, and for which the time is estimated.
    pub jobs: usize,
    /// Wall time of making the runs; tables and estimates come on top \[s\].
    pub running_s: f64,
    /// Size of the tables in the end, and about the same again for segments while the runs are made \[bytes\].
    pub tables_bytes: u64,
}

struct Made {
    task: usize,
    seconds: f64,
    rows: BatchRows,
}

pub fn estimate(plan: &Plan, simulator: &dyn Simulate, jobs: usize) -> Result<Estimate, LabError> {
    let points = spread(plan.designs.len(), POINTS_MAX);
    let replications = REPLICATIONS_MAX.min(plan.replications);
    let tasks: Vec<(usize, u64)> = (0..replications)
        .flat_map(|replication| points.iter().map(move |point| (*point, replication)))
        .collect();
    let pool = workers(jobs)?;
    let watch = Stopwatch::start();
    let (next, made) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    pool.broadcast(|_| {
        loop {
            let task = next.fetch_add(1, Ordering::SeqCst);
            let Some(&(design, replication)) = tasks.get(task) else {
                break;
            };
            if task > 0 && watch.exact_seconds() > BUDGET_S {
                break;
            }
            let run = Stopwatch::start();
            let outcome = guarded(|| simulator.simulate(design, replication));
            let seconds = run.exact_seconds();
            let mut rows = BatchRows::default();
            let key = RowKey {
                design: &plan.designs[design].name,
                replication,
            };
            rows.push(key, &outcome);
            let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
            made.push(Made { task, seconds, rows });
        }
    });
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|made| made.task);
    let timed = made
        .iter()
        .map(|made| (tasks[made.task].0, tasks[made.task].1, made.seconds));
    let seconds = seconds_per_run(plan, &timed.collect::<Vec<_>>());
    let runs = made.len() as u64;
    let all_runs = plan.replications * plan.designs.len() as u64;
    // Point by point: with common random numbers, runs of one number are much alike at all points, and a compressor that
    // saw them side by side would promise too much.
    let of_point = |point: &usize| {
        packed_bytes(
            made.iter()
                .filter(|made| tasks[made.task].0 == *point)
                .map(|made| &made.rows),
        )
    };
    let packed: u64 = points.iter().map(of_point).sum();
    Ok(Estimate {
        pilot_runs: runs,
        pilot_points: runs.min(points.len() as u64) as usize,
        jobs,
        running_s: seconds.iter().sum::<f64>() * plan.replications as f64 / jobs as f64,
        tables_bytes: packed * all_runs / runs.max(1),
    })
}

/// At most `most` of `all` positions, evenly spread, the first among them.
fn spread(all: usize, most: usize) -> Vec<usize> {
    let taken = all.min(most);
    (0..taken).map(|index| index * all / taken).collect()
}

/// The mean time of a run of each planned design: its own, else that of other points of the same design, else of all.
fn seconds_per_run(plan: &Plan, timed: &[(usize, u64, f64)]) -> Vec<f64> {
    let mean = |belongs: &dyn Fn(usize) -> bool| {
        let of_these = || timed.iter().filter(|(design, ..)| belongs(*design));
        let warm = of_these().any(|(_, replication, _)| *replication > 0);
        let counted: Vec<f64> = of_these()
            .filter(|(_, replication, _)| *replication > 0 || !warm)
            .map(|(.., seconds)| *seconds)
            .collect();
        (!counted.is_empty()).then(|| counted.iter().sum::<f64>() / counted.len() as f64)
    };
    let base = |design: usize| plan.designs[design].base();
    // Per name once: a plan of ten thousand points has few of them.
    let mut of_base: Vec<(&str, Option<f64>)> = Vec::new();
    let all = mean(&|_| true).unwrap_or(0.0);
    let mut found = Vec::with_capacity(plan.designs.len());
    for design in 0..plan.designs.len() {
        let name = base(design);
        if of_base.last().is_none_or(|(known, _)| *known != name) {
            of_base.push((name, mean(&|other| base(other) == name)));
        }
        let shared = of_base.last().and_then(|(_, seconds)| *seconds);
        found.push(mean(&|other| other == design).or(shared).unwrap_or(all));
    }
    found
}

/// Bytes of these rows once they are compressed, table by table.
fn packed_bytes<'r>(rows: impl Iterator<Item = &'r BatchRows>) -> u64 {
    let mut tables: [Vec<u8>; TABLES.len()] = Default::default();
    for batch in rows {
        for (table, rows) in tables.iter_mut().zip(&batch.0) {
            table.extend_from_slice(&rows.bytes);
        }
    }
    let packed = tables
        .iter()
        .map(|table| zstd::bulk::compress(table, COMPRESSION_LEVEL).map_or(table.len(), |packed| packed.len()));
    packed.sum::<usize>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::{Fake, plan};

    #[test]
    fn a_pilot_makes_few_runs_and_estimates_all() {
        let plan = plan(1000);
        let fake = Fake::default();
        let estimate = estimate(&plan, &fake, 2).unwrap();
        assert_eq!((estimate.pilot_runs, estimate.pilot_points, fake.begun()), (12, 3, 12));
        assert!(estimate.running_s > 0.0 && estimate.running_s.is_finite());
        let per_run = estimate.tables_bytes / 3000;
        assert!((200..5000).contains(&per_run), "{per_run} bytes per run");
    }

    #[test]
    fn points_are_spread_over_the_plan() {
        assert_eq!(spread(3, 48), [0, 1, 2]);
        assert_eq!(spread(10, 4), [0, 2, 5, 7]);
        assert_eq!(spread(10_000, 48).len(), 48);
    }

    #[test]
    fn a_design_without_runs_takes_the_time_of_its_other_points() {
        let mut plan = plan(10);
        plan.designs[1].design = "cilium-only".to_owned();
        let timed = [(0, 0, 9.0), (0, 1, 2.0), (0, 2, 4.0)];
        assert_eq!(seconds_per_run(&plan, &timed), [3.0, 3.0, 3.0]);
        let timed = [(0, 0, 9.0), (2, 0, 1.0)];
        assert_eq!(seconds_per_run(&plan, &timed), [9.0, 9.0, 1.0]);
    }
}
