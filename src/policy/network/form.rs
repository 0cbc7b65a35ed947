//! The intermediate form: what all policies of the network are brought to before anything is asked.
//!
//! Belongs here: the form, its parts and the matching of ports. Does not belong here: how the policies of Kubernetes and
//! Cilium become it (`kubernetes`, `cilium::lower`) and how it is evaluated (`evaluate`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::cidr::Block;
use super::super::{NamedPorts, Origin, Protocol, Reserved};
use super::cilium::NamePattern;
use super::cilium::http::HttpRule;
use super::selector::Selector;
use super::tri::Tri;

/// Number of a distinct selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelectorId(pub u32);

/// All distinct selectors of a set of policies.
#[derive(Debug, Clone, Default)]
pub struct Selectors {
    list: Vec<Selector>,
    ids: BTreeMap<Selector, SelectorId>,
}

impl Selectors {
    /// The number of a selector, a new one if it was not seen before.
    ///
    /// # Panics
    /// If there are more than 2³² distinct selectors.
    pub fn id(&mut self, selector: Selector) -> SelectorId {
        if let Some(id) = self.ids.get(&selector) {
            return *id;
        }
        let id = SelectorId(u32::try_from(self.list.len()).expect("fewer than 2^32 selectors"));
        self.list.push(selector.clone());
        self.ids.insert(selector, id);
        id
    }

    /// All selectors in the order of their numbers.
    pub fn all(&self) -> &[Selector] {
        &self.list
    }

    /// The selector of a number.
    pub fn get(&self, id: SelectorId) -> &Selector {
        &self.list[id.0 as usize]
    }
}

/// What a policy applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Pods.
    Pods(SelectorId),
    /// Nodes: all of them, or some that cannot be decided here because labels of nodes are not known.
    Nodes {
        /// Whether the selector is empty.
        all: bool,
    },
}

/// One policy in one direction.
#[derive(Debug, Clone)]
pub struct Direction {
    /// Names policy and lines of its allow rules.
    pub origin: Arc<Origin>,
    /// Names policy and lines of its deny rules.
    pub deny_origin: Arc<Origin>,
    /// What it applies to.
    pub scope: Scope,
    /// Whether `scope` is all that is known about that; else it may or may not apply there.
    pub certain: bool,
    /// Whether what it applies to refuses everything that no rule allows.
    pub default_deny: bool,
    /// What every peer that an allow rule of any policy selects by labels also has to match.
    pub requires: Vec<SelectorId>,
    /// The same for deny rules.
    pub deny_requires: Vec<SelectorId>,
    /// Allow rules.
    pub allow: Vec<Rule>,
    /// Deny rules.
    pub deny: Vec<Rule>,
}

/// One rule: peers, ports and requests.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Position in the list of the policy, from 0.
    pub number: usize,
    /// The other side.
    pub peers: Peers,
    /// Ports of the destination; none means all.
    pub ports: Vec<PortMatch>,
    /// What has to be in the connection.
    pub layer7: Layer7,
    /// Whether the two sides have to authenticate each other first; it does not change a fresh verdict.
    pub authentication: bool,
}

/// Whom a rule means; one of these.
#[derive(Debug, Clone, Default)]
pub struct Peers {
    /// Every peer.
    pub everybody: bool,
    /// Every pod.
    pub pods: bool,
    /// Reserved identities, one bit for each by its number; the one of the world means outside addresses too. Two further
    /// bits are for API servers on the own node and outside the cluster.
    pub reserved: u16,
    /// Outside addresses of IPv4.
    pub world_ipv4: bool,
    /// Outside addresses of IPv6.
    pub world_ipv6: bool,
    /// By labels.
    pub selectors: Vec<SelectorId>,
    /// By address.
    pub blocks: Vec<Block>,
    /// By the DNS names of outside hosts.
    pub names: Vec<NamePattern>,
    /// Whether `blocks` can mean pods, if addresses are known.
    pub blocks_reach_pods: bool,
    /// Whether `blocks` can mean nodes, if addresses are known.
    pub blocks_reach_nodes: bool,
    /// Something that is not evaluated may mean addresses outside the cluster.
    pub unknown_outside: bool,
    /// Something that is not evaluated may mean nodes.
    pub unknown_nodes: bool,
    /// Something that is not evaluated may match any peer.
    pub unknown: bool,
}

impl Peers {
    /// The bit in [`Peers::reserved`] of the own node, if it runs the API server.
    pub const OWN_API_SERVER: u16 = 1 << 9;
    /// The bit of an API server outside the cluster.
    pub const OUTSIDE_API_SERVER: u16 = 1 << 10;

    /// The bit of a reserved identity in [`Peers::reserved`].
    pub fn bit(reserved: Reserved) -> u16 {
        1 << reserved.number()
    }
}

/// The protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolMatch {
    /// Every protocol.
    Any,
    /// This one.
    Is(Protocol),
    /// One without ports, such as ICMP or VRRP, which no request here uses.
    Portless,
}

/// The port of the destination.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// Every port.
    Any,
    /// From the first to the last.
    Range(u16, u16),
    /// The number that the destination pod gives to this name.
    Named(String),
}

/// A port and a protocol.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortMatch {
    /// Which port.
    pub port: Port,
    /// Which protocol.
    pub protocol: ProtocolMatch,
}

/// The named ports of the destination.
#[derive(Debug, Clone, Copy)]
pub enum Names<'a> {
    /// These.
    Known(&'a NamedPorts),
    /// It has none: it is no pod.
    None,
    /// They are not known.
    Unknown,
}

impl PortMatch {
    /// Whether a port of the destination is covered.
    pub fn matches(&self, port: u16, protocol: Protocol, names: Names<'_>) -> Tri {
        let same_protocol = match self.protocol {
            ProtocolMatch::Any => true,
            ProtocolMatch::Is(wanted) => wanted == protocol,
            ProtocolMatch::Portless => false,
        };
        if !same_protocol {
            return Tri::No;
        }
        match &self.port {
            Port::Any => Tri::Yes,
            Port::Range(first, last) => (*first..=*last).contains(&port).into(),
            Port::Named(name) => match names {
                Names::None => Tri::No,
                Names::Unknown => Tri::Unknown,
                // An ordered look-up by parts of the key would allocate the name; pods have few names.
                Names::Known(names) => names
                    .iter()
                    .any(|((known, of), number)| known == name && *of == protocol && *number == port)
                    .into(),
            },
        }
    }
}

/// What a rule asks of the content of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Layer7 {
    /// Nothing.
    #[default]
    Unrestricted,
    /// An HTTP request that one of these rules matches; an empty list means any request.
    Http(Vec<HttpRule>),
    /// Something that is not evaluated.
    Unknown,
}
