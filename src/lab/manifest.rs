//! `manifest.json` and `run-info.json`: what a result is, and how its making went.
//!
//! The manifest names versions, inputs, seeds, parameters with their sources, columns and the result digest; it holds
//! no date, no machine and no number of workers, so equal inputs give equal bytes. Those facts stand in run-info.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::files::{JSON_MAX, digest, digest_of, read, write_whole};
use super::plan::{Plan, PlannedDesign, RandomNumbers, check_numbers};
use super::questions::Questions;
use super::rows::{ColumnInfo, ROW_FORMAT, TABLES, columns_of_all};
use super::shard::ShardRecord;
use super::stopping::StoppingRecord;
use super::store::{DESIGN_TABLE, MANIFEST, MEASURE_TABLE, PLAN_JSON, RUN_INFO, SUMMARY_JSON};
use crate::cluster::spec::TieRule;

/// Version of the file formats of a result folder.
pub const RESULT_FORMAT: u32 = 1;
/// Version of the scheme that derives random numbers from seeds: how streams are made from keys, what addresses them, and
/// what becomes of a number. Results of two versions share no random events. In version 1 workloads were addressed by
/// their places in the folder, and exponential and Weibull distributions ran against the others.
pub const RANDOM_SCHEME: &str = "meshfault-rng-v2";

/// What a result is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Manifest {
    /// Version of the file formats.
    pub format: u32,
    /// Name of the experiment.
    pub experiment: String,
    /// Its title.
    pub title: String,
    /// Its question.
    pub question: String,
    /// Version of the program.
    pub version: String,
    /// Version of the row format.
    pub row_format: String,
    /// Version of the scheme of random numbers.
    pub random_scheme: String,
    /// Digest over all inputs.
    pub input_digest: String,
    /// Inputs with their digests.
    pub inputs: Vec<Input>,
    /// Digest of all that decides the result: version, inputs, seed, replications, designs.
    pub plan_digest: String,
    /// Master seed.
    pub seed: u64,
    /// Designs that share it use the same random events.
    pub seed_group: String,
    /// Whether designs and points share random numbers; results of before it could be chosen do.
    #[serde(default)]
    pub random_numbers: RandomNumbers,
    /// How events of different sources at one instant are ordered; older results do not record it.
    #[serde(default)]
    pub tie_order: TieRule,
    /// Replications per design that were planned, of a shard its own; with a stopping rule the most.
    pub replications_planned: u64,
    /// Replications per design that are in the result.
    pub replications: u64,
    /// Whether these are all.
    pub complete: bool,
    /// Which part of an experiment this is; absent if it is all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardRecord>,
    /// The stopping rule, what it saw and why it ended the study; absent for a fixed number of replications.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<StoppingRecord>,
    /// Digest over the canonical rows; absent while the experiment runs.
    pub result_digest: Option<String>,
    /// End of every run \[s\].
    pub horizon_s: f64,
    /// A pod that lost at least this much to connections to the control plane, limits, refusals and nodes that started no pods counts as delayed \[s\].
    pub delayed_threshold_s: f64,
    /// What is asked of the rows beyond the usual measures.
    #[serde(default)]
    pub questions: Questions,
    /// Designs with their parameters.
    pub designs: Vec<PlannedDesign>,
    /// Tables with rows and columns.
    pub tables: Vec<Table>,
    /// What is worth knowing before the result is trusted.
    pub warnings: Vec<String>,
    /// Digests of the other files that count, by name: estimates, tables of designs and measures, and a shard's plan.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub files: IndexMap<String, String>,
    /// Digest over all of this but the seal itself; results of before there was one do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<String>,
}

/// An input file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Input {
    /// Name, relative to the experiment.
    pub name: String,
    /// Digest of its bytes.
    pub digest: String,
}

/// A table of the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Table {
    /// Name; the file is named after it.
    pub name: String,
    /// Number of rows.
    pub rows: u64,
    /// Columns in order.
    pub columns: Vec<ColumnInfo>,
}

