//! The Parquet files of a result as analysts read them: with pandas, Polars and DuckDB.
//!
//! Needs a Python with the packages of `tests/parquet/requirements.txt`, named by `MESHFAULT_PYTHON`; `.ci/run` makes one. Without
//! it the test is skipped with a line, so that a plain `cargo test` needs no Python; where `CI` is set it fails.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const MEASURES: [&str; 4] = [
    "unauthorized_any",
    "certificate_requests",
    "stale_entries",
    "deleted_before_ready_share",
];

#[test]
fn other_programs_read_the_rows_and_come_to_the_same_estimates() {
    let Ok(python) = std::env::var("MESHFAULT_PYTHON") else {
        let ci = std::env::var_os("CI").is_some();
        assert!(!ci, "CI does not skip this test: MESHFAULT_PYTHON names no Python");
        println!("skipped: MESHFAULT_PYTHON names no Python with pandas, Polars and DuckDB");
        return;
    };
    let dir = tempfile::tempdir().expect("a folder");
    let result = dir.path().join("result");
    let run = [
        "run",
        "istiod-cut-off",
        "--replications",
        "40",
        "--quiet",
        "--out",
        result.to_str().expect("UTF-8"),
    ];
    assert_cmd::Command::cargo_bin("meshfault")
        .expect("the binary was built")
        .args(run)
        .assert()
        .success();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parquet/recompute.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&result)
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = std::fs::read_to_string(result.join("summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&text).expect("JSON");

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

    let text = std::fs::read_to_string(result.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&text).expect("JSON");
    for table in manifest["tables"].as_array().expect("tables") {
        let name = table["name"].as_str().expect("a name");
        assert_eq!(read["columns"][name], table["columns"], "{name}");
        let columns = table["columns"].as_array().expect("columns");
        let documented = |column: &Value| column["doc"].as_str().is_some_and(|doc| !doc.is_empty());
        assert!(columns.iter().all(documented), "{name}");
    }
}
