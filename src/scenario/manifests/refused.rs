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
    /// Would change an answer; with the reason.
    Refused(&'static str),
    /// Has no influence; listed in the result.
    Skipped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Namespace,
    ServiceAccount,
    Service,
    Deployment,
    CiliumNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
    NetworkPolicy,
    PeerAuthentication,
    AuthorizationPolicy,
    RequestAuthentication,
    /// Only when a folder is read for its policies.
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

const KNOWN: [(&str, &str, &[&str], Kind); 10] = [
    ("", "Namespace", &["v1"], Kind::Namespace),
    ("", "ServiceAccount", &["v1"], Kind::ServiceAccount),
    ("", "Service", &["v1"], Kind::Service),
    ("apps", "Deployment", &["v1"], Kind::Deployment),
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

const AS_DEPLOYMENT: &str = "write the workload as a Deployment";
const ROUTING: &str = "routing rules of the mesh are not evaluated; calls go to the Service by its ports";

const REFUSED_KINDS: &[(&str, &str, &str)] = &[
    ("", "Pod", AS_DEPLOYMENT),
    ("", "ReplicationController", AS_DEPLOYMENT),
    ("", "Endpoints", "endpoints follow from Services and workloads"),
    ("", "LimitRange", "limits on pods are not evaluated"),
    ("", "List", "write the objects as separate documents, divided by `---`"),
    ("", "ResourceQuota", "limits on pods are not evaluated"),
    ("apps", "DaemonSet", AS_DEPLOYMENT),
    ("apps", "ReplicaSet", AS_DEPLOYMENT),
    ("apps", "StatefulSet", AS_DEPLOYMENT),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        "scale by a step of the experiment",
    ),
    ("batch", "CronJob", AS_DEPLOYMENT),
    ("batch", "Job", AS_DEPLOYMENT),
    (
        "cilium.io",
        "CiliumEnvoyConfig",
        "what a listener of Envoy does is not evaluated",
    ),
    (
        "cilium.io",
        "CiliumClusterwideEnvoyConfig",
        "what a listener of Envoy does is not evaluated",
    ),
    (
        "cilium.io",
        "CiliumLocalRedirectPolicy",
        "calls go to the Service by its ports",
    ),
    (
        "discovery.k8s.io",
        "EndpointSlice",
        "endpoints follow from Services and workloads",
    ),
    ("networking.istio.io", "DestinationRule", ROUTING),
    ("networking.istio.io", "EnvoyFilter", ROUTING),
    ("networking.istio.io", "ServiceEntry", ROUTING),
    ("networking.istio.io", "Sidecar", ROUTING),
    ("networking.istio.io", "VirtualService", ROUTING),
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
    match REFUSED_KINDS.iter().find(|(g, k, _)| (*g, *k) == (group, kind)) {
        Some((_, _, why)) => Class::Refused(why),
        None if is_misspelt(group, kind) => Class::Unknown,
        None => Class::Skipped,
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

const PLACEMENT: &str = "of placement only `podAntiAffinity` (required, per hostname) is evaluated";
const PROBE: &str = "probes change when a pod becomes ready; its duration is a parameter of the design";
const START: &str = "it changes how long a pod takes to start";

const REFUSED_KEYS: &[(Kind, &str, &str)] = &[
    (
        Kind::Service,
        "externalName",
        "names outside the cluster are not evaluated",
    ),
    (
        Kind::Service,
        "externalIPs",
        "addresses outside the cluster are not evaluated",
    ),
    (
        Kind::Service,
        "publishNotReadyAddresses",
        "only ready pods are endpoints",
    ),
    (Kind::Service, "trafficDistribution", "endpoints are chosen at random"),
    (Kind::Service, "sessionAffinityConfig", "endpoints are chosen at random"),
    (Kind::Deployment, "paused", "the rollout would not proceed"),
    (Kind::Deployment, "nodeSelector", PLACEMENT),
    (Kind::Deployment, "nodeName", PLACEMENT),
    (Kind::Deployment, "nodeAffinity", PLACEMENT),
    (Kind::Deployment, "podAffinity", PLACEMENT),
    (
        Kind::Deployment,
        "preferredDuringSchedulingIgnoredDuringExecution",
        PLACEMENT,
    ),
    (Kind::Deployment, "namespaceSelector", PLACEMENT),
    (Kind::Deployment, "namespaces", PLACEMENT),
    (Kind::Deployment, "matchLabelKeys", PLACEMENT),
    (Kind::Deployment, "mismatchLabelKeys", PLACEMENT),
    (Kind::Deployment, "tolerations", PLACEMENT),
    (Kind::Deployment, "topologySpreadConstraints", PLACEMENT),
    (Kind::Deployment, "schedulerName", PLACEMENT),
    (Kind::Deployment, "priorityClassName", "preemption is not evaluated"),
    (Kind::Deployment, "hostPort", PLACEMENT),
    (
        Kind::Deployment,
        "hostNetwork",
        "pods in the host network have no identity of their own",
    ),
    (Kind::Deployment, "hostPID", "host namespaces are not evaluated"),
    (Kind::Deployment, "hostIPC", "host namespaces are not evaluated"),
    (
        Kind::Deployment,
        "serviceAccount",
        "deprecated; write `serviceAccountName`",
    ),
    (Kind::Deployment, "initContainers", START),
    (Kind::Deployment, "readinessGates", START),
    (Kind::Deployment, "schedulingGates", START),
    (Kind::Deployment, "runtimeClassName", START),
    (Kind::Deployment, "activeDeadlineSeconds", "pods are not ended by age"),
    (Kind::Deployment, "readinessProbe", PROBE),
    (Kind::Deployment, "startupProbe", PROBE),
    (Kind::Deployment, "livenessProbe", PROBE),
    (
        Kind::Deployment,
        "lifecycle",
        "hooks change how long a pod takes to start and to end",
    ),
    (
        Kind::Deployment,
        "persistentVolumeClaim",
        "a volume can tie a pod to a node",
    ),
    (Kind::Deployment, "hostPath", "a volume can tie a pod to a node"),
    (Kind::Deployment, "ephemeral", "a volume can tie a pod to a node"),
    (Kind::Deployment, "csi", "a volume can tie a pod to a node"),
];

const REFUSED_SELECTORS: &[(&str, &str)] =
    &[("matchExpressions", "Istio's workload selectors have `matchLabels` only")];

/// Why a key of this kind is known but not evaluated, if it is.
pub(super) fn why_refused(kind: Kind, key: &str) -> Option<String> {
    let by_kind = REFUSED_KEYS
        .iter()
        .find(|(k, name, _)| (*k, *name) == (kind, key))
        .map(|(_, _, why)| *why);
    let is_istio = matches!(
        kind,
        Kind::AuthorizationPolicy | Kind::PeerAuthentication | Kind::RequestAuthentication
    );
    let of_istio = REFUSED_SELECTORS
        .iter()
        .find(|(name, _)| is_istio && *name == key)
        .map(|(_, why)| *why);
    by_kind.or(of_istio).map(str::to_owned)
}
