//! The rules of `authorization_policy.proto` at sidecars.

use super::*;

#[test]
fn without_policy_everything_passes_and_mode_is_permissive() {
    assert!(authorize(Vec::new(), None, get("/")));
    assert_eq!(mode_of(Vec::new(), 80), MtlsMode::Permissive);
}

#[test]
fn empty_spec_allows_nothing() {
    assert!(!authorize(vec![policy(Action::Allow, vec![])], SLEEP, get("/")));
}

#[test]
fn one_empty_rule_matches_everything() {
    let everything = || vec![Rule::default()];
    assert!(authorize(vec![policy(Action::Allow, everything())], None, get("/")));
    assert!(!authorize(vec![policy(Action::Deny, everything())], SLEEP, get("/")));
}

#[test]
fn deny_beats_allow() {
    let allow = policy(Action::Allow, vec![Rule::default()]);
    let deny = policy(Action::Deny, vec![source(any_of(&["*/sleep"]))]);
    assert!(!authorize(vec![allow.clone(), deny.clone()], SLEEP, get("/")));
    let other = Some("cluster.local/ns/default/sa/other");
    assert!(authorize(vec![allow, deny], other, get("/")));
}

#[test]
fn deny_without_allow_leaves_the_rest_open() {
    let deny = policy(Action::Deny, vec![source(any_of(&["*/x"]))]);
    assert!(authorize(vec![deny], SLEEP, get("/")));
}

#[test]
fn audit_never_changes_the_verdict() {
    assert!(authorize(
        vec![policy(Action::Audit, vec![Rule::default()])],
        SLEEP,
        get("/")
    ));
    assert!(authorize(vec![policy(Action::Audit, vec![])], SLEEP, get("/")));
}

#[test]
fn custom_may_refuse_what_it_matches_and_nothing_else() {
    let custom = || policy(Action::Custom, vec![source(any_of(&["*/sleep"]))]);
    let get = Some(http("GET", "/"));
    assert_eq!(ask(vec![custom()], SLEEP, get), Decision::Unknown);
    assert_eq!(
        ask(vec![custom()], Some("cluster.local/ns/a/sa/x"), get),
        Decision::Allow
    );
    let deny = policy(Action::Deny, vec![Rule::default()]);
    assert_eq!(ask(vec![custom(), deny], SLEEP, get), Decision::Deny);
    let nothing = policy(Action::Allow, vec![]);
    assert_eq!(ask(vec![custom(), nothing], SLEEP, get), Decision::Deny);
    let all = policy(Action::Allow, vec![Rule::default()]);
    assert_eq!(ask(vec![custom(), all], SLEEP, get), Decision::Unknown);
    assert!(Action::parse("allow").is_err());
}

#[test]
fn a_rule_of_which_a_part_is_unknown_decides_only_where_another_does_not() {
    let unknown = || Rule {
        when: vec![When::Unknown],
        ..Rule::default()
    };
    let get = Some(http("GET", "/"));
    let allow = |rules| ask(vec![policy(Action::Allow, rules)], SLEEP, get);
    assert_eq!(allow(vec![unknown()]), Decision::Unknown);
    assert_eq!(allow(vec![unknown(), Rule::default()]), Decision::Allow);
    let mut other = unknown();
    other.from = source(any_of(&["*/other"])).from;
    assert_eq!(allow(vec![other]), Decision::Deny);
    let deny = |rules| ask(vec![policy(Action::Deny, rules)], SLEEP, get);
    assert_eq!(deny(vec![unknown()]), Decision::Unknown);
    assert_eq!(deny(vec![unknown(), Rule::default()]), Decision::Deny);
}

#[test]
fn a_dry_run_is_as_if_it_were_not_there() {
    for (action, rules) in [(Action::Allow, vec![]), (Action::Deny, vec![Rule::default()])] {
        let mut dry = policy(action, rules);
        dry.dry_run = true;
        assert_eq!(ask(vec![dry], SLEEP, Some(http("GET", "/"))), Decision::Allow);
    }
}

