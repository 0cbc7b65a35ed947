//! One request of the script's client: from the choice of a back end to the answer.
//!
//! **Modelled**: the choice by the node's service proxy, or by the client's own proxy from what its Istiod told it; the SYN
//! with its retransmissions, each judged by the datapath when it is sent; the mesh's verdict at the server; the client's
//! time limit. What is recorded is judged by `judge`, by the pod that held the address.
//! **Left out**: name resolution, TLS, Envoy's retries to other hosts, reuse of connections.
//! **Validated by**: `tests/world/published_results.rs`, `tests/world/cases.rs`.

use super::cilium::datapath::{Enforcement, Loss, Passage, forward};
use super::context::Ctx;
use super::event::{Event, Source};
use super::ids::{KindId, PodId, ServiceId};
use super::istio::sidecar::Sidecars;
use super::judge::{self, Decisions};
use super::objects::Backend;
use super::purpose::Purpose;
use super::records::{AccessClass, AccessRecord, LayerDecision, Via};
use super::script::ScriptEvent;
use super::spec::ProbeSpec;
use super::story::{AccessFact, Fact};
use crate::kernel::{EntityKey, EventClass, SimDuration, SimTime};

/// Something that happens to a request under way.
#[derive(Clone, Copy, Debug)]
pub enum AccessEvent {
    /// The SYN is sent again.
    Syn,
    /// The connection stands and the request was served or refused.
    Answered,
    /// The client's time limit is over.
    TimedOut,
}

/// Requests, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Accesses {
    accesses: Vec<Access>,
}

