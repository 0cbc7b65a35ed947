//! The Cilium agent of a node: the network plugin's calls, identities, and what it publishes.
//!
//! **Modeled**: address first, then the limiter, then the identity (known on the node or in the API, else created),
//! then the programs; the CiliumEndpoint published on its own way while the pod already goes on; release of the address
//! at once when the sandbox goes; a cut link: an unknown identity cannot be had, so that the network plugin's call waits until
//! it times out, and nothing is published or removed; where only answers are lost, what needs no answer before it still takes
//! effect as long as the connection stands (an identity is created, an endpoint removed); an agent that is frozen or has ended:
//! new calls of the network plugin fail when they have not reached it in time, calls under way fail at their time limit or with it,
//! and what it has to publish, remove and release waits; the datapath keeps its maps, and endpoints survive. Up to 1.16 an agent that
//! does not reach the API server is ended by its liveness probe after about five minutes, and cannot start before the link is whole.
//! **Left out**: several numbers for one label set, garbage collection of identities, endpoints without labels (`init`); releases of
//! an agent that its liveness probe has ended, which fail in reality until it is back.
//! One client of the API server with its limit serves endpoints and identities.
//! **Parameters**: `endpoint_*`, `agent_*`, `identity_create_latency`, `api_*`. **Validated by**: `tests/world/event_log.rs`, `tests/world/node_reads.rs`.

use std::net::Ipv4Addr;

use super::create_limiter::{CreateLimiter, Turn};
use crate::cluster::blueprint::Blueprint;
use crate::cluster::context::Ctx;
use crate::cluster::event::{AgentEvent, Event, Source, Write};
use crate::cluster::ids::{NodeId, PodId, TrueIdentity};
use crate::cluster::ipam::Ipam;
use crate::cluster::objects::EndpointObject;
use crate::cluster::observed::{Fact, PodFact};
use crate::cluster::party::Party;
use crate::cluster::purpose::{Ordinal, Purpose};
use crate::cluster::subscription::Missed;
use crate::cluster::token_bucket::TokenBucket;
use crate::kernel::{EventClass, RunKey, SimDuration, SimTime, Timer};

/// All agents.
#[derive(Debug)]
pub struct Agents {
    agents: Vec<Agent>,
    /// When creations under way were called and started.
    calls: Vec<Call>,
    /// What could not be published or removed while links were cut.
    unpublished: Missed<(EndpointObject, bool)>,
    /// What waits for agents that are frozen or have ended, each with the end of a caller's patience.
    waiting: Vec<(NodeId, AgentEvent, Option<Timer>)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Call {
    /// How often the network plugin was called for the pod.
    number: u64,
    called: SimTime,
    started: SimTime,
    endpoint: Option<EndpointObject>,
    /// Where it waits for an identity that cannot be had, and when the network plugin times out.
    blocked: Option<(NodeId, Timer)>,
}

#[derive(Debug)]
struct Agent {
    ipam: Ipam,
    limiter: CreateLimiter,
    /// Identities of which the node has or had an endpoint: no look-up is needed.
    known: Vec<TrueIdentity>,
    /// When its latest write is ordered: its writes keep their order.
    latest_write: SimTime,
    /// The limit of its client of the API server.
    client: TokenBucket,
}

impl Agents {
    /// Agents of empty nodes; the router and the health endpoint of each have taken their addresses.
    #[must_use]
    pub fn new(blueprint: &Blueprint, run_key: &RunKey) -> Self {
        let params = &blueprint.spec.cilium;
        let agents = (0..blueprint.spec.nodes)
            .map(|node| {
                let mut ipam = Ipam::new(blueprint.addresses.pool_size());
                let mut offsets = run_key.stream(Purpose::IpamOffset, blueprint.node_key(NodeId(node)));
                for _ in 0..params.node_addresses.min(ipam.size()) {
                    ipam.allocate(offsets.below(u64::from(ipam.size())) as u32);
                }
                Agent {
                    ipam,
                    limiter: CreateLimiter::new(params),
                    known: Vec::new(),
                    latest_write: SimTime::ZERO,
                    client: TokenBucket::new(params.agent_client_qps, params.agent_client_burst),
                }
            })
            .collect();
        Self {
            agents,
            calls: Vec::new(),
            waiting: Vec::new(),
            unpublished: Missed::default(),
        }
    }

    fn call(&mut self, pod: PodId) -> &mut Call {
        if self.calls.len() <= pod.index() {
            self.calls.resize(pod.index() + 1, Call::default());
        }
        &mut self.calls[pod.index()]
    }

