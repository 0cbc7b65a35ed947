//! Cilium's endpoint selectors: label keys with a source, and what they see of a peer.
//!
//! Belongs here: parsing of `k8s:`, `any:` and `reserved:` keys, the labels that Cilium derives from namespace and
//! service account, confinement to a namespace, and matching. Does not belong here: rules and their combination
//! (`super`).

use super::super::super::labels::{LabelSelector, Requirement};
use super::super::super::{Peer, PolicyError, Reserved};
use super::super::selector::{Field, Selector, Term, reserved_labels};

/// Label that Cilium derives from the pod's namespace (`pkg/k8s/apis/cilium.io/const.go`, `PodNamespaceLabel`).
pub const NAMESPACE_LABEL: &str = "io.kubernetes.pod.namespace";
/// Label that Cilium derives from the pod's service account (same file, `PolicyLabelServiceAccount`).
pub const SERVICE_ACCOUNT_LABEL: &str = "io.cilium.k8s.policy.serviceaccount";
/// Label that carries the name of the cluster (same file, `PolicyLabelCluster`).
pub const CLUSTER_LABEL: &str = "io.cilium.k8s.policy.cluster";
/// Prefix of the labels that Cilium copies from the namespace object (same file).
pub const NAMESPACE_LABELS_PREFIX: &str = "io.cilium.k8s.namespace.labels.";
/// Name of a cluster whose operator gave none (Cilium option `cluster-name`, default).
pub const CLUSTER_NAME: &str = "default";

/// Where a label comes from (Cilium `pkg/labels/labels.go`, `LabelSource*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `any:` or no prefix: every source.
    Any,
    /// `k8s:`: labels of the pod and the ones derived from its namespace and service account.
    K8s,
    /// `reserved:`: identities that are no pod.
    Reserved,
}

/// A label key with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The part before the colon.
    pub source: Source,
    /// The part after the colon.
    pub name: String,
}

impl Key {
    /// Reads `k8s:app`, `any:app`, `app` or `reserved:host`. Internally Cilium writes a dot for this colon
    /// (`GetExtendedKeyFrom`), but in a manifest a dot is part of the key, so `k8s.app` is refused instead of
    /// silently matching nothing.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let invalid = |hint| PolicyError::Invalid {
            what: "label key",
            value: text.to_owned(),
            hint,
        };
        let key = match text.split_once(':') {
            None => Self {
                source: Source::Any,
                name: text.to_owned(),
            },
            Some((prefix, name)) => Self {
                source: match prefix {
                    "any" => Source::Any,
                    "k8s" => Source::K8s,
                    "reserved" => Source::Reserved,
                    _ => {
                        return Err(PolicyError::NotModelled {
                            what: "label source of",
                            value: text.to_owned(),
                            hint: "the sources `k8s:`, `any:` and `reserved:` are evaluated",
                        });
                    }
                },
                name: name.to_owned(),
            },
        };
        if key.name.is_empty() {
            return Err(invalid("a label key must not be empty"));
        }
        let dotted = ["k8s.", "any.", "reserved."];
        if !key.name.contains('/') && dotted.iter().any(|prefix| key.name.starts_with(prefix)) {
            return Err(invalid(
                "write the source with a colon (`k8s:app`); Cilium reads a dot as part of the key",
            ));
        }
        if key.source == Source::Reserved && key.name == "all" {
            return Err(PolicyError::NotModelled {
                what: "label",
                value: text.to_owned(),
                hint: "Cilium's releases differ in what it means; write the entity `all`",
            });
        }
        if key.source == Source::Reserved && !Reserved::ALL.iter().any(|r| r.name() == key.name) {
            return Err(invalid(
                "known: host, world, unmanaged, health, init, remote-node, kube-apiserver, ingress",
            ));
        }
        Ok(key)
    }

    /// What the key looks at in a pod.
    pub fn field(&self) -> Field {
        match (self.source, self.name.as_str()) {
            (Source::Reserved, _) => Field::Absent,
            (_, NAMESPACE_LABEL) => Field::Namespace,
            (_, SERVICE_ACCOUNT_LABEL) => Field::ServiceAccount,
            (_, CLUSTER_LABEL) => Field::Cluster,
            (_, name) => match name.strip_prefix(NAMESPACE_LABELS_PREFIX) {
                Some(label) => Field::NamespaceLabel(label.to_owned()),
                None if is_identity_relevant(name) => Field::Label(name.to_owned()),
                None => Field::Absent,
            },
        }
    }

    /// The value this key has for a peer, if the peer has such a label. An address outside the cluster has the label
    /// `reserved:world`.
    pub fn value_for<'a>(&self, peer: Peer<'a>) -> Option<&'a str> {
        let labels = match peer {
            Peer::Endpoint(subject) => return self.field().value(subject, CLUSTER_NAME),
            Peer::Reserved(reserved) => reserved_labels(reserved),
            Peer::Address(_) => reserved_labels(Reserved::World),
        };
        (self.source != Source::K8s && labels.contains(&self.name.as_str())).then_some("")
    }

    fn is_namespace(&self) -> bool {
        self.source != Source::Reserved && self.name == NAMESPACE_LABEL
    }

    fn selects_namespace(&self) -> bool {
        self.is_namespace() || (self.source != Source::Reserved && self.name.starts_with(NAMESPACE_LABELS_PREFIX))
    }
}

