//! Measures of nodes: how often they are marked NotReady, rightly or not, what that costs in pods, and how long a Service has an
//! endpoint on a node that is lost.

use super::{Context, Definition};
use crate::lab::numbers::RunNumbers;

pub(super) fn nodes(_: Context<'_>) -> Vec<Definition<'_>> {
    let per_run = |name: &str, what: &str, unit, of: fn(&RunNumbers) -> u32| {
        let estimand = format!("mean number of {what}, per run");
        Definition::mean(name, estimand, unit, move |run| Some(f64::from(of(run))))
    };
    vec![
        per_run(
            "nodes_marked_not_ready",
            "times that a node was marked NotReady",
            "times",
            |run| run.record.nodes_marked_not_ready,
        )
        .label("nodes marked NotReady per run"),
        per_run(
            "nodes_falsely_not_ready",
            "times that a node was marked NotReady although it ran and only its connection to the API server was lost",
            "times",
            |run| run.record.nodes_falsely_not_ready,
        )
        .label("running nodes marked NotReady per run"),
        per_run(
            "pods_evicted",
            "pods deleted because their node was NotReady",
            "pods",
            |run| run.record.pods_evicted,
        )
        .label("pods evicted per run"),
        Definition::mean(
            "endpoint_withdrawn_delay",
            "mean time from the start of the first fault until the probed Service lost its last endpoint in the API, of runs where it did",
            "s",
            |run| {
                let times = run.record.cut.zip(run.record.endpoint_withdrawn);
                times.map(|(cut, withdrawn)| withdrawn.since(cut).as_secs_f64())
            },
        )
        .label("time until the endpoint is withdrawn"),
    ]
}
