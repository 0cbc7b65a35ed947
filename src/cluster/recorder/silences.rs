//! When a node could start no pod: its kubelet or Cilium agent did not work or had no API server, or it had no power.

use std::collections::BTreeMap;

use super::super::ids::NodeId;
use super::super::party::{Home, Party};
use crate::kernel::{SimDuration, SimTime};

/// Spans of time by node and party; without an end they last.
#[derive(Debug, Default)]
pub(super) struct Silences(BTreeMap<NodeId, Vec<(Party, SimTime, Option<SimTime>)>>);

impl Silences {
    /// A party does nothing from now on.
    pub(super) fn begins(&mut self, party: Party, now: SimTime) {
        let (Party::Kubelet(node) | Party::Agent(node) | Party::Node(node)) = party else {
            return;
        };
        let spans = self.0.entry(node).or_default();
        if !spans.iter().any(|(of, _, end)| *of == party && end.is_none()) {
            spans.push((party, now, None));
        }
    }

    /// It works again.
    pub(super) fn ends(&mut self, party: Party, now: SimTime) {
        let Home::Node(node) = party.home() else { return };
        let spans = self.0.get_mut(&node).into_iter().flatten();
        for (.., end) in spans.filter(|(of, _, end)| *of == party && end.is_none()) {
            *end = Some(now);
        }
    }

    /// How much of a span of time the node could start no pod.
    pub(super) fn within(&self, node: NodeId, from: SimTime, to: SimTime) -> SimDuration {
        let spans = self.0.get(&node).into_iter().flatten();
        let clipped = spans.map(|(_, begin, end)| ((*begin).max(from), end.unwrap_or(to).min(to)));
        let mut clipped: Vec<(SimTime, SimTime)> = clipped.filter(|(begin, end)| begin < end).collect();
        clipped.sort_unstable();
        let (mut lost, mut until) = (SimDuration::ZERO, from);
        for (begin, end) in clipped {
            lost += end.since(begin.max(until).min(end));
            until = until.max(end);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_silences_count_once() {
        let s = |seconds: u64| SimTime::ZERO + SimDuration::from_secs(seconds);
        let (one, other) = (NodeId(0), NodeId(1));
        let mut silences = Silences::default();
        silences.begins(Party::Kubelet(one), s(10));
        silences.begins(Party::Agent(one), s(12));
        silences.begins(Party::Kubelet(one), s(13));
        silences.ends(Party::Kubelet(one), s(20));
        silences.ends(Party::Agent(one), s(25));
        silences.begins(Party::Kubelet(one), s(40));
        silences.begins(Party::ServiceProxy(other), s(0));
        let lost = |node, from, to| silences.within(node, s(from), s(to)).as_secs_f64();
        assert_eq!(lost(one, 0, 30), 15.0);
        assert_eq!(lost(one, 14, 16), 2.0);
        assert_eq!(lost(one, 15, 50), 20.0);
        assert_eq!((lost(one, 26, 39), lost(other, 0, 50)), (0.0, 0.0));
    }
}
