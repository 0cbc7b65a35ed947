//! The judge: the only reader of truth. It compares what happened, or would happen, with what was intended.
//!
//! Two duties: the class of an access, and exposure windows, which need no traffic: spans of time during which an attempt
//! would be let in by a layer that should have refused it. Windows are opened only for the clients and servers that the
//! experiment names, when one of them is connected, and looked at again when the enforcing node or the client has read a
//! write that concerns them. What happened on the wire belongs to `access` and `cilium::datapath`.

use std::net::Ipv4Addr;

use super::cilium::datapath::{Enforcement, Loss, Passage, forward};
use super::context::{Ctx, Shared};
use super::event::{Event, Source};
use super::history::{Crossing, VersionIndex};
use super::ids::{IstiodId, KindId, PodId, ServiceId};
use super::istio::sidecar::Sidecars;
use super::records::{AccessClass, ExposureRecord, LayerDecision, Via};
use crate::kernel::{EventClass, SimTime};

/// Something the judge looks at.
#[derive(Clone, Copy, Debug)]
pub enum JudgeEvent {
    /// A pod can send and receive, or its proxy came up.
    Connected(PodId),
    /// A write about an address was ordered.
    EndpointWritten(Ipv4Addr, VersionIndex),
    /// A write about a Service was ordered.
    SliceWritten(ServiceId, VersionIndex),
    /// An Istiod made a snapshot of a Service.
    SnapshotWritten(IstiodId, ServiceId, VersionIndex),
    /// A pod lost its address.
    Released(PodId, Ipv4Addr),
    /// A window is looked at again.
    Recheck(u32),
}

/// The decisions about one access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// What the network's policy intends.
    pub network_intended: LayerDecision,
    /// What the network did, if it was asked.
    pub network: Option<LayerDecision>,
    /// What the mesh's policy intends.
    pub mesh_intended: LayerDecision,
    /// What the mesh did, if it was asked.
    pub mesh: Option<LayerDecision>,
    /// Whether the request was answered by the server.
    pub admitted: bool,
}

impl Decisions {
    /// The class of an access.
    #[must_use]
    pub fn class(&self) -> AccessClass {
        use LayerDecision::{Allow, Deny};
        let refused = self.network == Some(Deny) || self.mesh == Some(Deny);
        let meant = self.network_intended == Allow && self.mesh_intended == Allow;
        match (self.admitted, refused, meant) {
            (true, _, true) => AccessClass::Allowed,
            (true, _, false) => AccessClass::Unauthorized,
            (false, false, _) => AccessClass::Unreachable,
            (false, true, true) => AccessClass::WronglyDenied,
            (false, true, false) if self.network_intended == Deny && self.network == Some(Allow) => {
                AccessClass::NetworkBypassed
            }
            (false, true, false) if self.mesh_intended == Deny && self.mesh == Some(Allow) => AccessClass::MeshBypassed,
            (false, true, false) => AccessClass::Denied,
        }
    }
}

/// What is intended for a request: policies of all layers on true identities.
#[must_use]
pub fn intent(
    shared: &Shared,
    client: PodId,
    server: KindId,
    port: u16,
    method: &str,
    path: &str,
) -> (LayerDecision, LayerDecision) {
    let (from, to) = (shared.kind(client).identity, shared.blueprint.kind(server).identity);
    (
        shared.blueprint.network_intent(from, to, port),
        shared.blueprint.mesh_intent(from, to, port, method, path),
    )
}

/// What the mesh says to a request at a server, if the design has it enforced there. The certificate that a client with a
/// sidecar presents names its true identity: Istiod has checked its token.
#[must_use]
pub fn mesh_decision(
    shared: &Shared,
    client: PodId,
    server: PodId,
    port: u16,
    method: &str,
    path: &str,
) -> Option<LayerDecision> {
    let blueprint = &shared.blueprint;
    if !blueprint.spec.mesh_enforced || !shared.kind(server).sidecar {
        return None;
    }
    let principal = shared.kind(client).sidecar.then(|| shared.kind(client).identity);
    let verdict = blueprint.mesh_verdict(principal, shared.kind(server).identity, port, method, path);
    Some(verdict.decision.into())
}

#[derive(Debug)]
struct Window {
    client: PodId,
    client_ip: Ipv4Addr,
    server: PodId,
    via: Via,
    class: AccessClass,
    record: usize,
    open: bool,
}

/// The judge's state.
#[derive(Debug, Default)]
pub struct Judge {
    windows: Vec<Window>,
}