#[test]
fn reasons_name_policy_rule_and_line() {
    let mut deny = policy(Action::Deny, vec![source(any_of(&["*/x"])), Rule::default()]);
    deny.origin = Some(Arc::new(Origin {
        policy: "AuthorizationPolicy default/p".into(),
        file: "a.yaml".into(),
        rule_lines: vec![9, 12],
    }));
    let verdict = mesh(vec![deny])
        .ask(&endpoint(server()), SLEEP, None, 80, None)
        .expect("a sidecar");
    assert_eq!(
        verdict.because.to_string(),
        "a DENY rule matches (AuthorizationPolicy default/p, rule 1)"
    );
    let origin = verdict.because.policy.expect("a policy");
    assert_eq!(origin.rule_lines[verdict.because.rule.expect("a rule")], 12);
}

#[test]
fn without_a_proxy_nothing_can_enforce() {
    let mut bare = endpoint(server());
    bare.sidecar = false;
    let nothing = policy(Action::Allow, vec![]);
    assert!(mesh(vec![nothing]).ask(&bare, SLEEP, None, 80, None).is_none());
}

#[test]
fn principals_match_exactly_by_prefix_by_suffix_and_by_presence() {
    for (pattern, expected) in [
        ("cluster.local/ns/default/sa/sleep", true),
        ("cluster.local/ns/default/sa/slee", false),
        ("cluster.local/ns/default/*", true),
        ("cluster.local/ns/other/*", false),
        ("*/sa/sleep", true),
        ("*/sa/other", false),
        ("*", true),
    ] {
        let policies = vec![policy(Action::Allow, vec![source(any_of(&[pattern]))])];
        assert_eq!(authorize(policies, SLEEP, get("/")), expected, "{pattern}");
    }
}

#[test]
fn a_star_elsewhere_is_an_ordinary_character() {
    assert!(StringMatch::parse("").is_err());
    for (pattern, value, expected) in [
        ("a*b", "a*b", true),
        ("a*b", "axb", false),
        ("*a*", "xa*", true),
        ("*a*", "xab", false),
        ("a*b*", "a*bc", true),
    ] {
        let pattern = StringMatch::parse(pattern).expect("valid");
        assert_eq!(pattern.matches(Some(value)), expected, "{pattern:?} {value}");
    }
}

#[test]
fn suffixes_of_principals_and_namespaces_are_regular_expressions() {
    let principal = |text| source(any_of(&[text]));
    let namespace = |text| {
        from_source(Source {
            namespaces: any_of(&[text]),
            ..Source::default()
        })
    };
    for (rule, expected) in [
        (principal("*/sa/sl.ep"), true),
        (principal("*/ns/default*/sa/sleep"), true),
        (principal("*/ns/*/sa/sleep"), false),
        (principal("cluster.local/ns/*/sa/sleep"), false),
        (namespace("*"), true),
        (namespace("defau.t"), true),
        (namespace("d*t"), true),
        (namespace("*fault"), true),
        (namespace("d*x"), false),
        (namespace("efault"), false),
    ] {
        let text = format!("{rule:?}");
        let allow = vec![policy(Action::Allow, vec![rule])];
        assert_eq!(authorize(allow, SLEEP, get("/")), expected, "{text}");
    }
    assert!(StringMatch::parse_namespace("a|b").is_err());
    assert!(StringMatch::parse_principal("*/(a)").is_err());
    assert!(StringMatch::parse_principal("a|b").is_ok());
}

#[test]
fn without_mtls_positive_conditions_fail_and_negative_ones_hold() {
    let allow = policy(Action::Allow, vec![source(any_of(&["*"]))]);
    assert!(!authorize(vec![allow], None, get("/")));
    let deny = policy(Action::Deny, vec![source(none_of(&["*"]))]);
    assert!(!authorize(vec![deny.clone()], None, get("/")));
    assert!(authorize(vec![deny], SLEEP, get("/")));
}

