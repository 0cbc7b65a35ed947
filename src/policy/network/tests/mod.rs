//! Tests of the network layer: one module for each document of the projects, one test for each rule of it.
//!
//! Belongs here: the small world that the tests share. Does not belong here: reading of manifests.

mod deny;
mod enforcement;
mod host;
mod kubernetes_page;
mod layer3;
mod layer4;
mod layer7;
mod open;
mod properties;

use super::cilium::{CiliumPeers, CiliumRule, CiliumSelector, CiliumSubject, Entity};
use super::form::{Port, PortMatch, ProtocolMatch};
use super::kubernetes::{NetworkPeer, NetworkRule};
use super::{CiliumNetworkPolicy, NetworkPolicies, NetworkPolicy, Options};
use crate::policy::cidr::Block;
use crate::policy::labels::{LabelSelector, Labels, Requirement};
use crate::policy::{Decision, Endpoint, Http, NamedPorts, Peer, Protocol, Reserved, Subject, Verdict};

pub const TCP: Protocol = Protocol::Tcp;

impl NetworkPolicies {
    /// The same policies with the named ports of the pods that they are asked about.
    pub fn with_ports(mut self, ports: impl IntoIterator<Item = (Subject, NamedPorts)>) -> Self {
        for (subject, names) in ports {
            self.ports
                .entry(subject)
                .and_modify(|known| {
                    if known.as_ref() != Some(&names) {
                        *known = None;
                    }
                })
                .or_insert(Some(names));
        }
        self
    }
}

impl PortMatch {
    /// One port of TCP.
    pub fn tcp(port: u16) -> Self {
        Self {
            port: Port::Range(port, port),
            protocol: ProtocolMatch::Is(Protocol::Tcp),
        }
    }
}

/// A pod with one label; its namespace has the label `team` with the namespace's own name.
pub fn pod(namespace: &str, app: &str) -> Subject {
    let account = format!("{app}-account");
    let team = Labels::from([("team", namespace)]);
    Subject::new(namespace, team, &account, Labels::from([("app", app)]))
}

pub fn endpoint(subject: Subject) -> Endpoint {
    Endpoint {
        name: subject.labels.get("app").unwrap_or_default().to_owned(),
        subject,
        named_ports: NamedPorts::new(),
        host_network: false,
        addresses: Vec::new(),
        sidecar: false,
        ambient: false,
        capture: Default::default(),
        nodes: Vec::new(),
    }
}

pub fn labels<const N: usize>(pairs: [(&str, &str); N]) -> LabelSelector {
    LabelSelector::from(pairs)
}

pub fn expression(key: &str, requirement: Requirement) -> LabelSelector {
    LabelSelector {
        match_labels: Default::default(),
        match_expressions: vec![(key.to_owned(), requirement)],
    }
}

pub fn cilium_selector(selector: &LabelSelector) -> CiliumSelector {
    CiliumSelector::new(selector).expect("valid selector")
}

pub fn select<const N: usize>(pairs: [(&str, &str); N]) -> CiliumSelector {
    cilium_selector(&labels(pairs))
}

pub fn block(text: &str, except: &[&str]) -> Block {
    Block::parse(text, except).expect("valid block")
}

pub fn outside(text: &str) -> Peer<'static> {
    Peer::Address(text.parse().expect("an address"))
}

/// A policy of Cilium in namespace `default` for `app: server`.
pub fn for_server() -> CiliumNetworkPolicy {
    let servers = CiliumSubject::Endpoints(select([("app", "server")]));
    CiliumNetworkPolicy::new(Some("default"), "p", servers)
}

pub fn clusterwide() -> CiliumNetworkPolicy {
    CiliumNetworkPolicy {
        namespace: None,
        ..for_server()
    }
}

pub fn peers(peers: CiliumPeers) -> CiliumRule {
    CiliumRule {
        peers,
        ..CiliumRule::default()
    }
}

pub fn from(selectors: impl IntoIterator<Item = CiliumSelector>) -> CiliumRule {
    peers(CiliumPeers::Endpoints(selectors.into_iter().collect()))
}

pub fn entities<const N: usize>(names: [&str; N]) -> CiliumRule {
    let names = names.into_iter().map(|name| Entity::parse(name).expect("an entity"));
    peers(CiliumPeers::Entities(names.collect()))
}

pub fn on(rule: CiliumRule, ports: impl IntoIterator<Item = PortMatch>) -> CiliumRule {
    CiliumRule {
        ports: ports.into_iter().map(Into::into).collect(),
        ..rule
    }
}

pub fn port(port: Port, protocol: ProtocolMatch) -> PortMatch {
    PortMatch { port, protocol }
}

/// A policy that admits by one rule.
pub fn admits(rule: CiliumRule) -> CiliumNetworkPolicy {
    CiliumNetworkPolicy {
        ingress: vec![rule],
        ..for_server()
    }
}

/// A policy that refuses by one rule.
pub fn refuses(rule: CiliumRule) -> CiliumNetworkPolicy {
    CiliumNetworkPolicy {
        ingress_deny: vec![rule],
        ..for_server()
    }
}

pub fn cilium(policies: &[CiliumNetworkPolicy]) -> NetworkPolicies {
    NetworkPolicies::new(policies, &[], Options::default())
}

/// Whether the server in `default` is reached by TCP.
pub fn reached(policies: &[CiliumNetworkPolicy], peer: Peer<'_>, port: u16) -> bool {
    asked(policies, peer, port).is_allowed()
}

pub fn asked(policies: &[CiliumNetworkPolicy], peer: Peer<'_>, port: u16) -> Verdict {
    cilium(policies).ingress(&pod("default", "server"), peer, port, TCP, None)
}
