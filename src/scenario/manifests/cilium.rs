//! CiliumNetworkPolicy: the strict reading of what `policy::cilium` evaluates.
//!
//! Belongs here: the typed keys of the policy and their conversion. Does not belong here: evaluation (`policy::cilium`) and
//! the list of refused keys (`refused`).

use serde::Deserialize;

use super::Located;
use super::checks::{AccountUse, Pending, Selects, Use};
use super::object::{Ignored, LabelPlace, Object, RawSelector, at, check_keys, not_empty};
use crate::policy::cilium::selector::{CLUSTER_LABEL, Key, NAMESPACE_LABEL, SERVICE_ACCOUNT_LABEL, Source};
use crate::policy::cilium::{CiliumNetworkPolicy, CiliumPeers, CiliumRule, CiliumSelector, Entity, PortMatch};
use crate::policy::{PolicyError, Protocol};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PolicySpec {
    endpoint_selector: Spanned<RawSelector>,
    #[serde(default)]
    ingress: Vec<RawIngress>,
    #[serde(default)]
    ingress_deny: Vec<RawIngress>,
    #[serde(default)]
    egress: Vec<RawEgress>,
    #[serde(default)]
    egress_deny: Vec<RawEgress>,
    #[serde(default)]
    enable_default_deny: DefaultDeny,
    /// Text for people.
    #[serde(default, rename = "description")]
    _description: Ignored,
    /// Labels of the rule, not of pods.
    #[serde(default, rename = "labels")]
    _labels: Ignored,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct DefaultDeny {
    ingress: Option<bool>,
    egress: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawIngress {
    from_endpoints: Option<Endpoints>,
    from_entities: Option<Entities>,
    to_ports: Option<Spanned<Vec<RawPorts>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawEgress {
    to_endpoints: Option<Endpoints>,
    to_entities: Option<Entities>,
    to_ports: Option<Spanned<Vec<RawPorts>>>,
}

type Endpoints = Spanned<Vec<Spanned<RawSelector>>>;
type Entities = Spanned<Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPorts {
    ports: Spanned<Vec<RawPort>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawPort {
    port: Spanned<String>,
    end_port: Option<Spanned<u16>>,
    protocol: Option<Spanned<String>>,
}

/// One direction's rule, whichever its key names.
struct Raw<'a> {
    endpoints: (&'static str, Option<&'a Endpoints>),
    entities: (&'static str, Option<&'a Entities>),
    ports: Option<&'a Spanned<Vec<RawPorts>>>,
}

impl<'a> From<&'a RawIngress> for Raw<'a> {
    fn from(rule: &'a RawIngress) -> Self {
        Self {
            endpoints: ("fromEndpoints", rule.from_endpoints.as_ref()),
            entities: ("fromEntities", rule.from_entities.as_ref()),
            ports: rule.to_ports.as_ref(),
        }
    }
}

impl<'a> From<&'a RawEgress> for Raw<'a> {
    fn from(rule: &'a RawEgress) -> Self {
        Self {
            endpoints: ("toEndpoints", rule.to_endpoints.as_ref()),
            entities: ("toEntities", rule.to_entities.as_ref()),
            ports: rule.to_ports.as_ref(),
        }
    }
}

/// What is constant while the rules of one policy are read.
struct Reader<'a> {
    document: &'a Document<'a>,
    owner: String,
    namespace: String,
}

