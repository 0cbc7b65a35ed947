//! What several commands share: arguments that mean numbers and folders, an experiment ready to run, and the request to stop.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::error::CliError;
use super::load::{self, LoadRequest};
use super::{explain, signals};
use crate::lab::Plan;
use crate::lab::designs::{Simulator, plan};
use crate::lab::progress::complain;
use crate::lab::runner::JOBS_MAX;
use crate::scenario::Scenario;

/// Where results go unless `--out` says otherwise.
pub(super) const OUT_ROOT: &str = "out";

/// Set by Ctrl-C: finish the batches in flight, then stop.
pub(super) static STOP: AtomicBool = AtomicBool::new(false);

/// The first Ctrl-C, hang-up or request to end stops the experiment with a valid result, the second ends the program at once.
/// A file that may not grow further is an error to be told, not the end.
pub(super) fn stop_on_signals() -> Result<(), CliError> {
    let begun = signals::watch(&STOP, || {
        complain("stopping after the current batches; press Ctrl-C again to stop at once");
    });
    begun.map_err(CliError::Signal)
}

/// A whole number of at least 1.
pub(super) fn positive(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("not a whole number of at least 1".to_owned()),
    }
}

pub(super) fn workers(text: &str) -> Result<u64, String> {
    positive(text).and_then(|jobs| match jobs <= JOBS_MAX as u64 {
        true => Ok(jobs),
        false => Err(format!("at most {JOBS_MAX} workers")),
    })
}

/// The number of workers that was asked for, or one per core.
pub(super) fn jobs(asked: Option<u64>) -> usize {
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    asked.map_or_else(cores, |jobs| usize::try_from(jobs).unwrap_or(usize::MAX))
}

/// Refuses a file where a folder is meant.
pub(super) fn no_file(argument: &'static str, folder: Option<&Path>) -> Result<(), CliError> {
    match folder {
        Some(folder) if folder.is_file() => Err(CliError::argument(argument, "is a file", "name a folder")),
        _ => Ok(()),
    }
}

/// An experiment with the plan of the designs that were asked for, and what makes their runs.
pub(super) fn prepare(request: &LoadRequest) -> Result<(Scenario, Plan, Simulator), CliError> {
    let scenario = load::scenario(request)?;
    let designs = load::designs(&scenario, &request.designs)?;
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, designs.iter().copied());
    let mut plan = plan(&scenario, &designs);
    plan.explain = explain::begin(request.experiment.as_deref());
    Ok((scenario, plan, simulator))
}