#[derive(Debug)]
struct Access {
    client: PodId,
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
    /// Sends a request, whose draws `key` addresses. The script hears of its end.
    pub fn send(&mut self, client: PodId, probe: &ProbeSpec, key: EntityKey, sidecars: &Sidecars, ctx: &mut Ctx) {
        let number = self.accesses.len() as u32;
        let now = ctx.now();
        let service = ServiceId(probe.to as u32);
        self.accesses.push(Access {
            client,
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
        ctx.note(|_| {
            let (method, path) = (probe.method.clone(), probe.path.clone());
            let began = AccessFact::Began {
                client,
                service,
                method,
                path,
            };
            Fact::Access(number, began)
        });
        let access = &mut self.accesses[number as usize];
        let state = *ctx.shared.physics.pod(client);
        let Some((node, _)) = state.place.filter(|_| state.running && state.connected) else {
            self.finish(number, "client_not_running", ctx);
            return;
        };
        let meshed = ctx.shared.kind(client).sidecar;
        if meshed && !state.proxy_live {
            self.finish(number, "client_proxy_not_up", ctx);
            return;
        }
        let backends = if meshed {
            sidecars.backends(client, service, ctx)
        } else {
            ctx.backends_at(node, service)
        };
        let Some(backends) = backends.filter(|backends| !backends.is_empty()) else {
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
        ctx.note(|_| {
            let chosen = AccessFact::Chosen {
                istiod: sidecars.followed_by(client).filter(|_| meshed),
                backend: backends[choice],
                candidates: backends,
            };
            Fact::Access(number, chosen)
        });
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
        if self.accesses[number as usize].done {
            return;
        }
        match event {
            AccessEvent::Syn => self.syn(number, ctx),
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
        let access = &mut self.accesses[number as usize];
        let Some(backend) = access.backend else { return };
        let port = ctx.blueprint().target_port(access.service);
        let passage = forward(
            ctx.shared,
            access.client,
            backend.ip,
            port,
            ctx.now(),
            Enforcement::AsDesigned,
        );
        ctx.note(|_| Fact::Access(number, AccessFact::Syn(passage)));
        access.server = passage.meant_for(ctx.shared, backend.ip);
        match passage {
            Passage::Delivered(server) => {
                let state = *ctx.shared.physics.pod(server);
                if !state.running {
                    self.finish(number, "connection_refused", ctx);
                    return;
                }
                access.reached = true;
                access.network = ctx.blueprint().spec.network_enforced.then_some(LayerDecision::Allow);
                access.mesh =
                    judge::mesh_decision(ctx.shared, access.client, server, port, &access.method, &access.path);
                access.admitted = access.mesh != Some(LayerDecision::Deny);
                access.cause = if access.admitted { "answered" } else { "mesh_policy" };
                let spec = &ctx.blueprint().spec.network;
                let (one_way, serve) = (spec.one_way_latency, spec.request_latency);
                let round_trips = ctx.draw(Purpose::OneWay, access.key, &one_way) * 4;
                let latency = round_trips + ctx.draw(Purpose::Request, access.key, &serve);
                ctx.after(
                    Source::Access,
                    EventClass::Physics,
                    latency,
                    Event::Access(number, AccessEvent::Answered),
                );
            }
            Passage::Lost(loss) => {
                access.reached |= loss
                    .reached()
                    .is_some_and(|server| ctx.shared.physics.pod(server).running);
                (access.network, access.cause) = match loss {
                    Loss::NoPod => (None, "no_answer"),
                    Loss::EgressPolicy { .. } => (Some(LayerDecision::Deny), "network_egress_policy"),
                    Loss::WireGuardPeer { .. } => (Some(LayerDecision::Deny), "wireguard_peer"),
                    Loss::IngressPolicy { .. } => (Some(LayerDecision::Deny), "network_ingress_policy"),
                };
                let network = &ctx.blueprint().spec.network;
                let wait = network.syn_retransmit_initial * (1 << access.syns.min(20));
                access.syns += 1;
                if access.syns <= network.syn_retransmits && ctx.now() + wait < access.deadline {
                    ctx.after(
                        Source::Access,
                        EventClass::Physics,
                        wait,
                        Event::Access(number, AccessEvent::Syn),
                    );
                }
            }
        }
    }

    fn finish(&mut self, number: u32, cause: &'static str, ctx: &mut Ctx) {
        let now = ctx.now();
        let access = &mut self.accesses[number as usize];
        access.done = true;
        let shared = &*ctx.shared;
        let port = shared.blueprint.target_port(access.service);
        // Policy is about who holds the address now, whoever was meant. If nobody does, about those behind the Service, all
        // of one kind in a Service of one workload.
        let server_kind = access
            .server
            .or_else(|| access.backend.map(|backend| backend.pod))
            .map(|server| shared.pods[server.index()].kind)
            .or_else(|| kind_behind(ctx, access.service));
        let (network_intended, mesh_intended) = server_kind
            .map_or((LayerDecision::Allow, LayerDecision::Allow), |kind| {
                judge::intent(shared, access.client, kind, port, &access.method, &access.path)
            });
        let decisions = Decisions {
            network_intended,
            network: access.network,
            mesh_intended,
            mesh: access.mesh,
            admitted: access.admitted,
        };
        let class = decisions.class();
        let client_ip = shared.physics.pod(access.client).place.map(|(_, ip)| ip);
        let reused_ip =
            client_ip.is_some_and(|ip| shared.recorder.is_remembered(ip)) && shared.recorder.run.cut.is_some();
        let record = AccessRecord {
            time: access.started,
            after_cut: shared.recorder.run.cut.is_some_and(|cut| access.started >= cut),
            client: shared.pod_name(access.client),
            client_workload: shared.kind(access.client).name.clone(),
            server: shared.blueprint.service_name(access.service).to_owned(),
            via: Via::Service,
            client_ip,
            reused_ip,
            reached: access.reached,
            reached_workload: access.server.map(|server| shared.kind(server).name.clone()),
            network_intended,
            network_decided: access.network,
            mesh_intended,
            mesh_decided: access.mesh,
            class,
            cause: cause.to_owned(),
            latency: now.since(access.started),
        };
        ctx.shared.recorder.run.demonstrated |= record.reused_ip && record.reached;
        ctx.tell("client", |_| {
            format!("{} calls {}: {class:?} ({cause})", record.client, record.server)
        });
        ctx.note(|shared| Fact::Access(number, AccessFact::Ended(shared.recorder.accesses.len() as u32)));
        ctx.shared.recorder.accesses.push(record);
        let not_up = class == AccessClass::Unreachable && matches!(cause, "client_not_running" | "client_proxy_not_up");
        done(not_up, ctx);
    }

    /// A request that cannot be sent because no pod of its workload is ready. The script hears of its end.
    pub fn unsent(&mut self, workload: KindId, probe: &ProbeSpec, ctx: &mut Ctx) {
        let (now, service) = (ctx.now(), ServiceId(probe.to as u32));
        let shared = &*ctx.shared;
        let client = shared.blueprint.kind(workload);
        let (network_intended, mesh_intended) =
            kind_behind(ctx, service).map_or((LayerDecision::Allow, LayerDecision::Allow), |server| {
                let port = shared.blueprint.target_port(service);
                judge::intent_of(shared, client.identity, server, port, &probe.method, &probe.path)
            });
        let record = AccessRecord {
            time: now,
            after_cut: shared.recorder.run.cut.is_some(),
            client: String::new(),
            client_workload: client.name.clone(),
            server: shared.blueprint.service_name(service).to_owned(),
            via: Via::Service,
            client_ip: None,
            reused_ip: false,
            reached: false,
            reached_workload: None,
            network_intended,
            network_decided: None,
            mesh_intended,
            mesh_decided: None,
            class: AccessClass::Unreachable,
            cause: NO_READY_CLIENT.to_owned(),
            latency: SimDuration::ZERO,
        };
        ctx.tell("client", |_| {
            format!(
                "{} has no ready pod to call {} from",
                record.client_workload, record.server
            )
        });
        ctx.shared.recorder.accesses.push(record);
        done(true, ctx);
    }
}

/// Cause of a request that no pod could send.
pub const NO_READY_CLIENT: &str = "no_ready_client";

fn done(not_up: bool, ctx: &mut Ctx) {
    ctx.after(
        Source::Access,
        EventClass::Script,
        SimDuration::ZERO,
        Event::Script(ScriptEvent::ProbeDone { not_up }),
    );
}

fn kind_behind(ctx: &Ctx, service: ServiceId) -> Option<KindId> {
    ctx.blueprint()
        .kinds
        .iter()
        .position(|kind| kind.services.contains(&service))
        .map(|index| KindId(index as u32))
}
