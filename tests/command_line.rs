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
