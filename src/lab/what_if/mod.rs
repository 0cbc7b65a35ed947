//! One run again with one thing changed: which switch, or which earlier repair, would have prevented what happened in it.
//!
//! Every answer is a replay of the same run by the same seed, and is meant for this run alone. Which switches a design has
//! belongs to `switches`; how many replays are made is bounded by number and by events, never by time. What is said about
//! the answers belongs to `report`.

mod differing;
mod remedies;
mod repair;
mod switches;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::designs::Simulator;
use crate::cluster::records::{AccessClass, AccessRecord, ExitCause, ExposureRecord, Outcome, PodRecord};
use crate::kernel::{SimDuration, SimTime};
use crate::scenario::{Design, Scenario};

pub use remedies::{OPEN_AT_LEAST, Remedies, Remedy, remedies};
pub use repair::{Repair, RepairBound};
pub use switches::Switch;

/// Most replays for one run.
pub const REPLAYS_MAX: u32 = 64;
/// Most events in all replays of one run together.
pub const EVENTS_MAX: u64 = 30_000_000;

#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// An access that no policy meant, or one that a policy meant and a layer refused.
    Access(AccessRecord),
    /// Exposure of this class, though no client tried.
    Exposure(ExposureRecord),
    SlowStart(Box<PodRecord>),
}

impl Happened {
    /// When it was over: a repair after that prevents nothing.
    pub fn time(&self) -> SimTime {
        match self {
            Self::Access(access) => access.time + access.latency,
            Self::Exposure(window) => window.start,
            Self::SlowStart(pod) => pod.exit,
        }
    }

    /// What another run says about it.
    fn effect(&self, outcome: &Outcome, delayed_threshold: SimDuration) -> Effect {
        let absent = match self {
            Self::Access(access) => {
                let absent = !outcome.accesses.iter().any(|other| as_bad(other.class, access.class));
                let after = outcome.accesses.iter().filter(|other| other.after_cut);
                if absent && !after.into_iter().any(AccessRecord::is_tested) {
                    return Effect::NotReached;
                }
                absent
            }
            Self::Exposure(window) => !outcome.exposures.iter().any(|other| as_bad(other.class, window.class)),
            Self::SlowStart(pod) => {
                // A start that was not slow is prevented by one that takes less than half as long.
                let half = SimDuration::from_nanos(pod.exit.since(pod.desired).as_nanos() / 2);
                let limit = if is_slow(pod, delayed_threshold) {
                    delayed_threshold
                } else {
                    half
                };
                let again = outcome.pods.iter().find(|other| other.pod == pod.pod);
                match again {
                    // One that was deleted late had been slow already.
                    Some(again) if again.exit_cause != ExitCause::Deleted || again.took(limit) => {
                        !is_slow(again, limit)
                    }
                    // A pod that was not there, or not for long enough, shows nothing.
                    _ => return Effect::Unknown,
                }
            }
        };
        if absent { Effect::Prevented } else { Effect::Happens }
    }
}

/// Whether a class is the same as another one, or worse.
fn as_bad(class: AccessClass, than: AccessClass) -> bool {
    let refused = matches!(than, AccessClass::NetworkBypassed | AccessClass::MeshBypassed);
    class == than || (refused && class == AccessClass::Unauthorized)
}

/// Whether a pod counts as slow: not ready, delayed, or beyond the threshold.
pub fn is_slow(pod: &PodRecord, threshold: SimDuration) -> bool {
    pod.exit_cause == ExitCause::Censored || pod.delayed_by.is_some() || pod.exit.since(pod.desired) >= threshold
}

/// A change to a run: what differs on the command line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Change {
    /// The design; another one than that of the run for "as in the design …".
    pub design: String,
    pub set: Vec<String>,
}

/// What a change does to something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It did not happen, though it was put to the test.
    Prevented,
    /// No request got as far as a layer that decides, so the change shows nothing about who is let in.
    NotReached,
    Happens,
    /// The replay does not decide: the pod in question was never created, or deleted before it was ready.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    pub effect: Effect,
    /// The access after the cut that it came to: the last one that was sent at all, else the last one.
    pub access: Option<AccessRecord>,
    /// The pod in question, if it is about a slow start and the pod exists there.
    pub pod: Option<PodRecord>,
    pub slow_pods: (u32, u32),
    /// Exposure of any class that is no refusal of meant access, summed over its windows.
    pub exposure: SimDuration,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    pub switch: Switch,
    pub seen: Seen,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WhatIf {
    /// The latest repair that prevents it, per fault that touched a party.
    pub repairs: Vec<Repair>,
    /// Switches, those that prevent it first.
    pub answers: Vec<Answer>,
    pub replays: u32,
    /// Whether the bound on replays ended the search.
    pub bounded: bool,
}

