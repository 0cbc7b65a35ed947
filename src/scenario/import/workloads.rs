//! From pods and what creates them to the workloads of an experiment.
//!
//! Belongs here: which pods belong together, how many there are and where they are. Does not belong here: how they are written
//! (`write`), and how large the cluster is (`sizes`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::dump::{Dump, Key, Text};
use super::template::{Controller, Phase, Pod, Template};

/// Labels that controllers, Istio and kubelets write on pods, by themselves.
const GENERATED: [&str; 14] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "job-name",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/job-completion-index",
    "security.istio.io/tlsMode",
    "service.istio.io/canonical-name",
    "service.istio.io/canonical-revision",
    "topology.kubernetes.io/zone",
];
/// Beginnings of labels that the reader of manifests refuses, because they change proxies in ways that are not simulated.
const REFUSED: [&str; 8] = [
    "istio.io/",
    "proxy.istio.io/",
    "policy.cilium.io/",
    "inject.istio.io/",
    "traffic.sidecar.istio.io/",
    "ambient.istio.io/",
    "sidecar.istio.io/",
    "meshfault.dev/",
];
/// Label that distinguishes workloads whose selectors would select each other's pods.
const OWN: &str = "workload-of-dump";

#[derive(Clone, Debug)]
pub(super) struct Workload {
    /// Kind in the cluster.
    pub kind: String,
    /// Whether it is written as an object of this kind, and not as a Deployment.
    pub as_such: bool,
    pub namespace: String,
    /// Name in the cluster.
    pub name: String,
    /// Name in the experiment, which no other workload has.
    pub written: String,
    pub replicas: u32,
    pub template: Template,
    pub selector: Text,
    pub injected: bool,
    /// What else of the spec of its controller is written.
    pub spec: serde_json::Map<String, Value>,
    /// Names of the nodes of its pods.
    pub nodes: Vec<String>,
}

impl Workload {
    /// The kind of the manifest.
    pub fn written_kind(&self) -> &str {
        if self.as_such { &self.kind } else { "Deployment" }
    }

    /// The version of the manifest.
    pub fn api_version(&self) -> &'static str {
        match self.written_kind() {
            "Job" | "CronJob" => "batch/v1",
            _ => "apps/v1",
        }
    }
}

/// What became of the pods and controllers of a dump.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    pub all: Vec<Workload>,
    /// Workloads whose pods are in the host network, of which no policy knows an identity.
    pub host_network: usize,
    /// Jobs without a running pod.
    pub ended: usize,
    /// Pods that are not `Running`, but start as all others.
    pub not_running: usize,
    /// StatefulSets and DaemonSets whose pods are replaced by hand.
    pub by_hand: usize,
    pub ambient: usize,
    /// Pods that are not written, because fewer were asked for.
    pub cut: usize,
    /// Pods by what the simulator makes itself.
    pub istiods: usize,
    pub dns: usize,
    pub api_servers: usize,
}

/// Whether a label of namespaces or pods is written.
pub(super) fn is_kept(key: &str) -> bool {
    key == "sidecar.istio.io/inject" || !REFUSED.iter().any(|prefix| key.starts_with(prefix))
}

#[derive(Default)]
struct Group<'d> {
    pods: Vec<&'d Pod>,
    ended: bool,
    /// The nearest controller that is in the dump, if the topmost is not.
    source: Option<&'d Controller>,
}