/// Version of the program, in a release build with its commit.
pub const BUILD: &str = match option_env!("MESHFAULT_BUILD") {
    Some(build) => build,
    None => env!("CARGO_PKG_VERSION"),
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The build that made the result.
    #[serde(default)]
    pub build: String,
    pub command_line: Vec<String>,
    pub jobs: usize,
    pub started_at: String,
    pub running_s: f64,
    pub total_s: f64,
    /// Runs made this time, without those that were there already.
    pub runs: u64,
    /// Runs made per second of wall time \[1/s\].
    pub runs_per_s: f64,
    /// Segments of an earlier, interrupted time that were damaged and have been made again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments_made_again: Vec<String>,
}

impl Manifest {
    /// The manifest of a plan of which nothing is done yet.
    pub fn of(plan: &Plan) -> Self {
        let inputs = plan.inputs.iter().map(|(name, digest)| Input {
            name: name.clone(),
            digest: digest.clone(),
        });
        let tables = TABLES.iter().zip(columns_of_all());
        Self {
            format: RESULT_FORMAT,
            experiment: plan.experiment.clone(),
            title: plan.title.clone(),
            question: plan.question.clone(),
            version: plan.version.clone(),
            row_format: ROW_FORMAT.to_owned(),
            random_scheme: RANDOM_SCHEME.to_owned(),
            input_digest: plan.input_digest.clone(),
            inputs: inputs.collect(),
            plan_digest: plan.digest().to_hex().to_string(),
            seed: plan.seed,
            seed_group: plan.seed_group.clone(),
            random_numbers: plan.random_numbers,
            tie_order: plan.tie_order,
            replications_planned: plan.range().end - plan.range().start,
            replications: 0,
            complete: false,
            shard: ShardRecord::of(plan),
            stopping: None,
            result_digest: None,
            horizon_s: plan.horizon_s,
            delayed_threshold_s: plan.delayed_threshold_s,
            questions: plan.questions.clone(),
            designs: plan.designs.clone(),
            tables: tables
                .map(|(name, columns)| Table {
                    name: (*name).to_owned(),
                    rows: 0,
                    columns,
                })
                .collect(),
            warnings: plan.warnings.clone(),
            files: IndexMap::new(),
            seal: None,
        }
    }

    /// Whether this can be the manifest of the plan: in everything that a plan says.
    pub fn is_of(&self, plan: &Plan) -> bool {
        let mut of = Self::of(plan);
        if !self.warnings.starts_with(&of.warnings) || self.tables.len() != of.tables.len() {
            return false;
        }
        for (of, table) in of.tables.iter_mut().zip(&self.tables) {
            of.rows = table.rows;
        }
        of == Self {
            replications: 0,
            complete: false,
            stopping: None,
            result_digest: None,
            warnings: of.warnings.clone(),
            files: IndexMap::new(),
            seal: None,
            ..self.clone()
        }
    }

    /// Takes the digests of the other files that count, and seals all of it.
    pub fn seal(&mut self, dir: &Path) -> Result<(), LabError> {
        let names = self.sealed_files();
        let digests = names.map(|name| Ok((name.to_owned(), digest(&dir.join(name))?)));
        self.files = digests.collect::<Result<_, LabError>>()?;
        self.seal = Some(self.seal_of_this());
        Ok(())
    }

    /// Fails if the manifest or one of the other files that count is not as it was written.
    ///
    /// # Errors
    /// Names the first such file.
    pub fn check_seal(&self, dir: &Path) -> Result<(), LabError> {
        let damaged = |name: &str, reason: &str| LabError::Damaged {
            path: dir.join(name),
            reason: reason.to_owned(),
        };
        let Some(seal) = &self.seal else {
            return Err(damaged(
                MANIFEST,
                "it has no seal: an earlier version wrote it, or it was changed",
            ));
        };
        if *seal != self.seal_of_this() {
            return Err(damaged(MANIFEST, "it is not as it was written"));
        }
        // Results of before there was a table of measures do not have it.
        let is_old = |name: &str| name == MEASURE_TABLE && !self.files.contains_key(name);
        for name in self.sealed_files().filter(|name| !is_old(name)) {
            if self.files.get(name) != Some(&digest(&dir.join(name))?) {
                return Err(damaged(name, "it is not as it was written"));
            }
        }
        Ok(())
    }

