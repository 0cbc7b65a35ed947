//! What one run leaves behind: records per run, per pod, per judged access, per exposure window, per span of an edge.
//!
//! Records are facts, not statistics. Each is listed once, field by field with its column: name (unit last), unit and meaning.
//! The struct is made of the list here, the columns of its table in `lab::rows`, which also states how a value becomes a cell.
//! Estimates over records belong to `stats`.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::phases::{PHASES, Phases};
use crate::kernel::{RunFailure, SimDuration, SimTime};
use crate::policy::Decision;

/// Everything one run gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Facts about the run as a whole.
    pub run: RunRecord,
    /// One record per pod that was ever created, in the order in which they became desired.
    pub pods: Vec<PodRecord>,
    /// One record per judged access, in order of time.
    pub accesses: Vec<AccessRecord>,
    /// One record per exposure window, in order of opening.
    pub exposures: Vec<ExposureRecord>,
    /// What was so along the edges between workloads, edge by edge and in order of time.
    pub edges: Vec<EdgeRecord>,
    /// Requests of flows, counted: in the order of flows, classes and time.
    pub flows: Vec<FlowRecord>,
}

/// Defines the struct of a record: a field with its documentation per line.
macro_rules! define {
    ($(#[$meta:meta])* $record:ident $table:literal $($(#[$attribute:meta])* $field:ident: $type:ty =>
        $($column:literal [$unit:literal] $doc:literal $(as $how:tt)?),+;)+) => {
        $(#[$meta])*
        pub struct $record {
            $($(#[$attribute])* $(#[doc = $doc])+ pub $field: $type,)+
        }
    };
}

/// Hands the list of each record to a macro: field and type, column with unit and meaning, and how the value becomes a cell if
/// not by itself.
macro_rules! records {
    ($make:ident) => {
        $make! {
            /// Facts about a run as a whole.
            #[derive(Clone, Debug, Default, PartialEq, Serialize)]
            RunRecord "runs"
            failure: Option<RunFailure> =>
                "failure_time_s" ["s"] "Simulated time at which the run failed; null if it did not." as (in time: SimTime),
                "failure_component" [""] "The component that was handling an event when the run failed."
                    as (in component: String),
                "failure_reason" [""] "Why the run failed." as (in reason: String);
            events: u64 => "events" ["events"] "Events handled.";
            fingerprint: u64 => "fingerprint" [""] "Fingerprint over all events, hexadecimal." as (hexadecimal);
            script_end: Option<SimTime> =>
                "script_end_s" ["s"] "When the script ended; null if the horizon came first.";
            script_stopped: Option<String> =>
                "script_stopped" [""] "The step at which the script stopped early, with the reason.";
            cut: Option<SimTime> =>
                "cut_s" ["s"] "When the first fault started; in a control design, would have started.";
            parties_cut: u32 => "parties_cut" ["parties"] "How many parties the faults touched.";
            node_given_up: Option<SimTime> =>
                "node_given_up_s" ["s"] "When the node lifecycle controller marked the cut node NotReady.";
            nodes_marked_not_ready: u32 =>
                "nodes_marked_not_ready" ["times"] "How often the node lifecycle controller marked a node NotReady.";
            nodes_falsely_not_ready: u32 =>
                "nodes_falsely_not_ready" ["times"] "How often of these the node ran: only its connection to the API server was lost.";
            pods_evicted: u32 => "pods_evicted" ["pods"] "Pods that were deleted because their node was NotReady.";
            endpoint_withdrawn: Option<SimTime> =>
                "endpoint_withdrawn_s" ["s"] "When the probed Service lost its last endpoint in the API after the cut.";
            remembered: u32 => "remembered" ["addresses"] "Addresses remembered by the script.";
            found_at_first_look: Option<bool> =>
                "found_at_first_look" [""] "Whether the script's first look found a pod on a remembered address; null if it never looked.";
            reused_in_first_batch: Option<bool> =>
                "reused_in_first_batch" [""] "Whether any pod of the first batch got a remembered address, seen or not.";
            rollouts: u32 => "rollouts" ["rollouts"] "Restarts that the script waited for.";
            rollout_hits: u32 => "rollout_hits" ["rollouts"] "How many of them gave a pod on a remembered address.";
            deploys: u32 => "deploys" ["deploys"]
                "Restarts, and applies or scales with a wait, that were under way when the first fault began or later.";
            deploys_in_time: u32 =>
                "deploys_in_time" ["deploys"] "How many of them were complete by their deadline and before the run ended.";
            longest_deploy: Option<SimDuration> =>
                "longest_deploy_s" ["s"] "How long the longest of them took or was waited for; null for none.";
            creations_refused: u32 => "creations_refused" ["requests"] "Creations of pods that admission refused.";
            creations_repeated: u32 =>
                "creations_repeated" ["requests"] "Creations that were sent again after a refusal, and answered.";
            repaired: Option<SimTime> =>
                "repaired_s" ["s"] "When the last fault ended; null if none did, or if one still acts.";
            readers_current: Option<SimTime> =>
                "readers_current_s" ["s"] "From when on after that the watches of all parties were current; null if never.";
            nodes_ready: Option<SimTime> =>
                "nodes_ready_s" ["s"] "From when on after that no node was NotReady; null if never.";
            pods_ready: Option<SimTime> =>
                "pods_ready_s" ["s"] "From when on after that all pods desired before it were Ready or deleted; null if never.";
            found: Option<SimTime> => "found_s" ["s"] "When a pod on a remembered address was found.";
            probed: Option<SimTime> => "probed_s" ["s"] "When the probe from that pod was first sent.";
            demonstrated: bool => "demonstrated" [""] "Whether a probe from a reused address reached a live server.";
            certificate_requests: u64 => "certificate_requests" ["requests"] "Certificate requests sent.";
            stale_entries: u32 =>
                "stale_entries" ["entries"] "Entries at the horizon in the cut node's ipcache that differ from the API server's.";
            pods: u64 => "pods" ["pods"] "Pods that existed at some time.";
            api_requests: Option<u64> =>
                "api_requests" ["requests"] "Requests that came to the API servers; null where their load is not modeled.";
            api_refused: Option<u64> =>
                "api_refused" ["requests"] "Requests that the API servers refused with status 429; null where their load is not modeled.";
            longest_review: Option<SimDuration> =>
                "longest_review_s" ["s"]
                "Longest wait of a TokenReview for a seat and processors; null where the load is not modeled.";
        }
        $make! {
            /// One pod's start.
            #[derive(Clone, Debug, Default, PartialEq, Serialize)]
            PodRecord "pods"
            pod: String => "pod" [""] "Name of the pod: workload, revision and ordinal.";
            workload: String => "workload" [""] "The workload, or churn.";
            measured: bool => "measured" [""] "Whether the pod belongs to the measured population.";
            node: Option<String> => "node" [""] "Its node; null if it was never bound.";
            ip: Option<Ipv4Addr> => "ip" [""] "Its address, the last one if a sandbox was made again.";
            reused_ip: bool => "reused_ip" [""] "Whether that address is one that the script remembered.";
            #[serde(rename = "wished")]
            desired: SimTime => "wished_s" ["s"] "When it was first desired: its ReplicaSet needed one more pod.";
            address: Option<SimTime> => "address_s" ["s"] "When the API server knew its address; null if never.";
            running: Option<SimTime> => "running_s" ["s"] "When the API server recorded Running; null if never.";
            ready: Option<SimTime> => "ready_s" ["s"] "When the API server recorded Ready; null if never.";
            exit_cause: ExitCause =>
                "exit_cause" [""] "How the start ended: ready, deleted, or censored by the horizon.";
            exit: SimTime => "exit_s" ["s"] "When it ended.";
            #[serde(flatten)]
            phases: Phases =>
                "admission_s" ["s"] "Phase: desired to creation." as (phase),
                "scheduling_s" ["s"] "Phase: creation to binding." as (phase),
                "sandbox_s" ["s"] "Phase: binding to the network plugin's call that succeeded." as (phase),
                "identity_s" ["s"] "Phase: that call, with address, limiter, identity and programs." as (phase),
                "containers_s" ["s"] "Phase: from there to the last container running." as (phase),
                "certificate_s" ["s"] "Phase: from there to the certificate, if it came last." as (phase),
                "configuration_s" ["s"] "Phase: from there to the configuration, if it came last." as (phase),
                "readiness_s" ["s"] "Phase: from there to Ready in the API." as (phase);
            certificate_landings: String =>
                "certificate_landings" [""] "The Istiods that the certificate channel connected to, in order.";
            certificate_landings_bad: u32 =>
                "certificate_landings_bad" ["landings"] "How many of those connections failed.";
            configuration_landings: String =>
                "configuration_landings" [""] "The Istiods that the configuration channel connected to, in order.";
            configuration_landings_bad: u32 =>
                "configuration_landings_bad" ["landings"] "How many of those connections failed.";
            delays: Vec<(DelayCause, SimDuration)> =>
                "delay_token_review_s" ["s"] "Lost on the critical path: a TokenReview hung or failed (A); null for none."
                    as (delay TokenReview),
                "delay_black_hole_s" ["s"] "Lost on the critical path: the connection was black-holed (B); null for none."
                    as (delay BlackHole),
                "delay_connection_s" ["s"] "Lost on the critical path: no connection for another reason; null for none."
                    as (delay Connection),
                "delay_webhook_s" ["s"] "Lost on the critical path: the injection webhook was not reached (D); null for none."
                    as (delay Webhook),
                "delay_endpoint_limiter_s" ["s"] "Lost on the critical path: Cilium's limiter of endpoint creations; null for none."
                    as (delay EndpointLimiter),
                "delay_istiod_limiter_s" ["s"] "Lost on the critical path: an Istiod refused for its own limits; null for none."
                    as (delay IstiodLimiter),
                "delay_kubelet_api_s" ["s"] "Lost on the critical path: the kubelet's limit of API requests (E); null for none."
                    as (delay KubeletApi),
                "delay_node_s" ["s"] "Lost on the critical path: kubelet or Cilium agent down or without an API server (F); null for none."
                    as (delay Node);
            delayed_by: Option<DelayCause> =>
                "delayed_by" [""] "The cause that cost most, if the pod counts as delayed.";
        }
        $make! {
            /// One new connection and its first request.
            #[derive(Clone, Debug, Default, PartialEq, Serialize)]
            AccessRecord "accesses"
            time: SimTime => "time_s" ["s"] "When the client started.";
            after_cut: bool => "after_cut" [""] "Whether a step after the cut sent it.";
            client: String => "client" [""] "The client pod; empty if none was ready to send it.";
            client_workload: String => "client_workload" [""] "The client's workload.";
            server: String => "server" [""] "The Service or address requested.";
            via: Via => "via" [""] "How the server was found: service or pod_ip.";
            client_ip: Option<Ipv4Addr> => "client_ip" [""] "The client's address.";
            reused_ip: bool => "reused_ip" [""] "Whether that address is one that the script remembered.";
            reached: bool => "reached" [""] "Whether a packet of it got as far as the node of a live server.";
            reached_workload: Option<String> =>
                "reached_workload" [""] "The workload of the pod that held the address when the last packet was sent; null if no pod did.";
            network_intended: LayerDecision => "network_intended" [""] "What the network's policy intends.";
            network_decided: Option<LayerDecision> =>
                "network_decided" [""] "What the network decided; null if the request did not reach it or it enforces nothing.";
            mesh_intended: LayerDecision => "mesh_intended" [""] "What the mesh's policy intends.";
            mesh_decided: Option<LayerDecision> =>
                "mesh_decided" [""] "What the mesh decided; null if the request did not reach it or it is absent.";
            class: AccessClass => "class" [""] "The class of the access.";
            cause: String => "cause" [""] "Why, in words of a closed list.";
            latency: SimDuration => "latency_s" ["s"] "From the client's start to its answer or its timeout.";
        }
        $make! {
            /// A span of time during which an attempt would have been let in that should not have been, or refused that should have been let in.
            #[derive(Clone, Debug, PartialEq, Serialize)]
            ExposureRecord "exposures"
            ip: Ipv4Addr => "ip" [""] "The address in question.";
            client: String => "client" [""] "The pod that holds it.";
            client_workload: String => "client_workload" [""] "The client's workload.";
            server: String => "server" [""] "The server pod that would have been asked.";
            server_workload: String => "server_workload" [""] "The server's workload.";
            port: u16 => "port" [""] "Port of the server pod.";
            node: String => "node" [""] "The node that enforces.";
            via: Via => "via" [""] "Through the Service, or by the pod's address.";
            class: AccessClass => "class" [""] "The class that an attempt would have had.";
            start: SimTime => "start_s" ["s"] "When the window opened.";
            end: Option<SimTime> => "end_s" ["s"] "When it closed; null if it was open at the horizon.";
            end_cause: String => "end_cause" [""] "Why it closed.";
        }
        $make! {
            /// A span of time during which an edge, from a workload to a port of another, did not change.
            #[derive(Clone, Debug, Default, PartialEq, Serialize)]
            EdgeRecord "edges"
            client_workload: String => "client_workload" [""] "The client's workload.";
            server_workload: String => "server_workload" [""] "The server's workload.";
            port: u16 => "port" [""] "Port of the server's pods.";
            start: SimTime => "start_s" ["s"] "When it began.";
            end: SimTime => "end_s" ["s"] "When it ended: at the next change or at the horizon.";
            pairs: u32 => "pairs" ["pairs"] "Pairs of a client and a server that were both connected.";
            availability: Option<f64> =>
                "availability" ["1"]
                "Share of attempts through the Service answered rightly; null if no pod would try or policy denies it.";
        }
        $make! {
            /// Requests of a flow that were sent in a span of time and ended in the same way.
            #[derive(Clone, Debug, Default, PartialEq, Serialize)]
            FlowRecord "flows"
            flow: String => "flow" [""] "Name of the flow.";
            client_workload: String => "client_workload" [""] "The clients' workload.";
            server: String => "server" [""] "The Service requested.";
            port: u16 => "port" [""] "Port of the pods of the Service.";
            meant: bool => "meant" [""] "Whether the policies of all layers admit them.";
            class: AccessClass => "class" [""] "How they ended, as an access of a probe does.";
            first: bool => "first" [""] "Whether each was its pod's first one, sent as soon as the pod could.";
            from: SimTime => "from_s" ["s"] "Start of the span of time in which they were sent.";
            until: SimTime => "until_s" ["s"] "Its end.";
            requests: u64 => "requests" ["requests"] "How many.";
            attempts: u64 => "attempts" ["attempts"] "How often they were sent, retries included.";
            connections: u64 => "connections" ["connections"] "Connections that they opened.";
        }
    };
}
pub(crate) use records;

records!(define);

/// How a pod's startup ended.
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
    /// F: the node could start no pod: its kubelet or Cilium agent did not work or had no API server, or it had no power.
    Node,
}

impl RunRecord {
    /// Whether its times and counts can be those of a run that ends at the horizon; rows of a file may come from anywhere.
    #[must_use]
    pub fn fits(&self, horizon: SimTime) -> bool {
        let cut = self.cut.unwrap_or(SimTime::ZERO);
        let after_repair = |time: Option<SimTime>| {
            time.is_none_or(|time| self.repaired.is_some_and(|repaired| repaired <= time) && time <= horizon)
        };
        self.rollout_hits <= self.rollouts
            && self.deploys_in_time <= self.deploys
            && self.repaired.is_none_or(|repaired| repaired <= horizon)
            && [self.readers_current, self.nodes_ready, self.pods_ready]
                .into_iter()
                .all(after_repair)
            && cut <= horizon
            && self
                .node_given_up
                .is_none_or(|given_up| cut <= given_up && given_up <= horizon)
    }
}

impl PodRecord {
    /// Whether its times can be those of a run that ends at the horizon.
    #[must_use]
    pub fn fits(&self, horizon: SimTime) -> bool {
        let known = [self.address, self.running, self.ready];
        self.desired <= self.exit && self.exit <= horizon && known.iter().flatten().all(|time| *time <= horizon)
    }

    /// Whether the start took at least this long, to Ready or to its deletion, or is not over after that long.
    #[must_use]
    pub fn took(&self, threshold: SimDuration) -> bool {
        self.exit.since(self.desired) >= threshold
    }

    /// The phase that took longest, by its place in [`PHASES`], with its length, if the start took at least `threshold` and
    /// what it lost explains less than half of the excess.
    #[must_use]
    pub fn unexplained(&self, threshold: SimDuration) -> Option<(usize, SimDuration)> {
        if !self.took(threshold) || self.delayed_by.is_some() {
            return None;
        }
        let excess = self.exit.since(self.desired).saturating_sub(threshold);
        let lost = self.delays.iter().fold(SimDuration::ZERO, |sum, (_, lost)| sum + *lost);
        let explained = lost.as_nanos() > 0 && lost.as_nanos().saturating_mul(2) >= excess.as_nanos();
        if explained { None } else { Some(self.longest_phase()) }
    }

    /// The phase that took longest, by its place in [`PHASES`], with its length; of equals the first. Of a start that is not
    /// over the phase under way counts as well.
    #[must_use]
    pub fn longest_phase(&self) -> (usize, SimDuration) {
        let mut spent = self.phases.0.map(|phase| phase.unwrap_or(SimDuration::ZERO));
        if self.exit_cause != ExitCause::Ready {
            let known = spent.iter().fold(SimDuration::ZERO, |sum, phase| sum + *phase);
            let under_way = match self.phases.0.iter().position(Option::is_none) {
                // A pod without a sidecar waits for no certificate.
                Some(phase) if PHASES[phase].of_sidecar && self.certificate_landings.is_empty() => PHASES.len() - 1,
                Some(phase) => phase,
                None => PHASES.len() - 1,
            };
            spent[under_way] += self.exit.since(self.desired).saturating_sub(known);
        }
        let longest = (0..spent.len()).max_by_key(|phase| (spent[*phase], std::cmp::Reverse(*phase)));
        let longest = longest.unwrap_or_default();
        (longest, spent[longest])
    }
}

impl AccessRecord {
    /// Whether it put a policy to the test: a layer decided about it, or a server answered it.
    pub const fn is_tested(&self) -> bool {
        self.reached || self.network_decided.is_some() || self.mesh_decided.is_some()
    }
}

/// The decision of a layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerDecision {
    /// Let through.
    Allow,
    /// Refused.
    #[default]
    Deny,
}

impl From<Decision> for LayerDecision {
    /// What is unknown admits nothing: policies that are not evaluated as a whole are in a run only if it was asked for.
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allow => Self::Allow,
            Decision::Deny | Decision::Unknown => Self::Deny,
        }
    }
}

