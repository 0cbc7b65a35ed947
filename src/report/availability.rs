//! Along which edges attempts would have got no right answer: the worst first.
//!
//! It adds nothing to the estimates of `lab::edges`.

use super::finding::{Finding, FindingRow};
use super::short::Short;
use super::text::many;
use crate::lab::edges::AvailabilitySummary;
use crate::lab::{DesignSummary, Summary};

/// Rows of one design.
const ROWS_MAX: usize = 10;

/// The finding; nothing if no edge was watched, or attempts would have been answered at all times.
pub fn finding(summary: &Summary) -> Option<Finding> {
    let designs = || summary.designs.iter().filter(|design| !design.availability.is_empty());
    let worst = |design| below(design).take(ROWS_MAX);
    let rows: Vec<FindingRow> = designs()
        .flat_map(|design| worst(design).map(|edge| row(design, edge)))
        .collect();
    (!rows.is_empty()).then(|| Finding {
        heading: "Availability by edge".to_owned(),
        lead: "The probability that an attempt by a ready client pod through the Service gets an answer of a right server, as a mean over time \
               and runs. No request is sent. Edges that policy denies, and times before client and server were first ready, do not count."
            .to_owned(),
        heads: ["from", "to", "over the run", "since the first fault"].map(str::to_owned).to_vec(),
        rows,
        points: designs().map(point).collect(),
        legend: Vec::new(),
    })
}

/// The edges of a design that were not available all the time, the worst first.
fn below(design: &DesignSummary) -> impl Iterator<Item = &AvailabilitySummary> {
    let is_below = |edge: &&AvailabilitySummary| edge.estimate().is_some_and(|estimate| estimate < 1.0);
    design.availability.iter().filter(is_below)
}

fn row(design: &DesignSummary, edge: &AvailabilitySummary) -> FindingRow {
    FindingRow {
        design: design.name.clone(),
        cells: vec![
            edge.client.clone(),
            format!("{}:{}", edge.server, edge.port),
            Short::of(Some(&edge.availability)).joined(" "),
            Short::of(edge.since_fault.as_ref()).joined(" "),
        ],
    }
}

fn point(design: &DesignSummary) -> String {
    let (all, below) = (design.availability.len(), below(design).count());
    let when = match design.availability.iter().any(|edge| edge.since_fault.is_some()) {
        true => "since the first fault",
        false => "over the run",
    };
    let hidden = match below.saturating_sub(ROWS_MAX) {
        0 => String::new(),
        rows => format!(" {} with more are in `summary.json`.", many(rows, "row")),
    };
    format!(
        "`{}`: {} of {} that policy allows had an availability below 100% {when}.{hidden}",
        design.name,
        below,
        many(all, "edge"),
    )
}
