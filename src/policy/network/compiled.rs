//! Policies made ready for one set of workloads: many questions, each answered without looking at a label.
//!
//! Belongs here: which policies apply to which class of pods, and what an end of a connection is to policy: a pod, a pod in
//! its node's network, an identity that is no pod, an address. Does not belong here: evaluation (`evaluate`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::evaluate::{Party, Question, Sight, evaluate, plain};
use super::form::{Direction, Names, Scope};
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
    /// An address; one that a workload has stands for that workload, any other is outside the cluster.
    Address(IpAddr),
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

    /// May `from` open a connection to `port` of this workload, as the workload's node decides it? Two ends that are the
    /// same workload are two of its pods; traffic of one pod to itself never meets a policy.
    #[must_use]
    pub fn ingress(&self, to: usize, from: End, port: u16, protocol: Protocol, http: Option<&Http<'_>>) -> Verdict {
        let names = Names::Known(&self.endpoints[to].named_ports);
        self.by_placement(from, |peer| {
            let question = Question {
                peer,
                port,
                protocol,
                http,
                names,
                exempt: is_own_node(peer),
            };
            self.ask(true, to, question)
        })
    }

    /// May this workload open a connection to `port` of `to`, as the workload's node decides it?
    #[must_use]
    pub fn egress(&self, from: usize, to: End, port: u16, protocol: Protocol, http: Option<&Http<'_>>) -> Verdict {
        let names = match self.resolved(to) {
            End::Workload(index) => Names::Known(&self.endpoints[index].named_ports),
            End::Reserved(_) | End::Address(_) => Names::None,
        };
        self.by_placement(to, |peer| {
            let question = Question {
                peer,
                port,
                protocol,
                http,
                names,
                exempt: self.policies.egress_exempt(is_own_node(peer)),
            };
            self.ask(false, from, question)
        })
    }

    fn resolved(&self, end: End) -> End {
        match end {
            End::Address(address) => self.addresses.get(&address).map_or(end, |index| End::Workload(*index)),
            End::Workload(_) | End::Reserved(_) => end,
        }
    }

    /// Asks about the other end. A pod in its node's network is that node to policy (Cilium docs
    /// `security/policy/layer3`, entities `host` and `remote-node`; Kubernetes leaves it open), and whether the node is the
    /// one that decides is not known, so both are asked.
    fn by_placement<'s>(&'s self, end: End, ask: impl Fn(Party<'s>) -> Verdict) -> Verdict {
        match self.resolved(end) {
            End::Reserved(reserved) => ask(Party::Reserved(reserved)),
            End::Address(address) => ask(Party::Address(address)),
            End::Workload(index) if !self.endpoints[index].host_network => ask(self.pod(index)),
            End::Workload(_) => {
                let elsewhere = ask(Party::Reserved(Reserved::RemoteNode));
                let here = ask(Party::Reserved(Reserved::Host));
                match elsewhere.decision == here.decision {
                    true => elsewhere,
                    false => plain(
                        Decision::Unknown,
                        "it depends on whether the pod in its node's network is on the same node",
                    ),
                }
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

    /// What decides for a pod in its node's network: only policies for nodes, and only with a host firewall. Which nodes a
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

fn is_own_node(peer: Party<'_>) -> bool {
    matches!(peer, Party::Reserved(Reserved::Host))
}
