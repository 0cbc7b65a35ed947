//! The only place of the laboratory that reads the wall clock, for `run-info.json` and the pilot of `--dry-run`.
//!
//! Nothing here may reach rows, estimates or the manifest. A time budget, where an experiment has one, is compared with it, and
//! the manifest of such a result says so.

use std::time::Instant;

/// Measures how long something took.
pub(super) struct Stopwatch {
    started_at: String,
    start: Instant,
}

impl Stopwatch {
    /// Starts now.
    #[expect(
        clippy::disallowed_methods,
        reason = "run-info.json says when and how long; nothing else may"
    )]
    pub(super) fn start() -> Self {
        Self {
            started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            start: Instant::now(),
        }
    }

    /// When it was started, in UTC.
    pub(super) fn started_at(&self) -> &str {
        &self.started_at
    }

    /// Seconds since the start, as exactly as the clock tells them.
    pub(super) fn exact_seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Seconds since the start, to the millisecond.
    pub(super) fn seconds(&self) -> f64 {
        self.start.elapsed().as_millis() as f64 / 1000.0
    }
}
