//! What components note as it happens, with identifiers and no text, and the messages that they send: kept only when a person
//! asked for that run. What follows from it belongs to `story`.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::cilium::passage::Passage;
use super::event::Source;
use super::history::Cursor;
use super::ids::{IstiodId, KindId, NodeId, PodId, ServiceId};
use super::istio::messages::{Answer, Leg};
use super::links::Party;
use super::objects::{Backend, Backends};
use super::spec::CutMode;
use crate::kernel::{SimDuration, SimTime};

/// What happened.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The person at the keyboard did or saw something.
    Script(ScriptFact),
    /// A fault began to act on these parties.
    Cut {
        /// Its name in the experiment.
        fault: String,
        /// Whom it touched; empty for nobody.
        parties: Vec<Party>,
        /// How.
        mode: CutMode,
    },
    /// A fault ended for these parties.
    Repaired {
        /// Its name in the experiment.
        fault: String,
        /// For whom.
        parties: Vec<Party>,
    },
    /// A pod got an address.
    Taken {
        /// The pod.
        pod: PodId,
        /// Where.
        node: NodeId,
        /// The address.
        ip: Ipv4Addr,
    },
    /// A pod lost its address.
    Freed {
        /// The pod.
        pod: PodId,
        /// The address.
        ip: Ipv4Addr,
    },
    /// The node lifecycle controller gave a node up.
    GivenUp(NodeId),
    /// A node that was given up is ready again.
    Returned(NodeId),
    /// From now on a proxy reads the endpoints of this Istiod in this way.
    Follows {
        /// The pod of the proxy.
        pod: PodId,
        /// The Istiod.
        istiod: IstiodId,
        /// How it reads that Istiod's snapshots; frozen if the stream has ended.
        cursor: Cursor,
    },
    /// The API server got nothing from a webhook and refused to create a pod.
    CreationRefused {
        /// The pod.
        pod: PodId,
        /// The Istiod that was called, if there was one.
        istiod: Option<IstiodId>,
        /// When it was called.
        asked: SimTime,
    },
    /// The limit of a kubelet's API client made a pod's start wait.
    KubeletLimit {
        /// The pod.
        pod: PodId,
        /// For what.
        what: KubeletCalls,
        /// From when.
        from: SimTime,
        /// Until when.
        until: SimTime,
        /// How much of that the limit cost.
        lost: SimDuration,
    },
    /// Something about a request of the script's client.
    Access(u32, AccessFact),
    /// Something about a leg of a sidecar.
    Leg(PodId, Leg, LegFact),
}

/// What of a pod's start waits for the kubelet's API client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KubeletCalls {
    /// The tokens of its service account, before its sandbox.
    Tokens,
    /// The report that it is ready, behind reports about other pods.
    Statuses,
    /// The same in a batch, for which everything waiting was thrown away.
    Batch,
}

/// What the script did or saw.
#[derive(Clone, Copy, Debug)]
pub enum ScriptFact {
    /// It remembered so many addresses of a workload.
    Remembered(KindId, u32),
    /// It scaled a workload.
    Scaled(KindId, u32),
    /// It restarted a workload.
    Restarted(KindId),
    /// A rollout was complete.
    RolloutComplete,
    /// A rollout took longer than its deadline.
    RolloutOverdue,
    /// It looked and found no pod on a remembered address.
    FoundNone,
    /// It found a pod on a remembered address.
    Found(PodId),
    /// It ended.
    Ended,
}

/// What happened to a request.
#[derive(Clone, Debug)]
pub enum AccessFact {
    /// The client began.
    Began {
        /// The client.
        client: PodId,
        /// What it asked for.
        service: ServiceId,
        /// HTTP method.
        method: String,
        /// HTTP path.
        path: String,
    },
    /// A back end was chosen.
    Chosen {
        /// The Istiod whose endpoints the client's own proxy chose from; absent if the node's service proxy chose.
        istiod: Option<IstiodId>,
        /// Among these.
        candidates: Backends,
        /// This one.
        backend: Backend,
    },
    /// A SYN was sent and judged.
    Syn(Passage),
    /// It ended as the record of this number.
    Ended(u32),
}

/// What happened on a leg of a sidecar.
#[derive(Clone, Copy, Debug)]
pub enum LegFact {
    /// It dialled: the connection's number, the Istiod, its address, and among how many it was chosen.
    Dialled(u32, Backend, u32),
    /// The node's service proxy knew no Istiod.
    NoEndpoint,
    /// A SYN was sent and judged.
    Syn(Passage),
    /// The connection stood.
    Connected,
    /// The connect ran out of time.
    TimedOut,
    /// A request was sent on the connection.
    Sent,
    /// The review of the request that was sent last fails: from when, until when, and how.
    ReviewFails(SimTime, SimTime, ReviewFailure),
    /// Istiod answered.
    Answered(Answer),
    /// The connection was closed for its age.
    Aged,
    /// The leg waits.
    Waits(Wait, SimTime),
}

/// How a TokenReview fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewFailure {
    /// It was sent over a connection that had died unnoticed, and failed when that was detected.
    DeadConnection,
    /// It dialled the API server in vain until the dial timed out.
    DialTimeout,
    /// Its packets were rejected.
    Rejected,
    /// The pod was gone, so its token was refused.
    PodGone,
}

/// Why a leg waits before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Back-off between two attempts of one certificate call.
    Attempt,
    /// Back-off of the channel before it dials again.
    Channel,
    /// Back-off of the agent's warm-up loop after a failed call.
    WarmUp,
    /// Back-off of Envoy before it asks for the certificate again.
    EnvoySecret,
    /// Back-off of Envoy before it opens its stream again.
    EnvoyStream,
}

/// Facts in the order in which they happened.
#[derive(Debug, Default)]
pub struct Log {
    facts: Vec<(SimTime, Fact)>,
    /// Messages, as they were sent.
    pub messages: Vec<Message>,
    /// Messages beyond [`MESSAGES_MAX`].
    pub messages_omitted: u64,
}

impl Log {
    /// Adds a fact.
    pub fn note(&mut self, time: SimTime, fact: Fact) {
        self.facts.push((time, fact));
    }

    /// Adds a message, unless there are too many.
    pub fn send(&mut self, message: Message) {
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push(message);
        } else {
            self.messages_omitted += 1;
        }
    }

    /// All facts.
    pub fn facts(&self) -> impl Iterator<Item = (SimTime, &Fact)> {
        self.facts.iter().map(|(time, fact)| (*time, fact))
    }
}

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
