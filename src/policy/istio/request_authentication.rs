//! RequestAuthentication: where tokens are looked for in a request.
//!
//! Belongs here: which requests carry a token that the proxy would check. Does not belong here: whether a token is valid and
//! what it says, which needs the keys of its issuer; verdicts that depend on it are unknown (`engine`).

use std::sync::Arc;

use super::super::labels::LabelSelector;
use super::super::request::Http;
use super::super::{Origin, PolicyError};
use super::authorization::{Attachment, TargetRef};

/// The evaluated part of a RequestAuthentication (istio/api `security/v1beta1/request_authentication.proto`). A request
/// with an invalid token is refused; one without a token passes and has no request principal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestAuthentication {
    /// Namespace of the policy; the root namespace means every namespace.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// Labels of the workloads it applies to; empty means all of them.
    pub selector: LabelSelector,
    /// `targetRefs`, or the older `targetRef`.
    pub targets: Vec<TargetRef>,
    /// `jwtRules`.
    pub rules: Vec<TokenRule>,
    /// Where it was read.
    pub origin: Option<Arc<Origin>>,
}

impl RequestAuthentication {
    pub(super) fn attachment(&self) -> Attachment<'_> {
        Attachment {
            namespace: &self.namespace,
            selector: &self.selector,
            targets: &self.targets,
        }
    }
}

/// Where one issuer's tokens are (`JWTRule` of the same proto). Without any place they are in `Authorization: Bearer …` or
/// in the query parameter `access_token`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRule {
    /// `fromHeaders`: name and prefix of the value.
    pub from_headers: Vec<(String, String)>,
    /// `fromParams`: query parameters.
    pub from_params: Vec<String>,
    /// `fromCookies`: names of cookies.
    pub from_cookies: Vec<String>,
    /// Header fields that the proxy writes from the token (`outputPayloadToHeader`, `outputClaimToHeaders`), in lower case;
    /// it removes them from requests without one (Envoy `jwt_authn`, `sanitizePayloadHeaders`).
    pub written_headers: Vec<String>,
}

impl TokenRule {
    /// Checks what Istio checks (`pkg/config/validation/validation.go`, `validateJwtRule`).
    pub fn check(&self) -> Result<(), PolicyError> {
        let headers = self.from_headers.iter().map(|(name, _)| name);
        let mut names = headers.chain(&self.from_params).chain(&self.from_cookies);
        match names.any(String::is_empty) {
            false => Ok(()),
            true => Err(PolicyError::Invalid {
                what: "place of a token",
                value: String::new(),
                hint: "name the header, parameter or cookie",
            }),
        }
    }

    fn finds_token(&self, http: &Http<'_>) -> bool {
        let in_header = |name: &str, prefix: &str| http.header(name).is_some_and(|value| value.starts_with(prefix));
        let in_query = |name: &str| {
            let query = http.path.split_once('?').map_or("", |(_, query)| query);
            query.split('&').any(|pair| pair.split('=').next() == Some(name))
        };
        let in_cookie = |name: &str| {
            let cookies = http.header("cookie").unwrap_or("");
            cookies
                .split(';')
                .any(|pair| pair.trim().split('=').next() == Some(name))
        };
        if self.from_headers.is_empty() && self.from_params.is_empty() && self.from_cookies.is_empty() {
            return in_header("authorization", "Bearer ") || in_query("access_token");
        }
        self.from_headers.iter().any(|(name, prefix)| in_header(name, prefix))
            || self.from_params.iter().any(|name| in_query(name))
            || self.from_cookies.iter().any(|name| in_cookie(name))
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct TokenRules {
    rules: Vec<TokenRule>,
    written_headers: Vec<String>,
}

impl TokenRules {
    pub(super) fn new(rules: impl IntoIterator<Item = TokenRule>) -> Self {
        let rules: Vec<TokenRule> = rules.into_iter().collect();
        let written_headers = rules.iter().flat_map(|rule| rule.written_headers.clone()).collect();
        Self { rules, written_headers }
    }

    pub(super) fn finds_token(&self, http: &Http<'_>) -> bool {
        self.rules.iter().any(|rule| rule.finds_token(http))
    }

    pub(super) fn written_headers(&self) -> &[String] {
        &self.written_headers
    }
}
