//! When what faults had put out of order was in order again: watches, nodes, pods.
//!
//! Everything counts from the end of the last fault on. A pod counts if it was desired before that; later ones are new. What is
//! still out of order when the run ends has no time.

use std::collections::BTreeSet;

use super::super::ids::{FaultId, NodeId, PodId};
use super::super::party::Party;
use super::super::records::RunRecord;
use super::pod_times::PodTimes;
use crate::kernel::SimTime;

/// What is out of order.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    acting: BTreeSet<FaultId>,
    /// When the last fault ended, if none acts.
    repaired: Option<SimTime>,
    readers: Out<Party>,
    nodes: Out<NodeId>,
    pods: Out<PodId>,
    /// Pods with smaller numbers were desired before the repair.
    pods_before: usize,
}

/// Things that are out of order, and since when none is.
#[derive(Debug)]
struct Out<T> {
    of: BTreeSet<T>,
    none_since: Option<SimTime>,
}

impl<T> Default for Out<T> {
    fn default() -> Self {
        Self {
            of: BTreeSet::new(),
            none_since: None,
        }
    }
}

impl<T: Ord> Out<T> {
    fn back(&mut self, what: &T, now: SimTime) {
        if self.of.remove(what) && self.of.is_empty() {
            self.none_since = Some(now);
        }
    }

    /// From when on after the repair none was out of order.
    fn over(&self, repaired: SimTime) -> Option<SimTime> {
        let none = self.of.is_empty();
        none.then(|| self.none_since.map_or(repaired, |since| since.max(repaired)))
    }
}

impl Recovery {
    /// A fault begins, which cuts off these parties.
    pub(super) fn fault_begins(&mut self, fault: FaultId, parties: &[Party]) {
        self.acting.insert(fault);
        self.repaired = None;
        // A webhook is called and reads nothing, and sidecars read Istiod.
        let reads = |party: &&Party| party.kind().is_client();
        self.readers.of.extend(parties.iter().filter(reads));
    }

    /// A fault ends; these parties read again at once.
    pub(super) fn fault_ends(&mut self, fault: FaultId, parties: &[Party], pods: &[PodTimes], now: SimTime) {
        self.acting.remove(&fault);
        for party in parties {
            self.readers.back(party, now);
        }
        if !self.acting.is_empty() {
            return;
        }
        self.repaired = Some(now);
        self.pods_before = pods.len();
        let waiting = (0..).zip(pods.iter()).filter(|(_, times)| times.waits);
        self.pods.of = waiting.map(|(pod, _)| PodId(pod)).collect();
        self.pods.none_since = None;
    }

    /// The watches of a party are current.
    pub(super) fn reads(&mut self, party: Party, now: SimTime) {
        self.readers.back(&party, now);
    }

    /// A node was marked NotReady.
    pub(super) fn not_ready(&mut self, node: NodeId) {
        self.nodes.of.insert(node);
    }

    /// A node is ready again.
    pub(super) fn ready(&mut self, node: NodeId, now: SimTime) {
        self.nodes.back(&node, now);
    }

    /// A pod waits for Ready from now on, or no longer.
    pub(super) fn pod_changed(&mut self, pod: PodId, waits: bool, now: SimTime) {
        if self.repaired.is_none() || pod.index() >= self.pods_before {
            return;
        }
        if waits {
            self.pods.of.insert(pod);
        } else {
            self.pods.back(&pod, now);
        }
    }

    /// The run ends.
    pub(super) fn settle(&self, run: &mut RunRecord) {
        run.repaired = self.repaired;
        if let Some(repaired) = self.repaired {
            run.readers_current = self.readers.over(repaired);
            run.nodes_ready = self.nodes.over(repaired);
            run.pods_ready = self.pods.over(repaired);
        }
    }
}
