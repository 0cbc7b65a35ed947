//! What a cut does in the world: links change, readers freeze and list again, and the affected parties are notified.
//!
//! What a party makes of the silence belongs to the party; which faults cut a link, and how hard, to `links`.

use super::context::Ctx;
use super::event::Source;
use super::faults::cut::{CutMode, Cuts};
use super::ids::FaultId;
use super::links::Change;
use super::party::Party;

impl Cuts for Ctx<'_> {
    fn cut(&mut self, party: Party, mode: CutMode, fault: FaultId) {
        let now = self.now();
        let change = self.shared.links.cut(party, mode, now, fault);
        self.link_changes(party, change);
    }

    fn restore(&mut self, party: Party, fault: FaultId) {
        let change = self.shared.links.restore(party, fault);
        self.link_changes(party, change);
    }
}

impl Ctx<'_> {
    fn link_changes(&mut self, party: Party, change: Change) {
        let now = self.now();
        match change {
            Change::Cut => self.shared.freeze_readers(party, now),
            Change::Repaired => self.shared.restore_readers(party, now),
            Change::None | Change::Mode => {}
        }
        match (change, party) {
            // A lease is judged anew in another mode; others make no difference between ways to be cut off.
            (Change::Cut | Change::Mode, Party::Kubelet(node)) => self.lease_is_cut(node),
            (Change::Repaired, Party::Kubelet(node)) => {
                self.lease_is_repaired(node);
                self.kubelet_repaired(node);
            }
            (Change::Repaired, Party::Agent(node)) => {
                self.reads_again(Source::Fault, node);
                self.agent_repaired(node);
            }
            (Change::Repaired, Party::ServiceProxy(node)) => self.reads_again(Source::Fault, node),
            (Change::Repaired, Party::Istiod(istiod)) => self.istiod_repaired(istiod),
            (Change::None | Change::Cut | Change::Mode | Change::Repaired, _) => {}
        }
    }
}
