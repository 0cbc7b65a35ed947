//! DestinationRules: with which TLS the sidecar of a client calls a Service.
//!
//! Belongs here: which rule counts for a client and a Service, and its TLS mode for a port. Does not belong here: automatic
//! mutual TLS, which holds where no rule sets a mode (`client`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::labels::LabelSelector;
use super::super::{Origin, Subject};

/// `tls.mode` of a DestinationRule (istio/api `networking/v1alpha3/destination_rule.proto`, `ClientTLSSettings`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsMode {
    /// Plain text.
    Disable,
    /// TLS without a certificate of the client.
    Simple,
    /// TLS with a certificate that the rule names.
    Mutual,
    /// TLS with the certificate of the mesh.
    IstioMutual,
}

impl TlsMode {
    /// The names that are written in a manifest.
    pub const NAMES: [&'static str; 4] = ["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"];

    /// Reads the name of a mode.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "DISABLE" => Self::Disable,
            "SIMPLE" => Self::Simple,
            "MUTUAL" => Self::Mutual,
            "ISTIO_MUTUAL" => Self::IstioMutual,
            _ => return None,
        })
    }
}

/// The TLS settings of a traffic policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrafficTls {
    /// `tls.mode`.
    pub mode: Option<TlsMode>,
    /// `portLevelSettings[]`: port of the Service and its `tls.mode`.
    pub ports: Vec<(u16, Option<TlsMode>)>,
}

/// The evaluated part of a DestinationRule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationRule {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The host as written.
    pub host: String,
    /// `exportTo`; none means every namespace.
    pub export_to: Vec<String>,
    /// `workloadSelector`: the clients that it is for.
    pub clients: Option<LabelSelector>,
    /// `trafficPolicy`; none if it is not written.
    pub traffic: Option<TrafficTls>,
    /// The traffic policies of subsets.
    pub subsets: Vec<TrafficTls>,
    /// `metadata.creationTimestamp` as the API server writes it.
    pub created: Option<String>,
    /// Where it is written.
    pub origin: Arc<Origin>,
}

impl TrafficTls {
    /// The mode for a port of the Service. Settings of a port replace all others, so that a port without TLS settings is
    /// called automatically (Istio `pilot/pkg/networking/util/util.go`, `GetPortLevelTrafficPolicy`), but the endpoints
    /// still take the mode of the whole rule for theirs (`pilot/pkg/xds/endpoints/mtls_checker.go`,
    /// `trafficPolicyTLSModeForPort`).
    fn at(&self, port: u16) -> Option<TlsMode> {
        match self.ports.iter().find(|(of, _)| *of == port) {
            None => self.mode,
            Some((_, Some(mode))) => Some(*mode),
            Some((_, None)) => match self.mode {
                None => None,
                Some(TlsMode::IstioMutual) => Some(TlsMode::IstioMutual),
                Some(_) => Some(TlsMode::Disable),
            },
        }
    }
}

impl DestinationRule {
    /// The host with its namespace and domain: a name without a dot is one of the rule's own namespace (Istio
    /// `pilot/pkg/model/virtualservice.go`, `ResolveShortnameToFQDN`).
    pub fn full_host(&self) -> String {
        if self.host == "*" || self.host.contains(['.', ':']) {
            return self.host.clone();
        }
        format!("{}.{}.svc.cluster.local", self.host, self.namespace)
    }

    fn is_private(&self) -> bool {
        self.clients.is_some() || matches!(self.export_to.as_slice(), [only] if only == "." || *only == self.namespace)
    }

    fn is_local(&self) -> bool {
        let own = |to: &String| to == "." || to == "*" || *to == self.namespace;
        self.clients.is_some() || self.export_to.is_empty() || self.export_to.iter().any(own)
    }

    fn is_exported_to(&self, namespace: &str) -> bool {
        self.export_to.is_empty() || self.export_to.iter().any(|to| to == "*" || to == namespace)
    }
}

/// All rules of a mesh, by namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct Rules {
    rules: Vec<DestinationRule>,
    /// The full host of each.
    hosts: Vec<String>,
    of_namespace: BTreeMap<String, Vec<usize>>,
}

