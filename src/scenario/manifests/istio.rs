//! PeerAuthentication and the heads of AuthorizationPolicies: the strict reading of what `policy::istio` evaluates.
//!
//! Belongs here: selectors, targets, modes, actions and annotations. Does not belong here: the rules of an
//! AuthorizationPolicy (`istio_rules`), tokens (`istio_tokens`), evaluation (`policy::istio`) and the list of refused keys
//! (`refused`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::checks::{Pending, Selects, Use};
use super::istio_rules::{RawRule, Reader};
use super::object::{Metadata, Object, RawSelector, SpannedMap, at, check_keys};
use super::{Located, ROOT_NAMESPACE};
use crate::policy::istio::{Action, AuthorizationPolicy, MtlsMode, PeerAuthentication, TargetKind, TargetRef};
use crate::policy::labels::LabelSelector;
use crate::policy::{Origin, PolicyError};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

/// Annotation that makes a policy one that is only logged (istio/api `annotation`).
const DRY_RUN: &str = "istio.io/dry-run";

/// Istio's workload selector (istio/api `type/v1beta1/selector.proto`).
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct WorkloadSelector {
    #[serde(default)]
    match_labels: SpannedMap,
}

/// `targetRefs[]` (same file).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTarget {
    #[serde(default)]
    group: String,
    kind: Spanned<String>,
    name: Spanned<String>,
    namespace: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PeerSpec {
    selector: Option<Spanned<WorkloadSelector>>,
    mtls: Option<Mtls>,
    port_level_mtls: Option<Spanned<BTreeMap<u16, Mtls>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mtls {
    mode: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct AuthorizationSpec {
    selector: Option<Spanned<WorkloadSelector>>,
    target_ref: Option<Spanned<RawTarget>>,
    #[serde(default)]
    target_refs: Vec<Spanned<RawTarget>>,
    action: Option<Spanned<String>>,
    rules: Option<Vec<Spanned<RawRule>>>,
    provider: Option<Spanned<Provider>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Provider {
    name: Option<String>,
}

/// A warning with its place.
pub(super) fn warn<T>(document: &Document<'_>, pending: &mut Pending, at: &Spanned<T>, words: &str) {
    pending.warnings.push(format!("{}: {words}", document.place(at)));
}

/// Whether a part that is not evaluated is passed over; it is noted if so.
pub(super) fn passed_over(pending: &mut Pending, error: InputError) -> Result<(), InputError> {
    pending.not_evaluated(error)
}

/// Reads the workload selector and notes that it has to match something.
pub(super) fn selector(
    document: &Document<'_>,
    raw: Option<&Spanned<WorkloadSelector>>,
    owner: &str,
    namespace: &str,
    pending: &mut Pending,
) -> Result<LabelSelector, InputError> {
    let Some(raw) = raw else {
        return Ok(LabelSelector::default());
    };
    for (key, value) in &raw.value.match_labels {
        if key.is_empty() || key.contains('*') || value.value.contains('*') {
            let message = format!("`{key}: {}` is not a label that Istio selects by", value.value);
            return Err(document
                .error(value, message)
                .with_hint("write label and value out, without `*`"));
        }
    }
    let plain = RawSelector {
        match_labels: raw.value.match_labels.clone(),
        match_expressions: Vec::new(),
    };
    let selector = plain.convert(document)?;
    pending.uses.push(Use {
        owner: format!("`selector` of {owner}"),
        place: document.place(raw),
        namespace: (namespace != ROOT_NAMESPACE).then(|| namespace.to_owned()),
        labels: plain.places(document),
        selects: Selects::Labels(selector.clone()),
        service: None,
    });
    Ok(selector)
}

/// Reads `targetRefs`, or the older `targetRef`, which count instead of a selector
/// (Istio `pkg/config/validation/validation.go`, `validateOneOfSelectorType`).
pub(super) fn targets(
    document: &Document<'_>,
    selector: Option<&Spanned<WorkloadSelector>>,
    one: Option<&Spanned<RawTarget>>,
    many: &[Spanned<RawTarget>],
) -> Result<Vec<TargetRef>, InputError> {
    let several = usize::from(selector.is_some()) + usize::from(one.is_some()) + usize::from(!many.is_empty()) > 1;
    if let (true, Some(target)) = (several, one.or(many.first())) {
        let message = "only one of `selector`, `targetRef` and `targetRefs` may be there";
        return Err(document.error(target, message));
    }
    let read = |raw: &Spanned<RawTarget>| -> Result<TargetRef, InputError> {
        let target = &raw.value;
        if let Some(namespace) = &target.namespace {
            let message = "`namespace` of a target is not supported by Istio";
            return Err(document
                .error(namespace, message)
                .with_hint("targets are in the policy's own namespace"));
        }
        if target.name.value.is_empty() {
            return Err(document.error(&target.name, "the target has no name"));
        }
        let kind = at(
            document,
            &target.kind,
            TargetKind::parse(&target.group, &target.kind.value),
        );
        let near = |error: InputError| match TargetKind::NAMES.contains(&target.kind.value.as_str()) {
            true => error,
            false => error.with_candidates(&target.kind.value, TargetKind::NAMES),
        };
        Ok(TargetRef {
            kind: kind.map_err(near)?,
            name: target.name.value.clone(),
        })
    };
    one.into_iter().chain(many).map(read).collect()
}

/// Where a policy is written, with the lines of its rules.
pub(super) fn origin(document: &Document<'_>, owner: &str, rule_lines: Vec<u32>) -> Option<Arc<Origin>> {
    Some(Arc::new(Origin {
        policy: owner.to_owned(),
        file: document.file().display().to_string(),
        rule_lines,
    }))
}

pub(super) fn read_peer(
    document: &Document<'_>,
    object: Object<PeerSpec>,
    pending: &mut Pending,
) -> Result<Located<PeerAuthentication>, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.annotations, &[])?;
    let place = document.place(&meta.name);
    let namespace = meta.namespace();
    let owner = format!("PeerAuthentication {namespace}/{}", meta.name.value);
    let spec = object.spec.unwrap_or_default();
    let raw = spec.selector.as_ref();
    let selector = selector(document, raw, &owner, &namespace, pending)?;
    if let (false, ROOT_NAMESPACE, Some(raw)) = (selector.is_empty(), namespace.as_str(), raw) {
        let words = format!("{owner} is ignored by Istio: it has a selector and is in the root namespace");
        warn(document, pending, raw, &words);
    }
    let mut port_modes = BTreeMap::new();
    if let Some(ports) = &spec.port_level_mtls {
        if selector.is_empty() {
            let message = "`portLevelMtls` without a selector";
            let hint = "Istio evaluates it for workloads only; add `selector`";
            return Err(document.error(ports, message).with_hint(hint));
        }
        if ports.value.is_empty() || ports.value.contains_key(&0) {
            let message = "`portLevelMtls` names no port, or port 0";
            return Err(document.error(ports, message).with_hint("name ports of the workload"));
        }
        for (port, mtls) in &ports.value {
            port_modes.insert(*port, mode(document, Some(mtls))?);
        }
    }
    Ok(Located {
        item: PeerAuthentication {
            name: meta.name.value.clone(),
            namespace,
            selector,
            mode: mode(document, spec.mtls.as_ref())?,
            port_modes,
            created: created(meta),
            origin: origin(document, &owner, Vec::new()),
        },
        place,
    })
}

/// The time of creation, if it is written as the API server writes it.
fn created(meta: &Metadata) -> Option<String> {
    meta.creation_timestamp.clone().filter(|text| is_time(text))
}

/// Whether a text is a time as the API server writes it, so that the order of texts is the order of times.
pub(super) fn is_time(text: &str) -> bool {
    let shape = text.bytes().map(|c| if c.is_ascii_digit() { b'0' } else { c });
    shape.eq("0000-00-00T00:00:00Z".bytes())
}

fn mode(document: &Document<'_>, mtls: Option<&Mtls>) -> Result<MtlsMode, InputError> {
    let Some(text) = mtls.and_then(|m| m.mode.as_ref()) else {
        return Ok(MtlsMode::Unset);
    };
    MtlsMode::parse(&text.value).map_err(|_| {
        let message = format!("unknown mutual TLS mode `{}`", text.value);
        let error = document.error(text, message);
        error.with_candidates(&text.value, MtlsMode::NAMES)
    })
}

pub(super) fn read_authorization(
    document: &Document<'_>,
    object: Object<AuthorizationSpec>,
    pending: &mut Pending,
) -> Result<Located<AuthorizationPolicy>, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.annotations, &[DRY_RUN])?;
    let place = document.place(&meta.name);
    let namespace = meta.namespace();
    let owner = format!("AuthorizationPolicy {namespace}/{}", meta.name.value);
    let spec = object.spec.unwrap_or_default();
    let raw = spec.selector.as_ref();
    let targets = targets(document, raw, spec.target_ref.as_ref(), &spec.target_refs)?;
    let selector = selector(document, raw, &owner, &namespace, pending)?;
    let action = action(document, &spec, pending)?;
    let raw_rules = spec.rules.as_deref().unwrap_or_default();
    let mut reader = Reader {
        document,
        owner: owner.clone(),
        namespace: namespace.clone(),
        pending,
    };
    let rules = raw_rules.iter().map(|rule| reader.rule(&rule.value));
    let rules = rules.collect::<Result<_, _>>()?;
    let lines = raw_rules.iter().map(|rule| document.place(rule).line).collect();
    Ok(Located {
        item: AuthorizationPolicy {
            rules,
            name: meta.name.value.clone(),
            namespace,
            selector,
            targets,
            action,
            dry_run: dry_run(meta),
            origin: origin(document, &owner, lines),
        },
        place,
    })
}

