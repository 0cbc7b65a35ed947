//! CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy: the strict reading of what `policy::cilium` evaluates.
//!
//! Belongs here: the conversion of a policy and what Cilium itself would refuse in it. Does not belong here: the typed keys
//! (`cilium_keys`), ports and requests (`cilium_ports`), and evaluation (`policy::network`).

use super::Located;
use super::checks::{AccountUse, Pending, Selects, Use};
pub(super) use super::cilium_keys::PolicyObject;
use super::cilium_keys::{Blocks, Endpoints, Entities, PolicySpec, Raw, RawEgress, RawIngress, RawName, RawService};
use super::cilium_ports::ports;
use super::object::{LabelPlace, RawSelector, at, check_keys};
use crate::policy::cidr::Block;
use crate::policy::cilium::selector::{CLUSTER_LABEL, Key, NAMESPACE_LABEL, SERVICE_ACCOUNT_LABEL, Source};
use crate::policy::cilium::{
    CiliumNetworkPolicy, CiliumPeers, CiliumRule, CiliumSelector, CiliumSubject, Entity, NamePattern,
};
use crate::policy::{PolicyError, Subject};
use crate::scenario::error::InputError;
use crate::scenario::yaml::{Document, Spanned};

/// What is constant while the rules of one policy are read.
pub(super) struct Reader<'a> {
    /// The document.
    pub document: &'a Document<'a>,
    /// What is not evaluated, what selectors have to match.
    pub pending: &'a mut Pending,
    owner: String,
    namespace: Option<String>,
}

/// Reads a policy and notes what its selectors have to match.
pub(super) fn read(
    document: &Document<'_>,
    object: &PolicyObject,
    clusterwide: bool,
    pending: &mut Pending,
) -> Result<Vec<Located<CiliumNetworkPolicy>>, InputError> {
    let meta = &object.metadata;
    check_keys(document, &meta.annotations, &[])?;
    let place = document.place(&meta.name);
    let namespace = match (clusterwide, &meta.namespace) {
        (false, _) => Some(meta.namespace()),
        (true, None) => None,
        (true, Some(namespace)) => {
            let error = document.error(namespace, "a clusterwide policy has no namespace");
            return Err(error.with_hint("remove the key, or write a CiliumNetworkPolicy"));
        }
    };
    let specs: Vec<&PolicySpec> = object.spec.iter().chain(object.specs.iter().flatten()).collect();
    if specs.is_empty() {
        return Err(place.error("key `spec` is missing"));
    }
    let mut policies = Vec::new();
    for spec in specs {
        let unselected = CiliumSubject::Endpoints(CiliumSelector::default());
        let policy = CiliumNetworkPolicy {
            file: document.file().display().to_string(),
            ..CiliumNetworkPolicy::new(namespace.as_deref(), &meta.name.value, unselected)
        };
        let mut reader = Reader {
            document,
            pending: &mut *pending,
            owner: policy.title(),
            namespace: namespace.clone(),
        };
        let item = reader.spec(spec, policy, &place)?;
        let place = place.clone();
        policies.push(Located { item, place });
    }
    Ok(policies)
}

