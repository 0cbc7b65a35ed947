//! Properties of random sets of policies: the compiled, the direct and the naive evaluation agree; order changes nothing;
//! an allow removes nothing; a deny wins.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select as one_of;

use super::super::cilium::{HttpRule, Pattern, PortRule};
use super::super::form::Layer7;
use super::super::naive::{self, Case};
use super::super::{Cni, End, Enforcement};
use super::*;

const NAMESPACES: [&str; 2] = ["default", "other"];

/// Every pod of the small world: two namespaces, three apps, with and without a tier.
fn world() -> Vec<Endpoint> {
    let mut endpoints = Vec::new();
    for namespace in NAMESPACES {
        for app in ["a", "b", "server"] {
            for tier in [None, Some("front")] {
                let mut subject = pod(namespace, app);
                subject.labels.0.extend(tier.map(|t| ("tier".to_owned(), t.to_owned())));
                let number = if app == "a" { 80 } else { 81 };
                endpoints.push(Endpoint {
                    named_ports: NamedPorts::from([(("web".into(), TCP), number)]),
                    ..endpoint(subject)
                });
            }
        }
    }
    endpoints
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let values = || vec(one_of(vec!["a", "b", "front", "server", "default"]), 1..3);
    let texts = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<_>>();
    prop_oneof![
        values().prop_map(move |v| Requirement::In(texts(v))),
        values().prop_map(move |v| Requirement::NotIn(texts(v))),
        Just(Requirement::Exists),
        Just(Requirement::DoesNotExist),
    ]
}

fn selector(keys: &'static [&'static str]) -> impl Strategy<Value = LabelSelector> {
    let labels = vec(
        (one_of(keys), one_of(vec!["a", "b", "front", "server", "default"])),
        0..2,
    );
    let expressions = vec((one_of(keys), requirement()), 0..2);
    (labels, expressions).prop_map(|(labels, expressions)| LabelSelector {
        match_labels: labels.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        match_expressions: expressions.into_iter().map(|(k, r)| (k.to_owned(), r)).collect(),
    })
}

const CILIUM_KEYS: &[&str] = &[
    "app",
    "k8s:app",
    "any:tier",
    "k8s:io.kubernetes.pod.namespace",
    "io.kubernetes.pod.namespace",
    "io.cilium.k8s.namespace.labels.team",
    "io.cilium.k8s.policy.serviceaccount",
    "reserved:world",
    "reserved:remote-node",
];

fn any_cilium_selector() -> impl Strategy<Value = CiliumSelector> {
    selector(CILIUM_KEYS).prop_map(|s| cilium_selector(&s))
}

fn any_port() -> impl Strategy<Value = PortMatch> {
    let number = prop_oneof![
        Just(Port::Any),
        Just(Port::Range(80, 80)),
        Just(Port::Range(80, 90)),
        Just(Port::Named("web".into())),
    ];
    let protocol = prop_oneof![
        Just(ProtocolMatch::Any),
        Just(ProtocolMatch::Is(TCP)),
        Just(ProtocolMatch::Is(Protocol::Udp)),
        Just(ProtocolMatch::Portless),
    ];
    (number, protocol).prop_map(|(number, protocol)| port(number, protocol))
}

fn any_block() -> impl Strategy<Value = Block> {
    prop_oneof![
        Just(block("0.0.0.0/0", &[])),
        Just(block("10.0.0.0/8", &["10.1.0.0/16"])),
        Just(block("::/0", &[])),
    ]
}

fn any_rule(requests: bool) -> impl Strategy<Value = CiliumRule> {
    let peers = prop_oneof![
        Just(CiliumPeers::Unrestricted),
        vec(any_cilium_selector(), 0..3).prop_map(CiliumPeers::Endpoints),
        vec(one_of(&Entity::NAMES[..]), 0..3)
            .prop_map(|names| names.into_iter().map(|n| Entity::parse(n).expect("known")).collect())
            .prop_map(CiliumPeers::Entities),
        vec(any_block(), 0..2).prop_map(CiliumPeers::Blocks),
    ];
    let get = || HttpRule {
        method: Some(Pattern::parse("GET").expect("valid")),
        ..HttpRule::default()
    };
    let layer7 = prop_oneof![
        Just(Layer7::Unrestricted),
        Just(Layer7::Http(if requests { vec![get()] } else { Vec::new() })),
    ];
    let layer7 = layer7.prop_map(move |l| if requests { l } else { Layer7::Unrestricted });
    let ports = vec(
        (vec(any_port(), 1..3), layer7).prop_map(|(ports, layer7)| PortRule { ports, layer7 }),
        0..2,
    );
    let requires = prop_oneof![
        4 => Just(Vec::new()),
        1 => vec(any_cilium_selector(), 1..2),
    ];
    (peers, ports, requires, prop::bool::weighted(0.1)).prop_map(|(peers, ports, requires, icmp)| CiliumRule {
        icmp: icmp && ports.is_empty(),
        peers,
        ports,
        requires,
        ..CiliumRule::default()
    })
}

