//! The runs of this build against those of another: by their ladders if that one left them, else by the fingerprints in
//! the rows of an ordinary result.
//!
//! Ladders say between which two rungs the builds part and in whose events; then this build's events there are listed.
//! The other build's events are not known; list them with that build.

use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::Serialize;

use super::ladders::{LadderFile, RunLadder};
use super::twice::{EventSeen, events_between};
use crate::cluster::records::RunRecord;
use crate::kernel::SimTime;
use crate::lab::designs::Simulator;
use crate::lab::error::LabError;
use crate::lab::manifest::Manifest;
use crate::lab::parquet_read::read_rows;
use crate::lab::plan::{Plan, horizon_of};
use crate::lab::result::check as check_result;

/// Most events of an interval that are listed.
const LISTED_MAX: usize = 4096;

/// How the runs compare with those of another build.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    pub folder: PathBuf,
    pub version: String,
    /// Whether its experiment, manifests or models were others.
    pub other_inputs: bool,
    /// Whether it left ladders; without them only whole runs can be compared.
    pub ladders: bool,
    pub compared: u64,
    /// Runs of this verification that the other did not make.
    pub absent: u64,
    /// Runs that differ, in the order of designs and replications.
    pub differing: Vec<RunDifference>,
}

/// A run that is another one in the other build.
#[derive(Clone, Debug, Serialize)]
pub struct RunDifference {
    pub design: String,
    pub replication: u64,
    pub events: (u64, u64),
    /// Where the builds part, if that is known.
    pub interval: Option<Interval>,
    pub components: Vec<String>,
    pub classes: Vec<String>,
}

/// The first part of a run that differs.
#[derive(Clone, Debug, Serialize)]
pub struct Interval {
    /// The last event up to which all are equal; 0 for the start.
    pub after_event: u64,
    pub after: SimTime,
    /// The first event up to which not all are equal: the next rung or the end of this build's run.
    pub to_event: u64,
    /// When that was here; the horizon if the run ends before the next rung.
    pub to: SimTime,
    /// This build's events in it, of the first run that differs only.
    pub events: Vec<EventSeen>,
}

pub(super) struct Reference {
    folder: PathBuf,
    version: String,
    input_digest: String,
    /// Ladders, or only fingerprints: those have no rungs.
    runs: Vec<RunLadder>,
    ladders: bool,
}

impl Reference {
    pub(super) fn read(folder: &Path, plan: &Plan) -> Result<Self, LabError> {
        let reference = match LadderFile::read(folder)? {
            Some(file) => {
                check(folder, plan, (&file.experiment, file.seed, &file.seed_group))?;
                Self {
                    folder: folder.to_owned(),
                    version: file.version,
                    input_digest: file.input_digest,
                    runs: file.runs,
                    ladders: true,
                }
            }
            None => Self::of_rows(folder, plan)?,
        };
        Ok(reference)
    }

    fn of_rows(folder: &Path, plan: &Plan) -> Result<Self, LabError> {
        let manifest = Manifest::read(folder)?.ok_or_else(|| LabError::NoReference {
            path: folder.to_owned(),
            reason: "holds neither fingerprints.json nor a result".to_owned(),
        })?;
        check(
            folder,
            plan,
            (&manifest.experiment, manifest.seed, &manifest.seed_group),
        )?;
        let mut runs = Vec::new();
        // One of before there were seals is compared as it is.
        if manifest.seal.is_some() {
            check_result(folder, &manifest)?;
        }
        let horizon = SimTime::ZERO + horizon_of(manifest.horizon_s);
        read_rows(folder, horizon, |key, run: RunRecord| {
            runs.push(RunLadder {
                design: key.design.to_owned(),
                replication: key.replication,
                events: run.events,
                fingerprint: format!("{:016x}", run.fingerprint),
                classes: IndexMap::new(),
                components: IndexMap::new(),
                rungs: Vec::new(),
            });
            Ok(())
        })?;
        Ok(Self {
            folder: folder.to_owned(),
            version: manifest.version,
            input_digest: manifest.input_digest,
            runs,
            ladders: false,
        })
    }

