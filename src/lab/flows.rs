//! Requests of flows: their numbers per run and per flow, and what is known of each flow of a design.
//!
//! Shares over all flows are measures (`measures::traffic`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::numbers::DesignNumbers;
use super::summary::{CONFIDENCE, Measure};
use crate::cluster::records::{AccessClass, FlowRecord};
use crate::kernel::SimTime;
use crate::stats::{mean_of_runs, ratio_of_sums};

/// Numbers of a class: of all and of those of this class.
type OfAll = (u32, u32);

/// Requests of one sort by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByClass([u32; CLASSES]);

const CLASSES: usize = AccessClass::Unreachable as usize + 1;

impl ByClass {
    pub const fn of(&self, class: AccessClass) -> u32 {
        self.0[class as usize]
    }

    pub fn all(&self) -> u32 {
        self.0.iter().sum()
    }

    /// Those of some classes, and all.
    pub fn share(&self, classes: &[AccessClass]) -> OfAll {
        (classes.iter().map(|class| self.of(*class)).sum(), self.all())
    }

    fn add(&mut self, flow: &FlowRecord) {
        let count = &mut self.0[flow.class as usize];
        *count = count.saturating_add(u32::try_from(flow.requests).unwrap_or(u32::MAX));
    }
}

/// Requests of flows of a run, or of a flow in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Those that the policies of all layers admit.
    pub meant: ByClass,
    /// Those that a policy refuses.
    pub refused: ByClass,
}

impl Requests {
    fn add(&mut self, flow: &FlowRecord) {
        match flow.meant {
            true => self.meant.add(flow),
            false => self.refused.add(flow),
        }
    }
}

/// Requests of flows of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficNumbers {
    pub all: Requests,
    /// The first requests of pods.
    pub first: Requests,
    pub attempts: u64,
    pub connections: u64,
    /// Those that policies admit, by the start of the span of time in which they were sent: its end, those that were answered rightly, and
    /// all.
    pub over_time: BTreeMap<SimTime, (SimTime, OfAll)>,
}

impl TrafficNumbers {
    pub fn count(&mut self, flow: &FlowRecord) {
        self.all.add(flow);
        if flow.first {
            self.first.add(flow);
        }
        self.attempts += flow.attempts;
        self.connections += flow.connections;
        if flow.meant {
            let requests = u32::try_from(flow.requests).unwrap_or(u32::MAX);
            let (_, (rightly, all)) = self.over_time.entry(flow.from).or_insert((flow.until, (0, 0)));
            *rightly += if flow.class == AccessClass::Allowed {
                requests
            } else {
                0
            };
            *all += requests;
        }
    }

    /// All requests.
    pub fn requests(&self) -> u32 {
        self.all.meant.all() + self.all.refused.all()
    }
}

/// A flow as its rows name it: name, workload of the clients, Service, port.
type FlowName = (String, String, String, u16);

/// Requests by flow, and by run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OfFlows(BTreeMap<FlowName, BTreeMap<u32, Requests>>);

impl OfFlows {
    pub fn count(&mut self, run: u32, flow: &FlowRecord) {
        let name = (
            flow.flow.clone(),
            flow.client_workload.clone(),
            flow.server.clone(),
            flow.port,
        );
        self.0.entry(name).or_default().entry(run).or_default().add(flow);
    }
}

/// What is known of one flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FlowSummary {
    /// Its name.
    pub flow: String,
    /// Workload of the clients.
    pub client: String,
    /// The Service.
    pub server: String,
    /// Port of the Service's pods.
    pub port: u16,
    /// Requests per run.
    pub requests: Measure,
    /// Of those that the policies admit, the share that the right workload answered; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability: Option<Measure>,
    /// Of those, the share that a layer refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrongly_denied: Option<Measure>,
    /// Of those that a policy refuses, the share that every layer let in; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unauthorized: Option<Measure>,
}

