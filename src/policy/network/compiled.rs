//! Policies made ready for one set of workloads: many questions, each answered without looking at a label.
//!
//! Belongs here: which policies apply to which class of pods, and what an end of a connection is to policy: a pod, a pod in
//! its node's network, an identity that is no pod, an address. Does not belong here: evaluation (`evaluate`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use smallvec::SmallVec;

use super::cilium::HttpRule;
use super::evaluate::{Party, Question, Sight, Site, evaluate, plain};
use super::form::{Direction, Layer7, Names, Scope};
use super::index::Classes;
use super::tri::Tri;
use super::{Decision, Enforcement, Http, NetworkPolicies, Protocol, Reserved, Verdict, applies};
use crate::policy::Endpoint;

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A workload, by its position in the list that was compiled.
    Workload(usize),
    /// A reserved identity.
    Reserved(Reserved),
    /// An address; one that a workload has stands for that workload, one of a node for that node, any other is outside the
    /// cluster.
    Address(IpAddr),
    /// An outside host, by the position of its DNS name ([`CompiledPolicies::with_names`]).
    Name(usize),
}

/// Policies made ready for one set of workloads.
#[derive(Debug, Clone)]
pub struct CompiledPolicies {
    policies: NetworkPolicies,
    endpoints: Vec<Endpoint>,
    class_of: Vec<u32>,
    classes: Classes,
    ingress: Applying,
    egress: Applying,
    addresses: BTreeMap<IpAddr, usize>,
    names: Vec<String>,
}

/// One thing that an end may be to the node that decides.
#[derive(Debug, Clone, Copy)]
struct Placed<'a> {
    party: Party<'a>,
    /// Its addresses, if it is a node.
    addresses: &'a [IpAddr],
}

impl Placed<'_> {
    fn is_own_node(self) -> bool {
        matches!(
            self.party,
            Party::Reserved(Reserved::Host) | Party::ApiServer(Site::OwnNode)
        )
    }
}

/// Where the end that decides is, for what the other end is to it.
#[derive(Debug, Clone, Copy)]
enum Seat<'a> {
    /// On one of these nodes.
    Nodes(&'a [String]),
    /// On the node of the other end.
    SameNode,
    /// On another node than the other end.
    OtherNode,
}

/// For each class the policies that apply, in their order.
#[derive(Debug, Clone, Default)]
struct Applying {
    first: Vec<u32>,
    policies: Vec<u32>,
}

impl Applying {
    fn new(directions: &[Direction], classes: &Classes) -> Self {
        let visit = |mut each: Box<dyn FnMut(usize, usize) + '_>| {
            for (number, policy) in directions.iter().enumerate() {
                match policy.scope {
                    Scope::Pods(selector) if policy.certain => {
                        classes.matched(selector).for_each(|class| each(class as usize, number));
                    }
                    Scope::Pods(_) => (0..classes.count()).for_each(|class| each(class, number)),
                    Scope::Nodes { .. } => {}
                }
            }
        };
        let mut first = vec![0_u32; classes.count() + 1];
        visit(Box::new(|class, _| first[class + 1] += 1));
        for class in 0..classes.count() {
            first[class + 1] += first[class];
        }
        let mut next = first.clone();
        let mut policies = vec![0; first.last().copied().unwrap_or(0) as usize];
        visit(Box::new(|class, number| {
            policies[next[class] as usize] = u32::try_from(number).expect("fewer than 2^32 policies");
            next[class] += 1;
        }));
        Self { first, policies }
    }

    fn of(&self, class: u32) -> &[u32] {
        let class = class as usize;
        &self.policies[self.first[class] as usize..self.first[class + 1] as usize]
    }
}

impl NetworkPolicies {
    /// Makes the policies ready for these workloads.
    #[must_use]
    pub fn compile(self, endpoints: Vec<Endpoint>) -> CompiledPolicies {
        let subjects: Vec<_> = endpoints.iter().map(|endpoint| &endpoint.subject).collect();
        let (classes, class_of) = Classes::new(&subjects, &self.selectors, &self.options.cluster);
        let mut addresses = BTreeMap::new();
        for (index, endpoint) in endpoints.iter().enumerate().filter(|(_, e)| !e.host_network) {
            for address in &endpoint.addresses {
                addresses.entry(*address).or_insert(index);
            }
        }
        CompiledPolicies {
            ingress: Applying::new(&self.ingress, &classes),
            egress: Applying::new(&self.egress, &classes),
            policies: self,
            endpoints,
            class_of,
            classes,
            addresses,
            names: Vec::new(),
        }
    }
}

