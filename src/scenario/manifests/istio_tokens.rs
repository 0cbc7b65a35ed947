//! RequestAuthentication: the strict reading of where tokens are looked for.
//!
//! Belongs here: its typed keys and conversion. Does not belong here: which tokens are valid (not evaluated), selectors and
//! targets (`istio`).

use serde::Deserialize;

use super::Located;
use super::checks::Pending;
use super::istio::{RawTarget, WorkloadSelector, origin, selector, targets};
use super::object::{Ignored, Object, at, check_keys};
use crate::policy::istio::{RequestAuthentication, TokenRule};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RequestSpec {
    selector: Option<Spanned<WorkloadSelector>>,
    target_ref: Option<Spanned<RawTarget>>,
    #[serde(default)]
    target_refs: Vec<Spanned<RawTarget>>,
    #[serde(default)]
    jwt_rules: Vec<Spanned<RawTokenRule>>,
}

/// `jwtRules[]` (istio/api `security/v1beta1/request_authentication.proto`, `JWTRule`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawTokenRule {
    issuer: Option<String>,
    #[serde(alias = "jwks_uri")]
    jwks_uri: Option<String>,
    #[serde(default)]
    from_headers: Vec<RawTokenHeader>,
    #[serde(default)]
    from_params: Vec<String>,
    #[serde(default)]
    from_cookies: Vec<String>,
    output_payload_to_header: Option<String>,
    #[serde(default)]
    output_claim_to_headers: Vec<RawClaimHeader>,
    /// Which tokens are valid: not evaluated, so that a request with a token has an unknown verdict.
    _audiences: Ignored,
    _jwks: Ignored,
    _timeout: Ignored,
    _space_delimited_claims: Ignored,
    /// Whether the application sees the token.
    _forward_original_token: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTokenHeader {
    name: String,
    #[serde(default)]
    prefix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClaimHeader {
    header: String,
    #[serde(rename = "claim")]
    _claim: Ignored,
}

/// Reads a RequestAuthentication.
pub(super) fn read_request(
    document: &Document<'_>,
    object: Object<RequestSpec>,
    pending: &mut Pending,
) -> Result<Located<RequestAuthentication>, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.annotations, &[])?;
    let place = document.place(&meta.name);
    let namespace = meta.namespace();
    let owner = format!("RequestAuthentication {namespace}/{}", meta.name.value);
    let spec = object.spec.unwrap_or_default();
    let raw = spec.selector.as_ref();
    let targets = targets(document, raw, spec.target_ref.as_ref(), &spec.target_refs)?;
    let selector = selector(document, raw, &owner, &namespace, pending)?;
    let mut rules = Vec::new();
    for raw in &spec.jwt_rules {
        let rule = &raw.value;
        let given = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        if !given(&rule.issuer) && !given(&rule.jwks_uri) {
            let error = document.error(raw, "a rule without `issuer` and without `jwksUri`");
            return Err(error.with_hint("Istio refuses it; name the issuer of the tokens"));
        }
        let claims = rule.output_claim_to_headers.iter().map(|claim| &claim.header);
        let written = claims.chain(&rule.output_payload_to_header);
        let read = TokenRule {
            from_headers: rule
                .from_headers
                .iter()
                .map(|h| (h.name.clone(), h.prefix.clone()))
                .collect(),
            from_params: rule.from_params.clone(),
            from_cookies: rule.from_cookies.clone(),
            written_headers: written.map(|name| name.to_ascii_lowercase()).collect(),
        };
        at(document, raw, read.check())?;
        rules.push(read);
    }
    Ok(Located {
        item: RequestAuthentication {
            name: meta.name.value.clone(),
            namespace,
            selector,
            targets,
            rules,
            origin: origin(document, &owner, Vec::new()),
        },
        place,
    })
}
