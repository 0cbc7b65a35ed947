//! Evaluation of the intermediate form: one question, one verdict.
//!
//! Belongs here: precedence of deny rules, union of allows, default deny, and what each kind of peer can be matched by.
//! Does not belong here: which policies apply to whom (`mod`, `compiled`), and how selectors are matched cheaply
//! (`index`).

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use super::super::cidr::Block;
use super::super::{Because, Decision, Http, Origin, Protocol, Reserved, Subject, Verdict};
use super::form::{Direction, Layer7, Names, Peers, Rule, SelectorId, Selectors};
use super::index::Classes;
use super::selector::{OUTSIDE_API_SERVER, OWN_API_SERVER, reserved_labels};
use super::tri::Tri;

/// One side of a connection.
#[derive(Debug, Clone, Copy)]
pub enum Party<'a> {
    /// A pod.
    Pod {
        /// What it is.
        subject: &'a Subject,
        /// Its class in the index, if it is there.
        class: Option<u32>,
        /// Its addresses, as far as they are known.
        addresses: &'a [IpAddr],
    },
    /// A reserved identity.
    Reserved(Reserved),
    /// An address outside the cluster.
    Address(IpAddr),
    /// An outside host by its DNS name, whose addresses are not known.
    Name(&'a str),
    /// An API server that is no other node: on the own node, or outside the cluster.
    ApiServer(Site),
}

/// Where an API server is that is on no other node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// On the node that decides.
    OwnNode,
    /// Outside the cluster.
    Outside,
}

impl Party<'_> {
    /// The reserved labels that selectors see.
    fn labels(self) -> &'static [&'static str] {
        match self {
            Self::Pod { .. } => &[],
            Self::Reserved(reserved) => reserved_labels(reserved),
            Self::Address(_) | Self::Name(_) => reserved_labels(Reserved::World),
            Self::ApiServer(Site::OwnNode) => OWN_API_SERVER,
            Self::ApiServer(Site::Outside) => OUTSIDE_API_SERVER,
        }
    }

    fn is_outside(self) -> bool {
        matches!(
            self,
            Self::Address(_) | Self::Name(_) | Self::Reserved(Reserved::World) | Self::ApiServer(Site::Outside)
        )
    }

    fn is_node(self) -> bool {
        use Reserved::{Host, KubeApiserver, RemoteNode};
        matches!(
            self,
            Self::Reserved(Host | RemoteNode | KubeApiserver) | Self::ApiServer(Site::OwnNode)
        )
    }
}

/// What is asked, apart from the policies.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The other side.
    pub peer: Party<'a>,
    /// Port of the destination.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// The request, if the connection carries HTTP.
    pub http: Option<&'a Http<'a>>,
    /// Named ports of the destination.
    pub names: Names<'a>,
    /// Addresses of the other side if it is a node, as far as they are known.
    pub addresses: &'a [IpAddr],
    /// Whether nothing but a deny rule can refuse it: between a pod and its own node.
    pub exempt: bool,
}

/// What matching of selectors needs.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// All selectors.
    pub selectors: &'a Selectors,
    /// The index, where there is one.
    pub classes: Option<&'a Classes>,
    /// Name of the cluster.
    pub cluster: &'a str,
    /// Whether some policy requires something of every peer.
    pub requirements: bool,
}

