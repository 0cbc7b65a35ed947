//! Cilium docs `security/policy/intro`: enforcement modes and default deny.

use super::super::Enforcement;
use super::*;

fn under(enforcement: Enforcement, policies: &[CiliumNetworkPolicy], peer: Peer<'_>) -> Verdict {
    let options = Options {
        enforcement,
        ..Options::default()
    };
    NetworkPolicies::new(policies, &[], options).ingress(&pod("default", "server"), peer, 80, TCP, None)
}

#[test]
fn always_isolates_what_no_policy_selects() {
    let a = pod("default", "a");
    let verdict = under(Enforcement::Always, &[], Peer::Endpoint(&a));
    assert_eq!(verdict.decision, Decision::Deny);
    assert!(under(Enforcement::Always, &[admits(entities(["all"]))], Peer::Endpoint(&a)).is_allowed());
    assert!(under(Enforcement::Always, &[], Peer::Reserved(Reserved::Host)).is_allowed());
}

#[test]
fn never_lets_everything_pass_deny_rules_too() {
    let a = pod("default", "a");
    assert!(under(Enforcement::Never, &[refuses(entities(["all"]))], Peer::Endpoint(&a)).is_allowed());
    assert!(under(Enforcement::Default, &[], Peer::Endpoint(&a)).is_allowed());
}

#[test]
fn default_deny_can_be_switched_off_by_direction() {
    let a = pod("default", "a");
    let open = |ingress: Option<bool>| CiliumNetworkPolicy {
        default_deny_ingress: ingress,
        ..admits(from([select([("app", "x")])]))
    };
    assert!(reached(&[open(Some(false))], Peer::Endpoint(&a), 80));
    assert!(!reached(&[open(Some(true))], Peer::Endpoint(&a), 80));
    assert!(
        !reached(&[open(Some(false)), open(None)], Peer::Endpoint(&a), 80),
        "one is enough"
    );
}

#[test]
fn default_deny_needs_a_rule_of_its_direction_and_an_empty_one_is_enough() {
    let a = pod("default", "a");
    let asked_for = CiliumNetworkPolicy {
        default_deny_ingress: Some(true),
        ..for_server()
    };
    assert!(reached(std::slice::from_ref(&asked_for), Peer::Endpoint(&a), 80));
    let closed = CiliumNetworkPolicy {
        ingress: vec![CiliumRule::default()],
        ..asked_for
    };
    assert!(!reached(&[closed], Peer::Endpoint(&a), 80));
}

#[test]
fn required_authentication_is_told_but_changes_no_fresh_verdict() {
    let a = pod("default", "a");
    let rule = CiliumRule {
        authentication: true,
        ..from([select([("app", "a")])])
    };
    let verdict = asked(&[admits(rule)], Peer::Endpoint(&a), 80);
    assert!(verdict.is_allowed());
    assert!(
        verdict.because.text.contains("authenticated"),
        "{}",
        verdict.because.text
    );
}
