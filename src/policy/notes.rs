//! The way of a call in words: what led to the mesh's verdict in addition to its policies.
//!
//! Belongs here: the Service that is called, what the client sends, waypoints, and ports of TCP. Does not belong here: how these
//! are decided (`istio::client`, `routes`).

use super::Protocol;
use super::istio::{ClientTls, Towards};
use super::layers::{Ask, Layers};
use super::network::End;
use super::routes;

impl Layers {
    /// What led to the mesh's verdict in addition to its policies, in words: how the client calls, and what the port is taken for.
    pub fn mesh_notes(&self, ask: &Ask<'_>) -> Vec<String> {
        let End::Workload(to) = ask.to else { return Vec::new() };
        let mut notes = Vec::new();
        let to_endpoint = &self.endpoints()[to];
        if ask.protocol != Protocol::Tcp || !(to_endpoint.sidecar || to_endpoint.ambient) {
            return notes;
        }
        let from = match ask.from {
            End::Workload(from) => &self.endpoints()[from],
            _ => return vec!["the client is not in the mesh and sends plain text".to_owned()],
        };
        for route in self.ways(ask) {
            let call = Towards {
                from,
                to: to_endpoint,
                port: ask.port,
                route,
            };
            let by = match route {
                None => "the pod's own address, since no Service leads to this port".to_owned(),
                Some(route) if from.sidecar && !self.mesh_policies().knows(from, route) => format!(
                    "Service {}/{}, which the client's sidecar has no entry for",
                    route.service.0, route.service.1
                ),
                Some(route) => format!("Service {}/{}", route.service.0, route.service.1),
            };
            let waypoint = route.and_then(|route| route.waypoint.as_ref()).filter(|_| from.ambient);
            let sent: Vec<&str> = self.sent(ask, route).into_iter().map(ClientTls::words).collect();
            let mut note = format!("by {by}: {}", sent.join(" or "));
            if let Some(waypoint) = waypoint {
                let principal = waypoint.principal(self.trust_domain());
                note.push_str(&format!(
                    " to waypoint {}/{}, whose identity the workload sees (`{principal}`)",
                    waypoint.namespace, waypoint.name
                ));
            }
            if let Some(rule) = self.mesh_policies().destination_rule_of(&call) {
                note.push_str(&format!(" ({rule})"));
            }
            notes.push(note);
        }
        if to_endpoint.sidecar && ask.http.is_some() {
            let named =
                routes::leading(self.routes_of(ask.to), ask.port).filter(|route| !route.protocol.reads_requests());
            for route in named {
                notes.push(format!(
                    "port `{}` of Service {}/{} is taken for TCP, so that the server's proxy sees no request",
                    route
                        .port_name
                        .clone()
                        .unwrap_or_else(|| route.service_port.to_string()),
                    route.service.0,
                    route.service.1
                ));
            }
        }
        notes
    }
}
