//! What the story of one run consists of, with names instead of numbers: plain data, ready to be shown or written as JSON.
//!
//! Three words are kept apart: `entry` is what a node *believed*, `holder` is what was *true*, and verdicts on intent say
//! what was *meant*. Times are seconds since the start of the run in JSON.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::timeline::Timeline;
use crate::cluster::faults::FaultKind;
use crate::cluster::party::NamedParty;
use crate::cluster::records::{AccessRecord, ExposureRecord};
use crate::cluster::spec::{Encryption, Routing};
use crate::kernel::{SimDuration, SimTime};

pub use super::dossier_courses::{CertificateRequest, Courses, StaleCourse};
pub use super::dossier_starts::{
    Asked, ChannelName, ChannelStory, ConnectionStory, HeldUp, HeldUpBy, KubeletWait, PodStory, Unexplained, WaitStory,
};
pub use super::exposed::ExposedStory;

/// The story of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dossier {
    /// What of the design matters for the story.
    pub setting: Setting,
    /// What the person at the keyboard did and saw.
    pub script: Vec<Command>,
    /// Every fault that began or ended.
    pub faults: Vec<FaultStory>,
    /// Nodes that were marked NotReady.
    pub given_up: Vec<MarkedNotReady>,
    /// Remembered addresses that were given to another pod after the cut; the one that the script probed from is first.
    pub addresses: Vec<AddressStory>,
    /// How many addresses the script remembered.
    pub remembered: u32,
    /// The probed Service as the probing client saw it; absent if nothing was probed after the cut.
    pub service: Option<ServiceStory>,
    /// Every judged request.
    pub requests: Vec<RequestStory>,
    /// Pods that were slow or never ready.
    pub slow: Vec<PodStory>,
    /// The measured pod that took longest, slow or not.
    pub slowest: Option<PodStory>,
    /// Measured pods in all.
    pub measured_pods: u32,
    /// What the enforcing node believed when the longest exposure began; absent if there was none.
    pub exposed: Option<ExposedStory>,
    /// Messages, spans and decisions by component, for a trace.
    #[serde(skip)]
    pub timeline: Timeline,
    /// Certificate requests and stale entries over time; for figures, and too long for a story in JSON.
    #[serde(skip)]
    pub courses: Courses,
}

/// What of the design matters for the story.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Setting {
    /// Nodes, control plane included.
    pub nodes: u32,
    /// Routing between nodes.
    pub routing: Routing,
    /// Encryption between nodes.
    pub encryption: Encryption,
    /// Whether packets between nodes carry the sender's identity.
    pub identity_in_packet: bool,
    /// Whether a node drops packets whose source address its WireGuard peers do not list.
    pub wireguard_checks_addresses: bool,
    /// Whether the network enforces its policies.
    pub network_enforced: bool,
    /// Whether the mesh enforces its policies.
    pub mesh_enforced: bool,
    /// The mesh, if there is one.
    pub mesh: Option<MeshSetting>,
    /// Requests per second that a kubelet's API client makes in the long run.
    pub kubelet_client_qps: f64,
    /// How many it may make at once.
    pub kubelet_client_burst: u32,
    /// From which loss of time a pod counts as delayed.
    pub delayed_threshold: SimDuration,
    /// End of the run.
    pub horizon: SimTime,
}

/// What of the mesh matters for the story.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MeshSetting {
    /// Number of Istiods.
    pub istiods: u32,
    /// Whether a failed certificate request dials anew, and so may meet another Istiod.
    pub certificate_dials_anew: bool,
    /// Longest connect.
    pub connect_timeout: SimDuration,
    /// Longest dial of Istiod to the API server.
    pub api_dial_timeout: SimDuration,
}

/// Something the script did or saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Command {
    /// When it was given or seen.
    pub time: SimTime,
    /// The track that did; empty for the script itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub track: String,
    /// What.
    pub what: CommandKind,
}

/// What the script did or saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum CommandKind {
    /// It remembered addresses.
    Remembered {
        /// Whose.
        workload: String,
        /// How many.
        addresses: u32,
    },
    /// It scaled a workload.
    Scaled {
        /// Which.
        workload: String,
        /// To how many.
        replicas: u32,
    },
    /// It restarted a workload.
    Restarted {
        /// Which.
        workload: String,
    },
    /// A rollout was complete.
    RolloutComplete,
    /// A rollout took longer than its deadline.
    RolloutOverdue,
    /// No pod was on a remembered address.
    FoundNone,
    /// A pod was on a remembered address.
    Found {
        /// The pod.
        pod: String,
        /// The address.
        ip: Option<Ipv4Addr>,
    },
    /// Something else, in words: `cordons worker-1`.
    Other {
        /// What it did.
        did: String,
    },
    /// The script was through.
    Ended,
}

