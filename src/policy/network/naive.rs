//! A second evaluation, for tests only: written from the documents, one policy after the other, on the types as they are
//! written, without the intermediate form and without an index.
//!
//! Belongs here: what Kubernetes' page on NetworkPolicy and Cilium's pages on layers 3, 4 and 7, deny policies and
//! enforcement say, for sets without unknown parts. Does not belong here: speed and reasons.

use super::super::labels::{LabelSelector, Requirement};
use super::super::{Decision, Http, NamedPorts, Peer, Protocol, Reserved, Subject};
use super::cilium::selector::{NAMESPACE_LABEL, NAMESPACE_LABELS_PREFIX, Source};
use super::cilium::{CiliumPeers, CiliumRule, CiliumSelector, CiliumSubject, Entity};
use super::form::{Layer7, Port, PortMatch, ProtocolMatch};
use super::kubernetes::{NetworkPeer, NetworkRule};
use super::{CiliumNetworkPolicy, Cni, Enforcement, NetworkPolicy, Options};
use crate::policy::network::tri::Tri;

/// A connection in one direction, as seen from `own`.
pub struct Case<'a> {
    pub ingress: bool,
    pub own: &'a Subject,
    pub peer: Peer<'a>,
    pub port: u16,
    pub protocol: Protocol,
    pub http: Option<&'a Http<'a>>,
    /// Named ports of the destination.
    pub names: &'a NamedPorts,
}

pub fn decide(
    cilium: &[CiliumNetworkPolicy],
    kubernetes: &[NetworkPolicy],
    options: &Options,
    case: &Case<'_>,
) -> Decision {
    if options.enforcement == Enforcement::Never {
        return Decision::Allow;
    }
    let applying: Vec<&CiliumNetworkPolicy> = cilium.iter().filter(|p| applies(p, case.own)).collect();
    let rules = |p: &'_ CiliumNetworkPolicy| match case.ingress {
        true => (p.ingress.clone(), p.ingress_deny.clone(), p.default_deny_ingress),
        false => (p.egress.clone(), p.egress_deny.clone(), p.default_deny_egress),
    };
    let required = |deny: bool| -> bool {
        applying.iter().all(|policy| {
            let (allows, denies, _) = rules(policy);
            let list = if deny { denies } else { allows };
            let mut selectors = list.iter().flat_map(|rule| &rule.requires);
            selectors.all(|s| means(s, policy, case.peer, true))
        })
    };
    let own_node = case.peer == Peer::Reserved(Reserved::Host) && (case.ingress || options.cni == Cni::Generic);
    let (mut isolated, mut allowed) = (options.enforcement == Enforcement::Always, false);
    for policy in &applying {
        let (allows, denies, default_deny) = rules(policy);
        if denies
            .iter()
            .any(|rule| matches(rule, policy, case, required(true), false, own_node))
        {
            return Decision::Deny;
        }
        let has_rules = !allows.is_empty() || !denies.is_empty();
        isolated |= has_rules && default_deny != Some(false);
        let watches = default_deny == Some(false);
        allowed |= allows
            .iter()
            .any(|rule| matches(rule, policy, case, required(false), watches, own_node));
    }
    for policy in kubernetes {
        let (isolates, rules) = match case.ingress {
            true => (policy.isolates_ingress, &policy.ingress),
            false => (policy.isolates_egress, &policy.egress),
        };
        if isolates && policy.namespace == case.own.namespace && policy.pod_selector.matches(&case.own.labels) {
            isolated = true;
            allowed |= rules
                .iter()
                .any(|rule| network_rule(rule, policy, options, case, required(false)));
        }
    }
    match allowed || own_node || !isolated {
        true => Decision::Allow,
        false => Decision::Deny,
    }
}

fn applies(policy: &CiliumNetworkPolicy, own: &Subject) -> bool {
    match &policy.subject {
        CiliumSubject::Nodes(_) => false,
        CiliumSubject::Endpoints(selector) => {
            policy.namespace.as_ref().is_none_or(|n| *n == own.namespace) && selector.matches(Peer::Endpoint(own))
        }
    }
}

fn means(selector: &CiliumSelector, policy: &CiliumNetworkPolicy, peer: Peer<'_>, always: bool) -> bool {
    let keys = || selector.requirements().iter().map(|(key, _)| key);
    let reserved = keys().any(|key| key.source == Source::Reserved);
    let names_one = keys().any(|k| k.source != Source::Reserved && k.name == NAMESPACE_LABEL);
    let by_labels = keys().any(|k| k.source != Source::Reserved && k.name.starts_with(NAMESPACE_LABELS_PREFIX));
    let in_reach = match (&policy.namespace, peer) {
        _ if reserved && !always => true,
        (None, Peer::Endpoint(_)) => true,
        (None, _) => names_one,
        (Some(_), _) if names_one || by_labels => true,
        (Some(namespace), Peer::Endpoint(subject)) => subject.namespace == *namespace,
        (Some(_), _) => false,
    };
    in_reach && selector.matches(peer)
}

