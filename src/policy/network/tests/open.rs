//! Parts that are not evaluated: the verdict stays open unless the others decide it.

use super::super::form::Layer7;
use super::*;

fn unknown(outside: bool) -> CiliumRule {
    peers(CiliumPeers::Unknown { outside })
}

#[test]
fn a_rule_that_may_allow_leaves_a_default_deny_open() {
    let a = pod("default", "a");
    assert_eq!(
        asked(&[admits(unknown(false))], Peer::Endpoint(&a), 80).decision,
        Decision::Unknown
    );
    let both = [admits(unknown(false)), admits(entities(["all"]))];
    assert_eq!(asked(&both, Peer::Endpoint(&a), 80).decision, Decision::Allow);
}

#[test]
fn a_rule_that_may_deny_leaves_an_allow_open_but_no_deny() {
    let a = pod("default", "a");
    let open = [refuses(unknown(false)), admits(entities(["all"]))];
    assert_eq!(asked(&open, Peer::Endpoint(&a), 80).decision, Decision::Unknown);
    assert_eq!(
        asked(&[refuses(unknown(false))], Peer::Endpoint(&a), 80).decision,
        Decision::Deny
    );
    let denied = [
        refuses(unknown(false)),
        refuses(entities(["all"])),
        admits(entities(["all"])),
    ];
    assert_eq!(asked(&denied, Peer::Endpoint(&a), 80).decision, Decision::Deny);
}

#[test]
fn a_part_that_means_outside_addresses_leaves_pods_decided() {
    let a = pod("default", "a");
    let policies = [admits(unknown(true))];
    assert_eq!(asked(&policies, Peer::Endpoint(&a), 80).decision, Decision::Deny);
    assert_eq!(asked(&policies, outside("1.2.3.4"), 80).decision, Decision::Unknown);
}

#[test]
fn an_unknown_rule_on_requests_leaves_only_its_port_open() {
    let a = pod("default", "a");
    let rule = CiliumRule {
        ports: vec![super::super::cilium::PortRule {
            ports: vec![PortMatch::tcp(80)],
            layer7: Layer7::Unknown,
        }],
        ..CiliumRule::default()
    };
    let policies = [admits(rule)];
    assert_eq!(asked(&policies, Peer::Endpoint(&a), 80).decision, Decision::Unknown);
    assert_eq!(asked(&policies, Peer::Endpoint(&a), 81).decision, Decision::Deny);
}

#[test]
fn a_policy_of_which_it_is_not_known_whether_it_applies_may_isolate() {
    let a = pod("default", "a");
    let uncertain = CiliumNetworkPolicy {
        certain: false,
        ..admits(from([select([("app", "x")])]))
    };
    assert_eq!(asked(&[uncertain], Peer::Endpoint(&a), 80).decision, Decision::Unknown);
}

#[test]
fn ports_by_name_are_open_where_the_names_are_not_known() {
    let a = pod("default", "a");
    let rule = on(entities(["all"]), [port(Port::Named("web".into()), ProtocolMatch::Any)]);
    assert_eq!(
        asked(&[admits(rule)], Peer::Endpoint(&a), 80).decision,
        Decision::Unknown
    );
}
