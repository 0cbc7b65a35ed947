//! PeerAuthentication and AuthorizationPolicy: the strict reading of what `policy::istio` evaluates.
//!
//! Belongs here: the typed keys of both and their conversion. Does not belong here: evaluation (`policy::istio`) and the
//! list of refused keys (`refused`).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::checks::{AccountUse, Pending, Selects, Use};
use super::object::{Object, RawSelector, SpannedMap, at, check_keys, not_empty};
use super::{Located, ROOT_NAMESPACE};
use crate::policy::PolicyError;
use crate::policy::istio::{
    Action, AuthorizationPolicy, Condition, MtlsMode, Operation, PeerAuthentication, Rule, ServiceAccountRef, Source,
    StringMatch,
};
use crate::policy::labels::LabelSelector;
use crate::scenario::error::{InputError, Place};
use crate::scenario::yaml::{Document, Spanned};

/// Istio's workload selector (istio/api `type/v1beta1/selector.proto`).
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WorkloadSelector {
    #[serde(default)]
    match_labels: SpannedMap,
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
#[serde(deny_unknown_fields)]
pub(super) struct AuthorizationSpec {
    selector: Option<Spanned<WorkloadSelector>>,
    action: Option<Spanned<String>>,
    #[serde(default)]
    rules: Vec<RawRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    from: Option<Spanned<Vec<RawFrom>>>,
    to: Option<Spanned<Vec<RawTo>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFrom {
    source: Spanned<RawSource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTo {
    operation: Spanned<RawOperation>,
}

type Texts = Vec<Spanned<String>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[derive(Default)]
struct RawSource {
    principals: Texts,
    not_principals: Texts,
    namespaces: Texts,
    not_namespaces: Texts,
    service_accounts: Texts,
    not_service_accounts: Texts,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct RawOperation {
    hosts: Texts,
    not_hosts: Texts,
    ports: Texts,
    not_ports: Texts,
    methods: Texts,
    not_methods: Texts,
    paths: Texts,
    not_paths: Texts,
}

/// Reads the workload selector and notes that it has to match something.
fn selector(
    document: &Document<'_>,
    raw: Option<&Spanned<WorkloadSelector>>,
    owner: &str,
    namespace: &str,
    pending: &mut Pending,
) -> Result<LabelSelector, InputError> {
    let Some(raw) = raw else {
        return Ok(LabelSelector::default());
    };
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
        required: true,
    });
    Ok(selector)
}

/// Reads a PeerAuthentication.
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
    if !selector.is_empty() && namespace == ROOT_NAMESPACE {
        let message = format!("{owner} has a selector in the root namespace");
        let hint = "Istio ignores it there; write it in the namespace of the workload";
        return Err(place.error(message).with_hint(hint));
    }
    let mut port_modes = BTreeMap::new();
    if let Some(ports) = &spec.port_level_mtls {
        if selector.is_empty() {
            let message = "`portLevelMtls` without a selector";
            let hint = "Istio evaluates it for workloads only; add `selector`";
            return Err(document.error(ports, message).with_hint(hint));
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
        },
        place,
    })
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

/// Reads an AuthorizationPolicy.
pub(super) fn read_authorization(
    document: &Document<'_>,
    object: Object<AuthorizationSpec>,
    pending: &mut Pending,
) -> Result<Located<AuthorizationPolicy>, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.annotations, &[])?;
    let place = document.place(&meta.name);
    let namespace = meta.namespace();
    let owner = format!("AuthorizationPolicy {namespace}/{}", meta.name.value);
    let spec = object.spec.unwrap_or_default();
    let raw = spec.selector.as_ref();
    let selector = selector(document, raw, &owner, &namespace, pending)?;
    let action = match &spec.action {
        None => Action::Allow,
        Some(text) => match Action::parse(&text.value) {
            Err(PolicyError::Invalid { .. }) => {
                let error = document.error(text, format!("unknown action `{}`", text.value));
                return Err(error.with_candidates(&text.value, Action::NAMES));
            }
            parsed => at(document, text, parsed)?,
        },
    };
    if let (Some(text), true) = (&spec.action, spec.rules.is_empty())
        && action != Action::Allow
    {
        let message = format!("`action: {}` without `rules` never applies", text.value);
        let hint = "Istio refuses it; write `rules: [{}]` for every request";
        return Err(document.error(text, message).with_hint(hint));
    }
    let reader = Reader {
        document,
        owner,
        namespace: namespace.clone(),
    };
    let rules = spec.rules.iter().map(|rule| reader.rule(rule, pending));
    Ok(Located {
        item: AuthorizationPolicy {
            rules: rules.collect::<Result<_, _>>()?,
            name: meta.name.value.clone(),
            namespace,
            selector,
            action,
        },
        place,
    })
}

