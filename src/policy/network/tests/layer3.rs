//! Cilium docs `security/policy/layer3` and `network/kubernetes/policy`: who is meant.

use super::*;

const HOST: Peer<'static> = Peer::Reserved(Reserved::Host);

#[test]
fn an_endpoint_that_no_policy_selects_is_open_in_both_directions() {
    let policies = cilium(&[admits(from([select([("app", "x")])]))]);
    let (client, other) = (pod("default", "client"), pod("default", "other"));
    let peer = Peer::Endpoint(&client);
    assert!(policies.ingress(&other, peer, 80, TCP, None).is_allowed());
    assert!(policies.egress(&other, peer, 80, TCP, None).is_allowed());
}

#[test]
fn selection_denies_by_default_in_the_direction_of_the_rules_only() {
    let policies = cilium(&[admits(from([select([("app", "x")])]))]);
    let (client, server) = (pod("default", "client"), pod("default", "server"));
    let peer = Peer::Endpoint(&client);
    let verdict = policies.ingress(&server, peer, 80, TCP, None);
    let because = "the workload is selected and no rule allows this (CiliumNetworkPolicy default/p)";
    assert_eq!(verdict.decision, Decision::Deny);
    assert_eq!(verdict.because.to_string(), because);
    assert!(policies.egress(&server, peer, 80, TCP, None).is_allowed());
}

#[test]
fn an_empty_rule_allows_nothing_but_switches_to_default_deny() {
    let a = pod("default", "a");
    assert!(!reached(&[admits(CiliumRule::default())], Peer::Endpoint(&a), 80));
}

#[test]
fn an_empty_list_of_rules_is_like_none() {
    let a = pod("default", "a");
    assert!(reached(&[for_server()], Peer::Endpoint(&a), 80));
}

#[test]
fn an_empty_list_of_peers_matches_no_peer_even_with_ports() {
    let a = pod("default", "a");
    let no_peer = || peers(CiliumPeers::Endpoints(Vec::new()));
    assert!(!reached(&[admits(no_peer())], Peer::Endpoint(&a), 80));
    assert!(!reached(
        &[admits(on(no_peer(), [PortMatch::tcp(80)]))],
        Peer::Endpoint(&a),
        80
    ));
}

#[test]
fn an_empty_peer_selector_means_every_pod_of_the_own_namespace() {
    let (near, far) = (pod("default", "a"), pod("other", "a"));
    let wildcard = [admits(from([CiliumSelector::default()]))];
    assert!(reached(&wildcard, Peer::Endpoint(&near), 80));
    assert!(!reached(&wildcard, Peer::Endpoint(&far), 80));
    assert!(!reached(&wildcard, Peer::Reserved(Reserved::World), 80));
    assert!(!reached(&wildcard, Peer::Reserved(Reserved::RemoteNode), 80));
}

#[test]
fn in_a_clusterwide_policy_an_empty_peer_selector_means_every_pod() {
    let far = pod("other", "a");
    let wildcard = [CiliumNetworkPolicy {
        ingress: vec![from([CiliumSelector::default()])],
        ..clusterwide()
    }];
    assert!(reached(&wildcard, Peer::Endpoint(&far), 80));
    assert!(!reached(&wildcard, Peer::Reserved(Reserved::World), 80));
    assert!(!reached(&wildcard, outside("1.2.3.4"), 80));
}

#[test]
fn a_clusterwide_policy_selects_in_every_namespace() {
    let policies = cilium(&[CiliumNetworkPolicy {
        ingress: vec![CiliumRule::default()],
        ..clusterwide()
    }]);
    let a = pod("other", "a");
    for namespace in ["default", "other"] {
        let server = pod(namespace, "server");
        let verdict = policies.ingress(&server, Peer::Endpoint(&a), 80, TCP, None);
        assert_eq!(verdict.decision, Decision::Deny);
        assert!(
            verdict
                .because
                .to_string()
                .ends_with("(CiliumClusterwideNetworkPolicy p)")
        );
    }
}

#[test]
fn a_peer_selector_that_names_a_namespace_leaves_its_own() {
    let far = pod("other", "a");
    for key in [
        "k8s:io.kubernetes.pod.namespace",
        "io.kubernetes.pod.namespace",
        "any:io.kubernetes.pod.namespace",
    ] {
        let rule = from([select([("app", "a"), (key, "other")])]);
        assert!(reached(&[admits(rule)], Peer::Endpoint(&far), 80), "{key}");
    }
    let exists = expression("k8s:io.kubernetes.pod.namespace", Requirement::Exists);
    let anywhere = [admits(from([cilium_selector(&exists)]))];
    assert!(reached(&anywhere, Peer::Endpoint(&far), 80));
    assert!(!reached(&anywhere, Peer::Reserved(Reserved::World), 80));
}

