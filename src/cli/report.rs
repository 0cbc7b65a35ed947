//! `meshfault report`: draws the figures of a stored result again, in other forms or another theme.
//!
//! Figures of many runs come from the stored rows, which are checked against the result's digest; where a folder holds no
//! rows, like those in `results/`, from the figures' own data beside them. Figures of one run always come from there: their
//! replay was made with the result. What figures show belongs to `report`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::figures::{Form, Stored, write_all};
use super::{exit_code, print};
use crate::lab::manifest::Manifest;
use crate::lab::runner::workers;
use crate::lab::store::{FIGURES, table_path};
use crate::lab::{LabError, open_result};
use crate::report::figures::{Plot, Theme, names};
use crate::report::result_figures;
use crate::scenario::error::candidates_hint;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Drawings.
    Svg,
    /// Their pictures, with two pixels per unit.
    Png,
    /// The data of each figure, comma-separated.
    Csv,
    /// Vega-Lite specifications over those data, for notebooks.
    Vega,
}

impl Format {
    const fn form(self) -> Form {
        match self {
            Format::Svg => Form::Svg,
            Format::Png => Form::Png,
            Format::Csv => Form::Csv,
            Format::Vega => Form::Vega,
        }
    }
}

/// How figures look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Look {
    /// Colours on white.
    #[default]
    Light,
    /// Colours on a dark ground.
    Dark,
    /// Black and greys: line styles, markers and hatching instead of colours.
    Print,
}

impl Look {
    const fn theme(self) -> Theme {
        match self {
            Look::Light => Theme::Light,
            Look::Dark => Theme::Dark,
            Look::Print => Theme::Print,
        }
    }
}

/// The arguments.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The result folder.
    results: PathBuf,
    /// Draw only this figure; may be repeated.
    #[arg(long = "figure", value_name = "NAME")]
    figures: Vec<String>,
    /// Write only this form; may be repeated. Without it all.
    #[arg(long = "format", value_enum)]
    formats: Vec<Format>,
    /// How the figures look.
    #[arg(long, value_enum, default_value_t)]
    theme: Look,
    /// Where they go; without it, the figures folder of the result, other themes than light in a folder of their own there.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Does what was asked and gives the exit code.
///
/// # Errors
/// If the folder holds no sound result, a figure is not known or not there, or a file cannot be written.
pub fn run(arguments: &ReportArgs) -> Result<u8, CliError> {
    for name in &arguments.figures {
        if !names().any(|known| known == name) {
            return Err(CliError::UnknownFigure {
                name: name.clone(),
                hint: candidates_hint(name, names()),
            });
        }
    }
    let pool = workers(std::thread::available_parallelism().map_or(1, usize::from))?;
    let (plots, source) = pool.install(|| plots_of(&arguments.results))?;
    let chosen = chosen(&plots, &arguments.figures)?;
    let forms: Vec<Form> = match arguments.formats.as_slice() {
        [] => Form::ALL.to_vec(),
        formats => Form::ALL
            .into_iter()
            .filter(|form| formats.iter().any(|format| format.form() == *form))
            .collect(),
    };
    let theme = arguments.theme.theme();
    let folder = folder(&arguments.results, arguments.out.as_deref(), theme);
    fs::create_dir_all(&folder).map_err(LabError::file(&folder, "create"))?;
    let files = pool.install(|| write_all(&chosen, &forms, theme, &folder))?;
    let mut text: String = files.iter().map(|file| format!("{}\n", file.display())).collect();
    text.push_str(&format!(
        "{} figure{}, {} theme, from {source}\n",
        chosen.len(),
        if chosen.len() == 1 { "" } else { "s" },
        theme.name()
    ));
    print(&text)?;
    Ok(exit_code::FINE)
}

/// The figures of a result, and where they come from in words.
///
/// # Errors
/// If the folder holds neither sound rows nor data of figures.
pub fn plots_of(results: &Path) -> Result<(Vec<Plot>, &'static str), CliError> {
    let Some(manifest) = Manifest::read(results)? else {
        return Err(CliError::NoResult {
            path: results.to_owned(),
        });
    };
    let stored = Stored::read(results)?;
    let same = |stored: &Stored| stored.result_digest == manifest.result_digest;
    if !table_path(results, "runs").exists() {
        return match stored {
            Some(stored) if same(&stored) => Ok((stored.plots, "the figures' stored data; the folder holds no rows")),
            _ => Err(CliError::NoRows {
                path: results.to_owned(),
            }),
        };
    }
    let finished = open_result(results)?;
    let mut plots = result_figures::of_rows(&finished);
    let of_one_run = stored.filter(same).map_or_else(Vec::new, |stored| stored.plots);
    plots.extend(of_one_run.into_iter().filter(Plot::is_of_one_run));
    Ok((plots, "the stored rows"))
}

/// The figures that were asked for, in their order; all if none was named.
fn chosen<'a>(plots: &'a [Plot], wanted: &[String]) -> Result<Vec<(&'a Plot, &'static str)>, CliError> {
    let all: Vec<(&Plot, &'static str)> = plots
        .iter()
        .flat_map(|plot| plot.names().iter().map(move |name| (plot, *name)))
        .collect();
    for name in wanted {
        if !all.iter().any(|(_, there)| there == name) {
            let there: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
            return Err(CliError::AbsentFigure {
                name: name.clone(),
                reason: result_figures::absent_because(name),
                hint: format!("it has: {}", there.join(", ")),
            });
        }
    }
    let named = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    Ok(all.into_iter().filter(|(_, name)| named(name)).collect())
}

/// Where figures go. The folder of a result keeps the light ones that `run` wrote.
fn folder(results: &Path, out: Option<&Path>, theme: Theme) -> PathBuf {
    match (out, theme) {
        (Some(out), _) => out.to_owned(),
        (None, Theme::Light) => results.join(FIGURES),
        (None, theme) => results.join(FIGURES).join(theme.name()),
    }
}
