//! What is read from workloads and Services.
//!
//! Belongs here: plain data and what follows from one object alone. Does not belong here: how it is read (`workload`,
//! `service`).

use std::net::IpAddr;

use super::pods::PodsKind;
use super::scheduling::RawPriority;
use crate::cluster::job_spec::{Image, JobSpec, RestartPolicy, Runs};
use crate::cluster::placement::{NodePool, Placement};
use crate::cluster::spec::{Controller, ProbedContainer};
use crate::kernel::SimDuration;
use crate::policy::istio::PortProtocol;
use crate::policy::labels::{LabelSelector, Labels};
use crate::policy::{Endpoint, Protocol, Subject};
use crate::scenario::error::{InputError, Place};

/// Something read and where it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// What was read.
    pub item: T,
    /// Where its name is written.
    pub place: Place,
}

/// A count or a share of the replicas (Kubernetes `intstr.IntOrString` of a rollout).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountOrPercent {
    /// That many pods.
    Count(u32),
    /// That share of the replicas [%].
    Percent(u32),
}

impl CountOrPercent {
    /// Whether this is 0 or 0%.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Count(0) | Self::Percent(0))
    }
}

/// What of an object is not simulated as it is written. It matters where a run uses the object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What changes an answer: an error, or in lenient reading a further approximation.
    pub refused: Vec<InputError>,
    /// What is simulated otherwise: where, and what the run has instead.
    pub approximated: Vec<(Place, String)>,
    /// The same in clusters where this is so.
    pub conditional: Vec<(Place, Where, String)>,
}

/// In which clusters something is simulated otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Where {
    /// No pool of nodes has a label of this key.
    NoLabel(String),
    /// Nodes can be full.
    CanBeFull,
}

impl Where {
    /// Whether it is so with these pools.
    pub fn holds(&self, pools: &[NodePool]) -> bool {
        match self {
            Self::NoLabel(key) => pools.iter().all(|pool| pool.labels.get(key).is_none()),
            Self::CanBeFull => pools
                .iter()
                .any(|pool| pool.cpu_milli.is_some() || pool.memory.is_some()),
        }
    }
}

impl Remarks {
    /// Adds something that is refused; the text is what lenient reading puts in its place.
    pub(super) fn refuse(&mut self, place: Place, shown: &str, text: &str) {
        let error = place.error(format!("{shown} is not modeled"));
        self.refused.push(error.with_hint(format!("with `--lenient`: {text}")));
    }

    /// Adds something that is simulated otherwise.
    pub(super) fn approximate(&mut self, place: Place, shown: &str, text: &str) {
        self.approximated
            .push((place, format!("{shown} is approximated: {text}")));
    }

    /// The same in clusters where this is so.
    pub(super) fn approximate_where(&mut self, so: Where, place: Place, shown: &str, text: &str) {
        self.conditional
            .push((place, so, format!("{shown} is approximated: {text}")));
    }
}

/// An object that carries pods, as a run has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its kind.
    pub kind: PodsKind,
    /// What controls its pods in a run.
    pub controller: Controller,
    /// What its pods truly are.
    pub subject: Subject,
    /// Desired number of pods; 1 where none is written. A DaemonSet has a pod on each node instead.
    pub replicas: u32,
    /// `terminationGracePeriodSeconds` \[s\]; 30 where none is written.
    pub grace_period_s: u64,
    /// Required anti-affinity per hostname, against pods of the own namespace.
    pub anti_affinity: Vec<LabelSelector>,
    /// On which nodes its pods may be.
    pub placement: Placement,
    /// What it says of its priority, until all classes are read.
    pub(super) priority: RawPriority,
    /// `maxSurge` of a rolling update, with the default of the kind.
    pub max_surge: CountOrPercent,
    /// `maxUnavailable` of a rolling update, with the default of the kind.
    pub max_unavailable: CountOrPercent,
    /// `progressDeadlineSeconds` \[s\]; 600 where none is written.
    pub progress_deadline_s: u64,
    /// Number of containers that run beside each other, without an injected sidecar.
    pub containers: u32,
    /// Number of containers that run before them, one after another.
    pub init_containers: u32,
    /// Probes of its containers, of those that have any.
    pub probed: Vec<ProbedContainer>,
    /// Annotation [`ANSWERS_AFTER`](super::ANSWERS_AFTER) of the pod template.
    pub answers_after: SimDuration,
    /// Annotation [`IGNORES_SIGTERM`](super::IGNORES_SIGTERM) of the pod template.
    pub ignores_sigterm: bool,
    /// Whether a sidecar is injected.
    pub injected: bool,
    /// How long its containers run, if they end by themselves.
    pub runs: Option<Runs>,
    /// `restartPolicy`.
    pub restart: RestartPolicy,
    /// What is asked of its Jobs.
    pub job: Option<JobSpec>,
    /// Images of its containers.
    pub images: Vec<Image>,
    /// What of it is not simulated as it is written.
    pub remarks: Remarks,
    /// Where its name is written.
    pub place: Place,
}

/// `targetPort` of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPort {
    /// That port of every pod.
    Number(u16),
    /// The container port of that name, which each pod may have elsewhere.
    Name(String),
}

impl TargetPort {
    /// The number, if it is one for every pod.
    pub fn number(&self) -> Option<u16> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Name(_) => None,
        }
    }
}

impl ServicePort {
    /// The port of these pods that the Service forwards to: a name is looked up among their container ports of the
    /// same protocol (Kubernetes `pkg/api/v1/pod/util.go`, `FindPort`).
    pub fn of(&self, endpoint: &Endpoint) -> Option<u16> {
        match &self.target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(name) => endpoint.named_ports.get(&(name.clone(), self.protocol)).copied(),
        }
    }
}

/// One port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Name, if it has one.
    pub name: Option<String>,
    /// Port that clients call.
    pub port: u16,
    /// Port of the pod.
    pub target: TargetPort,
    /// Protocol.
    pub protocol: Protocol,
    /// What Istio takes it for, if its protocol is TCP.
    pub speaks: PortProtocol,
}

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceManifest {
    /// Name of the Service.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Labels of the pods behind it; without any there are none.
    pub selector: Labels,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Whether its name leads to the pods' own addresses (`clusterIP: None`).
    pub headless: bool,
    /// Its own address, if it is written.
    pub cluster_ip: Option<IpAddr>,
    /// `metadata.creationTimestamp` as the API server writes it.
    pub created: Option<String>,
    /// Namespaces that see it in the mesh (annotation `networking.istio.io/exportTo`); none means all.
    pub export_to: Vec<String>,
    /// The name outside the cluster that it stands for (`type: ExternalName`).
    pub external_name: Option<String>,
    /// Its own labels.
    pub labels: Labels,
    /// What of it is not simulated as it is written.
    pub remarks: Remarks,
    /// Where its name is written.
    pub place: Place,
}

impl ServiceManifest {
    /// Whether pods of this kind are behind this Service.
    pub fn selects(&self, subject: &Subject) -> bool {
        let mut wanted = self.selector.0.iter();
        !self.selector.0.is_empty()
            && self.namespace == subject.namespace
            && wanted.all(|(k, v)| subject.labels.get(k) == Some(v))
    }
}
