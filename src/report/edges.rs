//! Which edges were open against policy, or closed against it, and for how long: the worst first.
//!
//! It adds nothing to the estimates of `lab::edges`.

use super::finding::{Finding, FindingRow};
use super::short::{NOTHING, Short, seconds};
use super::text::many;
use crate::cluster::records::AccessClass;
use crate::lab::cell::Word;
use crate::lab::edges::EdgeSummary;
use crate::lab::lists::unique;
use crate::lab::{DesignSummary, Manifest, Measure, Summary};

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
    let rates = rates(&designs);
    let fault = designs
        .iter()
        .any(|(design, _)| design.edges.iter().any(|edge| edge.since_fault.is_some()));
    let rows = designs.iter().flat_map(|(design, _)| {
        listed(design)
            .take(ROWS_MAX)
            .map(|edge| row(design, edge, fault, &rates))
    });
    let points = designs.iter().flat_map(|(design, watched)| points(design, *watched));
    let since = if fault {
        "since the first fault"
    } else {
        "seconds per run"
    };
    let mut heads = [
        "from",
        "to",
        "found by",
        "an attempt would be",
        since,
        "share of the time of pairs",
    ]
    .map(str::to_owned)
    .to_vec();
    heads.extend(fault.then(|| "before the first fault".to_owned()));
    heads.push("runs with any".to_owned());
    heads.extend(rates.iter().map(|rate| format!("any at {rate}")));
    (!designs.is_empty()).then(|| Finding {
        heading: "Exposure by edge".to_owned(),
        lead: "From which workload to which port of which other an attempt would have got past a layer against its policy, or would have \
               been kept out although policy admits it. Seconds per run are summed over pairs of pods; the share is of the time for which pairs \
               were connected. The last columns are probabilities that a run has such an attempt if clients try at a rate."
            .to_owned(),
        heads,
        rows: rows.collect(),
        points: points.collect(),
        legend: Vec::new(),
    })
}

/// Rates of traffic for which any edge has a probability.
fn rates(designs: &[(&DesignSummary, u32)]) -> Vec<String> {
    let edges = designs.iter().flat_map(|(design, _)| &design.edges);
    unique(edges.flat_map(|edge| edge.any_at.keys().cloned()))
}

/// The edges that are in the table: not those that are open by design.
fn listed(design: &DesignSummary) -> impl Iterator<Item = &EdgeSummary> {
    design.edges.iter().filter(|edge| !edge.by_design)
}

fn row(design: &DesignSummary, edge: &EdgeSummary, fault: bool, rates: &[String]) -> FindingRow {
    let short = |measure: Option<&Measure>| Short::of(measure).joined(" ");
    let since = edge.since_fault.as_ref();
    let before = since.and_then(|since| Some(edge.seconds.estimate? - since.estimate?));
    let mut cells = vec![
        edge.client.clone(),
        format!("{}:{}", edge.server, edge.port),
        edge.via.replace('_', " "),
        edge.class.replace('_', " "),
        short(since.or(Some(&edge.seconds))),
        short(edge.share.as_ref()),
    ];
    cells.extend(fault.then(|| before.map_or_else(|| NOTHING.to_owned(), seconds)));
    cells.push(short(Some(&edge.runs)));
    cells.extend(rates.iter().map(|rate| short(edge.any_at.get(rate))));
    FindingRow {
        design: design.name.clone(),
        cells,
    }
}

/// Edges in a sentence at most.
const NAMED_MAX: usize = 6;

fn points(design: &DesignSummary, watched: u32) -> Vec<String> {
    let open = design.edges.iter().filter(|edge| edge.by_design);
    let open = unique(open.map(|edge| format!("`{}` to `{}`:{}", edge.client, edge.server, edge.port)));
    let mut points = vec![point(design, watched)];
    if !open.is_empty() {
        let rest = match open.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        points.push(format!(
            "`{}`: open with and without a fault, because no layer in force refuses what policy denies, and not in the table: {}{rest}.",
            design.name,
            open[..open.len().min(NAMED_MAX)].join(", "),
        ));
    }
    points
}

/// How many of the watched edges of a design are in the table, and what is known of the others.
fn point(design: &DesignSummary, watched: u32) -> String {
    let of = |breach: bool| {
        let is_so =
            |edge: &&EdgeSummary| AccessClass::of_word(&edge.class).is_some_and(AccessClass::is_breach) == breach;
        let mut pairs: Vec<_> = listed(design)
            .filter(is_so)
            .map(|edge| (&edge.client, &edge.server, edge.port))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs.len()
    };
    let hidden = match listed(design).count().saturating_sub(ROWS_MAX) {
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