/// The workloads of a dump; those of the kinds in `as_such` keep their kind, all others become Deployments.
pub(super) fn workloads(dump: &Dump, as_such: &[&str]) -> Workloads {
    let mut found = Workloads::default();
    let mut groups: BTreeMap<Key, Group<'_>> = BTreeMap::new();
    for (key, controller) in &dump.controllers {
        if controller.owner.is_none() {
            groups.entry(key.clone()).or_default();
        }
    }
    for pod in &dump.pods {
        let labels = &pod.template.labels;
        let is = |key: &str, value: &str| labels.get(key).is_some_and(|of| of == value);
        let live = usize::from(pod.phase != Phase::Ended);
        let image = |part: &str| pod.template.spec.images.iter().any(|image| image.contains(part));
        if is("component", "kube-apiserver") || image("/kube-apiserver:") {
            found.api_servers += live;
        } else if is_istiod(labels) {
            found.istiods += live;
        } else if is_dns(&pod.namespace, labels) {
            found.dns += live;
        }
        let Some((key, source)) = top(dump, pod) else {
            continue;
        };
        let group = groups.entry(key).or_default();
        group.source = group.source.or(source);
        match pod.phase {
            Phase::Ended => group.ended = true,
            _ => group.pods.push(pod),
        }
    }
    for (key, group) in groups {
        found.add(dump, key, group, as_such);
    }
    separate(&mut found.all);
    found
}

fn is_istiod(labels: &Text) -> bool {
    labels.get("app").is_some_and(|app| app == "istiod") || labels.get("istio").is_some_and(|istio| istio == "pilot")
}

fn is_dns(namespace: &str, labels: &Text) -> bool {
    namespace == "kube-system" && labels.get("k8s-app").is_some_and(|app| app == "kube-dns")
}

/// What a pod belongs to in the end, and the nearest controller of it in the dump. Nothing for the static pods of a node.
fn top<'d>(dump: &'d Dump, pod: &Pod) -> Option<(Key, Option<&'d Controller>)> {
    let Some((kind, name)) = &pod.owner else {
        return Some((("Pod".to_owned(), pod.namespace.clone(), pod.name.clone()), None));
    };
    if kind == "Node" {
        return None;
    }
    let (mut kind, mut name) = (kind.clone(), name.clone());
    let mut source = None;
    // A CronJob's Job, or a Deployment's ReplicaSet: no chain of owners is longer.
    for _ in 0..4 {
        let key = (kind.clone(), pod.namespace.clone(), name.clone());
        let above = match dump.controllers.get(&key) {
            Some(controller) => {
                source = source.or(Some(controller));
                controller.owner.clone()
            }
            None => by_name(dump, pod, &kind, &name),
        };
        let Some(above) = above else { break };
        (kind, name) = above;
    }
    Some(((kind, pod.namespace.clone(), name), source))
}

/// The owner of a controller that is not in the dump, as its name shows it.
fn by_name(dump: &Dump, pod: &Pod, kind: &str, name: &str) -> Option<(String, String)> {
    match kind {
        "ReplicaSet" => {
            let hash = pod.template.labels.get("pod-template-hash")?;
            let own = name.strip_suffix(hash.as_str())?.strip_suffix('-')?;
            Some(("Deployment".to_owned(), own.to_owned()))
        }
        "Job" => {
            let (own, _) = name.rsplit_once('-')?;
            let key = ("CronJob".to_owned(), pod.namespace.clone(), own.to_owned());
            dump.controllers.contains_key(&key).then_some((key.0, key.2))
        }
        _ => None,
    }
}