    /// Holds this build's ladders against it.
    ///
    /// # Errors
    /// If it has none of these runs: then nothing is verified.
    pub(super) fn compare(&self, plan: &Plan, simulator: &Simulator, here: &LadderFile) -> Result<Against, LabError> {
        let mut against = Against {
            folder: self.folder.clone(),
            version: self.version.clone(),
            other_inputs: self.input_digest != plan.input_digest,
            ladders: self.ladders,
            compared: 0,
            absent: 0,
            differing: Vec::new(),
        };
        for run in &here.runs {
            let same_run = |other: &&RunLadder| other.design == run.design && other.replication == run.replication;
            let Some(other) = self.runs.iter().find(same_run) else {
                against.absent += 1;
                continue;
            };
            against.compared += 1;
            if (&other.fingerprint, other.events) != (&run.fingerprint, run.events) {
                against.differing.push(self.difference(plan, other, run));
            }
        }
        if against.compared == 0 {
            return Err(LabError::NoReference {
                path: self.folder.clone(),
                reason: format!("holds none of the {} runs that are verified", here.runs.len()),
            });
        }
        if let Some(first) = against.differing.first_mut()
            && let Some(interval) = &mut first.interval
            && let Some(design) = plan.designs.iter().position(|design| design.name == first.design)
        {
            let between = (interval.after_event, interval.to_event);
            interval.events = events_between(simulator, design, first.replication, between, LISTED_MAX);
        }
        Ok(against)
    }

    fn difference(&self, plan: &Plan, other: &RunLadder, here: &RunLadder) -> RunDifference {
        let differing = |there: &IndexMap<String, (u64, String)>, here: &IndexMap<String, (u64, String)>| {
            let mut names: Vec<String> = here
                .iter()
                .filter(|(name, part)| there.get(*name) != Some(part))
                .map(|(name, _)| name.clone())
                .collect();
            names.extend(there.keys().filter(|name| !here.contains_key(*name)).cloned());
            names
        };
        let (components, classes) = if self.ladders {
            (
                differing(&other.components, &here.components),
                differing(&other.classes, &here.classes),
            )
        } else {
            (Vec::new(), Vec::new())
        };
        RunDifference {
            design: here.design.clone(),
            replication: here.replication,
            events: (other.events, here.events),
            interval: self.ladders.then(|| interval(plan, other, here)),
            components,
            classes,
        }
    }
}

/// Between which rungs two ladders part. Long runs of different length may have rungs at different distances; those at
/// the same number of events are compared.
fn interval(plan: &Plan, other: &RunLadder, here: &RunLadder) -> Interval {
    let mut interval = Interval {
        after_event: 0,
        after: SimTime::ZERO,
        to_event: here.events,
        to: SimTime::ZERO + plan.horizon(),
        events: Vec::new(),
    };
    let at = |events: u64| other.rungs.binary_search_by_key(&events, |rung| rung.0).ok();
    for (events, time_ns, fingerprint) in &here.rungs {
        let Some(found) = at(*events) else { continue };
        let time = SimTime::from_nanos(*time_ns);
        let (_, other_time, other_fingerprint) = &other.rungs[found];
        if (other_time, other_fingerprint) != (time_ns, fingerprint) {
            (interval.to_event, interval.to) = (*events, time);
            break;
        }
        (interval.after_event, interval.after) = (*events, time);
    }
    interval
}

fn check(folder: &Path, plan: &Plan, (experiment, seed, group): (&str, u64, &str)) -> Result<(), LabError> {
    if (experiment, seed, group) == (&plan.experiment, plan.seed, &plan.seed_group) {
        return Ok(());
    }
    Err(LabError::NoReference {
        path: folder.to_owned(),
        reason: format!(
            "holds runs of {experiment} with seed {seed} in group {group}, not of {} with seed {} in group {}",
            plan.experiment, plan.seed, plan.seed_group
        ),
    })
}
