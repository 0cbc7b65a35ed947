//! `fingerprints.json`: the ladders of all runs of an experiment, to be compared with another build's.
//!
//! Fingerprints are hexadecimal, as in `runs.parquet`; times are nanoseconds, so that they are exact. What a difference
//! means belongs to `against`.

use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::twice::hex;
use crate::cluster::spec::TieRule;
use crate::kernel::Ladder;
use crate::kernel::ladder::{Part, Rung};
use crate::lab::LabError;
use crate::lab::files::FINGERPRINTS_MAX;
use crate::lab::manifest::{read_json_within, write_json};
use crate::lab::plan::Plan;
use crate::lab::store::FINGERPRINTS;

const FORM: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LadderFile {
    pub form: u32,
    pub experiment: String,
    pub version: String,
    pub input_digest: String,
    pub seed: u64,
    /// Designs that share it use the same random events.
    pub seed_group: String,
    pub tie_order: TieRule,
    /// The runs, in the order of designs and replications.
    pub runs: Vec<RunLadder>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunLadder {
    pub design: String,
    pub replication: u64,
    pub events: u64,
    /// The fingerprint over all of them, as in `runs.parquet`.
    pub fingerprint: String,
    pub classes: IndexMap<String, (u64, String)>,
    pub components: IndexMap<String, (u64, String)>,
    /// Events so far, time of the last one \[ns\] and fingerprint, from below.
    pub rungs: Vec<(u64, u64, String)>,
}

impl LadderFile {
    pub(super) fn of<'l>(plan: &Plan, runs: impl Iterator<Item = (usize, u64, &'l Ladder)>) -> Self {
        let runs = runs
            .map(|(design, replication, ladder)| RunLadder::of(plan.designs[design].name.clone(), replication, ladder));
        Self {
            form: FORM,
            experiment: plan.experiment.clone(),
            version: plan.version.clone(),
            input_digest: plan.input_digest.clone(),
            seed: plan.seed,
            seed_group: plan.seed_group.clone(),
            tie_order: plan.tie_order,
            runs: runs.collect(),
        }
    }

    /// Reads the ladders in a folder; `None` if it holds none.
    ///
    /// # Errors
    /// If the file cannot be read or is of another form.
    pub fn read(folder: &Path) -> Result<Option<Self>, LabError> {
        let path = folder.join(FINGERPRINTS);
        if !path.exists() {
            return Ok(None);
        }
        let file: Self = read_json_within(&path, FINGERPRINTS_MAX)?;
        if file.form != FORM {
            return Err(LabError::NoReference {
                path,
                reason: format!("its form is {}, not {FORM}", file.form),
            });
        }
        Ok(Some(file))
    }

    /// Writes the ladders into a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If the file system refuses, or a file of that name is there that holds no fingerprints.
    pub fn write(&self, folder: &Path) -> Result<(), LabError> {
        std::fs::create_dir_all(folder).map_err(LabError::file(folder, "create"))?;
        if folder.join(FINGERPRINTS).symlink_metadata().is_ok() && !matches!(Self::read(folder), Ok(Some(_))) {
            return Err(LabError::ForeignFolder {
                path: folder.to_owned(),
                found: format!("a {FINGERPRINTS} without fingerprints"),
            });
        }
        write_json(&folder.join(FINGERPRINTS), self)
    }
}

impl RunLadder {
    fn of(design: String, replication: u64, ladder: &Ladder) -> Self {
        let parts = |parts: &[Part]| {
            let parts = parts.iter().filter(|part| part.events > 0);
            parts
                .map(|part| (part.name.to_owned(), (part.events, hex(part.fingerprint))))
                .collect()
        };
        let rung = |rung: &Rung| (rung.events, rung.time.as_nanos(), hex(rung.fingerprint));
        Self {
            design,
            replication,
            events: ladder.classes().iter().map(|class| class.events).sum(),
            fingerprint: hex(ladder.whole()),
            classes: parts(ladder.classes()),
            components: parts(ladder.components()),
            rungs: ladder.rungs().iter().map(rung).collect(),
        }
    }
}
