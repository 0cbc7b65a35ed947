//! Properties that hold for all policies: equality with the direct evaluation, order, monotony, negation.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::naive::Asked;
use super::*;

const PRINCIPALS: [&str; 8] = [
    "cluster.local/ns/default/sa/sleep",
    "cluster.local/ns/default/sa/other",
    "cluster.local/ns/foo/sa/sleep",
    "cluster.local/ns/default/*",
    "cluster.local/ns/foo/sa/*",
    "*/sa/sleep",
    "*/default/sa/other",
    "*",
];
const CLIENTS: [Option<&str>; 4] = [
    None,
    Some("cluster.local/ns/default/sa/sleep"),
    Some("cluster.local/ns/default/sa/other"),
    Some("cluster.local/ns/foo/sa/sleep"),
];

/// Neither list, one, or both.
fn condition<T: Clone + std::fmt::Debug + 'static>(entries: Vec<T>) -> impl Strategy<Value = Condition<T>> {
    let most = entries.len().min(2);
    let lists = (
        subsequence(entries.clone(), 0..=most),
        subsequence(entries, 0..=most),
        0..5_u8,
    );
    lists.prop_map(|(any_of, none_of, kind)| match kind {
        0 => Condition { any_of, none_of },
        1 => only(any_of),
        2 => not(none_of),
        _ => Condition::default(),
    })
}

fn texts(entries: &[&str]) -> impl Strategy<Value = Condition<StringMatch>> + use<> {
    condition(patterns(entries))
}

fn a_source() -> impl Strategy<Value = Source> {
    let accounts = ["sleep", "foo/sleep", "default/other"].map(|text| ServiceAccountRef::parse(text).expect("valid"));
    let blocks = ["10.0.0.1", "10.0.0.0/8", "192.168.0.0/16"].map(|text| AddressBlock::parse(text).expect("valid"));
    (
        texts(&PRINCIPALS),
        texts(&["default", "foo"]),
        condition(accounts.to_vec()),
        condition(vec!["*".to_owned()]),
        condition(blocks.to_vec()),
    )
        .prop_map(
            |(principals, namespaces, service_accounts, request_principals, ip_blocks)| Source {
                principals,
                namespaces,
                service_accounts,
                request_principals,
                ip_blocks,
                ..Source::default()
            },
        )
        .prop_filter("Istio refuses an empty source", |source| *source != Source::default())
}

fn an_operation() -> impl Strategy<Value = Operation> {
    (
        texts(&["GET", "POST", "P*", "*"]),
        condition(paths(&["/a", "/a/*", "*/b", "/a/{*}", "*"])),
        texts(&["Server", "*.COM", "*"]),
        condition(vec![80_u16, 5000]),
    )
        .prop_map(|(methods, paths, hosts, ports)| Operation {
            methods,
            paths,
            hosts,
            ports,
            unknown: false,
        })
        .prop_filter("Istio refuses an empty operation", |operation| {
            *operation != Operation::default()
        })
}

fn a_condition() -> impl Strategy<Value = When> {
    prop_oneof![
        texts(&["default", "foo"]).prop_map(When::SourceNamespace),
        condition(vec![80_u16, 5000]).prop_map(When::DestinationPort),
        texts(&["1", "2*", "*"]).prop_map(|values| When::Header {
            name: "x".into(),
            values,
        }),
    ]
    .prop_filter("Istio refuses a condition without values", |when| match when {
        When::SourceNamespace(values) | When::Header { values, .. } => !values.is_empty(),
        When::DestinationPort(ports) => !ports.is_empty(),
        _ => true,
    })
}

fn a_rule() -> impl Strategy<Value = Rule> {
    let lists = (
        prop::collection::vec(a_source(), 0..3),
        prop::collection::vec(an_operation(), 0..3),
        prop::collection::vec(a_condition(), 0..2),
    );
    lists.prop_map(|(from, to, when)| Rule { from, to, when })
}

fn a_policy() -> impl Strategy<Value = AuthorizationPolicy> {
    let selectors = vec![
        LabelSelector::default(),
        LabelSelector::from([("app", "server")]),
        LabelSelector::from([("app", "server"), ("version", "v1")]),
        LabelSelector::from([("app", "other")]),
    ];
    (
        select(vec!["default", "default", "istio-system", "foo"]),
        select(selectors),
        select(vec![Action::Allow, Action::Allow, Action::Deny, Action::Audit]),
        prop::collection::vec(a_rule(), 0..4),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(namespace, selector, action, rules, dry_run)| AuthorizationPolicy {
            namespace: namespace.into(),
            name: "p".into(),
            selector,
            action,
            rules,
            dry_run,
            ..AuthorizationPolicy::default()
        })
}

fn policies() -> impl Strategy<Value = Vec<AuthorizationPolicy>> {
    prop::collection::vec(a_policy(), 0..5)
}

