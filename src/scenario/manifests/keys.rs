//! Labels and annotations that change a verdict and are not evaluated, when a folder is read for its policies.
//!
//! Belongs here: the list with reasons, and where such keys stand. Does not belong here: the stricter list of the simulator
//! (`object`).

use serde::Deserialize;

use super::capture;
use super::injection::DATAPLANE_MODE;
use super::object::SpannedMap;
use super::waypoints::USE_WAYPOINT;
use crate::scenario::error::InputError;
use crate::scenario::yaml::Document;

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
    ("meshfault.dev/", &["true", "false"], "no such key is known"),
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
    let mut object: Option<Box<KeysOnly>> = Some(Box::new(document.parse()?));
    while let Some(level) = object {
        let (metadata, spec) = (level.metadata, level.spec);
        object = spec.and_then(|s| s.template.or(s.job_template));
        if templates && object.is_some() {
            continue;
        }
        let maps = metadata.map_or([None, None], |m| [m.labels, m.annotations]);
        for (key, value) in maps.iter().flatten().flatten() {
            let of_service = !templates && key.starts_with(USE_WAYPOINT);
            let hit = NOT_EVALUATED
                .iter()
                .filter(|_| !of_service && !capture::KEYS.contains(&key.as_str()))
                .find(|(start, harmless, _)| key.starts_with(start) && !harmless.contains(&value.value.as_str()));
            if let Some((_, _, why)) = hit {
                let message = format!("`{key}: {}` is not modeled", value.value);
                errors.push(document.error(value, message).with_hint(*why));
            }
        }
    }
    Ok(errors)
}
