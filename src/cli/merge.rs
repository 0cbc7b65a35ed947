//! `meshfault merge`: puts shards together into the result of one undivided run.
//!
//! What fits together belongs to `lab::merge`.

use std::path::PathBuf;

use clap::Args;

use super::common::{STOP, jobs, no_file, stop_on_signals};
use super::error::CliError;
use super::events::JsonLines;
use super::run::{self, Format};
use super::{inputs, origin, pages};
use crate::lab::progress::{Bars, Both};
use crate::lab::{Simulate, merge};

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Folders that `meshfault run --shard I/N` wrote, in any order.
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,
    /// The result folder.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command and gives the exit code.
///
/// # Errors
/// If the shards do not make a whole, or the file system refuses; then no result is left behind.
pub fn run(arguments: &MergeArgs, command_line: &[String]) -> Result<u8, CliError> {
    let events = JsonLines::new(arguments.format == Format::Json, Vec::new());
    events.end(|| merge_and_show(arguments, command_line, &events))
}

fn merge_and_show(arguments: &MergeArgs, command_line: &[String], events: &JsonLines) -> Result<u8, CliError> {
    no_file("--out", Some(&arguments.out))?;
    stop_on_signals()?;
    let bars = Bars::new(true);
    let told = Both(&bars, events);
    let finished = merge(&arguments.shards, &arguments.out, command_line, &told, &STOP)?;
    let load = arguments.shards.first().and_then(|shard| origin::loaded(shard));
    let load = load.unwrap_or_else(|| origin::named(&finished.manifest));
    let commands = origin::commands(&load, &finished.manifest);
    // Figures of one run need the experiment, which shards do not carry; where it is not found they are left out.
    let simulator = origin::simulator(&load, &finished.manifest);
    let replays = simulator.as_ref().map(|simulator| simulator as &dyn Simulate);
    let remedies = || origin::remedies(&load, &finished);
    let inputs = arguments
        .shards
        .first()
        .map_or(Ok(Vec::new()), |shard| inputs::stored(shard))?;
    let answer = pages::write(&finished, replays, &commands, &remedies, &inputs, jobs(None), &told)?;
    run::show(&finished, &answer, arguments.format, events)
}
