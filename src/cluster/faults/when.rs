//! When a fault acts: at a time, when something has happened, while a condition holds, or by distributions of the times to failures and repairs.
//!
//! Here is what can be said; which faults start or end because of what happens is watched by `cluster/fault.rs`.

use crate::cluster::ids::{FaultId, KindId, NodeId};
use crate::kernel::{Distribution, SimDuration, SimTime};

/// When a fault acts. Without a reason to start, a step of the script starts it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct When {
    /// Starts by itself at this time.
    pub starts_at: Option<SimTime>,
    /// Starts by itself when this has happened.
    pub after: Option<Occurrence>,
    /// Ends by itself after this span; otherwise by a step or never.
    pub duration: Option<SimDuration>,
    /// Ends by itself when this has happened since its start.
    pub until: Option<Occurrence>,
    /// Starts whenever this begins to hold, and ends when it does no more.
    pub holds: Option<Condition>,
    /// Starts and ends again and again, the first time counted from the start of the run, or from `starts_at`.
    pub repeats: Option<Repeats>,
}

impl When {
    /// Whether it starts by itself.
    #[must_use]
    pub const fn starts_by_itself(&self) -> bool {
        self.starts_at.is_some() || self.after.is_some() || self.holds.is_some() || self.repeats.is_some()
    }
}

/// An occurrence of an event, and a wait after it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Occurrence {
    /// What happens.
    pub event: Event,
    /// Which one: 1 is the first.
    pub count: u32,
    /// How long after it.
    pub wait: SimDuration,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The API server creates a pod of a workload.
    PodCreated(KindId),
    /// A pod of a workload becomes ready.
    PodReady(KindId),
    /// The object of a pod of a workload is gone.
    PodGone(KindId),
    /// A rollout of a workload for which the script waits begins.
    RolloutBegins(KindId),
    /// It is complete.
    RolloutComplete(KindId),
    /// The node lifecycle controller marks a node NotReady.
    NodeNotReady(NodeId),
    /// A node that was marked NotReady is ready again.
    NodeReady(NodeId),
    /// A fault starts.
    FaultStarts(FaultId),
    /// A fault ends.
    FaultEnds(FaultId),
}

/// To what an event happens, with how one is made.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// A workload.
    Workload(fn(KindId) -> Event),
    /// A node.
    Node(fn(NodeId) -> Event),
    /// A fault.
    Fault(fn(FaultId) -> Event),
}

impl Takes {
    /// What it is called.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Workload(_) => "workload",
            Self::Node(_) => "node",
            Self::Fault(_) => "fault",
        }
    }

    /// How one could be named.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Workload(_) => "WORKLOAD",
            Self::Node(_) => "worker-1",
            Self::Fault(_) => "FAULT",
        }
    }
}

/// An event as experiment files have it.
#[derive(Debug)]
pub struct EventForm {
    /// Its word.
    pub word: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// To what it happens.
    pub of: Takes,
}

const fn form(word: &'static str, meaning: &'static str, of: Takes) -> EventForm {
    EventForm { word, meaning, of }
}

/// All events.
pub const EVENTS: [EventForm; 9] = [
    form(
        "pod_created",
        "a pod of the workload is created",
        Takes::Workload(Event::PodCreated),
    ),
    form(
        "pod_ready",
        "a pod of the workload becomes ready",
        Takes::Workload(Event::PodReady),
    ),
    form(
        "pod_gone",
        "the object of a pod of the workload is gone",
        Takes::Workload(Event::PodGone),
    ),
    form(
        "rollout_begins",
        "a step begins to roll the workload out",
        Takes::Workload(Event::RolloutBegins),
    ),
    form(
        "rollout_complete",
        "that rollout is complete",
        Takes::Workload(Event::RolloutComplete),
    ),
    form(
        "node_not_ready",
        "the node is marked NotReady",
        Takes::Node(Event::NodeNotReady),
    ),
    form("node_ready", "the node is ready again", Takes::Node(Event::NodeReady)),
    form("fault_starts", "the fault starts", Takes::Fault(Event::FaultStarts)),
    form("fault_ends", "the fault ends", Takes::Fault(Event::FaultEnds)),
];

/// Something that holds or does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A fault acts.
    Fault(FaultId),
    /// A node is marked NotReady.
    NotReady(NodeId),
    /// A rollout of a workload for which the script waits is under way.
    Rollout(KindId),
}

impl Condition {
    /// What happens when it begins to hold, and when it does no more.
    #[must_use]
    pub const fn events(self) -> (Event, Event) {
        match self {
            Self::Fault(fault) => (Event::FaultStarts(fault), Event::FaultEnds(fault)),
            Self::NotReady(node) => (Event::NodeNotReady(node), Event::NodeReady(node)),
            Self::Rollout(workload) => (Event::RolloutBegins(workload), Event::RolloutComplete(workload)),
        }
    }
}

/// How it fails and is repaired again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Repeats {
    /// From the beginning, or from a repair, to the next failure.
    pub to_failure: Distribution,
    /// From a failure to its repair.
    pub to_repair: Distribution,
    /// At most so many failures.
    pub times: Option<u32>,
}