impl Sight<'_> {
    /// Whether a selector matches.
    pub fn selects(&self, selector: SelectorId, party: Party<'_>) -> bool {
        match (party, self.classes) {
            (Party::Pod { class: Some(class), .. }, Some(classes)) => classes.matches(selector, class),
            (Party::Pod { subject, .. }, _) => self.selectors.get(selector).matches_pod(subject, self.cluster),
            _ => self.selectors.get(selector).matches_reserved(party.labels()),
        }
    }

    fn peers(&self, peers: &Peers, requires: &[&[SelectorId]], question: &Question<'_>) -> Tri {
        let party = question.peer;
        if peers.everybody {
            return Tri::Yes;
        }
        let by_kind = match party {
            Party::Pod { .. } => peers.pods.into(),
            Party::Reserved(Reserved::World) if peers.reserved & Peers::bit(Reserved::World) == 0 => {
                match (peers.world_ipv4, peers.world_ipv6) {
                    (true, true) => Tri::Yes,
                    (false, false) => Tri::No,
                    _ => Tri::Unknown,
                }
            }
            Party::Reserved(reserved) => (peers.reserved & Peers::bit(reserved) != 0).into(),
            Party::Address(address) => {
                let of_family = if address.is_ipv4() {
                    peers.world_ipv4
                } else {
                    peers.world_ipv6
                };
                (of_family || peers.reserved & Peers::bit(Reserved::World) != 0).into()
            }
            Party::ApiServer(Site::OwnNode) => (peers.reserved & Peers::OWN_API_SERVER != 0).into(),
            Party::ApiServer(Site::Outside) if peers.reserved & Peers::OUTSIDE_API_SERVER != 0 => Tri::Yes,
            Party::Name(_) if peers.reserved & Peers::bit(Reserved::World) != 0 => Tri::Yes,
            Party::Name(_) | Party::ApiServer(Site::Outside) => match (peers.world_ipv4, peers.world_ipv6) {
                (true, true) => Tri::Yes,
                (false, false) => Tri::No,
                _ => Tri::Unknown,
            },
        };
        if by_kind == Tri::Yes {
            return Tri::Yes;
        }
        let selected = peers.selectors.iter().any(|s| self.selects(*s, party))
            && requires
                .iter()
                .flat_map(|list| list.iter())
                .all(|s| self.selects(*s, party));
        if selected {
            return Tri::Yes;
        }
        let blocks = peers.blocks.iter().map(|block| inside(block, peers, question));
        let named = match party {
            _ if peers.names.is_empty() => Tri::No,
            Party::Name(name) => Tri::from(peers.names.iter().any(|pattern| pattern.matches(name))),
            // Which addresses the names have is learnt from DNS while running.
            _ if party.is_outside() => Tri::Unknown,
            _ => Tri::No,
        };
        let unknown = match peers.unknown
            || peers.unknown_outside && party.is_outside()
            || peers.unknown_nodes && party.is_node()
        {
            true => Tri::Unknown,
            false => Tri::No,
        };
        by_kind.or(Tri::any(blocks)).or(named).or(unknown)
    }

    fn rule(&self, rule: &Rule, requires: &[&[SelectorId]], question: &Question<'_>) -> Tri {
        let ports = match rule.ports.is_empty() {
            true => Tri::Yes,
            false => {
                let mut ports = Tri::No;
                for port in &rule.ports {
                    ports = ports.or(port.matches(question.port, question.protocol, question.names));
                }
                ports
            }
        };
        if ports == Tri::No {
            return Tri::No;
        }
        let peers = self.peers(&rule.peers, requires, question);
        if peers == Tri::No {
            return Tri::No;
        }
        ports.and(peers).and(layer7(&rule.layer7, question))
    }
}

/// Whether the other side is in a block. A pod or node never is, unless blocks reach them (which is the network's choice);
/// then all known addresses have to agree.
fn inside(block: &Block, peers: &Peers, question: &Question<'_>) -> Tri {
    match question.peer {
        Party::Address(address) => block.contains(address).into(),
        Party::Name(_) | Party::Reserved(Reserved::World) | Party::ApiServer(Site::Outside) => {
            known_addresses(block, question.addresses)
        }
        Party::Pod { addresses, .. } if peers.blocks_reach_pods => known_addresses(block, addresses),
        party if party.is_node() && peers.blocks_reach_nodes => known_addresses(block, question.addresses),
        Party::Reserved(_) if peers.blocks_reach_pods => unknown_address(block),
        Party::Pod { .. } | Party::Reserved(_) | Party::ApiServer(Site::OwnNode) => Tri::No,
    }
}

/// Whether all of these addresses are in a block; without any, one that is not known.
fn known_addresses(block: &Block, addresses: &[IpAddr]) -> Tri {
    if addresses.is_empty() {
        return unknown_address(block);
    }
    let of_family = || addresses.iter().filter(|a| a.is_ipv4() == block.is_ipv4());
    let inside = of_family().filter(|address| block.contains(**address)).count();
    match inside {
        0 => Tri::No,
        _ if inside == of_family().count() => Tri::Yes,
        _ => Tri::Unknown,
    }
}

/// Whether an address that is not known is in a block: surely in all of IPv4, which every cluster is taken to speak.
fn unknown_address(block: &Block) -> Tri {
    match block.is_everything() && block.is_ipv4() {
        true => Tri::Yes,
        false => Tri::Unknown,
    }
}

