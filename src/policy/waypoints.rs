//! Waypoints of ambient mode between a client and a workload.
//!
//! Belongs here: which way a call takes, and what waypoint and workload say to it together. Does not belong here: which
//! policies a waypoint has (`istio::selection`), and which Services lead where (`scenario::manifests`).

use std::net::IpAddr;

use super::istio::{Question, Waypoint};
use super::layers::{Ask, weight};
use super::{Decision, Endpoint, MeshPolicies, Verdict};

/// Namespace and name of a waypoint's Gateway.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WaypointName {
    /// Its namespace.
    pub namespace: String,
    /// Its name, which is that of its service account too (Istio `manifests/charts/istio-control`, template `waypoint`).
    pub name: String,
}

/// One Service that leads to a port of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Namespace and name of the Service.
    pub service: (String, String),
    /// Port of the Service, which is the destination's port to a waypoint (Istio `pilot/pkg/networking/core/
    /// listener_waypoint.go`, `portMapper`).
    pub service_port: u16,
    /// Port of the workload.
    pub target_port: u16,
    /// Whether Istio takes it for HTTP.
    pub http: bool,
    /// The waypoint in front of the Service.
    pub waypoint: Option<WaypointName>,
}

/// What is asked of waypoint and workload.
pub(super) struct Call<'a> {
    pub mesh: &'a MeshPolicies,
    pub trust_domain: &'a str,
    /// The client, which is in ambient mode: others do not call waypoints (Istio `pilot/pkg/xds/endpoints/
    /// endpoint_builder.go`, `findServiceWaypoint`).
    pub from: &'a Endpoint,
    pub to: &'a Endpoint,
    pub address: Option<IpAddr>,
    pub ask: &'a Ask<'a>,
}

impl Call<'_> {
    /// The verdict over the Services that lead to the port; `direct` is that without a waypoint. The calls that take another
    /// way than the first may differ, and then nothing is known.
    pub(super) fn verdict(&self, routes: &[Route], direct: Option<Verdict>) -> Option<Verdict> {
        let leading = routes.iter().filter(|route| route.target_port == self.ask.port);
        let mut verdicts = leading.map(|route| match &route.waypoint {
            None => direct.clone(),
            Some(waypoint) => Some(self.through(route, waypoint)),
        });
        let Some(first) = verdicts.next() else {
            return direct;
        };
        let decision = |verdict: &Option<Verdict>| verdict.as_ref().map(|verdict| verdict.decision);
        if verdicts.any(|other| decision(&other) != decision(&first)) {
            let text = "several Services lead to this port, and not all of them through the same waypoint";
            return Some(Verdict::new(Decision::Unknown, None, None, text));
        }
        first
    }

    /// The waypoint first, with the client's certificate; then the workload's own proxy, which sees the waypoint's (Istio
    /// docs `ambient/usage/l7-features`).
    fn through(&self, route: &Route, waypoint: &WaypointName) -> Verdict {
        let (namespace, name) = &route.service;
        let server = self.mesh.waypoint(&Waypoint {
            namespace: &waypoint.namespace,
            name: &waypoint.name,
            services: &[(namespace, name)],
        });
        let client = self.mesh.client(Some(&self.from.subject.principal(self.trust_domain)));
        let question = Question {
            port: route.service_port,
            http: self.ask.http.filter(|_| route.http),
            source_address: self.address,
            destination_addresses: &[],
        };
        let at_waypoint = self.mesh.verdict(&server, &client, &question);
        let WaypointName { namespace, name } = waypoint;
        let principal = format!("{}/ns/{namespace}/sa/{name}", self.trust_domain);
        let at_workload = self
            .mesh
            .ask(self.to, Some(&principal), None, self.ask.port, self.ask.http);
        match at_workload {
            Some(at_workload) if weight(&at_workload) > weight(&at_waypoint) => at_workload,
            _ => at_waypoint,
        }
    }
}
