//! What a client sends: mutual TLS or plain text.
//!
//! Belongs here: automatic mutual TLS. Does not belong here: what the server accepts (`peer_authentication`) and TLS settings
//! of DestinationRules, which a reader has to refuse.

use super::truth::Truth;
use super::{Endpoint, MeshPolicies};

/// How a client's proxy, or the client itself, opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTls {
    /// With the client's certificate.
    Mutual,
    /// Without a certificate.
    PlainText,
    /// Two policies contradict each other, so that either is possible.
    Unknown,
}

impl MeshPolicies {
    /// What a client sends to a port of a workload. A client in the mesh uses mutual TLS if the server has a proxy that
    /// accepts it: always behind ztunnel, and with a sidecar unless the port's mode is DISABLE
    /// (Istio `pilot/pkg/networking/core/cluster_tls.go`, automatic mutual TLS; `pilot/pkg/xds/endpoints/mtls_checker.go`).
    #[must_use]
    pub fn client_tls(&self, from: &Endpoint, to: &Endpoint, port: u16) -> ClientTls {
        let has_proxy = |end: &Endpoint| end.sidecar || end.ambient;
        if !has_proxy(from) || !has_proxy(to) {
            return ClientTls::PlainText;
        }
        if !to.sidecar {
            return ClientTls::Mutual;
        }
        match self.modes.of_sidecar(&to.subject).of(port).mutual_tls {
            Truth::True => ClientTls::Mutual,
            Truth::False => ClientTls::PlainText,
            Truth::Unknown => ClientTls::Unknown,
        }
    }
}
