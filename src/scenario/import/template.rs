//! What a dump says of pods: the pods themselves, and the templates of what creates them.
//!
//! Belongs here: the fields of pods, containers and controllers that are kept. Does not belong here: which pods belong together
//! (`workloads`), and how they are written (`write`).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::dump::{Dump, Text, seconds, text, texts};
use super::settings::ISTIOD;

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
    /// Annotation or label that switches the injection.
    pub inject: Option<bool>,
    /// The same one for all pods whose specs are equal.
    pub spec: Arc<PodSpec>,
}

/// The spec of pods without names, images and what containers run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PodSpec {
    pub account: String,
    pub host_network: bool,
    /// Requests and the times of probes of each container, and whether an init container is a sidecar.
    pub containers: Vec<Map<String, Value>>,
    pub init: Vec<Map<String, Value>>,
    /// Ports that containers declare: number, name.
    pub ports: Vec<(u16, String)>,
    /// Images of Cilium, Istio, CoreDNS and the API server.
    pub images: Vec<String>,
    pub grace_s: Option<u64>,
    /// On which nodes pods may be and which of them go first, as written.
    pub scheduling: Map<String, Value>,
}

/// What creates pods.
#[derive(Debug)]
pub(super) struct Controller {
    pub owner: Option<(String, String)>,
    pub replicas: Option<u32>,
    pub selector: Text,
    pub template: Template,
    /// What else of its spec is written, as it is.
    pub spec: Map<String, Value>,
}

/// Parts of the names of images that reveal versions.
const IMAGES: [&str; 6] = ["cilium", "pilot", "proxyv2", "istio", "coredns", "kube-apiserver"];
/// Keys of the spec of pods that are written as they are.
const SCHEDULING: [&str; 6] = [
    "nodeSelector",
    "affinity",
    "tolerations",
    "topologySpreadConstraints",
    "priorityClassName",
    "restartPolicy",
];
/// Keys of the spec of a Job that are written as they are.
const JOB: [&str; 8] = [
    "parallelism",
    "completions",
    "completionMode",
    "backoffLimit",
    "backoffLimitPerIndex",
    "activeDeadlineSeconds",
    "ttlSecondsAfterFinished",
    "suspend",
];

/// The controller that owns an object.
fn owner(object: &Value) -> Option<(String, String)> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|of| of["controller"] == true).or(owners.first())?;
    Some((owner["kind"].as_str()?.to_owned(), owner["name"].as_str()?.to_owned()))
}

fn items<'v>(spec: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    spec[key].as_array().into_iter().flatten()
}

impl Dump {
    pub(super) fn pod(&mut self, name: String, namespace: String, object: &Value) {
        let (status, spec) = (&object["status"], &object["spec"]);
        let mut all = items(spec, "containers").chain(items(spec, "initContainers"));
        let sidecar = all.any(|of| of["name"] == "istio-proxy");
        if let (Some(class), Some(priority)) = (spec["priorityClassName"].as_str(), spec["priority"].as_i64()) {
            self.priorities.insert(class.to_owned(), priority);
        }
        let template = self.template(&object["metadata"], spec);
        self.pods.push(Pod {
            name,
            namespace,
            owner: owner(object),
            node: spec["nodeName"].as_str().map(str::to_owned),
            phase: match status["phase"].as_str() {
                Some("Succeeded" | "Failed") => Phase::Ended,
                Some("Running") if object["metadata"]["deletionTimestamp"].is_null() => Phase::Running,
                _ => Phase::Other,
            },
            created_s: object["metadata"]["creationTimestamp"].as_str().and_then(seconds),
            template,
            sidecar,
            addressed: status["podIP"].is_string(),
        });
    }

