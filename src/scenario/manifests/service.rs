//! Services: the strict reading of selector and ports.
//!
//! Belongs here: the Service and how Istio reads the protocol of its ports. Does not belong here: endpoints and load
//! balancing (`cluster`).

use serde::{Deserialize, Deserializer};

use super::object::{Ignored, LabelPlace, NumberOrText, Object, SpannedMap, check_keys, labels};
use super::{ServiceManifest, ServicePort, TargetPort};
use crate::policy::Protocol;
use crate::policy::istio::PortProtocol;
use crate::scenario::error::{InputError, Place};
use crate::scenario::yaml::{Document, Spanned};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ServiceSpec {
    selector: Option<Spanned<SpannedMap>>,
    ports: Option<Spanned<Vec<RawPort>>>,
    r#type: Option<Spanned<String>>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<Spanned<String>>,
    session_affinity: Option<Spanned<String>>,
    internal_traffic_policy: Option<Spanned<String>>,
    /// Which addresses the Service gets is decided when it is placed in a cluster.
    #[serde(rename = "clusterIPs")]
    _cluster_ips: Ignored,
    _ip_families: Ignored,
    _ip_family_policy: Ignored,
    /// Only traffic from outside the cluster.
    _external_traffic_policy: Ignored,
    _allocate_load_balancer_node_ports: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawPort {
    name: Option<String>,
    port: Spanned<u16>,
    target_port: Option<Spanned<TargetPort>>,
    protocol: Option<Spanned<String>>,
    app_protocol: Option<String>,
    /// Only traffic from outside the cluster.
    _node_port: Ignored,
}

impl<'de> Deserialize<'de> for TargetPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = |value| u16::try_from(value).ok().filter(|port| *port > 0).map(Self::Number);
        let name = |text: &str| Some(Self::Name(text.to_owned()));
        let expected = "a port number or the name of a container port";
        deserializer.deserialize_any(NumberOrText {
            expected,
            number,
            text: name,
        })
    }
}

/// A Service whose named target ports are not looked up yet.
pub(super) struct Draft {
    pub service: ServiceManifest,
    pub selector_place: Place,
    pub selector_labels: Vec<LabelPlace>,
    /// Index of the port, name of the container port and its place.
    pub named_targets: Vec<(usize, String, Place)>,
}

