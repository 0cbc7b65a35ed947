//! What is done with each kind of object.
//!
//! Belongs here: the tables of kinds that decide who may talk to whom and are not evaluated, and of those that do not
//! decide it, each with the reason. Does not belong here: the kinds that are interpreted (`refused`).

use super::foreign::RENDER;
use super::pods::PodsKind;
use super::refused::{self, Class};
use crate::scenario::error::near_match;

/// What to do with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Carries pods.
    Pods(PodsKind),
    /// A list of objects; of this kind, if the list says it.
    List,
    /// As [`refused::classify`] says.
    As(Class),
    /// Of Istio or Cilium, decides who may talk to whom and is not evaluated; with the reason.
    NotEvaluated(&'static str),
    /// A policy that something else than Kubernetes' NetworkPolicy, Cilium and Istio enforces; with the reason.
    Others(&'static str),
    /// Matters by its spec.
    Depends(Probe),
    /// Blocks of addresses that policies of Cilium name.
    Group,
    /// A Gateway, which may be a waypoint.
    Gateway,
    /// Has no influence; with what has to be said about it, if anything.
    Skipped(&'static str),
}

/// What decides whether an object matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    /// A DestinationRule, which may set how clients call.
    ClientTls,
    /// A change of proxies that is not evaluated: an EnvoyFilter, a WasmPlugin, a Sidecar with listeners of its own.
    Proxies,
    /// A Node.
    Node,
    /// Endpoints of a Service, which may be that of the API server; otherwise policy is about pods.
    Endpoints,
    /// A ConfigMap with settings of the mesh or of the network.
    Settings,
    /// A PodDisruptionBudget.
    Budget,
    /// A PriorityClass.
    Priority,
}

/// Group, kind (`*` for all of the group) and why it is not evaluated. What something else enforces.
const OTHERS: &[(&str, &str, &str)] = &[
    ("policy.networking.k8s.io", "AdminNetworkPolicy", ADMIN),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy", ADMIN),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy", ADMIN),
    ("networking.k8s.aws", "ClusterNetworkPolicy", OTHER_CNI),
    ("networking.k8s.aws", "ApplicationNetworkPolicy", OTHER_CNI),
    ("networking.gke.io", "FQDNNetworkPolicy", OTHER_CNI),
    ("crd.projectcalico.org", "NetworkPolicy", OTHER_CNI),
    ("crd.projectcalico.org", "GlobalNetworkPolicy", OTHER_CNI),
    ("projectcalico.org", "NetworkPolicy", OTHER_CNI),
    ("projectcalico.org", "GlobalNetworkPolicy", OTHER_CNI),
    ("crd.antrea.io", "NetworkPolicy", OTHER_CNI),
    ("crd.antrea.io", "ClusterNetworkPolicy", OTHER_CNI),
    ("vpcresources.k8s.aws", "SecurityGroupPolicy", OTHER_CNI),
    ("crd.nsx.vmware.com", "SecurityPolicy", OTHER_CNI),
    ("kubeovn.io", "SecurityGroup", OTHER_CNI),
    ("k8s.ovn.org", "EgressFirewall", OTHER_CNI),
    ("network.openshift.io", "EgressNetworkPolicy", OTHER_CNI),
    ("policy.linkerd.io", "*", OTHER_MESH),
    ("consul.hashicorp.com", "ServiceIntentions", OTHER_MESH),
    ("kuma.io", "MeshTrafficPermission", OTHER_MESH),
    ("kuma.io", "TrafficPermission", OTHER_MESH),
    ("access.smi-spec.io", "TrafficTarget", OTHER_MESH),
];

/// What kinds of any other group call themselves that decide who may talk to whom.
const NAMES_OF_OTHERS: [&str; 6] = [
    "NetworkPolicy",
    "AuthorizationPolicy",
    "EgressFirewall",
    "TrafficPermission",
    "ServiceIntentions",
    "EgressPolicy",
];

/// Group, kind (`*` for all of the group) and why it is not evaluated. They decide who may talk to whom.
const NOT_EVALUATED: &[(&str, &str, &str)] = &[
    (
        "cilium.io",
        "CiliumEnvoyConfig",
        "custom listeners of Cilium's proxy are not evaluated",
    ),
    (
        "cilium.io",
        "CiliumClusterwideEnvoyConfig",
        "custom listeners of Cilium's proxy are not evaluated",
    ),
];
const ADMIN: &str =
    "policies of the cluster's administrator, which come before and after NetworkPolicy, are not evaluated";
