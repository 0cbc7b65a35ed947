//! Pairs, points of the factors, Pareto sets and expectations on made-up runs.

use std::sync::atomic::AtomicBool;

use super::compare::{Asked, CannotCompare, Compared, compare_between, compare_within};
use super::pareto::Verdict;
use super::testing::{Fake, plan};
use super::{Finished, Options, Plan, Start, execute, expectations};
use crate::scenario::asked::Cost;
use crate::scenario::claim::Claim;
use crate::scenario::expectations::Expected;

/// The fake's three designs: the first lets clients in and is slow, the second is slow, the third is neither.
fn result(change: impl Fn(&mut Plan)) -> Finished {
    let mut plan = plan(60);
    change(&mut plan);
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        dir: dir.path().to_owned(),
        jobs: 2,
        start: Start::New,
        quiet: true,
        command_line: Vec::new(),
    };
    execute(&plan, &Fake::default(), &options, &AtomicBool::new(false)).unwrap()
}

fn named(plan: &mut Plan, names: [&str; 3]) {
    for (design, name) in plan.designs.iter_mut().zip(names) {
        design.name = name.to_owned();
    }
}

fn pairs(compared: &Compared) -> Vec<(&str, &str)> {
    let pairs = compared.comparisons.iter().map(|of| (of.a.as_str(), of.b.as_str()));
    pairs.collect()
}

fn asked(baseline: Option<&str>) -> Asked {
    Asked {
        baseline: baseline.map(str::to_owned),
        measures: vec!["unauthorized_any".to_owned()],
        ..Asked::default()
    }
}

#[test]
fn designs_are_compared_at_their_point() {
    let points = result(|plan| named(plan, ["a@n=1", "b@n=1", "a@n=2"]));
    let seen = compare_within(&points, &asked(None)).unwrap();
    assert_eq!(pairs(&seen), [("a@n=1", "b@n=1")]);
    assert_eq!((seen.family, seen.confidence_each), (1, 0.95));
    assert_eq!(
        seen.pareto.iter().map(|set| set.point.as_str()).collect::<Vec<_>>(),
        ["n=1"]
    );
    assert_eq!(
        pairs(&compare_within(&points, &asked(Some("b"))).unwrap()),
        [("a@n=1", "b@n=1")]
    );
    let against = compare_within(&points, &asked(Some("a@n=2"))).unwrap();
    assert_eq!(pairs(&against), [("a@n=1", "a@n=2"), ("b@n=1", "a@n=2")]);
    assert_eq!(
        compare_within(&points, &asked(Some("c"))),
        Err(CannotCompare::Design(
            "c".into(),
            vec!["a@n=1".into(), "b@n=1".into(), "a@n=2".into()]
        ))
    );
}

#[test]
fn the_control_of_the_summary_is_that_of_the_same_point() {
    let points = result(|plan| named(plan, ["a@n=1", "control@n=2", "control@n=1"]));
    let against: Vec<_> = points
        .summary
        .comparisons
        .iter()
        .map(|of| (of.a.as_str(), of.b.as_str()))
        .collect();
    assert_eq!(against, [("a@n=1", "control@n=1"), ("a@n=1", "control@n=1")]);
}

#[test]
fn a_design_is_dominated_only_if_it_is_nowhere_better() {
    let priced = |costs: [f64; 3]| {
        let finished = result(|plan| {
            for (design, value) in plan.designs.iter_mut().zip(costs) {
                design.cost = Some(Cost {
                    value,
                    unit: "replicas".to_owned(),
                });
            }
        });
        let set = compare_within(&finished, &Asked::default()).unwrap().pareto.remove(0);
        assert_eq!(set.objectives, ["unauthorized_any", "startup_latency_p90", "cost"]);
        set.designs
            .into_iter()
            .map(|of| (of.verdict, of.dominated_by))
            .collect::<Vec<_>>()
    };
    let control = || vec!["control".to_owned()];
    let cheap = priced([3.0, 3.0, 3.0]);
    assert_eq!(cheap[0], (Verdict::Dominated, control()));
    // As safe as the control in every replication, as dear, and slower.
    assert_eq!(cheap[1], (Verdict::Dominated, control()));
    assert_eq!(cheap[2], (Verdict::Best, Vec::new()));
    // What is cheaper than all others is not dominated, however bad it is.
    let dear = priced([1.0, 3.0, 3.0]);
    assert_eq!(dear[0], (Verdict::Best, Vec::new()));
}

#[test]
fn results_of_other_seeds_are_refused_or_independent() {
    let (one, other) = (result(|_| ()), result(|plan| plan.seed = 9));
    let refused = compare_between(&one, &other, &asked(None));
    assert_eq!(refused, Err(CannotCompare::NotPaired(vec!["seed: 1 and 9".to_owned()])));
    let unpaired = Asked {
        unpaired: true,
        ..asked(None)
    };
    let seen = compare_between(&one, &other, &unpaired).unwrap();
    assert!(!seen.paired && seen.comparisons.iter().all(|of| of.method.starts_with("independent")));
    assert_eq!(seen.family, 3);
    let same = compare_between(
        &one,
        &result(|plan| plan.version = "0.0.1".into()),
        &asked(Some("control")),
    )
    .unwrap();
    assert_eq!(pairs(&same)[0], ("cilium-only (first)", "control (second)"));
    assert!(same.paired && same.differs == ["version: 0.0.0-test and 0.0.1"]);
}

#[test]
fn expectations_are_decided_per_design_and_point() {
    let expected = |text: &str| Expected {
        name: None,
        text: text.to_owned(),
        claim: Claim::parse(text).unwrap(),
    };
    let finished = result(|plan| {
        named(plan, ["a@n=1", "b@n=1", "b@n=2"]);
        plan.questions.expectations = [
            "unauthorized_any < 0.2",
            "unauthorized_any of b < 0.2",
            "startup_latency_p50 of b <= 1.1 * a + 5s",
            "startup_latency_p50 of b >= a + 5s",
            "startup_latency_p90 > b",
            "certificate_requests of a < 100",
            "certificate_stuck_share of b@n=1 < 0.2",
            "certificate_unstuck_max of c < 1s",
        ]
        .into_iter()
        .map(expected)
        .collect();
    });
    let told: Vec<String> = finished
        .summary
        .expectations
        .iter()
        .map(|of| {
            format!(
                "{} [{}]: {:?}, {}",
                of.text,
                of.design.as_deref().unwrap_or("-"),
                of.outcome,
                of.reason
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
    let again = expectations::evaluate(
        &{
            let mut plan = plan(60);
            named(&mut plan, ["a@n=1", "b@n=1", "b@n=2"]);
            plan.questions = finished.manifest.questions.clone();
            plan
        },
        &finished.numbers,
        &finished.summary.designs,
    );
    assert_eq!(
        again, finished.summary.expectations,
        "stored numbers decide as fresh ones do"
    );
}
