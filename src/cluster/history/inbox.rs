//! The position of a reader that acts on every version of its watch as it arrives. Readers that are only asked what they
//! believe have a `path` instead.

use super::delay::{Delay, LastBatch, Runs};
use crate::kernel::{EntityKey, RunKey, SimTime};

/// The position of a reader that acts on every version of its watch as it arrives: first in, first out.
///
/// It gives the same times as [`super::Path::crossing`], at a constant cost per version.
#[derive(Clone, Debug)]
pub struct Inbox {
    reader: EntityKey,
    latest: SimTime,
    batch: LastBatch,
    runs: Runs,
}

impl Inbox {
    /// The inbox of a reader.
    #[must_use]
    pub const fn new(reader: EntityKey) -> Self {
        Self {
            reader,
            latest: SimTime::ZERO,
            batch: LastBatch::NONE,
            runs: Runs::NONE,
        }
    }

    /// When a version written at `written` arrives. Must be called in the order of writing.
    pub fn arrival(&mut self, delay: &Delay, run_key: &RunKey, written: SimTime) -> SimTime {
        let arrival = self.batch.arrival(&mut self.runs, delay, run_key, self.reader, written);
        self.latest = self.latest.max(arrival);
        self.latest
    }
}
