//! The lines of the answer and their marks.

use indexmap::IndexMap;

use super::*;
use crate::stats::share_of_runs;

/// A share of runs under its name.
fn share_of(name: &str, events: u64, runs: u64) -> (String, Measure) {
    (
        name.to_owned(),
        Measure::new("share", "1", share_of_runs(events, runs, 0.95)),
    )
}

/// A mean without an interval.
fn mean_of(name: &str, value: f64) -> (String, Measure) {
    let mut measure = Measure::extreme("mean", "s", Some(value), 300);
    measure.confidence = Some(0.95);
    (name.to_owned(), measure)
}

fn design(name: &str, measures: Vec<(String, Measure)>) -> DesignSummary {
    let measures: IndexMap<String, Measure> = measures.into_iter().collect();
    DesignSummary {
        name: name.to_owned(),
        replications: 300,
        failed: 0,
        measures,
        edges: Vec::new(),
        availability: Vec::new(),
        flows: Vec::new(),
    }
}

/// A design whose exposure is watched: this many seconds per run, in this many runs above ten seconds.
fn watched(name: &str, admitted: u64, tested: u64, open_s: f64, open_runs: u64) -> DesignSummary {
    design(
        name,
        vec![
            share_of(ACCESS, admitted, 300),
            share_of(TESTED, admitted, tested),
            mean_of("unauthorized_exposure_service", open_s),
            mean_of("unauthorized_exposure_pod_ip", 4.0 * open_s),
            share_of(OPEN[0], open_runs, 300),
            share_of(OPEN[1], open_runs, 300),
            share_of("unauthorized_any_at_1_per_s_service", 57, 300),
        ],
    )
}

#[test]
fn a_design_that_stands_open_without_a_lucky_probe_is_breached() {
    let line = line(&[&watched("cnp-only", 0, 40, 61.5, 57)], false);
    assert_eq!((line.mark, line.sign.as_str()), (Mark::Breached, "✗"));
    for part in [
        "0 of the 40 runs that tested it",
        "open 61.5 s per run, 246 s by pod IP",
        "at 1/s",
        "19%",
    ] {
        assert!(line.text.contains(part), "{part}: {}", line.text);
    }
}

#[test]
fn a_bound_counts_the_runs_that_tested_it() {
    let few = design("as-published", vec![share_of(ACCESS, 0, 300), share_of(TESTED, 0, 5)]);
    let text = line(&[&few], false);
    assert_eq!(text.mark, Mark::Undecided);
    assert!(
        text.text.contains("0 of the 5 runs that tested it (≤ 52.2%)"),
        "{}",
        text.text
    );
    let many = design("istio-only", vec![share_of(ACCESS, 0, 300), share_of(TESTED, 0, 120)]);
    assert_eq!(line(&[&many], false).mark, Mark::Held);
    let never = design("never", vec![share_of(ACCESS, 0, 300), share_of(TESTED, 0, 0)]);
    assert_eq!(
        (line(&[&never], false).mark, line(&[&never], false).text.as_str()),
        (Mark::Undecided, "not tested")
    );
}

#[test]
fn a_control_gets_no_verdict_and_a_healthy_cluster_is_not_open() {
    assert_eq!(line(&[&watched("off", 0, 300, 0.05, 0)], true).mark, Mark::Control);
    assert_eq!(line(&[&watched("healthy", 0, 300, 0.05, 0)], false).mark, Mark::Held);
    assert_eq!(
        line(&[&watched("short", 0, 3, 0.0, 0)], false).mark,
        Mark::Held,
        "300 runs were watched all the time"
    );
    // Watched all the time and never open, but no request of the wrong client was decided about.
    let untested = line(&[&watched("untested", 0, 0, 0.0, 0)], false);
    assert_eq!((untested.mark, untested.sign.as_str()), (Mark::Undecided, "?"));
    assert!(
        untested.text.starts_with("not tested; never open (≤ "),
        "{}",
        untested.text
    );
}

#[test]
fn points_share_a_line_and_many_designs_are_counted() {
    let points = [
        watched("a@cut=10s", 0, 300, 0.0, 0),
        watched("a@cut=80s", 3, 300, 20.0, 9),
    ];
    let both = line(&points.each_ref(), false);
    assert_eq!((both.mark, both.name.as_str()), (Mark::Breached, "a"));
    assert!(
        both.text.starts_with("open to the wrong client at 1 of 2 points"),
        "{}",
        both.text
    );
    let designs = (0..12).map(|at| watched(&format!("d{at}"), u64::from(at == 11), 300, 0.0, 0));
    let summary = Summary {
        experiment: String::new(),
        version: String::new(),
        headline: Vec::new(),
        designs: designs.collect(),
        comparisons: Vec::new(),
        not_compared: Vec::new(),
        expectations: Vec::new(),
    };
    let answer = Answer::of(
        &Manifest::of(&crate::lab::testing::plan(1)),
        &summary,
        &[],
        "meshfault run fake",
    );
    assert_eq!(
        (answer.designs.len(), answer.more.as_str()),
        (DESIGNS_MAX, "6 more designs: 6 ✓")
    );
    assert_eq!(answer.designs[0].name, "d11", "what decides comes first");
}

