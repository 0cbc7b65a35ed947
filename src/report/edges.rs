//! Which edges were open against policy, or closed against it, and for how long: the worst first.
//!
//! It adds nothing to the estimates of `lab::edges`.

use super::finding::{Finding, FindingRow};
use super::short::Short;
use super::text::many;
use crate::cluster::records::AccessClass;
use crate::lab::cell::Word;
use crate::lab::edges::EdgeSummary;
use crate::lab::{DesignSummary, Manifest, Summary};

/// Rows of one design.
const ROWS_MAX: usize = 20;

/// The finding; nothing if no design watched more than one edge.
pub fn finding(manifest: &Manifest, summary: &Summary) -> Option<Finding> {
    let watched = |place: usize| manifest.designs.get(place)?.exposure_edges.filter(|edges| *edges > 1);
    let designs: Vec<(&DesignSummary, u32)> = summary
        .designs
        .iter()
        .enumerate()
        .filter_map(|(place, design)| Some((design, watched(place)?)))
        .collect();
    let rows = designs
        .iter()
        .flat_map(|(design, _)| design.edges.iter().take(ROWS_MAX).map(|edge| row(design, edge)));
    let points = designs.iter().map(|(design, watched)| point(design, *watched));
    (!designs.is_empty()).then(|| Finding {
        heading: "Exposure by edge".to_owned(),
        lead: "From which workload to which port of which other an attempt would have got past a layer against its policy, or would have \
               been kept out although policy admits it. Seconds per run are summed over pairs of pods."
            .to_owned(),
        heads: ["from", "to", "found by", "an attempt would be", "seconds per run", "runs with any"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
        points: points.collect(),
        legend: Vec::new(),
    })
}

fn row(design: &DesignSummary, edge: &EdgeSummary) -> FindingRow {
    FindingRow {
        design: design.name.clone(),
        cells: vec![
            format!("`{}`", edge.client),
            format!("`{}`:{}", edge.server, edge.port),
            edge.via.replace('_', " "),
            edge.class.replace('_', " "),
            Short::of(Some(&edge.seconds)).joined(" "),
            Short::of(Some(&edge.runs)).joined(" "),
        ],
    }
}

/// How many of the watched edges of a design are in the table, and what is known of the others.
fn point(design: &DesignSummary, watched: u32) -> String {
    let of = |breach: bool| {
        let is_so =
            |edge: &&EdgeSummary| AccessClass::of_word(&edge.class).is_some_and(AccessClass::is_breach) == breach;
        let mut pairs: Vec<_> = design
            .edges
            .iter()
            .filter(is_so)
            .map(|edge| (&edge.client, &edge.server, edge.port))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs.len()
    };
    let hidden = match design.edges.len().saturating_sub(ROWS_MAX) {
        0 => String::new(),
        rows => format!(" {} with less are in `summary.json`.", many(rows, "row")),
    };
    format!(
        "`{}`: of {} watched, {} {} open against policy at some time, and {} closed against it.{hidden}",
        design.name,
        many(watched as usize, "edge"),
        of(true),
        if of(true) == 1 { "was" } else { "were" },
        of(false),
    )
}
