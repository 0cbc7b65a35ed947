//! Both layers asked together: the network's policies at both ends, the mesh's at the destination.
//!
//! Belongs here: what is asked of which layer, how the two directions of the network become one answer, and how both layers
//! act together. Does not belong here: the evaluation of either layer.
//!
//! Each layer first answers for itself, as if the other did not exist. Then [`Answer::together`] says whether the request gets
//! through both, and there the mesh changes what the network sees: inside mutual TLS no request can be read, so that an HTTP
//! rule of the network refuses (Cilium docs `network/servicemesh/istio`, "Istio configuration"); in ambient mode every
//! connection between workloads of the mesh goes through port 15008 (Istio docs `ambient/usage/networkpolicy`).

use std::net::IpAddr;

use super::istio::ClientTls;
use super::network::{CompiledPolicies, End};
use super::request::{Http, Protocol};
use super::waypoints::{Call, Route};
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
    /// Ambient mode's tunnel, to port [`TUNNEL_PORT`].
    Tunnel,
}

impl Disguise {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::MutualTls => "the network sees mutual TLS and no request",
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
    #[must_use]
    pub fn new(network: CompiledPolicies, mesh: MeshPolicies, trust_domain: &str) -> Self {
        Self {
            network,
            mesh,
            trust_domain: trust_domain.to_owned(),
            routes: Vec::new(),
        }
    }

    /// The same with the Services that lead to each workload, in the order of the workloads. Calls are then taken to go
    /// through them, and through their waypoints.
    #[must_use]
    pub fn with_routes(mut self, routes: Vec<Vec<Route>>) -> Self {
        self.routes = routes;
        self
    }

    /// The workloads, in the order of their numbers.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        self.network.endpoints()
    }

    /// Asks both layers.
    #[must_use]
    pub fn ask(&self, ask: &Ask<'_>) -> Answer {
        let (network, mesh) = (self.network(ask), self.mesh(ask));
        let together = self.together(ask, &network, mesh.as_ref());
        Answer {
            network,
            mesh,
            together,
        }
    }

    fn together(&self, ask: &Ask<'_>, network: &Verdict, mesh: Option<&Verdict>) -> Together {
        if self.waypoints(ask).is_some() {
            return self.together_with_waypoints(ask, mesh);
        }
        let disguises = self.disguises(ask);
        let verdicts = disguises.map(|disguise| {
            let seen = match disguise {
                None => network.clone(),
                Some(Disguise::MutualTls) => self.network(&Ask { http: None, ..*ask }),
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
        let [verdict, other] = verdicts;
        if verdict.decision == other.decision {
            return Together {
                verdict,
                disguise: disguises[0],
            };
        }
        let text = "whether the client uses mutual TLS is not known";
        Together {
            verdict: Verdict::new(Decision::Unknown, None, None, text),
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

    /// What the network may see: two possibilities, mostly the same.
    fn disguises(&self, ask: &Ask<'_>) -> [Option<Disguise>; 2] {
        let (End::Workload(from), End::Workload(to), Protocol::Tcp) = (ask.from, ask.to, ask.protocol) else {
            return [None, None];
        };
        let (from, to) = (&self.endpoints()[from], &self.endpoints()[to]);
        let tls = self.mesh.client_tls(from, to, ask.port);
        if tls != ClientTls::PlainText && (from.ambient || to.ambient) {
            return [Some(Disguise::Tunnel); 2];
        }
        match tls {
            ClientTls::PlainText => [None, None],
            ClientTls::Mutual => [Some(Disguise::MutualTls); 2],
            ClientTls::Unknown => [Some(Disguise::MutualTls), None],
        }
    }

    /// A refusal at either end refuses; what is unknown at either end is unknown unless the other refuses.
    fn network(&self, ask: &Ask<'_>) -> Verdict {
        match self.directions(ask) {
            [Some(egress), Some(ingress)] if weight(&egress) > weight(&ingress) => egress,
            [_, Some(ingress)] => ingress,
            [Some(egress), None] => egress,
            [None, None] => Verdict::new(Decision::Allow, None, None, "neither end is a workload of the cluster"),
        }
    }

    /// Egress at the source and ingress at the destination.
    fn directions(&self, ask: &Ask<'_>) -> [Option<Verdict>; 2] {
        let http = ask.http.as_ref();
        let egress = match ask.from {
            End::Workload(from) => Some(self.network.egress(from, ask.to, ask.port, ask.protocol, http)),
            End::Reserved(_) | End::Address(_) => None,
        };
        let ingress = match ask.to {
            End::Workload(to) => Some(self.network.ingress(to, ask.from, ask.port, ask.protocol, http)),
            End::Reserved(_) | End::Address(_) => None,
        };
        [egress, ingress]
    }

    fn mesh(&self, ask: &Ask<'_>) -> Option<Verdict> {
        let End::Workload(to) = ask.to else { return None };
        if ask.protocol != Protocol::Tcp {
            return None; // proxies intercept TCP alone
        }
        let to = &self.endpoints()[to];
        let from = match ask.from {
            End::Workload(from) => Some(&self.endpoints()[from]),
            End::Reserved(_) | End::Address(_) => None,
        };
        let address: Option<IpAddr> = match ask.from {
            End::Address(address) => Some(address),
            End::Workload(from) => self.endpoints()[from].addresses.first().copied(),
            End::Reserved(_) => None,
        };
        let direct = self.direct(ask, from, to, address);
        match (self.waypoints(ask), from) {
            (Some(routes), Some(from)) => Call {
                mesh: &self.mesh,
                trust_domain: &self.trust_domain,
                from,
                to,
                address,
                ask,
            }
            .verdict(routes, direct),
            _ => direct,
        }
    }

    /// The Services through which this call may go, if one of them has a waypoint and the client calls waypoints.
    fn waypoints(&self, ask: &Ask<'_>) -> Option<&[Route]> {
        let (End::Workload(from), End::Workload(to)) = (ask.from, ask.to) else {
            return None;
        };
        let routes = self.routes.get(to)?.as_slice();
        let mut leading = routes.iter().filter(|route| route.target_port == ask.port);
        let used = ask.protocol == Protocol::Tcp && leading.any(|route| route.waypoint.is_some());
        (used && self.endpoints()[from].ambient).then_some(routes)
    }

    /// The mesh without waypoints.
    fn direct(
        &self,
        ask: &Ask<'_>,
        from: Option<&Endpoint>,
        to: &Endpoint,
        address: Option<IpAddr>,
    ) -> Option<Verdict> {
        let with = |principal: Option<&str>| self.mesh.ask(to, principal, address, ask.port, ask.http);
        let principal = from.map(|from| from.subject.principal(&self.trust_domain));
        match from.map_or(ClientTls::PlainText, |from| self.mesh.client_tls(from, to, ask.port)) {
            ClientTls::PlainText => with(None),
            ClientTls::Mutual => with(principal.as_deref()),
            ClientTls::Unknown => {
                let (plain, mutual) = (with(None)?, with(principal.as_deref())?);
                Some(if plain.decision == mutual.decision {
                    mutual
                } else {
                    Verdict::new(
                        Decision::Unknown,
                        None,
                        None,
                        "whether the client uses mutual TLS is not known",
                    )
                })
            }
        }
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
