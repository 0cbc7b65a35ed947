//! Trust domains and their aliases in principals (Istio `pilot/pkg/security/trustdomain/bundle.go`).

use super::*;

/// Whether a policy for this principal lets a client of this trust domain in, whose account is `default/sleep`.
fn lets_in(pattern: &str, domains: &[&str], client: &str) -> bool {
    let options = MeshOptions {
        trust_domain: domains[0].into(),
        trust_domain_aliases: domains[1..].iter().map(|&alias| alias.into()).collect(),
        ..MeshOptions::default()
    };
    let parts = MeshParts {
        authorization_policies: vec![policy(Action::Allow, vec![source(any_of(&[pattern]))])],
        ..MeshParts::default()
    };
    let principal = format!("{client}/ns/default/sa/sleep");
    let verdict = MeshPolicies::of_parts(parts, &options).ask(&endpoint(server()), Some(&principal), None, 80, None);
    verdict.expect("a sidecar").is_allowed()
}

#[test]
fn aliases_and_cluster_local_stand_for_each_other() {
    let domains = ["td2", "td1"];
    for written in ["td1", "td2", "cluster.local"] {
        let pattern = format!("{written}/ns/default/sa/sleep");
        for client in ["td1", "td2"] {
            assert!(lets_in(&pattern, &domains, client), "{pattern} {client}");
        }
        assert!(!lets_in(&pattern, &domains, "td3"), "{pattern}");
        assert!(!lets_in(&pattern, &domains, "cluster.local"), "{pattern}");
    }
}

#[test]
fn a_trust_domain_that_is_no_alias_is_kept() {
    assert!(lets_in("td3/ns/default/sa/sleep", &["td2", "td1"], "td3"));
    assert!(!lets_in("td3/ns/default/sa/sleep", &["td2", "td1"], "td1"));
}

#[test]
fn a_star_as_trust_domain_means_any() {
    assert!(lets_in("*/ns/default/sa/sleep", &["td2", "td1"], "td3"));
}

#[test]
fn a_suffix_as_trust_domain_is_kept_for_those_that_it_matches_and_replaced_for_others() {
    let domains = ["new-td", "old-td", "other"];
    for client in ["new-td", "old-td", "other", "third-td"] {
        assert!(lets_in("*-td/ns/default/sa/sleep", &domains, client), "{client}");
    }
    assert!(!lets_in("*-td/ns/default/sa/sleep", &["new-td", "other"], "another"));
}

#[test]
fn only_principals_of_five_segments_are_expanded() {
    assert!(!lets_in("cluster.local/ns/default/*", &["td1"], "td1"));
    assert!(lets_in("cluster.local/ns/default/*", &["td1"], "cluster.local"));
    assert!(lets_in("cluster.local/ns/default/sa/*", &["td1"], "td1"));
    assert!(lets_in("td1/*", &["td1", "td2"], "td1"));
    assert!(!lets_in("td1/*", &["td1", "td2"], "td2"));
}

#[test]
fn conditions_on_the_principal_are_expanded_too() {
    let parts = MeshParts {
        authorization_policies: vec![policy(
            Action::Allow,
            vec![when("source.principal", &["cluster.local/ns/default/sa/sleep"], &[])],
        )],
        ..MeshParts::default()
    };
    let options = MeshOptions {
        trust_domain: "td1".into(),
        ..MeshOptions::default()
    };
    let mesh = MeshPolicies::of_parts(parts, &options);
    let verdict = mesh.ask(&endpoint(server()), Some("td1/ns/default/sa/sleep"), None, 80, None);
    assert!(verdict.expect("a sidecar").is_allowed());
}
