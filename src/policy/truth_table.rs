//! The truth table of the sleep/helloworld experiment (`docs/model/published-experiments.md#workloads-and-policies`), built in code: who
//! may call whom at which layer when every component's view is fresh.

use super::cilium::selector::SERVICE_ACCOUNT_LABEL;
use super::cilium::{CiliumNetworkPolicy, CiliumPeers, CiliumRule, CiliumSelector, CiliumSubject};
use super::istio::{
    Action, AuthorizationPolicy, Condition, MeshPolicies, MtlsMode, Operation, PeerAuthentication, Request, Rule,
    Source, StringMatch,
};
use super::labels::{LabelSelector, Labels};
use super::network::Options;
use super::network::form::PortMatch;
use super::{NetworkPolicies, Peer, Protocol, Subject};

fn workload(app: &str, version: &str) -> Subject {
    Subject::new(
        "default",
        Labels::default(),
        &format!("{app}-{version}"),
        Labels::from([("app", app), ("version", version)]),
    )
}

fn by_account(account: String) -> CiliumSelector {
    let key = format!("k8s:{SERVICE_ACCOUNT_LABEL}");
    CiliumSelector::new(&LabelSelector::from([(key, account)])).expect("valid selector")
}

fn network() -> NetworkPolicies {
    let policy = |version: &str| {
        let servers = CiliumSubject::Endpoints(by_account(format!("helloworld-{version}")));
        let clients = CiliumRule {
            peers: CiliumPeers::Endpoints(vec![by_account(format!("sleep-{version}"))]),
            ports: vec![PortMatch::tcp(5000).into()],
            ..CiliumRule::default()
        };
        CiliumNetworkPolicy {
            ingress: vec![clients],
            ..CiliumNetworkPolicy::new(Some("default"), version, servers)
        }
    };
    NetworkPolicies::new(&[policy("v1"), policy("v2")], &[], Options::default())
}

fn mesh() -> MeshPolicies {
    let exact = |text: String| Condition {
        any_of: vec![StringMatch::Exact(text)],
        none_of: Vec::new(),
    };
    let viewer = |version: &str| AuthorizationPolicy {
        namespace: "default".into(),
        name: format!("helloworld-{version}-viewer"),
        selector: LabelSelector::from([("app", "helloworld"), ("version", version)]),
        action: Action::Allow,
        rules: vec![Rule {
            from: vec![Source {
                principals: exact(format!("cluster.local/ns/default/sa/sleep-{version}")),
                ..Source::default()
            }],
            to: vec![Operation {
                methods: exact("GET".into()),
                ..Operation::default()
            }],
            ..Rule::default()
        }],
        ..AuthorizationPolicy::default()
    };
    let nothing = AuthorizationPolicy {
        namespace: "default".into(),
        name: "allow-nothing".into(),
        ..AuthorizationPolicy::default()
    };
    let strict = PeerAuthentication {
        namespace: "default".into(),
        name: "default".into(),
        mode: MtlsMode::Strict,
        ..PeerAuthentication::default()
    };
    MeshPolicies::new(
        vec![strict],
        vec![nothing, viewer("v1"), viewer("v2")],
        "istio-system",
        "cluster.local",
    )
}

#[test]
fn only_equal_versions_talk_and_only_by_get() {
    let (network, mesh) = (network(), mesh());
    for client_version in ["v1", "v2"] {
        for server_version in ["v1", "v2"] {
            for method in ["GET", "POST"] {
                let client = workload("sleep", client_version);
                let server = workload("helloworld", server_version);
                let same = client_version == server_version;
                let peer = Peer::Endpoint(&client);
                let request = Request {
                    port: 5000,
                    method: Some(method),
                    path: Some("/hello"),
                    host: None,
                };
                let principal = client.principal("cluster.local");
                let row = format!("{principal} {method} {server_version}");
                let egress = network.egress(&client, Peer::Endpoint(&server), 5000, Protocol::Tcp, None);
                let ingress = network.ingress(&server, peer, 5000, Protocol::Tcp, None);
                let answer = mesh.request(&server, Some(&principal), &request);
                assert!(egress.is_allowed(), "{row}");
                assert_eq!(ingress.is_allowed(), same, "{row}");
                assert_eq!(answer.is_allowed(), same && method == "GET", "{row}");
                assert!(!mesh.request(&server, None, &request).is_allowed(), "{row}");
            }
        }
    }
}

#[test]
fn the_other_server_and_the_clients_are_covered_too() {
    let (network, mesh) = (network(), mesh());
    let (v1, v2) = (workload("helloworld", "v1"), workload("helloworld", "v2"));
    let sleep = workload("sleep", "v1");
    let request = Request {
        port: 5000,
        method: Some("GET"),
        ..Request::default()
    };
    let principal = v1.principal("cluster.local");
    let to_v2 = network.ingress(&v2, Peer::Endpoint(&v1), 5000, Protocol::Tcp, None);
    assert!(!to_v2.is_allowed());
    assert!(!mesh.request(&v2, Some(&principal), &request).is_allowed());
    let to_sleep = network.ingress(&sleep, Peer::Endpoint(&v1), 80, Protocol::Tcp, None);
    assert!(to_sleep.is_allowed());
    let on_80 = Request { port: 80, ..request };
    assert!(!mesh.request(&sleep, Some(&principal), &on_80).is_allowed());
}

#[test]
fn a_mistaken_identity_passes_the_network_but_not_the_mesh() {
    let (server, sleep_v2) = (workload("helloworld", "v1"), workload("sleep", "v2"));
    let believed = workload("sleep", "v1");
    let network = network().ingress(&server, Peer::Endpoint(&believed), 5000, Protocol::Tcp, None);
    let request = Request {
        port: 5000,
        method: Some("GET"),
        ..Request::default()
    };
    let principal = sleep_v2.principal("cluster.local");
    assert!(network.is_allowed());
    assert!(!mesh().request(&server, Some(&principal), &request).is_allowed());
}
