//! The report of a result in one file: `report.html` for reading, `report.md` as a decision record, `report.tex` as a table
//! for papers.
//!
//! Pure functions of the result and its figures; the same input gives the same bytes. `content` is what all of them
//! have, `verdict` its sentences, `charts` and `runs` are the data behind the interactive charts, `templates` fills
//! the templates and escapes every value by the rules of the format. Which figures there are belongs to `result_figures`,
//! where files go to `cli`.

mod charts;
mod content;
mod over_points;
mod runs;
pub(super) mod templates;
#[cfg(test)]
mod tests;
mod verdict;

use super::figures::Words;
use crate::lab::printable::legible;
use crate::lab::store::{REPORT_HTML, REPORT_MD, REPORT_TEX};

pub use content::{Content, content};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFormat {
    /// One self-contained file for a browser.
    Html,
    Markdown,
    /// `booktabs` tables.
    Latex,
}

impl PageFormat {
    pub const ALL: [PageFormat; 3] = [PageFormat::Html, PageFormat::Markdown, PageFormat::Latex];

    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Html => REPORT_HTML,
            Self::Markdown => REPORT_MD,
            Self::Latex => REPORT_TEX,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PageFigure {
    pub name: String,
    pub words: Words,
    /// What shows it: in HTML the drawing, made by this program; in Markdown where the picture lies, seen from the page.
    pub drawing: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Commands {
    /// The one that tells a run, up to the design.
    pub explain: String,
    /// The one that makes the result again.
    pub run: String,
    /// Changes to the experiment as `key=value`, with the seed.
    pub changes: Vec<String>,
}

pub fn render(content: &Content, figures: &[PageFigure], format: PageFormat) -> String {
    legible(&templates::fill(content, figures, format)).into_owned()
}
