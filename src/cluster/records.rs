//! What one run leaves behind: records per run, per pod, per judged access, per exposure window.
//!
//! Records are facts, not statistics. Their columns in files belong to `lab`, estimates over them to `stats`.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::story::dossier::Dossier;
use crate::kernel::{RunFailure, SimDuration, SimTime, TraceLine};
use crate::policy::Decision;

/// Everything one run gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Facts about the run as a whole.
    pub run: RunRecord,
    /// One record per pod that was ever wished for, in the order of wishes.
    pub pods: Vec<PodRecord>,
    /// One record per judged access, in order of time.
    pub accesses: Vec<AccessRecord>,
    /// One record per exposure window, in order of opening.
    pub exposures: Vec<ExposureRecord>,
    /// The story line by line, if it was asked for.
    pub story: Vec<TraceLine>,
    /// The story as facts, if it was asked for.
    pub dossier: Option<Box<Dossier>>,
}

/// Facts about a run as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunRecord {
    /// Why the run ended early, if it did.
    pub failure: Option<RunFailure>,
    /// Events handled.
    pub events: u64,
    /// Fingerprint over all events.
    pub fingerprint: u64,
    /// When the script ended; absent if the horizon came first.
    pub script_end: Option<SimTime>,
    /// The step at which the script gave up, with the reason.
    pub script_stopped: Option<String>,
    /// When the first fault started (in a control design: would have started).
    pub cut: Option<SimTime>,
    /// How many parties the faults touched.
    pub parties_cut: u32,
    /// When the cut node was given up by the node lifecycle controller.
    pub node_given_up: Option<SimTime>,
    /// When the probed Service lost its last endpoint in the API after the cut.
    pub endpoint_withdrawn: Option<SimTime>,
    /// Addresses remembered by the script.
    pub remembered: u32,
    /// Whether the script's first look found a pod on a remembered address; absent if it never looked.
    pub found_at_first_look: Option<bool>,
    /// Whether any pod of the first batch, scaled up after the cut, got a remembered address, whether seen or not.
    pub reused_in_first_batch: Option<bool>,
    /// Restarts that the script waited for.
    pub rollouts: u32,
    /// Per completed restart: whether it gave a pod on a remembered address. Rollouts that hit their deadline count too.
    pub rollout_hits: u32,
    /// When a pod on a remembered address was found.
    pub found: Option<SimTime>,
    /// When the probe from that pod was first sent.
    pub probed: Option<SimTime>,
    /// Whether a probe from a reused address reached a live server.
    pub demonstrated: bool,
    /// Certificate requests sent.
    pub certificate_requests: u64,
    /// Entries at the horizon in the cut node's ipcache that differ from the API server's.
    pub stale_entries: u32,
    /// Pods that existed at some time.
    pub pods: u64,
}

/// How a pod's start-up ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCause {
    /// It became ready.
    Ready,
    /// It was deleted before it was ready: a competing event.
    Deleted,
    /// It was still waiting at the horizon.
    #[default]
    Censored,
}

/// What delayed a pod's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DelayCause {
    /// A: Istiod accepted the request, its TokenReview hung or failed.
    TokenReview,
    /// B: the connection to Istiod was black-holed by the other node's WireGuard peers.
    BlackHole,
    /// The connection to Istiod was not established for another reason: no endpoint, process gone, policy.
    Connection,
    /// D: the injection webhook could not be reached.
    Webhook,
    /// Cilium's limiter of endpoint creations.
    EndpointLimiter,
    /// An Istiod refused for its own limits.
    IstiodLimiter,
    /// E: the kubelet's limit of API requests: waits for tokens, and for its turn among the statuses of the node's pods.
    KubeletApi,
}

