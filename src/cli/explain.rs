//! `meshfault explain`: replays one run of a design and tells it, as text, as JSON, or as a figure.
//!
//! A run depends on nothing but its experiment, design, seed and number, so any run can be told, whether it belonged to a
//! result or not. What the story says belongs to `report`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::error::CliError;
use super::load::{self, DEFAULT_EXPERIMENT, LoadRequest};
use super::{exit_code, print};
use crate::cluster::records::{AccessRecord, ExposureRecord, Outcome, PodRecord, RunRecord};
use crate::cluster::story::dossier::Dossier;
use crate::kernel::TraceLine;
use crate::lab::LabError;
use crate::lab::designs::Simulator;
use crate::report::explain::{self, Told};
use crate::report::figures::{png, timeline};
use crate::report::timeline_of_run;

/// Pictures are drawn at this many times the size of the SVG.
const PNG_SCALE: f64 = 2.0;

/// How a story is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The experiment: a file, or the name of a built-in one; without it, the built-in istiod-cut-off.
    experiment: Option<PathBuf>,
    /// The design, `DESIGN` or `DESIGN@factor=value,…`; without it, the first of the experiment.
    #[arg(long, value_name = "DESIGN")]
    design: Option<String>,
    /// The number of the run, from 0; it may lie beyond those of a result.
    #[arg(long, value_name = "R", allow_hyphen_values = true)]
    replication: u64,
    /// Master seed; without it, what the experiment says.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Changes a value of the experiment, for example `cluster.nodes=400`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Adds what each component told, line by line.
    #[arg(long)]
    events: bool,
    /// Draws the run as swim lanes into this file, which ends in .svg or .png.
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// How the story is told.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The arguments as they are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainRequest {
    load: LoadRequest,
    replication: u64,
    events: bool,
    timeline: Option<(PathBuf, Picture)>,
    format: Format,
    /// What repeats the story.
    command: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Picture {
    Svg,
    Png,
}

impl ExplainArgs {
    /// Checks the arguments.
    ///
    /// # Errors
    /// If one of them has no meaning.
    pub fn check(self) -> Result<ExplainRequest, CliError> {
        let timeline = self.timeline.map(|file| picture(&file).map(|kind| (file, kind)));
        let mut changes = self.changes;
        changes.extend(self.seed.map(|seed| format!("seed={seed}")));
        let command = begin(self.experiment.as_deref());
        Ok(ExplainRequest {
            load: LoadRequest {
                experiment: self.experiment,
                designs: self.design.into_iter().collect(),
                changes,
            },
            replication: self.replication,
            events: self.events,
            timeline: timeline.transpose()?,
            format: self.format,
            command,
        })
    }
}

/// The command that tells a run of an experiment, up to the design.
#[must_use]
pub fn begin(experiment: Option<&Path>) -> String {
    // The default is named, so that a run without a name and a run of the default leave the same bytes.
    let experiment = experiment.unwrap_or_else(|| Path::new(DEFAULT_EXPERIMENT));
    format!("meshfault explain {}", experiment.display())
}

fn picture(file: &Path) -> Result<Picture, CliError> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => Ok(Picture::Svg),
        Some("png") => Ok(Picture::Png),
        _ => Err(CliError::Argument {
            argument: "--timeline",
            reason: format!("`{}` ends neither in .svg nor in .png", file.display()),
            hint: "name a file such as timeline.svg or timeline.png",
        }),
    }
}

/// Does what was asked and gives the exit code.
///
/// # Errors
/// If the experiment cannot be read, has no such design, or the figure cannot be written.
pub fn run(request: &ExplainRequest) -> Result<u8, CliError> {
    let scenario = load::scenario(&request.load)?;
    let designs = load::designs(&scenario, &request.load.designs)?;
    let design = designs[0];
    if !request.load.designs.is_empty() && designs.len() > 1 {
        return Err(CliError::SeveralPoints {
            name: design.design.clone(),
            points: designs.len(),
            first: design.name.clone(),
        });
    }
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, [design]);
    let outcome = simulator.run(0, request.replication, true);
    let command = explain::command(
        &request.command,
        &design.name,
        request.replication,
        &request.load.changes,
    );
    let told = Told {
        experiment: &scenario.name,
        design: &design.name,
        title: &design.title,
        replication: request.replication,
        seed: scenario.seed,
        command: &command,
        outcome: &outcome,
    };
    if let Some((file, kind)) = &request.timeline {
        draw(&told, file, *kind)?;
    }
    print(&match request.format {
        Format::Text => text(&told, request.events),
        Format::Json => json(&told, request.events),
    })?;
    Ok(if outcome.run.failure.is_some() {
        exit_code::RUNS_FAILED
    } else {
        exit_code::FINE
    })
}

fn draw(told: &Told, file: &Path, kind: Picture) -> Result<(), CliError> {
    let figure = timeline(&timeline_of_run::figure(told));
    let bytes = match kind {
        Picture::Svg => figure.svg.into_bytes(),
        Picture::Png => png(&figure, PNG_SCALE)?,
    };
    fs::write(file, bytes).map_err(LabError::file(file, "write"))?;
    Ok(())
}

fn text(told: &Told, events: bool) -> String {
    let mut text = explain::render(told);
    if events {
        text.push_str("\nEvents\n------\n");
        for TraceLine {
            time,
            component,
            text: line,
        } in &told.outcome.story
        {
            text.push_str(&format!("{:>12.6} s  {component:<26} {line}\n", time.as_secs_f64()));
        }
    }
    text
}

/// A story for programs.
#[derive(Serialize)]
struct Whole<'a> {
    experiment: &'a str,
    design: &'a str,
    replication: u64,
    seed: u64,
    command: &'a str,
    run: &'a RunRecord,
    story: Option<&'a Dossier>,
    pods: &'a [PodRecord],
    accesses: &'a [AccessRecord],
    exposures: &'a [ExposureRecord],
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<EventLine<'a>>>,
}

/// A line of the trace.
#[derive(Serialize)]
struct EventLine<'a> {
    time: crate::kernel::SimTime,
    component: &'a str,
    text: &'a str,
}

fn json(told: &Told, events: bool) -> String {
    let outcome: &Outcome = told.outcome;
    let lines = || {
        let lines = outcome.story.iter().map(|line| EventLine {
            time: line.time,
            component: line.component,
            text: &line.text,
        });
        lines.collect()
    };
    let whole = Whole {
        experiment: told.experiment,
        design: told.design,
        replication: told.replication,
        seed: told.seed,
        command: told.command,
        run: &outcome.run,
        story: outcome.dossier.as_deref(),
        pods: &outcome.pods,
        accesses: &outcome.accesses,
        exposures: &outcome.exposures,
        events: events.then(lines),
    };
    let mut text = serde_json::to_string_pretty(&whole).expect("a story is plain data");
    text.push('\n');
    text
}
