//! Objects of the API: what is written into the histories, and what pods and ReplicaSets are from the beginning. The writes
//! themselves stand in `event`.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::ids::{BelievedIdentity, KindId, NodeId, PodId, TaintId, TrueIdentity};
use crate::kernel::{EntityKey, SimTime};

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
    /// How often its containers were started again.
    pub restarts: u32,
    /// All its containers have ended for good: phase Succeeded or Failed.
    pub ended: Option<Ended>,
}

/// The end of all containers of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When the last one ended.
    pub at: SimTime,
    /// Whether all have succeeded.
    pub succeeded: bool,
}

/// A node as the API server has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeObject {
    /// Condition Ready is not true.
    pub not_ready: bool,
    /// `spec.unschedulable`.
    pub cordoned: bool,
    /// Its taints, but for those of its condition.
    pub taints: u64,
}

/// What an administrator sets at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeMark {
    /// `spec.unschedulable`.
    Cordoned,
    /// A taint.
    Taint(TaintId),
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
    pub true_identity: TrueIdentity,
    /// Its number.
    pub number: BelievedIdentity,
}

/// A backend of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backend {
    /// The pod.
    pub pod: PodId,
    /// Its address.
    pub ip: Ipv4Addr,
}

/// The ready backends of one Service: an EndpointSlice.
pub type Backends = Arc<[Backend]>;

/// What never changes about a pod once it is created.
#[derive(Clone, Copy, Debug)]
pub struct PodMeta {
    /// Its kind.
    pub kind: KindId,
    /// Revision of its Deployment.
    pub revision: u32,
    /// Its number within its ReplicaSet.
    pub ordinal: u32,
    /// Its key for random streams: workload, revision and ordinal.
    pub key: EntityKey,
}

/// A ReplicaSet, or a Job: whose pods it makes, and which.
#[derive(Clone, Debug)]
pub struct SetMeta {
    /// The kind of its pods.
    pub kind: KindId,
    /// Revision of its Deployment, or number of the Job.
    pub revision: u32,
    /// Pods created and not known to be deleted, as its controller has read.
    pub members: Vec<PodId>,
}
