//! `meshfault explain`: replays one run of a design and tells it, as text, JSON, Mermaid diagram, figure or trace.
//!
//! A run depends on nothing but its experiment, design, seed and number, so any run can be told, whether it belonged to a
//! result or not; `choose` takes one out of a result. What the story says belongs to `report`.

mod choose;
mod informative;
mod trace;

use std::path::{Path, PathBuf};

use super::error::CliError;
use super::load::{self, DEFAULT_EXPERIMENT, LoadRequest};
use super::{exit_code, origin, print};
use crate::cluster::records::Outcome;
use crate::lab::designs::Simulator;
use crate::lab::files::write_through;
use crate::lab::plan::{command, quoted};
use crate::lab::what_if::{Change, Replays};
use crate::report::explain::chain::Focus;
use crate::report::explain::{self, Cause, Told, json, mermaid};
use crate::report::figures::{png, timeline};
use crate::report::timeline_of_run;
use crate::scenario::{Design, Scenario};
use crate::story::Line;
use clap::{Args, ValueEnum};

/// Pictures are drawn at this many times the size of the SVG.
const PNG_SCALE: f64 = 2.0;

/// How commands print: for people or for programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Plain text.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// How a story is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum StoryFormat {
    /// Plain text.
    #[default]
    Text,
    /// JSON; docs/explain.md describes it.
    Json,
    /// A Mermaid sequence diagram.
    Mermaid,
}

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A file or a built-in experiment. With --first or --worst also the folder of a result.
    /// Default: istiod-cut-off.
    #[arg(value_name = "EXPERIMENT|RESULTS")]
    experiment: Option<PathBuf>,
    /// The design, `DESIGN` or `DESIGN@factor=value,…`. Default: the first of the experiment. With --first or --worst: only runs of this design.
    #[arg(short = 'd', long, value_name = "DESIGN")]
    design: Option<String>,
    /// The number of the run, from 0; it may be outside of a result. Default: the first in which the wrong client got in or could
    /// have, else the one with the slowest pod, of the first 50.
    #[arg(short = 'r', long, value_name = "R", allow_hyphen_values = true)]
    replication: Option<u64>,
    /// The first run of a result in which this happened: unauthorized, network_bypassed, mesh_bypassed,
    /// wrongly_denied, wrong_server, unreachable, demonstrated, never_ready, failed.
    #[arg(long, value_name = "WHAT", conflicts_with_all = ["replication", "worst"])]
    first: Option<String>,
    /// The worst run of a result by this measure: startup_latency, exposure, unauthorized_exposure,
    /// network_bypassed_exposure, mesh_bypassed_exposure, certificate_requests, stale_entries.
    #[arg(long, value_name = "MEASURE", conflicts_with = "replication")]
    worst: Option<String>,
    /// The result for --first and --worst. Default: the newest result of the experiment in out/.
    #[arg(long, value_name = "DIR", conflicts_with = "replication")]
    results: Option<PathBuf>,
    /// Skip the counterfactual replays (dozens of extra runs).
    #[arg(long)]
    no_counterfactuals: bool,
    /// Master seed. Default: as in the experiment.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Change a value of the experiment, for example `cluster.nodes=400`; repeatable.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Add the log of each component, line by line.
    #[arg(long)]
    events: bool,
    /// Draw the timeline of the run in this file, .svg or .png.
    #[arg(long, value_name = "FILE")]
    timeline: Option<PathBuf>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: StoryFormat,
    #[command(flatten)]
    trace: trace::TraceArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Picture {
    Svg,
    Png,
}

/// The command that tells a run of an experiment, up to the design.
pub fn begin(experiment: Option<&Path>) -> String {
    // The default is named, so that a run without a name and a run of the default leave the same bytes.
    let experiment = experiment.unwrap_or_else(|| Path::new(DEFAULT_EXPERIMENT));
    format!("meshfault explain {}", quoted(&experiment.display().to_string()))
}

fn picture(file: &Path) -> Result<Picture, CliError> {
    match file.extension().and_then(|ending| ending.to_str()) {
        Some("svg") => Ok(Picture::Svg),
        Some("png") => Ok(Picture::Png),
        _ => Err(CliError::argument(
            "--timeline",
            format!("`{}` ends neither in .svg nor in .png", file.display()),
            "name a file such as timeline.svg or timeline.png",
        )),
    }
}

struct Run {
    load: LoadRequest,
    replication: u64,
    focus: Focus,
    /// Why this one, if it was chosen from a result.
    chosen: Option<String>,
}