#[test]
fn labels_of_the_namespace_are_labels_of_the_pod() {
    let (near, far) = (pod("default", "a"), pod("other", "a"));
    let team = "k8s:io.cilium.k8s.namespace.labels.team";
    let by_team = [admits(from([select([(team, "other")])]))];
    assert!(reached(&by_team, Peer::Endpoint(&far), 80));
    assert!(!reached(&by_team, Peer::Endpoint(&near), 80));
    let name = "io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name";
    assert!(reached(
        &[admits(from([select([(name, "other")])]))],
        Peer::Endpoint(&far),
        80
    ));
}

#[test]
fn an_endpoint_selector_never_leaves_its_namespace() {
    let elsewhere = pod("other", "server");
    let key = "k8s:io.kubernetes.pod.namespace";
    let selector = select([("app", "server"), (key, "other")]);
    let policies = cilium(&[CiliumNetworkPolicy {
        ingress: vec![CiliumRule::default()],
        subject: CiliumSubject::Endpoints(selector),
        ..for_server()
    }]);
    let client = pod("other", "client");
    let peer = Peer::Endpoint(&client);
    assert!(policies.ingress(&elsewhere, peer, 80, TCP, None).is_allowed());
    // Cilium replaces the other namespace instead of selecting nothing.
    let own = pod("default", "server");
    assert!(!policies.ingress(&own, peer, 80, TCP, None).is_allowed());
}

#[test]
fn service_account_and_cluster_are_labels() {
    let a = pod("default", "a");
    for (key, value, expected) in [
        ("k8s:io.cilium.k8s.policy.serviceaccount", "a-account", true),
        ("k8s:io.cilium.k8s.policy.serviceaccount", "b-account", false),
        ("io.cilium.k8s.policy.cluster", "default", true),
        ("io.cilium.k8s.policy.cluster", "else", false),
    ] {
        let rule = admits(from([select([(key, value)])]));
        assert_eq!(reached(&[rule], Peer::Endpoint(&a), 80), expected, "{key}={value}");
    }
}

#[test]
fn sources_any_k8s_and_none_mean_labels_of_pods() {
    let a = pod("default", "a");
    for key in ["app", "any:app", "k8s:app"] {
        assert!(
            reached(&[admits(from([select([(key, "a")])]))], Peer::Endpoint(&a), 80),
            "{key}"
        );
    }
    assert!(!reached(
        &[admits(from([select([("reserved:host", "")])]))],
        Peer::Endpoint(&a),
        80
    ));
}

#[test]
fn reserved_labels_mean_what_is_no_pod_wherever_it_is() {
    let world = [admits(from([select([("reserved:world", "")])]))];
    assert!(reached(&world, Peer::Reserved(Reserved::World), 80));
    assert!(reached(&world, outside("8.8.8.8"), 80));
    assert!(!reached(&world, Peer::Reserved(Reserved::RemoteNode), 80));
    let nodes = [admits(from([select([("reserved:remote-node", "")])]))];
    assert!(reached(&nodes, Peer::Reserved(Reserved::KubeApiserver), 80));
}

#[test]
fn expressions_work_with_all_four_operators() {
    let (a, b) = (pod("default", "a"), pod("default", "b"));
    for (requirement, expected) in [
        (Requirement::In(vec!["a".into(), "c".into()]), [true, false]),
        (Requirement::NotIn(vec!["a".into()]), [false, true]),
        (Requirement::Exists, [true, true]),
        (Requirement::DoesNotExist, [false, false]),
    ] {
        let policies = [admits(from([cilium_selector(&expression("app", requirement.clone()))]))];
        let found = [&a, &b].map(|pod| reached(&policies, Peer::Endpoint(pod), 80));
        assert_eq!(found, expected, "{requirement:?}");
        assert!(
            !reached(&policies, Peer::Reserved(Reserved::World), 80),
            "stays in its namespace"
        );
    }
}

#[test]
fn labels_outside_of_the_identity_cannot_be_selected() {
    let mut a = pod("default", "a");
    for key in [
        "pod-template-hash",
        "app.kubernetes.io/name",
        "batch.kubernetes.io/controller-uid",
    ] {
        a.labels.0.insert(key.into(), "x".into());
    }
    let by = |key: &str| reached(&[admits(from([select([(key, "x")])]))], Peer::Endpoint(&a), 80);
    assert!(!by("pod-template-hash") && !by("batch.kubernetes.io/controller-uid"));
    assert!(by("app.kubernetes.io/name"));
}

#[test]
fn keys_that_cannot_be_read_as_written_are_refused() {
    use super::super::cilium::selector::Key;
    assert!(Key::parse("k8s.app").is_err(), "a dot for the colon");
    assert!(Key::parse("k8s.io/app").is_ok());
    assert!(Key::parse("cidr:10.0.0.0/8").is_err());
    assert!(Key::parse("reserved:hots").is_err());
    assert!(Key::parse("reserved:all").is_err(), "releases differ");
}

