//! How often an address was reused, and why not more often.
//!
//! It says nothing that the measures do not say. Why slow pods were slow belongs to `slow_pods`.

use super::finding::{Finding, FindingRow};
use super::short::Short;
use crate::lab::{DesignSummary, Summary};

/// Heads of the table and the measures below them.
const COLUMNS: [(&str, &str); 4] = [
    ("reused in the first batch", "reused_in_first_batch"),
    ("reused per restart", "reuse_per_rollout"),
    ("seen at the first look", "reused_at_first_look"),
    ("endpoint withdrawn first", "endpoint_withdrawn_first"),
];

/// The finding; nothing if no script looked for a reused address.
pub fn finding(summary: &Summary) -> Option<Finding> {
    let looked = |design: &&DesignSummary| design.measure("reused_in_first_batch").is_some_and(|share| share.n > 0);
    let row = |design: &DesignSummary| FindingRow {
        design: design.name.clone(),
        cells: COLUMNS
            .iter()
            .map(|(_, measure)| Short::of(design.measure(measure)).joined(" "))
            .collect(),
    };
    let rows: Vec<FindingRow> = summary.designs.iter().filter(looked).map(row).collect();
    (!rows.is_empty()).then(|| Finding {
        heading: "How often an address was reused".to_owned(),
        lead: "A new pod takes its address as soon as its sandbox is there; an old one keeps its own until its processes have been \
               killed and its sandbox was stopped. Where a new generation grows while the old one shrinks, only new pods that \
               come after that can meet a freed address, so the first batch reuses one more seldom than if all old addresses \
               had been free before. After a restart all remembered addresses have long been free, and the new pods come in \
               several waves. What the script's first look sees of it depends on when it looks. Shares of runs, of restarts \
               in the second column."
            .to_owned(),
        heads: COLUMNS.iter().map(|(head, _)| (*head).to_owned()).collect(),
        rows,
        points: vec![
            "Where the endpoint was withdrawn first, the probe found the Service without an endpoint, because the cut node had \
             been marked NotReady before, or it was never sent."
                .to_owned(),
        ],
    })
}
