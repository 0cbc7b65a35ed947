//! One request of the script's client or of a flow: from the choice of a backend to the answer.
//!
//! **Modeled**: the choice by the node's service proxy, or by the client's own proxy from its Istiod's configuration; the SYN
//! with its retransmissions, each judged by the datapath when it is sent; the certificates and the mesh's verdict; the client's
//! time limit; where the path meets a fault, each packet by itself, with retransmissions of request and answer. What is recorded
//! is judged by `intent`, by the pod that held the address. A request of a flow may go over a connection that stands (`connections`): each of its
//! packets is judged by the datapath as those of a new one are (`docs/model/cilium.md#identity-of-a-packet`), certificates are not checked again. A
//! client's proxy chooses a backend for each request and keeps a connection to it (`docs/model/istio.md#authorization`).
//! **Left out**: name resolution, Envoy's retries to other hosts. A probe opens its own connection.
//! **Validated by**: `tests/world/published_results.rs`, `tests/world/cases.rs`, `tests/world/traffic.rs`.

use rustc_hash::FxHashMap;

use super::api_connection::retransmission;
use super::blueprint::Blueprint;
use super::cilium::datapath::meant_for;
use super::cilium::passage::{Loss, Passage};
use super::connections::{Connections, Slot};
use super::context::Ctx;
use super::event::{AccessEvent, Event, Source};
use super::faults::cut::CutMode;
use super::flows::AttemptEnd;
use super::ids::{FlowId, KindId, PodId, ServiceId};
use super::intent::{Decisions, intent};
use super::istio::certificates::Invalid;
use super::istio::mesh::{self, Asked, Attempt};
use super::objects::Backend;
use super::observed::{AccessEnd, AccessFact, Fact};
use super::purpose::Purpose;
use super::records::{AccessClass, LayerDecision};
use super::spec::{ProbeSpec, Step};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime, Timer};

/// Requests under way, by their numbers.
#[derive(Debug, Default)]
pub struct Accesses {
    // Looked up, never iterated.
    accesses: FxHashMap<u32, Access>,
    connections: Connections,
}

/// What sends a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// A step of the script.
    Step(u32),
    /// A flow; which of the requests of its pod this is.
    Flow(FlowId, u64),
}

/// What a request is for.
struct Call<'a> {
    service: ServiceId,
    asked: Asked<'a>,
    time_limit: SimDuration,
}

impl Sender {
    fn call(self, blueprint: &Blueprint) -> Call<'_> {
        let (to, method, path, time_limit) = match self {
            Self::Step(step) => {
                let probe = probe_of(blueprint, step);
                (probe.to, &probe.method, &probe.path, probe.time_limit)
            }
            Self::Flow(flow, _) => {
                let spec = &blueprint.flow(flow).spec;
                (spec.to, &spec.call.method, &spec.call.path, spec.call.time_limit)
            }
        };
        let service = ServiceId(to as u32);
        let port = blueprint.target_port(service);
        let asked = Asked { port, method, path };
        Call {
            service,
            asked,
            time_limit,
        }
    }
}

#[derive(Debug)]
struct Access {
    client: PodId,
    sender: Sender,
    /// Addresses its draws.
    key: EntityKey,
    service: ServiceId,
    started: SimTime,
    deadline: SimTime,
    /// The end of its time, if that is taken back when it has an answer.
    timer: Option<Timer>,
    /// Its connection among those that its client keeps.
    slot: Option<Slot>,
    /// Whether that stood already.
    is_over_standing: bool,
    /// Whether it opened one.
    opened: bool,
    backend: Option<Backend>,
    syns: u32,
    /// Who held the address that the latest SYN was sent to.
    server: Option<PodId>,
    reached: bool,
    network: Option<LayerDecision>,
    mesh: Option<LayerDecision>,
    admitted: bool,
    cause: &'static str,
}

