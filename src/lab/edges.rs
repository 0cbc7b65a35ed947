//! Edges from a workload to a port of another one: exposure (an attempt would have got past a layer, or been kept out) and
//! availability (an attempt through the Service would have been answered), for how long, in which runs, and when.
//!
//! Edges that were watched and never exposed are counted and not listed. Sums over all edges are measures (`measures::exposure`).

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::cell::Word;
use super::measures::Frame;
use super::numbers::DesignNumbers;
use super::plan::PlannedDesign;
use super::summary::{CONFIDENCE, Measure};
use crate::cluster::records::{AccessClass, EdgeRecord, ExposureRecord, Via};
use crate::kernel::{SimDuration, SimTime};
use crate::stats::{mean_of_runs, share_of_runs};

/// Into so many parts of equal length the time of a run is divided.
pub const BINS: usize = 60;

/// From which workload, to which, at which port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgeName {
    pub client: String,
    pub server: String,
    pub port: u16,
}

/// An edge, and what an attempt along it would have been.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Exposed {
    class: AccessClass,
    edge: EdgeName,
    via: Via,
}

/// Times of an edge \[s\].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EdgeTime {
    /// Of all connected pairs.
    pub pairs: f64,
    /// In which clients could try.
    pub tried: f64,
    /// The part of it in which an attempt would have been answered.
    pub answered: f64,
}

impl EdgeTime {
    /// Those of a span, from a time on.
    pub fn of(span: &EdgeRecord, from: SimTime) -> Self {
        let length = span.end.since(span.start.max(from)).as_secs_f64();
        Self {
            pairs: f64::from(span.pairs) * length,
            tried: span.availability.map_or(0.0, |_| length),
            answered: span.availability.map_or(0.0, |share| share * length),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.tried += other.tried;
        self.answered += other.answered;
    }

    /// The mean availability over time.
    pub fn availability(&self) -> Option<f64> {
        // Sums of parts are not exactly the sum of the wholes.
        (self.tried > 0.0).then(|| (self.answered / self.tried).min(1.0))
    }
}

/// What is known of an edge in all runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EdgeTimes {
    /// Of each run in which it existed: in the whole run, and since the first fault.
    runs: Vec<(u32, [EdgeTime; 2])>,
    /// Summed over runs, for each part of the horizon.
    pub bins: Vec<EdgeTime>,
}

impl EdgeTimes {
    fn of_run(&self, run: u32) -> [EdgeTime; 2] {
        let found = self.runs.binary_search_by_key(&run, |(run, _)| *run);
        found.map_or_else(|_| Default::default(), |place| self.runs[place].1)
    }

    fn means(&self, part: usize) -> Vec<f64> {
        let runs = self.runs.iter();
        runs.filter_map(|(_, times)| times[part].availability()).collect()
    }
}

/// The edges of a design.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfEdges {
    /// Of each run that had any, by its number, summed over pairs of pods: in the whole run, and since the first fault.
    exposures: BTreeMap<Exposed, BTreeMap<u32, [SimDuration; 2]>>,
    pub times: BTreeMap<EdgeName, EdgeTimes>,
}

impl OfEdges {
    pub fn exposure(&mut self, run: u32, window: &ExposureRecord, lengths: [SimDuration; 2]) {
        let exposed = Exposed {
            class: window.class,
            edge: EdgeName {
                client: window.client_workload.clone(),
                server: window.server_workload.clone(),
                port: window.port,
            },
            via: window.via,
        };
        let sums = self.exposures.entry(exposed).or_default().entry(run).or_default();
        sums.iter_mut().zip(lengths).for_each(|(sum, length)| *sum += length);
    }

    /// Takes a span of a run into account; runs come in their order.
    pub fn span(&mut self, run: u32, span: &EdgeRecord, times: [EdgeTime; 2], horizon: SimTime) {
        let edge = EdgeName {
            client: span.client_workload.clone(),
            server: span.server_workload.clone(),
            port: span.port,
        };
        let of_edge = self.times.entry(edge).or_default();
        match of_edge.runs.last_mut().filter(|(latest, _)| *latest == run) {
            Some((_, sums)) => sums.iter_mut().zip(times).for_each(|(sum, time)| sum.add(time)),
            None => of_edge.runs.push((run, times)),
        }
        of_edge.bins.resize(BINS, EdgeTime::default());
        let width = horizon.as_nanos().div_ceil(BINS as u64).max(1);
        let mut start = span.start;
        while start < span.end {
            let bin = start.as_nanos() / width;
            let end = span.end.min(SimTime::from_nanos((bin + 1) * width));
            let part = EdgeRecord {
                start,
                end,
                client_workload: String::new(),
                server_workload: String::new(),
                ..*span
            };
            of_edge.bins[(bin as usize).min(BINS - 1)].add(EdgeTime::of(&part, start));
            start = end;
        }
    }
}

/// What is known of the exposure of one edge.
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
    /// Whether it is so with and without a fault, because no layer in force refuses the attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_design: bool,
    /// Seconds per run, summed over pairs of pods.
    pub seconds: Measure,
    /// The part of them since the first fault; absent if no run had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_fault: Option<Measure>,
    /// Share of the time of the pairs, since the first fault if any run had one. Older results do not have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Measure>,
    /// Share of runs with any.
    pub runs: Measure,
    /// Probability of an attempt that is so, by the rate of traffic.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub any_at: IndexMap<String, Measure>,
}

/// What is known of the availability of one edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AvailabilitySummary {
    /// Workload of the client.
    pub client: String,
    /// Workload of the server.
    pub server: String,
    /// Port of the server's pods.
    pub port: u16,
    /// Mean over the time of a run.
    pub availability: Measure,
    /// Mean over the time since the first fault; absent if no run had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_fault: Option<Measure>,
}

