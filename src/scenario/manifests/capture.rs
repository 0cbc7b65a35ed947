//! Annotations that state which traffic of a pod meets its sidecar.
//!
//! Belongs here: reading `traffic.sidecar.istio.io/…`. Does not belong here: what follows for a call (`policy::istio`).

use super::object::SpannedMap;
use crate::policy::Capture;
use crate::policy::cidr::Block;
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

/// What all these keys begin with.
const PREFIX: &str = "traffic.sidecar.istio.io/";
pub(super) const KEYS: [&str; 6] = [
    "traffic.sidecar.istio.io/includeInboundPorts",
    "traffic.sidecar.istio.io/excludeInboundPorts",
    "traffic.sidecar.istio.io/includeOutboundPorts",
    "traffic.sidecar.istio.io/excludeOutboundPorts",
    "traffic.sidecar.istio.io/includeOutboundIPRanges",
    "traffic.sidecar.istio.io/excludeOutboundIPRanges",
];

/// Reads the annotations of a pod or a pod template (istio/api `annotation/annotations.yaml`).
///
/// # Errors
/// If a value is no list of ports or of blocks of addresses; Istio would then not inject (`pkg/kube/inject/validate.go`).
pub(super) fn read(document: &Document<'_>, annotations: &SpannedMap) -> Result<Capture, InputError> {
    let value = |key: &str| annotations.get(format!("{PREFIX}{key}").as_str());
    let ports = |key: &str| -> Result<Vec<u16>, InputError> {
        value(key).map_or(Ok(Vec::new()), |text| list(document, text, port))
    };
    let blocks = |key: &str| -> Result<Vec<Block>, InputError> {
        value(key).map_or(Ok(Vec::new()), |text| list(document, text, block))
    };
    let only = |key: &str| value(key).is_some_and(|text| text.value.trim() != "*");
    let include_inbound_ports = only("includeInboundPorts").then(|| ports("includeInboundPorts"));
    let include_outbound_blocks = only("includeOutboundIPRanges").then(|| blocks("includeOutboundIPRanges"));
    Ok(Capture {
        include_inbound_ports: include_inbound_ports.transpose()?,
        exclude_inbound_ports: ports("excludeInboundPorts")?,
        include_outbound_ports: ports("includeOutboundPorts")?,
        exclude_outbound_ports: ports("excludeOutboundPorts")?,
        include_outbound_blocks: include_outbound_blocks.transpose()?,
        exclude_outbound_blocks: blocks("excludeOutboundIPRanges")?,
    })
}

fn list<T>(
    document: &Document<'_>,
    text: &Spanned<String>,
    entry: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, InputError> {
    let entries = text.value.split(',').map(str::trim).filter(|part| !part.is_empty());
    let read = entries.map(|part| {
        entry(part).ok_or_else(|| {
            let error = document.error(
                text,
                format!("`{part}` is neither a port nor a block of addresses here"),
            );
            error.with_hint("Istio reads a list with commas, such as `8080,9443` or `10.0.0.0/8`")
        })
    });
    read.collect()
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn block(text: &str) -> Option<Block> {
    Block::parse(text, &[] as &[&str]).ok()
}
