//! The judge: the only reader of truth. It compares what happened, or would happen, with what was intended.
//!
//! Two duties: the class of an access, and exposure windows, which need no traffic: spans of time during which an attempt
//! would be let in by a layer that should have refused it, or refused although policy admits it. Windows are opened only for the
//! clients and servers that the experiment names. A pair of them is looked at when both are connected, and again whenever
//! something that the answer hangs on has changed: the server's node has read a write about the client's address, the client's node one about the server's,
//! the client's chooser of backends one about a Service, either node an identity, or a reader was cut off no longer, or the path
//! between the two was cut or works again. Nothing is let in where nothing passes.
//! An access is judged by the pod that holds the address at that moment, whoever was meant.
//! What happened on the wire belongs to `access` and `cilium::datapath`.

use std::net::Ipv4Addr;

use super::cilium::passage::{Loss, Passage};
use super::context::{Ctx, Shared};
use super::event::{Event, JudgeEvent, Source};
use super::history::VersionIndex;
use super::ids::{IstiodId, KindId, NodeId, PodId, ServiceId};
use super::intent::{Decisions, intent};
use super::istio::mesh::{self, Asked, Attempt};
use super::istio::renewal::handshake_changes;
use super::observed::Fact;
use super::records::{AccessClass, Via};
use crate::kernel::{EventClass, SimDuration, SimTime};

/// A client and a server that are both connected, and how the one finds the other.
#[derive(Clone, Copy, Debug)]
struct Pair {
    client: PodId,
    client_ip: Ipv4Addr,
    client_node: NodeId,
    server: PodId,
    server_ip: Ipv4Addr,
    server_node: NodeId,
    port: u16,
    via: Via,
    /// The class of the open window, and its number.
    window: Option<(AccessClass, usize)>,
}

/// The judge's state.
#[derive(Debug, Default)]
pub struct Judge {
    pairs: Vec<Pair>,
    /// Those of them that are still connected.
    live: Vec<usize>,
    /// Windows opened so far.
    windows: usize,
}

impl Judge {
    /// Handles an event.
    pub fn handle(&mut self, event: JudgeEvent, ctx: &mut Ctx) {
        match event {
            JudgeEvent::Connected(pod) => self.connected(pod, ctx),
            JudgeEvent::EndpointWritten(ip, index) => {
                for number in self.live_pairs(|pair| pair.client_ip == ip) {
                    let node = self.pairs[number].server_node;
                    recheck_at(number, ctx.shared.ipcache_of(node).crossing(index), ctx);
                }
                for number in self.live_pairs(|pair| pair.server_ip == ip) {
                    let node = self.pairs[number].client_node;
                    recheck_at(number, ctx.shared.ipcache_of(node).crossing(index), ctx);
                }
            }
            JudgeEvent::IdentityWritten(index) => {
                for number in self.live_pairs(|_| true) {
                    let Pair {
                        client_node,
                        server_node,
                        ..
                    } = self.pairs[number];
                    for node in [client_node, server_node] {
                        recheck_at(number, ctx.shared.identities_of(node).crossing(index), ctx);
                    }
                }
            }
            JudgeEvent::SliceWritten(_, index) => {
                for number in self.live_pairs(|pair| pair.via == Via::Service) {
                    let node = self.pairs[number].client_node;
                    recheck_at(number, ctx.shared.service_proxy_of(node).crossing(index), ctx);
                }
            }
            JudgeEvent::SnapshotWritten(_, index, istiod) => {
                for number in self.live_pairs(|pair| pair.via == Via::Service) {
                    let followed = ctx.shared.proxy_of(self.pairs[number].client);
                    let reader = followed.filter(|(own, _)| *own == istiod);
                    let crossing = reader.and_then(|(_, reader)| reader.crossing(index));
                    recheck_at(number, crossing, ctx);
                }
            }
            JudgeEvent::Released(pod, _) => {
                for number in self.live_pairs(|pair| pair.client == pod || pair.server == pod) {
                    let cause = if self.pairs[number].client == pod {
                        "client_gone"
                    } else {
                        "server_gone"
                    };
                    self.close(number, cause, ctx);
                }
                let pairs = &self.pairs;
                self.live
                    .retain(|&number| pairs[number].client != pod && pairs[number].server != pod);
            }
            JudgeEvent::ReadsAgain(node) => {
                for number in self.live_pairs(|pair| pair.client_node == node || pair.server_node == node) {
                    self.look(number, ctx);
                }
            }
            JudgeEvent::ReadsLate(node) => {
                for number in self.live_pairs(|pair| pair.client_node == node || pair.server_node == node) {
                    self.look(number, ctx);
                    self.recheck_pending(number, ctx);
                }
            }
            JudgeEvent::Recheck(number) => {
                if self.live.binary_search(&(number as usize)).is_ok() {
                    self.look(number as usize, ctx);
                }
            }
        }
    }

