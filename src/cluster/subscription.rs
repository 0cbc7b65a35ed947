//! Subscriptions to the API server: what changed, and who is told of it.
//!
//! A component that acts on what it watches says so by a [`Subscription`] in its own file; the world hands the list to the API server,
//! which knows nobody by name. Readers that act on nothing and are only asked (`history`) need no watch.

use super::blueprint::Blueprint;
use super::context::Shared;
use super::event::{Event, Source};
use super::history::VersionIndex;
use super::ids::{KindId, NodeId, PodId, ReplicaSetId, ServiceId};
use super::objects::PodObject;
use crate::kernel::EntityKey;

/// A write that took effect.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// A Deployment was created or scaled.
    DeploymentScaled(KindId, u32),
    /// A Deployment's template changed.
    DeploymentRestarted(KindId),
    /// A pod was created, perhaps for a ReplicaSet.
    PodCreated(PodId, Option<ReplicaSetId>),
    /// A pod changed: before and after.
    PodUpdated(PodId, PodObject, PodObject),
    /// A pod is gone; what it was.
    PodRemoved(PodId, PodObject),
    /// A node's Ready condition was set.
    NodeReady(NodeId, bool),
    /// The ready backends of a Service changed.
    SliceWritten(ServiceId, VersionIndex),
}

impl Change {
    /// The pod that changed, or is gone, with what it was; and whether its controllers hear of it: its readiness or its
    /// deletion changed.
    #[must_use]
    pub fn of_pod(&self) -> Option<(PodId, bool)> {
        match *self {
            Self::PodUpdated(pod, old, new) => Some((pod, new.ready != old.ready || new.deleting != old.deleting)),
            Self::PodRemoved(pod, _) => Some((pod, true)),
            _ => None,
        }
    }
}

/// What a reader is told.
#[derive(Debug)]
pub struct Told {
    /// Who reads.
    pub reader: Source,
    /// What it handles when it has read of the change.
    pub event: Event,
    /// What the message is called in a story, and the pod that it is about.
    pub words: (&'static str, Option<PodId>),
}

/// How components of one sort watch the API server.
#[derive(Debug)]
pub struct Subscription {
    /// The key of a reader's delays.
    pub key: fn(Source, &Blueprint) -> EntityKey,
    /// Adds what readers are told of a change.
    pub hears: fn(&Change, &Shared, &mut Vec<Told>),
}
