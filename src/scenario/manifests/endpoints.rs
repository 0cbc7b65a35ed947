//! Which objects speak of the same pods, and under which names they can be asked for.
//!
//! Belongs here: Pods under their ReplicaSet under their Deployment become one endpoint, with one name and further ones. Does
//! not belong here: the reading of a single object (`pods`).
//!
//! Pods of one controller are one endpoint if policy cannot distinguish them. Labels that the cluster writes on each pod
//! (the hash of its template, its number) are left out of the comparison unless a policy names them.

use std::collections::{BTreeMap, BTreeSet};

use super::injection::Facts;
use super::pods::{Draft, PodsKind};
use crate::policy::labels::Labels;
use crate::policy::{Endpoint, Protocol, Subject};
use crate::scenario::error::{InputError, Place, near_match};

/// Most pods of a StatefulSet that are listed one by one because a policy selects by their numbers.
const NUMBERED_MAX: u32 = 1_000;
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// Labels that the cluster writes on pods.
pub(super) const WRITTEN_BY_CLUSTER: [&str; 10] = [
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    POD_NAME,
    POD_INDEX,
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "job-name",
    "batch.kubernetes.io/job-name",
];

/// Pods that are alike to every policy of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointManifest {
    /// As policies see it; its name is that of the object that stands for it.
    pub endpoint: Endpoint,
    /// Kind of that object: the outermost controller, else the Pod.
    pub kind: PodsKind,
    /// Other objects that speak of the same pods.
    pub aliases: Vec<(PodsKind, String)>,
    /// Declared container ports, each once, in the order written.
    pub container_ports: Vec<(u16, Protocol)>,
    /// Desired number of pods where it is written.
    pub replicas: Option<u32>,
    /// What is not evaluated and may change its verdicts; empty unless the folder is read leniently.
    pub doubts: Vec<String>,
    /// Where the object's name is written.
    pub place: Place,
}

/// Names of endpoints: namespace and name, with every object of that name.
pub(super) type Names = BTreeMap<(String, String), Vec<(PodsKind, usize)>>;

/// What the other objects of the folder say about pods.
pub(super) struct Surroundings<'a> {
    /// Labels of the declared namespaces.
    pub namespaces: BTreeMap<&'a str, &'a Labels>,
    /// Labels of [`WRITTEN_BY_CLUSTER`] that a policy names.
    pub named: &'a BTreeSet<&'static str>,
}

type Root = (String, String, String);

/// The endpoints that the objects describe, in the order in which these are written.
///
/// # Errors
/// For labels that policies name and only a running cluster could show, one for each object.
pub(super) fn build(
    drafts: &[Draft],
    around: &Surroundings<'_>,
) -> (Vec<EndpointManifest>, Names, Vec<(usize, InputError)>) {
    let by_name: BTreeMap<(&str, &str, &str), usize> = drafts
        .iter()
        .enumerate()
        .map(|(index, d)| ((d.namespace.as_str(), d.kind.name(), d.name.as_str()), index))
        .collect();
    let mut order: Vec<Root> = Vec::new();
    let mut groups: BTreeMap<Root, Vec<usize>> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        let root = root(drafts, &by_name, draft);
        let group = groups.entry(root.clone()).or_default();
        if group.is_empty() {
            order.push(root);
        }
        group.push(index);
    }
    let (mut endpoints, mut names, mut untold) = (Vec::new(), Names::new(), Vec::new());
    for root in &order {
        let members = &groups[root];
        let head = by_name.get(&(root.0.as_str(), root.1.as_str(), root.2.as_str()));
        let group = Group {
            drafts,
            members,
            head: head.map(|i| &drafts[*i]),
            around,
        };
        for found in group.endpoints(root) {
            let index = endpoints.len();
            if let Some(key) = group.untold(&found) {
                let message =
                    format!("label `{key}` of these pods is set by the cluster, a policy selects by it: not modeled");
                let error = found.place.error(message);
                untold.push((
                    index,
                    error.with_hint("add the running Pods to the folder (`kubectl get pods -o yaml`)"),
                ));
            }
            let own = (found.kind, found.endpoint.name.clone());
            for (kind, name) in std::iter::once(&own).chain(&found.aliases) {
                let known = names.entry((root.0.clone(), name.clone())).or_default();
                if !known.contains(&(*kind, index)) {
                    known.push((*kind, index));
                }
            }
            endpoints.push(found);
        }
    }
    (endpoints, names, untold)
}

