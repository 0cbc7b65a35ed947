//! Objects that carry pods, of every kind: what policies can see of their pods.
//!
//! Belongs here: the reading of one Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, ReplicationController, Job or
//! CronJob. Does not belong here: which objects speak of the same pods (`endpoints`) and what the simulator needs beyond
//! (`workload`).

use std::net::IpAddr;

use serde::Deserialize;

use super::capture;
use super::injection::INJECT;
use super::object::{SpannedMap, labels};
use super::types::Workload;
use crate::policy::labels::Labels;
use crate::policy::{Capture, NamedPorts, Protocol};
use crate::scenario::error::{InputError, Place};
use crate::scenario::yaml::{Document, Spanned};

/// Kinds of objects that carry pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names are those of Kubernetes")]
pub enum PodsKind {
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    ReplicationController,
    CronJob,
    Job,
    Pod,
}

impl PodsKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::CronJob,
        Self::Job,
        Self::Pod,
    ];

    /// The name in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::CronJob => "CronJob",
            Self::Job => "Job",
            Self::Pod => "Pod",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMetadata {
    name: Option<Spanned<String>>,
    generate_name: Option<Spanned<String>>,
    namespace: Option<Spanned<String>>,
    uid: Option<String>,
    labels: Option<SpannedMap>,
    annotations: Option<SpannedMap>,
    owner_references: Option<Vec<RawOwner>>,
}

#[derive(Deserialize)]
struct RawOwner {
    kind: String,
    name: String,
    controller: Option<bool>,
}

