//! One test per rule of Cilium's policy evaluation.

use super::super::labels::{LabelSelector, Labels, Requirement};
use super::*;

fn pod(namespace: &str, service_account: &str, app: &str) -> Subject {
    Subject {
        namespace: namespace.into(),
        service_account: service_account.into(),
        labels: Labels::from([("app", app)]),
    }
}

fn select<const N: usize>(pairs: [(&str, &str); N]) -> CiliumSelector {
    CiliumSelector::new(&LabelSelector::from(pairs)).expect("valid selector")
}

fn from(selector: CiliumSelector) -> CiliumRule {
    CiliumRule {
        peers: CiliumPeers::Endpoints(vec![selector]),
        ports: Vec::new(),
    }
}

fn tcp(port: u16) -> PortMatch {
    PortMatch {
        first: port,
        last: port,
        protocol: Some(Protocol::Tcp),
    }
}

fn policy(ingress: Vec<CiliumRule>) -> CiliumNetworkPolicy {
    CiliumNetworkPolicy {
        namespace: "default".into(),
        name: "p".into(),
        endpoint_selector: select([("app", "server")]),
        ingress,
        ingress_deny: Vec::new(),
        egress: Vec::new(),
        egress_deny: Vec::new(),
        default_deny_ingress: None,
        default_deny_egress: None,
    }
}

fn asks(policies: Vec<CiliumNetworkPolicy>, peer: Peer<'_>, port: u16) -> Verdict {
    let server = pod("default", "server", "server");
    CiliumPolicies::new(policies).ingress(&server, peer, port, Protocol::Tcp)
}

#[test]
fn unselected_endpoint_is_open_in_both_directions() {
    let client = pod("default", "client", "client");
    let policies = CiliumPolicies::new(vec![policy(vec![from(select([("app", "x")]))])]);
    let other = pod("default", "other", "other");
    let peer = Peer::Endpoint(&client);
    assert!(policies.ingress(&other, peer, 80, Protocol::Tcp).is_allowed());
    assert!(policies.egress(&other, peer, 80, Protocol::Tcp).is_allowed());
}

#[test]
fn selection_denies_by_default_in_that_direction_only() {
    let client = pod("default", "client", "client");
    let server = pod("default", "server", "server");
    let policies = CiliumPolicies::new(vec![policy(vec![from(select([("app", "x")]))])]);
    let peer = Peer::Endpoint(&client);
    let verdict = policies.ingress(&server, peer, 80, Protocol::Tcp);
    assert!(!verdict.is_allowed());
    assert_eq!(
        verdict.because.to_string(),
        "the workload is selected and no rule allows this (CiliumNetworkPolicy default/p)"
    );
    assert!(policies.egress(&server, peer, 80, Protocol::Tcp).is_allowed());
}

#[test]
fn allows_of_several_policies_add_up() {
    let a = pod("default", "a", "a");
    let b = pod("default", "b", "b");
    let both = || {
        vec![
            policy(vec![from(select([("app", "a")]))]),
            policy(vec![from(select([("app", "b")]))]),
        ]
    };
    assert!(asks(both(), Peer::Endpoint(&a), 80).is_allowed());
    assert!(asks(both(), Peer::Endpoint(&b), 80).is_allowed());
}

#[test]
fn deny_rule_beats_an_allow_of_any_policy() {
    let a = pod("default", "a", "a");
    let mut denying = policy(Vec::new());
    denying.ingress_deny = vec![from(select([("app", "a")]))];
    let verdict = asks(
        vec![policy(vec![from(select([("app", "a")]))]), denying],
        Peer::Endpoint(&a),
        80,
    );
    assert_eq!(verdict.decision, Decision::Deny);
    assert_eq!(verdict.because.text, "a deny rule matches");
}

#[test]
fn empty_rule_allows_nothing_but_switches_to_default_deny() {
    let rule = CiliumRule {
        peers: CiliumPeers::Unrestricted,
        ports: Vec::new(),
    };
    let a = pod("default", "a", "a");
    assert!(!asks(vec![policy(vec![rule])], Peer::Endpoint(&a), 80).is_allowed());
    assert!(asks(vec![policy(Vec::new())], Peer::Endpoint(&a), 80).is_allowed());
}

#[test]
fn ports_without_peers_admit_everybody_on_that_port() {
    let rule = CiliumRule {
        peers: CiliumPeers::Unrestricted,
        ports: vec![tcp(5000)],
    };
    let world = Peer::Reserved(Reserved::World);
    assert!(asks(vec![policy(vec![rule.clone()])], world, 5000).is_allowed());
    assert!(!asks(vec![policy(vec![rule])], world, 5001).is_allowed());
}

#[test]
fn port_range_any_protocol_and_port_zero() {
    let range = PortMatch {
        first: 10,
        last: 20,
        protocol: None,
    };
    assert!(range.matches(20, Protocol::Udp));
    assert!(!range.matches(21, Protocol::Udp));
    assert!(!tcp(10).matches(10, Protocol::Udp));
    assert!(tcp(0).matches(65_535, Protocol::Tcp));
}

#[test]
fn peer_selector_means_the_namespace_of_the_policy() {
    let near = pod("default", "a", "a");
    let far = pod("other", "a", "a");
    let rule = || vec![policy(vec![from(select([("app", "a")]))])];
    assert!(asks(rule(), Peer::Endpoint(&near), 80).is_allowed());
    assert!(!asks(rule(), Peer::Endpoint(&far), 80).is_allowed());
    let wildcard = vec![policy(vec![from(CiliumSelector::default())])];
    assert!(!asks(wildcard, Peer::Endpoint(&far), 80).is_allowed());
}

