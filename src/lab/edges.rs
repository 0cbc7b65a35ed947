//! Exposure by edge: from which workload to which port of which other an attempt would have got past a layer, or been kept out, and
//! for how long.
//!
//! Edges that were watched and never so are counted and not listed. Sums over all edges are measures (`measures::exposure`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cell::Word;
use super::numbers::DesignNumbers;
use super::summary::{CONFIDENCE, Measure};
use crate::cluster::records::{AccessClass, ExposureRecord, Via};
use crate::kernel::SimDuration;
use crate::stats::{mean_of_runs, share_of_runs};

/// An edge, and what an attempt along it would have been.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    class: AccessClass,
    client: String,
    server: String,
    port: u16,
    via: Via,
}

impl Edge {
    /// The edge of a window.
    pub fn of(window: &ExposureRecord) -> Self {
        Self {
            class: window.class,
            client: window.client_workload.clone(),
            server: window.server_workload.clone(),
            port: window.port,
            via: window.via,
        }
    }
}

/// Exposure of the edges of a design: of each run that had any, by its number, summed over pairs of pods.
pub type OfEdges = BTreeMap<Edge, BTreeMap<u32, SimDuration>>;

/// What is known of one edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct EdgeSummary {
    /// Workload of the client.
    pub client: String,
    /// Workload of the server.
    pub server: String,
    /// Port of the server's pods.
    pub port: u16,
    /// How the client finds the server: `service` or `pod_ip`.
    pub via: String,
    /// What an attempt would have been.
    pub class: String,
    /// Seconds per run, summed over pairs of pods.
    pub seconds: Measure,
    /// Share of runs with any.
    pub runs: Measure,
}

/// The edges of a design that were ever open against policy or closed against it: worst class first, then by mean seconds.
pub fn edges(numbers: &DesignNumbers) -> Vec<EdgeSummary> {
    let sound = numbers.sound().count();
    let mut all: Vec<(AccessClass, EdgeSummary)> = numbers
        .edges
        .iter()
        .map(|(edge, spans)| (edge.class, one(edge, spans, sound)))
        .collect();
    all.sort_by(|(class, edge), (other_class, other)| {
        let mean = |edge: &EdgeSummary| edge.seconds.estimate.unwrap_or(0.0);
        class.cmp(other_class).then(mean(other).total_cmp(&mean(edge)))
    });
    all.into_iter().map(|(_, edge)| edge).collect()
}

fn one(edge: &Edge, spans: &BTreeMap<u32, SimDuration>, sound: usize) -> EdgeSummary {
    let mut seconds: Vec<f64> = spans.values().map(|span| span.as_secs_f64()).collect();
    seconds.resize(sound.max(seconds.len()), 0.0);
    let how = format!("from `{}` to port {} of `{}`", edge.client, edge.port, edge.server);
    let what = format!("an attempt {how} would have been {}", edge.class.word());
    EdgeSummary {
        client: edge.client.clone(),
        server: edge.server.clone(),
        port: edge.port,
        via: edge.via.word().to_owned(),
        class: edge.class.word().to_owned(),
        seconds: Measure::new(
            format!("mean seconds per run during which {what}, summed over pairs of pods"),
            "s",
            mean_of_runs(&seconds, None, CONFIDENCE),
        ),
        runs: Measure::new(
            format!("share of runs in which {what} at some time"),
            "1",
            share_of_runs(spans.len() as u64, sound as u64, CONFIDENCE),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::RunRecord;
    use crate::kernel::SimTime;

    #[test]
    fn edges_are_ranked_and_runs_without_any_count() {
        let s = |seconds: u64| SimTime::ZERO + SimDuration::from_secs(seconds);
        let mut numbers = DesignNumbers::default();
        let window = |client: &str, class, from, to| ExposureRecord {
            client_workload: client.to_owned(),
            server_workload: "server".to_owned(),
            port: 80,
            class,
            start: s(from),
            end: Some(s(to)),
            ..ExposureRecord::default()
        };
        for run in 0..4 {
            numbers.run(&RunRecord::default(), s(100));
            if run < 2 {
                numbers.exposure(run, &window("a", AccessClass::WronglyDenied, 0, 90), s(100));
                numbers.exposure(run, &window("b", AccessClass::Unauthorized, 10, 12), s(100));
                numbers.exposure(run, &window("b", AccessClass::Unauthorized, 20, 22), s(100));
                numbers.exposure(run, &window("c", AccessClass::Unauthorized, 20, 30), s(100));
            }
        }
        let seen: Vec<_> = edges(&numbers)
            .into_iter()
            .map(|edge| (edge.client, edge.class, edge.seconds.estimate, edge.runs.estimate))
            .collect();
        let row = |client: &str, class: &str, seconds| (client.to_owned(), class.to_owned(), Some(seconds), Some(0.5));
        assert_eq!(
            seen,
            [
                row("c", "unauthorized", 5.0),
                row("b", "unauthorized", 2.0),
                row("a", "wrongly_denied", 45.0)
            ]
        );
    }
}