    /// Fails if what it says cannot be, whoever sealed it.
    pub fn check_sense(&self, dir: &Path) -> Result<(), LabError> {
        let damaged = |reason: String| LabError::Damaged {
            path: dir.join(MANIFEST),
            reason,
        };
        check_numbers(self.horizon_s, self.delayed_threshold_s, &self.questions)
            .map_err(|bad| damaged(bad.to_string()))?;
        let mut names = BTreeSet::new();
        if let Some(twice) = self.designs.iter().find(|design| !names.insert(&design.name)) {
            return Err(damaged(format!("two designs have the name {}", twice.name)));
        }
        let end = self.range().end;
        let fits = self
            .shard
            .as_ref()
            .is_none_or(|shard| end <= shard.end && shard.end <= shard.replications_of_all);
        if self.replications > self.replications_planned || end > u64::from(u32::MAX) || !fits {
            return Err(damaged(format!(
                "it cannot hold {} replications of each design",
                self.replications
            )));
        }
        Ok(())
    }

    fn sealed_files(&self) -> impl Iterator<Item = &'static str> + use<> {
        let plan = self.shard.as_ref().map(|_| PLAN_JSON);
        [SUMMARY_JSON, DESIGN_TABLE, MEASURE_TABLE].into_iter().chain(plan)
    }

    fn seal_of_this(&self) -> String {
        let unsealed = Self {
            seal: None,
            ..self.clone()
        };
        digest_of(&serde_json::to_vec(&unsealed).expect("a manifest is plain data"))
    }

    pub fn range(&self) -> Range<u64> {
        let first = self.first_replication();
        first..first.saturating_add(self.replications)
    }

    /// Whether this is the manifest of the same plan as `wanted`; it was found in `dir`.
    ///
    /// # Errors
    /// Reports what is held there, and what was expected.
    pub fn check_same(&self, wanted: &Self, dir: &Path) -> Result<(), LabError> {
        if self.plan_digest == wanted.plan_digest {
            return Ok(());
        }
        let name = |manifest: &Self| {
            let Self {
                experiment,
                version,
                seed,
                replications_planned,
                ..
            } = manifest;
            let inputs = manifest.input_digest.get(..12).unwrap_or(&manifest.input_digest);
            let shard = manifest.shard.as_ref();
            let shard = shard.map_or_else(String::new, |shard| format!(", shard {}", shard.shard()));
            format!("{experiment} {version} (inputs {inputs}, seed {seed}, {replications_planned} replications{shard})")
        };
        Err(LabError::OtherResult {
            path: dir.to_owned(),
            held: name(self),
            wanted: name(wanted),
        })
    }

    /// The first replication; not 0 in most shards.
    pub fn first_replication(&self) -> u64 {
        self.shard.as_ref().map_or(0, |shard| shard.first)
    }

    /// Reads the manifest of a result folder; `None` if it has none.
    ///
    /// # Errors
    /// If it cannot be read or is no manifest.
    pub fn read(dir: &Path) -> Result<Option<Self>, LabError> {
        let path = dir.join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        read_json(&path).map(Some)
    }

    pub fn write(&self, dir: &Path) -> Result<(), LabError> {
        write_json(&dir.join(MANIFEST), self)
    }
}

impl RunInfo {
    pub fn write(&self, dir: &Path) -> Result<(), LabError> {
        write_json(&dir.join(RUN_INFO), self)
    }
}

/// Writes a value as indented JSON with a final line end.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), LabError> {
    let mut text = serde_json::to_string_pretty(value).expect("results are plain data");
    text.push('\n');
    write_whole(path, text.as_bytes())
}

/// Reads a value from JSON.
///
/// # Errors
/// If the file cannot be read or holds something else.
pub fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, LabError> {
    read_json_within(path, JSON_MAX)
}

/// Reads a value from JSON of at most `max` bytes.
///
/// # Errors
/// As [`read_json`].
pub fn read_json_within<T: for<'de> Deserialize<'de>>(path: &Path, max: u64) -> Result<T, LabError> {
    serde_json::from_slice(&read(path, max)?).map_err(|error| LabError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
