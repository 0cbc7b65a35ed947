//! Objects that matter for some of what they say: DestinationRules and Sidecars of Istio.
//!
//! Belongs here: finding what in them changes a verdict. Does not belong here: evaluation; there is none.

use serde::Deserialize;

use crate::scenario::error::InputError;
use crate::scenario::yaml::{Anything, Document, Spanned};

#[derive(Deserialize)]
struct Object<S> {
    spec: Option<S>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DestinationRule {
    traffic_policy: Option<TrafficPolicy>,
    subsets: Option<Vec<Subset>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subset {
    traffic_policy: Option<TrafficPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrafficPolicy {
    tls: Option<Tls>,
    port_level_settings: Option<Vec<PortLevel>>,
}

#[derive(Deserialize)]
struct PortLevel {
    tls: Option<Tls>,
}

#[derive(Deserialize)]
struct Tls {
    mode: Option<Spanned<String>>,
}

/// A DestinationRule with which clients call otherwise than with the mesh's own certificates.
pub(super) fn client_tls(document: &Document<'_>) -> Result<Option<InputError>, InputError> {
    let rule: Object<DestinationRule> = document.parse()?;
    let Some(spec) = rule.spec else { return Ok(None) };
    let subsets = spec.subsets.into_iter().flatten().filter_map(|s| s.traffic_policy);
    let policies = spec.traffic_policy.into_iter().chain(subsets);
    let tls = policies.flat_map(|p| {
        let ports = p.port_level_settings.into_iter().flatten().filter_map(|l| l.tls);
        p.tls.into_iter().chain(ports).collect::<Vec<_>>()
    });
    let mode = tls.filter_map(|t| t.mode).find(|mode| mode.value != "ISTIO_MUTUAL");
    Ok(mode.map(|mode| {
        let message = format!("`mode: {}` of a DestinationRule is not modelled", mode.value);
        let hint = "clients are taken to call with the mesh's own certificates wherever they can";
        document.error(&mode, message).with_hint(hint)
    }))
}

#[derive(Deserialize)]
struct Sidecar {
    ingress: Option<Spanned<Vec<Anything>>>,
}

/// A Sidecar with listeners of its own; what clients may call is no matter of authorization.
pub(super) fn listeners(document: &Document<'_>) -> Result<Option<InputError>, InputError> {
    let sidecar: Object<Sidecar> = document.parse()?;
    let ingress = sidecar.spec.and_then(|s| s.ingress).filter(|i| !i.value.is_empty());
    Ok(ingress.map(|ingress| {
        let error = document.error(&ingress, "`ingress` of a Sidecar is not modelled");
        error.with_hint("proxies are taken to listen on the ports of their workload")
    }))
}
