//! Estimators against SciPy, lifelines and statsmodels: `tests/fixtures/statistics/golden.json` holds inputs and expected values,
//! `make.py` beside it says how they were made and with which versions.

use meshfault::stats::{
    Estimate, Observation, Outcome, common_random_numbers, cumulative_incidence, holm_adjusted, mean_t, ratio_of_sums,
    share_of_runs, wilson, zero_event_upper,
};
use serde_json::Value;

const GOLDEN: &str = include_str!("fixtures/statistics/golden.json");

/// Closed forms: both sides work in doubles.
const EXACT: f64 = 1e-12;
/// Quantiles of the beta distribution, where the other side is the less exact one (up to 1e-10 at large counts).
const BETA: f64 = 1e-9;

/// The cases of a section; at least `least` of them, so that an empty file proves nothing.
fn cases(section: &str, least: usize) -> Vec<Value> {
    let golden: Value = serde_json::from_str(GOLDEN).expect("the fixture is JSON");
    let cases = golden[section].as_array().expect("the section is a list").clone();
    assert!(cases.len() >= least, "{section}: {} cases", cases.len());
    cases
}

fn number(case: &Value, key: &str) -> f64 {
    case[key]
        .as_f64()
        .unwrap_or_else(|| panic!("{case} has no number `{key}`"))
}

fn whole(case: &Value, key: &str) -> u64 {
    case[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{case} has no count `{key}`"))
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|value| value.as_f64().expect("a number")).collect()
}

#[track_caller]
fn assert_close(what: &str, seen: f64, known: f64, tolerance: f64) {
    let allowed = tolerance * known.abs().max(1e-3);
    assert!(
        (seen - known).abs() <= allowed,
        "{what}: {seen} is not {known} ± {allowed}"
    );
}

/// Compares those of `estimate`, `lower` and `upper` that the case has.
#[track_caller]
fn assert_estimate(case: &Value, seen: &Estimate, tolerance: f64) {
    let parts = [
        ("estimate", seen.estimate),
        ("lower", seen.lower),
        ("upper", seen.upper),
    ];
    for (key, value) in parts {
        if let Some(known) = case[key].as_f64() {
            let short: String = case.to_string().chars().take(200).collect();
            let value = value.unwrap_or_else(|| panic!("no {key} for {short}"));
            assert_close(&format!("{key} of {short}"), value, known, tolerance);
        }
    }
}

#[test]
fn proportions_meet_scipy() {
    for case in cases("proportions", 50) {
        let (x, n, confidence) = (whole(&case, "x"), whole(&case, "n"), number(&case, "confidence"));
        match case["estimator"].as_str() {
            Some("wilson") => assert_estimate(&case, &wilson(x, n, confidence), EXACT),
            Some("clopper_pearson") => assert_estimate(&case, &share_of_runs(x, n, confidence), BETA),
            other => panic!("unknown estimator {other:?}"),
        }
    }
}

#[test]
fn bounds_without_events_meet_scipy() {
    for case in cases("zero_events", 20) {
        // The bound of one side with its whole error is that of an interval with twice of it.
        let confidence = 2.0 * number(&case, "confidence") - 1.0;
        let seen = zero_event_upper(whole(&case, "n"), confidence).expect("there are runs");
        // The root finder stops at about 1e-13 of a probability near 0.
        assert_close("bound", seen, number(&case, "upper"), 1e-10);
    }
}
#[test]
fn student_t_meets_scipy() {
    for case in cases("means", 12) {
        let values = numbers(&case["values"]);
        assert_estimate(&case, &mean_t(&values, number(&case, "confidence")), 1e-10);
    }
}

#[test]
fn ratios_of_sums_meet_the_formula_with_scipy() {
    for case in cases("ratios", 12) {
        let pairs: Vec<(u64, u64)> = serde_json::from_value(case["pairs"].clone()).expect("pairs of counts");
        assert_estimate(&case, &ratio_of_sums(&pairs, number(&case, "confidence")), 1e-10);
    }
}
/// Waits in whole seconds; kind 0 is cut off, 1 the event, 2 a competing end.
fn observations(times: &Value, kind: impl Fn(usize) -> u64) -> Vec<Observation> {
    let times = times.as_array().expect("a list");
    let one = |(index, time): (usize, &Value)| Observation {
        run: u32::try_from(index).expect("few waits"),
        time_ns: time.as_u64().expect("whole seconds") * 1_000_000_000,
        outcome: match kind(index) {
            0 => Outcome::Censored,
            1 => Outcome::Event,
            _ => Outcome::Competing,
        },
    };
    times.iter().enumerate().map(one).collect()
}

fn events(case: &Value) -> Vec<Observation> {
    observations(&case["times"], |index| {
        u64::from(case["events"][index].as_bool().expect("a switch"))
    })
}

#[test]
fn kaplan_meier_meets_lifelines() {
    for case in cases("kaplan_meier", 9) {
        // Without competing ends the share of those who had the event is the complement of who survived.
        let curve = cumulative_incidence(&events(&case));
        let known = case["curve"].as_array().expect("a curve");
        assert_eq!(curve.len(), known.len());
        for (seen, known) in curve.iter().zip(known) {
            let known = numbers(known);
            assert_eq!(seen.time_ns as f64 / 1e9, known[0]);
            assert_close("survival", 1.0 - seen.incidence, known[1], 1e-10);
        }
    }
}

#[test]
fn aalen_johansen_meets_lifelines() {
    for case in cases("aalen_johansen", 3) {
        let list = observations(&case["times"], |index| case["kinds"][index].as_u64().expect("a kind"));
        let curve = cumulative_incidence(&list);
        let known = case["curve"].as_array().expect("a curve");
        assert_eq!(curve.len(), known.len());
        for (seen, known) in curve.iter().zip(known) {
            let known = numbers(known);
            assert_eq!(seen.time_ns as f64 / 1e9, known[0]);
            assert_close("incidence", seen.incidence, known[1], 1e-10);
        }
    }
}
#[test]
fn paired_differences_meet_scipy() {
    for case in cases("paired", 9) {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        assert_estimate(&case, &mean_t(&differences, number(&case, "confidence")), 1e-10);
        let correlation = common_random_numbers(&a, &b).correlation.expect("both vary");
        assert_close("correlation", correlation, number(&case, "correlation"), 1e-10);
    }
}
#[test]
fn the_fixture_names_its_versions() {
    let golden: Value = serde_json::from_str(GOLDEN).expect("the fixture is JSON");
    let pinned = include_str!("fixtures/statistics/requirements.txt");
    for library in ["numpy", "scipy", "lifelines", "statsmodels"] {
        let version = golden["versions"][library].as_str().expect("a version");
        assert!(
            pinned.contains(&format!("{library}=={version}\n")),
            "{library} {version}"
        );
    }
}

#[test]
fn holm_adjusts_as_statsmodels_does() {
    for case in cases("holm", 3) {
        let adjusted = holm_adjusted(&numbers(&case["p_values"]));
        for (seen, known) in adjusted.iter().zip(numbers(&case["adjusted"])) {
            assert_close("adjusted p-value", *seen, known, EXACT);
        }
    }
}
