//! Evaluation of CiliumNetworkPolicy at layers 3 and 4.
//!
//! Belongs here: rules, entities, ports, default deny, precedence of deny rules and the union of allows
//! (`cilium.md` section 4). Does not belong here: which identity an address is *believed* to have (`cluster`), layer 7
//! rules, CIDR and DNS rules (refused when read), and clusterwide policies.

pub mod selector;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{Decision, Peer, PolicyError, Protocol, Reserved, Subject, Verdict};
pub use selector::CiliumSelector;

/// Entities: selectors over reserved identities by name (Cilium `pkg/policy/api/entity.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// Everybody, unknown addresses included.
    All,
    /// Everything inside the cluster: pods, nodes, health, init, unmanaged, ingress, API server.
    Cluster,
    /// Nobody.
    None,
    /// One reserved identity.
    Reserved(Reserved),
}

impl Entity {
    /// Every name that can stand in `fromEntities` and `toEntities`, for near matches.
    pub const NAMES: [&'static str; 11] = [
        "all",
        "cluster",
        "health",
        "host",
        "ingress",
        "init",
        "kube-apiserver",
        "none",
        "remote-node",
        "unmanaged",
        "world",
    ];

    /// Reads the name of an entity.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        Ok(match text {
            "all" => Self::All,
            "cluster" => Self::Cluster,
            "none" => Self::None,
            "world-ipv4" | "world-ipv6" => {
                return Err(PolicyError::NotModelled {
                    what: "entity",
                    value: text.to_owned(),
                    hint: "address families are not told apart; write `world`",
                });
            }
            name => Self::Reserved(
                Reserved::ALL
                    .into_iter()
                    .find(|r| r.name() == name && *r != Reserved::Unknown)
                    .ok_or_else(|| PolicyError::Invalid {
                        what: "entity",
                        value: text.to_owned(),
                        hint: "known: all, cluster, health, host, ingress, init, kube-apiserver, none, \
                               remote-node, unmanaged, world",
                    })?,
            ),
        })
    }

    /// Whether the entity stands for the peer.
    pub fn matches(self, peer: Peer<'_>) -> bool {
        match (self, peer) {
            (Self::All, _) => true,
            (Self::None, _) => false,
            (Self::Cluster, Peer::Endpoint(_)) => true,
            (Self::Cluster, Peer::Reserved(reserved)) => match reserved {
                Reserved::Unknown | Reserved::World => false,
                Reserved::Host
                | Reserved::Unmanaged
                | Reserved::Health
                | Reserved::Init
                | Reserved::RemoteNode
                | Reserved::KubeApiserver
                | Reserved::Ingress => true,
            },
            (Self::Reserved(_), Peer::Endpoint(_)) => false,
            (Self::Reserved(wanted), Peer::Reserved(reserved)) => wanted == reserved,
        }
    }
}

/// Who is on the other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CiliumPeers {
    /// The rule names nobody: with ports it means everybody, without ports nobody.
    Unrestricted,
    /// `fromEndpoints` / `toEndpoints`: one of these selectors matches.
    Endpoints(Vec<CiliumSelector>),
    /// `fromEntities` / `toEntities`: one of these entities matches.
    Entities(Vec<Entity>),
}

/// One entry of `toPorts[].ports` (Cilium `pkg/policy/api/l4.go`, `PortProtocol`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortMatch {
    /// First port; 0 means every port.
    pub first: u16,
    /// Last port, equal to `first` where no range is given.
    pub last: u16,
    /// Protocol; none is Cilium's `ANY`.
    pub protocol: Option<Protocol>,
}

impl PortMatch {
    /// Whether a destination port is covered.
    pub fn matches(&self, port: u16, protocol: Protocol) -> bool {
        (self.first == 0 || (self.first..=self.last).contains(&port))
            && self.protocol.is_none_or(|wanted| wanted == protocol)
    }
}

/// One rule of `ingress`, `egress`, `ingressDeny` or `egressDeny`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiliumRule {
    /// The other side.
    pub peers: CiliumPeers,
    /// Ports of the destination; empty means all.
    pub ports: Vec<PortMatch>,
}

impl CiliumRule {
    /// Whether the rule covers this traffic. A rule with neither peers nor ports covers nothing: it only switches
    /// to default deny (Cilium docs `security/policy/language`, "Ingress Default Deny").
    fn matches(&self, peer: Peer<'_>, port: u16, protocol: Protocol) -> bool {
        let peer_matches = match &self.peers {
            CiliumPeers::Unrestricted => !self.ports.is_empty(),
            CiliumPeers::Endpoints(selectors) => selectors.iter().any(|s| s.matches(peer)),
            CiliumPeers::Entities(entities) => entities.iter().any(|e| e.matches(peer)),
        };
        peer_matches && (self.ports.is_empty() || self.ports.iter().any(|p| p.matches(port, protocol)))
    }
}

/// The evaluated part of a CiliumNetworkPolicy (Cilium `pkg/policy/api/rule.go`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CiliumNetworkPolicy {
    /// Namespace of the policy; it confines the endpoint selector.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// The pods it applies to, as written (without the implied namespace).
    pub endpoint_selector: CiliumSelector,
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

