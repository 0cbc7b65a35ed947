//! `manifest.json` and `run-info.json`: what a result is, and how its making went.
//!
//! The manifest names versions, inputs, seeds, parameters with their sources, columns and the result digest; it holds
//! no date, no machine and no number of workers, so equal inputs give equal bytes. Those facts stand in run-info.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::plan::{Plan, PlannedDesign, RandomNumbers};
use super::questions::Questions;
use super::rows::{ColumnInfo, ROW_FORMAT, TABLES, columns_of_all};
use super::segment::write_whole;
use super::shard::ShardRecord;
use super::stopping::StoppingRecord;
use super::store::{MANIFEST, RUN_INFO};
use crate::cluster::spec::TieRule;

/// Version of the file formats of a result folder.
pub const RESULT_FORMAT: u32 = 1;
/// Version of the scheme that derives random numbers from seeds: how streams are made from keys, what addresses them, and
/// what becomes of a number. Results of two versions share no random events. In version 1 workloads were addressed by
/// their places in the folder, and exponential and Weibull laws ran against the others.
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
    /// Designs that share it meet the same misfortunes.
    pub seed_group: String,
    /// Whether designs and points share random numbers; results of before it could be chosen do not say, and do.
    #[serde(default)]
    pub random_numbers: RandomNumbers,
    /// How events of different sources at one instant are ordered; results of before it could be chosen do not say.
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
    /// A pod that lost at least this much to connections to the control plane, limits and refusals counts as delayed \[s\].
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

/// Volatile facts about the making of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The command.
    pub command_line: Vec<String>,
    /// Workers.
    pub jobs: usize,
    /// When it started, in UTC.
    pub started_at: String,
    /// Wall time of making runs \[s\].
    pub running_s: f64,
    /// Wall time of all \[s\].
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
    #[must_use]
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
        }
    }

    /// Whether this is the manifest of the same plan as `wanted`; it was found in `dir`.
    ///
    /// # Errors
    /// Says what is held there, and what was wanted.
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
    #[must_use]
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

    /// Writes the manifest into a result folder.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, dir: &Path) -> Result<(), LabError> {
        write_json(&dir.join(MANIFEST), self)
    }
}

impl RunInfo {
    /// Writes the volatile facts into a result folder.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn write(&self, dir: &Path) -> Result<(), LabError> {
        write_json(&dir.join(RUN_INFO), self)
    }
}

/// Writes a value as indented JSON with a final line end.
///
/// # Errors
/// If the file system refuses.
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
    let text = fs::read_to_string(path).map_err(LabError::file(path, "read"))?;
    serde_json::from_str(&text).map_err(|error| LabError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}
