//! What a client sends: mutual TLS, other TLS, or plain text.
//!
//! Belongs here: what traffic meets the client's proxy, TLS settings of DestinationRules, and automatic mutual TLS. Does not
//! belong here: what the server accepts (`peer_authentication`, `arrival`).

use std::net::IpAddr;

use smallvec::SmallVec;

use super::super::routes::Route;
use super::destination_rule::{TlsMode, modes};
use super::scope;
use super::truth::Truth;
use super::{Endpoint, MeshPolicies};

/// Label of a pod that states how it is to be called (Istio `pilot/pkg/model/service.go`, `TLSModeLabelName`).
const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";

/// How a client's proxy, or the client itself, opens a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientTls {
    /// With the client's certificate of the mesh.
    Mutual,
    /// Without TLS of a proxy.
    PlainText,
    /// TLS without a certificate of the client.
    OneWay,
    /// TLS with a certificate that a DestinationRule names; whether the mesh trusts it is not known.
    OwnCertificate,
}

impl ClientTls {
    /// In words, behind the name of whoever is called.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Mutual => "with mutual TLS",
            Self::PlainText => "in plain text",
            Self::OneWay => "with TLS and no certificate of the client",
            Self::OwnCertificate => "with TLS and a certificate of the DestinationRule",
        }
    }
}

/// What a client may send: mostly one possibility.
pub type Possible = SmallVec<[ClientTls; 2]>;

/// A call from one workload to a port of another.
#[derive(Debug, Clone, Copy)]
pub struct Towards<'a> {
    /// The client.
    pub from: &'a Endpoint,
    /// The server.
    pub to: &'a Endpoint,
    /// Port of the server's pod.
    pub port: u16,
    /// The Service that is called; none is a call to the address of the pod.
    pub route: Option<&'a Route>,
}

impl Towards<'_> {
    /// Whether the client's traffic meets its sidecar. What is redirected is judged by the address that the client calls.
    fn is_captured(&self) -> Truth {
        let (port, address) = match self.route {
            Some(route) if !route.headless => (route.service_port, route.cluster_ip),
            _ => (self.port, self.to.addresses.first().copied()),
        };
        self.from.capture.outbound(port, address)
    }

    fn accepts_label(&self) -> bool {
        let mode = self.to.subject.labels.get(TLS_MODE_LABEL);
        mode.is_none_or(|mode| mode == "istio")
    }
}

impl super::super::subject::Capture {
    /// Whether traffic to this port and address is redirected to the sidecar of the client: exclusions first, then included
    /// ports, then included addresses (Istio `tools/istio-iptables/pkg/capture/run.go`).
    fn outbound(&self, port: u16, address: Option<IpAddr>) -> Truth {
        let within = |blocks: &[super::super::cidr::Block]| -> Truth {
            match address {
                _ if blocks.is_empty() => Truth::False,
                Some(address) => Truth::from(blocks.iter().any(|block| block.contains(address))),
                None => Truth::Unknown,
            }
        };
        if self.exclude_outbound_ports.contains(&port) {
            return Truth::False;
        }
        let included = match (
            &self.include_outbound_blocks,
            self.include_outbound_ports.contains(&port),
        ) {
            (_, true) | (None, _) => Truth::True,
            (Some(blocks), _) => within(blocks),
        };
        within(&self.exclude_outbound_blocks).not().min(included)
    }
}