fn any_cilium() -> impl Strategy<Value = CiliumNetworkPolicy> {
    let subject = selector(&["app", "tier", "k8s:app"]);
    let namespace = prop_oneof![Just(Some("default")), Just(Some("other")), Just(None)];
    let rules = || vec(any_rule(true), 0..3);
    let denies = || vec(any_rule(false), 0..2);
    let default_deny = || option::weighted(0.2, any::<bool>());
    (
        (namespace, subject),
        (rules(), denies(), default_deny()),
        (rules(), denies(), default_deny()),
    )
        .prop_map(|((namespace, subject), ingress, egress)| CiliumNetworkPolicy {
            ingress: ingress.0,
            ingress_deny: ingress.1,
            default_deny_ingress: ingress.2,
            egress: egress.0,
            egress_deny: egress.1,
            default_deny_egress: egress.2,
            ..CiliumNetworkPolicy::new(namespace, "p", CiliumSubject::Endpoints(cilium_selector(&subject)))
        })
}

fn any_network() -> impl Strategy<Value = NetworkPolicy> {
    let pods = || option::of(selector(&["app", "tier"]));
    let namespaces = || option::of(selector(&["team", "kubernetes.io/metadata.name"]));
    let peer = || {
        prop_oneof![
            4 => (namespaces(), pods()).prop_map(|(namespaces, pods)| NetworkPeer::Pods { namespaces, pods }),
            1 => any_block().prop_map(NetworkPeer::Block),
        ]
    };
    let rule = move || {
        (vec(peer(), 0..3), vec(any_port(), 0..2)).prop_map(|(peers, ports)| NetworkRule { peers, ports, line: 0 })
    };
    (
        one_of(&NAMESPACES[..]),
        selector(&["app", "tier"]),
        any::<[bool; 2]>(),
        vec(rule(), 0..3),
        vec(rule(), 0..3),
    )
        .prop_map(|(namespace, pod_selector, isolates, ingress, egress)| NetworkPolicy {
            namespace: namespace.to_owned(),
            name: "np".into(),
            file: String::new(),
            pod_selector,
            isolates_ingress: isolates[0],
            isolates_egress: isolates[1],
            ingress,
            egress,
        })
}

fn any_set() -> impl Strategy<Value = (Vec<CiliumNetworkPolicy>, Vec<NetworkPolicy>)> {
    (vec(any_cilium(), 0..4), vec(any_network(), 0..3))
}

/// Every end that is no workload and about which nothing is open.
fn others() -> Vec<End> {
    let open = [Reserved::World, Reserved::KubeApiserver];
    let reserved = Reserved::ALL.into_iter().filter(|r| !open.contains(r));
    let addresses = ["10.1.1.1", "10.2.1.1", "8.8.8.8", "2001:db8::1"];
    reserved
        .map(End::Reserved)
        .chain(addresses.map(|a| End::Address(a.parse().expect("an address"))))
        .collect()
}

