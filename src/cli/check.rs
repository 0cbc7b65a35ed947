//! `meshfault check`: reads experiments with their manifests as `run` does, and says what is wrong or what was found.
//!
//! What can be wrong belongs to `scenario`; how an error looks belongs to `load`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::error::CliError;
use super::explain::Format;
use super::load::{self, LoadRequest};
use super::{exit_code, print, tabular, terminal};
use crate::lab::designs::plan;
use crate::report::run_facts::notes;
use crate::scenario::Scenario;
use crate::scenario::error::InputError;

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Files or built-in experiments.
    #[arg(required = true, value_name = "FILE")]
    experiments: Vec<PathBuf>,
    /// Change a value of the experiments, for example `cluster.nodes=400`; repeatable.
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Skip manifests of this file or folder name or path; `*`, `**` and `?` are wildcards; repeatable. As the key `exclude`,
    /// which it replaces.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Turn errors about what is not modeled in the manifests into warnings. As the key `lenient`.
    #[arg(long)]
    lenient: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Findings {
    file: String,
    fine: bool,
    errors: Vec<Wrong>,
    warnings: Vec<String>,
    found: Option<Found>,
}

#[derive(Debug, Serialize)]
struct Wrong {
    file: String,
    line: Option<u32>,
    column: Option<u32>,
    message: String,
    hint: Option<String>,
}

/// The size of an experiment that is fine.
#[derive(Debug, Serialize)]
struct Found {
    title: String,
    /// Names of the designs, or of the designs at their points.
    designs: Vec<String>,
    replications: u64,
    runs: u64,
    /// Files that decide the result: the experiment, its manifests, the parameter sets.
    inputs: usize,
    input_digest: String,
}

/// Checks all experiments: 0 if all are fine, else 2.
pub fn run(arguments: &CheckArgs) -> Result<u8, CliError> {
    let mut changes = arguments.changes.clone();
    changes.extend(load::of_manifests(&arguments.exclude, arguments.lenient));
    let overrides = load::overrides(&changes)?;
    let mut all = Vec::new();
    for path in &arguments.experiments {
        match load::read(&LoadRequest::of(path), &overrides) {
            Ok(scenario) => {
                let findings = fine(path, &scenario);
                if arguments.format == Format::Text {
                    print(&told(&findings))?;
                }
                all.push(findings);
            }
            Err(errors) => {
                all.push(wrong(path, &errors));
                if arguments.format == Format::Text {
                    terminal::tell(&format!("{:?}", miette::Report::new(load::wrong(errors))));
                }
            }
        }
    }
    if arguments.format == Format::Json {
        print(&tabular::json(&all))?;
    }
    Ok(match all.iter().all(|findings| findings.fine) {
        true => exit_code::FINE,
        false => exit_code::BAD_INPUT,
    })
}

fn fine(path: &Path, scenario: &Scenario) -> Findings {
    let designs: Vec<_> = scenario.designs.iter().collect();
    let plan = plan(scenario, &designs);
    let mut warnings = plan.warnings.clone();
    let notes = notes(&plan.designs);
    warnings.extend(notes.iter().map(|note| format!("{}: {}", note.designs, note.text)));
    Findings {
        file: path.display().to_string(),
        fine: true,
        errors: Vec::new(),
        warnings,
        found: Some(Found {
            title: plan.title.clone(),
            designs: plan.designs.iter().map(|design| design.name.clone()).collect(),
            replications: plan.replications,
            runs: plan.replications * plan.designs.len() as u64,
            inputs: plan.inputs.len(),
            input_digest: plan.input_digest.clone(),
        }),
    }
}

fn wrong(path: &Path, errors: &[InputError]) -> Findings {
    let shown = |error: &InputError| Wrong {
        file: error.file.display().to_string(),
        line: error.line,
        column: error.column,
        message: error.message.clone(),
        hint: error.hint.clone(),
    };
    Findings {
        file: path.display().to_string(),
        fine: false,
        errors: errors.iter().map(shown).collect(),
        warnings: Vec::new(),
        found: None,
    }
}

fn told(findings: &Findings) -> String {
    let Some(found) = &findings.found else {
        return String::new();
    };
    let mut text = format!("{}: fine. {}\n", findings.file, found.title);
    let plural = |number: usize| if number == 1 { "" } else { "s" };
    text.push_str(&format!(
        "  {} design{} × {} replications = {} runs, from {} files\n  {}\n",
        found.designs.len(),
        plural(found.designs.len()),
        found.replications,
        found.runs,
        found.inputs,
        found.designs.join(", ")
    ));
    for warning in &findings.warnings {
        text.push_str(&format!("  warning: {warning}\n"));
    }
    text
}
