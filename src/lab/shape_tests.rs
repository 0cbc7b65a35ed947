//! The shape of `summary.json` and `manifest.json`, which other programs read, and chosen values of a made-up experiment.

use std::fs;

use serde_json::{Value, json};

use super::testing::{Fake, plan};
use super::tests::run;
use super::*;

#[test]
fn the_summary_has_the_published_shape() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &plan(60), &Fake::default(), 2, Start::New).unwrap();
    let bytes = fs::read(dir.path().join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&bytes).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(&summary),
        "experiment version designs comparisons not_compared expectations"
    );
    let fields = "estimand unit estimate lower upper confidence method n";
    let mut shape = Vec::new();
    for design in summary["designs"].as_array().unwrap() {
        assert_eq!(keys(design), "name replications failed measures availability flows");
        let measures = design["measures"].as_object().unwrap();
        for (name, measure) in measures {
            let keys = keys(measure);
            assert_eq!(keys.trim_end_matches(" caveat"), fields, "{name}");
        }
        shape.push((
            design["name"].as_str().unwrap(),
            design["failed"].as_u64().unwrap(),
            measures.len(),
        ));
    }
    assert_eq!(shape, [("cilium-only", 0, 94), ("both", 1, 102), ("control", 0, 97)]);
    assert_eq!(summary["comparisons"].as_array().unwrap().len(), 5);
    for (design, measure, wanted) in [
        (
            0,
            "unauthorized_any",
            json!([
                0.36666666666666664,
                0.24594061043728704,
                0.5010307176437072,
                "Clopper-Pearson",
                60
            ]),
        ),
        (
            1,
            "unauthorized_any",
            json!([0.0, 0.0, 0.06060890095033984, "Clopper-Pearson", 59]),
        ),
        (
            0,
            "node_given_up_delay",
            json!([
                46.838798515983335,
                45.733429301055644,
                47.96542280796479,
                "mean of runs, gamma",
                60
            ]),
        ),
        (
            0,
            "delayed_share",
            json!([
                0.2785714285714286,
                0.24234615708025042,
                0.31479670006260674,
                "ratio of sums over runs",
                60
            ]),
        ),
        (
            0,
            "never_ready_share",
            json!([
                0.0,
                0.0,
                0.05962949228616691,
                "zero events, exact upper bound per run",
                60
            ]),
        ),
        (
            1,
            "unauthorized_exposure_service",
            json!([0.0, null, null, "all values equal, no interval", 59]),
        ),
        (
            0,
            "unauthorized_exposure_service",
            json!([
                14.369396533416667,
                9.358791299359051,
                21.104074827013168,
                "mean of runs, gamma",
                60
            ]),
        ),
    ] {
        let found = &summary["designs"][design]["measures"][measure];
        let found = ["estimate", "lower", "upper", "method", "n"].map(|field| found[field].clone());
        assert_eq!(json!(found), wanted, "{measure}");
    }
    for (measure, caveat) in [
        ("startup_latency_p99", "never"),
        ("exposure_window_p50", "few_runs"),
        ("first_unauthorized", "beyond_horizon"),
    ] {
        assert_eq!(summary["designs"][0]["measures"][measure]["caveat"], caveat);
    }

    let manifest: Value = serde_json::from_slice(&fs::read(dir.path().join("manifest.json")).unwrap()).unwrap();
    assert_eq!(
        keys(&manifest),
        "format experiment title question version row_format random_scheme input_digest inputs plan_digest seed seed_group \
         random_numbers tie_order replications_planned replications complete result_digest horizon_s delayed_threshold_s \
         questions designs tables warnings files seal"
    );
    let tables = manifest["tables"].as_array().unwrap().iter();
    let tables: Vec<_> = tables
        .map(|table| {
            (
                table["name"].as_str().unwrap(),
                table["columns"].as_array().unwrap().len(),
            )
        })
        .collect();
    assert_eq!(
        tables,
        [
            ("runs", 39),
            ("pods", 35),
            ("accesses", 19),
            ("exposures", 14),
            ("edges", 9),
            ("flows", 14)
        ]
    );
    assert_eq!(
        keys(&manifest["tables"][0]["columns"][0]),
        "name type nullable unit doc"
    );
    assert_eq!(
        keys(&manifest["designs"][0]["parameters"][0]),
        "name value unit source confidence model overridden"
    );
    assert_eq!(manifest["warnings"].as_array().unwrap().len(), 6);
    assert_eq!(manifest["files"]["summary.json"], files::digest_of(&bytes));
    // The bytes of plan and rows: these move only with the format of rows, the made-up runs or the plan.
    assert_eq!(
        manifest["plan_digest"],
        "c27b4bd3b6152c888463c9ecc0788bdd267625aba8a15bd01d02b3396d091430"
    );
    assert_eq!(
        manifest["result_digest"],
        "bf22e18461b24ccf644ebb851f305017ef88a7181bf7e28c977a4e2216479448"
    );
}
