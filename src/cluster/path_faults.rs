//! What faults between nodes do in the world: packets of pods are lost or late, and those who depend on a path hear of its cuts.
//!
//! Random numbers are drawn only for packets that meet a fault, each by its own key, so that runs without such faults draw none.

use super::context::{Ctx, Shared};
use super::faults::path::{Between, Impairment, Paths};
use super::ids::{FaultId, IstiodId, NodeId, PodId};
use super::links::Cut;
use super::party::Party;
use super::purpose::Purpose;
use crate::kernel::{EntityKey, SimDuration};

impl Paths for Ctx<'_> {
    fn impair(&mut self, node: NodeId, between: &Between, what: Impairment, fault: FaultId) {
        let now = self.now();
        self.shared.paths.impair(node, between, what, fault, now);
        self.path_changes(node, what);
    }

    fn mend(&mut self, node: NodeId, what: Impairment, fault: FaultId) {
        let now = self.now();
        self.shared.paths.mend(fault, now);
        self.path_changes(node, what);
    }
}

impl Ctx<'_> {
    /// Packets of a node pass no more, or again: exposure is looked at, and sidecars and Istiods feel it.
    fn path_changes(&mut self, node: NodeId, what: Impairment) {
        if let Impairment::Cut(_) = what {
            self.judge_hears_of_paths();
            for istiod in (0..self.shared.snapshots.len() as u32).map(IstiodId) {
                self.path_to_istiod_changes(istiod, node);
            }
        }
    }
}

impl Shared {
    /// The nodes of two pods.
    fn nodes(&self, from: PodId, to: PodId) -> Option<(NodeId, NodeId)> {
        let node = |pod: PodId| self.physics.pod(pod).place.map(|(node, _)| node);
        node(from).zip(node(to))
    }

    /// The cut of the path from a client to a server, if nothing passes.
    #[must_use]
    pub fn path_cut(&self, client: PodId, server: PodId) -> Option<Cut> {
        let (client, server) = self.nodes(client, server)?;
        self.paths.cut(client, server)
    }

    /// What cuts a sidecar off from an Istiod: a fault of that Istiod's clients, or of the path between the two.
    #[must_use]
    pub fn client_cut(&self, pod: PodId, istiod: IstiodId) -> Option<Cut> {
        let link = self.links.cut_of(Party::IstiodClients(istiod));
        if self.paths.is_empty() {
            return link;
        }
        let path = self.istiod_pod(istiod).and_then(|server| self.path_cut(pod, server));
        match (link, path) {
            (Some(link), Some(path)) => Some(Cut {
                mode: link.mode.min(path.mode),
                since: link.since.min(path.since),
            }),
            (link, path) => link.or(path),
        }
    }

    /// Whether packets between two pods meet a fault.
    #[must_use]
    pub fn path_is_whole(&self, one: PodId, other: PodId) -> bool {
        self.paths.is_empty()
            || self
                .nodes(one, other)
                .is_none_or(|(one, other)| self.paths.are_whole(one, other))
    }

    /// The pod of an Istiod, if packets between a sidecar and it meet a fault.
    #[must_use]
    pub fn istiod_behind_faults(&self, pod: PodId, istiod: IstiodId) -> Option<PodId> {
        if self.paths.is_empty() {
            return None;
        }
        self.istiod_pod(istiod)
            .filter(|&server| !self.path_is_whole(pod, server))
    }

    /// Whether a packet is lost, other than by a cut.
    #[must_use]
    pub fn loses(&self, from: PodId, to: PodId, packet: EntityKey) -> bool {
        if self.paths.is_empty() {
            return false;
        }
        let nodes = self.nodes(from, to);
        let share = nodes.map_or(0.0, |(from, to)| self.paths.share_lost(from, to));
        share > 0.0 && self.run_key.stream(Purpose::PacketLoss, packet).uniform() < share
    }

    /// Whether a packet or its answer is lost, other than by a cut.
    #[must_use]
    pub fn loses_either(&self, from: PodId, to: PodId, packet: EntityKey) -> bool {
        self.loses(from, to, packet) || self.loses(to, from, packet.named("answer"))
    }

    /// What faults add to the way of a packet.
    #[must_use]
    pub fn delayed(&self, from: PodId, to: PodId, packet: EntityKey) -> SimDuration {
        if self.paths.is_empty() {
            return SimDuration::ZERO;
        }
        let delays = self.nodes(from, to).into_iter();
        let delays = delays.flat_map(|(from, to)| self.paths.delays(from, to));
        delays.fold(SimDuration::ZERO, |sum, (fault, latency)| {
            let key = packet.named(&self.blueprint.spec.faults[fault.index()].name);
            sum + self.run_key.stream(Purpose::PacketDelay, key).duration(&latency)
        })
    }

    /// What faults add to a packet and to its answer.
    #[must_use]
    pub fn delayed_both(&self, from: PodId, to: PodId, packet: EntityKey) -> SimDuration {
        self.delayed(from, to, packet) + self.delayed(to, from, packet.named("answer"))
    }
}
