//! `when`: further conditions on attributes of source, destination, headers and tokens.
//!
//! Belongs here: the keys of the page "Authorization Policy Conditions"
//! (<https://istio.io/latest/docs/reference/config/security/conditions/>) and their values. Does not belong here: evaluation
//! (`engine`).

use super::super::PolicyError;
use super::authorization::{AddressBlock, Condition, ServiceAccountRef, parse_port};
use super::matching::StringMatch;

/// One entry of `when` (Istio `pilot/pkg/security/authz/model/model.go`, `New`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// `source.ip`.
    SourceAddress(Condition<AddressBlock>),
    /// `remote.ip`.
    RemoteAddress(Condition<AddressBlock>),
    /// `source.namespace`.
    SourceNamespace(Condition<StringMatch>),
    /// `source.principal`.
    SourcePrincipal(Condition<StringMatch>),
    /// `source.serviceAccount`.
    SourceServiceAccount(Condition<ServiceAccountRef>),
    /// `request.auth.principal`, `.audiences`, `.presenter` and `.claims[…]`: of a token. HTTP only.
    Token(Condition<String>),
    /// `request.headers[…]`. HTTP only.
    Header {
        /// Name of the header field, in lower case.
        name: String,
        /// Its values.
        values: Condition<StringMatch>,
    },
    /// `destination.ip`.
    DestinationAddress(Condition<AddressBlock>),
    /// `destination.port`.
    DestinationPort(Condition<u16>),
    /// `connection.sni`.
    ServerName(Condition<StringMatch>),
    /// A condition that is not evaluated.
    Unknown,
}

const KEYS: [&str; 14] = [
    "request.headers[NAME]",
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "request.auth.claims[NAME]",
    "destination.ip",
    "destination.port",
    "connection.sni",
    "experimental.envoy.filters.NAME[KEY]",
];

impl When {
    /// The keys that stand in a manifest, for near matches.
    pub const KEYS: [&'static str; 14] = KEYS;

    /// Reads one condition.
    ///
    /// # Errors
    /// If there is no such key, a value does not suit it, or it looks at what other filters left behind, which is not
    /// modeled (Istio `pkg/config/security/security.go`, `ValidateAttribute`).
    pub fn parse(key: &str, values: &[&str], not_values: &[&str]) -> Result<Self, PolicyError> {
        let blocks = || parse_all(values, not_values, AddressBlock::parse);
        Ok(match key {
            "source.ip" => Self::SourceAddress(blocks()?),
            "remote.ip" => Self::RemoteAddress(blocks()?),
            "source.namespace" => Self::SourceNamespace(parse_all(values, not_values, StringMatch::parse_namespace)?),
            "source.principal" => Self::SourcePrincipal(parse_all(values, not_values, StringMatch::parse_principal)?),
            "source.serviceAccount" => {
                Self::SourceServiceAccount(parse_all(values, not_values, ServiceAccountRef::parse)?)
            }
            "request.auth.principal" | "request.auth.audiences" | "request.auth.presenter" => {
                Self::Token(parse_all(values, not_values, not_empty)?)
            }
            "destination.ip" => Self::DestinationAddress(blocks()?),
            "destination.port" => Self::DestinationPort(parse_all(values, not_values, parse_port)?),
            "connection.sni" => Self::ServerName(parse_all(values, not_values, StringMatch::parse)?),
            _ => return Self::parse_with_brackets(key, values, not_values),
        })
    }

    fn parse_with_brackets(key: &str, values: &[&str], not_values: &[&str]) -> Result<Self, PolicyError> {
        if key.starts_with("experimental.envoy.filters.") || key.starts_with("request.experimental.") {
            return Err(PolicyError::NotModelled {
                what: "condition",
                value: key.to_owned(),
                hint: "what other filters of the proxy leave behind is not evaluated",
            });
        }
        let bracketed = |name: &str| {
            let rest = key.strip_prefix(name)?.strip_prefix('[')?;
            rest.strip_suffix(']').filter(|inner| !inner.is_empty())
        };
        if let Some(name) = bracketed("request.headers") {
            let name = name.to_ascii_lowercase();
            let values = parse_all(values, not_values, StringMatch::parse)?;
            return Ok(Self::Header { name, values });
        }
        if bracketed("request.auth.claims").is_some() {
            return parse_all(values, not_values, not_empty).map(Self::Token);
        }
        let hint = match key.strip_prefix("destination.") {
            Some("namespace") => "the policy's own namespace decides",
            Some("name" | "user") => "no longer supported by Istio; use `selector`",
            Some(rest) if rest.starts_with("labels") => "use `selector`",
            _ => "known keys are on Istio's page \"Authorization Policy Conditions\"",
        };
        Err(PolicyError::Invalid {
            what: "condition",
            value: key.to_owned(),
            hint,
        })
    }
}

fn not_empty(text: &str) -> Result<String, PolicyError> {
    StringMatch::parse(text).map(|pattern| pattern.text())
}

fn parse_all<T>(
    values: &[&str],
    not_values: &[&str],
    parse: impl Fn(&str) -> Result<T, PolicyError>,
) -> Result<Condition<T>, PolicyError> {
    Ok(Condition {
        any_of: values.iter().map(|text| parse(text)).collect::<Result<_, _>>()?,
        none_of: not_values.iter().map(|text| parse(text)).collect::<Result<_, _>>()?,
    })
}
