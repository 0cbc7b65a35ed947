//! What a file system does to a result: full, read-only, damaged, or holding something else. Nothing is lost.

use std::fs;
use std::path::Path;

use super::support::{assert_equal, errors, fine, json, refused, run, segments};

const REPLICATIONS: [&str; 4] = ["--replications", "20", "--jobs", "1"];

#[test]
fn what_cannot_be_written_is_an_error_that_loses_nothing() {
    let root = tempfile::tempdir().unwrap();
    let root = &root.path().canonicalize().unwrap();
    let (whole, dir) = (root.join("whole"), root.join("out"));
    fine(&mut run(&whole, &REPLICATIONS));
    let mut told = String::new();
    // A folder in place of an unfinished file cannot be replaced: behind a segment, a table, the estimates, and the page.
    for (what, name) in [
        ("a segment", "segments/batch-000007-design-001.rows.unfinished"),
        ("a table", "pods.parquet.unfinished"),
        ("the estimates", "summary.json.unfinished"),
        ("the page", "summary.md.unfinished"),
    ] {
        fs::create_dir_all(dir.join(name)).unwrap();
        let mut command = run(&dir, &REPLICATIONS);
        if what != "a segment" {
            command.arg("--resume");
        }
        told.push_str(&format!("{what}: {}\n", refused(&mut command, root)));
        let kept = segments(&dir).len();
        if what != "the page" {
            assert_eq!(json(&dir.join("manifest.json"))["complete"], false);
            assert!(kept >= 22, "{what}: {kept} segments are kept");
        }
        fs::remove_dir(dir.join(name)).unwrap();
    }
    fine(&mut run(&dir, &REPLICATIONS));
    assert_equal(&whole, &dir);
    insta::assert_snapshot!(told);
}

/// The limit on files ends a process by a signal unless that is caught.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_may_not_grow_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("out");
    let program = run(&dir, &REPLICATIONS);
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "ulimit -f 4; exec \"$0\" \"$@\""])
        .arg(program.get_program());
    let message = refused(limited.args(program.get_args()), root.path());
    assert!(message.contains("cannot write: File too large"), "{message}");
    assert!(message.contains("make room, then go on with --resume"), "{message}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_cannot_be_written_to_is_an_error() {
    // No user, not even root, may make a folder there.
    let message = refused(
        &mut run(Path::new("/sys/meshfault-result"), &REPLICATIONS),
        Path::new("/nowhere"),
    );
    assert!(message.contains("/sys/meshfault-result: cannot create"), "{message}");
    assert!(
        message.contains("choose a folder that can be written to with --out"),
        "{message}"
    );
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "mine").unwrap();
    let message = refused(&mut run(&file.join("below"), &REPLICATIONS), root.path());
    assert!(
        message.contains("/file/below: cannot create") && message.contains("--out"),
        "{message}"
    );
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn damaged_segments_are_told_and_made_again() {
    let root = tempfile::tempdir().unwrap();
    let (whole, dir) = (root.path().join("whole"), root.path().join("damaged"));
    fine(&mut run(&whole, &REPLICATIONS));
    let mut child = run(&dir, &REPLICATIONS).spawn().unwrap();
    while segments(&dir).len() < 12 && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = segments(&dir);
    assert!((12..60).contains(&kept.len()));
    let mut bytes = fs::read(&kept[3]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&kept[3], &bytes).unwrap();
    fs::write(&kept[5], &bytes[..middle]).unwrap();
    fs::write(&kept[7], b"").unwrap();
    // A sound segment in the place of another one.
    fs::copy(&kept[0], &kept[9]).unwrap();
    let output = run(&dir, &REPLICATIONS).arg("--resume").output().unwrap();
    let told = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for (number, reason) in [
        (3, "the checksum is wrong"),
        (5, "the checksum is wrong"),
        (7, "the segment is too short"),
        (9, "the segment holds another batch"),
    ] {
        let line = format!("{}: damaged: {reason}", kept[number].display());
        assert!(told.contains(&line), "{line} is not in\n{told}");
    }
    let info = json(&dir.join("run-info.json"));
    assert_eq!(info["segments_made_again"].as_array().unwrap().len(), 4);
    assert_eq!(info["runs"].as_u64().unwrap(), 60 - kept.len() as u64 + 4);
    assert_equal(&whole, &dir);
}

#[test]
fn what_lies_there_already_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let root = &root.path().canonicalize().unwrap();
    let dir = root.join("out");
    let mut told = String::new();
    let mut tell = |what: &str, message: String| told.push_str(&format!("{what}: {message}\n"));
    tell(
        "nothing to go on with",
        refused(run(&dir, &REPLICATIONS).arg("--resume"), root),
    );
    assert!(!dir.exists());
    fine(&mut run(&dir, &REPLICATIONS));
    let before = super::support::result(&dir);
    tell(
        "another seed",
        refused(run(&dir, &REPLICATIONS).args(["--seed", "9"]), root),
    );
    tell(
        "a shard",
        refused(run(&dir, &REPLICATIONS).args(["--shard", "1/2"]), root),
    );
    tell(
        "more replications",
        refused(run(&dir, &["--replications", "21"]).arg("--resume"), root),
    );
    assert!(before == super::support::result(&dir), "a refusal changed the result");
    fs::write(dir.join("thesis.txt"), "mine").unwrap();
    tell("foreign files", refused(run(&dir, &REPLICATIONS).arg("--fresh"), root));
    assert!(before == super::support::result(&dir) && dir.join("thesis.txt").exists());
    fs::remove_file(dir.join("thesis.txt")).unwrap();
    let pods = fs::read(dir.join("pods.parquet")).unwrap();
    fs::write(dir.join("pods.parquet"), &pods[..pods.len() - 9]).unwrap();
    tell("a table cut off", refused(&mut run(&dir, &REPLICATIONS), root));
    fine(run(&dir, &REPLICATIONS).arg("--fresh"));
    assert!(before == super::support::result(&dir));
    let mut manifest = json(&dir.join("manifest.json"));
    manifest["complete"] = false.into();
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    tell("unfinished", refused(&mut run(&dir, &REPLICATIONS), root));
    fs::write(dir.join("manifest.json"), "{").unwrap();
    tell("a manifest cut off", refused(&mut run(&dir, &REPLICATIONS), root));
    let told = regex::Regex::new("[0-9a-f]{12,}").unwrap().replace_all(&told, "DIGEST");
    insta::assert_snapshot!(told);
}
