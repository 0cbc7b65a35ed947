//! Conditions on the client's certificate: principal, namespace, service account.
//!
//! Belongs here: what Envoy and ztunnel compare with the principal. Does not belong here: which principal a client has, and
//! conditions on anything else (`engine`).

use super::super::PolicyError;
use super::authorization::{Condition, ServiceAccountRef};
use super::expression::Expression;
use super::matching::StringMatch;
use super::truth::Truth;

/// One entry of a list, as a proxy compares it. Principals are written without `spiffe://`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    /// The whole principal.
    Principal(StringMatch),
    /// The segment after `/ns/`.
    Namespace(StringMatch),
    /// The segments after `/ns/` and `/sa/`.
    Account { namespace: String, name: String },
    /// One of the expressions matches the whole principal.
    Expressions(Vec<Expression>),
    /// A regular expression with operators that are not evaluated.
    NotEvaluated,
}

pub(super) type IdentityTest = Condition<Identity>;

impl Identity {
    /// An entry of `principals` in Envoy. A suffix becomes the regular expression `spiffe://.*SUFFIX`, all else is literal
    /// (Istio `pilot/pkg/security/authz/matcher/string.go`, `StringMatcherWithPrefix`).
    pub(super) fn envoy_principal(pattern: &StringMatch) -> Self {
        match pattern {
            StringMatch::Suffix(suffix) if !is_plain(suffix) => Self::expressions([format!(".*{suffix}")]),
            other => Self::Principal(other.clone()),
        }
    }

    /// An entry of `namespaces` in Envoy: the regular expression `.*/ns/VALUE/.*` with `.*` for each `*`
    /// (Istio `pilot/pkg/security/authz/model/generator.go`, `srcNamespaceGenerator`).
    pub(super) fn envoy_namespace(pattern: &StringMatch) -> Self {
        match pattern {
            StringMatch::Exact(name) if is_plain(name) => Self::Namespace(pattern.clone()),
            other => Self::expressions([format!(".*/ns/{}/.*", other.text().replace('*', ".*"))]),
        }
    }

    /// An entry of `serviceAccounts` in Envoy: `spiffe://.+/ns/NAMESPACE/(.+/|)sa/NAME(/.+)?`
    /// (same file, `serviceAccountRegex`).
    pub(super) fn envoy_account(account: &ServiceAccountRef, policy_namespace: &str) -> Self {
        let namespace = account.namespace.as_deref().unwrap_or(policy_namespace);
        let name = account.name.as_str();
        if is_plain(namespace) && is_plain(name) {
            return Self::account(account, policy_namespace);
        }
        let between = ["", "..*/"];
        let behind = ["", "/..*"];
        Self::expressions(
            between
                .iter()
                .flat_map(|between| {
                    behind
                        .iter()
                        .map(move |behind| format!("..*/ns/{namespace}/{between}sa/{name}{behind}"))
                })
                .collect::<Vec<_>>(),
        )
    }

    /// An entry of `serviceAccounts` in ztunnel (`src/rbac.rs`, `ServiceAccountMatch`).
    pub(super) fn account(account: &ServiceAccountRef, policy_namespace: &str) -> Self {
        Self::Account {
            namespace: account.namespace.as_deref().unwrap_or(policy_namespace).to_owned(),
            name: account.name.clone(),
        }
    }

    fn expressions(texts: impl IntoIterator<Item = String>) -> Self {
        let parsed: Option<Vec<Expression>> = texts.into_iter().map(|text| Expression::parse(&text)).collect();
        parsed.map_or(Self::NotEvaluated, Self::Expressions)
    }

    fn matches(&self, principal: &str) -> Truth {
        Truth::from(match self {
            Self::Principal(pattern) => pattern.matches(Some(principal)),
            Self::Namespace(pattern) => pattern.matches(segment_after(principal, "/ns/")),
            Self::Account { namespace, name } => {
                segment_after(principal, "/ns/") == Some(namespace) && segment_after(principal, "/sa/") == Some(name)
            }
            Self::Expressions(expressions) => expressions.iter().any(|expression| expression.matches(principal)),
            Self::NotEvaluated => return Truth::Unknown,
        })
    }
}

