//! Messages between components as they were sent: who to whom, when, and when it arrives. Kept only for a story.
//!
//! Belongs here: what a message is and how it is called. Does not belong here: what a reader makes of it, and the reading
//! of histories through paths, which sends nothing (`course`).

use crate::cluster::event::{Source, Write};
use crate::cluster::ids::PodId;
use crate::kernel::SimTime;

/// Most messages of one run that are kept, about 64 MB.
pub const MESSAGES_MAX: usize = 1_000_000;

/// A message from one component to another.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    /// Who sends it.
    pub from: Source,
    /// Who gets it.
    pub to: Source,
    /// When it leaves.
    pub sent: SimTime,
    /// When it arrives.
    pub arrives: SimTime,
    /// What it is.
    pub what: &'static str,
    /// The pod that it is about.
    pub about: Option<PodId>,
}

/// What a write is called, and the pod that it is about.
#[must_use]
pub const fn write_words(write: &Write) -> (&'static str, Option<PodId>) {
    match write {
        Write::ScaleDeployment(..) => ("scale the Deployment", None),
        Write::RestartDeployment(_) => ("restart the Deployment", None),
        Write::CreatePod(pod, _) => ("create the pod", Some(*pod)),
        Write::BindPod(pod, _) => ("bind the pod", Some(*pod)),
        Write::ReportAddress(pod, _) => ("report the pod's address", Some(*pod)),
        Write::ReportRunning(pod, _) => ("report Running", Some(*pod)),
        Write::ReportReady(pod, _) => ("report Ready", Some(*pod)),
        Write::MarkNotReady(pod) => ("mark the pod not ready", Some(*pod)),
        Write::DeletePod(pod) => ("delete the pod", Some(*pod)),
        Write::RemovePod(pod) => ("confirm that the pod is gone", Some(*pod)),
        Write::PublishEndpoint(endpoint) => ("publish the CiliumEndpoint", Some(endpoint.pod)),
        Write::RemoveEndpoint(endpoint) => ("remove the CiliumEndpoint", Some(endpoint.pod)),
        Write::CreateIdentity(pod, ..) => ("create the CiliumIdentity", Some(*pod)),
        Write::WriteSlice(..) => ("write the EndpointSlice", None),
        Write::SetNodeReady(_, true) => ("mark the node ready", None),
        Write::SetNodeReady(_, false) => ("mark the node not ready", None),
    }
}
