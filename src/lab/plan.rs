//! The plan of an experiment: which designs are run how often, from which inputs and seeds.
//!
//! A plan is plain data, made by `scenario` from checked files. It decides every byte of the result together with the
//! simulator, so its digest names the result. How runs are made belongs to the simulator behind [`Simulate`], in which
//! order they are made to `runner`.

use std::collections::BTreeSet;
use std::ops::Range;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::cell::EXACT_NANOS_MAX;
use super::manifest::RANDOM_SCHEME;
use super::questions::Questions;
use super::rows::ROW_FORMAT;
use super::shard::Shard;
use crate::cluster::records::Outcome;
use crate::cluster::spec::TieRule;
use crate::kernel::SimDuration;
use crate::scenario::Stopping;
use crate::scenario::asked::Cost;
use crate::scenario::point_name::base_of;
use crate::stats::checkpoints;
use crate::story::ToldRun;

const BATCH_MAX: u64 = 50;

/// Most runs of an experiment: estimates keep some numbers of each run in memory.
pub const RUNS_MAX: u64 = 100_000_000;

/// Makes runs. A run depends on nothing but its design and its replication.
pub trait Simulate: Sync {
    /// Makes run `replication` of the plan's `design`-th design.
    fn simulate(&self, design: usize, replication: u64) -> Outcome;

    /// Makes the same run with its story, if this simulator can make one.
    fn story(&self, design: usize, replication: u64) -> Option<ToldRun> {
        let _ = (design, replication);
        None
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub experiment: String,
    pub title: String,
    pub question: String,
    pub version: String,
    /// Digest over all inputs: experiment, manifests, models.
    pub input_digest: String,
    /// The inputs by name, relative to the experiment, with their digests.
    pub inputs: Vec<(String, String)>,
    pub seed: u64,
    /// Designs that share it use the same random events.
    pub seed_group: String,
    /// Whether designs and points share random numbers.
    pub random_numbers: RandomNumbers,
    /// Replications of each design in the whole experiment; with a stopping rule the most.
    pub replications: u64,
    /// When enough runs have been made, if not after a fixed number.
    pub stopping: Option<Stopping>,
    /// Which part of the replications is made, if not all.
    pub shard: Option<Shard>,
    /// The designs, in the order in which they are shown.
    pub designs: Vec<PlannedDesign>,
    /// A pod that lost at least this much to connections to the control plane, limits, refusals and nodes that started no pods counts as delayed \[s\].
    pub delayed_threshold_s: f64,
    pub horizon_s: f64,
    /// How events of different sources at one instant are ordered.
    pub tie_order: TieRule,
    /// The command that explains a run of the experiment, up to the design.
    pub explain: String,
    /// Changes to the experiment, as `key=value`; they belong behind that command.
    pub changes: Vec<String>,
    /// What is asked of the rows beyond the usual measures.
    pub questions: Questions,
    /// What the reader of the inputs wants to be known.
    pub warnings: Vec<String>,
}

/// Whether designs and points share random numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RandomNumbers {
    /// Run k uses the same random events in every design and at every point.
    #[default]
    Common,
    /// Every design and point has a seed group of its own: that of the plan, `/` and its name.
    Independent,
}

/// One design at one point of its factors: the unit that is run and stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedDesign {
    /// Name, `DESIGN` or `DESIGN@factor=value,factor=value`.
    pub name: String,
    /// Name in the experiment, the same for all points; older results do not record it.
    #[serde(default)]
    pub design: String,
    /// The level of each factor that it takes, as texts, in the order of the experiment.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub factors: IndexMap<String, String>,
    /// One line about it.
    pub title: String,
    /// Its parameters with their sources; of points after the first of a design in the plan only those that differ from it.
    pub parameters: Vec<PlannedParameter>,
    /// Remarks, for example which parameter set stands for which version.
    pub notes: Vec<String>,
    /// Whether it has a mesh.
    pub mesh: bool,
    /// Whether its network enforces policies.
    pub network_enforced: bool,
    /// Replicas of its control plane of the mesh; 0 without a mesh. Older results do not record it.
    #[serde(default)]
    pub control_plane_replicas: Option<u32>,
    /// Most pairs of client and server that are watched for exposure at the same time; 0 if none is. Older results do not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure_pairs: Option<u32>,
    /// Edges that are watched for exposure: from a workload to a port of another; 0 if none is. Older results do not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure_edges: Option<u32>,
    /// Edges that are open against policy with and without a fault, because no layer in force refuses them. Older results do not record them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_by_design: Vec<OpenEdge>,
    /// Flows of requests; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<u32>,
    /// Whether its faults are aimed at nothing on purpose (`parties: []`), as in a control. Older results do not record it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cuts_nothing: bool,
    /// What it costs, if the experiment states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The design that it names as its control; without it the one named `control`, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<String>,
    /// Versions of Kubernetes, Cilium and Istio, by component; older results do not have them.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub versions: IndexMap<String, String>,
    /// Layers that enforce their policies, `network` and `mesh`; older results do not have them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
}

