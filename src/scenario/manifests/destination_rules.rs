//! DestinationRules: what in them decides how clients call.
//!
//! Belongs here: host, scope and TLS modes. Does not belong here: load balancing and limits, which change no verdict, and which
//! rule counts for whom (`policy::istio`).

use std::sync::Arc;

use serde::Deserialize;

use super::object::{Loose, SpannedMap};
use crate::policy::Origin;
use crate::policy::istio::{DestinationRule, TlsMode, TrafficTls};
use crate::policy::labels::LabelSelector;
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    host: Option<Spanned<String>>,
    export_to: Option<Vec<String>>,
    workload_selector: Option<WorkloadSelector>,
    traffic_policy: Option<TrafficPolicy>,
    subsets: Option<Vec<Subset>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkloadSelector {
    match_labels: Option<SpannedMap>,
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
    port: Option<PortSelector>,
    tls: Option<Tls>,
}

#[derive(Deserialize)]
struct PortSelector {
    number: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tls {
    mode: Option<Spanned<String>>,
    credential_name: Option<String>,
}

/// Reads a DestinationRule; with a warning if its host can mean no Service although it looks as if it did.
pub(super) fn read(document: &Document<'_>) -> Result<(DestinationRule, Option<String>), InputError> {
    let object: Loose<Spec> = document.parse()?;
    let meta = object.metadata;
    let place = document.place(&meta.name);
    let Some(spec) = object.spec else {
        return Err(place.error("key `spec` is missing"));
    };
    let Some(host) = spec.host.filter(|host| !host.value.is_empty()) else {
        return Err(place.error("key `host` is missing"));
    };
    let namespace = meta.namespace();
    let clients = spec.workload_selector.map(|selector| LabelSelector {
        match_labels: super::object::labels(&selector.match_labels.unwrap_or_default()).0,
        match_expressions: Vec::new(),
    });
    let by_selector = clients.is_some();
    let read = |policy: TrafficPolicy| traffic(document, policy, by_selector);
    let subsets = spec
        .subsets
        .into_iter()
        .flatten()
        .filter_map(|subset| subset.traffic_policy);
    let rule = DestinationRule {
        name: meta.name.value.clone(),
        host: host.value.clone(),
        export_to: spec.export_to.unwrap_or_default(),
        clients,
        traffic: spec.traffic_policy.map(read).transpose()?,
        subsets: subsets.map(read).collect::<Result<_, _>>()?,
        created: meta.created(),
        origin: Arc::new(Origin {
            policy: format!("DestinationRule {namespace}/{}", meta.name.value),
            file: document.file().display().to_string(),
            rule_lines: Vec::new(),
        }),
        namespace,
    };
    let looks_short = host.value.split('.').count() == 2 && !host.value.starts_with('*');
    let warning = looks_short.then(|| {
        format!(
            "{}: Istio takes the host `{}` for a full name, not for a Service and its namespace; write \
             `NAME.NAMESPACE.svc.cluster.local`, or the name alone",
            document.place(&host),
            host.value
        )
    });
    Ok((rule, warning))
}

/// Whether it makes clients call Services of the cluster otherwise than automatic mutual TLS does.
pub(super) fn sets_tls(rule: &DestinationRule) -> bool {
    // A full name that is none of the cluster is a host outside of it.
    if rule.host.contains('.') && !rule.host.contains(".svc") && !rule.host.ends_with(".local") {
        return false;
    }
    let differs = |mode: &Option<TlsMode>| mode.is_some_and(|mode| mode != TlsMode::IstioMutual);
    let sets = |traffic: &TrafficTls| differs(&traffic.mode) || traffic.ports.iter().any(|(_, mode)| differs(mode));
    rule.traffic.iter().chain(&rule.subsets).any(sets)
}

fn traffic(document: &Document<'_>, policy: TrafficPolicy, by_selector: bool) -> Result<TrafficTls, InputError> {
    let mode = |tls: Option<Tls>| -> Result<Option<TlsMode>, InputError> {
        let Some(tls) = tls else { return Ok(None) };
        let Some(text) = tls.mode else {
            return Ok(Some(TlsMode::Disable));
        };
        let Some(mode) = TlsMode::parse(&text.value) else {
            let error = document.error(&text, format!("unknown TLS mode `{}`", text.value));
            return Err(error.with_candidates(&text.value, TlsMode::NAMES));
        };
        // A sidecar takes a secret only from a rule that selects it, and without one sends plain text (Istio
        // `pilot/pkg/networking/core/cluster_tls.go`, `buildUpstreamClusterTLSContext`).
        let secret = tls
            .credential_name
            .filter(|name| !name.is_empty() && !name.starts_with("configmap://"));
        Ok(Some(match mode {
            TlsMode::Simple | TlsMode::Mutual if secret.is_some() && !by_selector => TlsMode::Disable,
            other => other,
        }))
    };
    let mut ports = Vec::new();
    for level in policy.port_level_settings.into_iter().flatten() {
        if let Some(number) = level.port.and_then(|port| port.number) {
            ports.push((number, mode(level.tls)?));
        }
    }
    Ok(TrafficTls {
        mode: mode(policy.tls)?,
        ports,
    })
}