    fn live_pairs(&self, is: impl Fn(&Pair) -> bool) -> Vec<usize> {
        let live = self.live.iter().copied();
        live.filter(|&number| is(&self.pairs[number])).collect()
    }

    /// A pod was connected, or its proxy came up or reads from another Istiod: does that open or close a window?
    fn connected(&mut self, pod: PodId, ctx: &mut Ctx) {
        if ctx.shared.kind(pod).exposure_client {
            for server in pods_with(ctx.shared, |kind| !kind.exposure_ports.is_empty()) {
                self.meet(pod, server, ctx);
            }
        }
        if !ctx.shared.kind(pod).exposure_ports.is_empty() {
            for client in pods_with(ctx.shared, |kind| kind.exposure_client) {
                self.meet(client, pod, ctx);
            }
        }
    }

    fn meet(&mut self, client: PodId, server: PodId, ctx: &mut Ctx) {
        let (Some((client_node, client_ip)), Some((server_node, server_ip))) = (
            ctx.shared.physics.pod(client).place,
            ctx.shared.physics.pod(server).place,
        ) else {
            return;
        };
        if client == server {
            return;
        }
        let known = self.live_pairs(|pair| (pair.client, pair.server) == (client, server));
        for &number in &known {
            self.look(number, ctx);
        }
        if !known.is_empty() {
            return;
        }
        let ports = ctx.shared.kind(server).exposure_ports.clone();
        let services = ports.iter().flat_map(|port| services_at(ctx.shared, *port));
        let services: Vec<ServiceId> = services.collect();
        let watchlist = &mut ctx.shared.watchlist;
        watchlist.addresses.extend([client_ip, server_ip]);
        watchlist.services.extend(services);
        let ways = ports
            .into_iter()
            .flat_map(|port| [(port, Via::PodIp), (port, Via::Service)]);
        for (port, via) in ways {
            let number = self.pairs.len();
            self.pairs.push(Pair {
                client,
                client_ip,
                client_node,
                server,
                server_ip,
                server_node,
                port,
                via,
                window: None,
            });
            self.live.push(number);
            self.look(number, ctx);
            // Writes that were ordered before the pair met may still be on their way.
            self.recheck_pending(number, ctx);
        }
    }

    /// What would an attempt be now? Closes the window of another class, and opens one.
    fn look(&mut self, number: usize, ctx: &mut Ctx) {
        let Pair {
            client,
            client_ip,
            server,
            server_node,
            port,
            via,
            window,
            ..
        } = self.pairs[number];
        let class = would_be(ctx, client, server, port, via);
        // Certificates become valid and expire as time goes by.
        recheck_at(number, handshake_changes(ctx, client, server), ctx);
        if window.map(|(class, _)| class) == class {
            return;
        }
        let cause = match via {
            _ if ctx.shared.path_cut(client, server).is_some() => "path_cut",
            Via::Service if services_to(ctx, client, server, port).next().is_none() => "endpoint_withdrawn",
            Via::Service | Via::PodIp => "entry_corrected",
        };
        self.close(number, cause, ctx);
        let Some(class) = class.filter(|class| class.is_judged_over_time()) else {
            return;
        };
        self.pairs[number].window = Some((class, self.windows));
        self.windows += 1;
        ctx.observe(Fact::WindowOpened {
            client,
            client_ip,
            server,
            node: server_node,
            port,
            via,
            class,
        });
    }