impl Accesses {
    fn of(&mut self, number: u32) -> &mut Access {
        self.accesses.get_mut(&number).expect("the request is under way")
    }

    /// What the latest packet of the request would meet now.
    fn attempt(&self, number: u32, ctx: &Ctx) -> Option<Attempt> {
        let access = &self.accesses[&number];
        let asked = access.sender.call(&ctx.shared.blueprint).asked;
        let ip = access.backend?.ip;
        Some(match access.is_over_standing {
            true => Attempt::on_connection(ctx.shared, access.client, ip, asked, ctx.now()),
            false => Attempt::at(ctx.shared, access.client, Some(access.service), ip, asked, ctx.now()),
        })
    }

    /// Sends a request, whose draws `key` addresses. Its sender hears of its end.
    fn send(&mut self, number: u32, client: PodId, sender: Sender, key: EntityKey, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let Call {
            service, time_limit, ..
        } = sender.call(&blueprint);
        let now = ctx.now();
        let access = Access {
            client,
            sender,
            key,
            service,
            started: now,
            deadline: now + time_limit,
            timer: None,
            slot: None,
            is_over_standing: false,
            opened: false,
            backend: None,
            syns: 0,
            server: None,
            reached: false,
            network: None,
            mesh: None,
            admitted: false,
            cause: "no_answer",
        };
        let before = self.accesses.insert(number, access);
        assert!(before.is_none(), "two requests have the same number");
        if let Sender::Step(step) = sender {
            ctx.observe(Fact::Access(number, AccessFact::Began { client, step }));
        }
        let state = *ctx.shared.physics.pod(client);
        if state.place.is_none() || !state.running || !state.connected {
            self.finish(number, "client_not_running", ctx);
            return;
        }
        let meshed = ctx.shared.kind(client).is_meshed();
        if meshed && !state.proxy_live {
            self.finish(number, "client_proxy_not_up", ctx);
            return;
        }
        let pool = match sender {
            Sender::Flow(flow, _) => blueprint.flow(flow).spec.call.connections,
            Sender::Step(_) => None,
        };
        if let (Some(pool), Sender::Flow(flow, of_pod), false) = (pool, sender, meshed) {
            let slot = Slot::Of(client, flow, (of_pod % u64::from(pool.per_pod)) as u32);
            if self.goes_over(number, slot, ctx) {
                return;
            }
        }
        let Some(backends) = mesh::backends(ctx.shared, client, service, now) else {
            self.finish(number, "no_endpoint", ctx);
            return;
        };
        let purpose = if meshed {
            Purpose::ProxyBackendChoice
        } else {
            Purpose::BackendChoice
        };
        let choice = ctx.stream(purpose, key).below(backends.len() as u64) as usize;
        let proxy = Slot::Proxy(client, service, backends[choice].ip);
        if meshed && matches!(sender, Sender::Flow(..)) && self.goes_over(number, proxy, ctx) {
            return;
        }
        self.of(number).backend = Some(backends[choice]);
        let chosen = AccessFact::Chosen {
            istiod: ctx.shared.proxy_of(client).map(|(istiod, _)| istiod).filter(|_| meshed),
            backend: backends[choice],
            candidates: backends.len() as u32,
        };
        self.note(number, chosen, ctx);
        self.limit(number, ctx);
        self.syn(number, ctx);
    }

    /// Notes a fact about a request of the script; those of flows are only counted.
    fn note(&self, number: u32, fact: AccessFact, ctx: &mut Ctx) {
        if let Sender::Step(_) = self.accesses[&number].sender {
            ctx.observe(Fact::Access(number, fact));
        }
    }

    /// The request has so much time.
    fn limit(&mut self, number: u32, ctx: &mut Ctx) {
        let access = self.of(number);
        let event = Event::Access(number, AccessEvent::TimedOut);
        let timer = ctx.at(Source::Access, EventClass::Timer, access.deadline, event);
        access.timer = matches!(access.sender, Sender::Flow(..)).then_some(timer);
    }