#[test]
fn an_experiment_about_startup_answers_about_startup() {
    let measures = |median: f64, delayed: u64| {
        vec![
            mean_of("startup_latency_p50", median),
            share_of("delayed_share", delayed, 300),
            share_of("never_ready_share", 0, 300),
            // The measure exists, but no run sends a request.
            share_of(TESTED, 0, 0),
        ]
    };
    let drops = design("drop", measures(35.26, 163));
    assert!(!asks_for_access(&drops) && asks_for_access(&watched("a", 0, 300, 0.0, 0)));
    let answer = startup_line(&[&drops], &[], false);
    assert_eq!((answer.mark, answer.sign.as_str()), (Mark::NotAsked, "•"));
    assert_eq!(
        answer.text,
        "median startup 35.3 s; 54.3% of the pods delayed; 0% of the pods never ready"
    );
    let points = [&drops, &design("drop@cut=10s", measures(8.0, 0))];
    assert!(
        startup_line(&points, &[], false)
            .text
            .starts_with("median startup 8 s to 35.3 s; 0% to 54.3% of the pods delayed")
    );
    assert_eq!(startup_line(&[&drops], &[], true).mark, Mark::Control);
    let headline = ["delayed_share", "pods_evicted"].map(str::to_owned);
    assert_eq!(
        startup_line(&points, &headline, false).text,
        "pods that the control plane delayed: 0% to 54.3%; pods evicted per run: –"
    );
}

/// The best design is named with its interval, those that touch it with it; a control is no choice.
#[test]
fn an_experiment_about_startup_names_the_best_design_or_none() {
    let measured = |name: &str, median: f64, width: f64| {
        let mut measure = Measure::extreme("median", "s", Some(median), 300);
        (measure.lower, measure.upper) = (Some(median - width), Some(median + width));
        design(name, vec![("startup_latency_p50".to_owned(), measure)])
    };
    let summary = |designs: Vec<DesignSummary>| Summary {
        experiment: String::new(),
        version: String::new(),
        headline: Vec::new(),
        designs,
        comparisons: Vec::new(),
        not_compared: Vec::new(),
        expectations: Vec::new(),
    };
    let best = |designs: Vec<DesignSummary>| {
        let mut planned = crate::lab::testing::plan(1).designs;
        let one = planned.remove(0);
        let named = designs.iter().map(|design| crate::lab::PlannedDesign {
            name: design.name.clone(),
            control: None,
            ..one.clone()
        });
        let planned: Vec<_> = named.collect();
        super::best(&summary(designs), &Controls::of(&planned))
    };
    let found = best(vec![
        measured("control", 1.0, 0.1),
        measured("slow", 20.0, 1.0),
        measured("fast", 8.0, 1.0),
    ]);
    assert_eq!(
        found.as_deref(),
        Some(
            "fast is best; startup: half of the pods are ready after 8 s [7, 9] in fast, 20 s [19, 21] in slow, the next one"
        )
    );
    let touching = best(vec![
        measured("a", 8.0, 1.0),
        measured("b", 9.5, 1.0),
        measured("c", 20.0, 1.0),
    ]);
    assert!(
        touching
            .as_deref()
            .is_some_and(|text| text.starts_with("a, b are best and do not differ; ")
                && text.ends_with("20 s [19, 21] in c, the next one")),
        "{touching:?}"
    );
    let alike = best(vec![measured("a", 8.0, 1.0), measured("b", 8.5, 1.0)]);
    assert!(alike.is_some_and(|text| text.starts_with("no design differs from the best one in ")));
    assert_eq!(best(vec![measured("control", 1.0, 0.1), measured("a", 8.0, 1.0)]), None);
}

#[test]
fn requests_of_traffic_test_the_policy_as_probes_do() {
    let of = |events: u64, refused: f64| {
        let mut untested = watched("native", 0, 300, 0.0, 0);
        untested.measures.shift_remove(TESTED);
        let traffic = [
            share_of(OF_TRAFFIC, events, 300),
            mean_of("traffic_wrongly_denied_share", refused),
        ];
        untested.measures.extend(traffic);
        untested
    };
    let breached = line(&[&of(1, 0.0056)], false);
    assert_eq!(breached.mark, Mark::Breached);
    for part in [
        "wrong client admitted by traffic in 0.33%",
        "0.56% of its requests by traffic refused",
    ] {
        assert!(breached.text.contains(part), "`{part}` is missing: {}", breached.text);
    }
    let held = line(&[&of(0, 0.0)], false);
    assert_eq!(held.mark, Mark::Held);
    assert!(
        held.text.contains("admitted in 0 of the 300 runs that tested it"),
        "{}",
        held.text
    );
}