impl Rules {
    pub(super) fn new(rules: Vec<DestinationRule>) -> Self {
        let mut of_namespace: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, rule) in rules.iter().enumerate() {
            of_namespace.entry(rule.namespace.clone()).or_default().push(index);
        }
        Self {
            hosts: rules.iter().map(DestinationRule::full_host).collect(),
            of_namespace,
            rules,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub(super) fn origin(&self, index: usize) -> &Origin {
        &self.rules[index].origin
    }

    /// The rules of a namespace with the most specific host that means this one; those for its own clients, or those that
    /// are exported to the client's namespace.
    fn pool(&self, of: &str, host: &str, exported_to: Option<&str>) -> Vec<usize> {
        let in_pool = |index: &&usize| {
            let rule = &self.rules[**index];
            let belongs = match exported_to {
                Some(_) => !rule.is_private(),
                None => rule.is_local(),
            };
            belongs && matches(&self.hosts[**index], host)
        };
        let matching: Vec<usize> = self
            .of_namespace
            .get(of)
            .into_iter()
            .flatten()
            .filter(in_pool)
            .copied()
            .collect();
        let rank = |index: &usize| (!self.hosts[*index].starts_with('*'), self.hosts[*index].len());
        let best = matching.iter().map(rank).max();
        let exported = |index: &usize| exported_to.is_none_or(|client| self.rules[*index].is_exported_to(client));
        matching
            .into_iter()
            .filter(|index| Some(rank(index)) == best && exported(index))
            .collect()
    }
}

/// The modes with which a client may call a port of a Service: one where it is clear. The namespace of the client comes
/// first, then that of the Service, then the root namespace; in each the most specific host (Istio
/// `pilot/pkg/model/push_context.go`, `destinationRule`).
pub(super) fn modes(
    all: &Rules,
    root_namespace: &str,
    client: &Subject,
    (namespace, name): (&str, &str),
    port: u16,
) -> Vec<Option<(TlsMode, usize)>> {
    let (rules, host) = (&all.rules, format!("{name}.{namespace}.svc.cluster.local"));
    let mut found = Vec::new();
    if client.namespace != root_namespace {
        found = all.pool(&client.namespace, &host, None);
    } else {
        found.extend(
            all.pool(root_namespace, &host, None)
                .into_iter()
                .filter(|i| rules[*i].is_private()),
        );
    }
    for of in [namespace, root_namespace] {
        if found.is_empty() {
            found = all.pool(of, &host, Some(&client.namespace));
        }
    }
    // A rule for this client comes before one for all.
    let selects = |index: &usize| {
        let clients = rules[*index].clients.as_ref();
        clients.map(|selector| selector.matches(&client.labels))
    };
    let own: Vec<usize> = found
        .iter()
        .copied()
        .filter(|index| selects(index) == Some(true))
        .collect();
    let mut found = match own.is_empty() {
        false => own,
        true => found.into_iter().filter(|index| selects(index).is_none()).collect(),
    };
    // Of several for one host the oldest that says something counts.
    if found.iter().all(|index| rules[*index].created.is_some()) {
        found.sort_by_key(|index| (rules[*index].created.clone(), rules[*index].name.clone()));
        if let Some(first) = found.iter().position(|index| rules[*index].traffic.is_some()) {
            found = vec![found[first]];
        }
    }
    let mut modes = Vec::new();
    let mut add = |mode: Option<(TlsMode, usize)>| {
        let known = |other: &Option<(TlsMode, usize)>| other.map(|(m, _)| m) == mode.map(|(m, _)| m);
        if !modes.iter().any(known) {
            modes.push(mode);
        }
    };
    for index in &found {
        let rule = &rules[*index];
        if let Some(traffic) = &rule.traffic {
            add(traffic.at(port).map(|mode| (mode, *index)));
        }
        // Which subset is called is up to VirtualServices.
        for mode in rule.subsets.iter().filter_map(|subset| subset.at(port)) {
            add(Some((mode, *index)));
        }
    }
    if found.iter().all(|index| rules[*index].traffic.is_none()) {
        add(None);
    }
    modes
}

/// Whether a host of a rule, with a `*` at its beginning or not, means this one.
pub(super) fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(end) => host.len() > end.len() && host.ends_with(end),
        None => pattern.eq_ignore_ascii_case(host),
    }
}