impl PlannedDesign {
    /// Whether a name means this design: its own name, or that of the design whose point it is.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || base_of(&self.name) == name
    }
}

/// An edge that no layer in force closes although policy denies it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OpenEdge {
    /// Workload of the client.
    pub client: String,
    /// Workload of the server.
    pub server: String,
    /// Port of the server's pods.
    pub port: u16,
    /// What an attempt is.
    pub class: String,
}

/// One parameter of a design.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlannedParameter {
    /// Full name, `kubernetes.node_monitor_period`.
    pub name: String,
    /// Value as a user would write it.
    pub value: String,
    /// Unit; empty for none.
    pub unit: String,
    /// Primary source.
    pub source: String,
    /// Confidence: source code, documented, measured or assumed.
    pub confidence: String,
    /// The parameter set that it comes from.
    pub model: String,
    /// Whether the design overrides that set.
    pub overridden: bool,
}

impl PlannedDesign {
    /// Name in the experiment, the same for all points.
    pub fn base(&self) -> &str {
        match self.design.is_empty() {
            true => &self.name,
            false => &self.design,
        }
    }
}

impl PlannedParameter {
    /// Whether the value is assumed: neither measured nor read in a source.
    pub fn is_assumed(&self) -> bool {
        self.confidence == "assumed"
    }
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadPlan {
    #[error("the experiment {0} has no designs")]
    NoDesigns(String),
    #[error("the number of replications is 0")]
    NoReplications,
    #[error("{0} replications are more than {max}", max = u32::MAX)]
    TooManyReplications(u64),
    #[error("shard {shard} of {replications} replications: some shards would be empty")]
    EmptyShards { shard: Shard, replications: u64 },
    #[error("there is no shard {0}")]
    NoShard(Shard),
    #[error("{designs} designs with {replications} replications each are {runs} runs, more than {RUNS_MAX}")]
    TooManyRuns {
        designs: u64,
        replications: u64,
        runs: u128,
    },
    #[error("shard {0} of an experiment with `stopping`: no shard sees the runs that decide")]
    ShardWithStopping(Shard),
    #[error("the stopping rule names `{0}`, which is none of the designs that are run")]
    StoppingDesign(String),
    #[error("two designs have the name {0}")]
    DesignTwice(String),
    #[error("the horizon of {0} s is not between 0 and {max} s", max = EXACT_NANOS_MAX / 1_000_000_000)]
    Horizon(f64),
    #[error("{0} is not a factor, nor a rate above 0")]
    Number(f64),
    #[error("the threshold of delayed pods, {0} s, is not a valid duration")]
    Threshold(f64),
}

impl Plan {
    pub fn check(&self) -> Result<(), BadPlan> {
        if self.designs.is_empty() {
            return Err(BadPlan::NoDesigns(self.experiment.clone()));
        }
        if self.replications == 0 {
            return Err(BadPlan::NoReplications);
        }
        if self.replications > u64::from(u32::MAX) {
            return Err(BadPlan::TooManyReplications(self.replications));
        }
        let designs = self.designs.len() as u64;
        let runs = u128::from(designs) * u128::from(self.replications);
        if runs > u128::from(RUNS_MAX) {
            let replications = self.replications;
            return Err(BadPlan::TooManyRuns {
                designs,
                replications,
                runs,
            });
        }
        if let Some(shard) = self.shard {
            if !(1..=shard.of).contains(&shard.index) {
                return Err(BadPlan::NoShard(shard));
            }
            if self.stopping.is_some() {
                return Err(BadPlan::ShardWithStopping(shard));
            }
            if shard.of > self.replications {
                let replications = self.replications;
                return Err(BadPlan::EmptyShards { shard, replications });
            }
        }
        for name in self
            .stopping
            .iter()
            .flat_map(|rule| &rule.until)
            .flat_map(|target| &target.designs)
        {
            if !self.designs.iter().any(|design| design.is_called(name)) {
                return Err(BadPlan::StoppingDesign(name.clone()));
            }
        }
        let mut names = BTreeSet::new();
        for design in &self.designs {
            if !names.insert(&design.name) {
                return Err(BadPlan::DesignTwice(design.name.clone()));
            }
        }
        check_numbers(self.horizon_s, self.delayed_threshold_s, &self.questions)
    }

