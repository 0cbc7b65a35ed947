//! Which flows of requests had the right answer, and which did not: the worst first.
//!
//! It adds nothing to the estimates of `lab::flows`.

use super::finding::{Finding, FindingRow};
use super::short::Short;
use super::text::many;
use crate::lab::flows::FlowSummary;
use crate::lab::{DesignSummary, Summary};

/// Rows of one design.
const ROWS_MAX: usize = 20;

/// The finding; nothing if no design has traffic.
pub fn finding(summary: &Summary) -> Option<Finding> {
    let with_flows = || summary.designs.iter().filter(|design| !design.flows.is_empty());
    let rows = with_flows().flat_map(|design| design.flows.iter().take(ROWS_MAX).map(|flow| row(design, flow)));
    let hidden = |design: &DesignSummary| {
        let rows = design.flows.len().saturating_sub(ROWS_MAX);
        (rows > 0).then(|| format!("`{}`: {} more are in `summary.json`.", design.name, many(rows, "flow")))
    };
    with_flows().next().is_some().then(|| Finding {
        heading: "Requests by flow".to_owned(),
        lead: "How the requests of each flow ended. Those that are answered rightly or wrongly denied are shares of the requests that the \
               policies admit, unauthorized ones of the requests that a policy refuses."
            .to_owned(),
        heads: ["flow", "from", "to", "requests per run", "answered rightly", "wrongly denied", "unauthorized"]
            .map(str::to_owned)
            .to_vec(),
        rows: rows.collect(),
        points: with_flows().filter_map(hidden).collect(),
        legend: Vec::new(),
    })
}

fn row(design: &DesignSummary, flow: &FlowSummary) -> FindingRow {
    FindingRow {
        design: design.name.clone(),
        cells: vec![
            flow.flow.clone(),
            flow.client.clone(),
            format!("{}:{}", flow.server, flow.port),
            Short::of(Some(&flow.requests)).joined(" "),
            Short::of(flow.availability.as_ref()).joined(" "),
            Short::of(flow.wrongly_denied.as_ref()).joined(" "),
            Short::of(flow.unauthorized.as_ref()).joined(" "),
        ],
    }
}
