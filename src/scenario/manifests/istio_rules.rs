//! The rules of an AuthorizationPolicy: the strict reading of `from`, `to` and `when`.
//!
//! Belongs here: their typed keys and conversion. Does not belong here: the rest of the policy (`istio`) and evaluation
//! (`policy::istio`).

use serde::Deserialize;

use super::checks::{AccountUse, Pending};
use super::istio::{passed_over, warn};
use super::object::{at, not_empty};
use crate::policy::PolicyError;
use crate::policy::istio::authorization::parse_port;
use crate::policy::istio::{
    AddressBlock, Condition, Operation, PathMatch, Rule, ServiceAccountRef, Source, StringMatch, When,
};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    from: Option<Spanned<Vec<RawFrom>>>,
    to: Option<Spanned<Vec<RawTo>>>,
    #[serde(default)]
    when: Vec<RawWhen>,
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
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawWhen {
    key: Spanned<String>,
    #[serde(default)]
    values: Texts,
    #[serde(default)]
    not_values: Texts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[derive(Default)]
struct RawSource {
    principals: Texts,
    not_principals: Texts,
    request_principals: Texts,
    not_request_principals: Texts,
    namespaces: Texts,
    not_namespaces: Texts,
    service_accounts: Texts,
    not_service_accounts: Texts,
    ip_blocks: Texts,
    not_ip_blocks: Texts,
    remote_ip_blocks: Texts,
    not_remote_ip_blocks: Texts,
    trust_domains: Texts,
    not_trust_domains: Texts,
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

/// What is constant while the rules of one policy are read.
pub(super) struct Reader<'a, 'p> {
    pub document: &'a Document<'a>,
    pub owner: String,
    pub namespace: String,
    pub pending: &'p mut Pending,
}

impl Reader<'_, '_> {
    pub(super) fn rule(&mut self, raw: &RawRule) -> Result<Rule, InputError> {
        let hint = "Istio refuses it; leave the key out for no restriction";
        let mut rule = Rule::default();
        if let Some(from) = &raw.from {
            not_empty(self.document, "from", from, hint)?;
            for entry in &from.value {
                rule.from.push(self.source(&entry.source)?);
            }
        }
        if let Some(to) = &raw.to {
            not_empty(self.document, "to", to, hint)?;
            for entry in &to.value {
                rule.to.push(self.operation(&entry.operation)?);
            }
        }
        for when in &raw.when {
            rule.when.push(self.when(when)?);
        }
        Ok(rule)
    }

    fn source(&mut self, raw: &Spanned<RawSource>) -> Result<Source, InputError> {
        let texts = &raw.value;
        let request_principal = |text: &str| StringMatch::parse(text).map(|pattern| pattern.text());
        let mut unknown = false;
        let mut source = Source {
            principals: self.both(
                &texts.principals,
                &texts.not_principals,
                StringMatch::parse_principal,
                &mut unknown,
            )?,
            namespaces: self.both(
                &texts.namespaces,
                &texts.not_namespaces,
                StringMatch::parse_namespace,
                &mut unknown,
            )?,
            service_accounts: self.both(
                &texts.service_accounts,
                &texts.not_service_accounts,
                ServiceAccountRef::parse,
                &mut unknown,
            )?,
            request_principals: self.both(
                &texts.request_principals,
                &texts.not_request_principals,
                request_principal,
                &mut unknown,
            )?,
            ip_blocks: self.both(
                &texts.ip_blocks,
                &texts.not_ip_blocks,
                AddressBlock::parse,
                &mut unknown,
            )?,
            remote_ip_blocks: self.both(
                &texts.remote_ip_blocks,
                &texts.not_remote_ip_blocks,
                AddressBlock::parse,
                &mut unknown,
            )?,
            unknown: false,
        };
        if let Some(domain) = texts.trust_domains.iter().chain(&texts.not_trust_domains).next() {
            let message = format!("trust domain `{}` is not modeled", domain.value);
            let error = self.document.error(domain, message);
            passed_over(self.pending, error.with_hint("use `principals` such as `DOMAIN/*`"))?;
            unknown = true;
        }
        source.unknown = unknown;
        if source == Source::default() {
            let message = "`source` is empty";
            let hint = "Istio refuses it; leave `from` out for every source";
            return Err(self.document.error(raw, message).with_hint(hint));
        }
        let by_account = !source.service_accounts.is_empty();
        if by_account && (!source.principals.is_empty() || !source.namespaces.is_empty()) {
            let message = "`serviceAccounts` together with `principals` or `namespaces`";
            let hint = "Istio refuses it; an account has its namespace: `namespace/name`";
            return Err(self.document.error(raw, message).with_hint(hint));
        }
        self.note_accounts(texts);
        Ok(source)
    }

    /// Notes which accounts have to exist.
    fn note_accounts(&mut self, texts: &RawSource) {
        for text in texts.principals.iter().chain(&texts.not_principals) {
            if text.value.starts_with("spiffe://") {
                let words = format!(
                    "`{}` never matches; write the principal without `spiffe://`",
                    text.value
                );
                warn(self.document, self.pending, text, &words);
            }
            if let Some((namespace, name)) = account_of(&text.value) {
                self.note_account(text, namespace, name);
            }
        }
        for text in texts.service_accounts.iter().chain(&texts.not_service_accounts) {
            let own = self.namespace.clone();
            let (namespace, name) = text.value.split_once('/').unwrap_or((&own, &text.value));
            self.note_account(text, namespace, name);
        }
    }

    fn note_account(&mut self, text: &Spanned<String>, namespace: &str, name: &str) {
        self.pending.accounts.push(AccountUse {
            owner: self.owner.clone(),
            place: self.document.place(text),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
    }

    fn operation(&mut self, raw: &Spanned<RawOperation>) -> Result<Operation, InputError> {
        let texts = &raw.value;
        let (parse, mut unknown) = (StringMatch::parse, false);
        let operation = Operation {
            methods: self.both(&texts.methods, &texts.not_methods, parse, &mut unknown)?,
            paths: self.both(&texts.paths, &texts.not_paths, PathMatch::parse, &mut unknown)?,
            hosts: self.both(&texts.hosts, &texts.not_hosts, parse, &mut unknown)?,
            ports: self.both(&texts.ports, &texts.not_ports, parse_port, &mut unknown)?,
            unknown,
        };
        if operation == Operation::default() {
            let message = "`operation` names nothing";
            let hint = "Istio refuses it; leave `to` out for every operation";
            return Err(self.document.error(raw, message).with_hint(hint));
        }
        Ok(operation)
    }

    fn when(&mut self, raw: &RawWhen) -> Result<When, InputError> {
        let key = raw.key.value.as_str();
        if raw.values.is_empty() && raw.not_values.is_empty() {
            let message = format!("condition on `{key}` without `values` and `notValues`");
            return Err(self.document.error(&raw.key, message));
        }
        // The key first, then each value, so that a message names the place of what is wrong.
        let key_error = match When::parse(key, &[], &[]) {
            Ok(_) => None,
            Err(error) => Some(self.when_key(raw, error)),
        };
        if let Some(error) = key_error {
            return passed_over(self.pending, error?).map(|()| When::Unknown);
        }
        for text in raw.values.iter().chain(&raw.not_values) {
            let Err(error) = When::parse(key, &[&text.value], &[]) else {
                self.note_literal_star(text);
                continue;
            };
            let placed = self.document.error(text, error.to_string()).with_hint(error.hint());
            match error {
                PolicyError::NotModelled { .. } => return passed_over(self.pending, placed).map(|()| When::Unknown),
                PolicyError::Invalid { .. } => return Err(placed),
            }
        }
        let plain = |texts: &Texts| -> Vec<String> { texts.iter().map(|text| text.value.clone()).collect() };
        let (values, not_values) = (plain(&raw.values), plain(&raw.not_values));
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let not_values: Vec<&str> = not_values.iter().map(String::as_str).collect();
        at(self.document, &raw.key, When::parse(key, &values, &not_values))
    }

    /// The error about a key: one that may be passed over, or else one that may not.
    fn when_key(&self, raw: &RawWhen, error: PolicyError) -> Result<InputError, InputError> {
        let key = raw.key.value.as_str();
        let placed = self.document.error(&raw.key, error.to_string()).with_hint(error.hint());
        match error {
            PolicyError::NotModelled { .. } => Ok(placed),
            PolicyError::Invalid { .. } if key.starts_with("destination.") => Err(placed),
            PolicyError::Invalid { .. } => Err(placed.with_candidates(key, When::KEYS)),
        }
    }

    fn both<T>(
        &mut self,
        any_of: &Texts,
        none_of: &Texts,
        parse: impl Fn(&str) -> Result<T, PolicyError>,
        unknown: &mut bool,
    ) -> Result<Condition<T>, InputError> {
        let mut condition = Condition::default();
        for (texts, list) in [(any_of, &mut condition.any_of), (none_of, &mut condition.none_of)] {
            for text in texts {
                match parse(&text.value) {
                    Ok(entry) => {
                        self.note_literal_star(text);
                        list.push(entry);
                    }
                    Err(error) => {
                        let placed = self.document.error(text, error.to_string()).with_hint(error.hint());
                        match error {
                            PolicyError::NotModelled { .. } => passed_over(self.pending, placed)?,
                            PolicyError::Invalid { .. } => return Err(placed),
                        }
                        *unknown = true;
                    }
                }
            }
        }
        Ok(condition)
    }

    fn note_literal_star(&mut self, text: &Spanned<String>) {
        let is_template = text.value.contains("{*}") || text.value.contains("{**}");
        if !is_template && StringMatch::parse(&text.value).is_ok_and(|pattern| pattern.has_literal_star()) {
            let words = format!(
                "the `*` inside `{}` is not a wildcard: only one at the beginning, or else at the end, is",
                text.value
            );
            warn(self.document, self.pending, text, &words);
        }
    }
}

/// Namespace and service account of an exact principal in the usual trust domain.
fn account_of(principal: &str) -> Option<(&str, &str)> {
    let rest = principal.strip_prefix("cluster.local/ns/")?;
    let (namespace, name) = rest.split_once("/sa/")?;
    (!rest.contains('*')).then_some((namespace, name))
}