    /// A request of a flow that has a connection of its client: whether it goes over it, as it stands already.
    fn goes_over(&mut self, number: u32, slot: Slot, ctx: &mut Ctx) -> bool {
        let client = self.of(number).client;
        let backend = self.connections.find(slot, client, ctx.shared, ctx.now());
        let access = self.of(number);
        access.slot = Some(slot);
        access.is_over_standing = backend.is_some();
        access.backend = backend;
        if backend.is_some() {
            self.limit(number, ctx);
            self.requests(number, 0, ctx);
        }
        backend.is_some()
    }

    /// Handles an event of a request.
    pub fn handle(&mut self, number: u32, event: AccessEvent, ctx: &mut Ctx) {
        match event {
            AccessEvent::Send(client, step, key) => return self.send(number, client, Sender::Step(step), key, ctx),
            AccessEvent::SendOfFlow(client, flow, of_pod, key) => {
                return self.send(number, client, Sender::Flow(flow, of_pod), key, ctx);
            }
            AccessEvent::Unsent(kind, step) => return unsent(kind, step, ctx),
            AccessEvent::Syn
            | AccessEvent::Requests(_)
            | AccessEvent::Replies(_)
            | AccessEvent::Answered
            | AccessEvent::TimedOut => {}
        }
        let Some(access) = self.accesses.get_mut(&number) else {
            return;
        };
        match event {
            AccessEvent::Send(..) | AccessEvent::SendOfFlow(..) | AccessEvent::Unsent(..) => {}
            AccessEvent::Syn => self.syn(number, ctx),
            AccessEvent::Requests(tries) => self.requests(number, tries, ctx),
            AccessEvent::Replies(tries) => self.replies(number, tries, ctx),
            AccessEvent::Answered => {
                let cause = access.cause;
                if let Some(slot) = access.slot {
                    self.connections.answered(slot);
                }
                self.finish(number, cause, ctx);
            }
            AccessEvent::TimedOut => {
                let cause = if access.network == Some(LayerDecision::Deny) {
                    access.cause
                } else {
                    "no_answer"
                };
                if let (Some(slot), true) = (access.slot, access.is_over_standing) {
                    self.connections.silent(slot, access.started);
                }
                self.finish(number, cause, ctx);
            }
        }
    }

    fn syn(&mut self, number: u32, ctx: &mut Ctx) {
        let Some(mut attempt) = self.attempt(number, ctx) else {
            return;
        };
        let access = self.of(number);
        let Some(backend) = access.backend else { return };
        let packet = access.key.named("syn").child(u64::from(access.syns));
        if let Passage::Delivered(at) = attempt.passage
            && ctx.shared.loses_either(access.client, at, packet)
        {
            attempt = Attempt::lost(Loss::Path { at });
        }
        let passage = attempt.passage;
        self.note(number, AccessFact::Syn(passage), ctx);
        let access = self.of(number);
        access.server = meant_for(passage, ctx.shared, backend.ip);
        match passage {
            Passage::Delivered(server) => {
                let state = *ctx.shared.physics.pod(server);
                if !state.running {
                    self.finish(number, "connection_refused", ctx);
                    return;
                }
                if !ctx.shared.path_is_whole(access.client, server) {
                    let added = ctx.shared.delayed_both(access.client, server, packet);
                    let wait = self.one_way(number, ctx) * 2 + added;
                    goes_on(number, wait, AccessEvent::Requests(0), ctx);
                    return;
                }
                self.arrives(number, attempt, ctx);
                let wait = self.one_way(number, ctx) * 4 + self.serves(number, attempt, ctx);
                goes_on(number, wait, AccessEvent::Answered, ctx);
            }
            Passage::Lost(Loss::Path { at }) if rejects(access.client, at, ctx) => {
                self.finish(number, "connection_refused", ctx);
            }
            Passage::Lost(loss) => {
                access.lost(loss, attempt.network, ctx);
                let network = &ctx.blueprint().spec.network;
                let wait = network.syn_retransmit_initial * (1 << access.syns.min(20));
                access.syns += 1;
                if access.syns <= network.syn_retransmits && ctx.now() + wait < access.deadline {
                    goes_on(number, wait, AccessEvent::Syn, ctx);
                }
            }
        }
    }