/// The class of a judged access (`ARCHITECTURE.md`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
    /// Admitted, by a pod of another workload than those behind the Service.
    WrongServer,
    /// No answer before any verdict.
    #[default]
    Unreachable,
}

impl AccessClass {
    /// Whether the time is measured in which an attempt would be so: a layer would let it in against its policy, or keep it out.
    #[must_use]
    pub const fn is_judged_over_time(self) -> bool {
        self.is_breach() || matches!(self, Self::WronglyDenied)
    }

    /// Whether a layer admitted what its policy refuses.
    #[must_use]
    pub const fn is_breach(self) -> bool {
        matches!(self, Self::Unauthorized | Self::NetworkBypassed | Self::MeshBypassed)
    }

    /// Whether some policy refuses the request.
    #[must_use]
    pub const fn refused_by_policy(self) -> bool {
        matches!(
            self,
            Self::Denied | Self::Unauthorized | Self::NetworkBypassed | Self::MeshBypassed
        )
    }
}

/// How the client chose the server's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Through the Service.
    #[default]
    Service,
    /// By the pod's address.
    PodIp,
}

impl AccessRecord {
    /// Whether its time can be that of a run that ends at the horizon.
    #[must_use]
    pub fn fits(&self, horizon: SimTime) -> bool {
        self.time <= horizon
    }
}

