//! One test per rule of Istio's policy evaluation.

use super::super::labels::{LabelSelector, Labels};
use super::*;

const SLEEP: Option<&str> = Some("cluster.local/ns/default/sa/sleep");

fn server() -> Subject {
    Subject {
        namespace: "default".into(),
        service_account: "server".into(),
        labels: Labels::from([("app", "server")]),
    }
}

fn get(path: &'static str) -> Request<'static> {
    Request {
        port: 5000,
        method: Some("GET"),
        path: Some(path),
        host: Some("Server.default"),
    }
}

const TCP: Request<'static> = Request {
    port: 5000,
    method: None,
    path: None,
    host: None,
};

fn patterns(texts: &[&str]) -> Vec<StringMatch> {
    texts
        .iter()
        .map(|text| StringMatch::parse(text).expect("valid pattern"))
        .collect()
}

fn any_of(texts: &[&str]) -> Condition<StringMatch> {
    Condition {
        any_of: patterns(texts),
        none_of: Vec::new(),
    }
}

fn none_of(texts: &[&str]) -> Condition<StringMatch> {
    Condition {
        any_of: Vec::new(),
        none_of: patterns(texts),
    }
}

fn source(principals: Condition<StringMatch>) -> Rule {
    Rule {
        from: vec![Source {
            principals,
            ..Source::default()
        }],
        to: Vec::new(),
    }
}

fn operation(operation: Operation) -> Rule {
    Rule {
        from: Vec::new(),
        to: vec![operation],
    }
}

fn policy(action: Action, rules: Vec<Rule>) -> AuthorizationPolicy {
    AuthorizationPolicy {
        namespace: "default".into(),
        name: "p".into(),
        action,
        rules,
        ..AuthorizationPolicy::default()
    }
}

fn authorize(policies: Vec<AuthorizationPolicy>, principal: Option<&str>, request: Request<'_>) -> bool {
    MeshPolicies::new(Vec::new(), policies, "istio-system", "cluster.local")
        .request(&server(), principal, &request)
        .is_allowed()
}

fn mode(namespace: &str, selector: LabelSelector, mode: MtlsMode) -> PeerAuthentication {
    PeerAuthentication {
        namespace: namespace.into(),
        name: "m".into(),
        selector,
        mode,
        port_modes: Default::default(),
    }
}

fn mode_of(policies: Vec<PeerAuthentication>, port: u16) -> MtlsMode {
    MeshPolicies::new(policies, Vec::new(), "istio-system", "cluster.local").mtls_mode(&server(), port)
}

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
fn custom_is_not_modelled() {
    let error = Action::parse("CUSTOM").expect_err("refused");
    assert_eq!(error.to_string(), "action `CUSTOM` is not modelled");
    assert!(Action::parse("allow").is_err());
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
fn star_in_the_middle_and_empty_patterns_are_refused() {
    for text in ["", "a*b", "*a*", "**"] {
        assert!(StringMatch::parse(text).is_err(), "{text}");
    }
    assert!(StringMatch::parse_path("/a/{*}").is_err());
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
            to: Vec::new(),
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
            to: Vec::new(),
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
            paths: any_of(&["/info*"]),
            hosts: any_of(&["SERVER.*"]),
            ports: Condition {
                any_of: vec![5000],
                none_of: vec![],
            },
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
            paths: none_of(&["/admin*"]),
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
fn on_plain_tcp_allow_gets_narrower_and_deny_wider() {
    let rule = || {
        operation(Operation {
            methods: any_of(&["GET"]),
            ..Operation::default()
        })
    };
    assert!(!authorize(vec![policy(Action::Allow, vec![rule()])], SLEEP, TCP));
    assert!(!authorize(vec![policy(Action::Deny, vec![rule()])], SLEEP, TCP));
    let port_only = operation(Operation {
        ports: Condition {
            any_of: vec![5000],
            none_of: vec![],
        },
        ..Operation::default()
    });
    assert!(authorize(vec![policy(Action::Allow, vec![port_only])], SLEEP, TCP));
}

#[test]
fn root_namespace_reaches_every_workload_and_others_only_their_own() {
    let mut nothing = policy(Action::Allow, vec![]);
    nothing.namespace = "istio-system".into();
    assert!(!authorize(vec![nothing.clone()], SLEEP, get("/")));
    nothing.namespace = "elsewhere".into();
    assert!(authorize(vec![nothing], SLEEP, get("/")));
}

#[test]
fn selector_limits_the_workloads() {
    let mut nothing = policy(Action::Allow, vec![]);
    nothing.selector = LabelSelector::from([("app", "other")]);
    assert!(authorize(vec![nothing.clone()], SLEEP, get("/")));
    nothing.selector = LabelSelector::from([("app", "server")]);
    assert!(!authorize(vec![nothing], SLEEP, get("/")));
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

#[test]
fn strict_refuses_plain_text_and_names_the_policy() {
    let strict = mode("default", LabelSelector::default(), MtlsMode::Strict);
    let mesh = MeshPolicies::new(vec![strict], Vec::new(), "istio-system", "cluster.local");
    let verdict = mesh.request(&server(), None, &get("/"));
    assert_eq!(
        verdict.because.to_string(),
        "mutual TLS is required and the client has no certificate (PeerAuthentication default/m)"
    );
    assert!(mesh.request(&server(), SLEEP, &get("/")).is_allowed());
}

#[test]
fn disable_hides_the_principal() {
    let disable = mode("default", LabelSelector::default(), MtlsMode::Disable);
    let allow = policy(Action::Allow, vec![source(any_of(&["*"]))]);
    let mesh = MeshPolicies::new(vec![disable], vec![allow], "istio-system", "cluster.local");
    assert!(!mesh.request(&server(), SLEEP, &get("/")).is_allowed());
}

#[test]
fn workload_beats_namespace_beats_mesh_and_unset_inherits() {
    let all = LabelSelector::default;
    let ours = || LabelSelector::from([("app", "server")]);
    let mesh = mode("istio-system", all(), MtlsMode::Strict);
    let namespace = mode("default", all(), MtlsMode::Permissive);
    let workload = mode("default", ours(), MtlsMode::Disable);
    assert_eq!(mode_of(vec![mesh.clone()], 80), MtlsMode::Strict);
    assert_eq!(mode_of(vec![mesh.clone(), namespace.clone()], 80), MtlsMode::Permissive);
    let three = vec![workload, namespace, mesh.clone()];
    assert_eq!(mode_of(three, 80), MtlsMode::Disable);
    let unset = mode("default", ours(), MtlsMode::Unset);
    assert_eq!(mode_of(vec![mesh, unset], 80), MtlsMode::Strict);
}

#[test]
fn port_mode_overrides_the_workload_for_that_port_only() {
    let mut workload = mode("default", LabelSelector::from([("app", "server")]), MtlsMode::Strict);
    workload.port_modes.insert(8080, MtlsMode::Disable);
    workload.port_modes.insert(9090, MtlsMode::Unset);
    let modes = |port| mode_of(vec![workload.clone()], port);
    assert_eq!(modes(80), MtlsMode::Strict);
    assert_eq!(modes(8080), MtlsMode::Disable);
    assert_eq!(modes(9090), MtlsMode::Strict);
}

#[test]
fn selector_in_the_root_namespace_is_ignored_for_peer_authentication() {
    let policy = mode(
        "istio-system",
        LabelSelector::from([("app", "server")]),
        MtlsMode::Strict,
    );
    assert_eq!(mode_of(vec![policy], 80), MtlsMode::Permissive);
}
