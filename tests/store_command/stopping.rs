//! Stopping rules in the real program: where they stop does not depend on workers, shards are refused, the manifest records why.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::support::{assert_equal, fine, json, meshfault, refused, segments};

/// An experiment with a rule, next to the built-in ones so that its manifests are found.
fn experiment(root: &Path, rule: &str) -> PathBuf {
    let text = std::fs::read_to_string("experiments/ip-reuse.yaml").unwrap();
    let manifests = std::fs::canonicalize("experiments/manifests/sleep-helloworld").unwrap();
    let text = text.replace("manifests/sleep-helloworld", &manifests.display().to_string());
    let path = root.join("stopped.yaml");
    std::fs::write(
        &path,
        text.replace("replications: 1000\n", &format!("stopping:\n{rule}")),
    )
    .unwrap();
    path
}

fn run(file: &Path, out: &Path, arguments: &[&str]) -> Command {
    let mut command = meshfault(&["run", "--quiet", "--design", "vxlan", "--design", "native-routing"]);
    command.arg(file).arg("--out").arg(out).args(arguments);
    command
}

const RULE: &str = "  first_look: 100
  until:
    - {measure: reused_in_first_batch, half_width: 9%, designs: [vxlan]}
    - {measure: startup_latency_p50, relative: 10%}
  at_most: 800
";

#[test]
fn a_rule_stops_where_it_must_for_any_number_of_workers_and_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let file = experiment(root.path(), RULE);
    let [one, two, killed] = ["one", "two", "killed"].map(|name| root.path().join(name));
    let told = fine(&mut run(&file, &one, &["--jobs", "1"]));
    fine(&mut run(&file, &two, &["--jobs", "3"]));
    assert_equal(&one, &two);
    let mut child = run(&file, &killed, &["--jobs", "2"]).spawn().unwrap();
    while segments(&killed).len() < 230 && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fine(&mut run(&file, &killed, &["--resume"]));
    assert_equal(&one, &killed);

    let manifest = json(&one.join("manifest.json"));
    let stopping = &manifest["stopping"];
    let runs = manifest["replications"].as_u64().unwrap();
    assert_eq!(stopping["checkpoints"], serde_json::json!([100, 200, 400, 800]));
    assert_eq!(
        (stopping["verdict"].as_str(), &manifest["complete"]),
        (Some("reached"), &true.into())
    );
    assert!((200..=800).contains(&runs), "{runs}");
    let looks = stopping["looks"].as_array().unwrap();
    assert_eq!(looks.last().unwrap()["replications"], runs);
    let reached = |look: &serde_json::Value| {
        let intervals = look["intervals"].as_array().unwrap();
        assert_eq!(intervals.len(), 3, "one design for the share, two for the latency");
        intervals
            .iter()
            .all(|seen| seen["width"].as_f64().unwrap() <= seen["width_max"].as_f64().unwrap())
    };
    let (last, earlier) = looks.split_last().unwrap();
    assert!(reached(last) && !earlier.iter().any(reached) && !earlier.is_empty());
    assert!(told.contains(&format!(
        "Stopped: after {runs} replications every named interval was narrow enough."
    )));
    // One interval on every page: the summary gives the one that decided.
    let summary = json(&one.join("summary.json"));
    let measure = &summary["designs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|design| design["name"] == "vxlan")
        .unwrap()["measures"]["reused_in_first_batch"];
    let decided = last["intervals"]
        .as_array()
        .unwrap()
        .iter()
        .find(|seen| seen["measure"] == "reused_in_first_batch");
    for what in ["lower", "upper", "method"] {
        assert_eq!(measure[what], decided.unwrap()[what], "{what}");
    }
    // The same rows by the argument that the manifest names.
    let fixed = root.path().join("fixed");
    let argument = stopping["same_rows_with"].as_str().unwrap();
    fine(run(&file, &fixed, &[]).args(argument.split(' ')));
    let again = json(&fixed.join("manifest.json"));
    assert_eq!(again["result_digest"], manifest["result_digest"]);
    assert!(again["stopping"].is_null());
}

#[test]
fn a_time_budget_stops_at_a_look_and_names_the_number() {
    let root = tempfile::tempdir().unwrap();
    let file = experiment(root.path(), "  first_look: 100\n  time_budget: 1ms\n");
    let out = root.path().join("out");
    let told = fine(&mut run(&file, &out, &[]));
    let manifest = json(&out.join("manifest.json"));
    assert_eq!(
        (&manifest["replications"], &manifest["complete"]),
        (&100.into(), &true.into())
    );
    assert_eq!(manifest["stopping"]["verdict"], "time_budget");
    assert_eq!(manifest["stopping"]["reproducible"], false);
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        told.contains("`--replications 100` makes the same runs again"),
        "{told}"
    );
}

#[test]
fn a_shard_cannot_stop_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let root = &root.path().canonicalize().unwrap();
    let file = experiment(root, RULE);
    let out = root.join("out");
    let shard = refused(&mut run(&file, &out, &["--shard", "1/2"]), root);
    let mut control = meshfault(&["run", "--quiet", "--design", "control", "--out"]);
    let design = refused(control.arg(&out).arg(&file), root);
    assert!(!out.exists());
    insta::assert_snapshot!(format!("{shard}\n{design}"));
}
