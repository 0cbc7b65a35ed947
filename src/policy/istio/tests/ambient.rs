//! Ambient mode at ztunnel (page "Layer 4 authorization"; Istio `pilot/pkg/serviceregistry/ambient/authorization.go`;
//! ztunnel `src/rbac.rs`).

use super::*;

fn at_ztunnel(modes: Vec<PeerAuthentication>, policies: Vec<AuthorizationPolicy>, from: Option<&str>) -> Decision {
    let mut to = endpoint(server());
    (to.sidecar, to.ambient) = (false, true);
    let mesh = MeshPolicies::new(modes, policies, "istio-system", "example.org");
    let verdict = mesh.ask(&to, from, None, 5000, Some(http("GET", "/")));
    verdict.expect("ztunnel").decision
}

fn decide(action: Action, rule: Rule) -> Decision {
    at_ztunnel(vec![], vec![policy(action, vec![rule])], SLEEP)
}

fn methods() -> Operation {
    Operation {
        methods: any_of(&["GET"]),
        ..Operation::default()
    }
}

#[test]
fn an_allow_rule_with_a_field_of_http_never_matches() {
    assert_eq!(decide(Action::Allow, operation(methods())), Decision::Deny);
    assert_eq!(
        decide(Action::Allow, when("request.headers[x]", &[], &["a"])),
        Decision::Deny
    );
    assert_eq!(
        decide(Action::Allow, when("remote.ip", &[], &["1.1.1.1"])),
        Decision::Deny
    );
    assert_eq!(
        decide(Action::Allow, when("connection.sni", &[], &["a"])),
        Decision::Deny
    );
    assert_eq!(
        decide(Action::Allow, when("source.serviceAccount", &["default/sleep"], &[])),
        Decision::Deny
    );
}

#[test]
fn a_deny_rule_drops_its_fields_of_http() {
    let mut mixed = methods();
    mixed.ports = only(vec![5000]);
    mixed.methods = any_of(&["POST"]);
    assert_eq!(decide(Action::Deny, operation(mixed)), Decision::Deny);
}

#[test]
fn a_deny_rule_with_a_clause_left_empty_never_matches() {
    assert_eq!(decide(Action::Deny, operation(methods())), Decision::Allow);
    let mut rule = operation(methods());
    rule.from = source(any_of(&["*/sleep"])).from;
    assert_eq!(decide(Action::Deny, rule), Decision::Allow);
    let mut rule = when("request.headers[x]", &["a"], &[]);
    rule.from = source(any_of(&["*/sleep"])).from;
    assert_eq!(decide(Action::Deny, rule), Decision::Allow);
}

#[test]
fn of_several_operations_those_left_empty_are_skipped() {
    let mut rule = operation(methods());
    rule.to.push(Operation {
        ports: only(vec![5000]),
        ..Operation::default()
    });
    assert_eq!(decide(Action::Deny, rule.clone()), Decision::Deny);
    rule.to[1].ports = only(vec![81]);
    assert_eq!(decide(Action::Deny, rule), Decision::Allow);
}

#[test]
fn an_empty_rule_matches_everything_and_an_empty_spec_nothing() {
    assert_eq!(decide(Action::Deny, Rule::default()), Decision::Deny);
    assert_eq!(decide(Action::Allow, Rule::default()), Decision::Allow);
    assert_eq!(
        at_ztunnel(vec![], vec![policy(Action::Allow, vec![])], SLEEP),
        Decision::Deny
    );
}

#[test]
fn custom_and_audit_are_not_there() {
    assert_eq!(decide(Action::Custom, Rule::default()), Decision::Allow);
    assert_eq!(decide(Action::Audit, Rule::default()), Decision::Allow);
}

#[test]
fn namespaces_are_compared_as_text_and_principals_without_trust_domain_aliases() {
    let namespace = |text| {
        from_source(Source {
            namespaces: any_of(&[text]),
            ..Source::default()
        })
    };
    assert_eq!(decide(Action::Allow, namespace("def*")), Decision::Allow);
    assert_eq!(decide(Action::Allow, namespace("*ault")), Decision::Allow);
    assert_eq!(decide(Action::Allow, namespace("defau.t")), Decision::Deny);
    let principal = |text| source(any_of(&[text]));
    assert_eq!(
        decide(Action::Allow, principal("cluster.local/ns/default/sa/sleep")),
        Decision::Allow
    );
    assert_eq!(
        decide(Action::Allow, principal("example.org/ns/default/sa/sleep")),
        Decision::Deny
    );
}

#[test]
fn plain_text_matches_only_negative_lists() {
    let allow = policy(Action::Allow, vec![source(any_of(&["*"]))]);
    assert_eq!(at_ztunnel(vec![], vec![allow], None), Decision::Deny);
    let deny = policy(Action::Deny, vec![source(none_of(&["*"]))]);
    assert_eq!(at_ztunnel(vec![], vec![deny.clone()], None), Decision::Deny);
    assert_eq!(at_ztunnel(vec![], vec![deny], SLEEP), Decision::Allow);
}

#[test]
fn strict_refuses_plain_text_and_disable_takes_both() {
    let with = |mode_name| mode("default", LabelSelector::default(), mode_name);
    assert_eq!(at_ztunnel(vec![with(MtlsMode::Strict)], vec![], None), Decision::Deny);
    assert_eq!(at_ztunnel(vec![with(MtlsMode::Strict)], vec![], SLEEP), Decision::Allow);
    assert_eq!(at_ztunnel(vec![with(MtlsMode::Disable)], vec![], None), Decision::Allow);
    let allow = policy(Action::Allow, vec![source(any_of(&["*"]))]);
    assert_eq!(
        at_ztunnel(vec![with(MtlsMode::Disable)], vec![allow], SLEEP),
        Decision::Allow
    );
}

#[test]
fn a_port_is_let_out_of_strict_by_permissive_and_by_disable_only_beside_permissive() {
    let namespace = mode("default", LabelSelector::default(), MtlsMode::Strict);
    let ports = |modes: &[(u16, MtlsMode)]| {
        let mut workload = mode("default", LabelSelector::from([("app", "server")]), MtlsMode::Unset);
        workload.port_modes.extend(modes.iter().copied());
        at_ztunnel(vec![namespace.clone(), workload], vec![], None)
    };
    assert_eq!(ports(&[(5000, MtlsMode::Permissive)]), Decision::Allow);
    assert_eq!(ports(&[(5000, MtlsMode::Disable)]), Decision::Deny);
    assert_eq!(
        ports(&[(5000, MtlsMode::Disable), (81, MtlsMode::Permissive)]),
        Decision::Allow
    );
    assert_eq!(ports(&[(81, MtlsMode::Permissive)]), Decision::Deny);
}

#[test]
fn requests_are_not_read() {
    let mut to = endpoint(server());
    (to.sidecar, to.ambient) = (false, true);
    let verdict = mesh(vec![]).ask(&to, SLEEP, None, 80, Some(http("GET", "/a#b")));
    assert!(verdict.expect("ztunnel").is_allowed());
}
