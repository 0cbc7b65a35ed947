//! Load of the API servers: seats by priority and fairness, processors, refusals and what clients make of them.
//!
//! **Modeled**: each API server divides its seats over priority levels by their shares; a level has queues, of which each user has a
//! hand, and serves them by fair queuing; a request that has waited for `api_queue_wait`, or that comes to a full queue, is refused
//! with status 429 and comes again after the time that the server tells it, at most `api_client_retries` times; a list takes a seat
//! for each `api_objects_per_seat` objects; requests that execute share the processors equally; a creation keeps its seat while the
//! injection webhook is called; levels lend seats that they do not need (from 1.26 of Kubernetes). Flows of the background and of
//! faults are worked out on demand and are no events. Requests of components come at the time at which they used to take effect and
//! take effect then if a seat is free: without load the latency is the one without this model. Relists of parties that were cut off
//! are requests too. All this is in force where a design has a flow, a fault of kind `overload`, or `api_load_model`.
//! **Left out**: seats of watches and of the levels for leader election and everything else; the reads of agents before their writes; the
//! smoothing of what levels need before they lend; memory; the script's own commands, which are exempt. The users of the controllers are one, and so are those of all Cilium agents.
//! **Parameters**: `api_load_model`, `api_seats`, `api_shares_*`, `api_lendable_*`, `api_queue*`, `api_hand_size`, `api_list_*`,
//! `api_server_cores`, `api_request_work`, `api_client_retries`, `api_retry_after_max`. **Validated by**: the tests of this folder and
//! `tests/world/api_load.rs`. Source: `docs/model/kubernetes.md#load-of-the-api-servers`.

mod leases;
pub mod queues;
mod retry_after;
pub mod server;
mod shares;

use std::collections::BTreeMap;

use super::api_flow::{Flow, Level, Verb};
use super::api_requests::Asked;
use super::blueprint::Blueprint;
use super::context::Ctx;
use super::event::{Event, LoadEvent, Source, Write};
use super::faults::FaultKind;
use super::faults::overload::Overloads;
use super::ids::{FaultId, NodeId, PodId};
use super::observed::PodFact;
use super::party::Party;
use super::purpose::Purpose;
use crate::kernel::{EntityKey, EventClass, RunKey, SimDuration, SimTime, Timer};
use leases::Leases;
use queues::Work;
use server::{Arrivals, Counts, Decision, Server};

#[derive(Debug)]
struct Ticket {
    asked: Asked,
    server: u32,
    since: SimTime,
    tries: u32,
}

/// The API servers of a design whose load is modeled.
#[derive(Debug, Default)]
pub struct ApiLoads {
    servers: Vec<Server>,
    tickets: BTreeMap<u64, Ticket>,
    issued: u64,
    /// When each server is looked at next.
    looks: Vec<Option<(SimTime, Timer)>>,
    /// The requests that hold a seat while a webhook is called.
    creations: BTreeMap<PodId, (u32, u64)>,
    /// The longest wait of a TokenReview for its answer, beyond its latency.
    longest_review: SimDuration,
    leases: Leases,
}

impl ApiLoads {
    /// Idle servers, with the flows of the background; none if no load is modeled.
    #[must_use]
    pub fn new(blueprint: &Blueprint, run_key: &RunKey) -> Self {
        let spec = &blueprint.spec;
        if !spec.models_load() {
            return Self::default();
        }
        let mut loads = Self {
            servers: (0..spec.api_servers).map(|_| Server::new(&spec.kubernetes)).collect(),
            looks: vec![None; spec.api_servers as usize],
            ..Self::default()
        };
        let key = EntityKey::root("background load");
        for (id, background) in (0..).zip(&spec.load) {
            let until = background
                .duration
                .map_or(spec.horizon, |lasts| background.from + lasts);
            let all: Vec<u32> = (0..spec.api_servers).collect();
            let times = (background.from, until);
            loads.begin(
                (id, key.named(&background.flow.name)),
                &background.flow,
                &all,
                times,
                run_key,
            );
        }
        loads
    }