/// What is constant while the rules of one policy are read.
struct Reader<'a> {
    document: &'a Document<'a>,
    owner: String,
    namespace: String,
}

impl Reader<'_> {
    fn rule(&self, raw: &RawRule, pending: &mut Pending) -> Result<Rule, InputError> {
        let hint = "Istio refuses it; leave the key out for no restriction";
        let mut rule = Rule::default();
        if let Some(from) = &raw.from {
            not_empty(self.document, "from", from, hint)?;
            for entry in &from.value {
                rule.from.push(self.source(&entry.source, pending)?);
            }
        }
        if let Some(to) = &raw.to {
            not_empty(self.document, "to", to, hint)?;
            for entry in &to.value {
                rule.to.push(self.operation(&entry.operation)?);
            }
        }
        Ok(rule)
    }

    fn source(&self, raw: &Spanned<RawSource>, pending: &mut Pending) -> Result<Source, InputError> {
        let parse = StringMatch::parse;
        let texts = &raw.value;
        let source = Source {
            principals: self.both(&texts.principals, &texts.not_principals, parse)?,
            namespaces: self.both(&texts.namespaces, &texts.not_namespaces, parse)?,
            service_accounts: self.both(
                &texts.service_accounts,
                &texts.not_service_accounts,
                ServiceAccountRef::parse,
            )?,
        };
        if source == Source::default() {
            let message = "`source` names nobody";
            let hint = "Istio refuses it; leave `from` out for every source";
            return Err(self.document.error(raw, message).with_hint(hint));
        }
        for text in texts.principals.iter().chain(&texts.not_principals) {
            if text.value.starts_with("spiffe://") {
                let message = format!("`{}` never matches", text.value);
                let hint = "write the principal without `spiffe://`";
                return Err(self.document.error(text, message).with_hint(hint));
            }
            let Some((namespace, name)) = account_of(&text.value) else {
                continue;
            };
            pending.accounts.push(self.account(text, namespace, name));
        }
        for text in texts.service_accounts.iter().chain(&texts.not_service_accounts) {
            let (namespace, name) = text.value.split_once('/').unwrap_or((&self.namespace, &text.value));
            pending.accounts.push(self.account(text, namespace, name));
        }
        Ok(source)
    }

    fn account(&self, text: &Spanned<String>, namespace: &str, name: &str) -> AccountUse {
        let place: Place = self.document.place(text);
        AccountUse {
            owner: self.owner.clone(),
            place,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    fn operation(&self, raw: &Spanned<RawOperation>) -> Result<Operation, InputError> {
        let texts = &raw.value;
        let operation = Operation {
            methods: self.both(&texts.methods, &texts.not_methods, StringMatch::parse)?,
            paths: self.both(&texts.paths, &texts.not_paths, StringMatch::parse_path)?,
            hosts: self.both(&texts.hosts, &texts.not_hosts, StringMatch::parse)?,
            ports: self.both(&texts.ports, &texts.not_ports, port)?,
        };
        if operation == Operation::default() {
            let message = "`operation` names nothing";
            let hint = "Istio refuses it; leave `to` out for every operation";
            return Err(self.document.error(raw, message).with_hint(hint));
        }
        Ok(operation)
    }

    fn both<T>(
        &self,
        any_of: &Texts,
        none_of: &Texts,
        parse: impl Fn(&str) -> Result<T, PolicyError>,
    ) -> Result<Condition<T>, InputError> {
        let all = |texts: &Texts| -> Result<Vec<T>, InputError> {
            let parsed = texts.iter().map(|t| at(self.document, t, parse(&t.value)));
            parsed.collect()
        };
        Ok(Condition {
            any_of: all(any_of)?,
            none_of: all(none_of)?,
        })
    }
}

/// Namespace and service account of an exact principal in the usual trust domain.
fn account_of(principal: &str) -> Option<(&str, &str)> {
    let rest = principal.strip_prefix("cluster.local/ns/")?;
    let (namespace, name) = rest.split_once("/sa/")?;
    (!rest.contains('*')).then_some((namespace, name))
}

fn port(text: &str) -> Result<u16, PolicyError> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(PolicyError::Invalid {
            what: "port",
            value: text.to_owned(),
            hint: "write the number of the workload's port, 1 to 65535, in quotes",
        }),
    }
}