    /// The request is sent on its connection, which stood already or over whose path a fault acted when it was made.
    fn requests(&mut self, number: u32, tries: u32, ctx: &mut Ctx) {
        let Some(attempt) = self.attempt(number, ctx) else {
            return;
        };
        let access = self.of(number);
        let (client, packet) = (access.client, access.key.named("request").child(u64::from(tries)));
        if let (Some(slot), Some(backend), true) = (access.slot, access.backend, access.is_over_standing) {
            access.server = meant_for(attempt.passage, ctx.shared, backend.ip);
            if let Passage::Lost(loss) = attempt.passage {
                access.lost(loss, attempt.network, ctx);
            }
            match attempt.passage {
                Passage::Delivered(server) if !self.connections.is_of(slot, server, ctx.shared) => {
                    self.connections.close(slot);
                    self.finish(number, "connection_reset", ctx);
                    return;
                }
                Passage::Delivered(server) if ctx.shared.path_is_whole(client, server) => {
                    self.arrives(number, attempt, ctx);
                    let wait = self.one_way(number, ctx) * 2 + self.serves(number, attempt, ctx);
                    goes_on(number, wait, AccessEvent::Answered, ctx);
                    return;
                }
                Passage::Delivered(_) | Passage::Lost(_) => {}
            }
        }
        match attempt.passage {
            Passage::Delivered(server) if !ctx.shared.loses(client, server, packet) => {
                let way = self.one_way(number, ctx) + ctx.shared.delayed(client, server, packet);
                let wait = way + self.serves(number, attempt, ctx);
                self.arrives(number, attempt, ctx);
                goes_on(number, wait, AccessEvent::Replies(0), ctx);
            }
            Passage::Lost(Loss::Path { at }) if rejects(client, at, ctx) => {
                self.finish(number, "connection_refused", ctx);
            }
            _ => sent_again(number, tries, AccessEvent::Requests(tries + 1), ctx),
        }
    }

    /// The server sends its answer.
    fn replies(&mut self, number: u32, tries: u32, ctx: &mut Ctx) {
        let access = self.of(number);
        let (client, Some(server)) = (access.client, access.server) else {
            return;
        };
        let packet = access.key.named("reply").child(u64::from(tries));
        if ctx.shared.path_cut(client, server).is_some() || ctx.shared.loses(server, client, packet) {
            sent_again(number, tries, AccessEvent::Replies(tries + 1), ctx);
            return;
        }
        let way = self.one_way(number, ctx) + ctx.shared.delayed(server, client, packet);
        goes_on(number, way, AccessEvent::Answered, ctx);
    }

    /// The request reaches its server, which decides about it.
    fn arrives(&mut self, number: u32, attempt: Attempt, ctx: &mut Ctx) {
        let access = self.of(number);
        access.reached = true;
        (access.network, access.mesh) = (attempt.network, attempt.mesh);
        access.admitted = attempt.is_admitted();
        access.cause = match attempt.refusal {
            Some(refusal) => refusal.why.cause(),
            None if access.admitted => "answered",
            None if attempt.is_expected => "mesh_policy",
            None => "server_identity",
        };
        let stands = attempt.is_expected && attempt.refusal.is_none() && !access.is_over_standing;
        access.opened |= stands;
        if let (Sender::Flow(flow, _), Passage::Delivered(server), true) = (access.sender, attempt.passage, stands) {
            let (slot, backend) = (access.slot, access.backend);
            let pool = ctx.blueprint().flow(flow).spec.call.connections;
            // A proxy keeps its connections.
            let life = pool
                .and_then(|pool| pool.life)
                .filter(|_| matches!(slot, Some(Slot::Of(..))));
            if let Some((slot, backend)) = slot.zip(backend) {
                self.connections
                    .open(slot, backend, server, life, ctx.shared, ctx.now());
            }
        }
        if let Some(refusal) = attempt.refusal {
            self.note(number, AccessFact::Refused(refusal), ctx);
        }
    }

