//! The real program: parameters, lists, checks, new experiments, schemas, completions and manual.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// Runs the program in a folder; gives exit code, standard output and standard error.
fn meshfault(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("meshfault").unwrap();
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn here(arguments: &[&str]) -> (i32, String, String) {
    meshfault(Path::new(env!("CARGO_MANIFEST_DIR")), arguments)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn parameters_have_value_unit_confidence_source_and_set() {
    let (code, out, _) = here(&[
        "params",
        "control",
        "--format",
        "json",
        "--set",
        "parameters.network.syn_retransmits=3",
    ]);
    assert_eq!(code, 0);
    let shown = json(&out);
    let all = shown["parameters"].as_array().unwrap();
    assert!(all.len() > 90, "{}", all.len());
    for parameter in all {
        for key in ["name", "value", "unit", "confidence", "source", "model", "meaning"] {
            assert!(
                parameter[key].as_str().is_some_and(|text| !text.is_empty()),
                "{parameter}"
            );
        }
        assert_eq!(
            parameter["confidence"] == "assumed",
            parameter["range"].is_string(),
            "{parameter}"
        );
        assert_eq!(
            parameter["overridden"].as_bool(),
            Some(parameter["name"] == "network.syn_retransmits")
        );
    }
    let (_, table, _) = here(&["params", "control"]);
    assert!(
        table.contains("istio.csr_redial_on_error") && table.contains("cilium 1.12"),
        "{table}"
    );
    let (_, csv, _) = here(&["params", "control", "--format", "csv"]);
    assert!(csv.starts_with("name,value,unit,confidence,range,set,overridden,source,note,meaning\n"));
    assert!(csv.lines().count() >= all.len());
}

#[test]
fn parameters_are_selected_by_the_beginning_of_their_names() {
    let (_, out, _) = here(&[
        "params",
        "cilium-istio-1.14",
        "cilium.",
        "istio.csr",
        "--format",
        "json",
    ]);
    let shown = json(&out);
    for parameter in shown["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        assert!(name.starts_with("cilium.") || name.starts_with("istio.csr"), "{name}");
    }
    let (_, one, _) = here(&["params", "control", "kubernetes.node_monitor_grace_period"]);
    assert!(
        one.contains("meaning") && one.contains("40s") && one.contains("marked NotReady"),
        "{one}"
    );
    for (wrong, near) in [
        ("kubernetes.lease_renew_intervall", "kubernetes.lease_renew_interval"),
        ("csr_attempts", "istio.csr_attempts"),
        ("celium.", "cilium."),
    ] {
        let (code, out, error) = here(&["params", "control", wrong]);
        assert!(code == 2 && out.is_empty() && error.contains(near), "{wrong}: {error}");
    }
    let (code, _, error) = here(&["params", "contrl"]);
    assert!(code == 2 && error.contains("did you mean `control`"), "{error}");
}

#[test]
fn two_designs_are_compared_within_an_experiment_and_between_two() {
    let (code, out, _) = here(&[
        "params",
        "cilium-istio-1.21",
        "--diff",
        "cilium-istio-1.14",
        "--format",
        "json",
    ]);
    assert_eq!(code, 0);
    let found = json(&out);
    let names: Vec<&str> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["name"].as_str().unwrap())
        .collect();
    assert!(
        names.contains(&"istio.csr_redial_on_error") && names.len() < 20,
        "{names:?}"
    );
    let (_, text, _) = here(&["params", "cilium-istio-1.21", "--diff", "cilium-istio-1.14"]);
    assert_eq!(text.lines().count(), names.len() + 1, "{text}");
    assert!(text.contains("istio.csr_redial_on_error"), "{text}");
    // A design without Istio has none of its parameters.
    let (_, out, _) = here(&[
        "params",
        "control",
        "istio.csr_attempts",
        "--diff",
        "cilium-only",
        "--format",
        "json",
    ]);
    assert!(json(&out)["differences"][0]["b"].is_null(), "{out}");
    // Another experiment.
    let (code, text, error) = here(&[
        "params",
        "control",
        "cilium.",
        "--diff",
        "ip-reuse:vxlan-wireguard-1.15",
    ]);
    assert!(
        code == 0 && text.contains("cilium.wireguard_encapsulates"),
        "{text}{error}"
    );
    let (_, text, _) = here(&["params", "control", "--diff", "control"]);
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn everything_is_listed_in_every_form() {
    for (kind, word) in [
        ("experiments", "ip-reuse"),
        ("models", "kubernetes"),
        ("faults", "replies_only"),
        ("steps", "find_reuse"),
        ("distributions", "log_normal"),
        ("measures", "unauthorized_any"),
    ] {
        // In a pipe, every row is a whole line, with tabs between its cells.
        let (code, table, _) = here(&["list", kind]);
        let columns = |line: &str| line.matches('\t').count();
        let mut lines = table.lines();
        let head = lines.next().map(columns);
        assert!(code == 0 && head >= Some(2), "{kind}: {table}");
        assert!(
            lines.all(|line| Some(columns(line)) == head && !line.contains(['…', '\u{1b}'])),
            "{kind}: {table}"
        );
        let (_, out, _) = here(&["list", kind, "--format", "json"]);
        let rows = json(&out);
        assert!(
            rows.as_array().unwrap().len() >= 4 && table.contains(word),
            "{kind}: {out}"
        );
        assert_eq!(
            rows.as_array().unwrap().len() + 1,
            table.lines().count(),
            "{kind}: {table}"
        );
        let (_, out, _) = here(&["list", kind, "--format", "csv"]);
        assert!(out.contains(word) && out.lines().count() >= 5, "{kind}: {out}");
    }
}

#[test]
fn check_says_what_it_found_or_everything_that_is_wrong() {
    let (code, out, error) = here(&["check", "experiments/ip-reuse.yaml", "mechanisms"]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(
        out.contains("5 designs × 1000 replications = 5000 runs") && out.contains("vxlan-wireguard-1.15"),
        "{out}"
    );
    assert!(out.contains("mechanisms: fine"), "{out}");

    let bad = "tests/bad_inputs/several-designs-several-errors.yaml";
    let (code, out, error) = here(&["check", "mechanisms", bad]);
    assert!(code == 2 && out.contains("mechanisms: fine"), "{out}");
    let (_, report, _) = here(&["check", bad, "--format", "json"]);
    let findings = json(&report);
    let errors = findings[0]["errors"].as_array().unwrap();
    assert!(errors.len() >= 3, "{report}");
    for wrong in errors {
        let place = format!(
            "{}:{}:{}",
            wrong["file"].as_str().unwrap(),
            wrong["line"],
            wrong["column"]
        );
        assert!(error.contains(&place), "{place} is not in {error}");
    }

    // Every bad input is refused, and nothing else happens.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_inputs");
    let files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    let mut arguments = vec!["check", "--format", "json"];
    arguments.extend(files.iter().map(String::as_str));
    let (code, out, _) = here(&arguments);
    let findings = json(&out);
    assert_eq!((code, findings.as_array().unwrap().len()), (2, files.len()));
    for finding in findings.as_array().unwrap() {
        assert!(
            finding["fine"] == false && finding["errors"][0]["message"].is_string(),
            "{finding}"
        );
    }
}

#[test]
fn a_new_experiment_is_accepted_runs_and_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, error) = meshfault(dir.path(), &["new", "mine"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains("meshfault check mine/mine.yaml"), "{out}");
    let (code, out, error) = meshfault(dir.path(), &["check", "mine/mine.yaml"]);
    assert!(code == 0 && !out.contains("warning"), "{out}{error}");
    let (code, table, error) = meshfault(dir.path(), &["run", "mine/mine.yaml", "--replications=3", "--quiet"]);
    assert!(
        code == 0 && table.contains("✗ native") && table.contains("What closes it: native: VXLAN"),
        "{table}{error}"
    );

    let before = std::fs::read_to_string(dir.path().join("mine/mine.yaml")).unwrap();
    let (code, _, error) = meshfault(dir.path(), &["new", "mine", "--from", "ip-reuse"]);
    assert!(code == 2 && error.contains("exists already"), "{error}");
    assert_eq!(
        std::fs::read_to_string(dir.path().join("mine/mine.yaml")).unwrap(),
        before
    );
    for wrong in ["my experiment", "..", "-x.y/../"] {
        assert_eq!(meshfault(dir.path(), &["new", "--", wrong]).0, 2, "{wrong}");
    }
    let (code, _, error) = meshfault(dir.path(), &["new", "other", "--from", "ip-reuze"]);
    assert!(
        code == 2 && error.contains("ip-reuze") && !dir.path().join("other").exists(),
        "{error}"
    );
}

/// A folder alone makes its result again, to the same digest, and the name of an experiment's file changes no number.
#[test]
fn a_result_folder_is_enough_to_make_the_result_again() {
    let dir = tempfile::tempdir().unwrap();
    let run = |place: &Path, arguments: &[&str]| {
        let (code, out, error) = meshfault(place, arguments);
        assert_eq!(code, 0, "{out}{error}");
        out
    };
    let digest =
        |place: &Path| json(&std::fs::read_to_string(place.join("manifest.json")).unwrap())["result_digest"].clone();
    run(dir.path(), &["new", "mine"]);
    let changed = [
        "--replications=4",
        "--seed=7",
        "--set",
        "options.gap=6s",
        "--quiet",
        "--out=first",
    ];
    run(dir.path(), &[&["run", "mine/mine.yaml"], changed.as_slice()].concat());
    std::fs::rename(dir.path().join("mine/mine.yaml"), dir.path().join("mine/other.yaml")).unwrap();
    run(
        dir.path(),
        &[&["run", "mine/other.yaml"], &changed[..5], &["--out=renamed"]].concat(),
    );
    assert_eq!(digest(&dir.path().join("first")), digest(&dir.path().join("renamed")));

    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(dir.path().join("first"), elsewhere.path().join("copied")).unwrap();
    std::fs::remove_dir_all(dir.path().join("mine")).unwrap();
    let out = run(elsewhere.path(), &["run", "copied", "--quiet", "--out=again"]);
    assert!(out.ends_with("Reproduced: the result digest is the same.\n"), "{out}");
    // A shard again is a shard, and what was merged keeps its changes.
    for part in ["1/2", "2/2"] {
        let out = format!("--out=part{}", &part[..1]);
        run(elsewhere.path(), &["run", "copied", "--quiet", "--shard", part, &out]);
    }
    run(elsewhere.path(), &["merge", "part1", "part2", "--out=merged"]);
    for (of, into) in [("part2", "--out=part2-again"), ("merged", "--out=merged-again")] {
        let out = run(elsewhere.path(), &["run", of, "--quiet", into]);
        assert!(
            out.ends_with("Reproduced: the result digest is the same.\n"),
            "{of}: {out}"
        );
    }
    let folders = ["copied", "again"].map(|name| digest(&elsewhere.path().join(name)));
    assert_eq!(folders[0], folders[1]);
}

/// The starter shows what its comments promise: policy holds without a fault.
#[test]
fn the_starter_has_a_sound_control() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(meshfault(dir.path(), &["new", "a"]).0, 0);
    let run = [
        "run",
        "a/a.yaml",
        "--replications=5",
        "--quiet",
        "--format",
        "json",
        "--out",
        "r",
    ];
    let (code, _, error) = meshfault(dir.path(), &run);
    assert_eq!(code, 0, "{error}");
    let summary = json(&fs::read_to_string(dir.path().join("r/summary.json")).unwrap());
    for design in summary["designs"].as_array().unwrap() {
        let measures = &design["measures"];
        assert_eq!(measures["startup_latency_p50"]["n"], 5, "{design}");
        if design["name"] == "control" {
            assert_eq!(measures["unauthorized_any"]["estimate"], 0.0);
            assert_eq!(measures["wrongly_denied_any"]["estimate"], 0.0);
        }
    }
}

#[test]
fn a_copy_of_an_experiment_makes_the_same_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, error) = meshfault(dir.path(), &["new", "deep/copy", "--from", "one-istiod-of-three"]);
    assert_eq!(code, 0, "{error}");
    let digest = |experiment: &str, out: &str| {
        let run = ["run", experiment, "--replications=2", "--quiet", "--out", out];
        let (code, _, error) = meshfault(dir.path(), &run);
        assert_eq!(code, 0, "{error}");
        let manifest = std::fs::read_to_string(dir.path().join(out).join("manifest.json")).unwrap();
        json(&manifest)["result_digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        digest("one-istiod-of-three", "old"),
        digest("deep/copy/copy.yaml", "new")
    );
}

#[test]
fn schemas_are_printed() {
    let (code, out, _) = here(&["schema"]);
    assert_eq!(code, 0);
    assert_eq!(out, std::fs::read_to_string("schema/experiment.schema.json").unwrap());
    for document in ["experiment", "manifest.json", "summary.json"] {
        let (_, out, _) = here(&["schema", document]);
        assert_eq!(
            json(&out)["$schema"],
            "https://json-schema.org/draft/2020-12/schema",
            "{document}"
        );
    }
}

#[test]
fn shells_complete_and_pages_are_written() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let (code, out, _) = here(&["completions", shell]);
        assert!(
            code == 0 && out.contains("meshfault") && out.contains("params") && out.contains("diff"),
            "{shell}"
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let (code, out, _) = meshfault(dir.path(), &["man"]);
    assert!(code == 0 && out.contains(".TH meshfault 1"), "{out}");
    assert_eq!(meshfault(dir.path(), &["man", "--out", "pages"]).0, 0);
    let page = std::fs::read_to_string(dir.path().join("pages/meshfault-params.1")).unwrap();
    assert!(page.contains("diff"), "{page}");
    assert!(dir.path().join("pages/meshfault.1").is_file());
}
