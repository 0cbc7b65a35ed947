//! The one stream of observations: a component reports each fact once, with identifiers and no text.
//!
//! The recorder makes measures of it; if a person asked for the run, a log keeps it for `story`, which makes lines and a dossier
//! of it. The words for a fact belong to the story.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::cilium::passage::Passage;
use super::event::Source;
use super::history::Cursor;
use super::ids::{FaultId, FlowId, IstiodId, KindId, NodeId, PodId, ReplicaSetId, ServiceId};
use super::istio::certificates::Refusal;
use super::istio::messages::{Answer, Channel};
use super::objects::{Backend, EndpointObject, NodeMark, PodObject};
use super::party::Party;
use super::records::{AccessClass, DelayCause, LayerDecision, Via};
use super::spec::Rollout;
use crate::kernel::{SimDuration, SimTime};

/// What happened.
#[derive(Clone, Debug)]
pub enum Fact {
    /// The person at the keyboard, or the script of this track, did or saw something.
    Script(u32, ScriptFact),
    /// A fault began to act on these parties.
    FaultBegins {
        /// Which.
        fault: FaultId,
        /// The parties that it touched; may be empty.
        parties: Vec<Party>,
        /// How many of them no other fault touched.
        touched: u32,
        /// Whether they came to where the fault acts already.
        later: bool,
    },
    /// A fault ended for these parties.
    FaultEnds {
        /// Which.
        fault: FaultId,
        /// For whom.
        parties: Vec<Party>,
    },
    /// Parties left the reach of a fault that still acts: they have connected to another API server.
    Left {
        /// Which.
        fault: FaultId,
        /// Who.
        parties: Vec<Party>,
    },
    /// Parties came into the reach of a fault that acts: they have connected to an API server whose cache is behind.
    Entered {
        /// Which.
        fault: FaultId,
        /// Who.
        parties: Vec<Party>,
    },
    /// A repair reached a party.
    Resumes {
        /// Whom.
        party: Party,
        /// Whether requests are answered; otherwise watches are current.
        answers: bool,
        /// Since when it had no answers.
        since: SimTime,
    },
    /// Something about a pod, from its being desired to its end.
    Pod(PodId, PodFact),
    /// The Deployment controller gave a ReplicaSet a size.
    SetResized(ReplicaSetId, u32),
    /// The API server stored a CiliumEndpoint, or removed it.
    EndpointWritten(EndpointObject, bool),
    /// The EndpointSlice controller found so many ready pods behind a Service.
    BackEndsFound(ServiceId, u32),
    /// The API server stored an EndpointSlice with so many backends.
    SliceWritten(ServiceId, u32),
    /// The node lifecycle controller marked a node NotReady, which runs or not.
    MarkedNotReady(NodeId, bool),
    /// A node that had no power has booted.
    Booted(NodeId),
    /// It deletes the pods of a node that was marked NotReady: so many that were to stay.
    Evicted(NodeId, u32),
    /// A node that was marked NotReady is ready again.
    Returned(NodeId),
    /// The controllers that led, beside this API server, are cut off.
    LeaderLost(u32),
    /// Those beside this one lead from now on.
    LeaderTakesOver(u32),
    /// Something about a process that a fault touches.
    Process(Party, ProcessFact),
    /// An Istiod cannot begin its work without the API server.
    IstiodWaits(IstiodId),
    /// From now on a proxy reads the endpoints of this Istiod in this way.
    Follows {
        /// The pod of the proxy.
        pod: PodId,
        /// The Istiod.
        istiod: IstiodId,
        /// How it reads that Istiod's snapshots; frozen if the stream has ended.
        cursor: Cursor,
    },
    /// Something about a channel of a sidecar.
    Channel(PodId, Channel, ChannelFact),
    /// Something about a request of the script's client.
    Access(u32, AccessFact),
    /// A request of a flow ended, with all its attempts; no log keeps it.
    Requested(FlowRequest),
    /// A request ended, or could not be sent and has no number.
    AccessEnded(Option<u32>, AccessEnd),
    /// The judge found that a pod would be let in that should not be: a window opens.
    WindowOpened {
        /// The client.
        client: PodId,
        /// Its address.
        client_ip: Ipv4Addr,
        /// The server that would let it in.
        server: PodId,
        /// The node that enforces.
        node: NodeId,
        /// Port of the server.
        port: u16,
        /// How the client finds the server.
        via: Via,
        /// The class that an attempt would have.
        class: AccessClass,
    },
    /// The window of this number, in the order of opening, closed for this reason.
    WindowClosed(usize, &'static str),
    /// From now on an edge has so many pairs of client and server, and such a share of attempts would be answered.
    Edge {
        /// Workload of the client, workload and port of the server.
        edge: (KindId, KindId, u16),
        /// Connected pairs.
        pairs: u32,
        /// The share; nothing if none would be made, or none is meant to be answered.
        availability: Option<f64>,
    },
    /// Something about a Job.
    Job(ReplicaSetId, JobFact),
    /// A component sent something to another.
    Sent(Message),
}

/// What happened to a Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobFact {
    /// It was created.
    Created,
    /// As many of its pods have succeeded as it needs.
    Complete,
    /// It has failed.
    Failed,
    /// It was deleted.
    Deleted,
}