    fn begin(
        &mut self,
        (id, key): (u64, EntityKey),
        flow: &Flow,
        servers: &[u32],
        (from, until): (SimTime, SimTime),
        run_key: &RunKey,
    ) {
        let rate_per_s = flow.rate_per_s / servers.len().max(1) as f64;
        for &server in servers {
            let of_server = key.child(u64::from(server));
            let mut times = run_key.stream(Purpose::LoadArrival, of_server);
            let Some(at) = self.servers.get_mut(server as usize) else {
                continue;
            };
            at.begin(Arrivals {
                id,
                rate_per_s,
                next: from + times.until_next(rate_per_s),
                until,
                times,
                users: run_key.stream(Purpose::LoadUser, of_server),
                key: key.named("user"),
                flow: flow.clone(),
            });
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, event: LoadEvent, ctx: &mut Ctx) {
        match event {
            LoadEvent::Asks(asked) => self.issue(*asked, ctx),
            LoadEvent::Renews(node) => self.renew(node, ctx),
            LoadEvent::Again(number) => self.ask(number, ctx),
            LoadEvent::Created(pod) => {
                if let Some((server, number)) = self.creations.remove(&pod) {
                    self.servers[server as usize].release(number, ctx.now());
                    self.settle(server, ctx);
                }
            }
            LoadEvent::Floods(server, fault, flow) => {
                let name = &ctx.blueprint().spec.faults[fault.index()].name;
                let begun = u64::from(ctx.shared.triggers.starts(fault));
                let key = EntityKey::root("overload").named(name).child(begun);
                let of_server = Flow {
                    rate_per_s: flow.rate_per_s / self.servers.len().max(1) as f64,
                    ..*flow
                };
                let times = (ctx.now(), ctx.blueprint().spec.horizon);
                self.begin(
                    (of_fault(fault), key),
                    &of_server,
                    &[server],
                    times,
                    &ctx.shared.run_key,
                );
                if of_server.level == Level::NodeHigh {
                    self.leases.flood(server, ctx);
                }
            }
            LoadEvent::Subsides(server, fault) => {
                if let FaultKind::Overload(overload) = &ctx.blueprint().spec.faults[fault.index()].kind
                    && overload.flow.level == Level::NodeHigh
                {
                    self.leases.subside(server);
                }
                self.servers[server as usize].end(of_fault(fault), ctx.now());
                self.settle(server, ctx);
            }
            LoadEvent::Look(server) => {
                self.looks[server as usize] = None;
                self.servers[server as usize].advance(ctx.now());
                self.settle(server, ctx);
            }
        }
    }

    fn issue(&mut self, asked: Asked, ctx: &mut Ctx) {
        let number = self.issued;
        self.issued += 1;
        let ticket = Ticket {
            server: server_of(&asked, ctx),
            asked,
            since: ctx.now(),
            tries: 0,
        };
        self.tickets.insert(number, ticket);
        self.ask(number, ctx);
    }

    fn ask(&mut self, number: u64, ctx: &mut Ctx) {
        let Some(ticket) = self.tickets.get(&number) else {
            return;
        };
        let server = ticket.server;
        let at = &mut self.servers[server as usize];
        let (level, user) = sender(&ticket.asked, ctx.blueprint());
        let cost = match ticket.asked {
            Asked::List(party, _) => {
                let (seats, work) = at.cost(Verb::List, objects(party, ctx));
                (seats, Work::Whole(work))
            }
            Asked::Creation(..) => (1, Work::Held),
            _ => {
                let (seats, work) = at.cost(Verb::Write, 1);
                (seats, Work::Counted(work))
            }
        };
        at.ask(number, level, user, cost, ctx.now());
        self.settle(server, ctx);
    }

    /// Lets those know whose requests were decided, and looks again when others may be.
    fn settle(&mut self, server: u32, ctx: &mut Ctx) {
        let at = &mut self.servers[server as usize];
        let decided = at.decided();
        let next = at.next_decision().map(|next| next.max(ctx.now()));
        let look = &mut self.looks[server as usize];
        if next != look.map(|(at, _)| at) {
            if let Some((_, timer)) = look.take() {
                ctx.kernel.cancel(timer);
            }
            *look = next.map(|at| {
                let event = Event::Load(LoadEvent::Look(server));
                (at, ctx.at(Source::ApiServer, EventClass::Commit, at, event))
            });
        }
        for (number, decision) in decided {
            self.decided(number, decision, ctx);
        }
    }

    fn decided(&mut self, number: u64, decision: Decision, ctx: &mut Ctx) {
        let retries = ctx.blueprint().spec.kubernetes.api_client_retries;
        let Some(ticket) = self.tickets.get_mut(&number) else {
            return;
        };
        if let Decision::Refused(wait) = decision {
            // Whoever writes or lists asks again and again; the other two give up.
            let gives_up = matches!(ticket.asked, Asked::Review(..) | Asked::Creation(..));
            if ticket.tries < retries || !gives_up {
                ticket.tries += 1;
                let event = Event::Load(LoadEvent::Again(number));
                ctx.after(Source::ApiServer, EventClass::Deliver, wait, event);
                return;
            }
        }
        let served = decision == Decision::Served;
        let Some(ticket) = self.tickets.remove(&number) else {
            return;
        };
        match ticket.asked {
            Asked::Write(write) => ctx.write_served(write),
            Asked::Status(node) => ctx.status_served(node),
            Asked::Tokens(node, pod) => ctx.tokens_served(node, pod),
            Asked::Lease(node) => self.renewed(node, ticket.since, ctx),
            Asked::Review(istiod, request) => {
                self.longest_review = self.longest_review.max(ctx.now().since(ticket.since));
                ctx.review_served(istiod, request, ticket.since, served);
            }
            Asked::Creation(pod, owner) if served => {
                self.creations.insert(pod, (ticket.server, number));
                ctx.creation_served(pod, owner);
            }
            Asked::Creation(pod, owner) => {
                let (istiod, asked) = (None, ticket.since);
                ctx.observe_pod(pod, PodFact::CreationRefused { istiod, asked });
                match owner {
                    Some(owner) => ctx.refuse_creation(owner, pod),
                    None => ctx.observe_pod(pod, PodFact::Dropped),
                }
            }
            Asked::List(party, timer) => ctx.list_served(party, timer),
        }
    }

    /// Requests and refusals of each server up to the end of a run.
    pub fn finish(&mut self, end: SimTime) -> Vec<Counts> {
        let counts = |server: &mut Server| {
            server.advance(end);
            server.counts
        };
        self.servers.iter_mut().map(counts).collect()
    }

    /// The longest wait of a TokenReview beyond its latency.
    #[must_use]
    pub const fn longest_review(&self) -> SimDuration {
        self.longest_review
    }
}

/// The number of a fault's flow, behind those of the background.
fn of_fault(fault: FaultId) -> u64 {
    1 << 32 | u64::from(fault.0)
}

impl Overloads for Ctx<'_> {
    fn flood(&mut self, server: u32, flow: &Flow, fault: FaultId) {
        self.call(Event::Load(LoadEvent::Floods(server, fault, Box::new(flow.clone()))));
    }