    /// Schedules a look for every write that one of the two nodes, or the client's chooser, has not read yet.
    fn recheck_pending(&self, number: usize, ctx: &mut Ctx) {
        let pair = self.pairs[number];
        let (shared, now) = (&*ctx.shared, ctx.kernel.now());
        let mut crossings = Vec::new();
        for (ip, node) in [(pair.client_ip, pair.server_node), (pair.server_ip, pair.client_node)] {
            let (reader, topic) = (shared.ipcache_of(node), shared.blueprint.addresses.topic(ip));
            crossings.extend(reader.under_way(reader.history.of_topic(topic), now));
        }
        for node in [pair.client_node, pair.server_node] {
            let reader = shared.identities_of(node);
            crossings.extend(reader.under_way(reader.history.latest_first(), now));
        }
        if pair.via == Via::Service {
            let reader = shared.service_proxy_of(pair.client_node);
            for service in services_at(shared, pair.port) {
                crossings.extend(reader.under_way(reader.history.of_key(service.0), now));
            }
            if let Some((_, reader)) = shared.proxy_of(pair.client) {
                crossings.extend(reader.under_way(reader.history.latest_first(), now));
            }
        }
        for crossing in crossings {
            recheck_at(number, Some(crossing), ctx);
        }
    }

    fn close(&mut self, number: usize, cause: &'static str, ctx: &mut Ctx) {
        if let Some((_, window)) = self.pairs[number].window.take() {
            ctx.observe(Fact::WindowClosed(window, cause));
        }
    }
}

/// Services that lead to this port of their pods.
fn services_at(shared: &Shared, port: u16) -> impl Iterator<Item = ServiceId> + use<> {
    let blueprint = shared.blueprint.clone();
    let services = (0..blueprint.spec.services.len() as u32).map(ServiceId);
    services.filter(move |&service| blueprint.target_port(service) == port)
}

fn recheck_at(number: usize, crossing: Option<SimTime>, ctx: &mut Ctx) {
    if let Some(at) = crossing {
        let (at, recheck) = (at.max(ctx.now()), JudgeEvent::Recheck(number as u32));
        ctx.at(Source::Judge, EventClass::Observe, at, Event::Judge(recheck));
    }
}

fn pods_with(shared: &Shared, role: impl Fn(&super::blueprint::Kind) -> bool) -> Vec<PodId> {
    let kinds = shared.blueprint.kinds.iter().enumerate().filter(|(_, kind)| role(kind));
    kinds
        .flat_map(|(index, _)| shared.api.pods_of(KindId(index as u32)).iter().copied())
        .filter(|&pod| shared.physics.pod(pod).connected)
        .collect()
}

/// The class that an attempt would have now; nothing if it could not be made.
fn would_be(ctx: &Ctx, client: PodId, server: PodId, port: u16, via: Via) -> Option<AccessClass> {
    let shared = &*ctx.shared;
    let (_, server_ip) = shared.physics.pod(server).place?;
    let (method, path) = shared
        .blueprint
        .last_probe()
        .map_or(("GET", "/"), |probe| (&probe.method, &probe.path));
    let asked = Asked { port, method, path };
    let attempt = |service| Attempt::at(shared, client, service, server_ip, asked, ctx.now());
    let attempt = match via {
        Via::PodIp => attempt(None),
        // Of several Services the client may call the one as whose server it accepts this one.
        Via::Service => {
            let mut attempts = services_to(ctx, client, server, port).map(|service| attempt(Some(service)));
            let first = attempts.next()?;
            match first.is_expected {
                true => first,
                false => attempts.find(|attempt| attempt.is_expected).unwrap_or(first),
            }
        }
    };
    if let Passage::Lost(Loss::NoPod | Loss::Path { .. }) = attempt.passage {
        return None;
    }
    let kind = shared.pods[server.index()].kind;
    let (network_intended, mesh_intended) = intent(shared, shared.kind(client).identity, kind, asked);
    let decisions = Decisions {
        network_intended,
        network: attempt.network,
        mesh_intended,
        mesh: attempt.mesh,
        admitted: attempt.is_admitted(),
        wrong_server: false,
    };
    Some(decisions.class())
}