    /// A pod was connected when the run began, and its endpoint published. Nothing if the node has no address for it.
    pub fn has_connected(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) -> Option<Ipv4Addr> {
        let (identity, key) = (ctx.shared.kind(pod).identity, ctx.shared.key(pod));
        let agent = &mut self.agents[node.index()];
        let mut offsets = ctx.stream(Purpose::IpamOffset, key.child(1));
        let address = agent
            .ipam
            .allocate(offsets.below(u64::from(agent.ipam.size())) as u32)?;
        let blueprint = ctx.shared.blueprint.clone();
        let ip = blueprint.addresses.address(node, address);
        ctx.shared.physics.take_address(pod, node, ip);
        ctx.shared.physics.connect(pod);
        ctx.observe_pod(pod, PodFact::Taken(node, ip));
        let params = &blueprint.spec.cilium;
        let build = ctx.draw(Purpose::EndpointBuild, key, &params.endpoint_build_latency);
        agent.limiter.has_created(build, params);
        if !agent.known.contains(&identity) {
            agent.known.push(identity);
        }
        let api = &mut ctx.shared.api;
        api.add_identity(SimTime::ZERO, identity);
        let endpoint = EndpointObject {
            pod,
            ip,
            identity: api.identity(identity).expect("it was added"),
            node,
        };
        api.put_endpoint(SimTime::ZERO, endpoint, blueprint.addresses.topic(ip), true);
        ctx.observe(Fact::EndpointWritten(endpoint, true));
        *self.call(pod) = Call {
            number: 1,
            endpoint: Some(endpoint),
            ..Call::default()
        };
        Some(ip)
    }

    /// Handles an event on a node.
    pub fn handle(&mut self, node: NodeId, event: AgentEvent, ctx: &mut Ctx) {
        if self.waits(node, &event, ctx) {
            return;
        }
        match event {
            _ if ctx.shared.nodes_down.has(node) => {}
            AgentEvent::Booted => {
                let params = &ctx.shared.blueprint.spec.cilium;
                self.agents[node.index()].limiter = CreateLimiter::new(params);
                for call in &mut self.calls {
                    call.blocked.take_if(|(at, _)| *at == node);
                }
            }
            AgentEvent::Add(pod) => self.add(node, pod, ctx),
            AgentEvent::Admitted(pod) => self.start(node, pod, ctx),
            AgentEvent::Refused(pod) => {
                self.creation_ends(node, pod, false, ctx);
                self.refuse(node, pod, ctx);
            }
            AgentEvent::Withdraw(pod, asked) => {
                if self.agents[node.index()].limiter.withdraw(pod, asked) {
                    self.refuse(node, pod, ctx);
                }
            }
            AgentEvent::Identified(pod) => self.identified(node, pod, ctx),
            AgentEvent::Unanswered(pod) => self.block(node, pod, ctx),
            AgentEvent::NotReached(pod) => {
                self.forget(node, pod);
                ctx.observe_pod(pod, PodFact::AgentNotReached);
                ctx.network_failed(node, pod, false);
            }
            AgentEvent::TimedOut(pod) => {
                self.forget(node, pod);
                self.call(pod).blocked = None;
                ctx.observe_pod(pod, PodFact::IdentityTimedOut);
                self.abandon(node, pod, ctx);
            }
            AgentEvent::Built(pod) => self.built(node, pod, ctx),
            AgentEvent::Publish(endpoint) => self.publish(node, endpoint, ctx),
            AgentEvent::Create(endpoint) => self.write(node, endpoint, true, ctx),
            AgentEvent::SyncAgain(pod) => {
                if self.call(pod).endpoint.is_some() {
                    self.take(node, 1, ctx);
                }
            }
            AgentEvent::Delete(pod) => self.delete(node, pod, ctx),
            AgentEvent::Repaired => {
                let here = self.waiting.extract_if(.., |(at, ..)| *at == node);
                for (_, event, timer) in here.collect::<Vec<_>>() {
                    timer.into_iter().for_each(|timer| ctx.kernel.cancel(timer));
                    self.handle(node, event, ctx);
                }
                for (endpoint, exists) in self.unpublished.hand_out(Party::Agent(node)) {
                    self.write(node, endpoint, exists, ctx);
                }
                // What waits for an identity is answered by the next attempt.
                for pod in (0..self.calls.len() as u32).map(PodId) {
                    let call = self.call(pod);
                    if let Some((_, timer)) = call.blocked.take_if(|(at, _)| *at == node) {
                        ctx.kernel.cancel(timer);
                        self.identify(node, pod, ctx);
                    }
                }
            }
        }
    }