fn asked() -> impl Strategy<Value = Asked> {
    let http = (
        select(vec!["GET", "POST", "PUT"]),
        select(vec!["/", "/a", "/a/b", "/a/b/c"]),
        select(vec!["server", "SERVER", "x.com"]),
        select(vec![None, Some("1"), Some("23"), Some("")]),
    );
    let http = http.prop_map(|(method, path, host, x)| {
        (
            method.to_owned(),
            path.to_owned(),
            host.to_owned(),
            x.map(str::to_owned),
        )
    });
    (
        select(CLIENTS.to_vec()),
        select(vec!["10.0.0.1", "10.0.0.2", "192.168.1.1"]),
        select(vec![80_u16, 5000]),
        prop::option::weighted(0.7, http),
        prop::bool::weighted(0.3),
    )
        .prop_map(|(principal, source, port, http, ambient)| Asked {
            principal: principal.map(str::to_owned),
            source: source.parse().expect("an address"),
            port,
            http,
            ambient,
        })
}

/// The verdict of the compiled policies, asked both ways.
fn compiled(policies: &[AuthorizationPolicy], asked: &Asked) -> Verdict {
    let mesh = mesh(policies.to_vec());
    let mut to = endpoint(Subject {
        labels: labels(),
        ..server()
    });
    (to.sidecar, to.ambient) = (!asked.ambient, asked.ambient);
    let headers: Vec<(String, String)> = asked
        .http
        .iter()
        .filter_map(|http| Some(("X".to_owned(), http.3.clone()?)))
        .collect();
    let http = asked.http.as_ref().map(|(method, path, host, _)| Http {
        method,
        path,
        host: Some(host),
        headers: &headers,
    });
    let principal = asked.principal.as_deref();
    let direct = mesh
        .ask(&to, principal, Some(asked.source), asked.port, http)
        .expect("a proxy");
    let question = Question {
        port: asked.port,
        http,
        source_address: Some(asked.source),
        destination_addresses: &[],
    };
    let server = mesh.server(&to).expect("a proxy");
    assert_eq!(mesh.verdict(&server, &mesh.client(principal), &question), direct);
    direct
}

fn labels() -> Labels {
    Labels::from([("app", "server"), ("version", "v1")])
}

fn decision(policies: &[AuthorizationPolicy], asked: &Asked) -> Decision {
    compiled(policies, asked).decision
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn compiled_equals_the_direct_evaluation(policies in policies(), asked in asked()) {
        let expected = if asked.passes(&policies, &labels()) { Decision::Allow } else { Decision::Deny };
        prop_assert_eq!(decision(&policies, &asked), expected);
    }

    #[test]
    fn order_of_policies_and_rules_changes_only_the_reason(policies in policies(), asked in asked()) {
        let mut turned = policies.clone();
        turned.reverse();
        turned.iter_mut().for_each(|policy| policy.rules.reverse());
        prop_assert_eq!(decision(&policies, &asked), decision(&turned, &asked));
    }

    #[test]
    fn a_further_allow_never_takes_from_a_workload_that_has_one(
        policies in policies(), further in a_policy(), asked in asked(),
    ) {
        let mut base = policies;
        base.push(policy(Action::Allow, vec![]));
        let before = decision(&base, &asked);
        base.push(AuthorizationPolicy { action: Action::Allow, ..further });
        if before == Decision::Allow {
            prop_assert_eq!(decision(&base, &asked), Decision::Allow);
        }
    }

    #[test]
    fn deny_wins(policies in policies(), deny in a_policy(), asked in asked()) {
        let deny = AuthorizationPolicy { action: Action::Deny, ..deny };
        let alone = decision(std::slice::from_ref(&deny), &asked);
        let mut all = policies;
        all.push(deny);
        if alone == Decision::Deny {
            prop_assert_eq!(decision(&all, &asked), Decision::Deny);
        }
    }

    #[test]
    fn a_negative_list_is_the_negation_of_the_positive_one_where_the_value_is_there(
        principals in subsequence(PRINCIPALS.to_vec(), 1..4), client in select(CLIENTS[1..].to_vec()),
    ) {
        let allow = |condition| ask(vec![policy(Action::Allow, vec![source(condition)])], client, None);
        prop_assert_ne!(allow(any_of(&principals)), allow(none_of(&principals)));
    }

    #[test]
    fn an_unknown_part_never_turns_an_answer_around(policies in policies(), asked in asked(), place in 0..8_usize) {
        let known = decision(&policies, &asked);
        let mut hidden = policies;
        let mut rules = hidden.iter_mut().flat_map(|policy| &mut policy.rules);
        if let Some(rule) = rules.nth(place) {
            rule.when.push(When::Unknown);
        }
        // Hiding a part of a rule makes the rule one that may match: whatever it said is still possible.
        let now = decision(&hidden, &asked);
        let mut without = hidden.clone();
        for policy in &mut without {
            policy.rules.retain(|rule| !rule.when.contains(&When::Unknown));
        }
        let never = decision(&without, &asked);
        if known == never {
            prop_assert_eq!(now, known);
        } else {
            prop_assert_eq!(now, Decision::Unknown);
        }
    }
}
