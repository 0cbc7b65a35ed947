//! Subscriptions to the API server: what changed, who is notified, and what waits while a link is cut.
//!
//! A component that acts on what it watches declares a [`Subscription`] in its own file; the world hands the list to the API server,
//! which names no component. Readers that act on nothing and are only queried (`readers`) need no watch. What a cut keeps from
//! a component that acts waits in its [`Missed`] and is handed out after the repair.

use super::blueprint::Blueprint;
use super::context::Shared;
use super::event::{Event, Source};
use super::history::VersionIndex;
use super::ids::{KindId, NodeId, PodId, ReplicaSetId, ServiceId};
use super::objects::{NodeObject, PodObject};
use super::party::{Party, PartyKind};
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
    /// An administrator set something at a node or removed it: what the node is now, and whether nothing is set there.
    NodeMarked(NodeId, NodeObject, bool),
    /// A node has a taint with the effect NoExecute.
    NodeTainted(NodeId),
    /// The template of a DaemonSet changed; most of its pods that may be unavailable.
    DaemonsRestarted(PartyKind, u32),
    /// The pod of a process was deleted.
    DaemonDeleted(Party),
    /// The pod of a process is ready.
    DaemonReady(Party),
    /// A Job was created.
    JobCreated(ReplicaSetId),
    /// A Job is complete, or has failed.
    JobFinished(ReplicaSetId, bool),
    /// A Job was deleted.
    JobDeleted(ReplicaSetId),
}

impl Change {
    /// The pod that changed, or is gone, with what it was; and whether its controllers hear of it: its readiness or its
    /// deletion changed, or its containers were started again or have ended for good.
    #[must_use]
    pub fn of_pod(&self) -> Option<(PodId, bool)> {
        match *self {
            Self::PodUpdated(pod, old, new) => {
                let seen = |object: PodObject| (object.ready, object.deleting, object.restarts, object.ended);
                Some((pod, seen(new) != seen(old)))
            }
            Self::PodRemoved(pod, _) => Some((pod, true)),
            _ => None,
        }
    }
}

/// The notification of a reader.
#[derive(Debug)]
pub struct Notification {
    /// Who reads.
    pub reader: Source,
    /// What it handles when it has read of the change.
    pub event: Event,
    /// What the message is called in a story, and the pod that it is about.
    pub words: (&'static str, Option<PodId>),
    /// Whose link must be up for the message to be sent: a reader that lists after the repair needs none before.
    pub over: Option<Party>,
}

impl Notification {
    /// A message that is sent even while the reader's link is cut; the reader notices that at delivery.
    #[must_use]
    pub const fn new(reader: Source, event: Event, words: (&'static str, Option<PodId>)) -> Self {
        Self {
            reader,
            event,
            words,
            over: None,
        }
    }
}

/// What components could not read or send while their links were cut, in order.
#[derive(Debug)]
pub struct Missed<T>(Vec<(Party, T)>);

impl<T> Default for Missed<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Missed<T> {
    /// Keeps something until a party's link works again.
    pub fn keep(&mut self, party: Party, what: T) {
        self.0.push((party, what));
    }

    /// Hands out what was kept for a party.
    pub fn hand_out(&mut self, party: Party) -> Vec<T> {
        let of_party = self.0.extract_if(.., |(other, _)| *other == party);
        of_party.map(|(_, what)| what).collect()
    }
}

/// How components of one sort watch the API server.
#[derive(Debug)]
pub struct Subscription {
    /// The key of a reader's delays.
    pub key: fn(Source, &Blueprint) -> EntityKey,
    /// Adds the notifications of a change.
    pub hears: fn(&Change, &Shared, &mut Vec<Notification>),
}