    /// Whether something waits, or fails, because the agent is frozen or has ended.
    fn waits(&mut self, node: NodeId, event: &AgentEvent, ctx: &mut Ctx) -> bool {
        if ctx.shared.nodes_down.has(node) {
            return false;
        }
        let party = Party::Agent(node);
        let killed = matches!(event, AgentEvent::Add(_)) && ctx.agent_killed_at(node).is_some();
        if !killed && ctx.shared.processes.runs(party) {
            return false;
        }
        let params = &ctx.blueprint().spec.cilium;
        let limit = match *event {
            AgentEvent::Add(pod) => Some((ctx.now() + params.plugin_connect_timeout, AgentEvent::NotReached(pod))),
            AgentEvent::Admitted(pod)
            | AgentEvent::Identified(pod)
            | AgentEvent::Unanswered(pod)
            | AgentEvent::Built(pod) => {
                if ctx.shared.processes.is_down(party) {
                    self.abandon(node, pod, ctx);
                    return true;
                }
                let end = self.call(pod).called + params.endpoint_call_timeout;
                Some((end.max(ctx.now()), AgentEvent::TimedOut(pod)))
            }
            AgentEvent::Publish(_) | AgentEvent::Create(_) | AgentEvent::SyncAgain(_) | AgentEvent::Delete(_) => None,
            // It lists when it goes on.
            AgentEvent::Repaired => return true,
            AgentEvent::Booted
            | AgentEvent::Refused(_)
            | AgentEvent::Withdraw(..)
            | AgentEvent::TimedOut(_)
            | AgentEvent::NotReached(_) => {
                return false;
            }
        };
        let timer =
            limit.map(|(at, event)| ctx.at(Source::Agent(node), EventClass::Timer, at, Event::Agent(node, event)));
        self.waiting.push((node, event.clone(), timer));
        true
    }

    /// A call of the network plugin for a pod has failed: nothing of it waits any more.
    fn forget(&mut self, node: NodeId, pod: PodId) {
        self.waiting.retain(|(at, event, _)| {
            *at != node
                || !matches!(event,
                    AgentEvent::Add(of) | AgentEvent::Admitted(of) | AgentEvent::Identified(of) | AgentEvent::Unanswered(of)
                    | AgentEvent::Built(of) if *of == pod)
        });
    }

    /// Takes tokens of the agent's client and returns how long to wait for them.
    fn take(&mut self, node: NodeId, requests: u32, ctx: &Ctx) -> SimDuration {
        if requests == 0 {
            return SimDuration::ZERO;
        }
        self.agents[node.index()].client.reserve(ctx.now(), requests)
    }

    fn add(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let now = ctx.now();
        // Each call of a pod draws its own offset, so that the k-th pod searches from the same place in every design.
        let call = self.call(pod);
        call.number += 1;
        let number = call.number;
        let key = ctx.shared.key(pod).child(number);
        let agent = &mut self.agents[node.index()];
        let offset = ctx.stream(Purpose::IpamOffset, key).below(u64::from(agent.ipam.size())) as u32;
        let Some(address) = agent.ipam.allocate(offset) else {
            ctx.observe_pod(pod, PodFact::NoAddress);
            ctx.network_failed(node, pod, false);
            return;
        };
        let ip = ctx.blueprint().addresses.address(node, address);
        ctx.shared.physics.take_address(pod, node, ip);
        ctx.observe_pod(pod, PodFact::Taken(node, ip));
        *self.call(pod) = Call {
            number,
            called: now,
            started: now,
            endpoint: None,
            blocked: None,
        };
        let params = &ctx.shared.blueprint.spec.cilium;
        let longest = params.endpoint_create_max_wait;
        match self.agents[node.index()].limiter.request(pod, now, params) {
            Some(turn) => self.turn(node, pod, turn, ctx),
            None => {
                let event = Event::Agent(node, AgentEvent::Withdraw(pod, now));
                ctx.after(Source::Agent(node), EventClass::Timer, longest, event);
            }
        }
    }

    fn turn(&self, node: NodeId, pod: PodId, turn: Turn, ctx: &mut Ctx) {
        let (wait, event) = match turn {
            Turn::Starts(wait) => (wait, AgentEvent::Admitted(pod)),
            Turn::Refused(sleep) => (sleep, AgentEvent::Refused(pod)),
        };
        ctx.after(Source::Agent(node), EventClass::Timer, wait, Event::Agent(node, event));
    }

    fn refuse(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let waited = ctx.now().since(self.call(pod).called);
        ctx.observe_pod(pod, PodFact::EndpointRefused(waited));
        self.release(node, pod, ctx);
        ctx.network_failed(node, pod, true);
    }

