//! What the loss of a node's power does in the world, and its boot.
//!
//! What a component loses with its process, and how it begins anew, belongs to the component; what clients of a dead process make
//! of the silence, to them.

use std::collections::{BTreeMap, BTreeSet};

use super::context::{Ctx, Shared};
use super::event::Source;
use super::fault::istiods_on;
use super::faults::cut::{CutMode, Cuts};
use super::faults::node_down::Powers;
use super::ids::{FaultId, IstiodId, NodeId, PodId};
use super::observed::{Fact, PodFact};
use super::party::Party;
use super::purpose::Purpose;
use crate::kernel::{SimTime, Timer};

/// The nodes that are down, or boot.
#[derive(Debug, Default)]
pub struct NodesDown {
    nodes: BTreeMap<NodeId, Down>,
    /// How often nodes have lost their power.
    outages: u64,
    /// When Istiods died with their node, last.
    deaths: BTreeMap<IstiodId, SimTime>,
}

#[derive(Debug)]
struct Down {
    /// The faults that take its power; none while it boots.
    faults: BTreeSet<FaultId>,
    /// The fault that stands for them on its links.
    first: FaultId,
    istiods: Vec<IstiodId>,
    outage: u64,
    boots: Option<Timer>,
}

impl NodesDown {
    /// Whether nothing runs on a node.
    #[must_use]
    pub fn has(&self, node: NodeId) -> bool {
        !self.nodes.is_empty() && self.nodes.contains_key(&node)
    }

    /// Whether an Istiod was on a node that is down.
    #[must_use]
    pub fn has_istiod(&self, istiod: IstiodId) -> bool {
        self.nodes.values().any(|down| down.istiods.contains(&istiod))
    }

    /// When an Istiod died with its node, last.
    #[must_use]
    pub fn died(&self, istiod: IstiodId) -> Option<SimTime> {
        self.deaths.get(&istiod).copied()
    }

    /// Whether the process at the other end of a connection that stands since then is dead.
    #[must_use]
    pub fn ended(&self, istiod: IstiodId, since: SimTime) -> bool {
        self.died(istiod).is_some_and(|died| died >= since)
    }
}

/// The links that hang on a node.
fn links_of(node: NodeId, istiods: &[IstiodId]) -> Vec<Party> {
    let of_node = [Party::Kubelet(node), Party::Agent(node), Party::ServiceProxy(node)];
    let of_istiod = |&istiod| {
        [
            Party::Istiod(istiod),
            Party::Webhook(istiod),
            Party::IstiodClients(istiod),
        ]
    };
    of_node.into_iter().chain(istiods.iter().flat_map(of_istiod)).collect()
}

impl Powers for Ctx<'_> {
    fn power_off(&mut self, node: NodeId, fault: FaultId) {
        if let Some(down) = self.shared.nodes_down.nodes.get_mut(&node) {
            down.faults.insert(fault);
            if let Some(boots) = down.boots.take() {
                self.kernel.cancel(boots);
            }
            return;
        }
        let istiods = istiods_on(node, self);
        for party in links_of(node, &istiods) {
            self.cut(party, CutMode::Drop, fault);
        }
        let now = self.now();
        for &istiod in &istiods {
            self.shared.nodes_down.deaths.insert(istiod, now);
            self.istiod_dies(istiod);
        }
        for pod in pods_on(node, self.shared) {
            let place = self.shared.physics.pod(pod).place;
            self.shared.physics.loses_power(pod);
            self.observe_pod(pod, PodFact::Stopped);
            if let Some((_, ip)) = place {
                self.address_released(Source::Fault, pod, ip);
            }
        }
        let nodes_down = &mut self.shared.nodes_down;
        nodes_down.outages += 1;
        let down = Down {
            faults: BTreeSet::from([fault]),
            first: fault,
            istiods,
            outage: nodes_down.outages,
            boots: None,
        };
        nodes_down.nodes.insert(node, down);
    }

    fn power_on(&mut self, node: NodeId, fault: FaultId) {
        let Some(down) = self.shared.nodes_down.nodes.get_mut(&node) else {
            return;
        };
        if !down.faults.remove(&fault) || !down.faults.is_empty() {
            return;
        }
        let outage = down.outage;
        let key = self.blueprint().node_key(node).child(outage);
        let latency = self.draw(
            Purpose::NodeBoot,
            key,
            &self.blueprint().spec.kubernetes.node_boot_latency,
        );
        let boots = self.schedule_boot(node, latency);
        if let Some(down) = self.shared.nodes_down.nodes.get_mut(&node) {
            down.boots = Some(boots);
        }
    }
}

impl Ctx<'_> {
    /// A node has booted: its processes start and connect.
    pub(super) fn boots(&mut self, node: NodeId) {
        let Some(down) = self.shared.nodes_down.nodes.remove(&node) else {
            return;
        };
        self.observe(Fact::Booted(node));
        self.agent_boots(node);
        self.kubelet_boots(node);
        for party in links_of(node, &down.istiods) {
            self.connects_afresh(party, down.first);
        }
        self.starts_what_waits(node);
    }
}

/// The pods that hold an address on a node.
fn pods_on(node: NodeId, shared: &Shared) -> Vec<PodId> {
    let pods = (0..shared.pods.len() as u32).map(PodId);
    let here = |pod: &PodId| shared.physics.pod(*pod).place.is_some_and(|(at, _)| at == node);
    pods.filter(here).collect()
}
