//! Waypoints of Istio's ambient mode: which there are, and which Services they stand in front of.
//!
//! Belongs here: Gateways of the class of waypoints, the labels that choose one, and the routes that follow. Does not belong
//! here: what a waypoint enforces (`policy::waypoints`).
//!
//! Sources: Istio docs `ambient/usage/waypoint`; istio/api `label/labels.yaml`; Istio
//! `pilot/pkg/serviceregistry/kube/controller/ambient/waypoints.go`, `pilot/pkg/networking/core/listener_waypoint.go`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::object::SpannedMap;
use super::{Manifests, ServiceManifest};
use crate::policy::Route;
use crate::policy::labels::Labels;
use crate::policy::waypoints::WaypointName;
use crate::policy::{Endpoint, Protocol};
use crate::scenario::error::{InputError, Place};
use crate::scenario::yaml::{Document, Spanned};

/// Label of a namespace, a Service or a pod that names its waypoint.
pub(super) const USE_WAYPOINT: &str = "istio.io/use-waypoint";
/// The waypoint's namespace, if it is another one.
const USE_WAYPOINT_NAMESPACE: &str = "istio.io/use-waypoint-namespace";
/// Label of a waypoint: `service` (as without it), `workload`, `all` or `none`.
const WAYPOINT_FOR: &str = "istio.io/waypoint-for";
const WAYPOINT_CLASS: &str = "istio-waypoint";
/// What opts out.
const NONE: &str = "none";

/// A waypoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaypointManifest {
    /// Namespace and name of its Gateway.
    pub name: WaypointName,
    /// Whether it stands in front of Services.
    pub for_services: bool,
    /// Where its name is written.
    pub place: Place,
}

#[derive(Deserialize)]
struct Gateway {
    metadata: Metadata,
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Metadata {
    name: Spanned<String>,
    namespace: Option<String>,
    labels: Option<SpannedMap>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    gateway_class_name: Option<Spanned<String>>,
}

/// Reads a Gateway; none if it is no waypoint.
pub(super) fn read(document: &Document<'_>) -> Result<Option<WaypointManifest>, InputError> {
    let gateway: Gateway = document.lenient().parse()?;
    let class = gateway.spec.and_then(|spec| spec.gateway_class_name);
    if class.is_none_or(|class| class.value != WAYPOINT_CLASS) {
        return Ok(None);
    }
    let written = gateway.metadata.labels.unwrap_or_default();
    let for_services = match written.get(WAYPOINT_FOR) {
        None => true,
        Some(value) => match value.value.as_str() {
            "service" | "all" => true,
            "workload" | NONE => false,
            other => {
                let error = document.error(value, format!("`{WAYPOINT_FOR}: {other}` is not known"));
                return Err(error.with_candidates(other, ["service", "workload", "all", NONE]));
            }
        },
    };
    Ok(Some(WaypointManifest {
        name: WaypointName {
            namespace: gateway.metadata.namespace.unwrap_or_else(|| "default".to_owned()),
            name: gateway.metadata.name.value.clone(),
        },
        for_services,
        place: document.place(&gateway.metadata.name),
    }))
}

/// Which waypoint labels choose: none if they say nothing, and within that none if they opt out.
fn chosen(labels: &Labels, namespace: &str) -> Option<Option<WaypointName>> {
    let name = labels.get(USE_WAYPOINT)?;
    let of = labels.get(USE_WAYPOINT_NAMESPACE).unwrap_or(namespace);
    Some((name != NONE).then(|| WaypointName {
        namespace: of.to_owned(),
        name: name.to_owned(),
    }))
}

/// Warnings about waypoints that are named and that no Gateway declares.
pub(super) fn undeclared(manifests: &Manifests) -> Vec<String> {
    let services = manifests.services.iter().map(|s| (&s.labels, &s.namespace, &s.place));
    let namespaces = manifests.namespaces.iter().map(|n| (&n.labels, &n.name, &n.place));
    let named = services.chain(namespaces).filter_map(|(labels, namespace, place)| {
        let name = chosen(labels, namespace)??;
        let declared = manifests.waypoints.iter().any(|waypoint| waypoint.name == name);
        (!declared).then(|| {
            let WaypointName { namespace, name } = name;
            format!(
                "{place}: no Gateway declares the waypoint `{namespace}/{name}`; it is taken to be there, for Services"
            )
        })
    });
    named.collect()
}

impl Manifests {
    /// The Services that lead to each endpoint, with their waypoints, in the order of [`Manifests::endpoints`].
    pub fn routes(&self) -> Vec<Vec<Route>> {
        let namespaces: BTreeMap<&str, &Labels> =
            self.namespaces.iter().map(|n| (n.name.as_str(), &n.labels)).collect();
        let waypoint_of = |service: &ServiceManifest| {
            let of_namespace = || chosen(namespaces.get(service.namespace.as_str())?, &service.namespace);
            let name = chosen(&service.labels, &service.namespace).or_else(of_namespace)??;
            let declared = self.waypoints.iter().find(|waypoint| waypoint.name == name);
            // Waypoints take only calls to a Service's own address (Istio `listener_waypoint.go`, `ipMatcher`).
            (declared.is_none_or(|waypoint| waypoint.for_services) && !service.headless).then_some(name)
        };
        let mut routes = vec![Vec::new(); self.endpoints.len()];
        type Behind<'a> = (&'a ServiceManifest, Option<WaypointName>, bool);
        let mut by_namespace: BTreeMap<&str, Vec<Behind<'_>>> = BTreeMap::new();
        for service in &self.services {
            let list = by_namespace.entry(service.namespace.as_str()).or_default();
            list.push((service, waypoint_of(service), true));
        }
        let takes_mutual_tls = |endpoint: &Endpoint| {
            let mode = endpoint.subject.labels.get("security.istio.io/tlsMode");
            endpoint.sidecar && mode.is_none_or(|mode| mode == "istio")
        };
        for endpoint in self
            .endpoints
            .iter()
            .map(|e| &e.endpoint)
            .filter(|e| !takes_mutual_tls(e))
        {
            let services = by_namespace.get_mut(endpoint.subject.namespace.as_str());
            let behind = services.into_iter().flatten().filter(|(service, ..)| service.headless);
            for (service, _, all) in behind {
                *all &= !service.selects(&endpoint.subject);
            }
        }
        for (endpoint, routes) in self.endpoints.iter().zip(&mut routes) {
            let subject = &endpoint.endpoint.subject;
            let services = by_namespace.get(subject.namespace.as_str()).into_iter().flatten();
            for (service, waypoint, all_with_sidecar) in services.filter(|(service, ..)| service.selects(subject)) {
                let ports = service.ports.iter().filter(|port| port.protocol == Protocol::Tcp);
                routes.extend(ports.filter_map(|port| {
                    Some(Route {
                        service: (service.namespace.clone(), service.name.clone()),
                        service_port: port.port,
                        target_port: port.of(&endpoint.endpoint)?,
                        port_name: port.name.clone(),
                        protocol: port.speaks,
                        headless: service.headless,
                        all_with_sidecar: *all_with_sidecar,
                        cluster_ip: service.cluster_ip,
                        created: service.created.clone(),
                        export_to: service.export_to.clone(),
                        waypoint: waypoint.clone(),
                    })
                }));
            }
        }
        routes
    }
}