    pub(super) fn controller(&mut self, kind: &str, object: &Value) -> Controller {
        let spec = &object["spec"];
        let template_of = match kind {
            "CronJob" => &spec["jobTemplate"]["spec"]["template"],
            _ => &spec["template"],
        };
        if template_of["metadata"]["labels"]["app"] == "istiod" {
            let containers = items(&template_of["spec"], "containers");
            for variable in containers.flat_map(|of| items(of, "env")) {
                let (name, value) = (variable["name"].as_str().unwrap_or_default(), text(&variable["value"]));
                if let (true, Some(value)) = (ISTIOD.iter().any(|(known, _)| *known == name), value) {
                    self.istiod_variables.insert(name.to_owned(), value);
                }
            }
        }
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        Controller {
            owner: owner(object),
            replicas: match kind {
                // As many as there are nodes, and as many as are running.
                "DaemonSet" => None,
                "Job" | "CronJob" => Some(0),
                _ => number(&spec["replicas"]).or(Some(1)),
            },
            selector: match kind {
                "ReplicationController" => texts(&spec["selector"]),
                _ => texts(&spec["selector"]["matchLabels"]),
            },
            template: self.template(&template_of["metadata"], &template_of["spec"]),
            spec: kept(kind, spec),
        }
    }

    fn template(&mut self, meta: &Value, spec: &Value) -> Template {
        let labels = texts(&meta["labels"]);
        let inject = "sidecar.istio.io/inject";
        let inject = labels
            .get(inject)
            .cloned()
            .or_else(|| text(&meta["annotations"][inject]));
        let spec = pod_spec(spec);
        // Pods of one workload are alike: a cluster has many more pods than specs.
        let spec = match self.specs.get(&spec) {
            Some(known) => known.clone(),
            None => {
                let spec = Arc::new(spec);
                self.specs.insert(spec.clone());
                spec
            }
        };
        Template {
            inject: inject.and_then(|text| text.parse().ok()),
            labels,
            spec,
        }
    }
}

fn pod_spec(spec: &Value) -> PodSpec {
    // Istio adds its own containers when pods are created.
    let own = |key: &str| -> Vec<&Value> {
        let is_own = |of: &&Value| !of["name"].as_str().is_some_and(|name| name.starts_with("istio-"));
        items(spec, key).filter(is_own).collect()
    };
    let containers = own("containers");
    let mut ports: Vec<(u16, String)> = Vec::new();
    for port in containers.iter().flat_map(|of| items(of, "ports")) {
        let number = port["containerPort"].as_u64();
        let number = number.and_then(|number| u16::try_from(number).ok());
        let Some(number) = number.filter(|number| *number > 0) else {
            continue;
        };
        let port = (number, port["name"].as_str().unwrap_or_default().to_owned());
        if !ports.contains(&port) {
            ports.push(port);
        }
    }
    let images = ["containers", "initContainers"].into_iter();
    let images = images
        .flat_map(|key| items(spec, key))
        .filter_map(|of| of["image"].as_str());
    let interesting = |image: &&str| IMAGES.iter().any(|part| image.contains(part));
    PodSpec {
        account: spec["serviceAccountName"].as_str().unwrap_or("default").to_owned(),
        host_network: spec["hostNetwork"] == true,
        containers: match containers.is_empty() {
            true => vec![Map::new()],
            false => containers.into_iter().map(container).collect(),
        },
        init: own("initContainers").into_iter().map(container).collect(),
        ports,
        images: images.filter(interesting).map(str::to_owned).collect(),
        grace_s: spec["terminationGracePeriodSeconds"].as_u64(),
        scheduling: scheduling(spec),
    }
}

/// Placement and priority, without the defaults that every live pod has.
fn scheduling(spec: &Value) -> Map<String, Value> {
    let mut kept = Map::new();
    for key in SCHEDULING {
        let mut value = spec[key].clone();
        without_null(&mut value);
        if let (Value::Array(all), "tolerations") = (&mut value, key) {
            all.retain(|of| !is_default_toleration(of));
        }
        let empty = match &value {
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::String(text) => text.is_empty() || key == "restartPolicy" && text == "Always",
            _ => true,
        };
        if !empty {
            kept.insert(key.to_owned(), value);
        }
    }
    kept
}

