//! Writing the figures of a result into its folder, as SVG and PNG.
//!
//! What they show belongs to `report`.

use std::fs;

use super::CliError;
use crate::lab::segment::write_whole;
use crate::lab::{Finished, LabError};
use crate::report::figures::{Figure, access_classes, png, startup_distribution};
use crate::report::result_figures::figures_of;

/// Pictures are drawn at this many times the size of the SVG, enough for print at 16 cm.
const PNG_SCALE: f64 = 2.0;
/// Folder of the figures within a result.
const FOLDER: &str = "figures";

/// Draws the figures of a result from its rows and writes them.
///
/// # Errors
/// If the rows cannot be read or the files not be written.
pub fn write(result: &Finished) -> Result<(), CliError> {
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
