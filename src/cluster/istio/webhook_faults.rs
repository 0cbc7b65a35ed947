//! What faults of webhooks do in the world: cuts of calls, and answers that the API server's admission meets (`injection`).

use crate::cluster::context::Ctx;
use crate::cluster::faults::cut::{CutMode, Cuts};
use crate::cluster::faults::webhook::{Answer, Webhooks};
use crate::cluster::ids::FaultId;
use crate::cluster::party::Party;

impl Webhooks for Ctx<'_> {
    fn disturb(&mut self, party: Party, answer: Answer, fault: FaultId) {
        self.shared.webhooks.disturb(party, answer, fault);
    }

    fn calm(&mut self, party: Party, fault: FaultId) {
        self.shared.webhooks.calm(party, fault);
    }

    fn disconnect(&mut self, party: Party, mode: CutMode, fault: FaultId) {
        self.cut(party, mode, fault);
    }

    fn reconnect(&mut self, party: Party, fault: FaultId) {
        self.restore(party, fault);
    }
}