/// Reads a CiliumNetworkPolicy and notes what its selectors have to match.
pub(super) fn read(
    document: &Document<'_>,
    object: Object<PolicySpec>,
    pending: &mut Pending,
) -> Result<Located<CiliumNetworkPolicy>, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.annotations, &[])?;
    let place = document.place(&meta.name);
    let Some(spec) = object.spec else {
        return Err(place.error("key `spec` is missing"));
    };
    let namespace = meta.namespace();
    let reader = Reader {
        document,
        owner: format!("CiliumNetworkPolicy {namespace}/{}", meta.name.value),
        namespace: namespace.clone(),
    };
    let endpoint_selector = reader.endpoint_selector(&spec.endpoint_selector, pending)?;
    let mut rules = |raw: Vec<Raw<'_>>| -> Result<Vec<CiliumRule>, InputError> {
        raw.iter().map(|rule| reader.rule(rule, pending)).collect()
    };
    let policy = CiliumNetworkPolicy {
        name: meta.name.value.clone(),
        namespace,
        endpoint_selector,
        ingress: rules(spec.ingress.iter().map(Raw::from).collect())?,
        ingress_deny: rules(spec.ingress_deny.iter().map(Raw::from).collect())?,
        egress: rules(spec.egress.iter().map(Raw::from).collect())?,
        egress_deny: rules(spec.egress_deny.iter().map(Raw::from).collect())?,
        default_deny_ingress: spec.enable_default_deny.ingress,
        default_deny_egress: spec.enable_default_deny.egress,
    };
    Ok(Located { item: policy, place })
}