impl MeshPolicies {
    /// What a client sends to a port of a workload.
    ///
    /// A proxy of ambient mode uses mutual TLS to every workload of the mesh. A sidecar uses it if it knows the Service that
    /// is called: a call to the address of a pod leaves it as it came (Istio `pilot/pkg/networking/core/cluster.go`,
    /// `buildDefaultPassthroughCluster`). Then a DestinationRule decides, and without one the mode of the Service's
    /// namespace, the label of the pod and the mode of its port; for a headless Service one pod without a sidecar makes all
    /// calls plain text, and modes of single pods do not count (`pilot/pkg/model/push_context.go`,
    /// `BestEffortInferServiceMTLSMode`; `pilot/pkg/networking/core/cluster_tls.go`, `applyUpstreamTLSSettings`;
    /// `pilot/pkg/xds/endpoints/mtls_checker.go`).
    pub fn client_tls(&self, call: &Towards<'_>) -> Possible {
        let (from, to) = (call.from, call.to);
        let one = |tls: ClientTls| Possible::from_elem(tls, 1);
        let accepts = |truth: Truth| match truth {
            Truth::True => one(ClientTls::Mutual),
            Truth::False => one(ClientTls::PlainText),
            Truth::Unknown => Possible::from_slice(&[ClientTls::Mutual, ClientTls::PlainText]),
        };
        let has_proxy = |end: &Endpoint| end.sidecar || end.ambient;
        if !has_proxy(from) || !has_proxy(to) {
            return one(ClientTls::PlainText);
        }
        let of_port = || self.modes.of_sidecar(&to.subject).of(call.port).mutual_tls;
        if from.ambient {
            return if to.sidecar {
                accepts(of_port())
            } else {
                one(ClientTls::Mutual)
            };
        }
        let Some(route) = call.route.filter(|route| self.knows(from, route)) else {
            return one(ClientTls::PlainText);
        };
        let mut possible = Possible::new();
        if call.is_captured() != Truth::True {
            possible.push(ClientTls::PlainText);
        }
        if call.is_captured() != Truth::False {
            possible.extend(self.by_sidecar(call, route, of_port, accepts));
        }
        possible.sort_unstable();
        possible.dedup();
        possible
    }

    /// Whether the sidecar of a client knows a Service; what it does not know it passes on as it came.
    pub fn knows(&self, from: &Endpoint, route: &Route) -> bool {
        let (namespace, name) = &route.service;
        let own = |to: &String| {
            to == "*" || to == &from.subject.namespace || (to == "." && *namespace == from.subject.namespace)
        };
        let exported = route.export_to.is_empty() || route.export_to.iter().any(own);
        let root = self.modes.root_namespace();
        exported && scope::knows(&self.sidecar_scopes, root, &from.subject, (namespace, name))
    }

    fn by_sidecar(
        &self,
        call: &Towards<'_>,
        route: &Route,
        of_port: impl Fn() -> Truth,
        accepts: impl Fn(Truth) -> Possible,
    ) -> Possible {
        // The tunnel of ambient mode goes around all of these settings.
        if !call.to.sidecar {
            return Possible::from_elem(ClientTls::Mutual, 1);
        }
        let (namespace, name) = &route.service;
        let automatic = || {
            let of_namespace = self.modes.of_namespace(namespace);
            let at_endpoint = match route.headless {
                true => Truth::from(route.all_with_sidecar),
                false if !call.accepts_label() => Truth::False,
                false => of_port(),
            };
            accepts(of_namespace.min(at_endpoint))
        };
        if self.destination_rules.is_empty() {
            return automatic();
        }
        let found = modes(
            &self.destination_rules,
            self.modes.root_namespace(),
            &call.from.subject,
            (namespace, name),
            route.service_port,
        );
        let mut possible = Possible::new();
        for mode in found {
            match mode.map(|(mode, _)| mode) {
                None => possible.extend(automatic()),
                Some(TlsMode::Disable) => possible.push(ClientTls::PlainText),
                Some(TlsMode::Simple) => possible.push(ClientTls::OneWay),
                Some(TlsMode::Mutual) => possible.push(ClientTls::OwnCertificate),
                Some(TlsMode::IstioMutual) => possible.push(ClientTls::Mutual),
            }
        }
        possible
    }

    /// The DestinationRule that sets how a client calls, in words; none if no rule does.
    pub fn destination_rule_of(&self, call: &Towards<'_>) -> Option<String> {
        let route = call.route.filter(|_| call.from.sidecar && call.to.sidecar)?;
        let (namespace, name) = &route.service;
        let root = self.modes.root_namespace();
        let service = (namespace.as_str(), name.as_str());
        let found = modes(
            &self.destination_rules,
            root,
            &call.from.subject,
            service,
            route.service_port,
        );
        let (_, index) = found.into_iter().flatten().next()?;
        let origin = self.destination_rules.origin(index);
        Some(match origin.file.is_empty() {
            true => origin.policy.clone(),
            false => format!("{} in {}", origin.policy, origin.file),
        })
    }
}
