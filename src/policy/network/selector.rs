//! The one form of selector that all policies of the network are brought to.
//!
//! Belongs here: what a selector can look at, and matching. Does not belong here: how Kubernetes and Cilium write
//! selectors (`kubernetes`, `cilium::selector`), and the index that makes many matches cheap (`index`).

use super::super::labels::Requirement;
use super::super::{Reserved, Subject};

/// Something of a pod that a selector can look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// A label of the pod itself.
    Label(String),
    /// A label of its namespace.
    NamespaceLabel(String),
    /// The name of its namespace.
    Namespace,
    /// The name of its service account.
    ServiceAccount,
    /// The name of its cluster.
    Cluster,
    /// Nothing that a pod has.
    Absent,
}

impl Field {
    /// The value that a pod has there, if any.
    pub fn value<'a>(&self, subject: &'a Subject, cluster: &'a str) -> Option<&'a str> {
        match self {
            Self::Label(key) => subject.labels.get(key),
            Self::NamespaceLabel(key) => subject.namespace_labels.get(key),
            Self::Namespace => Some(&subject.namespace),
            Self::ServiceAccount => Some(&subject.service_account),
            Self::Cluster => Some(cluster),
            Self::Absent => None,
        }
    }
}

/// One requirement of a selector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Term {
    /// What it looks at in a pod.
    pub field: Field,
    /// The reserved label it looks at in what is no pod, if it can see those.
    pub reserved: Option<String>,
    /// What the value has to be.
    pub requirement: Requirement,
}

/// A selector; all of its terms must be met.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    /// The requirements.
    pub terms: Vec<Term>,
    /// Whether it can only mean pods; else one without terms matches every peer.
    pub pods_only: bool,
}

impl Selector {
    /// Whether a pod meets every term.
    pub fn matches_pod(&self, subject: &Subject, cluster: &str) -> bool {
        self.terms
            .iter()
            .all(|term| term.requirement.is_met_by(term.field.value(subject, cluster)))
    }

    /// Whether something that is no pod meets every term: it has these reserved labels, all with an empty value.
    pub fn matches_reserved(&self, labels: &[&str]) -> bool {
        let value = |term: &Term| {
            let wanted = term.reserved.as_deref()?;
            labels.contains(&wanted).then_some("")
        };
        !self.pods_only && self.terms.iter().all(|term| term.requirement.is_met_by(value(term)))
    }
}

/// The reserved labels of an identity. A node that runs the API server is also a node (Cilium
/// `pkg/identity/reserved.go`, `ReservedIdentityKubeAPIServer`).
pub fn reserved_labels(reserved: Reserved) -> &'static [&'static str] {
    match reserved {
        Reserved::Unknown => &["unknown"],
        Reserved::Host => &["host"],
        Reserved::World => &["world"],
        Reserved::Unmanaged => &["unmanaged"],
        Reserved::Health => &["health"],
        Reserved::Init => &["init"],
        Reserved::RemoteNode => &["remote-node"],
        Reserved::KubeApiserver => &["kube-apiserver", "remote-node"],
        Reserved::Ingress => &["ingress"],
    }
}

/// The reserved labels of the own node if it runs the API server: its identity stays that of the host, with one label more
/// (Cilium `pkg/ipcache/metadata.go`, `updateReservedHostLabels`).
pub const OWN_API_SERVER: &[&str] = &["host", "kube-apiserver"];
/// The reserved labels of an API server outside the cluster: an address with one label more (same file, `resolveIdentity`).
pub const OUTSIDE_API_SERVER: &[&str] = &["kube-apiserver", "world"];
