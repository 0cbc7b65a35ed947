//! What is read from workloads and Services.
//!
//! Belongs here: plain data and what follows from one object alone. Does not belong here: how it is read (`workload`,
//! `service`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::policy::istio::PortProtocol;
use crate::policy::labels::{LabelSelector, Labels};
use crate::policy::{Endpoint, Protocol, Subject};
use crate::scenario::error::Place;

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

/// A Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Name of the Deployment.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What its pods truly are.
    pub subject: Subject,
    /// Desired number of pods; 1 where none is written.
    pub replicas: u32,
    /// `terminationGracePeriodSeconds` \[s\]; 30 where none is written.
    pub grace_period_s: u64,
    /// Required anti-affinity per hostname, against pods of the own namespace.
    pub anti_affinity: Vec<LabelSelector>,
    /// `maxSurge` of a rolling update; 25% where none is written.
    pub max_surge: CountOrPercent,
    /// `maxUnavailable` of a rolling update; 25% where none is written.
    pub max_unavailable: CountOrPercent,
    /// `progressDeadlineSeconds` \[s\]; 600 where none is written.
    pub progress_deadline_s: u64,
    /// Declared container ports, each once, in the order written.
    pub container_ports: Vec<u16>,
    /// Names of container ports.
    pub port_names: BTreeMap<String, u16>,
    /// Number of containers, without an injected sidecar.
    pub containers: u32,
    /// Annotation [`IGNORES_SIGTERM`](super::IGNORES_SIGTERM) of the pod template.
    pub ignores_sigterm: bool,
    /// Whether a sidecar is injected.
    pub injected: bool,
    /// The lowest port to which a Service forwards HTTP.
    pub http_port: Option<u16>,
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
    /// Whether requests on it are taken to be HTTP: where that is detected, the servers that are modeled speak it.
    pub fn is_http(&self) -> bool {
        self.protocol == Protocol::Tcp && self.speaks.reads_requests()
    }

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
