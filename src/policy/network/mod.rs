//! The network layer: NetworkPolicy of Kubernetes and the policies of Cilium together.
//!
//! Belongs here: the set of policies, the options under which it is evaluated, and questions about plain subjects. Does
//! not belong here: questions about many workloads (`compiled`), the mesh's policies (`super::istio`), time and caches.
//!
//! Every policy is brought to one intermediate form (`form`) and all of them are evaluated together, as Cilium does: an
//! allow rule of any kind opens, a deny rule of Cilium closes whatever opened it. The caller decides *which* identity it
//! passes in: the true one of a workload, or the one that some component believes in.

pub mod cilium;
pub mod compiled;
mod evaluate;
pub mod form;
mod index;
pub mod kubernetes;
mod selector;
mod tri;

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::cidr::Block;
use super::{Decision, Http, Labels, NamedPorts, Origin, Peer, Protocol, Reserved, Subject, Verdict};
pub use cilium::CiliumNetworkPolicy;
pub use compiled::{CompiledPolicies, End};
use evaluate::{Party, Question, Sight, evaluate, plain};
use form::{Direction, Layer7, Names, Port, Scope, Selectors};
pub use kubernetes::NetworkPolicy;
use tri::Tri;

/// When policies are enforced (Cilium option `enable-policy`; docs `security/policy/intro`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Enforcement {
    /// On a workload that a policy selects, in the directions for which it has rules.
    #[default]
    Default,
    /// On every workload, selected or not.
    Always,
    /// On none.
    Never,
}

/// The network that enforces, where the answer depends on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cni {
    /// Cilium: blocks of addresses never mean pods or nodes of the cluster; a pod needs a rule to reach its own node.
    #[default]
    Cilium,
    /// Any other: blocks of addresses mean whoever has such an address, and a pod may reach its own node (Kubernetes docs
    /// `concepts/services-networking/network-policies`).
    Generic,
}

/// A Service, for rules that name one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The labels of the pods behind it; empty if it has no selector.
    pub selector: Labels,
}

/// A node of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name, if it is known.
    pub name: Option<String>,
    /// Its addresses, as far as they are known.
    pub addresses: Vec<IpAddr>,
    /// Whether it runs an API server.
    pub api_server: bool,
}

/// What the answers depend on in addition to the policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// When policies are enforced.
    pub enforcement: Enforcement,
    /// Which network it is.
    pub cni: Cni,
    /// Whether an `ipBlock` of a NetworkPolicy can mean pods; none: what the network does.
    pub ip_block_matches_pods: Option<bool>,
    /// Whether blocks of addresses mean nodes under Cilium too (its option `policy-cidr-match-mode: nodes`).
    pub cidr_matches_nodes: bool,
    /// The nodes of the cluster, as far as they are known.
    pub nodes: Vec<Node>,
    /// Addresses of API servers outside the cluster.
    pub outside_api_servers: Vec<IpAddr>,
    /// Whether policies with a `nodeSelector` are enforced on nodes (Cilium's host firewall).
    pub host_firewall: bool,
    /// Name of the cluster, as selectors see it.
    pub cluster: String,
    /// Services that rules may name.
    pub services: Vec<Service>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            enforcement: Enforcement::default(),
            cni: Cni::default(),
            ip_block_matches_pods: None,
            cidr_matches_nodes: false,
            nodes: Vec::new(),
            outside_api_servers: Vec::new(),
            host_firewall: true,
            cluster: cilium::selector::CLUSTER_NAME.to_owned(),
            services: Vec::new(),
        }
    }
}

impl Options {
    /// Whether an `ipBlock` can mean pods.
    pub fn ip_block_matches_pods(&self) -> bool {
        self.ip_block_matches_pods.unwrap_or(self.cni == Cni::Generic)
    }

    /// Whether an `ipBlock` can mean nodes.
    pub fn ip_block_matches_nodes(&self) -> bool {
        self.cidr_matches_nodes || self.ip_block_matches_pods()
    }
}

/// All policies of the network of one cluster, in the intermediate form.
#[derive(Debug, Clone, Default)]
pub struct NetworkPolicies {
    options: Options,
    selectors: Selectors,
    ingress: Vec<Direction>,
    egress: Vec<Direction>,
    /// Whether some policy requires something of every peer.
    requirements: bool,
    /// Named ports by subject; none where pods with equal subjects differ in them.
    ports: BTreeMap<Subject, Option<NamedPorts>>,
}

impl NetworkPolicies {
    /// Takes the policies in; their order only decides which of several reasons is named.
    pub fn new(cilium: &[CiliumNetworkPolicy], kubernetes: &[NetworkPolicy], options: Options) -> Self {
        let mut policies = Self::default();
        for policy in cilium {
            let [ingress, egress] = cilium::lower::lower(policy, &options, &mut policies.selectors);
            policies.ingress.push(ingress);
            policies.egress.push(egress);
        }
        for policy in kubernetes {
            let [ingress, egress] = kubernetes::lower(policy, &options, &mut policies.selectors);
            policies.ingress.extend(ingress);
            policies.egress.extend(egress);
        }
        let mut directions = policies.ingress.iter().chain(&policies.egress);
        policies.requirements = directions.any(|d| !d.requires.is_empty() || !d.deny_requires.is_empty());
        policies.options = options;
        policies
    }

