//! Tokens: the rules of `request_authentication.proto`, and fields of policies that look at tokens.

use super::*;

fn mesh_with(rule: TokenRule, policies: Vec<AuthorizationPolicy>) -> MeshPolicies {
    let parts = MeshParts {
        request_authentications: vec![RequestAuthentication {
            namespace: "default".into(),
            name: "r".into(),
            rules: vec![rule],
            ..RequestAuthentication::default()
        }],
        authorization_policies: policies,
        ..MeshParts::default()
    };
    MeshPolicies::of_parts(parts, &MeshOptions::default())
}

fn decide(mesh: &MeshPolicies, path: &str, header: Option<(&str, &str)>) -> Decision {
    let headers: Vec<(String, String)> = header.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    let request = Http {
        method: "GET",
        path,
        host: None,
        headers: &headers,
    };
    let verdict = mesh.ask(&endpoint(server()), SLEEP, None, 80, Some(request));
    verdict.expect("a sidecar").decision
}

const BEARER: Option<(&str, &str)> = Some(("Authorization", "Bearer x.y.z"));

fn requires(principals: Condition<String>, action: Action) -> AuthorizationPolicy {
    let source = Source {
        request_principals: principals,
        ..Source::default()
    };
    policy(action, vec![from_source(source)])
}

#[test]
fn a_request_without_a_token_passes_and_has_no_request_principal() {
    let any = || vec!["*".to_owned()];
    assert_eq!(
        decide(&mesh_with(TokenRule::default(), vec![]), "/", None),
        Decision::Allow
    );
    let positive = requires(only(any()), Action::Allow);
    assert_eq!(
        decide(&mesh_with(TokenRule::default(), vec![positive]), "/", None),
        Decision::Deny
    );
    let negative = requires(not(any()), Action::Deny);
    assert_eq!(
        decide(&mesh_with(TokenRule::default(), vec![negative]), "/", None),
        Decision::Deny
    );
}

#[test]
fn with_a_token_the_answer_is_open_unless_it_is_refused_anyway() {
    assert_eq!(
        decide(&mesh_with(TokenRule::default(), vec![]), "/", BEARER),
        Decision::Unknown
    );
    let positive = requires(only(vec!["issuer/*".into()]), Action::Allow);
    assert_eq!(
        decide(&mesh_with(TokenRule::default(), vec![positive]), "/", BEARER),
        Decision::Unknown
    );
    let nothing = policy(Action::Allow, vec![]);
    assert_eq!(
        decide(&mesh_with(TokenRule::default(), vec![nothing]), "/", BEARER),
        Decision::Deny
    );
}

#[test]
fn without_a_request_authentication_no_token_is_looked_at() {
    let mesh = mesh(vec![requires(only(vec!["*".into()]), Action::Allow)]);
    assert_eq!(decide(&mesh, "/", BEARER), Decision::Deny);
    assert_eq!(decide(&super::mesh(vec![]), "/", BEARER), Decision::Allow);
}

#[test]
fn tokens_are_in_the_authorization_header_or_the_parameter_access_token() {
    let mesh = mesh_with(TokenRule::default(), vec![]);
    assert_eq!(decide(&mesh, "/?access_token=x", None), Decision::Unknown);
    assert_eq!(decide(&mesh, "/?token=x", None), Decision::Allow);
    assert_eq!(decide(&mesh, "/", Some(("authorization", "Basic x"))), Decision::Allow);
}

#[test]
fn places_that_are_written_replace_the_usual_ones() {
    let rule = TokenRule {
        from_headers: vec![("x-jwt".into(), "Token ".into())],
        from_params: vec!["t".into()],
        from_cookies: vec!["c".into()],
        ..TokenRule::default()
    };
    let mesh = mesh_with(rule, vec![]);
    assert_eq!(decide(&mesh, "/", BEARER), Decision::Allow);
    assert_eq!(decide(&mesh, "/", Some(("X-JWT", "Token x"))), Decision::Unknown);
    assert_eq!(decide(&mesh, "/", Some(("X-JWT", "x"))), Decision::Allow);
    assert_eq!(decide(&mesh, "/?t=1", None), Decision::Unknown);
    assert_eq!(decide(&mesh, "/", Some(("cookie", "a=b; c=d"))), Decision::Unknown);
}

#[test]
fn headers_written_from_tokens_are_removed_from_requests_without_one() {
    let rule = TokenRule {
        written_headers: vec!["x-user".into()],
        ..TokenRule::default()
    };
    let allow = policy(Action::Allow, vec![when("request.headers[x-user]", &["admin"], &[])]);
    let mesh = mesh_with(rule, vec![allow]);
    assert_eq!(decide(&mesh, "/", Some(("x-user", "admin"))), Decision::Deny);
}
