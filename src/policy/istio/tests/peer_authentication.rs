//! The rules of `peer_authentication.proto` (Istio `pilot/pkg/security/authn/policy_applier.go`), and automatic mutual TLS.

use super::*;
use crate::policy::Route;

#[test]
fn strict_refuses_plain_text_and_names_the_policy() {
    let strict = mode("default", LabelSelector::default(), MtlsMode::Strict);
    let mesh = MeshPolicies::new(vec![strict], Vec::new(), "istio-system", "cluster.local");
    let verdict = mesh.request(&server(), None, &get("/"));
    assert_eq!(
        verdict.because.to_string(),
        "mutual TLS is required and the client has no certificate (PeerAuthentication default/m)"
    );
    assert!(mesh.request(&server(), SLEEP, &get("/")).is_allowed());
}

#[test]
fn disable_hides_the_principal() {
    let disable = mode("default", LabelSelector::default(), MtlsMode::Disable);
    let allow = policy(Action::Allow, vec![source(any_of(&["*"]))]);
    let mesh = MeshPolicies::new(vec![disable], vec![allow], "istio-system", "cluster.local");
    assert!(!mesh.request(&server(), SLEEP, &get("/")).is_allowed());
}

#[test]
fn workload_beats_namespace_beats_mesh_and_unset_inherits() {
    let all = LabelSelector::default;
    let ours = || LabelSelector::from([("app", "server")]);
    let mesh = mode("istio-system", all(), MtlsMode::Strict);
    let namespace = mode("default", all(), MtlsMode::Permissive);
    let workload = mode("default", ours(), MtlsMode::Disable);
    assert_eq!(mode_of(vec![mesh.clone()], 80), MtlsMode::Strict);
    assert_eq!(mode_of(vec![mesh.clone(), namespace.clone()], 80), MtlsMode::Permissive);
    let three = vec![workload, namespace, mesh.clone()];
    assert_eq!(mode_of(three, 80), MtlsMode::Disable);
    let unset = mode("default", ours(), MtlsMode::Unset);
    assert_eq!(mode_of(vec![mesh, unset], 80), MtlsMode::Strict);
}

#[test]
fn port_mode_overrides_the_workload_for_that_port_only() {
    let mut workload = mode("default", LabelSelector::from([("app", "server")]), MtlsMode::Strict);
    workload.port_modes.insert(8080, MtlsMode::Disable);
    workload.port_modes.insert(9090, MtlsMode::Unset);
    let modes = |port| mode_of(vec![workload.clone()], port);
    assert_eq!(modes(80), MtlsMode::Strict);
    assert_eq!(modes(8080), MtlsMode::Disable);
    assert_eq!(modes(9090), MtlsMode::Strict);
}

#[test]
fn selector_in_the_root_namespace_is_ignored_for_peer_authentication() {
    let policy = mode(
        "istio-system",
        LabelSelector::from([("app", "server")]),
        MtlsMode::Strict,
    );
    assert_eq!(mode_of(vec![policy], 80), MtlsMode::Permissive);
}

#[test]
fn a_port_needs_no_service_and_inherits_from_the_namespace_where_its_workload_is_unset() {
    let mut workload = mode("default", LabelSelector::from([("app", "server")]), MtlsMode::Unset);
    workload.port_modes.insert(9999, MtlsMode::Disable);
    workload.port_modes.insert(9090, MtlsMode::Unset);
    let namespace = mode("default", LabelSelector::default(), MtlsMode::Strict);
    let modes = |port| mode_of(vec![workload.clone(), namespace.clone()], port);
    assert_eq!(modes(9999), MtlsMode::Disable);
    assert_eq!(modes(9090), MtlsMode::Strict);
}

#[test]
fn a_port_of_a_policy_without_a_selector_is_not_looked_at() {
    let mut namespace = mode("default", LabelSelector::default(), MtlsMode::Strict);
    namespace.port_modes.insert(80, MtlsMode::Disable);
    assert_eq!(mode_of(vec![namespace], 80), MtlsMode::Strict);
}