impl Reader<'_> {
    fn spec(
        &mut self,
        spec: &PolicySpec,
        policy: CiliumNetworkPolicy,
        place: &crate::scenario::error::Place,
    ) -> Result<CiliumNetworkPolicy, InputError> {
        let document = self.document;
        let subject = match (&spec.endpoint_selector, &spec.node_selector) {
            (Some(selector), None) => CiliumSubject::Endpoints(self.endpoint_selector(selector)?),
            (None, Some(selector)) if self.namespace.is_none() => {
                CiliumSubject::Nodes(selector.value.convert(document)?)
            }
            (None, Some(selector)) => {
                let error = document.error(selector, "`nodeSelector` in a policy of a namespace");
                return Err(error.with_hint("only a CiliumClusterwideNetworkPolicy can select nodes"));
            }
            (Some(_), Some(selector)) => {
                let message = "`endpointSelector` and `nodeSelector` in one policy";
                let error = document.error(selector, message);
                return Err(error.with_hint("Cilium refuses the combination; write two policies"));
            }
            (None, None) => {
                let error = place.error("key `endpointSelector` is missing");
                return Err(error.with_hint("write `endpointSelector: {}` for every pod"));
            }
        };
        let ingress = |list: &Option<Vec<Spanned<RawIngress>>>, deny, reader: &mut Self| {
            let rules = list.iter().flatten().map(|rule| Raw::ingress(document, rule, deny));
            rules.map(|rule| reader.rule(&rule)).collect::<Result<Vec<_>, _>>()
        };
        let egress = |list: &Option<Vec<Spanned<RawEgress>>>, deny, reader: &mut Self| {
            let rules = list.iter().flatten().map(|rule| Raw::egress(document, rule, deny));
            rules.map(|rule| reader.rule(&rule)).collect::<Result<Vec<_>, _>>()
        };
        let default_deny = spec.enable_default_deny.as_ref();
        Ok(CiliumNetworkPolicy {
            subject,
            ingress: ingress(&spec.ingress, false, self)?,
            ingress_deny: ingress(&spec.ingress_deny, true, self)?,
            egress: egress(&spec.egress, false, self)?,
            egress_deny: egress(&spec.egress_deny, true, self)?,
            default_deny_ingress: default_deny.and_then(|d| d.ingress),
            default_deny_egress: default_deny.and_then(|d| d.egress),
            ..policy
        })
    }

    fn endpoint_selector(&mut self, raw: &Spanned<RawSelector>) -> Result<CiliumSelector, InputError> {
        let (selector, labels) = self.selector(raw)?;
        if selector.has_reserved_key() {
            // In a policy of a namespace it could match nothing, since what is reserved is in none.
            if self.namespace.is_some() {
                let message = "a `reserved:` label in `endpointSelector` matches no pod of a namespace";
                let hint = "use `fromEntities` or `toEntities` for peers";
                return Err(self.document.error(raw, message).with_hint(hint));
            }
            return Ok(selector);
        }
        let selects = match &self.namespace {
            Some(namespace) => {
                let other = |l: &&LabelPlace| l.key == NAMESPACE_LABEL && l.value != *namespace;
                if let Some(label) = labels.iter().find(other) {
                    self.pending.warnings.push(format!(
                        "{}: `{}` is not the namespace of the policy; an `endpointSelector` always means its own, \
                         `{namespace}`",
                        label.place, label.value
                    ));
                }
                selector.clone().always_in(namespace)
            }
            None => selector.clone(),
        };
        self.pending.uses.push(Use {
            owner: format!("`endpointSelector` of {}", self.owner),
            place: self.document.place(raw),
            namespace: self.namespace.clone(),
            labels,
            selects: Selects::Cilium(selects),
            service: None,
        });
        Ok(selector)
    }

    /// The selector, and its labels under the names that workloads have.
    fn selector(&mut self, raw: &Spanned<RawSelector>) -> Result<(CiliumSelector, Vec<LabelPlace>), InputError> {
        let mut labels = Vec::new();
        for (text, value) in &raw.value.match_labels {
            let key = at(self.document, value, Key::parse(text))?;
            if key.name == CLUSTER_LABEL && value.value != "default" {
                let message = format!("cluster `{}` is not modeled", value.value);
                let hint = "there is one cluster, and its name is `default`";
                let error = self.document.error(value, message).with_hint(hint);
                self.pending.not_evaluated(error)?;
            }
            if key.source != Source::Reserved {
                labels.push(LabelPlace::new(self.document, &key.name, value));
            }
        }
        let plain = raw.value.convert(self.document)?;
        let selector = at(self.document, raw, CiliumSelector::new(&plain))?;
        Ok((selector, labels))
    }

    fn rule(&mut self, raw: &Raw<'_>) -> Result<CiliumRule, InputError> {
        let (requires, icmp) = (raw.requires, raw.icmps.filter(|list| !list.value.is_empty()));
        if let (Some(icmps), Some(ports)) = (icmp, raw.ports)
            && !ports.value.is_empty()
        {
            let error = self.document.error(icmps, "`icmps` and `toPorts` in one rule");
            return Err(error.with_hint("Cilium refuses the combination; write two rules"));
        }
        let mut required = Vec::new();
        for selector in requires.map_or(&[][..], |list| &list.value) {
            required.push(self.selector(selector)?.0);
        }
        let peers = self.peers(raw)?;
        Ok(CiliumRule {
            peers,
            ports: match raw.ports {
                Some(list) => ports(self, &list.value, raw.deny)?,
                None => Vec::new(),
            },
            icmp: icmp.is_some(),
            requires: required,
            authentication: self.authentication(raw)?,
            line: raw.line,
        })
    }

    fn authentication(&self, raw: &Raw<'_>) -> Result<bool, InputError> {
        const MODES: [&str; 3] = ["disabled", "required", "test-always-fail"];
        let Some(authentication) = raw.authentication else {
            return Ok(false);
        };
        let mode = &authentication.mode;
        match mode.value.as_str() {
            _ if raw.deny => Err(self.document.error(mode, "`authentication` in a deny rule")),
            "required" => Ok(true),
            "disabled" => Ok(false),
            "test-always-fail" => {
                let error = self.document.error(mode, "mode `test-always-fail` is not modeled");
                Err(error.with_hint("it is for tests of Cilium itself; write a deny rule"))
            }
            other => {
                let error = self.document.error(mode, format!("unknown mode `{other}`"));
                Err(error.with_candidates(other, MODES))
            }
        }
    }

    fn peers(&mut self, raw: &Raw<'_>) -> Result<CiliumPeers, InputError> {
        let document = self.document;
        let mut lists: Vec<(&str, usize, crate::scenario::error::Place)> = Vec::new();
        let mut note = |key, length: Option<(usize, crate::scenario::error::Place)>| {
            lists.extend(length.map(|(length, place)| (key, length, place)));
        };
        note(
            raw.endpoints.0,
            raw.endpoints.1.map(|l| (l.value.len(), document.place(l))),
        );
        note(
            raw.entities.0,
            raw.entities.1.map(|l| (l.value.len(), document.place(l))),
        );
        note(
            raw.addresses.0,
            raw.addresses.1.map(|l| (l.value.len(), document.place(l))),
        );
        note(raw.blocks.0, raw.blocks.1.map(|l| (l.value.len(), document.place(l))));
        note("toFQDNs", raw.names.map(|l| (l.value.len(), document.place(l))));
        note("toServices", raw.services.map(|l| (l.value.len(), document.place(l))));
        for (key, list, _) in &raw.unread {
            note(key, Some((list.value.len(), document.place(list))));
        }
        let mut filled = lists.iter().filter(|(_, length, _)| *length > 0);
        if let (Some((a, _, _)), Some((b, _, place))) = (filled.next(), filled.next()) {
            let message = format!("`{a}` and `{b}` in one rule");
            return Err(place
                .error(message)
                .with_hint("Cilium refuses the combination; write two rules"));
        }
        if lists.is_empty() {
            return Ok(CiliumPeers::Unrestricted);
        }
        if lists.iter().any(|(_, length, _)| *length == 0) {
            // An empty list matches no peer, unlike an absent one.
            return Ok(CiliumPeers::Endpoints(Vec::new()));
        }
        if let Some((_, _, outside)) = raw.unread.first() {
            return Ok(match outside {
                true => CiliumPeers::Unknown { outside: true },
                false => CiliumPeers::Nodes,
            });
        }
        if let Some(list) = raw.names {
            return self.names(list);
        }
        match (
            raw.endpoints,
            raw.entities.1,
            raw.addresses.1,
            raw.blocks.1,
            raw.services,
        ) {
            ((key, Some(list)), ..) => self.endpoints(key, list),
            (_, Some(list), ..) => self.entities(list),
            (_, _, Some(list), ..) => {
                let blocks = list.value.iter();
                let blocks = blocks.map(|text| at(document, text, Block::parse_or_address(&text.value)));
                Ok(CiliumPeers::Blocks(blocks.collect::<Result<_, _>>()?))
            }
            (_, _, _, Some(list), _) => self.blocks(list),
            (_, _, _, _, Some(list)) => self.services(list),
            _ => Ok(CiliumPeers::Unrestricted),
        }
    }

    fn endpoints(&mut self, key: &str, list: &Endpoints) -> Result<CiliumPeers, InputError> {
        let mut selectors = Vec::new();
        for raw in &list.value {
            let (selector, labels) = self.selector(raw)?;
            let named = labels.iter().find(|l| l.key == NAMESPACE_LABEL);
            let namespace = named.map(|l| l.value.clone()).or_else(|| self.namespace.clone());
            for label in labels.iter().filter(|l| l.key == SERVICE_ACCOUNT_LABEL) {
                let Some(namespace) = &namespace else { continue };
                self.pending.accounts.push(AccountUse {
                    owner: self.owner.clone(),
                    place: label.place.clone(),
                    namespace: namespace.clone(),
                    name: label.value.clone(),
                });
            }
            if !selector.has_reserved_key() {
                let confined = selector.clone().confined(self.namespace.as_deref(), false);
                self.pending.uses.push(Use {
                    owner: format!("`{key}` of {}", self.owner),
                    place: self.document.place(raw),
                    namespace: namespace.filter(|_| !crosses_namespaces(&selector, named)),
                    labels,
                    selects: Selects::Cilium(confined),
                    service: None,
                });
            }
            selectors.push(selector);
        }
        Ok(CiliumPeers::Endpoints(selectors))
    }

    fn entities(&mut self, list: &Entities) -> Result<CiliumPeers, InputError> {
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

    fn blocks(&mut self, list: &Blocks) -> Result<CiliumPeers, InputError> {
        let mut blocks = Vec::new();
        for raw in &list.value {
            let (by_name, by_labels) = (&raw.value.cidr_group_ref, &raw.value.cidr_group_selector);
            let except = raw.value.except.as_deref().unwrap_or_default();
            match (&raw.value.cidr, by_name, by_labels) {
                (Some(cidr), None, None) => {
                    blocks.push(at(self.document, cidr, Block::parse(&cidr.value, except))?);
                }
                (None, None, None) => return Err(self.document.error(raw, "key `cidr` is missing")),
                (None, _, None) | (None, None, _) => {
                    for cidr in self.of_groups(by_name.as_ref(), by_labels.as_ref())? {
                        blocks.push(at(self.document, raw, Block::parse_overlapping(&cidr, except))?);
                    }
                }
                _ => {
                    let message = "`cidr`, `cidrGroupRef` and `cidrGroupSelector` in one entry";
                    let error = self.document.error(raw, message);
                    return Err(error.with_hint("Cilium refuses the combination; write several entries"));
                }
            }
        }
        Ok(CiliumPeers::Blocks(blocks))
    }

    /// The blocks of the groups that an entry refers to. A group that is not there has none.
    fn of_groups(
        &mut self,
        name: Option<&Spanned<String>>,
        selector: Option<&Spanned<RawSelector>>,
    ) -> Result<Vec<String>, InputError> {
        let groups = &self.pending.groups;
        let (found, place, what) = match (name, selector) {
            (Some(name), _) => {
                let found = groups.named(&name.value);
                (
                    found,
                    self.document.place(name),
                    format!("CiliumCIDRGroup `{}` is in no file", name.value),
                )
            }
            (None, Some(selector)) => {
                let found = groups.selected(&selector.value.convert(self.document)?);
                let found = Some(found).filter(|blocks| !blocks.is_empty());
                (
                    found,
                    self.document.place(selector),
                    "no CiliumCIDRGroup of these labels is in a file".to_owned(),
                )
            }
            (None, None) => return Ok(Vec::new()),
        };
        if found.is_none() {
            let warning = format!("{place}: {what}; it is taken to have no addresses");
            self.pending.warnings.push(warning);
        }
        let found = found.unwrap_or_default().into_iter();
        Ok(found.map(str::to_owned).collect())
    }

    /// Names of outside hosts. Which addresses they have is learnt from DNS while running, so that only questions about a name
    /// are decided.
    fn names(&mut self, list: &Spanned<Vec<Spanned<RawName>>>) -> Result<CiliumPeers, InputError> {
        let place = self.document.place(list);
        self.pending.names.get_or_insert(place);
        let mut names = Vec::new();
        for raw in &list.value {
            let (name, pattern) = (raw.value.match_name.as_ref(), raw.value.match_pattern.as_ref());
            match (
                name.filter(|n| !n.value.is_empty()),
                pattern.filter(|p| !p.value.is_empty()),
            ) {
                (Some(name), None) => names.push(at(self.document, name, NamePattern::name(&name.value))?),
                (None, Some(pattern)) => names.push(at(self.document, pattern, NamePattern::pattern(&pattern.value))?),
                _ => {
                    let error = self
                        .document
                        .error(raw, "an entry of `toFQDNs` needs either `matchName` or `matchPattern`");
                    return Err(error.with_hint("Cilium refuses both, and neither"));
                }
            }
        }
        Ok(CiliumPeers::Names(names))
    }

    fn services(&mut self, list: &Spanned<Vec<RawService>>) -> Result<CiliumPeers, InputError> {
        let mut services = Vec::new();
        for raw in &list.value {
            if raw.by_labels.is_some() {
                return Ok(CiliumPeers::Unknown { outside: false });
            }
            let Some(name) = &raw.by_name else {
                return Err(self.document.error(list, "an entry of `toServices` names no Service"));
            };
            let own = self.namespace.as_deref().unwrap_or("default");
            let namespace = name.namespace.as_deref().unwrap_or(own);
            services.push((namespace.to_owned(), name.service_name.clone()));
        }
        Ok(CiliumPeers::Services(services))
    }
}

/// Whether a selector can mean pods of several namespaces, because it names none by `matchLabels` alone.
fn crosses_namespaces(selector: &CiliumSelector, named: Option<&LabelPlace>) -> bool {
    let one = Subject::new("\u{0}", Default::default(), "", Default::default());
    named.is_none() && selector.clone().confined_to(&one.namespace) == *selector
}