    /// Digest of everything that decides the result: version, inputs, seeds, replications, designs, and the shard.
    pub fn digest(&self) -> blake3::Hash {
        let all = self.digest_of_all();
        let Some(shard) = self.shard else {
            return all;
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(all.as_bytes());
        hasher.update(&shard.index.to_le_bytes());
        hasher.update(&shard.of.to_le_bytes());
        hasher.finalize()
    }

    /// The same digest for the whole experiment of which this may be a shard.
    pub fn digest_of_all(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for text in [
            ROW_FORMAT,
            RANDOM_SCHEME,
            &self.version,
            &self.experiment,
            &self.input_digest,
            &self.seed_group,
        ] {
            part(text.as_bytes());
        }
        part(&self.seed.to_le_bytes());
        part(&self.replications.to_le_bytes());
        part(&self.horizon_s.to_bits().to_le_bytes());
        part(&self.delayed_threshold_s.to_bits().to_le_bytes());
        for design in &self.designs {
            part(design.name.as_bytes());
        }
        // Nothing is added where numbers are shared, so that digests of before there was a choice stay.
        if self.random_numbers == RandomNumbers::Independent {
            part(b"random_numbers=independent");
        }
        if let Some(rule) = &self.stopping {
            part(&serde_json::to_vec(rule).expect("a rule is plain data"));
        }
        hasher.finalize()
    }

    /// The command that explains a run again.
    pub fn replay(&self, design: &str, replication: u64) -> String {
        command(&self.explain, design, replication, &self.changes)
    }

    pub fn horizon(&self) -> SimDuration {
        horizon_of(self.horizon_s)
    }

    /// The replications that are made at most: all, or those of the shard.
    pub fn range(&self) -> Range<u64> {
        match self.shard {
            Some(shard) => shard.range(self.replications),
            None => 0..self.replications,
        }
    }

    /// The replications in stages, behind each of which a stopping rule looks; one stage without a rule.
    pub fn stages(&self) -> Vec<Range<u64>> {
        let range = self.range();
        let ends = match &self.stopping {
            Some(rule) => checkpoints(rule.first_look.min(range.end), range.end),
            None => vec![range.end],
        };
        let starts = std::iter::once(range.start).chain(ends.iter().copied());
        starts.zip(&ends).map(|(start, end)| start..*end).collect()
    }

    /// Batches, each the replications of one segment: a hundredth of a stage, at least 1, at most 50.
    ///
    /// They do not depend on the number of workers. Small studies of heavy runs so get batches of one, and an interruption
    /// never waits for long. No batch reaches over a look.
    pub fn batches(&self) -> Vec<Range<u64>> {
        let of_stage = |stage: Range<u64>| {
            let size = ((stage.end - stage.start) / 100).clamp(1, BATCH_MAX);
            let starts = (stage.start..stage.end).step_by(size as usize);
            starts.map(move |start| start..(start + size).min(stage.end))
        };
        self.stages().into_iter().flat_map(of_stage).collect()
    }
}

/// The command that explains a run again; `begin` is the program, the command and the experiment. How many replications there
/// are does not matter to one of them.
pub fn command(begin: &str, design: &str, replication: u64, changes: &[String]) -> String {
    let changes = changes.iter().filter(|change| !change.starts_with("replications="));
    let changes: String = changes.map(|change| option(change)).collect();
    format!(
        "{begin} --design {} --replication {replication}{changes}",
        quoted(design)
    )
}

/// The option of a command line that makes a change.
pub fn option(change: &str) -> String {
    match change.split_once('=') {
        Some(("replications", number)) => format!(" --replications {}", quoted(number)),
        Some(("seed", seed)) => format!(" --seed {}", quoted(seed)),
        _ => format!(" --set {}", quoted(change)),
    }
}

/// A word of a command, in quotes where a shell would take it apart.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "=._-/:,+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whether a horizon, a threshold of delay and what is asked can be; those of a file may come from anywhere.
pub fn check_numbers(horizon_s: f64, delayed_threshold_s: f64, questions: &Questions) -> Result<(), BadPlan> {
    if horizon_s.is_nan() || horizon_s <= 0.0 || horizon_of(horizon_s).as_nanos() > EXACT_NANOS_MAX {
        return Err(BadPlan::Horizon(horizon_s));
    }
    if !(delayed_threshold_s >= 0.0 && delayed_threshold_s.is_finite()) {
        return Err(BadPlan::Threshold(delayed_threshold_s));
    }
    let is_amount = |number: f64| number > 0.0 && number.is_finite();
    let references = questions
        .expectations
        .iter()
        .filter_map(|expected| expected.claim.reference.as_ref());
    let factor = references
        .map(|reference| reference.factor)
        .find(|factor| !is_amount(*factor));
    let rate = questions
        .traffic_rates
        .iter()
        .map(|rate| rate.per_s)
        .find(|rate| !is_amount(*rate));
    match factor.or(rate) {
        Some(number) => Err(BadPlan::Number(number)),
        None => Ok(()),
    }
}

/// A horizon in seconds as a span of whole nanoseconds.
pub fn horizon_of(seconds: f64) -> SimDuration {
    // Rounded, not cut: a double a little below 0.3 still means 300,000,000 ns.
    SimDuration::from_nanos(libm::round(seconds * 1e9) as u64)
}
