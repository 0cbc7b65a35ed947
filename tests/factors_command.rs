//! The real program with factors: the list and the estimate of a dry run, points by their full names, and the commands that
//! replay them.

use assert_cmd::Command;
use serde_json::Value;

fn meshfault(dir: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("meshfault").unwrap();
    let output = command.args(arguments).current_dir(dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_dry_run_lists_the_plan_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["run", "heal-and-churn", "--dry-run", "--replications", "500"];
    let (code, shown, _) = meshfault(dir.path(), &arguments);
    assert_eq!(code, Some(0));
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
    let lines: Vec<&str> = shown.lines().collect();
    let head = lines.iter().position(|line| line.starts_with("number")).unwrap();
    assert_eq!(lines[head], "number  design             cut  prefix  runs");
    assert_eq!(lines[head + 2], "1       cilium-only        10s  24      500");
    assert_eq!(lines[head + 19], "18      istio-only         10s  25      500");
    assert_eq!(lines[head + 49], "48      cilium-istio-1.21  80s  27      500");
    assert!(shown.contains("\n24000 runs.\n"), "{shown}");
    assert!(shown.contains("pilot runs at 48 of 48 points"), "{shown}");
}

#[test]
fn a_dry_run_is_json_too() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        "run",
        "heal-and-churn",
        "--dry-run",
        "--format",
        "json",
        "--design",
        "istio-only",
        "--replications",
        "2",
    ];
    let (code, shown, _) = meshfault(dir.path(), &arguments);
    assert_eq!(code, Some(0));
    let list: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&list["runs"], &list["random_numbers"]), (&32.into(), &"common".into()));
    let designs = list["designs"].as_array().unwrap();
    assert_eq!(designs.len(), 16);
    assert_eq!(designs[1]["name"], "istio-only@cut=10s,prefix=25");
    assert_eq!(designs[1]["factors"]["prefix"], "25");
    assert_eq!(list["estimate"]["pilot_points"], 16);
    assert!(list["estimate"]["running_s"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_point_is_run_verified_and_told_by_its_full_name() {
    let dir = tempfile::tempdir().unwrap();
    let point = "cilium-only@cut=80s,prefix=27";
    let (code, told, _) = meshfault(
        dir.path(),
        &["explain", "heal-and-churn", "--design", point, "--replication", "1"],
    );
    assert_eq!(code, Some(0));
    let command = format!("meshfault explain heal-and-churn --design {point} --replication 1");
    assert!(told.contains(&command), "{told}");
    let verify = [
        "verify",
        "heal-and-churn",
        "--design",
        point,
        "--replications",
        "2",
        "--quiet",
    ];
    assert_eq!(meshfault(dir.path(), &verify).0, Some(0));
    let run = [
        "run",
        "heal-and-churn",
        "--design",
        point,
        "--replications",
        "2",
        "--quiet",
        "--out",
        "one",
    ];
    assert_eq!(meshfault(dir.path(), &run).0, Some(0));
    let manifest = std::fs::read_to_string(dir.path().join("one/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    let design = &manifest["designs"][0];
    assert_eq!(
        (&design["name"], &design["design"]),
        (&point.into(), &"cilium-only".into())
    );
    assert_eq!(design["factors"], serde_json::json!({"cut": "80s", "prefix": "27"}));
    assert!(dir.path().join("one/designs.parquet").exists());
}

#[test]
fn an_ambiguous_or_unknown_point_is_refused_with_a_name_to_take() {
    let dir = tempfile::tempdir().unwrap();
    let explain = |design: &str| {
        let arguments = ["explain", "heal-and-churn", "--design", design, "--replication", "1"];
        let (code, _, message) = meshfault(dir.path(), &arguments);
        assert_eq!(code, Some(2), "{message}");
        message.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let several = explain("istio-only");
    assert!(several.contains("has 16 points"), "{several}");
    assert!(several.contains("istio-only@cut=10s,prefix=24"), "{several}");
    let unknown = explain("istio-only@cut=10s,prefix=34");
    assert!(unknown.contains("istio-only@cut=10s,prefix=24"), "{unknown}");
    assert!(explain("istio-onli").contains("`istio-only`"));
}
