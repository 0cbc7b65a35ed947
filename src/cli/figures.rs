//! Writing the figures of a result into its folder, as SVG and PNG.
//!
//! What they show belongs to `report`.

use std::fs;

use super::CliError;
use crate::lab::segment::write_whole;
use crate::lab::{Finished, LabError, Simulate};
use crate::report::explain::{Told, command};
use crate::report::figures::{Figure, access_classes, png, startup_distribution, timeline};
use crate::report::result_figures::{figures_of, run_to_tell};
use crate::report::timeline_of_run;

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

/// Draws the figures of a result from its rows, and the timeline of one of its runs from a replay, and writes them.
///
/// # Errors
/// If the rows cannot be read or the files not be written.
pub fn write(result: &Finished, simulator: &dyn Simulate, retelling: &Retelling) -> Result<(), CliError> {
    let (startup, access) = figures_of(result)?;
    let mut figures = Vec::new();
    if startup.series.iter().any(|series| series.n_pods > 0) {
        figures.push(startup_distribution(&startup));
    }
    if access.rows.iter().any(|row| {
        row.shares
            .iter()
            .any(|share| share.class != "no request" && share.estimate > 0.0)
    }) {
        figures.push(access_classes(&access));
    }
    if let Some((design, replication)) = run_to_tell(result)?
        && let Some(outcome) = simulator.story(design, replication)
    {
        let manifest = &result.manifest;
        let told = Told {
            experiment: &manifest.experiment,
            design: &manifest.designs[design].name,
            title: &manifest.designs[design].title,
            replication,
            seed: manifest.seed,
            command: &command(
                &retelling.begin,
                &manifest.designs[design].name,
                replication,
                &retelling.changes,
            ),
            outcome: &outcome,
        };
        figures.push(timeline(&timeline_of_run::figure(&told)));
    }
    write_all(result, &figures)
}

/// Writes figures into the folder of a result.
///
/// # Errors
/// If they cannot be written.
pub fn write_all(result: &Finished, figures: &[Figure]) -> Result<(), CliError> {
    let folder = result.dir.join(FOLDER);
    fs::create_dir_all(&folder).map_err(LabError::file(&folder, "create"))?;
    for figure in figures {
        write_whole(&folder.join(format!("{}.svg", figure.name)), figure.svg.as_bytes())?;
        write_whole(&folder.join(format!("{}.png", figure.name)), &png(figure, PNG_SCALE)?)?;
    }
    Ok(())
}
