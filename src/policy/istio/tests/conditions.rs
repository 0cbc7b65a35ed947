//! The page "Authorization Policy Conditions", key by key, and the fields of `source` that say the same.

use super::*;

/// Who asks, from where, with which headers.
#[derive(Clone, Copy)]
struct From<'a> {
    principal: Option<&'a str>,
    source: Option<&'a str>,
    pods: &'a [&'a str],
    headers: &'a [(&'a str, &'a str)],
}

const ANONYMOUS: From<'_> = From {
    principal: SLEEP,
    source: None,
    pods: &[],
    headers: &[],
};

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

fn decide(action: Action, rule: Rule, from: From<'_>) -> Decision {
    let mut to = endpoint(server());
    to.addresses = addresses(from.pods);
    let headers: Vec<(String, String)> = from.headers.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
    let request = Http {
        method: "GET",
        path: "/info?a=b",
        host: Some("server.default:5000"),
        headers: &headers,
    };
    let source = from.source.map(|text| addresses(&[text])[0]);
    let mesh = mesh(vec![policy(action, vec![rule])]);
    let verdict = mesh.ask(&to, from.principal, source, 5000, Some(request));
    verdict.expect("a sidecar").decision
}

/// What an ALLOW rule with this condition answers.
fn allow(key: &str, values: &[&str], from: From<'_>) -> Decision {
    decide(Action::Allow, when(key, values, &[]), from)
}

fn not_values(key: &str, values: &[&str], from: From<'_>) -> Decision {
    decide(Action::Allow, when(key, &[], values), from)
}

#[test]
fn request_headers_compare_names_in_any_case_and_values_exactly() {
    let sent = |headers| From { headers, ..ANONYMOUS };
    let agent = sent(&[("User-Agent", "Mozilla/5.0")]);
    assert_eq!(
        allow("request.headers[user-AGENT]", &["Mozilla/*"], agent),
        Decision::Allow
    );
    assert_eq!(
        allow("request.headers[user-agent]", &["mozilla/*"], agent),
        Decision::Deny
    );
    assert_eq!(allow("request.headers[user-agent]", &["*"], sent(&[])), Decision::Deny);
    assert_eq!(
        allow("request.headers[user-agent]", &["*"], sent(&[("user-agent", "")])),
        Decision::Allow
    );
    assert_eq!(
        not_values("request.headers[user-agent]", &["*"], sent(&[])),
        Decision::Allow
    );
    assert_eq!(
        not_values("request.headers[user-agent]", &["Mozilla/*"], agent),
        Decision::Deny
    );
}

#[test]
fn request_headers_know_the_fields_of_http_2() {
    assert_eq!(allow("request.headers[:method]", &["GET"], ANONYMOUS), Decision::Allow);
    assert_eq!(
        allow("request.headers[:path]", &["/info?a=b"], ANONYMOUS),
        Decision::Allow
    );
    assert_eq!(
        allow("request.headers[:authority]", &["server.default:5000"], ANONYMOUS),
        Decision::Allow
    );
    assert_eq!(
        allow("request.headers[host]", &["server.*"], ANONYMOUS),
        Decision::Allow
    );
}

#[test]
fn header_fields_that_proxies_set_are_unknown() {
    assert_eq!(
        allow("request.headers[x-request-id]", &["1"], ANONYMOUS),
        Decision::Unknown
    );
    assert_eq!(
        allow("request.headers[x-envoy-foo]", &["1"], ANONYMOUS),
        Decision::Unknown
    );
}

#[test]
fn source_ip_is_an_address_or_a_block() {
    let here = From {
        source: Some("10.1.2.3"),
        ..ANONYMOUS
    };
    for (value, expected) in [
        ("10.1.2.3", Decision::Allow),
        ("10.1.0.0/16", Decision::Allow),
        ("10.1.9.9/16", Decision::Allow),
        ("10.2.0.0/16", Decision::Deny),
        ("::/0", Decision::Deny),
    ] {
        assert_eq!(allow("source.ip", &[value], here), expected, "{value}");
        let source = Source {
            ip_blocks: only(vec![AddressBlock::parse(value).expect("valid")]),
            ..Source::default()
        };
        assert_eq!(decide(Action::Allow, from_source(source), here), expected, "{value}");
    }
    assert_eq!(not_values("source.ip", &["10.1.2.3"], here), Decision::Deny);
}

#[test]
fn without_a_known_address_the_answer_is_open() {
    assert_eq!(allow("source.ip", &["10.1.2.3"], ANONYMOUS), Decision::Unknown);
    assert_eq!(not_values("source.ip", &["10.1.2.3"], ANONYMOUS), Decision::Unknown);
    assert_eq!(allow("remote.ip", &["10.1.2.3"], ANONYMOUS), Decision::Unknown);
    assert_eq!(allow("destination.ip", &["10.1.2.3"], ANONYMOUS), Decision::Unknown);
}

