//! How far a Job has come: what its ended pods count for, and how many it still wants.
//!
//! Pure functions; when they are asked belongs to `jobs`.

use std::collections::BTreeSet;

use super::ids::PodId;
use super::job_spec::JobSpec;
use super::objects::Ended;
use crate::kernel::{SimDuration, SimTime};

/// How far a Job has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Pods that have ended and are counted.
    pub(super) counted: BTreeSet<PodId>,
    succeeded: u32,
    /// Indexes that have succeeded.
    pub(super) done: BTreeSet<u32>,
    pub(super) failed: u32,
    /// Failures since the last success, and the end of the latest one.
    pub(super) in_a_row: u32,
    pub(super) latest_failure: SimTime,
}

/// How long the next pod waits after so many failures in a row, from the end of the latest one
/// (`kubernetes/kubernetes pkg/controller/job/backoff_utils.go`, getRemainingTimeForFailuresCount).
pub(super) fn wait_after(failures: u32, initial: SimDuration, most: SimDuration) -> SimDuration {
    match failures {
        0 => SimDuration::ZERO,
        some => initial.scale(libm::exp2(f64::from((some - 1).min(40)))).min(most),
    }
}

impl Progress {
    /// Counts pods that have ended, each once.
    pub(super) fn count(&mut self, ended: &[(PodId, Ended)], ordinal: impl Fn(PodId) -> u32) {
        for (pod, end) in ended {
            self.counted.insert(*pod);
            if end.succeeded {
                self.succeeded += 1;
                self.done.insert(ordinal(*pod));
            } else {
                self.failed += 1;
            }
        }
        // Only failures after the latest success count for the wait.
        let success = ended
            .iter()
            .filter(|(_, end)| end.succeeded)
            .map(|(_, end)| end.at)
            .max();
        if success.is_some() {
            self.in_a_row = 0;
        }
        let later = |end: &&Ended| !end.succeeded && success.is_none_or(|success| end.at > success);
        for end in ended.iter().map(|(_, end)| end).filter(later) {
            self.in_a_row += 1;
            self.latest_failure = self.latest_failure.max(end.at);
        }
    }

    /// How many pods should run.
    pub(super) fn wants(&self, spec: &JobSpec, active: u32) -> u32 {
        match spec.completions {
            None if self.succeeded > 0 => active,
            None => spec.parallelism,
            Some(completions) => completions.saturating_sub(self.succeeded).min(spec.parallelism),
        }
    }

    pub(super) fn is_complete(&self, spec: &JobSpec, active: u32) -> bool {
        active == 0 && self.succeeded >= spec.completions.unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: u64) -> SimDuration {
        SimDuration::from_secs(seconds)
    }

    #[test]
    fn the_wait_doubles_with_each_failure_in_a_row() {
        let waits = (0..9).map(|failures| wait_after(failures, s(10), s(600)));
        assert_eq!(
            waits.collect::<Vec<_>>(),
            [0, 10, 20, 40, 80, 160, 320, 600, 600].map(s)
        );
    }

    proptest! {
        /// Pods end at random, some by failing: there are never more than asked for, and the Job is complete exactly when as many
        /// have succeeded as it needs.
        #[test]
        fn no_more_pods_run_than_asked_for(
            completions in proptest::option::of(1_u32..12),
            parallelism in 1_u32..6,
            fates in proptest::collection::vec((0_usize..6, any::<bool>()), 1..80),
        ) {
            let spec = JobSpec { completions, parallelism, ..JobSpec::default() };
            let mut job = Progress::default();
            let (mut running, mut created, mut successes) = (Vec::new(), 0_u32, 0);
            for (time, (which, succeeded)) in (0_u64..).zip(fates) {
                let active = running.len() as u32;
                let complete = job.is_complete(&spec, active);
                prop_assert_eq!(complete, active == 0 && successes >= completions.unwrap_or(1));
                if complete {
                    break;
                }
                let missing = job.wants(&spec, active).saturating_sub(active);
                for _ in 0..missing {
                    running.push(PodId(created));
                    created += 1;
                }
                prop_assert!(running.len() as u32 <= parallelism);
                let needed = completions.map_or(parallelism, |all| all - successes);
                prop_assert!(running.len() as u32 <= needed);
                let pod = running.remove(which % running.len());
                let at = SimTime::ZERO + s(time);
                job.count(&[(pod, Ended { at, succeeded })], |pod| pod.0);
                successes += u32::from(succeeded);
                prop_assert_eq!(job.in_a_row > 0, !succeeded);
                prop_assert_eq!((job.succeeded, job.failed), (successes, time as u32 + 1 - successes));
            }
        }
    }
}
