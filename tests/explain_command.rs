//! The real program on choosing a run out of a result, on the forms of a story, and on traces.

use std::path::Path;

use assert_cmd::Command;

/// Runs the program in a folder; gives exit code, standard output and standard error.
fn meshfault(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("meshfault").unwrap();
    let output = command.args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn first_and_worst_choose_the_run_out_of_a_result() {
    let dir = tempfile::tempdir().unwrap();
    let run = ["run", "ip-reuse", "--replications=6", "--quiet"];
    let (code, _, error) = meshfault(dir.path(), &run);
    assert_eq!(code, 0, "{error}");
    let folder = std::fs::read_dir(dir.path().join("out"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let folder = format!("out/{}", folder.file_name().display());

    // From the folder: the command that the story names explains the same run without the result.
    let quick = ["--no-counterfactuals", "--format", "json"];
    let first = [&["explain", "--first", "unauthorized", folder.as_str()], &quick[..]].concat();
    let (code, out, error) = meshfault(dir.path(), &first);
    assert_eq!(code, 0, "{error}");
    let story = json(&out);
    assert_eq!(story["schema"], "meshfault-explain-v3");
    let chosen = story["chosen"].as_str().unwrap();
    assert!(
        chosen.contains(&folder) && chosen.contains("with `unauthorized`"),
        "{chosen}"
    );
    let subject = &story["causes"][0]["chain"]["subject"];
    assert_eq!(
        (&subject["kind"], &subject["access"]["class"]),
        (&"access".into(), &"unauthorized".into())
    );
    assert!(story["causes"][0].get("what_if").is_none());
    let design = story["design"].as_str().unwrap();
    let replication = story["replication"].as_u64().unwrap();
    // No earlier run of that design has one.
    for earlier in 0..replication {
        let number = earlier.to_string();
        let arguments = [
            &["explain", "ip-reuse", "--design", design, "--replication", &number],
            &quick[..],
        ]
        .concat();
        let (_, out, _) = meshfault(dir.path(), &arguments);
        assert!(
            !out.contains("\"class\": \"unauthorized\",\n      \"cause\""),
            "run {earlier}"
        );
    }
    let command: Vec<&str> = story["command"].as_str().unwrap().split(' ').skip(1).collect();
    let (code, again, _) = meshfault(dir.path(), &[&command[..], &quick[..]].concat());
    assert_eq!(code, 0);
    assert_eq!(json(&again)["run"], story["run"]);

    // By the experiment: the folder where `run` puts it.
    let by_name = [
        "explain",
        "ip-reuse",
        "--set",
        "replications=6",
        "--first",
        "unauthorized",
    ];
    let (code, out, error) = meshfault(dir.path(), &[&by_name[..], &quick[..]].concat());
    assert_eq!(code, 0, "{error}");
    assert_eq!(json(&out)["run"], story["run"]);

    let worst = [
        "explain",
        "--worst",
        "startup_latency",
        folder.as_str(),
        "--design",
        "native-routing",
    ];
    let (code, out, error) = meshfault(dir.path(), &[&worst[..], &["--no-counterfactuals"]].concat());
    assert_eq!(code, 0, "{error}");
    let line = in_one_line(&out);
    assert!(
        line.contains("by `startup_latency`, with ") && line.contains("of the design native-routing"),
        "{out}"
    );
    // The pod is explained although it was not slow by the threshold of the experiment.
    let pod = line.split(", pod ").nth(1).unwrap().split(';').next().unwrap();
    assert!(line.contains(&format!("{pod} was ready ")), "{out}");
    let worst = ["explain", "--worst", "exposure", folder.as_str()];
    let (code, out, _) = meshfault(dir.path(), &[&worst[..], &quick[..]].concat());
    let story = json(&out);
    assert_eq!(
        (code, &story["causes"][0]["chain"]["subject"]["kind"]),
        (0, &"exposure".into())
    );
}

#[test]
fn what_cannot_be_chosen_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (code, out, error) = meshfault(dir.path(), &["explain", "--first", "unauthorised"]);
    assert!(
        code == 2 && out.is_empty() && error.contains("did you mean `unauthorized`"),
        "{error}"
    );
    let (code, _, error) = meshfault(dir.path(), &["explain", "--worst", "startup_latensy"]);
    assert!(code == 2 && error.contains("did you mean `startup_latency`"), "{error}");
    let (code, _, error) = meshfault(dir.path(), &["explain", "ip-reuse", "--first", "unauthorized"]);
    assert!(
        code == 2
            && error.contains("has no result")
            && error.contains("out/ip-reuse-")
            && error.contains("meshfault run"),
        "{error}"
    );
    // A misspelled design is told first, with and without a choice of runs.
    for which in [&["--first", "unauthorized"][..], &[]] {
        let arguments = [&["explain", "ip-reuse", "--design", "vxlam"], which].concat();
        let (code, _, error) = meshfault(dir.path(), &arguments);
        assert!(
            code == 2 && error.contains("no design `vxlam`") && error.contains("`vxlan`"),
            "{error}"
        );
    }
    let (code, _, error) = meshfault(
        dir.path(),
        &["explain", "ip-reuse", "--first", "failed", "--replication", "3"],
    );
    assert!(code == 2 && error.contains("cannot be used with"), "{error}");

    let run = [
        "run",
        "ip-reuse",
        "--design",
        "control",
        "--replications=2",
        "--quiet",
        "--out",
        "result",
    ];
    assert_eq!(meshfault(dir.path(), &run).0, 0);
    let none = ["explain", "--first", "mesh_bypassed", "result"];
    let (code, out, error) = meshfault(dir.path(), &none);
    assert!(code == 2 && out.is_empty() && error.contains("no run of"), "{error}");
    // Another experiment is not the one of the result.
    let other = [
        "explain",
        "mechanisms",
        "--results",
        "result",
        "--first",
        "demonstrated",
    ];
    let (code, _, error) = meshfault(dir.path(), &other);
    assert!(code == 2 && error.contains("has the same inputs"), "{error}");
}

#[test]
fn what_would_have_prevented_it_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let breach = [
        "explain",
        "ip-reuse",
        "--design",
        "vxlan-wireguard-1.12",
        "--replication",
        "0",
    ];
    let (code, out, error) = meshfault(dir.path(), &[&breach[..], &["--format", "json"]].concat());
    assert_eq!(code, 0, "{error}");
    let story = json(&out);
    let cause = &story["causes"][0];
    let bound = &cause["what_if"]["repairs"][0]["bound"];
    assert_eq!(bound["kind"], "found");
    let command = cause["commands"][0]["command"].as_str().unwrap();
    assert!(command.contains("--set faults.cut-node.for="), "{command}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let (code, out, error) = meshfault(
        dir.path(),
        &[&words[..], &["--no-counterfactuals", "--format", "json"]].concat(),
    );
    assert_eq!(code, 0, "{error}");
    let classes: Vec<String> = json(&out)["accesses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|access| access["class"].as_str().unwrap().to_owned())
        .collect();
    assert!(!classes.contains(&"unauthorized".to_owned()), "{classes:?}");
}

#[test]
fn a_run_is_a_diagram_and_a_trace() {
    let dir = tempfile::tempdir().unwrap();
    let run = ["explain", "ip-reuse", "--replication", "0"];
    let mermaid = [&run[..], &["--format", "mermaid"]].concat();
    let (code, out, _) = meshfault(dir.path(), &mermaid);
    assert!(code == 0 && out.starts_with("sequenceDiagram\n"), "{out}");
    let trace = |more: &[&str]| {
        let arguments = [&run[..], &["--no-counterfactuals", "--trace", "trace.json"], more].concat();
        let (code, _, error) = meshfault(dir.path(), &arguments);
        let file = std::fs::read_to_string(dir.path().join("trace.json")).unwrap_or_default();
        (code, file, error)
    };
    let (code, whole, error) = trace(&[]);
    assert!(code == 0 && error.is_empty(), "{error}");
    assert_eq!(trace(&[]).1, whole);
    let events = json(&whole)["traceEvents"].as_array().unwrap().len();
    assert!(events > 1000);
    let (code, part, error) = trace(&["--trace-only", "worker-2", "--trace-from", "60", "--trace-to", "120s"]);
    assert!(code == 0 && error.is_empty() && part.len() < whole.len(), "{error}");
    let (code, _, error) = trace(&["--trace-max", "100"]);
    assert!(
        code == 0 && error.contains("left out") && error.contains("--trace-only"),
        "{error}"
    );
    let (code, _, error) = trace(&["--trace-only", "worker-22"]);
    assert!(
        code == 2 && error.contains("worker-22") && error.contains("did you mean"),
        "{error}"
    );
    let (code, _, error) = trace(&["--trace-from", "9", "--trace-to", "3"]);
    assert!(code == 2 && error.contains("--trace-from"), "{error}");
}

#[test]
fn without_a_number_the_run_is_one_in_which_something_happened() {
    let dir = tempfile::tempdir().unwrap();
    let quick = ["--no-counterfactuals", "--format", "json"];
    let told = |arguments: &[&str]| {
        let (code, out, error) = meshfault(dir.path(), &[&["explain"], arguments, &quick[..]].concat());
        assert_eq!(code, 0, "{error}");
        json(&out)
    };
    // The first run of the design with a breach, as the rows of a result have it.
    let breach = told(&["ip-reuse", "--design", "native-routing"]);
    let chosen = breach["chosen"].as_str().unwrap();
    assert!(chosen.contains("the first with an unauthorized access"), "{chosen}");
    assert_eq!(
        breach["causes"][0]["chain"]["subject"]["access"]["class"],
        "unauthorized"
    );
    // Without one, the run with the slowest pod: none of the first fifty has a slower one.
    let slow = told(&["one-istiod-of-three", "--design", "drop-redraw"]);
    let chosen = slow["chosen"].as_str().unwrap();
    assert!(
        chosen.contains("the one of the first 50 runs with the slowest pod, "),
        "{chosen}"
    );
    let run = [
        "run",
        "one-istiod-of-three",
        "--design",
        "drop-redraw",
        "--replications=50",
        "--quiet",
    ];
    assert_eq!(meshfault(dir.path(), &run).0, 0);
    let folder = std::fs::read_dir(dir.path().join("out"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let folder = format!("out/{}", folder.file_name().display());
    let worst = told(&["--worst", "startup_latency", &folder]);
    assert_eq!(slow["replication"], worst["replication"]);
    // A number is taken as it is, and needs no reason.
    let named = told(&["ip-reuse", "--design", "native-routing", "-r", "0"]);
    assert!(
        named.get("chosen").is_none_or(serde_json::Value::is_null),
        "{}",
        named["chosen"]
    );
}
