//! From Cilium's policies to the intermediate form.
//!
//! Belongs here: confinement to the namespace, default deny, and what empty and absent lists mean. Does not belong here:
//! the types (`super`) and evaluation (`super::super::evaluate`).

use std::sync::Arc;

use super::super::super::Origin;
use super::super::form::{Direction, Layer7, Peers, Port, PortMatch, ProtocolMatch, Rule, Scope, Selectors};
use super::super::{Options, Service};
use super::{CiliumNetworkPolicy, CiliumPeers, CiliumRule, CiliumSelector, CiliumSubject};
use crate::policy::labels::LabelSelector;

/// Brings a policy to the intermediate form: its incoming and its outgoing direction.
pub fn lower(policy: &CiliumNetworkPolicy, options: &Options, selectors: &mut Selectors) -> [Direction; 2] {
    let mut lowering = Lowering {
        policy,
        options,
        selectors,
    };
    let ingress = lowering.direction(&policy.ingress, &policy.ingress_deny, policy.default_deny_ingress);
    let egress = lowering.direction(&policy.egress, &policy.egress_deny, policy.default_deny_egress);
    [ingress, egress]
}

struct Lowering<'a> {
    policy: &'a CiliumNetworkPolicy,
    options: &'a Options,
    selectors: &'a mut Selectors,
}

