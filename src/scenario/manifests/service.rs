//! Services: selector, ports and name.
//!
//! Belongs here: the Service and how Istio reads the protocol of its ports. Does not belong here: endpoints and load
//! balancing (`cluster`).

use serde::{Deserialize, Deserializer};

use super::object::{LabelPlace, NumberOrText, SpannedMap, labels};
use super::{Remarks, ServiceManifest, ServicePort, TargetPort};
use crate::policy::Protocol;
use crate::policy::istio::PortProtocol;
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPort {
    name: Option<String>,
    port: Spanned<u16>,
    target_port: Option<Spanned<TargetPort>>,
    protocol: Option<Spanned<String>>,
    app_protocol: Option<String>,
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

/// Annotation with the namespaces that see a Service (istio/api `annotation`).
const EXPORT_TO: &str = "networking.istio.io/exportTo";

#[derive(Deserialize)]
struct RawService {
    metadata: RawMetadata,
    spec: Option<RawSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMetadata {
    name: Spanned<String>,
    creation_timestamp: Option<String>,
    annotations: Option<SpannedMap>,
    namespace: Option<String>,
    labels: Option<SpannedMap>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawSpec {
    selector: Option<SpannedMap>,
    ports: Option<Vec<RawPort>>,
    r#type: Option<String>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    external_name: Option<String>,
}

/// Reads a Service of any shape: without a selector, headless, or a mere name. Unknown keys are found by `fields`.
/// Returns its selector's labels with their places too.
pub(super) fn read(document: &Document<'_>) -> Result<(ServiceManifest, Vec<LabelPlace>), InputError> {
    let object: RawService = document.parse()?;
    let place = document.place(&object.metadata.name);
    let Some(spec) = object.spec else {
        return Err(place.error("key `spec` is missing"));
    };
    let mut ports = Vec::new();
    for raw in spec.ports.unwrap_or_default() {
        let number = raw.port.value;
        if number == 0 {
            return Err(document.error(&raw.port, "`port: 0` is not a valid port"));
        }
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
        remarks: Remarks::default(),
        place,
    };
    Ok((service, places))
}
