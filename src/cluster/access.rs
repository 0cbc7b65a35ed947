//! One request of the script's client: from the choice of a backend to the answer.
//!
//! **Modeled**: the choice by the node's service proxy, or by the client's own proxy from its Istiod's configuration; the SYN
//! with its retransmissions, each judged by the datapath when it is sent; the certificates and the mesh's verdict; the client's
//! time limit; where the path meets a fault, each packet by itself, with retransmissions of request and answer. What is recorded
//! is judged by `judge`, by the pod that held the address.
//! **Left out**: name resolution, Envoy's retries to other hosts, reuse of connections.
//! **Validated by**: `tests/world/published_results.rs`, `tests/world/cases.rs`.

use super::api_connection::retransmission;
use super::blueprint::Blueprint;
use super::cilium::datapath::meant_for;
use super::cilium::passage::{Loss, Passage};
use super::context::Ctx;
use super::event::{AccessEvent, Event, Source};
use super::faults::cut::CutMode;
use super::ids::{KindId, PodId, ServiceId};
use super::intent::{Decisions, intent};
use super::istio::certificates::Invalid;
use super::istio::mesh::{self, Asked, Attempt};
use super::objects::Backend;
use super::observed::{AccessEnd, AccessFact, Fact};
use super::purpose::Purpose;
use super::records::{AccessClass, LayerDecision};
use super::spec::{ProbeSpec, Step};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// Requests, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Accesses {
    accesses: Vec<Access>,
}

#[derive(Debug)]
struct Access {
    client: PodId,
    /// The step that sends it.
    step: u32,
    /// Addresses its draws.
    key: EntityKey,
    service: ServiceId,
    method: String,
    path: String,
    started: SimTime,
    deadline: SimTime,
    backend: Option<Backend>,
    syns: u32,
    /// Who held the address that the latest SYN was sent to.
    server: Option<PodId>,
    reached: bool,
    network: Option<LayerDecision>,
    mesh: Option<LayerDecision>,
    admitted: bool,
    cause: &'static str,
    done: bool,
}

impl Accesses {
    /// What the latest packet of the request would meet now.
    fn attempt(&self, number: u32, ctx: &Ctx) -> Option<Attempt> {
        let access = &self.accesses[number as usize];
        let asked = Asked {
            port: ctx.blueprint().target_port(access.service),
            method: &access.method,
            path: &access.path,
        };
        let ip = access.backend?.ip;
        let service = Some(access.service);
        Some(Attempt::at(ctx.shared, access.client, service, ip, asked, ctx.now()))
    }

    /// Sends the request of a step of the script, whose draws `key` addresses. The script hears of its end.
    fn send(&mut self, number: u32, client: PodId, step: u32, key: EntityKey, ctx: &mut Ctx) {
        let blueprint = ctx.shared.blueprint.clone();
        let probe = probe_of(&blueprint, step);
        assert_eq!(
            number as usize,
            self.accesses.len(),
            "requests are numbered as they are sent"
        );
        let now = ctx.now();
        let service = ServiceId(probe.to as u32);
        self.accesses.push(Access {
            client,
            step,
            key,
            service,
            method: probe.method.clone(),
            path: probe.path.clone(),
            started: now,
            deadline: now + probe.time_limit,
            backend: None,
            syns: 0,
            server: None,
            reached: false,
            network: None,
            mesh: None,
            admitted: false,
            cause: "no_answer",
            done: false,
        });
        ctx.observe(Fact::Access(number, AccessFact::Began { client, step }));
        let access = &mut self.accesses[number as usize];
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
        let Some(backends) = mesh::backends(ctx.shared, client, service, now) else {
            self.finish(number, "no_endpoint", ctx);
            return;
        };
        let purpose = if meshed {
            Purpose::ProxyBackendChoice
        } else {
            Purpose::BackendChoice
        };
        let choice = ctx.stream(purpose, access.key).below(backends.len() as u64) as usize;
        access.backend = Some(backends[choice]);
        let chosen = AccessFact::Chosen {
            istiod: ctx.shared.proxy_of(client).map(|(istiod, _)| istiod).filter(|_| meshed),
            backend: backends[choice],
            candidates: backends.len() as u32,
        };
        ctx.observe(Fact::Access(number, chosen));
        let deadline = access.deadline;
        ctx.at(
            Source::Access,
            EventClass::Timer,
            deadline,
            Event::Access(number, AccessEvent::TimedOut),
        );
        self.syn(number, ctx);
    }