impl CompiledPolicies {
    /// The workloads, in the order in which they were given.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The policies.
    #[must_use]
    pub fn policies(&self) -> &NetworkPolicies {
        &self.policies
    }

    /// The same with the DNS names that [`End::Name`] counts.
    #[must_use]
    pub fn with_names(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    /// May `from` open a connection to `port` of this workload, as the workload's node decides it? Two ends that are the
    /// same workload are two of its pods; traffic of one pod to itself never meets a policy.
    #[must_use]
    pub fn ingress(&self, to: usize, from: End, port: u16, protocol: Protocol, http: Option<&Http<'_>>) -> Verdict {
        let names = Names::Known(&self.endpoints[to].named_ports);
        self.by_placement(from, self.seat(to), |placed| {
            let question = Question {
                peer: placed.party,
                port,
                protocol,
                http,
                names,
                addresses: placed.addresses,
                exempt: placed.is_own_node(),
            };
            self.ask(true, to, question)
        })
    }

    /// May this workload open a connection to `port` of `to`, as the workload's node decides it?
    #[must_use]
    pub fn egress(&self, from: usize, to: End, port: u16, protocol: Protocol, http: Option<&Http<'_>>) -> Verdict {
        let names = self.names_of(to);
        self.by_placement(to, self.seat(from), |placed| {
            let question = Question {
                peer: placed.party,
                port,
                protocol,
                http,
                names,
                addresses: placed.addresses,
                exempt: self.policies.egress_exempt(placed.is_own_node()),
            };
            self.ask(false, from, question)
        })
    }

    /// May `from` open a connection to `port` of this node, as the node's host firewall decides it? None if `to` is no node by
    /// address or entity, or no policy is for nodes.
    #[must_use]
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
    #[must_use]
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
        (port, protocol, http): (u16, Protocol, Option<&Http<'_>>),
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
            let question = Question {
                peer: placed.party,
                port,
                protocol,
                http,
                names,
                addresses: placed.addresses,
                exempt: false,
            };
            self.ask_node(sight, directions, &question)
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

    fn seat(&self, workload: usize) -> Seat<'_> {
        Seat::Nodes(self.endpoints[workload].nodes.as_slice())
    }

    fn names_of(&self, end: End) -> Names<'_> {
        match self.resolved(end) {
            End::Workload(index) => Names::Known(&self.endpoints[index].named_ports),
            End::Reserved(_) | End::Address(_) | End::Name(_) => Names::None,
        }
    }

    /// The rules on HTTP that may concern a port of a workload: of its own policies, and of any policy for its clients.
    pub fn http_rules(&self, to: usize, port: u16) -> impl Iterator<Item = &HttpRule> {
        let own = self.ingress.of(self.class_of[to]).iter();
        let own = own.map(|number| &self.policies.ingress[*number as usize]);
        let names = Names::Known(&self.endpoints[to].named_ports);
        let rules = own.chain(&self.policies.egress).flat_map(|policy| &policy.allow);
        let at_port = move |rule: &&super::form::Rule| {
            let matches = |p: &super::form::PortMatch| p.matches(port, Protocol::Tcp, names) != Tri::No;
            rule.ports.iter().any(matches)
        };
        rules.filter(at_port).flat_map(|rule| match &rule.layer7 {
            Layer7::Http(rules) => rules.as_slice(),
            _ => &[],
        })
    }

    fn resolved(&self, end: End) -> End {
        match end {
            End::Address(address) => self.addresses.get(&address).map_or(end, |index| End::Workload(*index)),
            End::Workload(_) | End::Reserved(_) | End::Name(_) => end,
        }
    }