#[derive(Deserialize)]
struct RawPod {
    metadata: RawMetadata,
    spec: Option<RawPodSpec>,
    status: Option<RawStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawStatus {
    phase: Option<String>,
    #[serde(rename = "hostIP")]
    host_ip: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<Spanned<String>>,
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<RawIp>>,
}

#[derive(Deserialize)]
struct RawIp {
    ip: Option<Spanned<String>>,
}

#[derive(Deserialize)]
struct RawController {
    metadata: RawMetadata,
    spec: Option<RawControllerSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawControllerSpec {
    replicas: Option<u32>,
    ordinals: Option<RawOrdinals>,
    template: Option<RawTemplate>,
    job_template: Option<RawJobTemplate>,
}

#[derive(Deserialize)]
struct RawOrdinals {
    start: Option<u32>,
}

#[derive(Deserialize)]
struct RawJobTemplate {
    spec: Option<RawJobSpec>,
}

#[derive(Deserialize)]
struct RawJobSpec {
    template: Option<RawTemplate>,
}

#[derive(Deserialize)]
struct RawTemplate {
    metadata: Option<RawMetadata>,
    spec: Option<RawPodSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPodSpec {
    service_account_name: Option<String>,
    /// The older name of the same field.
    service_account: Option<String>,
    host_network: Option<bool>,
    node_name: Option<String>,
    containers: Option<Vec<RawContainer>>,
    init_containers: Option<Vec<RawContainer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContainer {
    name: Option<String>,
    restart_policy: Option<String>,
    ports: Option<Vec<RawPort>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPort {
    name: Option<String>,
    container_port: Spanned<u16>,
    protocol: Option<Spanned<String>>,
}

/// The controller that an object belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    pub kind: String,
    pub name: String,
}

/// One object that carries pods, before the others are known.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub kind: PodsKind,
    pub name: String,
    pub namespace: String,
    pub place: Place,
    pub owner: Option<Owner>,
    pub service_account: String,
    pub labels: Labels,
    /// Annotation for the injection.
    pub inject: Option<String>,
    pub host_network: bool,
    pub named_ports: NamedPorts,
    pub container_ports: Vec<(u16, Protocol)>,
    pub addresses: Vec<IpAddr>,
    /// Name of the node, if the pod runs.
    pub node: Option<String>,
    /// Address of the node, if the pod runs.
    pub host_addresses: Vec<IpAddr>,
    /// Which traffic meets the sidecar.
    pub capture: Capture,
    pub replicas: Option<u32>,
    /// Number of the first pod of a StatefulSet.
    pub first_ordinal: u32,
    /// Whether a container is Istio's proxy.
    pub has_proxy: bool,
    /// Whether the object is a Pod as a cluster runs it, so that its containers are all there are.
    pub is_live: bool,
    /// Whether Istio has marked the running pod as redirected to its node's proxy.
    pub is_redirected: bool,
    /// Whether all its containers have ended for good.
    pub has_ended: bool,
    /// What is not evaluated and may change verdicts.
    pub doubts: Vec<String>,
    /// What a run has of it, unless another object of the folder carries the same pods.
    pub run: Option<Box<Workload>>,
}

impl Draft {
    /// As [`Endpoint::is_api_server`](crate::policy::Endpoint::is_api_server).
    pub(super) fn is_api_server(&self) -> bool {
        self.host_network && self.namespace == "kube-system" && self.labels.get("component") == Some("kube-apiserver")
    }
}

pub(super) fn read(document: &Document<'_>, kind: PodsKind) -> Result<Draft, InputError> {
    let mut first_ordinal = 0;
    let (metadata, template, spec, status, replicas) = match kind {
        PodsKind::Pod => {
            let pod: RawPod = document.parse()?;
            (pod.metadata, None, pod.spec, pod.status, None)
        }
        _ => {
            let controller: RawController = document.parse()?;
            let (mut template, mut replicas) = (None, None);
            if let Some(spec) = controller.spec {
                replicas = spec.replicas;
                first_ordinal = spec.ordinals.and_then(|o| o.start).unwrap_or(0);
                let of_job = spec.job_template.and_then(|t| t.spec).and_then(|s| s.template);
                template = if kind == PodsKind::CronJob {
                    of_job
                } else {
                    spec.template
                };
            }
            let Some(template) = template else {
                let place = metadata_place(document, &controller.metadata);
                return Err(place.error(format!("{} without a pod template", kind.name())));
            };
            (
                controller.metadata,
                Some(template.metadata),
                template.spec,
                None,
                replicas,
            )
        }
    };
    let place = metadata_place(document, &metadata);
    let Some(name) = metadata.name.as_ref().or(metadata.generate_name.as_ref()) else {
        return Err(place.error("key `name` is missing"));
    };
    let Some(spec) = spec else {
        return Err(place.error("key `spec` is missing"));
    };
    let own = template.as_ref().map_or(Some(&metadata), Option::as_ref);
    let empty = SpannedMap::new();
    let pod_labels = own.and_then(|m| m.labels.as_ref()).unwrap_or(&empty);
    let annotations = own.and_then(|m| m.annotations.as_ref()).unwrap_or(&empty);
    let (named_ports, container_ports) = ports(document, &spec)?;
    let is_live = kind == PodsKind::Pod && metadata.uid.is_some();
    let marked = annotations.get("ambient.istio.io/redirection");
    let owners = metadata.owner_references.iter().flatten();
    let controller = owners.into_iter().find(|o| o.controller == Some(true));
    let account = spec.service_account_name.as_deref().filter(|a| !a.is_empty());
    let account = account.or(spec.service_account.as_deref()).filter(|a| !a.is_empty());
    let mut pod_labels = labels(pod_labels);
    if kind == PodsKind::Job {
        // The job controller's own labels (Kubernetes `pkg/registry/batch/job/strategy.go`, `generateSelector`).
        for key in ["job-name", "batch.kubernetes.io/job-name"] {
            pod_labels.0.entry(key.to_owned()).or_insert_with(|| name.value.clone());
        }
    }
    Ok(Draft {
        kind,
        namespace: metadata.namespace.as_ref().map_or("default", |n| &n.value).to_owned(),
        owner: controller.map(|o| Owner {
            kind: o.kind.clone(),
            name: o.name.clone(),
        }),
        service_account: account.unwrap_or("default").to_owned(),
        inject: annotations.get(INJECT).map(|a| a.value.clone()),
        host_network: spec.host_network.unwrap_or(false),
        named_ports,
        container_ports,
        addresses: addresses(document, status.as_ref())?,
        node: spec
            .node_name
            .clone()
            .filter(|name| kind == PodsKind::Pod && !name.is_empty()),
        host_addresses: status
            .as_ref()
            .and_then(|status| status.host_ip.as_deref()?.parse().ok())
            .into_iter()
            .collect(),
        capture: capture::read(document, annotations)?,
        replicas,
        first_ordinal,
        has_proxy: all_containers(&spec).any(|c| c.name.as_deref() == Some("istio-proxy")),
        is_live,
        is_redirected: marked.is_some_and(|m| m.value == "enabled"),
        has_ended: status
            .and_then(|s| s.phase)
            .is_some_and(|p| p == "Succeeded" || p == "Failed"),
        doubts: Vec::new(),
        run: None,
        labels: pod_labels,
        name: name.value.clone(),
        place,
    })
}

fn metadata_place(document: &Document<'_>, metadata: &RawMetadata) -> Place {
    let name = metadata.name.as_ref().or(metadata.generate_name.as_ref());
    name.map_or_else(|| document.start(), |name| document.place(name))
}

fn all_containers(spec: &RawPodSpec) -> impl Iterator<Item = &RawContainer> {
    spec.containers.iter().chain(&spec.init_containers).flatten()
}

/// Ports of the containers that run beside each other: the containers, then the init containers that keep running
/// (Kubernetes `pkg/api/v1/pod/util.go`, `FindPort`). The first of a name and protocol counts.
fn ports(document: &Document<'_>, spec: &RawPodSpec) -> Result<(NamedPorts, Vec<(u16, Protocol)>), InputError> {
    let (mut named, mut all) = (NamedPorts::new(), Vec::new());
    let stays = |c: &&RawContainer| c.restart_policy.as_deref() == Some("Always");
    let containers = spec.containers.iter().flatten();
    let beside = spec.init_containers.iter().flatten().filter(stays);
    for port in containers.chain(beside).flat_map(|c| c.ports.iter().flatten()) {
        let number = port.container_port.value;
        if number == 0 {
            return Err(document.error(&port.container_port, "`containerPort: 0` is not a valid port"));
        }
        let protocol = match port.protocol.as_ref().map(|p| (p, p.value.as_str())) {
            None | Some((_, "TCP" | "")) => Protocol::Tcp,
            Some((_, "UDP")) => Protocol::Udp,
            Some((_, "SCTP")) => Protocol::Sctp,
            Some((place, other)) => {
                let error = document.error(place, format!("unknown protocol `{other}`"));
                return Err(error.with_candidates(other, ["TCP", "UDP", "SCTP"]));
            }
        };
        if !all.contains(&(number, protocol)) {
            all.push((number, protocol));
        }
        if let Some(name) = &port.name {
            named.entry((name.clone(), protocol)).or_insert(number);
        }
    }
    Ok((named, all))
}

fn addresses(document: &Document<'_>, status: Option<&RawStatus>) -> Result<Vec<IpAddr>, InputError> {
    let Some(status) = status else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let all = status.pod_ips.iter().flatten().filter_map(|ip| ip.ip.as_ref());
    for text in status.pod_ip.iter().chain(all).filter(|text| !text.value.is_empty()) {
        match text.value.parse() {
            Ok(address) if found.contains(&address) => {}
            Ok(address) => found.push(address),
            Err(_) => return Err(document.error(text, format!("`{}` is not an IP address", text.value))),
        }
    }
    Ok(found)
}