/// Those that the API server adds to every pod (Kubernetes `plugin/pkg/admission/defaulttolerationseconds`).
fn is_default_toleration(of: &Value) -> bool {
    let keys = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
    of["key"].as_str().is_some_and(|key| keys.contains(&key))
        && of["effect"] == "NoExecute"
        && of["tolerationSeconds"] == 300
}

/// Requests and probes of a container. What probes ask stays in the dump.
fn container(container: &Value) -> Map<String, Value> {
    const KEPT: [&str; 4] = [
        "initialDelaySeconds",
        "periodSeconds",
        "failureThreshold",
        "successThreshold",
    ];
    let mut written = Map::new();
    for key in ["readinessProbe", "startupProbe"] {
        let Some(probe) = container[key].as_object() else {
            continue;
        };
        let kept = KEPT
            .iter()
            .filter_map(|kept| Some(((*kept).to_owned(), probe.get(*kept)?.clone())));
        let mut probe: Map<String, Value> = kept.filter(|(_, value)| value.is_u64()).collect();
        probe.insert("exec".to_owned(), json!({"command": ["true"]}));
        written.insert(key.to_owned(), probe.into());
    }
    let mut requests = Map::new();
    for resource in ["cpu", "memory"] {
        // Without a request, the limit is the request (Kubernetes `pkg/apis/core/v1/defaults.go`).
        let resources = &container["resources"];
        let asked = ["requests", "limits"]
            .iter()
            .find_map(|of| text(&resources[*of][resource]));
        requests.extend(asked.map(|asked| (resource.to_owned(), Value::from(asked))));
    }
    if !requests.is_empty() {
        written.insert("resources".to_owned(), json!({"requests": requests}));
    }
    if container["restartPolicy"] == "Always" {
        written.insert("restartPolicy".to_owned(), "Always".into());
    }
    written
}

/// What of the spec of a controller is written besides replicas, selector and template, without defaults.
fn kept(kind: &str, spec: &Value) -> Map<String, Value> {
    let some = |from: &Value, keys: &[&str]| -> Map<String, Value> {
        let found = keys
            .iter()
            .filter(|key| !from[**key].is_null() && from[**key] != 0)
            .map(|key| ((*key).to_owned(), from[*key].clone()));
        let mut found: Map<String, Value> = found.collect();
        found.values_mut().for_each(without_null);
        found
    };
    match kind {
        "Deployment" => {
            let mut kept = some(spec, &["strategy", "progressDeadlineSeconds", "minReadySeconds"]);
            kept.retain(|key, value| match key.as_str() {
                "strategy" => {
                    *value != json!({"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"})
                }
                "progressDeadlineSeconds" => *value != 600,
                _ => true,
            });
            kept
        }
        "StatefulSet" | "DaemonSet" => {
            let mut kept = some(spec, &["podManagementPolicy", "updateStrategy", "minReadySeconds"]);
            if let Some(update) = kept.get_mut("updateStrategy") {
                if update["rollingUpdate"]["partition"] == 0 {
                    update["rollingUpdate"] = Value::Null;
                    without_null(update);
                }
                let defaults = [
                    json!({"type": "RollingUpdate"}),
                    json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}, "type": "RollingUpdate"}),
                ];
                if defaults.contains(update) {
                    kept.remove("updateStrategy");
                }
            }
            kept.retain(|_, value| *value != "OrderedReady");
            kept
        }
        "Job" => some(spec, &JOB),
        "CronJob" => {
            let keys = [
                "schedule",
                "timeZone",
                "concurrencyPolicy",
                "startingDeadlineSeconds",
                "suspend",
            ];
            let mut kept = some(spec, &keys);
            let job = some(&spec["jobTemplate"]["spec"], &JOB);
            kept.insert("jobTemplate".to_owned(), json!({"spec": job}));
            kept
        }
        _ => Map::new(),
    }
}

/// Removes keys without a value, which the reader of manifests would take for written.
pub(super) fn without_null(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_null);
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}
