//! Cilium docs `security/policy/host` and the entities `host` and `remote-node`: nodes and what shares their network.

use super::super::{End, Node};
use super::*;

const WORLD: End = End::Reserved(Reserved::World);

fn on_node() -> Endpoint {
    Endpoint {
        host_network: true,
        ..endpoint(pod("default", "server"))
    }
}

fn for_nodes(selector: LabelSelector) -> CiliumNetworkPolicy {
    CiliumNetworkPolicy {
        subject: CiliumSubject::Nodes(selector),
        ingress: vec![on(CiliumRule::default(), [PortMatch::tcp(22)])],
        ..clusterwide()
    }
}

#[test]
fn a_pod_in_its_nodes_network_is_not_selected_by_policies_for_pods() {
    let policies = cilium(&[admits(CiliumRule::default())]).compile(vec![on_node()]);
    assert!(policies.ingress(0, WORLD, 80, TCP, None).is_allowed());
}

#[test]
fn a_policy_for_all_nodes_applies_to_it() {
    let policies = cilium(&[for_nodes(LabelSelector::default())]).compile(vec![on_node()]);
    assert!(policies.ingress(0, WORLD, 22, TCP, None).is_allowed());
    assert_eq!(policies.ingress(0, WORLD, 80, TCP, None).decision, Decision::Deny);
}

#[test]
fn which_nodes_have_a_label_is_not_known() {
    let policies = cilium(&[for_nodes(labels([("type", "worker")]))]).compile(vec![on_node()]);
    assert!(policies.ingress(0, WORLD, 22, TCP, None).is_allowed());
    assert_eq!(policies.ingress(0, WORLD, 80, TCP, None).decision, Decision::Unknown);
}

#[test]
fn policies_for_nodes_leave_pods_alone() {
    let pods = vec![endpoint(pod("default", "server"))];
    let policies = cilium(&[for_nodes(LabelSelector::default())]).compile(pods);
    assert!(policies.ingress(0, WORLD, 80, TCP, None).is_allowed());
}

#[test]
fn policies_for_nodes_need_the_host_firewall() {
    let options = Options {
        host_firewall: false,
        ..Options::default()
    };
    let policies = NetworkPolicies::new(&[for_nodes(LabelSelector::default())], &[], options);
    assert!(
        policies
            .compile(vec![on_node()])
            .ingress(0, WORLD, 80, TCP, None)
            .is_allowed()
    );
}

#[test]
fn as_a_peer_it_is_the_node_and_no_pod() {
    let pods = || vec![on_node(), endpoint(pod("default", "server"))];
    let from_node = |rule| {
        let policies = cilium(&[admits(rule)]).compile(pods());
        policies.ingress(1, End::Workload(0), 80, TCP, None).decision
    };
    assert_eq!(from_node(entities(["remote-node"])), Decision::Allow);
    assert_eq!(from_node(entities(["cluster"])), Decision::Allow);
    // Its labels are not seen; from the own node it passes anyway, and where it runs is not known.
    assert_eq!(from_node(from([select([("app", "server")])])), Decision::Unknown);
    let denied = cilium(&[refuses(entities(["host", "remote-node"]))]).compile(pods());
    assert_eq!(
        denied.ingress(1, End::Workload(0), 80, TCP, None).decision,
        Decision::Deny
    );
}

fn address(text: &str) -> End {
    End::Address(text.parse().expect("an address"))
}

/// Cilium docs `security/policy/layer3`, "CIDR-based": blocks do not mean nodes, unless `policy-cidr-match-mode` has `nodes`.
#[test]
fn blocks_mean_nodes_only_where_the_option_says_so() {
    let decision = |cidr_matches_nodes: bool, block: &str| {
        let rule = CiliumRule {
            peers: CiliumPeers::Blocks(vec![Block::parse_or_address(block).expect("a block")]),
            ..CiliumRule::default()
        };
        let policy = CiliumNetworkPolicy {
            egress: vec![rule],
            ..for_server()
        };
        let node = Node {
            addresses: vec!["192.0.2.1".parse().expect("an address")],
            ..Node::default()
        };
        let options = Options {
            cidr_matches_nodes,
            nodes: vec![node],
            ..Options::default()
        };
        let policies = NetworkPolicies::new(&[policy], &[], options).compile(vec![endpoint(pod("default", "server"))]);
        policies.egress(0, address("192.0.2.1"), 80, TCP, None).decision
    };
    assert_eq!(decision(false, "192.0.2.0/24"), Decision::Deny);
    assert_eq!(decision(true, "192.0.2.0/24"), Decision::Allow);
    assert_eq!(decision(true, "198.51.100.0/24"), Decision::Deny);
}

/// An API server outside the cluster is `kube-apiserver` and an address.
#[test]
fn an_api_server_outside_the_cluster_is_an_address_too() {
    let decision = |peers: CiliumPeers, end: End| {
        let policy = CiliumNetworkPolicy {
            egress: vec![CiliumRule {
                peers,
                ..CiliumRule::default()
            }],
            ..for_server()
        };
        let options = Options {
            outside_api_servers: vec!["203.0.113.1".parse().expect("an address")],
            ..Options::default()
        };
        let policies = NetworkPolicies::new(&[policy], &[], options).compile(vec![endpoint(pod("default", "server"))]);
        policies.egress(0, end, 443, TCP, None).decision
    };
    let entity = |name: &str| CiliumPeers::Entities(vec![Entity::parse(name).expect("an entity")]);
    let block = |text: &str| CiliumPeers::Blocks(vec![Block::parse_or_address(text).expect("a block")]);
    let (own, other) = (address("203.0.113.1"), address("203.0.113.2"));
    assert_eq!(decision(entity("kube-apiserver"), own), Decision::Allow);
    assert_eq!(decision(entity("kube-apiserver"), other), Decision::Deny);
    assert_eq!(decision(entity("world"), own), Decision::Allow);
    assert_eq!(decision(entity("remote-node"), own), Decision::Deny);
    assert_eq!(decision(entity("cluster"), own), Decision::Allow);
    assert_eq!(decision(block("203.0.113.0/24"), own), Decision::Allow);
    assert_eq!(decision(block("198.51.100.0/24"), own), Decision::Deny);
    // Asked as an entity, it may be a node or outside.
    let asked = End::Reserved(Reserved::KubeApiserver);
    assert_eq!(decision(entity("kube-apiserver"), asked), Decision::Allow);
    assert_eq!(decision(entity("world"), asked), Decision::Unknown);
}