    fn one_way(&self, number: u32, ctx: &Ctx) -> SimDuration {
        let distribution = &ctx.blueprint().spec.network.one_way_latency;
        ctx.draw(Purpose::OneWay, self.accesses[&number].key, distribution)
    }

    /// How long the server takes; a handshake that fails serves nothing.
    fn serves(&self, number: u32, attempt: Attempt, ctx: &Ctx) -> SimDuration {
        if attempt.refusal.is_some() {
            return SimDuration::ZERO;
        }
        let distribution = &ctx.blueprint().spec.network.request_latency;
        ctx.draw(Purpose::Request, self.accesses[&number].key, distribution)
    }

    fn finish(&mut self, number: u32, cause: &'static str, ctx: &mut Ctx) {
        let Some(access) = self.accesses.remove(&number) else {
            return;
        };
        let shared = &*ctx.shared;
        let asked = access.sender.call(&shared.blueprint).asked;
        // Policy is about who holds the address now, whoever was meant. If no pod does, about those behind the Service, all
        // of one kind in a Service of one workload.
        let server_kind = access
            .server
            .or_else(|| access.backend.map(|backend| backend.pod))
            .map(|server| shared.pods[server.index()].kind)
            .or_else(|| kind_behind(ctx, access.service));
        let (network_intended, mesh_intended) = server_kind
            .map_or((LayerDecision::Allow, LayerDecision::Allow), |kind| {
                intent(shared, shared.kind(access.client).identity, kind, asked)
            });
        let is_behind = |kind: KindId| shared.blueprint.kind(kind).services.contains(&access.service);
        let decisions = Decisions {
            network_intended,
            network: access.network,
            mesh_intended,
            mesh: access.mesh,
            admitted: access.admitted,
            wrong_server: server_kind.is_some_and(|kind| !is_behind(kind)),
        };
        let class = decisions.class();
        let step = match access.sender {
            Sender::Step(step) => step,
            Sender::Flow(..) => {
                if let Some(timer) = access.timer {
                    ctx.kernel.cancel(timer);
                }
                let end = AttemptEnd {
                    class,
                    meant: network_intended == LayerDecision::Allow && mesh_intended == LayerDecision::Allow,
                    answered: access.admitted || has_answer(cause),
                    opened: access.opened,
                };
                ctx.flow_attempt_ended(number, end);
                return;
            }
        };
        let end = AccessEnd {
            client: Some(access.client),
            workload: shared.pods[access.client.index()].kind,
            client_ip: shared.physics.pod(access.client).place.map(|(_, ip)| ip),
            service: access.service,
            started: access.started,
            server: access.server,
            reached: access.reached,
            network: (network_intended, access.network),
            mesh: (mesh_intended, access.mesh),
            class,
            cause,
        };
        ctx.observe(Fact::AccessEnded(Some(number), end));
        let not_up = class == AccessClass::Unreachable && matches!(cause, "client_not_running" | "client_proxy_not_up");
        ctx.probe_done(step, not_up);
    }
}

impl Access {
    /// Its latest packet was lost.
    fn lost(&mut self, loss: Loss, network: Option<LayerDecision>, ctx: &Ctx) {
        let runs = |server: PodId| ctx.shared.physics.pod(server).running;
        self.reached |= loss.reached().is_some_and(runs);
        self.network = network;
        self.cause = match loss {
            Loss::NoPod | Loss::Cut { .. } | Loss::Path { .. } => "no_answer",
            Loss::EgressPolicy { .. } => "network_egress_policy",
            Loss::WireGuardPeer { .. } => "wireguard_peer",
            Loss::IngressPolicy { .. } => "network_ingress_policy",
        };
    }
}