const OTHER_CNI: &str = "policies of this network are not evaluated; of Cilium and Kubernetes they are";
const OTHER_MESH: &str = "policies of this mesh are not evaluated; of Istio they are";
const BY_NAME: &str = "it looks like a policy of another network; of Cilium, Kubernetes and Istio they are evaluated";

/// Group, kind and, where something is to be said, what. They do not decide who may talk to whom.
const SKIPPED: &[(&str, &str, &str)] = &[
    // How many pods there may be.
    ("", "LimitRange", ""),
    ("", "ResourceQuota", ""),
    ("autoscaling", "HorizontalPodAutoscaler", ""),
    ("keda.sh", "ScaledObject", ""),
    // Which pod answers a call; the policies are then those of that pod.
    ("networking.istio.io", "VirtualService", ""),
    ("cilium.io", "CiliumLocalRedirectPolicy", ""),
    // Where clients may leave the mesh: no proxy there enforces anything.
    ("networking.istio.io", "ServiceEntry", ""),
    // From which address traffic leaves the cluster, after it was allowed to.
    ("cilium.io", "CiliumEgressGatewayPolicy", ""),
    // What processes do within a pod: Tetragon.
    ("cilium.io", "TracingPolicy", WITHIN_PODS),
    ("cilium.io", "TracingPolicyNamespaced", WITHIN_PODS),
    // State that a network keeps: what follows from its policies.
    ("networking.k8s.aws", "PolicyEndpoint", STATE),
    ("crd.antrea.io", "AntreaNetworkPolicyStats", STATE),
    // Charts and sources that a controller in the cluster renders.
    ("helm.toolkit.fluxcd.io", "HelmRelease", RENDERED),
    ("helm.cattle.io", "HelmChart", RENDERED),
    ("kustomize.toolkit.fluxcd.io", "Kustomization", RENDERED),
    ("argoproj.io", "Application", RENDERED),
    ("argoproj.io", "ApplicationSet", RENDERED),
    ("argoproj.io", "Rollout", OTHER_PODS),
    ("apps.openshift.io", "DeploymentConfig", OTHER_PODS),
    ("serving.knative.dev", "Service", OTHER_PODS),
    ("apps.kruise.io", "CloneSet", OTHER_PODS),
    ("kustomize.config.k8s.io", "Kustomization", RENDER),
    ("kustomize.config.k8s.io", "Component", RENDER),
];
const WITHIN_PODS: &str = "it is about processes within pods, not about who may talk to whom";
const STATE: &str = "state that follows from policies";
const RENDERED: &str = "a controller renders it in the cluster; what it creates is read only if it is in the folder";
const OTHER_PODS: &str = "its pods are not read; add them to the folder (`kubectl get pods -o yaml`)";

/// Kinds that are passed over and change what a run would have, with what it has instead.
const INSTEAD_IN_A_RUN: [(&str, &str); 3] = [
    ("VirtualService", "calls go to the Service by its ports"),
    ("CiliumLocalRedirectPolicy", "calls go to the Service by its ports"),
    ("ResourceQuota", "no pod is refused for it"),
];

/// What a run has instead of an object of this kind.
pub(super) fn instead_in_a_run(kind: &str) -> Option<&'static str> {
    let found = INSTEAD_IN_A_RUN.iter().find(|(of, _)| *of == kind);
    found.map(|(_, instead)| *instead)
}

/// Whether objects of this kind change the number of replicas of another one.
pub(super) fn is_autoscaler(kind: &str) -> bool {
    matches!(kind, "HorizontalPodAutoscaler" | "ScaledObject")
}

/// Whether the reason for passing over a kind is also a warning: pods or changes are missing.
pub(super) fn is_warned(reason: &str) -> bool {
    reason == OTHER_PODS || reason == RENDER
}