fn as_peer(end: End, endpoints: &[Endpoint]) -> Peer<'_> {
    match end {
        End::Workload(index) => Peer::Endpoint(&endpoints[index].subject),
        End::Reserved(reserved) => Peer::Reserved(reserved),
        End::Address(address) => Peer::Address(address),
        End::Name(_) => unreachable!("not made by the tests"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn compiled_direct_and_naive_evaluation_agree(
        (cilium, kubernetes) in any_set(),
        enforcement in one_of(vec![Enforcement::Default, Enforcement::Always, Enforcement::Never]),
        port in one_of(vec![80_u16, 81, 90, 91]),
        protocol in one_of(vec![TCP, Protocol::Udp]),
        method in option::of(one_of(vec!["GET", "POST"])),
    ) {
        let endpoints = world();
        let options = Options { enforcement, ..Options::default() };
        let names = endpoints.iter().map(|e| (e.subject.clone(), e.named_ports.clone()));
        let direct = NetworkPolicies::new(&cilium, &kubernetes, options.clone()).with_ports(names);
        let compiled = direct.clone().compile(endpoints.clone());
        let http = method.map(|method| Http { method, path: "/", host: None, headers: &[] });
        let ends: Vec<End> = (0..endpoints.len()).map(End::Workload).chain(others()).collect();
        let none = NamedPorts::new();
        for (own, endpoint) in endpoints.iter().enumerate() {
            for end in &ends {
                let peer = as_peer(*end, &endpoints);
                for ingress in [true, false] {
                    let names = match (ingress, *end) {
                        (true, _) => &endpoint.named_ports,
                        (false, End::Workload(index)) => &endpoints[index].named_ports,
                        (false, _) => &none,
                    };
                    let subject = &endpoint.subject;
                    let case = Case { ingress, own: subject, peer, port, protocol, http: http.as_ref(), names };
                    let expected = naive::decide(&cilium, &kubernetes, &options, &case);
                    let [direct, compiled] = match ingress {
                        true => [
                            direct.ingress(subject, peer, port, protocol, http.as_ref()),
                            compiled.ingress(own, *end, port, protocol, http.as_ref()),
                        ],
                        false => [
                            direct.egress(subject, peer, port, protocol, http.as_ref()),
                            compiled.egress(own, *end, port, protocol, http.as_ref()),
                        ],
                    };
                    prop_assert_eq!(&direct, &compiled, "{:?} {:?} {}", subject, peer, ingress);
                    prop_assert_eq!(direct.decision, expected, "{:?} {:?} {}", subject, peer, ingress);
                }
            }
        }
    }

    #[test]
    fn order_of_policies_and_rules_changes_no_decision((cilium, kubernetes) in any_set(), port in 80_u16..82) {
        let mut reversed = (cilium.clone(), kubernetes.clone());
        reversed.0.reverse();
        reversed.1.reverse();
        for policy in &mut reversed.0 {
            for rules in [&mut policy.ingress, &mut policy.egress, &mut policy.ingress_deny, &mut policy.egress_deny] {
                rules.reverse();
            }
        }
        for policy in &mut reversed.1 {
            policy.ingress.reverse();
            policy.egress.reverse();
        }
        let one = decisions(&cilium, &kubernetes, port);
        prop_assert_eq!(one, decisions(&reversed.0, &reversed.1, port));
    }

    #[test]
    fn an_allow_for_an_isolated_pod_removes_nothing(
        (cilium, kubernetes) in any_set(),
        more in any_network(),
        port in 80_u16..82,
    ) {
        // Every pod is isolated already, so that another policy can only add. What is required of peers is no allow.
        let closed = NAMESPACES.map(|namespace| NetworkPolicy {
            namespace: namespace.into(),
            name: "closed".into(),
            file: String::new(),
            pod_selector: LabelSelector::default(),
            isolates_ingress: true,
            isolates_egress: true,
            ingress: Vec::new(),
            egress: Vec::new(),
        });
        let before: Vec<NetworkPolicy> = kubernetes.iter().cloned().chain(closed).collect();
        let after: Vec<NetworkPolicy> = before.iter().cloned().chain([more]).collect();
        let (before, after) = (decisions(&cilium, &before, port), decisions(&cilium, &after, port));
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(before != Decision::Allow || after == Decision::Allow);
        }
    }

    #[test]
    fn a_deny_of_everybody_wins_over_everything((cilium, kubernetes) in any_set(), port in 80_u16..82) {
        let all = || vec![entities(["all"])];
        let subject = CiliumSubject::Endpoints(CiliumSelector::default());
        let mut cilium = cilium;
        for policy in &mut cilium {
            policy.ingress_deny.iter_mut().chain(&mut policy.egress_deny).for_each(|rule| rule.requires.clear());
        }
        cilium.push(CiliumNetworkPolicy {
            ingress_deny: all(),
            egress_deny: all(),
            ..CiliumNetworkPolicy::new(None, "deny", subject)
        });
        for decision in decisions(&cilium, &kubernetes, port) {
            prop_assert_eq!(decision, Decision::Deny);
        }
    }

    #[test]
    fn a_selector_and_its_set_based_twin_agree(selector in selector(&["app", "tier", "team"])) {
        let twin = naive::set_based_twin(&selector);
        for endpoint in world() {
            let labels = &endpoint.subject.labels;
            prop_assert_eq!(selector.matches(labels), twin.matches(labels));
        }
        let policy = |s: &LabelSelector| admits(from([cilium_selector(s)]));
        for endpoint in world() {
            let peer = Peer::Endpoint(&endpoint.subject);
            prop_assert_eq!(reached(&[policy(&selector)], peer, 80), reached(&[policy(&twin)], peer, 80));
        }
    }

    #[test]
    fn the_network_of_any_other_vendor_differs_only_by_addresses_and_own_nodes(
        (cilium, kubernetes) in any_set(),
    ) {
        let has_block = |rule: &NetworkRule| rule.peers.iter().any(|p| matches!(p, NetworkPeer::Block(_)));
        prop_assume!(!kubernetes.iter().any(|p| p.ingress.iter().chain(&p.egress).any(has_block)));
        let generic = Options { cni: Cni::Generic, ..Options::default() };
        prop_assert_eq!(
            all_pairs(NetworkPolicies::new(&cilium, &kubernetes, generic), 80),
            decisions(&cilium, &kubernetes, 80)
        );
    }
}

/// Decisions of both directions between all workloads.
fn decisions(cilium: &[CiliumNetworkPolicy], kubernetes: &[NetworkPolicy], port: u16) -> Vec<Decision> {
    all_pairs(NetworkPolicies::new(cilium, kubernetes, Options::default()), port)
}

fn all_pairs(policies: NetworkPolicies, port: u16) -> Vec<Decision> {
    let endpoints = world();
    let count = endpoints.len();
    let compiled = policies.compile(endpoints);
    let pairs = (0..count).flat_map(|a| (0..count).map(move |b| (a, b)));
    pairs
        .flat_map(|(a, b)| {
            let ingress = compiled.ingress(a, End::Workload(b), port, TCP, None);
            let egress = compiled.egress(a, End::Workload(b), port, TCP, None);
            [ingress.decision, egress.decision]
        })
        .collect()
}