impl IdentityTest {
    /// Whether a client with this principal (none: plain text) passes. Without a certificate no entry matches, so that a
    /// negative list always holds (Envoy RBAC, `AuthenticatedMatcher`; ztunnel `src/rbac.rs`, `matches_principal`).
    pub(super) fn holds_for(&self, principal: Option<&str>) -> Truth {
        Truth::list(&self.any_of, &self.none_of, |identity| {
            principal.map_or(Truth::False, |principal| identity.matches(principal))
        })
    }
}

impl StringMatch {
    /// Reads an entry of `principals`.
    ///
    /// # Errors
    /// If it is empty, or a regular expression for Envoy with operators that are not evaluated.
    pub fn parse_principal(text: &str) -> Result<Self, PolicyError> {
        let pattern = Self::parse(text)?;
        evaluated(text, &Identity::envoy_principal(&pattern))?;
        Ok(pattern)
    }

    /// Reads an entry of `namespaces`.
    ///
    /// # Errors
    /// As [`StringMatch::parse_principal`].
    pub fn parse_namespace(text: &str) -> Result<Self, PolicyError> {
        let pattern = Self::parse(text)?;
        evaluated(text, &Identity::envoy_namespace(&pattern))?;
        Ok(pattern)
    }
}

fn evaluated(text: &str, identity: &Identity) -> Result<(), PolicyError> {
    match identity {
        Identity::NotEvaluated => Err(PolicyError::NotModelled {
            what: "regular expression",
            value: text.to_owned(),
            hint: "Envoy reads it as a regular expression; of those only `.` and `*` are evaluated",
        }),
        _ => Ok(()),
    }
}

/// Whether an expression of this text means the text: no `.`, `*` or other operator.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_/:".contains(&c))
}

/// The path segment after a marker: the namespace after `/ns/`, the service account after `/sa/`.
fn segment_after<'a>(principal: &'a str, marker: &str) -> Option<&'a str> {
    let (_, rest) = principal.split_once(marker)?;
    rest.split('/').next()
}

/// Patterns of `principals` with the mesh's trust domain and its aliases in place of any of them; `cluster.local` stands for
/// all. Only principals of five segments count, and none whose trust domain is `*`
/// (Istio `pilot/pkg/security/trustdomain/bundle.go`, `ReplaceTrustDomainAliases`).
pub(super) fn expand_trust_domain(pattern: &StringMatch, domains: &[String]) -> Vec<StringMatch> {
    let text = pattern.text();
    let kept = || vec![pattern.clone()];
    let Some((written, rest)) = text.split_once('/') else {
        return kept();
    };
    if written == "*" || text.split('/').count() != 5 {
        return kept();
    }
    let known = written == "cluster.local" || domains.iter().any(|domain| are_alike(written, domain));
    if !known {
        return kept();
    }
    let mut expanded: Vec<String> = Vec::new();
    for domain in domains {
        let ends = written.strip_prefix('*').is_some_and(|suffix| domain.ends_with(suffix));
        let principal = if ends { text.clone() } else { format!("{domain}/{rest}") };
        if !expanded.contains(&principal) {
            expanded.push(principal);
        }
    }
    expanded
        .iter()
        .filter_map(|text| StringMatch::parse(text).ok())
        .collect()
}

/// Either may be a pattern for the other (`pilot/pkg/security/trustdomain/util.go`, `stringMatch`).
fn are_alike(written: &str, domain: &str) -> bool {
    let prefix = |text: &str, pattern: &str| pattern.strip_suffix('*').is_some_and(|p| text.starts_with(p));
    let suffix = |text: &str, pattern: &str| pattern.strip_prefix('*').is_some_and(|p| text.ends_with(p));
    written == domain
        || prefix(written, domain)
        || prefix(domain, written)
        || suffix(written, domain)
        || suffix(domain, written)
}