#[test]
fn remote_ip_is_the_last_forwarded_address_or_else_the_source() {
    let via = |headers| From {
        source: Some("10.0.0.1"),
        headers,
        ..ANONYMOUS
    };
    let forwarded = via(&[("X-Forwarded-For", "1.1.1.1, 2.2.2.2")]);
    assert_eq!(allow("remote.ip", &["2.2.2.2"], forwarded), Decision::Allow);
    assert_eq!(allow("remote.ip", &["1.1.1.1", "10.0.0.1"], forwarded), Decision::Deny);
    assert_eq!(allow("remote.ip", &["10.0.0.1"], via(&[])), Decision::Allow);
    assert_eq!(allow("source.ip", &["10.0.0.1"], forwarded), Decision::Allow);
}

#[test]
fn source_namespace_and_principal_need_mutual_tls() {
    let plain = From {
        principal: None,
        ..ANONYMOUS
    };
    for (key, value) in [
        ("source.namespace", "default"),
        ("source.principal", "cluster.local/ns/default/sa/sleep"),
        ("source.serviceAccount", "sleep"),
        ("source.serviceAccount", "default/sleep"),
    ] {
        assert_eq!(allow(key, &[value], ANONYMOUS), Decision::Allow, "{key}");
        assert_eq!(allow(key, &[value], plain), Decision::Deny, "{key}");
        assert_eq!(not_values(key, &[value], ANONYMOUS), Decision::Deny, "{key}");
        assert_eq!(not_values(key, &[value], plain), Decision::Allow, "{key}");
    }
    assert_eq!(allow("source.namespace", &["other"], ANONYMOUS), Decision::Deny);
    assert_eq!(
        allow("source.serviceAccount", &["other/sleep"], ANONYMOUS),
        Decision::Deny
    );
}

#[test]
fn request_auth_has_no_values_without_a_token() {
    for key in [
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "request.auth.claims[iss]",
        "request.auth.claims[nested][group]",
    ] {
        assert_eq!(allow(key, &["*"], ANONYMOUS), Decision::Deny, "{key}");
        assert_eq!(not_values(key, &["*"], ANONYMOUS), Decision::Allow, "{key}");
    }
}

#[test]
fn destination_ip_is_known_where_all_pods_answer_alike() {
    let pods = |pods| From { pods, ..ANONYMOUS };
    assert_eq!(
        allow("destination.ip", &["10.0.0.0/8"], pods(&["10.0.0.1", "10.0.0.2"])),
        Decision::Allow
    );
    assert_eq!(
        allow("destination.ip", &["10.0.0.1"], pods(&["10.0.0.1", "10.0.0.2"])),
        Decision::Unknown
    );
    assert_eq!(
        allow("destination.ip", &["10.0.0.3"], pods(&["10.0.0.1", "10.0.0.2"])),
        Decision::Deny
    );
}

#[test]
fn destination_port_is_the_port_of_the_workload() {
    assert_eq!(allow("destination.port", &["80", "5000"], ANONYMOUS), Decision::Allow);
    assert_eq!(allow("destination.port", &["80"], ANONYMOUS), Decision::Deny);
    assert_eq!(not_values("destination.port", &["5000"], ANONYMOUS), Decision::Deny);
}

#[test]
fn connection_sni_is_absent_from_plain_text_and_else_not_known() {
    let plain = From {
        principal: None,
        ..ANONYMOUS
    };
    assert_eq!(allow("connection.sni", &["*"], plain), Decision::Deny);
    assert_eq!(
        allow("connection.sni", &["www.example.com"], ANONYMOUS),
        Decision::Unknown
    );
}

#[test]
fn all_conditions_of_a_rule_are_required_and_one_value_of_each_is_enough() {
    let mut rule = when("destination.port", &["80", "5000"], &[]);
    rule.when
        .push(When::parse("source.namespace", &["default"], &[]).expect("valid"));
    assert_eq!(decide(Action::Allow, rule.clone(), ANONYMOUS), Decision::Allow);
    rule.when
        .push(When::parse("source.namespace", &["other"], &[]).expect("valid"));
    assert_eq!(decide(Action::Allow, rule, ANONYMOUS), Decision::Deny);
}

#[test]
fn values_and_not_values_of_one_condition_are_both_required() {
    let rule = |not: &str| when("source.namespace", &["def*"], &[not]);
    assert_eq!(decide(Action::Allow, rule("other"), ANONYMOUS), Decision::Allow);
    assert_eq!(decide(Action::Allow, rule("default"), ANONYMOUS), Decision::Deny);
}

#[test]
fn unknown_keys_and_wrong_values_are_not_valid() {
    for (key, value) in [
        ("source.ips", "10.0.0.1"),
        ("source.ip", "10.0.0"),
        ("source.ip", "10.0.0.1/33"),
        ("destination.port", "http"),
        ("destination.labels[version]", "v1"),
        ("destination.user", "a"),
        ("request.headers", "a"),
        ("request.headers[]", "a"),
        ("request.auth.claims", "a"),
        ("source.serviceAccount", "a*"),
        ("source.principal", ""),
    ] {
        let error = When::parse(key, &[value], &[]).expect_err("not valid");
        assert!(
            matches!(error, crate::policy::PolicyError::Invalid { .. }),
            "{key} {value}: {error}"
        );
    }
}

#[test]
fn what_other_filters_leave_behind_is_not_modelled() {
    let error = When::parse("experimental.envoy.filters.network.mysql_proxy[db.table]", &["a"], &[]);
    assert!(error.expect_err("refused").to_string().ends_with("is not modeled"));
}
