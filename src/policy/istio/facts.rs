//! What a proxy knows of one connection or request when it evaluates policies.
//!
//! Belongs here: the question, and the attributes that follow from it (normalized path, client address, token). Does not
//! belong here: the client's certificate (`identity`) and the policies (`engine`).

use std::borrow::Cow;
use std::net::IpAddr;

use super::super::request::Http;
use super::path::{Rejected, normalize};
use super::request_authentication::TokenRules;

/// A TCP connection or an HTTP request to a workload that has a proxy.
#[derive(Debug, Clone, Copy, Default)]
pub struct Question<'a> {
    /// Port of the workload, after Service mapping.
    pub port: u16,
    /// The request; none is plain TCP. A port that Istio treats as TCP (by the name or `appProtocol` of the Service's port)
    /// is asked without it even if HTTP is spoken there: its proxy sees no request, so that rules with fields of HTTP
    /// narrow ALLOW and widen DENY.
    pub http: Option<Http<'a>>,
    /// Address that the packets come from, if it is known.
    pub source_address: Option<IpAddr>,
    /// Addresses of the workload's pods, if they are known; which of them is called is not.
    pub destination_addresses: &'a [IpAddr],
}

/// A text that may be absent or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text<'a> {
    Absent,
    Unknown,
    Is(&'a str),
}

#[derive(Debug, Clone)]
pub(super) struct Facts<'a> {
    pub port: u16,
    pub source: Option<IpAddr>,
    pub destinations: &'a [IpAddr],
    /// Server name of TLS: none without TLS, else chosen by the client's proxy.
    pub server_name: Text<'a>,
    pub http: Option<HttpFacts<'a>>,
}

#[derive(Debug, Clone)]
pub(super) struct HttpFacts<'a> {
    pub method: &'a str,
    /// As sent, with the query string.
    pub raw_path: Option<&'a str>,
    /// Without the query string, normalized.
    pub path: Option<Cow<'a, str>>,
    pub host: Text<'a>,
    pub headers: &'a [(String, String)],
    /// By `X-Forwarded-For`, or else the source.
    pub remote: Option<IpAddr>,
    /// Whether there is a token that a RequestAuthentication looks at. Whether it is valid is not known.
    pub token: bool,
    /// Header fields that a RequestAuthentication writes, from the token or, without one, not at all.
    pub overwritten: &'a [String],
}

/// Why a proxy answers 400 before any policy.
pub(super) const NOT_UPPER_CASE: &str = "the proxy answers 400: the method is not in upper case";
pub(super) const NULL_IN_PATH: &str = "the proxy answers 400: the path has a `%00`";
pub(super) const FRAGMENT_IN_PATH: &str = "the proxy answers 400: the path has a fragment (`#`)";

impl<'a> Facts<'a> {
    /// The facts, or why the proxy answers 400.
    pub(super) fn new(
        question: &Question<'a>,
        plain_text: bool,
        trusts_forwarded: bool,
        tokens: &'a TokenRules,
    ) -> Result<Self, &'static str> {
        let http = question.http.map(|http| -> Result<_, &'static str> {
            if http.method.bytes().any(|c| c.is_ascii_lowercase()) {
                return Err(NOT_UPPER_CASE);
            }
            let path = normalize(http.path).map_err(|rejected| match rejected {
                Rejected::Null => NULL_IN_PATH,
                Rejected::Fragment => FRAGMENT_IN_PATH,
            })?;
            let host = http.host.or_else(|| http.header(":authority"));
            let forwarded = match trusts_forwarded {
                true => http.header("x-forwarded-for").and_then(last_address),
                false => None,
            };
            Ok(HttpFacts {
                method: http.method,
                raw_path: Some(http.path),
                path: Some(path),
                host: host.or_else(|| http.header("host")).map_or(Text::Unknown, Text::Is),
                headers: http.headers,
                remote: forwarded.or(question.source_address),
                token: tokens.finds_token(&http),
                overwritten: tokens.written_headers(),
            })
        });
        Ok(Self {
            port: question.port,
            source: question.source_address,
            destinations: question.destination_addresses,
            server_name: if plain_text { Text::Absent } else { Text::Unknown },
            http: http.transpose()?,
        })
    }

    /// Where the request comes from.
    pub(super) fn remote(&self) -> Option<IpAddr> {
        self.http.as_ref().map_or(self.source, |http| http.remote)
    }
}

/// The address that the last proxy on the way added (Envoy `config_impl`, `use_remote_address` false and no trusted hops,
/// which is what Istio sets for sidecars).
fn last_address(list: &str) -> Option<IpAddr> {
    list.rsplit(',').next().and_then(|last| last.trim().parse().ok())
}

/// A header field that a condition names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HeaderField {
    Authority,
    Method,
    Path,
    /// Proxies on the way set or change it, so that its value is not known.
    SetByProxies,
    Named(String),
}

impl HeaderField {
    pub(super) fn new(name: &str) -> Self {
        match name {
            ":authority" | "host" => Self::Authority,
            ":method" => Self::Method,
            ":path" => Self::Path,
            "x-forwarded-proto" | "x-forwarded-client-cert" | "x-request-id" | "traceparent" | "tracestate" | "b3" => {
                Self::SetByProxies
            }
            other if other.starts_with(':') || other.starts_with("x-envoy-") || other.starts_with("x-b3-") => {
                Self::SetByProxies
            }
            other => Self::Named(other.to_owned()),
        }
    }
}

impl<'a> HttpFacts<'a> {
    /// The value of a header field; several fields of one name are one with commas between the values (page
    /// "Authorization Policy Normalization", "Duplicate headers"). The joined value is put into `buffer`.
    pub(super) fn header<'b>(&'b self, field: &HeaderField, buffer: &'b mut String) -> Text<'b>
    where
        'a: 'b,
    {
        let name = match field {
            HeaderField::Authority => return self.host,
            HeaderField::Method => return Text::Is(self.method),
            HeaderField::Path => return self.raw_path.map_or(Text::Absent, Text::Is),
            HeaderField::SetByProxies => return Text::Unknown,
            HeaderField::Named(name) => name,
        };
        if self.overwritten.contains(name) {
            return if self.token { Text::Unknown } else { Text::Absent };
        }
        let mut values = self
            .headers
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (None, _) => Text::Absent,
            (Some(value), None) => Text::Is(value),
            (Some(first), Some(second)) => {
                for value in [first, ",", second] {
                    buffer.push_str(value);
                }
                for value in values {
                    buffer.push(',');
                    buffer.push_str(value);
                }
                Text::Is(buffer)
            }
        }
    }
}