fn run_of(arguments: &ExplainArgs) -> Result<Run, CliError> {
    let designs: Vec<String> = arguments.design.iter().cloned().collect();
    let load =
        LoadRequest::new(arguments.experiment.as_deref(), &designs, &arguments.changes).with_seed(arguments.seed);
    let wanted = match (&arguments.first, &arguments.worst) {
        (Some(first), _) => choose::Wanted::First(first.clone()),
        (None, Some(worst)) => choose::Wanted::Worst(worst.clone()),
        (None, None) => {
            let (replication, chosen) = match arguments.replication {
                Some(replication) => (replication, None),
                None => {
                    let (replication, why) = informative::choose(&load)?;
                    (replication, Some(why))
                }
            };
            return Ok(Run {
                load,
                replication,
                focus: Focus::All,
                chosen,
            });
        }
    };
    let chosen = choose::choose(&wanted.check()?, &load, arguments.results.as_deref())?;
    Ok(Run {
        load: LoadRequest {
            designs: vec![chosen.design],
            // How many replications there are does not matter to one of them.
            changes: origin::of_one_run(&chosen.load),
            experiment: chosen.load.experiment,
        },
        replication: chosen.replication,
        focus: chosen.focus,
        chosen: Some(chosen.why),
    })
}

/// The design that is meant, or the first one.
fn one_design<'s>(scenario: &'s Scenario, names: &[String]) -> Result<&'s Design, CliError> {
    let designs = load::designs(scenario, names)?;
    let design = designs[0];
    if !names.is_empty() && designs.len() > 1 {
        return Err(CliError::SeveralPoints {
            name: design.design.clone(),
            points: designs.len(),
            first: design.name.clone(),
        });
    }
    Ok(design)
}

pub fn run(arguments: ExplainArgs) -> Result<u8, CliError> {
    let timeline = arguments.timeline.as_deref();
    let timeline = timeline
        .map(|file| picture(file).map(|kind| (file, kind)))
        .transpose()?;
    let trace = arguments.trace.check()?;
    let run = run_of(&arguments)?;
    let scenario = load::scenario(&run.load)?;
    let design = one_design(&scenario, &run.load.designs)?;
    let simulator = Simulator::new(scenario.seed, &scenario.seed_group, [design]);
    let outcome = simulator.told(0, run.replication);
    let begin = begin(run.load.experiment.as_deref());
    let command = command(&begin, &design.name, run.replication, &run.load.changes);
    let told = Told {
        experiment: &scenario.name,
        design: &design.name,
        title: &design.title,
        replication: run.replication,
        seed: scenario.seed,
        command: &command,
        outcome: &outcome,
    };
    if let Some((file, kind)) = timeline {
        draw(&told, file, kind)?;
    }
    if let Some(trace) = &trace {
        trace.write(&told)?;
    }
    let mut causes = explain::causes(&outcome, &run.focus);
    if !arguments.no_counterfactuals && arguments.format != StoryFormat::Mermaid {
        let reload = |further: &[String]| {
            let mut load = run.load.clone();
            load.changes.extend_from_slice(further);
            load::scenario(&load).ok()
        };
        prevent(
            &mut causes,
            &mut Replays::new(&scenario, design, run.replication, &reload),
            &outcome,
        );
    }
    let again = |change: &Change| {
        let changes = [run.load.changes.as_slice(), &change.set].concat();
        crate::lab::plan::command(&begin, &change.design, run.replication, &changes)
    };
    let chosen = run.chosen.as_deref();
    print(&match arguments.format {
        StoryFormat::Text => text(&told, &causes, chosen, arguments.events),
        StoryFormat::Json => json::render(&told, &causes, &again, chosen, arguments.events),
        StoryFormat::Mermaid => mermaid::render(&told, &causes),
    })?;
    Ok(if outcome.run.failure.is_some() {
        exit_code::RUNS_FAILED
    } else {
        exit_code::FINE
    })
}

fn prevent(causes: &mut [Cause], replays: &mut Replays, outcome: &Outcome) {
    for cause in causes {
        let happened = explain::happened(&cause.chain.subject);
        cause.what_if = Some(replays.what_if(outcome, &happened));
    }
}

fn draw(told: &Told, file: &Path, kind: Picture) -> Result<(), CliError> {
    let figure = timeline(&timeline_of_run::figure(told));
    let bytes = match kind {
        Picture::Svg => figure.svg.into_bytes(),
        Picture::Png => png(&figure, PNG_SCALE)?,
    };
    write_through(file, &bytes)?;
    Ok(())
}

fn text(told: &Told, causes: &[Cause], chosen: Option<&str>, events: bool) -> String {
    let mut text = explain::render_with(told, causes, chosen);
    if events {
        text.push_str("\nEvents\n------\n");
        for Line {
            time,
            component,
            text: line,
        } in &told.outcome.lines
        {
            text.push_str(&format!("{:>12.6} s  {component:<26} {line}\n", time.as_secs_f64()));
        }
    }
    text
}
