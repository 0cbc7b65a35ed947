//! `meshfault report`: draws the figures of a stored result again and writes its reports, in one form or in all.
//!
//! Figures of many runs and reports come from the stored rows, which are checked against the result's digest; where a folder
//! holds no rows, from the plain data beside them. Figures of one run always come from there: their
//! replay was made with the result. What they show belongs to `report`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::common::jobs;
use super::error::CliError;
use super::figures::{Form, Stored, write_all};
use super::pages::{self, Place};
use super::{exit_code, origin, print};
use crate::lab::manifest::Manifest;
use crate::lab::progress::{Bars, Event, Listen};
use crate::lab::runner::workers;
use crate::lab::store::{FIGURES, table_path};
use crate::lab::written::{self, Put};
use crate::lab::{Finished, LabError, open_result};
use crate::report::figures::{Plot, Theme, names};
use crate::report::page::{Content, PageFormat};
use crate::report::result_figures;
use crate::scenario::error::candidates_hint;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Figures as SVG.
    Svg,
    /// Figures as PNG, at twice the size.
    Png,
    /// The data of each figure as CSV.
    Csv,
    /// Vega-Lite specifications over those data, for notebooks.
    Vega,
    /// The report as one HTML file that works offline.
    Html,
    /// The report as a decision record in Markdown.
    Md,
    /// Tables for papers, in LaTeX with booktabs.
    Tex,
}

impl Format {
    /// All formats, in the order in which they are written.
    const ALL: [Format; 7] = [
        Format::Svg,
        Format::Png,
        Format::Csv,
        Format::Vega,
        Format::Html,
        Format::Md,
        Format::Tex,
    ];

    const fn form(self) -> Option<Form> {
        match self {
            Format::Svg => Some(Form::Svg),
            Format::Png => Some(Form::Png),
            Format::Csv => Some(Form::Csv),
            Format::Vega => Some(Form::Vega),
            Format::Html | Format::Md | Format::Tex => None,
        }
    }

    const fn page(self) -> Option<PageFormat> {
        match self {
            Format::Html => Some(PageFormat::Html),
            Format::Md => Some(PageFormat::Markdown),
            Format::Tex => Some(PageFormat::Latex),
            Format::Svg | Format::Png | Format::Csv | Format::Vega => None,
        }
    }
}

/// How figures look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Look {
    /// Colors on white.
    #[default]
    Light,
    /// Colors on a dark background.
    Dark,
    /// Black and gray: line styles, markers and hatching instead of colors.
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
    /// Only this figure; repeatable.
    #[arg(long = "figure", value_name = "NAME")]
    figures: Vec<String>,
    /// Only this format; repeatable. Default: all.
    #[arg(long = "format", value_enum)]
    formats: Vec<Format>,
    /// The theme of the figures.
    #[arg(long, value_enum, default_value_t)]
    theme: Look,
    /// The folder for reports and figures. Default: reports in the result folder, figures in its `figures/`, or in `figures/THEME/`
    /// for themes other than light.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &ReportArgs) -> Result<u8, CliError> {
    for name in &arguments.figures {
        if !names().any(|known| known == name) {
            return Err(CliError::UnknownFigure {
                name: name.clone(),
                hint: candidates_hint(name, names()),
            });
        }
    }
    let wanted: Vec<Format> = Format::ALL
        .into_iter()
        .filter(|format| arguments.formats.is_empty() || arguments.formats.contains(format))
        .collect();
    let forms: Vec<Form> = wanted.iter().filter_map(|format| format.form()).collect();
    let page_formats: Vec<PageFormat> = wanted.iter().filter_map(|format| format.page()).collect();
    let pool = workers(jobs(None))?;
    let source = pool.install(|| Source::open(&arguments.results))?;
    let chosen = chosen(&source.plots, &arguments.figures)?;
    let theme = arguments.theme.theme();
    let root = arguments.out.as_deref().unwrap_or(&arguments.results);
    let figures = folder(arguments.out.as_deref(), theme);
    let mut files = Vec::new();
    if !forms.is_empty() {
        files.extend(pool.install(|| write_all(&chosen, &forms, theme, root, &figures))?);
    }
    if !page_formats.is_empty() {
        let content = pool.install(|| source.content(&arguments.results))?;
        let place = Place {
            folder: root,
            figures: &figures.display().to_string(),
            theme,
        };
        fs::create_dir_all(root).map_err(LabError::file(root, "create"))?;
        let pages = page_formats
            .into_iter()
            .map(|format| pages::page(&content, &chosen, format, &place));
        files.extend(written::put(root, &pages.collect::<Vec<_>>())?);
    }
    let bars = Bars::new(true);
    for told in files.iter().filter_map(Put::told) {
        bars.hear(Event::Warning(&told));
    }
    let mut text: String = files.iter().map(|file| format!("{}\n", file.path.display())).collect();
    text.push_str(&format!(
        "{} figure{}, {} theme, from {}\n",
        chosen.len(),
        if chosen.len() == 1 { "" } else { "s" },
        theme.name(),
        source.words()
    ));
    print(&text)?;
    Ok(exit_code::FINE)
}

