//! AuthorizationPolicy as it is written: actions, rules, sources and operations.
//!
//! Belongs here: the data and the reading of single words. Does not belong here: `when` (`conditions`), what a proxy makes
//! of the rules (`translate`) and their evaluation (`engine`).

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::super::labels::LabelSelector;
use super::super::{Origin, PolicyError};
use super::conditions::When;
use super::matching::{PathMatch, StringMatch};

/// What a matching policy does (istio/api `security/v1beta1/authorization_policy.proto`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Action {
    /// Once one such policy selects the workload, only matching requests pass.
    #[default]
    Allow,
    /// A matching request is refused, whatever is allowed.
    Deny,
    /// A matching request is logged; no influence on the verdict.
    Audit,
    /// A matching request is refused if an external server says so. What that server says is not known.
    Custom,
}

impl Action {
    /// The names that stand in a manifest.
    pub const NAMES: [&'static str; 4] = ["ALLOW", "DENY", "AUDIT", "CUSTOM"];

    /// Reads the name of an action.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        match text {
            "ALLOW" => Ok(Self::Allow),
            "DENY" => Ok(Self::Deny),
            "AUDIT" => Ok(Self::Audit),
            "CUSTOM" => Ok(Self::Custom),
            _ => Err(PolicyError::Invalid {
                what: "action",
                value: text.to_owned(),
                hint: "known: ALLOW, DENY, AUDIT, CUSTOM",
            }),
        }
    }
}

/// A list of patterns and its negation; an absent list restricts nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Condition<T> {
    /// One of these must match; empty means no such condition.
    pub any_of: Vec<T>,
    /// None of these may match.
    pub none_of: Vec<T>,
}

impl<T> Default for Condition<T> {
    fn default() -> Self {
        Self {
            any_of: Vec::new(),
            none_of: Vec::new(),
        }
    }
}

impl<T> Condition<T> {
    /// Whether neither list has an entry.
    pub fn is_empty(&self) -> bool {
        self.any_of.is_empty() && self.none_of.is_empty()
    }
}

/// An entry of `serviceAccounts`: `name` or `namespace/name`
/// (Istio `pilot/pkg/security/authz/model/generator.go`, `serviceAccountRegex`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceAccountRef {
    /// Namespace; none means the policy's own.
    pub namespace: Option<String>,
    /// Name of the service account.
    pub name: String,
}

impl ServiceAccountRef {
    /// Reads `name` or `namespace/name`.
    ///
    /// # Errors
    /// If a part is empty or has a wildcard; neither is allowed there.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        let bad = |part: &str| part.is_empty() || part.contains(['*', '/']);
        if bad(name) || namespace.is_some_and(bad) {
            return Err(PolicyError::Invalid {
                what: "service account",
                value: text.to_owned(),
                hint: "write `name` or `namespace/name`, without `*`",
            });
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

/// An entry of `ipBlocks` and of conditions on addresses: one address, or a block in CIDR notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressBlock(IpNet);

impl AddressBlock {
    /// Reads an address or a block; bits behind the prefix are ignored, as Envoy ignores them.
    ///
    /// # Errors
    /// If it is neither (Istio `pkg/config/security/security.go`, `ValidateIPs`).
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let block = match text.contains('/') {
            true => text.parse::<IpNet>().ok(),
            false => text.parse::<IpAddr>().ok().map(IpNet::from),
        };
        block.map(Self).ok_or_else(|| PolicyError::Invalid {
            what: "address block",
            value: text.to_owned(),
            hint: "write an address such as 10.1.2.3 or a block such as 10.2.0.0/16",
        })
    }

    /// Whether an address is in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

/// Reads a port of a workload.
pub fn parse_port(text: &str) -> Result<u16, PolicyError> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(PolicyError::Invalid {
            what: "port",
            value: text.to_owned(),
            hint: "write the number of the workload's port, 1 to 65535, in quotes",
        }),
    }
}

/// `from[].source`: all conditions must hold. Principals, namespaces and service accounts are read from the peer's
/// certificate, so without mutual TLS a positive condition never holds and a negative one always does
/// (`docs/model/istio.md#authorization`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// `principals` and `notPrincipals`.
    pub principals: Condition<StringMatch>,
    /// `namespaces` and `notNamespaces`.
    pub namespaces: Condition<StringMatch>,
    /// `serviceAccounts` and `notServiceAccounts`.
    pub service_accounts: Condition<ServiceAccountRef>,
    /// `requestPrincipals` and `notRequestPrincipals`: issuer and subject of a token. Only whether there is a token is
    /// ever known.
    pub request_principals: Condition<String>,
    /// `ipBlocks` and `notIpBlocks`: where the packets come from.
    pub ip_blocks: Condition<AddressBlock>,
    /// `remoteIpBlocks` and `notRemoteIpBlocks`: where the request comes from, by `X-Forwarded-For`.
    pub remote_ip_blocks: Condition<AddressBlock>,
    /// A part that is not evaluated.
    pub unknown: bool,
}

