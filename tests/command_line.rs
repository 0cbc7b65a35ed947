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

#[test]
fn a_picture_of_an_unknown_kind_is_refused() {
    let message = refused(&["explain", "--replication", "1", "--timeline", "run.jpeg"]);
    assert!(message.contains("run.jpeg") && message.contains(".png"), "{message}");
}
