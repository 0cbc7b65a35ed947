//! The real program on whether runs repeat, on ties, and on runs that fail.

use std::path::Path;

use assert_cmd::Command;

/// Runs the program in a folder; gives exit code, standard output and standard error.
fn meshfault(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("meshfault").unwrap();
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

const VERIFY: [&str; 5] = ["verify", "ip-reuse", "--design", "vxlan", "--replications=3"];
const RUN: [&str; 6] = ["run", "ip-reuse", "--design", "vxlan", "--replications=3", "--quiet"];
/// A change of the model that shows in the first seconds of a run.
const OTHER: [&str; 2] = ["--set", "parameters.kubernetes.watch_latency={constant: 5ms}"];

#[test]
fn runs_repeat_and_another_build_is_compared_with_their_ladders() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, _) = meshfault(dir.path(), &[&VERIFY[..], &["--out", "there", "--jobs=2"]].concat());
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("every event, every drawn number and every row is equal"),
        "{out}"
    );
    assert!(
        out.contains("no stream belongs to two addresses") && out.contains("Ties      permuted"),
        "{out}"
    );

    let against = ["--against", "there"];
    let (code, out, _) = meshfault(dir.path(), &[&VERIFY[..], &against].concat());
    assert!(code == 0 && out.contains("3 runs compared, 0 differ"), "{out}");

    let (code, out, _) = meshfault(dir.path(), &[&VERIFY[..], &against, &OTHER].concat());
    assert_eq!(code, 4, "{out}");
    assert!(
        out.contains("OTHER INPUTS") && out.contains("3 runs compared, 3 differ"),
        "{out}"
    );
    assert!(
        out.contains("components that differ: ") && out.contains("this build's events there:"),
        "{out}"
    );

    let told = [&VERIFY[..], &against, &OTHER, &["--format", "json"]].concat();
    let (_, out, _) = meshfault(dir.path(), &told);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    let interval = &report["against"]["differing"][0]["interval"];
    let number = |name: &str| interval[name].as_u64().unwrap();
    let events = interval["events"].as_array().unwrap();
    assert_eq!(events.len() as u64, number("to_event") - number("after_event"));
    assert_eq!(events[0]["number"].as_u64().unwrap(), number("after_event") + 1);
}

#[test]
fn an_ordinary_result_is_compared_by_whole_runs_and_nothing_is_no_reference() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, error) = meshfault(dir.path(), &[&RUN[..], &["--out", "result"]].concat());
    assert_eq!(code, 0, "{error}");
    let against = ["--against", "result"];
    let (code, out, _) = meshfault(dir.path(), &[&VERIFY[..], &against].concat());
    assert!(code == 0 && out.contains("3 runs compared, 0 differ"), "{out}");
    let (code, out, _) = meshfault(dir.path(), &[&VERIFY[..], &against, &OTHER].concat());
    assert!(
        code == 4 && out.contains("vxlan, replication 0: ") && out.contains("whole runs only"),
        "{out}"
    );

    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let (code, out, error) = meshfault(dir.path(), &[&VERIFY[..], &["--against", "empty"]].concat());
    assert!(
        code == 2 && out.is_empty() && error.contains("neither fingerprints.json nor a result"),
        "{error}"
    );
    let (code, _, error) = meshfault(dir.path(), &[&VERIFY[..], &against, &["--seed", "2"]].concat());
    assert!(code == 2 && error.contains("with seed 1"), "{error}");
}