    /// A creation starts: first of all, what is the pod's identity?
    fn start(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let now = ctx.now();
        let call = self.call(pod);
        let waited = now.since(call.called);
        call.started = now;
        ctx.observe_pod(pod, PodFact::EndpointAdmitted(waited));
        self.identify(node, pod, ctx);
    }

    fn identify(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let identity = ctx.shared.kind(pod).identity;
        // The node knows the identities of its own endpoints, and those that it has read.
        let read = ctx.shared.identity_read(node, identity, ctx.kernel.now()).is_some();
        if read || self.agents[node.index()].known.contains(&identity) {
            ctx.after(
                Source::Agent(node),
                EventClass::Timer,
                SimDuration::ZERO,
                Event::Agent(node, AgentEvent::Identified(pod)),
            );
            return;
        }
        // The API server answers when the identity is there; then the agent goes on.
        let distribution = ctx.blueprint().spec.cilium.identity_create_latency;
        let latency = ctx.draw(Purpose::IdentityCreate, ctx.shared.key(pod), &distribution);
        let latency = ctx.slowed(Party::Agent(node), latency) + self.take(node, 1, ctx);
        let key = Ordinal::IDENTITY_CREATION.of(ctx.shared.key(pod));
        let write = Write::CreateIdentity(pod, node, identity);
        if !ctx.write_after(Source::Agent(node), Some(Party::Agent(node)), key, latency, write) {
            let now = ctx.now();
            ctx.shared.links.ask(Party::Agent(node), now);
            self.block(node, pod, ctx);
        }
    }

    /// The agent goes on trying to create an identity, in vain: the network plugin times out before the agent does.
    fn block(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        if ctx.shared.links.is_up(Party::Agent(node)) {
            self.identify(node, pod, ctx); // It was repaired at the same instant.
            return;
        }
        ctx.observe_pod(pod, PodFact::NoIdentity);
        let limit = ctx.blueprint().spec.cilium.endpoint_call_timeout;
        let end = (self.call(pod).called + limit).max(ctx.now());
        let timer = ctx.at(
            Source::Agent(node),
            EventClass::Timer,
            end,
            Event::Agent(node, AgentEvent::TimedOut(pod)),
        );
        self.call(pod).blocked = Some((node, timer));
    }

    fn identified(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        let identity = ctx.shared.kind(pod).identity;
        let place = ctx.shared.physics.pod(pod).place;
        let (Some(number), Some((_, ip))) = (ctx.shared.api.identity(identity), place) else {
            // Its sandbox went while the identity was created.
            self.creation_ends(node, pod, false, ctx);
            return;
        };
        let agent = &mut self.agents[node.index()];
        if !agent.known.contains(&identity) {
            agent.known.push(identity);
        }
        let endpoint = EndpointObject {
            pod,
            ip,
            identity: number,
            node,
        };
        self.call(pod).endpoint = Some(endpoint);
        let params = &ctx.blueprint().spec.cilium;
        let (publish, build) = (params.endpoint_publish_latency, params.endpoint_build_latency);
        let key = ctx.shared.key(pod);
        let party = Party::Agent(node);
        let publish = ctx.slowed(party, ctx.draw(Purpose::EndpointPublish, key, &publish));
        let build = ctx.slowed(party, ctx.draw(Purpose::EndpointBuild, key, &build));
        ctx.after(
            Source::Agent(node),
            EventClass::Timer,
            publish,
            Event::Agent(node, AgentEvent::Publish(endpoint)),
        );
        ctx.after(
            Source::Agent(node),
            EventClass::Timer,
            build,
            Event::Agent(node, AgentEvent::Built(pod)),
        );
    }

    fn built(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        ctx.shared.physics.connect(pod);
        self.creation_ends(node, pod, true, ctx);
        ctx.network_ready(node, pod);
    }

    fn abandon(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        self.release(node, pod, ctx);
        self.creation_ends(node, pod, false, ctx);
        ctx.network_failed(node, pod, false);
    }

    /// A creation ends: others come into its place, and a success adjusts the limits.
    fn creation_ends(&mut self, node: NodeId, pod: PodId, succeeded: bool, ctx: &mut Ctx) {
        let now = ctx.now();
        let duration = now.since(self.call(pod).started);
        let params = &ctx.shared.blueprint.spec.cilium;
        let limiter = &mut self.agents[node.index()].limiter;
        for (next, turn) in limiter.finished(pod, now, succeeded.then_some(duration), params) {
            self.turn(node, next, turn, ctx);
        }
    }

