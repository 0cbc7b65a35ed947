//! Estimators against SciPy, lifelines and statsmodels: `tests/fixtures/statistics/golden.json` holds inputs and expected values,
//! `make.py` beside it says how they were made and with which versions.

use meshfault::stats::mean::mean_bca;
use meshfault::stats::restricted_mean::area_above;
use meshfault::stats::{
    BootstrapOptions, Estimate, Observation, Outcome, PairedCounts, agresti_min, clopper_pearson, cumulative_incidence,
    design_effect, holm_adjusted, kaplan_meier, mean_t, paired_t, poisson_rate, quantile_order_statistic,
    ratio_of_sums, wilson, zero_event_upper,
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
            Some("clopper_pearson") => assert_estimate(&case, &clopper_pearson(x, n, confidence), BETA),
            other => panic!("unknown estimator {other:?}"),
        }
    }
}

#[test]
fn bounds_without_events_meet_scipy() {
    for case in cases("zero_events", 20) {
        let seen = zero_event_upper(whole(&case, "n"), number(&case, "confidence")).expect("there are runs");
        // The root finder stops at about 1e-13 of a probability near 0.
        assert_close("bound", seen, number(&case, "upper"), 1e-10);
    }
}

#[test]
fn rates_of_events_meet_scipy() {
    for case in cases("garwood", 60) {
        let seen = poisson_rate(
            whole(&case, "events"),
            number(&case, "exposure"),
            number(&case, "confidence"),
        );
        // Relative, since rates of long exposures are small.
        for (key, value) in [("lower", seen.lower), ("upper", seen.upper)] {
            let (value, known) = (value.expect("a bound"), number(&case, key));
            assert!((value - known).abs() <= 1e-11 * known, "{key} of {case}: {value}");
        }
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
        let effect = design_effect(&pairs).expect("the runs differ");
        assert_close("design effect", effect, number(&case, "design_effect"), 1e-10);
    }
}

#[test]
fn order_statistics_meet_numpy_and_scipy() {
    for case in cases("quantiles", 10) {
        let values = numbers(&case["values"]);
        let seen = quantile_order_statistic(&values, number(&case, "p"), number(&case, "confidence"));
        // Observed values: they are equal or another rank was taken.
        for (key, value) in [
            ("estimate", seen.estimate),
            ("lower", seen.lower),
            ("upper", seen.upper),
        ] {
            assert_eq!(
                value,
                case[key].as_f64(),
                "{key}, p {}, {} values",
                case["p"],
                values.len()
            );
        }
    }
}

/// SplitMix64: uniform words for the bootstrap.
fn words(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The mean over 100 bootstraps of 2000 resamples against SciPy's bounds from 400,000: the tolerance is five standard
/// errors of that mean, from the spread that SciPy's own bootstraps of 2000 have, and 0.2 % of the interval for the bias
/// of quantiles of 2000 values. The percentile interval is off by much more on these data.
#[test]
fn bca_meets_scipy() {
    for case in cases("bca", 4) {
        let values = numbers(&case["values"]);
        let options = BootstrapOptions {
            confidence: number(&case, "confidence"),
            resamples: u32::try_from(whole(&case, "resamples")).expect("a small number"),
        };
        let (mut lower, mut upper) = (0.0, 0.0);
        for seed in 0..100 {
            let seen = mean_bca(&values, &options, &mut words(seed));
            lower += seen.lower.expect("a bound") / 100.0;
            upper += seen.upper.expect("a bound") / 100.0;
        }
        let width = number(&case, "upper") - number(&case, "lower");
        for (key, seen) in [("lower", lower), ("upper", upper)] {
            let allowed = 5.0 * number(&case, &format!("{key}_sd")) / 10.0 + 0.002 * width;
            let known = number(&case, key);
            println!("BCa {key}: {seen:.5}, SciPy {known:.5}, allowed ± {allowed:.5}, width {width:.4}");
            assert!(
                (seen - known).abs() <= allowed,
                "{key}: {seen} is not {known} ± {allowed}"
            );
            assert!(allowed < 0.03 * width, "the tolerance would hide another interval");
        }
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
        let curve = kaplan_meier(&events(&case), number(&case, "confidence")).expect("no competing ends");
        let known = case["curve"].as_array().expect("a curve");
        assert_eq!(curve.len(), known.len());
        for (seen, known) in curve.iter().zip(known) {
            let known = numbers(known);
            assert_eq!(seen.time_ns as f64 / 1e9, known[0]);
            assert_close("survival", seen.survival, known[1], 1e-10);
            // At 0 lifelines has a band of width 0, and the formula has none.
            if seen.survival > 0.0 {
                assert_close("lower", seen.lower.expect("a bound"), known[2], 1e-9);
                assert_close("upper", seen.upper.expect("a bound"), known[3], 1e-9);
            }
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
fn restricted_means_meet_lifelines() {
    for case in cases("restricted_means", 9) {
        let limit_ns = (number(&case, "limit") * 1e9) as u64;
        let seen = area_above(&cumulative_incidence(&events(&case)), limit_ns);
        assert_close("restricted mean", seen, number(&case, "estimate"), 1e-10);
    }
}

#[test]
fn paired_differences_meet_scipy() {
    for case in cases("paired", 9) {
        let (a, b) = (numbers(&case["a"]), numbers(&case["b"]));
        let seen = paired_t(&a, &b, number(&case, "confidence"));
        assert_estimate(&case, &seen.difference, 1e-10);
        let correlation = seen.common_random_numbers.correlation.expect("both vary");
        assert_close("correlation", correlation, number(&case, "correlation"), 1e-10);
    }
}

#[test]
fn agresti_min_meets_the_formula_with_scipy() {
    for case in cases("agresti_min", 12) {
        let counts: [u64; 4] = serde_json::from_value(case["counts"].clone()).expect("four counts");
        let [both, a_only, b_only, neither] = counts;
        let counts = PairedCounts {
            both,
            a_only,
            b_only,
            neither,
        };
        assert_estimate(&case, &agresti_min(&counts, number(&case, "confidence")), EXACT);
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
