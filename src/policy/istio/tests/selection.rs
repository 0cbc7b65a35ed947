//! Which policies a proxy has: namespace, selector, `targetRefs` (Istio `pilot/pkg/model/policyattachment.go`).

use super::*;

#[test]
fn root_namespace_reaches_every_workload_and_others_only_their_own() {
    let mut nothing = policy(Action::Allow, vec![]);
    nothing.namespace = "istio-system".into();
    assert!(!authorize(vec![nothing.clone()], SLEEP, get("/")));
    nothing.namespace = "elsewhere".into();
    assert!(authorize(vec![nothing], SLEEP, get("/")));
}

#[test]
fn selector_limits_the_workloads() {
    let mut nothing = policy(Action::Allow, vec![]);
    nothing.selector = LabelSelector::from([("app", "other")]);
    assert!(authorize(vec![nothing.clone()], SLEEP, get("/")));
    nothing.selector = LabelSelector::from([("app", "server")]);
    assert!(!authorize(vec![nothing], SLEEP, get("/")));
}

fn target(kind: TargetKind, name: &str) -> AuthorizationPolicy {
    AuthorizationPolicy {
        targets: vec![TargetRef {
            kind,
            name: name.into(),
        }],
        ..policy(Action::Allow, vec![])
    }
}

#[test]
fn root_namespace_with_a_selector_reaches_matching_workloads_of_all_namespaces() {
    let mut nothing = policy(Action::Allow, vec![]);
    nothing.namespace = "istio-system".into();
    nothing.selector = LabelSelector::from([("app", "other")]);
    assert!(authorize(vec![nothing.clone()], SLEEP, get("/")));
    nothing.selector = LabelSelector::from([("app", "server")]);
    assert!(!authorize(vec![nothing], SLEEP, get("/")));
}

#[test]
fn all_labels_of_a_selector_are_required() {
    let mut nothing = policy(Action::Allow, vec![]);
    nothing.selector = LabelSelector::from([("app", "server"), ("version", "v2")]);
    assert!(authorize(vec![nothing], SLEEP, get("/")));
}

#[test]
fn policies_with_targets_are_neither_for_sidecars_nor_for_ztunnel() {
    for kind in [TargetKind::Service, TargetKind::Gateway] {
        assert!(authorize(vec![target(kind, "server")], SLEEP, get("/")));
        let mesh = mesh(vec![target(kind, "server")]);
        let question = Question::default();
        let verdict = mesh.verdict(&mesh.ztunnel(&server()), &mesh.client(SLEEP), &question);
        assert!(verdict.is_allowed());
    }
}

#[test]
fn a_gateway_has_the_policies_that_target_it_and_those_by_selector() {
    let gateway = |name: &str| {
        let label = ("gateway.networking.k8s.io/gateway-name", name);
        Subject::new("default", Labels::default(), "gateway", Labels::from([label]))
    };
    let asks = |policies: Vec<AuthorizationPolicy>, to: &Subject| {
        let mesh = mesh(policies);
        mesh.request(to, SLEEP, &get("/")).is_allowed()
    };
    assert!(!asks(vec![target(TargetKind::Gateway, "g")], &gateway("g")));
    assert!(asks(vec![target(TargetKind::Gateway, "g")], &gateway("h")));
    assert!(!asks(vec![policy(Action::Allow, vec![])], &gateway("g")));
    let mut elsewhere = target(TargetKind::Gateway, "g");
    elsewhere.namespace = "elsewhere".into();
    assert!(asks(vec![elsewhere], &gateway("g")));
}

#[test]
fn a_waypoint_has_only_policies_with_targets() {
    let waypoint = Waypoint {
        namespace: "default",
        name: "w",
        services: &[("default", "server")],
    };
    let asks = |policy: AuthorizationPolicy| {
        let mesh = mesh(vec![policy]);
        let question = Question {
            http: Some(http("GET", "/")),
            ..Question::default()
        };
        let verdict = mesh.verdict(&mesh.waypoint(&waypoint), &mesh.client(SLEEP), &question);
        verdict.is_allowed()
    };
    assert!(asks(policy(Action::Allow, vec![])));
    assert!(!asks(target(TargetKind::Service, "server")));
    assert!(asks(target(TargetKind::Service, "other")));
    assert!(!asks(target(TargetKind::Gateway, "w")));
    assert!(asks(target(TargetKind::GatewayClass, "istio-waypoint")));
    let mut class = target(TargetKind::GatewayClass, "istio-waypoint");
    class.namespace = "istio-system".into();
    assert!(!asks(class));
    let mut elsewhere = target(TargetKind::Service, "server");
    elsewhere.namespace = "elsewhere".into();
    assert!(asks(elsewhere));
}

#[test]
fn targets_are_of_four_kinds() {
    assert!(TargetKind::parse("", "Service").is_ok());
    assert!(TargetKind::parse("core", "Service").is_ok());
    assert!(TargetKind::parse("gateway.networking.k8s.io", "Gateway").is_ok());
    assert!(TargetKind::parse("", "Gateway").is_err());
    assert!(TargetKind::parse("apps", "Deployment").is_err());
}