/// The flows of a design that sent any request: the one that let most in against policy first, then by availability.
pub fn flows(numbers: &DesignNumbers) -> Vec<FlowSummary> {
    let sound = numbers.sound().count();
    let mut all: Vec<FlowSummary> = numbers
        .flows
        .0
        .iter()
        .map(|(name, runs)| one(name, runs, sound))
        .collect();
    let estimate = |measure: &Option<Measure>, without| measure.as_ref().and_then(|of| of.estimate).unwrap_or(without);
    all.sort_by(|a, b| {
        let open = |flow: &FlowSummary| estimate(&flow.unauthorized, 0.0);
        let available = |flow: &FlowSummary| estimate(&flow.availability, 1.0);
        open(b).total_cmp(&open(a)).then(available(a).total_cmp(&available(b)))
    });
    all
}

fn one((flow, client, server, port): &FlowName, runs: &BTreeMap<u32, Requests>, sound: usize) -> FlowSummary {
    let how = format!("requests of `{client}` to `{server}` (flow `{flow}`)");
    let mut counts: Vec<f64> = runs
        .values()
        .map(|requests| f64::from(requests.meant.all()) + f64::from(requests.refused.all()))
        .collect();
    counts.resize(sound.max(counts.len()), 0.0);
    let share = |of: fn(&Requests) -> OfAll, estimand: String| {
        let mut pairs: Vec<(u64, u64)> = runs
            .values()
            .map(of)
            .map(|(some, all)| (u64::from(some), u64::from(all)))
            .collect();
        pairs.resize(sound.max(pairs.len()), (0, 0));
        let any = pairs.iter().any(|(_, all)| *all > 0);
        any.then(|| Measure::new(estimand, "1", ratio_of_sums(&pairs, CONFIDENCE)))
    };
    FlowSummary {
        flow: flow.clone(),
        client: client.clone(),
        server: server.clone(),
        port: *port,
        requests: Measure::new(
            format!("mean number of {how} per run"),
            "requests",
            mean_of_runs(&counts, None, CONFIDENCE),
        ),
        availability: share(
            |requests| requests.meant.share(&[AccessClass::Allowed]),
            format!("share that the right workload answered, of {how} that the policies admit"),
        ),
        wrongly_denied: share(
            |requests| requests.meant.share(&[AccessClass::WronglyDenied]),
            format!("share that a layer refused, of {how} that the policies admit"),
        ),
        unauthorized: share(
            |requests| requests.refused.share(&[AccessClass::Unauthorized]),
            format!("share that every layer let in, of {how} that a policy refuses"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::RunRecord;
    use crate::kernel::SimDuration;

    #[test]
    fn flows_are_ranked_and_runs_without_requests_count() {
        let s = |seconds: u64| SimTime::ZERO + SimDuration::from_secs(seconds);
        let mut numbers = DesignNumbers::default();
        let record = |flow: &str, class, meant, requests| FlowRecord {
            flow: flow.to_owned(),
            class,
            meant,
            requests,
            attempts: requests,
            until: s(10),
            ..FlowRecord::default()
        };
        for run in 0..40 {
            numbers.run(&RunRecord::default(), s(100));
            if run % 2 == 0 {
                numbers.flow(run, &record("a", AccessClass::Allowed, true, 100));
                numbers.flow(run, &record("b", AccessClass::Allowed, true, 60));
                numbers.flow(run, &record("b", AccessClass::WronglyDenied, true, 30));
                numbers.flow(run, &record("b", AccessClass::Unreachable, true, 10));
                numbers.flow(run, &record("c", AccessClass::Denied, false, 9));
                numbers.flow(run, &record("c", AccessClass::Unauthorized, false, 1));
            }
        }
        let of = |measure: &Option<Measure>| measure.as_ref().and_then(|measure| measure.estimate);
        let seen: Vec<_> = flows(&numbers)
            .into_iter()
            .map(|flow| {
                let shares = [of(&flow.availability), of(&flow.wrongly_denied), of(&flow.unauthorized)];
                (flow.flow, flow.requests.estimate, shares)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("c".to_owned(), Some(5.0), [None, None, Some(0.1)]),
                ("b".to_owned(), Some(50.0), [Some(0.6), Some(0.3), None]),
                ("a".to_owned(), Some(50.0), [Some(1.0), Some(0.0), None]),
            ]
        );
        let run = numbers.sound().next().unwrap();
        assert_eq!(run.traffic.over_time[&s(0)], (s(10), (160, 200)));
        assert_eq!(run.traffic.requests(), 210);
    }
}
