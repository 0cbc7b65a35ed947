//! Who may talk to whom: pure evaluation of Cilium and Istio policy over labels and identities.
//!
//! Belongs here: policy types, selectors and the functions that turn (policy, source, destination, request)
//! into a [`Verdict`]. Does not belong here: time, propagation, caches and the simulator (`cluster`), and
//! the reading of YAML (`scenario::manifests`). The caller decides *which* identity it passes in: the
//! true one of a workload, or the one that some component believes in.

pub mod cilium;
pub mod istio;
pub mod labels;

#[cfg(test)]
mod truth_table;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use cilium::CiliumPolicies;
pub use istio::MeshPolicies;
pub use labels::{LabelSelector, Labels};

/// What a workload truly is, and equally what one Cilium security identity stands for: the set of labels
/// that policies can see (`cilium.md` section 5, identity-relevant labels).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Kubernetes namespace of the pod.
    pub namespace: String,
    /// Service account that the pod runs under.
    pub service_account: String,
    /// Labels of the pod itself, without the ones Cilium derives from namespace and service account.
    pub labels: Labels,
}

impl Subject {
    /// The identity in the workload's certificate, without the `spiffe://` that Istio's policies imply:
    /// `cluster.local/ns/default/sa/sleep-v1` (`istio.md` section 6, row "principal").
    pub fn principal(&self, trust_domain: &str) -> String {
        format!("{trust_domain}/ns/{}/sa/{}", self.namespace, self.service_account)
    }
}

/// Identities that Cilium keeps for things that are no labelled pod (`cilium.md` section 1.6).
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
}

/// Transport protocols that policies distinguish (Cilium `pkg/policy/api/l4.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        })
    }
}

/// The answer of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// The layer lets the connection or request pass.
    Allow,
    /// The layer refuses it.
    Deny,
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

    pub(crate) fn new(decision: Decision, policy: Option<&Arc<str>>, rule: Option<usize>, text: &'static str) -> Self {
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

/// Why a verdict came out as it did. Cheap to clone: nothing is formatted on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// Kind, namespace and name of the deciding policy, `CiliumNetworkPolicy default/v1`; none where no
    /// single policy decided.
    pub policy: Option<Arc<str>>,
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
    #[error("{what} `{value}` is not modelled")]
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
    fn principal_is_trust_domain_namespace_and_service_account() {
        let subject = Subject {
            namespace: "default".into(),
            service_account: "sleep-v1".into(),
            labels: Labels::default(),
        };
        assert_eq!(
            subject.principal("cluster.local"),
            "cluster.local/ns/default/sa/sleep-v1"
        );
    }

    #[test]
    fn reserved_identities_have_the_numbers_zero_to_eight() {
        let numbers: Vec<u32> = Reserved::ALL.iter().map(|r| r.number()).collect();
        assert_eq!(numbers, (0..9).collect::<Vec<u32>>());
    }
}