/// What to do with an object of this `apiVersion` and `kind`.
pub(super) fn classify(api_version: &str, kind: &str) -> Use {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    match pods_kind(group, version, kind) {
        Some(Ok(pods)) => return Use::Pods(pods),
        Some(Err(old)) => return Use::As(old),
        None => {}
    }
    if kind.ends_with("List") && (kind == "List" || !refused::is_interpreted(group, kind)) {
        return Use::List;
    }
    let find = |table: &'static [(&str, &str, &'static str)]| {
        let mut rows = table.iter();
        rows.find(|(g, k, _)| *g == group && (*k == kind || *k == "*"))
            .map(|(_, _, why)| *why)
    };
    let class = refused::classify(api_version, kind);
    match (group, kind) {
        _ if matches!(class, Class::Known(_) | Class::Version(_)) => Use::As(class),
        ("networking.istio.io", "DestinationRule") => Use::Depends(Probe::ClientTls),
        ("networking.istio.io", "Sidecar" | "EnvoyFilter") => Use::Depends(Probe::Proxies),
        ("extensions.istio.io", "WasmPlugin") => Use::Depends(Probe::Proxies),
        ("", "Node") => Use::Depends(Probe::Node),
        ("", "Endpoints") | ("discovery.k8s.io", "EndpointSlice") => Use::Depends(Probe::Endpoints),
        ("", "ConfigMap") => Use::Depends(Probe::Settings),
        ("policy", "PodDisruptionBudget") => Use::Depends(Probe::Budget),
        ("scheduling.k8s.io", "PriorityClass") => Use::Depends(Probe::Priority),
        ("gateway.networking.k8s.io", "Gateway") => Use::Gateway,
        ("cilium.io", "CiliumCIDRGroup") => Use::Group,
        _ => match (find(OTHERS), find(NOT_EVALUATED), find(SKIPPED)) {
            (Some(why), ..) => Use::Others(why),
            (_, Some(why), _) => Use::NotEvaluated(why),
            (_, _, Some(word)) => Use::Skipped(word),
            _ if is_foreign_policy(group, kind) => Use::Others(BY_NAME),
            _ if group == "apps" || group == "batch" => {
                let kinds = PodsKind::ALL.map(PodsKind::name);
                match near_match(kind, kinds) {
                    Some(_) => Use::As(Class::Unknown),
                    None => Use::Skipped(""),
                }
            }
            _ => Use::As(class),
        },
    }
}

/// Whether a kind of a group that is not read at all calls itself a policy.
fn is_foreign_policy(group: &str, kind: &str) -> bool {
    !refused::is_interpreted_group(group) && NAMES_OF_OTHERS.iter().any(|name| kind.ends_with(name))
}

/// The kind of an object that carries pods, or which of its versions are read.
fn pods_kind(group: &str, version: &str, kind: &str) -> Option<Result<PodsKind, Class>> {
    let found = PodsKind::ALL.into_iter().find(|k| k.name() == kind)?;
    let expected = match found {
        PodsKind::Pod | PodsKind::ReplicationController => "",
        PodsKind::Job | PodsKind::CronJob => "batch",
        _ => "apps",
    };
    let old = found == PodsKind::CronJob && version == "v1beta1";
    match group == expected && (version == "v1" || old) {
        true => Some(Ok(found)),
        false if group == expected || group == "extensions" => Some(Err(Class::Version(&["v1"]))),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(classify("apps/v1", "StatefulSet"), Use::Pods(PodsKind::StatefulSet));
        assert_eq!(classify("v1", "Pod"), Use::Pods(PodsKind::Pod));
        assert_eq!(classify("v1", "List"), Use::List);
        assert_eq!(classify("v1", "PodList"), Use::List);
        assert_eq!(classify("networking.k8s.io/v1", "NetworkPolicyList"), Use::List);
        assert_eq!(classify("apps/v1", "Deploymnt"), Use::As(Class::Unknown));
        assert_eq!(classify("cilium.io/v2", "CiliumNetworkPolcy"), Use::As(Class::Unknown));
        assert_eq!(classify("example.org/v1", "Thing"), Use::As(Class::Skipped));
        for (version, kind) in [
            ("crd.projectcalico.org/v1", "NetworkPolicy"),
            ("policy.linkerd.io/v1", "Server"),
            ("networking.gke.io/v1alpha1", "FQDNNetworkPolicy"),
            ("example.org/v1", "GlobalNetworkPolicy"),
            ("example.org/v1", "MeshAuthorizationPolicy"),
        ] {
            assert!(matches!(classify(version, kind), Use::Others(_)), "{kind}");
        }
        assert_eq!(
            classify("cilium.io/v1alpha1", "TracingPolicyNamespaced"),
            Use::Skipped(WITHIN_PODS)
        );
        let bgp = classify("cilium.io/v2alpha1", "CiliumBGPClusterConfig");
        assert_eq!(bgp, Use::As(Class::Skipped));
        assert_eq!(classify("cilium.io/v2", "CiliumNodeConfig"), Use::As(Class::Skipped));
        assert_eq!(classify("cilium.io/v2", "CiliumThing"), Use::As(Class::Unknown));
        assert_eq!(
            classify("cilium.io/v2", "CiliumNetworkPolicies"),
            Use::As(Class::Unknown)
        );
        assert_eq!(classify("v1", "ConfigMap"), Use::Depends(Probe::Settings));
        assert_eq!(classify("autoscaling/v2", "HorizontalPodAutoscaler"), Use::Skipped(""));
        assert!(matches!(classify("v1", "Service"), Use::As(Class::Known(_))));
    }
}
