//! Making runs on all cores: batches in a fixed order, each stored as soon as it is whole.
//!
//! Workers take the next batch from a counter, so that designs stay level and an interruption leaves a prefix. A run
//! depends on design and replication alone; nothing that a worker does reaches another. A run that panics becomes a
//! failed run with its message: inside the world with time and component (`cluster::world`), elsewhere without. What
//! happens before and after belongs to `experiment`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::error::LabError;
use super::plan::{Plan, Simulate};
use super::rows::RowKey;
use super::segment::BatchRows;
use super::store::{BatchId, Store};
use crate::cluster::records::{Outcome, RunRecord};
use crate::kernel::{RunFailure, SimTime};

/// The component that failed runs name if they panicked outside of the simulated world.
const OUTSIDE: &str = "simulator";

thread_local! {
    /// Whether this thread is inside a run, whose panic is a stored result and nothing to print.
    static INSIDE_RUN: Cell<bool> = const { Cell::new(false) };
}

/// Workers for runs, files and estimates.
///
/// # Errors
/// If the system gives no threads.
pub fn workers(jobs: usize) -> Result<rayon::ThreadPool, LabError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
    pool.map_err(|error| LabError::Workers {
        jobs,
        reason: error.to_string(),
    })
}

/// Makes the batches in `missing` and stores each; ends early once `stop` is set.
///
/// Returns the number of runs made.
///
/// # Errors
/// If a batch cannot be stored; batches in flight are finished first.
pub fn make_batches(
    store: &Store<'_>,
    plan: &Plan,
    simulator: &dyn Simulate,
    missing: &[BatchId],
    pool: &rayon::ThreadPool,
    progress: &ProgressBar,
    stop: &AtomicBool,
) -> Result<u64, LabError> {
    let next = AtomicUsize::new(0);
    let given_up = AtomicBool::new(false);
    let failure = Mutex::new(None);
    pool.broadcast(|_| {
        while !stop.load(Ordering::SeqCst) && !given_up.load(Ordering::SeqCst) {
            let Some(id) = missing.get(next.fetch_add(1, Ordering::SeqCst)) else {
                break;
            };
            let rows = make_batch(plan, simulator, *id, progress);
            if let Err(error) = store.write(*id, &rows) {
                given_up.store(true, Ordering::SeqCst);
                failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(error);
            }
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => {
            let made = next.into_inner().min(missing.len());
            Ok(missing[..made].iter().map(|id| replications(plan, *id)).sum())
        }
    }
}

/// Number of replications in a batch.
pub fn replications(plan: &Plan, id: BatchId) -> u64 {
    let batch = plan.batch(id.batch);
    batch.end - batch.start
}

fn make_batch(plan: &Plan, simulator: &dyn Simulate, id: BatchId, progress: &ProgressBar) -> BatchRows {
    let mut rows = BatchRows::default();
    let design = &plan.designs[id.design].name;
    for replication in plan.batch(id.batch) {
        let outcome = make_run(simulator, id.design, replication);
        rows.push(RowKey { design, replication }, &outcome);
        progress.inc(1);
    }
    rows
}

/// Makes one run; a panic gives a failed run with its message.
fn make_run(simulator: &dyn Simulate, design: usize, replication: u64) -> Outcome {
    guarded(|| simulator.simulate(design, replication))
}

/// What `make` gives, with the message of a panic kept off the terminal: it is a stored result.
pub(super) fn guarded(make: impl FnOnce() -> Outcome) -> Outcome {
    silence_panics_of_runs();
    INSIDE_RUN.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(make));
    INSIDE_RUN.set(false);
    outcome.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let failure = RunFailure {
            time: SimTime::ZERO,
            component: OUTSIDE.to_owned(),
            reason: format!("panic: {}", text.unwrap_or("without a message")),
        };
        Outcome {
            run: RunRecord {
                failure: Some(failure),
                ..RunRecord::default()
            },
            ..Outcome::default()
        }
    })
}

/// Keeps the message of a panic inside a run off the terminal; other panics are told as before.
fn silence_panics_of_runs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = take_hook();
        set_hook(Box::new(move |info| {
            if !INSIDE_RUN.get() {
                tell(info);
            }
        }));
    });
}

/// A bar over `runs` on the error stream, with the time left; hidden if that is no terminal or `quiet`.
pub fn progress_bar(runs: u64, done: u64, quiet: bool) -> ProgressBar {
    let target = if quiet {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    };
    let style = ProgressStyle::with_template("{wide_bar} {human_pos} of {human_len} runs, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(runs), target);
    bar.set_position(done);
    bar.reset_eta();
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
