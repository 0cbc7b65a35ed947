//! Both layers asked together: the network's policies at both ends, the mesh's at the destination.
//!
//! Belongs here: what is asked of which layer, and how the two directions of the network become one answer. Does not belong
//! here: the evaluation of either layer. The two answers are independent: what a layer does to the other is not evaluated (an
//! HTTP rule of the network cannot read a request inside mutual TLS; in ambient mode the network sees port 15008).

use std::net::IpAddr;

use super::istio::ClientTls;
use super::network::{CompiledPolicies, End};
use super::request::{Http, Protocol};
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
}

/// The policies of both layers, ready for one set of workloads.
#[derive(Debug, Clone)]
pub struct Layers {
    network: CompiledPolicies,
    mesh: MeshPolicies,
    trust_domain: String,
}

impl Layers {
    /// Both layers; `trust_domain` is that of the clients' certificates.
    #[must_use]
    pub fn new(network: CompiledPolicies, mesh: MeshPolicies, trust_domain: &str) -> Self {
        Self {
            network,
            mesh,
            trust_domain: trust_domain.to_owned(),
        }
    }

    /// The workloads, in the order of their numbers.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        self.network.endpoints()
    }

    /// Asks both layers.
    #[must_use]
    pub fn ask(&self, ask: &Ask<'_>) -> Answer {
        Answer {
            network: self.network(ask),
            mesh: self.mesh(ask),
        }
    }

    /// A refusal at either end refuses; what is unknown at either end is unknown unless the other refuses.
    fn network(&self, ask: &Ask<'_>) -> Verdict {
        let http = ask.http.as_ref();
        let egress = match ask.from {
            End::Workload(from) => Some(self.network.egress(from, ask.to, ask.port, ask.protocol, http)),
            End::Reserved(_) | End::Address(_) => None,
        };
        let ingress = match ask.to {
            End::Workload(to) => Some(self.network.ingress(to, ask.from, ask.port, ask.protocol, http)),
            End::Reserved(_) | End::Address(_) => None,
        };
        let weight = |verdict: &Verdict| match verdict.decision {
            Decision::Deny => 2,
            Decision::Unknown => 1,
            Decision::Allow => 0,
        };
        match (egress, ingress) {
            (Some(egress), Some(ingress)) if weight(&egress) > weight(&ingress) => egress,
            (_, Some(ingress)) => ingress,
            (Some(egress), None) => egress,
            (None, None) => Verdict::new(Decision::Allow, None, None, "neither end is a workload of the cluster"),
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
            End::Reserved(_) | End::Address(_) => None,
        };
        let address: Option<IpAddr> = match ask.from {
            End::Address(address) => Some(address),
            End::Workload(from) => self.endpoints()[from].addresses.first().copied(),
            End::Reserved(_) => None,
        };
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
