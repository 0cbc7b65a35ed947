//! Runs of containers that end, Jobs, CronJobs and images, as the simulator gets them.
//!
//! What becomes of a run that has ended belongs to `kubelet`, what of a Job to `jobs` and `cron_jobs`; how they are read belongs to
//! `scenario`.

use std::fmt;

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions};
use jiff::Timestamp;

use crate::kernel::{Distribution, SimDuration, SimTime};

/// How long containers run that end by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Runs {
    /// From their start to their end; of a Job without it, the parameter `job_run`.
    pub lasts: Option<Distribution>,
    /// Probability that a run fails.
    pub fails: f64,
}

/// Whether a kubelet starts containers again that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Always.
    #[default]
    Always,
    /// If they have failed.
    OnFailure,
    /// Never.
    Never,
}

impl RestartPolicy {
    /// Whether containers start again after a run that ended so.
    #[must_use]
    pub const fn restarts(self, failed: bool) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => failed,
            Self::Never => false,
        }
    }
}

/// A Job, or what a CronJob makes.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSpec {
    /// `completions`: pods that have to succeed; without it one that does, when all others have ended.
    pub completions: Option<u32>,
    /// `parallelism`.
    pub parallelism: u32,
    /// `completionMode: Indexed`.
    pub indexed: bool,
    /// `backoffLimit`.
    pub backoff_limit: u32,
    /// `activeDeadlineSeconds`.
    pub active_deadline: Option<SimDuration>,
    /// `ttlSecondsAfterFinished`.
    pub ttl: Option<SimDuration>,
    /// `suspend`: it has no pods.
    pub suspended: bool,
    /// When a CronJob makes one.
    pub cron: Option<CronSpec>,
}

impl Default for JobSpec {
    /// With the defaults of the API server (Kubernetes `pkg/apis/batch/v1/defaults.go`).
    fn default() -> Self {
        Self {
            completions: Some(1),
            parallelism: 1,
            indexed: false,
            backoff_limit: 6,
            active_deadline: None,
            ttl: None,
            suspended: false,
            cron: None,
        }
    }
}

/// When a CronJob makes a Job, and what becomes of older ones.
#[derive(Clone, Debug, PartialEq)]
pub struct CronSpec {
    /// `schedule`.
    pub schedule: Schedule,
    /// `startingDeadlineSeconds`.
    pub starting_deadline: Option<SimDuration>,
    /// `concurrencyPolicy`.
    pub concurrency: Concurrency,
    /// `suspend`.
    pub suspended: bool,
    /// `failedJobsHistoryLimit` and `successfulJobsHistoryLimit`.
    pub keeps: [u32; 2],
}

/// What a CronJob does while an earlier Job runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Concurrency {
    /// It makes another one.
    #[default]
    Allow,
    /// It makes none.
    Forbid,
    /// It deletes the earlier one and makes another one.
    Replace,
}

/// Minutes of wall-clock time in UTC: five fields, or a word such as `@daily`.
#[derive(Clone)]
pub struct Schedule {
    written: String,
    times: Crontab,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.written, f)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(written: &str) -> Result<Self, String> {
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        // As robfig/cron `parser.go` has them.
        let fields = match written.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            fields => fields,
        };
        let count = fields.split_whitespace().count();
        if count != 5 {
            return Err(format!("{count} fields instead of 5"));
        }
        let times = cronexpr::parse_crontab_with(&fields.replace('?', "*"), options);
        Ok(Self {
            times: times.map_err(|error| error.to_string().replace('\n', " "))?,
            written: written.to_owned(),
        })
    }

    /// The first of its times after a time of a run that began at `begins`; none within four years.
    #[must_use]
    pub fn after(&self, begins: Timestamp, time: SimTime) -> Option<SimTime> {
        let nanos = i128::from(time.as_nanos());
        let at = Timestamp::from_nanosecond(begins.as_nanosecond() + nanos).ok()?;
        let next = self.times.find_next(MakeTimestamp(at)).ok()?;
        let span = next.timestamp().as_nanosecond() - begins.as_nanosecond();
        Some(SimTime::ZERO + SimDuration::from_nanos(u64::try_from(span).ok()?))
    }
}

/// The image of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// `imagePullPolicy: Always`: the registry is asked even if the node has it.
    pub always: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(schedule: &str, begins: &str, count: usize) -> Vec<u64> {
        let schedule = Schedule::parse(schedule).expect("it is one");
        let begins = begins.parse().expect("a time");
        let next = |last: &SimTime| schedule.after(begins, *last);
        let all = std::iter::successors(next(&SimTime::ZERO), next);
        let minutes = |time: SimTime| time.as_nanos() / 60_000_000_000;
        all.take(count).map(minutes).collect()
    }

    #[test]
    fn schedules_are_read_as_the_controller_reads_them() {
        let monday = "2024-01-01T00:00:00Z";
        assert_eq!(times("*/10 * * * *", monday, 3), [10, 20, 30]);
        assert_eq!(times("*/10 * * * *", "2024-01-01T00:05:30Z", 2), [4, 14]);
        assert_eq!(times("@hourly", monday, 2), [60, 120]);
        assert_eq!(times("30 2 * * MON-FRI", "2024-01-05T12:00:00Z", 1), [62 * 60 + 30]);
        // Either of the two days, if both are written: Friday the 5th, and then the 8th.
        let day = 24 * 60;
        assert_eq!(times("0 0 8 * FRI", monday, 2), [4 * day, 7 * day]);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for wrong in [
            "",
            "* * * *",
            "61 * * * *",
            "* * * * * Europe/Berlin",
            "@every 5m",
            "@reboot",
        ] {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }
}