impl Judge {
    /// Handles an event.
    pub fn handle(&mut self, event: JudgeEvent, sidecars: &Sidecars, ctx: &mut Ctx) {
        match event {
            JudgeEvent::Connected(pod) => self.connected(pod, sidecars, ctx),
            JudgeEvent::EndpointWritten(ip, index) => {
                for number in 0..self.windows.len() {
                    let window = &self.windows[number];
                    if window.open && window.client_ip == ip {
                        let shared = &*ctx.shared;
                        let Some((node, _)) = shared.physics.pod(window.server).place else {
                            continue;
                        };
                        let crossing = shared.ipcaches[node.index()].crossing(
                            &shared.api.endpoints,
                            &shared.ipcache_delay(),
                            &shared.run_key,
                            index,
                        );
                        recheck_at(number, crossing, ctx);
                    }
                }
            }
            JudgeEvent::SliceWritten(service, index) => {
                for number in self.service_windows(service, ctx.shared) {
                    let shared = &*ctx.shared;
                    let Some((node, _)) = shared.physics.pod(self.windows[number].client).place else {
                        continue;
                    };
                    let crossing = shared.service_proxies[node.index()].crossing(
                        &shared.api.slices,
                        &shared.service_proxy_delay(),
                        &shared.run_key,
                        index,
                    );
                    recheck_at(number, crossing, ctx);
                }
            }
            JudgeEvent::SnapshotWritten(istiod, service, index) => {
                for number in self.service_windows(service, ctx.shared) {
                    if let Some(crossing) = sidecars.crossing(self.windows[number].client, istiod, index, ctx) {
                        recheck_at(number, crossing, ctx);
                    }
                }
            }
            JudgeEvent::Released(pod, _) => {
                for number in 0..self.windows.len() {
                    let window = &self.windows[number];
                    if window.open && (window.client == pod || window.server == pod) {
                        let cause = if window.client == pod {
                            "client_gone"
                        } else {
                            "server_gone"
                        };
                        self.close(number, cause, ctx);
                    }
                }
            }
            JudgeEvent::Recheck(number) => {
                let window = &self.windows[number as usize];
                if window.open
                    && would_be(ctx, sidecars, window.client, window.server, window.via) != Some(window.class)
                {
                    let cause = match window.via {
                        Via::PodIp => "entry_corrected",
                        Via::Service if still_reached(ctx, sidecars, window) => "entry_corrected",
                        Via::Service => "endpoint_withdrawn",
                    };
                    self.close(number as usize, cause, ctx);
                }
            }
        }
    }

    /// A pod was connected: does its address, or one that reaches it, open a window?
    fn connected(&mut self, pod: PodId, sidecars: &Sidecars, ctx: &mut Ctx) {
        if ctx.shared.kind(pod).exposure_client {
            for server in pods_with(ctx.shared, |kind| kind.exposure_server) {
                self.open(pod, server, sidecars, ctx);
            }
        }
        if ctx.shared.kind(pod).exposure_server {
            for client in pods_with(ctx.shared, |kind| kind.exposure_client) {
                self.open(client, pod, sidecars, ctx);
            }
        }
    }

    fn open(&mut self, client: PodId, server: PodId, sidecars: &Sidecars, ctx: &mut Ctx) {
        let (Some((_, client_ip)), Some((node, server_ip))) = (
            ctx.shared.physics.pod(client).place,
            ctx.shared.physics.pod(server).place,
        ) else {
            return;
        };
        for via in [Via::PodIp, Via::Service] {
            let known = self
                .windows
                .iter()
                .any(|window| window.open && (window.client, window.server, window.via) == (client, server, via));
            let Some(class) = would_be(ctx, sidecars, client, server, via) else {
                continue;
            };
            if known
                || !matches!(
                    class,
                    AccessClass::Unauthorized | AccessClass::NetworkBypassed | AccessClass::MeshBypassed
                )
            {
                continue;
            }
            let recorder = &mut ctx.shared.recorder;
            recorder.watch_address(client_ip);
            recorder.watch_address(server_ip);
            for position in 0..ctx.shared.kind(server).services.len() {
                let service = ctx.shared.kind(server).services[position];
                ctx.shared.recorder.watch_service(service);
            }
            let record = ExposureRecord {
                ip: client_ip,
                client: ctx.shared.pod_name(client),
                server: ctx.shared.pod_name(server),
                node: ctx.shared.blueprint.node_name(node),
                via,
                class,
                start: ctx.now(),
                end: None,
                end_cause: "horizon".to_owned(),
            };
            let number = self.windows.len();
            let record_index = ctx.shared.recorder.exposures.len();
            ctx.shared.recorder.exposures.push(record);
            self.windows.push(Window {
                client,
                client_ip,
                server,
                via,
                class,
                record: record_index,
                open: true,
            });
            // Writes that were ordered before the window opened may still be on their way.
            self.recheck_pending(number, ctx);
        }
    }

    /// Schedules a look for every write that the enforcing node, or the client's service proxy, has not read yet.
    fn recheck_pending(&self, number: usize, ctx: &mut Ctx) {
        let window = &self.windows[number];
        let shared = &*ctx.shared;
        let now = ctx.now();
        let mut crossings = Vec::new();
        if let Some((node, _)) = shared.physics.pod(window.server).place {
            let delay = shared.ipcache_delay();
            let topic = shared.blueprint.addresses.topic(window.client_ip);
            // Nothing older than the longest delay can still be on its way.
            let since = now.saturating_sub(shared.blueprint.spec.cilium.ipcache_latency.bound());
            for index in shared.api.endpoints.of_topic_since(topic, since) {
                crossings.push(shared.ipcaches[node.index()].crossing(
                    &shared.api.endpoints,
                    &delay,
                    &shared.run_key,
                    index,
                ));
            }
        }
        for crossing in crossings {
            recheck_at(number, crossing, ctx);
        }
    }

