//! What a dump says, kind by kind, in as few bytes as possible: a cluster has hundreds of thousands of objects.
//!
//! Belongs here: the fields that are read of each kind, and the list of kinds that are passed over. Does not belong here: how objects
//! are found in a text (`stream`), and what follows from them (`workloads`, `sizes`, `policies`).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::stream::Found;
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

#[derive(Debug)]
pub(super) struct Node {
    pub name: String,
    pub zone: Option<String>,
    pub control_plane: bool,
    pub kubelet: Option<String>,
    pub prefix: Option<u8>,
    pub pods_max: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// Pending, unknown, or on its way out.
    Other,
    /// Succeeded or failed: it has no address any more.
    Ended,
}

#[derive(Debug)]
pub(super) struct Pod {
    pub name: String,
    pub namespace: String,
    pub owner: Option<(String, String)>,
    pub node: Option<String>,
    pub phase: Phase,
    pub created_s: Option<i64>,
    pub template: Template,
    pub sidecar: bool,
    pub addressed: bool,
}

/// What is read of a pod, or of the template of pods.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    pub labels: Text,
    pub account: String,
    pub host_network: bool,
    pub containers: u32,
    /// Readiness and startup probes of each container, without what they ask.
    pub probes: Vec<serde_json::Map<String, Value>>,
    /// Ports that containers declare: number, name, protocol.
    pub ports: Vec<(u16, String)>,
    /// Images of Cilium, Istio, CoreDNS and the API server.
    pub images: Vec<String>,
    pub grace_s: Option<u64>,
    /// Annotation or label that switches the injection.
    pub inject: Option<bool>,
    pub anti_affinity: Vec<Value>,
}

/// What creates pods.
#[derive(Debug)]
pub(super) struct Controller {
    pub owner: Option<(String, String)>,
    pub replicas: Option<u32>,
    pub selector: Text,
    pub template: Template,
    pub strategy: Value,
    pub deadline_s: Option<u64>,
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
const CONTROLLERS: [&str; 7] = [
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
];
/// Parts of the names of images that reveal versions.
const IMAGES: [&str; 6] = ["cilium", "pilot", "proxyv2", "istio", "coredns", "kube-apiserver"];

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
        match self.object(&kind, key, created_s, object) {
            true => *self.read.entry(kind).or_default() += 1,
            false => *self.skipped.entry(kind).or_default() += 1,
        }
        Ok(())
    }

    /// Whether the object is of a kind that is read.
    fn object(&mut self, kind: &str, key: Key, created_s: Option<i64>, object: Value) -> bool {
        let (_, namespace, name) = key.clone();
        let group = object["apiVersion"].as_str().unwrap_or_default();
        let group = group.split_once('/').map_or("", |(group, _)| group).to_owned();
        match (group.as_str(), kind) {
            ("", "Node") => self.node(name, &object),
            ("", "Pod") => self.pods.push(pod(name, namespace, created_s, &object)),
            ("apps" | "batch" | "", of) if CONTROLLERS.contains(&of) => {
                self.controllers.insert(key, controller(kind, &object));
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
                "cilium-config" => self.cilium_config = Some(texts(&object["data"])),
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
            ("cilium.io", "CiliumIdentity" | "CiliumEndpoint") => {}
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

fn seconds(text: &str) -> Option<i64> {
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

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(on) => Some(on.to_string()),
        _ => None,
    }
}

/// The controller that owns an object.
fn owner(object: &Value) -> Option<(String, String)> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|of| of["controller"] == true).or(owners.first())?;
    Some((owner["kind"].as_str()?.to_owned(), owner["name"].as_str()?.to_owned()))
}

fn pod(name: String, namespace: String, created_s: Option<i64>, object: &Value) -> Pod {
    let status = &object["status"];
    let containers = |key: &str| object["spec"][key].as_array().into_iter().flatten();
    let mut all = containers("containers").chain(containers("initContainers"));
    Pod {
        name,
        namespace,
        owner: owner(object),
        node: object["spec"]["nodeName"].as_str().map(str::to_owned),
        phase: match status["phase"].as_str() {
            Some("Succeeded" | "Failed") => Phase::Ended,
            Some("Running") if object["metadata"]["deletionTimestamp"].is_null() => Phase::Running,
            _ => Phase::Other,
        },
        created_s,
        template: template(&object["metadata"], &object["spec"]),
        sidecar: all.any(|of| of["name"] == "istio-proxy"),
        addressed: status["podIP"].is_string(),
    }
}

