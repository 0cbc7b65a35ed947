//! Whom faults touch now: faults are counted per party, so that one that ends leaves alone what another one touches.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::ids::{FaultId, NodeId};
use crate::cluster::party::{Party, PartyKind};

/// The parties that faults touch.
#[derive(Clone, Debug, Default)]
pub struct Touched {
    parties: BTreeMap<Party, BTreeSet<FaultId>>,
    /// Faults that also touch a party of a kind that comes to a node later.
    waiting: Vec<(FaultId, NodeId, PartyKind)>,
}

impl Touched {
    /// A fault touches a party; returns whether none did before.
    pub fn add(&mut self, party: Party, fault: FaultId) -> bool {
        let faults = self.parties.entry(party).or_default();
        faults.insert(fault);
        faults.len() == 1
    }

    /// Whether no fault touches a party, or waits for one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parties.is_empty() && self.waiting.is_empty()
    }

    /// A fault waits at a node for parties of a kind.
    pub fn wait(&mut self, fault: FaultId, node: NodeId, kind: PartyKind) {
        self.waiting.push((fault, node, kind));
    }

    /// The faults that wait at a node, each with the kind of party that it waits for.
    #[must_use]
    pub fn waiting_at(&self, node: NodeId) -> Vec<(FaultId, PartyKind)> {
        let here = self.waiting.iter().filter(|(_, at, _)| *at == node);
        here.map(|(fault, _, kind)| (*fault, *kind)).collect()
    }

    /// A fault no longer touches a party; whether it did.
    pub fn leave(&mut self, party: Party, fault: FaultId) -> bool {
        let Some(faults) = self.parties.get_mut(&party) else {
            return false;
        };
        let touched = faults.remove(&fault);
        if faults.is_empty() {
            self.parties.remove(&party);
        }
        touched
    }

    /// A fault ends; gives the parties that it touched, even if they have moved meanwhile.
    pub fn end(&mut self, fault: FaultId) -> Vec<Party> {
        self.waiting.retain(|(waiting, ..)| *waiting != fault);
        let mut parties = Vec::new();
        self.parties.retain(|party, faults| {
            if faults.remove(&fault) {
                parties.push(*party);
            }
            !faults.is_empty()
        });
        parties
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ids::IstiodId;

    #[test]
    fn faults_are_counted_per_party() {
        let (agent, kubelet) = (Party::Agent(NodeId(2)), Party::Kubelet(NodeId(2)));
        let mut touched = Touched::default();
        assert!(touched.add(agent, FaultId(0)));
        assert!(!touched.add(agent, FaultId(1)));
        assert!(touched.add(kubelet, FaultId(1)));
        assert_eq!(touched.end(FaultId(1)), [kubelet, agent]);
        assert_eq!(touched.end(FaultId(1)), [], "an end before its start does nothing");
        assert!(!touched.add(agent, FaultId(2)));
        assert!(touched.add(kubelet, FaultId(2)));
    }

    #[test]
    fn a_fault_waits_at_a_node_until_it_ends() {
        let mut touched = Touched::default();
        touched.wait(FaultId(4), NodeId(2), PartyKind::Istiod);
        assert_eq!(touched.waiting_at(NodeId(1)), []);
        assert_eq!(touched.waiting_at(NodeId(2)), [(FaultId(4), PartyKind::Istiod)]);
        touched.add(Party::Istiod(IstiodId(5)), FaultId(4));
        assert_eq!(touched.end(FaultId(4)), [Party::Istiod(IstiodId(5))]);
        assert_eq!(touched.waiting_at(NodeId(2)), []);
    }
}
