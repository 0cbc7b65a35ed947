//! The position of a reader that acts on every version of its watch as it arrives. Readers that are only asked what they
//! believe have a `cursor` instead.

use std::sync::Arc;

use super::delay::{Delay, LastBatch, Runs};
use crate::kernel::{EntityKey, RunKey, SimDuration, SimTime};

/// The position of a reader that acts on every version of its watch as it arrives: first in, first out.
///
/// It gives the same times as [`super::View::crossing`], at a constant cost per version.
#[derive(Clone, Debug)]
pub struct Inbox {
    reader: EntityKey,
    delay: Arc<Delay>,
    latest: SimTime,
    batch: LastBatch,
    runs: Runs,
}

impl Inbox {
    /// The inbox of a reader.
    #[must_use]
    pub fn new(reader: EntityKey, delay: &Arc<Delay>) -> Self {
        Self {
            reader,
            delay: delay.clone(),
            latest: SimTime::ZERO,
            batch: LastBatch::NONE,
            runs: Runs::NONE,
        }
    }

    /// When a version arrives that was written at `written` and is sent so much later. Must be called in the order of writing.
    pub fn arrival(&mut self, run_key: &RunKey, written: SimTime, lag: SimDuration) -> SimTime {
        let arrival = self
            .batch
            .arrival(&mut self.runs, &self.delay, run_key, self.reader, written, lag);
        self.latest = self.latest.max(arrival);
        self.latest
    }
}