impl Reader<'_> {
    fn endpoint_selector(
        &self,
        raw: &Spanned<RawSelector>,
        pending: &mut Pending,
    ) -> Result<CiliumSelector, InputError> {
        let (selector, labels) = self.selector(raw)?;
        if selector.has_reserved_key() {
            let message = "a `reserved:` label in `endpointSelector` is not modelled";
            let hint = "policies apply to pods; use `fromEntities` or `toEntities` for peers";
            return Err(self.document.error(raw, message).with_hint(hint));
        }
        if let Some(label) = labels
            .iter()
            .find(|l| l.key == NAMESPACE_LABEL && l.value != self.namespace)
        {
            let message = format!("`{}` is not the namespace of the policy", label.value);
            let hint = format!("an `endpointSelector` always means its own, `{}`", self.namespace);
            return Err(label.place.error(message).with_hint(hint));
        }
        pending.uses.push(Use {
            owner: format!("`endpointSelector` of {}", self.owner),
            place: self.document.place(raw),
            namespace: Some(self.namespace.clone()),
            labels,
            selects: Selects::Cilium(selector.clone().always_in(&self.namespace)),
            required: true,
        });
        Ok(selector)
    }

    /// The selector, and its labels under the names that workloads have.
    fn selector(&self, raw: &Spanned<RawSelector>) -> Result<(CiliumSelector, Vec<LabelPlace>), InputError> {
        let mut labels = Vec::new();
        for (text, value) in &raw.value.match_labels {
            let key = at(self.document, value, Key::parse(text))?;
            if key.name == CLUSTER_LABEL && value.value != "default" {
                let message = format!("cluster `{}` is not modelled", value.value);
                let hint = "there is one cluster, and its name is `default`";
                return Err(self.document.error(value, message).with_hint(hint));
            }
            if key.source != Source::Reserved {
                labels.push(LabelPlace::new(self.document, &key.name, value));
            }
        }
        let plain = raw.value.convert(self.document)?;
        let selector = at(self.document, raw, CiliumSelector::new(&plain))?;
        Ok((selector, labels))
    }

    fn rule(&self, raw: &Raw<'_>, pending: &mut Pending) -> Result<CiliumRule, InputError> {
        let peers = match (raw.endpoints, raw.entities) {
            ((_, None), (_, None)) => CiliumPeers::Unrestricted,
            ((a, Some(_)), (b, Some(entities))) => {
                let message = format!("`{a}` and `{b}` in one rule");
                let hint = "Cilium refuses the combination; write two rules";
                return Err(self.document.error(entities, message).with_hint(hint));
            }
            ((key, Some(endpoints)), _) => self.endpoints(key, endpoints, pending)?,
            (_, (key, Some(entities))) => self.entities(key, entities)?,
        };
        let mut ports = Vec::new();
        if let Some(list) = raw.ports {
            let hint = "leave the key out for every port";
            not_empty(self.document, "toPorts", list, hint)?;
            for entry in &list.value {
                not_empty(self.document, "ports", &entry.ports, hint)?;
                for port in &entry.ports.value {
                    ports.push(self.port(port)?);
                }
            }
        }
        Ok(CiliumRule { peers, ports })
    }

    fn endpoints(&self, key: &str, list: &Endpoints, pending: &mut Pending) -> Result<CiliumPeers, InputError> {
        let hint = "Cilium's releases differ in what it means; write `- {}` for every pod of the namespace";
        not_empty(self.document, key, list, hint)?;
        let mut selectors = Vec::new();
        for raw in &list.value {
            let (selector, labels) = self.selector(raw)?;
            let namespace = labels.iter().find(|l| l.key == NAMESPACE_LABEL);
            let namespace = namespace.map_or(&self.namespace, |l| &l.value).clone();
            for label in labels.iter().filter(|l| l.key == SERVICE_ACCOUNT_LABEL) {
                pending.accounts.push(AccountUse {
                    owner: self.owner.clone(),
                    place: label.place.clone(),
                    namespace: namespace.clone(),
                    name: label.value.clone(),
                });
            }
            if !selector.has_reserved_key() {
                pending.uses.push(Use {
                    owner: format!("`{key}` of {}", self.owner),
                    place: self.document.place(raw),
                    namespace: Some(namespace),
                    labels,
                    selects: Selects::Cilium(selector.clone().confined_to(&self.namespace)),
                    required: false,
                });
            }
            selectors.push(selector);
        }
        Ok(CiliumPeers::Endpoints(selectors))
    }

    fn entities(&self, key: &str, list: &Entities) -> Result<CiliumPeers, InputError> {
        let hint = "Cilium's releases differ in what it means; write `none` for nobody";
        not_empty(self.document, key, list, hint)?;
        let mut entities = Vec::new();
        for name in &list.value {
            match Entity::parse(&name.value) {
                Ok(entity) => entities.push(entity),
                Err(error @ PolicyError::NotModelled { .. }) => {
                    return at(self.document, name, Err(error));
                }
                Err(PolicyError::Invalid { .. }) => {
                    let message = format!("unknown entity `{}`", name.value);
                    let error = self.document.error(name, message);
                    return Err(error.with_candidates(&name.value, Entity::NAMES));
                }
            }
        }
        Ok(CiliumPeers::Entities(entities))
    }

    fn port(&self, raw: &RawPort) -> Result<PortMatch, InputError> {
        let text = raw.port.value.as_str();
        let Ok(first) = text.parse::<u16>() else {
            let is_number = text.chars().all(|c| c.is_ascii_digit());
            let message = match is_number {
                true => format!("`{text}` is no port"),
                false => format!("port name `{text}` is not modelled"),
            };
            let hint = "write the number of the pod's port, 1 to 65535";
            return Err(self.document.error(&raw.port, message).with_hint(hint));
        };
        let last = raw.end_port.as_ref().map_or(first, |p| p.value);
        if let Some(end) = &raw.end_port
            && (end.value < first || first == 0)
        {
            let message = format!("`endPort: {last}` does not follow `port: {first}`");
            return Err(self.document.error(end, message));
        }
        let protocol = match &raw.protocol {
            None => None,
            Some(text) => match text.value.to_ascii_uppercase().as_str() {
                "ANY" => None,
                "TCP" => Some(Protocol::Tcp),
                "UDP" => Some(Protocol::Udp),
                "SCTP" => Some(Protocol::Sctp),
                other => {
                    let message = format!("unknown protocol `{}`", text.value);
                    let error = self.document.error(text, message);
                    return Err(error.with_candidates(other, ["TCP", "UDP", "SCTP", "ANY"]));
                }
            },
        };
        Ok(PortMatch { first, last, protocol })
    }
}
