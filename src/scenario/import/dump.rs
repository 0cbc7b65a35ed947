//! What a dump says, kind by kind, in as few bytes as possible: a cluster has hundreds of thousands of objects.
//!
//! Belongs here: the fields that are read of each kind, and the list of kinds that are passed over. Does not belong here: how objects
//! are found in a text (`stream`), and what follows from them (`workloads`, `sizes`, `policies`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::FxHashSet;
use serde_json::Value;

use super::stream::Found;
use super::template::{Controller, Pod, PodSpec};
use crate::scenario::error::{InputError, Place};

pub(super) type Text = BTreeMap<String, String>;

/// A kind, a namespace and a name.
pub(super) type Key = (String, String, String);

#[derive(Debug, Default)]
pub(super) struct Dump {
    pub nodes: Vec<Node>,
    pub pods: Vec<Pod>,
    pub controllers: BTreeMap<Key, Controller>,
    pub services: Vec<Service>,
    pub policies: Vec<Policy>,
    /// Namespaces with their labels.
    pub namespaces: BTreeMap<String, Text>,
    /// ConfigMap `cilium-config`.
    pub cilium_config: Option<Text>,
    /// Mesh configuration of Istio, as written.
    pub mesh_config: Option<String>,
    /// Variables of Istiod that are parameters.
    pub istiod_variables: Text,
    /// Autoscalers, PodDisruptionBudgets and PriorityClasses.
    pub companions: Vec<Policy>,
    /// Priorities of pods by the names of their classes.
    pub priorities: BTreeMap<String, i64>,
    /// Labels of each CiliumIdentity.
    pub identities: Vec<Text>,
    /// Identities of the CiliumEndpoints, and how many endpoints there are.
    pub endpoints: (BTreeSet<u64>, usize),
    /// Specs of pods, each once.
    pub specs: FxHashSet<Arc<PodSpec>>,
    /// Lengths of the address prefixes that Cilium gave to nodes.
    pub cilium_prefixes: Vec<u8>,
    /// Addresses of the API servers, by the EndpointSlices of the Service `kubernetes`.
    pub api_endpoints: BTreeSet<String>,
    /// Objects that were read, and those that were passed over, by kind.
    pub read: BTreeMap<String, usize>,
    pub skipped: BTreeMap<String, usize>,
    pub secrets: usize,
    pub duplicates: usize,
    /// The latest time in the dump \[s\]; the ages of pods are up to then.
    pub latest_s: Option<i64>,
    seen: BTreeSet<Key>,
}

#[derive(Debug, Default)]
pub(super) struct Node {
    pub name: String,
    pub zone: Option<String>,
    pub control_plane: bool,
    /// Whether it has the taint of control-plane nodes.
    pub reserved: bool,
    pub kubelet: Option<String>,
    pub prefix: Option<u8>,
    pub pods_max: Option<u32>,
    pub labels: Text,
    /// Taints that the cluster does not set by itself: `KEY=VALUE:EFFECT`.
    pub taints: Vec<[String; 3]>,
    /// Processors and memory for pods, as written.
    pub allocatable: [String; 2],
}

#[derive(Debug)]
pub(super) struct Service {
    pub name: String,
    pub namespace: String,
    pub selector: Text,
    pub spec: Value,
}

#[derive(Clone, Debug)]
pub(super) struct Policy {
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub object: Value,
}

const POLICIES: [&str; 6] = [
    "NetworkPolicy",
    "CiliumNetworkPolicy",
    "CiliumClusterwideNetworkPolicy",
    "AuthorizationPolicy",
    "PeerAuthentication",
    "RequestAuthentication",
];
/// Kinds about workloads, beside them.
const COMPANIONS: [&str; 3] = ["HorizontalPodAutoscaler", "PodDisruptionBudget", "PriorityClass"];
const CONTROLLERS: [&str; 7] = [
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
];

impl Dump {
    /// Takes an object.
    ///
    /// # Errors
    /// If it is no object of Kubernetes.
    pub fn take(&mut self, found: Found) -> Result<(), InputError> {
        let Found { object, place } = found;
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let Some(kind) = text("/kind").filter(|_| text("/apiVersion").is_some()) else {
            return Err(no_object(&object, &place));
        };
        if kind == "Secret" {
            self.secrets += 1;
            return Ok(());
        }
        let Some(name) = text("/metadata/name") else {
            let message = format!("an object of kind {kind} has no `metadata.name`");
            return Err(place
                .error(message)
                .with_hint("a dump has objects of a cluster, which all have names"));
        };
        let namespace = text("/metadata/namespace").unwrap_or_default();
        let key = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        if !self.seen.insert(key.clone()) {
            self.duplicates += 1;
            return Ok(());
        }
        let created_s = text("/metadata/creationTimestamp").and_then(seconds);
        self.latest_s = self.latest_s.max(created_s);
        let kind = kind.to_owned();
        match self.object(&kind, key, object) {
            true => *self.read.entry(kind).or_default() += 1,
            false => *self.skipped.entry(kind).or_default() += 1,
        }
        Ok(())
    }