impl JobFact {
    /// What it does, after its name.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Created => "is created",
            Self::Complete => "is complete",
            Self::Failed => "has failed",
            Self::Deleted => "is deleted",
        }
    }
}

/// What happened to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessFact {
    /// It ended.
    Ends,
    /// The kernel killed it for lack of memory.
    IsKilled,
    /// It was started again and ended at once.
    StartsAndEnds,
    /// It is up again.
    IsUp,
}

impl ProcessFact {
    /// What it does, after its name.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ends => "ends",
            Self::IsKilled => "is killed (OOMKilled)",
            Self::StartsAndEnds => "starts and ends again",
            Self::IsUp => "is up again",
        }
    }
}

/// What happened to a pod.
#[derive(Clone, Copy, Debug)]
pub enum PodFact {
    /// It ran on this node, with this address, when the run began.
    RanBefore(NodeId, Ipv4Addr),
    /// It is desired: its ReplicaSet or the churn needs one more pod.
    Desired,
    /// It was never created and is no longer desired, or its creation is not tried again.
    Dropped,
    /// Its ReplicaSet was refused a creation: it waits for the webhook.
    WaitsForWebhook,
    /// The API server got nothing from a webhook and refused to create it.
    CreationRefused {
        /// The Istiod that was called, if there was one.
        istiod: Option<IstiodId>,
        /// When it was called.
        asked: SimTime,
    },
    /// It was created.
    Created,
    /// Its object changed: before and after.
    Updated(PodObject, PodObject),
    /// Its object is gone.
    Removed,
    /// The scheduler found no node for it: why not.
    NoNode(Unfitting),
    /// The scheduler deletes it on this node to make room for another one.
    Preempted(NodeId, PodId),
    /// The scheduler bound it.
    Bound(NodeId),
    /// The kubelet called the network plugin.
    NetworkCalled(NodeId),
    /// The network plugin has no free address.
    NoAddress,
    /// It got an address.
    Taken(NodeId, Ipv4Addr),
    /// It lost its address.
    Freed(Ipv4Addr),
    /// The agent's limiter let the creation of its endpoint go on after this wait.
    EndpointAdmitted(SimDuration),
    /// The agent's limiter refused it after this wait.
    EndpointRefused(SimDuration),
    /// Its identity cannot be created while the link is cut.
    NoIdentity,
    /// The network plugin has waited for its identity long enough.
    IdentityTimedOut,
    /// The network plugin did not reach the agent in time.
    AgentNotReached,
    /// The call of the network plugin failed, perhaps by the limiter; its sandbox is made again after this wait.
    NetworkFailed(SimDuration, bool),
    /// It is connected.
    NetworkReady,
    /// All its containers run.
    ContainersUp,
    /// Its node pulls images for it until then.
    Pulls(SimTime),
    /// Its containers have ended by themselves; whether they have failed.
    RunEnds(bool),
    /// They are started again after this wait.
    StartsAgain(SimDuration),
    /// They have ended for good; whether they have succeeded.
    Finished(bool),
    /// Its proxy serves.
    ProxyLive,
    /// Its processes have ended.
    Stopped,
    /// The limit of its kubelet's API client made its start wait.
    KubeletLimit {
        /// For what.
        what: KubeletCalls,
        /// From when.
        from: SimTime,
        /// Until when.
        until: SimTime,
        /// How much of that the limit cost.
        lost: SimDuration,
    },
}