    /// Asks about the other end, as the one on `own` sees it; where it is not known which of several things it
    /// is, all of them are asked.
    fn by_placement<'s>(&'s self, end: End, own: Seat<'_>, ask: impl Fn(Placed<'s>) -> Verdict) -> Verdict {
        let placed = self.placed(end, own);
        let mut verdicts = placed.iter().map(|placed| ask(*placed));
        // There is always one.
        let Some(first) = verdicts.next() else {
            return plain(Decision::Unknown, "nothing is known about the other end");
        };
        match verdicts.all(|other| other.decision == first.decision) {
            true => first,
            false => plain(
                Decision::Unknown,
                "it depends on the node of the other end: the same node, another one, or none of the cluster",
            ),
        }
    }

    /// What an end may be. A pod in its node's network is that node to policy (Cilium docs `security/policy/layer3`, entities
    /// `host` and `remote-node`; Kubernetes leaves it open), and so is an address of a node. A node that runs an API server
    /// is that too (Cilium docs `security/policy/language`, "Access to/from kube-apiserver").
    fn placed(&self, end: End, own: Seat<'_>) -> SmallVec<[Placed<'_>; 2]> {
        let one = |party| SmallVec::from_elem(Placed { party, addresses: &[] }, 1);
        let options = self.policies.options();
        match self.resolved(end) {
            // As an identity of its own: where the API server is on the own node, that is the entity `host`.
            End::Reserved(Reserved::KubeApiserver) => {
                let outside = Party::ApiServer(Site::Outside);
                let mut placed = one(Party::Reserved(Reserved::KubeApiserver));
                placed.extend(one(outside));
                placed
            }
            End::Reserved(Reserved::Host) if matches!(own, Seat::OtherNode) => {
                one(Party::Reserved(Reserved::RemoteNode))
            }
            End::Reserved(reserved) => one(Party::Reserved(reserved)),
            End::Name(index) => one(Party::Name(self.names.get(index).map_or("", String::as_str))),
            End::Address(address) => {
                let node = options.nodes.iter().find(|node| node.addresses.contains(&address));
                match node {
                    Some(node) => {
                        let name = node.name.as_deref();
                        let position = node.addresses.iter().position(|known| *known == address).unwrap_or(0);
                        let same = same_node(own, name.as_slice());
                        of_node(same, node.api_server, &node.addresses[position..=position])
                    }
                    None if options.outside_api_servers.contains(&address) => {
                        let known = options.outside_api_servers.iter().position(|known| *known == address);
                        let position = known.unwrap_or(0);
                        SmallVec::from_elem(
                            Placed {
                                party: Party::ApiServer(Site::Outside),
                                addresses: &options.outside_api_servers[position..=position],
                            },
                            1,
                        )
                    }
                    None => one(Party::Address(address)),
                }
            }
            End::Workload(index) if !self.endpoints[index].host_network => one(self.pod(index)),
            End::Workload(index) => {
                let endpoint = &self.endpoints[index];
                let names: SmallVec<[&str; 2]> = endpoint.nodes.iter().map(String::as_str).collect();
                let on_node_of_one = |node: &super::Node| {
                    node.api_server && node.name.as_deref().is_some_and(|name| names.contains(&name))
                };
                let api_server = endpoint.is_api_server() || options.nodes.iter().any(on_node_of_one);
                of_node(same_node(own, &names), api_server, &endpoint.addresses)
            }
        }
    }

    fn pod(&self, index: usize) -> Party<'_> {
        Party::Pod {
            subject: &self.endpoints[index].subject,
            class: Some(self.class_of[index]),
            addresses: &self.endpoints[index].addresses,
        }
    }

    fn ask(&self, ingress: bool, own: usize, question: Question<'_>) -> Verdict {
        if let Some(verdict) = self.policies.not_enforced() {
            return verdict;
        }
        let sight = Sight {
            classes: Some(&self.classes),
            ..self.policies.sight()
        };
        let (applying, directions) = match ingress {
            true => (&self.ingress, &self.policies.ingress),
            false => (&self.egress, &self.policies.egress),
        };
        if self.endpoints[own].host_network {
            return self.ask_node(sight, directions, &question);
        }
        let numbers = applying.of(self.class_of[own]).iter();
        let policies = numbers.filter_map(|number| applies(&directions[*number as usize], true));
        let always = self.policies.options.enforcement == Enforcement::Always;
        evaluate(sight, policies, always, &question)
    }

    /// What decides for a node, and a pod in its network: only policies for nodes, and only with a host firewall. Which nodes a
    /// selector means is not known unless it means all.
    fn ask_node(&self, sight: Sight<'_>, directions: &[Direction], question: &Question<'_>) -> Verdict {
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
fn same_node(own: Seat<'_>, others: &[&str]) -> Tri {
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
fn of_node(same: Tri, api_server: bool, addresses: &[IpAddr]) -> SmallVec<[Placed<'_>; 2]> {
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