/// The Services that lead the client to the address of the server, whoever was meant by them.
fn services_to<'c>(ctx: &'c Ctx, client: PodId, server: PodId, port: u16) -> impl Iterator<Item = ServiceId> + use<'c> {
    let ip = ctx.shared.physics.pod(server).place.map(|(_, ip)| ip);
    services_at(ctx.shared, port).filter(move |service| {
        let backends = mesh::backends(ctx.shared, client, *service, ctx.now());
        backends.is_some_and(|backends| backends.iter().any(|backend| Some(backend.ip) == ip))
    })
}

/// Verbs with which other components notify the judge. It receives only what some pair depends on.
impl Ctx<'_> {
    /// A pod can send and receive, or its proxy came up or may choose among other backends.
    pub fn judge_looks_at(&mut self, by: Source, pod: PodId) {
        self.notify_judge(by, JudgeEvent::Connected(pod));
    }

    /// An identity was created.
    pub fn judge_hears_of_identity(&mut self, index: VersionIndex) {
        if !self.shared.watchlist.addresses.is_empty() {
            self.notify_judge(Source::ApiServer, JudgeEvent::IdentityWritten(index));
        }
    }

    /// Exposure windows that depend on this address are looked at again when the nodes concerned have read the write.
    pub fn judge_hears_of_endpoint(&mut self, ip: Ipv4Addr, index: VersionIndex) {
        if self.shared.watchlist.addresses.contains(&ip) {
            self.notify_judge(Source::ApiServer, JudgeEvent::EndpointWritten(ip, index));
        }
    }

    /// The backends of a Service changed.
    pub fn judge_hears_of_slice(&mut self, service: ServiceId, index: VersionIndex) {
        if self.shared.watchlist.services.contains(&service) {
            self.notify_judge(Source::ApiServer, JudgeEvent::SliceWritten(service, index));
        }
    }

    /// An Istiod made a snapshot of a Service.
    pub fn judge_hears_of_snapshot(&mut self, istiod: IstiodId, service: ServiceId, index: VersionIndex) {
        if self.shared.watchlist.services.contains(&service) {
            let event = JudgeEvent::SnapshotWritten(service, index, istiod);
            self.notify_judge(Source::Istiod(istiod), event);
        }
    }

    /// A pod lost its address.
    pub fn address_released(&mut self, by: Source, pod: PodId, ip: Ipv4Addr) {
        if self.shared.watchlist.addresses.contains(&ip) {
            self.notify_judge(by, JudgeEvent::Released(pod, ip));
        }
    }

    /// A reader of a node whose cursor was cut off reads again, or packets of the node pass no more, or again.
    pub fn reads_again(&mut self, by: Source, node: NodeId) {
        if !self.shared.watchlist.addresses.is_empty() {
            // From a cache that is behind, versions are on their way.
            let event = if self.shared.caches.are_fresh() {
                JudgeEvent::ReadsAgain(node)
            } else {
                JudgeEvent::ReadsLate(node)
            };
            self.notify_judge(by, event);
        }
    }

    fn notify_judge(&mut self, by: Source, event: JudgeEvent) {
        self.after(by, EventClass::Observe, SimDuration::ZERO, Event::Judge(event));
    }
}