#[test]
fn peer_selector_with_a_namespace_label_leaves_the_namespace() {
    let far = pod("other", "a", "a");
    let rule = from(select([("app", "a"), ("k8s:io.kubernetes.pod.namespace", "other")]));
    assert!(asks(vec![policy(vec![rule])], Peer::Endpoint(&far), 80).is_allowed());
}

#[test]
fn endpoint_selector_never_leaves_its_namespace() {
    let elsewhere = pod("other", "server", "server");
    let policies = CiliumPolicies::new(vec![policy(vec![from(select([("app", "x")]))])]);
    let client = pod("other", "client", "client");
    let verdict = policies.ingress(&elsewhere, Peer::Endpoint(&client), 80, Protocol::Tcp);
    assert!(verdict.is_allowed());
}

#[test]
fn service_account_is_a_label() {
    let key = "k8s:io.cilium.k8s.policy.serviceaccount";
    let rule = || vec![policy(vec![from(select([(key, "client-v1")]))])];
    let v1 = pod("default", "client-v1", "client");
    let v2 = pod("default", "client-v2", "client");
    assert!(asks(rule(), Peer::Endpoint(&v1), 80).is_allowed());
    assert!(!asks(rule(), Peer::Endpoint(&v2), 80).is_allowed());
}

#[test]
fn source_prefixes_any_k8s_and_none_match_pod_labels() {
    let a = pod("default", "a", "a");
    for key in ["app", "any:app", "k8s:app"] {
        assert!(select([(key, "a")]).matches(Peer::Endpoint(&a)), "{key}");
    }
    assert!(!select([("reserved:host", "")]).matches(Peer::Endpoint(&a)));
}

#[test]
fn dotted_source_is_refused_but_a_domain_is_not() {
    assert!(selector::Key::parse("k8s.app").is_err());
    assert!(selector::Key::parse("k8s.io/app").is_ok());
    assert!(selector::Key::parse("cidr:10.0.0.0/8").is_err());
    assert!(selector::Key::parse("reserved:hots").is_err());
    assert!(selector::Key::parse("io.cilium.k8s.namespace.labels.team").is_err());
}

#[test]
fn labels_outside_the_identity_cannot_be_selected() {
    let mut a = pod("default", "a", "a");
    for key in ["pod-template-hash", "app.kubernetes.io/name"] {
        a.labels.0.insert(key.into(), "x".into());
    }
    assert!(!select([("pod-template-hash", "x")]).matches(Peer::Endpoint(&a)));
    assert!(select([("app.kubernetes.io/name", "x")]).matches(Peer::Endpoint(&a)));
}

#[test]
fn negative_expressions_do_not_reach_across_namespaces() {
    let selector = CiliumSelector::new(&LabelSelector {
        match_labels: Default::default(),
        match_expressions: vec![("app".into(), Requirement::NotIn(vec!["a".into()]))],
    })
    .expect("valid selector");
    let world = Peer::Reserved(Reserved::World);
    let b = pod("default", "b", "b");
    assert!(asks(vec![policy(vec![from(selector.clone())])], Peer::Endpoint(&b), 80).is_allowed());
    assert!(!asks(vec![policy(vec![from(selector)])], world, 80).is_allowed());
}

#[test]
fn entities_stand_for_reserved_identities() {
    let a = pod("default", "a", "a");
    for name in Entity::NAMES {
        let entity = Entity::parse(name).expect("known entity");
        for reserved in Reserved::ALL {
            let expected = match name {
                "all" => true,
                "cluster" => !matches!(reserved, Reserved::World | Reserved::Unknown),
                other => other == reserved.name(),
            };
            let matched = entity.matches(Peer::Reserved(reserved));
            assert_eq!(matched, expected, "{name} {reserved:?}");
        }
        let is_pod = matches!(name, "all" | "cluster");
        assert_eq!(entity.matches(Peer::Endpoint(&a)), is_pod, "{name}");
    }
    assert!(Entity::parse("wold").is_err());
    assert!(Entity::parse("world-ipv4").is_err());
}

#[test]
fn own_node_reaches_its_pods_unless_denied() {
    let host = Peer::Reserved(Reserved::Host);
    let a = from(select([("app", "a")]));
    assert!(asks(vec![policy(vec![a])], host, 80).is_allowed());
    let mut denying = policy(Vec::new());
    denying.ingress_deny = vec![CiliumRule {
        peers: CiliumPeers::Entities(vec![Entity::All]),
        ports: Vec::new(),
    }];
    assert!(!asks(vec![denying], host, 80).is_allowed());
}

#[test]
fn default_deny_can_be_switched_off() {
    let a = pod("default", "a", "a");
    let mut open = policy(vec![from(select([("app", "x")]))]);
    open.default_deny_ingress = Some(false);
    assert!(asks(vec![open], Peer::Endpoint(&a), 80).is_allowed());
}

#[test]
fn egress_is_decided_by_the_rules_of_the_client() {
    let server = pod("default", "server", "server");
    let client = pod("default", "client", "client");
    let mut limited = policy(Vec::new());
    limited.endpoint_selector = select([("app", "client")]);
    limited.egress = vec![CiliumRule {
        peers: CiliumPeers::Endpoints(vec![select([("app", "server")])]),
        ports: vec![tcp(5000)],
    }];
    let policies = CiliumPolicies::new(vec![limited]);
    let to = Peer::Endpoint(&server);
    assert!(policies.egress(&client, to, 5000, Protocol::Tcp).is_allowed());
    assert!(!policies.egress(&client, to, 80, Protocol::Tcp).is_allowed());
    let world = Peer::Reserved(Reserved::World);
    assert!(!policies.egress(&client, world, 5000, Protocol::Tcp).is_allowed());
}
