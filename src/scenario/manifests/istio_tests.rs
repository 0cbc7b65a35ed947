//! Reading of Istio's policies: what is read, what is refused with which words, what is skipped by a lenient reader.

use super::tests::{SLEEP, first, read, refused, with_sleep};
use super::{Manifests, ReadOptions, read_texts};
use crate::policy::istio::{Action, TargetKind, When};
use crate::policy::{Decision, Endpoint, Http, NamedPorts};
use crate::scenario::error::InputError;

fn authorization(spec: &str) -> String {
    with_sleep(&format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata:\n  name: p\nspec:\n{spec}"
    ))
}

fn request(spec: &str) -> String {
    with_sleep(&format!(
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata:\n  name: r\nspec:\n{spec}"
    ))
}

/// Reads as a caller does who has asked for unknown parts instead of errors.
fn read_lenient(text: &str) -> Result<Manifests, InputError> {
    let options = ReadOptions {
        lenient: true,
        ..ReadOptions::default()
    };
    read_texts(&[("a.yaml".into(), text)], options).map_err(|errors| first(Err(errors)))
}

#[test]
fn what_istio_refuses_or_is_not_evaluated_is_an_error_with_its_line() {
    for (spec, expected) in [
        (
            "  {action: CUSTOM, provider: {name: x}, rules: [{}]}\n",
            "action `CUSTOM` is not modeled",
        ),
        ("  {action: CUSTOM, rules: [{}]}\n", "without `provider.name`"),
        ("  action: Allow\n", "did you mean `ALLOW`?"),
        ("  action: DENY\n", "without `rules` never applies"),
        ("  {action: DENY, rules: []}\n", "without `rules` never applies"),
        ("  provider: {name: x}\n", "`provider` without `action: CUSTOM`"),
        ("  rules: [{from: []}]\n", "`from: []` is empty"),
        ("  rules: [{to: []}]\n", "`to: []` is empty"),
        ("  rules: [{from: [{source: {}}]}]\n", "`source` is empty"),
        ("  rules: [{to: [{operation: {}}]}]\n", "names nothing"),
        (
            "  rules: [{from: [{source: {ipBlocks: [1.2.3]}}]}]\n",
            "address block `1.2.3` is not valid",
        ),
        (
            "  rules: [{from: [{source: {principals: [\"\"]}}]}]\n",
            "pattern `` is not valid",
        ),
        (
            "  rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]\n",
            "`serviceAccounts` together with",
        ),
        (
            "  rules: [{from: [{source: {namespaces: [\"a|b\"]}}]}]\n",
            "`a|b` is not modeled",
        ),
        (
            "  rules: [{from: [{source: {trustDomains: [a]}}]}]\n",
            "trust domain `a` is not modeled",
        ),
        (
            "  rules: [{to: [{operation: {paths: [\"/{*}.txt\"]}}]}]\n",
            "path template `/{*}.txt` is not valid",
        ),
        (
            "  rules: [{to: [{operation: {ports: [\"0\"]}}]}]\n",
            "port `0` is not valid",
        ),
        ("  rules: [{to: [{operation: {ports: [80]}}]}]\n", "put it in quotes"),
        (
            "  rules: [{to: [{operation: {method: [GET]}}]}]\n",
            "did you mean `methods`?",
        ),
        (
            "  rules: [{when: [{key: source.ip}]}]\n",
            "without `values` and `notValues`",
        ),
        (
            "  rules: [{when: [{key: source.names, values: [a]}]}]\n",
            "condition `source.names` is not valid",
        ),
        (
            "  rules: [{when: [{key: source.principle, values: [a]}]}]\n",
            "did you mean `source.principal`?",
        ),
        (
            "  rules: [{when: [{key: source.ip, values: [a]}]}]\n",
            "address block `a` is not valid",
        ),
        (
            "  rules: [{when: [{key: \"experimental.envoy.filters.a[b]\", values: [a]}]}]\n",
            "is not modeled",
        ),
        (
            "  selector: {matchLabels: {app: \"s*\"}}\n",
            "is not a label that Istio selects by",
        ),
        ("  targetRefs: [{kind: Service}]\n", "key `name` is missing"),
        ("  targetRefs: [{kind: Servise, name: a}]\n", "did you mean `Service`?"),
        (
            "  targetRefs: [{kind: Service, name: a, namespace: b}]\n",
            "is not supported by Istio",
        ),
        (
            "  {selector: {matchLabels: {app: sleep}}, targetRef: {kind: Service, name: a}}\n",
            "only one of",
        ),
    ] {
        let error = refused(&authorization(spec));
        assert!(
            error.starts_with("a.yaml:22:") && error.contains(expected),
            "{spec}{error}"
        );
    }
}

