//! Writing the figures of a result into its folder: each as SVG, PNG, CSV and Vega-Lite specification, and the plain data
//! of all, from which `report` draws them again.
//!
//! What they show belongs to `report`.

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::CliError;
use crate::lab::files::write_whole;
use crate::lab::manifest::read_json;
use crate::lab::plan::command;
use crate::lab::store::{FIGURES, FIGURES_JSON};
use crate::lab::written::{self, Put};
use crate::lab::{Finished, LabError, Simulate};
use crate::report::explain::Told;
use crate::report::figures::{Plot, Theme, png};
use crate::report::page::Commands;
use crate::report::result_figures::{self, one_run};
use crate::report::timeline_of_run;

/// Pictures are drawn at this many times the size of the SVG, enough for print at 16 cm.
const PNG_SCALE: f64 = 2.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    Svg,
    Png,
    Csv,
    Vega,
}

impl Form {
    pub const ALL: [Form; 4] = [Form::Svg, Form::Png, Form::Csv, Form::Vega];

    pub const fn ending(self) -> &'static str {
        match self {
            Form::Svg => "svg",
            Form::Png => "png",
            Form::Csv => "csv",
            Form::Vega => "vl.json",
        }
    }

    pub fn bytes(self, plot: &Plot, name: &str, theme: Theme) -> Result<Vec<u8>, CliError> {
        Ok(match self {
            Form::Svg => plot.draw(name, theme).svg.into_bytes(),
            Form::Png => png(&plot.draw(name, theme), PNG_SCALE)?,
            Form::Csv => plot.sheet(name).csv().into_bytes(),
            Form::Vega => format!("{:#}\n", plot.vega(name)).into_bytes(),
        })
    }
}

/// The plain data of all figures of a result, as they are stored beside them.
#[derive(Debug, Serialize, Deserialize)]
pub struct Stored {
    /// The result that they belong to.
    pub result_digest: Option<String>,
    pub plots: Vec<Plot>,
}

impl Stored {
    /// The data that lie beside the figures of a result; nothing if there are none.
    pub fn read(result: &Path) -> Result<Option<Self>, LabError> {
        let path = result.join(FIGURES).join(FIGURES_JSON);
        match path.exists() {
            true => read_json(&path).map(Some),
            false => Ok(None),
        }
    }
}

/// Draws the figures of a result from its numbers, and those of one run from a replay if it can be replayed, writes them
/// side by side in the present pool, and gives their data.
pub fn write(
    result: &Finished,
    simulator: Option<&dyn Simulate>,
    commands: &Commands,
) -> Result<(Vec<Plot>, Vec<Put>), CliError> {
    let folder = result.dir.join(FIGURES);
    let (rows, one_run) = rayon::join(
        || result_figures::of_rows(result),
        || of_one_run(result, simulator, commands),
    );
    let plots: Vec<Plot> = rows.into_iter().chain(one_run).collect();
    let chosen = plots
        .iter()
        .flat_map(|plot| plot.names().iter().map(move |name| (plot, *name)));
    let put = write_all(
        &chosen.collect::<Vec<_>>(),
        &Form::ALL,
        Theme::Light,
        &result.dir,
        Path::new(FIGURES),
    )?;
    let stored = Stored {
        result_digest: result.manifest.result_digest.clone(),
        plots,
    };
    // On one line: it is not for reading, and indentation would double it.
    let mut text = serde_json::to_string(&stored).expect("figures are plain data");
    text.push('\n');
    write_whole(&folder.join(FIGURES_JSON), text.as_bytes())?;
    Ok((stored.plots, put))
}

/// Writes figures in some forms into `below`, a folder below `folder`; gives the files in the order of figures and forms.
pub fn write_all(
    chosen: &[(&Plot, &'static str)],
    forms: &[Form],
    theme: Theme,
    folder: &Path,
    below: &Path,
) -> Result<Vec<Put>, CliError> {
    let into = folder.join(below);
    fs::create_dir_all(&into).map_err(LabError::file(&into, "create"))?;
    let work: Vec<(&Plot, &str, Form)> = chosen
        .iter()
        .flat_map(|(plot, name)| forms.iter().map(move |form| (*plot, *name, *form)))
        .collect();
    let files: Result<Vec<(String, Vec<u8>)>, CliError> = work
        .into_par_iter()
        .map(|(plot, name, form)| {
            let path = below.join(format!("{name}.{}", form.ending()));
            Ok((path.display().to_string(), form.bytes(plot, name, theme)?))
        })
        .collect();
    Ok(written::put(folder, &files?)?)
}

/// The figures of one run each, as far as they can be replayed.
fn of_one_run(result: &Finished, simulator: Option<&dyn Simulate>, commands: &Commands) -> Vec<Plot> {
    let timeline = one_run::run_to_tell(result).and_then(|run| {
        told(result, run, simulator, commands, |told| {
            Some(timeline_of_run::figure(told))
        })
    });
    let requests = one_run::run_with_requests(result).and_then(|run| {
        let figure = |told: &Told| one_run::certificate_requests(told, &timeline_of_run::figure(told));
        told(result, run, simulator, commands, figure)
    });
    let stale = one_run::run_with_stale_entries(result).and_then(|run| {
        let figure = |told: &Told| one_run::stale_entries(told, &timeline_of_run::figure(told));
        told(result, run, simulator, commands, figure)
    });
    [
        timeline.map(Plot::Timeline),
        requests.map(Plot::CertificateRequests),
        stale.map(Plot::StaleEntries),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a figure is made of: a run, replayed; nothing if it cannot be replayed.
fn told<F>(
    result: &Finished,
    (design, place): one_run::Run,
    simulator: Option<&dyn Simulate>,
    commands: &Commands,
    figure: impl FnOnce(&Told) -> Option<F>,
) -> Option<F> {
    let replication = result.manifest.first_replication() + place;
    let outcome = simulator?.story(design, replication)?;
    let manifest = &result.manifest;
    let planned = &manifest.designs[design];
    figure(&Told {
        experiment: &manifest.experiment,
        design: &planned.name,
        title: &planned.title,
        replication,
        seed: manifest.seed,
        command: &command(&commands.explain, &planned.name, replication, &commands.changes),
        outcome: &outcome,
    })
}
