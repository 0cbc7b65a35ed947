//! The list of what is known and refused: kinds and keys that would change a verdict, a placement or a time, but
//! are not evaluated.
//!
//! Belongs here: the tables with the reason for each entry. Does not belong here: keys that are ignored because they are
//! harmless; those stand, with their reason, in the struct of their kind.

use super::pods::PodsKind;
use crate::scenario::error::near_match;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Interpreted.
    Known(Kind),
    /// A known kind in a version that is not read, with the versions that are.
    Version(&'static [&'static str]),
    /// No kind of an interpreted group; probably misspelt.
    Unknown,
    /// Has no influence; listed in the result.
    Skipped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Namespace,
    ServiceAccount,
    Service,
    CiliumNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
    NetworkPolicy,
    PeerAuthentication,
    AuthorizationPolicy,
    RequestAuthentication,
    /// Carries pods.
    Pods(PodsKind),
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pods(kind) => kind.name(),
            other => {
                let row = KNOWN.iter().find(|(_, _, _, kind)| *kind == other);
                row.map_or("object", |(_, name, _, _)| *name)
            }
        }
    }
}

const KNOWN: [(&str, &str, &[&str], Kind); 9] = [
    ("", "Namespace", &["v1"], Kind::Namespace),
    ("", "ServiceAccount", &["v1"], Kind::ServiceAccount),
    ("", "Service", &["v1"], Kind::Service),
    ("cilium.io", "CiliumNetworkPolicy", &["v2"], Kind::CiliumNetworkPolicy),
    (
        "cilium.io",
        "CiliumClusterwideNetworkPolicy",
        &["v2"],
        Kind::CiliumClusterwideNetworkPolicy,
    ),
    ("networking.k8s.io", "NetworkPolicy", &["v1"], Kind::NetworkPolicy),
    (
        "security.istio.io",
        "PeerAuthentication",
        &["v1", "v1beta1"],
        Kind::PeerAuthentication,
    ),
    (
        "security.istio.io",
        "AuthorizationPolicy",
        &["v1", "v1beta1"],
        Kind::AuthorizationPolicy,
    ),
    (
        "security.istio.io",
        "RequestAuthentication",
        &["v1", "v1beta1"],
        Kind::RequestAuthentication,
    ),
];

/// What to do with an object of this `apiVersion` and `kind`.
pub(super) fn classify(api_version: &str, kind: &str) -> Class {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    if let Some((_, _, versions, known)) = KNOWN.iter().find(|(g, k, _, _)| (*g, *k) == (group, kind)) {
        return match versions.contains(&version) {
            true => Class::Known(*known),
            false => Class::Version(versions),
        };
    }
    match is_misspelt(group, kind) {
        true => Class::Unknown,
        false => Class::Skipped,
    }
}

/// Kinds of the policy groups that decide nothing about who may talk to whom: state that Cilium writes itself, addresses and
/// routes, and what Tetragon observes within pods.
const HARMLESS: &[&str] = &[
    "CiliumBGPAdvertisement",
    "CiliumBGPClusterConfig",
    "CiliumBGPNodeConfig",
    "CiliumBGPNodeConfigOverride",
    "CiliumBGPPeerConfig",
    "CiliumBGPPeeringPolicy",
    "CiliumCIDRGroup",
    "CiliumEgressGatewayPolicy",
    "CiliumEndpoint",
    "CiliumEndpointSlice",
    "CiliumExternalWorkload",
    "CiliumGatewayClassConfig",
    "CiliumIdentity",
    "CiliumL2AnnouncementPolicy",
    "CiliumLoadBalancerIPPool",
    "CiliumNode",
    "CiliumNodeConfig",
    "CiliumPodIPPool",
    "CiliumVTEPConfig",
    "PodInfo",
    "TracingPolicy",
    "TracingPolicyNamespaced",
];

/// A policy under a misspelt kind must not vanish: in the policy groups every unlisted kind is refused, in the other
/// interpreted groups one that is near to an interpreted kind.
fn is_misspelt(group: &str, kind: &str) -> bool {
    match group {
        "cilium.io" | "security.istio.io" => !HARMLESS.contains(&kind),
        "" | "apps" | "networking.k8s.io" => near_match(kind, known_kinds()).is_some(),
        _ => false,
    }
}

pub(super) fn is_interpreted_group(group: &str) -> bool {
    KNOWN.iter().any(|(of, ..)| *of == group)
}

/// Whether a kind of this name is interpreted in any version.
pub(super) fn is_interpreted(group: &str, kind: &str) -> bool {
    KNOWN.iter().any(|(g, k, _, _)| (*g, *k) == (group, kind))
}

/// Names of the interpreted kinds, for near matches.
pub(super) fn known_kinds() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(_, kind, _, _)| *kind)
}

const REFUSED_SELECTORS: &[(&str, &str)] =
    &[("matchExpressions", "Istio's workload selectors have `matchLabels` only")];

/// Why a key of this kind is known but not evaluated, if it is.
pub(super) fn why_refused(kind: Kind, key: &str) -> Option<String> {
    let is_istio = matches!(
        kind,
        Kind::AuthorizationPolicy | Kind::PeerAuthentication | Kind::RequestAuthentication
    );
    let of_istio = REFUSED_SELECTORS
        .iter()
        .find(|(name, _)| is_istio && *name == key)
        .map(|(_, why)| *why);
    of_istio.map(str::to_owned)
}
