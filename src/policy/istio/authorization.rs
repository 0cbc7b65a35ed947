//! AuthorizationPolicy: which principal may do which operation on a workload.
//!
//! Belongs here: actions, rules, sources and operations, for HTTP requests and plain TCP. Does not belong here: custom
//! providers, JWT, `when` conditions and IP blocks (refused when read), and mutual TLS (`peer_authentication`).

use std::sync::Arc;

use super::super::labels::LabelSelector;
use super::super::{Decision, PolicyError, Subject, Verdict};
use super::Request;
use super::matching::StringMatch;

/// What a matching policy does (istio/api `security/v1beta1/authorization_policy.proto`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Once one such policy selects the workload, only matching requests pass.
    #[default]
    Allow,
    /// A matching request is refused, whatever is allowed.
    Deny,
    /// A matching request is logged; no influence on the verdict.
    Audit,
}

impl Action {
    /// The names that stand in a manifest.
    pub const NAMES: [&'static str; 4] = ["ALLOW", "DENY", "AUDIT", "CUSTOM"];

    /// Reads the name of an action; `CUSTOM` asks an outside server and is not modelled.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        match text {
            "ALLOW" => Ok(Self::Allow),
            "DENY" => Ok(Self::Deny),
            "AUDIT" => Ok(Self::Audit),
            "CUSTOM" => Err(PolicyError::NotModelled {
                what: "action",
                value: text.to_owned(),
                hint: "an outside authorizer cannot be evaluated; express the rule with ALLOW or DENY",
            }),
            _ => Err(PolicyError::Invalid {
                what: "action",
                value: text.to_owned(),
                hint: "known: ALLOW, DENY, AUDIT",
            }),
        }
    }
}

/// A list of patterns and its negation; an absent list restricts nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition<T> {
    /// One of these must match; empty means no such condition.
    pub any_of: Vec<T>,
    /// None of these may match.
    pub none_of: Vec<T>,
}

impl<T> Default for Condition<T> {
    fn default() -> Self {
        Self {
            any_of: Vec::new(),
            none_of: Vec::new(),
        }
    }
}

impl<T> Condition<T> {
    /// Whether neither list has an entry.
    pub fn is_empty(&self) -> bool {
        self.any_of.is_empty() && self.none_of.is_empty()
    }

    fn holds(&self, matches: impl Fn(&T) -> bool) -> bool {
        (self.any_of.is_empty() || self.any_of.iter().any(&matches)) && !self.none_of.iter().any(&matches)
    }
}

impl Condition<StringMatch> {
    fn holds_for(&self, value: Option<&str>) -> bool {
        self.holds(|pattern| pattern.matches(value))
    }

    fn map(&self, change: impl Fn(&StringMatch) -> StringMatch) -> Self {
        Self {
            any_of: self.any_of.iter().map(&change).collect(),
            none_of: self.none_of.iter().map(&change).collect(),
        }
    }
}

/// An entry of `serviceAccounts`: `name` or `namespace/name`
/// (Istio `pilot/pkg/security/authz/model/generator.go`, `serviceAccountRegex`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountRef {
    /// Namespace; none means the policy's own.
    pub namespace: Option<String>,
    /// Name of the service account.
    pub name: String,
}

impl ServiceAccountRef {
    /// Reads `name` or `namespace/name`; wildcards are not allowed there.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let bad = |part: &str| part.is_empty() || part.contains(['*', '/']);
        if bad(name) || namespace.is_some_and(bad) {
            return Err(PolicyError::Invalid {
                what: "service account",
                value: text.to_owned(),
                hint: "write `name` or `namespace/name`, without `*`",
            });
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

/// `from[].source`: all conditions must hold. Everything here is read from the peer's certificate, so without
/// mutual TLS a positive condition never holds and a negative one always does (`istio.md` section 6, "no mTLS").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// `principals` and `notPrincipals`.
    pub principals: Condition<StringMatch>,
    /// `namespaces` and `notNamespaces`.
    pub namespaces: Condition<StringMatch>,
    /// `serviceAccounts` and `notServiceAccounts`.
    pub service_accounts: Condition<ServiceAccountRef>,
}

impl Source {
    fn matches(&self, policy_namespace: &str, principal: Option<&str>) -> bool {
        let namespace = principal.and_then(|p| segment_after(p, "/ns/"));
        let account = principal.and_then(|p| segment_after(p, "/sa/"));
        self.principals.holds_for(principal)
            && self.namespaces.holds_for(namespace)
            && self.service_accounts.holds(|wanted| {
                let wanted_namespace = wanted.namespace.as_deref().unwrap_or(policy_namespace);
                namespace == Some(wanted_namespace) && account == Some(&wanted.name)
            })
    }
}

/// The path segment after a marker: the namespace after `/ns/`, the service account after `/sa/`.
fn segment_after<'a>(principal: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = principal.split_once(marker)?;
    rest.split('/').next()
}

