//! How long the writes of one dispatch batch are on their way to one reader. Where they stand belongs to `path`.

use crate::cluster::purpose::Purpose;
use crate::kernel::{EntityKey, Law, RunKey, SimDuration, SimTime};

/// How the writes of one dispatch batch are delayed on their way to one reader.
#[derive(Clone, Copy, Debug)]
pub struct Delay {
    /// What the draws are for.
    pub purpose: Purpose,
    /// Law of the delay.
    pub law: Law,
    /// Law of what the reader itself needs before it acts on what it read, if anything.
    pub then: Option<Law>,
    /// Writes within this span travel together.
    pub batch_period: SimDuration,
}

impl Delay {
    /// The longest delay.
    #[must_use]
    pub fn bound(&self) -> SimDuration {
        self.law.bound() + self.then.map_or(SimDuration::ZERO, |law| law.bound())
    }
}

/// The batch that a reader looked at last, and its delay: writes of one batch come in a row, so one draw serves them all.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastBatch {
    /// Nanoseconds at which the batch begins.
    begin: u64,
    delay: SimDuration,
}

impl LastBatch {
    /// No batch yet.
    pub(super) const NONE: Self = Self {
        begin: u64::MAX,
        delay: SimDuration::ZERO,
    };

    /// When something that was written at `written` has come to `reader`, if nothing before it is late. Draws at most one batch.
    pub(super) fn arrival(&mut self, delay: &Delay, run_key: &RunKey, reader: EntityKey, written: SimTime) -> SimTime {
        let period = delay.batch_period.as_nanos().max(1);
        // Without a division for each version.
        let inside = self.begin != u64::MAX && written.as_nanos().wrapping_sub(self.begin) < period;
        if !inside {
            let number = written.as_nanos() / period;
            let mut stream = run_key.stream(delay.purpose, reader.child(number));
            let first = stream.duration(&delay.law);
            *self = Self {
                begin: number * period,
                delay: first + delay.then.map_or(SimDuration::ZERO, |law| stream.duration(&law)),
            };
        }
        written + self.delay
    }
}
