//! Both layers asked together: the network's policies at both ends, the mesh's at the destination.
//!
//! Belongs here: what is asked of which layer, how the two directions of the network become one answer, and how both layers
//! act together. Does not belong here: the evaluation of either layer.
//!
//! Each layer first answers for itself, as if the other did not exist. Then [`Answer::together`] states whether the request gets
//! through both, and there the mesh changes what the network sees: inside mutual TLS no request can be read, so that an HTTP
//! rule of the network refuses (Cilium docs `network/servicemesh/istio`, "Istio configuration"); in ambient mode every
//! connection between workloads of the mesh goes through port 15008 (Istio docs `ambient/usage/networkpolicy`).

use std::net::IpAddr;

use smallvec::SmallVec;

use super::istio::{Arrival, ClientTls, Possible, Towards};
use super::network::{CompiledPolicies, End};
use super::request::{Http, Protocol};
use super::routes::{self, Route};
use super::samples::{self, Sample};
use super::waypoints::Through;
use super::{Decision, Endpoint, MeshPolicies, Verdict};

/// A question: may this connection, or this request on it, pass?
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The client.
    pub from: End,
    /// The server.
    pub to: End,
    /// Port of the pod, after the mapping of Services.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// The request; none is a connection and no more.
    pub http: Option<Http<'a>>,
}

/// What each layer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The network: egress at the source and ingress at the destination.
    pub network: Verdict,
    /// The network at the source alone; none if the source is no workload, and no node with policies.
    pub egress: Option<Verdict>,
    /// The network at the destination alone; none if the destination is no workload, and no node with policies.
    pub ingress: Option<Verdict>,
    /// The mesh; none where no proxy can enforce anything.
    pub mesh: Option<Verdict>,
    /// Both, one behind the other, with what the network really sees of a connection of the mesh.
    pub together: Together,
}

/// Whether a request gets through both layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Together {
    /// The decision, with the reason of the layer that made it; of the network if both allow.
    pub verdict: Verdict,
    /// What the network sees, where it is not what was asked.
    pub disguise: Option<Disguise>,
}

/// What the network sees of a connection between two workloads of the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disguise {
    /// Mutual TLS to the port of the workload.
    MutualTls,
    /// TLS that a DestinationRule opens.
    Tls,
    /// Ambient mode's tunnel, to port [`TUNNEL_PORT`].
    Tunnel,
}

impl Disguise {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::MutualTls => "the network sees mutual TLS and no request",
            Self::Tls => "the network sees TLS and no request",
            Self::Tunnel => "the network sees ambient mode's tunnel on port 15008",
        }
    }
}

/// Port of the tunnel (HBONE) of ambient mode (ztunnel `src/config.rs`, `DEFAULT_INBOUND_PORT` 15008).
pub const TUNNEL_PORT: u16 = 15008;

/// The policies of both layers, ready for one set of workloads.
#[derive(Debug, Clone)]
pub struct Layers {
    network: CompiledPolicies,
    mesh: MeshPolicies,
    trust_domain: String,
    /// The Services that lead to each workload.
    routes: Vec<Vec<Route>>,
}

impl Layers {
    /// Both layers; `trust_domain` is that of the clients' certificates.
    pub fn new(network: CompiledPolicies, mesh: MeshPolicies, trust_domain: &str) -> Self {
        Self {
            network,
            mesh,
            trust_domain: trust_domain.to_owned(),
            routes: Vec::new(),
        }
    }

    /// The mesh's policies.
    pub fn mesh_policies(&self) -> &MeshPolicies {
        &self.mesh
    }

    pub(super) fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// The same with the Services that lead to each workload, in the order of the workloads. Calls are then taken to go
    /// through them, and through their waypoints.
    pub fn with_routes(mut self, routes: Vec<Vec<Route>>) -> Self {
        self.routes = routes;
        self
    }

    /// The same with the DNS names that [`End::Name`] counts.
    pub fn with_names(mut self, names: Vec<String>) -> Self {
        self.network = self.network.with_names(names);
        self
    }

    /// The workloads, in the order of their numbers.
    pub fn endpoints(&self) -> &[Endpoint] {
        self.network.endpoints()
    }

    /// The requests that HTTP rules name for a port of a workload.
    pub fn samples(&self, to: usize, port: u16) -> Vec<Sample> {
        samples::samples(&self.network, &self.mesh, to, port)
    }

    /// Asks both layers.
    pub fn ask(&self, ask: &Ask<'_>) -> Answer {
        let [egress, ingress] = self.directions(ask);
        let network = both(egress.as_ref(), ingress.as_ref());
        let mesh = self.mesh(ask);
        let together = self.together(ask, &network, mesh.as_ref());
        Answer {
            network,
            egress,
            ingress,
            mesh,
            together,
        }
    }

