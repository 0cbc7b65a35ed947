//! What policies for nodes decide: Cilium's host firewall.
//!
//! Belongs here: questions whose deciding end is a node, asked about by address or entity, and what a node is to another. Does not
//! belong here: pods (`compiled`), evaluation (`evaluate`).

use std::net::IpAddr;

use smallvec::SmallVec;

use super::super::evaluate::{Party, Question, Sight, Site, evaluate, plain};
use super::super::form::{Direction, Names, Scope};
use super::super::tri::Tri;
use super::super::{Decision, Http, Protocol, Reserved, Verdict};
use super::{CompiledPolicies, End, Placed};

/// Where the end that decides is, for what the other end is to it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seat<'a> {
    /// On one of these nodes.
    Nodes(&'a [String]),
    /// On the node of the other end.
    SameNode,
    /// On another node than the other end.
    OtherNode,
}

impl CompiledPolicies {
    /// May `from` open a connection to `port` of this node, as the node's host firewall decides it? None if `to` is no node by
    /// address or entity, or no policy is for nodes.
    pub fn node_ingress(
        &self,
        to: End,
        from: End,
        port: u16,
        protocol: Protocol,
        http: Option<&Http<'_>>,
    ) -> Option<Verdict> {
        self.at_node(&self.policies.ingress, (to, from), Names::None, (port, protocol, http))
    }

    /// May this node open a connection to `port` of `to`, as the node's host firewall decides it? None as with
    /// [`Self::node_ingress`].
    pub fn node_egress(
        &self,
        from: End,
        to: End,
        port: u16,
        protocol: Protocol,
        http: Option<&Http<'_>>,
    ) -> Option<Verdict> {
        self.at_node(
            &self.policies.egress,
            (from, to),
            self.names_of(to),
            (port, protocol, http),
        )
    }

    fn at_node(
        &self,
        directions: &[Direction],
        (node, other): (End, End),
        names: Names<'_>,
        asked: (u16, Protocol, Option<&Http<'_>>),
    ) -> Option<Verdict> {
        let seat = self.seat_of_node(node)?;
        let for_nodes = |policy: &Direction| matches!(policy.scope, Scope::Nodes { .. });
        if !directions.iter().any(for_nodes) || self.policies.not_enforced().is_some() {
            return None;
        }
        let sight = Sight {
            classes: Some(&self.classes),
            ..self.policies.sight()
        };
        let verdict = self.by_placement(other, seat, |placed| {
            self.ask_node(sight, directions, &placed.question(asked, names, false))
        });
        // An API server may be outside the cluster, where nothing decides.
        let somewhere = node == End::Reserved(Reserved::KubeApiserver);
        Some(match verdict.decision {
            Decision::Deny if somewhere => plain(
                Decision::Unknown,
                "it depends on whether the API server is on a node of the cluster",
            ),
            _ => verdict,
        })
    }

    /// Where a node is that is asked about by address or entity.
    fn seat_of_node(&self, node: End) -> Option<Seat<'_>> {
        match self.resolved(node) {
            End::Reserved(Reserved::Host) => Some(Seat::SameNode),
            End::Reserved(Reserved::RemoteNode) => Some(Seat::OtherNode),
            End::Reserved(Reserved::KubeApiserver) => Some(Seat::Nodes(&[])),
            End::Address(address) => {
                let mut nodes = self.policies.options.nodes.iter();
                let node = nodes.find(|node| node.addresses.contains(&address))?;
                Some(Seat::Nodes(node.name.as_slice()))
            }
            End::Workload(_) | End::Reserved(_) | End::Name(_) => None,
        }
    }

    /// What decides for a node, and a pod in its network: only policies for nodes, and only with a host firewall. Which nodes a
    /// selector means is not known unless it means all.
    pub(super) fn ask_node(&self, sight: Sight<'_>, directions: &[Direction], question: &Question<'_>) -> Verdict {
        if !self.policies.options.host_firewall {
            return plain(Decision::Allow, "policies for nodes are not enforced");
        }
        let policies = directions.iter().filter_map(|policy| match policy.scope {
            Scope::Nodes { all } => Some((policy, if all && policy.certain { Tri::Yes } else { Tri::Unknown })),
            Scope::Pods(_) => None,
        });
        let question = Question {
            exempt: false,
            ..*question
        };
        evaluate(sight, policies, false, &question)
    }
}

/// Whether something on one of these nodes is on the node of the end that decides.
pub(super) fn same_node(own: Seat<'_>, others: &[&str]) -> Tri {
    let own = match own {
        Seat::SameNode => return Tri::Yes,
        Seat::OtherNode => return Tri::No,
        Seat::Nodes(own) => own,
    };
    match (own, others) {
        ([], _) | (_, []) => Tri::Unknown,
        ([own], [other]) if own == other => Tri::Yes,
        _ if others.iter().any(|other| own.iter().any(|own| own == other)) => Tri::Unknown,
        _ => Tri::No,
    }
}

/// What a node may be to another, or to itself.
pub(super) fn of_node(same: Tri, api_server: bool, addresses: &[IpAddr]) -> SmallVec<[Placed<'_>; 2]> {
    let (own, other) = match api_server {
        false => (Party::Reserved(Reserved::Host), Party::Reserved(Reserved::RemoteNode)),
        true => (
            Party::ApiServer(Site::OwnNode),
            Party::Reserved(Reserved::KubeApiserver),
        ),
    };
    let parties: &[Party<'_>] = match same {
        Tri::Yes => &[own],
        Tri::No => &[other],
        Tri::Unknown => &[other, own],
    };
    parties
        .iter()
        .map(|party| Placed {
            party: *party,
            addresses,
        })
        .collect()
}
