//! Cilium's endpoint selectors: label keys with a source, and what they see of a peer.
//!
//! Belongs here: parsing of `k8s:`, `any:` and `reserved:` keys, the labels that Cilium derives from namespace and
//! service account, and matching. Does not belong here: rules and their combination (`super`).

use super::super::labels::{LabelSelector, Requirement};
use super::super::{Peer, PolicyError, Reserved};

/// Label that Cilium derives from the pod's namespace (`pkg/k8s/apis/cilium.io/const.go`, `PodNamespaceLabel`).
pub const NAMESPACE_LABEL: &str = "io.kubernetes.pod.namespace";
/// Label that Cilium derives from the pod's service account (same file, `PolicyLabelServiceAccount`).
pub const SERVICE_ACCOUNT_LABEL: &str = "io.cilium.k8s.policy.serviceaccount";
/// Label that carries the name of the cluster (same file, `PolicyLabelCluster`).
pub const CLUSTER_LABEL: &str = "io.cilium.k8s.policy.cluster";
/// Prefix of the labels that Cilium copies from the namespace object (same file).
pub const NAMESPACE_LABELS_PREFIX: &str = "io.cilium.k8s.namespace.labels.";
/// The one copied namespace label that is the same for every namespace: its name.
const NAMESPACE_NAME_LABEL: &str = "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name";
/// Name of a cluster whose operator gave none (Cilium option `cluster-name`, default).
const CLUSTER_NAME: &str = "default";

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
        if key.source == Source::Reserved && key.name != "all" && !Reserved::ALL.iter().any(|r| r.name() == key.name) {
            return Err(invalid(
                "known: host, world, unmanaged, health, init, remote-node, kube-apiserver, ingress",
            ));
        }
        if key.name.starts_with(NAMESPACE_LABELS_PREFIX) && key.name != NAMESPACE_NAME_LABEL {
            return Err(PolicyError::NotModelled {
                what: "namespace label",
                value: text.to_owned(),
                hint: "select the namespace by its name: `k8s:io.kubernetes.pod.namespace`",
            });
        }
        Ok(key)
    }

    /// The value this key has for a peer, if the peer has such a label.
    pub fn value_for<'a>(&self, peer: Peer<'a>) -> Option<&'a str> {
        match (peer, self.source) {
            (Peer::Endpoint(_), Source::Reserved) | (Peer::Reserved(_), Source::K8s) => None,
            (Peer::Endpoint(subject), Source::Any | Source::K8s) => match self.name.as_str() {
                NAMESPACE_LABEL | NAMESPACE_NAME_LABEL => Some(&subject.namespace),
                SERVICE_ACCOUNT_LABEL => Some(&subject.service_account),
                CLUSTER_LABEL => Some(CLUSTER_NAME),
                name if is_identity_relevant(name) => subject.labels.get(name),
                _ => None,
            },
            (Peer::Reserved(reserved), Source::Any | Source::Reserved) => (reserved.name() == self.name).then_some(""),
        }
    }

    fn selects_namespace(&self) -> bool {
        self.source != Source::Reserved
            && (self.name == NAMESPACE_LABEL || self.name.starts_with(NAMESPACE_LABELS_PREFIX))
    }
}

/// Whether a pod label becomes part of the Cilium identity. Labels left out by default cannot be selected
/// (`pkg/labelsfilter/filter.go`, default label prefixes; `cilium.md` section 5).
pub fn is_identity_relevant(key: &str) -> bool {
    const LEFT_OUT: [&str; 8] = [
        "pod-template-generation",
        "pod-template-hash",
        "controller-revision-hash",
        "controller-uid",
        "annotation",
        "etcd_node",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
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
        Ok(Self { requirements })
    }

    /// Every requirement, in the order it was written.
    pub fn requirements(&self) -> &[(Key, Requirement)] {
        &self.requirements
    }

    /// Whether a key of the reserved source is used.
    pub fn has_reserved_key(&self) -> bool {
        self.requirements.iter().any(|(key, _)| key.source == Source::Reserved)
    }

    /// Whether the selector matches the peer. `reserved:all` in the labels matches everybody
    /// (`EndpointSelector.Matches`).
    pub fn matches(&self, peer: Peer<'_>) -> bool {
        let all = self.requirements.iter().any(|(key, requirement)| {
            key.source == Source::Reserved && key.name == "all" && matches!(requirement, Requirement::In(_))
        });
        all || self
            .requirements
            .iter()
            .all(|(key, requirement)| requirement.is_met_by(key.value_for(peer)))
    }

    /// A peer selector of a namespaced policy means its own namespace, unless it names a namespace or a
    /// reserved label itself (`pkg/k8s/apis/cilium.io/utils/utils.go`, `getEndpointSelector`).
    #[must_use]
    pub fn confined_to(mut self, namespace: &str) -> Self {
        let names_one = self.requirements.iter().any(|(key, _)| key.selects_namespace());
        if !names_one && !self.has_reserved_key() {
            self.require_namespace(namespace);
        }
        self
    }

    /// An endpoint selector always means its own namespace (same file, `ParseToCiliumRule`).
    #[must_use]
    pub fn always_in(mut self, namespace: &str) -> Self {
        self.require_namespace(namespace);
        self
    }

    fn require_namespace(&mut self, namespace: &str) {
        let key = Key {
            source: Source::K8s,
            name: NAMESPACE_LABEL.to_owned(),
        };
        let requirement = Requirement::In(vec![namespace.to_owned()]);
        self.requirements.push((key, requirement));
    }
}
