//! NetworkPolicy of Kubernetes: its types, and their way to the intermediate form.
//!
//! Belongs here: what is particular to that kind: defaults, isolation, peers and ports. Does not belong here: evaluation
//! (`evaluate`), and what an `ipBlock` can see of pods, which depends on the CNI (`Options`).

use std::sync::Arc;

use super::super::Origin;
use super::super::cidr::Block;
use super::super::labels::{LabelSelector, Requirement};
use super::Options;
use super::form::{Direction, Layer7, Peers, PortMatch, Rule, Scope, Selectors};
use super::selector::{Field, Selector, Term};

/// A NetworkPolicy (Kubernetes `networking/v1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Its namespace, to which `pod_selector` is confined.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The file it was read from; empty if it was not.
    pub file: String,
    /// The pods it applies to; an empty one means all of the namespace.
    pub pod_selector: LabelSelector,
    /// Whether it isolates for incoming connections (`policyTypes`).
    pub isolates_ingress: bool,
    /// Whether it isolates for outgoing connections.
    pub isolates_egress: bool,
    /// Rules for incoming connections; they count only if it isolates in that direction.
    pub ingress: Vec<NetworkRule>,
    /// Rules for outgoing connections; they count only if it isolates in that direction.
    pub egress: Vec<NetworkRule>,
}

impl NetworkPolicy {
    /// Kind, namespace and name, as reasons name the policy.
    pub fn title(&self) -> String {
        format!("NetworkPolicy {}/{}", self.namespace, self.name)
    }

    /// The directions that a policy without `policyTypes` isolates: always the incoming one, and the outgoing one if it
    /// has rules for it (Kubernetes `pkg/apis/networking/v1/defaults.go`, `SetDefaults_NetworkPolicy`).
    pub fn default_types(egress: &[NetworkRule]) -> (bool, bool) {
        (true, !egress.is_empty())
    }
}

/// One rule: peers and ports; empty lists match all peers and all ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkRule {
    /// Peers; one of them.
    pub peers: Vec<NetworkPeer>,
    /// Ports of the destination; one of them.
    pub ports: Vec<PortMatch>,
    /// Its line in the file; 0 if it was not read from one.
    pub line: u32,
}

/// An entry of `from` or `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkPeer {
    /// Pods by their labels, and their namespaces by theirs. Without a selector of namespaces the policy's own is meant,
    /// without one of pods every pod.
    Pods {
        /// `namespaceSelector`.
        namespaces: Option<LabelSelector>,
        /// `podSelector`.
        pods: Option<LabelSelector>,
    },
    /// `ipBlock`.
    Block(Block),
}

/// Brings a policy to the intermediate form, for each direction that it isolates.
pub fn lower(policy: &NetworkPolicy, options: &Options, selectors: &mut Selectors) -> [Option<Direction>; 2] {
    let mut direction = |isolates: bool, rules: &[NetworkRule]| {
        isolates.then(|| {
            let origin = Arc::new(Origin {
                policy: policy.title(),
                file: policy.file.clone(),
                rule_lines: rules.iter().map(|rule| rule.line).collect(),
            });
            let rule = |(number, rule): (usize, &NetworkRule)| Rule {
                number,
                peers: peers(policy, rule, options, selectors),
                ports: rule.ports.clone(),
                layer7: Layer7::Unrestricted,
                authentication: false,
            };
            let allow = rules.iter().enumerate().map(rule).collect();
            let own = pods(Some(&policy.namespace), None, Some(&policy.pod_selector));
            Direction {
                deny_origin: Arc::clone(&origin),
                origin,
                scope: Scope::Pods(selectors.id(own)),
                certain: true,
                default_deny: true,
                requires: Vec::new(),
                deny_requires: Vec::new(),
                allow,
                deny: Vec::new(),
            }
        })
    };
    [
        direction(policy.isolates_ingress, &policy.ingress),
        direction(policy.isolates_egress, &policy.egress),
    ]
}

fn peers(policy: &NetworkPolicy, rule: &NetworkRule, options: &Options, selectors: &mut Selectors) -> Peers {
    let mut peers = Peers {
        blocks_reach_pods: options.ip_block_matches_pods(),
        blocks_reach_nodes: options.ip_block_matches_nodes(),
        ..Peers::default()
    };
    if rule.peers.is_empty() {
        // As a selector, so that what Cilium requires of every selected peer applies to it too.
        peers.selectors.push(selectors.id(Selector::default()));
    }
    for peer in &rule.peers {
        match peer {
            NetworkPeer::Pods {
                namespaces,
                pods: labels,
            } => {
                let own = namespaces.is_none().then_some(policy.namespace.as_str());
                let selector = pods(own, namespaces.as_ref(), labels.as_ref());
                peers.selectors.push(selectors.id(selector));
            }
            NetworkPeer::Block(block) => peers.blocks.push(block.clone()),
        }
    }
    peers
}

fn pods(namespace: Option<&str>, namespaces: Option<&LabelSelector>, labels: Option<&LabelSelector>) -> Selector {
    let mut terms = Vec::new();
    let mut add = |field: Field, requirement: Requirement| {
        terms.push(Term {
            field,
            reserved: None,
            requirement,
        });
    };
    if let Some(namespace) = namespace {
        add(Field::Namespace, Requirement::In(vec![namespace.to_owned()]));
    }
    for (selector, field) in [
        (namespaces, Field::NamespaceLabel as fn(String) -> Field),
        (labels, Field::Label as fn(String) -> Field),
    ] {
        let Some(selector) = selector else { continue };
        for (key, value) in &selector.match_labels {
            add(field(key.clone()), Requirement::In(vec![value.clone()]));
        }
        for (key, requirement) in &selector.match_expressions {
            add(field(key.clone()), requirement.clone());
        }
    }
    terms.sort();
    terms.dedup();
    Selector { terms, pods_only: true }
}
