//! etcd behind the API servers: whether they can write, and what becomes of writes meanwhile.
//!
//! **Modeled**: without quorum no write takes effect; a request to create a pod fails after `etcd_request_timeout`, so that its
//! controller tries again after its back-off; other writes are tried again by their clients and take effect, in their order, when
//! quorum is back; leases are not renewed, neither those of nodes nor that of the controllers that lead (`controllers`); reads come
//! from caches and go on.
//! **Left out**: the latency of etcd, which is a part of `api_write_latency`; consistent reads; that repetitions come
//! at times of their own.
//! **Parameters**: `etcd_request_timeout`. **Validated by**: `tests/world/etcd_quorum.rs`.
//! Source: `docs/model/kubernetes.md#etcd-without-quorum`.

use super::context::Ctx;
use super::event::{Event, Source, Write};
use super::faults::cut::CutMode;
use super::faults::etcd_quorum::Quorum;
use super::ids::{FaultId, NodeId, PodId, ReplicaSetId};
use super::links::Cut;
use super::observed::PodFact;
use super::party::Party;
use crate::kernel::EventClass;

impl Ctx<'_> {
    /// The nodes whose kubelets are connected to a server.
    fn nodes_at(&self, server: u32) -> Vec<NodeId> {
        let nodes = (0..self.blueprint().spec.nodes).map(NodeId);
        nodes
            .filter(|&node| self.api_server_of(Party::Kubelet(node)) == server)
            .collect()
    }

    /// Why the lease of a node is not renewed, if it is not: its kubelet is cut off, its request waits, or its API server cannot write.
    #[must_use]
    pub fn lease_cut(&self, node: NodeId) -> Option<Cut> {
        let kubelet = Party::Kubelet(node);
        let link = self.shared.links.cut_of(kubelet);
        let late = self.shared.late_leases.get(&node).copied();
        if link.is_some() || late.is_none() && self.shared.etcd.is_whole() {
            return link;
        }
        let since = late.or_else(|| self.shared.etcd.lost_since(self.api_server_of(kubelet)))?;
        Some(Cut {
            mode: CutMode::Drop,
            since,
        })
    }

    /// Keeps a write that cannot be made now; returns one that can.
    pub fn unless_quorum_is_lost(&mut self, write: Write) -> Option<Write> {
        if self.shared.etcd.is_whole() {
            return Some(write);
        }
        let server = self.server_of_write(&write);
        if self.shared.etcd.lost_since(server).is_none() {
            return Some(write);
        }
        if let Write::CreatePod(pod, owner) = write {
            let timeout = self.blueprint().spec.kubernetes.etcd_request_timeout;
            let event = Event::Commit(Write::Unwritten(pod, owner));
            self.after(Source::ApiServer, EventClass::Commit, timeout, event);
        } else {
            self.shared.etcd.waiting.push((server, write));
        }
        None
    }

    /// A request to create a pod has found no etcd for as long as it may take.
    pub fn creation_fails(&mut self, pod: PodId, owner: Option<ReplicaSetId>) {
        let asked = self
            .now()
            .saturating_sub(self.blueprint().spec.kubernetes.etcd_request_timeout);
        self.observe_pod(pod, PodFact::CreationRefused { istiod: None, asked });
        match owner {
            Some(owner) => self.refuse_creation(owner, pod),
            // No controller asks again.
            None => self.observe_pod(pod, PodFact::Dropped),
        }
    }
}

impl Quorum for Ctx<'_> {
    fn lose_quorum(&mut self, server: u32, fault: FaultId) {
        let now = self.now();
        let (_, faults) = self.shared.etcd.lost.entry(server).or_insert((now, Vec::new()));
        faults.push(fault);
        if faults.len() == 1 {
            for node in self.nodes_at(server) {
                self.lease_is_cut(node);
            }
            self.controllers_change();
        }
    }

    fn regain_quorum(&mut self, server: u32, fault: FaultId) {
        let Some((_, faults)) = self.shared.etcd.lost.get_mut(&server) else {
            return;
        };
        faults.retain(|other| *other != fault);
        if !faults.is_empty() {
            return;
        }
        self.shared.etcd.lost.remove(&server);
        let waiting = std::mem::take(&mut self.shared.etcd.waiting);
        let (now, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(of, _)| *of == server);
        self.shared.etcd.waiting = later;
        for (_, write) in now {
            self.write_served(write);
        }
        for node in self.nodes_at(server) {
            if self.shared.links.is_up(Party::Kubelet(node)) {
                self.lease_is_repaired(node);
                self.kubelet_repaired(node);
            }
        }
        self.controllers_change();
    }
}
