//! The data plane of the mesh: which backends a client's connection may take, and what the mesh says to a request.
//!
//! **Modeled**: a client with a sidecar takes the backends that its Istiod pushed, another one those of its node's service
//! proxy; a server's sidecar applies the policies of the mesh to the principal of the client's certificate. That names the
//! client's true identity, because Istiod has checked its token: no cache of addresses can change it. A client with a
//! sidecar that calls a Service of the mesh accepts only servers whose certificate names a service account of that Service
//! (`docs/model/istio.md#authorization`). Each of two sidecars checks the dates of the other's certificate by the clock of its own node.
//! **Left out**: ambient mode, waypoints in runs, lag of policies and of the accounts of a Service at a proxy.
//! **Validated by**: `tests/world/published_results.rs`.

use std::net::Ipv4Addr;

use crate::cluster::blueprint::{Kind, Proxy};
use crate::cluster::cilium::datapath::forward;
use crate::cluster::cilium::passage::{Loss, Passage};
use crate::cluster::context::Shared;
use crate::cluster::ids::{PodId, ServiceId};
use crate::cluster::istio::certificates::Refusal;
use crate::cluster::objects::Backends;
use crate::cluster::party::Party;
use crate::cluster::records::LayerDecision;
use crate::kernel::SimTime;

/// The backends of a Service among which a client's connection at a time is sent to one; nothing if none is known.
#[must_use]
pub fn backends(shared: &Shared, client: PodId, service: ServiceId, time: SimTime) -> Option<Backends> {
    let (node, _) = shared.physics.pod(client).place?;
    let backends = match shared.kind(client).proxy {
        Proxy::Sidecar => shared.proxy_of(client)?.1.at(service.0, time).cloned(),
        Proxy::None => shared.backends_at(node, service, time),
    };
    backends.filter(|backends| !backends.is_empty())
}

/// What is asked for at a server.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Port of the pod.
    pub port: u16,
    /// HTTP method.
    pub method: &'a str,
    /// HTTP path.
    pub path: &'a str,
}

/// What became of an attempt: a new connection with its first request.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The way of its first packet.
    pub passage: Passage,
    /// What the network did, if it enforces policy and was asked.
    pub network: Option<LayerDecision>,
    /// What the mesh said, if the packet got there and the mesh enforces policy there or refused the handshake.
    pub mesh: Option<LayerDecision>,
    /// Whether the client accepts who answers, if the packet got there.
    pub is_expected: bool,
    /// The certificate for which one of the two proxies refused the handshake.
    pub refusal: Option<Refusal>,
}

impl Attempt {
    /// A client's attempt at an address, which it has from a Service or knows otherwise.
    #[must_use]
    pub fn at(
        shared: &Shared,
        client: PodId,
        service: Option<ServiceId>,
        ip: Ipv4Addr,
        asked: Asked<'_>,
        time: SimTime,
    ) -> Self {
        let passage = forward(shared, client, ip, asked.port, time);
        let network = network_decision(shared, passage);
        let (is_expected, refusal) = match passage {
            Passage::Delivered(server) if is_expected(shared, client, service, server) => {
                (true, handshake(shared, client, server, time))
            }
            Passage::Delivered(_) => (false, None),
            Passage::Lost(_) => (true, None),
        };
        let mesh = match passage {
            Passage::Delivered(_) if refusal.is_some() => Some(LayerDecision::Deny),
            Passage::Delivered(server) if is_expected => verdict(shared, client, server, asked),
            Passage::Delivered(_) | Passage::Lost(_) => None,
        };
        Self {
            passage,
            network,
            mesh,
            is_expected,
            refusal,
        }
    }

    /// A request over a connection that stands: each packet meets the policy of the network, each request that of the mesh, and no
    /// certificate is checked again.
    #[must_use]
    pub fn on_connection(shared: &Shared, client: PodId, ip: Ipv4Addr, asked: Asked<'_>, time: SimTime) -> Self {
        let passage = forward(shared, client, ip, asked.port, time);
        Self {
            passage,
            network: network_decision(shared, passage),
            mesh: match passage {
                Passage::Delivered(server) => verdict(shared, client, server, asked),
                Passage::Lost(_) => None,
            },
            is_expected: true,
            refusal: None,
        }
    }

    /// An attempt whose first packet was lost on the way, where no layer decides.
    #[must_use]
    pub const fn lost(loss: Loss) -> Self {
        Self {
            passage: Passage::Lost(loss),
            network: None,
            mesh: None,
            is_expected: true,
            refusal: None,
        }
    }

    /// Whether no layer refused it, and the client neither.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.is_expected && self.network != Some(LayerDecision::Deny) && self.mesh != Some(LayerDecision::Deny)
    }
}

/// What the network did to a packet, if it enforces policy and was asked.
fn network_decision(shared: &Shared, passage: Passage) -> Option<LayerDecision> {
    match passage {
        Passage::Delivered(_) => shared.blueprint.spec.network_enforced.then_some(LayerDecision::Allow),
        Passage::Lost(loss) => loss.is_refusal().then_some(LayerDecision::Deny),
    }
}

/// Whether a client accepts a server that it found by a Service: the proxy of a client checks that the certificate of a server of
/// the mesh names one of the service accounts of the Service.
fn is_expected(shared: &Shared, client: PodId, service: Option<ServiceId>, server: PodId) -> bool {
    let Some(service) = service.filter(|_| shared.kind(client).is_meshed()) else {
        return true;
    };
    let (blueprint, server) = (&shared.blueprint, shared.kind(server));
    let behind = || blueprint.kinds.iter().filter(|kind| kind.services.contains(&service));
    if !behind().any(Kind::is_meshed) {
        return true;
    }
    let account = |kind: &Kind| blueprint.principal(kind.identity);
    server.is_meshed() && behind().any(|kind| account(kind) == account(server))
}

/// The certificate that one of two sidecars refuses, if one does: first the client checks the server's, then the server the client's.
fn handshake(shared: &Shared, client: PodId, server: PodId, time: SimTime) -> Option<Refusal> {
    if !shared.kind(client).is_meshed() || !shared.kind(server).is_meshed() {
        return None;
    }
    [(server, client), (client, server)].into_iter().find_map(|(of, by)| {
        let certificate = shared.certificates.of(of)?;
        let (node, _) = shared.physics.pod(by).place?;
        let why = certificate.invalid_at(shared.clocks.shown(Party::Node(node), time))?;
        let signer = certificate.signer;
        Some(Refusal { of, by, why, signer })
    })
}

/// What the mesh says to a request at a server, if the design has it enforced there.
fn verdict(shared: &Shared, client: PodId, server: PodId, asked: Asked<'_>) -> Option<LayerDecision> {
    let blueprint = &shared.blueprint;
    if !blueprint.spec.mesh_enforced || !shared.kind(server).is_meshed() {
        return None;
    }
    let client = shared.kind(client);
    let principal = client.is_meshed().then_some(client.identity);
    let server = shared.kind(server).identity;
    let verdict = blueprint.mesh_verdict(principal, server, asked.port, asked.method, asked.path);
    Some(verdict.decision.into())
}