pub(super) fn read(document: &Document<'_>, object: Object<ServiceSpec>) -> Result<Draft, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.labels, &[])?;
    check_keys(document, &meta.annotations, &[])?;
    let place = document.place(&meta.name);
    let Some(spec) = object.spec else {
        return Err(place.error("key `spec` is missing"));
    };
    let one_of = |value: &Option<Spanned<String>>, key: &str, allowed: &[&str]| match value {
        Some(text) if !allowed.contains(&text.value.as_str()) => {
            let message = format!("`{key}: {}` is not modeled", text.value);
            let hint = format!("evaluated: {}", allowed.join(", "));
            Err(document.error(text, message).with_hint(hint))
        }
        _ => Ok(()),
    };
    let types = ["ClusterIP", "NodePort", "LoadBalancer"];
    one_of(&spec.r#type, "type", &types)?;
    one_of(&spec.session_affinity, "sessionAffinity", &["None"])?;
    one_of(&spec.internal_traffic_policy, "internalTrafficPolicy", &["Cluster"])?;
    if let Some(ip) = &spec.cluster_ip
        && ip.value == "None"
    {
        let message = "`clusterIP: None` is not modeled";
        let hint = "headless Services are not evaluated; leave the key out";
        return Err(document.error(ip, message).with_hint(hint));
    }
    let Some(selector) = spec.selector.filter(|s| !s.value.is_empty()) else {
        let message = format!("Service `{}` has no selector", meta.name.value);
        let hint = "endpoints that are written by hand are not modeled";
        return Err(place.error(message).with_hint(hint));
    };
    let Some(raw_ports) = spec.ports.filter(|p| !p.value.is_empty()) else {
        return Err(place.error(format!("Service `{}` has no ports", meta.name.value)));
    };
    let (mut ports, mut named_targets) = (Vec::new(), Vec::new());
    for raw in &raw_ports.value {
        let number = raw.port.value;
        if number == 0 {
            return Err(document.error(&raw.port, "`port: 0` is not a valid port"));
        }
        let protocol = raw.protocol.as_ref();
        let mut port = ServicePort {
            name: raw.name.clone(),
            port: number,
            target: TargetPort::Number(number),
            protocol: match protocol.map_or("TCP", |p| &p.value) {
                "TCP" => Protocol::Tcp,
                "UDP" => Protocol::Udp,
                "SCTP" => Protocol::Sctp,
                other => {
                    let error = raw.protocol.as_ref().map_or_else(
                        || place.error("unknown protocol"),
                        |p| document.error(p, format!("unknown protocol `{other}`")),
                    );
                    return Err(error.with_candidates(other, ["TCP", "UDP", "SCTP"]));
                }
            },
            speaks: PortProtocol::of_service_port(number, raw.name.as_deref(), raw.app_protocol.as_deref()),
        };
        match raw.target_port.as_ref().map(|t| (t, &t.value)) {
            Some((_, TargetPort::Number(number))) => port.target = TargetPort::Number(*number),
            Some((target, TargetPort::Name(name))) => {
                port.target = TargetPort::Name(name.clone());
                named_targets.push((ports.len(), name.clone(), document.place(target)));
            }
            None => {}
        }
        ports.push(port);
    }
    Ok(Draft {
        selector_place: document.place(&selector),
        selector_labels: selector
            .value
            .iter()
            .map(|(key, value)| LabelPlace::new(document, key, value))
            .collect(),
        named_targets,
        service: ServiceManifest {
            name: meta.name.value.clone(),
            namespace: meta.namespace(),
            selector: labels(&selector.value),
            ports,
            headless: false,
            cluster_ip: None,
            created: None,
            export_to: Vec::new(),
            external_name: None,
            labels: labels(&meta.labels),
            place,
        },
    })
}

/// Annotation with the namespaces that see a Service (istio/api `annotation`).
const EXPORT_TO: &str = "networking.istio.io/exportTo";

#[derive(Deserialize)]
struct AnyService {
    metadata: AnyMetadata,
    spec: Option<AnySpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyMetadata {
    name: Spanned<String>,
    creation_timestamp: Option<String>,
    annotations: Option<SpannedMap>,
    namespace: Option<String>,
    labels: Option<SpannedMap>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnySpec {
    selector: Option<SpannedMap>,
    ports: Option<Vec<RawPort>>,
    r#type: Option<String>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    external_name: Option<String>,
}

/// Reads a Service of any shape: without a selector, headless, or a mere name. Unknown keys are found by `fields`.
/// Returns its selector's labels with their places too.
pub(super) fn read_any(document: &Document<'_>) -> Result<(ServiceManifest, Vec<LabelPlace>), InputError> {
    let object: AnyService = document.parse()?;
    let place = document.place(&object.metadata.name);
    let Some(spec) = object.spec else {
        return Err(place.error("key `spec` is missing"));
    };
    let mut ports = Vec::new();
    for raw in spec.ports.unwrap_or_default() {
        let number = raw.port.value;
        let protocol = match raw.protocol.as_ref().map(|p| (p, p.value.as_str())) {
            None | Some((_, "TCP" | "")) => Protocol::Tcp,
            Some((_, "UDP")) => Protocol::Udp,
            Some((_, "SCTP")) => Protocol::Sctp,
            Some((written, other)) => {
                let error = document.error(written, format!("unknown protocol `{other}`"));
                return Err(error.with_candidates(other, ["TCP", "UDP", "SCTP"]));
            }
        };
        let speaks = PortProtocol::of_service_port(number, raw.name.as_deref(), raw.app_protocol.as_deref());
        ports.push(ServicePort {
            name: raw.name,
            port: number,
            target: raw.target_port.map_or(TargetPort::Number(number), |t| t.value),
            protocol,
            speaks,
        });
    }
    let selector = spec.selector.unwrap_or_default();
    let places = selector.iter().map(|(k, v)| LabelPlace::new(document, k, v)).collect();
    let is_name = spec.r#type.as_deref() == Some("ExternalName");
    let service = ServiceManifest {
        name: object.metadata.name.value.clone(),
        namespace: object.metadata.namespace.unwrap_or_else(|| "default".to_owned()),
        // A mere name has no pods behind it, whatever its selector is.
        selector: if is_name { Default::default() } else { labels(&selector) },
        ports,
        headless: spec.cluster_ip.as_deref() == Some("None"),
        cluster_ip: spec.cluster_ip.and_then(|text| text.parse().ok()),
        export_to: object
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(EXPORT_TO))
            .map(|text| text.value.split(',').map(|part| part.trim().to_owned()).collect())
            .unwrap_or_default(),
        created: object
            .metadata
            .creation_timestamp
            .filter(|text| super::istio::is_time(text)),
        external_name: spec.external_name.filter(|_| is_name),
        labels: labels(&object.metadata.labels.unwrap_or_default()),
        place,
    };
    Ok((service, places))
}