#[test]
fn ties_broken_otherwise_give_the_same_rows_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let digest = |out: &str, more: &[&str]| {
        let (code, _, error) = meshfault(dir.path(), &[&RUN[..], &["--out", out], more].concat());
        assert_eq!(code, 0, "{error}");
        let manifest = json(&dir.path().join(out).join("manifest.json"));
        let text = |key: &str| manifest[key].as_str().unwrap().to_owned();
        (text("tie_order"), text("result_digest"))
    };
    // Latencies on a grid, so that components act at the same instant.
    let grid: Vec<String> = [
        "api_write",
        "watch",
        "controller_sync",
        "scheduling",
        "pod_setup",
        "sandbox",
        "container_start",
    ]
    .iter()
    .map(|name| format!("--set=parameters.kubernetes.{name}_latency={{constant: 10ms}}"))
    .collect();
    let grid: Vec<&str> = grid.iter().map(String::as_str).collect();
    let permuted = [&grid[..], &["--set", "tie_order=permuted"]].concat();
    let (order, one) = digest("one", &[&permuted[..], &["--jobs=1"]].concat());
    assert_eq!(order, "permuted");
    for jobs in ["--jobs=2", "--jobs=8"] {
        assert_eq!(digest(&jobs[2..], &[&permuted[..], &[jobs]].concat()).1, one);
    }
    let (order, ranked) = digest("ranked", &grid);
    assert!(order == "ranked" && ranked != one);

    let wrong = [&RUN[..], &["--set", "tie_order=permutted"]].concat();
    let (code, _, error) = meshfault(dir.path(), &wrong);
    assert!(
        code == 2 && error.contains("unknown order of ties") && error.contains("did you mean `permuted`"),
        "{error}"
    );
}

#[test]
fn a_run_that_exceeds_a_limit_is_a_stored_failure_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, _) = meshfault(dir.path(), &[&VERIFY[..], &["--out", "sizes"]].concat());
    assert_eq!(code, 0);
    let sizes = json(&dir.path().join("sizes/fingerprints.json"));
    let events: Vec<u64> = sizes["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["events"].as_u64().unwrap())
        .collect();
    // The shortest run stays within the limit, the others do not.
    let shortest = *events.iter().min().unwrap();
    let failing = events.iter().filter(|size| **size > shortest).count();
    let first = events.iter().position(|size| *size > shortest).unwrap();
    let limit = format!("limits.events_max={shortest}");
    let arguments = [&RUN[..], &["--out", "limited", "--set", &limit]].concat();
    let (code, out, error) = meshfault(dir.path(), &arguments);
    assert_eq!(code, 4, "{error}");
    let warning = format!("{failing} of 3 runs failed");
    assert!(out.contains(&warning), "{out}");
    let limited = dir.path().join("limited");
    let summary = json(&limited.join("summary.json"));
    assert_eq!(summary["designs"][0]["failed"].as_u64(), Some(failing as u64));
    let page = std::fs::read_to_string(limited.join("summary.md")).unwrap();
    assert!(
        page.contains(&warning) && page.contains(&format!("more than {shortest} events")),
        "{page}"
    );
    let replay = format!("meshfault explain ip-reuse --design vxlan --replication {first} --set {limit}");
    assert!(page.contains(&replay), "{page}");
    // The command that the page names explains the failure.
    let words: Vec<&str> = replay.split(' ').skip(1).collect();
    let (code, story, _) = meshfault(dir.path(), &words);
    assert!(
        code == 4 && story.contains(&format!("more than {shortest} events")),
        "{story}"
    );
    // And verify says that it fails in the same way each time.
    let (code, out, _) = meshfault(dir.path(), &[&VERIFY[..], &["--set", &limit]].concat());
    assert!(
        code == 4 && out.contains("every event") && out.contains("runs FAILED"),
        "{out}"
    );
}

#[test]
fn every_other_limit_can_be_set_and_a_limit_of_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (limit, reason) in [
        ("limits.pending_max=2", "more than 2 pending events"),
        ("limits.events_per_instant_max=1", "more than 1 events at one instant"),
    ] {
        let arguments = [&RUN[..], &["--out", limit, "--set", limit]].concat();
        let (code, out, _) = meshfault(dir.path(), &arguments);
        assert!(code == 4 && out.contains("3 of 3 runs failed"), "{out}");
        let page = std::fs::read_to_string(dir.path().join(limit).join("summary.md")).unwrap();
        assert!(page.contains(reason), "{page}");
    }
    let (code, _, error) = meshfault(dir.path(), &[&RUN[..], &["--set", "limits.memory_max_mib=0"]].concat());
    assert!(code == 2 && error.contains("`0` is not a valid limit"), "{error}");
    let (code, _, error) = meshfault(dir.path(), &[&RUN[..], &["--set", "limits.event_max=5"]].concat());
    assert!(code == 2 && error.contains("limits.events_max"), "{error}");
}