impl Workloads {
    fn add(&mut self, dump: &Dump, key: Key, group: Group<'_>, as_such: &[&str]) {
        let controller = dump.controllers.get(&key).or(group.source);
        let (kind, namespace, name) = key;
        let mut pods = group.pods;
        // Pods of a StatefulSet are numbered, others have random endings.
        let ordinal = |pod: &Pod| pod.name.rsplit('-').next().and_then(|end| end.parse::<u32>().ok());
        match kind.as_str() {
            "StatefulSet" => pods.sort_by_key(|pod| (ordinal(pod), &pod.name)),
            _ => pods.sort_by_key(|pod| &pod.name),
        }
        let mut template = match (controller, pods.first()) {
            (Some(controller), _) => controller.template.clone(),
            (None, Some(first)) => {
                let mut template = first.template.clone();
                let same = |key: &String, value: &mut String| {
                    pods.iter().all(|pod| pod.template.labels.get(key) == Some(value))
                };
                template.labels.retain(same);
                template
            }
            (None, None) => return self.ended += usize::from(group.ended),
        };
        let labels = &template.labels;
        if is_istiod(labels) || is_dns(&namespace, labels) {
            return;
        }
        if template.spec.host_network || pods.iter().any(|pod| pod.template.spec.host_network) {
            self.host_network += 1;
            return;
        }
        let workers = dump.nodes.iter().filter(|node| !node.control_plane).count();
        let replicas = match (dump.pods.is_empty(), kind.as_str()) {
            (true, "DaemonSet") => workers.max(1),
            (true, _) => controller.and_then(|of| of.replicas).unwrap_or(1) as usize,
            (false, _) => pods.len(),
        };
        let of_kind = dump
            .controllers
            .contains_key(&(kind.clone(), namespace.clone(), name.clone()));
        let is_job = matches!(kind.as_str(), "Job" | "CronJob");
        let as_such = as_such.contains(&kind.as_str()) && (of_kind || !is_job);
        if replicas == 0 && !(as_such && kind != "Job") {
            self.ended += 1;
            return;
        }
        self.not_running += pods.iter().filter(|pod| pod.phase != Phase::Running).count();
        let mode = labels.get("istio.io/dataplane-mode");
        self.ambient += usize::from(mode.is_some_and(|mode| mode == "ambient"));
        template
            .labels
            .retain(|key, _| !GENERATED.contains(&key.as_str()) && is_kept(key));
        if !matches!(
            template.labels.get("sidecar.istio.io/inject").map(String::as_str),
            Some("true" | "false")
        ) {
            template.labels.remove("sidecar.istio.io/inject");
        }
        if template.labels.is_empty() {
            template.labels.insert(OWN.to_owned(), name.clone());
        }
        let kept = |(key, value): &(&String, &String)| template.labels.get(*key) == Some(*value);
        let selector = controller.into_iter().flat_map(|of| &of.selector);
        let mut selector: Text = selector.filter(kept).map(|(k, v)| (k.clone(), v.clone())).collect();
        if selector.is_empty() {
            selector.clone_from(&template.labels);
        }
        let injected = match pods.is_empty() {
            false => pods.iter().any(|pod| pod.sidecar),
            true => is_injected(&dump.namespaces, &namespace, &template),
        };
        let mut spec = controller
            .filter(|_| as_such)
            .map_or_else(Default::default, |of| of.spec.clone());
        if spec
            .get("updateStrategy")
            .is_some_and(|update| update["type"] == "OnDelete")
        {
            self.by_hand += 1;
            spec.remove("updateStrategy");
        }
        self.all.push(Workload {
            written: name.clone(),
            replicas: u32::try_from(replicas).unwrap_or(u32::MAX),
            as_such,
            spec,
            nodes: pods.iter().filter_map(|pod| pod.node.clone()).collect(),
            kind,
            namespace,
            name,
            template,
            selector,
            injected,
        });
    }
}

impl Workloads {
    /// Keeps about so many pods: each workload its share, and at least one if it has any.
    pub fn keep(&mut self, pods_max: Option<u32>) {
        let all: u64 = self.all.iter().map(|of| u64::from(of.replicas)).sum();
        let Some(most) = pods_max.map(u64::from).filter(|most| *most < all) else {
            return;
        };
        for workload in self.all.iter_mut().filter(|of| of.replicas > 0) {
            let share = (u64::from(workload.replicas) * most / all).max(1);
            let kept = u32::try_from(share).unwrap_or(workload.replicas);
            self.cut += (workload.replicas - kept) as usize;
            // A DaemonSet has a pod on each node.
            if kept < workload.replicas && workload.kind == "DaemonSet" {
                workload.as_such = false;
                workload.spec.clear();
            }
            workload.replicas = kept;
            workload.nodes.truncate(kept as usize);
        }
    }
}