/// The outermost controller of an object: namespace, kind and name, whether it is in the folder or not.
fn root(drafts: &[Draft], by_name: &BTreeMap<(&str, &str, &str), usize>, draft: &Draft) -> Root {
    let mut current = draft;
    // A Pod's controller has at most one above it; more steps would be a circle.
    for _ in 0..4 {
        let Some(owner) = &current.owner else { break };
        match by_name.get(&(current.namespace.as_str(), owner.kind.as_str(), owner.name.as_str())) {
            Some(index) => current = &drafts[*index],
            None => {
                let hash = current.labels.get("pod-template-hash");
                let above = hash.and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-'));
                return match above {
                    Some(name) if owner.kind == "ReplicaSet" => {
                        (current.namespace.clone(), "Deployment".to_owned(), name.to_owned())
                    }
                    _ => (current.namespace.clone(), owner.kind.clone(), owner.name.clone()),
                };
            }
        }
    }
    (
        current.namespace.clone(),
        current.kind.name().to_owned(),
        current.name.clone(),
    )
}

/// Objects with one outermost controller.
struct Group<'a> {
    drafts: &'a [Draft],
    members: &'a [usize],
    /// The controller itself, if the folder has it.
    head: Option<&'a Draft>,
    around: &'a Surroundings<'a>,
}

impl Group<'_> {
    fn endpoints(&self, root: &Root) -> Vec<EndpointManifest> {
        let members = || self.members.iter().map(|i| &self.drafts[*i]);
        let running = members().filter(|d| d.kind == PodsKind::Pod && !d.has_ended);
        let mut pods: Vec<Draft> = running.cloned().collect();
        if pods.is_empty() {
            pods = self.numbered();
        }
        let kind = PodsKind::ALL.into_iter().find(|k| k.name() == root.1);
        if pods.is_empty() {
            let templates: Vec<Draft> = match self.head {
                Some(head) => vec![head.clone()],
                // Of ReplicaSets whose Deployment is not in the folder, those without pods are old.
                None => members()
                    .filter(|d| d.kind != PodsKind::Pod && d.replicas != Some(0))
                    .cloned()
                    .collect(),
            };
            pods = templates;
        }
        let mut variants: Vec<(EndpointManifest, Vec<Draft>)> = Vec::new();
        let is_controlled = kind != Some(PodsKind::Pod);
        let mut by_facts: BTreeMap<_, usize> = BTreeMap::new();
        for pod in pods {
            let found = self.endpoint(&pod, is_controlled);
            let of = &found.endpoint;
            let key = (
                of.subject.clone(),
                of.named_ports.clone(),
                of.sidecar,
                of.ambient,
                of.host_network,
                of.capture.clone(),
            );
            match by_facts.get(&key) {
                Some(&index) => {
                    let (known, drafts): &mut (EndpointManifest, Vec<Draft>) = &mut variants[index];
                    known.endpoint.addresses.extend(found.endpoint.addresses);
                    for node in found.endpoint.nodes {
                        if !known.endpoint.nodes.contains(&node) {
                            known.endpoint.nodes.push(node);
                        }
                    }
                    known.doubts.extend(found.doubts);
                    drafts.push(pod);
                }
                None => {
                    by_facts.insert(key, variants.len());
                    variants.push((found, vec![pod]));
                }
            }
        }
        let single = variants.len() == 1;
        let finish = |(mut found, drafts): (EndpointManifest, Vec<Draft>)| {
            if let (true, Some(kind)) = (single, kind) {
                found.endpoint.name.clone_from(&root.2);
                found.kind = kind;
                if let Some(head) = self.head {
                    found.place = head.place.clone();
                    found.replicas = head.replicas;
                    found.doubts.extend(head.doubts.iter().cloned());
                }
            }
            let between = members().filter(|d| d.kind != PodsKind::Pod);
            found.aliases = between.map(|d| (d.kind, d.name.clone())).collect();
            found.aliases.extend(drafts.iter().map(|d| (d.kind, d.name.clone())));
            found.aliases.extend(kind.map(|kind| (kind, root.2.clone())));
            let own = (found.kind, found.endpoint.name.clone());
            found.aliases.retain(|alias| *alias != own);
            found.aliases.sort();
            found.aliases.dedup();
            found.doubts.sort();
            found.doubts.dedup();
            found
        };
        variants.into_iter().map(finish).collect()
    }

    /// The pods of a StatefulSet one by one, if a policy selects by what distinguishes them.
    fn numbered(&self) -> Vec<Draft> {
        let asked = [POD_NAME, POD_INDEX].iter().any(|key| self.around.named.contains(key));
        let Some(head) = self.head.filter(|head| asked && head.kind == PodsKind::StatefulSet) else {
            return Vec::new();
        };
        let pod = |number: u32| {
            let name = format!("{}-{number}", head.name);
            let mut pod = head.clone();
            pod.kind = PodsKind::Pod;
            pod.labels.0.insert(POD_NAME.to_owned(), name.clone());
            pod.labels.0.insert(POD_INDEX.to_owned(), number.to_string());
            pod.name = name;
            pod
        };
        let first = head.first_ordinal;
        let count = head.replicas.unwrap_or(1).min(NUMBERED_MAX);
        (0..count).map(|number| pod(first.saturating_add(number))).collect()
    }

    fn endpoint(&self, draft: &Draft, is_controlled: bool) -> EndpointManifest {
        let mut labels = draft.labels.clone();
        if is_controlled {
            let one_run = self.head.is_some_and(|h| h.kind == PodsKind::CronJob);
            labels.0.retain(|key, _| {
                let written = WRITTEN_BY_CLUSTER.iter().find(|w| *w == key);
                let of_job = key.ends_with("job-name");
                written.is_none_or(|w| self.around.named.contains(w) || (of_job && !one_run))
            });
        }
        let none = Labels::default();
        let namespace_labels = self.around.namespaces.get(draft.namespace.as_str());
        let namespace_labels = namespace_labels.copied().unwrap_or(&none);
        let facts = Facts {
            namespace: &draft.namespace,
            namespace_labels,
            labels: &draft.labels,
            annotation: draft.inject.as_deref(),
            host_network: draft.host_network,
        };
        // What runs is what counts; only for what does not run yet one has to predict.
        let sidecar = draft.has_proxy || (!draft.is_live && facts.injected());
        let ambient = !sidecar
            && if draft.is_live {
                draft.is_redirected
            } else {
                facts.ambient()
            };
        EndpointManifest {
            endpoint: Endpoint {
                subject: Subject::new(
                    &draft.namespace,
                    namespace_labels.clone(),
                    &draft.service_account,
                    labels,
                ),
                name: draft.name.clone(),
                named_ports: draft.named_ports.clone(),
                host_network: draft.host_network,
                addresses: draft.addresses.clone(),
                sidecar,
                ambient,
                capture: draft.capture.clone(),
                nodes: draft.node.iter().cloned().collect(),
            },
            kind: draft.kind,
            aliases: Vec::new(),
            container_ports: draft.container_ports.clone(),
            replicas: draft.replicas,
            doubts: draft.doubts.clone(),
            place: draft.place.clone(),
        }
    }

    /// A label of the pods that a policy names and that only the cluster knows.
    fn untold(&self, found: &EndpointManifest) -> Option<&'static str> {
        let keys: &[&'static str] = match found.kind {
            PodsKind::Deployment => &["pod-template-hash"],
            PodsKind::DaemonSet | PodsKind::StatefulSet => &["controller-revision-hash", "pod-template-generation"],
            PodsKind::CronJob => &["controller-uid", "batch.kubernetes.io/controller-uid", "job-name"],
            PodsKind::Job => &["controller-uid", "batch.kubernetes.io/controller-uid"],
            _ => &[],
        };
        let unknown =
            |key: &&&'static str| self.around.named.contains(**key) && found.endpoint.subject.labels.get(key).is_none();
        keys.iter().find(unknown).copied()
    }
}

