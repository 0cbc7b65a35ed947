//! How often an address was reused, and why not more often.
//!
//! It adds nothing to the measures. Why slow pods were slow belongs to `slow_pods`.

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
        lead: "A new pod gets its IP when its sandbox is created. An old pod keeps its IP until its sandbox is stopped. In a rolling \
               update, new pods start while old ones still hold their IPs, so the first batch reuses an IP less often. \
               After a restart, all recorded IPs are free. The first look of the script depends on when it looks. \
               Shares of runs; second column: shares of restarts."
            .to_owned(),
        heads: COLUMNS.iter().map(|(head, _)| (*head).to_owned()).collect(),
        rows,
        points: vec![
            "Endpoint withdrawn first: the probe found no endpoint behind the Service, because the isolated node was already \
             marked NotReady, or no probe was sent."
                .to_owned(),
        ],
        legend: Vec::new(),
    })
}
