//! The part of a dossier about slow starts: pods, their channels, connections, requests and waits. Plain data.

use serde::Serialize;

use super::dossier::{Belief, SynStory};
use crate::cluster::istio::messages::Answer;
use crate::cluster::observed::{KubeletCalls, ReviewFailure, Wait};
use crate::cluster::party::NamedParty;
use crate::cluster::records::{DelayCause, PodRecord};
use crate::kernel::{SimDuration, SimTime};

/// A pod that was slow or never ready.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PodStory {
    /// Its record.
    pub record: PodRecord,
    /// The channel that came last, or is still missing.
    pub critical: Option<ChannelName>,
    /// Refusals of its creation because no webhook answered: when, and which Istiod was called.
    pub refusals: Vec<(SimTime, Option<String>)>,
    /// The phase that took longest, and how long, if what the pod lost does not explain its start.
    pub unexplained: Option<Unexplained>,
    /// What its longest phase waited for, if that is known: a fault that acted on it, or a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_up: Option<HeldUp>,
    /// When the scheduler found no node for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_node: Vec<SimTime>,
    /// What waited for the limit of the kubelet's API client.
    pub kubelet: Vec<KubeletWait>,
    /// The certificate channel.
    pub certificate: ChannelStory,
    /// The configuration channel.
    pub configuration: ChannelStory,
}

/// The phase of a start that took longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Unexplained {
    /// The phase, by what is waited for.
    pub phase: &'static str,
    /// How long it took.
    pub took: SimDuration,
}

/// The longest phase of a start with what it waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldUp {
    /// The phase, by what is waited for.
    pub phase: &'static str,
    /// How long it took.
    pub took: SimDuration,
    /// What it waited for.
    #[serde(flatten)]
    pub by: HeldUpBy,
}

/// What a start waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum HeldUpBy {
    /// This party, on which a fault acted for most of that time.
    Fault {
        /// Its name.
        fault: String,
        /// When it began.
        began: SimTime,
        /// The party.
        party: NamedParty,
    },
    /// A node that can take it.
    NoNode {
        /// What the scheduler found at the nodes when it looked last.
        why: String,
    },
}

/// A wait for the kubelet's API client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KubeletWait {
    /// From when.
    pub from: SimTime,
    /// Until when.
    pub until: SimTime,
    /// For what.
    pub what: KubeletCalls,
    /// How much of that the limit cost.
    pub lost: SimDuration,
}

/// A channel of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelName {
    /// The certificate request.
    Certificate,
    /// The configuration stream.
    Configuration,
}

/// What happened on one channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChannelStory {
    /// Its connections in order.
    pub connections: Vec<ConnectionStory>,
    /// When it had what it requested.
    pub done: Option<SimTime>,
    /// What it lost, by cause.
    pub lost: Vec<(DelayCause, SimDuration)>,
}

/// One connection of a channel, from its dial to the next one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionStory {
    /// When it was dialled.
    pub dialled: SimTime,
    /// The Istiod and its node; absent if the service proxy knew none.
    pub istiod: Option<(String, String)>,
    /// Among how many it was chosen.
    pub candidates: u32,
    /// Its SYNs.
    pub syns: Vec<SynStory>,
    /// What the Istiod's node believed about the pod's address when the first SYN was lost there.
    pub belief: Option<Belief>,
    /// When it stood.
    pub connected: Option<SimTime>,
    /// When the connect ran out of time.
    pub timed_out: Option<SimTime>,
    /// Requests on it.
    pub asked: Vec<Asked>,
    /// When it was closed for its age.
    pub aged: Option<SimTime>,
    /// Waits before it was used or dialled again.
    pub waits: Vec<WaitStory>,
}

/// One request on a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// When it was sent.
    pub sent: SimTime,
    /// How its TokenReview failed: from when, until when, and how.
    pub review: Option<(SimTime, SimTime, ReviewFailure)>,
    /// When it was answered, and how.
    pub answered: Option<(SimTime, Answer)>,
}

/// A wait of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct WaitStory {
    /// From when.
    pub from: SimTime,
    /// Until when.
    pub until: SimTime,
    /// For what.
    pub what: Wait,
}
