//! NetworkPolicy of Kubernetes: its strict reading.
//!
//! Belongs here: the typed keys, the defaults and the validation of the API server. Does not belong here: evaluation
//! (`policy::network`).

use serde::{Deserialize, Deserializer};

use super::Located;
use super::checks::{Pending, Selects, Use};
use super::cilium_ports::is_name;
use super::object::{NumberOrText, Object, RawSelector, at, check_keys};
use crate::policy::Protocol;
use crate::policy::cidr::Block;
use crate::policy::network::NetworkPolicy;
use crate::policy::network::form::{Port, PortMatch, ProtocolMatch};
use crate::policy::network::kubernetes::{NetworkPeer, NetworkRule};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PolicySpec {
    pod_selector: Option<Spanned<RawSelector>>,
    policy_types: Option<Vec<Spanned<String>>>,
    ingress: Option<Vec<Spanned<RawIngress>>>,
    egress: Option<Vec<Spanned<RawEgress>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawIngress {
    from: Option<Vec<Spanned<RawPeer>>>,
    ports: Option<Vec<RawPort>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEgress {
    to: Option<Vec<Spanned<RawPeer>>>,
    ports: Option<Vec<RawPort>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawPeer {
    pod_selector: Option<Spanned<RawSelector>>,
    namespace_selector: Option<Spanned<RawSelector>>,
    ip_block: Option<RawBlock>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBlock {
    cidr: Spanned<String>,
    except: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawPort {
    protocol: Option<Spanned<String>>,
    port: Option<Spanned<NumberOrName>>,
    end_port: Option<Spanned<u32>>,
}

/// A port as a number or a name (Kubernetes `intstr.IntOrString`).
enum NumberOrName {
    Number(u64),
    Name(String),
}

impl<'de> Deserialize<'de> for NumberOrName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrText {
            expected: "the number or the name of a port",
            number: |value| Some(Self::Number(value)),
            text: |text: &str| Some(Self::Name(text.to_owned())),
        })
    }
}

/// Reads a NetworkPolicy and notes what its selectors have to match.
pub(super) fn read(
    document: &Document<'_>,
    object: &Object<PolicySpec>,
    pending: &mut Pending,
) -> Result<Located<NetworkPolicy>, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.annotations, &[])?;
    let place = document.place(&meta.name);
    let Some(spec) = &object.spec else {
        return Err(place.error("key `spec` is missing"));
    };
    let namespace = meta.namespace();
    let mut reader = Reader {
        document,
        pending,
        owner: format!("NetworkPolicy {namespace}/{}", meta.name.value),
        namespace: namespace.clone(),
    };
    let pod_selector = match &spec.pod_selector {
        Some(selector) => {
            reader.has_to_match("podSelector", selector)?;
            selector.value.convert(document)?
        }
        // As the API server reads it: every pod.
        None => Default::default(),
    };
    let mut ingress = Vec::new();
    for rule in spec.ingress.iter().flatten() {
        let (from, ports) = (rule.value.from.as_deref(), rule.value.ports.as_deref());
        ingress.push(reader.rule("from", from, ports, document.place(rule).line)?);
    }
    let mut egress = Vec::new();
    for rule in spec.egress.iter().flatten() {
        let (to, ports) = (rule.value.to.as_deref(), rule.value.ports.as_deref());
        egress.push(reader.rule("to", to, ports, document.place(rule).line)?);
    }
    let (isolates_ingress, isolates_egress) = types(document, spec.policy_types.as_deref(), &egress)?;
    let item = NetworkPolicy {
        namespace,
        name: meta.name.value.clone(),
        file: document.file().display().to_string(),
        pod_selector,
        isolates_ingress,
        isolates_egress,
        ingress,
        egress,
    };
    Ok(Located { item, place })
}

fn types(
    document: &Document<'_>,
    written: Option<&[Spanned<String>]>,
    egress: &[NetworkRule],
) -> Result<(bool, bool), InputError> {
    let Some(written) = written.filter(|types| !types.is_empty()) else {
        return Ok(NetworkPolicy::default_types(egress));
    };
    let mut types = (false, false);
    for name in written {
        match name.value.as_str() {
            "Ingress" => types.0 = true,
            "Egress" => types.1 = true,
            other => {
                let error = document.error(name, format!("unknown policy type `{other}`"));
                return Err(error.with_candidates(other, ["Ingress", "Egress"]));
            }
        }
    }
    Ok(types)
}

struct Reader<'a> {
    document: &'a Document<'a>,
    pending: &'a mut Pending,
    owner: String,
    namespace: String,
}