/// Whether the content of the connection passes. Behind rules on HTTP stands a proxy that speaks nothing else, so a
/// connection without a request does not get through.
fn layer7(rules: &Layer7, question: &Question<'_>) -> Tri {
    match (rules, question.http) {
        (Layer7::Unrestricted, _) => Tri::Yes,
        // Between a node and its own pods rules on requests become wildcards too (Cilium `pkg/policy/l4.go`,
        // `endpointsWithL3Override`).
        (Layer7::Http(_), _) if question.exempt => Tri::Yes,
        (Layer7::Http(_), None) => Tri::No,
        (Layer7::Http(rules), Some(_)) if rules.is_empty() => Tri::Yes,
        (Layer7::Http(rules), Some(request)) => Tri::any(rules.iter().map(|rule| rule.matches(request))),
        (Layer7::Unknown, _) => Tri::Unknown,
    }
}

/// A reason before it is written out.
type Found<'a> = Option<(&'a Arc<Origin>, Option<usize>, &'static str)>;

/// The verdict of the policies that apply, with whether each surely does: deny rules first, then the union of the allows,
/// then default deny if any policy asks for it (`docs/model/cilium.md#policy-enforcement`). Parts that are not known leave the verdict open
/// unless the others decide it.
pub fn evaluate<'a, P>(sight: Sight<'_>, policies: P, isolated: bool, question: &Question<'_>) -> Verdict
where
    P: Iterator<Item = (&'a Direction, Tri)> + Clone,
{
    let (mut requires, mut deny_requires): (Vec<&[SelectorId]>, Vec<&[SelectorId]>) = (Vec::new(), Vec::new());
    if sight.requirements {
        for (policy, _) in policies.clone() {
            requires.push(&policy.requires);
            deny_requires.push(&policy.deny_requires);
        }
    }
    let (mut allow, mut deny, mut isolates) = (Tri::No, Tri::No, Tri::from(isolated));
    let (mut allowed, mut denied, mut isolating): (Found<'a>, Found<'a>, Found<'a>) = (None, None, None);
    for (policy, applies) in policies {
        for rule in &policy.deny {
            let matches = applies.and(sight.rule(rule, &deny_requires, question));
            if matches > deny {
                deny = matches;
                denied = Some((&policy.deny_origin, Some(rule.number), "a deny rule matches"));
                if deny == Tri::Yes {
                    return verdict(Decision::Deny, denied);
                }
            }
        }
        let mut own = Tri::No;
        if allow < Tri::Yes {
            for rule in &policy.allow {
                own = own.or(sight.rule(rule, &requires, question));
                if applies.and(own) > allow {
                    allow = applies.and(own);
                    let text = match rule.authentication {
                        false => "an allow rule matches",
                        true => "an allow rule matches, once both sides have authenticated each other",
                    };
                    allowed = Some((&policy.origin, Some(rule.number), text));
                }
                if own == Tri::Yes {
                    break;
                }
            }
        }
        // If it is not known whether a policy applies, it can only close what it does not open itself.
        let closes = policy.default_deny && (applies == Tri::Yes || own < Tri::Yes);
        if closes && applies > isolates {
            isolates = applies;
            isolating = Some((&policy.origin, None, "the workload is selected and no rule allows this"));
        }
    }
    let open = match (allow, isolates) {
        (Tri::Yes, _) => verdict(Decision::Allow, allowed),
        _ if question.exempt => plain(Decision::Allow, "a node may always reach its own pods"),
        (_, Tri::No) => plain(Decision::Allow, "no policy restricts this direction of the workload"),
        (Tri::No, Tri::Yes) => match isolating {
            Some(_) => verdict(Decision::Deny, isolating),
            None => plain(Decision::Deny, "every workload is isolated and no rule allows this"),
        },
        (Tri::Unknown, _) => verdict(
            Decision::Unknown,
            because(allowed, "a rule that is not fully evaluated may allow this"),
        ),
        (Tri::No, Tri::Unknown) => verdict(
            Decision::Unknown,
            because(isolating, "it is not known whether the policy applies"),
        ),
    };
    match deny {
        Tri::Unknown if open.decision != Decision::Deny => verdict(
            Decision::Unknown,
            because(denied, "a rule that is not fully evaluated may deny this"),
        ),
        _ => open,
    }
}

fn because<'a>(found: Found<'a>, text: &'static str) -> Found<'a> {
    found.map(|(origin, rule, _)| (origin, rule, text))
}

fn verdict(decision: Decision, found: Found<'_>) -> Verdict {
    match found {
        Some((origin, rule, text)) => Verdict::new(decision, Some(origin), rule, text),
        None => plain(decision, "no policy decides this"),
    }
}

/// A verdict that no single policy gave.
pub fn plain(decision: Decision, text: &'static str) -> Verdict {
    Verdict {
        decision,
        because: Because {
            policy: None,
            rule: None,
            text: Cow::Borrowed(text),
        },
    }
}
