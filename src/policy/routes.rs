//! Ways to a workload: the Services that lead to its ports.
//!
//! Belongs here: plain data about one such Service port, and what Istio takes a port of a workload for. Does not belong here:
//! where Services are read (`scenario::manifests`), and what a client sends on its way (`istio::client`).

use std::net::IpAddr;

use smallvec::SmallVec;

use super::istio::PortProtocol;
use super::waypoints::WaypointName;

/// One Service that leads to a port of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Namespace and name of the Service.
    pub service: (String, String),
    /// Port of the Service, which is the destination's port to a waypoint (Istio `pilot/pkg/networking/core/
    /// listener_waypoint.go`, `portMapper`), and to which DestinationRules refer.
    pub service_port: u16,
    /// Name of that port, if it has one.
    pub port_name: Option<String>,
    /// Port of the workload.
    pub target_port: u16,
    /// What Istio takes the port for.
    pub protocol: PortProtocol,
    /// Whether the Service's name leads to the pods' own addresses (`clusterIP: None`).
    pub headless: bool,
    /// Whether every pod behind the Service has a sidecar that accepts mutual TLS.
    pub all_with_sidecar: bool,
    /// Address of the Service, if it is written.
    pub cluster_ip: Option<IpAddr>,
    /// `metadata.creationTimestamp`, if it is written.
    pub created: Option<String>,
    /// Namespaces whose clients see the Service (annotation `networking.istio.io/exportTo`); none means all.
    pub export_to: Vec<String>,
    /// The waypoint in front of the Service.
    pub waypoint: Option<WaypointName>,
}

/// The routes that lead to one port of a workload.
pub(super) fn leading(routes: &[Route], port: u16) -> impl Iterator<Item = &Route> + Clone {
    routes.iter().filter(move |route| route.target_port == port)
}

/// What the sidecar of a workload takes one of its ports for: what the Service says that leads there, of several the oldest;
/// all they contain where the oldest one is not known; and without any Service it is detected (Istio
/// `pilot/pkg/networking/core/listener_inbound.go`, `getFilterChainsByServicePort`, `buildInboundPassthroughChains`).
pub(super) fn protocols(routes: &[Route], port: u16) -> SmallVec<[PortProtocol; 2]> {
    let age = |route: &&Route| (route.created.clone(), route.service.1.clone(), route.service.0.clone());
    let mut found: SmallVec<[PortProtocol; 2]> = leading(routes, port).map(|route| route.protocol).collect();
    found.sort_unstable();
    found.dedup();
    match found.len() {
        0 => found.push(PortProtocol::Detected),
        1 => {}
        _ if leading(routes, port).all(|route| route.created.is_some()) => {
            let oldest = leading(routes, port).min_by_key(age).map(|route| route.protocol);
            found = oldest.into_iter().collect();
        }
        _ => {}
    }
    found
}
