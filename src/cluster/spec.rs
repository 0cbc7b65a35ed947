//! The checked description of one design's world: what `scenario` hands to the simulator.
//!
//! Everything here is resolved and consistent: names have become indexes, units have become spans of time, and each
//! parameter has a value. Reading files and complaining about them belongs to `scenario`; the state of a running world
//! belongs to `world`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::api_flow::Background;
use super::faults::{FaultKind, FaultSpec};
use super::flows::TrafficSpec;
use super::ids::{KindId, NodeId};
use super::job_spec::{Image, JobSpec, RestartPolicy, Runs};
use super::params::{CiliumParams, IstioParams, KubernetesParams, NetworkParams};
pub use super::placement::Amount;
use super::placement::{Budget, NodePool, Placement};
pub use super::steps::{
    ChurnSpec, Daemons, Look, NodeAt, ProbeFrom, ProbeSpec, Rollout, Step, TrackSpec, Until, step_name, track_name,
    track_of,
};
use crate::kernel::{SimDuration, SimTime};
use crate::policy::labels::Labels;
use crate::policy::{LabelSelector, MeshPolicies, NetworkPolicies, Subject};

/// One design's world. What comes from the manifests is shared between designs and the points of their factors.
#[derive(Clone, Debug)]
pub struct WorldSpec {
    /// The end of every run.
    pub horizon: SimTime,
    /// Wall-clock time of the beginning of every run.
    pub begins: jiff::Timestamp,
    /// What ends a run before that, as failed.
    pub limits: RunLimits,
    /// How events of different sources at one instant are ordered.
    pub tie_order: TieRule,
    /// Number of nodes, control plane included.
    pub nodes: u32,
    /// How many of them are control-plane nodes, on which no workload is placed.
    pub control_plane_nodes: u32,
    /// Zones, over which the nodes of each role are spread in turn, unless their pool has one.
    pub zones: u32,
    /// Pools of workers, in their order; empty if all nodes are alike and never full.
    pub pools: Vec<NodePool>,
    /// API servers over one store; a client is connected to one of them.
    pub api_servers: u32,
    /// Replicas of CoreDNS; with 0 names resolve by themselves.
    pub coredns: u32,
    /// Requests to them of clients that are not modeled.
    pub load: Vec<Background>,
    /// Length of a node's pod address prefix, 24 for 254 usable addresses.
    pub node_prefix_length: u8,
    /// Parameters of Kubernetes.
    pub kubernetes: KubernetesParams,
    /// Parameters of Cilium.
    pub cilium: CiliumParams,
    /// How packets travel between nodes.
    pub datapath: Datapath,
    /// Parameters of the network.
    pub network: NetworkParams,
    /// Istio, if the design has it.
    pub istio: Option<IstioSpec>,
    /// Workloads, by namespace and name: how manifests are spread over files decides nothing.
    pub workloads: Arc<Vec<WorkloadSpec>>,
    /// Services, by namespace and name.
    pub services: Arc<Vec<ServiceSpec>>,
    /// PodDisruptionBudgets.
    pub budgets: Arc<Vec<Budget>>,
    /// Labels of the namespaces that the manifests declare.
    pub namespaces: Arc<BTreeMap<String, Labels>>,
    /// All network policies of the experiment: the network's intent.
    pub network_policies: Arc<NetworkPolicies>,
    /// All mesh policies of the experiment: the mesh's intent.
    pub mesh_policies: Arc<MeshPolicies>,
    /// Whether the design's network enforces its policies.
    pub network_enforced: bool,
    /// Whether the design's mesh enforces its policies; only with Istio.
    pub mesh_enforced: bool,
    /// Trust domain of the mesh, `cluster.local`.
    pub trust_domain: String,
    /// Faults that may happen.
    pub faults: Vec<FaultSpec>,
    /// What the script does, step after step.
    pub script: Vec<Step>,
    /// Background churn that starts by itself.
    pub churn: Vec<ChurnSpec>,
    /// Requests between workloads.
    pub traffic: TrafficSpec,
    /// By workload: the nodes of its first pods; the scheduler places the others. Empty if no workload has any.
    pub placement: Vec<Vec<NodeId>>,
    /// Workloads that run when a run begins, in their order. If there are any, Istiod and CoreDNS run then too.
    pub running: Vec<usize>,
    /// What is measured.
    pub measures: Measures,
}