/// Reads the experiment again with further changes; nothing if they are refused.
pub type Reload<'a> = &'a (dyn Fn(&[String]) -> Option<Scenario> + Sync);

impl Simulator {
    /// The simulator of one design of the experiment with a change; nothing if the change is refused.
    fn changed(reload: Reload<'_>, change: &Change) -> Option<Self> {
        let scenario = reload(&change.set)?;
        let design = scenario.designs.iter().find(|design| design.name == change.design)?;
        Some(Self::new(scenario.seed, &scenario.seed_group, [design]))
    }
}

pub struct Replays<'a> {
    scenario: &'a Scenario,
    design: &'a Design,
    replication: u64,
    reload: Reload<'a>,
    made: BTreeMap<Change, Option<Outcome>>,
    replays: u32,
    events: u64,
    bounded: bool,
}

impl<'a> Replays<'a> {
    /// Replays of run `replication` of a design of a scenario.
    pub fn new(scenario: &'a Scenario, design: &'a Design, replication: u64, reload: Reload<'a>) -> Self {
        Self {
            scenario,
            design,
            replication,
            reload,
            made: BTreeMap::new(),
            replays: 0,
            events: 0,
            bounded: false,
        }
    }

    /// What would have prevented something that happened in the run.
    pub fn what_if(&mut self, original: &Outcome, happened: &Happened) -> WhatIf {
        let repairs = repair::repairs(self, original, happened);
        let mut answers = Vec::new();
        for switch in switches::switches(self.scenario, self.design, original) {
            if let Some(seen) = self.seen(&switch.change, happened) {
                answers.push(Answer { switch, seen });
            }
        }
        answers.sort_by_key(|answer| answer.seen.effect);
        WhatIf {
            repairs,
            answers,
            replays: self.replays,
            bounded: self.bounded,
        }
    }

    /// What a replay with a change shows; nothing if the change is refused or the bound is reached.
    fn seen(&mut self, change: &Change, happened: &Happened) -> Option<Seen> {
        let threshold = self.design.world.measures.delayed_threshold;
        let horizon = self.design.world.horizon;
        let outcome = self.outcome(change)?;
        let pod = match happened {
            Happened::SlowStart(pod) => outcome.pods.iter().find(|other| other.pod == pod.pod),
            _ => None,
        };
        let after = || outcome.accesses.iter().filter(|access| access.after_cut);
        let sent = after().rfind(|access| access.reached || access.network_decided.is_some());
        let measured = || outcome.pods.iter().filter(|pod| pod.measured);
        let slow = measured().filter(|pod| is_slow(pod, threshold)).count() as u32;
        let spans = outcome
            .exposures
            .iter()
            .map(|window| window.end.unwrap_or(horizon).since(window.start));
        Some(Seen {
            effect: happened.effect(outcome, threshold),
            access: sent.or_else(|| after().next_back()).cloned(),
            pod: pod.cloned(),
            slow_pods: (slow, measured().count() as u32),
            exposure: spans.fold(SimDuration::ZERO, |sum, span| sum + span),
        })
    }

    /// The run with a change. A failed run shows nothing.
    fn outcome(&mut self, change: &Change) -> Option<&Outcome> {
        if !self.made.contains_key(change) {
            if self.replays >= REPLAYS_MAX || self.events >= EVENTS_MAX {
                self.bounded = true;
                return None;
            }
            let outcome = self.make(change);
            self.made.insert(change.clone(), outcome);
        }
        self.made.get(change)?.as_ref()
    }

    fn make(&mut self, change: &Change) -> Option<Outcome> {
        let outcome = Simulator::changed(self.reload, change)?.run(0, self.replication);
        self.replays += 1;
        self.events += outcome.run.events;
        outcome.run.failure.is_none().then_some(outcome)
    }
}