/// A fault that began or ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultStory {
    /// When.
    pub time: SimTime,
    /// Its name.
    pub fault: String,
    /// Whether it began.
    pub begins: bool,
    /// Whether only these parties came into its reach, or left it, while it acts.
    #[serde(skip)]
    pub moved: bool,
    /// The parties that it touched; may be empty.
    pub parties: Vec<NamedParty>,
    /// How it acts, as experiment files write it; absent at the end.
    pub mode: Option<&'static str>,
    /// What it does.
    #[serde(skip)]
    pub kind: FaultKind,
}

impl FaultStory {
    /// Whom it touched, in words.
    #[must_use]
    pub fn whom(&self) -> Vec<String> {
        self.parties.iter().map(ToString::to_string).collect()
    }

    /// Whether it is the end of a fault that began earlier, for a party.
    #[must_use]
    pub fn is_end_of(&self, began: &Self, party: &NamedParty) -> bool {
        let ends = !self.begins && self.fault == began.fault && self.time >= began.time;
        ends && (!self.moved || self.parties.contains(party))
    }

    /// What it does to its parties at this moment: `cuts`, or `ends for`.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        if self.begins {
            self.kind.words().does
        } else {
            "ends for"
        }
    }
}

/// A node that was marked NotReady.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarkedNotReady {
    /// The node.
    pub node: String,
    /// When.
    pub at: SimTime,
    /// When it was ready again.
    pub returned: Option<SimTime>,
}

/// A span of time in which something holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held<T> {
    /// From when.
    pub from: SimTime,
    /// Until when; absent for the end of the run.
    pub to: Option<SimTime>,
    /// What.
    pub what: T,
}

/// An address that was given to another pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AddressStory {
    /// The address.
    pub ip: Ipv4Addr,
    /// Whether the script sent a probe from it after the cut.
    pub probed: bool,
    /// Who truly held it.
    pub holders: Vec<Held<Holder>>,
    /// Its entry in the API server, over time.
    pub api: Vec<Held<Option<Entry>>>,
    /// Its entry at nodes, over time: the cut node first, then a healthy one.
    pub beliefs: Vec<NodeBelief>,
    /// Spans during which an attempt would have been let in that should not have been.
    pub exposures: Vec<ExposureRecord>,
}

/// Who held an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The pod.
    pub pod: String,
    /// Its workload.
    pub workload: String,
    /// Its node.
    pub node: String,
}

/// What a node believed about an address, over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeBelief {
    /// The node.
    pub node: String,
    /// Whether its agent was ever cut off, or kept from hearing of changes.
    pub cut: bool,
    /// How, in words: `cut off`, or `behind`.
    pub how: &'static str,
    /// The entry.
    pub entries: Vec<Held<Option<Entry>>>,
}

/// An entry of an ipcache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The pod that it names.
    pub owner: String,
    /// The identity that it gives.
    pub identity: Identity,
    /// The node that it names.
    pub node: String,
    /// Revision of the write.
    pub revision: u32,
    /// When it was written.
    pub written: SimTime,
}

/// A security identity as a number and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The number.
    pub number: u32,
    /// Namespace and service account; `world` for what is not known.
    pub meaning: String,
    /// The labels of its pods, `app=sleep,version=v1`; empty for the world.
    pub labels: String,
}

/// How far a reader has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// The revision of the latest write that it knows.
    pub number: u32,
    /// When that was written.
    pub written: SimTime,
}

/// What a node believed about an address at one moment, beside what was so.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Belief {
    /// When.
    pub at: SimTime,
    /// The node that believes.
    pub node: String,
    /// The address.
    pub ip: Ipv4Addr,
    /// Who truly held it.
    pub holder: Option<String>,
    /// The node's entry; nothing means that it takes the address for the world.
    pub entry: Option<Entry>,
    /// The API server's entry at the same moment.
    pub api: Option<Entry>,
    /// How far the node had read CiliumEndpoints.
    pub read: Option<Revision>,
    /// How far the API server had got with them.
    pub head: Option<Revision>,
    /// Why nothing corrected it.
    pub correction: Correction,
}