impl ExposureRecord {
    /// Whether its times can be those of a run that ends at the horizon.
    #[must_use]
    pub fn fits(&self, horizon: SimTime) -> bool {
        self.start <= self.end.unwrap_or(horizon) && self.end.unwrap_or(self.start) <= horizon
    }
}

impl EdgeRecord {
    /// Whether it can be of a run that ends at the horizon.
    #[must_use]
    pub fn fits(&self, horizon: SimTime) -> bool {
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        self.start <= self.end && self.end <= horizon && self.availability.is_none_or(is_share)
    }
}

impl FlowRecord {
    /// Whether its times and counts can be those of a run that ends at the horizon.
    #[must_use]
    pub fn fits(&self, horizon: SimTime) -> bool {
        self.from < self.until
            && self.until <= horizon
            && (1..=self.attempts).contains(&self.requests)
            && self.connections <= self.attempts
    }
}

impl Default for ExposureRecord {
    fn default() -> Self {
        Self {
            ip: Ipv4Addr::UNSPECIFIED,
            client: String::new(),
            client_workload: String::new(),
            server: String::new(),
            server_workload: String::new(),
            port: 0,
            node: String::new(),
            via: Via::default(),
            class: AccessClass::default(),
            start: SimTime::ZERO,
            end: None,
            end_cause: String::new(),
        }
    }
}