fn goes_on(number: u32, wait: SimDuration, event: AccessEvent, ctx: &mut Ctx) {
    ctx.after(Source::Access, EventClass::Physics, wait, Event::Access(number, event));
}

/// A segment was lost: TCP sends it again.
fn sent_again(number: u32, tries: u32, again: AccessEvent, ctx: &mut Ctx) {
    let wait = retransmission(tries, &ctx.blueprint().spec.network);
    goes_on(number, wait, again, ctx);
}

/// Whether a client's packets to a server are answered by a reset.
fn rejects(client: PodId, server: PodId, ctx: &Ctx) -> bool {
    let cut = ctx.shared.path_cut(client, server);
    cut.is_some_and(|cut| cut.mode == CutMode::Reject)
}

/// A request that cannot be sent because no pod of its workload is ready. The script hears of its end.
fn unsent(workload: KindId, step: u32, ctx: &mut Ctx) {
    let shared = &*ctx.shared;
    let probe = probe_of(&shared.blueprint, step);
    let service = ServiceId(probe.to as u32);
    let (network_intended, mesh_intended) =
        kind_behind(ctx, service).map_or((LayerDecision::Allow, LayerDecision::Allow), |server| {
            let asked = Asked {
                port: shared.blueprint.target_port(service),
                method: &probe.method,
                path: &probe.path,
            };
            intent(shared, shared.blueprint.kind(workload).identity, server, asked)
        });
    let end = AccessEnd {
        client: None,
        workload,
        client_ip: None,
        service,
        started: ctx.now(),
        server: None,
        reached: false,
        network: (network_intended, None),
        mesh: (mesh_intended, None),
        class: AccessClass::Unreachable,
        cause: NO_READY_CLIENT,
    };
    ctx.observe(Fact::AccessEnded(None, end));
    ctx.probe_done(step, true);
}

/// The request of a step of the script.
fn probe_of(blueprint: &Blueprint, step: u32) -> &ProbeSpec {
    match &blueprint.spec.script[step as usize] {
        Step::Probe(probe) => probe,
        other => unreachable!("{other:?} sends no request"),
    }
}

/// Whether a request with this cause was decided by a proxy, so that its client heard of it.
#[must_use]
pub fn has_answer(cause: &str) -> bool {
    let refused = [Invalid::NotYetValid, Invalid::Expired].map(Invalid::cause);
    matches!(cause, "answered" | "mesh_policy") || refused.contains(&cause)
}

/// Cause of a request that no pod could send.
pub const NO_READY_CLIENT: &str = "no_ready_client";

fn kind_behind(ctx: &Ctx, service: ServiceId) -> Option<KindId> {
    ctx.blueprint()
        .kinds
        .iter()
        .position(|kind| kind.services.contains(&service))
        .map(|index| KindId(index as u32))
}

/// The verbs for those who send requests.
impl Ctx<'_> {
    /// A pod sends a request of a flow, the `of_pod`th of its own.
    pub fn send_flow_request(&mut self, number: u32, client: PodId, flow: FlowId, of_pod: u64, key: EntityKey) {
        let event = AccessEvent::SendOfFlow(client, flow, of_pod, key);
        self.call(Event::Access(number, event));
    }

    /// A pod sends the request of a step; it is the `number`th of the run.
    pub fn send_request(&mut self, number: u32, client: PodId, step: u32, key: EntityKey) {
        self.call(Event::Access(number, AccessEvent::Send(client, step, key)));
    }

    /// No pod of a kind is ready to send the request of a step.
    pub fn request_unsent(&mut self, kind: KindId, step: u32) {
        self.call(Event::Access(0, AccessEvent::Unsent(kind, step)));
    }
}