    /// The options under which they are evaluated.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// May `from` open a connection to `port` of `to`, as the node of `to` decides it? The node's own host may always
    /// reach its pods unless a deny rule applies (Cilium option `allow-localhost`, which is `always` under
    /// Kubernetes; `pkg/policy/mapstate.go`).
    pub fn ingress(
        &self,
        to: &Subject,
        from: Peer<'_>,
        port: u16,
        protocol: Protocol,
        http: Option<&Http<'_>>,
    ) -> Verdict {
        let question = Question {
            peer: Party::from(from),
            port,
            protocol,
            http,
            names: self.names(to),
            addresses: &[],
            exempt: from == Peer::Reserved(Reserved::Host),
        };
        self.ask(&self.ingress, to, &question)
    }

    /// May `from` open a connection to `port` of `to`, as the node of `from` decides it?
    pub fn egress(
        &self,
        from: &Subject,
        to: Peer<'_>,
        port: u16,
        protocol: Protocol,
        http: Option<&Http<'_>>,
    ) -> Verdict {
        let names = match to {
            Peer::Endpoint(subject) => self.names(subject),
            Peer::Reserved(_) | Peer::Address(_) => Names::None,
        };
        let question = Question {
            peer: Party::from(to),
            port,
            protocol,
            http,
            names,
            addresses: &[],
            exempt: self.egress_exempt(to == Peer::Reserved(Reserved::Host)),
        };
        self.ask(&self.egress, from, &question)
    }

    /// Whether a pod may reach its own node without a rule: everywhere but with Cilium.
    fn egress_exempt(&self, to_own_node: bool) -> bool {
        to_own_node && self.options.cni == Cni::Generic
    }

    fn names(&self, subject: &Subject) -> Names<'_> {
        match self.ports.get(subject) {
            Some(Some(names)) => Names::Known(names),
            Some(None) | None => Names::Unknown,
        }
    }

    fn sight(&self) -> Sight<'_> {
        Sight {
            selectors: &self.selectors,
            classes: None,
            cluster: &self.options.cluster,
            requirements: self.requirements,
        }
    }

    fn ask(&self, directions: &[Direction], own: &Subject, question: &Question<'_>) -> Verdict {
        if let Some(verdict) = self.not_enforced() {
            return verdict;
        }
        let sight = self.sight();
        let own = Party::from(Peer::Endpoint(own));
        let applying = directions.iter().filter_map(|policy| match policy.scope {
            Scope::Pods(selector) => applies(policy, sight.selects(selector, own)),
            Scope::Nodes { .. } => None,
        });
        evaluate(
            sight,
            applying,
            self.options.enforcement == Enforcement::Always,
            question,
        )
    }

    fn not_enforced(&self) -> Option<Verdict> {
        let text = "policies are not enforced";
        (self.options.enforcement == Enforcement::Never).then(|| plain(Decision::Allow, text))
    }

    /// The same policies where every address is one of a pod, of this block of IPv4: blocks without such an address match nothing,
    /// those with all of them match every address, and names of outside hosts have none.
    #[must_use]
    pub fn among_pods(mut self, pods: &Block) -> Self {
        for policy in self.ingress.iter_mut().chain(&mut self.egress) {
            for rule in policy.allow.iter_mut().chain(&mut policy.deny) {
                let peers = &mut rule.peers;
                peers.blocks.retain(|block| block.overlaps(pods));
                for block in peers.blocks.iter_mut().filter(|block| block.covers(pods)) {
                    *block = Block::everything();
                }
                peers.names.clear();
                (peers.unknown_outside, peers.unknown_nodes) = (false, false);
                peers.world_ipv6 = peers.world_ipv4;
            }
        }
        self
    }

    /// The first part that the simulator cannot ask about: its tables know identities and the world, but not which address is
    /// whose, no requests, and nothing that is open. With its policy, its rule and what it is. Asked of [`Self::among_pods`].
    pub fn beyond_identities(&self) -> Option<(&Origin, usize, &'static str)> {
        for policy in self.ingress.iter().chain(&self.egress) {
            let allow = policy.allow.iter().map(|rule| (&policy.origin, rule));
            let deny = policy.deny.iter().map(|rule| (&policy.deny_origin, rule));
            for (origin, rule) in allow.chain(deny) {
                let peers = &rule.peers;
                let whole = |block: &Block| block.is_everything() && block.is_ipv4();
                let what = if !peers.blocks.iter().all(whole) {
                    "a block of addresses"
                } else if rule.layer7 != Layer7::Unrestricted {
                    "a rule on requests"
                } else if peers.unknown || !policy.certain {
                    "a part that is not evaluated"
                } else if rule.ports.iter().any(|p| matches!(p.port, Port::Named(_))) {
                    "a named port"
                } else {
                    continue;
                };
                return Some((origin, rule.number, what));
            }
        }
        None
    }
}

/// A policy that applies, and whether it surely does.
fn applies(policy: &Direction, selected: bool) -> Option<(&Direction, Tri)> {
    match (policy.certain, selected) {
        (true, false) => None,
        (true, true) => Some((policy, Tri::Yes)),
        (false, _) => Some((policy, Tri::Unknown)),
    }
}

impl<'a> From<Peer<'a>> for Party<'a> {
    fn from(peer: Peer<'a>) -> Self {
        match peer {
            Peer::Endpoint(subject) => Self::Pod {
                subject,
                class: None,
                addresses: &[],
            },
            Peer::Reserved(reserved) => Self::Reserved(reserved),
            Peer::Address(address) => Self::Address(address),
        }
    }
}