/// One pod's start.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PodRecord {
    /// Name: workload, revision and ordinal.
    pub pod: String,
    /// The workload, or `churn`.
    pub workload: String,
    /// Whether the pod belongs to the measured population: right workload, wished for after the marked step.
    pub measured: bool,
    /// Its node.
    pub node: Option<String>,
    /// Its address (the last one, if a sandbox was made again).
    pub ip: Option<Ipv4Addr>,
    /// Whether that address is one that the script remembered.
    pub reused_ip: bool,
    /// When its ReplicaSet first wished for it.
    pub wished: SimTime,
    /// When the API server knew its address.
    pub address: Option<SimTime>,
    /// When the API server said Running.
    pub running: Option<SimTime>,
    /// When the API server said Ready.
    pub ready: Option<SimTime>,
    /// How the start ended.
    pub exit_cause: ExitCause,
    /// When it ended: ready, deleted, or the horizon.
    pub exit: SimTime,
    /// Wish to creation.
    pub admission: Option<SimDuration>,
    /// Creation to binding.
    pub scheduling: Option<SimDuration>,
    /// Binding to the network plugin's call that succeeded.
    pub sandbox: Option<SimDuration>,
    /// That call: address, limiter, identity, programs.
    pub identity: Option<SimDuration>,
    /// From there to the last container running.
    pub containers: Option<SimDuration>,
    /// From there to the certificate, if it came last.
    pub certificate: Option<SimDuration>,
    /// From there to the configuration, if it came last.
    pub configuration: Option<SimDuration>,
    /// From there to Ready in the API.
    pub readiness: Option<SimDuration>,
    /// Where the certificate leg landed, in order: `istiod-1 istiod-0`.
    pub certificate_landings: String,
    /// How many of those landings failed.
    pub certificate_landings_bad: u32,
    /// Where the configuration leg landed, in order.
    pub configuration_landings: String,
    /// How many of those landings failed.
    pub configuration_landings_bad: u32,
    /// Time lost on the critical path, by cause.
    pub delays: Vec<(DelayCause, SimDuration)>,
    /// The cause that cost most, if the pod counts as delayed.
    pub delayed_by: Option<DelayCause>,
}

/// The phases of a start in the order of the critical path, as in the columns of `pods`.
pub const PHASES: [&str; 8] = [
    "admission",
    "scheduling",
    "sandbox",
    "identity",
    "containers",
    "certificate",
    "configuration",
    "readiness",
];
/// The same as they are told in a story: by what is waited for.
pub const PHASES_TOLD: [&str; PHASES.len()] = [
    "admission",
    "scheduling",
    "sandbox",
    "network plugin",
    "containers",
    "certificate",
    "configuration",
    "readiness",
];

impl PodRecord {
    /// How long each phase of [`PHASES`] took; nothing where the start ended before it was over.
    #[must_use]
    pub const fn phases(&self) -> [Option<SimDuration>; PHASES.len()] {
        [
            self.admission,
            self.scheduling,
            self.sandbox,
            self.identity,
            self.containers,
            self.certificate,
            self.configuration,
            self.readiness,
        ]
    }

    /// Whether the start took at least this long, to Ready or to its deletion, or is not over after that long.
    #[must_use]
    pub fn took(&self, threshold: SimDuration) -> bool {
        self.exit.since(self.wished) >= threshold
    }

    /// The phase that took longest, by its place in [`PHASES`], with its length, if the start took at least `threshold` and
    /// what it lost explains less than half of the excess.
    #[must_use]
    pub fn unexplained(&self, threshold: SimDuration) -> Option<(usize, SimDuration)> {
        if !self.took(threshold) || self.delayed_by.is_some() {
            return None;
        }
        let excess = self.exit.since(self.wished).saturating_sub(threshold);
        let lost = self.delays.iter().fold(SimDuration::ZERO, |sum, (_, lost)| sum + *lost);
        let explained = lost.as_nanos() > 0 && lost.as_nanos().saturating_mul(2) >= excess.as_nanos();
        if explained { None } else { Some(self.longest_phase()) }
    }