    /// The agent asks whether the endpoint exists, creates it, and looks once more at its next round.
    fn publish(&mut self, node: NodeId, endpoint: EndpointObject, ctx: &mut Ctx) {
        let params = &ctx.blueprint().spec.cilium;
        let (requests, again) = (params.agent_requests_per_endpoint, params.agent_endpoint_sync_period);
        let wait = self.take(node, requests.saturating_sub(2), ctx);
        let source = Source::Agent(node);
        if wait.as_nanos() == 0 {
            self.write(node, endpoint, true, ctx);
        } else {
            let event = Event::Agent(node, AgentEvent::Create(endpoint));
            ctx.after(source, EventClass::Timer, wait, event);
        }
        if requests > 1 {
            let event = Event::Agent(node, AgentEvent::SyncAgain(endpoint.pod));
            ctx.after(source, EventClass::Timer, again, event);
        }
    }

    /// Creates or removes an endpoint in the API.
    fn write(&mut self, node: NodeId, endpoint: EndpointObject, exists: bool, ctx: &mut Ctx) {
        // An endpoint that went before it was published is not published any more.
        let gone = exists && ctx.shared.physics.pod(endpoint.pod).place.is_none();
        if gone {
            return;
        }
        let (what, write) = if exists {
            (Ordinal::ENDPOINT_CREATION, Write::PublishEndpoint(endpoint))
        } else {
            (Ordinal::ENDPOINT_REMOVAL, Write::RemoveEndpoint(endpoint))
        };
        let key = what.of(ctx.shared.key(endpoint.pod));
        let wait = self.take(node, 1, ctx);
        let agent = &mut self.agents[node.index()];
        if !ctx.write_in_order(
            Source::Agent(node),
            Some(Party::Agent(node)),
            key,
            wait,
            &mut agent.latest_write,
            write,
        ) {
            let now = ctx.now();
            ctx.shared.links.ask(Party::Agent(node), now);
            self.unpublished.keep(Party::Agent(node), (endpoint, exists));
        }
    }

    fn delete(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        self.release(node, pod, ctx);
        if let Some(endpoint) = self.call(pod).endpoint.take() {
            self.write(node, endpoint, false, ctx);
        }
    }

    fn release(&mut self, node: NodeId, pod: PodId, ctx: &mut Ctx) {
        if let Some((_, ip)) = ctx.shared.physics.pod(pod).place {
            ctx.shared.physics.release_address(pod);
            let (home, address) = ctx.blueprint().addresses.locate(ip);
            assert_eq!(home, node, "{ip} of {pod:?} is freed on another node at {}", ctx.now());
            self.agents[node.index()].ipam.release(address);
            ctx.observe_pod(pod, PodFact::Freed(ip));
            ctx.address_released(Source::Agent(node), pod, ip);
        }
    }
}

/// Verbs with which other components notify an agent.
impl Ctx<'_> {
    /// The kubelet of a node calls the network plugin for a pod.
    pub fn call_network_plugin(&mut self, node: NodeId, pod: PodId) {
        self.notify_agent(Source::Kubelet(node), EventClass::Physics, node, AgentEvent::Add(pod));
    }

    /// The kubelet of a node calls the CNI plugin's DEL for a sandbox that is gone.
    pub fn cni_del_called(&mut self, node: NodeId, pod: PodId) {
        self.notify_agent(
            Source::Kubelet(node),
            EventClass::Physics,
            node,
            AgentEvent::Delete(pod),
        );
    }

    /// The API server answers that the identity of a pod exists; the answer is lost if the link was cut meanwhile.
    pub fn identity_answered(&mut self, node: NodeId, pod: PodId) {
        let event = if self.shared.links.is_up(Party::Agent(node)) {
            AgentEvent::Identified(pod)
        } else {
            AgentEvent::Unanswered(pod)
        };
        self.notify_agent(Source::ApiServer, EventClass::Deliver, node, event);
    }

    /// The agent of a node starts after a boot.
    pub fn agent_boots(&mut self, node: NodeId) {
        self.notify_agent(Source::Fault, EventClass::Timer, node, AgentEvent::Booted);
    }

    /// The link of a node's agent works again.
    pub fn agent_repaired(&mut self, node: NodeId) {
        self.notify_agent(Source::Fault, EventClass::Timer, node, AgentEvent::Repaired);
    }

    fn notify_agent(&mut self, by: Source, class: EventClass, node: NodeId, event: AgentEvent) {
        self.after(by, class, SimDuration::ZERO, Event::Agent(node, event));
    }
}
