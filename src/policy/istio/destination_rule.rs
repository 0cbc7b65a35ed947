//! DestinationRules: with which TLS the sidecar of a client calls a Service.
//!
//! Belongs here: which rule counts for a client and a Service, and its TLS mode for a port. Does not belong here: automatic
//! mutual TLS, which holds where no rule sets a mode (`client`).

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
    #[must_use]
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
    #[must_use]
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

/// The modes with which a client may call a port of a Service: one where it is clear. The namespace of the client comes
/// first, then that of the Service, then the root namespace; in each the most specific host (Istio
/// `pilot/pkg/model/push_context.go`, `destinationRule`).
pub(super) fn modes(
    rules: &[DestinationRule],
    root_namespace: &str,
    client: &Subject,
    (namespace, name): (&str, &str),
    port: u16,
) -> Vec<Option<(TlsMode, usize)>> {
    let host = format!("{name}.{namespace}.svc.cluster.local");
    let pool = |of: &str, exported: bool| -> Vec<usize> {
        let in_pool = |rule: &DestinationRule| {
            rule.namespace == of && if exported { !rule.is_private() } else { rule.is_local() }
        };
        let numbered = rules.iter().enumerate().filter(|(_, rule)| in_pool(rule));
        let matching: Vec<(usize, String)> = numbered
            .map(|(index, rule)| (index, rule.full_host()))
            .filter(|(_, pattern)| matches(pattern, &host))
            .collect();
        let rank = |pattern: &str| (!pattern.starts_with('*'), pattern.len());
        let best = matching.iter().map(|(_, pattern)| rank(pattern)).max();
        let mut found: Vec<usize> = matching
            .iter()
            .filter(|(_, pattern)| Some(rank(pattern)) == best)
            .map(|(index, _)| *index)
            .collect();
        if exported {
            found.retain(|index| rules[*index].is_exported_to(&client.namespace));
        }
        found
    };
    let mut found = Vec::new();
    if client.namespace != root_namespace {
        found = pool(&client.namespace, false);
    } else {
        found.extend(
            pool(root_namespace, false)
                .into_iter()
                .filter(|i| rules[*i].is_private()),
        );
    }
    for of in [namespace, root_namespace] {
        if found.is_empty() {
            found = pool(of, true);
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