    fn together(&self, ask: &Ask<'_>, network: &Verdict, mesh: Option<&Verdict>) -> Together {
        if self.waypoints(ask) {
            return self.together_with_waypoints(ask, mesh);
        }
        let disguises = self.disguises(ask);
        let mut verdicts = disguises.iter().map(|disguise| {
            let seen = match disguise {
                None => network.clone(),
                Some(Disguise::MutualTls | Disguise::Tls) => self.network(&Ask { http: None, ..*ask }),
                Some(Disguise::Tunnel) => self.network(&Ask {
                    port: TUNNEL_PORT,
                    http: None,
                    ..*ask
                }),
            };
            match mesh {
                Some(mesh) if weight(mesh) > weight(&seen) => mesh.clone(),
                _ => seen,
            }
        });
        // There is always one.
        let first = verdicts.next().unwrap_or_else(|| network.clone());
        if verdicts.all(|other| other.decision == first.decision) {
            return Together {
                verdict: first,
                disguise: disguises[0],
            };
        }
        Together {
            verdict: Verdict::new(Decision::Unknown, None, None, WAY_UNKNOWN),
            disguise: None,
        }
    }

    /// The pods of a waypoint are no part of the manifests, so that the network's part is known only where it restricts
    /// neither end.
    fn together_with_waypoints(&self, ask: &Ask<'_>, mesh: Option<&Verdict>) -> Together {
        let tunnel = Ask {
            port: TUNNEL_PORT,
            http: None,
            ..*ask
        };
        let unrestricted = self.directions(&tunnel).into_iter().flatten();
        let open = unrestricted
            .into_iter()
            .all(|verdict| verdict.is_allowed() && verdict.because.policy.is_none());
        let text = "whether the network lets client and workload speak with the waypoint between them is not evaluated";
        let verdict = match mesh {
            Some(mesh) if open || mesh.decision == Decision::Deny => mesh.clone(),
            _ => Verdict::new(Decision::Unknown, None, None, text),
        };
        Together {
            verdict,
            disguise: Some(Disguise::Tunnel),
        }
    }

    /// What the network may see: mostly one possibility.
    fn disguises(&self, ask: &Ask<'_>) -> SmallVec<[Option<Disguise>; 2]> {
        let mut disguises = SmallVec::new();
        if let (End::Workload(from), End::Workload(to), Protocol::Tcp) = (ask.from, ask.to, ask.protocol) {
            let ambient = self.endpoints()[from].ambient || self.endpoints()[to].ambient;
            for route in self.ways(ask) {
                for sent in self.sent(ask, route) {
                    let disguise = match sent {
                        ClientTls::PlainText => None,
                        _ if ambient => Some(Disguise::Tunnel),
                        ClientTls::Mutual => Some(Disguise::MutualTls),
                        ClientTls::OneWay | ClientTls::OwnCertificate => Some(Disguise::Tls),
                    };
                    if !disguises.contains(&disguise) {
                        disguises.push(disguise);
                    }
                }
            }
        }
        if disguises.is_empty() {
            disguises.push(None);
        }
        disguises
    }

    fn network(&self, ask: &Ask<'_>) -> Verdict {
        let [egress, ingress] = self.directions(ask);
        both(egress.as_ref(), ingress.as_ref())
    }

    /// Egress at the source and ingress at the destination.
    fn directions(&self, ask: &Ask<'_>) -> [Option<Verdict>; 2] {
        let http = ask.http.as_ref();
        let egress = match ask.from {
            End::Workload(from) => Some(self.network.egress(from, ask.to, ask.port, ask.protocol, http)),
            node => (self.network).node_egress(node, ask.to, ask.port, ask.protocol, http),
        };
        let ingress = match ask.to {
            End::Workload(to) => Some(self.network.ingress(to, ask.from, ask.port, ask.protocol, http)),
            node => (self.network).node_ingress(node, ask.from, ask.port, ask.protocol, http),
        };
        [egress, ingress]
    }

    /// The ways that the call may take: the Services that lead to the port; without any, the address of the pod.
    pub(super) fn ways(&self, ask: &Ask<'_>) -> SmallVec<[Option<&Route>; 2]> {
        let leading = routes::leading(self.routes_of(ask.to), ask.port);
        let mut ways: SmallVec<[Option<&Route>; 2]> = leading.map(Some).collect();
        if ways.is_empty() {
            ways.push(None);
        }
        ways
    }