#[test]
fn namespaces_are_taken_from_the_principal() {
    for (pattern, expected) in [("default", true), ("def*", true), ("other", false)] {
        let rule = Rule {
            from: vec![Source {
                namespaces: any_of(&[pattern]),
                ..Source::default()
            }],
            ..Rule::default()
        };
        assert_eq!(
            authorize(vec![policy(Action::Allow, vec![rule])], SLEEP, get("/")),
            expected,
            "{pattern}"
        );
    }
}

#[test]
fn service_accounts_imply_the_namespace_of_the_policy() {
    for (text, expected) in [
        ("sleep", true),
        ("default/sleep", true),
        ("other/sleep", false),
        ("slee", false),
    ] {
        let rule = Rule {
            from: vec![Source {
                service_accounts: Condition {
                    any_of: vec![ServiceAccountRef::parse(text).expect("valid")],
                    none_of: Vec::new(),
                },
                ..Source::default()
            }],
            ..Rule::default()
        };
        assert_eq!(
            authorize(vec![policy(Action::Allow, vec![rule])], SLEEP, get("/")),
            expected,
            "{text}"
        );
    }
    assert!(ServiceAccountRef::parse("*").is_err());
    assert!(ServiceAccountRef::parse("a/b/c").is_err());
}

#[test]
fn operation_conditions_are_all_required() {
    let rule = || {
        operation(Operation {
            methods: any_of(&["GET"]),
            paths: only(paths(&["/info*"])),
            hosts: any_of(&["SERVER.*"]),
            ports: only(vec![5000]),
            ..Operation::default()
        })
    };
    let asks = |request| authorize(vec![policy(Action::Allow, vec![rule()])], None, request);
    assert!(asks(get("/info/1?x=/other")));
    assert!(!asks(get("/other")));
    assert!(!asks(Request {
        method: Some("POST"),
        ..get("/info")
    }));
    assert!(!asks(Request {
        port: 80,
        ..get("/info")
    }));
    assert!(!asks(Request {
        host: Some("else"),
        ..get("/info")
    }));
}

#[test]
fn negated_lists_exclude() {
    let rule = || {
        operation(Operation {
            paths: not(paths(&["/admin*"])),
            ..Operation::default()
        })
    };
    let asks = |request| authorize(vec![policy(Action::Allow, vec![rule()])], None, request);
    assert!(asks(get("/")));
    assert!(!asks(get("/admin/x")));
}

#[test]
fn source_and_operation_are_both_required() {
    let rule = Rule {
        from: source(any_of(&["*/sleep"])).from,
        to: operation(Operation {
            methods: any_of(&["GET"]),
            ..Operation::default()
        })
        .to,
        ..Rule::default()
    };
    let policies = || vec![policy(Action::Allow, vec![rule.clone()])];
    assert!(authorize(policies(), SLEEP, get("/")));
    assert!(!authorize(policies(), Some("cluster.local/ns/default/sa/x"), get("/")));
    assert!(!authorize(
        policies(),
        SLEEP,
        Request {
            method: Some("PUT"),
            ..get("/")
        }
    ));
}

#[test]
fn cluster_local_in_a_policy_means_the_trust_domain_of_the_mesh() {
    let rule = source(any_of(&["cluster.local/ns/default/sa/sleep"]));
    let mesh = MeshPolicies::new(
        Vec::new(),
        vec![policy(Action::Allow, vec![rule])],
        "istio-system",
        "example.org",
    );
    let ours = Some("example.org/ns/default/sa/sleep");
    assert!(mesh.request(&server(), ours, &get("/")).is_allowed());
    assert!(!mesh.request(&server(), SLEEP, &get("/")).is_allowed());
}
