//! Where a result comes from: the command that made it, from the record in its folder, and those that repeat it.
//!
//! The record does not belong to the rows, so it can be absent, or be that of another command.

use std::path::Path;

use clap::Parser;

use super::common::prepare;
use super::error::CliError;
use super::load::{self, LoadRequest};
use super::run::RunArgs;
use super::{explain, inputs, pages};
use crate::lab::designs::Simulator;
use crate::lab::lists::unique;
use crate::lab::manifest::{RunInfo, read_json};
use crate::lab::plan::{option, quoted};
use crate::lab::store::{MANIFEST, RUN_INFO};
use crate::lab::what_if::{self, Remedies};
use crate::lab::{Finished, Manifest};
use crate::report::page::Commands;

/// The `run` command that made a result.
#[derive(Parser)]
struct RunCommand {
    #[command(flatten)]
    run: RunArgs,
}

/// What `run` was asked for when it made the result in a folder; nothing if another command made it, or its record is gone.
pub fn recorded(folder: &Path) -> Option<LoadRequest> {
    let info: RunInfo = read_json(&folder.join(RUN_INFO)).ok()?;
    let parsed = RunCommand::try_parse_from(&info.command_line).ok()?;
    Some(parsed.run.load())
}

/// What a result was loaded by: as it was asked for where that is still there, else its own inputs.
pub fn loaded(folder: &Path) -> Option<LoadRequest> {
    let is_there = |load: &LoadRequest| {
        let path = load.experiment.as_deref();
        path.is_none_or(|path| path.is_file() || load::is_built_in(path))
    };
    let own = || Some(of_result(folder).ok()??.0);
    recorded(folder).filter(is_there).or_else(own)
}

/// What makes the result in a folder again, by the inputs that lie in it, and what it is; nothing if the path is no result.
pub fn of_result(folder: &Path) -> Result<Option<(LoadRequest, Manifest)>, CliError> {
    if load::is_built_in(folder) || !folder.join(MANIFEST).exists() {
        return Ok(None);
    }
    let Some(manifest) = Manifest::read(folder)? else {
        return Ok(None);
    };
    // The report has the changes, also of what was merged or made from a result; the command line may name those.
    let mut load = match pages::stored(folder).ok().flatten() {
        Some(content) => LoadRequest {
            designs: unique(manifest.designs.iter().map(|design| design.base().to_owned())),
            ..named(&manifest).with(content.commands.changes)
        },
        None => recorded(folder).unwrap_or_else(|| named(&manifest)),
    };
    load.experiment = inputs::experiment(folder, &manifest).or(load.experiment);
    // A shard is a part of all replications; what was interrupted, or ended by a rule, is as many as were made.
    let replications = match &manifest.shard {
        Some(shard) => shard.replications_of_all,
        None => manifest.replications,
    };
    let replications = format!("replications={replications}");
    Ok(Some((load.with([replications]), manifest)))
}

/// Without a record: the experiment of that name with as many runs and the same seed.
pub fn named(manifest: &Manifest) -> LoadRequest {
    let replications = format!("replications={}", manifest.replications_planned);
    LoadRequest::of(Path::new(&manifest.experiment))
        .with([replications])
        .with_seed(Some(manifest.seed))
}

/// What replays runs of a result, if its experiment is still there with the same inputs.
pub fn simulator(load: &LoadRequest, manifest: &Manifest) -> Option<Simulator> {
    let (scenario, _, simulator) = prepare(load).ok()?;
    (scenario.input_digest == manifest.input_digest).then_some(simulator)
}

/// What closes the breaches of a result, if its experiment is still there with the same inputs; nothing else is known of it.
pub fn remedies(load: &LoadRequest, finished: &Finished) -> Vec<Remedies> {
    let reload = |further: &[String]| {
        let mut load = load.clone();
        load.changes.extend_from_slice(further);
        load::scenario(&load).ok()
    };
    match load::scenario(load) {
        Ok(scenario) if scenario.input_digest == finished.manifest.input_digest => {
            what_if::remedies(finished, &scenario, &reload)
        }
        _ => Vec::new(),
    }
}

pub fn commands(load: &LoadRequest, manifest: &Manifest) -> Commands {
    Commands {
        explain: explain::begin(load.experiment.as_deref()),
        run: again(load, manifest),
        changes: of_one_run(load),
    }
}

/// Changes that matter to one run: not how many there are.
pub fn of_one_run(load: &LoadRequest) -> Vec<String> {
    let changes = load.changes.iter();
    changes
        .filter(|change| !change.starts_with("replications="))
        .cloned()
        .collect()
}

/// The command that makes the result again, with the options that decide its rows.
fn again(load: &LoadRequest, manifest: &Manifest) -> String {
    let experiment = match &load.experiment {
        Some(path) => path.display().to_string(),
        None => manifest.experiment.clone(),
    };
    let mut text = format!("meshfault run {}", quoted(&experiment));
    for design in &load.designs {
        text.push_str(&format!(" --design {}", quoted(design)));
    }
    text.extend(load.changes.iter().map(|change| option(change)));
    if let Some(shard) = &manifest.shard {
        text.push_str(&format!(" --shard {}", shard.shard()));
    }
    text
}
