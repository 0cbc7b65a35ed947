//! Kubernetes docs `concepts/services-networking/network-policies` and the API's own words on NetworkPolicy.

use super::super::{Cni, End};
use super::*;

fn policy() -> NetworkPolicy {
    NetworkPolicy {
        namespace: "default".into(),
        name: "np".into(),
        file: String::new(),
        pod_selector: labels([("app", "server")]),
        isolates_ingress: true,
        isolates_egress: false,
        ingress: Vec::new(),
        egress: Vec::new(),
    }
}

fn rule(peers: Vec<NetworkPeer>) -> NetworkRule {
    NetworkRule {
        peers,
        ..NetworkRule::default()
    }
}

fn admitting(peers: Vec<NetworkPeer>) -> NetworkPolicy {
    NetworkPolicy {
        ingress: vec![rule(peers)],
        ..policy()
    }
}

fn pods(namespaces: Option<LabelSelector>, pods: Option<LabelSelector>) -> NetworkPeer {
    NetworkPeer::Pods { namespaces, pods }
}

fn network(policies: &[NetworkPolicy]) -> NetworkPolicies {
    NetworkPolicies::new(&[], policies, Options::default())
}

fn reached(policies: &[NetworkPolicy], from: Peer<'_>, port: u16, protocol: Protocol) -> bool {
    let server = pod("default", "server");
    network(policies)
        .ingress(&server, from, port, protocol, None)
        .is_allowed()
}

const WORLD: Peer<'static> = Peer::Reserved(Reserved::World);

#[test]
fn a_pod_is_isolated_only_in_the_directions_of_policies_that_select_it() {
    let policies = network(&[policy()]);
    let (server, other, a) = (pod("default", "server"), pod("default", "other"), pod("default", "a"));
    let peer = Peer::Endpoint(&a);
    assert!(!policies.ingress(&server, peer, 80, TCP, None).is_allowed());
    assert!(policies.egress(&server, peer, 80, TCP, None).is_allowed());
    assert!(policies.ingress(&other, peer, 80, TCP, None).is_allowed());
    assert!(
        policies
            .ingress(&pod("other", "server"), peer, 80, TCP, None)
            .is_allowed()
    );
}

#[test]
fn an_empty_pod_selector_selects_every_pod_of_the_namespace() {
    let all = NetworkPolicy {
        pod_selector: LabelSelector::default(),
        ..policy()
    };
    let policies = network(&[all]);
    assert!(
        !policies
            .ingress(&pod("default", "x"), WORLD, 80, TCP, None)
            .is_allowed()
    );
    assert!(policies.ingress(&pod("other", "x"), WORLD, 80, TCP, None).is_allowed());
}

#[test]
fn a_rule_without_peers_and_ports_allows_everything() {
    assert!(reached(&[admitting(Vec::new())], WORLD, 80, Protocol::Sctp));
    assert!(reached(
        &[admitting(Vec::new())],
        Peer::Reserved(Reserved::RemoteNode),
        80,
        TCP
    ));
}

#[test]
fn what_policies_allow_adds_up() {
    let (a, b, c) = (pod("default", "a"), pod("default", "b"), pod("default", "c"));
    let by = |app: &str| admitting(vec![pods(None, Some(labels([("app", app)])))]);
    let policies = [by("a"), by("b")];
    assert!(reached(&policies, Peer::Endpoint(&a), 80, TCP));
    assert!(reached(&policies, Peer::Endpoint(&b), 80, TCP));
    assert!(!reached(&policies, Peer::Endpoint(&c), 80, TCP));
}

#[test]
fn a_pod_selector_alone_means_the_namespace_of_the_policy() {
    let policies = [admitting(vec![pods(None, Some(labels([("app", "a")])))])];
    assert!(reached(&policies, Peer::Endpoint(&pod("default", "a")), 80, TCP));
    assert!(!reached(&policies, Peer::Endpoint(&pod("other", "a")), 80, TCP));
    let every = [admitting(vec![pods(None, Some(LabelSelector::default()))])];
    assert!(reached(&every, Peer::Endpoint(&pod("default", "z")), 80, TCP));
    assert!(!reached(&every, Peer::Endpoint(&pod("other", "z")), 80, TCP));
}

#[test]
fn a_namespace_selector_alone_means_all_pods_of_those_namespaces() {
    let policies = [admitting(vec![pods(Some(labels([("team", "other")])), None)])];
    assert!(reached(&policies, Peer::Endpoint(&pod("other", "z")), 80, TCP));
    assert!(!reached(&policies, Peer::Endpoint(&pod("default", "z")), 80, TCP));
    let every = [admitting(vec![pods(Some(LabelSelector::default()), None)])];
    assert!(reached(&every, Peer::Endpoint(&pod("default", "z")), 80, TCP));
    assert!(!reached(&every, WORLD, 80, TCP), "pods only");
    assert!(
        !reached(&every, Peer::Reserved(Reserved::RemoteNode), 80, TCP),
        "pods only"
    );
}

