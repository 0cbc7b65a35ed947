//! Cilium docs `security/policy/layer7`: requests of HTTP.

use super::super::cilium::{HeaderMatch, HttpRule, Pattern, PortRule};
use super::super::form::Layer7;
use super::*;

fn request<'a>(method: &'a str, path: &'a str, headers: &'a [(String, String)]) -> Http<'a> {
    Http {
        method,
        path,
        host: Some("shop.example:8080"),
        headers,
    }
}

fn pattern(text: &str) -> Option<Pattern> {
    Some(Pattern::parse(text).expect("valid"))
}

fn http(rules: Vec<HttpRule>) -> CiliumRule {
    CiliumRule {
        ports: vec![PortRule {
            ports: vec![PortMatch::tcp(80)],
            layer7: Layer7::Http(rules),
        }],
        ..CiliumRule::default()
    }
}

fn get_public() -> HttpRule {
    HttpRule {
        method: pattern("GET"),
        path: pattern("/public"),
        ..HttpRule::default()
    }
}

fn ask(policies: &[CiliumNetworkPolicy], peer: Peer<'_>, http: Option<&Http<'_>>) -> Decision {
    let server = pod("default", "server");
    cilium(policies).ingress(&server, peer, 80, TCP, http).decision
}

const WORLD: Peer<'static> = Peer::Reserved(Reserved::World);

#[test]
fn method_and_path_hold_together_and_in_full() {
    let policies = [admits(http(vec![get_public()]))];
    for (method, path, expected) in [
        ("GET", "/public", Decision::Allow),
        ("GET", "/public/x", Decision::Deny),
        ("GET", "/public?x=1", Decision::Deny),
        ("POST", "/public", Decision::Deny),
        ("get", "/public", Decision::Deny),
    ] {
        assert_eq!(
            ask(&policies, WORLD, Some(&request(method, path, &[]))),
            expected,
            "{method} {path}"
        );
    }
}

#[test]
fn one_rule_of_several_is_enough() {
    let put = HttpRule {
        method: pattern("PUT|DELETE"),
        ..HttpRule::default()
    };
    let policies = [admits(http(vec![get_public(), put]))];
    assert_eq!(
        ask(&policies, WORLD, Some(&request("DELETE", "/x", &[]))),
        Decision::Allow
    );
    assert_eq!(ask(&policies, WORLD, Some(&request("GET", "/x", &[]))), Decision::Deny);
}

#[test]
fn headers_are_there_or_have_a_value() {
    let rule = HttpRule {
        headers: vec![HeaderMatch::parse("X-My-Header: true"), HeaderMatch::parse("X-Other")],
        ..HttpRule::default()
    };
    let policies = [admits(http(vec![rule]))];
    let fields = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    for (headers, expected) in [
        (fields(&[("x-my-header", "true"), ("x-other", "")]), Decision::Allow),
        (fields(&[("x-my-header", "false"), ("x-other", "")]), Decision::Deny),
        (fields(&[("x-my-header", "true")]), Decision::Deny),
        (fields(&[]), Decision::Deny),
    ] {
        assert_eq!(
            ask(&policies, WORLD, Some(&request("GET", "/", &headers))),
            expected,
            "{headers:?}"
        );
    }
}

#[test]
fn the_host_is_matched_with_its_port_and_open_if_it_is_not_known() {
    let by_host = |text: &str| {
        [admits(http(vec![HttpRule {
            host: pattern(text),
            ..HttpRule::default()
        }]))]
    };
    let known = request("GET", "/", &[]);
    assert_eq!(
        ask(&by_host("shop\\.example(:8080)?"), WORLD, Some(&known)),
        Decision::Allow
    );
    assert_eq!(ask(&by_host("shop\\.example"), WORLD, Some(&known)), Decision::Deny);
    let unknown = Http { host: None, ..known };
    assert_eq!(
        ask(&by_host("shop\\.example"), WORLD, Some(&unknown)),
        Decision::Unknown
    );
}

#[test]
fn an_empty_rule_admits_every_request_and_nothing_else() {
    for rules in [vec![HttpRule::default()], Vec::new()] {
        let policies = [admits(http(rules))];
        assert_eq!(ask(&policies, WORLD, Some(&request("PUT", "/x", &[]))), Decision::Allow);
        assert_eq!(ask(&policies, WORLD, None), Decision::Deny, "not HTTP");
    }
}

#[test]
fn a_port_that_is_open_without_rules_is_open_for_every_request() {
    let open = admits(on(CiliumRule::default(), [PortMatch::tcp(80)]));
    let policies = [admits(http(vec![get_public()])), open];
    assert_eq!(
        ask(&policies, WORLD, Some(&request("POST", "/x", &[]))),
        Decision::Allow
    );
    assert_eq!(ask(&policies, WORLD, None), Decision::Allow);
}

#[test]
fn peers_that_are_admitted_on_every_port_are_not_limited_by_the_rules_of_one() {
    let a = pod("default", "a");
    let policies = [admits(http(vec![get_public()])), admits(from([select([("app", "a")])]))];
    let post = request("POST", "/x", &[]);
    assert_eq!(ask(&policies, Peer::Endpoint(&a), Some(&post)), Decision::Allow);
    assert_eq!(ask(&policies, WORLD, Some(&post)), Decision::Deny);
}

#[test]
fn a_deny_rule_closes_the_port_for_every_request() {
    let policies = [
        admits(http(vec![get_public()])),
        refuses(on(CiliumRule::default(), [PortMatch::tcp(80)])),
    ];
    assert_eq!(
        ask(&policies, WORLD, Some(&request("GET", "/public", &[]))),
        Decision::Deny
    );
}

#[test]
fn the_own_node_is_not_limited_by_rules_on_requests() {
    let policies = [admits(http(vec![get_public()]))];
    let host = Peer::Reserved(Reserved::Host);
    assert_eq!(ask(&policies, host, Some(&request("POST", "/x", &[]))), Decision::Allow);
}

#[test]
fn without_default_deny_rules_on_requests_only_watch() {
    let watching = CiliumNetworkPolicy {
        default_deny_ingress: Some(false),
        ..admits(http(vec![get_public()]))
    };
    let isolating = admits(CiliumRule::default());
    let policies = [watching, isolating];
    assert_eq!(
        ask(&policies, WORLD, Some(&request("POST", "/x", &[]))),
        Decision::Allow
    );
}