/// `to[].operation`: all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    /// `methods` and `notMethods`; HTTP only.
    pub methods: Condition<StringMatch>,
    /// `paths` and `notPaths`; HTTP only, without the query string.
    pub paths: Condition<StringMatch>,
    /// `hosts` and `notHosts`; HTTP only, letters of any case.
    pub hosts: Condition<StringMatch>,
    /// `ports` and `notPorts`: port of the workload.
    pub ports: Condition<u16>,
}

impl Operation {
    fn is_http_only(&self) -> bool {
        !(self.methods.is_empty() && self.paths.is_empty() && self.hosts.is_empty())
    }

    fn matches(&self, request: &Request<'_>) -> bool {
        let ports = self.ports.holds(|port| *port == request.port);
        if !request.is_http() {
            return ports;
        }
        let path = request
            .path
            .map(|path| path.split_once(['?', '#']).map_or(path, |(before, _)| before));
        let host = request.host.map(str::to_ascii_lowercase);
        ports
            && self.methods.holds_for(request.method)
            && self.paths.holds_for(path)
            && self.hosts.holds_for(host.as_deref())
    }
}

/// One rule: one of the sources and one of the operations; an absent list restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// `from`.
    pub from: Vec<Source>,
    /// `to`.
    pub to: Vec<Operation>,
}

impl Rule {
    /// On plain TCP an ALLOW rule with a field that only HTTP has is dropped, while DENY drops the field and thus
    /// becomes wider (Istio `authz/model/model.go`, `checkError`).
    fn matches(&self, namespace: &str, action: Action, principal: Option<&str>, request: &Request<'_>) -> bool {
        if action == Action::Allow && !request.is_http() && self.to.iter().any(Operation::is_http_only) {
            return false;
        }
        (self.from.is_empty() || self.from.iter().any(|s| s.matches(namespace, principal)))
            && (self.to.is_empty() || self.to.iter().any(|o| o.matches(request)))
    }
}

/// The evaluated part of an AuthorizationPolicy (same proto). Without rules nothing ever matches, so an ALLOW policy
/// with an empty spec refuses everything; `rules: [{}]` matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// Namespace of the policy; the root namespace means every namespace.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// Labels of the workloads it applies to; empty means all of them.
    pub selector: LabelSelector,
    /// What a match does.
    pub action: Action,
    /// A request matches the policy if it matches one of them.
    pub rules: Vec<Rule>,
}

/// Prepared policies in the order they were given.
#[derive(Debug, Clone, Default)]
pub(super) struct Authorization {
    policies: Vec<(Arc<str>, AuthorizationPolicy)>,
    root_namespace: String,
}

impl Authorization {
    pub(super) fn new(policies: Vec<AuthorizationPolicy>, root_namespace: &str, trust_domain: &str) -> Self {
        let prepare = |mut policy: AuthorizationPolicy| -> (Arc<str>, AuthorizationPolicy) {
            for rule in &mut policy.rules {
                for source in &mut rule.from {
                    source.principals = source.principals.map(|pattern| pattern.with_trust_domain(trust_domain));
                }
                for operation in &mut rule.to {
                    operation.hosts = operation.hosts.map(StringMatch::lower_case);
                }
            }
            let label = format!("AuthorizationPolicy {}/{}", policy.namespace, policy.name);
            (label.into(), policy)
        };
        Self {
            policies: policies.into_iter().map(prepare).collect(),
            root_namespace: root_namespace.to_owned(),
        }
    }

    /// Any DENY match refuses; without an ALLOW policy everything else passes; otherwise one ALLOW must match
    /// (proto comment "evaluation order"; `istio.md` section 6).
    pub(super) fn decide(&self, to: &Subject, principal: Option<&str>, request: &Request<'_>) -> Verdict {
        let mut allowed: Option<(&Arc<str>, usize)> = None;
        let mut restricting: Option<&Arc<str>> = None;
        for (label, policy) in &self.policies {
            let in_scope = policy.namespace == self.root_namespace || policy.namespace == to.namespace;
            if !in_scope || !policy.selector.matches(&to.labels) {
                continue;
            }
            let matching = policy
                .rules
                .iter()
                .position(|r| r.matches(&policy.namespace, policy.action, principal, request));
            match (policy.action, matching) {
                (Action::Deny, Some(rule)) => {
                    let text = "a DENY rule matches";
                    return Verdict::new(Decision::Deny, Some(label), Some(rule), text);
                }
                (Action::Allow, matching) => {
                    restricting = restricting.or(Some(label));
                    allowed = allowed.or(matching.map(|rule| (label, rule)));
                }
                (Action::Deny, None) | (Action::Audit, _) => {}
            }
        }
        match (allowed, restricting) {
            (Some((label, rule)), _) => {
                let text = "an ALLOW rule matches";
                Verdict::new(Decision::Allow, Some(label), Some(rule), text)
            }
            (None, Some(label)) => {
                let text = "ALLOW policies select the workload and none matches";
                Verdict::new(Decision::Deny, Some(label), None, text)
            }
            (None, None) => {
                let text = "no ALLOW policy selects the workload";
                Verdict::new(Decision::Allow, None, None, text)
            }
        }
    }
}
