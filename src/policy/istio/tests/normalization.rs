//! The page "Authorization Policy Normalization" (option BASE), hosts, and path templates.

use super::*;

fn path_is(path: &'static str, pattern: &str) -> bool {
    let rule = operation(Operation {
        paths: only(paths(&[pattern])),
        ..Operation::default()
    });
    let decision = ask(vec![policy(Action::Allow, vec![rule])], SLEEP, Some(http("GET", path)));
    decision == Decision::Allow
}

#[test]
fn unreserved_characters_are_decoded_once() {
    assert!(path_is("/some/data/%61%62%63", "/some/data/abc"));
    assert!(path_is("/%2D%2e%30%41%5F%7e", "/-.0A_~"));
    assert!(path_is("/%2561", "/%2561"));
}

#[test]
fn slash_and_backslash_stay_encoded() {
    assert!(path_is("/some%2fdata", "/some%2fdata"));
    assert!(!path_is("/some%2fdata", "/some/data"));
    assert!(path_is("/some%5cdata", "/some%5cdata"));
}

#[test]
fn backslashes_become_slashes() {
    assert!(path_is("/some\\data", "/some/data"));
}

#[test]
fn slashes_are_not_merged() {
    assert!(!path_is("/some//data", "/some/data"));
    assert!(path_is("/some//data", "/some//data"));
}

#[test]
fn dot_segments_are_resolved() {
    assert!(path_is("/public/./data/abc/../xyz", "/public/data/xyz"));
    assert!(path_is("/public/%2e%2e/admin", "/admin"));
    assert!(path_is("/../admin", "/admin"));
    assert!(path_is("/a/b/..", "/a/"));
    assert!(path_is("/.well-known", "/.well-known"));
}

#[test]
fn the_query_is_not_compared() {
    assert!(path_is("/foo?v=1", "/foo"));
    assert!(!path_is("/foo?v=/admin", "*/admin"));
}

#[test]
fn what_no_proxy_lets_through_is_refused_without_any_policy() {
    for (method, path) in [("GET", "/a%00b"), ("GET", "/a#b"), ("get", "/a")] {
        assert_eq!(
            ask(vec![], SLEEP, Some(http(method, path))),
            Decision::Deny,
            "{method} {path}"
        );
    }
    assert_eq!(ask(vec![], SLEEP, Some(http("GET", "/a"))), Decision::Allow);
}

#[test]
fn duplicate_headers_are_one_with_commas() {
    let headers = [("x".to_owned(), "a".to_owned()), ("X".to_owned(), "b".to_owned())];
    let request = Http {
        headers: &headers,
        ..http("GET", "/")
    };
    let rule = |value| vec![policy(Action::Allow, vec![when("request.headers[x]", &[value], &[])])];
    assert_eq!(ask(rule("a,b"), SLEEP, Some(request)), Decision::Allow);
    assert_eq!(ask(rule("a"), SLEEP, Some(request)), Decision::Deny);
}

#[test]
fn hosts_are_compared_in_any_case_and_with_their_port() {
    let asks = |pattern, host| {
        let rule = operation(Operation {
            hosts: any_of(&[pattern]),
            ..Operation::default()
        });
        let request = Http {
            host,
            ..http("GET", "/")
        };
        ask(vec![policy(Action::Allow, vec![rule])], SLEEP, Some(request))
    };
    assert_eq!(asks("Example.COM", Some("eXample.com")), Decision::Allow);
    assert_eq!(asks("example.com", Some("example.com:80")), Decision::Deny);
    assert_eq!(asks("example.com:*", Some("example.com:80")), Decision::Allow);
    assert_eq!(asks("*.EXAMPLE.com", Some("www.example.com")), Decision::Allow);
    assert_eq!(asks("*", None), Decision::Allow);
    assert_eq!(asks("example.com", None), Decision::Unknown);
}

#[test]
fn templates_match_one_segment_or_the_rest() {
    for (pattern, path, expected) in [
        ("/foo/{*}", "/foo/bar", true),
        ("/foo/{*}", "/foo/bar/baz", false),
        ("/foo/{*}", "/foo/", false),
        ("/foo/{**}/", "/foo/bar/", true),
        ("/foo/{**}/", "/foo//", true),
        ("/foo/{**}/", "/foo/bar", false),
        ("/{*}/bar/{**}", "/buzz/bar/", true),
        ("/{*}/bar/{**}", "/buzz/bar/a/b", true),
        ("/{*}/bar/{**}", "/bar/a", false),
        ("/foo/{*}/bar", "/foo/x/bar", true),
        ("/foo/{*}/bar", "/foo/x/bar?a=b", true),
        ("/foo/{*}/bar", "/foo/x/bars", false),
    ] {
        assert_eq!(path_is(path, pattern), expected, "{pattern} {path}");
    }
}

#[test]
fn templates_that_istio_refuses_are_not_valid() {
    for text in [
        "/foo/{*}.txt",
        "/*/baz/{*}",
        "/**/baz/{*}",
        "/{**}/foo/{*}",
        "/{bar}/{*}",
        "{*}",
        "/{*}/{*}/{*}/{*}/{*}/{*}",
    ] {
        assert!(PathMatch::parse(text).is_err(), "{text}");
    }
    assert!(PathMatch::parse("/{foo}").is_ok());
}