/// Why a node cannot take a pod, in the order in which the scheduler looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Its lease was not renewed.
    NotReady,
    /// It is cordoned.
    Cordoned,
    /// It has a taint that the pod does not tolerate.
    Taint,
    /// It has not the labels that the pod asks for.
    Labels,
    /// It has as many pods as it can have.
    Pods,
    /// Too little of its processors is left.
    Cpu,
    /// Too little of its memory is left.
    Memory,
    /// The pods of its domain are too many already.
    Spread,
    /// It has a pod beside which the pod may not be.
    AntiAffinity,
}

/// How many nodes cannot take a pod, by the first reason of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfitting(pub [u32; 9]);

impl Unfitting {
    /// The reasons with their words for one node and for several.
    const WORDS: [(&'static str, &'static str); 9] = [
        ("is not ready", "are not ready"),
        ("is cordoned", "are cordoned"),
        (
            "has a taint that it does not tolerate",
            "have a taint that it does not tolerate",
        ),
        (
            "has other labels than it asks for",
            "have other labels than it asks for",
        ),
        ("has as many pods as it can have", "have as many pods as they can have"),
        ("has too little CPU left", "have too little CPU left"),
        ("has too little memory left", "have too little memory left"),
        ("would break its spread constraint", "would break its spread constraint"),
        (
            "has a pod that excludes it (anti-affinity)",
            "have a pod that excludes it (anti-affinity)",
        ),
    ];

