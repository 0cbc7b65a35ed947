//! A small experiment, the program that runs it, and what lies in result folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Files that are equal, byte for byte, however a result was made.
pub const EQUAL: [&str; 9] = [
    "manifest.json",
    "runs.parquet",
    "pods.parquet",
    "accesses.parquet",
    "exposures.parquet",
    "edges.parquet",
    "flows.parquet",
    "summary.json",
    "summary.md",
];

/// Three designs, the second of which is the interesting one.
pub const DESIGNS: [&str; 6] = ["--design", "native-routing", "--design", "vxlan", "--design", "control"];

/// The program with these arguments.
pub fn meshfault(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshfault"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// `run` of the small experiment into `out`.
pub fn run(out: &Path, arguments: &[&str]) -> Command {
    let mut command = meshfault(&["run", "ip-reuse", "--quiet"]);
    command.args(DESIGNS).args(arguments).arg("--out").arg(out);
    command
}

/// What the program says if all goes well.
pub fn fine(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{command:?}\n{}", errors(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What the program complains about and advises, with `root` left out of it.
///
/// Taken from its last event, because lines for users are broken where they are full; users see the warning as well.
pub fn refused(command: &mut Command, root: &Path) -> String {
    let output = command.args(["--format", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{command:?}\n{}", errors(&output));
    let events = String::from_utf8(output.stdout.clone()).unwrap();
    let last: serde_json::Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["exit_code"]), (&"failed".into(), &2.into()));
    let (message, hint) = (last["message"].as_str().unwrap(), last["hint"].as_str().unwrap());
    assert!(errors(&output).contains(hint.split(' ').next().unwrap()));
    format!("{message}\n  hint: {hint}").replace(&root.display().to_string(), "")
}

/// What stands on the error stream.
pub fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The bytes of the files that shall be equal.
pub fn result(dir: &Path) -> Vec<(&'static str, Vec<u8>)> {
    EQUAL
        .into_iter()
        .map(|name| (name, fs::read(dir.join(name)).unwrap()))
        .collect()
}

/// Fails with the names of files that differ.
#[track_caller]
pub fn assert_equal(a: &Path, b: &Path) {
    let differ = result(a).into_iter().zip(result(b)).filter(|(a, b)| a != b);
    let names: Vec<_> = differ.map(|(a, _)| a.0).collect();
    assert!(
        names.is_empty(),
        "{names:?} of {} and {} differ",
        a.display(),
        b.display()
    );
}

/// A JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The segments in a result folder by name; those that are being written are no segments.
pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir.join("segments")) else {
        return Vec::new();
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut segments: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "rows"))
        .collect();
    segments.sort();
    segments
}