/// Why a belief was not corrected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Correction {
    /// It was true.
    True,
    /// The node has heard nothing since.
    Frozen {
        /// Since when.
        since: SimTime,
        /// By which fault.
        fault: Option<String>,
        /// Whether it is cut off; otherwise its requests are answered, and what it watches stands still.
        cut_off: bool,
    },
    /// The new owner was not yet published.
    NotPublished {
        /// When it was; absent for never.
        until: Option<SimTime>,
    },
    /// The write was on its way.
    UnderWay {
        /// When it was ordered.
        written: SimTime,
        /// When the node read it; absent for never.
        until: Option<SimTime>,
    },
    /// No pod held the address.
    NoHolder,
}

/// A Service as one client saw it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceStory {
    /// The Service.
    pub service: String,
    /// Who looks: a node's service proxy, or a pod's own proxy.
    pub seen_by: Viewer,
    /// Its ready backends over time; nothing before the first reader.
    pub backends: Vec<Held<Option<Vec<String>>>>,
}

/// Who chooses the backend of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Viewer {
    /// The service proxy of a node.
    Node {
        /// The node.
        node: String,
    },
    /// A pod's own proxy, from an Istiod's configuration.
    Proxy {
        /// The pod.
        pod: String,
        /// The Istiod that it followed at its last request; absent if it never followed one.
        istiod: Option<String>,
    },
}

/// One request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RequestStory {
    /// Its record: client, class, cause, decisions.
    pub record: AccessRecord,
    /// The track that sent it; empty for the script itself.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub track: String,
    /// What was asked, `GET /hello`.
    pub request: String,
    /// The client's node.
    pub client_node: Option<String>,
    /// The client's true identity.
    pub client_identity: Identity,
    /// What the network's policy means for it, with the policy.
    pub network_intent: Option<VerdictStory>,
    /// What the mesh's policy means for it, with the policy.
    pub mesh_intent: Option<VerdictStory>,
    /// The choice of the backend, if there was one.
    pub choice: Option<Choice>,
    /// The pod that held the address when the last packet was sent to it: not always the one that was chosen.
    pub holder: Option<String>,
    /// Its SYNs.
    pub syns: Vec<SynStory>,
    /// What became of the last one at the server's node.
    pub passage: Option<PassageStory>,
    /// The mesh's verdict at the server.
    pub mesh: Option<MeshVerdict>,
}

impl RequestStory {
    /// The pod that its packets met, where one was chosen.
    pub fn server<'a>(&'a self, choice: &'a Choice) -> &'a str {
        self.holder.as_deref().unwrap_or(&choice.pod)
    }
}

/// The choice of a backend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Choice {
    /// Who chose.
    pub by: Viewer,
    /// Among how many.
    pub candidates: u32,
    /// The pod.
    pub pod: String,
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its node.
    pub node: String,
}

/// A SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SynStory {
    /// When it was sent.
    pub time: SimTime,
    /// What became of it.
    pub fate: SynFate,
}

/// What became of a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SynFate {
    /// It reached its pod.
    Delivered,
    /// No pod holds the address, or its programs are not in place.
    NoPod,
    /// Nothing passes between clients and the server.
    Cut,
    /// Lost to egress policy at the sender's node.
    EgressPolicy,
    /// Lost because the receiving node's WireGuard peers do not list the source address.
    WireGuardPeer,
    /// Lost to ingress policy at the receiving node.
    IngressPolicy,
    /// A fault between the two nodes lost it or its answer.
    Path,
}

/// Whence the enforcing node takes the source's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Both pods are on one node, which knows its own endpoints.
    SameNode,
    /// The packet carries it, as the sender's node knows it.
    Packet,
    /// The receiving node looks the source address up in its ipcache.
    Ipcache,
}

/// WireGuard's check of the source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerCheck {
    /// Pod addresses are not checked in this datapath, or both pods are on one node.
    None,
    /// The sender's node is the peer that may send from this address.
    Listed,
    /// It is not.
    NotListed,
}

/// What became of a packet at the receiving node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PassageStory {
    /// What the receiving node believed about the source address.
    pub belief: Belief,
    /// Whence it took the identity.
    pub basis: Basis,
    /// WireGuard's check.
    pub peer_check: PeerCheck,
    /// As whom it took the sender.
    pub taken_for: Identity,
    /// Its verdict, if the network enforces policy and was asked.
    pub verdict: Option<VerdictStory>,
}

/// An answer of a layer with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictStory {
    /// Whether it lets through.
    pub allowed: bool,
    /// Why, with policy and rule.
    pub because: String,
}

/// The mesh's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MeshVerdict {
    /// The principal in the client's certificate, if it has one.
    pub principal: Option<String>,
    /// The verdict.
    pub verdict: VerdictStory,
    /// If it is about a certificate that is not valid: whose clocks it depends on.
    #[serde(skip)]
    pub clocks: Vec<NamedParty>,
}
