//! The end of runs before their time: whoever wants the program to end does not wait for a run that takes long.
//!
//! A run that ended so is no result; whoever makes runs throws it away. Who asks, and how long a run may go on then, belongs
//! to `cli::signals`.

use std::sync::atomic::{AtomicU8, Ordering};

/// No run is made that may be thrown away.
const IDLE: u8 = 0;
const MADE: u8 = 1;
const ENDED: u8 = 2;

static RUNS: AtomicU8 = AtomicU8::new(IDLE);

/// Runs are made that may be thrown away, until this is dropped.
#[derive(Debug)]
pub struct Interruptible(());

impl Interruptible {
    /// From now on.
    #[must_use]
    pub fn begin() -> Self {
        let _ = RUNS.compare_exchange(IDLE, MADE, Ordering::SeqCst, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        RUNS.store(IDLE, Ordering::SeqCst);
    }
}

/// Ends the runs that are made now, if they may be thrown away.
pub fn end_runs() {
    let _ = RUNS.compare_exchange(MADE, ENDED, Ordering::SeqCst, Ordering::SeqCst);
}

/// Whether runs shall end.
#[must_use]
pub fn runs_shall_end() -> bool {
    RUNS.load(Ordering::Relaxed) == ENDED
}