fn action(document: &Document<'_>, spec: &AuthorizationSpec, pending: &mut Pending) -> Result<Action, InputError> {
    let action = match &spec.action {
        None => Action::Allow,
        Some(text) => Action::parse(&text.value).map_err(|_| {
            let error = document.error(text, format!("unknown action `{}`", text.value));
            error.with_candidates(&text.value, Action::NAMES)
        })?,
    };
    if let Some(text) = &spec.action
        && matches!(action, Action::Deny | Action::Custom)
        && spec.rules.as_ref().is_none_or(Vec::is_empty)
    {
        let message = format!("`action: {}` without `rules` never applies", text.value);
        let hint = "Istio refuses it; write `rules: [{}]` for every request";
        return Err(document.error(text, message).with_hint(hint));
    }
    match (&spec.provider, &spec.action) {
        (Some(provider), _) if action != Action::Custom => {
            let error = document.error(provider, "`provider` without `action: CUSTOM`");
            return Err(error.with_hint("Istio refuses it; only CUSTOM uses an external authorizer"));
        }
        (provider, Some(text)) if action == Action::Custom => {
            let name = provider.as_ref().and_then(|provider| provider.value.name.as_deref());
            if name.is_none_or(str::is_empty) {
                let error = document.error(text, "`action: CUSTOM` without `provider.name`");
                return Err(error.with_hint("Istio refuses it; name the external authorizer"));
            }
            let error = PolicyError::NotModelled {
                what: "action",
                value: text.value.clone(),
                hint: "an external authorizer cannot be evaluated; express the rule with ALLOW or DENY",
            };
            passed_over(pending, document.error(text, error.to_string()).with_hint(error.hint()))?;
        }
        _ => {}
    }
    Ok(action)
}

/// What Go's `strconv.ParseBool` takes for true; anything else is not (`isDryRun` in Istio
/// `pilot/pkg/security/authz/builder/builder.go`).
fn dry_run(meta: &Metadata) -> bool {
    let value = meta.annotations.get(DRY_RUN).map(|value| value.value.as_str());
    value.is_some_and(|value| ["1", "t", "T", "TRUE", "true", "True"].contains(&value))
}