fn matches(
    rule: &CiliumRule,
    policy: &CiliumNetworkPolicy,
    case: &Case<'_>,
    required: bool,
    watches: bool,
    own_node: bool,
) -> bool {
    let peer = match &rule.peers {
        CiliumPeers::Unrestricted => !rule.ports.is_empty(),
        CiliumPeers::Endpoints(list) => required && list.iter().any(|s| means(s, policy, case.peer, false)),
        CiliumPeers::Entities(list) => list.iter().any(|entity| entity_means(*entity, case.peer)),
        CiliumPeers::Blocks(list) => match case.peer {
            Peer::Address(address) => list.iter().any(|block| block.contains(address)),
            Peer::Endpoint(_) | Peer::Reserved(_) => false,
        },
        CiliumPeers::Services(_) | CiliumPeers::Names(_) | CiliumPeers::Nodes | CiliumPeers::Unknown { .. } => {
            unreachable!("not made by the tests")
        }
    };
    let request = |layer7: &Layer7| match (layer7, case.http) {
        (Layer7::Unrestricted, _) => true,
        (Layer7::Http(_), _) if own_node => true,
        (Layer7::Http(_), None) => false,
        (Layer7::Http(_), Some(_)) if watches => true,
        (Layer7::Http(rules), Some(http)) => rules.is_empty() || rules.iter().any(|r| r.matches(http) == Tri::Yes),
        (Layer7::Unknown, _) => unreachable!("not made by the tests"),
    };
    let by_port = |entry: &super::cilium::PortRule| any_port(&entry.ports, case) && request(&entry.layer7);
    peer && !rule.icmp && (rule.ports.is_empty() || rule.ports.iter().any(by_port))
}

/// The table of Cilium's page on entities.
fn entity_means(entity: Entity, peer: Peer<'_>) -> bool {
    let reserved = match peer {
        Peer::Endpoint(_) => return matches!(entity, Entity::All | Entity::Cluster),
        Peer::Address(_) => Reserved::World,
        Peer::Reserved(reserved) => reserved,
    };
    match entity {
        Entity::All => true,
        Entity::None => false,
        Entity::Cluster => !matches!(reserved, Reserved::World | Reserved::Unknown),
        Entity::WorldIpv4 => matches!(peer, Peer::Address(address) if address.is_ipv4()),
        Entity::WorldIpv6 => matches!(peer, Peer::Address(address) if address.is_ipv6()),
        Entity::Reserved(Reserved::RemoteNode) => {
            matches!(reserved, Reserved::RemoteNode | Reserved::KubeApiserver)
        }
        Entity::Reserved(wanted) => wanted == reserved,
    }
}

fn any_port(ports: &[PortMatch], case: &Case<'_>) -> bool {
    ports.iter().any(|wanted| {
        let protocol = match wanted.protocol {
            ProtocolMatch::Any => true,
            ProtocolMatch::Is(protocol) => protocol == case.protocol,
            ProtocolMatch::Portless => false,
        };
        let number = match &wanted.port {
            Port::Any => true,
            Port::Range(first, last) => *first <= case.port && case.port <= *last,
            Port::Named(name) => case.names.get(&(name.clone(), case.protocol)) == Some(&case.port),
        };
        protocol && number
    })
}

fn network_rule(
    rule: &NetworkRule,
    policy: &NetworkPolicy,
    options: &Options,
    case: &Case<'_>,
    required: bool,
) -> bool {
    let by_peer = |peer: &NetworkPeer| match (peer, case.peer) {
        (NetworkPeer::Pods { namespaces, pods }, Peer::Endpoint(subject)) => {
            let namespace = match namespaces {
                None => subject.namespace == policy.namespace,
                Some(selector) => selector.matches(&subject.namespace_labels),
            };
            required && namespace && pods.as_ref().is_none_or(|selector| selector.matches(&subject.labels))
        }
        (NetworkPeer::Pods { .. }, _) => false,
        (NetworkPeer::Block(block), Peer::Address(address)) => block.contains(address),
        (NetworkPeer::Block(_), Peer::Endpoint(_) | Peer::Reserved(_)) => {
            assert!(!options.ip_block_matches_pods(), "not made by the tests");
            false
        }
    };
    let peer = match rule.peers.is_empty() {
        true => required,
        false => rule.peers.iter().any(by_peer),
    };
    peer && (rule.ports.is_empty() || any_port(&rule.ports, case))
}

/// A selector with every label written as an expression.
pub fn set_based_twin(selector: &LabelSelector) -> LabelSelector {
    let labels = selector.match_labels.iter();
    let labels = labels.map(|(key, value)| (key.clone(), Requirement::In(vec![value.clone()])));
    LabelSelector {
        match_labels: Default::default(),
        match_expressions: labels.chain(selector.match_expressions.iter().cloned()).collect(),
    }
}
