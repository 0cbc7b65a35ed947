//! The real program: what it says and gives back when it is used wrongly.

use assert_cmd::Command;

fn refused(arguments: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("meshfault").unwrap();
    let output = command.args(arguments).current_dir(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert!(left.is_empty(), "{arguments:?} left {left:?} behind");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_negative_number_of_replications_is_refused() {
    let message = refused(&["run", "--replications", "-5"]);
    assert!(
        message.contains("-5") && message.contains("--replications"),
        "{message}"
    );
    assert!(message.contains("whole number of at least 1"), "{message}");
}

#[test]
fn an_absent_experiment_is_refused() {
    assert!(refused(&["run", "no-such-file.yaml"]).contains("no-such-file.yaml"));
}

#[test]
fn an_unknown_flag_is_refused() {
    assert!(refused(&["run", "--replicatons", "5"]).contains("--replications"));
}

#[test]
fn a_run_in_a_pipe_reports_its_end_without_a_bar_and_a_second_one_is_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut command = Command::cargo_bin("meshfault").unwrap();
        let arguments = [
            "run",
            "ip-reuse",
            "--design",
            "vxlan",
            "--replications",
            "3",
            "--out",
            "r",
        ];
        let output = command
            .args(arguments)
            .args(more)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (out, error) = run(&[]);
    let lines: Vec<&str> = error.lines().collect();
    let [line] = lines.as_slice() else { panic!("{error}") };
    assert!(
        line.starts_with("Finished 3 runs in ") && line.ends_with(" s"),
        "{error}"
    );
    assert!(
        out.ends_with("\nResult: r/report.html\n") && !out.contains(['\r', '\u{1b}']),
        "{out}"
    );
    let (out, error) = run(&[]);
    assert!(out.ends_with("\nUp to date: r/report.html\n"), "{out}");
    assert_eq!(error, "");
    assert_eq!(run(&["--fresh", "--quiet"]).1, "");
}

#[test]
fn help_and_version_are_no_errors() {
    for argument in ["--help", "--version"] {
        Command::cargo_bin("meshfault").unwrap().arg(argument).assert().code(0);
    }
}

#[test]
fn a_run_is_told_the_same_every_time() {
    let told = || {
        let mut command = Command::cargo_bin("meshfault").unwrap();
        let arguments = [
            "explain",
            "ip-reuse",
            "--design",
            "native-routing",
            "--replication",
            "2000",
        ];
        let output = command.args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = told();
    assert!(first.contains("meshfault explain ip-reuse --design native-routing --replication 2000"));
    assert_eq!(first, told());
}

#[test]
fn a_story_is_json_too_and_draws_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("timeline.svg");
    let mut command = Command::cargo_bin("meshfault").unwrap();
    let arguments = [
        "explain",
        "ip-reuse",
        "--replication",
        "0",
        "--events",
        "--format",
        "json",
    ];
    let output = command.args(arguments).arg("--timeline").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let story: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for part in ["run", "story", "pods", "accesses", "exposures", "events"] {
        assert!(!story[part].is_null(), "{part}");
    }
    assert!(std::fs::read_to_string(file).unwrap().starts_with("<svg"));
}

#[test]
fn an_unknown_design_gets_a_near_match() {
    let message = refused(&["explain", "ip-reuse", "--design", "native-ruting", "--replication", "1"]);
    assert!(
        message.contains("native-ruting") && message.contains("native-routing"),
        "{message}"
    );
}

/// Whatever has a name is found again if it is misspelled, by one rule.
#[test]
fn whatever_can_be_misspelled_gets_a_near_match() {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/policy-shap");
    let cases: [(&[&str], &str); 16] = [
        (&["rnu"], "'run'"),
        (&["list", "experiment"], "'experiments'"),
        (&["run", "istiod-cut-of"], "`istiod-cut-off`"),
        (&["explain", "ip-reus", "-r", "1"], "`ip-reuse`"),
        (&["new", "x", "--from", "mechanism"], "`mechanisms`"),
        (&["check", "one-istiod-of-tree.yaml"], "`one-istiod-of-three`"),
        (&["run", "ip-reuse", "-d", "vxla"], "`vxlan`"),
        (
            &["params", "cilium-only", "--diff", "cilium-istio"],
            "`cilium-istio-1.14`",
        ),
        (&["params", "control", "kubernets"], "`kubernetes.`"),
        (&["run", "ip-reuse", "-s", "cluster.node=3"], "`cluster.nodes`"),
        (&["run", "ip-reuse", "-s", "faults.cut-nod.for=3s"], "`cut-node`"),
        (&["explain", "ip-reuse", "--first", "unauthorised"], "`unauthorized`"),
        (&["explain", "ip-reuse", "--worst", "startup"], "`startup_latency`"),
        (&["report", "r", "--figure", "startup"], "`startup_distribution`"),
        (&["schema", "summary"], "'summary.json'"),
        (&["policy", "--manifests", manifests], "/tests/fixtures/policy-shop`"),
    ];
    for (arguments, near) in cases {
        let message = refused(arguments);
        let joined = message.replace(['\n', ' ', '│'], "");
        assert!(joined.contains(near), "{arguments:?} {near}: {message}");
    }
}

/// The help of every command is narrow, and in the words of the field.
#[test]
fn help_is_plain_english_and_narrow() {
    let help = |arguments: &[&str]| {
        let output = Command::cargo_bin("meshfault")
            .unwrap()
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let top = help(&["--help"]);
    let is_command = |line: &&str| line.starts_with("  ") && !line.trim_start().starts_with('-');
    let commands: Vec<&str> = top
        .lines()
        .filter(is_command)
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(commands.len(), 16, "{top}");
    let replaced = [
        "wish",
        "misfortune",
        "law",
        "laws",
        "landing",
        "hang",
        "hangs",
        "tell",
        "tells",
        "told",
        "say",
        "says",
        "said",
        "somebody",
        "nobody",
        "wanted",
        "given",
        "besides",
        "anew",
        "colour",
        "colours",
        "stands",
        "lies",
        "people",
    ];
    for command in commands.into_iter().filter(|command| *command != "help") {
        let help = help(&[command, "--help"]);
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        let mut words = help.split(|c: char| !c.is_alphanumeric());
        let found = words.find(|word| replaced.contains(&word.to_lowercase().as_str()));
        assert_eq!(found, None, "{command}: {help}");
    }
}

#[test]
fn a_picture_of_an_unknown_kind_is_refused() {
    let message = refused(&["explain", "--replication", "1", "--timeline", "run.jpeg"]);
    assert!(message.contains("run.jpeg") && message.contains(".png"), "{message}");
}