    fn service_windows(&self, service: ServiceId, shared: &Shared) -> Vec<usize> {
        (0..self.windows.len())
            .filter(|&number| {
                let window = &self.windows[number];
                window.open && window.via == Via::Service && shared.kind(window.server).services.contains(&service)
            })
            .collect()
    }

    fn close(&mut self, number: usize, cause: &str, ctx: &mut Ctx) {
        let now = ctx.now();
        let window = &mut self.windows[number];
        window.open = false;
        let record = &mut ctx.shared.recorder.exposures[window.record];
        record.end = Some(now);
        record.end_cause = cause.to_owned();
    }
}

fn recheck_at(number: usize, crossing: Crossing, ctx: &mut Ctx) {
    if let Crossing::At(at) = crossing {
        let at: SimTime = at.max(ctx.now());
        ctx.at(
            Source::Judge,
            EventClass::Observe,
            at,
            Event::Judge(JudgeEvent::Recheck(number as u32)),
        );
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
fn would_be(ctx: &Ctx, sidecars: &Sidecars, client: PodId, server: PodId, via: Via) -> Option<AccessClass> {
    let shared = &*ctx.shared;
    if via == Via::Service && !reaches_by_service(ctx, sidecars, client, server) {
        return None;
    }
    let (_, server_ip) = shared.physics.pod(server).place?;
    let port = shared.blueprint.spec.measures.exposure_port;
    let (method, path) = shared
        .blueprint
        .last_probe()
        .map_or(("GET", "/"), |probe| (&probe.method, &probe.path));
    let network = match forward(shared, client, server_ip, port, ctx.now(), Enforcement::AsDesigned) {
        Passage::Delivered(_) => shared.blueprint.spec.network_enforced.then_some(LayerDecision::Allow),
        Passage::Lost(Loss::NoPod) => return None,
        Passage::Lost(_) => Some(LayerDecision::Deny),
    };
    let refused = network == Some(LayerDecision::Deny);
    let mesh = if refused {
        None
    } else {
        mesh_decision(shared, client, server, port, method, path)
    };
    let (network_intended, mesh_intended) =
        intent(shared, client, shared.pods[server.index()].kind, port, method, path);
    let admitted = !refused && mesh != Some(LayerDecision::Deny);
    Some(
        Decisions {
            network_intended,
            network,
            mesh_intended,
            mesh,
            admitted,
        }
        .class(),
    )
}

fn reaches_by_service(ctx: &Ctx, sidecars: &Sidecars, client: PodId, server: PodId) -> bool {
    let Some((node, _)) = ctx.shared.physics.pod(client).place else {
        return false;
    };
    let meshed = ctx.shared.kind(client).sidecar;
    ctx.shared.kind(server).services.iter().any(|&service| {
        let backends = if meshed {
            sidecars.backends(client, service, ctx)
        } else {
            ctx.backends_at(node, service)
        };
        backends.is_some_and(|backends| backends.iter().any(|backend| backend.pod == server))
    })
}

fn still_reached(ctx: &Ctx, sidecars: &Sidecars, window: &Window) -> bool {
    reaches_by_service(ctx, sidecars, window.client, window.server)
}

#[cfg(test)]
mod tests {
    use super::*;
    use LayerDecision::{Allow, Deny};

    fn class(
        network_intended: LayerDecision,
        network: Option<LayerDecision>,
        mesh_intended: LayerDecision,
        mesh: Option<LayerDecision>,
        admitted: bool,
    ) -> AccessClass {
        Decisions {
            network_intended,
            network,
            mesh_intended,
            mesh,
            admitted,
        }
        .class()
    }

    #[test]
    fn classes_follow_their_table() {
        assert_eq!(
            class(Allow, Some(Allow), Allow, Some(Allow), true),
            AccessClass::Allowed
        );
        assert_eq!(class(Deny, Some(Deny), Deny, None, false), AccessClass::Denied);
        assert_eq!(class(Deny, Some(Allow), Deny, None, true), AccessClass::Unauthorized);
        assert_eq!(
            class(Deny, Some(Allow), Deny, Some(Deny), false),
            AccessClass::NetworkBypassed
        );
        assert_eq!(
            class(Allow, Some(Deny), Deny, Some(Allow), false),
            AccessClass::MeshBypassed
        );
        assert_eq!(class(Allow, Some(Deny), Allow, None, false), AccessClass::WronglyDenied);
        assert_eq!(class(Deny, None, Deny, None, false), AccessClass::Unreachable);
    }

    #[test]
    fn a_mesh_that_stands_alone_denies_and_bypasses_nothing() {
        assert_eq!(class(Deny, None, Deny, Some(Deny), false), AccessClass::Denied);
    }

    #[test]
    fn a_layer_without_a_policy_for_it_cannot_make_an_access_meant() {
        assert_eq!(class(Allow, Some(Allow), Deny, None, true), AccessClass::Unauthorized);
    }
}