    /// Whether the object is of a kind that is read.
    fn object(&mut self, kind: &str, key: Key, object: Value) -> bool {
        let (_, namespace, name) = key.clone();
        let group = object["apiVersion"].as_str().unwrap_or_default();
        let group = group.split_once('/').map_or("", |(group, _)| group).to_owned();
        match (group.as_str(), kind) {
            ("", "Node") => self.node(name, &object),
            ("", "Pod") => self.pod(name, namespace, &object),
            ("apps" | "batch" | "", of) if CONTROLLERS.contains(&of) => {
                let controller = self.controller(kind, &object);
                self.controllers.insert(key, controller);
            }
            ("", "Service") => self.services.push(Service {
                name,
                namespace,
                selector: texts(&object["spec"]["selector"]),
                spec: object["spec"].clone(),
            }),
            ("", "Namespace") => {
                self.namespaces.insert(name, texts(&object["metadata"]["labels"]));
            }
            ("", "ServiceAccount") => {}
            ("", "ConfigMap") => match name.as_str() {
                "cilium-config" if object["data"].is_object() => self.cilium_config = Some(texts(&object["data"])),
                "istio" => self.mesh_config = object["data"]["mesh"].as_str().map(str::to_owned),
                _ => return false,
            },
            ("discovery.k8s.io", "EndpointSlice") => {
                let service = object["metadata"]["labels"]["kubernetes.io/service-name"].as_str();
                if (namespace.as_str(), service.unwrap_or(&name)) == ("default", "kubernetes") {
                    let endpoints = object["endpoints"].as_array().into_iter().flatten();
                    let addresses = endpoints.flat_map(|of| of["addresses"].as_array().into_iter().flatten());
                    self.api_endpoints
                        .extend(addresses.filter_map(Value::as_str).map(str::to_owned));
                }
            }
            ("cilium.io", "CiliumNode") => {
                let blocks = object["spec"]["ipam"]["podCIDRs"].as_array().into_iter().flatten();
                self.cilium_prefixes
                    .extend(blocks.filter_map(Value::as_str).filter_map(prefix));
            }
            ("cilium.io", "CiliumIdentity") => self.identities.push(texts(&object["security-labels"])),
            ("cilium.io", "CiliumEndpoint") => {
                self.endpoints.0.extend(object["status"]["identity"]["id"].as_u64());
                self.endpoints.1 += 1;
            }
            ("autoscaling" | "policy" | "scheduling.k8s.io", of) if COMPANIONS.contains(&of) => {
                self.companions.push(Policy {
                    kind: kind.to_owned(),
                    name,
                    namespace,
                    object,
                });
            }
            ("networking.k8s.io" | "cilium.io" | "security.istio.io", of) if POLICIES.contains(&of) => {
                self.policies.push(Policy {
                    kind: kind.to_owned(),
                    name,
                    namespace,
                    object,
                });
            }
            _ => return false,
        }
        true
    }

    fn node(&mut self, name: String, object: &Value) {
        let labels = texts(&object["metadata"]["labels"]);
        let beats = object["status"]["conditions"].as_array().into_iter().flatten();
        let beats = beats.filter_map(|of| of["lastHeartbeatTime"].as_str().and_then(seconds));
        self.latest_s = self.latest_s.max(beats.max());
        let is_role = |role: &str| labels.contains_key(&format!("node-role.kubernetes.io/{role}"));
        let zone = ["topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"];
        let (mut reserved, mut taints) = (false, Vec::new());
        for taint in object["spec"]["taints"].as_array().into_iter().flatten() {
            let word = |key: &str| taint[key].as_str().unwrap_or_default().to_owned();
            let key = word("key");
            match key.strip_prefix("node-role.kubernetes.io/") {
                Some("control-plane" | "master") => reserved = true,
                _ if key.starts_with("node.kubernetes.io/") || key.starts_with("node.cilium.io/") => {}
                _ => taints.push([key, word("value"), word("effect")]),
            }
        }
        let of = |resource: &str| text(&object["status"]["allocatable"][resource]).unwrap_or_default();
        let pods_max = ["allocatable", "capacity"]
            .iter()
            .find_map(|of| match &object["status"][of]["pods"] {
                Value::String(text) => text.parse().ok(),
                number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            });
        self.nodes.push(Node {
            name,
            zone: zone.iter().find_map(|key| labels.get(*key)).cloned(),
            control_plane: is_role("control-plane") || is_role("master"),
            kubelet: object["status"]["nodeInfo"]["kubeletVersion"]
                .as_str()
                .map(str::to_owned),
            prefix: object["spec"]["podCIDR"].as_str().and_then(prefix),
            pods_max,
            reserved,
            taints,
            allocatable: [of("cpu"), of("memory")],
            labels,
        });
    }
}

fn no_object(object: &Value, place: &Place) -> InputError {
    let message = match object {
        Value::Object(_) => "an object without `apiVersion` and `kind`",
        _ => "no object of Kubernetes",
    };
    place
        .error(message)
        .with_hint("a dump is what `kubectl get nodes,pods,services -A -o yaml` prints")
}

pub(super) fn seconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Length of the prefix of an IPv4 block.
fn prefix(block: &str) -> Option<u8> {
    let (address, length) = block.split_once('/')?;
    let length: u8 = length.parse().ok()?;
    address.contains('.').then_some(length)
}

/// A map of texts.
pub(super) fn texts(map: &Value) -> Text {
    let pairs = map.as_object().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
        .collect()
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        _ => None,
    }
}
