//! Writing the figures of a result into its folder, as SVG and PNG.
//!
//! What they show belongs to `report`.

use std::fs;
use std::path::Path;

use super::CliError;
use crate::lab::segment::write_whole;
use crate::lab::{Finished, LabError, Simulate};
use crate::report::explain::{Told, command};
use crate::report::figures::{Figure, access_classes, png, startup_distribution, timeline};
use crate::report::{result_figures, timeline_of_run};

/// Pictures are drawn at this many times the size of the SVG, enough for print at 16 cm.
const PNG_SCALE: f64 = 2.0;
/// Folder of the figures within a result.
const FOLDER: &str = "figures";

/// How a run of the result is told again: the command up to the experiment, and the changes to it.
#[derive(Clone, Debug, Default)]
pub struct Retelling {
    /// `meshfault explain` with the experiment.
    pub begin: String,
    /// Changes as `key=value`.
    pub changes: Vec<String>,
}

/// Draws the figures of a result from its numbers, and the timeline of one of its runs from a replay if somebody can replay
/// it, and writes them, each by another worker of the present pool.
///
/// # Errors
/// If the files cannot be written.
pub fn write(result: &Finished, simulator: Option<&dyn Simulate>, retelling: &Retelling) -> Result<(), CliError> {
    let folder = result.dir.join(FOLDER);
    fs::create_dir_all(&folder).map_err(LabError::file(&folder, "create"))?;
    let (startup, (access, timeline)) = rayon::join(
        || write_one(&folder, startup_of(result)),
        || {
            rayon::join(
                || write_one(&folder, access_of(result)),
                || write_one(&folder, timeline_of(result, simulator, retelling)),
            )
        },
    );
    startup.and(access).and(timeline)
}

/// Start-up, if there was a pod to start.
fn startup_of(result: &Finished) -> Option<Figure> {
    let figure = result_figures::startup(result);
    let any = figure.series.iter().any(|series| series.n_pods > 0);
    any.then(|| startup_distribution(&figure))
}

/// Access classes, if there was a request.
fn access_of(result: &Finished) -> Option<Figure> {
    let figure = result_figures::access(result);
    let mut shares = figure.rows.iter().flat_map(|row| &row.shares);
    let any = shares.any(|share| share.class != "no request" && share.estimate > 0.0);
    any.then(|| access_classes(&figure))
}

/// The timeline of the run that tells most, if there is one.
fn timeline_of(result: &Finished, simulator: Option<&dyn Simulate>, retelling: &Retelling) -> Option<Figure> {
    let (design, place) = result_figures::run_to_tell(result)?;
    let replication = result.manifest.first_replication() + place;
    let outcome = simulator?.story(design, replication)?;
    let manifest = &result.manifest;
    let planned = &manifest.designs[design];
    let told = Told {
        experiment: &manifest.experiment,
        design: &planned.name,
        title: &planned.title,
        replication,
        seed: manifest.seed,
        command: &command(&retelling.begin, &planned.name, replication, &retelling.changes),
        outcome: &outcome,
    };
    Some(timeline(&timeline_of_run::figure(&told)))
}

/// Writes a figure, if there is one, as SVG and as PNG.
fn write_one(folder: &Path, figure: Option<Figure>) -> Result<(), CliError> {
    let Some(figure) = figure else {
        return Ok(());
    };
    write_whole(&folder.join(format!("{}.svg", figure.name)), figure.svg.as_bytes())?;
    write_whole(&folder.join(format!("{}.png", figure.name)), &png(&figure, PNG_SCALE)?)?;
    Ok(())
}
