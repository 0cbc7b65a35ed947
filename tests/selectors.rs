//! Label selectors against those of `kube-core`, an independent implementation of Kubernetes' rules.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1 as meta;
use kube_core::{Selector, SelectorExt};
use meshfault::policy::labels::Requirement;
use meshfault::policy::{LabelSelector, Labels};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Few keys and values, so that selectors and labels meet often; empty values and keys with a prefix among them.
fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["app", "tier", "example.org/team", "x"]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", ""]).prop_map(str::to_owned)
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let values = || prop::collection::vec(value(), 1..4);
    prop_oneof![
        values().prop_map(Requirement::In),
        values().prop_map(Requirement::NotIn),
        Just(Requirement::Exists),
        Just(Requirement::DoesNotExist),
    ]
}

fn selector() -> impl Strategy<Value = LabelSelector> {
    let labels = prop::collection::btree_map(key(), value(), 0..3);
    let expressions = prop::collection::vec((key(), requirement()), 0..4);
    (labels, expressions).prop_map(|(match_labels, match_expressions)| LabelSelector {
        match_labels,
        match_expressions,
    })
}

/// The same selector in the types of the Kubernetes API.
fn of_kubernetes(selector: &LabelSelector) -> meta::LabelSelector {
    let requirement = |(key, requirement): &(String, Requirement)| {
        let (operator, values) = match requirement {
            Requirement::In(values) => ("In", Some(values.clone())),
            Requirement::NotIn(values) => ("NotIn", Some(values.clone())),
            Requirement::Exists => ("Exists", None),
            Requirement::DoesNotExist => ("DoesNotExist", None),
        };
        meta::LabelSelectorRequirement {
            key: key.clone(),
            operator: operator.to_owned(),
            values,
        }
    };
    meta::LabelSelector {
        match_labels: Some(selector.match_labels.clone()),
        match_expressions: Some(selector.match_expressions.iter().map(requirement).collect()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn selectors_agree_with_an_independent_implementation(
        selector in selector(),
        labels in prop::collection::btree_map(key(), value(), 0..4),
    ) {
        let theirs = Selector::try_from(of_kubernetes(&selector)).expect("a valid selector");
        prop_assert_eq!(selector.matches(&Labels(labels.clone())), theirs.matches(&labels), "{:?} {:?}", selector, labels);
    }
}

#[test]
fn both_kinds_of_answer_occur_often_enough_to_compare() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let labels = prop::collection::btree_map(key(), value(), 0..4);
    let mut matched = 0;
    for _ in 0..1000 {
        let selector = selector().new_tree(&mut runner).expect("a selector").current();
        let labels: BTreeMap<String, String> = labels.new_tree(&mut runner).expect("labels").current();
        matched += usize::from(selector.matches(&Labels(labels)));
    }
    assert!((100..900).contains(&matched), "{matched} of 1,000");
}
