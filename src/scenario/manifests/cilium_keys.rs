//! The keys of Cilium's policies as they are written.
//!
//! Belongs here: the typed keys, and the view of a rule that is the same for both directions. Does not belong here: their
//! conversion (`cilium`), and ports and requests (`cilium_ports`).

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cilium_ports::RawPorts;
use super::object::{Ignored, Metadata, RawSelector};
use crate::scenario::yaml::{Document, Spanned};

/// A policy object: one rule set under `spec`, or several under `specs`, or both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyObject {
    #[serde(rename = "apiVersion")]
    _api_version: Option<IgnoredAny>,
    #[serde(rename = "kind")]
    _kind: Option<IgnoredAny>,
    pub metadata: Metadata,
    pub spec: Option<PolicySpec>,
    pub specs: Option<Vec<PolicySpec>>,
    /// Written by the cluster, not by the user.
    #[serde(rename = "status")]
    _status: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PolicySpec {
    pub endpoint_selector: Option<Spanned<RawSelector>>,
    pub node_selector: Option<Spanned<RawSelector>>,
    pub ingress: Option<Vec<Spanned<RawIngress>>>,
    pub ingress_deny: Option<Vec<Spanned<RawIngress>>>,
    pub egress: Option<Vec<Spanned<RawEgress>>>,
    pub egress_deny: Option<Vec<Spanned<RawEgress>>>,
    pub enable_default_deny: Option<DefaultDeny>,
    /// Text for people.
    _description: Ignored,
    /// Labels of the rule, not of pods.
    _labels: Ignored,
    /// Text in the log of flows.
    _log: Ignored,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct DefaultDeny {
    pub ingress: Option<bool>,
    pub egress: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawIngress {
    pub from_endpoints: Option<Endpoints>,
    pub from_requires: Option<Endpoints>,
    pub from_entities: Option<Entities>,
    #[serde(rename = "fromCIDR")]
    pub from_cidr: Option<Addresses>,
    #[serde(rename = "fromCIDRSet")]
    pub from_cidr_set: Option<Blocks>,
    pub from_nodes: Option<Unread>,
    pub from_groups: Option<Unread>,
    pub to_ports: Option<Spanned<Vec<RawPorts>>>,
    pub icmps: Option<Spanned<Vec<RawIcmp>>>,
    pub authentication: Option<RawAuthentication>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawEgress {
    pub to_endpoints: Option<Endpoints>,
    pub to_requires: Option<Endpoints>,
    pub to_entities: Option<Entities>,
    #[serde(rename = "toCIDR")]
    pub to_cidr: Option<Addresses>,
    #[serde(rename = "toCIDRSet")]
    pub to_cidr_set: Option<Blocks>,
    pub to_services: Option<Spanned<Vec<RawService>>>,
    #[serde(rename = "toFQDNs")]
    pub to_fqdns: Option<Spanned<Vec<Spanned<RawName>>>>,
    pub to_nodes: Option<Unread>,
    pub to_groups: Option<Unread>,
    pub to_ports: Option<Spanned<Vec<RawPorts>>>,
    pub icmps: Option<Spanned<Vec<RawIcmp>>>,
    pub authentication: Option<RawAuthentication>,
}

pub(super) type Endpoints = Spanned<Vec<Spanned<RawSelector>>>;
pub(super) type Entities = Spanned<Vec<Spanned<String>>>;
pub(super) type Addresses = Spanned<Vec<Spanned<String>>>;
pub(super) type Blocks = Spanned<Vec<Spanned<RawBlock>>>;
/// A list whose entries are not looked at.
pub(super) type Unread = Spanned<Vec<IgnoredAny>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawBlock {
    pub cidr: Option<Spanned<String>>,
    pub except: Option<Vec<String>>,
    pub cidr_group_ref: Option<Spanned<String>>,
    pub cidr_group_selector: Option<Spanned<RawSelector>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawService {
    #[serde(rename = "k8sService")]
    pub by_name: Option<RawServiceName>,
    #[serde(rename = "k8sServiceSelector")]
    pub by_labels: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawServiceName {
    pub service_name: String,
    pub namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawName {
    pub match_name: Option<Spanned<String>>,
    pub match_pattern: Option<Spanned<String>>,
}

/// ICMP has no port, so that which of its messages are meant changes no verdict on a port.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIcmp {
    #[serde(rename = "fields")]
    _fields: Ignored,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuthentication {
    pub mode: Spanned<String>,
}

/// One direction's rule, whichever its keys name.
pub(super) struct Raw<'a> {
    /// Its line in the file.
    pub line: u32,
    pub deny: bool,
    pub endpoints: (&'static str, Option<&'a Endpoints>),
    pub requires: Option<&'a Endpoints>,
    pub entities: (&'static str, Option<&'a Entities>),
    pub addresses: (&'static str, Option<&'a Addresses>),
    pub blocks: (&'static str, Option<&'a Blocks>),
    pub services: Option<&'a Spanned<Vec<RawService>>>,
    pub names: Option<&'a Spanned<Vec<Spanned<RawName>>>>,
    /// Key, entries, and whether they mean addresses outside the cluster; else nodes. Neither is known.
    pub unread: Vec<(&'static str, &'a Unread, bool)>,
    pub ports: Option<&'a Spanned<Vec<RawPorts>>>,
    pub icmps: Option<&'a Spanned<Vec<RawIcmp>>>,
    pub authentication: Option<&'a RawAuthentication>,
}

impl<'a> Raw<'a> {
    /// A rule for incoming connections.
    pub fn ingress(document: &Document<'_>, rule: &'a Spanned<RawIngress>, deny: bool) -> Self {
        let line = document.place(rule).line;
        let rule = &rule.value;
        let unread = [
            ("fromNodes", &rule.from_nodes, false),
            ("fromGroups", &rule.from_groups, true),
        ];
        Self {
            line,
            deny,
            endpoints: ("fromEndpoints", rule.from_endpoints.as_ref()),
            requires: rule.from_requires.as_ref(),
            entities: ("fromEntities", rule.from_entities.as_ref()),
            addresses: ("fromCIDR", rule.from_cidr.as_ref()),
            blocks: ("fromCIDRSet", rule.from_cidr_set.as_ref()),
            services: None,
            names: None,
            unread: given(unread),
            ports: rule.to_ports.as_ref(),
            icmps: rule.icmps.as_ref(),
            authentication: rule.authentication.as_ref(),
        }
    }

    /// A rule for outgoing connections.
    pub fn egress(document: &Document<'_>, rule: &'a Spanned<RawEgress>, deny: bool) -> Self {
        let line = document.place(rule).line;
        let rule = &rule.value;
        let unread = [("toNodes", &rule.to_nodes, false), ("toGroups", &rule.to_groups, true)];
        Self {
            line,
            deny,
            endpoints: ("toEndpoints", rule.to_endpoints.as_ref()),
            requires: rule.to_requires.as_ref(),
            entities: ("toEntities", rule.to_entities.as_ref()),
            addresses: ("toCIDR", rule.to_cidr.as_ref()),
            blocks: ("toCIDRSet", rule.to_cidr_set.as_ref()),
            services: rule.to_services.as_ref(),
            names: rule.to_fqdns.as_ref(),
            unread: given(unread),
            ports: rule.to_ports.as_ref(),
            icmps: rule.icmps.as_ref(),
            authentication: rule.authentication.as_ref(),
        }
    }
}

/// The lists that are written.
fn given<'a, const N: usize>(
    lists: [(&'static str, &'a Option<Unread>, bool); N],
) -> Vec<(&'static str, &'a Unread, bool)> {
    let lists = lists.into_iter();
    lists
        .filter_map(|(key, list, outside)| Some((key, list.as_ref()?, outside)))
        .collect()
}
