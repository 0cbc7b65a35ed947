//! Cilium docs `security/policy/host` and the entities `host` and `remote-node`: nodes and what shares their network.

use super::super::End;
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