/// Two policies of one scope and the times of their creation.
fn two(first: Option<&str>, second: Option<&str>) -> Decision {
    let dated = |name: &str, mtls, created: Option<&str>| PeerAuthentication {
        name: name.into(),
        created: created.map(str::to_owned),
        ..mode("default", LabelSelector::default(), mtls)
    };
    let policies = vec![
        dated("b", MtlsMode::Strict, first),
        dated("a", MtlsMode::Permissive, second),
    ];
    let mesh = MeshPolicies::new(policies, Vec::new(), "istio-system", "cluster.local");
    let verdict = mesh.ask(&endpoint(server()), None, None, 80, None);
    verdict.expect("a sidecar").decision
}

#[test]
fn the_oldest_of_one_scope_wins_and_of_equally_old_ones_the_first_by_name() {
    let (early, late) = (Some("2024-01-01T00:00:00Z"), Some("2024-02-01T00:00:00Z"));
    assert_eq!(two(early, late), Decision::Deny);
    assert_eq!(two(late, early), Decision::Allow);
    assert_eq!(two(early, early), Decision::Allow);
}

#[test]
fn without_times_policies_that_differ_leave_it_open() {
    assert_eq!(two(None, None), Decision::Unknown);
    assert_eq!(two(Some("2024-01-01T00:00:00Z"), None), Decision::Unknown);
}

#[test]
fn policies_of_one_scope_that_agree_need_no_times() {
    let strict = || mode("default", LabelSelector::default(), MtlsMode::Strict);
    let mesh = MeshPolicies::new(vec![strict(), strict()], Vec::new(), "istio-system", "cluster.local");
    let verdict = mesh.ask(&endpoint(server()), None, None, 80, None);
    assert_eq!(verdict.expect("a sidecar").decision, Decision::Deny);
}

#[test]
fn clients_use_mutual_tls_where_both_ends_have_a_proxy_and_the_port_takes_it() {
    let strict = || mode("default", LabelSelector::default(), MtlsMode::Strict);
    let disable = || mode("default", LabelSelector::default(), MtlsMode::Disable);
    let tls = |policy, from_proxy: bool, to_sidecar: bool, to_ambient: bool| {
        let mesh = MeshPolicies::new(vec![policy], Vec::new(), "istio-system", "cluster.local");
        let (mut from, mut to) = (endpoint(server()), endpoint(server()));
        (from.sidecar, to.sidecar, to.ambient) = (from_proxy, to_sidecar, to_ambient);
        let route = route();
        let call = Towards {
            from: &from,
            to: &to,
            port: 80,
            route: Some(&route),
        };
        let possible = mesh.client_tls(&call);
        assert_eq!(possible.len(), 1);
        possible[0]
    };
    assert_eq!(tls(strict(), true, true, false), ClientTls::Mutual);
    assert_eq!(tls(disable(), true, true, false), ClientTls::PlainText);
    assert_eq!(tls(disable(), true, false, true), ClientTls::Mutual);
    assert_eq!(tls(strict(), false, true, false), ClientTls::PlainText);
    assert_eq!(tls(strict(), true, false, false), ClientTls::PlainText);
}

fn route() -> Route {
    Route {
        service: ("default".to_owned(), "server".to_owned()),
        service_port: 80,
        port_name: None,
        target_port: 80,
        protocol: PortProtocol::Http,
        headless: false,
        all_with_sidecar: true,
        cluster_ip: None,
        created: None,
        export_to: Vec::new(),
        waypoint: None,
    }
}

#[test]
fn a_call_to_the_address_of_a_pod_is_plain_text_and_ambient_mode_needs_no_service() {
    let mesh = MeshPolicies::new(Vec::new(), Vec::new(), "istio-system", "cluster.local");
    let to = endpoint(server());
    let sent = |from: &Endpoint, to: &Endpoint, route: Option<&Route>| {
        let call = Towards {
            from,
            to,
            port: 80,
            route,
        };
        mesh.client_tls(&call).to_vec()
    };
    let sidecar = endpoint(server());
    assert_eq!(sent(&sidecar, &to, Some(&route())), [ClientTls::Mutual]);
    assert_eq!(sent(&sidecar, &to, None), [ClientTls::PlainText]);
    let ambient = Endpoint {
        sidecar: false,
        ambient: true,
        ..endpoint(server())
    };
    assert_eq!(sent(&ambient, &ambient, None), [ClientTls::Mutual]);
    assert_eq!(sent(&sidecar, &ambient, None), [ClientTls::PlainText]);
    assert_eq!(sent(&sidecar, &ambient, Some(&route())), [ClientTls::Mutual]);
}
