//! The ports and requests of Cilium's policies: strict reading of `toPorts`.
//!
//! Belongs here: port numbers, names, ranges, protocols, and rules on HTTP. Does not belong here: peers (`cilium`) and
//! evaluation (`policy::network`).

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cilium::Reader;
use super::object::at;
use crate::policy::cilium::{HeaderMatch, HttpRule, Pattern, PortRule};
use crate::policy::network::form::{Layer7, Port, PortMatch, ProtocolMatch};
use crate::policy::{PolicyError, Protocol};
use crate::scenario::error::InputError;
use crate::scenario::yaml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawPorts {
    ports: Option<Spanned<Vec<RawPort>>>,
    rules: Option<Spanned<RawRules>>,
    server_names: Option<Spanned<IgnoredAny>>,
    listener: Option<Spanned<IgnoredAny>>,
    #[serde(rename = "terminatingTLS")]
    terminating_tls: Option<Spanned<IgnoredAny>>,
    #[serde(rename = "originatingTLS")]
    originating_tls: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawPort {
    port: Spanned<String>,
    end_port: Option<Spanned<u16>>,
    protocol: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    http: Option<Vec<Spanned<RawHttp>>>,
    dns: Option<Spanned<Vec<RawDns>>>,
    kafka: Option<Spanned<IgnoredAny>>,
    l7proto: Option<Spanned<IgnoredAny>>,
    l7: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawDns {
    _match_pattern: Option<String>,
    _match_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawHttp {
    path: Option<Spanned<String>>,
    method: Option<Spanned<String>>,
    host: Option<Spanned<String>>,
    headers: Option<Vec<String>>,
    header_matches: Option<Vec<RawHeader>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    name: Spanned<String>,
    value: Option<String>,
    secret: Option<IgnoredAny>,
    mismatch: Option<Spanned<String>>,
}

/// Reads `toPorts`; an empty list is like none.
pub(super) fn ports(reader: &mut Reader<'_>, list: &[RawPorts], deny: bool) -> Result<Vec<PortRule>, InputError> {
    list.iter().map(|entry| entry_of(reader, entry, deny)).collect()
}

fn entry_of(reader: &mut Reader<'_>, raw: &RawPorts, deny: bool) -> Result<PortRule, InputError> {
    let document = reader.document;
    let mut ports = Vec::new();
    match &raw.ports {
        Some(list) if !list.value.is_empty() => {
            for port in &list.value {
                ports.push(port_of(reader, port)?);
            }
        }
        Some(list) => {
            let error = document.error(list, "`ports: []` is empty");
            return Err(error.with_hint("Cilium's releases differ in what it means; write port \"0\" for every port"));
        }
        None => {
            let place = raw
                .rules
                .as_ref()
                .map_or_else(|| document.start(), |rules| document.place(rules));
            let error = place.error("an entry of `toPorts` has no `ports`");
            return Err(error.with_hint("Cilium's releases differ in what it means; write port \"0\" for every port"));
        }
    }
    let mut layer7 = match &raw.rules {
        None => Layer7::Unrestricted,
        Some(rules) if deny => {
            let error = document.error(rules, "`rules` in a deny rule");
            return Err(error.with_hint("Cilium can deny ports, but not requests"));
        }
        Some(rules) => rules_of(reader, rules, &ports)?,
    };
    let unread = [
        (
            "serverNames",
            &raw.server_names,
            "names in TLS handshakes are not evaluated",
        ),
        (
            "listener",
            &raw.listener,
            "what a listener of Envoy does is not evaluated",
        ),
        (
            "terminatingTLS",
            &raw.terminating_tls,
            "TLS inside of connections is not evaluated",
        ),
        (
            "originatingTLS",
            &raw.originating_tls,
            "TLS inside of connections is not evaluated",
        ),
    ];
    for (key, value, why) in unread {
        if let Some(value) = value {
            let error = document.error(value, format!("`{key}` is not modeled")).with_hint(why);
            reader.pending.not_evaluated(error)?;
            layer7 = Layer7::Unknown;
        }
    }
    Ok(PortRule { ports, layer7 })
}

fn port_of(reader: &Reader<'_>, raw: &RawPort) -> Result<PortMatch, InputError> {
    let document = reader.document;
    let text = raw.port.value.as_str();
    let end = raw.end_port.as_ref().filter(|end| end.value != 0);
    let port = match (text.parse::<u16>(), end) {
        (Ok(0), None) => Port::Any,
        (Ok(first), None) => Port::Range(first, first),
        (Ok(first), Some(end)) if first > 0 && end.value >= first => Port::Range(first, end.value),
        (Ok(first), Some(end)) => {
            let message = format!("`endPort: {}` does not follow `port: {first}`", end.value);
            return Err(document.error(end, message));
        }
        (Err(_), Some(end)) if is_name(text) => {
            return Err(document.error(end, "`endPort` behind the name of a port"));
        }
        (Err(_), None) if is_name(text) => Port::Named(text.to_ascii_lowercase()),
        (Err(_), _) => {
            let error = document.error(&raw.port, format!("`{text}` is not a valid port"));
            return Err(error.with_hint("write the number of the pod's port, 1 to 65535, or its name"));
        }
    };
    let protocol = match &raw.protocol {
        None => ProtocolMatch::Any,
        Some(text) => match text.value.to_ascii_uppercase().as_str() {
            "" | "ANY" => ProtocolMatch::Any,
            "TCP" => ProtocolMatch::Is(Protocol::Tcp),
            "UDP" => ProtocolMatch::Is(Protocol::Udp),
            "SCTP" => ProtocolMatch::Is(Protocol::Sctp),
            "ICMP" | "ICMPV6" | "VRRP" | "IGMP" => ProtocolMatch::Portless,
            other => {
                let error = document.error(text, format!("unknown protocol `{}`", text.value));
                let known = ["TCP", "UDP", "SCTP", "ANY", "ICMP", "ICMPv6", "VRRP", "IGMP"];
                return Err(error.with_candidates(other, known));
            }
        },
    };
    Ok(PortMatch { port, protocol })
}

/// Whether a text can name a port (RFC 6335, section 5.1).
pub(super) fn is_name(text: &str) -> bool {
    (1..=15).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && text.chars().any(|c| c.is_ascii_alphabetic())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

fn rules_of(reader: &mut Reader<'_>, raw: &Spanned<RawRules>, ports: &[PortMatch]) -> Result<Layer7, InputError> {
    let document = reader.document;
    let rules = &raw.value;
    let unread = [
        ("kafka", &rules.kafka, "requests of Kafka are not evaluated"),
        ("l7proto", &rules.l7proto, "only HTTP is evaluated"),
        ("l7", &rules.l7, "only HTTP is evaluated"),
    ];
    let mut layer7 = Layer7::Unrestricted;
    for (key, value, why) in unread {
        if let Some(value) = value {
            let error = document.error(value, format!("`{key}` is not modeled")).with_hint(why);
            reader.pending.not_evaluated(error)?;
            layer7 = Layer7::Unknown;
        }
    }
    if let Some(dns) = &rules.dns {
        reader.pending.sees_dns |= !dns.value.is_empty();
        // A connection to the DNS server passes; which names it may ask for is no question of connections.
    }
    let Some(http) = &rules.http else {
        return Ok(layer7);
    };
    if rules.dns.is_some() || layer7 == Layer7::Unknown {
        let error = document.error(raw, "rules of several protocols on one port");
        return Err(error.with_hint("Cilium refuses the combination"));
    }
    let is_tcp = |port: &PortMatch| port.protocol == ProtocolMatch::Is(Protocol::Tcp) && port.port != Port::Any;
    if !ports.iter().all(is_tcp) {
        let error = document.error(raw, "rules on HTTP need ports of TCP");
        return Err(error.with_hint("Cilium refuses them on other protocols, on ANY and on port 0"));
    }
    let mut read = Vec::new();
    for rule in http {
        match http_of(reader, &rule.value)? {
            Some(rule) => read.push(rule),
            None => return Ok(Layer7::Unknown),
        }
    }
    Ok(Layer7::Http(read))
}

/// One rule on HTTP; none if a part of it is not evaluated.
fn http_of(reader: &mut Reader<'_>, raw: &RawHttp) -> Result<Option<HttpRule>, InputError> {
    let document = reader.document;
    let mut patterns = Vec::new();
    for text in [&raw.path, &raw.method, &raw.host] {
        let Some(text) = text.as_ref().filter(|text| !text.value.is_empty()) else {
            patterns.push(None);
            continue;
        };
        match Pattern::parse(&text.value) {
            Ok(pattern) => patterns.push(Some(pattern)),
            Err(error @ PolicyError::Invalid { .. }) => return at(document, text, Err(error)),
            Err(error) => {
                let hint = error.hint();
                reader
                    .pending
                    .not_evaluated(document.error(text, error.to_string()).with_hint(hint))?;
                return Ok(None);
            }
        }
    }
    let mut headers: Vec<HeaderMatch> = raw.headers.iter().flatten().map(|h| HeaderMatch::parse(h)).collect();
    for header in raw.header_matches.iter().flatten() {
        const ACTIONS: [&str; 4] = ["LOG", "ADD", "DELETE", "REPLACE"];
        match header.mismatch.as_ref().map(|m| (m, m.value.as_str())) {
            None | Some((_, "")) => {}
            // Whatever the header is, the request passes; it is logged or changed.
            Some((_, action)) if ACTIONS.contains(&action) => continue,
            Some((place, action)) => {
                let error = document.error(place, format!("unknown action `{action}`"));
                return Err(error.with_candidates(action, ACTIONS));
            }
        }
        let name = header.name.value.clone();
        let value = header.value.clone().filter(|value| !value.is_empty());
        headers.push(match (value, &header.secret) {
            (_, Some(_)) => {
                let error = document.error(&header.name, "a header that is compared with a secret is not modeled");
                reader.pending.not_evaluated(error.with_hint("write the value"))?;
                HeaderMatch::Secret(name)
            }
            (Some(value), None) => HeaderMatch::Value(name, value),
            (None, None) => HeaderMatch::Present(name),
        });
    }
    let mut patterns = patterns.into_iter().flat_map(|pattern| [pattern]);
    let mut next = || patterns.next().flatten();
    Ok(Some(HttpRule {
        path: next(),
        method: next(),
        host: next(),
        headers,
    }))
}
