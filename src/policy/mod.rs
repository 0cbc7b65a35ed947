//! Who may talk to whom: pure evaluation of Kubernetes, Cilium and Istio policy over labels and identities.
//!
//! Belongs here: policy types, selectors and the functions that turn (policy, source, destination, request)
//! into a [`Verdict`]. Does not belong here: time, propagation, caches and the simulator (`cluster`), and
//! the reading of YAML (`scenario::manifests`). The caller decides *which* identity it passes in: the
//! true one of a workload, or the one that some component believes in.

pub mod cidr;
pub mod istio;
pub mod labels;
pub mod layers;
pub mod network;
mod notes;
pub mod request;
pub mod routes;
pub mod samples;
pub mod subject;
pub mod waypoints;

#[cfg(test)]
mod truth_table;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

pub use istio::MeshPolicies;
pub use labels::{LabelSelector, Labels};
pub use network::{NetworkPolicies, cilium};
pub use request::{Http, Protocol};
pub use routes::Route;
pub use subject::{Capture, Endpoint, NamedPorts, Subject};

/// Identities that Cilium keeps for things that are no labelled pod (`docs/model/cilium.md#reserved-identities`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reserved {
    /// 0: nothing is known about the address.
    Unknown,
    /// 1: the node on which the policy is enforced.
    Host,
    /// 2: outside the cluster; also what an unknown pod address resolves to in native routing.
    World,
    /// 3: a pod that Cilium does not manage.
    Unmanaged,
    /// 4: Cilium's health endpoint.
    Health,
    /// 5: an endpoint whose labels are not known yet.
    Init,
    /// 6: another node of the cluster.
    RemoteNode,
    /// 7: the Kubernetes API server.
    KubeApiserver,
    /// 8: Cilium's ingress proxy.
    Ingress,
}

impl Reserved {
    /// All reserved identities in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Unknown,
        Self::Host,
        Self::World,
        Self::Unmanaged,
        Self::Health,
        Self::Init,
        Self::RemoteNode,
        Self::KubeApiserver,
        Self::Ingress,
    ];

    /// The numeric identity, fixed in Cilium's `pkg/identity/numericidentity.go`.
    pub fn number(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Host => 1,
            Self::World => 2,
            Self::Unmanaged => 3,
            Self::Health => 4,
            Self::Init => 5,
            Self::RemoteNode => 6,
            Self::KubeApiserver => 7,
            Self::Ingress => 8,
        }
    }

    /// The name after `reserved:` in a label (Cilium `pkg/labels/labels.go`, constants `IDName*`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Host => "host",
            Self::World => "world",
            Self::Unmanaged => "unmanaged",
            Self::Health => "health",
            Self::Init => "init",
            Self::RemoteNode => "remote-node",
            Self::KubeApiserver => "kube-apiserver",
            Self::Ingress => "ingress",
        }
    }
}

/// The other end of a connection as the network layer classifies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer<'a> {
    /// A pod with labels.
    Endpoint(&'a Subject),
    /// One of Cilium's reserved identities.
    Reserved(Reserved),
    /// An address outside the cluster.
    Address(IpAddr),
}

/// The answer of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// The layer lets the connection or request pass.
    Allow,
    /// The layer refuses it.
    Deny,
    /// A part of a policy that is not evaluated could decide it either way. Only a lenient reader
    /// lets such parts in; the simulator never does.
    Unknown,
}

/// An answer and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Allow or deny.
    pub decision: Decision,
    /// What led to it.
    pub because: Because,
}

impl Verdict {
    /// Whether the decision is [`Decision::Allow`].
    pub fn is_allowed(&self) -> bool {
        self.decision == Decision::Allow
    }

    pub(crate) fn new(
        decision: Decision,
        policy: Option<&Arc<Origin>>,
        rule: Option<usize>,
        text: &'static str,
    ) -> Self {
        Self {
            decision,
            because: Because {
                policy: policy.cloned(),
                rule,
                text: Cow::Borrowed(text),
            },
        }
    }
}

/// Where a policy comes from. Plain data, so that nothing here knows files.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Kind, namespace and name: `CiliumNetworkPolicy default/v1`.
    pub policy: String,
    /// The file, as a person wrote it; empty where there is none.
    pub file: String,
    /// Line of each of its rules, in the order in which rules are counted; may be shorter than that.
    pub rule_lines: Vec<u32>,
}

impl Origin {
    /// The origin of a policy that was not read from a file.
    pub fn named(policy: impl Into<String>) -> Self {
        Self {
            policy: policy.into(),
            ..Self::default()
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.policy)
    }
}

/// Why a verdict came out as it did. Cheap to clone: nothing is formatted on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// The deciding policy; none where no single policy decided.
    pub policy: Option<Arc<Origin>>,
    /// Index of the deciding rule in the policy's list, counted from 0.
    pub rule: Option<usize>,
    /// The reason in words.
    pub text: Cow<'static, str>,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match (&self.policy, self.rule) {
            (Some(policy), Some(rule)) => write!(f, " ({policy}, rule {rule})"),
            (Some(policy), None) => write!(f, " ({policy})"),
            (None, _) => Ok(()),
        }
    }
}

/// A policy text that cannot be turned into something that is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Valid for the real component, but this model does not evaluate it.
    #[error("{what} `{value}` is not modeled")]
    NotModelled {
        /// Which part of a policy, in words.
        what: &'static str,
        /// Its value as written.
        value: String,
        /// What to write instead.
        hint: &'static str,
    },
    /// The real component would refuse it too.
    #[error("{what} `{value}` is not valid")]
    Invalid {
        /// Which part of a policy, in words.
        what: &'static str,
        /// Its value as written.
        value: String,
        /// What is expected.
        hint: &'static str,
    },
}

impl PolicyError {
    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotModelled { hint, .. } | Self::Invalid { hint, .. } => hint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_identities_have_the_numbers_zero_to_eight() {
        let numbers: Vec<u32> = Reserved::ALL.iter().map(|r| r.number()).collect();
        assert_eq!(numbers, (0..9).collect::<Vec<u32>>());
    }
}