    fn subside(&mut self, server: u32, fault: FaultId) {
        self.call(Event::Load(LoadEvent::Subsides(server, fault)));
    }
}

/// The API server to which a request goes.
fn server_of(asked: &Asked, ctx: &Ctx) -> u32 {
    let party = match asked {
        Asked::Status(node) | Asked::Tokens(node, _) | Asked::Lease(node) => Party::Kubelet(*node),
        Asked::Review(istiod, _) => Party::Istiod(*istiod),
        Asked::List(party, _) => *party,
        Asked::Write(write) => return ctx.server_of_write(write),
        Asked::Creation(pod, owner) => return ctx.server_of_write(&Write::CreatePod(*pod, *owner)),
    };
    ctx.api_server_of(party)
}

/// The level of a request, and its user.
fn sender(asked: &Asked, blueprint: &Blueprint) -> (Level, u64) {
    let of_party = |party: Party| match party {
        Party::Kubelet(node) | Party::Node(node) => (Level::System, blueprint.node_key(node).named("kubelet")),
        Party::ServiceProxy(_) => (Level::WorkloadHigh, EntityKey::root("kube-proxy")),
        Party::Agent(_) => (Level::WorkloadHigh, EntityKey::root("cilium")),
        Party::Controllers(_) => (Level::WorkloadHigh, EntityKey::root("kube-controller-manager")),
        _ => (Level::WorkloadLow, EntityKey::root("istiod")),
    };
    let (level, key) = match asked {
        Asked::Status(node) | Asked::Tokens(node, _) => of_party(Party::Kubelet(*node)),
        Asked::Lease(node) => (Level::NodeHigh, of_party(Party::Kubelet(*node)).1),
        Asked::Review(istiod, _) => of_party(Party::Istiod(*istiod)),
        Asked::List(party, _) => of_party(*party),
        Asked::Write(Write::BindPod(..)) => (Level::WorkloadHigh, EntityKey::root("kube-scheduler")),
        Asked::Write(Write::PublishEndpoint(endpoint) | Write::RemoveEndpoint(endpoint)) => {
            of_party(Party::Agent(endpoint.node))
        }
        Asked::Write(Write::CreateIdentity(_, node, _)) => of_party(Party::Agent(*node)),
        Asked::Write(_) | Asked::Creation(..) => (Level::WorkloadHigh, EntityKey::root("kube-controller-manager")),
    };
    (level, key.get())
}

