//! Which run of a stored result to look at: the first in which something happened, or the worst by some measure.
//!
//! Runs are taken in the order of designs and replications; of equally bad ones the first counts. Failed runs have no rows
//! of pods and accesses and are never picked, except by `failed`. Replaying the run belongs to `designs`.

use std::path::Path;

use super::cell::Word;
use super::error::LabError;
use super::parquet_read::read_rows;
use super::rows::RowKey;
use crate::cluster::records::{AccessClass, AccessRecord, ExitCause, ExposureRecord, PodRecord, RunRecord};
use crate::kernel::{SimDuration, SimTime};

/// What happened in the run that is looked for, by its name on the command line.
pub const FIRST: [&str; 9] = [
    "unauthorized",
    "network_bypassed",
    "mesh_bypassed",
    "wrongly_denied",
    "wrong_server",
    "unreachable",
    "demonstrated",
    "never_ready",
    "failed",
];
/// By what a run is the worst.
pub const WORST: [&str; 7] = [
    "startup_latency",
    "exposure",
    "unauthorized_exposure",
    "network_bypassed_exposure",
    "mesh_bypassed_exposure",
    "certificate_requests",
    "stale_entries",
];

#[derive(Clone, Debug, PartialEq)]
pub struct Picked {
    pub design: String,
    pub replication: u64,
    /// How many runs of the result would have done for `first`; how many were compared for `worst`.
    pub candidates: u64,
    pub pod: Option<String>,
    /// How bad the worst run is, with its unit; absent for the first.
    pub value: Option<String>,
}

/// The first run in which something happened; `design` restricts the search to one design.
///
/// # Errors
/// If a table cannot be read. `what` is one of [`FIRST`].
pub fn first(dir: &Path, what: &str, design: Option<&str>, horizon: SimTime) -> Result<Option<Picked>, LabError> {
    let mut found = Runs::default();
    let of_design = |key: &RowKey<'_>| design.is_none_or(|design| key.design == design);
    match what {
        "failed" | "demonstrated" => read_rows(dir, horizon, |key, run: RunRecord| {
            let hit = if what == "failed" {
                run.failure.is_some()
            } else {
                run.demonstrated
            };
            if hit && of_design(&key) {
                found.add(&key, None);
            }
            Ok(())
        })?,
        "never_ready" => read_rows(dir, horizon, |key, pod: PodRecord| {
            if pod.measured && pod.exit_cause == ExitCause::Censored && of_design(&key) {
                found.add(&key, Some(pod.pod));
            }
            Ok(())
        })?,
        class => {
            let class = AccessClass::of_word(class);
            read_rows(dir, horizon, |key, access: AccessRecord| {
                let before = class == Some(AccessClass::Unreachable) && !access.after_cut;
                if Some(access.class) == class && !before && of_design(&key) {
                    found.add(&key, None);
                }
                Ok(())
            })?;
        }
    }
    Ok(found.first.map(|(design, replication, pod)| Picked {
        design,
        replication,
        candidates: found.runs,
        pod,
        value: None,
    }))
}

#[derive(Default)]
struct Runs {
    first: Option<(String, u64, Option<String>)>,
    last: Option<(String, u64)>,
    runs: u64,
}

impl Runs {
    fn add(&mut self, key: &RowKey<'_>, pod: Option<String>) {
        self.first
            .get_or_insert_with(|| (key.design.to_owned(), key.replication, pod));
        let run = (key.design.to_owned(), key.replication);
        if self.last.as_ref() != Some(&run) {
            self.runs += 1;
            self.last = Some(run);
        }
    }
}

/// The worst run by a measure; `design` restricts the search to one design. A pod that was never ready is worse than any
/// that was.
///
/// # Errors
/// If a table cannot be read. `by` is one of [`WORST`].
pub fn worst(dir: &Path, by: &str, design: Option<&str>, horizon: SimTime) -> Result<Option<Picked>, LabError> {
    let mut best = Worst::default();
    let of_design = |key: &RowKey<'_>| design.is_none_or(|design| key.design == design);
    match by {
        "startup_latency" => read_rows(dir, horizon, |key, pod: PodRecord| {
            if pod.measured && pod.exit_cause != ExitCause::Deleted && of_design(&key) {
                let never = pod.exit_cause == ExitCause::Censored;
                best.add(
                    &key,
                    (u64::from(never), pod.exit.since(pod.desired).as_nanos()),
                    Some(pod.pod),
                );
            }
            Ok(())
        })?,
        "certificate_requests" | "stale_entries" => read_rows(dir, horizon, |key, run: RunRecord| {
            let value = match by {
                "stale_entries" => u64::from(run.stale_entries),
                _ => run.certificate_requests,
            };
            if run.failure.is_none() && of_design(&key) {
                best.add(&key, (0, value), None);
            }
            Ok(())
        })?,
        _ => {
            let class = by.strip_suffix("_exposure").and_then(AccessClass::of_word);
            read_rows(dir, horizon, |key, window: ExposureRecord| {
                if of_design(&key) && class.map_or(window.class.is_breach(), |class| class == window.class) {
                    let span = window.end.unwrap_or(horizon).since(window.start);
                    best.sum(&key, span.as_nanos());
                }
                Ok(())
            })?;
            best.close();
        }
    }
    let unit = match by {
        "certificate_requests" => "requests",
        "stale_entries" => "entries",
        _ => "s",
    };
    Ok(best.worst.filter(|worst| worst.value.1 > 0).map(|worst| Picked {
        design: worst.design,
        replication: worst.replication,
        candidates: best.runs,
        pod: worst.pod,
        value: Some(match (unit, worst.value) {
            ("s", (1, nanos)) => format!("more than {:.3} s", SimDuration::from_nanos(nanos).as_secs_f64()),
            ("s", (_, nanos)) => format!("{:.3} s", SimDuration::from_nanos(nanos).as_secs_f64()),
            (unit, (_, count)) => format!("{count} {unit}"),
        }),
    }))
}

#[derive(Default)]
struct Worst {
    worst: Option<Candidate>,
    open: Option<Candidate>,
    last: Option<(String, u64)>,
    runs: u64,
}

struct Candidate {
    design: String,
    replication: u64,
    value: (u64, u64),
    pod: Option<String>,
}

impl Worst {
    fn add(&mut self, key: &RowKey<'_>, value: (u64, u64), pod: Option<String>) {
        let run = (key.design.to_owned(), key.replication);
        if self.last.as_ref() != Some(&run) {
            self.runs += 1;
            self.last = Some(run);
        }
        self.keep(Candidate {
            design: key.design.to_owned(),
            replication: key.replication,
            value,
            pod,
        });
    }

    fn keep(&mut self, candidate: Candidate) {
        if self.worst.as_ref().is_none_or(|worst| candidate.value > worst.value) {
            self.worst = Some(candidate);
        }
    }

    /// Adds a part of a run's value; rows of one run follow one another.
    fn sum(&mut self, key: &RowKey<'_>, part: u64) {
        let same = |open: &Candidate| open.design == key.design && open.replication == key.replication;
        if !self.open.as_ref().is_some_and(same) {
            self.close();
            self.runs += 1;
            self.open = Some(Candidate {
                design: key.design.to_owned(),
                replication: key.replication,
                value: (0, 0),
                pod: None,
            });
        }
        if let Some(open) = &mut self.open {
            open.value.1 += part;
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.keep(open);
        }
    }
}