impl WorldSpec {
    /// Whether the load of the API servers is modeled: without any load, and without a fault that makes some, it would change
    /// little, and cost time.
    #[must_use]
    pub fn models_load(&self) -> bool {
        let overloads = |fault: &FaultSpec| matches!(fault.kind, FaultKind::Overload(_));
        self.kubernetes.api_load_model || !self.load.is_empty() || self.faults.iter().any(overloads)
    }

    /// Most pairs of client and server that are watched for exposure at the same time, by the sizes that the script gives
    /// them and the surge of its rollouts; 0 if no pair is watched.
    #[must_use]
    pub fn exposure_pairs(&self) -> u32 {
        let pods = |sum: u32, workload: &usize| sum.saturating_add(self.most_pods(*workload));
        let servers = self.measures.exposure_servers.iter().map(|(workload, _)| workload);
        let (clients, servers) = (
            self.measures.exposure_clients.iter().fold(0, pods),
            servers.fold(0, pods),
        );
        clients.saturating_mul(servers)
    }

    /// Most pods of a workload at the same time.
    #[must_use]
    pub fn most_pods(&self, workload: usize) -> u32 {
        let spec = &self.workloads[workload];
        let scaled = self.script.iter().filter_map(|step| match step {
            Step::Scale { workload: of, replicas } if *of == workload => Some(*replicas),
            _ => None,
        });
        let written = match spec.controller {
            Controller::DaemonSet => self.nodes,
            _ => spec.replicas,
        };
        let most = scaled.fold(written, u32::max);
        let rolls = |step: &Step| match step {
            Step::RolloutRestart { of, .. } => *of == Rollout::Deployment(KindId(workload as u32)),
            Step::FindReuse { workload: of, .. } | Step::DeletePods { workload: of, .. } => *of == workload,
            // Pods that are evicted or deleted are replaced while they end.
            Step::Drain { .. } | Step::Taint { .. } | Step::Delete { .. } => true,
            _ => false,
        };
        // In a rollout old pods that are on their way out, and new ones beyond the desired number, may overlap.
        if self.script.iter().any(rolls) {
            most.saturating_mul(2)
        } else {
            most
        }
    }
}

/// What ends a run as failed; far above what any sound run needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Most events.
    pub events_max: u64,
    /// Most events at one instant.
    pub events_per_instant_max: u64,
    /// Most pending events.
    pub pending_max: u64,
    /// Most memory of a run by its own estimate \[MiB\].
    pub memory_max_mib: u64,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self {
            events_max: 2_000_000_000,
            events_per_instant_max: 1_000_000,
            pending_max: 100_000_000,
            memory_max_mib: 4096,
        }
    }
}

/// How events of different sources at the same instant and of the same class are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TieRule {
    /// By the rank of the source.
    #[default]
    Ranked,
    /// By a permutation of the sources, another one in each run, that a keyed hash chooses.
    Permuted,
}

impl TieRule {
    /// The word for it in experiment files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ranked => "ranked",
            Self::Permuted => "permuted",
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Ranked => Self::Permuted,
            Self::Permuted => Self::Ranked,
        }
    }
}

/// How packets travel between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datapath {
    /// Native routing or a tunnel.
    pub routing: Routing,
    /// Encryption between nodes.
    pub encryption: Encryption,
}

/// Routing mode of Cilium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// Pod packets are routed as they are.
    Native,
    /// Pod packets travel in VXLAN, which can carry the sender's identity.
    Vxlan,
}

/// Encryption mode of Cilium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// None.
    None,
    /// WireGuard between nodes.
    WireGuard,
}

/// Istio in a design.
#[derive(Clone, Debug)]
pub struct IstioSpec {
    /// Number of Istiod replicas.
    pub replicas: u32,
    /// Parameters of this release.
    pub params: IstioParams,
}

/// What controls the pods of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// A Deployment and its ReplicaSets.
    Deployment,
    /// A StatefulSet whose pods start one after another, each when the one before is ready.
    StatefulSet,
    /// A StatefulSet with `podManagementPolicy: Parallel`.
    ParallelStatefulSet,
    /// A DaemonSet: a pod on each node that may have one.
    DaemonSet,
    /// A Job.
    Job,
    /// A CronJob, which makes Jobs.
    CronJob,
}