/// The position of the endpoint that a text means: `namespace/name`, `namespace/Kind/name`, or `name` in the namespace
/// `default`.
///
/// # Errors
/// In words: there is none (with a near match), or several that differ.
pub(super) fn find(endpoints: &[EndpointManifest], names: &Names, text: &str) -> Result<usize, String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (namespace, kind, name) = match parts[..] {
        [name] => ("default", None, name),
        [namespace, name] => (namespace, None, name),
        [namespace, kind, name] => (namespace, Some(kind), name),
        _ => return Err(format!("`{text}` is not a `namespace/name`")),
    };
    let of_kind = |k: PodsKind| kind.is_none_or(|kind| kind.eq_ignore_ascii_case(k.name()));
    let key = (namespace.to_owned(), name.to_owned());
    let found = names.get(&key).map(Vec::as_slice).unwrap_or_default();
    let mut indices: Vec<usize> = found.iter().filter(|(k, _)| of_kind(*k)).map(|(_, i)| *i).collect();
    indices.sort_unstable();
    indices.dedup();
    match indices[..] {
        [] => {
            let near = names.keys().map(|(namespace, name)| format!("{namespace}/{name}"));
            let near: Vec<String> = near.collect();
            let asked = format!("{namespace}/{name}");
            Err(match near_match(&asked, near.iter().map(String::as_str)) {
                Some(near) => format!("no workload or pod `{asked}`; did you mean `{near}`?"),
                None => format!("no workload or pod `{asked}`"),
            })
        }
        [index] => Ok(index),
        _ => {
            let shown = indices.iter().take(8).map(|i| {
                let e = &endpoints[*i];
                format!("{namespace}/{}/{} ({})", e.kind.name(), e.endpoint.name, e.place)
            });
            let shown: Vec<String> = shown.collect();
            Err(format!("`{text}` means several that differ: {}", shown.join(", ")))
        }
    }
}