    pub(super) fn routes_of(&self, to: End) -> &[Route] {
        match to {
            End::Workload(to) => self.routes.get(to).map_or(&[], Vec::as_slice),
            _ => &[],
        }
    }

    /// What the client may send on this way.
    pub(super) fn sent(&self, ask: &Ask<'_>, route: Option<&Route>) -> Possible {
        match (ask.from, ask.to) {
            (End::Workload(from), End::Workload(to)) => self.mesh.client_tls(&Towards {
                from: &self.endpoints()[from],
                to: &self.endpoints()[to],
                port: ask.port,
                route,
            }),
            _ => Possible::from_elem(ClientTls::PlainText, 1),
        }
    }

    fn mesh(&self, ask: &Ask<'_>) -> Option<Verdict> {
        let End::Workload(to) = ask.to else { return None };
        if ask.protocol != Protocol::Tcp {
            return None; // proxies intercept TCP alone
        }
        let to = &self.endpoints()[to];
        let from = match ask.from {
            End::Workload(from) => Some(&self.endpoints()[from]),
            End::Reserved(_) | End::Address(_) | End::Name(_) => None,
        };
        let address: Option<IpAddr> = match ask.from {
            End::Address(address) => Some(address),
            End::Workload(from) => self.endpoints()[from].addresses.first().copied(),
            End::Reserved(_) | End::Name(_) => None,
        };
        let principal = from.map(|from| from.subject.principal(&self.trust_domain));
        let mut verdicts: SmallVec<[Option<Verdict>; 2]> = SmallVec::new();
        for route in self.ways(ask) {
            let ambient = from.filter(|from| from.ambient);
            if let (Some(route), Some(from)) = (route, ambient)
                && let Some(waypoint) = &route.waypoint
            {
                let through = Through {
                    mesh: &self.mesh,
                    trust_domain: &self.trust_domain,
                    from,
                    to,
                    address,
                    ask,
                    protocols: &routes::protocols(self.routes_of(ask.to), ask.port),
                };
                verdicts.push(Some(through.verdict(route, waypoint)));
                continue;
            }
            for sent in self.sent(ask, route) {
                for protocol in routes::protocols(self.routes_of(ask.to), ask.port) {
                    verdicts.push(self.mesh.arrive(&Arrival {
                        to,
                        port: ask.port,
                        sent,
                        principal: principal.as_deref(),
                        source_address: address,
                        http: ask.http,
                        protocol,
                    }));
                }
            }
        }
        agreed(verdicts)
    }

    /// Whether one of the Services through which this call may go has a waypoint, and the client calls waypoints: those of
    /// ambient mode do (Istio `pilot/pkg/xds/endpoints/endpoint_builder.go`, `findServiceWaypoint`).
    fn waypoints(&self, ask: &Ask<'_>) -> bool {
        let End::Workload(from) = ask.from else { return false };
        ask.protocol == Protocol::Tcp
            && self.endpoints()[from].ambient
            && self
                .ways(ask)
                .into_iter()
                .flatten()
                .any(|route| route.waypoint.is_some())
    }
}

/// Why a verdict may be unknown although every policy is evaluated.
const WAY_UNKNOWN: &str = "it depends on the way of the call: several Services lead to this port, or what the client sends is \
                           not known";

/// One verdict where all agree.
fn agreed(verdicts: SmallVec<[Option<Verdict>; 2]>) -> Option<Verdict> {
    let decision = |verdict: &Option<Verdict>| verdict.as_ref().map(|verdict| verdict.decision);
    let mut verdicts = verdicts.into_iter();
    let first = verdicts.next()?;
    match verdicts.all(|other| decision(&other) == decision(&first)) {
        true => first,
        false => Some(Verdict::new(Decision::Unknown, None, None, WAY_UNKNOWN)),
    }
}

/// A refusal at either end refuses; what is unknown at either end is unknown unless the other refuses.
fn both(egress: Option<&Verdict>, ingress: Option<&Verdict>) -> Verdict {
    match (egress, ingress) {
        (Some(egress), Some(ingress)) if weight(egress) > weight(ingress) => egress.clone(),
        (_, Some(ingress)) => ingress.clone(),
        (Some(egress), None) => egress.clone(),
        (None, None) => Verdict::new(Decision::Allow, None, None, "neither end is a workload of the cluster"),
    }
}

/// How much a verdict stands in the way.
pub(super) const fn weight(verdict: &Verdict) -> u8 {
    match verdict.decision {
        Decision::Deny => 2,
        Decision::Unknown => 1,
        Decision::Allow => 0,
    }
}