    /// The reasons in words: `2 nodes are cordoned, 1 has too little CPU left`.
    #[must_use]
    pub fn words(&self) -> String {
        let met = self.0.iter().zip(Self::WORDS).filter(|(nodes, _)| **nodes > 0);
        let shown: Vec<String> = met
            .map(|(nodes, (one, several))| match nodes {
                1 => format!("1 node {one}"),
                nodes => format!("{nodes} nodes {several}"),
            })
            .collect();
        shown.join(", ")
    }
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
#[derive(Clone, Debug)]
pub enum ScriptFact {
    /// It began the step of this number, from 0.
    Step(usize),
    /// It remembered the addresses of a workload.
    Remembered(KindId, Vec<Ipv4Addr>),
    /// It scaled a workload.
    Scaled(KindId, u32),
    /// It restarted something, and waits for it or not.
    Restarted(Rollout, bool),
    /// The rollout for which it waited was complete.
    RolloutComplete(Rollout),
    /// A rollout took longer than its deadline.
    RolloutOverdue(Rollout),
    /// It deleted a workload.
    Deleted(KindId),
    /// It deleted so many pods of a workload.
    DeletedPods(KindId, u32),
    /// It set something at a node, or removed it.
    Marked(NodeId, NodeMark, bool),
    /// It evicts so many pods of a node.
    Drains(NodeId, u32),
    /// A budget does not allow it to evict a pod now.
    EvictionRefused(PodId),
    /// The track of this number begins; it has ended when its `Ended` comes.
    Begins(u32),
    /// It looked and found no pod on a remembered address.
    FoundNone,
    /// It found a pod on a remembered address.
    Found(PodId, Ipv4Addr),
    /// In the step of this number, from 0, it waited in vain: it stopped there, or went on.
    TimedOut(usize, bool),
    /// It stopped in the step of this number, from 0: no address was reused after so many restarts.
    NoReuse(usize, u32),
    /// It ended.
    Ended,
}

/// What happened to a request.
#[derive(Clone, Copy, Debug)]
pub enum AccessFact {
    /// The client began.
    Began {
        /// The client.
        client: PodId,
        /// The step of the script that sends it.
        step: u32,
    },
    /// A backend was chosen.
    Chosen {
        /// The Istiod whose endpoints the client's own proxy chose from; absent if the node's service proxy chose.
        istiod: Option<IstiodId>,
        /// Among so many.
        candidates: u32,
        /// This one.
        backend: Backend,
    },
    /// A SYN was sent and judged.
    Syn(Passage),
    /// One of the two proxies refused the other's certificate.
    Refused(Refusal),
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct AccessEnd {
    /// The client, unless no pod was ready to send it.
    pub client: Option<PodId>,
    /// Its workload.
    pub workload: KindId,
    /// Its address.
    pub client_ip: Option<Ipv4Addr>,
    /// What it asked for.
    pub service: ServiceId,
    /// When it began.
    pub started: SimTime,
    /// Who held the address when the last packet was sent.
    pub server: Option<PodId>,
    /// Whether a packet got as far as the node of a live server.
    pub reached: bool,
    /// What the network's policy intends, and what the network did.
    pub network: (LayerDecision, Option<LayerDecision>),
    /// What the mesh's policy intends, and what the mesh did.
    pub mesh: (LayerDecision, Option<LayerDecision>),
    /// Its class.
    pub class: AccessClass,
    /// Why.
    pub cause: &'static str,
}

/// What happened on a channel of a sidecar.
#[derive(Clone, Copy, Debug)]
pub enum ChannelFact {
    /// An attempt begins.
    Attempt,
    /// It dialled this Istiod, chosen among so many.
    Dialled(IstiodId, Backend, u32),
    /// The node's service proxy knew no Istiod.
    NoEndpoint,
    /// A query for Istiod's name was sent, and got an answer or not.
    Asked(bool),
    /// No replica of CoreDNS answered.
    NotResolved,
    /// A SYN was sent and judged.
    Syn(Passage),
    /// The connection stood; with what its SYNs that were lost cost.
    Connected(Option<(DelayCause, SimDuration)>),
    /// No process listened.
    Refused,
    /// The connect to this Istiod ran out of time, for this cause.
    TimedOut(IstiodId, DelayCause),
    /// A request was sent on the connection.
    Sent,
    /// The review of the request that was sent last fails: from when, until when, and how.
    ReviewFails(SimTime, SimTime, ReviewFailure),
    /// The review that was said to fail was answered after all, since the link was repaired; it was sent at this time.
    ReviewWaited(SimTime),
    /// The review waited at an API server for a seat or for processors; it came there at this time.
    ReviewQueued(SimTime),
    /// This Istiod could not authenticate the pod: its TokenReview failed, or its token was refused for this.
    Unauthenticated(IstiodId, Option<ReviewFailure>),
    /// Istiod answered.
    Answered(Answer),
    /// The connection was closed for its age.
    Aged,
    /// The channel waits.
    Waits(Wait, SimTime),
}

impl ChannelFact {
    /// The TokenReview that fails by what happened at a time: from when, until when, and how.
    #[must_use]
    pub const fn failing_review(&self, time: SimTime) -> Option<(SimTime, SimTime, ReviewFailure)> {
        match *self {
            Self::ReviewFails(from, until, how) => Some((from, until, how)),
            Self::ReviewWaited(from) => Some((from, time, ReviewFailure::Late)),
            Self::ReviewQueued(from) => Some((from, time, ReviewFailure::Queued)),
            Self::Unauthenticated(_, Some(why)) => Some((time, time, why)),
            _ => None,
        }
    }
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
    /// It did not fail, but was answered only when a repair had reached the connection.
    Late,
    /// It did not fail, but waited at an API server under load.
    Queued,
    /// The pod was gone, so its token was refused.
    PodGone,
    /// The token was dated later than the clock of the API server allows.
    TokenNotYetValid,
    /// The token had expired by the clock of the API server.
    TokenExpired,
    /// The API server refused it, as it refused all its repetitions: too many requests.
    TooManyRequests,
}

/// Why a channel waits before it goes on.
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
    /// Adds a fact; of messages not more than [`MESSAGES_MAX`].
    pub fn observe(&mut self, time: SimTime, fact: Fact) {
        match fact {
            Fact::Sent(message) if self.messages.len() < MESSAGES_MAX => self.messages.push(message),
            Fact::Sent(_) => self.messages_omitted += 1,
            Fact::Requested(_) => {}
            fact => self.facts.push((time, fact)),
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

/// A request of a flow, with all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowRequest {
    /// Of which flow.
    pub flow: FlowId,
    /// The class of the last attempt.
    pub class: AccessClass,
    /// Whether the policies of all layers admit that.
    pub meant: bool,
    /// Whether it is its pod's first one, sent as soon as the pod could.
    pub first: bool,
    /// When it was sent first.
    pub sent: SimTime,
    /// How often it was sent.
    pub attempts: u32,
    /// Connections that it opened.
    pub connections: u32,
}