impl AvailabilitySummary {
    /// What counts for the order: since the first fault, if there was one.
    pub fn estimate(&self) -> Option<f64> {
        self.since_fault.as_ref().unwrap_or(&self.availability).estimate
    }
}

fn had_fault(numbers: &DesignNumbers) -> bool {
    numbers.sound().any(|run| run.record.cut.is_some())
}

/// The edges of a design that were ever open against policy or closed against it: worst class first, then by mean seconds; those that
/// are open by design last.
pub fn edges(frame: &Frame, design: &PlannedDesign, numbers: &DesignNumbers) -> Vec<EdgeSummary> {
    let mut all: Vec<(AccessClass, EdgeSummary)> = numbers
        .edges
        .exposures
        .iter()
        .map(|(exposed, spans)| (exposed.class, one(frame, design, numbers, exposed, spans)))
        .collect();
    let mean = |edge: &EdgeSummary| edge.seconds.estimate.unwrap_or(0.0);
    all.sort_by(|(class, edge), (other_class, other)| {
        let place = (edge.by_design, class).cmp(&(other.by_design, other_class));
        place.then(mean(other).total_cmp(&mean(edge)))
    });
    all.into_iter().map(|(_, edge)| edge).collect()
}

fn one(
    frame: &Frame,
    design: &PlannedDesign,
    numbers: &DesignNumbers,
    exposed: &Exposed,
    spans: &BTreeMap<u32, [SimDuration; 2]>,
) -> EdgeSummary {
    let Exposed { class, edge, via } = exposed;
    let fault = had_fault(numbers);
    let indexed = numbers.runs.iter().enumerate().filter(|(_, run)| !run.failed);
    let sound: Vec<u32> = indexed.map(|(run, _)| run as u32).collect();
    let seconds = |part: usize| -> Vec<f64> {
        let of_run = |run| spans.get(run).map_or(0.0, |spans| spans[part].as_secs_f64());
        sound.iter().map(of_run).collect()
    };
    let (whole, part) = (seconds(0), usize::from(fault));
    let times = numbers.edges.times.get(edge);
    let existed = |run: &u32| times.map_or(0.0, |times| times.of_run(*run)[part].pairs);
    let shares = sound.iter().zip(seconds(part)).filter_map(|(run, seconds)| {
        let existed = existed(run);
        (existed > 0.0).then(|| (seconds / existed).min(1.0))
    });
    let how = format!("from `{}` to port {} of `{}`", edge.client, edge.port, edge.server);
    let what = format!("an attempt {how} would have been {}", class.word());
    let since = if fault { " since the first fault" } else { "" };
    let mean =
        |what: String, unit, values: &[f64], most| Measure::new(what, unit, mean_of_runs(values, most, CONFIDENCE));
    let any_at = frame.traffic_rates.iter().map(|rate| {
        let any: Vec<f64> = whole.iter().map(|seconds| -libm::expm1(-rate.per_s * seconds)).collect();
        let text = &rate.text;
        let estimand = format!("probability that a run has an attempt that is so, if every client tried every server by Poisson traffic of {text} throughout; {what}");
        (text.clone(), mean(estimand, "1", &any, Some(1.0)))
    });
    let is_open = |open: &super::plan::OpenEdge| {
        (&open.client, &open.server, open.port) == (&edge.client, &edge.server, edge.port) && open.class == class.word()
    };
    EdgeSummary {
        client: edge.client.clone(),
        server: edge.server.clone(),
        port: edge.port,
        via: via.word().to_owned(),
        class: class.word().to_owned(),
        by_design: design.open_by_design.iter().any(is_open),
        seconds: mean(
            format!("mean seconds per run during which {what}, summed over pairs of pods"),
            "s",
            &whole,
            None,
        ),
        since_fault: fault.then(|| {
            let estimand =
                format!("mean seconds per run since the first fault during which {what}, summed over pairs of pods");
            mean(estimand, "s", &seconds(1), None)
        }),
        share: Some(mean(
            format!("mean over runs of the share of the time of connected pairs{since} during which {what}"),
            "1",
            &shares.collect::<Vec<_>>(),
            Some(1.0),
        )),
        runs: Measure::new(
            format!("share of runs in which {what} at some time"),
            "1",
            share_of_runs(spans.len() as u64, sound.len() as u64, CONFIDENCE),
        ),
        any_at: any_at.collect(),
    }
}

/// The availability of the edges of a design that policy lets pass, the lowest first.
pub fn availability(frame: &Frame, numbers: &DesignNumbers) -> Vec<AvailabilitySummary> {
    let fault = had_fault(numbers);
    let of_edge = |(edge, times): (&EdgeName, &EdgeTimes)| {
        let mean = |part: usize, since: &str| {
            let what = format!(
                "mean over runs and time{since} of the probability that an attempt by a ready pod of `{}` through the Service to port {} of `{}` \
                 is answered by a right server",
                edge.client, edge.port, edge.server
            );
            Measure::new(what, "1", mean_of_runs(&times.means(part), Some(1.0), frame.confidence))
        };
        let availability = mean(0, "");
        (availability.n > 0).then(|| AvailabilitySummary {
            client: edge.client.clone(),
            server: edge.server.clone(),
            port: edge.port,
            availability,
            since_fault: fault.then(|| mean(1, " since the first fault")),
        })
    };
    let mut all: Vec<AvailabilitySummary> = numbers.edges.times.iter().filter_map(of_edge).collect();
    all.sort_by(|edge, other| {
        edge.estimate()
            .unwrap_or(1.0)
            .total_cmp(&other.estimate().unwrap_or(1.0))
    });
    all
}