#[test]
fn both_selectors_in_one_entry_hold_together_and_two_entries_separately() {
    let (namespace, app) = (labels([("team", "other")]), labels([("app", "a")]));
    let together = [admitting(vec![pods(Some(namespace.clone()), Some(app.clone()))])];
    let apart = [admitting(vec![pods(Some(namespace), None), pods(None, Some(app))])];
    for (subject, expected) in [
        (pod("other", "a"), [true, true]),
        (pod("other", "b"), [false, true]),
        (pod("default", "a"), [false, true]),
        (pod("default", "b"), [false, false]),
    ] {
        let found = [&together, &apart].map(|p| reached(p, Peer::Endpoint(&subject), 80, TCP));
        assert_eq!(found, expected, "{subject:?}");
    }
}

#[test]
fn selectors_know_all_four_operators() {
    for (requirement, expected) in [
        (Requirement::In(vec!["a".into()]), [true, false]),
        (Requirement::NotIn(vec!["a".into()]), [false, true]),
        (Requirement::Exists, [true, true]),
        (Requirement::DoesNotExist, [false, false]),
    ] {
        let selector = expression("app", requirement.clone());
        let policies = [admitting(vec![pods(None, Some(selector))])];
        let found = ["a", "b"].map(|app| reached(&policies, Peer::Endpoint(&pod("default", app)), 80, TCP));
        assert_eq!(found, expected, "{requirement:?}");
    }
    let by_name = expression(
        "kubernetes.io/metadata.name",
        Requirement::NotIn(vec!["default".into()]),
    );
    let policies = [admitting(vec![pods(Some(by_name), None)])];
    assert!(reached(&policies, Peer::Endpoint(&pod("other", "a")), 80, TCP));
    assert!(!reached(&policies, Peer::Endpoint(&pod("default", "a")), 80, TCP));
}

#[test]
fn ports_are_numbers_ranges_and_names_of_one_protocol() {
    let with = |port: Port| NetworkPolicy {
        ingress: vec![NetworkRule {
            ports: vec![super::port(port, ProtocolMatch::Is(TCP))],
            ..NetworkRule::default()
        }],
        ..policy()
    };
    assert!(reached(&[with(Port::Range(80, 80))], WORLD, 80, TCP));
    assert!(!reached(&[with(Port::Range(80, 80))], WORLD, 80, Protocol::Udp));
    assert!(reached(&[with(Port::Range(80, 90))], WORLD, 90, TCP));
    assert!(!reached(&[with(Port::Range(80, 90))], WORLD, 91, TCP));
    assert!(reached(&[with(Port::Any)], WORLD, 9, TCP) && !reached(&[with(Port::Any)], WORLD, 9, Protocol::Udp));
    let server = pod("default", "server");
    let names = NamedPorts::from([(("web".into(), TCP), 8080)]);
    let named = network(&[with(Port::Named("web".into()))]).with_ports([(server.clone(), names)]);
    assert!(named.ingress(&server, WORLD, 8080, TCP, None).is_allowed());
    assert!(!named.ingress(&server, WORLD, 80, TCP, None).is_allowed());
}

#[test]
fn a_name_of_a_port_is_resolved_at_the_destination_in_both_directions() {
    let egress = NetworkPolicy {
        pod_selector: labels([("app", "client")]),
        isolates_ingress: false,
        isolates_egress: true,
        egress: vec![NetworkRule {
            ports: vec![port(Port::Named("web".into()), ProtocolMatch::Is(TCP))],
            ..NetworkRule::default()
        }],
        ..policy()
    };
    let named = |app: &str, number: u16| Endpoint {
        named_ports: NamedPorts::from([(("web".into(), TCP), number)]),
        ..endpoint(pod("default", app))
    };
    let compiled = network(&[egress]).compile(vec![named("client", 1), named("x", 8080), named("y", 9090)]);
    let to = |index, number| compiled.egress(0, End::Workload(index), number, TCP, None).is_allowed();
    assert!(to(1, 8080) && !to(1, 9090) && to(2, 9090) && !to(2, 1));
    assert!(
        !compiled
            .egress(0, End::Reserved(Reserved::World), 8080, TCP, None)
            .is_allowed()
    );
}

#[test]
fn without_policy_types_ingress_is_isolated_and_egress_only_with_rules() {
    assert_eq!(NetworkPolicy::default_types(&[]), (true, false));
    assert_eq!(NetworkPolicy::default_types(&[NetworkRule::default()]), (true, true));
}

