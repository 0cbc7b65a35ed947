//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy as they are written.
//!
//! Belongs here: the types that the reading of manifests fills, one for each part of such a policy. Does not belong here:
//! what they become (`lower`), evaluation (`super::evaluate`), and which identity an address is *believed* to have
//! (`cluster`).

pub mod entity;
pub mod fqdn;
pub mod http;
pub(super) mod lower;
pub mod selector;

pub use entity::Entity;
pub use fqdn::NamePattern;
pub use http::{HeaderMatch, HttpRule, Pattern};
pub use selector::CiliumSelector;

use super::super::cidr::Block;
use super::super::labels::LabelSelector;
use super::form::{Layer7, PortMatch};

/// A policy of Cilium (Cilium `pkg/policy/api/rule.go`); an object with several `specs` is several of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiliumNetworkPolicy {
    /// Namespace of the policy, which confines its selectors; none for a clusterwide policy.
    pub namespace: Option<String>,
    /// Name of the policy.
    pub name: String,
    /// The file it was read from; empty if it was not.
    pub file: String,
    /// What it applies to, as written (without the implied namespace).
    pub subject: CiliumSubject,
    /// Whether `subject` is all that is known about that; else it may or may not apply there.
    pub certain: bool,
    /// Allow rules for incoming connections.
    pub ingress: Vec<CiliumRule>,
    /// Deny rules for incoming connections.
    pub ingress_deny: Vec<CiliumRule>,
    /// Allow rules for outgoing connections.
    pub egress: Vec<CiliumRule>,
    /// Deny rules for outgoing connections.
    pub egress_deny: Vec<CiliumRule>,
    /// `enableDefaultDeny.ingress`; none means: if there is a rule for that direction (`Rule.Sanitize`).
    pub default_deny_ingress: Option<bool>,
    /// `enableDefaultDeny.egress`; as above.
    pub default_deny_egress: Option<bool>,
}

/// What a policy applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CiliumSubject {
    /// `endpointSelector`: pods.
    Endpoints(CiliumSelector),
    /// `nodeSelector`: nodes and what shares their network, by the labels of nodes.
    Nodes(LabelSelector),
}

impl CiliumNetworkPolicy {
    /// A policy of a namespace without rules.
    pub fn new(namespace: Option<&str>, name: &str, subject: CiliumSubject) -> Self {
        Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            file: String::new(),
            subject,
            certain: true,
            ingress: Vec::new(),
            ingress_deny: Vec::new(),
            egress: Vec::new(),
            egress_deny: Vec::new(),
            default_deny_ingress: None,
            default_deny_egress: None,
        }
    }

    /// Kind, namespace and name, as reasons name the policy.
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("CiliumNetworkPolicy {namespace}/{}", self.name),
            None => format!("CiliumClusterwideNetworkPolicy {}", self.name),
        }
    }
}

/// One rule of `ingress`, `egress`, `ingressDeny` or `egressDeny`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CiliumRule {
    /// The other side.
    pub peers: CiliumPeers,
    /// `toPorts`; empty means all ports.
    pub ports: Vec<PortRule>,
    /// Whether the rule speaks of ICMP (`icmps`), and so of no port.
    pub icmp: bool,
    /// `fromRequires` and `toRequires`.
    pub requires: Vec<CiliumSelector>,
    /// Whether `authentication.mode` is `required`.
    pub authentication: bool,
    /// Its line in the file; 0 if it was not read from one.
    pub line: u32,
}

/// Who is on the other side of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CiliumPeers {
    /// The rule names no peer: with ports it matches every peer, without ports none.
    #[default]
    Unrestricted,
    /// `fromEndpoints` / `toEndpoints`: one of these selectors matches.
    Endpoints(Vec<CiliumSelector>),
    /// `fromEntities` / `toEntities`: one of these entities matches.
    Entities(Vec<Entity>),
    /// `fromCIDR`, `fromCIDRSet` and their twins: one of these blocks holds the address.
    Blocks(Vec<Block>),
    /// `toServices`: the pods behind one of these Services, by namespace and name.
    Services(Vec<(String, String)>),
    /// `toFQDNs`: the outside hosts of one of these names.
    Names(Vec<NamePattern>),
    /// `fromNodes` / `toNodes`: nodes with labels that are not known.
    Nodes,
    /// Something that is not evaluated.
    Unknown {
        /// Whether it can only mean addresses outside the cluster.
        outside: bool,
    },
}

/// One entry of `toPorts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortRule {
    /// Ports; one of them.
    pub ports: Vec<PortMatch>,
    /// What has to be in the connection.
    pub layer7: Layer7,
}

impl From<PortMatch> for PortRule {
    fn from(port: PortMatch) -> Self {
        Self {
            ports: vec![port],
            layer7: Layer7::Unrestricted,
        }
    }
}
