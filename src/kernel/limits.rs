//! Bounds of a run, and how a run that exceeds one ends.
//!
//! Where they are checked belongs to `run_loop`; what becomes of a failed run belongs to whoever stores runs.

use super::time::SimTime;

/// Bounds that every run respects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The run ends here; later events never happen.
    pub horizon: SimTime,
    /// Most events that a run may handle.
    pub events_max: u64,
    /// Most events that may happen at one instant; more are a loop that never lets time pass.
    pub events_per_instant_max: u64,
    /// Most events that may be pending.
    pub pending_max: usize,
    /// Most memory that model and schedule may take by their own estimate, in bytes.
    pub memory_max_bytes: u64,
}

impl Limits {
    /// The usual limits for a run up to `horizon`.
    pub const fn until(horizon: SimTime) -> Self {
        Self {
            horizon,
            events_max: 2_000_000_000,
            events_per_instant_max: 1_000_000,
            pending_max: 100_000_000,
            memory_max_bytes: 4 << 30,
        }
    }
}

/// Why a run ended before its horizon. The run is stored as failed; other runs go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("at {time}, in {component}: {reason}")]
pub struct RunFailure {
    /// Simulated time of the failure.
    pub time: SimTime,
    /// The component that was handling an event.
    pub component: String,
    /// Which limit or assertion it was, with its value.
    pub reason: String,
}
