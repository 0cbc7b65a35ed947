//! Label selectors against those of `kube-core`, an independent implementation of Kubernetes' rules, which was asked once:
//! `tests/fixtures/selectors` has the cases, its answers and the program that wrote them.

#[path = "fixtures/selectors/cases.rs"]
mod cases;

use cases::{Case, cases};
use meshfault::policy::labels::Requirement;
use meshfault::policy::{LabelSelector, Labels};

const ANSWERS: &str = include_str!("fixtures/selectors/answers.txt");

fn ours(case: Case) -> bool {
    let requirement = |(key, operator, values)| {
        let requirement = match operator {
            "In" => Requirement::In(values),
            "NotIn" => Requirement::NotIn(values),
            "Exists" => Requirement::Exists,
            _ => Requirement::DoesNotExist,
        };
        (key, requirement)
    };
    let selector = LabelSelector {
        match_labels: case.match_labels,
        match_expressions: case.match_expressions.into_iter().map(requirement).collect(),
    };
    selector.matches(&Labels(case.labels))
}

#[test]
fn selectors_agree_with_an_independent_implementation() {
    let theirs: Vec<bool> = ANSWERS.chars().filter(|c| *c != '\n').map(|c| c == '1').collect();
    let ours: Vec<bool> = cases().map(ours).collect();
    assert_eq!(ours.len(), theirs.len());
    let differing: Vec<usize> = (0..ours.len()).filter(|&case| ours[case] != theirs[case]).collect();
    assert!(differing.is_empty(), "cases {differing:?} differ");
    // Both answers occur often enough to compare.
    let matched = theirs.iter().filter(|matched| **matched).count();
    assert!((400..3700).contains(&matched), "{matched} of {} match", theirs.len());
}