/// `to[].operation`: all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Operation {
    /// `methods` and `notMethods`; HTTP only.
    pub methods: Condition<StringMatch>,
    /// `paths` and `notPaths`; HTTP only, without the query string.
    pub paths: Condition<PathMatch>,
    /// `hosts` and `notHosts`; HTTP only, letters of any case, with the port if the client sends one.
    pub hosts: Condition<StringMatch>,
    /// `ports` and `notPorts`: port of the workload.
    pub ports: Condition<u16>,
    /// A part that is not evaluated.
    pub unknown: bool,
}

/// One rule: one of the sources, one of the operations and all of the conditions; an absent list restricts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// `from`.
    pub from: Vec<Source>,
    /// `to`.
    pub to: Vec<Operation>,
    /// `when`.
    pub when: Vec<When>,
}

/// An entry of `targetRefs` (istio/api `type/v1beta1/selector.proto`). The target is in the policy's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetRef {
    /// Kind of the target.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
}

/// What a policy may be attached to (Istio `pkg/config/validation/validation.go`, `allowedTargetRefs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// A Service behind a waypoint.
    Service,
    /// A ServiceEntry behind a waypoint.
    ServiceEntry,
    /// A gateway or waypoint.
    Gateway,
    /// All waypoints, from the root namespace.
    GatewayClass,
}

impl TargetKind {
    /// Names of the kinds, for near matches.
    pub const NAMES: [&'static str; 4] = ["Service", "ServiceEntry", "Gateway", "GatewayClass"];

    /// Reads group and kind of a target.
    ///
    /// # Errors
    /// If Istio accepts no such target.
    pub fn parse(group: &str, kind: &str) -> Result<Self, PolicyError> {
        match (group, kind) {
            ("" | "core", "Service") => Ok(Self::Service),
            ("networking.istio.io", "ServiceEntry") => Ok(Self::ServiceEntry),
            ("gateway.networking.k8s.io", "Gateway") => Ok(Self::Gateway),
            ("gateway.networking.k8s.io", "GatewayClass") => Ok(Self::GatewayClass),
            _ => Err(PolicyError::Invalid {
                what: "target",
                value: format!("{group}/{kind}"),
                hint: "known: Service (group \"\"), ServiceEntry (networking.istio.io), Gateway and GatewayClass \
                       (gateway.networking.k8s.io)",
            }),
        }
    }
}

/// Where a policy applies: one of the two is empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attachment<'a> {
    pub namespace: &'a str,
    pub selector: &'a LabelSelector,
    pub targets: &'a [TargetRef],
}

/// The evaluated part of an AuthorizationPolicy (same proto). Without rules nothing ever matches, so an ALLOW policy
/// with an empty spec refuses everything; `rules: [{}]` matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// Namespace of the policy; the root namespace means every namespace.
    pub namespace: String,
    /// Name of the policy.
    pub name: String,
    /// Labels of the workloads it applies to; empty means all of them.
    pub selector: LabelSelector,
    /// `targetRefs`, or the older `targetRef`; with them no sidecar and no ztunnel evaluates the policy.
    pub targets: Vec<TargetRef>,
    /// What a match does.
    pub action: Action,
    /// A request matches the policy if it matches one of them.
    pub rules: Vec<Rule>,
    /// Annotation `istio.io/dry-run`: only logged.
    pub dry_run: bool,
    /// Where it was read; without it kind, namespace and name stand in reasons.
    pub origin: Option<Arc<Origin>>,
}

impl AuthorizationPolicy {
    pub(super) fn attachment(&self) -> Attachment<'_> {
        Attachment {
            namespace: &self.namespace,
            selector: &self.selector,
            targets: &self.targets,
        }
    }

    pub(super) fn origin(&self) -> Arc<Origin> {
        let named = || Origin::named(format!("AuthorizationPolicy {}/{}", self.namespace, self.name));
        self.origin.clone().unwrap_or_else(|| Arc::new(named()))
    }
}