impl Lowering<'_> {
    fn direction(&mut self, allow: &[CiliumRule], deny: &[CiliumRule], default_deny: Option<bool>) -> Direction {
        let scope = match (&self.policy.subject, &self.policy.namespace) {
            (CiliumSubject::Nodes(selector), _) => Scope::Nodes {
                all: selector.is_empty(),
            },
            (CiliumSubject::Endpoints(selector), None) => Scope::Pods(self.selectors.id(selector.lowered())),
            (CiliumSubject::Endpoints(selector), Some(namespace)) => {
                let selector = selector.clone().always_in(namespace);
                Scope::Pods(self.selectors.id(selector.lowered()))
            }
        };
        let title = self.policy.title();
        let origin = |rules: &[CiliumRule]| {
            Arc::new(Origin {
                policy: title.clone(),
                file: self.policy.file.clone(),
                rule_lines: rules.iter().map(|rule| rule.line).collect(),
            })
        };
        let (origin, deny_origin) = (origin(allow), origin(deny));
        // Where a policy does not switch to default deny, its rules on HTTP only watch: Cilium adds one that admits
        // every request (Cilium `pkg/policy/rule.go`, `appendL7WildcardRule`).
        let watches = default_deny == Some(false);
        Direction {
            origin,
            deny_origin,
            scope,
            certain: self.policy.certain,
            // A direction without rules is not enforced, whatever `enableDefaultDeny` asks for; an empty rule is one
            // (Cilium `pkg/policy/repository.go`, `computePolicyEnforcementAndRules`).
            default_deny: default_deny.unwrap_or(true) && !(allow.is_empty() && deny.is_empty()),
            requires: self.requires(allow),
            deny_requires: self.requires(deny),
            allow: self.rules(allow, watches),
            deny: self.rules(deny, false),
        }
    }

    /// What is required of every peer, whichever rule selects it.
    fn requires(&mut self, rules: &[CiliumRule]) -> Vec<super::super::form::SelectorId> {
        let (namespace, init) = self.confinement();
        let all = rules.iter().flat_map(|rule| &rule.requires);
        let confined: Vec<CiliumSelector> = all
            .map(|s| s.clone().confined_anyway(namespace.as_deref(), init))
            .collect();
        confined.iter().map(|s| self.selectors.id(s.lowered())).collect()
    }

    fn confinement(&self) -> (Option<String>, bool) {
        let init = match &self.policy.subject {
            CiliumSubject::Endpoints(selector) => selector.has_reserved("init"),
            CiliumSubject::Nodes(_) => false,
        };
        (self.policy.namespace.clone(), init)
    }

    /// One rule becomes one for each entry of `toPorts`, since each has its own rules on requests.
    fn rules(&mut self, rules: &[CiliumRule], watches: bool) -> Vec<Rule> {
        let mut lowered = Vec::new();
        for (number, rule) in rules.iter().enumerate() {
            let Some(peers) = self.peers(rule) else { continue };
            let mut push = |ports: Vec<PortMatch>, layer7: Layer7| {
                lowered.push(Rule {
                    number,
                    peers: peers.clone(),
                    ports,
                    layer7,
                    authentication: rule.authentication,
                });
            };
            if rule.icmp {
                // Kept, so that the policy has as many rules as in its file; no port matches it.
                let portless = PortMatch {
                    port: Port::Any,
                    protocol: ProtocolMatch::Portless,
                };
                push(vec![portless], Layer7::Unrestricted);
            } else if rule.ports.is_empty() {
                push(Vec::new(), Layer7::Unrestricted);
            } else {
                for entry in &rule.ports {
                    let layer7 = match &entry.layer7 {
                        Layer7::Http(_) if watches => Layer7::Http(Vec::new()),
                        layer7 => layer7.clone(),
                    };
                    push(entry.ports.clone(), layer7);
                }
            }
        }
        lowered
    }

    /// The peers of a rule; none if it can match no peer. An absent list restricts nothing where there are ports, but a
    /// rule with neither covers nothing and only switches to default deny (Cilium docs `security/policy/layer3`,
    /// "Ingress/Egress Default Deny"). An *empty* list selects no peer (Cilium `pkg/policy/api`,
    /// `mergeEndpointSelectors`).
    fn peers(&mut self, rule: &CiliumRule) -> Option<Peers> {
        let mut peers = Peers::default();
        let (namespace, init) = self.confinement();
        match &rule.peers {
            CiliumPeers::Unrestricted if rule.ports.is_empty() && !rule.icmp => return None,
            CiliumPeers::Unrestricted => peers.everybody = true,
            CiliumPeers::Endpoints(list) if list.is_empty() => return None,
            CiliumPeers::Endpoints(list) => {
                for selector in list {
                    let confined = selector.clone().confined(namespace.as_deref(), init);
                    peers.selectors.push(self.selectors.id(confined.lowered()));
                }
            }
            CiliumPeers::Entities(list) => list.iter().for_each(|entity| entity.lower(&mut peers)),
            CiliumPeers::Blocks(list) => {
                peers.blocks.clone_from(list);
                peers.blocks_reach_nodes = self.options.cidr_matches_nodes;
            }
            CiliumPeers::Names(list) => peers.names.clone_from(list),
            CiliumPeers::Nodes => peers.unknown_nodes = true,
            CiliumPeers::Services(list) => {
                for (namespace, name) in list {
                    let mut services = self.options.services.iter();
                    let service = services.find(|s| s.namespace == *namespace && s.name == *name);
                    match service.map(Service::as_selector) {
                        Some(Some(selector)) => peers.selectors.push(self.selectors.id(selector.lowered())),
                        // Without a selector its addresses are unknown, and not those of pods.
                        Some(None) => peers.unknown_outside = true,
                        None => {}
                    }
                }
            }
            CiliumPeers::Unknown { outside: true } => peers.unknown_outside = true,
            CiliumPeers::Unknown { outside: false } => peers.unknown = true,
        }
        Some(peers)
    }
}

impl Service {
    /// The Service's own selector, as an endpoint selector in its namespace.
    fn as_selector(&self) -> Option<CiliumSelector> {
        if self.selector.0.is_empty() {
            return None;
        }
        let labels = self.selector.0.iter().map(|(k, v)| (format!("k8s:{k}"), v.clone()));
        let selector = LabelSelector {
            match_labels: labels.collect(),
            match_expressions: Vec::new(),
        };
        // A selector that cannot be read selects nothing that a pod has.
        let selector = CiliumSelector::new(&selector).ok()?;
        Some(selector.always_in(&self.namespace))
    }
}
