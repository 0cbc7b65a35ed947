//! Processes that are frozen, have ended or are slow: which, and by which faults.
//!
//! **Modeled**: a process goes on when the last fault that freezes it has ended, one that has ended when its supervisor has started it
//! (`supervision`). What the silence of a process does to its connections is a cut by the same fault (`links`), which ends at once when
//! the process goes on or has started. A frozen Istiod fails its readiness probe.
//! **Left out**: several agents of one node during an update.
//! **Parameters**: `readiness_probe_*`. **Validated by**: `tests/world/processes.rs`, `tests/world/node_processes.rs`.
//! Sources: `docs/model/kubernetes.md#processes`.

use super::context::Ctx;
use super::faults::cut::{CutMode, Cuts};
use super::faults::process;
use super::ids::{FaultId, IstiodId, NodeId};
use super::links::{Change, Way};
use super::party::Party;
use crate::kernel::{Distribution, SimDuration};

impl process::Processes for Ctx<'_> {
    fn freeze(&mut self, party: Party, fault: FaultId) {
        let first = self.shared.processes.of(party).frozen_by.is_empty();
        self.shared.processes.of(party).frozen_by.insert(fault);
        for link in links(party) {
            self.cut(link, CutMode::Drop, fault);
        }
        if let (true, Party::IstiodProcess(istiod)) = (first, party) {
            self.probes_fail(istiod);
        }
    }

    fn thaw(&mut self, party: Party, fault: FaultId) {
        let process = self.shared.processes.of(party);
        process.frozen_by.remove(&fault);
        let goes_on = process.frozen_by.is_empty();
        let timer = process.unready.take_if(|_| goes_on);
        timer.into_iter().for_each(|timer| self.kernel.cancel(timer));
        for link in links(party) {
            self.feels(link, fault);
        }
        if goes_on && self.shared.processes.runs(party) {
            self.is_awake(party);
        }
    }

    fn crash(&mut self, party: Party, fault: FaultId) {
        self.shared.processes.of(party).crashed_by.insert(fault);
        self.process_ends(party, fault, false);
    }

    fn kill(&mut self, party: Party, fills_in: Distribution, fault: FaultId) {
        self.shared.processes.of(party).filled_by.insert(fault, fills_in);
        self.process_ends(party, fault, false);
    }

    fn has_memory(&mut self, party: Party, fault: FaultId) {
        self.shared.processes.of(party).filled_by.remove(&fault);
    }

    fn stays_up(&mut self, party: Party, fault: FaultId) {
        self.shared.processes.of(party).crashed_by.remove(&fault);
    }

    fn restart(&mut self, party: Party, fault: FaultId) {
        self.process_ends(party, fault, true);
    }

    fn slow(&mut self, party: Party, factor: f64, fault: FaultId) {
        self.shared.processes.of(party).slowed_by.insert(fault, factor);
    }

    fn full_speed(&mut self, party: Party, fault: FaultId) {
        self.shared.processes.of(party).slowed_by.remove(&fault);
    }

    fn loses_server(&mut self, party: Party, mode: CutMode, fault: FaultId) {
        self.cut(party, mode, fault);
    }

    fn regains_server(&mut self, party: Party, fault: FaultId) {
        self.restore(party, fault);
    }
}

/// The connections on which a frozen process answers nothing.
fn links(party: Party) -> Vec<Party> {
    match party {
        Party::IstiodProcess(istiod) => vec![
            Party::Istiod(istiod),
            Party::Webhook(istiod),
            Party::IstiodClients(istiod),
        ],
        // Its other clients are parties of the fault themselves.
        Party::ApiServer(server) => vec![Party::Controllers(server)],
        party => vec![party],
    }
}

/// The connections that are reset when a process ends; other clients of an API server are parties of the fault themselves.
pub(super) fn link(party: Party) -> Option<Party> {
    match party {
        Party::IstiodProcess(istiod) => Some(Party::IstiodClients(istiod)),
        Party::ApiServer(server) => Some(Party::Controllers(server)),
        party => Some(party),
    }
}

impl Ctx<'_> {
    /// A span that a process spends on work of its own.
    #[must_use]
    pub fn slowed(&self, party: Party, span: SimDuration) -> SimDuration {
        match self.shared.processes.factor(party) {
            Some(factor) => span.scale(factor),
            None => span,
        }
    }

    /// A span that the API server of a party spends on its request; controllers are clients of the one beside them.
    #[must_use]
    pub fn slowed_by_server(&self, party: Option<Party>, span: SimDuration) -> SimDuration {
        if self.shared.processes.0.is_empty() {
            return span;
        }
        let server = party.map_or(self.shared.controllers.leader(), |party| self.api_server_of(party));
        self.slowed(Party::ApiServer(server), span)
    }

    /// The fault ends for a connection, and whoever it belongs to feels that at once.
    pub(super) fn feels(&mut self, link: Party, fault: FaultId) {
        if self.repairs(link, fault) == Change::Repaired {
            self.resumes(link, Way::Watches);
            self.resumes(link, Way::Answers);
        }
    }

    /// The processes of a node start that could not, since its kubelet was away or it had no power.
    pub(super) fn starts_what_waits(&mut self, node: NodeId) {
        for waiting in [Party::Kubelet(node), Party::Agent(node), Party::ServiceProxy(node)] {
            let process = self.shared.processes.0.get_mut(&waiting);
            if process.is_some_and(|process| std::mem::take(&mut process.parked)) {
                self.starts_after(waiting, SimDuration::ZERO);
            }
        }
    }

    /// A process goes on after a pause: it takes up what has waited.
    pub(super) fn is_awake(&mut self, party: Party) {
        // If its connection is whole, it has heard of that by now.
        let whole = self.shared.links.is_up(party);
        match party {
            Party::Kubelet(node) => {
                if !whole {
                    self.kubelet_repaired(node);
                }
                self.starts_what_waits(node);
            }
            Party::Agent(node) if !whole => self.agent_repaired(node),
            Party::IstiodProcess(istiod) => self.istiod_thaws(istiod),
            _ => {}
        }
    }

    /// The readiness probe of a frozen Istiod fails from its next tick on.
    fn probes_fail(&mut self, istiod: IstiodId) {
        let Some(pod) = self
            .shared
            .istiod_pod(istiod)
            .filter(|&pod| self.shared.physics.pod(pod).running)
        else {
            return;
        };
        let Some((node, _)) = self.shared.physics.pod(pod).place else {
            return;
        };
        let params = &self.blueprint().istio().params;
        let (period, timeout) = (params.readiness_probe_period, params.readiness_probe_timeout);
        // A probe that is not answered in time is followed by the next one at once.
        let failures = u64::from(params.readiness_probe_threshold);
        let last = period.max(timeout) * failures.saturating_sub(1) + timeout;
        let tick = self.next_readiness_probe(pod, period);
        let timer = self.probe_ends(node, pod, tick + last, false);
        self.shared.processes.of(Party::IstiodProcess(istiod)).unready = Some(timer);
    }
}
