//! Objects of the API: what is written into the histories, and the writes themselves.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::ids::{BelievedIdentity, KindId, NodeId, PodId, ReplicaSetId, ServiceId, TrueIdentity};

/// A pod as the API server has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodObject {
    /// The node it is bound to.
    pub node: Option<NodeId>,
    /// `status.podIP`.
    pub ip: Option<Ipv4Addr>,
    /// All containers are running.
    pub running: bool,
    /// Condition Ready.
    pub ready: bool,
    /// It has a deletion timestamp.
    pub deleting: bool,
}

/// A CiliumEndpoint: which pod has which address and identity, and on which node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointObject {
    /// The pod.
    pub pod: PodId,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its security identity.
    pub identity: BelievedIdentity,
    /// Its node.
    pub node: NodeId,
}

/// A CiliumIdentity: the number under which an identity is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityObject {
    /// The identity.
    pub stands_for: TrueIdentity,
    /// Its number.
    pub number: BelievedIdentity,
}

/// A back end of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The pod.
    pub pod: PodId,
    /// Its address.
    pub ip: Ipv4Addr,
}

/// The ready back ends of one Service: an EndpointSlice.
pub type Backends = Arc<[Backend]>;

/// A write that reaches the API server.
#[derive(Clone, Debug)]
pub enum Write {
    /// Creates or updates a Deployment with so many replicas.
    ScaleDeployment(KindId, u32),
    /// Changes the pod template of a Deployment, as `kubectl rollout restart` does.
    RestartDeployment(KindId),
    /// Creates a pod for a ReplicaSet or for churn.
    CreatePod(PodId, Option<ReplicaSetId>),
    /// Binds a pod to a node.
    BindPod(PodId, NodeId),
    /// Kubelet reports a pod's address.
    ReportAddress(PodId, Ipv4Addr),
    /// Kubelet reports that all containers run.
    ReportRunning(PodId, Ipv4Addr),
    /// Kubelet reports Ready, with all that comes before it.
    ReportReady(PodId, Ipv4Addr),
    /// The node lifecycle controller sets Ready to false.
    MarkNotReady(PodId),
    /// Deletes a pod: at once with grace 0, else by a deletion timestamp.
    DeletePod(PodId),
    /// Kubelet confirms that a pod is gone.
    RemovePod(PodId),
    /// An agent publishes an endpoint.
    PublishEndpoint(EndpointObject),
    /// An agent removes an endpoint.
    RemoveEndpoint(EndpointObject),
    /// The agent of a node creates a security identity for a pod.
    CreateIdentity(TrueIdentity, NodeId, PodId),
    /// The EndpointSlice controller writes a slice.
    WriteSlice(ServiceId, Backends),
    /// The node lifecycle controller, or the kubelet, sets the node's Ready condition.
    SetNodeReady(NodeId, bool),
}

impl Write {
    /// Whether its sender sends nothing before it that has to be answered. A kubelet reads a pod before it writes its status
    /// or removes it, an agent reads a CiliumEndpoint before it writes one (`kubernetes/kubernetes
    /// pkg/kubelet/status/status_manager.go`, syncPod; `cilium/cilium pkg/k8s/watchers/endpointsynchronizer.go`).
    #[must_use]
    pub const fn needs_no_answer_before(&self) -> bool {
        matches!(self, Self::CreateIdentity(..) | Self::RemoveEndpoint(_))
    }
}
