//! Waypoints of ambient mode between a client and a workload.
//!
//! Belongs here: what waypoint and workload say to a call together. Does not belong here: which policies a waypoint has
//! (`istio::selection`), and which way a call takes (`layers`).

use std::net::IpAddr;

use super::istio::{Arrival, ClientTls, PortProtocol, Question, Waypoint};
use super::layers::{Ask, weight};
use super::routes::Route;
use super::{Endpoint, MeshPolicies, Verdict};

/// Namespace and name of a waypoint's Gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaypointName {
    /// Its namespace.
    pub namespace: String,
    /// Its name, which is that of its service account too (Istio `manifests/charts/istio-control`, template `waypoint`).
    pub name: String,
}

impl WaypointName {
    /// The identity that workloads behind it see.
    pub fn principal(&self, trust_domain: &str) -> String {
        format!("{trust_domain}/ns/{}/sa/{}", self.namespace, self.name)
    }
}

/// What is asked of waypoint and workload.
pub(super) struct Through<'a> {
    pub mesh: &'a MeshPolicies,
    pub trust_domain: &'a str,
    /// The client, which is in ambient mode.
    pub from: &'a Endpoint,
    pub to: &'a Endpoint,
    pub address: Option<IpAddr>,
    pub ask: &'a Ask<'a>,
    /// What the workload's own sidecar takes the port for, if it has one.
    pub protocols: &'a [PortProtocol],
}

impl Through<'_> {
    /// The waypoint first, with the client's certificate; then the workload's own proxy, which sees the waypoint's (Istio
    /// docs `ambient/usage/l7-features`).
    pub(super) fn verdict(&self, route: &Route, waypoint: &WaypointName) -> Verdict {
        let (namespace, name) = &route.service;
        let server = self.mesh.waypoint(&Waypoint {
            namespace: &waypoint.namespace,
            name: &waypoint.name,
            services: &[(namespace, name)],
        });
        let client = self.mesh.client(Some(&self.from.subject.principal(self.trust_domain)));
        let question = Question {
            port: route.service_port,
            http: self.ask.http.filter(|_| route.protocol.reads_requests()),
            source_address: self.address,
            destination_addresses: &[],
        };
        let at_waypoint = self.mesh.verdict(&server, &client, &question);
        let principal = waypoint.principal(self.trust_domain);
        let at_workload = self.protocols.iter().filter_map(|protocol| {
            self.mesh.arrive(&Arrival {
                to: self.to,
                port: self.ask.port,
                sent: ClientTls::Mutual,
                principal: Some(&principal),
                source_address: None,
                http: self.ask.http,
                protocol: *protocol,
            })
        });
        let mut heaviest = at_waypoint;
        for verdict in at_workload {
            if weight(&verdict) > weight(&heaviest) {
                heaviest = verdict;
            }
        }
        heaviest
    }
}
