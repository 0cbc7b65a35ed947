//! The judge: the only reader of truth. It compares what happened, or would happen, with what was intended.
//!
//! Exposure windows need no traffic: spans of time during which an attempt
//! would be let in by a layer that should have refused it, or refused although policy admits it. Windows are opened only for the
//! clients and servers that the experiment names. A pair of them is looked at when both are connected, and again whenever
//! something that the answer depends on has changed: the server's node has read a write about the client's address, the client's node one about the server's,
//! the client's chooser of backends one about a Service, either node an identity, or a reader was cut off no longer, or the path
//! between the two was cut or works again. Nothing is let in where nothing passes. At one instant a pair is looked at once.
//! What a look at a pair means for its edge, from workload to workload, belongs to `availability`.
//! An access is judged by the pod that holds the address at that moment, whoever was meant.
//! What happened on the wire belongs to `access` and `cilium::datapath`.

mod availability;
mod hears;

use std::net::Ipv4Addr;

use super::blueprint::{Blueprint, Kind};
use super::cilium::passage::{Loss, Passage};
use super::context::{Ctx, Shared};
use super::event::{Event, JudgeEvent, Source};
use super::ids::{KindId, NodeId, PodId, ServiceId};
use super::intent::{class_of, usual};
use super::istio::mesh::{self, Attempt};
use super::istio::renewal::handshake_changes;
use super::observed::Fact;
use super::records::{AccessClass, Via};
use crate::kernel::{EventClass, SimTime};
use availability::Edges;

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
    /// When it was looked at last.
    looked: Option<SimTime>,
    /// Whether nothing passed then.
    cut: bool,
    /// When the certificates change next, for which a look is scheduled.
    handshake: Option<SimTime>,
}

/// The judge's state.
#[derive(Debug)]
pub struct Judge {
    edges: Edges,
    pairs: Vec<Pair>,
    /// Those of them that are still connected.
    live: Vec<usize>,
    /// Windows opened so far.
    windows: usize,
}

impl Judge {
    /// A judge of the edges that a design watches.
    #[must_use]
    pub fn new(blueprint: &Blueprint) -> Self {
        Self {
            edges: Edges::new(blueprint),
            pairs: Vec::new(),
            live: Vec::new(),
            windows: 0,
        }
    }

    /// Handles an event.
    pub fn handle(&mut self, event: JudgeEvent, ctx: &mut Ctx) {
        let is_last = !matches!(event, JudgeEvent::Changed(_));
        self.judge(event, ctx);
        self.edges.settle(is_last, ctx);
    }

    fn judge(&mut self, event: JudgeEvent, ctx: &mut Ctx) {
        match event {
            JudgeEvent::Changed(pod) => self.edges.pod_changed(pod, ctx.shared),
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
                    self.touches_edge(number, ctx.shared);
                    if self.pairs[number].via == Via::Service {
                        self.edges.count(self.edge_of(number, ctx.shared), false);
                    }
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
            JudgeEvent::PathsChanged => {
                let paths = &ctx.shared.paths;
                let other = |pair: &Pair| paths.cut(pair.client_node, pair.server_node).is_some() != pair.cut;
                for number in self.live_pairs(other) {
                    self.look(number, ctx);
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
                looked: None,
                cut: false,
                handshake: None,
            });
            self.live.push(number);
            if via == Via::Service {
                self.edges.count(self.edge_of(number, ctx.shared), true);
            }
            self.look(number, ctx);
            // Writes that were ordered before the pair met may still be on their way.
            self.recheck_pending(number, ctx);
        }
    }

    /// The edge of a pair: workload of the client, workload and port of the server.
    fn edge_of(&self, number: usize, shared: &Shared) -> (KindId, KindId, u16) {
        let pair = &self.pairs[number];
        let kind = |pod: PodId| shared.pods[pod.index()].kind;
        (kind(pair.client), kind(pair.server), pair.port)
    }

    /// A pair may count otherwise for its edge.
    fn touches_edge(&mut self, number: usize, shared: &Shared) {
        if self.pairs[number].via == Via::Service {
            let (edge, client) = (self.edge_of(number, shared), self.pairs[number].client);
            self.edges.pair_changed(edge, client);
        }
    }

    /// What would an attempt be now? Closes the window of another class, and opens one.
    fn look(&mut self, number: usize, ctx: &mut Ctx) {
        let pair = &mut self.pairs[number];
        if pair.looked.replace(ctx.now()) == Some(ctx.now()) {
            return;
        }
        let Pair {
            client,
            client_ip,
            client_node,
            server,
            server_node,
            port,
            via,
            window,
            ..
        } = *pair;
        pair.cut = ctx.shared.paths.cut(client_node, server_node).is_some();
        // Certificates become valid and expire as time goes by.
        let changes = handshake_changes(ctx, client, server);
        if changes != pair.handshake {
            pair.handshake = changes;
            recheck_at(number, changes, ctx);
        }
        self.touches_edge(number, ctx.shared);
        let class = would_be(ctx, client, server, port, via);
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

fn pods_with(shared: &Shared, role: impl Fn(&Kind) -> bool) -> Vec<PodId> {
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
    let asked = usual(&shared.blueprint, port);
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
    Some(class_of(shared, client, kind, asked, &attempt, false))
}

/// The Services that lead the client to the address of the server, whoever was meant by them.
fn services_to<'c>(ctx: &'c Ctx, client: PodId, server: PodId, port: u16) -> impl Iterator<Item = ServiceId> + use<'c> {
    let ip = ctx.shared.physics.pod(server).place.map(|(_, ip)| ip);
    services_at(ctx.shared, port).filter(move |service| {
        let backends = mesh::backends(ctx.shared, client, *service, ctx.now());
        backends.is_some_and(|backends| backends.iter().any(|backend| Some(backend.ip) == ip))
    })
}
