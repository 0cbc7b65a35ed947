//! Policies with fields of HTTP on plain TCP (page "Authorization for TCP traffic"; Istio
//! `pilot/pkg/security/authz/model/model.go`, `Generate` and `checkError`).

use super::*;

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
        ports: only(vec![5000]),
        ..Operation::default()
    });
    assert!(authorize(vec![policy(Action::Allow, vec![port_only])], SLEEP, TCP));
}

fn decide(action: Action, rule: Rule) -> Decision {
    ask(vec![policy(action, vec![rule])], SLEEP, None)
}

/// One rule for each field that only HTTP has.
fn http_only() -> Vec<Rule> {
    let methods = Operation {
        methods: none_of(&["GET"]),
        ..Operation::default()
    };
    let request_principals = Source {
        request_principals: not(vec!["*".to_owned()]),
        ..Source::default()
    };
    vec![
        operation(methods),
        operation(Operation {
            paths: only(paths(&["/never"])),
            ..Operation::default()
        }),
        operation(Operation {
            hosts: any_of(&["never"]),
            ..Operation::default()
        }),
        from_source(request_principals),
        when("request.headers[x]", &["never"], &[]),
        when("request.auth.claims[iss]", &["never"], &[]),
        when("request.auth.principal", &["never"], &[]),
        when("request.auth.audiences", &[], &["never"]),
        when("request.auth.presenter", &["never"], &[]),
    ]
}

#[test]
fn every_field_of_http_makes_an_allow_rule_vanish_and_leaves_a_deny_rule_without_it() {
    for rule in http_only() {
        let text = format!("{rule:?}");
        assert_eq!(decide(Action::Allow, rule.clone()), Decision::Deny, "{text}");
        assert_eq!(decide(Action::Deny, rule), Decision::Deny, "{text}");
    }
}

#[test]
fn what_is_left_of_a_deny_rule_still_has_to_match() {
    for mut rule in http_only() {
        rule.when
            .push(When::parse("destination.port", &["81"], &[]).expect("valid"));
        assert_eq!(decide(Action::Deny, rule.clone()), Decision::Allow, "{rule:?}");
    }
    let mixed = operation(Operation {
        methods: any_of(&["GET"]),
        ports: only(vec![81]),
        ..Operation::default()
    });
    assert_eq!(decide(Action::Deny, mixed), Decision::Allow);
}

#[test]
fn one_operation_with_a_field_of_http_makes_the_whole_allow_rule_vanish() {
    let mut rule = operation(Operation {
        ports: only(vec![5000]),
        ..Operation::default()
    });
    assert_eq!(decide(Action::Allow, rule.clone()), Decision::Allow);
    rule.to.push(Operation {
        methods: any_of(&["GET"]),
        ..Operation::default()
    });
    assert_eq!(decide(Action::Allow, rule), Decision::Deny);
}

#[test]
fn custom_gets_wider_on_tcp_like_deny() {
    let rule = operation(Operation {
        paths: only(paths(&["/never"])),
        ..Operation::default()
    });
    assert_eq!(decide(Action::Custom, rule), Decision::Unknown);
}