impl Reader<'_> {
    /// Notes a selector of pods in the policy's own namespace, so that one that matches nothing is reported.
    fn has_to_match(&mut self, key: &str, raw: &Spanned<RawSelector>) -> Result<(), InputError> {
        self.pending.uses.push(Use {
            owner: format!("`{key}` of {}", self.owner),
            place: self.document.place(raw),
            namespace: Some(self.namespace.clone()),
            labels: raw.value.places(self.document),
            selects: Selects::Labels(raw.value.convert(self.document)?),
            service: None,
        });
        Ok(())
    }

    fn rule(
        &mut self,
        key: &str,
        peers: Option<&[Spanned<RawPeer>]>,
        ports: Option<&[RawPort]>,
        line: u32,
    ) -> Result<NetworkRule, InputError> {
        let mut rule = NetworkRule {
            line,
            ..NetworkRule::default()
        };
        for peer in peers.unwrap_or_default() {
            rule.peers.push(self.peer(key, peer)?);
        }
        for port in ports.unwrap_or_default() {
            rule.ports.push(self.port(port)?);
        }
        Ok(rule)
    }

    fn peer(&mut self, key: &str, raw: &Spanned<RawPeer>) -> Result<NetworkPeer, InputError> {
        let peer = &raw.value;
        match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
            (None, None, None) => {
                let error = self.document.error(raw, format!("an entry of `{key}` is empty"));
                Err(error.with_hint(format!("leave out `{key}` to match every peer")))
            }
            (Some(block), None, None) => {
                let except = block.except.as_deref().unwrap_or_default();
                let parsed = Block::parse(&block.cidr.value, except);
                Ok(NetworkPeer::Block(at(self.document, &block.cidr, parsed)?))
            }
            (Some(block), ..) => {
                let error = self
                    .document
                    .error(&block.cidr, "`ipBlock` beside a selector in one entry");
                Err(error.with_hint("Kubernetes refuses the combination; write two entries"))
            }
            (None, namespaces, pods) => {
                if let (None, Some(pods)) = (namespaces, pods) {
                    self.has_to_match("podSelector", pods)?;
                }
                let convert = |selector: &Option<Spanned<RawSelector>>| {
                    let selector = selector.as_ref();
                    selector.map(|s| s.value.convert(self.document)).transpose()
                };
                Ok(NetworkPeer::Pods {
                    namespaces: convert(namespaces)?,
                    pods: convert(pods)?,
                })
            }
        }
    }

    fn port(&self, raw: &RawPort) -> Result<PortMatch, InputError> {
        let protocol = match &raw.protocol {
            None => Protocol::Tcp,
            Some(text) => match text.value.as_str() {
                "TCP" => Protocol::Tcp,
                "UDP" => Protocol::Udp,
                "SCTP" => Protocol::Sctp,
                other => {
                    let error = self.document.error(text, format!("unknown protocol `{other}`"));
                    return Err(error.with_candidates(other, ["TCP", "UDP", "SCTP"]));
                }
            },
        };
        let number = |value: u64| u16::try_from(value).ok().filter(|number| *number > 0);
        let port = match (&raw.port, &raw.end_port) {
            (None, None) => Port::Any,
            (None, Some(end)) => return Err(self.document.error(end, "`endPort` without `port`")),
            (Some(port), end) => match (&port.value, end) {
                (NumberOrName::Number(first), end) => {
                    let Some(first) = number(*first) else {
                        let error = self.document.error(port, format!("`{first}` is not a valid port"));
                        return Err(error.with_hint("write a number from 1 to 65535"));
                    };
                    let last = end.as_ref().map_or(Some(first), |end| number(u64::from(end.value)));
                    match (last.filter(|last| *last >= first), end) {
                        (Some(last), _) => Port::Range(first, last),
                        (None, Some(end)) => {
                            let message = format!("`endPort: {}` does not follow `port: {first}`", end.value);
                            return Err(self.document.error(end, message));
                        }
                        (None, None) => Port::Range(first, first),
                    }
                }
                (NumberOrName::Name(_), Some(end)) => {
                    return Err(self.document.error(end, "`endPort` behind the name of a port"));
                }
                (NumberOrName::Name(name), None) if is_name(name) => Port::Named(name.clone()),
                (NumberOrName::Name(name), None) => {
                    let error = self
                        .document
                        .error(port, format!("`{name}` is not a valid name for a port"));
                    return Err(
                        error.with_hint("write a number without quotes, or at most 15 characters a-z, 0-9 and -")
                    );
                }
            },
        };
        Ok(PortMatch {
            port,
            protocol: ProtocolMatch::Is(protocol),
        })
    }
}