#[test]
fn everything_that_a_rule_may_say_is_read() {
    let spec = "  action: DENY
  rules:
  - from:
    - source: {principals: [a], notPrincipals: [b], requestPrincipals: [c], notRequestPrincipals: [d]}
    - source: {namespaces: [a], notNamespaces: [b]}
    - source: {serviceAccounts: [default/default], notServiceAccounts: [default]}
    - source: {ipBlocks: [10.0.0.1], notIpBlocks: [10.0.0.0/8], remoteIpBlocks: [\"::1\"], notRemoteIpBlocks: [::/0]}
    to:
    - operation: {hosts: [a], notHosts: [b], ports: [\"80\"], notPorts: [\"81\"]}
    - operation: {methods: [GET], notMethods: [PUT], paths: [/a], notPaths: [\"/{*}\"]}
    when:
    - {key: \"request.headers[X]\", values: [a], notValues: [b]}
  - {}
";
    let policy = &read(&authorization(spec)).expect("valid").authorization_policies[0].item;
    assert_eq!(policy.action, Action::Deny);
    assert_eq!((policy.rules[0].from.len(), policy.rules[0].to.len()), (4, 2));
    assert!(matches!(&policy.rules[0].when[0], When::Header { name, .. } if name == "x"));
    let origin = policy.origin.as_ref().expect("an origin");
    assert_eq!(origin.policy, "AuthorizationPolicy default/p");
    assert_eq!(origin.rule_lines, [24, 34]);
}

#[test]
fn targets_are_read_in_both_forms() {
    for spec in [
        "  targetRef: {kind: Service, group: \"\", name: a}\n",
        "  targetRefs: [{kind: Service, name: a}]\n",
    ] {
        let policy = &read(&authorization(spec)).expect("valid").authorization_policies[0].item;
        assert_eq!(policy.targets[0].kind, TargetKind::Service, "{spec}");
    }
}

#[test]
fn audit_needs_no_rules_and_dry_runs_are_read() {
    assert!(read(&authorization("  action: AUDIT\n")).is_ok());
    for (value, expected) in [("true", true), ("T", true), ("false", false), ("yes", false)] {
        let annotations = format!("name: p\n  annotations: {{istio.io/dry-run: \"{value}\"}}");
        let manifests = read(&authorization("  {}\n").replace("name: p", &annotations)).expect("valid");
        assert_eq!(manifests.authorization_policies[0].item.dry_run, expected, "{value}");
    }
}

#[test]
fn what_looks_like_a_mistake_is_a_warning() {
    for (spec, expected) in [
        (
            "  rules: [{from: [{source: {principals: [\"a*b\"]}}]}]\n",
            "the `*` inside `a*b` is not a wildcard",
        ),
        (
            "  rules: [{from: [{source: {principals: [\"spiffe://x\"]}}]}]\n",
            "without `spiffe://`",
        ),
        (
            "  rules: [{when: [{key: \"request.headers[x]\", values: [\"a*b\"]}]}]\n",
            "the `*` inside `a*b` is not a wildcard",
        ),
    ] {
        let warnings = read(&authorization(spec)).expect("valid").warnings;
        assert!(
            warnings
                .iter()
                .any(|w| w.contains("a.yaml:22:") && w.contains(expected)),
            "{warnings:?}"
        );
    }
}

#[test]
fn lenient_reading_makes_unknown_what_is_not_evaluated() {
    for (spec, expected) in [
        (
            "  {action: CUSTOM, provider: {name: x}, rules: [{}]}\n",
            Decision::Unknown,
        ),
        (
            "  rules: [{from: [{source: {namespaces: [\"a|b\"]}}]}]\n",
            Decision::Unknown,
        ),
        (
            "  rules: [{from: [{source: {trustDomains: [a]}}]}]\n",
            Decision::Unknown,
        ),
        (
            "  rules: [{when: [{key: \"experimental.envoy.filters.a[b]\", values: [a]}]}]\n",
            Decision::Unknown,
        ),
        (
            "  rules: [{to: [{operation: {methods: [PUT]}}], from: [{source: {trustDomains: [a]}}]}]\n",
            Decision::Deny,
        ),
    ] {
        let manifests = read_lenient(&authorization(spec)).expect("passed over");
        assert!(
            manifests.warnings.iter().any(|w| w.contains("is not modeled")),
            "{:?}",
            manifests.warnings
        );
        let to = Endpoint {
            subject: manifests.workloads[0].subject.clone(),
            name: "sleep".into(),
            named_ports: NamedPorts::new(),
            host_network: false,
            addresses: Vec::new(),
            sidecar: true,
            ambient: false,
            capture: Default::default(),
            nodes: Vec::new(),
        };
        let http = Http {
            method: "GET",
            path: "/",
            host: None,
            headers: &[],
        };
        let mesh = manifests.mesh_policies("cluster.local");
        let verdict = mesh.ask(&to, Some("cluster.local/ns/a/sa/b"), None, 80, Some(http));
        assert_eq!(verdict.expect("a sidecar").decision, expected, "{spec}");
        assert!(expected == Decision::Deny || mesh.check_simulated().is_err(), "{spec}");
    }
    assert!(read_lenient(&authorization("  action: Allow\n")).is_err());
}

#[test]
fn request_authentications_are_read() {
    let spec = "  selector: {matchLabels: {app: sleep}}
  jwtRules:
  - issuer: a
    audiences: [b]
    jwksUri: https://a/keys
    forwardOriginalToken: true
    fromHeaders: [{name: x, prefix: \"T \"}]
    fromParams: [p]
    fromCookies: [c]
    outputPayloadToHeader: X-Payload
    outputClaimToHeaders: [{header: X-User, claim: sub}]
";
    let policy = &read(&request(spec)).expect("valid").request_authentications[0].item;
    let rule = &policy.rules[0];
    assert_eq!(rule.from_headers, [("x".to_owned(), "T ".to_owned())]);
    assert_eq!(rule.written_headers, ["x-user", "x-payload"]);
    for (spec, expected) in [
        ("  jwtRules: [{audiences: [a]}]\n", "without `issuer`"),
        ("  jwtRules: [{issuer: a, fromParams: [\"\"]}]\n", "place of a token"),
        (
            "  jwtRules: [{issuer: a, fromHeader: [x]}]\n",
            "did you mean `fromHeaders`?",
        ),
    ] {
        let error = refused(&request(spec));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn peer_authentications_of_one_scope_need_the_times_of_their_creation() {
    let peer = |name: &str, time: &str| {
        format!(
            "---\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
             metadata: {{name: {name}, creationTimestamp: {time}}}\nspec: {{mtls: {{mode: STRICT}}}}\n"
        )
    };
    let two = |a, b| format!("{SLEEP}{}{}", peer("a", a), peer("b", b));
    let time = "\"2024-01-01T00:00:00Z\"";
    assert!(read(&two(time, time)).is_ok());
    assert!(refused(&two(time, "null")).contains("`b` has the same scope as `a`"));
    assert!(refused(&two(time, "yesterday")).contains("depends on `creationTimestamp`"));
}

#[test]
fn a_selector_in_the_root_namespace_is_a_warning_for_peer_authentication() {
    let text = with_sleep(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
         metadata: {name: a, namespace: istio-system}\nspec: {selector: {matchLabels: {app: sleep}}}\n",
    );
    let warnings = read(&text).expect("valid").warnings;
    assert!(
        warnings.iter().any(|w| w.contains("is ignored by Istio")),
        "{warnings:?}"
    );
}