    /// The phase that took longest, by its place in [`PHASES`], with its length; of equals the first. Of a start that is not
    /// over the phase under way counts as well.
    #[must_use]
    pub fn longest_phase(&self) -> (usize, SimDuration) {
        let mut spent = self.phases().map(|phase| phase.unwrap_or(SimDuration::ZERO));
        if self.exit_cause != ExitCause::Ready {
            let known = spent.iter().fold(SimDuration::ZERO, |sum, phase| sum + *phase);
            let under_way = match self.phases().iter().position(Option::is_none) {
                // A pod without a sidecar waits for no certificate.
                Some(CERTIFICATE) if self.certificate_landings.is_empty() => PHASES.len() - 1,
                Some(phase) => phase,
                None => PHASES.len() - 1,
            };
            spent[under_way] += self.exit.since(self.wished).saturating_sub(known);
        }
        let longest = (0..spent.len()).max_by_key(|phase| (spent[*phase], std::cmp::Reverse(*phase)));
        let longest = longest.unwrap_or_default();
        (longest, spent[longest])
    }
}

/// The place of the certificate in [`PHASES`].
const CERTIFICATE: usize = 5;

/// What a layer says or said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerDecision {
    /// Let through.
    Allow,
    /// Refused.
    Deny,
}

impl From<Decision> for LayerDecision {
    /// # Panics
    /// If the verdict is unknown: a scenario never holds policies that are not evaluated as a whole.
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allow => Self::Allow,
            Decision::Deny => Self::Deny,
            Decision::Unknown => panic!("a simulated policy set holds a part that is not evaluated"),
        }
    }
}

/// The class of a judged access (`ARCHITECTURE.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessClass {
    /// Meant and admitted.
    Allowed,
    /// Not meant and refused.
    Denied,
    /// Not meant, and every layer of the design admitted it.
    Unauthorized,
    /// Not meant by the network's policy; the network admitted it, the mesh refused.
    NetworkBypassed,
    /// Not meant by the mesh's policy; the mesh admitted it, the network refused.
    MeshBypassed,
    /// Meant, but some layer refused.
    WronglyDenied,
    /// No answer before any verdict.
    Unreachable,
}

/// How the client chose the server's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Through the Service.
    Service,
    /// By the pod's address.
    PodIp,
}

/// One new connection and its first request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccessRecord {
    /// When the client started.
    pub time: SimTime,
    /// Whether a step after the cut sent it.
    pub after_cut: bool,
    /// The client pod; empty if none was ready to send it.
    pub client: String,
    /// The client's workload.
    pub client_workload: String,
    /// The Service or address asked for.
    pub server: String,
    /// How the server was found.
    pub via: Via,
    /// The client's address.
    pub client_ip: Option<Ipv4Addr>,
    /// Whether that address is one that the script remembered.
    pub reused_ip: bool,
    /// Whether a packet of it got as far as the node of a live server.
    pub reached: bool,
    /// The workload of the pod that held the address when the last packet was sent to it; absent if nobody did. It is not
    /// always one that was meant.
    pub reached_workload: Option<String>,
    /// What the network's policy intends.
    pub network_intended: LayerDecision,
    /// What the network did; absent if it was not asked or the design's network enforces nothing.
    pub network_decided: Option<LayerDecision>,
    /// What the mesh's policy intends.
    pub mesh_intended: LayerDecision,
    /// What the mesh did; absent if it was not asked or the design has no mesh.
    pub mesh_decided: Option<LayerDecision>,
    /// The class.
    pub class: AccessClass,
    /// Why, in words of a closed list.
    pub cause: String,
    /// From the client's start to its answer or its giving up.
    pub latency: SimDuration,
}

/// A span of time during which an attempt would have been let in that should not have been.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExposureRecord {
    /// The address in question.
    pub ip: Ipv4Addr,
    /// The pod that holds it.
    pub client: String,
    /// The server pod that would have let it in.
    pub server: String,
    /// The node that enforces.
    pub node: String,
    /// Through the Service, or by the pod's address.
    pub via: Via,
    /// The class that an attempt would have had: unauthorized, or stopped by the other layer.
    pub class: AccessClass,
    /// When it began.
    pub start: SimTime,
    /// When it ended; absent if it was open at the horizon.
    pub end: Option<SimTime>,
    /// Why it ended.
    pub end_cause: String,
}
