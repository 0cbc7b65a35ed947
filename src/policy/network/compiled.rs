//! Policies made ready for one set of workloads: many questions, each answered without looking at a label.
//!
//! Belongs here: which policies apply to which class of pods, and what an end of a connection is to policy: a pod, a pod in
//! its node's network, an identity that is no pod, an address. Does not belong here: evaluation (`evaluate`).

mod at_node;

use std::collections::BTreeMap;
use std::net::IpAddr;

use smallvec::SmallVec;

use at_node::{Seat, of_node, same_node};

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

impl<'a> Placed<'a> {
    fn is_own_node(self) -> bool {
        matches!(
            self.party,
            Party::Reserved(Reserved::Host) | Party::ApiServer(Site::OwnNode)
        )
    }

    /// The question about a connection with this other end.
    fn question(
        self,
        (port, protocol, http): (u16, Protocol, Option<&'a Http<'a>>),
        names: Names<'a>,
        exempt: bool,
    ) -> Question<'a> {
        Question {
            peer: self.party,
            port,
            protocol,
            http,
            names,
            addresses: self.addresses,
            exempt,
        }
    }
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
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The policies.
    pub fn policies(&self) -> &NetworkPolicies {
        &self.policies
    }

    /// The same with the DNS names that [`End::Name`] counts.
    pub fn with_names(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    /// May `from` open a connection to `port` of this workload, as the workload's node decides it? Two ends that are the
    /// same workload are two of its pods; traffic of one pod to itself never meets a policy.
    pub fn ingress(&self, to: usize, from: End, port: u16, protocol: Protocol, http: Option<&Http<'_>>) -> Verdict {
        let names = Names::Known(&self.endpoints[to].named_ports);
        self.by_placement(from, self.seat(to), |placed| {
            let question = placed.question((port, protocol, http), names, placed.is_own_node());
            self.ask(true, to, question)
        })
    }

    /// May this workload open a connection to `port` of `to`, as the workload's node decides it?
    pub fn egress(&self, from: usize, to: End, port: u16, protocol: Protocol, http: Option<&Http<'_>>) -> Verdict {
        let names = self.names_of(to);
        self.by_placement(to, self.seat(from), |placed| {
            let exempt = self.policies.egress_exempt(placed.is_own_node());
            let question = placed.question((port, protocol, http), names, exempt);
            self.ask(false, from, question)
        })
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
}
