//! The Parquet files of a result as analysts read them: with pandas, Polars and DuckDB, and in the example notebook.
//!
//! Needs a Python with the packages of `tests/parquet/requirements.txt`, named by `MESHFAULT_PYTHON`; `.ci/run` makes one. Without
//! it the tests are skipped with a line, so that a plain `cargo test` needs no Python; where `CI` is set it fails.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const MEASURES: [&str; 4] = [
    "unauthorized_any",
    "certificate_requests",
    "stale_entries",
    "deleted_before_ready_share",
];

/// A Python that reads Parquet; nothing if none is named, which is an error in CI.
fn python() -> Option<String> {
    let python = std::env::var("MESHFAULT_PYTHON").ok();
    if python.is_none() {
        let ci = std::env::var_os("CI").is_some();
        assert!(!ci, "CI does not skip this test: MESHFAULT_PYTHON names no Python");
        println!("skipped: MESHFAULT_PYTHON names no Python with pandas, Polars and DuckDB");
    }
    python
}

/// The summary of a new result in the folder `result` of `dir`.
fn made(dir: &Path, experiment: &str, replications: &str) -> Value {
    let run = [
        "run",
        experiment,
        "--replications",
        replications,
        "--quiet",
        "--out",
        "result",
    ];
    assert_cmd::Command::cargo_bin("meshfault")
        .expect("the binary was built")
        .current_dir(dir)
        .args(run)
        .assert()
        .success();
    let text = std::fs::read_to_string(dir.join("result/summary.json")).expect("a summary");
    serde_json::from_str(&text).expect("JSON")
}

/// What a script of `tests/parquet` prints in `dir`.
fn printed(python: &str, dir: &Path, script: &str, arguments: &[&str]) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python)
        .current_dir(dir)
        .arg(root.join("tests/parquet").join(script))
        .args(arguments)
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn the_example_notebook_comes_to_the_same_headline_measure() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let summary = made(dir.path(), "ip-reuse", "12");
    let notebook = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/result_folder.ipynb");
    let notebook = notebook.to_str().expect("UTF-8");
    let seen = printed(&python, dir.path(), "run_notebook.py", &[notebook, "estimates"]);
    let estimates = seen["estimates"].as_array().expect("estimates");
    assert_eq!(estimates.len(), 5, "{estimates:?}");
    for theirs in estimates {
        let designs = summary["designs"].as_array().expect("designs").iter();
        let ours = designs
            .clone()
            .find(|design| design["name"] == theirs["design"])
            .expect("a design");
        for part in ["estimate", "lower", "upper"] {
            let (ours, theirs) = (&ours["measures"]["unauthorized_any"][part], &theirs[part]);
            let [ours, theirs] = [ours, theirs].map(|value| value.as_f64().expect("a number"));
            assert!((ours - theirs).abs() < 1e-9, "{part}: {ours} {theirs}");
        }
    }
    assert_eq!(
        seen["figures"][0]["data"]["values"], seen["estimates"],
        "the figure shows them"
    );
}

#[test]
fn other_programs_read_the_rows_and_come_to_the_same_estimates() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let summary = made(dir.path(), "istiod-cut-off", "40");
    let read = printed(&python, dir.path(), "recompute.py", &["result"]);

    let mut compared = 0;
    for (reader, estimates) in read["estimates"].as_object().expect("readers") {
        for design in summary["designs"].as_array().expect("designs") {
            let name = design["name"].as_str().expect("a name");
            for measure in MEASURES {
                let Some(ours) = design["measures"][measure]["estimate"].as_f64() else {
                    continue;
                };
                let theirs = estimates[name][measure].as_f64().unwrap_or(f64::NAN);
                assert!(
                    (ours - theirs).abs() <= 1e-12 * ours.abs().max(1.0),
                    "{reader} {name} {measure}: {ours} {theirs}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 3 * 6 * 3, "{compared}");

    let text = std::fs::read_to_string(dir.path().join("result/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    for table in manifest["tables"].as_array().expect("tables") {
        let name = table["name"].as_str().expect("a name");
        assert_eq!(read["columns"][name], table["columns"], "{name}");
        let columns = table["columns"].as_array().expect("columns");
        let documented = |column: &Value| column["doc"].as_str().is_some_and(|doc| !doc.is_empty());
        assert!(columns.iter().all(documented), "{name}");
    }
}
