//! Who a policy speaks of: what an identity stands for, and one workload's pods as policies see them.
//!
//! Belongs here: the labels, names and ports that selectors can look at. Does not belong here: where the pods run, and
//! which address a component believes them to have (`cluster`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::cidr::Block;
use super::labels::Labels;
use super::request::Protocol;

/// Label with the namespace's name that the API server sets on every namespace (Kubernetes `pkg/apis/core/v1/defaults.go`,
/// `SetDefaults_Namespace`, since 1.21).
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// What a workload truly is, and equally what one Cilium security identity stands for: the set of labels
/// that policies can see (`docs/model/cilium.md#identity-relevant-labels`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// Kubernetes namespace of the pod.
    pub namespace: String,
    /// Labels of the namespace, [`NAMESPACE_NAME_LABEL`] among them.
    pub namespace_labels: Labels,
    /// Service account that the pod runs under.
    pub service_account: String,
    /// Labels of the pod itself, without the ones Cilium derives from namespace and service account.
    pub labels: Labels,
}

impl Subject {
    /// A subject in a namespace with these labels; the label with the namespace's name is added.
    pub fn new(namespace: &str, mut namespace_labels: Labels, service_account: &str, labels: Labels) -> Self {
        let name = (NAMESPACE_NAME_LABEL.to_owned(), namespace.to_owned());
        namespace_labels.0.extend([name]);
        Self {
            namespace: namespace.to_owned(),
            namespace_labels,
            service_account: service_account.to_owned(),
            labels,
        }
    }

    /// The identity in the workload's certificate, without the `spiffe://` that Istio's policies imply:
    /// `cluster.local/ns/default/sa/sleep-v1` (`docs/model/istio.md#authorization`).
    pub fn principal(&self, trust_domain: &str) -> String {
        format!("{trust_domain}/ns/{}/sa/{}", self.namespace, self.service_account)
    }
}

/// Named ports: the same name may stand for one number per protocol (Kubernetes `core/v1` `ContainerPort.name`).
pub type NamedPorts = BTreeMap<(String, Protocol), u16>;

/// One workload's pods as the two ends of a connection show them. All its pods are alike to policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What it is.
    pub subject: Subject,
    /// Name of the workload or pod.
    pub name: String,
    /// Its named container ports.
    pub named_ports: NamedPorts,
    /// Whether it shares its node's network (`hostNetwork: true`): policies then see the node, not the pod.
    pub host_network: bool,
    /// Addresses of its pods where they are known (`status.podIPs` of a dump); usually empty.
    pub addresses: Vec<IpAddr>,
    /// Whether a sidecar is injected.
    pub sidecar: bool,
    /// Whether it is in ambient mode (label `istio.io/dataplane-mode: ambient` of pod or namespace), without a sidecar.
    pub ambient: bool,
    /// Which of its traffic meets its sidecar.
    pub capture: Capture,
    /// Names of the nodes of its pods where they are known (`spec.nodeName` of a dump); usually empty.
    pub nodes: Vec<String>,
}

impl Endpoint {
    /// Whether it is an API server as kubeadm runs it: a pod in its node's network with this label (Kubernetes
    /// `cmd/kubeadm/app/phases/controlplane/manifests.go`).
    pub fn is_api_server(&self) -> bool {
        self.host_network
            && self.subject.namespace == "kube-system"
            && self.subject.labels.get("component") == Some("kube-apiserver")
    }
}

/// Which traffic of a pod is redirected to its sidecar (annotations `traffic.sidecar.istio.io/…`); by default all of TCP.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Capture {
    /// The only ports of incoming connections; none means all.
    pub include_inbound_ports: Option<Vec<u16>>,
    /// Ports of incoming connections that are left out.
    pub exclude_inbound_ports: Vec<u16>,
    /// Ports of outgoing connections that are redirected whatever their address is.
    pub include_outbound_ports: Vec<u16>,
    /// Ports of outgoing connections that are left out.
    pub exclude_outbound_ports: Vec<u16>,
    /// The only addresses of outgoing connections; none means all.
    pub include_outbound_blocks: Option<Vec<Block>>,
    /// Addresses of outgoing connections that are left out.
    pub exclude_outbound_blocks: Vec<Block>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principal_is_trust_domain_namespace_and_service_account() {
        let subject = Subject::new("default", Labels::default(), "sleep-v1", Labels::default());
        assert_eq!(
            subject.principal("cluster.local"),
            "cluster.local/ns/default/sa/sleep-v1"
        );
    }

    #[test]
    fn every_namespace_has_the_label_with_its_name() {
        let wrong = Labels::from([(NAMESPACE_NAME_LABEL, "other")]);
        let subject = Subject::new("default", wrong, "sleep-v1", Labels::default());
        assert_eq!(subject.namespace_labels.get(NAMESPACE_NAME_LABEL), Some("default"));
    }
}