/// How many objects a party lists.
fn objects(party: Party, ctx: &Ctx) -> u32 {
    let api = &ctx.shared.api;
    let kinds = (0..ctx.blueprint().kinds.len() as u32).map(super::ids::KindId);
    let pods: usize = kinds.map(|kind| api.pods_of(kind).len()).sum();
    let services = ctx.blueprint().services;
    let objects = match party {
        Party::Kubelet(_) => ctx.blueprint().spec.kubernetes.pods_per_node_max as usize,
        Party::Agent(_) | Party::Controllers(_) => pods,
        Party::ServiceProxy(_) => services,
        Party::Istiod(_)
        | Party::Webhook(_)
        | Party::IstiodClients(_)
        | Party::ApiServer(_)
        | Party::IstiodProcess(_)
        | Party::Node(_)
        | Party::Network(_) => pods + services,
    };
    u32::try_from(objects).unwrap_or(u32::MAX)
}

/// Verbs with which components send requests to the API servers of a design whose load is modeled.
impl Ctx<'_> {
    /// Whether the load of API servers is modeled: then requests ask for a seat.
    #[must_use]
    pub fn models_load(&self) -> bool {
        self.blueprint().spec.models_load()
    }

    /// A request comes to its API server.
    pub fn ask_api_server(&mut self, asked: Asked) {
        self.call(Event::Load(LoadEvent::Asks(Box::new(asked))));
    }

    fn renews_at(&mut self, node: NodeId, at: SimTime) {
        let event = Event::Load(LoadEvent::Renews(node));
        self.at(Source::ApiServer, EventClass::Commit, at, event);
    }

    /// The request to create a pod is over: its webhook has answered, or failed.
    pub fn creation_ends(&mut self, pod: PodId) {
        if self.models_load() {
            self.call(Event::Load(LoadEvent::Created(pod)));
        }
    }
}