    /// Handles an event of a request.
    pub fn handle(&mut self, number: u32, event: AccessEvent, ctx: &mut Ctx) {
        match event {
            AccessEvent::Send(client, step, key) => return self.send(number, client, step, key, ctx),
            AccessEvent::Unsent(kind, step) => return unsent(kind, step, ctx),
            AccessEvent::Syn
            | AccessEvent::Requests(_)
            | AccessEvent::Replies(_)
            | AccessEvent::Answered
            | AccessEvent::TimedOut => {}
        }
        if self.accesses[number as usize].done {
            return;
        }
        match event {
            AccessEvent::Send(..) | AccessEvent::Unsent(..) => {}
            AccessEvent::Syn => self.syn(number, ctx),
            AccessEvent::Requests(tries) => self.requests(number, tries, ctx),
            AccessEvent::Replies(tries) => self.replies(number, tries, ctx),
            AccessEvent::Answered => {
                let cause = self.accesses[number as usize].cause;
                self.finish(number, cause, ctx);
            }
            AccessEvent::TimedOut => {
                let access = &self.accesses[number as usize];
                let cause = if access.network == Some(LayerDecision::Deny) {
                    access.cause
                } else {
                    "no_answer"
                };
                self.finish(number, cause, ctx);
            }
        }
    }

    fn syn(&mut self, number: u32, ctx: &mut Ctx) {
        let Some(mut attempt) = self.attempt(number, ctx) else {
            return;
        };
        let access = &mut self.accesses[number as usize];
        let Some(backend) = access.backend else { return };
        let packet = access.key.named("syn").child(u64::from(access.syns));
        if let Passage::Delivered(at) = attempt.passage
            && ctx.shared.loses_either(access.client, at, packet)
        {
            attempt = Attempt::lost(Loss::Path { at });
        }
        let passage = attempt.passage;
        ctx.observe(Fact::Access(number, AccessFact::Syn(passage)));
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
                access.reached |= loss
                    .reached()
                    .is_some_and(|server| ctx.shared.physics.pod(server).running);
                access.network = attempt.network;
                access.cause = match loss {
                    Loss::NoPod | Loss::Cut { .. } | Loss::Path { .. } => "no_answer",
                    Loss::EgressPolicy { .. } => "network_egress_policy",
                    Loss::WireGuardPeer { .. } => "wireguard_peer",
                    Loss::IngressPolicy { .. } => "network_ingress_policy",
                };
                let network = &ctx.blueprint().spec.network;
                let wait = network.syn_retransmit_initial * (1 << access.syns.min(20));
                access.syns += 1;
                if access.syns <= network.syn_retransmits && ctx.now() + wait < access.deadline {
                    goes_on(number, wait, AccessEvent::Syn, ctx);
                }
            }
        }
    }

    /// The request is sent on its connection, over a path that met a fault when the connection was made.
    fn requests(&mut self, number: u32, tries: u32, ctx: &mut Ctx) {
        let Some(attempt) = self.attempt(number, ctx) else {
            return;
        };
        let access = &self.accesses[number as usize];
        let (client, packet) = (access.client, access.key.named("request").child(u64::from(tries)));
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
        let access = &self.accesses[number as usize];
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
        let access = &mut self.accesses[number as usize];
        access.reached = true;
        (access.network, access.mesh) = (attempt.network, attempt.mesh);
        access.admitted = attempt.is_admitted();
        access.cause = match attempt.refusal {
            Some(refusal) => refusal.why.cause(),
            None if access.admitted => "answered",
            None if attempt.is_expected => "mesh_policy",
            None => "server_identity",
        };
        if let Some(refusal) = attempt.refusal {
            ctx.observe(Fact::Access(number, AccessFact::Refused(refusal)));
        }
    }

    fn one_way(&self, number: u32, ctx: &Ctx) -> SimDuration {
        let distribution = &ctx.blueprint().spec.network.one_way_latency;
        ctx.draw(Purpose::OneWay, self.accesses[number as usize].key, distribution)
    }

    /// How long the server takes; a handshake that fails serves nothing.
    fn serves(&self, number: u32, attempt: Attempt, ctx: &Ctx) -> SimDuration {
        if attempt.refusal.is_some() {
            return SimDuration::ZERO;
        }
        let distribution = &ctx.blueprint().spec.network.request_latency;
        ctx.draw(Purpose::Request, self.accesses[number as usize].key, distribution)
    }

    fn finish(&mut self, number: u32, cause: &'static str, ctx: &mut Ctx) {
        let access = &mut self.accesses[number as usize];
        access.done = true;
        let shared = &*ctx.shared;
        let asked = Asked {
            port: shared.blueprint.target_port(access.service),
            method: &access.method,
            path: &access.path,
        };
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
        ctx.probe_done(access.step, not_up);
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

/// The verb for the script's orders to the client.
impl Ctx<'_> {
    /// A pod sends the request of a step; it is the `number`th of the run.
    pub fn send_request(&mut self, number: u32, client: PodId, step: u32, key: EntityKey) {
        self.call(Event::Access(number, AccessEvent::Send(client, step, key)));
    }

    /// No pod of a kind is ready to send the request of a step.
    pub fn request_unsent(&mut self, kind: KindId, step: u32) {
        self.call(Event::Access(0, AccessEvent::Unsent(kind, step)));
    }
}
