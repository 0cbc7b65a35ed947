//! Requests that components send to an API server whose load is modeled, as words that they share with `api_load`.

use super::event::Write;
use super::ids::{IstiodId, NodeId, PodId, ReplicaSetId};
use super::istio::messages::Request;
use super::party::Party;
use crate::kernel::Timer;

/// A request of a component, with what follows when it was served.
#[derive(Clone, Debug)]
pub enum Asked {
    /// A write takes effect.
    Write(Write),
    /// The call of a kubelet's worker is answered.
    Status(NodeId),
    /// A kubelet has the tokens of a pod.
    Tokens(NodeId, PodId),
    /// A TokenReview is answered.
    Review(IstiodId, Request),
    /// The injection webhook is called for a pod that is to be created.
    Creation(PodId, Option<ReplicaSetId>),
    /// The lease of a node is renewed.
    Lease(NodeId),
    /// A party has listed what it reads; with the event by which it was to be current again.
    List(Party, Timer),
}