impl CiliumNetworkPolicy {
    /// Whether the policy applies to a workload.
    pub fn selects(&self, subject: &Subject) -> bool {
        self.namespace == subject.namespace && self.endpoint_selector.matches(Peer::Endpoint(subject))
    }
}

/// One policy made ready for one direction.
#[derive(Debug, Clone)]
struct Direction {
    label: Arc<str>,
    selector: CiliumSelector,
    allow: Vec<CiliumRule>,
    deny: Vec<CiliumRule>,
    default_deny: bool,
}

impl Direction {
    fn new(
        policy: &CiliumNetworkPolicy,
        label: &Arc<str>,
        [allow, deny]: [&[CiliumRule]; 2],
        default_deny: Option<bool>,
    ) -> Self {
        let confine = |rules: &[CiliumRule]| -> Vec<CiliumRule> {
            rules
                .iter()
                .map(|rule| CiliumRule {
                    peers: match &rule.peers {
                        CiliumPeers::Endpoints(selectors) => CiliumPeers::Endpoints(
                            selectors
                                .iter()
                                .map(|s| s.clone().confined_to(&policy.namespace))
                                .collect(),
                        ),
                        other => other.clone(),
                    },
                    ports: rule.ports.clone(),
                })
                .collect()
        };
        Self {
            label: Arc::clone(label),
            selector: policy.endpoint_selector.clone().always_in(&policy.namespace),
            default_deny: default_deny.unwrap_or(!allow.is_empty() || !deny.is_empty()),
            allow: confine(allow),
            deny: confine(deny),
        }
    }
}

/// All Cilium policies of a cluster, ready to be asked.
#[derive(Debug, Clone, Default)]
pub struct CiliumPolicies {
    ingress: Vec<Direction>,
    egress: Vec<Direction>,
}

impl CiliumPolicies {
    /// Prepares the policies; their order only decides which of several reasons is named.
    pub fn new(policies: Vec<CiliumNetworkPolicy>) -> Self {
        let mut prepared = Self::default();
        for policy in policies {
            let label: Arc<str> = format!("CiliumNetworkPolicy {}/{}", policy.namespace, policy.name).into();
            prepared.ingress.push(Direction::new(
                &policy,
                &label,
                [&policy.ingress, &policy.ingress_deny],
                policy.default_deny_ingress,
            ));
            prepared.egress.push(Direction::new(
                &policy,
                &label,
                [&policy.egress, &policy.egress_deny],
                policy.default_deny_egress,
            ));
        }
        prepared
    }

    /// May `from` open a connection to `port` of `to`, as the node of `to` decides it? The node's own host may
    /// always reach its pods unless a deny rule says otherwise (Cilium option `allow-localhost`, which is
    /// `always` under Kubernetes; `pkg/policy/mapstate.go`).
    pub fn ingress(&self, to: &Subject, from: Peer<'_>, port: u16, protocol: Protocol) -> Verdict {
        evaluate(
            &self.ingress,
            to,
            from,
            (port, protocol),
            from == Peer::Reserved(Reserved::Host),
        )
    }

    /// May `from` open a connection to `port` of `to`, as the node of `from` decides it?
    pub fn egress(&self, from: &Subject, to: Peer<'_>, port: u16, protocol: Protocol) -> Verdict {
        evaluate(&self.egress, from, to, (port, protocol), false)
    }
}

/// Deny rules first, then the union of the allows, then default deny if any policy asks for it
/// (`cilium.md` section 4).
fn evaluate(
    policies: &[Direction],
    subject: &Subject,
    peer: Peer<'_>,
    (port, protocol): (u16, Protocol),
    always_allowed: bool,
) -> Verdict {
    let mut allowed: Option<(&Arc<str>, usize)> = None;
    let mut default_deny: Option<&Arc<str>> = None;
    for policy in policies {
        if !policy.selector.matches(Peer::Endpoint(subject)) {
            continue;
        }
        if let Some(rule) = first_match(&policy.deny, peer, port, protocol) {
            return Verdict::new(Decision::Deny, Some(&policy.label), Some(rule), "a deny rule matches");
        }
        if allowed.is_none() {
            allowed = first_match(&policy.allow, peer, port, protocol).map(|r| (&policy.label, r));
        }
        if policy.default_deny && default_deny.is_none() {
            default_deny = Some(&policy.label);
        }
    }
    match (allowed, default_deny) {
        (Some((label, rule)), _) => Verdict::new(Decision::Allow, Some(label), Some(rule), "an allow rule matches"),
        (None, _) if always_allowed => {
            Verdict::new(Decision::Allow, None, None, "a node may always reach its own pods")
        }
        (None, Some(label)) => Verdict::new(
            Decision::Deny,
            Some(label),
            None,
            "the workload is selected and no rule allows this",
        ),
        (None, None) => Verdict::new(
            Decision::Allow,
            None,
            None,
            "no policy restricts this direction of the workload",
        ),
    }
}

fn first_match(rules: &[CiliumRule], peer: Peer<'_>, port: u16, protocol: Protocol) -> Option<usize> {
    rules.iter().position(|rule| rule.matches(peer, port, protocol))
}