fn template(meta: &Value, spec: &Value) -> Template {
    let labels = texts(&meta["labels"]);
    let own = || {
        let containers = spec["containers"].as_array().into_iter().flatten();
        containers.filter(|of| of["name"] != "istio-proxy")
    };
    let ports = own().flat_map(|of| of["ports"].as_array().into_iter().flatten());
    let mut found: Vec<(u16, String)> = Vec::new();
    for port in ports {
        let number = port["containerPort"]
            .as_u64()
            .and_then(|number| u16::try_from(number).ok());
        let Some(number) = number.filter(|number| *number > 0) else {
            continue;
        };
        let port = (number, port["name"].as_str().unwrap_or_default().to_owned());
        if !found.contains(&port) {
            found.push(port);
        }
    }
    let containers = ["containers", "initContainers"].into_iter();
    let images = containers.flat_map(|key| spec[key].as_array().into_iter().flatten());
    let images = images.filter_map(|of| of["image"].as_str());
    let interesting = |image: &&str| IMAGES.iter().any(|part| image.contains(part));
    let inject = "sidecar.istio.io/inject";
    let inject = labels
        .get(inject)
        .cloned()
        .or_else(|| text(&meta["annotations"][inject]));
    let terms = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = spec["affinity"]["podAntiAffinity"][terms].as_array();
    Template {
        account: spec["serviceAccountName"].as_str().unwrap_or("default").to_owned(),
        host_network: spec["hostNetwork"] == true,
        containers: u32::try_from(own().count()).unwrap_or(u32::MAX).max(1),
        probes: own().map(probes).collect(),
        ports: found,
        images: images.filter(interesting).map(str::to_owned).collect(),
        grace_s: spec["terminationGracePeriodSeconds"].as_u64(),
        inject: inject.and_then(|text| text.parse().ok()),
        anti_affinity: terms.cloned().unwrap_or_default(),
        labels,
    }
}

/// The times and counts of a container's probes; what they ask stays in the dump.
fn probes(container: &Value) -> serde_json::Map<String, Value> {
    const KEPT: [&str; 4] = [
        "initialDelaySeconds",
        "periodSeconds",
        "failureThreshold",
        "successThreshold",
    ];
    let probe = |key: &&str| {
        let written = container[*key].as_object()?;
        let kept = KEPT
            .iter()
            .filter_map(|kept| Some(((*kept).to_owned(), written.get(*kept)?.clone())));
        let mut probe: serde_json::Map<String, Value> = kept.filter(|(_, value)| value.is_u64()).collect();
        probe.insert("exec".to_owned(), serde_json::json!({"command": ["true"]}));
        Some(((*key).to_owned(), Value::Object(probe)))
    };
    ["readinessProbe", "startupProbe"].iter().filter_map(probe).collect()
}

fn controller(kind: &str, object: &Value) -> Controller {
    let spec = &object["spec"];
    let template_of = match kind {
        "CronJob" => &spec["jobTemplate"]["spec"]["template"],
        _ => &spec["template"],
    };
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let replicas = match kind {
        // As many as there are nodes, and as many as are running.
        "DaemonSet" => None,
        "Job" | "CronJob" => Some(0),
        _ => number(&spec["replicas"]).or(Some(1)),
    };
    Controller {
        owner: owner(object),
        replicas,
        selector: match kind {
            "ReplicationController" => texts(&spec["selector"]),
            _ => texts(&spec["selector"]["matchLabels"]),
        },
        template: template(&template_of["metadata"], &template_of["spec"]),
        strategy: spec["strategy"].clone(),
        deadline_s: spec["progressDeadlineSeconds"].as_u64(),
    }
}
