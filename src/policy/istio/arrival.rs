//! A call as it reaches a workload: what was sent, and what the port is taken for.
//!
//! Belongs here: which filter chain of the sidecar a connection meets, and ports that bypass it. Does not belong here: what
//! the client sends (`client`) and the rules of policies (`server`).

use std::net::IpAddr;

use super::super::request::Http;
use super::client::ClientTls;
use super::facts::Question;
use super::protocol::PortProtocol;
use super::server::Asking;
use super::truth::Truth;
use super::{Decision, Endpoint, MeshPolicies, Verdict};

/// Ports of the sidecar itself: merged metrics, health and Envoy's metrics. They are not redirected (Istio
/// `manifests/charts/istio-control/istio-discovery/files/injection-template.yaml`, `excludeInboundPorts`).
const OWN_PORTS: [u16; 3] = [15020, 15021, 15090];

/// A call at the port of a workload.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The workload.
    pub to: &'a Endpoint,
    /// Port of the pod.
    pub port: u16,
    /// What the client sent.
    pub sent: ClientTls,
    /// The client's principal, which it shows with mutual TLS.
    pub principal: Option<&'a str>,
    /// Where the packets come from, if it is known.
    pub source_address: Option<IpAddr>,
    /// The request.
    pub http: Option<Http<'a>>,
    /// What the sidecar takes the port for.
    pub protocol: PortProtocol,
}

impl MeshPolicies {
    /// May the call pass? None if the workload has no proxy.
    pub fn arrive(&self, call: &Arrival<'_>) -> Option<Verdict> {
        let server = self.server(call.to)?;
        let text = |decision, text| Some(Verdict::new(decision, None, None, text));
        let ask = |principal, http| {
            let question = Question {
                port: call.port,
                http,
                source_address: call.source_address,
                destination_addresses: &call.to.addresses,
            };
            Some(self.decide(&server, Asking::Direct(principal), &question))
        };
        if !call.to.sidecar {
            return ask(call.principal.filter(|_| call.sent == ClientTls::Mutual), call.http);
        }
        if call.to.bypasses_sidecar(call.port) {
            return match call.sent {
                ClientTls::Mutual => text(
                    Decision::Deny,
                    "the client's proxy sends mutual TLS, but the port bypasses the server's proxy",
                ),
                _ => text(Decision::Allow, "the port bypasses the server's proxy"),
            };
        }
        let request = call.http.filter(|_| call.protocol.reads_requests());
        let accepts = self.modes.of_sidecar(&call.to.subject).of(call.port);
        let mode_policy = accepts.policy.map(|policy| self.modes.origin(policy));
        match call.sent {
            ClientTls::PlainText => ask(None, request),
            // With a mode of DISABLE the sidecar hands TLS on as it is, or does not find HTTP in it.
            ClientTls::Mutual if accepts.mutual_tls == Truth::False => {
                let text = "the client's proxy sends mutual TLS, but the port takes plain text only";
                Some(Verdict::new(Decision::Deny, mode_policy, None, text))
            }
            ClientTls::Mutual => ask(call.principal, request),
            ClientTls::OneWay | ClientTls::OwnCertificate => match accepts.plain_text {
                Truth::False if call.sent == ClientTls::OwnCertificate => {
                    let text = "whether the mesh trusts the certificate of the DestinationRule is not known";
                    Some(Verdict::new(Decision::Unknown, mode_policy, None, text))
                }
                Truth::False => {
                    let text = "mutual TLS is required and the client sends TLS without a certificate";
                    Some(Verdict::new(Decision::Deny, mode_policy, None, text))
                }
                // No filter chain of a port of HTTP takes TLS other than the mesh's (Istio `filterchain_options.go`).
                _ if call.protocol == PortProtocol::Http => text(
                    Decision::Deny,
                    "the client sends TLS that is not the mesh's to a port of HTTP",
                ),
                _ => ask(None, None),
            },
        }
    }
}

impl Endpoint {
    /// Whether connections to this port do not meet the workload's sidecar (annotations `includeInboundPorts` and
    /// `excludeInboundPorts`; the latter counts only where all ports are included, Istio
    /// `tools/istio-iptables/pkg/capture/run.go`, `handleInboundPortsInclude`).
    pub fn bypasses_sidecar(&self, port: u16) -> bool {
        let included = match &self.capture.include_inbound_ports {
            None => !self.capture.exclude_inbound_ports.contains(&port),
            Some(ports) => ports.contains(&port),
        };
        self.sidecar && (!included || OWN_PORTS.contains(&port))
    }
}
