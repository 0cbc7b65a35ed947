//! The only place of the laboratory that reads the wall clock, for `run-info.json` and the pilot of `--dry-run`.
//!
//! Nothing here may reach rows, estimates or the manifest. A time budget, where an experiment has one, is compared with it, and
//! the manifest of such a result says so.

use std::time::{Instant, SystemTime};

pub(super) struct Stopwatch {
    started_at: String,
    start: Instant,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "only run-info.json records when and how long")]
    pub(super) fn start() -> Self {
        Self {
            started_at: stamp(SystemTime::now()),
            start: Instant::now(),
        }
    }

    pub(super) fn started_at(&self) -> &str {
        &self.started_at
    }

    /// Seconds since the start, as exactly as the clock has them.
    pub(super) fn exact_seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Seconds since the start, to the millisecond.
    pub(super) fn seconds(&self) -> f64 {
        self.start.elapsed().as_millis() as f64 / 1000.0
    }
}

/// A point in time in UTC; `unknown` for a clock that runs before or behind all years of four digits.
fn stamp(now: SystemTime) -> String {
    jiff::Timestamp::try_from(now).map_or_else(
        |_| "unknown".to_owned(),
        |now| now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn clocks_may_be_wrong() {
        assert_eq!(stamp(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert_eq!(stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 60)), "unknown");
    }
}