/// Whether a pod label becomes part of the Cilium identity. Labels left out by default cannot be selected
/// (`pkg/labelsfilter/filter.go`, default label prefixes; `docs/model/cilium.md#identity-relevant-labels`).
pub fn is_identity_relevant(key: &str) -> bool {
    const LEFT_OUT: [&str; 10] = [
        "pod-template-generation",
        "pod-template-hash",
        "controller-revision-hash",
        "controller-uid",
        "annotation",
        "etcd_node",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
    ];
    if key.starts_with("app.kubernetes.io") {
        return true;
    }
    !(LEFT_OUT.iter().any(|prefix| key.starts_with(prefix))
        || key.starts_with("io.kubernetes")
        || key.starts_with("kubernetes.io")
        || key.starts_with("k8s.io")
        || key.contains("beta.kubernetes.io"))
}

/// An endpoint selector of a Cilium policy (Cilium `pkg/policy/api/selector.go`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiliumSelector {
    requirements: Vec<(Key, Requirement)>,
    /// How many of them, from the first, come from `matchLabels`.
    labels: usize,
}

impl CiliumSelector {
    /// Reads the keys of a label selector as Cilium keys.
    pub fn new(selector: &LabelSelector) -> Result<Self, PolicyError> {
        let mut requirements = Vec::new();
        for (key, value) in &selector.match_labels {
            requirements.push((Key::parse(key)?, Requirement::In(vec![value.clone()])));
        }
        for (key, requirement) in &selector.match_expressions {
            requirements.push((Key::parse(key)?, requirement.clone()));
        }
        let labels = selector.match_labels.len();
        Ok(Self { requirements, labels })
    }

    /// Every requirement, in the order it was written.
    pub fn requirements(&self) -> &[(Key, Requirement)] {
        &self.requirements
    }

    /// Whether a key of the reserved source is used.
    pub fn has_reserved_key(&self) -> bool {
        self.requirements.iter().any(|(key, _)| key.source == Source::Reserved)
    }

    /// Whether the key of this reserved label is used.
    pub fn has_reserved(&self, name: &str) -> bool {
        let mut keys = self.requirements.iter().map(|(key, _)| key);
        keys.any(|key| key.source == Source::Reserved && key.name == name)
    }

    /// Whether the selector matches the peer.
    pub fn matches(&self, peer: Peer<'_>) -> bool {
        self.requirements
            .iter()
            .all(|(key, requirement)| requirement.is_met_by(key.value_for(peer)))
    }

    /// A peer selector of a namespaced policy means its own namespace, one of a clusterwide policy all pods, unless it
    /// names a namespace or a reserved label itself (`pkg/k8s/apis/cilium.io/utils/utils.go`, `getEndpointSelector`).
    /// `init` says that the policy is for endpoints in that state, which have no namespace.
    pub fn confined(self, namespace: Option<&str>, init: bool) -> Self {
        if self.has_reserved_key() {
            return self;
        }
        self.confined_anyway(namespace, init)
    }

    /// As [`CiliumSelector::confined`], also if a reserved label is named: for `fromRequires` and `toRequires`.
    pub fn confined_anyway(mut self, namespace: Option<&str>, init: bool) -> Self {
        let mut keys = self.requirements.iter().map(|(key, _)| key);
        match namespace {
            None if !init && !keys.any(Key::is_namespace) => self.require(NAMESPACE_LABEL, Requirement::Exists),
            Some(namespace) if !keys.any(Key::selects_namespace) => self.require_namespace(namespace),
            _ => {}
        }
        self
    }

    /// [`CiliumSelector::confined`] to one namespace.
    pub fn confined_to(self, namespace: &str) -> Self {
        self.confined(Some(namespace), false)
    }

    /// An endpoint selector always means its own namespace; another one under `k8s:` in `matchLabels` is replaced
    /// (same file, `ParseToCiliumRule`).
    pub fn always_in(mut self, namespace: &str) -> Self {
        let mut position = 0;
        let labels = self.labels;
        self.requirements.retain(|(key, _)| {
            position += 1;
            position > labels || key.source != Source::K8s || key.name != NAMESPACE_LABEL
        });
        self.require_namespace(namespace);
        self
    }

    /// The selector in the form in which it is evaluated.
    pub fn lowered(&self) -> Selector {
        let term = |(key, requirement): &(Key, Requirement)| Term {
            field: key.field(),
            reserved: (key.source != Source::K8s).then(|| key.name.clone()),
            requirement: requirement.clone(),
        };
        let mut terms: Vec<Term> = self.requirements.iter().map(term).collect();
        terms.sort();
        terms.dedup();
        Selector {
            terms,
            pods_only: false,
        }
    }

    fn require_namespace(&mut self, namespace: &str) {
        self.require(NAMESPACE_LABEL, Requirement::In(vec![namespace.to_owned()]));
    }

    fn require(&mut self, name: &str, requirement: Requirement) {
        let key = Key {
            source: Source::K8s,
            name: name.to_owned(),
        };
        self.requirements.push((key, requirement));
    }
}