#[test]
fn rules_of_a_direction_that_is_not_isolated_count_for_nothing() {
    let (server, a) = (pod("default", "server"), pod("default", "a"));
    let odd = NetworkPolicy {
        isolates_ingress: false,
        isolates_egress: true,
        ..admitting(Vec::new())
    };
    let closed = policy();
    let policies = network(&[odd, closed]);
    assert!(
        !policies
            .ingress(&server, Peer::Endpoint(&a), 80, TCP, None)
            .is_allowed()
    );
    assert!(!policies.egress(&server, Peer::Endpoint(&a), 80, TCP, None).is_allowed());
}

#[test]
fn a_block_means_outside_addresses_without_its_exceptions() {
    let policies = [admitting(vec![NetworkPeer::Block(block(
        "172.17.0.0/16",
        &["172.17.1.0/24"],
    ))])];
    assert!(reached(&policies, outside("172.17.2.1"), 80, TCP));
    assert!(!reached(&policies, outside("172.17.1.1"), 80, TCP));
    assert!(!reached(&policies, outside("172.18.0.1"), 80, TCP));
}

#[test]
fn whether_a_block_means_pods_depends_on_the_network() {
    let anywhere = admitting(vec![NetworkPeer::Block(block("0.0.0.0/0", &[]))]);
    let ten = admitting(vec![NetworkPeer::Block(block("10.0.0.0/8", &[]))]);
    let known = |text: &str| Endpoint {
        addresses: vec![text.parse().expect("an address")],
        ..endpoint(pod("default", "a"))
    };
    let workloads = || {
        let server = endpoint(pod("default", "server"));
        vec![
            server,
            known("10.1.1.1"),
            known("11.1.1.1"),
            endpoint(pod("default", "b")),
        ]
    };
    let ask = |policy: &NetworkPolicy, cni: Cni, from: usize| {
        let options = Options {
            cni,
            ..Options::default()
        };
        let compiled = NetworkPolicies::new(&[], std::slice::from_ref(policy), options).compile(workloads());
        compiled.ingress(0, End::Workload(from), 80, TCP, None).decision
    };
    use Decision::{Allow, Deny, Unknown};
    assert_eq!([1, 2, 3].map(|i| ask(&anywhere, Cni::Cilium, i)), [Deny; 3]);
    assert_eq!([1, 2, 3].map(|i| ask(&anywhere, Cni::Generic, i)), [Allow; 3]);
    assert_eq!([1, 2, 3].map(|i| ask(&ten, Cni::Cilium, i)), [Deny; 3]);
    assert_eq!([1, 2, 3].map(|i| ask(&ten, Cni::Generic, i)), [Allow, Deny, Unknown]);
}

#[test]
fn traffic_between_a_pod_and_its_own_node_is_always_allowed() {
    let host = Peer::Reserved(Reserved::Host);
    assert!(reached(&[policy()], host, 80, TCP));
    let closed = NetworkPolicy {
        isolates_egress: true,
        ..policy()
    };
    let server = pod("default", "server");
    let to_node = |cni: Cni| {
        let options = Options {
            cni,
            ..Options::default()
        };
        let policies = NetworkPolicies::new(&[], std::slice::from_ref(&closed), options);
        policies.egress(&server, host, 80, TCP, None).is_allowed()
    };
    assert!(to_node(Cni::Generic));
    assert!(!to_node(Cni::Cilium), "Cilium asks for a rule in this direction");
}

#[test]
fn an_address_of_a_pod_stands_for_the_pod() {
    let address: std::net::IpAddr = "10.1.1.1".parse().expect("an address");
    let a = Endpoint {
        addresses: vec![address],
        ..endpoint(pod("default", "a"))
    };
    let by_label = admitting(vec![pods(None, Some(labels([("app", "a")])))]);
    let compiled = network(&[by_label]).compile(vec![endpoint(pod("default", "server")), a]);
    assert!(compiled.ingress(0, End::Address(address), 80, TCP, None).is_allowed());
}

#[test]
fn a_reason_names_policy_rule_and_line() {
    let mut named = admitting(vec![pods(None, Some(labels([("app", "a")])))]);
    named.file = "np.yaml".into();
    named.ingress[0].line = 12;
    let policies = network(&[named]);
    let verdict = policies.ingress(
        &pod("default", "server"),
        Peer::Endpoint(&pod("default", "a")),
        80,
        TCP,
        None,
    );
    assert_eq!(
        verdict.because.to_string(),
        "an allow rule matches (NetworkPolicy default/np, rule 0)"
    );
    let origin = verdict.because.policy.expect("named");
    assert_eq!(
        (origin.file.as_str(), origin.rule_lines.as_slice()),
        ("np.yaml", &[12][..])
    );
}
