//! Objects of Istio that change proxies in ways that are not evaluated: whom they may concern.
//!
//! Belongs here: EnvoyFilters, WasmPlugins and Sidecars with listeners of their own: namespace, selector, and whether clients
//! or servers are meant; and which Services a Sidecar lets clients know. Does not belong here: evaluation (`policy::istio`);
//! of the former there is none, so that the verdicts of those are unknown.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::object::{Loose, SpannedMap, labels};
use super::options::{Layer, Side, Unknown};
use crate::policy::istio::SidecarScope;
use crate::policy::labels::{LabelSelector, Requirement};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Anything, Document};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    /// Of EnvoyFilters and Sidecars.
    workload_selector: Option<Selector>,
    /// Of WasmPlugins.
    selector: Option<Selector>,
    target_refs: Option<Vec<Anything>>,
    config_patches: Option<Vec<Patch>>,
    ingress: Option<Vec<Anything>>,
    egress: Option<Vec<Egress>>,
}

#[derive(Deserialize)]
struct Egress {
    hosts: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    labels: Option<SpannedMap>,
    match_labels: Option<SpannedMap>,
}

#[derive(Deserialize)]
struct Patch {
    r#match: Option<Match>,
}

#[derive(Deserialize)]
struct Match {
    context: Option<String>,
}

impl Selector {
    fn read(self) -> LabelSelector {
        let written = self.labels.or(self.match_labels);
        LabelSelector {
            match_labels: written.map_or_else(BTreeMap::new, |map| labels(&map).0),
            match_expressions: Vec::new(),
        }
    }
}

/// Which Services a Sidecar lets its clients know.
pub(super) fn scope(document: &Document<'_>) -> Result<SidecarScope, InputError> {
    let object: Loose<Spec> = document.parse()?;
    let spec = object.spec.unwrap_or_default();
    let hosts = spec
        .egress
        .map(|list| list.into_iter().flat_map(|egress| egress.hosts.unwrap_or_default()));
    Ok(SidecarScope {
        namespace: object.metadata.namespace(),
        clients: spec.workload_selector.map(Selector::read),
        hosts: hosts.map(Iterator::collect),
        created: object.metadata.created(),
    })
}

/// Whom an object of this kind may concern; none if no workload whose verdicts are asked.
pub(super) fn concerned(document: &Document<'_>, kind: &str) -> Result<Option<Unknown>, InputError> {
    let object: Loose<Spec> = document.parse()?;
    let spec = object.spec.unwrap_or_default();
    let why = match kind {
        "Sidecar" if spec.ingress.is_none_or(|ingress| ingress.is_empty()) => return Ok(None),
        "Sidecar" => "the Sidecar has listeners of its own, which are not evaluated",
        "EnvoyFilter" => "an EnvoyFilter changes the proxy, and its effect is not evaluated",
        _ => "a WasmPlugin extends the proxy, and its effect is not evaluated",
    };
    let chosen = spec.workload_selector.or(spec.selector);
    let mut selector = chosen.map(Selector::read);
    let contexts: Vec<String> = spec
        .config_patches
        .into_iter()
        .flatten()
        .map(|patch| {
            patch
                .r#match
                .and_then(|m| m.context)
                .unwrap_or_else(|| "ANY".to_owned())
        })
        .collect();
    let all_are = |context: &str| !contexts.is_empty() && contexts.iter().all(|c| c == context);
    if all_are("GATEWAY") || spec.target_refs.is_some_and(|targets| !targets.is_empty()) {
        // Gateways carry this label (Istio chart `gateway`).
        let of_gateway = ("istio".to_owned(), Requirement::Exists);
        selector.get_or_insert_default().match_expressions.push(of_gateway);
    }
    let side = match kind {
        "Sidecar" => Side::Server,
        _ if all_are("SIDECAR_INBOUND") => Side::Server,
        _ if all_are("SIDECAR_OUTBOUND") => Side::Client,
        _ => Side::Either,
    };
    let place = document.place(&object.metadata.name);
    let namespace = object.metadata.namespace();
    Ok(Some(Unknown {
        api_version: document.text_of("apiVersion").unwrap_or_default().to_owned(),
        kind: kind.to_owned(),
        why: format!("{place}: {why} ({kind} {namespace}/{})", object.metadata.name.value),
        namespace: Some(namespace),
        name: object.metadata.name.value,
        selector,
        layer: Layer::Mesh,
        side,
        place,
    }))
}
