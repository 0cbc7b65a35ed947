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

use super::error::LabError;
use super::plan::Simulate;
use super::progress::{Done, Event, Listen};
use super::rows::RowKey;
use super::segment::BatchRows;
use super::store::{BatchId, Store};
use crate::cluster::records::{Outcome, RunRecord};
use crate::kernel::interrupt::{Interruptible, runs_shall_end};
use crate::kernel::{RunFailure, SimTime};

/// The component that failed runs name if they panicked outside of the simulated world.
const OUTSIDE: &str = "simulator";

thread_local! {
    /// Whether this thread is inside a run, whose panic is a stored result and nothing to print.
    static INSIDE_RUN: Cell<bool> = const { Cell::new(false) };
}

/// Stack of a worker, whatever `RUST_MIN_STACK` says.
const WORKER_STACK_BYTES: usize = 16 << 20;
/// Most workers: beyond it threads cost more than they give.
pub const JOBS_MAX: usize = 256;

pub fn workers(jobs: usize) -> Result<rayon::ThreadPool, LabError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(jobs.min(JOBS_MAX))
        .stack_size(WORKER_STACK_BYTES)
        .build();
    pool.map_err(|error| LabError::Workers {
        jobs,
        reason: error.to_string(),
    })
}

pub(super) struct Work<'a> {
    pub store: &'a Store<'a>,
    pub simulator: &'a dyn Simulate,
    pub pool: &'a rayon::ThreadPool,
    pub listener: &'a dyn Listen,
    pub done: &'a Done,
    pub stop: &'a AtomicBool,
}

impl Work<'_> {
    /// Makes the batches in `missing` and stores each; ends early once `stop` is set. Batches whose runs are ended then because
    /// they take long are left out.
    ///
    /// Returns the number of batches made, the first of the list.
    ///
    /// # Errors
    /// If a batch cannot be stored; batches in flight are finished first.
    pub(super) fn make_batches(&self, missing: &[BatchId]) -> Result<usize, LabError> {
        let _interruptible = Interruptible::begin();
        let (next, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let cancelled = AtomicBool::new(false);
        let failure = Mutex::new(None);
        self.pool.broadcast(|_| {
            while !self.stop.load(Ordering::SeqCst) && !cancelled.load(Ordering::SeqCst) {
                let Some(id) = missing.get(next.fetch_add(1, Ordering::SeqCst)) else {
                    break;
                };
                match self.make_batch(*id) {
                    Ok(true) => {}
                    Ok(false) => _ = left.fetch_add(1, Ordering::SeqCst),
                    Err(error) => {
                        cancelled.store(true, Ordering::SeqCst);
                        failure
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .get_or_insert(error);
                    }
                }
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(next.into_inner().min(missing.len()) - left.into_inner()),
        }
    }

    /// Makes and stores a batch; gives whether it was made.
    fn make_batch(&self, id: BatchId) -> Result<bool, LabError> {
        let mut rows = BatchRows::default();
        let design = &self.store.plan().designs[id.design].name;
        let range = self.store.replications(id);
        let made = range.end - range.start;
        for replication in range {
            let outcome = make_run(self.simulator, id.design, replication);
            if runs_shall_end() {
                return Ok(false);
            }
            rows.push(RowKey { design, replication }, &outcome);
            self.listener.run_made(id.design);
        }
        self.store.write(id, &rows)?;
        self.listener.hear(Event::Batch {
            design: id.design,
            done: self.done.add(id.design, made),
        });
        Ok(true)
    }
}

/// Makes one run; a panic gives a failed run with its message.
fn make_run(simulator: &dyn Simulate, design: usize, replication: u64) -> Outcome {
    guarded(|| simulator.simulate(design, replication))
}

/// What `make` gives, with the message of a panic kept off the terminal: it is a stored result.
pub(super) fn guarded(make: impl FnOnce() -> Outcome) -> Outcome {
    caught(make).unwrap_or_else(|text| {
        let failure = RunFailure {
            time: SimTime::ZERO,
            component: OUTSIDE.to_owned(),
            reason: format!("panic: {text}"),
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

/// What `make` gives, or the message of its panic, which is kept off the terminal.
pub(super) fn caught<T>(make: impl FnOnce() -> T) -> Result<T, String> {
    silence_panics_of_runs();
    let outside = INSIDE_RUN.replace(true);
    let made = catch_unwind(AssertUnwindSafe(make));
    INSIDE_RUN.set(outside);
    made.map_err(|payload| {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        text.unwrap_or("without a message").to_owned()
    })
}

/// Keeps the message of a panic inside a run off the terminal; other panics are reported as before.
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