impl Controller {
    /// Whether a pod that goes is replaced by one of the same name.
    #[must_use]
    pub const fn keeps_names(self) -> bool {
        matches!(self, Self::StatefulSet | Self::ParallelStatefulSet)
    }

    /// Whether its pods belong to Jobs.
    #[must_use]
    pub const fn makes_jobs(self) -> bool {
        matches!(self, Self::Job | Self::CronJob)
    }
}

/// A probe of a container that answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `initialDelaySeconds`.
    pub initial_delay: SimDuration,
    /// `periodSeconds`.
    pub period: SimDuration,
    /// `successThreshold`.
    pub successes: u32,
}

/// The probes of a container that decide when its pod is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbedContainer {
    /// `startupProbe`: until it succeeds, no other probe runs.
    pub startup: Option<Probe>,
    /// `readinessProbe`.
    pub readiness: Option<Probe>,
}

/// A workload of the manifests.
#[derive(Clone, Debug)]
pub struct WorkloadSpec {
    /// Its name, with its namespace where two have the same.
    pub name: String,
    /// The key of its random numbers below its namespace: its kind and its name.
    pub key: [String; 2],
    /// What controls its pods.
    pub controller: Controller,
    /// What its pods truly are: namespace, service account, labels.
    pub subject: Subject,
    /// Replicas when it is applied.
    pub replicas: u32,
    /// `terminationGracePeriodSeconds`.
    pub grace_period: SimDuration,
    /// Whether its processes ignore the request to stop, so that they run until they are killed.
    pub ignores_sigterm: bool,
    /// Required anti-affinity per hostname: no node with a pod that one of these selects.
    pub anti_affinity: Vec<LabelSelector>,
    /// On which nodes its pods may be.
    pub placement: Placement,
    /// Rolling update: pods beyond the desired number.
    pub max_surge: Amount,
    /// Rolling update: pods that may be missing.
    pub max_unavailable: Amount,
    /// `progressDeadlineSeconds`.
    pub progress_deadline: SimDuration,
    /// Number of containers of its own.
    pub containers: u32,
    /// Number of init containers that end before these start.
    pub init_containers: u32,
    /// The probes of its containers, of those that have any.
    pub probed: Vec<ProbedContainer>,
    /// From the start of its containers to the first probe that they answer.
    pub answers_after: SimDuration,
    /// Whether a sidecar is injected where the design has a mesh.
    pub injected: bool,
    /// How long its containers run, if they end by themselves.
    pub runs: Option<Runs>,
    /// `restartPolicy`.
    pub restart: RestartPolicy,
    /// What is asked of its Jobs.
    pub job: Option<JobSpec>,
    /// Images of its containers.
    pub images: Vec<Image>,
}

/// A Service.
#[derive(Clone, Debug)]
pub struct ServiceSpec {
    /// Name of the Service.
    pub name: String,
    /// Namespace of the Service.
    pub namespace: String,
    /// Labels of its pods.
    pub selector: LabelSelector,
    /// Port on the pods.
    pub target_port: u16,
}

/// What is measured.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Workloads whose pods make up the startup measures.
    pub startup_workloads: Vec<usize>,
    /// Only pods that become desired at or after the start of this step (index into `script`) are measured.
    pub startup_since_step: usize,
    /// Only pods before the first restart of their workload are measured.
    pub startup_first_batch: bool,
    /// Clients whose addresses are watched for exposure.
    pub exposure_clients: Vec<usize>,
    /// Servers at which exposure is judged, each with a port of its pods.
    pub exposure_servers: Vec<(usize, u16)>,
    /// A pod that lost at least this much to connections to the control plane, limits, refusals and nodes that started no pods counts as delayed.
    pub delayed_threshold: SimDuration,
}

impl Measures {
    /// How many edges are watched for exposure: from a workload to a port of another.
    #[must_use]
    pub fn exposure_edges(&self) -> u32 {
        (self.exposure_clients.len() * self.exposure_servers.len()) as u32
    }

    /// The ports of a workload's pods at which exposure is judged.
    #[must_use]
    pub fn exposure_ports(&self, workload: usize) -> Vec<u16> {
        let of = self.exposure_servers.iter().filter(|(server, _)| *server == workload);
        of.map(|(_, port)| *port).collect()
    }
}
