//! Cilium docs `security/policy/deny`, and the three kinds of policy together.

use super::*;

#[test]
fn a_deny_rule_beats_the_allow_of_any_policy() {
    let a = pod("default", "a");
    let rule = || from([select([("app", "a")])]);
    let verdict = asked(&[admits(rule()), refuses(rule())], Peer::Endpoint(&a), 80);
    assert_eq!(verdict.decision, Decision::Deny);
    assert_eq!(verdict.because.text, "a deny rule matches");
}

#[test]
fn a_deny_rule_beats_the_allow_of_a_network_policy() {
    let a = pod("default", "a");
    let everybody = NetworkPolicy {
        namespace: "default".into(),
        name: "np".into(),
        file: String::new(),
        pod_selector: LabelSelector::default(),
        isolates_ingress: true,
        isolates_egress: false,
        ingress: vec![NetworkRule::default()],
        egress: Vec::new(),
    };
    let server = pod("default", "server");
    let denied = refuses(from([select([("app", "a")])]));
    let policies = NetworkPolicies::new(&[denied], &[everybody], Options::default());
    let b = pod("default", "b");
    assert!(
        !policies
            .ingress(&server, Peer::Endpoint(&a), 80, TCP, None)
            .is_allowed()
    );
    assert!(
        policies
            .ingress(&server, Peer::Endpoint(&b), 80, TCP, None)
            .is_allowed()
    );
}

#[test]
fn a_policy_with_deny_rules_alone_denies_by_default() {
    let b = pod("default", "b");
    assert!(!reached(
        &[refuses(from([select([("app", "a")])]))],
        Peer::Endpoint(&b),
        80
    ));
}

#[test]
fn a_deny_rule_with_ports_closes_those_only() {
    let a = pod("default", "a");
    let policies = [
        admits(entities(["all"])),
        refuses(on(CiliumRule::default(), [PortMatch::tcp(80)])),
    ];
    assert!(!reached(&policies, Peer::Endpoint(&a), 80));
    assert!(reached(&policies, Peer::Endpoint(&a), 81));
}

#[test]
fn a_denied_world_leaves_the_cluster_open() {
    let a = pod("default", "a");
    let policies = [admits(entities(["all"])), refuses(entities(["world"]))];
    assert!(reached(&policies, Peer::Endpoint(&a), 80));
    assert!(!reached(&policies, outside("8.8.8.8"), 80));
    assert!(!reached(&policies, Peer::Reserved(Reserved::World), 80));
}

#[test]
fn an_empty_deny_rule_denies_by_default_but_nothing_more() {
    let a = pod("default", "a");
    assert!(!reached(&[refuses(CiliumRule::default())], Peer::Endpoint(&a), 80));
    let policies = [refuses(CiliumRule::default()), admits(entities(["all"]))];
    assert!(reached(&policies, Peer::Endpoint(&a), 80));
}

#[test]
fn allows_of_all_three_kinds_add_up() {
    let pods = ["a", "b", "c", "d"].map(|app| pod("default", app));
    let clusterwide = CiliumNetworkPolicy {
        ingress: vec![from([select([("app", "b")])])],
        ..clusterwide()
    };
    let network = NetworkPolicy {
        namespace: "default".into(),
        name: "np".into(),
        file: String::new(),
        pod_selector: labels([("app", "server")]),
        isolates_ingress: true,
        isolates_egress: false,
        ingress: vec![NetworkRule {
            peers: vec![NetworkPeer::Pods {
                namespaces: None,
                pods: Some(labels([("app", "c")])),
            }],
            ..NetworkRule::default()
        }],
        egress: Vec::new(),
    };
    let cilium = [admits(from([select([("app", "a")])])), clusterwide];
    let policies = NetworkPolicies::new(&cilium, &[network], Options::default());
    let server = pod("default", "server");
    let found = pods.map(|pod| policies.ingress(&server, Peer::Endpoint(&pod), 80, TCP, None));
    let because = found
        .each_ref()
        .map(|verdict| verdict.because.policy.as_ref().expect("named").policy.clone());
    assert_eq!(found.map(|verdict| verdict.is_allowed()), [true, true, true, false]);
    assert_eq!(
        because,
        [
            "CiliumNetworkPolicy default/p",
            "CiliumClusterwideNetworkPolicy p",
            "NetworkPolicy default/np",
            "CiliumNetworkPolicy default/p"
        ]
    );
}