#[test]
fn entities_stand_for_what_the_page_lists() {
    let a = pod("default", "a");
    for name in Entity::NAMES {
        let policies = [CiliumNetworkPolicy {
            ingress: vec![entities([name])],
            ..for_server()
        }];
        for reserved in Reserved::ALL.into_iter().filter(|r| *r != Reserved::Host) {
            let expected = match (name, reserved) {
                ("all", _) => Some(true),
                ("cluster", r) => Some(!matches!(r, Reserved::World | Reserved::Unknown)),
                ("world-ipv4" | "world-ipv6", Reserved::World) => None,
                ("remote-node", Reserved::KubeApiserver) => Some(true),
                (name, r) => Some(name == r.name()),
            };
            let verdict = asked(&policies, Peer::Reserved(reserved), 80).decision;
            let expected = match expected {
                None => Decision::Unknown,
                Some(true) => Decision::Allow,
                Some(false) => Decision::Deny,
            };
            assert_eq!(verdict, expected, "{name} {reserved:?}");
        }
        let is_pod = matches!(name, "all" | "cluster");
        assert_eq!(reached(&policies, Peer::Endpoint(&a), 80), is_pod, "{name}");
        let v4 = matches!(name, "all" | "world" | "world-ipv4");
        assert_eq!(reached(&policies, outside("1.2.3.4"), 80), v4, "{name}");
        let v6 = matches!(name, "all" | "world" | "world-ipv6");
        assert_eq!(reached(&policies, outside("2001:db8::1"), 80), v6, "{name}");
    }
}

#[test]
fn the_own_node_reaches_its_pods_unless_a_deny_rule_says_otherwise() {
    let a = from([select([("app", "a")])]);
    assert!(reached(&[admits(a)], HOST, 80));
    assert!(!reached(&[refuses(entities(["all"]))], HOST, 80));
    assert!(!reached(&[refuses(entities(["host"]))], HOST, 80));
    assert!(!reached(
        &[admits(CiliumRule::default())],
        Peer::Reserved(Reserved::RemoteNode),
        80
    ));
}

#[test]
fn a_pod_needs_a_rule_to_reach_its_own_node() {
    let server = pod("default", "server");
    let egress = |rule| CiliumNetworkPolicy {
        egress: vec![rule],
        ..for_server()
    };
    let closed = cilium(&[egress(CiliumRule::default())]);
    assert!(!closed.egress(&server, HOST, 80, TCP, None).is_allowed());
    let open = cilium(&[egress(entities(["host"]))]);
    assert!(open.egress(&server, HOST, 80, TCP, None).is_allowed());
}

#[test]
fn blocks_mean_addresses_outside_of_the_cluster() {
    let a = pod("default", "a");
    let ten = [admits(peers(CiliumPeers::Blocks(vec![block(
        "10.0.0.0/8",
        &["10.96.0.0/12"],
    )])))];
    assert!(reached(&ten, outside("10.1.1.1"), 80));
    assert!(!reached(&ten, outside("10.97.0.1"), 80));
    assert!(!reached(&ten, outside("11.0.0.1"), 80));
    assert!(!reached(&ten, Peer::Endpoint(&a), 80));
    let everything = [admits(peers(CiliumPeers::Blocks(vec![block("0.0.0.0/0", &[])])))];
    assert!(reached(&everything, outside("8.8.8.8"), 80));
    assert!(reached(&everything, Peer::Reserved(Reserved::World), 80));
    for reserved in [Reserved::RemoteNode, Reserved::Health, Reserved::KubeApiserver] {
        assert!(!reached(&everything, Peer::Reserved(reserved), 80), "{reserved:?}");
    }
    assert!(!reached(&everything, Peer::Endpoint(&a), 80));
}

#[test]
fn requirements_narrow_the_peers_that_rules_of_any_policy_select() {
    let mut prod = pod("default", "a");
    prod.labels.0.insert("env".into(), "prod".into());
    let plain = pod("default", "a");
    let requires = CiliumRule {
        requires: vec![select([("env", "prod")])],
        ..CiliumRule::default()
    };
    let alone = [admits(requires.clone())];
    assert!(!reached(&alone, Peer::Endpoint(&prod), 80), "grants nothing by itself");
    let both = [admits(requires), admits(from([select([("app", "a")])]))];
    assert!(reached(&both, Peer::Endpoint(&prod), 80));
    assert!(!reached(&both, Peer::Endpoint(&plain), 80));
}

#[test]
fn services_mean_the_pods_that_they_select() {
    let (a, b) = (pod("other", "a"), pod("other", "b"));
    let service = super::super::Service {
        namespace: "other".into(),
        name: "s".into(),
        selector: Labels::from([("app", "a")]),
    };
    let options = Options {
        services: vec![service],
        ..Options::default()
    };
    let to = |name: &str| CiliumNetworkPolicy {
        egress: vec![peers(CiliumPeers::Services(vec![("other".into(), name.into())]))],
        ..for_server()
    };
    let server = pod("default", "server");
    let asks = |name: &str, peer: &Subject| {
        let policies = NetworkPolicies::new(&[to(name)], &[], options.clone());
        policies
            .egress(&server, Peer::Endpoint(peer), 80, TCP, None)
            .is_allowed()
    };
    assert!(asks("s", &a) && !asks("s", &b));
    assert!(!asks("missing", &a), "a Service that is not there has no pods");
}
