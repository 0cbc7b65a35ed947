//! `meshfault verify`: makes runs twice and says whether they repeat, compares them with another build's, and says which
//! measures depend on tie order.
//!
//! What is compared belongs to `lab::verify`, how it is told to `report::verify`.

use std::path::PathBuf;

use clap::Args;

use super::common::{jobs, no_file, positive, prepare, workers};
use super::error::CliError;
use super::explain::Format;
use super::load::LoadRequest;
use super::{exit_code, print, tabular};
use crate::lab::progress::progress_bar;
use crate::lab::verify::{STEPS, verify};
use crate::report;

/// Replications of each design unless the arguments say otherwise: enough to meet most of the code, done in seconds.
const REPLICATIONS: u64 = 20;

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A file or a built-in experiment. Default: istiod-cut-off.
    experiment: Option<PathBuf>,
    /// Verify only this design; repeatable.
    #[arg(short = 'd', long = "design", value_name = "DESIGN")]
    designs: Vec<String>,
    /// Replications of each design, from 0. Default: 20, or as in the experiment if that is less.
    #[arg(short = 'n', long, value_name = "N", allow_hyphen_values = true, value_parser = positive)]
    replications: Option<u64>,
    /// Master seed. Default: as in the experiment.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Change a value of the experiment, for example `tie_order=permuted`; repeatable.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Number of workers for the repeated runs. Default: one per core.
    #[arg(short = 'j', long, value_name = "J", allow_hyphen_values = true, value_parser = workers)]
    jobs: Option<u64>,
    /// Write the fingerprints of all runs to this folder, for `--against` in another build.
    #[arg(short = 'o', long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compare with another build: a folder that its `verify --out` or `run` wrote.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Hide progress.
    #[arg(short = 'q', long)]
    quiet: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(arguments: &VerifyArgs) -> Result<u8, CliError> {
    no_file("--out", arguments.out.as_deref())?;
    no_file("--against", arguments.against.as_deref())?;
    let load = LoadRequest::new(arguments.experiment.as_deref(), &arguments.designs, &arguments.changes);
    let (_, mut plan, simulator) = prepare(&load.with_seed(arguments.seed))?;
    plan.replications = arguments
        .replications
        .unwrap_or_else(|| plan.replications.min(REPLICATIONS));
    // Runs are made a fixed number of times here, whatever the experiment says of when there are enough.
    plan.stopping = None;
    plan.check().map_err(crate::lab::LabError::from)?;
    let steps = STEPS * plan.replications * plan.designs.len() as u64;
    let progress = progress_bar(steps, arguments.quiet);
    let found = verify(
        &plan,
        &simulator,
        jobs(arguments.jobs),
        arguments.against.as_deref(),
        &progress,
    );
    progress.finish_and_clear();
    let (report, ladders) = found?;
    if let Some(folder) = &arguments.out {
        ladders.write(folder)?;
    }
    print(&match arguments.format {
        Format::Text => report::verify::render(&report),
        Format::Json => tabular::json(&report),
    })?;
    Ok(if report.sound() {
        exit_code::FINE
    } else {
        exit_code::RUNS_FAILED
    })
}
