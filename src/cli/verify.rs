//! `meshfault verify`: makes runs twice and says whether they repeat, compares them with another build's, and says which
//! answers hang on the order of ties.
//!
//! What is compared belongs to `lab::verify`, how it is told to `report::verify`.

use std::path::PathBuf;
use std::thread;

use clap::Args;

use super::error::CliError;
use super::explain::Format;
use super::load::{self, LoadRequest};
use super::run::{positive, workers};
use super::{exit_code, explain, print, tabular};
use crate::lab::designs::{Simulator, plan};
use crate::lab::progress::progress_bar;
use crate::lab::verify::{STEPS, verify};
use crate::report;

/// Replications of each design unless the arguments say otherwise: enough to meet most of the code, done in seconds.
const REPLICATIONS: u64 = 20;

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The experiment: a file, or the name of a built-in one; without it, the built-in istiod-cut-off.
    experiment: Option<PathBuf>,
    /// Verify only this design; may be repeated.
    #[arg(long = "design", value_name = "DESIGN")]
    designs: Vec<String>,
    /// Replications of each design, from 0; without it, 20, or what the experiment says if that is less.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = positive)]
    replications: Option<u64>,
    /// Master seed; without it, what the experiment says.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Changes a value of the experiment, for example `tie_order=permuted`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Workers for the runs that are made twice; without it, one per core.
    #[arg(long, value_name = "J", allow_hyphen_values = true, value_parser = workers)]
    jobs: Option<u64>,
    /// Write the fingerprints of all runs into this folder, for another build's `--against`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compare with the runs of another build: a folder that its `verify --out` or `run` wrote.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Show no progress.
    #[arg(long)]
    quiet: bool,
    /// How the report is told.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyRequest {
    load: LoadRequest,
    replications: Option<u64>,
    jobs: usize,
    out: Option<PathBuf>,
    against: Option<PathBuf>,
    quiet: bool,
    format: Format,
}

impl VerifyArgs {
    pub fn check(self) -> Result<VerifyRequest, CliError> {
        for (argument, folder) in [("--out", &self.out), ("--against", &self.against)] {
            if folder.as_ref().is_some_and(|folder| folder.is_file()) {
                return Err(CliError::Argument {
                    argument,
                    reason: "is a file".to_owned(),
                    hint: "name a folder",
                });
            }
        }
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let mut changes = self.changes;
        changes.extend(self.seed.map(|seed| format!("seed={seed}")));
        Ok(VerifyRequest {
            load: LoadRequest {
                experiment: self.experiment,
                designs: self.designs,
                changes,
            },
            replications: self.replications,
            jobs: self
                .jobs
                .map_or_else(cores, |jobs| usize::try_from(jobs).unwrap_or(usize::MAX)),
            out: self.out,
            against: self.against,
            quiet: self.quiet,
            format: self.format,
        })
    }
}

pub fn run(request: &VerifyRequest) -> Result<u8, CliError> {
    let scenario = load::scenario(&request.load)?;
    let designs = load::designs(&scenario, &request.load.designs)?;
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, designs.iter().copied());
    let mut plan = plan(&scenario, &designs);
    plan.explain = explain::begin(request.load.experiment.as_deref());
    plan.replications = request
        .replications
        .unwrap_or_else(|| plan.replications.min(REPLICATIONS));
    // Runs are made a fixed number of times here, whatever the experiment says of when there are enough.
    plan.stopping = None;
    plan.check().map_err(crate::lab::LabError::from)?;
    let steps = STEPS * plan.replications * plan.designs.len() as u64;
    let progress = progress_bar(steps, request.quiet);
    let found = verify(&plan, &simulator, request.jobs, request.against.as_deref(), &progress);
    progress.finish_and_clear();
    let (report, ladders) = found?;
    if let Some(folder) = &request.out {
        ladders.write(folder)?;
    }
    print(&match request.format {
        Format::Text => report::verify::render(&report),
        Format::Json => tabular::json(&report),
    })?;
    Ok(if report.sound() {
        exit_code::FINE
    } else {
        exit_code::RUNS_FAILED
    })
}
