//! Labels and annotations that change a verdict or a start and are not evaluated.
//!
//! Belongs here: the lists with reasons, and where such keys are. Does not belong here: keys of policies (`object`).

use serde::Deserialize;

use super::capture;
use super::injection::DATAPLANE_MODE;
use super::object::SpannedMap;
use super::types::Remarks;
use super::waypoints::USE_WAYPOINT;
use super::workload::{OWN_KEYS, OWN_PREFIX};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

/// Labels and annotations of Istio and Cilium on pods that change a verdict and are not evaluated, by the beginning of their
/// key, with the values that change nothing and the reason.
const NOT_EVALUATED: [(&str, &[&str], &str); 10] = [
    (
        "traffic.sidecar.istio.io/",
        &[],
        "of these, ports and blocks of addresses are evaluated, interfaces are not",
    ),
    (
        "sidecar.istio.io/interceptionMode",
        &["REDIRECT", "TPROXY"],
        "what bypasses the sidecar is not evaluated",
    ),
    (
        "inject.istio.io/templates",
        &["sidecar", "gateway", "custom,sidecar"],
        "what other templates inject is not evaluated",
    ),
    (
        USE_WAYPOINT,
        &["none"],
        "waypoints of Services and namespaces are evaluated, those of single pods are not",
    ),
    (
        "istio.io/ingress-use-waypoint",
        &["false"],
        "what a waypoint enforces is not evaluated",
    ),
    (
        "ambient.istio.io/bypass-inbound-capture",
        &["false"],
        "what bypasses the node's proxy is not evaluated",
    ),
    (
        "security.istio.io/tlsMode",
        &["istio", "disabled"],
        "a pod that is called without mutual TLS is not evaluated",
    ),
    (
        "policy.cilium.io/no-track-",
        &[],
        "ports without connection tracking are not evaluated",
    ),
    (
        DATAPLANE_MODE,
        &["ambient", "none"],
        "only `ambient` and `none` are evaluated",
    ),
    (OWN_PREFIX, &[], "no such key is known"),
];

/// Keys of proxies that matter to a run, by their beginning, with what a run has instead, and whether that may change an answer.
const NOT_SIMULATED: [(&str, &str, bool); 3] = [
    ("traffic.sidecar.istio.io/", "all ports meet the sidecar", true),
    (
        "proxy.istio.io/config",
        "all proxies have the settings of the design",
        false,
    ),
    (
        "inject.istio.io/",
        "all proxies are injected as the design has it",
        false,
    ),
];

#[derive(Deserialize)]
struct KeysOnly {
    metadata: Option<KeysMetadata>,
    spec: Option<KeysSpec>,
}

#[derive(Deserialize)]
struct KeysMetadata {
    labels: Option<SpannedMap>,
    annotations: Option<SpannedMap>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysSpec {
    template: Option<Box<KeysOnly>>,
    job_template: Option<Box<KeysOnly>>,
}

/// Errors about labels and annotations of the pods (or of a Namespace, which hands them to its pods) that change a verdict
/// and are not evaluated.
pub(super) fn not_evaluated(document: &Document<'_>, templates: bool) -> Result<Vec<InputError>, InputError> {
    let mut errors = Vec::new();
    for (key, value) in keys_of(document, templates)? {
        let of_service = !templates && key.starts_with(USE_WAYPOINT);
        let hit = NOT_EVALUATED
            .iter()
            .filter(|_| !of_service && !capture::KEYS.contains(&key.as_str()) && !OWN_KEYS.contains(&key.as_str()))
            .find(|(start, harmless, _)| key.starts_with(start) && !harmless.contains(&value.value.as_str()));
        if let Some((_, _, why)) = hit {
            let message = format!("`{key}: {}` is not modeled", value.value);
            errors.push(document.error(&value, message).with_hint(*why));
        }
    }
    Ok(errors)
}

/// Remarks on labels and annotations of pods that a run goes without.
pub(super) fn not_simulated(document: &Document<'_>, remarks: &mut Remarks) -> Result<(), InputError> {
    for error in not_evaluated(document, true)? {
        if !NOT_SIMULATED
            .iter()
            .any(|(start, ..)| error.message.starts_with(&format!("`{start}")))
        {
            remarks.refused.push(error);
        }
    }
    for (key, value) in keys_of(document, true)? {
        if let Some((_, instead, refused)) = NOT_SIMULATED.iter().find(|(start, ..)| key.starts_with(start)) {
            let (place, shown) = (document.place(&value), format!("`{key}: {}`", value.value));
            match refused {
                true => remarks.refuse(place, &shown, instead),
                false => remarks.approximate(place, &shown, instead),
            }
        }
    }
    Ok(())
}

/// The labels and annotations of the object itself, or of its pod template.
fn keys_of(document: &Document<'_>, templates: bool) -> Result<Vec<(String, Spanned<String>)>, InputError> {
    let mut keys = Vec::new();
    let mut object: Option<Box<KeysOnly>> = Some(Box::new(document.parse()?));
    while let Some(level) = object {
        let (metadata, spec) = (level.metadata, level.spec);
        object = spec.and_then(|s| s.template.or(s.job_template));
        if templates && object.is_some() {
            continue;
        }
        let maps = metadata.map_or([None, None], |m| [m.labels, m.annotations]);
        keys.extend(maps.into_iter().flatten().flatten());
    }
    Ok(keys)
}