/// Whether Istio injects a sidecar, where no pod shows it.
fn is_injected(namespaces: &BTreeMap<String, Text>, namespace: &str, template: &Template) -> bool {
    let labels = namespaces.get(namespace);
    let of_namespace = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
    let enabled = of_namespace("istio-injection") == Some("enabled")
        || of_namespace("istio-injection").is_none() && of_namespace("istio.io/rev").is_some();
    template.inject.unwrap_or(enabled)
}

/// Gives a label of its own to a workload whose selector would select the pods of another one.
fn separate(all: &mut [Workload]) {
    let index = Index::new(all);
    let selects_others = |(at, of): &(usize, &Workload)| {
        let selected = index.with(&of.namespace, &of.selector);
        selected.iter().any(|other| other != at)
    };
    let mixed: Vec<usize> = all
        .iter()
        .enumerate()
        .filter(selects_others)
        .map(|(at, _)| at)
        .collect();
    for at in mixed {
        let workload = &mut all[at];
        let own = format!("{}-{}", workload.name, workload.kind.to_lowercase());
        workload.selector.insert(OWN.to_owned(), own.clone());
        workload.template.labels.insert(OWN.to_owned(), own);
    }
}

/// Workloads by the labels of their pods.
pub(super) struct Index<'w> {
    all: &'w [Workload],
    by_label: BTreeMap<(&'w str, &'w str, &'w str), Vec<usize>>,
}

impl<'w> Index<'w> {
    pub fn new(all: &'w [Workload]) -> Self {
        let mut by_label: BTreeMap<(&str, &str, &str), Vec<usize>> = BTreeMap::new();
        for (at, workload) in all.iter().enumerate() {
            for (key, value) in &workload.template.labels {
                by_label.entry((&workload.namespace, key, value)).or_default().push(at);
            }
        }
        Self { all, by_label }
    }

    /// The workloads of a namespace that have all these labels; none if there are no labels.
    pub fn with(&self, namespace: &str, labels: &Text) -> Vec<usize> {
        let mut found: Option<&Vec<usize>> = None;
        for (key, value) in labels {
            let Some(candidates) = self.by_label.get(&(namespace, key.as_str(), value.as_str())) else {
                return Vec::new();
            };
            if found.is_none_or(|least| candidates.len() < least.len()) {
                found = Some(candidates);
            }
        }
        let has_all = |at: &&usize| {
            let own = &self.all[**at].template.labels;
            labels.iter().all(|(key, value)| own.get(key) == Some(value))
        };
        found.into_iter().flatten().filter(has_all).copied().collect()
    }
}

/// A name without characters that no name of Kubernetes has; some of them mean something in an experiment.
fn plain(name: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || "-._".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(kept).collect();
    match name.trim_matches(['-', '.', '_']) {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

/// Gives things names that no other has: the name where it is the only one, else with its namespace, and with more where that is not
/// enough. Steps of an experiment name workloads and Services without a namespace.
pub(super) fn unique<T>(all: &mut [T], own: impl Fn(&T) -> [String; 3], name: impl Fn(&mut T, String)) {
    let own = |of: &T| own(of).map(|word| plain(&word));
    let mut taken: BTreeMap<String, usize> = BTreeMap::new();
    for of in all.iter() {
        *taken.entry(own(of)[0].clone()).or_default() += 1;
    }
    let mut given: BTreeSet<String> = BTreeSet::new();
    for of in all.iter_mut() {
        let words = own(of);
        let short = words[0].clone();
        if taken.get(&short) == Some(&1) && given.insert(short.clone()) {
            name(of, short);
            continue;
        }
        let mut candidate = words[..2].join(".");
        if taken.contains_key(&candidate) || given.contains(&candidate) {
            candidate = words.join(".");
        }
        let base = candidate.clone();
        let mut number = 2;
        while !given.insert(candidate.clone()) {
            candidate = format!("{base}-{number}");
            number += 1;
        }
        name(of, candidate);
    }
}