struct Source {
    plots: Vec<Plot>,
    /// The result, if its folder holds the rows.
    finished: Option<Finished>,
    /// The data of the reports that lie there and belong to the result.
    content: Option<Content>,
}

impl Source {
    /// Reads a result.
    ///
    /// # Errors
    /// If the folder holds neither sound rows nor data of figures.
    fn open(results: &Path) -> Result<Self, CliError> {
        let Some(manifest) = Manifest::read(results)? else {
            return Err(CliError::NoResult {
                path: results.to_owned(),
            });
        };
        let stored = Stored::read(results)?.filter(|stored| stored.result_digest == manifest.result_digest);
        let of_result = |content: &Content| Some(&content.result_digest) == manifest.result_digest.as_ref();
        let rows = table_path(results, "runs").exists();
        let content = match pages::stored(results) {
            // Where the rows are, a damaged file or one of another version is made again.
            Err(_) if rows => None,
            stored => stored?.filter(of_result),
        };
        if !rows && !manifest.complete {
            return Err(LabError::NotYet(results.to_owned()).into());
        }
        if !rows {
            let stored = stored.ok_or_else(|| CliError::NoRows {
                path: results.to_owned(),
            })?;
            return Ok(Self {
                plots: stored.plots,
                finished: None,
                content,
            });
        }
        let finished = open_result(results)?;
        let mut plots = result_figures::of_rows(&finished);
        let of_one_run = stored.map_or_else(Vec::new, |stored| stored.plots);
        plots.extend(of_one_run.into_iter().filter(Plot::is_of_one_run));
        Ok(Self {
            plots,
            finished: Some(finished),
            content,
        })
    }

    /// What the reports say. The commands that repeat the result stand in the stored ones.
    fn content(&self, results: &Path) -> Result<Content, CliError> {
        match (&self.finished, &self.content) {
            (Some(finished), stored) => {
                let commands = stored.as_ref().map(|content| content.commands.clone());
                let commands = commands.unwrap_or_else(|| {
                    let load = origin::recorded(results).unwrap_or_else(|| origin::named(&finished.manifest));
                    origin::commands(&load, &finished.manifest)
                });
                let load = origin::recorded(results).unwrap_or_else(|| origin::named(&finished.manifest));
                let remedies = match stored {
                    Some(content) => content.remedies.clone(),
                    None => origin::remedies(&load, finished),
                };
                Ok(pages::content(finished, &self.plots, &commands, &remedies))
            }
            (None, Some(stored)) => Ok(stored.clone()),
            (None, None) => Err(CliError::NoRows {
                path: results.to_owned(),
            }),
        }
    }

    /// Where figures and reports come from, in words.
    const fn words(&self) -> &'static str {
        match self.finished {
            Some(_) => "the stored rows",
            None => "the stored data of the figures, because the folder has no rows",
        }
    }
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

/// Where figures go below the result's folder, or below the one that was named. The folder of a result keeps the light ones
/// that `run` wrote.
fn folder(out: Option<&Path>, theme: Theme) -> PathBuf {
    match (out, theme) {
        (Some(_), _) => PathBuf::new(),
        (None, Theme::Light) => PathBuf::from(FIGURES),
        (None, theme) => Path::new(FIGURES).join(theme.name()),
    }
}
