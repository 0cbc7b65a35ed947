//! `meshfault compare`: designs of one result, or of two that share their random numbers, against each other.
//!
//! What is compared and how belongs to `lab::compare`, the form to `report::compare`. Nothing is run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::{exit_code, load, print, terminal};
use crate::lab::Finished;
use crate::lab::compare::{Asked, Baseline, CannotCompare, compare_between, compare_within};
use crate::lab::measures::{Known, known_measures};
use crate::lab::question_check::{self, measure_hint};
use crate::report;
use crate::scenario::error::candidates_hint;
use crate::scenario::margins::Margin;

/// How comparisons are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Tables.
    #[default]
    Text,
    /// JSON.
    Json,
    /// A page in Markdown.
    Md,
}

/// The arguments as they were typed.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The result folder that `meshfault run` wrote.
    results: PathBuf,
    /// Another result folder with the same seed; its values are subtracted from those of the first.
    other: Option<PathBuf>,
    /// Compare with this design. Default: each design with its own control, or the named designs with each other.
    #[arg(long, value_name = "DESIGN")]
    baseline: Option<String>,
    /// Compare each pair of designs; this is the default for an experiment without controls.
    #[arg(long, conflicts_with = "baseline")]
    pairs: bool,
    /// Compare only this design; repeatable.
    #[arg(short = 'd', long = "design", value_name = "DESIGN")]
    designs: Vec<String>,
    /// Compare this measure; repeatable. Default: access, startup and cost.
    #[arg(short = 'm', long = "measure", value_name = "MEASURE")]
    measures: Vec<String>,
    /// The measure of startup. Default: startup_latency_p99, or the next lower quantile that every design reaches.
    #[arg(long, value_name = "MEASURE")]
    startup: Option<String>,
    /// The largest difference of a measure that does not matter for the Pareto set, such as `unauthorized_any=0.5%`; repeatable.
    #[arg(long = "margin", value_name = "MEASURE=VALUE")]
    margins: Vec<String>,
    /// Compare results that share no random numbers, as independent samples.
    #[arg(long)]
    unpaired: bool,
    /// Write a sentence and all numbers for each comparison instead of a table.
    #[arg(long)]
    sentences: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command and gives the exit code.
///
/// # Errors
/// If a folder holds no sound result, a name is unknown, or two results share no random numbers.
pub fn run(arguments: CompareArgs) -> Result<u8, CliError> {
    let result = load::result(&arguments.results)?;
    let other = arguments.other.as_deref().map(load::result).transpose()?;
    let known = known_measures(&result.manifest.questions.traffic_rates);
    for name in arguments.measures.iter().chain(&arguments.startup) {
        check_measure(name, &known)?;
    }
    let margins = arguments
        .margins
        .iter()
        .map(|text| margin(text, &known))
        .collect::<Result<_, _>>()?;
    let asked = Asked {
        margins,
        baseline: match arguments.baseline {
            Some(design) => Baseline::Design(design),
            None if arguments.pairs || arguments.designs.len() > 1 => Baseline::Pairs,
            None => Baseline::usual(&result.manifest.designs),
        },
        designs: arguments.designs,
        measures: arguments.measures,
        startup: arguments.startup,
        unpaired: arguments.unpaired,
    };
    let compared = match &other {
        None => compare_within(&result, &asked),
        Some(other) => compare_between(&result, other, &asked),
    };
    let compared = compared.map_err(|why| cannot(why, &result))?;
    print(&match arguments.format {
        Format::Text if arguments.sentences => report::compare::sentences(&compared),
        Format::Text => report::compare::tables(&compared, terminal::window()),
        Format::Json => report::compare::json(&compared),
        Format::Md => report::compare::markdown(&compared),
    })?;
    Ok(exit_code::FINE)
}

fn margin(text: &str, known: &[Known]) -> Result<Margin, CliError> {
    let wrong = |reason: String| {
        CliError::argument(
            "--margin",
            format!("`{text}`: {reason}"),
            "write `MEASURE=VALUE`, such as `unauthorized_any=0.5%` or `startup_latency_p90=2s`",
        )
    };
    let (name, value) = text.split_once('=').ok_or_else(|| wrong("`=` is missing".to_owned()))?;
    check_measure(name, known)?;
    let measure = known.iter().find(|known| known.name == name);
    let measure = measure.ok_or_else(|| wrong("there is no such measure".to_owned()))?;
    question_check::margin(measure, value).map_err(|(reason, _)| wrong(reason))
}

fn check_measure(name: &str, known: &[Known]) -> Result<(), CliError> {
    match known.iter().find(|known| known.name == name) {
        Some(measure) if measure.interval => Ok(()),
        Some(_) => Err(CliError::argument(
            "--measure",
            format!("`{name}` is an observed extreme and has no interval"),
            "name a mean, a share or a quantile",
        )),
        None => Err(CliError::Unknown {
            what: "measure",
            name: name.to_owned(),
            hint: measure_hint(name, known),
        }),
    }
}

fn cannot(why: CannotCompare, result: &Finished) -> CliError {
    match why {
        CannotCompare::Design(name, known) => CliError::UnknownDesign {
            hint: candidates_hint(&name, known.iter().map(String::as_str)),
            name,
            experiment: result.manifest.experiment.clone(),
        },
        CannotCompare::NoPair => CliError::argument(
            "compare",
            "no pair of designs to compare",
            "name two designs, a baseline that is not the only design, or a second result with designs of the same names",
        ),
        CannotCompare::NotPaired(differs) => CliError::argument(
            "compare",
            format!(
                "the two results share no random numbers; they differ in {}",
                differs.join("; ")
            ),
            "run both with the same seed and seed_group, or add --unpaired to compare them as independent samples",
        ),
    }
}
