//! The closed set of events of the simulated world, and who schedules them. What stands for an event in the fingerprint
//! belongs to `event_digest`.

use super::access::AccessEvent;
use super::churn::ChurnEvent;
use super::cilium::agent::AgentEvent;
use super::deployment::DeploymentEvent;
use super::endpoint_slice::EndpointSliceEvent;
use super::ids::{IstiodId, NodeId, PodId};
use super::istio::injection::AdmissionEvent;
use super::istio::istiod::IstiodEvent;
use super::istio::sidecar::SidecarEvent;
use super::judge::JudgeEvent;
use super::kubelet::KubeletEvent;
use super::node_lifecycle::NodeLifecycleEvent;
use super::objects::Write;
use super::replica_set::ReplicaSetEvent;
use super::scheduler::SchedulerEvent;
use super::script::ScriptEvent;
use crate::kernel::SourceRank;

/// Something that happens in the world, with the component that handles it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A fault starts (`true`) or ends.
    Fault(u32, bool),
    /// A write reaches the API server.
    Commit(Write),
    /// For the Deployment controller.
    Deployment(DeploymentEvent),
    /// For the ReplicaSet controller.
    ReplicaSet(ReplicaSetEvent),
    /// For the scheduler.
    Scheduler(SchedulerEvent),
    /// For the node lifecycle controller.
    NodeLifecycle(NodeLifecycleEvent),
    /// For the EndpointSlice controller.
    EndpointSlice(EndpointSliceEvent),
    /// For a kubelet.
    Kubelet(NodeId, KubeletEvent),
    /// For a Cilium agent.
    Agent(NodeId, AgentEvent),
    /// For an Istiod.
    Istiod(IstiodId, IstiodEvent),
    /// For the sidecar of a pod.
    Sidecar(PodId, SidecarEvent),
    /// For the script.
    Script(ScriptEvent),
    /// For churn.
    Churn(ChurnEvent),
    /// For a request under way.
    Access(u32, AccessEvent),
    /// For the judge.
    Judge(JudgeEvent),
    /// For the API server's admission of pods.
    Admission(AdmissionEvent),
}

impl Event {
    /// The component that handles the event.
    #[must_use]
    pub const fn component(&self) -> &'static str {
        match self {
            Self::Fault(..) => "fault",
            Self::Commit(_) => "api server",
            Self::Deployment(_) => "deployment controller",
            Self::ReplicaSet(_) => "replica set controller",
            Self::Scheduler(_) => "scheduler",
            Self::NodeLifecycle(_) => "node lifecycle controller",
            Self::EndpointSlice(_) => "endpoint slice controller",
            Self::Kubelet(..) => "kubelet",
            Self::Agent(..) => "cilium agent",
            Self::Istiod(..) => "istiod",
            Self::Sidecar(..) => "sidecar",
            Self::Script(_) => "script",
            Self::Churn(_) => "churn",
            Self::Access(..) => "client",
            Self::Judge(_) => "judge",
            Self::Admission(_) => "admission",
        }
    }
}

/// A component that schedules events. The rank decides ties; see `kernel::order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Faults that start by themselves.
    Fault,
    /// The API server, dispatching to its watchers.
    ApiServer,
    /// The Deployment controller.
    Deployment,
    /// The ReplicaSet controller.
    ReplicaSet,
    /// The scheduler.
    Scheduler,
    /// The node lifecycle controller.
    NodeLifecycle,
    /// The EndpointSlice controller.
    EndpointSlice,
    /// The script.
    Script,
    /// Churn.
    Churn,
    /// The judge.
    Judge,
    /// Requests under way.
    Access,
    /// An Istiod.
    Istiod(IstiodId),
    /// A kubelet.
    Kubelet(NodeId),
    /// A Cilium agent.
    Agent(NodeId),
    /// A sidecar.
    Sidecar(PodId),
}

/// Ranks below this belong to singletons, then to Istiods, then to nodes, then to pods.
const ISTIODS_FROM: u32 = 16;
const NODES_FROM: u32 = 1 << 12;
const PODS_FROM: u32 = 1 << 18;

impl Source {
    /// The rank in the total order.
    #[must_use]
    pub fn rank(self) -> SourceRank {
        SourceRank::new(match self {
            Self::Fault => 0,
            Self::ApiServer => 1,
            Self::Deployment => 2,
            Self::ReplicaSet => 3,
            Self::Scheduler => 4,
            Self::NodeLifecycle => 5,
            Self::EndpointSlice => 6,
            Self::Script => 7,
            Self::Churn => 8,
            Self::Judge => 9,
            Self::Access => 10,
            Self::Istiod(istiod) => ISTIODS_FROM + istiod.0,
            Self::Kubelet(node) => NODES_FROM + 2 * node.0,
            Self::Agent(node) => NODES_FROM + 2 * node.0 + 1,
            Self::Sidecar(pod) => PODS_FROM + pod.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_different_components_differ() {
        let mut ranks: Vec<SourceRank> = [
            Source::Fault,
            Source::ApiServer,
            Source::Deployment,
            Source::ReplicaSet,
            Source::Scheduler,
        ]
        .into_iter()
        .chain([
            Source::NodeLifecycle,
            Source::EndpointSlice,
            Source::Script,
            Source::Churn,
            Source::Judge,
            Source::Access,
        ])
        .chain((0..4_000).map(|i| Source::Istiod(IstiodId(i))))
        .chain((0..5_000).flat_map(|i| [Source::Kubelet(NodeId(i)), Source::Agent(NodeId(i))]))
        .chain((0..5_000).map(|i| Source::Sidecar(PodId(i))))
        .map(Source::rank)
        .collect();
        let n = ranks.len();
        ranks.sort_unstable();
        ranks.dedup();
        assert_eq!(ranks.len(), n);
    }
}
