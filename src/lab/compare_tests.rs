//! Pairs, points of the factors, Pareto sets and expectations on made-up runs.

use std::sync::atomic::AtomicBool;

use super::compare::{Asked, Baseline, CannotCompare, Compared, compare_between, compare_within};
use super::pareto::{Pareto, Verdict};
use super::testing::{Fake, plan};
use super::{Finished, Options, Plan, Start, execute, expectations};
use crate::scenario::asked::Cost;
use crate::scenario::claim::Claim;
use crate::scenario::expectations::Expected;
use crate::scenario::margins::Margin;

/// The fake's three designs: the first lets clients in and is slow, the second is slow, the third is neither.
fn result(change: impl Fn(&mut Plan)) -> Finished {
    result_of(&Fake::default(), change)
}

fn result_of(fake: &Fake, change: impl Fn(&mut Plan)) -> Finished {
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
    execute(&plan, fake, &options, &AtomicBool::new(false), &()).unwrap()
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
        baseline: baseline.map_or(Baseline::Pairs, |name| Baseline::Design(name.to_owned())),
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
    assert_eq!(against, [("a@n=1", "control@n=1"); 2]);
}

#[test]
fn each_design_is_compared_with_its_own_control() {
    let own = result(|plan| {
        named(plan, ["old", "old-off", "new"]);
        plan.designs[0].control = Some("old-off".to_owned());
    });
    let of_summary = own.summary.comparisons.iter();
    let of_summary: Vec<_> = of_summary.map(|of| (of.a.as_str(), of.b.as_str())).collect();
    assert!(of_summary.len() > 1, "{of_summary:?}");
    assert!(of_summary.iter().all(|pair| *pair == ("old", "old-off")));
    let usual = Baseline::usual(&own.manifest.designs);
    let asked = |designs: &[&str]| Asked {
        baseline: usual.clone(),
        designs: designs.iter().map(|name| (*name).to_owned()).collect(),
        ..asked(None)
    };
    let seen = compare_within(&own, &asked(&[])).unwrap();
    assert_eq!(pairs(&seen), [("old", "old-off")]);
    // A control is a yardstick and no choice.
    assert_eq!(seen.pareto[0].left_out, ["old-off"]);
    assert_eq!(compare_within(&own, &asked(&["new"])), Err(CannotCompare::NoPair));
    let of_name = result(|plan| plan.designs[1].control = Some("cilium-only".to_owned()));
    let summary = &of_name.summary.comparisons;
    assert!(
        summary
            .iter()
            .all(|of| (of.a.as_str(), of.b.as_str()) == ("both", "cilium-only"))
    );
}

/// The set of the three designs at these costs, with a margin of unauthorized accesses.
fn weighed(costs: [f64; 3], margin: &str, change: impl Fn(&mut Plan)) -> Pareto {
    let finished = result(|plan| {
        for (design, value) in plan.designs.iter_mut().zip(costs) {
            design.cost = Some(Cost {
                value,
                unit: "replicas".to_owned(),
            });
        }
        // One named `control` would be no choice.
        plan.designs[2].name = "third".to_owned();
        plan.questions.margins = Margin::parse("unauthorized_any", margin).into_iter().collect();
        change(plan);
    });
    compare_within(&finished, &Asked::default()).unwrap().pareto.remove(0)
}

#[test]
fn a_design_is_dominated_only_if_it_is_shown_to_be_nowhere_better() {
    let standing = |costs: [f64; 3], margin: &str| {
        let set = weighed(costs, margin, |_| ());
        let objectives: Vec<&str> = set.objectives.iter().map(|of| of.name.as_str()).collect();
        assert_eq!(objectives, ["unauthorized_any", "startup_latency_p90", "cost"]);
        let verdicts = set.designs.into_iter().map(|of| {
            let by = of
                .dominated_by
                .into_iter()
                .map(|by| (by.design, by.better_in, by.within_margin_in));
            (of.verdict, by.collect::<Vec<_>>())
        });
        verdicts.collect::<Vec<_>>()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (access, slow) = (
        names(&["unauthorized_any", "startup_latency_p90"]),
        names(&["startup_latency_p90"]),
    );
    let alike = standing([3.0, 3.0, 3.0], "20%");
    let by_third = || ("third".to_owned(), access.clone(), names(&["cost"]));
    let by_both = (
        "both".to_owned(),
        names(&["unauthorized_any"]),
        names(&["startup_latency_p90", "cost"]),
    );
    assert_eq!(alike[0], (Verdict::Dominated, vec![by_both.clone(), by_third()]));
    // Slower, as dear, and shown to be no safer by more than the margin.
    let within = names(&["unauthorized_any", "cost"]);
    assert_eq!(alike[1], (Verdict::Dominated, vec![("third".into(), slow, within)]));
    assert_eq!(alike[2], (Verdict::Best, Vec::new()));
    // Sixty runs without an event in either design do not show that they differ by less than a point.
    let narrow = standing([3.0, 3.0, 3.0], "1%");
    assert_eq!(narrow[1], (Verdict::Undecided, Vec::new()));
    assert_eq!(narrow[0], (Verdict::Dominated, vec![by_both, by_third()]));
    // What is cheaper than all others is not dominated, however bad it is.
    assert_eq!(standing([1.0, 3.0, 3.0], "20%")[0], (Verdict::Best, Vec::new()));
}

#[test]
fn a_design_without_a_fault_is_no_choice() {
    let set = weighed([3.0, 3.0, 3.0], "20%", |plan| plan.designs[2].cuts_nothing = true);
    assert_eq!(set.left_out, ["third"]);
    assert_eq!((set.designs.len(), set.family), (2, 2));
    let none = weighed([3.0, 3.0, 3.0], "20%", |plan| {
        plan.designs.iter_mut().for_each(|design| design.cuts_nothing = true);
    });
    assert_eq!((none.designs.len(), none.left_out.len()), (3, 0));
}

#[test]
fn what_no_run_tested_is_neither_claimed_nor_counted() {
    let finished = result_of(&Fake::unanswered(), |_| ());
    let summary = &finished.summary;
    for design in &summary.designs {
        for name in ["unauthorized_any", "first_unauthorized", "demonstrated_any"] {
            let measure = design.measure(name).unwrap();
            let numbers = (measure.estimate, measure.lower, measure.upper, measure.n);
            assert_eq!(numbers, (None, None, None, 0), "{name} of {}", design.name);
        }
    }
    assert!(summary.comparisons.iter().all(|of| of.measure != "unauthorized_any"));
    let asked = Asked {
        measures: vec!["unauthorized_any".to_owned(), "certificate_requests".to_owned()],
        ..Asked::default()
    };
    let seen = compare_within(&finished, &asked).unwrap();
    assert_eq!(
        seen.family, 1,
        "only requests of the two designs with a mesh: {:?}",
        seen.left_out
    );
    // Each reason once, however many designs it holds for.
    assert_eq!(
        seen.left_out,
        [
            "no run of any design has a value of `unauthorized_any`",
            "`cilium-only` has no `certificate_requests`: the design has no mesh"
        ]
    );
    assert_eq!(seen.pareto[0].objectives[0].name, "startup_latency_p90");
    // The same runs with their answers are compared.
    assert_eq!(compare_within(&result(|_| ()), &asked).unwrap().family, 4);
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
